"""Step 10: what a supplier sent, held against what was asked. A relay checks its members' answers by the same rules."""

from schemas.verification import Accepted, Rejected, to_tell, verify

__all__ = ["Accepted", "Rejected", "to_tell", "verify"]
