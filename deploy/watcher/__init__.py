"""The watcher: figures of what no process owns (docs/operators.md). It reads the broker's management API and the hub's
database, and changes nothing."""
