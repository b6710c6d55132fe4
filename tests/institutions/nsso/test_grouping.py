"""Forms that came one by one go to the office together; one that it fails at harms no other."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from institutions.nsso.grouping import Grouping
from institutions.nsso.submission import Handled, OfficeUnavailable, Result, Submission


def submission(key: str) -> Submission:
    return Submission("123456", key, b"", datetime.now(UTC))


class Desk:
    """An office that tells each key back; it works when it is let, and fails at what is bad."""

    def __init__(self, bad: str = "", away: int = 0) -> None:
        self.groups: list[list[str]] = []
        self.open = asyncio.Event()
        self._bad, self._away = bad, away

    async def handle(self, submissions: Sequence[Submission]) -> list[Handled]:
        keys = [one.key for one in submissions]
        self.groups.append(keys)
        await self.open.wait()
        if self._away:
            self._away -= 1
            raise OfficeUnavailable("away")
        if self._bad in keys:
            raise RuntimeError("a bug")
        return [Handled("NOTIFICATION", key.encode(), Result.ACCEPTED, "") for key in keys]


async def begin(grouping: Grouping, *keys: str) -> list["asyncio.Task[Handled]"]:
    tasks = [asyncio.create_task(grouping.handle(submission(key))) for key in keys]
    await asyncio.sleep(0)
    return tasks


async def test_what_arrives_while_a_group_is_committed_is_the_next_one_in_its_order():
    desk = Desk()
    grouping = Grouping(desk, most=3)
    first = await begin(grouping, "a")
    await asyncio.sleep(0)
    later = await begin(grouping, "b", "c", "d", "e")
    desk.open.set()
    told = [await one for one in (*first, *later)]
    assert [one.body for one in told] == [b"a", b"b", b"c", b"d", b"e"]
    assert desk.groups == [["a"], ["b", "c", "d"], ["e"]]
    assert (grouping.groups, grouping.forms) == (3, 5)


async def test_one_form_that_the_code_fails_at_is_alone_with_it():
    desk = Desk(bad="c")
    grouping = Grouping(desk)
    tasks = await begin(grouping, "a")
    await asyncio.sleep(0)
    tasks += await begin(grouping, "b", "c", "d")
    desk.open.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one).__name__ for one in told] == ["Handled", "Handled", "RuntimeError", "Handled"]
    assert desk.groups == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]


async def test_an_office_that_is_away_is_told_to_all_of_the_group_and_tried_no_more():
    desk = Desk(away=1)
    grouping = Grouping(desk)
    tasks = await begin(grouping, "a")
    await asyncio.sleep(0)
    desk.open.set()
    with pytest.raises(OfficeUnavailable):
        await tasks[0]
    assert desk.groups == [["a"]]
    assert (await grouping.handle(submission("a"))).body == b"a"


async def test_who_went_before_his_turn_is_left_out():
    desk = Desk()
    grouping = Grouping(desk)
    tasks = await begin(grouping, "a")
    await asyncio.sleep(0)
    tasks += await begin(grouping, "b", "c")
    tasks[1].cancel()
    await asyncio.sleep(0)
    desk.open.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.groups == [["a"], ["c"]]


async def test_a_close_leaves_nobody_waiting():
    desk = Desk()
    grouping = Grouping(desk)
    tasks = await begin(grouping, "a", "b")
    await asyncio.sleep(0)
    tasks += await begin(grouping, "c")
    await grouping.close()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in done)
