"""What the lists of workers, and the hub's rows, must say: day by day, from what the plan did. Pure, and naive on
purpose.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from schemas.employer import NssoNumber
from tests.trials.declarations.plan import Life, Step, Work

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """A mutation that who is entitled must be told, in the order of its person's."""

    action: str
    period: str
    begins: date
    ends: date | None


@dataclass
class Ledger:
    """What was accepted. `horizon`: the last day looked at."""

    first: date
    last: date
    #: Periods in force by their ids, and whose they are.
    works: dict[str, tuple[int, Work]] = field(default_factory=dict)
    told: defaultdict[int, list[Told]] = field(default_factory=lambda: defaultdict(list))

    def done(self, life: Life, step: Step, period: str) -> None:
        """A form was accepted."""
        if step.after is None:
            return
        self.works[period] = life.number, step.after
        if not step.after.named:
            action = {"IN": "CREATED", "OUT": "STOPPED", "UPDATE": "CHANGED", "CANCEL": "CANCELLED"}[step.kind]
            self.told[life.number].append(Told(action, period, step.after.begins, step.after.ends))

    def days(self, work: Work) -> list[date]:
        """Days of a period within those looked at, one after the other."""
        found, day = [], max(self.first, work.begins)
        while day <= self.last and (work.ends is None or day <= work.ends):
            found.append(day)
            day += DAY
        return found

    def lists(self) -> Mapping[tuple[NssoNumber, date], set[str]]:
        """Ids of the periods that hold, by employer and day; nothing: nobody works there then."""
        found: defaultdict[tuple[NssoNumber, date], set[str]] = defaultdict(set)
        for period, (_, work) in self.works.items():
            if not work.cancelled:
                for day in self.days(work):
                    found[work.employer, day].add(period)
        return found

    def known(self) -> Mapping[int, set[date]]:
        """Days on which somebody is known as a worker, by life; who is only named is known to nobody."""
        found: defaultdict[int, set[date]] = defaultdict(set)
        for life, work in self.works.values():
            if not work.cancelled and not work.named:
                found[life].update(self.days(work))
        return found
