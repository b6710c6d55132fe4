"""How long the oldest message of a queue has waited, from what the broker counts: docs/operators.md, "The age of a
queue". Pure.
"""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field

#: A broker tells its counts late, and each at another time: what it refused, so long after a queue was full, seconds.
SETTLES = 12.0
#: Moments that are remembered of one queue; of more every other one is forgotten, which makes its ages less, not more.
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What the broker says of a queue at one look."""

    #: Messages that were published into it, and that its readers acknowledged, since the broker began to count.
    entered: int
    taken: int
    #: That are in it, with those in readers' hands.
    waiting: int
    #: It refuses what is published: that is counted in `entered` all the same.
    full: bool = False


@dataclass(slots=True)
class _Queue:
    """Messages by their number since the first look: those up to `gone` are not there any more."""

    seen: Counts
    starts: int
    #: Messages that have left, as far as is known. Two countings say it, each too little where messages come or go that
    #: it does not count: entered less waiting, and taken. The more of both it is; and it never becomes less.
    gone: int = 0
    by_entered: int = 0
    by_taken: int = 0
    full_until: float = float("-inf")
    #: Up to which number messages were there, and at which look first.
    marks: list[tuple[int, float]] = field(default_factory=list)

    def look(self, seen: Counts, at: float) -> None:
        """Another look, the broker having counted on."""
        if seen.full:
            self.full_until = at + SETTLES
        taken = seen.taken - self.seen.taken
        entered = (seen.entered - self.seen.entered) - (seen.waiting - self.seen.waiting)
        self.by_taken += taken
        self.by_entered += min(entered, taken) if at <= self.full_until else entered
        self._leave(max(self.by_entered, self.by_taken), seen, at)

    def again(self, seen: Counts, at: float) -> None:
        """A look after the broker began to count anew: all that is known is how many there are fewer."""
        self.by_entered = self.by_taken = max(self.gone, self.gone + self.seen.waiting - seen.waiting)
        self._leave(self.by_entered, seen, at)

    def _leave(self, gone: int, seen: Counts, at: float) -> None:
        self.seen = seen
        if not seen.waiting:  # all have left: whatever was counted wrongly counts no more
            self.gone = self.by_entered = self.by_taken = 0
            self.marks.clear()
            return
        self.gone = max(self.gone, gone)
        newest = self.gone + seen.waiting
        if not self.marks or self.marks[-1][0] < newest:
            self.marks.append((newest, at))
        first = next(place for place, (number, _) in enumerate(self.marks) if number > self.gone)
        del self.marks[:first]
        if len(self.marks) > MOST:
            del self.marks[1:-1:2]

    def age(self, at: float) -> float:
        return at - self.marks[0][1] if self.marks else 0.0


class Ages:
    """Of all queues: how long the first message of each has waited, at least; right to the time between two looks, and
    to what the broker's counts are late."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, _Queue] = {}

    def observe(self, queue: Hashable, seen: Counts, at: float, *, starts: int = 0) -> float:
        """What was seen of a queue; the age of its first message, seconds, 0 where there is none.

        at: seconds, of a clock that never goes back. starts: how often the broker, or a node of it, was started anew:
        it counts from 0 then, which is not seen where it has counted further already.
        """
        known = self._queues.get(queue)
        if known is None:
            known = self._queues[queue] = _Queue(seen, starts)
        if starts != known.starts or seen.entered < known.seen.entered or seen.taken < known.seen.taken:
            known.starts = starts
            known.again(seen, at)
        else:
            known.look(seen, at)
        return known.age(at)

    def keep(self, queues: Collection[Hashable]) -> None:
        """These are all there are; one that comes back under another's name is a new one."""
        for gone in self._queues.keys() - set(queues):
            del self._queues[gone]
