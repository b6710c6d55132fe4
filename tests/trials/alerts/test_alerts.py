"""Each alert's cause is made in a running network: the alert fires; the cause goes: it stops.

All of them, with a table: `./crossroads test -m slow tests/trials/alerts -s`.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
from lxml import etree
from typer.testing import CliRunner

import institutions
from deploy.command.nsso import group as nsso
from deploy.monitoring import alerts
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ
from deploy.servers.rabbitmq import program
from hub import control
from hub.migrations import migrate
from institutions.metrics import Metrics
from schemas.process.health import Health
from schemas.wire import names
from tests.hub.mutations import Owner, Receiver, mutation
from tests.hub.star import CONTEXT, CUSTOMER, ONE, THREE, TWO, Question, answer_with_data, stay_silent
from tests.institutions.nsso import ground as desks
from tests.institutions.nsso.ground import dimona_in, person
from tests.institutions.nsso.sending import Post, joined, name_of
from tests.trials.alerts.ground import Expected, Ground, institution, opened, together


@pytest.fixture
async def ground(
    private_rabbitmq: PrivateRabbitMQ, private_postgresql: PrivatePostgreSQL, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with opened(private_rabbitmq, private_postgresql, tmp_path) as ground:
        yield ground


async def test_a_silent_supplier_a_killed_hub_and_a_killed_watcher_are_told(ground: Ground) -> None:
    await together(a_silent_supplier(ground), a_killed_hub(ground), a_killed_watcher(ground))
    print("\n" + ground.table())
    assert not ground.failures, "\n\n".join(ground.failures)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
async def test_every_alert_fires_when_its_cause_is_made_and_stops_when_it_is_gone(
    ground: Ground, private_postgresql: PrivatePostgreSQL, private_rabbitmq: PrivateRabbitMQ
) -> None:
    """Side by side what does not disturb each other."""
    await together(
        a_silent_supplier(ground, ("PromiseWears", {"fault": "supplier"})),
        a_slow_supplier(ground),
        what_cannot_be_answered(ground),
        a_recipient_that_does_not_read(ground),
        a_supplier_that_does_not_answer_later(ground),
        a_lot_that_is_left(ground),
        a_pause_that_is_left_on(ground),
        a_file_that_stops(ground, private_postgresql),
    )
    await together(a_message_that_meets_a_bug(ground), a_wrong_customer(ground))
    await together(a_killed_hub(ground), a_killed_watcher(ground))
    await months_that_are_not_made(ground)
    await a_watcher_of_another_database(ground, private_postgresql)
    await a_database_that_is_stopped(ground, private_postgresql)
    await hubs_that_hang(ground)
    await a_broker_without_memory(ground, private_rabbitmq)
    await maintenance_that_is_left_on(ground)
    assert await ground.firing("Alive")
    print("\n" + ground.table())
    assert not ground.failures, "\n\n".join(ground.failures)
    shown = {row.alert.split(" ")[0] for row in ground.rows}
    assert set(alerts.BY_NAME) - shown == {"Alive"}


async def a_silent_supplier(ground: Ground, *more: Expected) -> None:
    async def made() -> None:
        ground.does[THREE] = stay_silent

    async def mended() -> None:
        ground.does[THREE] = answer_with_data

    by_it = {"supplier": str(THREE)}
    await ground.trial(
        "16-0 answers nothing", made, mended,
        ("SupplierSilent", by_it), ("PromiseBroken", {"fault": "supplier"}), *more,
    )  # fmt: skip


async def a_killed_hub(ground: Ground) -> None:
    await ground.trial(
        "hub-2 is killed; started again",
        lambda: ground.kill("hub-2"),
        lambda: ground.begin("hub-2"),
        ("HubDown", {"instance": "hub-2"}),
        ("HubsFew", {}),
    )


async def a_killed_watcher(ground: Ground) -> None:
    await ground.trial(
        "the watcher is killed; started again",
        lambda: ground.kill("watcher"),
        lambda: ground.begin("watcher"),
        ("WatcherBlind", {}),
    )


async def a_slow_supplier(ground: Ground) -> None:
    async def slowly(question: Question) -> None:
        await asyncio.sleep(2.5)
        await answer_with_data(question)

    async def made() -> None:
        ground.does[TWO] = slowly

    async def mended() -> None:
        ground.does[TWO] = answer_with_data

    await ground.trial("7-0 takes 2.5 s for each answer", made, mended, ("SupplierSlow", {"supplier": str(TWO)}))


async def what_cannot_be_answered(ground: Ground) -> None:
    async def made() -> None:
        async with ground.star.channel(str(CUSTOMER)) as channel:
            exchange = await channel.get_exchange(names.out(CUSTOMER), ensure=False)
            message = aio_pika.Message(b"<nobody/>", user_id=str(CUSTOMER), delivery_mode=2)
            await exchange.publish(message, "batch")  # to nobody's queue for answers

    async def mended() -> None:
        async with ground.star.admin() as channel:
            await (await channel.get_queue(names.DEAD, ensure=False)).purge()

    await ground.trial(
        "a message of a lot that says no place for its answer; purged", made, mended, ("DeadMessages", {})
    )


async def a_recipient_that_does_not_read(ground: Ground) -> None:
    star = ground.star
    owner, receiver = Owner(star, ONE), Receiver(star, CUSTOMER)
    await owner.open()

    async def made() -> None:
        await owner.send(mutation(await star.known(ONE)))

    async def mended() -> None:
        await receiver.open()

    await ground.trial("nobody reads 64-0.mutation", made, mended, ("RecipientBehind", {"recipient": str(CUSTOMER)}))
    await receiver.close()


async def a_supplier_that_does_not_answer_later(ground: Ground) -> None:
    supplier = institution(ground.star, ONE)

    @supplier.supplies("Later/1", mode="batch")
    async def supply(question: institutions.Question) -> list[etree._Element]:
        return [question.element("item", question.element("name", "later"))]

    async def made() -> None:
        await ground.ask(await ground.star.known(ONE), "Later/1")

    async def mended() -> None:
        await supplier.__aenter__()

    try:
        await ground.trial(
            "nobody reads 5-0.batch.Later.1", made, mended,
            ("AnswersOverdue", {"supplier": str(ONE)}), ("QueueStands", {"queue": "5-0.batch.Later.1"}),
        )  # fmt: skip
    finally:
        await supplier.__aexit__(None, None, None)


async def a_lot_that_is_left(ground: Ground) -> None:
    lot, persons = uuid4(), [await ground.star.known(ONE) for _ in range(3)]
    async with institution(ground.star) as customer:

        async def made() -> None:
            voucher = {"criteria/sequence": 1, "criteria/count": len(persons), "criteria/service": "Probe/1"}
            answer = await customer._voucher("OpenLot/1", str(lot), voucher)
            assert answer.code == "MSG00000"

        async def mended() -> None:
            answers = customer.lot("Probe/1", persons, legal_context=CONTEXT, sequence=1, lot=lot)
            assert len([answer async for answer in answers]) == len(persons)

        await ground.trial(
            "a lot is opened, and nothing of it sent; then it is gone on with", made, mended,
            ("LotStands", {"customer": str(CUSTOMER)}),
        )  # fmt: skip


async def a_pause_that_is_left_on(ground: Ground) -> None:
    what = {"kind": "service", "what": "Plain/1"}
    await ground.trial(
        "Plain/1 is paused; resumed",
        lambda: ground.control(control.begin, "service", "Plain/1"),
        lambda: ground.control(control.end, "service", "Plain/1"),
        ("Paused", what),
    )


async def a_file_that_stops(ground: Ground, postgresql: PrivatePostgreSQL) -> None:
    """At 12-0: its office, its files and its figures, without its broker."""
    async with desks.opened(postgresql) as [desk]:
        post, metrics = Post(desk), Metrics()
        forms: dict[str, int] = {}
        metrics.watch_forms(lambda: forms)
        health = Health(metrics, {}, lambda: True)
        port = await health.start("127.0.0.1", 0)
        name = name_of()

        async def look() -> None:
            while True:
                forms.update(await post.filing.forms())
                await asyncio.sleep(0.5)

        async def made() -> None:
            await post.rows("ALTER TABLE declaration ADD CONSTRAINT refusing CHECK (false) NOT VALID")
            await post.send(name, joined(dimona_in(person(number)) for number in range(1, 4)))
            await post.work()

        async def mended() -> None:
            await post.rows("ALTER TABLE declaration DROP CONSTRAINT refusing")
            said = await asyncio.to_thread(CliRunner().invoke, nsso, ["go-on", str(name), "--database", desk.url])
            assert said.exit_code == 0
            await post.work()

        looking = asyncio.create_task(look())
        try:
            ground.also("nsso", f"http://127.0.0.1:{port}")
            await ground.trial(
                "the NSSO's database refuses a form; go-on", made, mended, ("FilesStand", {"state": "received"})
            )
            ground.also("nsso", None)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await health.close()


async def maintenance_that_is_left_on(ground: Ground) -> None:
    await ground.trial(
        "maintenance on; off",
        lambda: ground.control(control.begin, "maintenance"),
        lambda: ground.control(control.end, "maintenance"),
        ("MaintenanceLong", {}),
    )


async def a_message_that_meets_a_bug(ground: Ground) -> None:
    """The database refuses what is told, as a rule of a table would that somebody got wrong."""
    told = "kind = 'outcome' AND value = 'DATA_FOUND'"
    await ground.trial(
        "the journal's table refuses outcomes with data",
        lambda: ground.database(f"ALTER TABLE journal ADD CONSTRAINT refusing CHECK (NOT ({told})) NOT VALID"),
        lambda: ground.database("ALTER TABLE journal DROP CONSTRAINT IF EXISTS refusing"),
        ("MessageMetBug", {}),
        ("PromiseBroken", {"fault": "hub"}),
        ("PromiseWears", {"fault": "hub"}),
    )


async def a_wrong_customer(ground: Ground) -> None:
    """It asks about persons whom it has not integrated."""
    strangers = [await ground.star.person((ONE, 100)) for _ in range(10)]
    asking: list[asyncio.Task[None]] = []

    async def ask() -> None:
        while True:
            await together(*(ground.ask(ssin, "Probe/1") for ssin in strangers), asyncio.sleep(0.3))

    async def made() -> None:
        asking.append(asyncio.create_task(ask()))

    async def mended() -> None:
        asking[0].cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    await ground.seen("sum(service:crossroads_exchanges:rate5m offset 70s) > 0")  # an hour to compare with
    await ground.trial(
        "64-0 asks about persons whom it does not know", made, mended, ("RefusalsJump", {"code": "MSG00012"})
    )


async def months_that_are_not_made(ground: Ground) -> None:
    connection = await ground.star.connect()
    try:
        months = [
            row["table"]
            for row in await connection.fetch(
                "SELECT inhrelid::regclass::text AS table FROM pg_inherits"
                " WHERE inhparent IN ('journal'::regclass, 'journal_person'::regclass)"
            )
        ]
    finally:
        await connection.close()
    now = datetime.now(UTC)
    coming = [month for month in months if month.rsplit("_", 2)[1:] > [f"{now:%Y}", f"{now:%m}"]]
    assert coming

    async def mended() -> None:
        await ground.kill("hub-2")
        await ground.begin("hub-2")

    await ground.trial(
        "the journal's coming months are dropped; a hub starts",
        lambda: ground.database(*(f"DROP TABLE {month}" for month in coming)),
        mended,
        ("PartitionsEnd", {}),
    )


async def a_watcher_of_another_database(ground: Ground, postgresql: PrivatePostgreSQL) -> None:
    """A copy with one row of the journal, of a while ago."""
    source = await ground.star.connect()
    row = await source.fetchval("SELECT row_to_json(j)::text FROM journal j ORDER BY at LIMIT 1")
    await source.close()
    url = await postgresql.create_database("test_alerts_copy")
    await migrate(url)
    copy = await asyncpg.connect(url)
    await copy.execute("INSERT INTO journal SELECT (json_populate_record(NULL::journal, $1::json)).*", row)
    await copy.close()

    async def made() -> None:
        await ground.kill("watcher")
        await ground.begin("watcher", url)

    async def mended() -> None:
        await ground.kill("watcher")
        await ground.begin("watcher")

    await ground.trial("the watcher looks at a copy of the database", made, mended, ("JournalStands", {}))
    await postgresql.drop_database("test_alerts_copy")


async def a_database_that_is_stopped(ground: Ground, postgresql: PrivatePostgreSQL) -> None:
    await ground.trial(
        "the database is killed; started again",
        lambda: asyncio.to_thread(postgresql.kill),
        lambda: asyncio.to_thread(postgresql.start),
        *(("BarrierClosed", {"part": part}) for part in ("journal", "repertory", "rules")),
        ("WatcherBlind", {"source": "database"}),
        ("HubsFew", {}),
    )


async def hubs_that_hang(ground: Ground) -> None:
    async def made() -> None:
        ground.does[THREE] = stay_silent  # so that they have some in hand
        await asyncio.sleep(1)
        for name in ("hub-1", "hub-2"):
            ground.hang(name)

    async def mended() -> None:
        ground.does[THREE] = answer_with_data
        for name in ("hub-1", "hub-2"):
            ground.goes_on(name)

    await ground.trial(
        "every hub hangs (SIGSTOP); goes on", made, mended,
        ("HubsFew", {}), ("HubDown", {"instance": "hub-1"}),
        ("RequestsWait", {"queue": names.ingress(CUSTOMER)}), ("WithoutOutcome", {}),
    )  # fmt: skip


async def a_broker_without_memory(ground: Ground, rabbitmq: PrivateRabbitMQ) -> None:
    await ground.trial(
        "the broker has no memory left (vm_memory_high_watermark)",
        lambda: watermark(rabbitmq, "0.00001"),
        lambda: watermark(rabbitmq, "0.6"),
        ("BrokerAlarm", {"alarm": "memory"}),
    )


async def watermark(rabbitmq: PrivateRabbitMQ, share: str) -> None:
    control_ = program().with_name("rabbitmqctl")
    process = await asyncio.create_subprocess_exec(
        control_, "set_vm_memory_high_watermark", share, env=rabbitmq._environment(), stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
