"""What may be shown of a message: names that a schema of ours has, kinds and sizes; never a text that somebody chose.

By allow-list: what is not known to be harmless is told by its kind alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from schemas.parser import Malformed, parse
from schemas.ssin import holds_number

_SCHEMAS = Path(__file__).parents[2] / "schemas"
_XS = "{http://www.w3.org/2001/XMLSchema}"
#: Lines of a body, at most.
MOST_LINES = 400

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T[0-9:.+Z-]*)?")
_TYPES = {"response", "fault", "intermediate", "definitive", "nudge", "slice", "go", "cancel"}
#: How the reasons begin that hub, relay and 12-0 park a message with (`Park`, `Unanswerable`).
REASONS = (
    "no reply_to",
    "nobody takes its answer",
    "the queue for its answer takes no more",
    "its answer cannot be sent",
    "its answer was not confirmed",
    "its properties cannot be read",
    "reply_to is ",
    "a service that is no longer known",
    "the hub failed",
    "the sender's queue for answers does not take it",
    "our own code failed at it",
    "the relay failed on it",
    "its user_id is not",
    "a header ",
    "its type is none of",
    "its header ",
)
_PLAIN = re.compile(r"[A-Za-z0-9 ,:;_.'/()-]{1,160}")
#: Why the broker itself sent a message there.
DEATHS = {
    "delivery_limit": "failed too often: delivery limit",
    "expired": "expired before it was taken",
    "rejected": "refused by its reader",
    "maxlen": "pushed out of a full queue",
}


def kind_of(text: str) -> str:
    """What a text looks like, and how long it is."""
    if not text:
        return "empty"
    for name, pattern in (("UUID", _UUID), ("date", _DATE)):
        if pattern.fullmatch(text):
            return name
    kind = "digits" if text.isdecimal() else "text"
    return f"{kind}, {len(text)} character{'s' if len(text) > 1 else ''}"


def reason_of(text: object) -> str:
    """A reason in the centre's words, if it is one that we know."""
    known = isinstance(text, str) and text.startswith(REASONS) and _PLAIN.fullmatch(text) and not holds_number(text)
    return str(text) if known else "a reason that is not known here"


def type_of(text: str | None, services: Iterable[str]) -> str | None:
    """A message's type, if it is a service of the catalogue, a form, or a word of the wire."""
    if text is None:
        return None
    return text if text in _TYPES or text in services or text in _forms() else "not known here"


def text_shown(text: str) -> str:
    """A customer's own ticket: as it is, unless it may hold a person's number."""
    return f"masked: {kind_of(text)}" if holds_number(text) else text


@dataclass(frozen=True, slots=True)
class Line:
    """An element: its depth below the root, its name where a schema of ours has it, and what stands in it."""

    depth: int
    name: str
    #: Kind and length of its own text; None: it has elements in it.
    holds: str | None
    #: Names of its attributes, likewise.
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        marks = "".join(f" @{name}" for name in self.attributes)
        return f"{'  ' * self.depth}{self.name}{marks}{'' if self.holds is None else ': ' + self.holds}"


@dataclass(frozen=True, slots=True)
class Outline:
    """A body without its values."""

    #: What it is where it is no XML that the wire allows.
    what: str
    lines: tuple[Line, ...] = ()
    #: Elements that are not listed.
    more: int = 0


def outline(body: bytes, folders: Iterable[Path] = ()) -> Outline:
    """Elements and their structure. `folders`: of services beside the shipped ones."""
    if not body:
        return Outline("empty")
    try:
        root = parse(body)
    except Malformed as error:
        return Outline(f"not XML as the wire allows it ({error.code})")
    names = _names(tuple(folders))
    lines: list[Line] = []
    more = 0
    for element, depth in _walk(root):
        if len(lines) >= MOST_LINES:
            more += 1
            continue
        holds = None if len(element) else kind_of("".join(map(str, element.itertext())).strip())
        lines.append(
            Line(
                depth,
                _known(element.tag, names),
                holds,
                tuple(sorted(_known(name, names) for name in element.attrib)),
            )
        )
    return Outline("XML", tuple(lines), more)


def _walk(root: etree._Element) -> Iterator[tuple[etree._Element, int]]:
    waiting = [(root, 0)]
    while waiting:
        element, depth = waiting.pop()
        tag: object = element.tag
        if not isinstance(tag, str):  # of a comment or an instruction, a function
            continue
        yield element, depth
        waiting.extend((child, depth + 1) for child in reversed(element))


def _known(tag: Any, names: frozenset[str]) -> str:
    name = str(tag).rpartition("}")[2]
    return name if name in names else "(of no schema here)"


@lru_cache(4)
def _names(folders: tuple[Path, ...]) -> frozenset[str]:
    """Every name of an element or an attribute that a schema of ours, or of these folders, has."""
    found: set[str] = set()
    for folder in (_SCHEMAS, *folders):
        for file in sorted(folder.rglob("*.xsd")):
            try:
                root = etree.parse(file, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
            except (OSError, etree.XMLSyntaxError):  # a folder that somebody is writing to
                continue
            found.update(
                name
                for element in root.iter(f"{_XS}element", f"{_XS}attribute")
                if (name := element.get("name")) is not None
            )
    return frozenset(found)


@lru_cache(1)
def _forms() -> frozenset[str]:
    return frozenset(folder.name for folder in (_SCHEMAS / "declarations").iterdir() if folder.is_dir())
