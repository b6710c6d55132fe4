"""How long the first message of a queue has waited, against a queue whose every message is known.

The one here counts as RabbitMQ 3.10 was seen to count, by hand, on quorum queues: `publish` counts what is published
to it by whatever exchange, what it refuses when it is full too, and neither what is dead-lettered into it nor what
comes back to it; `ack` counts no rejected message; what expires is counted nowhere.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.watcher import ages
from deploy.watcher.ages import Ages, Counts

#: What happens to a queue, and to how many messages at once.
Event = tuple[str, int]
NAME = ("crossroads", "18-0.answers")


@dataclass
class Queue:
    """A queue of the broker, with the look at which each message in it was there first."""

    entered: int = 0
    taken: int = 0
    waiting: deque[int] = field(default_factory=deque)

    def happens(self, event: Event, look: int) -> None:
        what, count = event
        match what:
            case "published":
                self.entered += count
                self.waiting.extend([look] * count)
            case "dead-lettered into it":
                self.waiting.extend([look] * count)
            case "refused":
                self.entered += count
            case "acknowledged":
                for _ in range(min(count, len(self.waiting))):
                    self.waiting.popleft()
                    self.taken += 1
            case "expired" | "rejected":
                for _ in range(min(count, len(self.waiting))):
                    self.waiting.popleft()
            case "came back":
                pass
            case _:
                raise AssertionError(what)

    def seen(self, *, full: bool = False) -> Counts:
        return Counts(self.entered, self.taken, len(self.waiting), full)

    def age(self, look: int) -> int:
        return look - self.waiting[0] if self.waiting else 0


def between_looks(*kinds: str) -> st.SearchStrategy[list[list[Event]]]:
    """What happens between one look and the next, look after look."""
    events = st.tuples(st.sampled_from(kinds), st.integers(1, 5))
    return st.lists(st.lists(events, max_size=4), min_size=1, max_size=40)


def looks(happening: Iterable[Sequence[Event]], *, full: bool = False) -> Iterable[tuple[float, int]]:
    """What is told at each look, and what is so."""
    queue, told = Queue(), Ages()
    for look, events in enumerate(happening):
        for event in events:
            queue.happens(event, look)
        yield told.observe(NAME, queue.seen(full=full), float(look)), queue.age(look)


@given(between_looks("published", "acknowledged", "came back", "expired", "rejected"))
def test_whatever_is_published_and_leaves_the_age_is_right_to_a_look(happening: list[list[Event]]) -> None:
    assert all(told == is_so for told, is_so in looks(happening))


@given(between_looks("published", "dead-lettered into it", "acknowledged", "came back"))
def test_what_is_dead_lettered_into_it_is_not_counted_and_the_age_is_right(happening: list[list[Event]]) -> None:
    assert all(told == is_so for told, is_so in looks(happening))


@given(between_looks("published", "refused", "acknowledged"))
def test_what_a_full_queue_refuses_makes_nobody_look_younger(happening: list[list[Event]]) -> None:
    assert all(told == is_so for told, is_so in looks(happening, full=True))


@given(between_looks("published", "refused", "acknowledged", "expired", "came back"))
def test_it_is_never_told_older_than_it_is(happening: list[list[Event]]) -> None:
    assert all(told <= is_so for told, is_so in looks(happening))


@given(between_looks("published", "acknowledged", "expired"))
def test_a_count_that_comes_a_look_late_costs_a_look(happening: list[list[Event]]) -> None:
    queue, told, entered = Queue(), Ages(), 0
    for look, events in enumerate([*happening, []]):
        for event in events:
            queue.happens(event, look)
        seen = Counts(entered, queue.taken, len(queue.waiting))
        age, entered = told.observe(NAME, seen, float(look)), queue.entered
    assert max(0, queue.age(look) - 1) <= age <= queue.age(look)


@given(between_looks("published", "acknowledged", "expired"), between_looks("published", "acknowledged", "expired"))
def test_a_broker_that_is_started_again_counts_from_0_and_its_messages_are_as_old(
    before: list[list[Event]], after: list[list[Event]]
) -> None:
    queue, told, began = Queue(), Ages(), len(before)
    for look, events in enumerate([*before, [], *after]):
        if look == began:
            queue.entered = queue.taken = 0
        for event in events:
            queue.happens(event, look)
        age = told.observe(NAME, queue.seen(), float(look), starts=int(look >= began))
        assert age == queue.age(look)


def test_when_it_is_started_again_what_left_meanwhile_is_seen_by_what_is_left() -> None:
    told = Ages()
    told.observe(NAME, Counts(1, 0, 1), 0.0)
    told.observe(NAME, Counts(3, 0, 3), 10.0)
    assert told.observe(NAME, Counts(0, 0, 2), 20.0, starts=1) == 10.0
    assert told.observe(NAME, Counts(0, 0, 2), 30.0, starts=1) == 20.0


@pytest.mark.parametrize("back", [Counts(1, 0, 5), Counts(9, 0, 5)], ids=["entered", "taken"])
def test_a_count_that_fell_begins_anew_and_keeps_the_age(back: Counts) -> None:
    told = Ages()
    told.observe(NAME, Counts(9, 4, 5), 0.0)
    assert told.observe(NAME, back, 60.0) == 60.0
    assert told.observe(NAME, Counts(back.entered + 1, back.taken, 6), 62.0) == 62.0
    assert told.observe(NAME, Counts(back.entered + 1, back.taken + 5, 1), 64.0) == 2.0


def test_a_queue_that_was_gone_comes_back_as_a_new_one() -> None:
    told, other = Ages(), ("crossroads", "17-0.answers")
    for name in (NAME, other):
        told.observe(name, Counts(5, 0, 5), 0.0)
    told.keep([other])
    assert told.observe(NAME, Counts(5, 0, 5), 60.0) == 0.0
    assert told.observe(other, Counts(5, 0, 5), 60.0) == 60.0


def test_what_was_there_before_the_first_look_is_at_least_as_old_as_that() -> None:
    told = Ages()
    assert told.observe(NAME, Counts(70, 20, 50), 5.0) == 0.0
    assert told.observe(NAME, Counts(75, 69, 6), 65.0) == 60.0
    assert told.observe(NAME, Counts(75, 70, 5), 70.0) == 5.0


def test_of_a_queue_that_is_stuck_for_days_a_bounded_number_of_moments_is_kept() -> None:
    queue, told = Queue(), Ages()
    most = 4 * ages.MOST
    for look in range(most):
        queue.happens(("published", 1), look)
        assert told.observe(NAME, queue.seen(), float(look)) == look  # nobody reads it: the first is known exactly
    queue.happens(("acknowledged", most // 2), most)
    age = told.observe(NAME, queue.seen(), float(most))
    assert 0.99 * queue.age(most) <= age <= queue.age(most)
