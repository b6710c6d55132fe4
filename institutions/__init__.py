"""The edge: what an institution's team writes to ask the hub and to supply what others ask (docs/institutions.md)."""

from institutions.answer import Answer, Part
from institutions.database import Database
from institutions.errors import (
    AskingError,
    InstitutionError,
    InvalidRequest,
    LotDiffers,
    LotRefused,
    NoAnswer,
    NotAllowed,
    NotOpen,
    OverLimit,
    UnknownService,
    Unreachable,
    UnreadableAnswer,
)
from institutions.inbox import Inbox, MemoryInbox, PostgresInbox
from institutions.institution import Institution
from institutions.outbox import Entry, MemoryOutbox, Outbox, PostgresOutbox, Verdict
from institutions.question import Deceased, InvalidData, Question, Raw, UnknownSsin
from institutions.word import Missed, Unprocessable, Word

__all__ = [
    "Answer",
    "AskingError",
    "Database",
    "Deceased",
    "Entry",
    "Inbox",
    "Institution",
    "InstitutionError",
    "InvalidData",
    "InvalidRequest",
    "LotDiffers",
    "LotRefused",
    "MemoryInbox",
    "MemoryOutbox",
    "Missed",
    "NoAnswer",
    "NotAllowed",
    "NotOpen",
    "Outbox",
    "OverLimit",
    "Part",
    "PostgresInbox",
    "PostgresOutbox",
    "Question",
    "Raw",
    "UnknownService",
    "UnknownSsin",
    "Unprocessable",
    "Unreachable",
    "UnreadableAnswer",
    "Verdict",
    "Word",
]
