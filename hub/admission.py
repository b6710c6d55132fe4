"""Steps 2 to 6 of a consultation: may this customer ask this of whom? Pure: no I/O, no clock.

The journey calls the checks in the order of docs/wire.md ("Order of checks"): `interface` before the schema is held
against the request, then `authorise`, which needs no row of the person, then `decide` with the person's rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from hub.repertory.rules import Authorisation, Institution, RowId, Rules, is_significant
from schemas.address import Address
from schemas.integration import REPLACED, Integration, Opening, check_person
from schemas.parser import Information
from schemas.period import Period
from schemas.ssin import Ssin

#: What was missing for MSG00012, from the farthest miss to the nearest.
MISSES = ("quality", "phase", "period")


class ServiceFacts(Protocol):
    """What admission must know of a service; `schemas.service.Service` has it."""

    @property
    def type(self) -> str:
        """`Name/version`."""
        ...

    @property
    def period_rule(self) -> str:
        """`within` or `overlap`."""
        ...

    @property
    def person_check(self) -> bool:
        """Whether the customer must have integrated the person."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that passed the checks 1 to 12."""

    #: For whom: the sender, or a member of the network it manages, as `interface` found.
    customer: Address
    service: ServiceFacts
    legal_context: str
    #: None: about nobody in particular; of services without `person_check` alone.
    ssin: Ssin | None
    #: The period asked about; today where the request names none.
    period: Period
    #: Europe/Brussels.
    today: date


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request may be forwarded."""

    customer: Address
    #: The one authorisation that decided, as it was.
    authorisation: RowId
    #: The quality in which the customer knows the person; None: nothing was asked of it.
    quality: int | None
    #: Whom the hub asks, without doubles, in the order of their addresses; empty only where the hub itself answers. For
    #: a cooperating sector and type it is the managing institution.
    suppliers: tuple[Address, ...]
    #: Elements to cut from the answer: paths of local names below the response's root.
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The request ends here with this code of `schemas.codes`."""

    code: str
    #: For the answer; may hold a person's number (MSG00006), so it is in no repr.
    information: Information = field(default=(), repr=False)
    #: None: it could not be told who asks.
    customer: Address | None = None
    #: The authorisation that decided, where one did (MSG00021), for the journal.
    authorisation: RowId | None = None
    quality: int | None = None


def interface(
    rules: Rules, sender: Address, *, service_known: bool, cbe: str | None, sector_institution: Address | None
) -> Address | Refused:
    """Checks 6 to 9: the customer for whom `sender` asks, or the refusal of the earliest check that fails.

    `cbe` and `sector_institution` are how the body names the customer (`schemas.message.Head`); where it names none the
    sender asks for itself, and the schema has the last word.
    """
    institution = admit_sender(rules, sender)
    if isinstance(institution, Refused):
        return institution
    if not service_known:
        return Refused("CRB00008", customer=None)
    return resolve_customer(rules, institution, cbe, sector_institution)


def admit_sender(rules: Rules, sender: Address) -> Institution | Refused:
    """Checks 6 and 7: a directly connected institution of the register, and active."""
    institution = rules.institutions.get(sender)
    if institution is None or institution.managed_by is not None:
        return Refused(
            "CRB00005", (("expected", "an institution of the register that is connected to the hub itself"),)
        )
    if not institution.active:
        return Refused("CRB00006", (("inactive", str(sender)),), institution.address)
    return institution


def resolve_customer(
    rules: Rules, sender: Institution, cbe: str | None, sector_institution: Address | None
) -> Address | Refused:
    """Check 9: the one active institution with these marks among the sender and the members of its network."""
    if cbe is None and sector_institution is None:
        return sender.address
    named = [
        institution
        for institution in (sender, *rules.members(sender.address))
        if cbe in (None, institution.cbe) and sector_institution in (None, institution.address.kind)
    ]
    active = [institution.address for institution in named if institution.active]
    if len(active) == 1:
        return active[0]
    if named and not active:
        return Refused("CRB00006", (("inactive", "the customer named in the request"),))
    expected = f"exactly one of {sender.address} and the members of its network; named: {len(active)}"
    return Refused("CRB00007", (("expected", expected),))


def authorise(rules: Rules, asked: Asked) -> tuple[Authorisation, ...] | Refused:
    """Check 13: the authorisations that fit, in the order in which they are tried; never an empty tuple."""
    fitting = rules.authorised(asked.customer, asked.legal_context, asked.service.type, asked.today)
    return fitting or Refused("MSG00013", customer=asked.customer)


def decide(
    rules: Rules, asked: Asked, rows: Iterable[Integration], fitting: tuple[Authorisation, ...] | None = None
) -> Admitted | Refused:
    """Checks 13 to 16, with the person's rows as `Persons.rows` gives them (any order, of every institution).

    fitting: what `authorise` gave by these rules; None: it is asked.
    """
    if fitting is None:
        found = authorise(rules, asked)
        if isinstance(found, Refused):
            return found
        fitting = found
    if asked.ssin is None:
        return decide_without_person(rules, asked, fitting)
    person = _Person(asked.ssin, asked, tuple(rows))
    if (newer := person.told_number()) is not None:
        return Refused("MSG00006", (("newSSIN", newer.digits),), asked.customer)
    opened = check_customer(fitting, asked, person.rows)
    if isinstance(opened, Refused):
        return opened
    authorisation, opening = opened
    suppliers = find_suppliers(rules, authorisation, asked, person.rows)
    if not suppliers:
        return Refused("MSG00021", (), asked.customer, authorisation.row, opening.quality)
    return Admitted(asked.customer, authorisation.row, opening.quality, suppliers, authorisation.without)


def decide_mutation(
    asked: Asked, rows: Iterable[Integration], fitting: Sequence[Authorisation]
) -> tuple[Admitted, int | None] | Refused:
    """Checks 14 and 15 of a mutation, whose sender is the customer; nobody is asked. With it the quality in which the
    customer is registered with it: that of the first authorisation with `integrate`, where check 15 fails without, or
    passes by that very quality, which a mutation may have given. Who knows everybody (a service without `person_check`)
    needs to know nobody in particular. He is told every newer number, and so is who may register whomever he tells of:
    nobody is registered under a number that was replaced."""
    everybody = not asked.service.person_check
    if asked.ssin is None:
        return Admitted(asked.customer, fitting[0].row, None, (), ()), None
    person = _Person(asked.ssin, asked, tuple(rows))
    anybody = everybody or any(one.integrate is not None for one in fitting)
    if (newer := person.newest_number() if anybody else person.told_number()) is not None:
        return Refused("MSG00006", (("newSSIN", newer.digits),), asked.customer)
    if everybody:
        return Admitted(asked.customer, fitting[0].row, None, (), ()), None
    opened = check_customer(fitting, asked, person.rows)
    if not isinstance(opened, Refused):
        authorisation, opening = opened
        given = opening.quality if any(one.integrate == opening.quality for one in fitting) else None
        return Admitted(asked.customer, authorisation.row, opening.quality, (), ()), given
    for authorisation in fitting:
        if authorisation.integrate is not None:
            quality = authorisation.integrate
            return Admitted(asked.customer, authorisation.row, quality, (), ()), quality
    return opened


def replaced_number(asked: Asked, rows: Iterable[Integration]) -> Ssin | None:
    """Check 14 alone: the newest number, if the one asked about was replaced and the customer may know it."""
    return None if asked.ssin is None else _Person(asked.ssin, asked, tuple(rows)).told_number()


def known_rows(asked: Asked, rows: Iterable[Integration]) -> tuple[Integration, ...]:
    """Of all rows under a person's numbers those that speak of the number asked about and of those that it replaced."""
    return () if asked.ssin is None else _Person(asked.ssin, asked, tuple(rows)).rows


def decide_without_person(rules: Rules, asked: Asked, fitting: tuple[Authorisation, ...]) -> Admitted | Refused:
    """As `decide`, for a service that asks nothing of who knows the person: the first authorisation decides, and of its
    suppliers those that hold the data for everybody are asked."""
    authorisation = fitting[0]
    everybody = {row.address for row in rules.available(asked.service.type) if row.quality is None}
    suppliers = tuple(sorted({rules.asked_as(kind) for kind in authorisation.suppliers if kind in everybody}))
    if not suppliers:
        return Refused("MSG00021", (), asked.customer, authorisation.row)
    return Admitted(asked.customer, authorisation.row, None, suppliers, authorisation.without)


def check_customer(
    fitting: Sequence[Authorisation], asked: Asked, rows: Sequence[Integration]
) -> tuple[Authorisation, Opening] | Refused:
    """Check 15: the first authorisation under which the customer's sector and type knows the person well enough; it
    decides alone. Else MSG00012 with the nearest miss of all."""
    own = tuple(row for row in rows if row.kind == asked.customer.kind)
    nearest = -1
    for authorisation in fitting:
        found = check_person(
            own, authorisation.qualities, authorisation.min_phase, asked.period, asked.service.period_rule
        )
        if isinstance(found, Opening):
            return authorisation, found
        nearest = max(nearest, MISSES.index(found))
    return Refused("MSG00012", (("missing", MISSES[nearest]),), asked.customer)


def find_suppliers(
    rules: Rules, authorisation: Authorisation, asked: Asked, rows: Sequence[Integration]
) -> tuple[Address, ...]:
    """Check 16: whom the hub asks, of the suppliers that the authorisation names.

    One that an availability row says holds the data, for everybody, or of the persons whom it has integrated in that
    quality for a part of the asked period at least. A service that no availability row names is held by the
    authorisation's suppliers, for the persons whom they have integrated in a significant quality.
    """
    known = {(row.kind, row.quality) for row in rows if row.quality != REPLACED and row.period.overlaps(asked.period)}
    available = rules.available(asked.service.type)
    if available:
        holders = {row.address for row in available if row.quality is None or (row.address, row.quality) in known}
    else:
        holders = {kind for kind, quality in known if is_significant(kind, quality)}
    return tuple(sorted({rules.asked_as(kind) for kind in authorisation.suppliers if kind in holders}))


class _Person:
    """Someone's rows under all the numbers he ever had."""

    def __init__(self, ssin: Ssin, asked: Asked, rows: tuple[Integration, ...]) -> None:
        self._ssin, self._asked, self._all = ssin, asked, rows
        if not any(row.quality == REPLACED for row in rows):
            # As of nearly everybody: there is but one number.
            self._newer, self._older, self.rows = {}, frozenset((ssin,)), rows
            return
        replaced = [row for row in rows if row.quality == REPLACED and row.period.contains(asked.today)]
        # Of rows that contradict each other the one that began last holds; then the higher number, whoever wrote first.
        replaced.sort(key=lambda row: (row.period.begin, row.replaced_by or row.ssin))
        self._newer = {row.ssin: row.replaced_by for row in replaced if row.replaced_by is not None}
        self._older = frozenset(self._chain_to(ssin))
        #: Those that speak of the number asked about and of the numbers it replaced.
        self.rows = tuple(row for row in rows if row.ssin in self._older)

    def told_number(self) -> Ssin | None:
        """The newest number, where the one asked about was replaced and the customer's sector and type ever integrated
        the person under any of the numbers. Others are told what any stranger is told."""
        chain = list(self._chain_from(self._ssin))
        if len(chain) == 1:
            return None
        numbers = self._older.union(chain)
        known = any(row.kind == self._asked.customer.kind and row.ssin in numbers for row in self._all)
        return chain[-1] if known else None

    def newest_number(self) -> Ssin | None:
        """The newest number, where the one asked about was replaced."""
        *older, newest = self._chain_from(self._ssin)
        return newest if older else None

    def _chain_from(self, ssin: Ssin) -> Iterator[Ssin]:
        """A number and the ones that replaced it, to the newest; a circle of replacements is gone round once."""
        seen = [ssin]
        yield ssin
        while (newer := self._newer.get(seen[-1])) is not None and newer not in seen:
            seen.append(newer)
            yield newer

    def _chain_to(self, ssin: Ssin) -> Iterator[Ssin]:
        """A number and all those it replaced, at any distance."""
        seen = {ssin}
        ahead = [ssin]
        while ahead:
            newest = ahead.pop()
            yield newest
            older = {old for old, new in self._newer.items() if new == newest} - seen
            seen |= older
            ahead += older
