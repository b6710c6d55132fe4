"""What is said of a message in `hub.dead`: by the broker's word or the centre's, and nothing that its sender chose."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.dead import message
from deploy.dead.masking import REASONS, outline, reason_of, text_shown
from deploy.dead.message import Dead, Place, properties_shown, read
from hub.repertory.rules import Institution, Rules
from schemas.address import Address
from schemas.ssin import check_digits
from schemas.ticket import ticket_cbss
from schemas.wire.transport import Delivery, Properties

_ROOT = Path(__file__).parents[3]
_NINE = "850101998"
PLANTED = _NINE + check_digits(_NINE, born_2000=False)
ASKER, RELAY, MEMBER = Address(64, 0), Address(17, 0), Address(17, 1, "0212344876")
PLACE = Place("hub", "crossroads")
REGISTER = (
    Institution(ASKER, "0242069537", "asks"),
    Institution(RELAY, "0316380841", "manages"),
    Institution(MEMBER, "0212344876", "member", managed_by=RELAY),
)
AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
BODY = (
    b'<q:ask xmlns:q="urn:x"><informationCustomer><ticket>T-1</ticket></informationCustomer>'
    b"<criteria><ssin>" + PLANTED.encode() + b"</ssin></criteria></q:ask>"
)


def rules() -> Rules:
    return Rules(REGISTER)


def stands(body: bytes = BODY, place: Place = PLACE, **given: Any) -> Dead:
    values: dict[str, Any] = {"user_id": "64-0", "reply_to": "64-0.answers", "headers": death()} | given
    delivery = Delivery(body, "hub.dead", Properties(**values), False, 1, 1)
    return read(delivery, place, rules(), {"Pension/1": None})


def death(queue: str = "hub.in.64-0.batch", reason: str = "delivery_limit") -> dict[str, Any]:
    return {"x-death": [{"queue": queue, "reason": reason, "time": AT, "count": 1}]}


def parked(queue: str = "hub.in.64-0.batch", sender: str = "64-0", reason: str = "the hub failed: X") -> dict[str, Any]:
    headers = {"queue": queue, "sender": sender, "reason": reason, "parked": AT.isoformat()}
    return {"user_id": "hub", "headers": headers}


def test_what_the_broker_sent_there_is_told_by_the_brokers_word() -> None:
    found = stands(type="Pension/1")
    assert (found.queue, found.sender, found.at, found.type) == ("hub.in.64-0.batch", "64-0", AT, "Pension/1")
    assert found.reason == "failed too often: delivery limit"
    assert found.ticket_cbss == ticket_cbss(ASKER, "T-1")
    assert found.stays is None


def test_what_the_hub_parked_is_told_by_its_headers() -> None:
    found = stands(**parked())
    assert (found.queue, found.sender, found.at) == ("hub.in.64-0.batch", "64-0", AT)
    assert found.reason == "the hub failed: X"
    assert found.stays is None


def test_an_institutions_own_headers_count_for_nothing() -> None:
    headers = parked(sender="17-0", queue="hub.in.17-0.batch", reason="the hub failed: mine")["headers"]
    found = stands(headers={**headers, **death()})
    assert (found.queue, found.sender, found.reason) == (
        "hub.in.64-0.batch", "64-0", "failed too often: delivery limit",
    )  # fmt: skip
    alone = stands(headers=headers)
    assert (alone.queue, alone.sender, alone.reason, alone.at) == (None, None, "not known", None)
    assert alone.stays is not None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"headers": death("hub.in.64-0.online")}, message.NOT_ASKED_AGAIN),
        ({"headers": death("hub.definitive")}, message.NOT_AS_IT_CAME),
        ({"headers": death("hub.in.sender-100001.batch"), "user_id": "sender-100001"}, message.OF_A_SENDER),
        (parked("hub.definitive", "5-0"), message.NOT_AS_IT_CAME),
        ({"user_id": None}, "it was not sent by 64-0"),
        ({"user_id": "17-0"}, "it was not sent by 64-0"),
        (parked(sender=""), "it was not sent by 64-0"),
        ({"reply_to": "17-0.answers"}, "answered to nobody"),
        ({"reply_to": None}, "answered to nobody"),
        ({"headers": death("anything")}, "where it came from is not known"),
        ({"headers": {"x-death": "a word"}}, "where it came from is not known"),
        ({"headers": {"x-death": [{"queue": 7}]}}, "where it came from is not known"),
        ({"headers": {}, "readable": False}, "its properties cannot be read"),
    ],
)
def test_what_cannot_be_handed_in_again_says_why(given: dict[str, Any], why: str) -> None:
    assert why in str(stands(**given).stays)


@pytest.mark.parametrize(
    "body", [b"", b"no XML", b"<a/>", b"<!DOCTYPE a><a/>"], ids=["empty", "text", "bare", "doctype"]
)
def test_without_a_ticket_it_stays(body: bytes) -> None:
    found = stands(body)
    assert found.ticket_cbss is None
    assert "no ticket" in str(found.stays)


def test_the_ticket_is_that_of_the_customer_and_not_of_who_asks_for_it() -> None:
    body = BODY.replace(
        b"</ticket>", b"</ticket><customerIdentification><cbeNumber>0212344876</cbeNumber></customerIdentification>"
    )
    found = stands(body, user_id="17-0", reply_to="17-0.answers", headers=death("hub.in.17-0.batch"))
    assert found.ticket_cbss == ticket_cbss(MEMBER, "T-1")
    place = Place("17-0", "secondary-17")
    inside = stands(body, place, user_id=str(MEMBER), reply_to=f"{MEMBER}.answers",
                    headers=death(f"hub.in.{MEMBER}.batch"))  # fmt: skip
    assert inside.ticket_cbss == found.ticket_cbss
    assert inside.stays is None


def test_an_id_is_the_same_at_each_look_and_looks_like_no_number() -> None:
    assert stands().id == stands(**parked()).id == stands().id
    assert stands(BODY + b" ").id != stands().id
    assert stands().id.isalpha()


def test_nothing_that_a_sender_chose_is_shown() -> None:
    chosen = f"{PLANTED} {PLANTED[:6]}-{PLANTED[6:9]}.{PLANTED[9:]}"
    found = stands(
        f'<{"n" + PLANTED} a{PLANTED}="{PLANTED}"><ssin>{PLANTED}</ssin><x{PLANTED}/>{PLANTED}</n{PLANTED}>'.encode(),
        type=chosen,
        correlation_id=chosen,
        message_id=chosen,
        reply_to=chosen,
        content_type=chosen,
        content_encoding=chosen,
        headers={**death(), chosen: chosen, "user": PLANTED, "key": chosen, "reason": chosen},
    )
    shown = [repr(found), *map(str, outline(found.delivery.body).lines), *map(str, properties_shown(found).items())]
    assert PLANTED not in "\n".join(shown).replace(" ", "").replace("-", "").replace(".", "")
    assert any("ssin: digits, 11 characters" in line for line in shown)
    assert properties_shown(found)["other headers"] == "1"


def test_only_reasons_of_ours_are_repeated() -> None:
    assert reason_of("no reply_to: it cannot be answered") == "no reply_to: it cannot be answered"
    assert reason_of(f"the hub failed: {PLANTED}") == "a reason that is not known here"
    assert reason_of("somebody else's words") == reason_of(None) == "a reason that is not known here"


def test_every_reason_that_our_code_gives_is_known() -> None:
    reasons = set(_reasons())
    assert len(reasons) > 10
    assert [reason for reason in sorted(reasons) if not reason.startswith(REASONS)] == []


def _reasons() -> Iterator[str]:
    """How each reason begins that the code gives for parking a message."""
    for room in ("hub", "institutions", "schemas"):
        for file in (_ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                yield from filter(None, (_begin(given) for given in _given(node)))


def _given(node: ast.AST) -> list[ast.expr]:
    """What may be a reason in it."""
    if isinstance(node, ast.FunctionDef) and node.name in ("not_to_be_told", "_not_taken"):
        returns = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None]
        return [one for one in returns if not isinstance(one, ast.Call)]
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("Park", "Unanswerable"):
            return node.args[:1]
        if name == "_park":
            return node.args[1:2]
    return []


def _begin(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_a_ticket_is_shown_unless_it_may_be_a_number() -> None:
    assert text_shown("T-1") == "T-1"
    assert text_shown("6a0f2c1e-0000-5000-8000-000000000000") == "6a0f2c1e-0000-5000-8000-000000000000"
    assert text_shown(f"of {PLANTED}") == "masked: text, 14 characters"


def test_of_a_large_body_the_first_elements_are_shown() -> None:
    told = outline(b"<a>" + b"<ssin/>" * 1_000 + b"</a>")
    assert (len(told.lines), told.more) == (400, 601)
    assert outline(b"\xff").what.startswith("not XML")
