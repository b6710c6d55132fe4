"""What both ends of the wire share: its names, the port to a broker, and how to take, ask and answer over it."""
