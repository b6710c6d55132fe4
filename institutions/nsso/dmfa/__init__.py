"""DmfA: rules, what is kept of a quarter in all versions, updates. docs/declarations.md, "DmfA"."""
