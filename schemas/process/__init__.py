"""What every process on the wire tells of itself, in one way: its log, and its health and figures over HTTP."""
