"""`statuses.toml`: which statuses there are, what they follow from, and who sees which. docs/statuses.md."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import pydantic
from lxml import etree

from institutions.statuses.quarters import Until
from schemas.address import Address, AddressError
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.message import find_all, text_of

#: The file of the reference network.
SHIPPED = Path(__file__).parent / "statuses.toml"
#: What is told of a status that changed, and what it is asked by.
TELLS, ANSWERS = "StatusMutation/1", "SocialStatus/1"

_Table = TypeVar("_Table", bound=pydantic.BaseModel)
_Path = Annotated[str, pydantic.StringConstraints(pattern=r"^[^/{}\s:]+(/[^/{}\s:]+)*$")]
_Text = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=120)]


class DefinitionsError(CrossroadsError):
    """A file that cannot be used: one line an error, `file:line: field: what is wrong`."""

    def __init__(self, lines: "list[str]") -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(lines))


class Condition(pydantic.BaseModel):
    """Something that the source's message has to say. Where `path` stands several times, one of them is enough."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    path: _Path
    one_of: Annotated[list[str] | None, pydantic.Field(alias="in", min_length=1)] = None
    at_least: float | None = None
    exists: bool | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> Self:
        if sum(each is not None for each in (self.one_of, self.at_least, self.exists)) != 1:
            raise ValueError("say what must stand there: one of `in`, `at_least`, `exists`")
        return self

    def holds(self, root: etree._Element) -> bool:
        """Whether a message says so."""
        said = [text_of(element) for element in find_all(root, self.path)]
        if self.exists is not None:
            return self.exists == bool(said)
        if self.one_of is not None:
            return any(text in self.one_of for text in said)
        return any(_number(text) >= Decimal(str(self.at_least)) for text in said)


class Definition(pydantic.BaseModel):
    """One status: what it follows from, and how long it lasts."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    #: Also its distribution code.
    code: Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,31}$")]
    #: `Name/version` of the mutation that it follows from.
    source: Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}/[A-Za-z0-9_-]{1,16}$")]
    #: All must hold.
    when: list[Condition] = []
    #: Where the days on which it holds stand: an element with beginDate and endDate.
    validity: _Path = "criteria/period"
    until: Until
    text: Annotated[dict[Literal["nl", "fr", "de", "en"], _Text], pydantic.Field(min_length=4)]


class _Grant(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    body: str
    statuses: Annotated[list[str], pydantic.Field(min_length=1)]

    @pydantic.field_validator("body")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            if not Address.parse(value).is_cooperating:
                return value
        except AddressError as error:
            raise ValueError(str(error)) from None
        raise ValueError("grants speak of sectors and types, without an enterprise number")


@dataclass(frozen=True, slots=True)
class Definitions:
    """What the file says."""

    statuses: Mapping[str, Definition]
    #: Who sees which, by sector and type; nobody else sees any.
    grants: Mapping[Address, frozenset[str]]

    def of(self, source: str) -> tuple[Definition, ...]:
        """The statuses that follow from a service's messages."""
        return tuple(one for one in self.statuses.values() if one.source == source)

    @property
    def sources(self) -> tuple[str, ...]:
        """The services that they follow from."""
        return tuple(dict.fromkeys(one.source for one in self.statuses.values()))

    def seen_by(self, body: Address | None) -> frozenset[str]:
        """What a body may be told of."""
        return self.grants.get(body.kind, frozenset()) if body is not None else frozenset()


def read(path: Path, catalogue: Catalogue) -> Definitions:
    """Read and hold against the services' schemas. Raises DefinitionsError, with every error there is."""
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise DefinitionsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionsError([f"{path.name}: not TOML: {error}"]) from None
    reader = _Reader(path.name, text.splitlines())
    for unknown in tables.keys() - {"status", "grants"}:
        reader.errors.append(f"{path.name}: {unknown}: no such table; there are status, grants")
    statuses, grants = list(reader.rows("status", tables, Definition)), list(reader.rows("grants", tables, _Grant))
    for line, one in statuses:
        reader.fits(line, one, catalogue)
    known = {one.code: one for _, one in statuses}
    for line, code in _doubles((line, one.code) for line, one in statuses):
        reader.wrong(line, "code", f"{code} is there already: one table a status")
    for line, body in _doubles((line, one.body) for line, one in grants):
        reader.wrong(line, "body", f"{body} is there already: one table a body")
    for line, grant in grants:
        for code in sorted(set(grant.statuses) - known.keys()):
            reader.wrong(line, "statuses", f"there is no status {code}; there are {', '.join(known) or 'none'}")
    if reader.errors:
        raise DefinitionsError(reader.errors)
    return Definitions(known, {Address.parse(one.body): frozenset(one.statuses) for _, one in grants})


def _doubles(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for line, name in lines:
        if name in seen:
            yield line, name
        seen.add(name)


class _Reader:
    """Collects what is wrong with one file."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self._name, self._lines = name, lines
        self.errors: list[str] = []

    def wrong(self, header: int, field: str, why: str) -> None:
        """`header`: the line of the table."""
        self.errors.append(f"{self._name}:{self._line(header, field)}: {field}: {why}")

    def rows(self, kind: str, tables: dict[str, Any], model: type[_Table]) -> Iterator[tuple[int, _Table]]:
        """The tables of a kind, each with the line of its header."""
        headers = [n for n, line in enumerate(self._lines, 1) if line.replace(" ", "").startswith(f"[[{kind}]]")]
        entries = tables.get(kind, [])
        if not isinstance(entries, list):
            self.errors.append(f"{self._name}: {kind}: write [[{kind}]]")
            return
        for header, entry in zip((*headers, *[1] * len(entries)), entries, strict=False):
            try:
                yield header, model.model_validate(entry)
            except pydantic.ValidationError as error:
                for problem in error.errors(include_url=False):
                    field = str(next(iter(problem["loc"]), kind))
                    self.wrong(header, field, str(problem["msg"]).removeprefix("Value error, "))

    def fits(self, header: int, one: Definition, catalogue: Catalogue) -> None:
        """Whether the source's messages can say what is looked for."""
        service = catalogue.services.get(one.source)
        if service is None or service.mode != "mutation":
            known = ", ".join(sorted(name for name, each in catalogue.services.items() if each.mode == "mutation"))
            self.wrong(header, "source", f"no service that tells of changes; there are {known or 'none'}")
            return
        places = [("when", condition.path) for condition in one.when]
        for field, path in (*places, ("validity", f"{one.validity}/beginDate")):
            if (missing := service.missing_in_request(path)) is not None:
                step, there = missing
                self.wrong(header, field, f"{one.source} has no '{step}' there; it has {', '.join(there) or 'nothing'}")

    def _line(self, header: int, field: str) -> int:
        """Where a field of the table stands; its header, where it does not."""
        for number, line in enumerate(self._lines[header:], header + 1):
            if line.lstrip().startswith("[["):
                break
            if line.replace(" ", "").startswith((f"{field}=", f"[{field}]")):
                return number
        return header


def _number(text: str | None) -> Decimal:
    try:
        return Decimal(text or "")
    except InvalidOperation:
        return Decimal("-Infinity")
