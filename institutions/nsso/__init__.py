"""The NSSO (12-0): it takes what employers declare, keeps it, answers, and tells the network. docs/declarations.md."""
