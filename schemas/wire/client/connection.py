"""What is asked of a client library: a connection and its channels, in a few words."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from schemas.wire.transport import Delivery

#: Why a connection was lost when nobody said why.
CUT = "the connection was cut"


class ChannelGone(Exception):  # noqa: N818  the word its users say
    """The channel is closed; nothing was sent."""


class Channel(Protocol):
    """One channel."""

    @property
    def is_closed(self) -> bool: ...

    async def consume(
        self,
        queue: str,
        tag: str,
        generation: int,
        *,
        prefetch: int,
        deliver: Callable[[Delivery], None],
        cancelled: Callable[[], None],
    ) -> None:
        """Hand each delivery to `deliver`, which raises nothing, until `cancel`. `cancelled`: called when the broker
        ended it. Raises what the broker says against it."""

    async def cancel(self, tag: str) -> None:
        """Take no more; what is unacked stays. What the broker had sent by then is still handed on."""

    async def ack(self, tag: int) -> None:
        """Raises ChannelGone."""

    async def reject(self, tag: int, *, requeue: bool = False) -> None:
        """Dead-letter it, or put it back into its queue. Raises ChannelGone."""

    async def declare_reply_queue(self, name: str) -> None:
        """Make it and bind it to `hub.replies`."""

    async def close(self) -> None:
        """Say goodbye; acks written before are taken."""


ChannelT_co = TypeVar("ChannelT_co", bound=Channel, covariant=True)


class Connection(Protocol[ChannelT_co]):
    """One connection to one node, used once: opened, perhaps closed or aborted."""

    @property
    def heartbeat(self) -> float:
        """Seconds, as agreed with the broker; 0 for none."""

    @property
    def heard(self) -> float:
        """When the broker last said anything, on the loop's clock."""

    async def open(self) -> None:
        """Raises what the library and the system raise."""

    def on_lost(self, tell: Callable[[str], None]) -> None:
        """Call with the reason when the connection ends, whatever ends it, at once; perhaps more than once."""

    async def channel(self, told: Callable[[str], None], *, confirms: bool) -> ChannelT_co:
        """A new channel; `told` is called at once with the broker's words when it closes it. Raises ChannelGone or
        what the library raises."""

    async def close(self) -> None:
        """Say goodbye and return when the broker did; raises nothing that matters."""

    def abort(self) -> None:
        """Drop the socket without a word, also while it is opened."""

    async def wound_up(self) -> str | None:
        """After the end: return, soon, when all who wait for something of it were told. The broker's own words on
        why it ended, where it had any."""


def cancelled() -> bool:
    """Whether the running task is being cancelled. A CancelledError without it is a library's way of saying that the
    connection closed: aiormq rejects what is pending with that class."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def words(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
