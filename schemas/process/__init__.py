"""What processes on the wire have alike: their log, health and figures over HTTP, calls that are answered in groups."""
