"""The relay of a managing institution, between its sector's secondary network and the hub: docs/relay.md."""
