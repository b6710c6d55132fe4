"""What an adapter is, and what they share."""

from dataclasses import dataclass, field
from typing import Protocol

from lxml import etree

from schemas.message import text_at
from schemas.ssdn.envelope import Envelope
from schemas.ssdn.reasons import Note


@dataclass(frozen=True, slots=True)
class Wrong:
    """The business request contradicts itself: what is told instead of the journey's own word for it (MSG00008)."""

    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Replied:
    """A business reply, and what is to be said besides how the journey ended."""

    business: etree._Element = field(repr=False)
    notes: tuple[Note, ...] = ()


class Adapter(Protocol):
    """One business request. `business` keeps to the schema, and has no empty elements."""

    #: File in `schemas/xsd/ssdn`.
    schema: str

    def action(self, business: etree._Element) -> str:
        """Which of the services under this ServiceId is asked (`action` of `[ssdn]`); empty: there is one."""
        ...

    def criteria(self, business: etree._Element, language: str) -> etree._Element | Wrong:
        """`criteria` of the Common V3 request."""
        ...

    def reply(self, business: etree._Element, envelope: Envelope, answer: etree._Element) -> Replied:
        """What an answer that is no refusal (DATA_FOUND, NO_DATA_FOUND, INCOMPLETE_DATA) becomes."""
        ...


def element(name: str, *content: "str | etree._Element | None") -> etree._Element:
    """An element of these children, or with this text; what is None is left out."""
    made = etree.Element(name)
    for piece in content:
        if isinstance(piece, str):
            made.text = piece
        elif piece is not None:
            made.append(piece)
    return made


def optional(name: str, text: str | None) -> etree._Element | None:
    """An element with this text, where there is one."""
    return None if text is None else element(name, text)


def number(parent: etree._Element, path: str) -> str | None:
    """A whole number without leading zeros."""
    text = text_at(parent, path)
    return None if text is None else str(int(text))


def period(name: str, parent: etree._Element, path: str) -> etree._Element:
    """A period of the envelope as Common V3 has it."""
    return element(
        name,
        optional("beginDate", text_at(parent, f"{path}/StartDate")),
        optional("endDate", text_at(parent, f"{path}/EndDate")),
    )
