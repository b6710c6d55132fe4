"""`hub.dead` for the operators: what could not be answered, masked, handed in again, dropped (docs/operators.md)."""
