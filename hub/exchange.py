"""Step 1: is this a request, and from whom? A relay takes its members' requests by the same door."""

from schemas.wire.exchange import Received, Unanswerable, may_be_told, receive

__all__ = ["Received", "Unanswerable", "may_be_told", "receive"]
