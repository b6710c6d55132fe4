"""A service: a folder with `service.toml` and the XSDs of its messages."""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from lxml import etree

from schemas.errors import CrossroadsError
from schemas.grammar import SHIPPED_SCHEMAS, Grammar, GrammarError
from schemas.parser import MAX_ONLINE, parse
from schemas.violation import Violation, local

if TYPE_CHECKING:  # it takes long to import, and a process that reads no services has no use for it
    from xmlschema.validators import XsdElement

FAULT = "{urn:crossroads:v1}fault"
"""The fault of a service that has none of its own, and of a message whose service is not known."""

SETTINGS = "service.toml"

Kind = Literal["request", "response", "fault"]
"""What a message of a service is, by its root element."""

_Clark = Annotated[str, pydantic.StringConstraints(pattern=r"^(\{[^{}\s]+\})?[^{}\s/:]+$")]
_Path = Annotated[str, pydantic.StringConstraints(pattern=r"^([^/{}\s:]+(/[^/{}\s:]+)*)?$")]


class ServiceError(CrossroadsError):
    """A folder is no service: one line an error, `service.toml: field: what is wrong, what would be right`."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class _Envelope(pydantic.BaseModel):
    """`[ssdn]`, or one of `[[ssdn]]`, as written."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    service_id: Annotated[str, pydantic.StringConstraints(min_length=1)]
    version: Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9A-Za-z]{8}$")]
    legal_context: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=64)]
    request: _Clark
    action: str = ""


class _Settings(pydantic.BaseModel):
    """`service.toml` as written."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    # Both stand in the names of queues, where a dot separates.
    name: Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
    version: Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,16}$")]
    schema_: Annotated[str, pydantic.Field(alias="schema", min_length=1)]
    request: _Clark
    response: _Clark
    fault: _Clark | Literal[""] = ""
    ssin: _Path
    period: _Path = ""
    period_rule: Literal["within", "overlap"] = "within"
    mode: Literal["online", "mutation"] = "online"
    flow: Literal["", "M", "Z"] = ""
    definitive_days: Annotated[int, pydantic.Field(ge=1, le=30)] = 5
    deadline_ms: Annotated[int, pydantic.Field(ge=100, le=1_500_000)] = 3500
    combine: Annotated[str, pydantic.StringConstraints(pattern=r"^([^/{}\s:]+)?$")] = ""
    deceased: Literal["answer", "refuse"] = "answer"
    answered_by: Literal["suppliers", "hub"] = "suppliers"
    person_check: bool = True
    changes: bool = False
    ssdn: tuple[_Envelope, ...] = ()

    @pydantic.field_validator("ssdn", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, dict) else tuple(value) if isinstance(value, list) else value


#: what would be right, for the fields whose rule is a pattern
_RIGHT = {
    "name": 'letters, digits, - and _, a letter first, as in "Pension"',
    "version": 'letters, digits, - and _, at most 16, in quotes, as in "1"',
    "schema": "the file name of the main XSD in this folder",
    "request": 'the root element of the request, as "{namespace}name"',
    "response": 'the root element of the response, as "{namespace}name"',
    "fault": 'the root element of the fault, as "{namespace}name", or leave it out',
    "ssin": 'element names from below the root, as in "criteria/ssin"',
    "period": 'element names from below the root, as in "criteria/period", or ""',
    "period_rule": '"within" or "overlap"',
    "mode": '"online", or "mutation": told to others without being asked',
    "flow": '"M" (the hub\'s verdict is the answer) or "Z" (each recipient answers), of a mutation',
    "definitive_days": "days in which a supplier that answers in its own time does so, from 1 to 30",
    "deadline_ms": "milliseconds, a whole number from 100 to 1500000 (nothing is held longer than 25 minutes)",
    "combine": 'the name of one element below the root of the response, as in "part", or ""',
    "deceased": '"answer" or "refuse"',
    "answered_by": '"suppliers" or "hub"',
    "person_check": "true or false: whether the customer must have integrated the person",
    "changes": "true or false: whether a request changes something, so that its ticket is kept 30 days",
    "ssdn": "a table or several: service_id, version (8 characters), legal_context, request and, if need be, action",
}


@dataclass(frozen=True, slots=True)
class EnvelopeName:
    """What a `ServiceRequest` of the SSDN envelope says that is this service (docs/ssdn.md)."""

    service_id: str
    #: 8 characters, a date
    version: str
    #: the legal context in which it is asked: the envelope names none
    legal_context: str
    #: root element of the business request, in Clark notation
    request: str
    #: where one ServiceId is several services, the action that is this one; else empty
    action: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One version of one service, as its folder said when it was read.

    Two services are the same only if they are the same object: a changed folder gives a new one, and work in hand
    keeps the old. Not for use by two threads at once.
    """

    name: str
    version: str
    folder: Path
    #: root elements, in Clark notation
    request: str
    response: str
    fault: str
    #: where the person stands (empty: a request about nobody in particular), and the element with beginDate and endDate
    #: (None: today); local names below the root
    ssin: str
    period: str | None
    #: "within": the asked period must lie within the customer's own; "overlap": touch it
    period_rule: str
    mode: str
    #: of a mutation: "M" or "Z"; else empty
    flow: str
    #: days that a supplier which answers in its own time has
    definitive_days: int
    deadline_ms: int
    #: the element that holds one supplier's answer; None: a service with one supplier
    combine: str | None
    #: "answer": the dead are asked about as the living; "refuse": MSG00009
    deceased: str
    #: "suppliers", or "hub": the hub itself, by the code of that name in `hub/own`
    answered_by: str
    #: whether the customer must have integrated the person (checks 14 to 16)
    person_check: bool
    #: whether a request changes something: done once a ticket, whose key is kept 30 days
    changes: bool
    #: by which names the older envelope knows it
    ssdn: tuple["EnvelopeName", ...]
    #: what may stand before `dataFilters` in the response; None: the response has no dataFilters
    filters_place: tuple[str, ...] | None
    #: whether the response's status can say INCOMPLETE_DATA
    knows_incomplete: bool
    #: local names of what may stand below the response's root, in order
    response_children: tuple[str, ...]
    _grammar: Grammar = field(repr=False)

    @classmethod
    def read(cls, folder: Path) -> "Service":
        """Reads and compiles a folder. Raises `ServiceError`; never leaves anything half read."""
        settings = _settings(folder / SETTINGS)
        try:
            grammar = Grammar.read(folder, settings.schema_)
        except GrammarError as error:
            raise ServiceError(f"{SETTINGS}: schema: {error}") from None
        return _examined(folder, settings, grammar)

    @property
    def type(self) -> str:
        """`Name/version`, as it stands in the property `type` of a message."""
        return f"{self.name}/{self.version}"

    def kind_of(self, root: etree._Element) -> Kind | None:
        """What this root element makes of a message; None: it is not this service's."""
        kinds: dict[object, Kind] = {self.fault: "fault", self.response: "response", self.request: "request"}
        return kinds.get(root.tag)

    def for_log(self, violation: Violation) -> str:
        """What of a message's violation may stand in a log: names of its schema, and no others."""
        return violation.for_log(self._grammar.names)

    def violations(
        self, body: bytes, *kinds: Kind, limit: int = MAX_ONLINE
    ) -> tuple[etree._Element, tuple[Violation, ...]]:
        """Parses and checks the bytes that leave or came. `kinds`: what the message may be; none given: any.

        Raises `Malformed` where `body` is no message at all.
        """
        root = parse(body, limit=limit)
        return root, self.violations_of(root, *kinds)

    def violations_of(self, root: etree._Element, *kinds: Kind) -> tuple[Violation, ...]:
        """As `violations`, of a tree that was parsed from the bytes meant, and not edited since."""
        kind = self.kind_of(root)
        if kind is None or (kinds and kind not in kinds):
            wanted = [local(getattr(self, name)) for name in kinds or ("request", "response", "fault")]
            return (Violation(1, "/", f"the root element is not the {' or '.join(wanted)} of {self.type}"),)
        if root.tag == FAULT:
            return crossroads_grammar().violations_of(root)
        return self._grammar.violations_of(root)

    def may_omit(self, path: str) -> bool:
        """Whether every element at `path` (below the response's root) may be cut and the response stay valid.

        For when rules are loaded, not for a message's way.
        """
        return self.why_not_omit(path) is None

    def why_not_omit(self, path: str) -> str | None:
        """The sentence that says why `path` may not be cut from the response; None: it may."""
        return self._why_not_omit(self.response, path)

    def why_not_omit_request(self, path: str) -> str | None:
        """As `why_not_omit`, of the request: what a recipient of a mutation does not get."""
        return self._why_not_omit(self.request, path)

    def _why_not_omit(self, root: str, path: str) -> str | None:
        from schemas import structure

        if (element := self._grammar.element(root)) is None:
            return f"{self.type} has no {local(root)}"
        return structure.why_not_omit(element, path)

    def missing_in_request(self, path: str) -> tuple[str, tuple[str, ...]] | None:
        """The first name of `path` (below the request's root) that the schema does not have, and those that would be
        right there; None: it has them all. For when files are read, not for a message's way."""
        from schemas import structure

        request = self._grammar.element(self.request)
        return (path, ()) if request is None else structure.missing_step(request, path)


@cache
def crossroads_grammar() -> Grammar:
    """The schema of `{urn:crossroads:v1}fault`."""
    return Grammar.read(SHIPPED_SCHEMAS, "crossroads-v1.xsd")


def _settings(file: Path) -> _Settings:
    try:
        written = tomllib.loads(file.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ServiceError(f"{SETTINGS}: not TOML: {error}") from None
    except OSError as error:
        raise ServiceError(f"{SETTINGS}: cannot be read: {error.strerror}") from None
    try:
        return _Settings.model_validate(written)
    except pydantic.ValidationError as error:
        raise ServiceError(*(_told(problem) for problem in error.errors())) from None


def _told(problem: Any) -> str:
    name = ".".join(str(step) for step in problem["loc"][:1])
    right = _RIGHT.get(name)
    if problem["type"] == "extra_forbidden":
        return f"{SETTINGS}: {name}: no such field; there are {', '.join(_RIGHT)}"
    if problem["type"] == "missing":
        return f"{SETTINGS}: {name}: missing; it is {right}"
    return f"{SETTINGS}: {name}: wrong ({problem['msg']}); it is {right}"


def _examined(folder: Path, settings: _Settings, grammar: Grammar) -> Service:
    """Holds what service.toml says against the schema."""
    from schemas import structure

    wrong: list[str] = []

    def root(name: str, clark: str) -> "XsdElement | None":
        element = grammar.element(clark)
        if element is None:
            there = ", ".join(grammar.roots) or "none"
            wrong.append(f"{SETTINGS}: {name}: the schema has no element {clark}; it has {there}")
        return element

    def place(name: str, element: "XsdElement", path: str) -> None:
        if (missing := structure.missing_step(element, path)) is not None:
            step, known = missing
            there = ", ".join(known) or "none"
            wrong.append(f"{SETTINGS}: {name}: the schema has no element '{step}' at that place; it has {there}")

    request = root("request", settings.request)
    response = root("response", settings.response)
    fault = settings.fault or FAULT
    if fault != FAULT:
        root("fault", fault)
    if request is not None:
        if settings.ssin:
            place("ssin", request, settings.ssin)
        if settings.period:
            place("period", request, f"{settings.period}/beginDate")
    told_only = settings.mode == "mutation" and settings.answered_by == "hub"  # nobody answers it
    if response is not None and not told_only:
        place("response", response, "status/value")
    wrong += _mutation(settings)
    if settings.mode == "mutation" and not told_only and request is not None:
        for path in ("mutation/action", "mutation/reference"):
            place("request", request, path)
    if not settings.ssin and settings.person_check:
        wrong.append(
            f"{SETTINGS}: ssin: wrong (empty); it is {_RIGHT['ssin']}; only with person_check = false may it be empty"
        )
    incomplete = response is not None and _knows_incomplete(response)
    if response is not None and settings.combine:
        for inner in ("informationSupplier", "status"):
            place("combine", response, f"{settings.combine}/{inner}")
        if not incomplete:
            wrong.append(
                f"{SETTINGS}: combine: the response's status has no value INCOMPLETE_DATA, to be told when a supplier"
                " is silent; give it StatusType of urn:crossroads:v1"
            )
    if wrong or response is None:
        raise ServiceError(*wrong)
    below = structure.children(response)
    return Service(
        name=settings.name,
        version=settings.version,
        folder=folder,
        request=settings.request,
        response=settings.response,
        fault=fault,
        ssin=settings.ssin,
        period=settings.period or None,
        period_rule=settings.period_rule,
        mode=settings.mode,
        flow=settings.flow,
        definitive_days=settings.definitive_days,
        deadline_ms=settings.deadline_ms,
        combine=settings.combine or None,
        deceased=settings.deceased,
        answered_by=settings.answered_by,
        person_check=settings.person_check,
        changes=settings.changes or settings.mode == "mutation",
        ssdn=tuple(EnvelopeName(**one.model_dump()) for one in settings.ssdn),
        filters_place=below[: below.index("dataFilters")] if "dataFilters" in below else None,
        knows_incomplete=incomplete,
        response_children=below,
        _grammar=grammar,
    )


def _mutation(settings: _Settings) -> list[str]:
    """What is missing of a mutation. Those that the hub itself tells have no period, and no sender to answer."""
    wrong = []
    if (settings.mode == "mutation") != bool(settings.flow):
        wrong.append(f"{SETTINGS}: flow: wrong ({settings.flow!r}); it is {_RIGHT['flow']}, and of nothing else")
    if settings.mode == "mutation" and settings.answered_by != "hub" and not (settings.period and settings.ssin):
        wrong.append(f"{SETTINGS}: period: wrong (empty); a mutation says of whom, and on which days it holds")
    return wrong


def _knows_incomplete(response: "XsdElement") -> bool:
    from schemas import structure

    value = structure.find(response, "status/value")
    if value is None:
        return False
    listed = structure.values(value)
    return listed is None or "INCOMPLETE_DATA" in listed
