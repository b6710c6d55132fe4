"""A year of declarations of two senders for all their employers: every planted error is told, with its code, nothing
else is refused; lists, mutations and the hub's rows are those of an oracle.

The long one, 20,000 forms for 200 employers: `./crossroads test -m slow tests/trials/declarations/test_payroll_year.py
-s`.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from schemas.declarations.quarter import Quarter
from tests.institutions.nsso.network import opened
from tests.institutions.nsso.quarters import PLANTED
from tests.trials.declarations.plan import CHAINS, ERRORS, RIGHT, YEAR, Planner
from tests.trials.declarations.quarters import Quarters
from tests.trials.declarations.year import ENTITLED, STRANGER, Stages, Year


@contextmanager
def errors_alone() -> Iterator[None]:
    """Of the log: a form has some lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)


async def a_year(rabbitmq, postgresql, folder, seed: int, forms: int, employers: int, months: int) -> Year:
    """Played, and held against the oracle."""

    def say(line: str) -> None:
        print(line, flush=True)

    stages = Stages(say)
    plan = Planner(seed, forms, employers, months).plan()
    stages.done(f"planned: {plan.forms:,} forms, {len(plan.lives):,} workers, {len(plan.companies)} employers")
    with errors_alone():
        async with opened(rabbitmq, postgresql) as world, Year(world, plan, stages) as year:
            stages.done("the network stands")
            await year.play()
            await year.by_file(folder)
            await year.lists()
            await year.mutations()
            await year.rows()
            quarters = Quarters(year, Quarter(YEAR, max(1, months // 4)))
            await quarters.declare()
            await quarters.update()
            await quarters.kept()
            year.planted = frozenset(quarters.planted)
    kinds = Counter(step.kind for life in plan.everybody for step in life.steps if step.after is not None)
    say(f"accepted and done: {', '.join(f'{count:,} {kind}' for kind, count in kinds.most_common())}")
    planted = sum(step.told != () for life in plan.everybody for step in life.steps)
    say(f"planted: {planted:,} forms that are told something; told: {year.found.total():,} anomalies of"
        f" {len(year.found)} kinds")  # fmt: skip
    return year


def reckon(year: Year) -> None:
    assert not year.wrong, "\n".join(f"{count} times: {what}" for what, count in year.wrong.most_common(30))
    # Every error that can be planted was.
    assert set(year.plan.what()) >= {*ERRORS, *CHAINS}
    assert len(set(year.plan.what()) & set(RIGHT)) > len(RIGHT) // 2
    assert year.entitled[STRANGER].count == 0
    assert all(year.entitled[address].count for address in ENTITLED)


async def test_three_months_of_six_employers(rabbitmq, postgresql, tmp_path):
    reckon(await a_year(rabbitmq, postgresql, tmp_path, 7, 300, 6, 3))


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_year_of_forty_employers(rabbitmq, postgresql, tmp_path):
    reckon(await a_year(rabbitmq, postgresql, tmp_path, 9, 2_000, 40, 12))


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_a_year_of_two_hundred_employers(rabbitmq, postgresql, tmp_path):
    year = await a_year(rabbitmq, postgresql, tmp_path, 11, 20_000, 200, 12)
    reckon(year)
    assert year.planted == PLANTED.keys()
