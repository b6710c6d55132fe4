"""Dimona's rules, pure: what a form says, and what becomes of it in a situation. `docs/declarations.md`.

One small function a rule, in the order of the table there. A path is below the Form; the zone of `…-333` to `…-343` and
`…-460` is 90373 whatever the kind of declaration, as the field has them.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from lxml import etree

from institutions.nsso.moment import Moment
from institutions.nsso.register import Employer
from institutions.nsso.working_days import next_working_day
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import (
    OTHER_COMMITTEE,
    OTHER_TYPE,
    DimonaPeriod,
    Features,
    Span,
    Worker,
    blocks_of,
)
from schemas.declarations.head import EmployerNumbers
from schemas.declarations.number import NumberError, PeriodId
from schemas.declarations.reading import day as day_of
from schemas.declarations.reading import integer, text_of, value
from schemas.employer import EmployerNumberError, EnterpriseNumber
from schemas.ssin import Ssin, SsinError

Kind = Literal["IN", "OUT", "UPDATE", "CANCEL"]
_KINDS: Mapping[str, Kind] = {
    "DimonaIn": "IN",
    "DimonaOut": "OUT",
    "DimonaUpdate": "UPDATE",
    "DimonaCancel": "CANCEL",
}
#: As EndingDate of an UPDATE: the period goes on again.
_REOPENED = date(9999, 12, 31)
_EARLIEST = date(1920, 1, 1)
_YEARS_AHEAD = 10
_INTERIM = "322"
_NO_NUMBER = "0"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IDENTIFYING = ("WorkerName", "WorkerFirstName", "WorkerBirthdate")
_PLANNED_HOURS = ("STU", "O17", "S17")
_ONE_QUARTER = ("STU", "O17", "S17")
_ENDS = ("EXT", "STU", "IVT", "TRI", "STG")
_ARTICLE_17 = ("O17", "S17", "T17")
_ARTICLE_17_AHEAD = timedelta(days=15)
_FLEXI_AHEAD = timedelta(days=31)
_ONE_DAY = timedelta(days=1)

#: Block 90373 and the elements of which rules tell: zone, and path below an IN's block.
_DECLARED = "90373"
_ZONES: Mapping[str, tuple[str, str]] = {
    "FormCreationDate": ("00218", ""),
    "StartingDate": ("00910", "StartingDate"),
    "StartingHour": ("00777", "StartingHour"),
    "EndingDate": ("00911", "EndingDate"),
    "EndingHour": ("00778", "EndingHour"),
    "PlannedHoursNbr": ("01135", "PlannedHoursNbr"),
    "DimonaPeriodId": ("00913", "DimonaPeriodId"),
    "EmployerId": ("90256", "EmployerId"),
    "NaturalPerson": ("90017", "NaturalPerson"),
    "INSS": ("00024", "INSS"),
    "WorkerType": ("00655", "DimonaFeatures/WorkerType"),
    "UsingEmployer": ("90107", "DimonaFeatures/UsingEmployer"),
    "UsingEmployerCompanyID": ("00131", "DimonaFeatures/UsingEmployer/UsingEmployerCompanyID"),
}


@dataclass(frozen=True, slots=True)
class Dimona:
    """What a Form says, as read from one that its schema accepts. What is not there is None."""

    kind: Kind
    #: Name of the block, `DimonaIn`.
    block: str
    created: date
    employer: EmployerNumbers = field(default_factory=EmployerNumbers)
    inss: str | None = field(default=None, repr=False)
    period: str | None = None
    starting_date: date | None = None
    starting_hour: str | None = None
    ending_date: date | None = None
    ending_hour: str | None = None
    planned_hours: int | None = None
    planned_days: int | None = None
    #: Of an IN: elements of NaturalPerson but INSS.
    said: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    features: Features = field(default_factory=Features)
    #: Enterprise number of the user, as written.
    user_company: str | None = None
    #: Whether there is a block UsingEmployer.
    has_user: bool = False

    @property
    def ssin(self) -> Ssin | None:
        """None where none is given, or one that cannot be."""
        try:
            return None if self.inss is None else Ssin.parse(self.inss)
        except SsinError:
            return None

    @property
    def period_id(self) -> PeriodId | None:
        """None where none is given, or one that cannot be."""
        try:
            return None if self.period is None else PeriodId.parse(self.period)
        except NumberError:
            return None

    def anomaly(self, name: str, code: str, told: str | int | date | None = None) -> Anomaly:
        """What is wrong with an element of this form; `told`: what stands there."""
        zone, below = _ZONES[name]
        if name == "INSS" and self.kind == "IN":
            below = "NaturalPerson/INSS"
        path = f"{self.block}/{below}" if below else name
        return Anomaly(zone, code, name, None if told is None else str(told), path)

    def declared(self, code: str) -> Anomaly:
        """What is wrong with the period as a whole."""
        return Anomaly(_DECLARED, code, self.block, None, self.block)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a Dimona is judged."""

    #: The employer that the form names, or of an IN that names none the only one there is a mandate for; or what is
    #: wrong with its numbers. None: an OUT, UPDATE or CANCEL that names none.
    employer: Employer | Anomaly | None = None
    #: Whether the sender has a mandate for `employer`.
    mandated: bool = False
    #: The period that the form names; None: there is none, or none of an employer that the sender has a mandate for.
    period: DimonaPeriod | None = None
    #: Its employer.
    owner: Employer | None = None
    #: What the person has, at all employers, in this environment.
    others: Sequence[DimonaPeriod] = ()
    #: Of the period that an IN would make.
    new: PeriodId = field(default_factory=lambda: PeriodId.of(10**9))
    environment: str = "R"


@dataclass(frozen=True, slots=True)
class Change:
    """What a declaration did to a period. An IN has nothing before, a CANCEL nothing after."""

    before: DimonaPeriod | None
    after: DimonaPeriod | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a declaration."""

    #: With paths below the Form.
    anomalies: tuple[Anomaly, ...]
    #: None: refused.
    change: Change | None = None
    #: The period as it is known from now on; of a CANCEL the cancelled one.
    kept: DimonaPeriod | None = None


# --- reading ------------------------------------------------------------------------------------------------------


def read(form: etree._Element) -> Dimona | Anomaly:
    """What a Form says that its schema accepts; an anomaly where it is no declaration that is taken here."""
    block = next((child for child in form.iterchildren("*") if child.tag in _KINDS), None)
    if block is None:
        name = "DailyRegistrationDeclaration"
        if form.find(name) is not None:
            return Anomaly("90480", "082", name, None, name)
        return Anomaly("90059", "134", "Form")
    kind = _KINDS[str(block.tag)]
    created = day_of(form, "FormCreationDate")
    assert created is not None  # noqa: S101 - its schema asks it
    person = block.find("NaturalPerson") if kind == "IN" else block
    inss = value(person, "INSS")
    features = block.find("DimonaFeatures")
    user = None if features is None else features.find("UsingEmployer")
    return Dimona(
        kind,
        str(block.tag),
        created,
        EmployerNumbers.of(block),
        None if inss == _NO_NUMBER else inss,
        value(block, "DimonaPeriodId"),
        day_of(block, "StartingDate"),
        value(block, "StartingHour"),
        day_of(block, "EndingDate"),
        value(block, "EndingHour"),
        integer(block, "PlannedHoursNbr"),
        integer(block, "PlannedDaysNbr"),
        _said(person) if kind == "IN" else (),
        _features(block, features, user) if kind == "IN" else Features(),
        value(user, "UsingEmployerCompanyID"),
        user is not None,
    )


def _said(person: etree._Element | None) -> tuple[tuple[str, str], ...]:
    if person is None:
        return ()
    return tuple((str(one.tag), text_of(one)) for one in person.iterchildren("*") if one.tag != "INSS")


def _features(block: etree._Element, features: etree._Element | None, user: etree._Element | None) -> Features:
    xml = blocks_of(
        block, "DimonaFeatures", "ConstructionControlCards", "StudentPlaceOfWork", "SmallStatutesInformation"
    )
    if features is None:
        return Features(xml=xml)
    company = value(user, "UsingEmployerCompanyID")
    return Features(
        value(features, "JointCommissionNbr") or OTHER_COMMITTEE,
        value(features, "WorkerType") or OTHER_TYPE,
        value(features, "SubEntityNbr"),
        company.zfill(10) if company is not None and company != _NO_NUMBER else value(user, "UsingEmployerName"),
        xml,
    )


# --- judging ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
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


_Rule = Callable[[_Case], Iterator[Anomaly]]


@cache
def quotas() -> Mapping[str, int]:
    """Hours a year by worker type: `nsso.toml`."""
    written = tomllib.loads((Path(__file__).parent / "nsso.toml").read_text(encoding="utf-8"))
    return {str(name): int(hours) for name, hours in written["quotas"].items()}


def judge(dimona: Dimona, situation: Situation, moment: Moment) -> Judgement:
    """What becomes of it. It is refused with any anomaly that blocks; all are told that can be judged."""
    first = [*_creation_date(dimona, moment), *_numbers(dimona)]
    named = situation.employer
    if isinstance(named, Anomaly):
        return Judgement((*first, named))
    if named is not None and not situation.mandated:
        return Judgement((*first, dimona.anomaly("EmployerId", "155")))
    if dimona.kind == "IN":
        return _judge_in(dimona, situation, moment, first)
    period = situation.period
    if period is None:
        unknown = dimona.period_id is not None
        return Judgement((*first, dimona.anomaly("DimonaPeriodId", "354", dimona.period)) if unknown else tuple(first))
    state = [*_state(dimona, period), *_beside(dimona, period, named)]
    if state or _blocks(first):
        return Judgement((*first, *state))
    if dimona.kind == "CANCEL":
        return _judge_cancel(dimona, period, moment, first)
    return _judge_change(dimona, situation, moment, period, first)


def _judge_in(dimona: Dimona, situation: Situation, moment: Moment, first: list[Anomaly]) -> Judgement:
    employer = situation.employer
    assert isinstance(employer, Employer)  # noqa: S101 - an IN always means one
    assert dimona.starting_date is not None  # noqa: S101 - its schema asks it
    span = Span(
        dimona.starting_date,
        dimona.starting_hour,
        None if dimona.ending_date == _REOPENED else dimona.ending_date,
        dimona.ending_hour,
        dimona.planned_hours,
        dimona.planned_days,
    )
    case = _Case(dimona, situation, moment, None, span, dimona.features, employer, dimona.ssin)
    found = (*first, *_by(_IN_RULES, case))
    if _blocks(found):
        return Judgement(found)
    kept = DimonaPeriod(
        situation.new,
        employer.nsso,
        Worker(case.ssin, dimona.said),
        span,
        dimona.features,
        moment.received,
        situation.environment,
        _is_late(found),
        _ids(found),
        case.exceeding,
    )
    return Judgement(found, Change(None, kept, "IN"), kept)


def _judge_change(
    dimona: Dimona, situation: Situation, moment: Moment, period: DimonaPeriod, first: list[Anomaly]
) -> Judgement:
    span = _updated(dimona, period.span)
    rules = _OUT_RULES if dimona.kind == "OUT" else _UPDATE_RULES
    case = _Case(dimona, situation, moment, period, span, period.features, situation.owner, period.worker.ssin)
    found = (*first, *_by(rules, case))
    if _blocks(found):
        return Judgement(found)
    kept = replace(_marked(period, found, moment), span=span, exceeding=case.exceeding)
    return Judgement(found, Change(period, kept, dimona.kind), kept)


def _judge_cancel(dimona: Dimona, period: DimonaPeriod, moment: Moment, first: list[Anomaly]) -> Judgement:
    late = [] if moment.by(period.span.starting_date) else [dimona.declared("460")]
    found = (*first, *late)
    kept = replace(_marked(period, found, moment), cancelled=True)
    return Judgement(found, Change(period, None, "CANCEL"), kept)


def _by(rules: Sequence[_Rule], case: _Case) -> list[Anomaly]:
    """What all rules find. Without an order of its days the rest cannot be judged."""
    found = [*_end_before_start(case)]
    if not found:
        for rule in rules:
            found += rule(case)
    return found


def _updated(dimona: Dimona, span: Span) -> Span:
    """What an OUT or UPDATE makes of it: what it does not say stays."""
    ending_date, ending_hour = span.ending_date, dimona.ending_hour or span.ending_hour
    if dimona.ending_date is not None:
        ending_date = dimona.ending_date
        if ending_date == _REOPENED:
            ending_date, ending_hour = None, None
    planned = span.planned_hours, span.planned_days
    if dimona.planned_hours is not None:
        planned = dimona.planned_hours, None
    elif dimona.planned_days is not None:
        planned = None, dimona.planned_days
    return Span(
        dimona.starting_date or span.starting_date,
        dimona.starting_hour or span.starting_hour,
        ending_date,
        ending_hour,
        *planned,
    )


def _marked(period: DimonaPeriod, found: Sequence[Anomaly], moment: Moment) -> DimonaPeriod:
    ids = tuple(dict.fromkeys((*period.error_ids, *_ids(found))))
    return replace(period, late=period.late or _is_late(found), error_ids=ids, updated=moment.received)


def _ids(found: Sequence[Anomaly]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.error_id for one in found))


def _is_late(found: Sequence[Anomaly]) -> bool:
    return any(one.code == "460" for one in found)


def _blocks(found: Sequence[Anomaly]) -> bool:
    return any(one.blocks for one in found)


# --- the rules, in the order of the table -------------------------------------------------------------------------


def _creation_date(dimona: Dimona, moment: Moment) -> Iterator[Anomaly]:
    if creation_is_wrong(dimona.created, moment):
        yield dimona.anomaly("FormCreationDate", "003", dimona.created)


def creation_is_wrong(created: date, moment: Moment) -> bool:
    """A form is of this or the last year, and not to come (zone 00218)."""
    return created > moment.day or created.year < moment.day.year - 1


def _numbers(dimona: Dimona) -> Iterator[Anomaly]:
    if dimona.inss is not None and dimona.ssin is None:
        yield dimona.anomaly("INSS", "004", dimona.inss)
    if dimona.period is not None and dimona.period_id is None:
        yield dimona.anomaly("DimonaPeriodId", "004", dimona.period)
    if dimona.user_company is not None and dimona.user_company != _NO_NUMBER:
        try:
            EnterpriseNumber.parse(dimona.user_company)
        except EmployerNumberError:
            yield dimona.anomaly("UsingEmployerCompanyID", "004", dimona.user_company)


def _end_before_start(case: _Case) -> Iterator[Anomaly]:
    span = case.span
    if span.ending_date is None:
        return
    begins = span.starting_date, span.starting_hour or ""
    # An hour at which it would end as it begins, on one day, is no time at all.
    ends = span.ending_date, span.ending_hour or "9999"
    if span.ending_date < span.starting_date or (span.ending_date == span.starting_date and ends <= begins):
        yield case.dimona.anomaly("EndingDate", "014", span.ending_date)


def _start(case: _Case) -> Iterator[Anomaly]:
    start = case.span.starting_date
    if start < _EARLIEST or start.year >= case.moment.day.year + _YEARS_AHEAD:
        yield case.dimona.anomaly("StartingDate", "003", start)


def _end_in_reach(case: _Case) -> Iterator[Anomaly]:
    if case.span.ending_date == _REOPENED:
        yield case.dimona.anomaly("EndingDate", "003", case.span.ending_date)


def _identification(case: _Case) -> Iterator[Anomaly]:
    if case.dimona.inss is None and not {name for name, text in case.dimona.said if text.strip()}.issuperset(
        _IDENTIFYING
    ):
        yield case.dimona.anomaly("NaturalPerson", "363")


def _name_or_birth_date(case: _Case) -> Iterator[Anomaly]:
    if case.ssin is None or (born := case.ssin.birth_date) is None:
        return
    said = dict(case.dimona.said).get("WorkerBirthdate")
    if said is not None and _DAY.fullmatch(said) and said != born.isoformat():
        yield case.dimona.anomaly("INSS", "348", case.ssin.digits)


def _active(case: _Case) -> Iterator[Anomaly]:
    days = case.span.days
    shrinks = case.before is not None and case.before.span.days.covers(days)
    if case.employer is not None and not shrinks and not case.employer.active.covers(days):
        yield case.dimona.declared("343")


def _type_forbidden(case: _Case) -> Iterator[Anomaly]:
    if case.employer is not None and case.type in case.employer.forbidden:
        yield case.dimona.anomaly("WorkerType", "350", case.type)


def _late_in(case: _Case) -> Iterator[Anomaly]:
    if not case.moment.by(case.span.starting_date, case.span.starting_hour):
        yield case.dimona.declared("460")


def _late_out(case: _Case) -> Iterator[Anomaly]:
    if case.span.ending_date is not None and not case.moment.by(next_working_day(case.span.ending_date)):
        yield case.dimona.declared("460")


def _late_update(case: _Case) -> Iterator[Anomaly]:
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


def _too_far_ahead(case: _Case) -> Iterator[Anomaly]:
    start, received = case.span.starting_date, case.moment.day
    quarter = date(start.year, (start.month - 1) // 3 * 3 + 1, 1)
    flexi = case.type == "FLX" and quarter - received > _FLEXI_AHEAD
    if flexi or (case.type in _ARTICLE_17 and start - received > _ARTICLE_17_AHEAD):
        yield case.dimona.anomaly("StartingDate", "003", start)


def _one_quarter(case: _Case) -> Iterator[Anomaly]:
    start, end = case.span.starting_date, case.span.ending_date
    if case.type not in _ONE_QUARTER or (end is None and case.type in _ENDS):
        return
    if end is None or (start.year, (start.month - 1) // 3) != (end.year, (end.month - 1) // 3):
        yield case.dimona.declared("421")


def _planned_hours(case: _Case) -> Iterator[Anomaly]:
    hours = case.span.planned_hours
    if case.type in _PLANNED_HOURS and hours is None:
        yield case.dimona.anomaly("PlannedHoursNbr", "001")
    elif case.type not in _PLANNED_HOURS and hours is not None:
        yield case.dimona.anomaly("PlannedHoursNbr", "005", hours)


def _by_the_hour(case: _Case) -> Iterator[Anomaly]:
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


def _end_missing(case: _Case) -> Iterator[Anomaly]:
    must = case.type in _ENDS or case.features.joint_commission == _INTERIM or case.span.ending_hour is not None
    if must and case.span.ending_date is None:
        yield case.dimona.anomaly("EndingDate", "001")


def _user(case: _Case) -> Iterator[Anomaly]:
    interim = case.features.joint_commission == _INTERIM
    if case.dimona.has_user and not interim:
        yield case.dimona.anomaly("UsingEmployer", "005")
    elif interim and not case.dimona.has_user:
        yield case.dimona.anomaly("UsingEmployer", "001")


def _same_or_overlapping(case: _Case) -> Iterator[Anomaly]:
    """333, 334, and 336, 337: the first that is found is told, since all say that there is something there."""
    codes = {code for one in case.here if (code := _clash(case, one)) is not None}
    if codes:
        yield case.dimona.declared(min(codes))


def _clash(case: _Case, other: DimonaPeriod) -> str | None:
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


def _light_or_full(case: _Case) -> Iterator[Anomaly]:
    if case.before is not None and is_light(case.features, case.before.span) != is_light(case.features, case.span):
        yield case.dimona.declared("338")


def _quota(case: _Case) -> Iterator[Anomaly]:
    if case.exceeding:
        yield case.dimona.declared("369")


_IN_RULES: tuple[_Rule, ...] = (
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
_OUT_RULES: tuple[_Rule, ...] = (_end_in_reach, _late_out, _one_quarter)
_UPDATE_RULES: tuple[_Rule, ...] = (
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


def _state(dimona: Dimona, period: DimonaPeriod) -> Iterator[Anomaly]:
    """The first reason why nothing may be done to it."""
    ended = period.span.ending_date is not None
    closes = dimona.kind == "UPDATE" and not ended and dimona.ending_date not in (None, _REOPENED)
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


def _beside(dimona: Dimona, period: DimonaPeriod, named: Employer | None) -> Iterator[Anomaly]:
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
