"""What a relay traces: the parts it is made of, with spans where traces are on (docs/operators.md, Traces)."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from institutions import spans
from institutions.asking import Asking as HubAsking
from institutions.metrics import Metrics
from institutions.wire import Trouble
from schemas.catalogue import Catalogue
from schemas.wire import names
from schemas.wire.asking import Asking as MemberAsking
from schemas.wire.intake import Around
from schemas.wire.traced import TracedAsking, TracedLine, TracedTransport, wire
from schemas.wire.transport import Delivery, Line, Properties, Transport
from schemas.wire.words import OF_A_WORD

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer, Tracing

#: Words whose span is remembered until their members have them; of more, and after a restart, those have none.
_REMEMBERED = 1_000


class Spans:
    """Makes the parts of one relay. With `tracing` None they are what they are without traces, and cost as much."""

    def __init__(self, tracing: "Tracing | None", relay: str, catalogue: Catalogue) -> None:
        self._relay, self._catalogue = relay, catalogue
        self.tracer = None if tracing is None else tracing.tracer("relay")

    def hub_asking(self, line: Line, trouble: Trouble, metrics: Metrics) -> HubAsking:
        """A span a question to the hub."""
        if self.tracer is None:
            return HubAsking(line, trouble, self._relay, names.HUB, metrics)
        traced = TracedLine(line, self.tracer)
        return spans.TracedAsking(traced, trouble, self._relay, names.HUB, metrics, tracer=self.tracer)

    def member_asking(
        self, transport: Transport, reply_queue: str, wrong_sender: Callable[[Delivery, str], None]
    ) -> MemberAsking:
        """A span a question to a member."""
        if self.tracer is None:
            return MemberAsking(transport, reply_queue, grace=0.0, wrong_sender=wrong_sender)
        return TracedAsking(transport, reply_queue, tracer=self.tracer, grace=0.0, wrong_sender=wrong_sender)

    def transport(self, transport: Transport) -> Transport:
        """What is published bears the header."""
        return transport if self.tracer is None else TracedTransport(transport, self.tracer)

    def around(self, direction: str) -> Around | None:
        """A span a message, `down` or `up`."""
        return spans.relaying(self.tracer, self._relay, direction, self._catalogue)

    def definitive(self) -> Around | None:
        """A span a member's answer that comes in its own time."""
        return spans.definitive(self.tracer, self._relay)


class Words:
    """Words on their way to members: taken in one task, told in another."""

    def __init__(self, tracer: "Tracer") -> None:
        self._tracer = tracer
        self._headers: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def taken(self, ticket: UUID) -> None:
        """The span that stands is that of this word."""
        self._headers[f"{ticket}{OF_A_WORD}"] = self._tracer.header()
        while len(self._headers) > _REMEMBERED:
            self._headers.popitem(last=False)

    @contextmanager
    def told(self, member: str, properties: Properties) -> Iterator[None]:
        """A span of the word's way to a member."""
        attributes = {**wire(names.mutations(member), "send"), "crossroads.recipient": member}
        name = f"{properties.type} word"
        with (
            self._tracer.under(self._headers.get(properties.correlation_id or "", {})),
            self._tracer.span(name, "producer", attributes),
        ):
            yield
