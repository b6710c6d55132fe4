"""What a person lives on, from leaving school until now.

Spells never overlap, so that no two institutions contradict each other: who draws a pension, an unemployment benefit or
a living wage does not work at the same time.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from institutions.reference.draws import Draws
from institutions.reference.identity import AS_OF, Identity
from institutions.reference.scenarios import Scenario, scenario_of
from schemas.period import Period

DAY = timedelta(days=1)
PENSION_AGE = 65
_LATEST = date(2025, 9, 30)  # when what people live on changed last


class Means(Enum):
    """What somebody lives on."""

    WORK = "work"
    SELF_EMPLOYMENT = "self-employment"
    UNEMPLOYMENT = "unemployment"
    CAREER_BREAK = "career break"
    INCAPACITY = "incapacity for work"
    LIVING_WAGE = "living wage"
    #: allowance of 16-0, replacing an income (IVT)
    HANDICAP = "handicap"
    PENSION = "pension"
    GRAPA = "income guarantee for the elderly"
    #: at school, at the cost of the household, or unknown
    NOTHING = "nothing of these"


@dataclass(frozen=True, slots=True)
class Spell:
    """A period lived on the same."""

    means: Means
    period: Period

    def is_running(self, day: date = AS_OF) -> bool:
        return self.period.contains(day)


_OF_WORKING_AGE = (
    (Means.WORK, 57),
    (Means.SELF_EMPLOYMENT, 10),
    (Means.UNEMPLOYMENT, 9),
    (Means.CAREER_BREAK, 2),
    (Means.INCAPACITY, 6),
    (Means.LIVING_WAGE, 7),
    (Means.HANDICAP, 4),
    (Means.NOTHING, 5),
)
_OF_THE_OLD = ((Means.PENSION, 90), (Means.GRAPA, 7), (Means.NOTHING, 3))
_BETWEEN = ((None, 70), (Means.UNEMPLOYMENT, 20), (Means.LIVING_WAGE, 10))

_PLACED = {
    Scenario.KNOWN_TO_PCSW_A_ONLY: Means.LIVING_WAGE,
    Scenario.KNOWN_TO_PCSW_B_ONLY: Means.LIVING_WAGE,
    Scenario.KNOWN_TO_TWO_PCSWS: Means.LIVING_WAGE,
    Scenario.AT_NO_MUTUALITY: Means.WORK,
    Scenario.AT_TWO_MUTUALITIES: Means.WORK,
    Scenario.DECEASED: Means.PENSION,
    Scenario.DECEASED_ON_LIVING_WAGE: Means.LIVING_WAGE,
    Scenario.REPLACED_NUMBER: Means.LIVING_WAGE,
    Scenario.PROVISIONAL_ONLY: Means.WORK,
    Scenario.PERIOD_OVER: Means.WORK,
    Scenario.PHASE_TOO_LOW: Means.INCAPACITY,
    Scenario.OCCUPATIONAL_ACCIDENT: Means.INCAPACITY,
    Scenario.PENSIONER: Means.PENSION,
    Scenario.GRAPA: Means.GRAPA,
    Scenario.UNEMPLOYED: Means.UNEMPLOYMENT,
    Scenario.CAREER_BREAK: Means.CAREER_BREAK,
    Scenario.HANDICAPPED: Means.HANDICAP,
    Scenario.SELF_EMPLOYED: Means.SELF_EMPLOYMENT,
    Scenario.BIS_NUMBER: Means.LIVING_WAGE,
    Scenario.UNKNOWN_BIRTH_DATE: Means.PENSION,
    Scenario.SOCIAL_INQUIRY: Means.HANDICAP,
    Scenario.EMPLOYEE: Means.WORK,
}
_AFTER_WORK = {Means.UNEMPLOYMENT, Means.CAREER_BREAK, Means.INCAPACITY, Means.LIVING_WAGE, Means.HANDICAP}


def career_of(identity: Identity) -> tuple[Spell, ...]:
    """The spells in order, without gaps from leaving school on; what lasts has no end, unless the person has died."""
    draws = Draws(identity.seed, "career", identity.index)
    start = date(identity.born.year + draws.between(18, 24), draws.between(1, 12), 1)
    if start >= AS_OF:
        return ()
    spells = _until_pension(identity, draws, start)
    return _until_death(spells, identity.died)


def career_ends_in(spells: tuple[Spell, ...]) -> Means:
    """What the person lives on now, or lived on last."""
    return spells[-1].means if spells else Means.NOTHING


def _until_pension(identity: Identity, draws: Draws, start: date) -> list[Spell]:
    scenario = scenario_of(identity.index)
    placed = _PLACED.get(scenario) if scenario is not None else None
    old = identity.turned(PENSION_AGE)
    pension = date(old.year + old.month // 12, old.month % 12 + 1, 1)
    if pension < AS_OF:
        last = placed or draws.weighted(_OF_THE_OLD)
        main = Means.NOTHING if last in (Means.GRAPA, Means.NOTHING) else _trade(draws)
        return [*_working(draws, main, start, pension - DAY, scenario), Spell(last, Period(pension, None))]
    now = placed or draws.weighted(_OF_WORKING_AGE)
    if now not in _AFTER_WORK:
        return _working(draws, now, start, None, scenario)
    latest = _LATEST if identity.died is None else min(_LATEST, identity.died - 60 * DAY)
    since = draws.day(max(start + 90 * DAY, date(2016, 1, 1)), latest)
    if start + 90 * DAY > latest:
        return [Spell(now, Period(start, None))]
    if scenario is Scenario.SOCIAL_INQUIRY:
        # Unemployed for a year, then recognised as handicapped.
        since = date(2024, 7, 1)
        lost = date(2023, 7, 1)
        return [
            *_working(draws, Means.WORK, start, lost - DAY, scenario),
            Spell(Means.UNEMPLOYMENT, Period(lost, since - DAY)),
            Spell(now, Period(since, None)),
        ]
    return [*_working(draws, Means.WORK, start, since - DAY, scenario), Spell(now, Period(since, None))]


def _trade(draws: Draws) -> Means:
    return Means.SELF_EMPLOYMENT if draws.chance(130) else Means.WORK


def _working(draws: Draws, means: Means, start: date, end: date | None, scenario: Scenario | None) -> list[Spell]:
    """Years of the same, which something else may have interrupted."""
    between = draws.weighted(_BETWEEN)
    last = (end or AS_OF) - 400 * DAY
    first = start + 400 * DAY
    lost = draws.day(first, last)
    months = draws.between(3, 30)
    found = min(lost + months * 30 * DAY, last + 200 * DAY)
    if between is None or means is not Means.WORK or scenario is not None or first > last or found >= AS_OF:
        return [Spell(means, Period(start, end))] if end is None or start <= end else []
    return [
        Spell(means, Period(start, lost - DAY)),
        Spell(between, Period(lost, found - DAY)),
        Spell(means, Period(found, end)),
    ]


def _until_death(spells: list[Spell], died: date | None) -> tuple[Spell, ...]:
    if died is None:
        return tuple(spells)
    kept = []
    for spell in spells:
        begin, end = spell.period.begin, spell.period.end
        if begin <= died:
            kept.append(Spell(spell.means, Period(begin, died if end is None or end > died else end)))
    return tuple(kept)
