"""Who is told of a mutation. Pure: the hub, `crossroads repertory preview` and ExplainDecision ask the same.

docs/distribution.md, "The distribution table".
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from hub.repertory.rules import Distribution, Rules
from schemas.address import Address
from schemas.distribution import Entitled, cuts, reached
from schemas.integration import Integration
from schemas.period import Period


@dataclass(frozen=True, slots=True)
class MutationFacts:
    """What decides who is told."""

    #: `Name/version`.
    service_type: str
    #: Whose mutation it is: it is not told itself. None: not asked.
    owner: Address | None
    #: The days on which the change holds.
    period: Period
    today: date
    #: Its distribution code. Without one, rows that name codes do not count.
    code: str | None = None
    #: Sectors and types that it names; empty: everybody.
    destinations: tuple[Address, ...] = ()
    #: Of a CANCELLED one: who was told an earlier one of its reference, by which rows (`told_by`), and its code.
    earlier: frozenset[tuple[Address, Entitled, str | None]] = frozenset()
    #: Whatever its code is: who would be told of one at least.
    any_code: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is told, and by which rows; none of these rows is left out."""

    #: Whose queue takes it: an institution, or the managing one of a network.
    address: Address
    rows: tuple[Distribution, ...]
    #: It was named as destination and does not know the person but in this quality, in which the message wants it to
    #: know him: it is registered so first, unless it is already.
    integrate: int | None = None

    @property
    def entitled(self) -> tuple[Entitled, ...]:
        """The rows as they are told to the recipient."""
        return tuple(map(entitled, self.rows))

    @property
    def cuts(self) -> tuple[str, ...]:
        """What is cut: what every row cuts."""
        return cuts(self.entitled)


def entitled(row: Distribution) -> Entitled:
    """A row of the table, without what only the hub needs."""
    return Entitled(row.recipient, row.qualities, row.everybody, row.dossiers, row.without)


def told_by(row: Entitled) -> Entitled:
    """Which row it is, whatever it cuts: what is cut is the table's of today. Rows that differ in their codes alone are
    told apart by the code of what was told."""
    return replace(row, without=())


def still_entitled(
    rules: Rules, service_type: str, address: Address, code: str | None, then: Iterable[Entitled], today: date
) -> tuple[Entitled, ...]:
    """Rows of today that let an institution be told what the rows of `then` let it be told: for this code, of persons
    whom it knew so then. Who knew the person how is not known any more but by these."""
    before = tuple(then)
    rows = (row for row in rules.recipients(service_type) if row.valid.contains(today))
    return tuple(
        entitled(row)
        for row in rows
        if rules.asked_as(row.recipient) == address
        and (not row.codes or code in row.codes)
        and any(_overlap(entitled(row), one) for one in before)
    )


def _overlap(one: Entitled, then: Entitled) -> bool:
    """Who was told then as knowing everybody may know nobody in the qualities that it takes today."""
    return one.recipient == then.recipient and (one.everybody or bool(one.qualities & then.qualities))


def recipients(rules: Rules, facts: MutationFacts, rows: Iterable[Integration]) -> tuple[Recipient, ...]:
    """Who is told, in the order of their addresses. `rows`: of every institution, under all numbers of the person."""
    known = tuple(rows)
    found: defaultdict[Address, list[Distribution]] = defaultdict(list)
    codes_then: defaultdict[tuple[Address, Entitled], set[str | None]] = defaultdict(set)
    for who, by, code in facts.earlier:
        codes_then[who, by].add(code)
    integrate: dict[Address, int] = {}
    for row in rules.recipients(facts.service_type):
        if not row.valid.contains(facts.today) or row.recipient == facts.owner:
            continue
        address = rules.asked_as(row.recipient)
        institution = rules.institutions.get(address)
        if institution is None or not institution.active:
            continue
        then = codes_then.get((address, told_by(entitled(row))))
        if then and (not row.codes or row.codes & then):
            found[address].append(row)
            continue
        named = row.recipient in facts.destinations
        fits = not row.codes or facts.any_code or facts.code in row.codes
        if not fits or not (named or not facts.destinations):
            continue
        knows = reached(known, entitled(row), facts.period)
        wants = named and row.integrate is not None and not _knows_otherwise(known, row, facts.period)
        if knows or wants:
            found[address].append(row)
        if wants and row.integrate is not None:
            integrate.setdefault(address, row.integrate)
    return tuple(
        Recipient(address, tuple(sorted(found[address], key=lambda row: row.id)), integrate.get(address))
        for address in sorted(found)
    )


def _knows_otherwise(rows: Iterable[Integration], row: Distribution, period: Period) -> bool:
    others = replace(entitled(row), qualities=row.qualities - {row.integrate})
    return row.everybody or reached(rows, others, period)


def refused_destinations(facts: MutationFacts, told: Iterable[Recipient]) -> tuple[Address, ...]:
    """Destinations that the message names and that are not told: the verdict says so."""
    reached_ = {row.recipient for one in told for row in one.rows}
    return tuple(sorted(address for address in facts.destinations if address not in reached_))
