"""How a question becomes an answer: read it, ask the institution's own code, build and check what goes out."""

import asyncio
import inspect
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Literal

from lxml import etree

from institutions.question import Answering, Deceased, InvalidData, Question, Raw, Supplier, UnknownSsin
from schemas.address import Address, AddressError
from schemas.answers import data_response, fault, response_to, written
from schemas.message import Request, read_head, read_request, ticket_cbss_in
from schemas.parser import MAX_ONLINE, Information, parse
from schemas.period import Period, today
from schemas.process.log import place
from schemas.service import Service
from schemas.ssin import Ssin, SsinError
from schemas.violation import Violation
from schemas.wire.transport import Properties

#: Bytes that what the hub and a relay add may take.
ADDED = 4_096
#: Seconds after its deadline that a late answer is still told from silence.
GRACE = 0.3
#: How long an answer is remembered for a question that comes again, seconds, and how many bytes of them.
REMEMBERED = 60.0
REMEMBERED_BYTES = 16 * MAX_ONLINE

_PLACE = "data-stand-here"

Result = Literal["data", "no_data", "unknown_ssin", "deceased", "invalid_data", "failed", "invalid", "late"]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to a question, fit to leave; `body` None: nobody waits for it any more."""

    body: bytes | None = field(repr=False)
    kind: Literal["response", "fault"]
    result: Result
    #: For the log: the exception's type, or which rules of the schema the data break. No values.
    why: str = ""


def deadline_of(properties: Properties, service: Service, received: float) -> float:
    """When the asker's patience ends, in the clock of `received`: the header `deadline_ms`, else the service's own."""
    left = properties.headers.get("deadline_ms")
    if isinstance(left, bool) or not isinstance(left, int) or left < 0:
        left = service.deadline_ms
    return received + min(left, service.deadline_ms) / 1000


def customer_of(properties: Properties) -> Address | None:
    """Who asks, as the hub says it in the header `customer`."""
    told = properties.headers.get("customer")
    try:
        return Address.parse(told) if isinstance(told, str) else None
    except AddressError:
        return None


async def answer(
    service: Service,
    supplier: Supplier,
    address: Address,
    body: bytes,
    properties: Properties,
    received: float,
    patience: float | None = None,
) -> Said:
    """Ask `supplier` the question in `body`, received at `received` (monotonic), and build what goes out.

    patience: seconds that it may take, of a question that is answered later; None: as its deadline says.

    Always valid against the service's schema: what would not be is told as a fault MSG00003. Raises `Malformed` or
    `AnswerError` where the question is none that a hub would send.
    """
    arrived = datetime.now(UTC)
    root = parse(body, limit=MAX_ONLINE + ADDED)
    request = read_request(service, body, root)
    if not isinstance(request, Request):
        return _failed(service, root, arrived, "invalid", "the question: " + _rules(request))
    deadline = deadline_of(properties, service, received) if patience is None else received + patience
    question = _question(request, address, properties, deadline)
    if question.left <= 0:
        return Said(None, "response", "late")
    status: str = "MSG00000"
    information: Information = ()
    result: Result = "data"
    found: Answering = None
    try:
        async with asyncio.timeout(question.left + GRACE):
            found = await _ask(supplier, question)
    except UnknownSsin:
        status, result = "MSG00005", "unknown_ssin"
    except Deceased as died:
        status, result = "MSG00009", "deceased"
        information = (("deceaseDate", died.on.isoformat()),) if died.on is not None else ()
    except InvalidData as wrong:
        status, result, information = "MSG00008", "invalid_data", (("expected", wrong.expected),)
    except TimeoutError:
        if question.left > -GRACE:
            return _failed(service, root, arrived, "failed", "TimeoutError")
        return Said(None, "response", "late")
    except Exception as error:  # noqa: BLE001  whatever the institution's code does, the asker is told
        return _failed(service, root, arrived, "failed", f"{type(error).__qualname__} at {place(error.__traceback__)}")
    if found is None and result == "data":
        status, result = "MSG00100", "no_data"
    return _checked(question, found, status, result, information, arrived)


def say(service: Service, address: Address, body: bytes, found: Answering) -> Said:
    """The answer of `address` with these data to the question in `body`, built and checked as `answer` does."""
    root = parse(body, limit=MAX_ONLINE + ADDED)
    request = read_request(service, body, root)
    if not isinstance(request, Request):
        raise TypeError("the question breaks its schema: " + _rules(request))
    question = _question(request, address, Properties(), 0.0)
    return _checked(question, found, "MSG00000", "data", (), datetime.now(UTC))


def _checked(
    question: Question, found: Answering, status: str, result: Result, information: Information, arrived: datetime
) -> Said:
    out = _built(question, found, status, information, arrived)
    _, violations = question.service.violations(out, "response", limit=8 * MAX_ONLINE)
    if violations:
        return _failed(question.service, question.root, arrived, "invalid", _rules(violations))
    return Said(out, "response", result)


def _question(request: Request, address: Address, properties: Properties, deadline: float) -> Question:
    ssin = None
    if request.service.ssin:
        try:
            ssin = Ssin.parse(request.ssin_text)
        except SsinError:
            ssin = Ssin.unchecked(request.ssin_text)
    day = today()
    return Question(
        service=request.service,
        supplier=address,
        person=ssin,
        period=request.asked or Period(day, day),
        customer=customer_of(properties),
        legal_context=read_head(request.root).legal_context,
        ticket_cbss=ticket_cbss_in(request.root),
        root=request.root,
        deadline=deadline,
    )


async def _ask(supplier: Supplier, question: Question) -> Answering:
    if inspect.iscoroutinefunction(supplier):
        found: Answering = await supplier(question)
        return found
    said = await asyncio.to_thread(supplier, question)
    return await said if inspect.isawaitable(said) else said


def _built(
    question: Question, found: Answering, status: str, information: Information, arrived: datetime
) -> bytes:  # fmt: skip
    now = datetime.now(UTC)
    service, place = question.service, etree.Element(_PLACE)
    if isinstance(found, Raw) and found.whole:
        ticket = question.ticket_cbss
        if ticket is None:
            raise ValueError("the question has no ticketCBSS")
        shell = response_to(service, question.root, ticket_cbss=ticket, received=arrived, replied=now)
        shell.append(place)
        return _put(written(shell), found.data)
    data = [place] if isinstance(found, Raw) else [found] if isinstance(found, etree._Element) else list(found or ())
    body = data_response(
        service,
        question.root,
        data,
        status,
        received=arrived,
        replied=now,
        supplier=question.supplier,
        information=information,
    )
    return _put(body, found.data) if isinstance(found, Raw) else body


def _put(shell: bytes, data: bytes) -> bytes:
    before, _, behind = shell.rpartition(f"<{_PLACE}/>".encode())
    return before + data + behind


def _failed(service: Service, root: etree._Element, arrived: datetime, result: Result, why: str) -> Said:
    ticket = ticket_cbss_in(root)
    if ticket is None:
        raise ValueError("the question has no ticketCBSS")
    body = fault(
        service, "MSG00003", head_root=root, ticket_cbss=ticket, received=arrived, replied=datetime.now(UTC)
    )  # fmt: skip
    return Said(body, "fault", result, why)


def _rules(violations: tuple[Violation, ...]) -> str:
    return "; ".join(f"{v.path}: {v.reason}" for v in violations[:3])


class Memory:
    """Answers given lately, by the question's key, so that a question that comes again is not worked on again."""

    def __init__(self, seconds: float = REMEMBERED, most: int = REMEMBERED_BYTES) -> None:
        self._seconds, self._most = seconds, most
        self._said: OrderedDict[str, tuple[float, Said]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Said | None:
        """What was said to this question, if it is not too long ago."""
        self._forget(monotonic() - self._seconds)
        found = self._said.get(key)
        return found[1] if found is not None else None

    def put(self, key: str, said: Said) -> None:
        """Remember it, unless it went wrong: what comes again may go better."""
        if said.body is None or said.kind == "fault" or key in self._said:
            return
        self._said[key] = (monotonic(), said)
        self._bytes += len(said.body)
        self._forget(monotonic() - self._seconds)

    def clear(self) -> None:
        self._said.clear()
        self._bytes = 0

    def _forget(self, before: float) -> None:
        while self._said:
            key, (when, said) = next(iter(self._said.items()))
            if when >= before and self._bytes <= self._most:
                return
            del self._said[key]
            self._bytes -= len(said.body or b"")
