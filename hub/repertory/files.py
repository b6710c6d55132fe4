"""Rules files: TOML that an operator can read and review. Errors say file, line, field, and what would be right.

```toml
[[institution]]
address = "17-1-0212344876"       # sector-type, or sector-type-enterprise number
cbe = "0212344876"
name = "CPAS de Namur"
managed_by = "17-0"               # absent: connected to the hub itself
active = true                     # the default
rate = 200                        # requests a second; the default

[[availability]]
service = "Pension/1"             # "Pension": every version
address = "5-0"
quality = 100                     # or: everybody = true
mode = "online"                   # the default; "batch": it answers in its own time

[[authorisation]]
id = "pcsw-pension"
customer = "17-1"
legal_context = "SOCIAL_INQUIRY"
qualities = [1, 2]
min_phase = 1                     # absent: any
service = "Pension/1"
suppliers = ["5-0"]               # absent for a service that the hub itself answers
without = ["pension/bankAccount"] # absent: nothing
integrate = 2                     # a mutation registers the person in this quality; absent: never
deliberation = { number = "04/012", date = 2004-04-06, changes = [2018-06-05] }
from = 2020-01-01
to = 2030-12-31                   # last day; absent: no end

[[distribution]]
service = "AddressChange/1"       # a mutation
recipient = "17-1"
qualities = [2]                   # or: everybody = true
codes = ["ADDRESS"]               # absent: every message
dossiers = "active"               # the default; "all": closed ones too
without = []                      # below the root of the mutation
deliberation = { number = "04/012", date = 2004-04-06 }
from = 2020-01-01
```
"""

import re
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from hub.repertory.review import KnownServices, review
from hub.repertory.rules import (
    DEFAULT_RATE,
    Authorisation,
    Availability,
    Deliberation,
    Distribution,
    Institution,
    Row,
    Rules,
)
from schemas.address import Address, AddressError
from schemas.errors import CrossroadsError
from schemas.period import Period, PeriodError


class RulesError(CrossroadsError):
    """Rules files that cannot be loaded: one line an error, `file:line: field: what is wrong, what would be right`.
    Nothing of them was."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class RulesFile:
    """The rows of one file, and where they stand in it."""

    #: Without folders: what `load` replaces rules by.
    name: str
    rows: tuple[Row, ...]
    #: Line of a row, by its kind and id.
    lines: Mapping[tuple[type[Row], str], int] = field(repr=False)

    def where(self, row: Row) -> str:
        """`file:line` of a row of this file."""
        line = self.lines.get((type(row), row.id))
        return self.name if line is None else f"{self.name}:{line}"


def read(paths: Sequence[Path], catalogue: KnownServices) -> Rules:
    """The rules that these files make by themselves, without a database. RulesError lists every rule that cannot be."""
    read_files = [read_file(path) for path in paths]
    found = review([(file.where(row), row) for file in read_files for row in file.rows], (), catalogue)
    if found.errors:
        raise RulesError(found.errors)
    return Rules(row for file in read_files for row in file.rows)


def read_file(path: Path) -> RulesFile:
    """Read one rules file. RulesError lists everything that is wrong with it as a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RulesError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise RulesError([f"{path}: not UTF-8: save it as UTF-8"]) from None
    return parse(text, path.name)


def parse(text: str, name: str) -> RulesFile:
    """As `read_file`, of a file's text; `name` is the file's."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError([f"{name}: not TOML: {error}"]) from None
    reader = _Reader(name, _Lines(text))
    for kind, entries in tables.items():
        reader.table(kind, entries)
    if reader.errors:
        raise RulesError(reader.errors)
    return RulesFile(name, tuple(reader.rows), reader.lines)


def _address(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('an address is text: "5-0"')  # noqa: TRY004 - pydantic reads ValueError
    try:
        return Address.parse(value)
    except AddressError as error:
        raise ValueError(str(error)) from None


def _kind(value: object) -> object:
    address = _address(value)
    if isinstance(address, Address) and address.is_cooperating:
        raise ValueError(f'rules speak of sectors and types: write "{address.kind}", without the enterprise number')
    return address


_Address = Annotated[Address, pydantic.InstanceOf(), pydantic.BeforeValidator(_address)]
_Kind = Annotated[Address, pydantic.InstanceOf(), pydantic.BeforeValidator(_kind)]
_Service = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}(/[A-Za-z0-9_-]{1,16})?$")]
_Path = Annotated[str, pydantic.StringConstraints(pattern=r"^[^/{}\s:]+(/[^/{}\s:]+)*$")]
_Code = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
_Quality = Annotated[int, Field(ge=0, le=998)]
_Name = Annotated[str, pydantic.StringConstraints(min_length=1, strip_whitespace=True)]
_Id = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")]
_Cbe = Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9]{10}$")]


class _Entry(BaseModel, ABC):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)

    @abstractmethod
    def row(self) -> Row:
        """The row it says."""


class _Institution(_Entry):
    address: _Address
    cbe: _Cbe
    name: _Name
    managed_by: _Kind | None = None
    active: bool = True
    rate: Annotated[int, Field(ge=1, le=100_000)] = DEFAULT_RATE

    @pydantic.model_validator(mode="after")
    def _both_ends(self) -> Self:
        if self.address.is_cooperating and self.managed_by is None:
            raise ValueError("managed_by: missing; an enterprise number in the address means a network: say whose")
        if not self.address.is_cooperating and self.managed_by is not None:
            raise ValueError(f"managed_by: an institution of a network is addressed as {self.address}-{self.cbe}")
        if self.address.cbe not in (None, self.cbe):
            raise ValueError("cbe: not the enterprise number of the address")
        return self

    def row(self) -> Institution:
        return Institution(self.address, self.cbe, self.name, self.managed_by, self.active, self.rate)


class _Availability(_Entry):
    service: _Service
    address: _Kind
    quality: _Quality | None = None
    everybody: bool = False
    mode: Literal["online", "batch"] = "online"

    @pydantic.model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.everybody == (self.quality is not None):
            raise ValueError("quality: name the one in which the holder knows the person, or write everybody = true")
        return self

    def row(self) -> Availability:
        return Availability(self.service, self.address, self.quality, self.mode)


class _Deliberation(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    number: _Name
    decided: date = Field(alias="date")
    changes: list[date] = Field(default=[])


class _Dated(_Entry):
    """What stands on a deliberation, from one day to another."""

    deliberation: _Deliberation
    from_: date = Field(alias="from")
    to: date | None = None

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> Self:
        try:
            Period(self.from_, self.to)
        except PeriodError:
            raise ValueError("to: lies before from") from None
        return self

    def decided(self) -> Deliberation:
        told = self.deliberation
        return Deliberation(told.number, told.decided, tuple(told.changes))


class _Authorisation(_Dated):
    id: _Id
    customer: _Kind
    legal_context: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=64)]
    qualities: Annotated[list[_Quality], Field(min_length=1)]
    min_phase: Annotated[int, Field(ge=0, le=32_767)] | None = None
    service: _Service
    suppliers: Annotated[list[_Kind], Field(min_length=1)] = Field(default=[])
    without: list[_Path] = Field(default=[])
    integrate: _Quality | None = None

    def row(self) -> Authorisation:
        return Authorisation(
            id=self.id,
            customer=self.customer,
            legal_context=self.legal_context,
            service=self.service,
            qualities=frozenset(self.qualities),
            min_phase=self.min_phase,
            suppliers=tuple(dict.fromkeys(self.suppliers)),
            without=tuple(dict.fromkeys(self.without)),
            deliberation=self.decided(),
            valid=Period(self.from_, self.to),
            integrate=self.integrate,
        )


class _Distribution(_Dated):
    service: _Service
    recipient: _Kind
    qualities: Annotated[list[_Quality], Field(min_length=1)] = Field(default=[])
    everybody: bool = False
    codes: list[_Code] = Field(default=[])
    dossiers: Literal["active", "all"] = "active"
    without: list[_Path] = Field(default=[])
    integrate: _Quality | None = None

    @pydantic.model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.everybody == bool(self.qualities):
            raise ValueError("qualities: name those in which the recipient knows the person, or write everybody = true")
        return self

    def row(self) -> Distribution:
        return Distribution(
            service=self.service,
            recipient=self.recipient,
            qualities=frozenset(self.qualities),
            without=tuple(dict.fromkeys(self.without)),
            deliberation=self.decided(),
            valid=Period(self.from_, self.to),
            everybody=self.everybody,
            codes=frozenset(self.codes),
            dossiers=self.dossiers,
            integrate=self.integrate,
        )


_KINDS: Mapping[str, type[_Entry]] = {
    "institution": _Institution,
    "availability": _Availability,
    "authorisation": _Authorisation,
    "distribution": _Distribution,
}

#: What would be right, by field, where the rule is a pattern or a type.
_RIGHT = {
    "address": '"5-0", or with its enterprise number "17-1-0212344876"',
    "cbe": "10 digits in quotes",
    "name": "text",
    "managed_by": '"17-0"',
    "active": "true or false",
    "rate": "requests a second, from 1 to 100000",
    "service": '"Name" for every version or "Name/1" for one',
    "quality": "a quality of the sector, from 0 to 998",
    "everybody": "true",
    "id": "letters, digits and . _ : / -, at most 100",
    "customer": 'a sector and type: "17-1"',
    "recipient": 'a sector and type: "17-1"',
    "legal_context": "1 to 64 characters",
    "qualities": "a list of qualities of the sector, one at least: [1, 2]",
    "min_phase": "a whole number, or absent",
    "suppliers": 'a list of sectors and types, one at least: ["5-0"]; absent where the hub answers',
    "mode": '"online" or "batch"',
    "codes": 'a list of distribution codes: ["ADDRESS"]',
    "dossiers": '"active" or "all"',
    "integrate": "one of the qualities, or absent",
    "without": "a list of paths below the root of the response, of a distribution below that of the mutation:"
    ' ["pension/bankAccount"]',
    "deliberation": '{ number = "04/012", date = 2004-04-06, changes = [2018-06-05] }',
    "from": "a date without quotes: 2020-01-01",
    "to": "a date without quotes: 2030-12-31, or absent",
}


class _Lines:
    """Where tables and their fields stand, for errors only: a text that holds `[[…]]` lines in a string misleads it."""

    _HEADER = re.compile(r"^\s*\[\[\s*\"?(\w+)\"?\s*\]\]")

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._headers: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines, 1):
            if found := self._HEADER.match(line):
                self._headers.setdefault(found.group(1), []).append(number)

    def entry(self, kind: str, index: int) -> int | None:
        """The line of the `index`th `[[kind]]`."""
        headers = self._headers.get(kind, [])
        return headers[index] if index < len(headers) else None

    def field(self, kind: str, index: int, name: str) -> int | None:
        """The line of a field of it; that of its header where the field is not there."""
        begin = self.entry(kind, index)
        if begin is None:
            return None
        written = re.compile(rf"^\s*\"?{re.escape(name)}\"?\s*[=.]")
        for number in range(begin, len(self._lines)):
            if self._lines[number].lstrip().startswith("["):
                break
            if written.match(self._lines[number]):
                return number + 1
        return begin


class _Reader:
    """Collects rows and errors of one file."""

    def __init__(self, name: str, lines: _Lines) -> None:
        self._name, self._places = name, lines
        self.rows: list[Row] = []
        self.errors: list[str] = []
        self.lines: dict[tuple[type[Row], str], int] = {}

    def table(self, kind: str, entries: object) -> None:
        model = _KINDS.get(kind)
        if model is None or not isinstance(entries, list):
            self.errors.append(f"{self._name}: {kind}: write [[{kind}]] with one of {', '.join(_KINDS)}")
            return
        for index, entry in enumerate(entries):
            try:
                row = model.model_validate(entry).row()
            except pydantic.ValidationError as error:
                self.errors += [self._told(kind, index, problem) for problem in error.errors(include_url=False)]
                continue
            line = self._places.entry(kind, index)
            first = self.lines.get((type(row), row.id))
            if any(type(row) is type(other) and row.id == other.id for other in self.rows):
                told = f"{row.id} stands on line {first} already; remove one of both"
                self.errors.append(f"{self._where(line)}: {kind}: {told}")
            elif line is not None:
                self.lines[type(row), row.id] = line
            self.rows.append(row)

    def _told(self, kind: str, index: int, problem: Any) -> str:
        steps = [str(step) for step in problem["loc"] if not isinstance(step, int)]
        message = str(problem["msg"]).removeprefix("Value error, ")
        if not steps:  # of the row as a whole: our own sentence begins with the field
            steps, _, message = ([message.partition(": ")[0]], "", message.partition(": ")[2])
        name = steps[0]
        where = self._where(self._places.field(kind, index, name))
        if problem["type"] == "extra_forbidden":
            return f"{where}: {name}: no such field of {kind}; it has {', '.join(_fields(_KINDS[kind]))}"
        right = _RIGHT.get(name)
        if problem["type"] == "missing":
            return f"{where}: {'.'.join(steps)}: missing; it is {right}"
        if problem["type"] == "value_error":
            return f"{where}: {name}: {message}"
        if problem["type"] == "string_pattern_mismatch":
            message = "not of this form"
        return f"{where}: {'.'.join(steps)}: {message}; write {right}"

    def _where(self, line: int | None) -> str:
        return self._name if line is None else f"{self._name}:{line}"


def _fields(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]
