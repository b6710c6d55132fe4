"""`Transport` on two connections of pika's."""

from collections.abc import Sequence

from schemas.wire.client.pair import PairTransport
from schemas.wire.client.reporting import log_event
from schemas.wire.pika.channel import PikaChannel
from schemas.wire.pika.connection import PikaConnection
from schemas.wire.pika.publishing import PikaPublisher
from schemas.wire.transport import Observer


class PikaTransport(PairTransport[PikaChannel]):
    """A `Transport`; see `PairTransport`. Without `observe` what happens is logged."""

    def __init__(self, urls: Sequence[str], *, name: str, observe: Observer = log_event) -> None:
        super().__init__(urls, name=name, observe=observe, connect=PikaConnection, publisher=PikaPublisher)
