"""Harmonised social statuses: institution 25-1, its buffer, and what follows from it. docs/statuses.md."""
