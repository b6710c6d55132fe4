"""A file of 100,000 forms, its publisher killed five times: the NSSO has each declaration once, the report is whole.

`./crossroads test -m slow tests/trials/declarations/test_publish.py -s` (some ten minutes). CROSSROADS_TRIAL_FORMS: of
how many forms.
"""

import asyncio
import csv
import os
import random
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from tests.institutions.payroll.dimona_file import Plan
from tests.institutions.payroll.ground import OTHERS, OWN, SECOND, A, Ground, opened
from tests.institutions.payroll.publishing import publish

FORMS = int(os.environ.get("CROSSROADS_TRIAL_FORMS", "100000"))
#: Of the publisher, MiB.
MOST_MEMORY = 200.0
_SIGKILL = -9
#: Until it is killed, seconds: from, and up to these and so much a form. It is killed while it checks, sends, collects.
_AT_LEAST = 0.9
_A_FORM = (0.00003, 0.00008, 0.0002, 0.0005, 0.0008)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_a_file_of_many_forms_and_a_publisher_that_is_killed(rabbitmq, postgresql, tmp_path: Path) -> None:
    plan = Plan(FORMS, (OWN, SECOND), OTHERS, seed=23)
    file = plan.write(tmp_path / "many.xml")
    dice, peaks, seconds, killed = random.Random(23), list[float](), 0.0, 0
    async with opened(rabbitmq, postgresql) as ground:
        url = ground.url(f"sender-{A}")
        for a_form in _A_FORM:
            after = dice.uniform(_AT_LEAST, 2 * _AT_LEAST + FORMS * a_form)
            ended = await publish(file, A, url, tmp_path, "--env", "T", kill_after=after)
            killed += ended.status == _SIGKILL
            peaks.append(ended.peak)
            seconds += ended.seconds
            print(f"killed after {after:.1f} s: {ended.status}; {ended.peak:.0f} MiB", flush=True)
        ended = await publish(file, A, url, tmp_path, "--env", "T", patience=3_000)
        peaks.append(ended.peak)
        seconds += ended.seconds
        print(f"{FORMS} forms in {seconds:.0f} s with {killed} kills, {FORMS / seconds:.0f} a second, peak"
              f" {max(peaks):.0f} MiB", flush=True)  # fmt: skip
        assert ended.status == 1, ended.err  # some forms are wrong
        assert killed == len(_A_FORM) or FORMS < 20_000
        assert max(peaks) < MOST_MEMORY
        await declared_once(ground, plan)
    await asyncio.to_thread(reported, tmp_path / "many.xml.T.report.csv", plan)


async def declared_once(ground: Ground, plan: Plan) -> None:
    """The NSSO holds exactly the forms that are right, each once, and answered exactly those that were sent, each
    once."""
    right = {int(plan.ssin(n)) for n in range(1, plan.count + 1) if not plan.kind(n)}
    sent = sum(plan.outcome(n)[0] for n in range(1, plan.count + 1))
    connection = await asyncpg.connect(ground.database_url)
    try:
        periods = Counter({row["ssin"]: row["n"] for row in await connection.fetch(
            "SELECT ssin, count(*) AS n FROM period GROUP BY ssin")})  # fmt: skip
        declarations = await connection.fetchrow(
            "SELECT count(*) AS n, count(DISTINCT key) AS keys FROM declaration WHERE sender = $1", A
        )
        files = await connection.fetchval("SELECT count(*) FROM file")
    finally:
        await connection.close()
    assert (files, declarations["n"], declarations["keys"]) == (1, sent, sent)
    assert set(periods.values()) == {1}
    assert periods.keys() == right


def reported(report: Path, plan: Plan) -> None:
    """Every form stands there once, in its order, with what must be told of it."""
    with report.open(newline="", encoding="utf-8") as file:
        for n, row in enumerate(csv.DictReader(file), 1):
            sent, error_id = plan.outcome(n)
            outcome = "not sent" if not sent else "refused" if error_id else "accepted"
            assert (row["form"], row["outcome"], row["errorId"]) == (str(n), outcome, error_id)
    assert n == plan.count
    assert report.stat().st_mode & 0o077 == 0
