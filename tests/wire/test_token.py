"""Which direct reply-tos have the form of the broker's own."""

import base64

import pytest

from schemas.wire.token import Proven, Token, token_of

_PREFIX = "amq.rabbitmq.reply-to."
_KEY = "A/kCCHGxSddx4YA6VIePVw=="


def _pid(
    *,
    version: bytes = b"\x83",
    tag: bytes = b"X",
    atom: bytes = b"v\x00\x0e",
    node: bytes = b"reply@37200644",
    number: int = 826,
    serial: int = 0,
    after: bytes = b"",
) -> str:
    raw = version + tag + atom + node + number.to_bytes(4) + serial.to_bytes(4) + b"\x6b\x04\xa0\x6e" + after
    return base64.b64encode(raw).decode()


def test_a_token_as_the_broker_writes_it_is_read() -> None:
    # As RabbitMQ 3.10.8 gave it to a consumer.
    token = token_of(_PREFIX + "g1h2AA5yZXBseUAzNzIwMDY0NAAAAzoAAAAAawSgbg==." + _KEY)
    assert token == Token("reply@37200644", 826, 0)


def test_a_token_with_a_short_atom_is_read() -> None:
    token = token_of(f"{_PREFIX}{_pid(atom=bytes([119, 14]))}.{_KEY}")
    assert token is not None
    assert token.node == "reply@37200644"


@pytest.mark.parametrize(
    "rest",
    [
        "",
        ".",
        "garbage",
        "g1h2!!.x",
        f".{_KEY}",
        f"{_pid()}.",
        _pid(),
        f"{_pid()}.{_KEY}.more",
        f" {_pid()}.{_KEY}",
        f"{_pid(version=b'x')}.{_KEY}",
        f"{_pid(tag=b'a')}.{_KEY}",
        f"{_pid(atom=bytes([100, 0, 14]))}.{_KEY}",
        f"{_pid(atom=bytes([118, 0, 15]))}.{_KEY}",
        f"{_pid(node=b'reply@3720064x')}.{_KEY}",
        f"{_pid(node=b'reply.37200644')}.{_KEY}",
        f"{_pid(after=b'x')}.{_KEY}",
        f"é{_pid()}.{_KEY}",
    ],
)
def test_what_the_broker_never_writes_is_no_token(rest: str) -> None:
    assert token_of(_PREFIX + rest) is None


def test_a_queue_is_no_token() -> None:
    assert token_of("18-0.answers") is None
    assert token_of("x" + _PREFIX + _pid() + "." + _KEY) is None


def test_only_a_proven_node_and_a_number_as_low_as_a_proven_one_are_covered() -> None:
    proven = Proven(set())
    assert not proven.covers(Token("reply@1", 1, 0))
    proven.add(Token("reply@1", 1, 0))
    assert proven.covers(Token("reply@1", 0x7FFF, 0x1FFF))
    assert not proven.covers(Token("reply@1", 0x8000, 0))
    assert not proven.covers(Token("reply@1", 1, 0x2000))
    assert not proven.covers(Token("reply@2", 1, 0))
    proven.add(Token("reply@1", 0x10000, 0))
    assert proven.covers(Token("reply@1", 0x8000, 0))
    proven.forget()
    assert not proven.covers(Token("reply@1", 1, 0))
