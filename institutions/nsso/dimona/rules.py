"""Dimona's rules, pure: one small function each, in the order of the table in `docs/declarations.md`.

The zone of `…-333` to `…-343`, `…-421` and `…-460` is 90373 whatever the kind of declaration, as the field has them.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path

from institutions.nsso.dimona.dimona import NO_NUMBER, REOPENED, Dimona, Situation
from institutions.nsso.moment import Moment
from institutions.nsso.register import Employer
from institutions.nsso.working_days import next_working_day
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import DimonaPeriod, Features, Span
from schemas.employer import EmployerNumberError, EnterpriseNumber
from schemas.ssin import Ssin

_EARLIEST = date(1920, 1, 1)
_YEARS_AHEAD = 10
_INTERIM = "322"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IDENTIFYING = ("WorkerName", "WorkerFirstName", "WorkerBirthdate")
_PLANNED_HOURS = ("STU", "O17", "S17")
_ONE_QUARTER = ("STU", "O17", "S17")
_ENDS = ("EXT", "STU", "IVT", "TRI", "STG")
_ARTICLE_17 = ("O17", "S17", "T17")
_ARTICLE_17_AHEAD = timedelta(days=15)
_FLEXI_AHEAD = timedelta(days=31)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Case:
    """What the rules look at."""

    dimona: Dimona
    situation: Situation
    moment: Moment
    #: The period before; None of an IN.
    before: DimonaPeriod | None
    #: As it would be.
    span: Span
    features: Features
    employer: Employer | None
    ssin: Ssin | None

    @property
    def type(self) -> str:
        return self.features.worker_type

    @property
    def others(self) -> Iterator[DimonaPeriod]:
        """What else the person has, not cancelled."""
        own = None if self.before is None else self.before.id
        return (one for one in self.situation.others if not one.cancelled and one.id != own)

    @property
    def here(self) -> Iterator[DimonaPeriod]:
        """Of these, at this employer."""
        number = self.before.employer if self.before is not None else self.employer and self.employer.nsso
        return (one for one in self.others if one.employer == number)

    @property
    def exceeding(self) -> int:
        """Hours beyond the quota of the year in which it begins; 0: within, or there is none."""
        quota = quotas().get(self.type)
        if quota is None or self.span.planned_hours is None:
            return 0
        year = self.span.starting_date.year
        alike = (
            one.span.planned_hours or 0
            for one in self.others
            if one.features.worker_type == self.type and one.span.starting_date.year == year
        )
        return max(0, sum(alike) + self.span.planned_hours - quota)


Rule = Callable[[Case], Iterator[Anomaly]]


@cache
def quotas() -> Mapping[str, int]:
    """Hours a year by worker type: `nsso.toml`."""
    written = tomllib.loads((Path(__file__).parents[1] / "nsso.toml").read_text(encoding="utf-8"))
    return {str(name): int(hours) for name, hours in written["quotas"].items()}


def creation_date(dimona: Dimona, moment: Moment) -> Iterator[Anomaly]:
    if creation_is_wrong(dimona.created, moment):
        yield dimona.anomaly("FormCreationDate", "003", dimona.created)


def creation_is_wrong(created: date, moment: Moment) -> bool:
    """A form is of this or the last year, and not to come (zone 00218)."""
    return created > moment.day or created.year < moment.day.year - 1


def numbers(dimona: Dimona) -> Iterator[Anomaly]:
    if dimona.inss is not None and dimona.ssin is None:
        yield dimona.anomaly("INSS", "004", dimona.inss)
    if dimona.period is not None and dimona.period_id is None:
        yield dimona.anomaly("DimonaPeriodId", "004", dimona.period)
    if dimona.user_company is not None and dimona.user_company != NO_NUMBER:
        try:
            EnterpriseNumber.parse(dimona.user_company)
        except EmployerNumberError:
            yield dimona.anomaly("UsingEmployerCompanyID", "004", dimona.user_company)


def end_before_start(case: Case) -> Iterator[Anomaly]:
    span = case.span
    if span.ending_date is None:
        return
    begins = span.starting_date, span.starting_hour or ""
    # An hour at which it would end as it begins, on one day, is no time at all.
    ends = span.ending_date, span.ending_hour or "9999"
    if span.ending_date < span.starting_date or (span.ending_date == span.starting_date and ends <= begins):
        yield case.dimona.anomaly("EndingDate", "014", span.ending_date)


def _start(case: Case) -> Iterator[Anomaly]:
    start = case.span.starting_date
    if start < _EARLIEST or start.year >= case.moment.day.year + _YEARS_AHEAD:
        yield case.dimona.anomaly("StartingDate", "003", start)


def _end_in_reach(case: Case) -> Iterator[Anomaly]:
    if case.span.ending_date == REOPENED:
        yield case.dimona.anomaly("EndingDate", "003", case.span.ending_date)


def _identification(case: Case) -> Iterator[Anomaly]:
    if case.dimona.inss is None and not {name for name, text in case.dimona.said if text.strip()}.issuperset(
        _IDENTIFYING
    ):
        yield case.dimona.anomaly("NaturalPerson", "363")


def _name_or_birth_date(case: Case) -> Iterator[Anomaly]:
    if case.ssin is None or (born := case.ssin.birth_date) is None:
        return
    said = dict(case.dimona.said).get("WorkerBirthdate")
    if said is not None and _DAY.fullmatch(said) and said != born.isoformat():
        yield case.dimona.anomaly("INSS", "348", case.ssin.digits)


def _active(case: Case) -> Iterator[Anomaly]:
    days = case.span.days
    shrinks = case.before is not None and case.before.span.days.covers(days)
    if case.employer is not None and not shrinks and not case.employer.active.covers(days):
        yield case.dimona.declared("343")


def _type_forbidden(case: Case) -> Iterator[Anomaly]:
    if case.employer is not None and case.type in case.employer.forbidden:
        yield case.dimona.anomaly("WorkerType", "350", case.type)


def _late_in(case: Case) -> Iterator[Anomaly]:
    if not case.moment.by(case.span.starting_date, case.span.starting_hour):
        yield case.dimona.declared("460")


def _late_out(case: Case) -> Iterator[Anomaly]:
    if case.span.ending_date is not None and not case.moment.by(next_working_day(case.span.ending_date)):
        yield case.dimona.declared("460")


def _late_update(case: Case) -> Iterator[Anomaly]:
    assert case.before is not None  # noqa: S101 - of what is updated
    was, now = case.before.span, case.span
    in_time = True
    if (now.starting_date, now.starting_hour or "") < (was.starting_date, was.starting_hour or ""):
        in_time = case.moment.by(now.starting_date, now.starting_hour)
    if was.ending_date is not None and now.ending_date != was.ending_date:
        earlier = now.ending_date is not None and now.ending_date < was.ending_date
        until = now.ending_date if earlier and now.ending_date is not None else was.ending_date
        in_time = in_time and case.moment.by(next_working_day(until))
    if not in_time:
        yield case.dimona.declared("460")


def _too_far_ahead(case: Case) -> Iterator[Anomaly]:
    start, received = case.span.starting_date, case.moment.day
    quarter = date(start.year, (start.month - 1) // 3 * 3 + 1, 1)
    flexi = case.type == "FLX" and quarter - received > _FLEXI_AHEAD
    if flexi or (case.type in _ARTICLE_17 and start - received > _ARTICLE_17_AHEAD):
        yield case.dimona.anomaly("StartingDate", "003", start)


def _one_quarter(case: Case) -> Iterator[Anomaly]:
    start, end = case.span.starting_date, case.span.ending_date
    if case.type not in _ONE_QUARTER or (end is None and case.type in _ENDS):
        return
    if end is None or (start.year, (start.month - 1) // 3) != (end.year, (end.month - 1) // 3):
        yield case.dimona.declared("421")


def _planned_hours(case: Case) -> Iterator[Anomaly]:
    hours = case.span.planned_hours
    if case.type in _PLANNED_HOURS and hours is None:
        yield case.dimona.anomaly("PlannedHoursNbr", "001")
    elif case.type not in _PLANNED_HOURS and hours is not None:
        yield case.dimona.anomaly("PlannedHoursNbr", "005", hours)


def _by_the_hour(case: Case) -> Iterator[Anomaly]:
    if not is_light(case.features, case.span):
        return
    if case.type == "EXT" and case.before is None and case.dimona.inss is None:
        yield case.dimona.anomaly("INSS", "001")
    hours = case.span.starting_hour, case.span.ending_hour
    if hours[0] is None:
        yield case.dimona.anomaly("StartingHour", "001")
    if hours[1] is None:
        yield case.dimona.anomaly("EndingHour", "001")
    end = case.span.ending_date
    if case.type != "EXT" or end is None:
        return
    if end - case.span.starting_date > _ONE_DAY:
        yield case.dimona.anomaly("StartingDate", "459", case.span.starting_date)
    elif None not in hours:
        begins, ends = _hours(case.span)
        if ends - begins > timedelta(hours=24):
            yield case.dimona.declared("341")


def _end_missing(case: Case) -> Iterator[Anomaly]:
    must = case.type in _ENDS or case.features.joint_commission == _INTERIM or case.span.ending_hour is not None
    if must and case.span.ending_date is None:
        yield case.dimona.anomaly("EndingDate", "001")


def _user(case: Case) -> Iterator[Anomaly]:
    interim = case.features.joint_commission == _INTERIM
    if case.dimona.has_user and not interim:
        yield case.dimona.anomaly("UsingEmployer", "005")
    elif interim and not case.dimona.has_user:
        yield case.dimona.anomaly("UsingEmployer", "001")


def _same_or_overlapping(case: Case) -> Iterator[Anomaly]:
    """333, 334, and 336, 337: the first that is found is told, since all say that there is something there."""
    codes = {code for one in case.here if (code := _clash(case, one)) is not None}
    if codes:
        yield case.dimona.declared(min(codes))


def _clash(case: Case, other: DimonaPeriod) -> str | None:
    if not case.span.days.overlaps(other.span.days):
        return None
    light, there = is_light(case.features, case.span), is_light(other.features, other.span)
    if light != there:
        return "336" if light else "337"
    if case.features.group != other.features.group:
        return None
    if _times(case.span) == _times(other.span) and case.features.sub_entity == other.features.sub_entity:
        return "333"
    if light:
        (begins, ends), (other_begins, other_ends) = _hours(case.span), _hours(other.span)
        if ends <= other_begins or other_ends <= begins:
            return None
    return "334"


def _light_or_full(case: Case) -> Iterator[Anomaly]:
    if case.before is not None and is_light(case.features, case.before.span) != is_light(case.features, case.span):
        yield case.dimona.declared("338")


def _quota(case: Case) -> Iterator[Anomaly]:
    if case.exceeding:
        yield case.dimona.declared("369")


IN_RULES: tuple[Rule, ...] = (
    _start,
    _identification,
    _name_or_birth_date,
    _active,
    _type_forbidden,
    _late_in,
    _too_far_ahead,
    _one_quarter,
    _planned_hours,
    _by_the_hour,
    _end_missing,
    _user,
    _same_or_overlapping,
    _quota,
)
OUT_RULES: tuple[Rule, ...] = (_end_in_reach, _late_out, _one_quarter, _light_or_full)
UPDATE_RULES: tuple[Rule, ...] = (
    _start,
    _active,
    _late_update,
    _too_far_ahead,
    _one_quarter,
    _planned_hours,
    _by_the_hour,
    _end_missing,
    _same_or_overlapping,
    _light_or_full,
    _quota,
)

#: Once it is known who somebody is who was only named.
IDENTIFIED_RULES: tuple[Rule, ...] = (_name_or_birth_date, _same_or_overlapping, _quota)


def state_of(dimona: Dimona, period: DimonaPeriod) -> Iterator[Anomaly]:
    """The first reason why nothing may be done to it."""
    ended = period.span.ending_date is not None
    closes = dimona.kind == "UPDATE" and not ended and dimona.ending_date not in (None, REOPENED)
    for holds, code in (
        (period.cancelled, "355"),
        (dimona.kind == "OUT" and ended, "356"),
        (period.blocked, "357"),
        (closes, "359"),
        (period.locked, "362"),
    ):
        if holds:
            yield dimona.anomaly("DimonaPeriodId", code, dimona.period)
            return


def beside(dimona: Dimona, period: DimonaPeriod, named: Employer | None) -> Iterator[Anomaly]:
    if dimona.ssin is not None and dimona.ssin != period.worker.ssin:
        yield dimona.anomaly("INSS", "022", dimona.inss)
    if named is not None and named.nsso != period.employer:
        yield dimona.anomaly("EmployerId", "022")


def is_light(features: Features, span: Span) -> bool:
    """Declared by the hour: EXT, and FLX of one day."""
    return features.worker_type == "EXT" or (features.worker_type == "FLX" and span.ending_date == span.starting_date)


def _times(span: Span) -> tuple[date, str | None, date | None, str | None]:
    return span.starting_date, span.starting_hour, span.ending_date, span.ending_hour


def _hours(span: Span) -> tuple[datetime, datetime]:
    """From when to when, by the clock in Belgium; without hours from the beginning of the first to the end of the last
    day."""
    begins = _at(span.starting_date, span.starting_hour or "0000")
    if span.ending_date is None or span.ending_hour is None:
        return begins, datetime.combine(span.ending_date or date.max, time.max, UTC)
    return begins, _at(span.ending_date, span.ending_hour)


def _at(day: date, hour: str) -> datetime:
    # Hours are compared as declared, so that the night on which the clock is put back counts as any other.
    return datetime.combine(day, time(int(hour[:2]), int(hour[2:])), UTC)
