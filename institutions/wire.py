"""How an institution gets at its network: over AMQP, or in memory in its own unit tests."""

from collections.abc import Sequence
from typing import Protocol

from schemas.wire import names
from schemas.wire.aiopika import AioPikaLine, AioPikaTransport
from schemas.wire.transport import Event, Line, Observer, Transport


class Wire(Protocol):
    """Makes the two ways to a broker, neither of which is started yet."""

    def line(self, observe: Observer) -> Line:
        """The channel that asks."""
        ...

    def transport(self, observe: Observer) -> Transport:
        """The connections that answer."""
        ...


class AmqpWire:
    """AMQP over a list of nodes. `name` is shown by the broker beside each connection."""

    def __init__(self, urls: Sequence[str], name: str) -> None:
        self._urls, self._name = tuple(urls), name

    def line(self, observe: Observer) -> Line:
        return AioPikaLine(self._urls, name=self._name, observe=observe)

    def transport(self, observe: Observer) -> Transport:
        return AioPikaTransport(self._urls, name=self._name, observe=observe)


class Trouble:
    """What went wrong with the wire lately: tells a refused user from an unreachable network."""

    #: RabbitMQ's and the client's words for: not this user, password or vhost, no right. The last is how the client
    #: says that the broker closed the connection instead of opening a vhost.
    _REFUSALS = ("ACCESS_REFUSED", "NOT_ALLOWED", "access to vhost", "authentication", "Connection.OpenOk")

    def __init__(self, also: Observer) -> None:
        self._also = also
        self.refused = ""
        self.words = ""

    def observe(self, event: Event) -> None:
        """An `Observer`."""
        if event.what in ("unreachable", "publishing lost", "not consuming"):
            self.words = f"{event.where}: {event.why}"
            refused = any(word.lower() in event.why.lower() for word in self._REFUSALS)
            self.refused = self.words if refused else ""
        elif event.what == "connected":
            self.refused = ""
        self._also(event)

    def told_refused(self, institution: str) -> str:
        """What to do about a refusal."""
        place = "a cooperating institution's vhost is its secondary network's"
        if names.is_sender(institution):
            place = "a sender's vhost is the NSSO's, and one that is not active has no right there"
        return (
            f"the broker does not let {institution} in, or gives it no right here ({self.refused}): look at user, "
            f"password and vhost; {place}"
        )
