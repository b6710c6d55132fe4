"""Kinds of right requests in the wrong hands: whose they are, where the answer goes, what hangs on them."""

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from schemas.wire import names
from tests.hub.star import PCSW_A
from tests.trials.broken.kind import DATA_FOUND, ByBroker, Ignored, Maker, Parked, Told, Variant, kind
from tests.trials.broken.raw import DIRECT, Bytes

_REFUSED = ByBroker(frozenset({406}))
_NOT_OWN = Parked("reply_to is neither")


# --- who sent it ------------------------------------------------------------------------------------------------------


@kind("no user_id", Told("CRB00005"))
def no_user_id(make: Maker) -> Iterator[Variant]:
    """The earliest check of all: whatever else is wrong is not told."""
    for service in ("Probe/1", "Plain/1", "Gather/1", "Gather/2"):
        yield Variant(service, make.body(service=service), {"user_id": None})
        yield Variant(f"{service} by type", make.body(service=service), {"user_id": None, "message_type": service})
    for note, body in {
        "and truncated": make.body()[:-9],
        "and empty": b"",
        "and a DOCTYPE": b"<!DOCTYPE r>" + make.body(),
        "and too large": make.body() + b" " * (1 << 20),
        "and another charset": make.request().encode("utf-16"),
        "and another sender": make.body(customer="<sector>5</sector><institution>0</institution>"),
        "and against the schema": make.body(make.name),
    }.items():
        yield Variant(note, body, {"user_id": None})
    more: dict[str, dict[str, Any]] = {
        "and an app_id": {"app_id": "64-0"},
        "and a header": {"headers": {"user_id": "64-0", "user": make.ssin.digits}},
        "and x-death": {"headers": {"x-death": []}},
        "and an unknown service": {"message_type": "Nothing/1"},
    }
    for note, properties in more.items():
        yield Variant(note, make.body(), {"user_id": None, **properties})


@kind("another's user_id", _REFUSED)
def others_user_id(make: Maker) -> Iterator[Variant]:
    for user in (
        "5-0", "7-0", "16-0", "17-0", "1-0", "12-0", f"17-1-{PCSW_A}", "hub", "guest", "administrator", "64-00",
        "64-0 ", "64-", "64-0\0", "64\u20110", "nobody", "x" * 255,
    ):  # fmt: skip
        yield Variant(f"{len(user)} characters", make.body(), {"user_id": user})
    yield Variant("the hub asks the hub", make.body(), {"user_id": "hub", "message_type": "Probe/1"})


@kind("x-death", Told("CRB00005"))
def x_death(make: Maker) -> Iterator[Variant]:
    death = {"queue": names.ingress("64-0"), "reason": "expired", "count": 1, "exchange": "64-0.out"}
    for note, value in {
        "as the broker's": [death],
        "of another queue": [death | {"queue": names.ingress("5-0")}],
        "two": [death, death | {"reason": "rejected"}],
        "many": [death] * 30,
        "of hub.dead": [death | {"queue": names.DEAD, "reason": "maxlen"}],
        "an empty list": [],
        "a list of words": ["expired"],
        "a table": death,
        "an empty table": {},
        "a word": "expired",
        "an empty word": "",
        "a number": 1,
        "nothing": None,
        "false": False,
        "a moment": datetime(2024, 1, 1, tzinfo=UTC),
        "a person": [death | {"reason": make.ssin.digits}],
    }.items():
        yield Variant(note, make.body(), {"headers": {"x-death": value}})
    first = {"x-first-death-reason": "expired", "x-first-death-queue": "q", "x-death": [death]}
    yield Variant("with the first one's", make.body(), {"headers": first})


# --- where the answer goes --------------------------------------------------------------------------------------------


@kind("a reply_to of another's", _NOT_OWN)
def others_reply_to(make: Maker) -> Iterator[Variant]:
    for reply_to in (
        names.answers("5-0"), names.answers("17-0"), names.answers(f"17-1-{PCSW_A}"), names.answers("64-00"),
        names.answers("6-40"), names.answers("64-0") + ".", "x" + names.answers("64-0"), names.answers("64-0").upper(),
        names.ingress("5-0"), names.ingress("64-0"), names.supplier_queue("5-0", "online", "Probe/1"), names.DEAD,
        names.mutations("64-0"), names.DEFINITIVE, make.reply_queue, names.REPLIES, names.out("64-0"), "amq.gen-x",
        " ", "*", "x" * 255, make.ssin.digits,
    ):  # fmt: skip
        yield Variant(f"{len(reply_to)} characters", make.body(), {"reply_to": reply_to})


@kind("no reply_to", Parked("no reply_to"))
def no_reply_to(make: Maker) -> Iterator[Variant]:
    for service in ("Probe/1", "Plain/1", "Gather/1", "Gather/2"):
        yield Variant(service, make.body(service=service), {"reply_to": None})
        yield Variant(f"{service} by type", make.body(service=service), {"reply_to": None, "message_type": service})
    for note, body in {
        "and truncated": make.body()[:-9],
        "and empty": b"",
        "and NUL": bytes(100),
        "and a DOCTYPE": b"<!DOCTYPE r>" + make.body(),
        "and too large": make.body() + b" " * (1 << 20),
        "and against the schema": make.body(make.name),
    }.items():
        yield Variant(note, body, {"reply_to": None})
    yield Variant("and no user_id", make.body(), {"reply_to": None, "user_id": None})
    yield Variant("and copies", make.body(), {"reply_to": None, "headers": {"CC": [names.answers("5-0")]}})
    yield Variant("and a person's correlation", make.body(), {"reply_to": None, "correlation_id": make.ssin.digits})


def _token(node: bytes, number: int, serial: int = 0, *, form: bytes = b"\x83Xv", key: str = "") -> str:
    """A direct reply-to in the broker's own form."""
    process = form + len(node).to_bytes(2) + node + struct.pack(">III", number, serial, 1)
    key = key or base64.b64encode(bytes(16)).decode()
    return f"{DIRECT}.{base64.b64encode(process).decode()}.{key}"


@kind("a reply token of no broker's form", _NOT_OWN)
def deformed_token(make: Maker) -> Iterator[Variant]:
    right = _token(b"reply@1", 5)
    for note, token in {
        "nothing": DIRECT + ".",
        "two dots": DIRECT + "..",
        "no base64": DIRECT + ".!!!!.key",
        "base64 of words": f"{DIRECT}.{base64.b64encode(b'garbage').decode()}.key",
        "no key": right.rpartition(".")[0],
        "an empty key": right.rpartition(".")[0] + ".",
        "a key of other signs": right.rpartition(".")[0] + ".*",
        "a long key": right + "A" * 64,
        "cut": right[:-30],
        "padding that is missing": _token(b"reply@12", 5).replace("=", ""),
        "another version of terms": _token(b"reply@1", 5, form=b"\x82Xv"),
        "an atom instead": _token(b"reply@1", 5, form=b"\x83vv"),
        "a function instead": _token(b"reply@1", 5, form=b"\x83pv"),
        "a compressed term": _token(b"reply@1", 5, form=b"\x83Pv"),
        "an old process": _token(b"reply@1", 5, form=b"\x83gd"),
        "a node of no name": _token(b"", 5),
        "a node without @": _token(b"reply", 5),
        "a node with spaces": _token(b"re ply@1", 5),
        "a node of letters": _token(b"reply@localhost", 5),
        "another prefix": right.replace("amq.rabbitmq", "amq.rabbitm"),
    }.items():
        yield Variant(note, make.body(), {"reply_to": token})


@kind("a reply token of no process", Parked("nobody takes its answer"))
def forged_token(make: Maker) -> Iterator[Variant]:
    """RabbitMQ closes the connection that answers to one."""
    for node in (b"reply@1", b"reply@0", b"reply@999999999", b"rabbit@12345678", b"a@1", b"x" * 100 + b"@1"):
        token = _token(node, make.random.randrange(1, 9999))
        yield Variant(f"of {len(node)} bytes", make.body(), {"reply_to": token}, asked=1)
    for number, serial in ((0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (0x7FFF, 0x1FFF), (0x8000, 0), (0, 0x2000)):
        token = _token(b"reply@2", number, serial)
        yield Variant(f"number {number}, serial {serial}", make.body(), {"reply_to": token}, asked=1)
    for service in ("Plain/1", "Gather/1", "Gather/2"):
        yield Variant(service, make.body(service=service), {"reply_to": _token(b"reply@3", 7)}, asked=1)
    yield Variant("and broken", make.body()[:-9], {"reply_to": _token(b"reply@4", 7)})
    yield Variant("and no user_id", make.body(), {"user_id": None, "reply_to": _token(b"reply@5", 7)})


# --- what hangs on it -------------------------------------------------------------------------------------------------


@kind("copies asked for", DATA_FOUND)
def copies(make: Maker) -> Iterator[Variant]:
    """They reach no queue: not at the institution's own exchange, and the hub copies no header."""
    others = [
        names.answers("5-0"), names.answers("17-0"), names.ingress("5-0"), names.DEAD, "mutation.0", "#",
        names.supplier_queue("7-0", "online", "Probe/1"), names.supplier_queue("5-0", "online", "Plain/1"),
        names.supplier_queue("16-0", "online", "Gather/1"), make.reply_queue, names.answers("64-0"),
    ]  # fmt: skip
    for other in others:
        yield Variant("one copy", make.body(), {"headers": {"CC": [other]}})
    yield Variant("all copies", make.body(), {"headers": {"CC": others}})
    yield Variant("all blind copies", make.body(), {"headers": {"BCC": others}})
    yield Variant("both", make.body(), {"headers": {"CC": others, "BCC": others}})
    yield Variant("its own again", make.body(), {"headers": {"CC": ["online", "online"], "BCC": ["online"]}})
    yield Variant("none", make.body(), {"headers": {"CC": [], "BCC": []}})
    yield Variant("in small letters", make.body(), {"headers": {"cc": others, "bcc": others}})


@kind("copies to what is no list", _REFUSED)
def copies_to_no_list(make: Maker) -> Iterator[Variant]:
    queue = names.answers("5-0")
    for header in ("CC", "BCC"):
        moment = datetime(2024, 1, 1, tzinfo=UTC)
        for value in (queue, "", 1, -1, True, {"0": queue}, {}, Decimal("1.5"), moment):
            yield Variant(f"{header} {type(value).__name__}", make.body(), {"headers": {header: value}})
        raw = Bytes(bytes([len(header)]) + header.encode() + b"x\0\0\0\x01\xff")
        yield Variant(f"{header} bytes", make.body(), {"headers": raw})


@kind("headers of every type", DATA_FOUND)
def header_types(make: Maker) -> Iterator[Variant]:
    """The hub reads one header, and only where it is what it should be."""
    for note, raw in {
        "true": b"t\x01", "a boolean of 5": b"t\x05", "b": b"b\xff", "B": b"B\xff", "s": b"s\xff\xff",
        "u": b"u\xff\xff",
        "I": b"I\xff\xff\xff\xff", "i": b"i\xff\xff\xff\xff", "l": b"l" + b"\xff" * 8, "L": b"L" + b"\xff" * 8,
        "D": b"D\xff\xff\xff\xff\xff", "d": struct.pack(">cd", b"d", 1e300), "f": struct.pack(">cf", b"f", 1e30),
        "T": b"T" + struct.pack(">Q", 1 << 31), "x": b"x\0\0\0\x04\xff\xfe\0\1", "V": b"V", "S": b"S\0\0\0\x02\xff\xfe",
        "F": b"F\0\0\0\0", "A": b"A\0\0\0\0", "S, empty": b"S\0\0\0\0",
    }.items():  # fmt: skip
        yield Variant(note, make.body(), {"headers": Bytes(b"\x04user" + raw)})
    yield Variant("twice the user", make.body(), {"headers": Bytes(b"\x04userV\x04usert\x01")})
    yield Variant("a person", make.body(), {"headers": {make.ssin.digits: make.name, "user": make.name}})
    yield Variant("what the hub says", make.body(), {"headers": {"customer": "5-0", "deadline_ms": 1, "filtered": "a"}})


def _within(levels: int, form: bytes = b"\x01aF") -> bytes:
    inner = b""
    for _ in range(levels):
        inner = form + struct.pack(">I", len(inner)) + inner
    return inner


@kind("properties that cannot be read", Parked("cannot be read"))
def unreadable(make: Maker) -> Iterator[Variant]:
    """The broker passes them on; the client library would end its connection over each."""
    bad = Bytes(b"\xff\xfe")
    for name in ("correlation_id", "message_type", "content_type", "content_encoding", "app_id", "message_id"):
        yield Variant(name, make.body(), {name: bad})
    yield Variant("half a character", make.body(), {"correlation_id": Bytes(make.ssin.digits.encode() + b"\xe2\x82")})
    for moment in (1 << 63, (1 << 64) - 1, 10**15):
        yield Variant(f"a timestamp of {moment}", make.body(), {"timestamp": moment})
    yield Variant("a header's name", make.body(), {"headers": Bytes(b"\x02\xff\xfeV")})
    yield Variant("a header's date", make.body(), {"headers": Bytes(b"\x01aT" + b"\xff" * 8)})
    yield Variant("a date in a list", make.body(), {"headers": Bytes(b"\x01aA\0\0\0\x09T" + b"\xff" * 8)})
    for levels in (500, 1_000):
        yield Variant(f"{levels} tables", make.body(), {"headers": Bytes(_within(levels))})
    yield Variant("lists within lists", make.body(), {"headers": Bytes(b"\x01a" + _within(1_200, b"A"))})
    yield Variant("and no user_id", make.body(), {"correlation_id": bad, "user_id": None})
    yield Variant("and broken", make.body()[:-9], {"correlation_id": bad})


@kind("huge headers", Parked("more than 8 KiB"))
def huge_headers(make: Maker) -> Iterator[Variant]:
    """Within a frame of 128 KiB; one that is all names would hold a hub for a third of a second."""
    for size in (8_200, 10_000, 20_000, 50_000, 100_000, 120_000):
        yield Variant(f"a word of {size}", make.body(), {"headers": {"a": "x" * size}})
        yield Variant(f"{size // 3} names", make.body(), {"headers": Bytes(b"\x01aV" * (size // 3))})
    persons = {f"{make.ssin.digits}{n}": make.name for n in range(500)}
    yield Variant("persons", make.body(), {"headers": persons})
    yield Variant("a list", make.body(), {"headers": Bytes(b"\x01aA" + struct.pack(">I", 100_000) + b"V" * 100_000)})
    # The broker's time goes by the square of these; there is room for four times as many.
    yield Variant("4,000 tables", make.body(), {"headers": Bytes(_within(4_000))})
    yield Variant("5,000 lists", make.body(), {"headers": Bytes(b"\x01a" + _within(5_000, b"A"))})
    yield Variant("deaths", make.body(), {"headers": {"x-death": [{"queue": "q" * 100, "reason": "expired"}] * 200}})


@kind("expired", Parked("expired"), paused=True)
def expired(make: Maker) -> Iterator[Variant]:
    """What nobody took in its sender's own time, here because the hub takes nothing."""
    for milliseconds in (0, 1, 2, 3, 5, 8, 10, 15, 20, 25, 30, 40, 50):
        yield Variant(f"{milliseconds} ms", make.body(), {"expiration": str(milliseconds)})
    others = [names.answers("5-0"), names.supplier_queue("5-0", "online", "Plain/1"), names.ingress("5-0")]
    yield Variant("and copies", make.body(), {"expiration": "1", "headers": {"CC": others}})
    yield Variant("and blind copies", make.body(), {"expiration": "1", "headers": {"BCC": others}})
    yield Variant("and another's reply_to", make.body(), {"expiration": "1", "reply_to": others[0]})
    yield Variant("and no user_id", make.body(), {"expiration": "1", "user_id": None})


@kind("replies to no question", Ignored())
def unasked_reply(make: Maker) -> Iterator[Variant]:
    """Who once answered knows the name of the reply queue, and may write to it for good."""
    response = make.request().replace("r:request", "r:response").encode()
    for sender in ("64-0", "5-0"):
        for note, body, properties in (
            ("a response", response, {"correlation_id": "00000000-0000-0000-0000-000000000000/1"}),
            ("no correlation", response, {"correlation_id": None}),
            ("a person's correlation", response, {"correlation_id": make.ssin.digits}),
            ("no user_id", response, {"user_id": None}),
            ("empty", b"", {}),
            ("no XML", make.name.encode(), {}),
            ("large", b"x" * (1 << 20), {}),
            ("unreadable", response, {"correlation_id": Bytes(b"\xff")}),
            ("copies", response, {"headers": {"CC": [names.answers("5-0"), names.DEAD]}}),
        ):
            yield Variant(note, body, {"reply_to": None, **properties}, sender, names.REPLIES, make.reply_queue)
