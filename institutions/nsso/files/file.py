"""A file on its way, and what is wrong with it as a whole: all codes of an ACRF, in their order, pure.

`docs/declarations.md`, "Files"; `docs/wire.md`, "Files". What is wrong with a form is told of that form.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

from schemas.declarations.file_name import FORMS, FileName, FileNameError, Kind

#: `coming` until all is there, `complete` until it is judged as a whole, `accepted` until the last form is handled.
State = Literal["coming", "complete", "accepted", "done", "refused", "cancelled"]

#: Bytes that a part may have, and that one sender may have here without a GO.
MOST_OF_A_PART, MOST_OF_A_SENDER = 2**30, 2**32
MOST_FORMS = 1_000_000
#: Until its GO has come, and from that until all is there.
UNTIL_GO, UNTIL_COMPLETE = timedelta(hours=24), timedelta(hours=1)
#: So long the bytes of what was told are kept: as long as a sender's queue keeps it.
KEPT = timedelta(days=30)
#: Parts that one sending may name: more than any that is right has.
MOST_NAMES = 40

#: In which they are told: whoever sent it, names, numbers, times, signatures, bytes, content, limits.
_ORDER = (
    *("103", "107", "131", "132", "108", "109", "110", "111", "126", "112", "127", "114", "115", "116", "117"),
    *("120", "122", "123", "124", "121", "157", "134", "130", "133", "125", "153", "154"),
    *("102", "135", "136", "137", "158", "142", "184", "172"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """An FI or FS, as its slices announce it, and how much of it is there."""

    size: int
    #: SHA-256 in hexadecimal.
    sha256: str
    there: int = 0

    @property
    def whole(self) -> bool:
        return self.there == self.size


@dataclass(frozen=True, slots=True)
class SentFile:
    """A sending, as its row says."""

    id: int
    #: Number of who sends it, by the broker's word.
    sender: str
    #: UUID of this sending.
    transfer: str
    #: Of its go-file; the transfer where what came first had no name that can be read.
    name: str
    state: State
    began: datetime
    #: What the GO said, when it came.
    go: str | None = None
    gone: datetime | None = None
    #: By name.
    parts: Mapping[str, Part] = field(default_factory=dict)
    #: When all of it was there.
    received: datetime | None = None
    ticket: str = ""
    #: Codes.
    errors: tuple[str, ...] = ()
    forms: int = 0
    done: int = 0
    told: int = 0
    stopped: str | None = None

    @classmethod
    def of_row(cls, row: Any) -> "SentFile":
        parts = {name: Part(*one) for name, one in json.loads(row["parts"]).items()}
        same = ("id", "sender", "transfer", "name", "state", "began", "go", "gone", "received", "ticket", "forms")
        return cls(
            **{name: row[name] for name in (*same, "done", "told", "stopped")},
            parts=parts,
            errors=tuple(row["errors"].split()),
        )

    @property
    def called(self) -> str:
        """As it is told."""
        if self.go is not None or self.name != self.transfer:
            return self.go or self.name
        return next(iter(self.parts), self.transfer)

    @property
    def read(self) -> FileName:
        """Its name. Of one that was accepted."""
        return FileName.parse(self.name)

    @property
    def complete(self) -> bool:
        """Whether nothing more is waited for: it has a GO and all that this and the slices announce, or what is wrong
        with it will not become right."""
        if self.go is None:
            return False
        name, _ = _read(self.go, "GO")
        if name is None or self.errors or any(go_of(one) != name for one in self.parts):
            return True
        wanted = {str(name.fi(n)) for n in range(1, name.parts + 1)}
        if name.environment == "R":
            wanted |= {str(name.fs(n)) for n in range(1, name.parts + 1)}
        return wanted <= self.parts.keys() and all(part.whole for part in self.parts.values())


def parts_row(parts: Mapping[str, Part]) -> str:
    """As JSON."""
    return json.dumps({name: [part.size, part.sha256, part.there] for name, part in parts.items()})


def in_order(codes: Iterable[str]) -> tuple[str, ...]:
    """Each once, as an ACRF tells them."""
    return tuple(sorted(set(codes), key=_ORDER.index))


def go_of(name: str) -> FileName | None:
    """The name of the sending that a part belongs to; None: it is no name."""
    for kind in ("FI", "FS"):
        found, _ = _read(name, kind)
        if found is not None:
            return found.go()
    return None


def judged(file: SentFile, *, active: bool, today: date) -> tuple[str, ...]:
    """What is wrong with it before anybody looks into its bytes. `active`: its sender may send."""
    codes = {*file.errors, *(() if active else ("103",))}
    name, wrong = _read(file.go, "GO") if file.go is not None else (None, ())
    codes.update(wrong)
    if name is not None:
        codes.update(name.judged(file.sender, today))
    fi, fs = (_numbers(file, name, kind, codes) for kind in ("FI", "FS"))
    # Of what was noted when it came, the rest was not taken: nobody knows what would have been there.
    if name is not None and not file.errors:
        wanted = set(range(1, name.parts + 1))
        if fi is not None and fi != wanted:
            codes.add("120" if fi else "157")
        if fs and name.environment == "S":
            codes.add("121")
        elif fs is not None and fs != wanted and (fs or name.environment == "R"):
            codes.add("122")
    return in_order(codes)


def _numbers(file: SentFile, name: FileName | None, kind: Literal["FI", "FS"], codes: set[str]) -> set[int] | None:
    """The parts of this kind that are there, and what is wrong with them; None: which they are cannot be told."""
    numbers, clear = set[int](), name is not None
    for text, part in file.parts.items():
        if text.startswith("FS") != (kind == "FS"):
            continue
        found, wrong = _read(text, kind)
        codes.update(wrong)
        if found is None or found.part is None or name is None:
            clear = False
        elif found.go() != name:
            codes.add("123" if kind == "FI" else "124")
            clear = False
        else:
            numbers.add(found.part)
            if not part.whole and file.errors:
                continue
            if not part.whole:
                codes.add("120" if kind == "FI" else "122")
            elif part.size == 0:
                codes.add("134")
    return numbers if clear else None


def may_hold(name: FileName, form: str) -> bool:
    """Whether a file of this type may hold this form."""
    return form in FORMS[name.type]


def _read(text: str, kind: Kind) -> tuple[FileName | None, tuple[str, ...]]:
    try:
        return FileName.parse(text, kind), ()
    except FileNameError as error:
        return None, error.codes
