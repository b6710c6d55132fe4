"""`Transport` on two connections of aiormq's."""

from collections.abc import Sequence

from schemas.wire.aiopika.channel import WireChannel
from schemas.wire.aiopika.connection import AioPikaConnection
from schemas.wire.aiopika.publishing import AioPikaPublisher
from schemas.wire.client.pair import PairTransport
from schemas.wire.client.reporting import log_event
from schemas.wire.transport import Observer


class AioPikaTransport(PairTransport[WireChannel]):
    """A `Transport`; see `PairTransport`. Without `observe` what happens is logged."""

    def __init__(self, urls: Sequence[str], *, name: str, observe: Observer = log_event) -> None:
        super().__init__(urls, name=name, observe=observe, connect=AioPikaConnection, publisher=AioPikaPublisher)
