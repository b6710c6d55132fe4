"""aiormq's connection and channel, where their ways do not suffice."""

import asyncio
import itertools
from collections.abc import Callable

from aiormq.abc import AbstractConnection
from aiormq.channel import Channel
from aiormq.connection import Connection
from pamqp.commands import Channel as ChannelFrames


class WireConnection(Connection):
    """aiormq's connection, with room for all that is to be written. Ten frames are its measure; who waits for room
    when the connection dies waits for ever, and it holds back nothing, since its writer never waits for the socket.
    How much we let be under way bounds it instead."""

    FRAME_BUFFER_SIZE = 0


class WireChannel(Channel):
    """aiormq's channel, telling at once when the broker closes it. aiormq itself goes on publishing for some turns of
    the loop after it agreed to the close, and the broker answers that by closing the whole connection."""

    def __init__(
        self, connection: AbstractConnection, number: int, told: Callable[[str], None], confirms: bool
    ) -> None:
        super().__init__(connection, number, publisher_confirms=confirms, on_return_raises=True)
        self._told = told

    async def _on_close_frame(self, frame: ChannelFrames.Close) -> None:
        self._told(frame.reply_text or "the channel was closed")
        await super()._on_close_frame(frame)


async def open_channel(connection: AbstractConnection, told: Callable[[str], None], *, confirms: bool) -> WireChannel:
    """A new channel; `told` is called with the broker's words when it closes it."""
    number = next(number for number in itertools.count(1) if number not in connection.channels)
    channel = connection.channels[number] = WireChannel(connection, number, told, confirms)
    await channel.open()
    return channel


def cancelled() -> bool:
    """Whether the running task is being cancelled. A CancelledError without it is aiormq's way of saying that the
    connection closed: it rejects what is pending with that class."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def words(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
