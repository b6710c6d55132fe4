"""The reference repertory: who is connected, who is known where, who holds what, who may have it, who is told."""
