"""A mutation's journey: checked as every request, decided once, told to each recipient, answered by the hub's verdict.

docs/distribution.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from lxml import etree

from hub.admission import Asked, Refused, authorise, decide_mutation
from hub.consultation import Consultation, Told
from hub.delivering import Delivering
from hub.distribution import MutationFacts, recipients, refused_destinations
from hub.journal import Decision, Journal, Repeat
from hub.journey import Breach, Journey
from hub.metrics import Metrics
from hub.positions import Decided, Known, Made, Passing, Positions
from hub.repertory.persons import Persons
from hub.repertory.rules import Authorisation, Rules
from schemas import answers
from schemas.address import Address
from schemas.codes import CODES
from schemas.integration import Integration
from schemas.message import Mutation, Request, read_mutation
from schemas.process import log
from schemas.wire import names
from schemas.wire.intake import Park
from schemas.wire.transport import Delivery
from schemas.wire.words import Later, later_headers

#: Bytes of a mutation.
MOST = 512 * 1024
_PASSED_ON, _NOBODY, _CREATED, _CANCELLED = "MSG00000", "MSG00021", "CREATED", "CANCELLED"


class _JudgedOtherwiseError(Exception):
    """What is known of the person changed between the look and the lock: its owner may not send it any more."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A mutation that passed the checks 1 to 12."""

    consultation: Consultation = field(repr=False)
    request: Request
    asked: Asked
    says: Mutation
    passing: Passing

    @property
    def customer(self) -> Address:
        return self.asked.customer


class Mutations:
    """Walks mutations. Holds nothing between two of them."""

    def __init__(
        self,
        *,
        journey: Journey,
        rules: Callable[[], Rules],
        persons: Persons,
        journal: Journal,
        positions: Positions,
        delivering: Delivering,
        metrics: Metrics,
    ) -> None:
        self._journey, self._rules, self._persons, self._journal = journey, rules, persons, journal
        self._positions, self._delivering, self._metrics = positions, delivering, metrics

    async def walk(self, delivery: Delivery) -> Told | Park:
        """The verdict on a delivery from an ingress queue for mutations. When this returns it is in the journal, and
        every recipient has the word in its queue or is known to be behind."""
        owner = [names.owner_of_ingress(delivery.queue)]
        told = await self._journey.walk(delivery, "mutation", partial(self._answer, delivery, owner))
        if not isinstance(told, Told) or told.ticket_cbss is None:
            return told
        later = Later(told.ticket_cbss, owner[-1], None, told.type)
        return replace(told, headers={**told.headers, **later_headers(later)})

    async def _answer(self, delivery: Delivery, owner: list[Address], consultation: Consultation) -> Told | Park:
        if consultation.customer is not None:
            owner.append(consultation.customer)
        if consultation.refused is None and (told := await self._journey.paused(consultation)) is not None:
            return told
        checked = self._check(delivery, consultation)
        if isinstance(checked, Refused | Breach):
            return await self._journey.refuse(consultation, checked)
        try:
            return await self._walked(checked)
        except Exception as error:  # a bug; what was committed before it stands
            decided = (await self._known(checked)).decided
            if decided is None or decided.sha256 != checked.passing.sha256:
                raise
            return await self._stands(checked, decided, error)

    async def _walked(self, checked: _Checked) -> Told:
        """The verdict on a mutation that passed the checks 1 to 12, and its words on their way."""
        consultation = checked.consultation
        # What was decided once is not decided again, whatever the rules are now.
        known = await self._known(checked)
        decided = known.decided
        if decided is None:
            judged = await self._judge(checked, known)
            if isinstance(judged, Refused):
                return await self._journey.refuse(consultation, judged)
            if (decided := judged) is not None:
                consultation.decided = True
                return await self._pass_on(checked, decided)
            decided = (await self._known(checked)).decided  # by another hub, meanwhile
        return await self._again(checked, decided)

    def _check(self, delivery: Delivery, consultation: Consultation) -> "_Checked | Refused | Breach":
        """Checks 1 to 12, with what is a mutation's own."""
        received, customer = consultation.received, consultation.customer
        if consultation.refused is not None:
            return consultation.refused
        if received.reply_to != names.answers(received.sender):
            return Refused("CRB00005", (("expected", f"reply_to {names.answers(received.sender)}"),), customer)
        if len(delivery.body) > MOST:
            return Refused("CRB00001", (("expected", f"at most {MOST} bytes"),), customer)
        read = self._journey.read(consultation)
        if not isinstance(read, tuple):
            return read
        request, asked = read
        ticket = request.head.ticket
        if ticket is None:
            return Refused("MSG00008", (("expected", "informationCustomer/ticket"),), customer)
        if request.service.answered_by == "hub" or asked.ssin is None:
            return Refused("CRB00008", customer=customer)  # a word of the hub's own
        says = read_mutation(request.root)
        passing = Passing(
            ticket_cbss=consultation.ticket_cbss,
            sender=received.sender,
            owner=asked.customer,
            correlation_id=delivery.properties.correlation_id,
            ticket=ticket,
            service=request.service.type,
            flow=request.service.flow,
            action=says.action,
            code=says.code,
            reference=says.reference,
            ssin=asked.ssin,
            period=asked.period,
            sha256=received.digest,
        )
        return _Checked(consultation, request, asked, says, passing)

    async def _known(self, checked: _Checked) -> Known:
        return await self._journey.stored(lambda: self._positions.known(checked.passing))

    async def _judge(self, checked: _Checked, known: Known) -> Decided | Refused | None:
        """Checks 13 to 15, who is told, and the commit. None: another hub decided meanwhile."""
        asked, passing, says = checked.asked, checked.passing, checked.says
        rules = self._rules()
        fitting = authorise(rules, asked)
        if isinstance(fitting, Refused):
            return fitting
        with self._metrics.step("repertory"):
            rows = await self._journey.stored(lambda: self._persons.rows(passing.ssin))
        refused = decide_mutation(asked, rows, fitting)
        if isinstance(refused, Refused):
            return refused
        numbers = {passing.ssin, *(row.ssin for row in rows)}
        earlier = self._positions.forerunners(known, numbers)
        if earlier is None:
            return Refused("MSG00008", (("expected", "a reference that is not another person's"),), checked.customer)
        facts = MutationFacts(
            service_type=passing.service,
            owner=passing.owner,
            period=passing.period,
            today=asked.today,
            code=says.code,
            destinations=says.destinations,
            earlier=earlier if says.action == _CANCELLED else frozenset(),
        )
        make = partial(self._make, checked, rules, fitting, facts)
        made = make(rows)
        changes = made.integrate is not None or any(one.integrate is not None for one in made.recipients)
        # What an earlier one of the reference registered is followed or taken out, whom this one names or not.
        earlier_may = says.action != _CREATED and (
            any(row.integrate is not None for row in fitting)
            or any(row.integrate is not None for row in rules.recipients(passing.service))
        )
        as_made = None if changes or earlier_may or says.action == _CANCELLED else made
        with self._metrics.step("journal_decision"):
            try:
                return await self._journey.stored(lambda: self._positions.decide(passing, make, as_made))
            except _JudgedOtherwiseError:
                log.logger().info("judged again", reason="the person's rows changed meanwhile")
        return await self._judge(checked, known)

    def _make(
        self,
        checked: _Checked,
        rules: Rules,
        fitting: Sequence[Authorisation],
        facts: MutationFacts,
        rows: Sequence[Integration],
    ) -> Made:
        owner = decide_mutation(checked.asked, rows, fitting)
        if isinstance(owner, Refused):  # by rows that were locked since it was admitted: a number was replaced
            raise _JudgedOtherwiseError
        admitted, integrate = owner
        told = recipients(rules, facts, rows)
        missing = refused_destinations(facts, told)
        addresses = tuple(one.address for one in told)
        code = _PASSED_ON if told else _NOBODY
        answer = self._verdict(checked, code, addresses, missing)
        decision = checked.consultation.decision(replace(admitted, suppliers=addresses))
        return Made(told, integrate, missing, answer.value, code, decision, checked.consultation.outcome(answer))

    async def _pass_on(self, checked: _Checked, decided: Decided) -> Told:
        with self._metrics.step("suppliers"):
            await self._delivering.deliver(checked.request, checked.passing, decided.given, checked.consultation.at)
        return self._verdict(checked, decided.code, [one.recipient for one in decided.given], decided.missing)

    async def _stands(self, checked: _Checked, decided: Decided, error: Exception) -> Told | Park:
        """It was committed, and then something failed: its recipients catch up with it, and the sender is told what was
        decided. Never a refusal: it would make up for what has happened. Parked, its owner sends it again."""
        self._metrics.failed()
        log.logger().error("failed after its commit", **log.told(error))
        try:
            await self._delivering.owe(decided.given)
            return self._verdict(checked, decided.code, [one.recipient for one in decided.given], decided.missing)
        except Exception as again:  # noqa: BLE001  (as above)
            log.logger().error("parked", reason="failed after its commit", **log.told(again))
            return Park("the hub failed after it had decided: it is told again when it is sent again")

    async def _again(self, checked: _Checked, decided: Decided | None) -> Told:
        """It came before: the same recipients under the same positions, and the verdict again."""
        consultation = checked.consultation
        refused = Refused("CRB00009", (), checked.customer)
        if decided is None or decided.sha256 != checked.passing.sha256:
            recorded = await self._journey.stored(lambda: self._journal.decide(consultation.decision(refused)))
            if isinstance(recorded, Repeat) and recorded.verdict == "refused":
                # The same content, refused then: a right that came since is not used, that takes a new ticket.
                return await self._journey.refuse(
                    consultation, Refused(recorded.code or "MSG00003", (), checked.customer)
                )
            return consultation.refusal("CRB00009")
        self._metrics.resumed()
        told = await self._pass_on(checked, decided)
        given = tuple(one.recipient for one in decided.given)
        decision: Decision = replace(consultation.decision(refused), verdict="admitted", code=None, suppliers=given)
        outcome = consultation.outcome(told)
        await self._journey.stored(lambda: self._journal.decide(decision, outcome))
        return told

    def _verdict(self, checked: _Checked, code: str, told: Iterable[Address], missing: Iterable[Address]) -> Told:
        """The hub's answer. Of a Z it names the recipients; who knows the person is not an M's sender's to know."""
        consultation, service = checked.consultation, checked.request.service
        body = answers.data_response(
            service,
            checked.request.root,
            [organisation("recipient", address) for address in told] if service.flow == "Z" else (),
            code,
            replied=datetime.now(UTC),
            received=consultation.at,
            ticket_cbss=consultation.ticket_cbss,
            information=tuple(("destination", str(address)) for address in missing),
        )
        return consultation.told(body, "response", CODES[code].value or "", code)


def organisation(name: str, address: Address) -> etree._Element:
    """An institution as messages name it: a cooperating one by its enterprise number."""
    element = etree.Element(name)
    if address.cbe is not None:
        etree.SubElement(element, "cbeNumber").text = address.cbe
    else:
        etree.SubElement(element, "sector").text = str(address.sector)
        etree.SubElement(element, "institution").text = str(address.type)
    return element
