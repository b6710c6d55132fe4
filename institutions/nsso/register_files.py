"""Files of the register of senders: TOML with `[[sender]]`, `[[employer]]` and `[[mandate]]`, or one of the latter two
as CSV. docs/declarations.md, "Who may declare".
"""

import csv
import io
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from institutions.nsso.register import Employer, Mandate, Register, RegisterError, Sender
from schemas.employer import EmployerNumberError, EnterpriseNumber, NssoNumber
from schemas.period import Period, PeriodError

_Row = Sender | Employer | Mandate


def _parsed(parse: Callable[[str], object], like: str) -> Callable[[object], object]:
    """A validator: text that `parse` reads, else an error that repeats nothing of it; `like`: how one is written."""

    def parsed(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError(f"write {like}")  # noqa: TRY004 - pydantic reads ValueError
        try:
            return parse(value)
        except EmployerNumberError as error:
            raise ValueError(str(error)) from None

    return parsed


def _fingerprint(value: object) -> object:
    """As tools print it, with colons and capitals or without."""
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", plain := value.replace(":", "").lower()):
        raise ValueError("a certificate is its SHA-256 fingerprint as text, 64 hexadecimal digits")
    return plain


_Nsso = Annotated[
    NssoNumber,
    pydantic.InstanceOf(),
    pydantic.BeforeValidator(_parsed(NssoNumber.parse, 'an NSSO number as text: "190000010"')),
]
_Enterprise = Annotated[
    EnterpriseNumber,
    pydantic.InstanceOf(),
    pydantic.BeforeValidator(_parsed(EnterpriseNumber.parse, 'an enterprise number as text: "1800000195"')),
]
_Fingerprint = Annotated[str, pydantic.InstanceOf(), pydantic.BeforeValidator(_fingerprint)]
_Number = Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9]{6}$")]
_Code = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Z0-9]{3}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)

    def row(self) -> _Row:
        """What it says. Raises RegisterError or PeriodError."""
        raise NotImplementedError

    def name(self) -> str:
        """What must not stand twice in one file."""
        raise NotImplementedError


class _Sender(_Entry):
    number: _Number
    name_: Annotated[str, Field(alias="name", min_length=1, max_length=200)]
    language: Literal["NL", "FR", "EN"] = "NL"
    rate: Annotated[int, Field(ge=1, le=100_000)] = 50
    active: bool = True
    certificates: list[_Fingerprint] = Field(default=[])

    def row(self) -> Sender:
        return Sender(self.number, self.name_, self.language, self.rate, self.active, frozenset(self.certificates))

    def name(self) -> str:
        return self.number


class _Dated(_Entry):
    from_: Annotated[date, Field(alias="from")]
    to: date | None = None


class _Employer(_Dated):
    nsso: _Nsso
    enterprise: _Enterprise | None = None
    forbidden: list[_Code] = Field(default=[])

    def row(self) -> Employer:
        return Employer(self.nsso, self.enterprise, Period(self.from_, self.to), frozenset(self.forbidden))

    def name(self) -> str:
        return self.nsso.digits


class _Mandate(_Dated):
    sender: _Number
    employer: _Nsso

    def row(self) -> Mandate:
        return Mandate(self.sender, self.employer, Period(self.from_, self.to))

    def name(self) -> str:
        return f"{self.sender} {self.employer.digits} {self.from_}"


_KINDS: Mapping[str, type[_Entry]] = {"sender": _Sender, "employer": _Employer, "mandate": _Mandate}
#: Columns of a CSV file, by what its rows are; `forbidden` holds worker types with spaces between them.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "employer": ("nsso", "enterprise", "from", "to", "forbidden"),
    "mandate": ("sender", "employer", "from", "to"),
}


def read(path: Path) -> Register:
    """What one file says. RegisterError: a line an error, `file:line: field: what is wrong`; nothing of it counts."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RegisterError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RegisterError(f"{path}: not UTF-8: save it as UTF-8") from None
    return parse(text, path.name)


def parse(text: str, name: str) -> Register:
    """As `read`, of a file's text; a name that ends in `.csv` is a table's."""
    reader = _Reader(name)
    if name.endswith(".csv"):
        reader.table(text)
    else:
        reader.toml(text)
    if reader.errors:
        raise RegisterError("\n".join(reader.errors))
    return Register(reader.of(Sender), reader.of(Employer), reader.of(Mandate))


_T = TypeVar("_T", bound=_Row)


class _Reader:
    """Collects rows and errors of one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[_Row] = []
        self._seen: dict[tuple[str, str], int] = {}
        self.errors: list[str] = []

    def of(self, kind: type[_T]) -> tuple[_T, ...]:
        return tuple(row for row in self._rows if isinstance(row, kind))

    def toml(self, text: str) -> None:
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.errors.append(f"{self._name}: not TOML: {error}")
            return
        lines = text.splitlines()
        for kind, entries in tables.items():
            if kind not in _KINDS or not isinstance(entries, list):
                self.errors.append(f"{self._name}: {kind}: write [[{kind}]] with one of {', '.join(_KINDS)}")
                continue
            headers = [n for n, line in enumerate(lines, 1) if line.replace(" ", "").startswith(f"[[{kind}]]")]
            for header, entry in zip((*headers, *[1] * len(entries)), entries, strict=False):
                self._entry(kind, entry, header, lambda field, header=header: _line(lines, header, field))

    def table(self, text: str) -> None:
        rows = csv.reader(io.StringIO(text), strict=True)
        try:
            columns = tuple(next(rows, ()))
            kind = next((kind for kind, those in COLUMNS.items() if set(columns) == set(those)), None)
            if kind is None:
                told = " or ".join(",".join(those) for those in COLUMNS.values())
                self.errors.append(f"{self._name}:1: the first line names the columns: {told}")
                return
            for cells in rows:
                line = rows.line_num
                if not cells:
                    continue
                if len(cells) != len(columns):
                    self.errors.append(f"{self._name}:{line}: {len(cells)} fields, of {len(columns)} columns")
                    continue
                self._entry(kind, _typed(dict(zip(columns, cells, strict=True))), line, lambda _, line=line: line)
        except csv.Error as error:
            self.errors.append(f"{self._name}:{rows.line_num}: not CSV: {error}")

    def _entry(self, kind: str, entry: object, header: int, line_of: Any) -> None:
        try:
            one = _KINDS[kind].model_validate(entry)
            row = one.row()
        except pydantic.ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                field = str(next(iter(problem["loc"]), kind))
                self._wrong(line_of(field), field, _told(kind, problem))
            return
        except PeriodError:
            self._wrong(line_of("to"), "to", "lies before from")
            return
        except RegisterError as error:
            self._wrong(header, kind, str(error))
            return
        first = self._seen.setdefault((kind, one.name()), header)
        if first != header:
            self._wrong(header, kind, f"the same stands on line {first} already; remove one of both")
        self._rows.append(row)

    def _wrong(self, line: int, field: str, why: str) -> None:
        self.errors.append(f"{self._name}:{line}: {field}: {why}")


def _told(kind: str, problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        fields = (info.alias or name for name, info in _KINDS[kind].model_fields.items())
        return f"no such field of {kind}; it has {', '.join(fields)}"
    if problem["type"] == "missing":
        return "missing"
    return str(problem["msg"]).removeprefix("Value error, ")


def _typed(cells: Mapping[str, str]) -> dict[str, object]:
    """A line of CSV as the TOML would have it; what is empty is absent."""
    found: dict[str, object] = {}
    for name, cell in cells.items():
        text = cell.strip()
        if name == "forbidden":
            found[name] = text.split()
        elif text and name in ("from", "to"):
            found[name] = _date(text)
        elif text:
            found[name] = text
    return found


def _date(text: str) -> object:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _line(lines: Sequence[str], header: int, field: str) -> int:
    """Where a field of the table below this header stands; the header, where it does not."""
    for number, line in _below(lines, header):
        if line.replace(" ", "").startswith(f"{field}="):
            return number
    return header


def _below(lines: Sequence[str], header: int) -> Iterator[tuple[int, str]]:
    following: Iterable[str] = lines[header:]
    for number, line in enumerate(following, header + 1):
        if line.lstrip().startswith("["):
            return
        yield number, line
