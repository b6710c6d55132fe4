"""Files over the real broker: what is told of them, to whom, and that 12-0 may be killed between any two steps."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from deploy import provision
from institutions.nsso.files.filing import Filing
from institutions.nsso.office import PostgresOffice
from institutions.nsso.telling import Telling
from institutions.payroll import workers
from schemas.declarations.file_name import FileName
from schemas.declarations.signature import fingerprint
from schemas.employer import NssoNumber
from schemas.parser import parse
from schemas.period import Period, today
from schemas.wire import names
from tests.institutions.nsso.sending import certificate, joined, signed
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.forms import person, starts
from tests.institutions.payroll.ground import OTHERS, OWN, REGISTER, A, B, Ground

SOON = today() + timedelta(days=10)
SLICE = 5_000
_sequence = iter(range(1, 100_000))


def name_of(kind: str = "DIMN", sender: str = A, environment: str = "T") -> FileName:
    return FileName("GO", kind, sender, today(), f"{next(_sequence):05d}", environment, 1)  # type: ignore[arg-type]


def forms(many: int, employer: str = OWN) -> bytes:
    return joined(starts(employer, person(), SOON) for _ in range(many))


class Mailbox:
    """A sender's plain client: what it sends, and all that came to its queue of answers."""

    def __init__(self, ground: Ground, number: str) -> None:
        self.ground, self.number, self.user = ground, number, names.sender_user(number)
        self.came: list[AbstractIncomingMessage] = []

    async def open(self) -> "Mailbox":
        self._connection = await self.ground.connection(self.user)
        self._channel = await self._connection.channel()
        await self.read()
        return self

    async def read(self) -> None:
        async def take(message: AbstractIncomingMessage) -> None:
            await message.ack()
            self.came.append(message)

        queue = await self._channel.get_queue(names.answers(self.user), ensure=False)
        await queue.consume(take)

    async def close(self) -> None:
        await self._connection.close()

    async def publish(self, kind: str | None, body: bytes = b"", headers: Any = None, **properties: Any) -> None:
        out = await self._channel.get_exchange(names.out(self.user), ensure=False)
        given = {"user_id": self.user, "type": kind, "headers": headers or {}} | properties
        await out.publish(aio_pika.Message(body, **given), "batch", mandatory=True, timeout=PATIENCE)

    async def slices(self, name: FileName, transfer: str, body: bytes) -> None:
        said = {"transfer": transfer, "file": str(name), "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for at in range(0, len(body), SLICE):
            await self.publish("slice", body[at : at + SLICE], {**said, "offset": at})

    async def send(self, name: FileName, body: bytes, signature: bytes = b"", transfer: str | None = None) -> str:
        transfer = transfer or str(uuid4())
        await self.slices(name.fi(1), transfer, body)
        if signature:
            await self.slices(name.fs(1), transfer, signature)
        await self.publish("go", headers={"transfer": transfer, "file": str(name)})
        return transfer

    def of(self, transfer: str, kind: str) -> list[AbstractIncomingMessage]:
        return [one for one in self.came if one.headers.get("transfer") == transfer and one.type == kind]

    async def acrf(self, transfer: str) -> list[str]:
        """The codes that are told of a file."""
        await until(lambda: bool(self.of(transfer, "ACRF")))
        return [(one.text or "")[5:] for one in parse(self.of(transfer, "ACRF")[0].body).iter("ErrorID")]

    def answered(self, transfer: str) -> dict[int, str]:
        """ResultCode by ordinal."""
        found: dict[int, str] = {}
        for message in self.of(transfer, "NOTIFICATION"):
            codes = [one.text or "" for one in parse(message.body).iter("ResultCode")]
            assert message.headers["count"] == len(codes)
            found.update(enumerate(codes, int(str(message.headers["first"]))))
        return found


@pytest.fixture(scope="module")
async def a(ground: Ground) -> AsyncIterator[Mailbox]:
    found = await Mailbox(ground, A).open()
    yield found
    await found.close()


@pytest.fixture(scope="module")
async def b(ground: Ground) -> AsyncIterator[Mailbox]:
    found = await Mailbox(ground, B).open()
    yield found
    await found.close()


async def test_a_file_is_told_its_receipt_then_all_its_forms(ground: Ground, a: Mailbox) -> None:
    name = name_of()
    transfer = await a.send(name, forms(130))
    await until(lambda: len(a.answered(transfer)) == 130)
    mine = [one for one in a.came if one.headers.get("transfer") == transfer]
    assert mine[0].type == "ACRF"
    assert {one.user_id for one in mine} == {"12-0"}
    assert {one.correlation_id for one in mine} == {str(name)} == {one.headers["file"] for one in mine}
    assert len({one.headers["ticket"] for one in mine}) == 1
    assert a.answered(transfer) == dict.fromkeys(range(1, 131), "1")
    assert await ground.count("SELECT count(*) FROM declaration WHERE file_name = $1", str(name)) == 130


@pytest.mark.parametrize(
    ("body", "go", "codes"),
    [
        (b"<Dimona>", None, ["102"]),
        (b"<Nothing/>", None, ["135"]),
        (None, "GO.DIMN", ["107"]),
        (None, f"GO.DIMN.{B}", ["108", "123"]),
    ],
    ids=["not well-formed", "unknown root", "no name", "another's number"],
)
async def test_what_is_wrong_with_a_file_is_told_once(a: Mailbox, body: bytes, go: str, codes: list[str]) -> None:
    name, transfer = name_of(), str(uuid4())
    await a.slices(name.fi(1), transfer, body or forms(1))
    told = str(replace(name, sender=B)) if go == f"GO.DIMN.{B}" else go or str(name)
    for _ in range(2):
        await a.publish("go", headers={"transfer": transfer, "file": told})
    assert await a.acrf(transfer) == codes
    other = await a.send(name_of(), forms(1))
    await until(lambda: bool(a.answered(other)))
    assert len(a.of(transfer, "ACRF")) == 1
    assert a.answered(transfer) == {}


async def test_a_real_file_is_signed(ground: Ground, a: Mailbox) -> None:
    mine = certificate(today() - timedelta(days=1), today() + timedelta(days=1))
    senders = [replace(REGISTER.senders[0], certificates=frozenset([fingerprint(mine)])), *REGISTER.senders[1:]]
    await ground.nsso.office.load(replace(REGISTER, senders=tuple(senders)), "test")
    body = forms(2)
    right = await a.send(name_of(environment="R"), body, signed(body, mine))
    others = certificate(today(), today() + timedelta(days=2))
    wrong = await a.send(name_of(environment="R"), body, signed(body + b" ", others))
    assert (await a.acrf(right), await a.acrf(wrong)) == ([], ["125", "153"])
    await until(lambda: len(a.answered(right)) == 2)


async def test_a_sender_can_neither_complete_nor_cancel_nor_learn_of_anothers(a: Mailbox, b: Mailbox) -> None:
    name, transfer, body = name_of(), str(uuid4()), forms(3)
    await a.slices(name.fi(1), transfer, body)
    await b.publish("cancel", headers={"transfer": transfer, "file": str(name.td())})
    await b.publish("go", headers={"transfer": transfer, "file": str(name)})
    before = len(b.came)
    unknown = await b.send(name_of(sender=B), forms(1, OTHERS))
    await until(lambda: bool(b.answered(unknown)))
    assert a.of(transfer, "ACRF") == []
    await a.publish("go", headers={"transfer": transfer, "file": str(name)})
    await until(lambda: len(a.answered(transfer)) == 3)
    assert b.of(transfer, "ACRF") == [] == b.of(transfer, "NOTIFICATION")
    assert {str(one.headers.get("file")) for one in b.came[before:]}.isdisjoint({str(name)})


@pytest.mark.parametrize("how", ["missing", "full"])
async def test_a_queue_that_takes_nothing_holds_up_nobody_else(
    ground: Ground, a: Mailbox, b: Mailbox, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("institutions.nsso.telling.REST", 0.5)
    queue = f"/api/queues/{quote(ground.vhost, safe='')}/{quote(names.answers(b.user), safe='')}"
    await asyncio.to_thread(ground.broker.management.delete, queue)
    if how == "full":
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        await asyncio.to_thread(ground.broker.management.put, queue, {"durable": True, "arguments": arguments})
    lost = await b.send(name_of(sender=B), forms(2, OTHERS))
    await until_count(ground, "SELECT count(*) FROM file WHERE transfer = $1 AND state = 'done'", lost)
    transfer = await a.send(name_of(), forms(2))
    await until(lambda: len(a.answered(transfer)) == 2)
    assert await ground.count("SELECT told FROM file WHERE transfer = $1", lost) == 0
    if how == "full":
        assert (await ground.take(names.answers(b.user), b.user)).type == "ACRF"
        await asyncio.to_thread(ground.broker.management.delete, queue)
    document = provision.definitions(ground.network, ground.passwords)
    await asyncio.to_thread(provision.apply, ground.broker.management, document)
    await b.read()
    await until(lambda: len(b.answered(lost)) == 2)
    assert len(b.of(lost, "ACRF")) == (how == "missing")


async def test_of_a_simulation_nothing_is_left_when_it_is_told(ground: Ground, a: Mailbox) -> None:
    body = forms(3)
    told = []
    for _ in range(2):
        name = name_of(environment="S")
        transfer = await a.send(name, body)
        await until(lambda transfer=transfer: len(a.answered(transfer)) == 3)  # type: ignore[misc]
        told.append(a.answered(transfer))
        await until_count(ground, "SELECT count(*) FROM file WHERE transfer = $1 AND told = 3", transfer)
        assert await ground.count("SELECT count(*) FROM declaration WHERE environment = 'S'") == 0
    assert told == [{1: "1", 2: "1", 3: "1"}] * 2


async def test_a_long_list_of_workers_comes_in_slices(a: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("institutions.nsso.telling.MAX_ONLINE", 2_000)
    monkeypatch.setattr("institutions.nsso.telling._SLICE", 900)
    declared = await a.send(name_of(), forms(10))
    await until(lambda: len(a.answered(declared)) == 10)
    name, now = name_of("PFRQ"), datetime.now(UTC)
    asked = [workers.request(NssoNumber(one), Period(SOON, SOON), now) for one in (OWN, OTHERS)]
    transfer = await a.send(name, joined(asked))
    # The second may not be asked; it is told behind the first.
    await until(lambda: bool(a.of(transfer, "NOTIFICATION")))
    (refused,) = a.of(transfer, "NOTIFICATION")
    assert refused.headers["first"] == 2
    assert b"90256-155" in refused.body
    pieces = [one for one in a.came if one.type == "slice" and one.correlation_id == str(name)]
    assert {one.headers["file"] for one in pieces} == {f"FO.PFAN.{A}.{today():%Y%m%d}.{name.sequence}.T.1.1"}
    assert [one.headers["offset"] for one in pieces] == list(range(0, 900 * len(pieces), 900))
    body = b"".join(one.body for one in pieces)
    assert {one.headers["size"] for one in pieces} == {len(body)}
    assert {one.headers["sha256"] for one in pieces} == {hashlib.sha256(body).hexdigest()}
    assert len(parse(body).findall(".//DimonaPeriod")) >= 10


def step(owner: type, method: str, when: str, skip: int = 0) -> Any:
    return pytest.param(owner, method, when, skip, id=f"{when} {owner.__name__}.{method} {skip or ''}".strip())


STEPS = [
    step(Filing, "slice", "before"),
    step(Filing, "slice", "after", 2),
    step(Filing, "go", "before"),
    step(Filing, "go", "after"),
    step(Filing, "accept", "before"),
    step(Filing, "accept", "after"),
    step(PostgresOffice, "handle", "before", 1),
    step(PostgresOffice, "handle", "after", 1),
    step(Filing, "finish", "before"),
    step(Filing, "finish", "after"),
    step(Telling, "_publish", "before", 1),
    step(Telling, "_publish", "after", 1),
    step(Telling, "_published", "after"),
    step(Telling, "_answers", "after"),
]


@pytest.mark.parametrize(("owner", "method", "when", "skip"), STEPS)
async def test_12_0_killed_between_any_two_steps(
    ground: Ground,
    a: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    when: str,
    skip: int,
) -> None:
    """Each of 60 forms is handled once, and told."""
    monkeypatch.setattr("institutions.nsso.files.processing.GROUP", 20)
    monkeypatch.setattr("institutions.nsso.telling.FORMS", 20)
    reached = held(monkeypatch, owner, method, when, skip)
    name = name_of()
    sending = asyncio.create_task(a.send(name, forms(60)))
    await asyncio.wait_for(reached.wait(), PATIENCE)
    transfer = await sending
    await ground.kill()
    await ground.start()
    await until(lambda: len(a.answered(transfer)) == 60)
    assert a.answered(transfer) == dict.fromkeys(range(1, 61), "1")
    assert await a.acrf(transfer) == []
    await until_count(
        ground, "SELECT count(*) FROM file WHERE transfer = $1 AND state = 'done' AND told = 60", transfer
    )
    declared = "SELECT count(*) FROM declaration d JOIN period p USING (ticket) WHERE file_name = $1"
    assert await ground.count(declared, str(name)) == 60
    assert await ground.count("SELECT count(*) FROM slice") == 0


def held(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, when: str, skip: int) -> asyncio.Event:
    """Set when a call, behind as many as are skipped, is at the step; there it stays until it is cancelled."""
    reached, calls, original = asyncio.Event(), iter(range(1_000_000)), getattr(owner, method)

    async def stands() -> None:
        reached.set()
        await asyncio.Event().wait()

    async def call(self: Any, *given: Any, **more: Any) -> Any:
        mine = not reached.is_set() and next(calls) == skip
        if mine and when == "before":
            await stands()
        done = await original(self, *given, **more)
        if mine:
            await stands()
        return done

    monkeypatch.setattr(owner, method, call)
    return reached


async def until_count(ground: Ground, statement: str, *arguments: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while await ground.count(statement, *arguments) == 0:  # noqa: ASYNC110  what is watched has no event
            await asyncio.sleep(0.02)


_SHA256 = hashlib.sha256(b"x").hexdigest()
_SAID: dict[str, Any] = {"transfer": str(uuid4()), "file": "FI.DIMN", "offset": 0, "size": 1, "sha256": _SHA256}


@pytest.mark.parametrize(
    ("kind", "body", "headers", "properties", "reason"),
    [
        (None, b"x", _SAID, {}, "its type"),
        ("NOTIFICATION", b"x", _SAID, {}, "its type"),
        ("slice", b"x", {**_SAID, "transfer": "1"}, {}, "its header transfer"),
        ("go", b"", {"file": "GO.DIMN"}, {}, "its header transfer"),
        ("go", b"", {"transfer": str(uuid4())}, {}, "its header file"),
        ("go", b"", {"transfer": str(uuid4()), "file": "a\0b"}, {}, "its header file"),
        ("slice", b"x", {**_SAID, "offset": "0"}, {}, "its header offset"),
        ("slice", b"x", {**_SAID, "offset": -1}, {}, "its header offset"),
        ("slice", b"x", {**_SAID, "size": True}, {}, "its header size"),
        ("slice", b"x", {**_SAID, "sha256": _SHA256.upper()}, {}, "its header sha256"),
        ("slice", b"", _SAID, {}, "a slice has"),
        ("slice", b"x" * 524_289, {**_SAID, "size": 600_000}, {}, "a slice has"),
        ("slice", b"x", _SAID, {"user_id": None}, "its user_id"),
        ("slice", b"x", _SAID, {"reply_to": f"sender-{B}.answers"}, "reply_to"),
        ("slice", b"x", {**_SAID, "x-death": [{"count": 1}]}, {}, "a header x-death"),
    ],
)
async def test_of_what_nothing_can_be_made_nothing_is_kept(
    ground: Ground, a: Mailbox, kind: str, body: bytes, headers: Any, properties: Any, reason: str
) -> None:
    files = await ground.count("SELECT count(*) FROM file")
    await a.publish(kind, body, headers, **properties)
    dead = await ground.take(names.DEAD)
    assert str(dead.headers["reason"]).startswith(reason)
    assert await ground.count("SELECT count(*) FROM file") == files
