"""Takes requests from queues, has each handled once, and answers each once.

A delivery stays unacked until its answer is confirmed by the broker. When the channel it came by is lost the broker
delivers it again, to this process or another. So work is keyed: a delivery of a request that is in hand joins the
work and starts nothing. An answer is published, and a delivery acked, only while the generation that brought it
stands; work that no delivery stands for is dropped after a second, another process has it by then.

What is guaranteed: no request is lost, and none is handled twice at a time in one process. An answer is published
twice only when a connection was lost between its publishing and its confirm (`Counts.unconfirmed`), or when another
process took over what this one had answered but not acked: the asker's library drops the second.
"""

import asyncio
import hashlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

from schemas.wire import names
from schemas.wire.acks import Acks
from schemas.wire.rate import Bucket
from schemas.wire.telling import Answer, Full, Outcome, Park, Teller, Told
from schemas.wire.transport import PUBLISH_TIMEOUT, Delivery, NotConnected, Transport
from schemas.wire.work import Memory, Work, asker_of

__all__ = ["Answer", "Counts", "Intake", "Outcome", "Park", "identity"]

#: Unacked deliveries a queue may have with us, running or held.
PREFETCH = 8
#: Seconds that work goes on when its deliveries were lost and none came again.
ORPHAN_SECONDS = 1.0
#: Tries to get one answer confirmed; then it is parked.
TRIES = 20
#: Seconds between tries: doubled each time, up to the second.
_BACKOFF = (0.05, 1.0)


Handle = Callable[[Delivery], Awaitable[Outcome]]
#: Opened around a request; what it gives is called with the outcome.
Around = Callable[[Delivery], AbstractContextManager[Callable[[Outcome], None]]]


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    started: int = 0
    answered: int = 0
    parked: int = 0
    #: Deliveries that joined work in hand.
    joined: int = 0
    #: Deliveries of what had been answered, acked without another answer.
    repeated: int = 0
    #: Work dropped because its deliveries were lost.
    orphaned: int = 0
    #: Publishes of answers without a confirm, each tried again: that many answers may have been told twice.
    unconfirmed: int = 0
    #: Handlers that raised.
    failed: int = 0


def identity(delivery: Delivery) -> Hashable:
    """The key of a delivery unless another is given: the body, who sent it, and what else decides how it is answered.
    A direct reply-to changes with each connection of the asker, so the same request over another one is the same."""
    properties = delivery.properties
    reply_to = "direct" if names.is_direct_reply(properties.reply_to) else properties.reply_to
    return (
        hashlib.sha256(delivery.body).digest(),
        properties.user_id,
        properties.type,
        properties.content_encoding,
        reply_to,
        "x-death" in properties.headers,
    )


@dataclass(slots=True, eq=False)
class _Lane:
    """One queue: how fast it goes, and what waits. What waits is unacked, so the broker sends no more than that."""

    queue: str
    prefetch: int
    bucket: Bucket
    held: deque[tuple[Hashable, Delivery]] = field(default_factory=deque)
    timer: asyncio.TimerHandle | None = None
    consumed: bool = False
    closing: bool = False
    running: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Intake:
    """Requests in, answers out.

    handle: makes the outcome of a request. It is cancelled when the request went elsewhere. Given any delivery of it.
    key: equal for deliveries of one queue that are the same request. Everything on which the outcome depends must be in
        it, for who joins gets the first one's.
    on_failure: the outcome where `handle` raised; must not raise.
    on_told: called when the broker has confirmed an answer, once an asker; must not raise.
    user: our own broker user, which answers carry.
    reply_exchange: where answers are published, with reply_to as the key: the default exchange at the centre,
        `hub.replies` at a supplier.
    dead_exchange: where `Park` goes; None, for who may not write it: the request is rejected instead.
    max_in_flight: requests handled at a time over all queues, which then take turns; None: as the prefetches allow.
    full: what is known of queues that take no answers; None: each answer is tried `TRIES` times by itself.
    around: opened around handling and telling a request, and given its outcome in between; None: nothing is.
    """

    def __init__(
        self,
        transport: Transport,
        handle: Handle,
        *,
        user: str,
        on_failure: Callable[[Delivery, Exception], Outcome],
        key: Callable[[Delivery], Hashable] = identity,
        reply_exchange: str = "",
        dead_exchange: str | None = names.DLX,
        max_in_flight: int | None = None,
        orphan_seconds: float = ORPHAN_SECONDS,
        publish_timeout: float = PUBLISH_TIMEOUT,
        on_told: Callable[[Delivery, Answer], None] | None = None,
        full: Full | None = None,
        around: Around | None = None,
    ) -> None:
        self._transport = transport
        self._on_told = on_told
        self._around = around
        self._handle = handle
        self._on_failure = on_failure
        self._key = key
        self._teller = Teller(transport, user, reply_exchange, dead_exchange, publish_timeout, full)
        self._max_in_flight = max_in_flight
        self._orphan_seconds = orphan_seconds
        self._publish_timeout = publish_timeout
        self._lanes: dict[str, _Lane] = {}
        #: Lanes with something to start, in the order of their turns.
        self._waiting: OrderedDict[str, _Lane] = OrderedDict()
        self._works: dict[Hashable, Work] = {}
        self._memory = Memory()
        self._acks = Acks(transport)
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._paused = self._resting = False
        self._switching = asyncio.Lock()
        self.counts = Counts()
        transport.on_generation(self._generation_ended)

    @property
    def in_flight(self) -> int:
        """Requests being handled or answered."""
        return len(self._works)

    @property
    def held(self) -> int:
        """Requests taken from their queue and not started."""
        return sum(len(lane.held) for lane in self._lanes.values())

    @property
    def queues(self) -> frozenset[str]:
        """Queues that are taken from, paused, at rest or not."""
        return frozenset(queue for queue, lane in self._lanes.items() if not lane.closing)

    async def add(self, queue: str, *, prefetch: int = PREFETCH, rate: float | None = None) -> bool:
        """Take requests from `queue`, starting at most `rate` a second (None: no limit). Whether it is consumed now; if
        not, and unless paused or at rest, that is tried until it is."""
        while (old := self._lanes.get(queue)) is not None:
            if not old.closing:
                raise ValueError(f"{queue} is taken from already: change its rate with set_rate")
            await old.gone.wait()
        lane = self._lanes[queue] = _Lane(queue, prefetch, Bucket(rate))
        return await self._consume(lane)

    def set_rate(self, queue: str, rate: float | None) -> None:
        """Another rate from now on."""
        lane = self._lanes[queue]
        if lane.bucket.rate != rate:
            lane.bucket = Bucket(rate)
            self._lane_ready(lane)

    async def remove(self, queue: str) -> None:
        """Take no more from `queue`: what runs is finished, what waits is given back."""
        lane = self._lanes.get(queue)
        if lane is None or lane.closing:
            return
        lane.closing = True
        self._rest(lane)
        await self._transport.cancel(queue)
        while lane.running:
            lane.idle.clear()
            await lane.idle.wait()
        await self._transport.release(queue)
        del self._lanes[queue]
        lane.gone.set()

    async def pause(self) -> None:
        """Give back everything, running or not, and take nothing until `resume`. What runs is dropped a second later,
        unless it resumes before."""
        self._paused, self._resting = True, False
        async with self._switching:
            if self._paused:
                for lane in self._lanes.values():
                    lane.consumed = False
                await asyncio.gather(*(self._transport.release(queue) for queue in self._lanes))

    async def rest(self) -> None:
        """Take nothing until `resume`, and give back at once what was taken and is not begun; what runs goes on to its
        end."""
        self._paused, self._resting = False, True
        async with self._switching:
            if self._resting:
                await self._hand_back()

    async def resume(self) -> None:
        """Take requests again."""
        if not (self._paused or self._resting):
            return
        self._paused = self._resting = False
        async with self._switching:
            if not (self._paused or self._resting):
                await asyncio.gather(*(self._again(lane) for lane in self._lanes.values() if not lane.closing))
        self._flow()  # what came while it was to rest, and was not given back yet

    async def drain(self, *, hand_back: bool = False) -> None:
        """Start nothing new, and return when all that runs is answered and acked. Close the transport then.

        hand_back: what is not begun goes back at once, for others who take from the same queues. Else the consumers
        stay, and the transport's close gives it back: what waits does not overtake what runs.
        """
        self._draining = True
        if hand_back:
            self._resting = True
            async with self._switching:
                await self._hand_back()
        await self._idle.wait()
        await self._acks.flush()

    async def close(self) -> None:
        """Drop what runs, without an answer."""
        self._draining = True
        for lane in self._lanes.values():
            self._rest(lane)
        tasks = [work.task for work in self._works.values() if work.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _consume(self, lane: _Lane) -> bool:
        if self._paused or self._resting or self._draining or lane.consumed:
            return False
        lane.consumed = True
        return await self._transport.consume(lane.queue, self._take, prefetch=lane.prefetch)

    def _take(self, delivery: Delivery) -> None:
        lane = self._lanes.get(delivery.queue)
        if lane is None:
            return
        try:
            key: Hashable = (delivery.queue, self._key(delivery))
        except Exception:  # noqa: BLE001  what has no key is like no other; its handler will say what is wrong
            key = object()
        if delivery.redelivered and self._memory.holds(key, asker_of(delivery), _now()):
            self.counts.repeated += 1
            self._acks.ack(delivery)
        elif (work := self._works.get(key)) is not None:
            self.counts.joined += 1
            work.join(delivery)
        elif self._resting and not lane.consumed:
            self._acks.give_back(delivery)  # it came though the broker had said that we take no more
        else:
            lane.held.append((key, delivery))
            self._lane_ready(lane)

    async def _hand_back(self) -> None:
        """Cancel first: what is given back would come again at once, and a queue allows so many deliveries of one."""
        lanes = [lane for lane in self._lanes.values() if lane.consumed]
        await asyncio.gather(*(self._transport.cancel(lane.queue) for lane in lanes))
        for lane in lanes:
            lane.consumed = False
            for _, delivery in lane.held:
                self._acks.give_back(delivery)
            self._rest(lane)
        await self._acks.flush()

    async def _again(self, lane: _Lane) -> bool:
        """Consume a lane that was paused or at rest; not one that still is, since it was to rest for a moment only."""
        if not lane.running and not lane.consumed:
            await self._transport.release(lane.queue)  # the channel by which the last of what ran was acked
        return await self._consume(lane)

    def _lane_ready(self, lane: _Lane) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        self._waiting[lane.queue] = lane
        self._flow()

    def _flow(self) -> None:
        """Start what may start, a lane at a turn."""
        while self._waiting and not self._draining and not self._resting and self._room():
            queue, lane = self._waiting.popitem(last=False)
            if not lane.held or lane.closing:
                continue
            key, delivery = lane.held[0]
            if (work := self._works.get(key)) is not None:
                lane.held.popleft()
                self.counts.joined += 1
                work.join(delivery)
            elif (seconds := lane.bucket.wait(_now())) > 0:
                lane.timer = asyncio.get_running_loop().call_later(seconds, self._lane_ready, lane)
                continue
            else:
                lane.held.popleft()
                lane.bucket.take()
                self._start(key, delivery, lane)
            if lane.held:
                self._waiting[queue] = lane

    def _room(self) -> bool:
        return self._max_in_flight is None or len(self._works) < self._max_in_flight

    def _start(self, key: Hashable, delivery: Delivery, lane: _Lane) -> None:
        work = self._works[key] = Work(key, delivery)
        work.join(delivery)
        lane.running += 1
        self.counts.started += 1
        self._idle.clear()
        work.task = asyncio.create_task(self._run(work, lane))

    async def _run(self, work: Work, lane: _Lane) -> None:
        try:
            if self._around is None:
                await self._settle(work, await self._outcome(work.first))
            else:
                with self._around(work.first) as made:
                    outcome = await self._outcome(work.first)
                    made(outcome)
                    await self._settle(work, outcome)
        finally:
            work.keep()
            del self._works[work.identity]
            lane.running -= 1
            if not lane.running:
                lane.idle.set()
            if not self._works:
                self._idle.set()
            self._flow()

    async def _outcome(self, delivery: Delivery) -> Outcome:
        try:
            return await self._handle(delivery)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            failure: Exception = RuntimeError("something the handler waited for was cancelled")
        except Exception as error:  # noqa: BLE001  whatever it was, the asker is told
            failure = error
        self.counts.failed += 1
        return self._on_failure(delivery, failure)

    async def _settle(self, work: Work, outcome: Outcome) -> None:
        """Tell every asker and ack every delivery, until there is none left of either."""
        tries = 0
        while True:
            if not work.deliveries:
                if work.askers <= work.told:
                    return  # an ack that could not be made is made when the delivery comes again: we remember
                if work.orphan_timer is None:
                    # Somebody's delivery was lost with its channel and only another's came back here: his is with
                    # another process, which tells him, unless it comes soon.
                    self._orphan(work)
                await work.wait_joined()
                continue
            delivery = work.deliveries[0]
            asker = asker_of(delivery)
            if asker not in work.told:
                if not self._transport.connected:
                    # To publish would wait for a connection, and by then the delivery may be another's.
                    with suppress(NotConnected):
                        await self._transport.wait_connected(self._publish_timeout)
                    continue
                if tries >= TRIES:
                    outcome = Park("its answer was not confirmed")
                if not await self._tell(work, delivery, outcome):
                    first, most = _BACKOFF
                    await asyncio.sleep(min(most, first * 2**tries))
                    tries += 1
                    continue
                work.told.add(asker)
                self._memory.add(work.identity, asker, _now())
            if delivery in work.deliveries:
                work.deliveries.remove(delivery)
                await self._transport.ack(delivery)

    async def _tell(self, work: Work, delivery: Delivery, outcome: Outcome) -> bool:
        """Tell one asker. Whether that is done with; if not, it is tried again."""
        work.telling = True
        try:
            told = await self._teller.tell(delivery, outcome)
        finally:
            work.telling = False
        match told:
            case Told.AGAIN:
                self.counts.unconfirmed += isinstance(outcome, Answer)
            case Told.ANSWERED:
                self.counts.answered += 1
                if self._on_told is not None and isinstance(outcome, Answer):
                    self._on_told(delivery, outcome)
            case Told.PARKED:
                self.counts.parked += 1
            case Told.UNPARKABLE:
                self.counts.parked += 1
                if delivery in work.deliveries:
                    work.deliveries.remove(delivery)  # an ack after a reject would close the channel
                    await self._transport.reject(delivery)  # the broker dead-letters it, as its queue says
            case Told.NOBODY:
                pass
        return told is not Told.AGAIN

    def _generation_ended(self, generation: int) -> None:
        for lane in self._lanes.values():
            if any(delivery.generation == generation for _, delivery in lane.held):
                lane.held = deque(pair for pair in lane.held if pair[1].generation != generation)
        for work in self._works.values():
            if work.leave(generation):
                self._orphan(work)

    def _orphan(self, work: Work) -> None:
        work.keep()
        work.orphan_timer = asyncio.get_running_loop().call_later(self._orphan_seconds, self._drop, work)

    def _drop(self, work: Work) -> None:
        if work.telling:
            self._orphan(work)  # its answer is on the way: what became of it is worth knowing
        elif work.task is not None:
            self.counts.orphaned += 1
            work.task.cancel()

    def _rest(self, lane: _Lane) -> None:
        """Start nothing of it any more."""
        lane.held.clear()
        self._waiting.pop(lane.queue, None)
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None


def _now() -> float:
    return asyncio.get_running_loop().time()
