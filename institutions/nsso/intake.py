"""What senders send on line: who sent it is the broker's word, a form is handed to the office, its answer goes back.

`docs/wire.md`, "Declarations": the checks 1 to 3 are here, the others the office's.
"""

import asyncio
import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, date, datetime
from time import monotonic
from typing import cast
from uuid import UUID

from lxml import etree

from institutions.metrics import Metrics
from institutions.nsso.moment import business
from institutions.nsso.reading_form import DIMONA, QUESTION, root_of
from institutions.nsso.submission import Handled, Office, OfficeUnavailable, Submission
from institutions.passage import arrival
from schemas.declarations.acrf import ONLINE, acrf
from schemas.declarations.outcome import Environment
from schemas.parser import MAX_ONLINE, Malformed
from schemas.process.grouped import Grouped
from schemas.process.log import logger, told
from schemas.wire import names
from schemas.wire.intake import Answer, Intake, Outcome, Park
from schemas.wire.telling import Full
from schemas.wire.token import token_of
from schemas.wire.transport import Delivery, Transport

#: Forms of one sender in hand, running or held.
PREFETCH = 32
#: Forms that are handled together at most; the office takes no more.
GROUP = 200
#: Forms in hand, of all senders: two groups.
IN_FLIGHT = 2 * GROUP
#: Header by which the broker tells that it dead-lettered a message; here it is a forgery or a replay.
_DEAD_LETTERED = "x-death"
_ENVIRONMENTS = ("R", "T", "S")


class Queues:
    """Which queues an intake takes from, as senders come and go."""

    def __init__(self, intake: Intake, prefetch: int) -> None:
        self._intake, self._prefetch = intake, prefetch
        self._removing: set[asyncio.Task[None]] = set()

    async def follow(self, wanted: Mapping[str, int]) -> None:
        """Take from these (name to rate) and no others. Of one that is gone what runs is finished."""
        there = self._intake.queues
        for queue in there & wanted.keys():
            self._intake.set_rate(queue, wanted[queue])
        for queue in there - wanted.keys():
            removing = asyncio.create_task(self._intake.remove(queue))
            self._removing.add(removing)
            removing.add_done_callback(self._removing.discard)
        new = wanted.keys() - there
        await asyncio.gather(*(self._intake.add(one, prefetch=self._prefetch, rate=wanted[one]) for one in new))


class SenderIntake:
    """Takes the on-line queues of senders over `transport`.

    away: called, with why, when the office's database was found away; until it answers again what was taken waits here,
        or is given back by `pause`.
    today: the business day, where it is not the clock's.
    """

    def __init__(
        self,
        transport: Transport,
        office: Office,
        user: str,
        metrics: Metrics,
        away: Callable[[OfficeUnavailable], None],
        today: date | None = None,
    ) -> None:
        self._user, self._metrics, self._away, self._today = user, metrics, away, today
        self._office = office
        self._forms = Grouped(self._handle, most=GROUP, of_all=(OfficeUnavailable,))
        self._lists = Grouped(self._handle, most=1, of_all=(OfficeUnavailable,))
        self._alone = Grouped(self._handle, most=1, of_all=(OfficeUnavailable,))
        self._back = asyncio.Event()
        self._back.set()
        self.intake = Intake(
            transport,
            self._walk,
            user=user,
            on_failure=self._failed,
            key=key_of,
            max_in_flight=IN_FLIGHT,
            on_told=self._told,
            full=Full(self._full),
        )
        self._queues = Queues(self.intake, PREFETCH)

    async def follow(self, senders: Mapping[str, int]) -> None:
        """Take from the queues of these senders (number to rate), inactive ones too: they are told so. Of one that is
        gone what runs is finished."""
        await self._queues.follow({names.ingress(names.sender_user(one)): rate for one, rate in senders.items()})

    async def close(self) -> None:
        """Drop what is in hand: nothing of it is kept that was not committed."""
        await self.intake.close()
        await self._forms.close()
        await self._lists.close()
        await self._alone.close()

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
        if (reason := not_to_be_told(delivery, names.sender_user(number))) is not None:
            return Park(reason)
        key, refused = _key(delivery), refused_for(delivery)
        if refused is not None or key is None:
            self._metrics.answered(self._user, "ACRF", "refused", monotonic() - delivery.at)
            now = business(datetime.now(UTC), self._today).received
            return _answer("ACRF", acrf(key or ONLINE, errors=[refused or "ACRF-112"], now=now), key, "")
        root = _root(delivery.body)
        submission = Submission(
            number, key, delivery.body, arrival(delivery), cast(Environment, _environment(delivery)), root=root
        )
        handled = await self._handled(submission, self._by(root))
        result = "again" if handled.again else handled.result.value
        self._metrics.answered(self._user, handled.form, result, monotonic() - delivery.at)
        return _answer(handled.form, handled.body, key, handled.ticket)

    def _by(self, root: etree._Element | None) -> Grouped[Submission, Handled]:
        """A list of workers is large and keeps nothing, a DmfA is a transaction of its own: one of each at a time, and
        no Dimona waits for them in its group."""
        name = DIMONA if root is None else etree.QName(root).localname
        return {DIMONA: self._forms, QUESTION: self._lists}.get(name, self._alone)

    async def _handle(self, group: Sequence[Submission]) -> Sequence[Handled]:
        return await self._office.handle(group)

    async def _handled(self, submission: Submission, by: Grouped[Submission, Handled]) -> Handled:
        """Waits for an office that is away; whom `pause` drops meanwhile comes again as another delivery."""
        while True:
            try:
                return await by(submission)
            except OfficeUnavailable as error:
                self._back.clear()
                self._away(error)
            await self._back.wait()

    def _failed(self, delivery: Delivery, error: Exception) -> Outcome:
        logger().error("failed", institution=self._user, queue=delivery.queue, **told(error))
        return Park("our own code failed at it")

    def _full(self, queue: str) -> None:
        logger().warning("answers parked", institution=self._user, queue=queue, why="it takes no more")

    def _told(self, delivery: Delivery, answer: Answer) -> None:
        logger().info(
            "told",
            institution=self._user,
            sender=names.sender_of_ingress(delivery.queue),
            form=answer.type,
            ticket=answer.headers.get("ticket", ""),
            ms=round((monotonic() - delivery.at) * 1000, 1),
        )


def key_of(delivery: Delivery) -> Hashable:
    """The same message, for `Intake`: equal bytes under two keys are two declarations. A direct reply-to changes with
    each connection of the sender."""
    properties = delivery.properties
    reply_to = "direct" if names.is_direct_reply(properties.reply_to) else properties.reply_to
    return (
        hashlib.sha256(delivery.body).digest(),
        properties.user_id,
        _key(delivery),
        _environment(delivery),
        properties.content_encoding,
        reply_to,
        properties.readable,
        _DEAD_LETTERED in properties.headers,
    )


def not_to_be_told(delivery: Delivery, user: str) -> str | None:
    """Why this message is nobody's who may be told about it, check 1; None: it is the sender's."""
    properties = delivery.properties
    if not properties.readable:
        return "its properties cannot be read, or are more than 8 KiB"
    if properties.user_id != user:
        return "its user_id is not its sender's"
    if _DEAD_LETTERED in properties.headers:
        return f"a header {_DEAD_LETTERED}"
    if properties.reply_to is None:
        return "no reply_to: it cannot be answered"
    if properties.reply_to != names.answers(user) and token_of(properties.reply_to) is None:
        return "reply_to is neither a direct reply-to nor the sender's own queue for answers"
    return None


def refused_for(delivery: Delivery) -> str | None:
    """The ErrorID of what stands beside the form, or of its size: checks 2 and 3. None: the office reads it."""
    if len(delivery.body) > MAX_ONLINE:
        return "ACRF-184"
    if _key(delivery) is None:
        return "ACRF-112"
    if _environment(delivery) is None:
        return "ACRF-117"
    if (delivery.properties.content_encoding or "utf-8").lower() != "utf-8":
        return "ACRF-102"
    return None


def _key(delivery: Delivery) -> str | None:
    """The header `key`: a UUID as it is usually written; None: none, or none that is one."""
    given = delivery.properties.headers.get("key")
    if not isinstance(given, str):
        return None
    try:
        read = str(UUID(given))
    except ValueError:
        return None
    return read if read == given.lower() else None


def _environment(delivery: Delivery) -> str | None:
    """The header `environment`, real where there is none; None: none that there is."""
    given = delivery.properties.headers.get("environment", "R")
    return given if isinstance(given, str) and given in _ENVIRONMENTS else None


def _answer(form: str, body: bytes, key: str | None, ticket: str) -> Answer:
    headers = {name: value for name, value in (("key", key), ("ticket", ticket)) if value}
    return Answer(body, form, headers)


def _root(body: bytes) -> etree._Element | None:
    """None: it is no XML, which the office tells."""
    try:
        return root_of(body)
    except Malformed:
        return None
