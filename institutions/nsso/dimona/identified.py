"""What becomes of a period whose worker was only named, once it is known who he is. Pure. docs/declarations.md,
"Who is only named".
"""

from collections.abc import Iterable
from dataclasses import replace

from institutions.nsso.dimona.dimona import Change, Dimona, Judgement, Situation
from institutions.nsso.dimona.rules import IDENTIFIED_RULES, Case
from institutions.nsso.moment import Moment
from schemas.declarations.dimona_period import DimonaPeriod, Worker
from schemas.ssin import Ssin


def judge_identified(period: DimonaPeriod, ssin: Ssin, others: Iterable[DimonaPeriod], moment: Moment) -> Judgement:
    """`others`: what the person has, at all employers, in this environment. Where a rule blocks that could not be
    judged before, the period is refused after all: `kept` is cancelled, and there is no change to tell. Anomalies have
    paths from the root.
    """
    dimona = Dimona("IN", "DimonaIn", moment.day, said=period.worker.said)
    situation = Situation(others=tuple(others), environment=period.environment)
    case = Case(dimona, situation, moment, period, period.span, period.features, None, ssin)
    found = tuple(
        replace(anomaly, path=f"/Dimona/Form/{anomaly.path}") for rule in IDENTIFIED_RULES for anomaly in rule(case)
    )
    ids = tuple(dict.fromkeys((*period.error_ids, *(one.error_id for one in found))))
    kept = replace(period, worker=Worker(ssin, period.worker.said), error_ids=ids, exceeding=case.exceeding)
    if any(one.blocks for one in found):
        return Judgement(found, None, replace(kept, cancelled=True))
    return Judgement(found, Change(None, kept, "IN"), kept)
