"""Kinds of what the broker refuses itself: no right, no way, no AMQP."""

import struct
from collections.abc import Iterator

from pamqp import commands

from schemas.wire import names
from tests.trials.broken.kind import ByBroker, Maker, Variant, kind
from tests.trials.broken.raw import Bytes, Raw, framed, header_of

_METHOD, _HEADER, _BODY = 1, 2, 3
#: Frame error, syntax error, command invalid, channel error, unexpected frame, resource error, not allowed, not
#: implemented, internal error; 0: it hangs up.
_NO_AMQP = ByBroker(frozenset({0, 501, 502, 503, 504, 505, 506, 530, 540, 541}))


@kind("another's exchange", ByBroker(frozenset({403, 404})))
def others_exchange(make: Maker) -> Iterator[Variant]:
    for exchange, key in (
        (names.out("5-0"), "online"),
        (names.out("17-0"), "online"),
        (names.out("12-0"), "online"),
        (names.out("64-00"), "online"),
        (names.INSTITUTIONS, names.supplier_queue("5-0", "online", "Probe/1")),
        (names.DLX, ""),
        ("", names.ingress("64-0")),
        ("", names.ingress("5-0")),
        ("", names.answers("5-0")),
        ("", names.supplier_queue("5-0", "online", "Probe/1")),
        ("", make.reply_queue),
        ("", names.DEAD),
        ("amq.direct", "online"),
        ("amq.fanout", "online"),
        ("amq.topic", "#"),
        ("amq.rabbitmq.trace", "publish"),
        ("nothing", "online"),
        (make.ssin.digits, "online"),
    ):
        yield Variant(
            f"{exchange if exchange.endswith('.out') else 'not its own'}", make.body(), exchange=exchange, key=key
        )


@kind("a key that leads nowhere", ByBroker(frozenset({312})))
def no_way(make: Maker) -> Iterator[Variant]:
    for key in (
        "", "ONLINE", "online ", "online.", "#", "*", "batches", "mutations", "mutation.0", "mutation.8",
        names.ingress("64-0"), names.ingress("5-0"), names.supplier_queue("5-0", "online", "Probe/1"), "x" * 255,
        make.ssin.digits,
    ):  # fmt: skip
        yield Variant(f"{len(key)} characters", make.body(), key=key)
    yield Variant("another reply queue", make.body(), exchange=names.REPLIES, key="hub.reply.nobody")
    yield Variant("a supplier's by way of replies", make.body(), exchange=names.REPLIES, key="5-0.online.Probe.1")


@kind("properties of the wrong type", ByBroker(frozenset({406, 501, 502, 541})))
def wrong_types(make: Maker) -> Iterator[Variant]:
    for expiration in ("abc", "-1", "1.5", "1e3", " 1", "1 ", "", "0x10", "\u0661", "99999999999999999999", "x" * 255):
        yield Variant(f"an expiration of {len(expiration)}", make.body(), {"expiration": Bytes(expiration.encode())})
    for mode in (0, 3, 7, 255):
        yield Variant(f"delivery mode {mode}", make.body(), {"delivery_mode": mode})
    for note, raw in {
        "an unknown letter": b"\x01aZ\0",
        "not a number": b"\x01ad\x7f\xf8\0\0\0\0\0\x01",
        "infinite": b"\x01ad\x7f\xf0\0\0\0\0\0\0",
        "a table that is cut": b"\x01aF\0\0\0\x09x",
        "a list that is cut": b"\x01aA\0\0\0\x09V",
        "a word that is cut": b"\x01aS\0\0\0\x09x",
        "a number that is cut": b"\x01al\0",
        "a name that is cut": b"\x09a",
    }.items():
        yield Variant(note, make.body(), {"headers": Bytes(raw)})


def _publish(channel: int = 1) -> bytes:
    return Raw.method(commands.Basic.Publish(exchange=names.out("64-0"), routing_key="online"), channel)


@kind("no AMQP", _NO_AMQP)
def no_amqp(make: Maker) -> Iterator[Variant]:
    body = make.body()
    header = header_of({"user_id": "64-0"}, len(body))
    publish, right = _publish(), framed(_HEADER, 1, header)
    whole = framed(_BODY, 1, body)
    for note, frames in {
        "a body before its header": publish + whole,
        "a header without a publish": right + whole,
        "two headers": publish + right + right + whole,
        "two publishes": publish + publish + right + whole,
        "another class": publish + framed(_HEADER, 1, b"\0\x0a" + header[2:]) + whole,
        "a header that is cut": publish + framed(_HEADER, 1, header[:10]) + whole,
        "properties that are cut": publish + framed(_HEADER, 1, header[:-2]) + whole,
        "an unknown frame": publish + framed(4, 1, b"x"),
        "frame 255": framed(255, 1, body),
        "another end": publish + right + whole[:-1] + b"\0",
        "a frame too large": publish + right + framed(_BODY, 1, bytes(1 << 20)),
        "a size beyond all": struct.pack(">BHI", _BODY, 1, 0xFFFFFFFF) + body,
        "a method of no class": framed(_METHOD, 1, b"\xff\xff\xff\xff"),
        "a method that is cut": framed(_METHOD, 1, b"\0\x3c\0\x28\0\0\xff"),
        "a publish on channel 0": Raw.method(commands.Basic.Publish(routing_key="online"), 0),
        "a publish on a channel that is not open": _publish(9) + framed(_HEADER, 9, header) + framed(_BODY, 9, body),
        "a body on channel 0": framed(_BODY, 0, body),
        "a second opening": Raw.method(commands.Channel.Open()),
        "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + body,
        "the body alone": body,
        "NUL": bytes(1_000),
        "a greeting again": b"AMQP\0\0\x09\x01",
        "a word of the broker's": Raw.method(commands.Connection.OpenOk()),
    }.items():
        yield Variant(note, body, frames=frames)


@kind("what an institution may not do", ByBroker(frozenset({403, 404, 405, 406})))
def no_right(make: Maker) -> Iterator[Variant]:
    """Read another's messages, take away a queue, make one, bend the ways."""
    for note, said in {
        "reads a supplier's queue": commands.Basic.Consume(queue=names.supplier_queue("5-0", "online", "Probe/1")),
        "reads an ingress queue": commands.Basic.Consume(queue=names.ingress("64-0")),
        "reads another's answers": commands.Basic.Consume(queue=names.answers("5-0")),
        "reads the dead": commands.Basic.Consume(queue=names.DEAD),
        "reads the hub's replies": commands.Basic.Consume(queue=make.reply_queue),
        "gets from a supplier": commands.Basic.Get(queue=names.supplier_queue("5-0", "online", "Probe/1")),
        "gets from the dead": commands.Basic.Get(queue=names.DEAD),
        "empties its own queue": commands.Queue.Purge(queue=names.ingress("64-0")),
        "empties another's": commands.Queue.Purge(queue=names.supplier_queue("5-0", "online", "Probe/1")),
        "deletes its own queue": commands.Queue.Delete(queue=names.answers("64-0")),
        "deletes another's": commands.Queue.Delete(queue=names.ingress("5-0")),
        "makes a queue": commands.Queue.Declare(queue="64-0.online.x", durable=True),
        "makes a queue of the hub's": commands.Queue.Declare(queue="hub.reply.x", durable=True),
        "makes a queue of any name": commands.Queue.Declare(queue="", exclusive=True),
        "makes an exchange": commands.Exchange.Declare(exchange="64-0.x"),
        "deletes its exchange": commands.Exchange.Delete(exchange=names.out("64-0")),
        "binds a queue": commands.Queue.Bind(
            queue=names.answers("64-0"), exchange=names.INSTITUTIONS, routing_key="5-0.online.Probe.1"
        ),
        "unbinds a queue": commands.Queue.Unbind(
            queue=names.ingress("64-0"), exchange=names.out("64-0"), routing_key="online"
        ),
        "binds an exchange": commands.Exchange.Bind(
            destination=names.out("64-0"), source=names.INSTITUTIONS, routing_key="#"
        ),
    }.items():
        yield Variant(note, b"", frames=Raw.method(said))
