"""The door before a journey: an SSDNRequest comes in as so many Common V3 requests, and goes out as one SSDNReply.

What is behind the door never sees an envelope. Each service request is a delivery of its own there, from the same queue
and sender, under a ticket of its own: what was told is told again, and what was done is not done twice, when the
envelope comes again.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from lxml import etree

from schemas.address import Address, AddressError
from schemas.catalogue import Catalogue
from schemas.message import find_all, read_status, text_at, ticket_cbss_in
from schemas.parser import MAX_ONLINE, Information, parse
from schemas.process import log
from schemas.service import Service
from schemas.ssdn.adapters import ADAPTERS, Adapter, Wrong
from schemas.ssdn.envelope import REQUEST, Envelope, ServiceReply, ServiceRequest, grammar, read, reply
from schemas.ssdn.reasons import BROKEN, Note, Summary, note, note_of
from schemas.violation import Violation, local, namespace
from schemas.wire.exchange import Received, Unanswerable, receive
from schemas.wire.intake import Answer, Park
from schemas.wire.transport import Delivery

#: `type` of a message that is an envelope; it may be absent.
TYPE = "SSDN"

#: Makes what becomes of one Common V3 delivery.
Walk = Callable[[Delivery], Awaitable[Answer | Park]]
#: Given what is in an envelope, before any of it is walked: how each is.
Enter = Callable[[Sequence[Delivery]], Awaitable[Walk]]
#: Who asks, by sender, enterprise number (where OrgUnit is one), sector and type; None: they do not agree.
Customer = Callable[[Address, str | None, Address], Address | None]

#: Bytes of an answer from behind the door: several suppliers may have made it together.
_MAX_ANSWER = 16 * MAX_ONLINE
_UNKNOWN = "{urn:crossroads:v1}unknownRequest"
_BUSINESS = "/SSDNRequest/ServiceRequest"
_WITH_REPLY = ("DATA_FOUND", "NO_DATA_FOUND", "INCOMPLETE_DATA")


@dataclass(frozen=True, slots=True)
class Enveloped(Answer):
    """An SSDNReply, and the answers that are in it, as they came from behind the door: what there is to count."""

    answers: tuple[Answer, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class _Question:
    """One service request as it is asked behind the door."""

    body: bytes = field(repr=False)
    #: None: of no known service.
    service: Service | None
    adapter: Adapter | None
    #: What the business request does wrong; then the body breaks its schema, so that the journey refuses it as MSG00008
    #: and journals that, and this is told in place of its own details.
    wrong: tuple[Note, ...] = ()


class Door:
    """Stateless: any process may answer an envelope, and each again."""

    def __init__(self, walk: Walk, catalogue: Catalogue, customer: Customer, enter: Enter | None = None) -> None:
        self._walk, self._catalogue, self._customer, self._enter = walk, catalogue, customer, enter

    async def walk(self, delivery: Delivery) -> Answer | Park:
        """As the walk behind it; what is no envelope goes there as it is, and so does what may not be answered or fails
        a check before the schema's."""
        if delivery.properties.type not in (None, "", TYPE) or b"SSDNRequest" not in delivery.body:
            return await self._walk(delivery)
        received = receive(delivery)
        if isinstance(received, Unanswerable) or received.root is None or received.code is not None:
            return await self._walk(delivery)
        if received.root.tag != REQUEST:
            return await self._walk(delivery)
        envelope = read(received.root)
        if isinstance(envelope, Envelope):
            return await self._each(delivery, received, envelope)
        return await self._broken(delivery, envelope)

    async def _each(self, delivery: Delivery, received: Received, envelope: Envelope) -> Answer | Park:
        arrived, given = _arrival(delivery), delivery.properties
        headers: Mapping[str, Any] = {**given.headers, "user": envelope.user_id}
        # Without a Reference the message's id is the key, or what a redelivery brings back unchanged.
        unnamed = given.message_id or f"{received.reply_to} {given.correlation_id} {received.digest.hex()}"
        answers: list[Answer] = []
        replies: list[ServiceReply] = []
        ticket: UUID | None = None
        questions = [self._question(received.sender, envelope, one, n) for n, one in enumerate(envelope.services, 1)]
        parts = [
            replace(
                delivery,
                body=question.body,
                properties=replace(
                    given,
                    type=question.service.type if question.service is not None else None,
                    message_id=f"{unnamed}/{number}",
                    headers=headers,
                ),
            )
            for number, question in enumerate(questions, 1)
        ]
        walk = self._walk if self._enter is None else await self._enter(parts)
        for number, (one, question, part) in enumerate(zip(envelope.services, questions, parts, strict=True), 1):
            # Each has the whole time of its service; they are asked one after the other.
            outcome = await walk(part if number == 1 else replace(part, at=monotonic()))
            if isinstance(outcome, Park):
                return outcome
            answers.append(outcome)
            root = parse(outcome.body, limit=_MAX_ANSWER)
            ticket = ticket or ticket_cbss_in(root)
            replies.append(_told(envelope, one, question, root))
        body = reply(envelope, None, replies, ticket=ticket, received=arrived, replied=datetime.now(UTC))
        return Enveloped(body, answers=tuple(answers))

    async def _broken(self, delivery: Delivery, violations: tuple[Violation, ...]) -> Answer | Park:
        """The journey knows no such message: it journals that, or tells of an earlier check that fails."""
        outcome = await self._walk(delivery)
        if isinstance(outcome, Park):
            return outcome
        root = parse(outcome.body)
        code = text_at(root, "detail/reasonCode") or ""
        notes = _notes(violations, "EN") if code == "CRB00008" else (note_of(code),)
        body = reply(
            None, Summary(notes), (),
            ticket=ticket_cbss_in(root), received=_arrival(delivery), replied=datetime.now(UTC),
        )  # fmt: skip
        return Enveloped(body, answers=(outcome,))

    def _question(self, sender: Address, envelope: Envelope, one: ServiceRequest, number: int) -> _Question:
        marks, ticket = self._marks(sender, envelope), envelope.ticket(number)
        named = [
            (service, name)
            for service in self._catalogue.services.values()
            for name in service.ssdn
            if (name.service_id, name.version) == (one.service_id, one.version)
        ]
        if not named:
            return _Question(_unknown(ticket, marks, one), None, None)
        service, name = named[0]
        adapter = ADAPTERS.get(str(one.business.tag))
        if adapter is None or name.request != one.business.tag:
            expected = (("expected", f"{local(name.request)} of {namespace(name.request)}"),)
            wrong: tuple[Note, ...] = (note_of("MSG00008", envelope.language, expected),)
            return _Question(_message(service.request, ticket, marks, name.legal_context), service, None, wrong)
        # Its own document: its schema's violations are told by their place in it.
        business = etree.fromstring(etree.tostring(one.business, with_tail=False))
        if violations := grammar(adapter.schema).violations_of(business):
            wrong = _notes(violations, envelope.language, _BUSINESS, "MSG00008")
            return _Question(_message(service.request, ticket, marks, name.legal_context), service, adapter, wrong)
        action = adapter.action(business)
        fitting = [(service, name) for service, name in named if name.action in ("", action)]
        if not fitting:
            return _Question(_unknown(ticket, marks, one), None, None)
        service, name = fitting[0]
        criteria = adapter.criteria(business, envelope.language)
        wrong = criteria.notes if isinstance(criteria, Wrong) else ()
        more = None if isinstance(criteria, Wrong) else criteria
        return _Question(_message(service.request, ticket, marks, name.legal_context, more), service, adapter, wrong)

    def _marks(self, sender: Address, envelope: Envelope) -> tuple[tuple[str, str], ...]:
        """`customerIdentification`: as Common V3 names who asks. Marks that do not agree are all named, which the
        journey refuses."""
        sector, institution = str(envelope.matrix_id), str(envelope.matrix_sub_id)
        try:
            kind = Address(envelope.matrix_id, envelope.matrix_sub_id)
            customer = self._customer(sender, envelope.cbe, kind)
        except AddressError:
            customer = None
        if customer is not None and customer.cbe is not None:
            return (("cbeNumber", customer.cbe),)
        marks = (("sector", sector), ("institution", institution))
        return marks if customer is not None or envelope.cbe is None else (("cbeNumber", envelope.cbe), *marks)


def _told(envelope: Envelope, one: ServiceRequest, question: _Question, root: etree._Element) -> ServiceReply:
    """How one service request was answered. A bug in it costs that one alone."""
    try:
        summary, business = _replied(envelope, one, question, root)
    except Exception as error:  # noqa: BLE001 (the others must be told, and what was done must be told as done or not)
        log.logger().error("failed", service=question.service.type if question.service else "", **log.told(error))
        summary, business = Summary((note_of("MSG00003", envelope.language),)), None
    return ServiceReply(one.service_id, one.version, summary, business)


def _replied(
    envelope: Envelope, one: ServiceRequest, question: _Question, root: etree._Element
) -> tuple[Summary, etree._Element | None]:
    status, language = read_status(root), envelope.language
    if status is None:
        details = find_all(root, "detail")
        code = text_at(root, "detail/reasonCode") or ""
        if question.wrong and code == "MSG00008":
            return Summary(question.wrong), None
        return Summary(tuple(note_of(code, language, _information(detail)) for detail in details)), None
    notes = () if status.code == "MSG00000" else (note_of(status.code, language, status.information),)
    if status.value not in _WITH_REPLY or Summary(notes).ok == "NO" or question.adapter is None:
        return Summary(notes), None
    replied = question.adapter.reply(one.business, envelope, root)
    # Parsed from the bytes that leave, and held against its schema as such.
    business = etree.fromstring(etree.tostring(replied.business))
    if violations := grammar(question.adapter.schema).violations_of(business):
        log.logger().error("the business reply is not valid", service=one.service_id, why=violations[0].path)
        return Summary((note_of("MSG00003", language),)), None
    told = {note.code for note in notes}
    return Summary((*notes, *(note for note in replied.notes if note.code not in told))), business


def _information(detail: etree._Element) -> Information:
    return tuple(
        (text_at(pair, "fieldName") or "", text_at(pair, "fieldValue") or "")
        for pair in find_all(detail, "information")
    )


def _notes(violations: tuple[Violation, ...], language: str, below: str = "", code: str = "") -> tuple[Note, ...]:
    """A note a violation: of the envelope, or of a business request `below` it."""
    found = []
    for one in violations:
        information = (("path", below + one.path), ("reason", one.reason))
        found.append(note_of(code, language, information) if code else note(BROKEN, language, information))
    return tuple(found)


def _message(
    root: str, ticket: str | None, marks: tuple[tuple[str, str], ...], context: str, *more: etree._Element | None
) -> bytes:
    """A Common V3 request. Nothing in it changes when the same envelope comes again."""
    message = etree.Element(root, nsmap={"r": namespace(root)})
    customer = etree.SubElement(message, "informationCustomer")
    if ticket is not None:
        etree.SubElement(customer, "ticket").text = ticket
    identification = etree.SubElement(customer, "customerIdentification")
    for name, text in marks:
        etree.SubElement(identification, name).text = text
    etree.SubElement(message, "legalContext").text = context
    message.extend([one for one in more if one is not None])
    return etree.tostring(message, encoding="UTF-8", xml_declaration=True)


def _unknown(ticket: str | None, marks: tuple[tuple[str, str], ...], one: ServiceRequest) -> bytes:
    """A message of no service, and another one for another question."""
    digest = etree.Element("sha256")
    digest.text = hashlib.sha256(etree.tostring(one.business, method="c14n")).hexdigest()
    asked = etree.Element("service")
    asked.text = f"{one.service_id} {one.version}"
    return _message(_UNKNOWN, ticket, marks, "", asked, digest)


def _arrival(delivery: Delivery) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=monotonic() - delivery.at)
