"""Dimona: what it says, its rules, what becomes of it. docs/declarations.md, "A form, exactly"."""
