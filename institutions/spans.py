"""What institutions and relays trace (docs/operators.md, Traces). With `tracer` None there is nothing in the way."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from institutions.answer import Answer
from institutions.answering import ticket_of
from institutions.asking import Asking, Reply
from institutions.metrics import Metrics
from institutions.passage import Told
from institutions.wire import Trouble
from schemas.catalogue import Catalogue
from schemas.codes import CODES
from schemas.ssdn.door import Enveloped
from schemas.wire import names
from schemas.wire.intake import Around
from schemas.wire.telling import Answer as Telling
from schemas.wire.telling import Outcome
from schemas.wire.traced import Seen, context_of, of_a_lot, owner, say, taken, wire
from schemas.wire.transport import Delivery, Line

if TYPE_CHECKING:
    from schemas.process.tracing import Begun, Tracer

_TYPES = ("response", "fault", "intermediate", "definitive")


def code_of(code: str) -> str:
    """A code of the catalogue as it is; a supplier's own, which may say anything, as `other`."""
    return code if code in CODES or not code else "other"


@contextmanager
def asking(tracer: "Tracer", institution: str, service: str) -> Iterator[Callable[[Answer], None]]:
    """An institution's own question; give it the answer. `service`: of the catalogue, or `unknown`."""
    attributes = {**wire(names.out(institution), "send"), "crossroads.service": service}
    with tracer.span(f"{service} ask", "client", {**attributes, "crossroads.customer": institution}, root=True) as span:

        def answered(answer: Answer) -> None:
            value = answer.value or ""
            say(span, "ask", Seen(service, answer.ticket_cbss, value, code_of(answer.code), answer.kind == "fault"))

        yield answered


def supplying(
    tracer: "Tracer | None", address: str, centre: str, service_of: Callable[[Delivery], str]
) -> Around | None:
    """A span a question of the centre's. What is answered later has a trace of its own."""
    if tracer is None:
        return None

    def seen(delivery: Delivery, outcome: Outcome) -> Seen:
        fault = isinstance(outcome, Telling) and outcome.type == "fault"
        more = {"crossroads.supplier": address}
        return Seen(service_of(delivery), ticket_of(delivery), fault=fault, more=more)

    return taken(
        tracer,
        "answer",
        seen=seen,
        sender=lambda _: centre,
        centre=True,
        linked=lambda delivery: delivery.queue.startswith(f"{address}.batch."),
        telling="reply",
    )


def relaying(tracer: "Tracer | None", relay: str, direction: str, catalogue: Catalogue) -> Around | None:
    """A span a message that goes through a relay: `down`, of members; `up`, of the hub."""
    if tracer is None:
        return None

    def seen(delivery: Delivery, outcome: Outcome) -> Seen:
        more: dict[str, str | int | bool] = {"crossroads.relay": relay}
        if direction == "down" and (member := owner(delivery)) is not None:
            more["crossroads.sender"] = member
        if isinstance(outcome, Enveloped):
            return Seen("SSDN", more={**more, "crossroads.requests": len(outcome.answers)})
        fault = isinstance(outcome, Telling) and outcome.type == "fault"
        if not isinstance(outcome, Told):
            named = delivery.properties.type or ""
            return Seen(named if named in catalogue.services else "unknown", fault=fault, more=more)
        code = "" if outcome.result == "passed" else code_of(outcome.result)
        return Seen(outcome.service, outcome.ticket_cbss, code=code, fault=fault, more=more)

    if direction == "up":
        batch = f"{relay}.batch."
        return taken(
            tracer,
            "relay up",
            seen=seen,
            sender=lambda _: names.HUB,
            centre=True,
            linked=lambda delivery: delivery.queue.startswith(batch),
        )
    return taken(tracer, "relay down", seen=seen, sender=owner, linked=of_a_lot)


def definitive(tracer: "Tracer | None", relay: str) -> Around | None:
    """A span an answer of a member's that comes in its own time; its trace is its own."""
    if tracer is None:
        return None
    return taken(
        tracer,
        "definitive answer",
        seen=lambda *_: Seen("", more={"crossroads.relay": relay}),
        sender=lambda delivery: delivery.properties.user_id,
        kind="consumer",
        linked=lambda _: True,
    )


@contextmanager
def telling(tracer: "Tracer", institution: str, service: str) -> Iterator[None]:
    """A mutation of an institution's own, until the broker has it."""
    attributes = {**wire(names.out(institution), "send"), "crossroads.service": service}
    with tracer.span(f"{service} tell", "producer", {**attributes, "crossroads.customer": institution}, root=True):
        yield


def lot(tracer: "Tracer", institution: str, service: str, count: int) -> "Begun":
    """A lot, from its first consultation to its last answer."""
    attributes: dict[str, str | int] = {"crossroads.service": service, "crossroads.customer": institution}
    attributes["crossroads.count"] = count
    return tracer.begun(f"{service} lot", "producer", attributes)


@contextmanager
def word(tracer: "Tracer", delivery: Delivery, recipient: str, centre: str, service: str) -> Iterator[None]:
    """A word of the centre's, until its receiver has it. `service`: of the catalogue, or `unknown`."""
    attributes: dict[str, str | bool] = {**wire(delivery.queue, "process"), "crossroads.recipient": recipient}
    attributes |= {"crossroads.service": service, "crossroads.redelivered": delivery.redelivered}
    if (ticket := ticket_of(delivery)) is not None:
        attributes["crossroads.ticket"] = str(ticket)
    context = context_of(delivery, centre)
    with tracer.taking(f"{service} taking", "consumer", delivery.queue, context, attributes, centre=True):
        yield


@contextmanager
def later(tracer: "Tracer", delivery: Delivery, centre: str, kind: str, ticket: str) -> Iterator[None]:
    """An answer that comes later, until its handler has it; its trace is its own. `kind`: its `type`."""
    attributes: dict[str, str | bool] = {**wire(delivery.queue, "process"), "crossroads.ticket": ticket}
    attributes |= {"crossroads.type": kind if kind in _TYPES else "other"}
    context = context_of(delivery, centre)
    with tracer.taking("answer taking", "consumer", delivery.queue, context, attributes, centre=True, linked=True):
        yield


class TracedAsking(Asking):
    """A relay's questions to the hub, a span each. `service_type`: of the catalogue."""

    def __init__(
        self, line: Line, trouble: Trouble, institution: str, centre: str, metrics: Metrics, *, tracer: "Tracer"
    ) -> None:
        super().__init__(line, trouble, institution, centre, metrics)
        self._out, self._tracer = names.out(institution), tracer

    async def ask(
        self,
        body: bytes,
        *,
        service_type: str | None,
        user: str | None,
        ticket: str | None,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        attributes = {**wire(self._out, "send"), "crossroads.service": service_type or "unknown"}
        with self._tracer.span(f"{service_type or 'unknown'} ask", "client", attributes, root=True) as span:
            reply = await super().ask(
                body, service_type=service_type, user=user, ticket=ticket, timeout=timeout, headers=headers
            )
            if reply.properties.type == "fault":
                span.fault("fault")
            return reply
