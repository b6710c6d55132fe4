"""The managing institution's own tables."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from institutions.relay.sectoral_repertory import (
    Member,
    RepertoryUnavailable,
    RowError,
    SectoralRepertory,
    migrate,
)
from schemas.address import Address
from schemas.integration import REPLACED, CsvError, Integration
from schemas.period import Period
from schemas.ssin import Ssin
from tests.institutions.conformance.network import person
from tests.institutions.world import Database

A, B = Address.parse("17-1-0212344876"), Address.parse("17-1-0207473635")
WHOLE = Period(date(2000, 1, 1), None)


def row(ssin: Ssin, member: Address | None = A, quality: int = 2, new: Ssin | None = None) -> Integration:
    return Integration(ssin, Address(17, 1), quality if new is None else REPLACED, 3, WHOLE, new, member)


@pytest.fixture
async def repertory(database: str) -> AsyncIterator[SectoralRepertory]:
    await migrate(database)
    await migrate(database)
    found = await SectoralRepertory.connect(database)
    yield found
    await found.close()


async def test_relays_that_start_at_once_prepare_their_tables(database: str, postgresql: Database) -> None:
    """Several of one institution, and several institutions in one process."""
    names = [f"test_{secrets.token_hex(6)}" for _ in range(3)]
    others = [await postgresql.create_database(name) for name in names]
    await asyncio.gather(*(migrate(url) for url in (database, *others, database)))
    for url in (database, *others):
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT count(*) FROM integration") == 0
        await connection.close()
    for name in names:
        await postgresql.drop_database(name)


async def test_a_database_that_cannot_be_reached_is_said_so_without_its_password(database: str) -> None:
    gone = database.replace(database.rpartition("/")[2], "nowhere_at_all")
    with pytest.raises(RepertoryUnavailable) as raised:
        await migrate(gone)
    assert "nowhere" not in str(raised.value)
    with pytest.raises(RepertoryUnavailable):
        await SectoralRepertory.connect(gone)


async def test_rows_come_back_as_they_were_loaded(repertory: SectoralRepertory) -> None:
    ssin = person()
    rows = (
        row(ssin, B),
        Integration(ssin, Address(17, 1), 1, None, Period(date(2001, 2, 3), date(2004, 5, 6)), None, A),
    )
    assert await repertory.load(rows, "a.csv") == 2
    assert set(await repertory.rows(ssin)) == set(rows)
    assert await repertory.rows(person()) == ()


async def test_a_source_replaces_what_came_from_it_and_keeps_the_history(
    repertory: SectoralRepertory, database: str
) -> None:
    kept, gone, other = person(), person(), person()
    await repertory.load([row(kept), row(gone)], "a.csv")
    await repertory.load([row(other)], "b.csv")
    await repertory.load([row(kept), row(gone, quality=3)], "a.csv")
    assert [found.quality for found in await repertory.rows(gone)] == [3]
    assert len(await repertory.rows(kept)) == len(await repertory.rows(other)) == 1
    connection = await asyncpg.connect(database)
    history = await connection.fetch(
        "SELECT quality, known_to FROM integration WHERE ssin = $1 ORDER BY id", gone.number
    )
    await connection.close()
    assert [(r["quality"], r["known_to"] is None) for r in history] == [(2, False), (3, True)]


async def test_all_numbers_of_a_person_come_together(repertory: SectoralRepertory) -> None:
    first, second, third = person(), person(), person()
    rows = [row(first, new=second), row(second, new=third), row(third), row(first, B)]
    await repertory.load([*rows, row(person())], "a.csv")
    for number in (first, second, third):
        assert set(await repertory.rows(number)) == set(rows)


async def test_members_are_what_was_loaded_last(repertory: SectoralRepertory, database: str) -> None:
    await repertory.load_members([Member(A, "A", True, 10), Member(B)])
    await repertory.load_members([Member(A, "A", False, 10)])
    assert await repertory.members() == {A: Member(A, "A", False, 10)}
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM member") == 3
    await connection.close()


async def test_a_file_is_loaded_whole_or_not_at_all(repertory: SectoralRepertory, tmp_path: Path) -> None:
    one, two = person(), person()
    heading = "ssin,sector,type,quality,phase,from,to,replaced_by,member\n"
    file = tmp_path / "persons.csv"
    file.write_text(f"{heading}{one.digits},17,1,2,,2020-01-01,,,{A}\n{two.digits},17,1,x,,2020-01-01,,,{A}\n")
    with pytest.raises(CsvError, match=r"persons\.csv:3: quality") as raised:
        await repertory.load_file(file)
    assert two.digits not in str(raised.value)
    assert await repertory.rows(one) == ()
    file.write_text(f"{heading}{one.digits},17,1,2,,2020-01-01,,,{A}\n")
    assert await repertory.load_file(file) == 1
    assert [found.member for found in await repertory.rows(one)] == [A]


async def test_a_row_without_member_is_refused(repertory: SectoralRepertory) -> None:
    with pytest.raises(RowError, match="member"):
        await repertory.load([row(person(), None)], "a.csv")


async def test_a_database_that_is_gone_is_said_so(repertory: SectoralRepertory) -> None:
    assert await repertory.alive()
    await repertory.close()
    with pytest.raises(RepertoryUnavailable):
        await repertory.rows(person())
    assert not repertory.healthy
