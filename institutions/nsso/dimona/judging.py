"""What becomes of a Dimona in a situation, pure. `docs/declarations.md`, "A form, exactly"."""

from collections.abc import Sequence
from dataclasses import replace

from institutions.nsso.dimona.dimona import REOPENED, Change, Dimona, Judgement, Situation
from institutions.nsso.dimona.rules import (
    IN_RULES,
    OUT_RULES,
    UPDATE_RULES,
    Case,
    Rule,
    beside,
    creation_date,
    end_before_start,
    numbers,
    state_of,
)
from institutions.nsso.moment import Moment
from institutions.nsso.register import Employer
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dimona_period import DimonaPeriod, Span, Worker

_BEYOND_QUOTA = "90373-369"


def judge(dimona: Dimona, situation: Situation, moment: Moment) -> Judgement:
    """What becomes of it. It is refused with any anomaly that blocks; all are told that can be judged."""
    first = [*creation_date(dimona, moment), *numbers(dimona)]
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
    state = [*state_of(dimona, period), *beside(dimona, period, named)]
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
        None if dimona.ending_date == REOPENED else dimona.ending_date,
        dimona.ending_hour,
        dimona.planned_hours,
        dimona.planned_days,
    )
    case = Case(dimona, situation, moment, None, span, dimona.features, employer, dimona.ssin)
    found = (*first, *_by(IN_RULES, case))
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
    rules = OUT_RULES if dimona.kind == "OUT" else UPDATE_RULES
    case = Case(dimona, situation, moment, period, span, period.features, situation.owner, period.worker.ssin)
    found = (*first, *_by(rules, case))
    if _blocks(found):
        return Judgement(found)
    kept = replace(_marked(period, found, moment, case.exceeding), span=span)
    return Judgement(found, Change(period, kept, dimona.kind), kept)


def _judge_cancel(dimona: Dimona, period: DimonaPeriod, moment: Moment, first: list[Anomaly]) -> Judgement:
    late = [] if moment.by(period.span.starting_date) else [dimona.declared("460")]
    found = (*first, *late)
    kept = replace(_marked(period, found, moment, period.exceeding), cancelled=True)
    return Judgement(found, Change(period, None, "CANCEL"), kept)


def _by(rules: Sequence[Rule], case: Case) -> list[Anomaly]:
    """What all rules find. Without an order of its days the rest cannot be judged."""
    found = [*end_before_start(case)]
    if not found:
        for rule in rules:
            found += rule(case)
    return found


def _updated(dimona: Dimona, span: Span) -> Span:
    """What an OUT or UPDATE makes of it: what it does not say stays."""
    ending_date, ending_hour = span.ending_date, dimona.ending_hour or span.ending_hour
    if dimona.ending_date is not None:
        ending_date = dimona.ending_date
        if ending_date == REOPENED and dimona.kind == "UPDATE":
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


def _marked(period: DimonaPeriod, found: Sequence[Anomaly], moment: Moment, exceeding: int) -> DimonaPeriod:
    """With what was found besides; of what was found before, that it was late stays, and that it is beyond a quota as
    long as it is."""
    before = (one for one in period.error_ids if exceeding or one != _BEYOND_QUOTA)
    ids = tuple(dict.fromkeys((*before, *_ids(found))))
    return replace(
        period, late=period.late or _is_late(found), error_ids=ids, exceeding=exceeding, updated=moment.received
    )


def _ids(found: Sequence[Anomaly]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.error_id for one in found))


def _is_late(found: Sequence[Anomaly]) -> bool:
    return any(one.code == "460" for one in found)


def _blocks(found: Sequence[Anomaly]) -> bool:
    return any(one.blocks for one in found)
