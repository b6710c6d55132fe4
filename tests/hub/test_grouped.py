"""Calls that are answered in groups."""

import asyncio

import pytest

from hub.grouped import Grouped


class Answering:
    """Answers with tens, when it may; remembers its groups."""

    def __init__(self) -> None:
        self.groups = []
        self.may = asyncio.Event()

    async def __call__(self, group):
        self.groups.append(list(group))
        await self.may.wait()
        if "bad" in group:
            raise ValueError("bad")
        return [10 * one for one in group]


async def asked(grouped, *ones):
    tasks = [asyncio.create_task(grouped(one)) for one in ones]
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_is_the_next_group_and_none_is_larger_than_it_may():
    answering = Answering()
    grouped = Grouped(answering, most=3)
    tasks = await asked(grouped, 1)
    await asyncio.sleep(0)
    tasks += await asked(grouped, 2, 3, 4, 5)
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


async def test_a_failure_is_its_group_s_and_the_next_goes_on():
    answering = Answering()
    answering.may.set()
    grouped = Grouped(answering, most=2)
    tasks = await asked(grouped, 1, "bad", 3)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [ValueError, ValueError, int]


async def test_who_has_gone_is_not_asked_about():
    answering = Answering()
    grouped = Grouped(answering, most=10)
    tasks = await asked(grouped, 1)
    await asyncio.sleep(0)
    tasks += await asked(grouped, 2, 3)
    tasks[1].cancel()
    await asyncio.sleep(0)
    answering.may.set()
    assert await tasks[0] == 10
    assert await tasks[2] == 30
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    assert answering.groups == [[1], [3]]
