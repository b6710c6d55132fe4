"""The edge: what an institution's team writes to ask the hub and to supply what others ask (docs/institutions.md)."""

from institutions.answer import Answer, Part
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
from institutions.institution import Institution
from institutions.question import Deceased, InvalidData, Question, Raw, UnknownSsin
from institutions.word import Word

__all__ = [
    "Answer",
    "AskingError",
    "Deceased",
    "Institution",
    "InstitutionError",
    "InvalidData",
    "InvalidRequest",
    "LotDiffers",
    "LotRefused",
    "NoAnswer",
    "NotAllowed",
    "NotOpen",
    "OverLimit",
    "Part",
    "Question",
    "Raw",
    "UnknownService",
    "UnknownSsin",
    "Unreachable",
    "UnreadableAnswer",
    "Word",
]
