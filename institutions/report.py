"""What an institution's team wants to know of what happened on its side. No value of any message is in it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

_log = logging.getLogger("crossroads.institutions")


What = Literal[
    "failed",  # our own code raised, or could not finish in time
    "invalid",  # what our code returned breaks the schema, or what the centre told does
    "late",  # nobody waited for it any more
    "wrong sender",  # a question or a word that is not the centre's
    "unreadable",  # an answer that is none
    "not taken",  # our own code raised at a word: it waits, and is tried again
    "unprocessable",  # our own code cannot take a word, for good
    "missed",  # a word that cannot be had any more: its place was passed over
    "cannot catch up",  # the hub does not tell what is missing
    "unclaimed",  # an answer that comes later, to what nobody here asked
    "nobody receives",  # a word of a service without a receiver, or not known here: it waits
]


@dataclass(frozen=True, slots=True)
class Report:
    """Something that went wrong with a question, an answer or a word, and was told the other side as well as it could
    be."""

    what: What
    institution: str
    service: str
    ticket_cbss: UUID | None = None
    #: An exception's type and place, or rules of the schema.
    why: str = ""


Reporter = Callable[[Report], None]


def log_report(report: Report) -> None:
    """Log it as a warning, with the standard library: the program around may have its own logging."""
    _log.warning(
        "%s: %s at %s (ticket %s)%s",
        report.what,
        report.service,
        report.institution,
        report.ticket_cbss or "unknown",
        f": {report.why}" if report.why else "",
    )
