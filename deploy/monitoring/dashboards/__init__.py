"""The dashboards: one module each, whose `board()` makes it."""
