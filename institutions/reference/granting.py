"""What a body that grants rights by social statuses keeps: De Lijn (64-0), the social tariff (70-3). docs/statuses.md.

It knows codes and quarters, never why. In memory: in the reference network it begins anew with its process.
"""

from dataclasses import dataclass, field
from datetime import date

from lxml import etree

from institutions.statuses import quarters
from institutions.statuses.quarters import Quarters
from schemas.message import find_all, text_at
from schemas.ssin import Ssin


@dataclass(frozen=True, slots=True)
class Status:
    """A code and the run of quarters that it holds for."""

    code: str
    quarters: Quarters


def status_in(element: etree._Element) -> Status | None:
    """Of a `socialStatus`."""
    code, first, last = (text_at(element, name) for name in ("code", "firstQuarter", "lastQuarter"))
    if code is None or first is None:
        return None
    return Status(code, Quarters(quarters.read(first), None if last is None else quarters.read(last)))


def statuses_in(root: etree._Element) -> list[Status]:
    """All that an answer of SocialStatus, or a StatusMutation, tells."""
    return [status for one in find_all(root, "socialStatus") if (status := status_in(one)) is not None]


@dataclass
class Granting:
    """Who has which status, as it was told and asked."""

    #: By person and the reference under which it was told; what was asked for stands under the code.
    known: dict[Ssin, dict[str, Status]] = field(default_factory=dict, repr=False)

    def told(self, person: Ssin, action: str, reference: str, root: etree._Element) -> None:
        """A StatusMutation."""
        mine = self.known.setdefault(person, {})
        for status in statuses_in(root):
            if action == "CANCELLED":
                mine.pop(reference, None)
                _cut(mine, status)
            else:
                _cut(mine, status)
                mine[reference] = status

    def replaced(self, old: Ssin, new: Ssin) -> None:
        """A number was replaced."""
        self.known.setdefault(new, {}).update(self.known.pop(old, {}))

    def asked(self, person: Ssin, root: etree._Element, quarter: int) -> bool:
        """An answer of SocialStatus about a quarter; whether it says anything that was not known."""
        answered = {status.code for status in statuses_in(root)}
        new = answered != self.codes(person, quarter)
        if new:
            self.known[person] = {status.code: status for status in statuses_in(root)}
        return new

    def codes(self, person: Ssin, quarter: int) -> set[str]:
        """What the person has in a quarter."""
        return {status.code for status in self.known.get(person, {}).values() if _holds(status, quarter)}


@dataclass(frozen=True, slots=True)
class Home:
    """An address as contracts are matched by it."""

    postal_code: str
    street: str
    number: str
    box: str = ""

    @classmethod
    def of(cls, root: etree._Element) -> "Home | None":
        """Where a PersonMutation says that somebody lives; None: it says nothing of it."""
        said = [
            text_at(root, f"person/address/{name}") or "" for name in ("postalCode", "street", "houseNumber", "box")
        ]
        return cls(*(" ".join(text.casefold().split()) for text in said)) if any(said) else None


@dataclass
class Tariff(Granting):
    """The social tariff: a contract has it for a quarter if somebody who lives there has a status for it.

    The right is the person's and not the address's: who moves takes it along, from the first day of the quarter, and
    no run is waited for.
    """

    #: Contract by address.
    contracts: dict[Home, str] = field(default_factory=dict, repr=False)
    homes: dict[Ssin, list[tuple[date, Home]]] = field(default_factory=dict, repr=False)

    def moved(self, person: Ssin, since: date, home: Home) -> None:
        """Somebody lives there from a day on."""
        self.homes[person] = sorted([*self.homes.get(person, []), (since, home)], key=lambda one: one[0])

    def replaced(self, old: Ssin, new: Ssin) -> None:
        super().replaced(old, new)
        self.homes.setdefault(new, []).extend(self.homes.pop(old, []))

    def granted(self, quarter: int) -> set[str]:
        """The contracts that have the tariff in a quarter."""
        return {
            self.contracts[home]
            for person in self.known
            if self.codes(person, quarter) and (home := self._home(person, quarter)) in self.contracts
        }

    def _home(self, person: Ssin, quarter: int) -> Home | None:
        """Where somebody lives at the end of a quarter."""
        last = quarters.last_day(quarter)
        return next((home for since, home in reversed(self.homes.get(person, [])) if since <= last), None)


def _holds(status: Status, quarter: int) -> bool:
    run = status.quarters
    return run.first <= quarter and (run.last is None or quarter <= run.last)


def _cut(mine: dict[str, Status], told: Status) -> None:
    """What was asked for gives way to what is told of the same code."""
    mine.pop(told.code, None)
