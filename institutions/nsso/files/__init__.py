"""Senders' files: taken in slices, judged as a whole, handled form by form. docs/declarations.md, "Files"."""
