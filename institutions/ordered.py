"""Words with positions: applied one after the other, each once; what is missing is fetched. docs/distribution.md.

A word that is at or below the position is a double. One that is ahead waits in hand, unacked, until those before it are
there; for what does not come the hub is asked (`CatchUp`).
"""

import asyncio
import base64
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

from lxml import etree

from institutions import spans
from institutions.answer import Answer
from institutions.errors import InstitutionError
from institutions.inbox import Answer as Definitive
from institutions.inbox import Arrived, Inbox, OvertakenError, Place
from institutions.metrics import Metrics
from institutions.report import Report, Reporter, What
from institutions.supply import ADDED
from institutions.word import Missed, Receiver, Unprocessable, Word, read_word
from schemas.address import Address
from schemas.answers import data_response, information_supplier
from schemas.catalogue import Catalogue
from schemas.codes import CODES, NO_VERDICT
from schemas.distribution import of_json
from schemas.message import find_all, text_at
from schemas.parser import MAX_ONLINE, Malformed, parse
from schemas.process.log import logger, place, told
from schemas.ssin import Ssin, SsinError
from schemas.wire import names
from schemas.wire.transport import Delivery, Properties, Transport, WireError
from schemas.wire.words import NUDGE, OF_A_WORD
from schemas.wire.words import Word as Header

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer

CATCH_UP = "CatchUp/1"
#: Words asked for at a time.
MOST = 50
#: Seconds without progress, though something is missing, until it is asked for; and between two looks without.
MISSING, LOOK = 5.0, 3_600.0
#: Seconds that a word may stay in hand: RabbitMQ closes the channel of one that is unacked for half an hour.
IN_HAND = 1_200.0
#: Tries of a receiver that raises: after 1, 2, 4 ... seconds; then the word is set aside.
TRIES, AGAIN = 5, 1.0

Ask = Callable[[Mapping[str, Any]], Awaitable[Answer]]


class _FailedError(Exception):
    """The institution's own code raised: its exception is the cause."""


@dataclass(frozen=True, slots=True)
class _Held:
    delivery: Delivery
    arrived: Arrived
    since: float


class Ordered:
    """The words of one recipient that have positions. `answers`: a Z is answered when its receiver has returned; else
    by the receiver, in its own time. `busy`: held while a receiver runs."""

    def __init__(
        self,
        transport: Transport,
        address: Address,
        catalogue: Catalogue,
        inbox: Inbox,
        receivers: Mapping[str, Receiver],
        ask: Ask,
        consume: Callable[[], Awaitable[bool]],
        *,
        answers: bool,
        busy: asyncio.Lock,
        stop: asyncio.Event,
        metrics: Metrics,
        report: Reporter,
        tracer: "Tracer | None" = None,
        centre: str = names.HUB,
    ) -> None:
        self._transport, self._address, self._catalogue, self._inbox = transport, address, catalogue, inbox
        self._receivers, self._ask, self._busy, self._stop = receivers, ask, busy, stop
        self._consume = consume
        self._metrics, self._report, self._answers = metrics, report, answers
        self._tracer, self._centre = tracer, centre
        self._hand: dict[Place, _Held] = {}
        self._place = Place()
        #: The newest position that was heard of.
        self._last = 0
        self._nudged = False
        #: From here on nothing comes by the queue.
        self._owed: int | None = None
        self._wake = asyncio.Event()
        #: Persons of whom something is set aside; and whether that is to be tried again.
        self._aside: set[str] = set()
        self._again = True
        #: Series that are over, since who tells us was restored from a backup: how far each is part of the present one,
        #: and the position above which a word of it is one that nobody but its queue knows any more.
        self._over: dict[UUID, int] = {}
        self._unknown: dict[UUID, int] = {}
        #: Such words: handed over as those that were missed, once what is before them is there.
        self._strays: dict[Place, _Held] = {}
        self._strayed: set[Place] = set()
        self._done: set[asyncio.Task[bool]] = set()
        self.missed: Callable[[Missed], Awaitable[None]] | None = None

    @property
    def behind(self) -> int:
        """How many words are known of and not applied."""
        return max(0, self._last - self._place.position)

    def take(self, delivery: Delivery, header: Header) -> None:
        """A word from the queue, or the nudge."""
        if header.series is None or header.position is None:
            return
        if header.series == self._place.series:
            self._last = max(self._last, header.position)
        if delivery.properties.type == NUDGE:
            self._nudged = True
            self._ack(delivery)
        elif header.series == self._place.series and header.position <= self._place.position:
            self._ack(delivery)
        else:
            where = Place(header.series, header.position)
            ticket = UUID((delivery.properties.correlation_id or "").partition("/")[0])
            entitled = str(delivery.properties.headers.get("entitled", "[]"))
            arrived = Arrived(where, delivery.properties.type or "", header.flow, ticket, delivery.body, entitled)
            self._hold(self._hand, _Held(delivery, arrived, monotonic()))
            self._sort_out()
            # A series that is not known: the present one is asked for at once.
            self._nudged = self._nudged or (where in self._hand and self._place.series not in (None, where.series))
        self._wake.set()

    def _hold(self, hand: dict[Place, _Held], held: _Held) -> None:
        where = held.arrived.place
        if where in hand:
            self._ack(hand[where].delivery)  # told again, by another hub: one of them is enough
        hand[where] = held

    def _sort_out(self) -> None:
        """Words of a series that is over: doubles, or strays."""
        for where in [where for where in self._hand if where.series in self._over]:
            held = self._hand.pop(where)
            if where.series is None or where.position <= self._unknown[where.series] or where in self._strayed:
                self._ack(held.delivery)
            else:
                self._hold(self._strays, held)

    def again(self) -> None:
        """Hand what was set aside to the receivers again, soon: there is another receiver."""
        self._again = True
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while not self._stop.is_set():
            try:
                await self._run()
            except Exception as error:  # noqa: BLE001  a bug of ours loses no word: it begins anew from what is stored
                logger().error("failed", queue=names.mutations(self._address), **told(error))
                await asyncio.sleep(AGAIN)

    async def _run(self) -> None:
        await self._look()
        await self._catch_up(0)  # what the newest is; what waits in the queue comes by itself
        progress = asked = retried = monotonic()
        while not self._stop.is_set():
            self._wake.clear()
            if self._again or monotonic() >= retried + LOOK:
                await self.retry()
                self._again, retried = False, monotonic()
            if await self._taken_stray():
                progress = monotonic()
                continue
            if (held := self._next()) is not None:
                await self._took(held)
                if self._place.position >= held.arrived.place.position:
                    self._hand.pop(held.arrived.place, None)
                    self._ack(held.delivery)
                progress = monotonic()
                continue
            if await self._adopted():
                continue
            self._drop_doubles()
            now = monotonic()
            missing = bool(self._hand) or self._last > self._place.position
            if not missing:
                progress = now
            owed = self._owed is not None and self._owed <= self._place.position + 1
            stuck = missing and now >= progress + MISSING
            if self._nudged or owed or stuck or now >= asked + LOOK:
                if self._nudged or owed or stuck:
                    await self._catch_up(MOST)
                    self._nudged, self._owed = False, None  # what an owner is silent about is asked for in its turn
                else:
                    await self._catch_up(0)
                progress = asked = monotonic()
                await self._give_back()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(MISSING if missing else LOOK):
                    await self._wake.wait()

    async def retry(self) -> int:
        """Hand what was set aside to the receivers again, in order; how many are left. What raises stays, and with it
        what came later about that person. Done at the start too, and each `LOOK`."""
        left: set[str] = set()
        for person, arrived in await self._inbox.aside():
            with suppress(OvertakenError):  # another process tried it too, and has it
                if person not in left and not await self._taken(arrived):
                    left.add(person)
        await self._tell_answers()
        async with self._busy:  # what was set aside meanwhile stays so, and what comes later about that person
            still = await self._inbox.aside()
            self._aside = {person for person, _ in still}
        return len(still)

    async def _taken(self, arrived: Arrived) -> bool:
        """Whether what was set aside is done with now."""
        if arrived.service not in self._catalogue.services or arrived.service not in self._receivers:
            return False
        word = self._read(arrived)
        async with self._busy:
            try:
                async with self._inbox.taking(arrived) as connection:
                    if word is not None:
                        await self._hand_over(word, arrived, connection)
            except _FailedError as failed:
                self._failed("not taken", arrived, failed.__cause__)
                return False
            except Unprocessable as refused:
                self._failed("unprocessable", arrived)
                async with self._inbox.taking(arrived) as connection:
                    if word is not None:
                        await self._answer(word, arrived, connection, refused.code)
            except OvertakenError:
                raise
            except Exception as error:  # noqa: BLE001  the store, or what it says at the commit: the others go on
                self._failed("not taken", arrived, error)
                return False
        if word is None:
            self._failed("invalid", arrived)
        return True

    async def fetch(self, position: int) -> bool:
        """A word that was missed: its receiver gets it now, marked late. Whether it has it. One that it fails on is set
        aside; one that is set aside is tried again in its turn."""
        if await self._is_aside(position):
            await self.retry()
            return not await self._is_aside(position)
        answer = await self._ask({"criteria/position": position})
        for element in find_all(answer.root, "word"):
            arrived = _arrived(element, self._place.series, late=True)
            if isinstance(arrived, Arrived):
                return await self._late(arrived)
        return False

    async def _late(self, arrived: Arrived) -> bool:
        word = self._read(arrived)
        if word is None and arrived.service in self._catalogue.services:
            self._failed("invalid", arrived)
            return False
        try:
            async with self._busy, self._inbox.late() as connection:
                if word is None:
                    raise _FailedError from LookupError("its service is not known")
                await self._hand_over(word, arrived, connection)
        except _FailedError as failed:
            self._failed("not taken", arrived, failed.__cause__)
            person = _person(arrived, word)
            async with self._busy, self._inbox.late() as connection:
                await self._inbox.set_aside(connection, person, arrived)
                self._aside.add(person)
            return False
        except Unprocessable as refused:
            self._failed("unprocessable", arrived)
            async with self._busy, self._inbox.late() as connection:
                if word is not None:
                    await self._answer(word, arrived, connection, refused.code)
        await self._tell_answers()
        return True

    async def _is_aside(self, position: int) -> bool:
        place = Place(self._place.series, position)
        return any(one.place == place for _, one in await self._inbox.aside())

    async def _look(self) -> None:
        """How far it is, and of whom something is set aside: another process may have done either."""
        self._place = await self._stored(self._inbox.at)
        self._aside = {person for person, _ in await self._stored(self._inbox.aside)}

    # --- one word ---------------------------------------------------------------------------------------------------

    def _next(self) -> _Held | None:
        return self._hand.get(Place(self._place.series, self._place.position + 1))

    async def _taken_stray(self) -> bool:
        """Whether there was a word of a series that is over whose turn it is: marked late, and once."""
        for where in sorted(self._strays, key=lambda one: one.position):
            if where.series is not None and self._place.position >= self._over[where.series]:
                held = self._strays[where]
                await self._late(replace(held.arrived, late=True))
                self._strayed.add(where)
                self._ack(self._strays.pop(where).delivery)
                return True
        return False

    async def _took(self, held: _Held) -> None:
        if self._tracer is None:
            await self._apply(held.arrived)
            return
        known = held.arrived.service in self._catalogue.services
        label = held.arrived.service if known else "unknown"
        with spans.word(self._tracer, held.delivery, str(self._address), self._centre, label):
            await self._apply(held.arrived)

    async def _apply(self, arrived: Arrived) -> None:
        """Until it is applied, set aside or another process has it."""
        tries, pause = 0, AGAIN
        word = self._read(arrived)
        label = word.service.type if word is not None else "unknown"
        async with self._busy:
            while not self._stop.is_set():
                try:
                    result = await self._once(arrived, word, aside=tries >= TRIES)
                except OvertakenError:
                    await self._look()
                    return
                except _FailedError as failed:
                    tries += 1
                    self._failed("not taken", arrived, failed.__cause__)
                except Exception as error:  # noqa: BLE001  the store is away: nothing is lost while it is
                    logger().error("failed", queue=names.mutations(self._address), **told(error))
                else:
                    self._place = arrived.place
                    self._metrics.told(str(self._address), label, result)
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()
                pause = min(2 * pause, 30.0)
        if arrived.flow == "Z":
            await self._tell_answers()

    async def _once(self, arrived: Arrived, word: Word | None, *, aside: bool) -> str:
        known = arrived.service in self._catalogue.services
        if word is None and known:
            self._failed("invalid", arrived)
            async with self._inbox.applying(arrived.place):
                return "dropped"
        person = _person(arrived, word)
        unheard = word is None or arrived.service not in self._receivers
        if word is None or aside or unheard or await self._waits(person):
            async with self._inbox.applying(arrived.place) as connection:
                await self._inbox.set_aside(connection, person, arrived)
            self._aside.add(person)
            if unheard:
                self._failed("nobody receives", arrived)
            return "set aside"
        try:
            async with self._inbox.applying(arrived.place) as connection:
                await self._hand_over(word, arrived, connection)
        except Unprocessable as refused:
            self._failed("unprocessable", arrived)
            async with self._inbox.applying(arrived.place) as connection:
                await self._answer(word, arrived, connection, refused.code)
        return "taken"

    async def _waits(self, person: str) -> bool:
        """Whether something about this person is set aside still: another process may have taken it."""
        if person in self._aside and not await self._inbox.aside(person):
            self._aside.discard(person)
        return person in self._aside

    async def _hand_over(self, word: Word, arrived: Arrived, connection: Any) -> None:
        receiver = self._receivers.get(word.service.type)
        if receiver is None:
            raise _FailedError from LookupError(f"nobody receives {word.service.type}")
        try:
            await hand(receiver, word, connection)
        except Unprocessable:
            raise
        except Exception as error:
            raise _FailedError from error
        await self._answer(word, arrived, connection, "MSG00000")

    async def _answer(self, word: Word, arrived: Arrived, connection: Any, code: str) -> None:
        """Of a Z: what is to be told, kept with the effect."""
        if arrived.flow != "Z" or not self._answers:
            return
        await self._inbox.answer(connection, definitive(word, arrived.ticket_cbss, code))

    async def _tell_answers(self) -> None:
        """Those that cannot be told now are told with the next, or at the next start."""
        with suppress(WireError):
            for answer in await self._stored(self._inbox.answers):
                properties = Properties(
                    user_id=str(self._address), correlation_id=f"{answer.ticket_cbss}{OF_A_WORD}", type=answer.kind
                )
                await self._transport.publish(names.REPLIES, names.DEFINITIVE, answer.body, properties)
                await self._inbox.answered(answer)

    def _read(self, arrived: Arrived) -> Word | None:
        """None: it breaks its schema, or its service is not known here."""
        service = self._catalogue.services.get(arrived.service)
        if service is None:
            return None
        ticket = arrived.ticket_cbss
        word = read_word(service, self._address, str(ticket), ticket, arrived.body)
        return word and replace(
            word,
            position=arrived.place.position,
            flow=arrived.flow,
            entitled=of_json(arrived.entitled),
            late=arrived.late,
        )

    def _failed(self, what: What, arrived: Arrived, error: BaseException | None = None) -> None:
        if self._tracer is not None:
            self._tracer.fault(what)
        why = f"{type(error).__qualname__} at {place(error.__traceback__)}" if error is not None else ""
        service = arrived.service if arrived.service in self._catalogue.services else "unknown"
        self._report(Report(what, str(self._address), service, arrived.ticket_cbss, why))

    # --- what is missing ----------------------------------------------------------------------------------------------

    async def _catch_up(self, most: int) -> None:
        """Fetch and apply what comes behind the position, `most` at a time, up to where it is known or to be had. None
        at a time: learn what the newest is."""
        await self._tell_answers()
        self._owed = None
        while not self._stop.is_set():
            begun = self._place.position
            try:
                answer = await self._ask({"criteria/after": begun, "criteria/most": most})
                if answer.code == "MSG00008":
                    answer = await self._anew(answer)
            except InstitutionError as error:
                logger().warning("cannot catch up", institution=str(self._address), why=type(error).__name__)
                return
            if answer.code != "MSG00000":
                if answer.code != "MSG00100" and answer.code not in NO_VERDICT:
                    self._report(Report("cannot catch up", str(self._address), CATCH_UP, None, answer.code or ""))
                return
            series, last = text_at(answer.root, "series"), text_at(answer.root, "last")
            if series is None or last is None:
                return
            earlier = {
                UUID(text_at(one, "series") or ""): int(text_at(one, "last") or 0)
                for one in find_all(answer.root, "earlier")
            }
            self._over |= earlier
            self._unknown = earlier | self._unknown
            if (now := UUID(series)) != (was := self._place.series):
                # Positions begin anew, where those of before end; or it is told for the first time, and begins where
                # its inbox says.
                if was is not None:
                    self._ends(was, begun)
                    await self._begin(Place(now, min(begun, earlier.get(was, 0))))
                    self._last = 0
                    continue
                await self._begin(Place(now, begun))
                if self._place != Place(now, begun):
                    continue
            for other in {one.series for one in self._hand} - {None, now}:
                if other is not None and other not in self._over:
                    self._ends(other, 0)
            self._sort_out()
            self._last = max(self._last, int(last))
            owed = text_at(answer.root, "owedFrom")
            self._owed = int(owed) if owed is not None else None
            expected = begun + 1
            for element in find_all(answer.root, "word"):
                position = int(text_at(element, "position") or 0)
                while expected < position and self._place.position == expected - 1:
                    # Who is asked leaves nothing out: it was told too long ago, and is forgotten.
                    await self._miss(Missed(expected, "", "lost"))
                    expected += 1
                expected = position + 1
                await self._fetched(element)
            if self._place.position == begun:
                return

    def _ends(self, series: UUID, position: int) -> None:
        """A series is over, of which we have what is up to this position. Where the present one does not say how far it
        is part of that, nobody knows any word of it that waits, but its queue."""
        last = self._over.setdefault(series, 0)
        self._unknown[series] = max(position, last)

    async def _anew(self, refused: Answer) -> Answer:
        """Who is asked does not know so high a position: what its series is by now. `refused`, if it is ours still."""
        answer = await self._ask({"criteria/after": 0, "criteria/most": 0})
        same = answer.code == "MSG00000" and text_at(answer.root, "series") == str(self._place.series)
        return refused if same else answer

    async def _fetched(self, element: etree._Element) -> None:
        arrived = _arrived(element, self._place.series)
        if isinstance(arrived, Arrived):
            if arrived.place.position == self._place.position + 1:
                await self._apply(arrived)
        elif arrived.position == self._place.position + 1:
            await self._miss(arrived)
        self._drop_doubles()

    async def _miss(self, missed: Missed) -> None:
        """What cannot be had any more: go on behind it."""
        if self.missed is not None:
            await self.missed(missed)
        self._report(Report("missed", str(self._address), missed.service, None, missed.why))
        with suppress(OvertakenError):
            async with self._inbox.applying(Place(self._place.series, missed.position)):
                pass
        self._place = await self._stored(self._inbox.at)

    async def _adopted(self) -> bool:
        """Whether it was told for the first time: the series is that of the first word."""
        if self._place.series is not None or not self._hand:
            return False
        first = min(self._hand, key=lambda one: one.position)
        await self._begin(Place(first.series, self._place.position))
        return True

    async def _begin(self, begin: Place) -> None:
        """Unless another process has begun, or is further than this one knew: then it goes on from there."""
        was = self._place
        await self._stored(lambda: self._inbox.begin(begin, was))
        self._place = await self._stored(self._inbox.at)

    def _drop_doubles(self) -> None:
        here = self._place
        for where in [one for one in self._hand if one.series == here.series and one.position <= here.position]:
            self._ack(self._hand.pop(where).delivery)

    async def _give_back(self) -> None:
        """What was in hand for too long goes back to the queue, and comes again."""
        if any(held.since + IN_HAND < monotonic() for held in (*self._hand.values(), *self._strays.values())):
            queue = names.mutations(self._address)
            await self._transport.release(queue)
            self._hand.clear()
            self._strays.clear()
            await self._consume()

    def _ack(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._transport.ack(delivery))
        self._done.add(task)
        task.add_done_callback(self._done.discard)

    async def _stored(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """What the inbox says, however long its database is away."""
        while True:
            try:
                return await call()
            except Exception as error:  # noqa: BLE001  (any failure of a store that is the institution's own)
                logger().error("inbox", institution=str(self._address), **told(error))
                await asyncio.sleep(AGAIN)


async def hand(receiver: Receiver, word: Word, connection: Any = None) -> None:
    """Call the institution's own code, a coroutine function or a plain one, with the connection if it takes one."""
    given: Sequence[Any] = (word, connection) if len(inspect.signature(receiver).parameters) > 1 else (word,)
    if inspect.iscoroutinefunction(receiver):
        await receiver(*given)
        return
    said = await asyncio.to_thread(receiver, *given)
    if inspect.isawaitable(said):
        await said


def definitive(word: Word, ticket_cbss: UUID, code: str) -> Definitive:
    """What the sender of a Z is told of a word; CRB00020 for a code that is none of an answer."""
    now = datetime.now(UTC)
    supplier = information_supplier(word.root, word.recipient, now, now)
    known = code if code in CODES and CODES[code].value is not None else "CRB00020"
    body = data_response(word.service, word.root, [supplier], known, replied=now, ticket_cbss=ticket_cbss)
    return Definitive(ticket_cbss, "response", body)


def _person(arrived: Arrived, word: Word | None) -> str:
    """Whom a word is about, eleven digits; empty: nobody in particular. Of a service that is not known here: what
    stands where docs/wire.md has the number, else the service, so that its own words keep their order."""
    if word is not None:
        return word.person.digits if word.person is not None else ""
    try:
        return Ssin.parse(text_at(parse(arrived.body, limit=MAX_ONLINE + ADDED), "criteria/ssin") or "").digits
    except (Malformed, SsinError):
        return arrived.service


def _arrived(element: etree._Element, series: UUID | None, *, late: bool = False) -> Arrived | Missed:
    """A `word` of CatchUp's answer."""
    position, service = int(text_at(element, "position") or 0), text_at(element, "service") or ""
    message = text_at(element, "message")
    if message is None:
        why = "withheld" if find_all(element, "withheld") else "lost"
        return Missed(position, service, why)
    ticket, flow = UUID(text_at(element, "ticketCBSS") or ""), text_at(element, "flow") or ""
    body, entitled = base64.b64decode(message), text_at(element, "entitled") or "[]"
    return Arrived(Place(series, position), service, flow, ticket, body, entitled, late)
