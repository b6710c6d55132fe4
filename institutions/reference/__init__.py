"""The reference institutions: a synthetic population, and what each branch knows of it. Nobody in it exists."""
