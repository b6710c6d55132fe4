"""Why a request is refused or admitted, which row is missing, who may add it. Pure: no I/O, no clock.

Nothing is decided here: `interface`, `authorise` and `decide` of `hub/admission.py` are asked, with the rows of the day
in question, and asked again to find what each alternative lacks. What is proposed comes from the rules and from the
customer's own rows alone, so that it may be told to the customer.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Any, Literal, Protocol

from hub.admission import Admitted, Asked, Refused, authorise, decide, decide_mutation, interface
from hub.distribution import MutationFacts, recipients
from hub.repertory.rules import (
    Authorisation,
    Availability,
    Deliberation,
    Distribution,
    Institution,
    Row,
    Rules,
    fits,
    is_significant,
)
from schemas.address import Address
from schemas.codes import CODES
from schemas.integration import REPLACED, Integration
from schemas.parser import Information
from schemas.period import Period
from schemas.sectors import qualities_of
from schemas.ssin import Ssin

#: Step and number of the check (docs/wire.md, "Order of checks") that tells a code.
CHECKS: Mapping[str, tuple[str, int]] = MappingProxyType({
    "CRB00001": ("exchange", 2), "CRB00002": ("exchange", 3), "CRB00004": ("exchange", 4), "CRB00003": ("exchange", 5),
    "CRB00005": ("interface", 6), "CRB00006": ("interface", 7), "CRB00008": ("interface", 8),
    "CRB00007": ("interface", 9), "MSG00008": ("syntax", 10), "MSG00011": ("syntax", 11), "MSG00013": ("authority", 13),
    "MSG00006": ("customer", 14), "MSG00012": ("customer", 15), "MSG00021": ("supplier", 16),
    "CRB00009": ("journal", 17),
})  # fmt: skip
#: A code that none of these checks tells: no verdict on the request (NO_VERDICT of `schemas.codes`).
OTHER = "other"
#: The step of a check that a service which the hub answers makes itself, after check 13 (docs/wire.md, "Services that
#: the hub answers").
OWN = "own"

OPERATORS, DELIBERATION = "the hub's operators", "the hub's operators, under a deliberation"

Table = Literal["institution", "service", "authorisation", "integration", "availability", "distribution"]


class ServiceFacts(Protocol):
    """What an explanation must know of a service; `schemas.service.Service` has it."""

    @property
    def type(self) -> str:
        """`Name/version`."""
        ...

    @property
    def period_rule(self) -> str:
        """`within` or `overlap`."""
        ...

    @property
    def combine(self) -> str | None:
        """The element of one supplier's part; None: a service of one supplier."""
        ...

    @property
    def answered_by(self) -> str:
        """`suppliers`, or `hub`: itself."""
        ...

    @property
    def mode(self) -> str:
        """`online`, or `mutation`: whom it goes to, distributions say."""
        ...

    @property
    def person_check(self) -> bool:
        """Whether the customer must have integrated the person."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, or would be."""

    #: Of the register or not; a cooperating institution's request comes through its managing institution.
    customer: Address
    #: `Name/version`.
    service_type: str
    #: None: no such service.
    service: ServiceFacts | None
    legal_context: str
    #: None: about nobody in particular, or not known.
    ssin: Ssin | None
    period: Period
    #: On which it is asked; Europe/Brussels.
    day: date


@dataclass(frozen=True, slots=True)
class Cited:
    """A row of the rules that had to do with it."""

    table: Table
    id: str
    version: int

    def __str__(self) -> str:
        return f"{self.table} {self.id} v{self.version}"


@dataclass(frozen=True, slots=True)
class Missing:
    """A row that, once it is there, passes the check that failed."""

    table: Table
    #: As it would be; what stands in its fields `fill` is for whoever adds it to say. None: a service's folder.
    row: Row | Integration | None = field(repr=False)
    #: Who may add it.
    by: tuple[str, ...]
    #: Fields that only people can fill in, each with what belongs there.
    fill: Mapping[str, str] = field(default_factory=dict)
    #: Of an integration: each of these qualities would do.
    qualities: tuple[int, ...] = ()
    #: `Name/version` of a service that is missing.
    service_type: str = ""

    @property
    def text(self) -> str:
        """The row as a table of a rules file, what is to be filled in commented out; never the person's number."""
        if self.row is None:
            name, _, version = self.service_type.partition("/")
            return (
                f'a folder with service.toml (name = "{name}", version = "{version}"), where CROSSROADS_SERVICES points'
            )
        lines = [f"[[{self.table}]]"]
        for name, value in _fields(self.row):
            line = f"{name} = {value}"
            if name in self.fill:
                line = f"# {line}: {self.fill[name]}"
            elif name == "quality" and len(self.qualities) > 1:
                line += f"  # or one of {', '.join(map(str, self.qualities[1:]))}"
            lines.append(line)
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Supply:
    """Somebody who would be asked."""

    #: Sector and type that holds the data, and where the hub asks it.
    holder: Address
    asked_at: Address
    authorisation: Cited
    #: None: no availability row names the service; the authorisation is enough for who has integrated the person.
    availability: Cited | None
    #: Elements that would be cut.
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, and what it stands on."""

    #: None: it takes the person's rows to say.
    admitted: bool | None
    #: Of a refusal; None where admitted.
    code: str | None
    #: Step and number of the check that refused it; number None: not one of the common ones.
    step: str | None
    check: int | None
    #: Whom the hub asks, where admitted.
    suppliers: tuple[Address, ...] = ()
    #: `missing` of MSG00012; never a person's number.
    information: Information = ()
    #: The rows that were tried, or nearly fitted.
    decided_by: tuple[Cited, ...] = ()
    #: Any one of them is enough for this check.
    missing: tuple[Missing, ...] = ()
    #: What else there is to know: one sentence each.
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would be asked, and who would be told."""

    explanation: Explanation
    supplies: tuple[Supply, ...]
    #: A mutation of this service about this person would go to their recipients.
    distributions: tuple[Distribution, ...]


def refused(code: str, **more: Any) -> Explanation:
    """The explanation of a refusal by its code alone."""
    step, check = CHECKS.get(code, (OTHER, None))
    return Explanation(False, code, step, check, **more)


def explain(rules: Rules, question: Question, rows: Sequence[Integration]) -> Explanation:
    """Why a request for this is refused, or that it is admitted, by these rules and the person's rows (of every
    institution, under every number he ever had)."""
    return _Explaining(rules, question, rows).made()


def explain_own(
    rules: Rules, question: Question, rows: Sequence[Integration], code: str, quality: int | None, *, admitted: bool
) -> Explanation | None:
    """Why a service that the hub answers told `code` of a check of its own: with what the question was decided by, in
    words, and with the row that is missing where one is. `admitted`: it was found out after the decision, and `quality`
    is the one that was admitted. None: the service is not the hub's, or a common check refuses the question."""
    service = question.service
    if service is None or service.answered_by != "hub":
        return None
    explaining = _Explaining(rules, question, rows)
    common = explaining.made()
    return explaining.own(common, code, quality, admitted=admitted) if common.admitted else None


def preview(
    rules: Rules, question: Question, rows: Sequence[Integration], facts: MutationFacts | None = None
) -> Preview:
    """Who would be asked, under which rows, without which elements; and who would receive a mutation: one with these
    facts, else one of the customer's with any code."""
    explaining = _Explaining(rules, question, rows)
    explanation = explaining.made()
    supplies = tuple(explaining.supplies()) if explanation.admitted else ()
    told = recipients(rules, facts or told_facts(question), rows)
    return Preview(explanation, supplies, tuple(row for one in told for row in one.rows))


def told_facts(question: Question) -> MutationFacts:
    """A mutation of this question's service and customer, whatever its code."""
    return MutationFacts(question.service_type, question.customer, question.period, question.day, any_code=True)


def with_row(rules: Rules, rows: Sequence[Integration], missing: Missing) -> tuple[Rules, tuple[Integration, ...]]:
    """The rules and rows as they would be with that row; one of the rules takes the place of the one with its id."""
    row = missing.row
    if row is None:
        return rules, tuple(rows)
    if isinstance(row, Integration):
        return rules, (*rows, row)
    kept = (one for one in rules.rows() if type(one) is not type(row) or one.id != row.id)
    return Rules((*kept, row), number=rules.number), tuple(rows)


class _Explaining:
    """One question, held against the rules and rows of one moment."""

    def __init__(self, rules: Rules, question: Question, rows: Sequence[Integration]) -> None:
        self._rules, self._question, self._rows = rules, question, tuple(rows)
        self._admitted: Admitted | None = None
        self._asked: Asked | None = None
        self._fitting: tuple[Authorisation, ...] = ()

    def made(self) -> Explanation:
        question = self._question
        sender, cbe, kind = self._sender()
        service = question.service
        found = interface(self._rules, sender, service_known=service is not None, cbe=cbe, sector_institution=kind)
        if isinstance(found, Refused):
            return refused(found.code, missing=tuple(self._of_interface(found.code, sender)))
        if service is None:
            return refused("CRB00008", missing=tuple(self._of_interface("CRB00008", sender)))
        # As the journey does: nothing is asked of who knows the person where the service says so. A mutation's number
        # must be the newest all the same.
        ssin = question.ssin if service.person_check or service.mode == "mutation" else None
        asked = self._asked = Asked(found, service, question.legal_context, ssin, question.period, question.day)
        fitting = authorise(self._rules, asked)
        if isinstance(fitting, Refused):
            return refused(
                fitting.code,
                decided_by=_cited(self._of_other_days(service)),
                missing=(self._authorisation(service),),
                remarks=tuple(self._other_contexts(service)),
            )
        if service.answered_by == "hub":
            self._fitting = fitting
            told = f"{service.type} is answered by the hub, after checks of its own (docs/wire.md)"
            named = f"where it names a quality: one of {_named(fitting)} (else MSG00013)"
            return Explanation(True, None, None, None, decided_by=_cited(fitting), remarks=(told, named))
        if ssin is None and service.person_check:
            told = "which row of the person is missing can be told to who names the person"
            return Explanation(None, None, None, None, decided_by=_cited(fitting), remarks=(told,))
        if service.mode == "mutation":
            owner = decide_mutation(asked, self._rows, fitting)
            if isinstance(owner, Refused):
                return self._of_person(owner, asked, fitting)
            decided = (row for row in fitting if row.row == owner[0].authorisation)
            return Explanation(True, None, None, None, decided_by=_cited(decided))
        verdict = decide(self._rules, asked, self._rows, fitting)
        if isinstance(verdict, Admitted):
            self._admitted = verdict
            decided = (row for row in fitting if row.row == verdict.authorisation)
            return Explanation(True, None, None, None, verdict.suppliers, (), _cited(decided))
        return self._of_person(verdict, asked, fitting)

    def supplies(self) -> Iterable[Supply]:
        """After `made` admitted it: each holder with the availability row that makes it one."""
        asked, admitted = self._asked, self._admitted
        if asked is None or admitted is None:
            return
        [authorisation] = [row for row in self._rules.authorisations if row.row == admitted.authorisation]
        cited = Cited("authorisation", authorisation.id, authorisation.version)
        available = self._rules.available(asked.service.type)
        candidates: list[tuple[Address, Availability | None]] = [(row.address, row) for row in available]
        for holder, row in candidates or [(kind, None) for kind in authorisation.suppliers]:
            # Whether this one row makes the hub ask this one holder: the decision, of nothing else.
            alone = self._rules if row is None else Rules((*self._rules.institutions.values(), row))
            if holder in authorisation.suppliers:
                only = replace(authorisation, suppliers=(holder,))
                if isinstance(found := decide(alone, asked, self._rows, (only,)), Admitted):
                    by = None if row is None else Cited("availability", row.id, row.version)
                    yield Supply(holder, found.suppliers[0], cited, by, authorisation.without)

    def own(self, common: Explanation, code: str, quality: int | None, *, admitted: bool) -> Explanation:
        """After `made` admitted it."""
        question, remarks = self._question, [common.remarks[0]]
        missing: tuple[Missing, ...] = ()
        if code == "MSG00013":
            remarks.append(
                f"the authorisations name the qualities {_named(self._fitting)}; it named another, or a lower phase"
            )
            missing = (self._of_quality(question.service_type),)
        elif code == "MSG00008":
            remarks.append("what it said contradicts itself, or a limit: the answer told what was expected")
        elif code == "MSG00012" and question.ssin is not None and quality is not None:
            phases = [row.min_phase for row in self._fitting if quality in row.qualities]
            least = None if None in phases else min((phase for phase in phases if phase is not None), default=None)
            by = (f"{question.customer}, by RegisterIntegration",)
            row = Integration(question.ssin, question.customer.kind, quality, least, question.period)
            fill = {"from": "the first day that it stated", "to": "the last day that it stated; without one: open"}
            missing = (Missing("integration", row, by, fill, (quality,)),)
            remarks.append("it has not integrated the person as it stated: the quality in all the days")
        else:
            remarks.append(f"told {code}: {CODES[code].remedy}" if code in CODES else f"told {code}")
        if admitted:
            return replace(common, missing=missing, remarks=tuple(remarks))
        return Explanation(
            False, code, OWN, None, decided_by=common.decided_by, missing=missing, remarks=tuple(remarks)
        )

    def _of_quality(self, service_type: str) -> Missing:
        """One more authorisation beside those that fit, for the quality that they do not name."""
        kind, question = self._question.customer.kind, self._question
        fill = {
            "qualities": "the quality that was asked for, which the journal does not hold",
            "deliberation": "number and date of the committee's deliberation",
        }
        row = replace(
            self._fitting[0],
            id=self._free_id(f"{kind}:{service_type}:{question.legal_context}"),
            min_phase=None,
            deliberation=Deliberation("…", question.day),
            valid=Period(question.day, None),
        )
        return Missing("authorisation", row, (DELIBERATION,), fill)

    # --- what is missing -------------------------------------------------------------------------------------------

    def _sender(self) -> tuple[Address, str | None, Address | None]:
        """Whose broker user brings it, and how the message names the customer."""
        customer = self._question.customer
        if not customer.is_cooperating:
            return customer, None, customer
        known = self._rules.institutions.get(customer)
        managing = known.managed_by if known is not None else self._rules.asked_as(customer.kind)
        # Of a network that the register does not have: by custom its sector's type 0 manages it.
        return (Address(customer.sector, 0) if managing in (None, customer.kind) else managing), customer.cbe, None

    def _of_interface(self, code: str, sender: Address) -> Iterable[Missing]:
        customer, institutions = self._question.customer, self._rules.institutions
        if code == "CRB00008":
            yield Missing("service", None, (OPERATORS,), service_type=self._question.service_type)
        elif code == "CRB00006":
            inactive = [row for row in map(institutions.get, (sender, customer)) if row is not None and not row.active]
            yield Missing("institution", replace(inactive[0], active=True), (OPERATORS,))
        elif code == "CRB00005":
            fill = {"name": "its name", "cbe": "its enterprise number, ten digits"}
            yield Missing("institution", _institution(sender), (OPERATORS,), fill)
        elif customer not in institutions:
            fill = {"name": "its name"}
            yield Missing("institution", _institution(customer, sender), (OPERATORS, str(sender)), fill)

    def _of_other_days(self, service: ServiceFacts) -> list[Authorisation]:
        """Authorisations of this customer for this service in this context; none of them is of this day."""
        return [
            row
            for row in self._rules.rights(self._question.customer)
            if row.legal_context == self._question.legal_context and fits(row.service, service.type)
        ]

    def _other_contexts(self, service: ServiceFacts) -> Iterable[str]:
        """In which other legal contexts the customer may ask this service that day."""
        rights = self._rules.rights(self._question.customer)
        if contexts := sorted(
            {
                row.legal_context
                for row in rights
                if fits(row.service, service.type) and row.valid.contains(self._question.day)
            }
        ):
            yield f"it may ask this service in the legal context {' or '.join(contexts)}"

    def _authorisation(self, service: ServiceFacts) -> Missing:
        question, kind = self._question, self._question.customer.kind
        fill = {"deliberation": "number and date of the committee's deliberation"}
        qualities = frozenset(row.quality for row in self._own() if row.quality != REPLACED)
        if not qualities:
            qualities = frozenset(sorted(set(qualities_of(kind.sector)) - {REPLACED})[:1] or [0])
            fill["qualities"] = "in which the customer must know the person"
        suppliers: tuple[Address, ...] = ()
        if service.answered_by != "hub" and service.mode != "mutation":
            suppliers = tuple(sorted({row.address for row in self._rules.available(service.type)}))
            if len(suppliers) != 1 and not (suppliers and service.combine):
                fill["suppliers"] = "who holds the data"
                suppliers = suppliers or (kind,)
        return Missing(
            "authorisation",
            Authorisation(
                id=self._free_id(f"{kind}:{service.type}:{question.legal_context}"),
                customer=kind,
                legal_context=question.legal_context,
                service=service.type,
                qualities=qualities,
                min_phase=None,
                suppliers=suppliers,
                without=(),
                deliberation=Deliberation("…", question.day),
                valid=Period(question.day, None),
            ),
            (DELIBERATION,),
            fill,
        )

    def _free_id(self, wanted: str) -> str:
        taken = {row.id for row in self._rules.authorisations}
        base = re.sub(r"[^A-Za-z0-9._:/-]", "-", wanted)[:96]
        return next(name for n in range(1, 2 + len(taken)) if (name := base if n == 1 else f"{base}-{n}") not in taken)

    def _of_person(self, verdict: Refused, asked: Asked, fitting: tuple[Authorisation, ...]) -> Explanation:
        if verdict.code == "MSG00006":
            return refused(
                "MSG00006", remarks=("no row is missing: ask with the newer number, which the answer tells",)
            )
        if verdict.code == "MSG00012" and (ssin := asked.ssin) is not None:
            return refused(
                verdict.code,
                information=verdict.information,
                decided_by=_cited(fitting),
                missing=tuple(self._own_integrations(ssin, dict(verdict.information)["missing"], asked, fitting)),
            )
        [authorisation] = [row for row in fitting if row.row == verdict.authorisation]
        available = self._rules.available(asked.service.type)
        held = (row for row in available if row.address in authorisation.suppliers)
        return refused(
            verdict.code,
            decided_by=_cited((authorisation, *held)),
            missing=tuple(self._holders(asked, authorisation, available)),
        )  # fmt: skip

    def _own(self) -> list[Integration]:
        return [row for row in self._rows if row.kind == self._question.customer.kind]

    def _own_integrations(
        self, ssin: Ssin, nearest: str, asked: Asked, fitting: tuple[Authorisation, ...]
    ) -> Iterable[Missing]:
        """Of each authorisation the qualities that come as near as any: `decide` says how near each is by itself."""
        customer = self._question.customer
        by = [f"{customer}, by RegisterIntegration"]
        if customer.is_cooperating:
            by.append("its managing institution, in the sectoral repertory")
        for authorisation in fitting:
            near = []
            for quality in sorted(authorisation.qualities - {REPLACED}):
                one = replace(authorisation, qualities=frozenset((quality,)))
                found = decide(self._rules, asked, self._rows, (one,))
                if isinstance(found, Refused) and found.information == (("missing", nearest),):
                    near.append(quality)
            if near:
                yield self._integration(ssin, customer.kind, near, authorisation.min_phase, tuple(by))

    def _holders(
        self, asked: Asked, authorisation: Authorisation, available: Sequence[Availability]
    ) -> Iterable[Missing]:
        """What would make one of the authorisation's suppliers a holder: of the rules alone."""
        held = {row.address for row in available}
        for kind in authorisation.suppliers:
            by = (f"{kind}, by RegisterIntegration",)
            qualities = sorted({row.quality for row in available if row.address == kind and row.quality is not None})
            if not available:
                qualities = [quality for quality in sorted(qualities_of(kind.sector)) if is_significant(kind, quality)]
                qualities = qualities or [0]
            if (kind in held or not available) and asked.ssin is not None:
                yield self._integration(asked.ssin, kind, qualities, None, by)
            elif kind not in held or asked.ssin is None:
                fill = (
                    {}
                    if asked.ssin is None
                    else {"everybody": "where it holds the data of everybody; else quality = …, in which it knows them"}
                )
                yield Missing(
                    "availability", Availability(asked.service.type, kind, None), (OPERATORS, str(kind)), fill
                )

    def _integration(
        self, ssin: Ssin, kind: Address, qualities: Sequence[int], phase: int | None, by: tuple[str, ...]
    ) -> Missing:
        row = Integration(ssin, kind, qualities[0], phase, self._question.period)
        return Missing("integration", row, by, qualities=tuple(qualities))


def _institution(address: Address, managed_by: Address | None = None) -> Institution:
    return Institution(address, address.cbe or "0" * 10, "…", managed_by)


def _named(fitting: Iterable[Authorisation]) -> str:
    """The qualities that they name, with the least phase where they ask for one."""
    least: dict[int, int | None] = {}
    for row in fitting:
        for quality in row.qualities:
            before = least.get(quality, row.min_phase)
            least[quality] = None if None in (before, row.min_phase) else min(before or 0, row.min_phase or 0)
    told = (f"{quality} from phase {phase}" if phase else str(quality) for quality, phase in sorted(least.items()))
    return ", ".join(told)


def _cited(rows: Iterable[Authorisation | Availability]) -> tuple[Cited, ...]:
    tables: Mapping[type, Table] = {Authorisation: "authorisation", Availability: "availability"}
    return tuple(Cited(tables[type(row)], row.id, row.version) for row in rows)


def _fields(row: Row | Integration) -> list[tuple[str, str]]:
    """Field and value as TOML has them; fields at their default are left out."""
    found: list[tuple[str, object]]
    match row:
        case Institution():
            found = [("address", row.address), ("cbe", row.cbe), ("name", row.name), ("managed_by", row.managed_by)]
            found.append(("rate", row.rate))
        case Availability():
            found = [("service", row.service), ("address", row.address)]
            found.append(("everybody", True) if row.quality is None else ("quality", row.quality))
        case Authorisation():
            found = [
                ("id", row.id), ("customer", row.customer), ("legal_context", row.legal_context),
                ("service", row.service), ("qualities", sorted(row.qualities)), ("min_phase", row.min_phase),
                ("suppliers", [str(kind) for kind in row.suppliers] or None), ("deliberation", row.deliberation),
                ("from", row.valid.begin), ("to", row.valid.end),
            ]  # fmt: skip
        case Distribution():
            found = [
                ("service", row.service), ("recipient", row.recipient), ("qualities", sorted(row.qualities) or None),
                ("everybody", row.everybody or None), ("codes", sorted(row.codes) or None), ("dossiers", row.dossiers),
                ("deliberation", row.deliberation), ("from", row.valid.begin), ("to", row.valid.end),
            ]  # fmt: skip
        case Integration():
            found = [
                ("address", row.kind), ("quality", row.quality), ("phase", row.phase), ("from", row.period.begin),
                ("to", row.period.end),
            ]  # fmt: skip
    return [(name, _toml(value)) for name, value in found if value is not None]


def _toml(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Deliberation):
        return f'{{ number = "{value.number}", date = {value.decided} }}'
    return json.dumps(str(value) if isinstance(value, Address) else value, ensure_ascii=False)
