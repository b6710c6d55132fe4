"""A first fill by `crossroads statuses fill`: streamed, resumable, and what is wrong is told by its line."""

import asyncio
from datetime import date

import pytest
from typer.testing import CliRunner

from deploy.command import cli
from institutions.reference.mutations import told_of
from institutions.reference.population import Population
from institutions.statuses import buffer as buffers
from institutions.statuses import filling
from institutions.statuses.buffer import Buffer
from institutions.statuses.definitions import SHIPPED, read
from institutions.statuses.filling import fill
from schemas.period import Period
from tests.institutions.statuses.oracle import statuses_of
from tests.reference.messages import CATALOGUE

PERSONS = Population(size=60).persons
DEFINITIONS = read(SHIPPED, CATALOGUE)
LINES = [one.message("FIRST_FILL") + b"\n" for person in PERSONS for one in told_of(person)]
TODAY = Period(date(2025, 12, 31), date(2025, 12, 31))


async def all_right(buffer: Buffer) -> bool:
    return all(
        [
            {one.status for one in await buffer.answer(person.ssin, TODAY, DEFINITIONS.statuses)}
            == statuses_of(person, 2025, 4)
            for person in PERSONS
        ]
    )


async def test_one_that_is_killed_goes_on_behind_its_last_part(database, tmp_path, monkeypatch):
    monkeypatch.setattr(filling, "PART", 7)
    file = tmp_path / "fill.xml"
    file.write_bytes(b"".join(LINES))
    await buffers.migrate(database)
    buffer = await Buffer.connect(database)
    try:

        def stop(done: int) -> None:
            if done > len(LINES) // 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await fill(buffer, DEFINITIONS, CATALOGUE, file, stop)
        assert not await all_right(buffer)
        rest = await fill(buffer, DEFINITIONS, CATALOGUE, file)
        assert rest.lines == len(LINES)
        assert 0 < rest.taken < len(LINES)
        assert await all_right(buffer)
        assert (await fill(buffer, DEFINITIONS, CATALOGUE, file)).taken == 0
    finally:
        await buffer.close()


async def test_the_command_fills_and_tells_what_is_wrong_by_its_line(database, tmp_path, monkeypatch):
    monkeypatch.delenv("CROSSROADS_STATUSES_FILE", raising=False)
    file = tmp_path / "fill.xml"
    wrong = [b"no message\n", LINES[0].replace(b"CREATED", b"MADE"), b"<other/>\n"]
    file.write_bytes(b"".join([*LINES[:3], *wrong, *LINES[3:]]))
    # The command has a loop of its own.
    done = await asyncio.to_thread(CliRunner().invoke, cli, ["statuses", "fill", str(file), "--database", database])
    assert done.exit_code == 1, done.output
    for number in (4, 5, 6):
        assert f"fill.xml:{number}: " in done.output
    assert f"{len(LINES) + 3:,} lines, {len(LINES):,} taken now, 3 wrong" in done.output
    assert all(person.ssin.digits not in done.output for person in PERSONS)
    buffer = await Buffer.connect(database)
    try:
        assert await all_right(buffer)
    finally:
        await buffer.close()


def test_the_command_says_what_a_file_says_and_what_is_wrong_with_one(tmp_path):
    said = CliRunner().invoke(cli, ["statuses", "check", str(SHIPPED)])
    assert said.exit_code == 0
    assert "LIVING_WAGE: LivingWageMutation/1" in said.output
    assert "70-3 sees EQUIVALENT_LIVING_WAGE" in said.output
    file = tmp_path / "statuses.toml"
    file.write_text('[[status]]\ncode = "X"\n')
    said = CliRunner().invoke(cli, ["statuses", "check", str(file)])
    assert said.exit_code != 0
    assert "statuses.toml:1: source: Field required" in str(said.exception)
