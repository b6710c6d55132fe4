"""Calls that are answered in groups."""

import asyncio

import pytest

from schemas.process.grouped import Grouped


class Away(Exception):
    """The whole group's failure."""


class Answering:
    """Answers with tens, when it may; remembers its groups."""

    def __init__(self):
        self.groups = []
        self.may = asyncio.Event()

    async def __call__(self, group):
        self.groups.append(list(group))
        await self.may.wait()
        if "away" in group:
            raise Away
        if "bad" in group:
            raise ValueError("bad")
        return [10 * one for one in group]


async def asked(grouped, *ones):
    """After these have come, and no group more has begun than would have."""
    tasks = [asyncio.create_task(grouped(one)) for one in ones]
    await asyncio.sleep(0)
    return tasks


async def begun(grouped, one):
    """Its group is on its way."""
    tasks = await asked(grouped, one)
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_is_the_next_group_and_none_is_larger_than_it_may():
    answering = Answering()
    grouped = Grouped(answering, most=3)
    tasks = await begun(grouped, 1) + await asked(grouped, 2, 3, 4, 5)
    answering.may.set()
    assert await asyncio.gather(*tasks) == [10, 20, 30, 40, 50]
    assert answering.groups == [[1], [2, 3, 4], [5]]


async def test_two_of_one_key_are_in_two_groups_in_their_order():
    answering = Answering()
    answering.may.set()
    grouped = Grouped(answering, most=10, key=lambda one: one % 10)
    tasks = await asked(grouped, 1, 11, 2, 21, 12)
    assert await asyncio.gather(*tasks) == [10, 110, 20, 210, 120]
    assert answering.groups == [[1, 2], [11, 12], [21]]


async def test_one_that_is_failed_at_is_alone_with_it():
    answering = Answering()
    grouped = Grouped(answering, most=10)
    tasks = await begun(grouped, 1) + await asked(grouped, 2, "bad", 4)
    answering.may.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [int, int, ValueError, int]
    assert answering.groups == [[1], [2, "bad", 4], [2], ["bad"], [4]]


async def test_what_all_suffer_from_is_told_to_all_and_tried_no_more():
    answering = Answering()
    grouped = Grouped(answering, most=10, of_all=(Away,))
    tasks = await begun(grouped, 1) + await asked(grouped, 2, "away")
    answering.may.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [int, Away, Away]
    assert answering.groups == [[1], [2, "away"]]
    assert await grouped(3) == 30


async def test_who_has_gone_is_not_asked_about():
    answering = Answering()
    grouped = Grouped(answering, most=10)
    tasks = await begun(grouped, 1) + await asked(grouped, 2, 3)
    tasks[1].cancel()
    await asyncio.sleep(0)
    answering.may.set()
    assert await tasks[0] == 10
    assert await tasks[2] == 30
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    assert answering.groups == [[1], [3]]


async def test_answers_that_are_too_few_leave_nobody_waiting():
    async def none(group):
        return []

    with pytest.raises(ValueError, match="zip"):
        await Grouped(none, most=10)(1)


async def test_a_close_leaves_nobody_waiting():
    answering = Answering()
    grouped = Grouped(answering, most=10)
    tasks = await begun(grouped, 1) + await asked(grouped, 2, 3)
    await grouped.close()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in done)
