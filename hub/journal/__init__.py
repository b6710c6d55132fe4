"""The journal: what the hub decided and what it told, committed before anything leaves (docs/journal.md)."""

from hub.journal.acts import OPERATOR, Act, ActError, Deed, note
from hub.journal.entry import (
    CHANGE,
    CONSULTATION,
    Decision,
    Ended,
    Entry,
    OtherContent,
    Outcome,
    Recorded,
    Repeat,
    Summary,
    Told,
)
from hub.journal.journal import Journal, JournalRefusedError, JournalUnavailableError
from hub.journal.keys import PersonKey, PersonKeyError, PersonKeys

__all__ = [
    "CHANGE",
    "CONSULTATION",
    "OPERATOR",
    "Act",
    "ActError",
    "Decision",
    "Deed",
    "Ended",
    "Entry",
    "Journal",
    "JournalRefusedError",
    "JournalUnavailableError",
    "OtherContent",
    "Outcome",
    "PersonKey",
    "PersonKeyError",
    "PersonKeys",
    "Recorded",
    "Repeat",
    "Summary",
    "Told",
    "note",
]
