"""What the reference suppliers know of a person, one module a branch; `data` chooses among them."""
