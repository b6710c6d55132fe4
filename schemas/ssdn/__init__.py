"""The SSDN envelope: the older one that clients in the field still send (docs/ssdn.md)."""
