"""What came of an order to ask."""

import re
from collections import Counter
from dataclasses import dataclass, field

#: Where a prepared body has its ticket.
TICKET = b"00000000-0000-4000-8000-000000000000"
CODE = re.compile(rb"<(?:code|reasonCode)>([A-Z0-9]+)</")


@dataclass(slots=True)
class Result:
    """Counts and times of one party."""

    asked: int = 0
    #: Seconds that it took to ask them all.
    seconds: float = 0.0
    #: Milliseconds from when a request was due to its answer.
    latencies: list[float] = field(default_factory=list)
    #: Answers by code, and errors by name.
    ended: dict[str, int] = field(default_factory=Counter)
    #: The hub's tickets of what was answered; the askers' own of what was refused.
    answered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
