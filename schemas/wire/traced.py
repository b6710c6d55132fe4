"""What stands in a message's way only where traces are on: it writes the header, and opens a span for what is asked.

docs/wire.md, "Traces". With traces off nothing of this is used.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from schemas.process import log
from schemas.wire import names, traceparent
from schemas.wire.asking import GRACE, Asking, Late, Reply, Silent
from schemas.wire.intake import Around
from schemas.wire.telling import Outcome, Park
from schemas.wire.transport import PUBLISH_TIMEOUT, Delivery, Handler, Line, Properties, Transport

if TYPE_CHECKING:
    from schemas.process.tracing import Kind, Span, Tracer


@dataclass(frozen=True, slots=True)
class Seen:
    """What a span says of a message that is done with: all of it from the catalogue, or counts, or addresses."""

    #: `Name/version`, or `unknown`; empty where the message itself does not say.
    service: str
    ticket: UUID | None = None
    verdict: str = ""
    code: str = ""
    fault: bool = False
    more: Mapping[str, str | int | bool] = field(default_factory=dict)


def wire(queue: str, operation: str) -> dict[str, str]:
    """How a span names what it has from, or gives to, the broker."""
    return {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": queue,
        "messaging.operation.type": operation,
    }


def taken(
    tracer: "Tracer",
    role: str,
    *,
    seen: Callable[[Delivery, Outcome], Seen],
    sender: Callable[[Delivery], str | None],
    kind: "Kind" = "server",
    centre: bool = False,
    linked: Callable[[Delivery], bool] = lambda _: False,
    telling: str = "answer",
) -> Around:
    """A span for each message of an intake, `<service> <role>`, and within it one, `telling`, for its answer's way.

    seen: what it says of an outcome. sender: whose header counts; the broker says whether it is his.
    centre: that is our centre. linked: whether this delivery's span begins a trace of its own.
    """

    @contextmanager
    def around(delivery: Delivery) -> Iterator[Callable[[Outcome], None]]:
        context = context_of(delivery, sender(delivery))
        attributes: dict[str, str | bool] = {**wire(delivery.queue, "process")}
        attributes["crossroads.redelivered"] = delivery.redelivered
        with (
            tracer.taking(
                role, kind, delivery.queue, context, attributes, centre=centre, linked=linked(delivery)
            ) as span,
            ExitStack() as answering,
        ):

            def made(outcome: Outcome) -> None:
                try:
                    say(span, role, seen(delivery, outcome), outcome)
                except Exception as error:  # noqa: BLE001  a bug of ours here costs a span, never the answer
                    log.logger().error("not traced", **log.told(error))
                if outcome is not None:
                    answering.enter_context(tracer.span(telling))

            yield made

    return around


def context_of(delivery: Delivery, sender: str | None) -> traceparent.Context | None:
    """What a message's header says, if it is that sender's."""
    if sender is None or delivery.properties.user_id != sender:
        return None
    return traceparent.of(delivery.properties)


def say(span: "Span", role: str, seen: Seen, outcome: Outcome = None) -> None:
    """Name it, and write down what became of it."""
    span.name(f"{seen.service} {role}".strip())
    said: dict[str, str | int | bool] = {**seen.more}
    for name in ("service", "ticket", "verdict", "code"):
        if value := getattr(seen, name):
            said[f"crossroads.{name}"] = str(value)
    span.say(said)
    if isinstance(outcome, Park):
        span.fault("parked")
    elif seen.fault:
        span.fault(seen.code or "fault")


def owner(delivery: Delivery) -> str | None:
    """The sender of an ingress queue."""
    try:
        return str(names.owner_of_ingress(delivery.queue))
    except names.WireNameError:
        return None


def of_a_lot(delivery: Delivery) -> bool:
    """Whether it came by a queue for lots: its span is linked."""
    return names.mode_of(delivery.queue) == "batch"


class TracedTransport:
    """`transport`; what is published over it bears the header of the span that stands."""

    def __init__(self, transport: Transport, tracer: "Tracer") -> None:
        self._transport, self._tracer = transport, tracer

    @property
    def user(self) -> str | None:
        return self._transport.user

    @property
    def connected(self) -> bool:
        return self._transport.connected

    @property
    def generation(self) -> int:
        return self._transport.generation

    async def start(self) -> None:
        await self._transport.start()

    async def wait_connected(self, timeout: float) -> None:
        await self._transport.wait_connected(timeout)

    async def close(self) -> None:
        await self._transport.close()

    def on_generation(self, callback: Callable[[int], None]) -> None:
        self._transport.on_generation(callback)

    def stands(self, delivery: Delivery) -> bool:
        return self._transport.stands(delivery)

    async def consume(self, queue: str, handler: Handler, *, prefetch: int) -> bool:
        return await self._transport.consume(queue, handler, prefetch=prefetch)

    async def cancel(self, queue: str) -> None:
        await self._transport.cancel(queue)

    async def release(self, queue: str) -> None:
        await self._transport.release(queue)

    async def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = True,
        timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        written = _with(properties, self._tracer)
        await self._transport.publish(exchange, key, body, written, mandatory=mandatory, timeout=timeout)

    async def ack(self, delivery: Delivery) -> bool:
        return await self._transport.ack(delivery)

    async def reject(self, delivery: Delivery) -> bool:
        return await self._transport.reject(delivery)

    async def give_back(self, delivery: Delivery) -> bool:
        return await self._transport.give_back(delivery)

    async def declare_reply_queue(self, name: str) -> None:
        await self._transport.declare_reply_queue(name)


class TracedLine:
    """`line`, as `TracedTransport` is."""

    def __init__(self, line: Line, tracer: "Tracer") -> None:
        self._line, self._tracer = line, tracer

    @property
    def user(self) -> str | None:
        return self._line.user

    @property
    def connected(self) -> bool:
        return self._line.connected

    async def start(self) -> None:
        await self._line.start()

    async def wait_connected(self, timeout: float) -> None:
        await self._line.wait_connected(timeout)

    async def close(self) -> None:
        await self._line.close()

    def on_answer(self, callback: Handler) -> None:
        self._line.on_answer(callback)

    def on_lost(self, callback: Callable[[], None]) -> None:
        self._line.on_lost(callback)

    async def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        properties: Properties,
        *,
        mandatory: bool = True,
        timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        written = _with(properties, self._tracer)
        await self._line.publish(exchange, key, body, written, mandatory=mandatory, timeout=timeout)


def _with(properties: Properties, tracer: "Tracer") -> Properties:
    header = tracer.header()
    return replace(properties, headers={**properties.headers, **header}) if header else properties


class TracedAsking(Asking):
    """`Asking`, with a span for each question to a supplier. Its properties' `type` is of the catalogue."""

    def __init__(
        self,
        transport: Transport,
        reply_queue: str,
        *,
        tracer: "Tracer",
        grace: float = GRACE,
        wrong_sender: Callable[[Delivery, str], None] | None = None,
    ) -> None:
        super().__init__(transport, reply_queue, grace=grace, wrong_sender=wrong_sender)
        self._tracer = tracer

    async def ask(
        self, exchange: str, key: str, body: bytes, properties: Properties, *, deadline: float, supplier: str
    ) -> Reply | Late | Silent:
        attributes = {**wire(key, "send"), "crossroads.service": properties.type or "", "crossroads.supplier": supplier}
        with self._tracer.span(f"{properties.type} question", "client", attributes) as span:
            reply = await super().ask(exchange, key, body, properties, deadline=deadline, supplier=supplier)
            match reply:
                case Reply():  # its header is not read: whoever replies is in our trace already, or not in one of ours
                    if reply.properties.type == "fault":
                        span.fault("fault")
                case Late():
                    span.fault("late")
                case Silent():
                    span.fault(reply.reason)
            return reply
