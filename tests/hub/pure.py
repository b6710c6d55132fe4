"""The pure parts of an exchange, each to be done by itself as often as wanted, and the whole journey between stores
and a supplier that answer at once: what is counted of them depends on nothing outside the process.

A consultation of one supplier, answered with data and nothing cut, as in `tests.benchmarks.lean`; the messages are the
same each time.
"""

import gc
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from hub.admission import Admitted, Asked, Refused, authorise, decide, interface
from hub.barrier import Barrier
from hub.consultation import Consultation, Told
from hub.exchange import Received, receive
from hub.journal import Decision, Outcome, PersonKeys, Recorded
from hub.journal.row import of_decision, of_outcome
from hub.journey import Journey
from hub.metrics import Metrics
from hub.repertory import files
from hub.settings import Settings
from hub.suppliers import Suppliers
from hub.verification import Accepted, to_tell, verify
from schemas import splice
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.integration import Integration
from schemas.message import Request, read_head, read_request
from schemas.period import Period, today
from schemas.ssdn.door import Door
from schemas.wire import names
from schemas.wire.asking import Reply
from schemas.wire.transport import Delivery, Properties
from tests.benchmarks.lean import REQUEST, SERVICE, answer_to
from tests.benchmarks.persons import persons

_RULES = Path(__file__).parents[1] / "benchmarks" / "network.toml"
_CUSTOMER, _SUPPLIER, _CONTEXT = Address(12, 0), Address(0, 0), "MEASUREMENT"
_TICKET = UUID("3f2b8c1e-6d1a-4c57-9a52-0d8be4f7a610")
_KEYS = PersonKeys.parse("counted:0123456789abcdef0123456789abcdef")
_HUB = "hub-counted"
_REPLY_TO = names.DIRECT_REPLY_TO + ".g1h2AA5yZXBseUAzNzIwMDY0NAAAAzoAAAAAawSgbg==.A/kCCHGxSddx4YA6VIePVw=="

Part = Callable[[], object]


def parts() -> Mapping[str, Part]:
    """Each part by its name in `costs.py`; `exchange` is all of them with what stands between, from the delivery to the
    answer that is told. Each was done once, so that what is kept from the first time is there."""
    catalogue = Catalogue([shipped()])
    rules = files.read([_RULES], catalogue)
    service, (ssin,) = catalogue.services[SERVICE], persons(1)
    body = (REQUEST % (_TICKET, _CUSTOMER.sector, _CUSTOMER.type, _CONTEXT, ssin.digits)).encode()
    rows = (Integration(ssin, _CUSTOMER, 10, 1, Period(date(2000, 1, 1), None)),)
    moment = datetime(2026, 11, 2, 9, 0, 0, 123456, UTC)

    received = receive(_delivery(body))
    assert isinstance(received, Received)
    root = received.root
    assert root is not None
    head = read_head(root)
    request = read_request(service, body, root, head)
    assert isinstance(request, Request)
    assert request.asked is not None
    question = Asked(_CUSTOMER, service, _CONTEXT, ssin, request.asked, today())

    def decision() -> Admitted | Refused:
        customer = interface(
            rules, _CUSTOMER, service_known=True, cbe=head.cbe, sector_institution=head.sector_institution
        )
        assert customer == _CUSTOMER
        fitting = authorise(rules, question)
        return fitting if isinstance(fitting, Refused) else decide(rules, question, rows, fitting)

    admitted = decision()
    assert isinstance(admitted, Admitted)
    consultation = Consultation(
        received=received, body=body, at=moment, begun=0.0, service=service, head=head, customer=_CUSTOMER,
        ticket_cbss=_TICKET, refused=None, ssin=ssin, valid=True, admitted=admitted,
    )  # fmt: skip
    forwarded = splice.put_information_cbss(body, _TICKET, moment, moment)
    reply = answer_to(forwarded)
    accepted = verify(request, _TICKET, reply, admitted.without)
    assert isinstance(accepted, Accepted)
    told = consultation.told(reply, "response", "DATA_FOUND", "MSG00000")
    door = Door(_journey(catalogue, rules, rows).walk, catalogue, lambda *_: _CUSTOMER)

    found: dict[str, Part] = {
        "request read": lambda: receive(_delivery(body)),
        "head read": lambda: read_head(root),
        "request checked": lambda: read_request(service, body, root, head),
        "decision": decision,
        "request stamped": lambda: splice.put_information_cbss(body, _TICKET, moment, moment),
        "reply checked": lambda: verify(request, _TICKET, reply, admitted.without),
        "answer stamped": lambda: to_tell(service, accepted, _TICKET, moment, moment),
        "journal rows": lambda: (
            of_decision(consultation.decision(admitted), "decision", _HUB, _KEYS),
            of_outcome(consultation.outcome(told), _HUB, None),
        ),
        "exchange": lambda: _done(door.walk(_delivery(body))),
    }
    for part in found.values():
        part()
    answered = found["exchange"]()
    assert isinstance(answered, Told)
    assert (answered.value, answered.code) == ("DATA_FOUND", "MSG00000")
    return found


def _delivery(body: bytes) -> Delivery:
    properties = Properties(user_id=str(_CUSTOMER), reply_to=_REPLY_TO, correlation_id="1", type=SERVICE)
    return Delivery(body, names.ingress(_CUSTOMER), properties, redelivered=False, generation=1, tag=1)


def _done(coroutine: Coroutine[Any, Any, object]) -> object:
    """What a coroutine gives that never has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits for something: nothing here takes time")


def _journey(catalogue: Catalogue, rules: Any, rows: tuple[Integration, ...]) -> Journey:
    stored: Any = _Journal()
    found: Any = _Persons(rows)
    metrics = Metrics()
    asking: Any = _Asking()
    acting: Any = None  # of services that the hub answers itself
    questions: Any = None  # of suppliers that answer later
    return Journey(
        catalogue=catalogue,
        rules=lambda: rules,
        persons=found,
        journal=stored,
        suppliers=Suppliers(asking, metrics),
        acting=acting,
        questions=questions,
        barrier=Barrier({}),
        metrics=metrics,
        settings=Settings(amqp_url="amqp://nowhere", database_url="postgresql://nowhere/none"),
        in_flight=lambda: 1,
    )


class _Persons:
    def __init__(self, rows: tuple[Integration, ...]) -> None:
        self._rows = rows

    async def rows(self, _: object) -> tuple[Integration, ...]:
        return self._rows


class _Journal:
    """Makes the rows, and writes them nowhere."""

    async def decide(self, decision: Decision, outcome: Outcome | None = None) -> Recorded:
        of_decision(decision, "decision", _HUB, _KEYS)
        return Recorded()

    async def outcome(self, outcome: Outcome) -> None:
        of_outcome(outcome, _HUB, None)


class _Asking:
    """A supplier that has made its answer once."""

    _answer = b""

    async def ask(self, _exchange: str, _key: str, body: bytes, properties: Properties, **_: object) -> Reply:
        self._answer = self._answer or answer_to(body)
        return Reply(self._answer, properties)


def bytecode(part: Part) -> int:
    """Instructions of Python's bytecode that doing it once executes; what is written in C counts as its call."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    with uncollected():
        sys.settrace(trace)
        try:
            part()
        finally:
            sys.settrace(before)
    return count


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing that an earlier test left is taken away meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: bytecode(part) for name, part in parts().items()}))
