"""What senders send in files: slices, GO and TD, taken from the `.batch` queues into the database. Nothing is answered
here; what they are told comes later, by `telling`.

`docs/wire.md`, "Declarations".
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from uuid import UUID

from institutions.nsso.files.file import Part
from institutions.nsso.files.filing import Filing, Slice
from institutions.nsso.intake import Queues
from institutions.nsso.submission import OfficeUnavailable
from schemas.process.log import logger, told
from schemas.wire import names
from schemas.wire.intake import Intake, Outcome, Park
from schemas.wire.transport import Delivery, Transport

#: Messages of one sender, and of all, in hand: each has up to half a mebibyte.
PREFETCH, IN_FLIGHT = 16, 4
#: Bytes of a slice.
MOST_OF_A_SLICE = 524_288
_DEAD_LETTERED = "x-death"
_NAME, _SHA256 = re.compile(r"[ -~]{1,100}"), re.compile(r"[0-9a-f]{64}")
_MOST_NUMBER = 2**62


class BatchIntake:
    """Takes the batch queues of senders over `transport`.

    complete: called when a file became complete. away: as `SenderIntake`'s.
    """

    def __init__(
        self,
        transport: Transport,
        filing: Filing,
        user: str,
        complete: Callable[[], None],
        away: Callable[[OfficeUnavailable], None],
    ) -> None:
        self._filing, self._user, self._complete, self._away = filing, user, complete, away
        self._back = asyncio.Event()
        self._back.set()
        self.intake = Intake(
            transport, self._walk, user=user, on_failure=self._failed, key=key_of, max_in_flight=IN_FLIGHT
        )
        self._queues = Queues(self.intake, PREFETCH)

    async def follow(self, senders: Mapping[str, int]) -> None:
        """Take from the queues of these senders (number to rate). Of one that is gone what runs is finished."""
        users = {names.sender_user(number): rate for number, rate in senders.items()}
        await self._queues.follow({names.ingress(user, "batch"): rate for user, rate in users.items()})

    async def close(self) -> None:
        """Drop what is in hand: nothing of it is kept that was not committed."""
        await self.intake.close()

    async def pause(self) -> None:
        """The office is away: give back what is in hand, take nothing."""
        self._back.clear()
        await self.intake.pause()

    async def resume(self) -> None:
        """It is back."""
        self._back.set()
        await self.intake.resume()

    async def _walk(self, delivery: Delivery) -> Outcome:
        number = names.sender_of_ingress(delivery.queue)
        if (reason := _not_taken(delivery, names.sender_user(number))) is not None:
            return Park(reason)
        while True:
            try:
                if await self._taken(number, delivery):
                    self._complete()
                return None
            except OfficeUnavailable as error:
                self._back.clear()
                self._away(error)
            await self._back.wait()

    async def _taken(self, number: str, delivery: Delivery) -> bool:
        """Whether a file is complete by it, or something is to be told."""
        headers = delivery.properties.headers
        transfer, name = str(headers["transfer"]).lower(), str(headers["file"])
        if delivery.properties.type == "go":
            return await self._filing.go(number, transfer, name)
        if delivery.properties.type == "cancel":
            await self._filing.cancel(number, transfer, name)
            return False
        part = Part(headers["size"], headers["sha256"])
        return await self._filing.slice(number, Slice(transfer, name, part, headers["offset"], delivery.body))

    def _failed(self, delivery: Delivery, error: Exception) -> Outcome:
        logger().error("failed", institution=self._user, queue=delivery.queue, **told(error))
        return Park("our own code failed at it")


def key_of(delivery: Delivery) -> Hashable:
    """The same message, for `Intake`: equal bytes at two places of a file, or in two files, are two."""
    properties = delivery.properties
    said = tuple(str(properties.headers.get(name)) for name in ("transfer", "file", "offset", "size", "sha256"))
    return (
        hashlib.sha256(delivery.body).digest(),
        properties.user_id,
        properties.type,
        *said,
        properties.reply_to,
        properties.readable,
        _DEAD_LETTERED in properties.headers,
    )


def _not_taken(delivery: Delivery, user: str) -> str | None:
    """Why nothing can be made of this message, for operators; None: it is the sender's, and says what it is."""
    properties, headers = delivery.properties, delivery.properties.headers
    if not properties.readable:
        return "its properties cannot be read, or are more than 8 KiB"
    if properties.user_id != user:
        return "its user_id is not its sender's"
    if _DEAD_LETTERED in headers:
        return f"a header {_DEAD_LETTERED}"
    if properties.reply_to not in (None, names.answers(user)):
        return "reply_to is not the sender's own queue for answers"
    if properties.type not in ("slice", "go", "cancel"):
        return "its type is none of slice, go and cancel"
    if not _is_uuid(headers.get("transfer")):
        return "its header transfer is no UUID"
    if not isinstance(name := headers.get("file"), str) or not _NAME.fullmatch(name):
        return "its header file is no name"
    return _no_slice(delivery) if properties.type == "slice" else None


def _no_slice(delivery: Delivery) -> str | None:
    headers, length = delivery.properties.headers, len(delivery.body)
    for name in ("offset", "size"):
        number = headers.get(name)
        if type(number) is not int or not 0 <= number < _MOST_NUMBER:
            return f"its header {name} is no number of bytes"
    if not isinstance(digest := headers.get("sha256"), str) or not _SHA256.fullmatch(digest):
        return "its header sha256 is none, in lower case"
    if length > MOST_OF_A_SLICE or (not length and headers["size"]):
        return f"a slice has 1 to {MOST_OF_A_SLICE:,} bytes"
    return None


def _is_uuid(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
