"""Hub processes: two side by side, one gone, a database gone, rules that change, a stop in order."""

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import asyncpg
import pytest

from schemas.wire import names
from tests.hub import services
from tests.hub.star import (
    CUSTOMER,
    INACTIVE,
    KEY,
    ONE,
    PATIENCE,
    RULES,
    STRANGER,
    TWO,
    Question,
    Star,
    opened,
    stay_silent,
    until,
)


@pytest.fixture
async def star(request, rabbitmq, postgresql, tmp_path, monkeypatch) -> AsyncIterator[Star]:
    """Its services wait for a supplier as long as a machine may need that does much else; who waits for one that is
    silent says how long."""
    monkeypatch.setattr(services, "DEADLINE_MS", getattr(request, "param", 15_000))
    async with opened(rabbitmq, postgresql, tmp_path / "services") as star:
        yield star


async def told_over_http(port: int, path: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def test_two_hubs_share_the_work_and_answer_each_request_once(star):
    first, second = await star.hub(), await star.hub()
    persons = [await star.known(ONE) for _ in range(10)]
    both = asyncio.Event()

    async def when_both_have_some(question: Question) -> None:
        """The broker gives none more than its prefetch while it answers nothing: the other has the rest."""
        await both.wait()
        await question.reply(question.response(("x", None)))

    for ssin in persons:
        star.script(ONE, ssin, when_both_have_some)
    consulting = [asyncio.create_task(star.consult(ssin)) for ssin in persons * 10]
    await until(lambda: first.intake.in_flight and second.intake.in_flight)
    both.set()
    told = await asyncio.gather(*consulting)
    assert {one.said for one in told} == {("DATA_FOUND", "MSG00000")}
    assert first.intake.counts.answered + second.intake.counts.answered == 100
    assert first.intake.counts.answered > 0
    assert second.intake.counts.answered > 0
    summary = await first.journal.summary()
    assert summary.kinds == {"decision": 100, "outcome": 100}
    assert (summary.without_outcome, summary.decided_twice, summary.told_twice) == (0, 0, 0)


async def test_what_a_lost_hub_had_in_hand_is_resumed_by_another(star):
    await star.hub()
    await star.hub()
    ssin = await star.known(ONE)
    asked = asyncio.Event()

    async def answer_the_second(question: Question) -> None:
        if not asked.is_set():
            asked.set()
        else:
            await question.reply(question.response(("resumed", None)))

    star.script(ONE, ssin, answer_the_second)
    consulting = asyncio.create_task(star.consult(ssin))
    await asyncio.wait_for(asked.wait(), PATIENCE)
    [lost] = [hub for hub in star.hubs if hub.intake.in_flight]
    star.hubs.remove(lost)
    await lost.kill()
    told = await consulting
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert told.names == ["resumed"]
    assert await star.kinds(told) == ["decision", "resumed", "outcome"]
    one, two = star.questions(ONE, ssin)
    assert one.delivery.properties.correlation_id == two.delivery.properties.correlation_id
    assert one.delivery.properties.reply_to != two.delivery.properties.reply_to


async def test_a_right_withdrawn_meanwhile_is_not_used_when_an_exchange_is_resumed(star):
    first = await star.hub()
    ssin = await star.known(ONE)
    star.script(ONE, ssin, stay_silent)
    consulting = asyncio.create_task(star.consult(ssin))
    await until(lambda: star.questions(ONE, ssin))
    await first.kill()
    star.hubs.remove(first)
    await star.load(RULES.replace('id = "probe"', 'id = "probe"\nto = 2020-12-31'))
    await star.hub()
    told = await consulting
    assert told.said == ("NO_RESULT", "MSG00013")
    assert len(star.questions(ONE, ssin)) == 1


async def test_while_the_database_is_gone_nothing_leaves_and_after_it_all_is_answered(star, postgresql):
    hub = await star.hub()
    ssin = await star.known(ONE)
    assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")
    database = star.database_url.rpartition("/")[2]
    admin = await asyncpg.connect(postgresql.url("postgres"))
    try:
        await admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
        await until(lambda: not hub.barrier.open)
        await until(lambda: "intake paused" in star.log.getvalue())
        status, body = await told_over_http(hub.http_port, "/health")
        assert status == 503
        assert json.loads(body)["parts"]["journal"] is False
        assert (await told_over_http(hub.http_port, "/ready"))[0] == 503
        assert (await told_over_http(hub.http_port, "/live"))[0] == 200
        consulting = asyncio.create_task(star.consult(ssin))
        while not await star.depth(names.ingress(CUSTOMER)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert len(star.questions(ONE, ssin)) == 1
    finally:
        await admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
        await admin.close()
    assert (await consulting).said == ("DATA_FOUND", "MSG00000")
    assert (await told_over_http(hub.http_port, "/health"))[0] == 200


async def test_an_outcome_that_cannot_be_written_is_not_told(star, postgresql):
    hub = await star.hub()
    ssin = await star.known(ONE)
    database = star.database_url.rpartition("/")[2]
    admin = await asyncpg.connect(postgresql.url("postgres"))

    async def cut_then_answer(question: Question) -> None:
        if len(star.questions(ONE, ssin)) == 1:
            await admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
        await question.reply(question.response(("x", None)))

    star.script(ONE, ssin, cut_then_answer)
    try:
        consulting = asyncio.create_task(star.consult(ssin))
        await until(lambda: not hub.barrier.open)
        await until(lambda: hub.intake.in_flight == 0)
        assert not consulting.done()
    finally:
        await admin.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
        await admin.close()
    told = await consulting
    assert told.said == ("DATA_FOUND", "MSG00000")
    assert await star.kinds(told) == ["decision", "resumed", "outcome"]


async def test_the_register_is_followed_without_a_restart(star):
    await star.load(
        RULES.replace('[[institution]]\naddress = "1-0"', '[[institution]]\nactive = false\naddress = "1-0"')
    )
    hub = await star.hub()
    ssin = await star.person((ONE, 100), (STRANGER, 10))
    own = "<sector>1</sector><institution>0</institution>"
    assert (await star.consult(ssin, sender=STRANGER, customer=own)).said == (None, "CRB00006")
    right = (
        '[[authorisation]]\nid = "new"\ncustomer = "1-0"\nlegal_context = "TEST"\nqualities = [10]\nservice = "Probe"\n'
        'suppliers = ["5-0"]\ndeliberation = { number = "0", date = 2020-01-01 }\nfrom = 2020-01-01\n'
    )
    before = hub.rules.rules.number
    await star.load(RULES + right)
    await until(lambda: hub.rules.rules.number > before)
    assert (await star.consult(ssin, sender=STRANGER, customer=own)).said == ("DATA_FOUND", "MSG00000")


async def test_an_institution_that_left_the_register_is_told_so(star):
    hub = await star.hub()
    ssin = await star.known(ONE)
    rows = RULES.split("[[")
    without = "[[".join(row for row in rows if '"12-0"' not in row)
    before = hub.rules.rules.number
    await star.load(without)
    await until(lambda: hub.rules.rules.number > before)
    told = await star.consult(ssin, sender=INACTIVE, customer="<sector>12</sector><institution>0</institution>")
    assert told.said == (None, "CRB00005")


async def test_an_institution_that_joined_the_register_is_served(star):
    rows = RULES.split("[[")
    await star.load("[[".join(row for row in rows if '"1-0"' not in row))
    hub = await star.hub()
    assert names.ingress(STRANGER) not in hub.intake.queues
    await star.load(RULES)
    ssin = await star.known(ONE)
    told = await star.consult(ssin, sender=STRANGER, customer="<sector>1</sector><institution>0</institution>")
    assert told.said == ("NO_RESULT", "MSG00013")


async def test_a_stop_finishes_what_runs(star):
    hub = await star.hub()
    ssin = await star.known(ONE)
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def when_told(question: Question) -> None:
        asked.set()
        await go_on.wait()
        await question.reply(question.response(("finished", None)))

    star.script(ONE, ssin, when_told)
    consulting = asyncio.create_task(star.consult(ssin))
    await asyncio.wait_for(asked.wait(), PATIENCE)
    stopping = asyncio.create_task(hub.stop())
    await until(lambda: not hub.ready)
    go_on.set()
    await stopping
    star.hubs.remove(hub)
    assert (await consulting).names == ["finished"]
    assert await star.depth(names.ingress(CUSTOMER)) == 0


async def test_a_hub_that_a_bug_has_crippled_says_so_and_ends(star, monkeypatch):
    hub = await star.hub()
    monkeypatch.setattr(hub.journal, "_take", lambda: 1 // 0)
    ssin = await star.known(ONE)
    consulting = asyncio.create_task(star.consult(ssin))
    await asyncio.wait_for(hub.failed.wait(), PATIENCE)
    assert hub.barrier.broken == ("journal",)
    assert not star.questions(ONE, ssin)
    star.hubs.remove(hub)
    await hub.kill()
    await star.hub()
    assert (await consulting).said == ("DATA_FOUND", "MSG00000")


@pytest.mark.parametrize("star", [services.DEADLINE_MS], indirect=True)
async def test_the_promise_counts_what_was_forwarded(star):
    hub = await star.hub()
    good, silent, refused = await star.known(ONE, TWO), await star.known(ONE, TWO), await star.person()
    star.script(TWO, silent, stay_silent)
    await star.consult(good)
    await star.consult(silent, service="Gather/1")
    await star.consult(refused)
    await until(lambda: hub.intake.in_flight == 0)
    status, text = await told_over_http(hub.http_port, "/metrics")
    assert status == 200
    assert 'crossroads_promise_total{fault="none",kept="yes",service="Probe/1"} 1.0' in text
    assert 'crossroads_promise_total{fault="supplier",kept="no",service="Gather/1"} 1.0' in text
    # There from the start, so that the first one is seen to come.
    assert 'crossroads_promise_total{fault="hub",kept="no",service="Probe/1"} 0.0' in text
    assert 'crossroads_exchanges_total{code="MSG00003",service="Probe/1",verdict="fault"} 0.0' in text
    assert f'crossroads_supplier_answers_total{{result="no reply",supplier="{TWO}"}} 1.0' in text
    assert f'crossroads_supplier_answers_total{{result="late",supplier="{TWO}"}} 0.0' in text
    assert f'crossroads_supplier_seconds_count{{supplier="{ONE}"}} 2.0' in text
    assert 'crossroads_hub_seconds_count{service="Gather/1"} 1.0' in text
    assert 'crossroads_service_in_flight{service="Probe/1"} 0.0' in text
    assert f'crossroads_supplier_in_flight{{supplier="{TWO}"}} 0.0' in text
    assert 'crossroads_exchanges_total{code="MSG00012",service="Probe/1",verdict="NO_RESULT"} 1.0' in text
    assert 'crossroads_step_seconds_bucket{le="4.0",step="suppliers"} 2.0' in text
    assert 'crossroads_up{part="journal"} 1.0' in text
    assert "crossroads_journal_group_size_count" in text


async def test_the_process_serves_and_drains_on_sigterm(star):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CROSSROADS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub",
        env=environment
        | {
            "CROSSROADS_AMQP_URL": star.url("hub"),
            "CROSSROADS_DATABASE_URL": star.database_url,
            "CROSSROADS_SERVICES": str(star.folder),
            "CROSSROADS_HTTP_PORT": "0",
            "CROSSROADS_JOURNAL_KEY": KEY,
        },
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines = []
    try:
        async with asyncio.timeout(PATIENCE):
            while not lines or lines[-1].get("event") != "ready":
                lines.append(json.loads(await process.stderr.readline()))
        ssin = await star.known(ONE)
        assert (await star.consult(ssin)).said == ("DATA_FOUND", "MSG00000")
        process.send_signal(signal.SIGTERM)
        rest = await asyncio.wait_for(process.stderr.read(), PATIENCE)
        assert await process.wait() == 0
        assert json.loads(rest.splitlines()[-1])["event"] == "stopped"
        assert ssin.digits.encode() not in rest
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"CROSSROADS_AMQP_URL": ""}, "CROSSROADS_AMQP_URL: "),
        ({"CROSSROADS_DATABASE_URL": "nonsense"}, "CROSSROADS_DATABASE_URL: "),
        ({"CROSSROADS_HTTP_PORT": "70000"}, "CROSSROADS_HTTP_PORT: "),
    ],
)
async def test_wrong_settings_are_told_by_name_and_nothing_starts(changes, said):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CROSSROADS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hub",
        env=environment
        | {
            "CROSSROADS_AMQP_URL": "amqp://x",
            "CROSSROADS_DATABASE_URL": "postgresql://x/y",
            "CROSSROADS_JOURNAL_KEY": KEY,
        }
        | changes,
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 2
    assert error.decode().startswith(said)
