"""`crossroads dead` and `crossroads ticket`: a poison message found, looked at, handed in again; nobody's number."""

import asyncio
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from institutions.reference.network import PCSW_A
from schemas.address import Address
from schemas.ssin import Ssin, check_digits
from schemas.ticket import ticket_cbss
from tests.deploy.command.network import COMMAND, PATIENCE, Network, Said, until

ASKER, CONTEXT = "64-0", "DELIJN:FREE_PASS"
QUEUE = f"hub.in.{ASKER}.batch"
PROGRAM = "00900000123"
#: Times that a reader may fail at a message.
LIMIT = 20
_NINE = "850101998"
#: Of nobody.
PLANTED = _NINE + check_digits(_NINE, born_2000=False)


@contextmanager
def channel(network: Network, user: str, vhost: str = "") -> Iterator[BlockingChannel]:
    access = network.access
    node = access["nodes"][0].removeprefix("amqp://")
    parameters = pika.ConnectionParameters(
        node.partition(":")[0],
        int(node.partition(":")[2]),
        vhost or access["vhosts"][user],
        pika.PlainCredentials(user, access["passwords"][user]),
    )
    connection = pika.BlockingConnection(parameters)
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        connection.close()


@pytest.fixture(scope="module")
def cbe(network: Network) -> str:
    """Enterprise number of De Lijn."""
    rows = network.here("repertory", "institutions", "--json").json
    return next(row["cbe"] for row in rows if row["address"] == ASKER)


@pytest.fixture(scope="module")
def person(network: Network) -> Ssin:
    """Somebody about whom De Lijn may ask who has data; not shown where a test fails."""

    def known(address: str) -> set[str]:
        rows = network.here("repertory", "persons", "--known-to", address, "--limit", "10000", "--json").json
        return {row["ssin"] for row in rows if row["to"] is None}

    return Ssin.parse(min(known(ASKER) & known("16-0")))


def request(cbe: str, ssin: str, ticket: str) -> bytes:
    return (
        '<q:consultHandicapRecognitionRequest xmlns:q="urn:crossroads:services:HandicapRecognition:v1">'
        f"<informationCustomer><ticket>{ticket}</ticket><timestampSent>2026-03-02T09:00:00Z</timestampSent>"
        f"<customerIdentification><cbeNumber>{cbe}</cbeNumber></customerIdentification></informationCustomer>"
        f"<legalContext>{CONTEXT}</legalContext><criteria><ssin>{ssin}</ssin></criteria>"
        "</q:consultHandicapRecognitionRequest>"
    ).encode()


def put(on: BlockingChannel, key: str, body: bytes, **properties: Any) -> None:
    given = {"user_id": ASKER, "delivery_mode": 2, "content_type": "application/xml"} | properties
    exchange = f"{given['user_id']}.out"
    on.basic_publish(exchange, key, body, pika.BasicProperties(**given), mandatory=True)


def poison(network: Network, body: bytes, **properties: Any) -> None:
    """A message at which whoever reads it fails, each time it comes."""
    failed = 0

    def fail(on: BlockingChannel, method: Any, given: Any, content: bytes) -> None:
        nonlocal failed
        assert content == body
        failed += 1
        on.basic_nack(method.delivery_tag, requeue=True)

    with channel(network, "hub") as reader, channel(network, ASKER) as asker:
        reader.basic_qos(prefetch_count=1)
        # Before the hub, which reads the queue too and would answer.
        reader.basic_consume(QUEUE, fail, arguments={"x-priority": 10})
        put(asker, "batch", body, reply_to=f"{ASKER}.answers", type="HandicapRecognition/1", **properties)
        end = time.monotonic() + 30
        while failed <= LIMIT and time.monotonic() < end:
            reader.connection.process_data_events(0.1)
    assert failed > LIMIT


def dead(network: Network, *words: str) -> Any:
    said = network.here("dead", *words, "--json")
    assert said.status == 0, said
    return said.json


def listed(network: Network, count: int, but: Collection[str] = ()) -> list[dict[str, Any]]:
    """Those that stand there, but for those that stood there before."""

    def found() -> tuple[list[dict[str, Any]]] | None:
        rows = [row for row in dead(network, "list") if row["id"] not in but]
        return (rows,) if len(rows) == count else None

    rows: list[dict[str, Any]] = until(found, 20)[0]
    return rows


def ids(network: Network) -> list[str]:
    return [row["id"] for row in dead(network, "list")]


def answered(network: Network, correlation_id: str) -> None:
    """Return when De Lijn has the answer in its queue, and take it."""

    def there() -> bool:
        with channel(network, ASKER) as reader:
            while True:
                method, given, _ = reader.basic_get(f"{ASKER}.answers", auto_ack=True)
                if method is None or given.correlation_id == correlation_id:
                    return method is not None

    until(there, 40)


def ticket(network: Network, ticket_cbss: str) -> dict[str, Any]:
    said = network.here("ticket", ticket_cbss, "--json")
    assert said.status == 0, said
    found: dict[str, Any] = said.json
    return found


def test_a_poison_message_is_found_looked_at_and_handed_in_again_and_ends_as_it_should(
    network: Network, cbe: str, person: Ssin
) -> None:
    own = str(uuid4())
    body = request(cbe, person.digits, own)
    before = ids(network)
    poison(network, body, correlation_id="mine")
    [row] = listed(network, 1, before)
    assert row["ticketCBSS"] == str(ticket_cbss(Address.parse(ASKER), own))
    assert (row["network"], row["queue"], row["sender"], row["type"]) == ("hub", QUEUE, ASKER, "HandicapRecognition/1")
    assert (row["reason"], row["bytes"]) == ("failed too often: delivery limit", len(body))
    assert row["replay"]
    assert row["at"] is not None
    # Nothing was decided: the journal knows nothing of it, and says so.
    unknown = network.here("ticket", row["ticketCBSS"])
    assert (unknown.status, unknown.out) == (1, b"")
    assert "no such ticket" in unknown.err
    # But where it lies.
    assert f"in hub.dead of hub: {row['id']}, failed too often" in unknown.err

    shown = dead(network, "show", row["id"][:8])
    elements = [line.strip() for line in shown["body"]["elements"]]
    assert elements[0] == "consultHandicapRecognitionRequest"
    assert {"ssin: digits, 11 characters", "ticket: UUID"} <= set(elements)
    assert shown["properties"]["reply_to"] == f"{ASKER}.answers"
    assert shown["properties"]["correlation_id"] == "text, 4 characters"

    said = network.here("dead", "replay", row["id"], "--program", PROGRAM)
    assert said.status == 0, said
    assert f"handed in again to {QUEUE} as {ASKER}" in said.out.decode()
    assert listed(network, 0, before) == []
    answered(network, "mine")
    told = ticket(network, row["ticketCBSS"])
    assert told["told"]["final"]
    # What operators did about it stands among its steps.
    assert {"received", "decision", "asked", "answered", "outcome"} <= {step["what"] for step in told["steps"]}
    assert "DeadReplay" in [step.get("act") for step in told["steps"]]
    assert (told["ticket"], told["customer"], told["verdict"]) == (own, ASKER, "admitted")
    assert told["dead"] == []

    acts = network.here("journal", "acts", "--json").json
    mine = [act for act in acts if act["subject"] == row["ticketCBSS"]]
    assert [act["act"] for act in mine if act["act"].startswith("Dead")] == ["DeadShow", "DeadReplay"]
    assert [act["program"] for act in mine if act["act"] == "DeadReplay"] == [PROGRAM]
    assert {act["reason"] for act in mine if act["act"].startswith("Dead")} == {row["id"]}


def test_what_the_hub_decided_and_has_forgotten_is_not_done_again(network: Network, cbe: str, person: Ssin) -> None:
    own = str(uuid4())
    body = request(cbe, person.digits, own)
    before = ids(network)
    poison(network, body)
    [row] = listed(network, 1, before)
    with channel(network, ASKER) as asker:  # it is sent again meanwhile, and answered
        put(asker, "batch", body, reply_to=f"{ASKER}.answers", type="HandicapRecognition/1", correlation_id="again")
    answered(network, "again")
    asyncio.run(forget(network.access["database_url"], row["ticketCBSS"]))
    said = network.here("dead", "replay", row["id"])
    assert (said.status, said.out) == (1, b"")
    assert "its ticket is no longer kept" in said.err
    # What it was, was told: so that stands in the journal too.
    tried = network.here("journal", "acts", "--json").json
    assert ("DeadReplay", row["ticketCBSS"], row["id"]) in {(a["act"], a["subject"], a["reason"]) for a in tried}
    assert network.here("dead", "replay", "--all", "--json").json == []
    [found] = ticket(network, row["ticketCBSS"])["dead"]
    assert found == {"id": row["id"], "network": "hub", "reason": row["reason"], "replay": False}
    # Not without a word, nor without a yes.
    assert network.here("dead", "drop", row["id"], "--yes").status == 2
    assert network.here("dead", "drop", row["id"], "--reason", " ", "--yes").status == 2
    assert network.here("dead", "drop", row["id"], "--reason", "answered since").status == 1
    assert [one["id"] for one in listed(network, 1, before)] == [row["id"]]
    # While a person thinks about it nothing is held: others look meanwhile, and no connection is lost over it.
    words = ("dead", "drop", row["id"], "--reason", "answered since")
    with subprocess.Popen(
        [COMMAND, *words], env=network.environment, cwd=network.root,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as thinking:  # fmt: skip
        assert thinking.stderr is not None
        asked = b"Drop 1 for good?"
        assert thinking.stderr.read(len(asked)) == asked
        assert [one["id"] for one in listed(network, 1, before)] == [row["id"]]
        thinking.communicate(b"y\n", timeout=PATIENCE)
    assert thinking.returncode == 0
    assert listed(network, 0, before) == []
    acts = network.here("journal", "acts", "--json").json
    dropped = [act["reason"] for act in acts if (act["act"], act["subject"]) == ("DeadDrop", row["ticketCBSS"])]
    assert dropped == [f"{row['id']}: answered since"]


async def forget(url: str, ticket: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DELETE FROM ticket WHERE ticket_cbss = $1", UUID(ticket))
    finally:
        await connection.close()


def test_no_command_shows_a_persons_number_wherever_it_was_put(network: Network, cbe: str) -> None:
    body = request(cbe, PLANTED, PLANTED).replace(b"</criteria>", f"</criteria><n{PLANTED}/>".encode())
    chosen = {
        "correlation_id": PLANTED,
        "message_id": PLANTED,
        "content_type": PLANTED,
        "headers": {PLANTED: PLANTED, "user": PLANTED, "reason": PLANTED, "queue": PLANTED, "sender": PLANTED},
    }
    before = ids(network)
    # Nobody can be told: no reply_to. In each network: of the hub, of a relay, of 12-0.
    with channel(network, ASKER) as asker:
        put(asker, "online", body, type=PLANTED, **chosen)
    secondary = network.access["secondary"]
    with channel(network, str(PCSW_A), secondary["17-0"]) as member:
        put(member, "online", body, user_id=str(PCSW_A), type=PLANTED, **chosen)
    with channel(network, "sender-100001", secondary["12-0"]) as sender:
        put(sender, "online", body, user_id="sender-100001", type=PLANTED, **chosen)
    poison(network, body, **{**chosen, "content_type": "application/xml"})
    rows = listed(network, 4, before)
    assert sorted(row["network"] for row in rows) == ["12-0", "17-0", "hub", "hub"]
    assert [row["queue"] for row in rows if row["network"] == "17-0"] == [f"hub.in.{PCSW_A}.online"]
    assert {row["reason"] for row in rows if not row["replay"]} == {"no reply_to: it cannot be answered"}
    [again] = [row for row in rows if row["replay"]]
    known = again["ticketCBSS"]

    said: list[Said] = []

    def run(*words: str) -> Said:
        said.extend(network.here(*words, *mode) for mode in ((), ("--json",)))
        return said[-1]

    for row in rows:
        assert run("dead", "show", row["id"]).status == 0
    run("dead", "list")
    stay = [row["id"] for row in rows if not row["replay"]]
    assert run("dead", "replay", *stay).status == 1
    assert network.here("dead", "replay", "--all", "--network", "hub").status == 0
    answered(network, PLANTED)
    assert run("ticket", known).status == 0
    assert said[-1].json["ticket"] == "masked: digits, 11 characters"
    assert run("ticket", PLANTED, "--as", ASKER).json["ticketCBSS"] == known
    assert run("journal", "who", PLANTED).status == 0
    # What is typed wrongly is not repeated either.
    for words in (
        ("ticket", PLANTED),
        ("ticket", PLANTED, "--as", PLANTED),
        ("ticket", f"00000000-0000-5000-8000-0{PLANTED}"),
        ("ticket", known, "--program", f"{PLANTED}1"),
        ("dead", "show", PLANTED),
        ("dead", "replay", PLANTED),
        ("dead", "list", "--network", PLANTED),
        ("dead", "drop", rows[0]["id"], "--yes", "--reason", f"it was about {PLANTED}"),
        ("dead", "drop", rows[0]["id"], "--yes", "--reason", f"{PLANTED[:6]}-{PLANTED[6:9]}.{PLANTED[9:]}"),
    ):
        said.append(network.here(*words))
        assert said[-1].status in (1, 2), words[:2]
    left = listed(network, 3, before)
    assert network.here("dead", "drop", "--all", "--network", "17-0", "--yes", "--reason", "a test").status == 0
    others = [row["id"] for row in left if row["network"] != "17-0"]
    assert run("dead", "drop", *others, "--yes", "--reason", "a test").status == 2  # by the first of the two it is done
    run("journal", "acts")
    assert listed(network, 0, before) == []
    shown = "".join(one.out.decode() + one.err for one in said)
    assert not any(form in shown for form in (PLANTED, f"{PLANTED[:6]}-{PLANTED[6:9]}", PLANTED[:9]))
