"""The pure parts around the journey: step 1 by a table, the key of an exchange, what a log line may say."""

import io
import json
import logging
from dataclasses import replace

import pytest

from hub.consultation import key_of
from hub.exchange import Received, Unanswerable, receive
from hub.settings import Settings
from schemas.address import Address
from schemas.process import log
from schemas.ticket import ticket_cbss, ticket_cbss_of_message
from schemas.wire import names
from schemas.wire.transport import Delivery, Properties

OWNER, OTHER = Address(18, 0), Address(5, 0)
DIRECT = names.DIRECT_REPLY_TO + ".g1h2AA5yZXBseUAzNzIwMDY0NAAAAzoAAAAAawSgbg==.A/kCCHGxSddx4YA6VIePVw=="


def delivery(body: bytes = b"<a/>", **properties: object) -> Delivery:
    given = {"user_id": "18-0", "reply_to": DIRECT, "correlation_id": "c", "message_id": "m"} | properties
    return Delivery(body, names.ingress(OWNER), Properties(**given), False, 1, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (delivery(), None),
        (delivery(reply_to="18-0.answers"), None),
        (delivery(content_encoding="UTF-8"), None),
        (delivery(user_id=None), "CRB00005"),
        (delivery(user_id="5-0"), "CRB00005"),
        (delivery(user_id="hub"), "CRB00005"),
        (delivery(headers={"x-death": []}), "CRB00005"),
        (delivery(b"<a", user_id=None), "CRB00005"),
        (delivery(b" " * (1 << 20) + b"<a/>"), "CRB00001"),
        (delivery(b" " * (1 << 20) + b"<a/>", content_encoding="latin-1"), "CRB00001"),
        (delivery(content_encoding="gzip"), "CRB00002"),
        (delivery(b"<!DOCTYPE a><a/>", content_encoding="gzip"), "CRB00002"),
        (delivery("<a>\u00e9</a>".encode("latin-1")), "CRB00002"),
        (delivery(b"<!DOCTYPE a><a/>"), "CRB00004"),
        (delivery(b"<!DOCTYPE a><a>"), "CRB00004"),
        (delivery(b"<a>"), "CRB00003"),
    ],
)
def test_step_one(given, code):
    received = receive(given)
    assert isinstance(received, Received)
    assert received.sender == OWNER
    assert received.code == code


@pytest.mark.parametrize("mode", ["batch", "mutation"])
@pytest.mark.parametrize(
    ("properties", "code"),
    [({}, "CRB00005"), ({"reply_to": "18-0.answers"}, None),
     ({"reply_to": "18-0.answers", "correlation_id": "a\0b"}, "CRB00005")],
)  # fmt: skip
def test_what_is_answered_later_goes_to_the_senders_queue_under_what_can_be_kept(mode, properties, code):
    given = replace(delivery(**properties), queue=names.ingress(OWNER, mode))
    received = receive(given)
    assert isinstance(received, Received)
    assert received.code == code


@pytest.mark.parametrize(
    "reply_to",
    [None, "", "5-0.answers", "hub.dead", names.DIRECT_REPLY_TO, names.DIRECT_REPLY_TO + ".x.y", "18-0.online"],
)
def test_nobody_is_told_where_he_may_not_be(reply_to):
    assert isinstance(receive(delivery(reply_to=reply_to)), Unanswerable)


def key(ticket, customer, **properties):
    given = delivery(**properties)
    received = receive(given)
    assert isinstance(received, Received)
    return key_of(OWNER, customer, ticket, received, given.properties)


def test_the_key_is_the_customers_ticket_whoever_brings_it():
    assert key("t", OTHER) == ticket_cbss(OTHER, "t")
    assert key("t", None) == ticket_cbss(OWNER, "t")


def test_without_a_ticket_the_key_is_the_message():
    assert key(None, OTHER) == ticket_cbss_of_message(OWNER, "m")


def test_without_a_ticket_and_a_message_id_the_key_is_what_a_redelivery_brings_back():
    bare = {"message_id": None}
    assert key(None, OTHER, **bare) == key(None, OTHER, **bare)
    assert key(None, OTHER, **bare) != key(None, OTHER, correlation_id="d", **bare)
    assert key(None, OTHER, **bare) != key(None, OTHER, body=b"<b/>", **bare)


def test_a_log_line_tells_an_exception_by_its_type_and_place_alone():
    out = io.StringIO()
    log.configure("INFO", stream=out)
    try:
        raise ValueError("85010100115")
    except ValueError as error:
        log.logger().error("failed", **log.told(error))
        log.logger().error("failed too", exc_info=True)
        logging.getLogger("library").exception("about 85010100115")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["exception"] for line in lines] == ["ValueError"] * 3
    assert all("test_consultation.py" in line["place"] for line in lines)
    assert "85010100115" not in out.getvalue()


def test_nodes_and_folders_are_lists(monkeypatch, tmp_path):
    monkeypatch.setenv("CROSSROADS_AMQP_URL", "amqp://hub:secret@a/x, amqp://b/x")
    monkeypatch.setenv("CROSSROADS_DATABASE_URL", "postgresql://u:secret@h/d")
    monkeypatch.setenv("CROSSROADS_SERVICES", f"{tmp_path}")
    settings = Settings()
    assert settings.amqp_url == ("amqp://hub:secret@a/x", "amqp://b/x")
    assert settings.services == (tmp_path,)
    assert "secret" not in repr(settings)
