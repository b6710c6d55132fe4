"""`crossroads demo`: real traffic, each answer held against an oracle, the whole against the journal."""
