"""Persons files: all or nothing, with errors that say where and never what."""

import pytest

from hub.repertory import loading, persons
from hub.repertory.loading import Loaded, PersonsError
from tests.hub.people import known, person, replaced

HEADING = "ssin,sector,type,quality,phase,from,to,replaced_by"
ONE, TWO, THREE = (person(n).digits for n in (1, 2, 3))


@pytest.fixture
def written(tmp_path):
    def write(*lines, heading=HEADING, end="\n"):
        path = tmp_path / "persons.csv"
        path.write_bytes(end.join([heading, *lines, ""]).encode())
        return path

    return write


async def rows(connection):
    return await connection.fetchval("SELECT count(*) FROM person")


async def test_a_file_is_loaded_and_says_what_it_did(hub_database, written):
    path = written(
        f"{ONE},17,1,2,1,2020-01-01,,", f"{ONE},5,0,100,,2015-01-01,2019-12-31,", f"{TWO},0,0,999,,2021-01-01,,{ONE}"
    )
    assert await loading.load_file(hub_database, path) == Loaded("persons.csv", 3, 3, 0)
    believed = {row.integration for row in await persons.person(hub_database, person(1))}
    assert believed == {known(person(1), "17-1", 2, phase=1), known(person(1), "5-0", 100, "2015-01-01", "2019-12-31")}
    assert [row.integration for row in await persons.person(hub_database, person(2))] == [
        replaced(person(2), person(1))
    ]


async def test_loading_again_changes_nothing_and_a_correction_keeps_the_history(hub_database, written):
    first = written(f"{ONE},17,1,2,1,2020-01-01,,", f"{TWO},17,1,2,1,2020-01-01,,")
    await loading.load_file(hub_database, first)
    assert await loading.load_file(hub_database, first) == Loaded("persons.csv", 2, 0, 0)
    corrected = written(f"{ONE},17,1,2,1,2020-01-01,2024-06-30,")
    assert await loading.load_file(hub_database, corrected) == Loaded("persons.csv", 1, 0, 1)
    before, after = await persons.person(hub_database, person(1))
    assert (before.integration.period.end, before.known_to) == (None, after.known_from)
    assert str(after.integration.period.end) == "2024-06-30"
    (untouched,) = await persons.person(hub_database, person(2))
    assert untouched.known_to is None


async def test_a_dry_run_says_the_same_and_writes_nothing(hub_database, written, connection):
    path = written(f"{ONE},17,1,2,1,2020-01-01,,")
    assert await loading.load_file(hub_database, path, dry_run=True) == Loaded("persons.csv", 1, 1, 0)
    assert await rows(connection) == 0


WRONG = {
    "ssin": (f"{ONE[:-1]},17,1,2,1,2020-01-01,,", 2, "ssin"),
    "check number": (f"{ONE[:9]}{(int(ONE[9:]) % 97) + 1:02d},17,1,2,1,2020-01-01,,", 2, "ssin"),
    "sector": (f"{ONE},x,1,2,1,2020-01-01,,", 2, "sector"),
    "quality of another sector": (f"{ONE},17,1,101,1,2020-01-01,,", 2, "quality"),
    "phase": (f"{ONE},17,1,2,one,2020-01-01,,", 2, "phase"),
    "no such day": (f"{ONE},17,1,2,1,2020-02-30,,", 2, "from"),
    "turned round": (f"{ONE},17,1,2,1,2020-01-01,2019-01-01,", 2, "to"),
    "replaced without 999": (f"{ONE},17,1,2,1,2020-01-01,,{TWO}", 2, "replaced_by"),
    "too few columns": (f"{ONE},17,1,2,1,2020-01-01", 2, "line"),
}


@pytest.mark.parametrize("kind", WRONG)
async def test_a_wrong_line_is_told_with_line_and_column_and_nothing_is_loaded(hub_database, written, connection, kind):
    line, number, column = WRONG[kind]
    with pytest.raises(PersonsError) as caught:
        await loading.load_file(hub_database, written(line, f"{TWO},17,1,2,1,2020-01-01,,"))
    (told,) = caught.value.lines
    assert told.startswith(f"persons.csv:{number}: {column}: ")
    assert not any(digits in told for digits in (ONE, TWO, ONE[:9]))
    assert await rows(connection) == 0


async def test_all_errors_of_a_file_are_told_each_with_its_line(hub_database, written):
    good = f"{TWO},17,1,2,1,2020-01-01,,"
    path = written(
        good, "x,17,1,2,1,2020-01-01,,", good, f"{ONE},17,1,2,1,,,", "", '"', f"{THREE},17,1,2,1,2020-01-01,,", "y"
    )
    with pytest.raises(PersonsError) as caught:
        await loading.load_file(hub_database, path)
    assert [line.split(": ")[0] for line in caught.value.lines] == [f"persons.csv:{n}" for n in (3, 5, 7, 9)]


async def test_errors_are_listed_up_to_a_hundred(hub_database, written):
    with pytest.raises(PersonsError) as caught:
        await loading.load_file(hub_database, written(*["x,17,1,2,1,2020-01-01,,"] * 150))
    assert len(caught.value.lines) == 100


async def test_the_same_row_twice_is_one_and_a_contradiction_is_refused(hub_database, written, connection):
    line = f"{ONE},17,1,2,1,2020-01-01,,"
    assert await loading.load_file(hub_database, written(line, line)) == Loaded("persons.csv", 2, 1, 0)
    with pytest.raises(PersonsError) as caught:
        await loading.load_file(
            hub_database, written(f"{TWO},17,1,2,1,2020-01-01,,", line, f"{ONE},17,1,2,2,2020-01-01,,")
        )
    (told,) = caught.value.lines
    assert told.startswith("persons.csv:4: line: the same person, sector, type, quality and from as line 3")
    assert await rows(connection) == 1


@pytest.mark.parametrize("heading", ["", "ssin;sector", HEADING + ",member"])
async def test_another_heading_is_refused(hub_database, written, heading):
    with pytest.raises(PersonsError, match=r"persons\.csv:1: heading: write ssin,"):
        await loading.load_file(hub_database, written(f"{ONE},17,1,2,1,2020-01-01,,", heading=heading))


async def test_a_file_with_windows_line_ends_quotes_and_a_byte_order_mark_is_read(hub_database, tmp_path):
    path = tmp_path / "persons.csv"
    line = '"{}","17","1","2","1","2020-01-01","",""'
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([HEADING, line.format(ONE), line.format(TWO), ""]).encode())
    assert (await loading.load_file(hub_database, path)).new == 2


async def test_what_is_not_utf8_or_not_there_is_told(hub_database, tmp_path):
    path = tmp_path / "persons.csv"
    path.write_bytes(HEADING.encode() + b"\n\xff\xfe\n")
    with pytest.raises(PersonsError, match="UTF-8"):
        await loading.load_file(hub_database, path)
    with pytest.raises(PersonsError, match="cannot be read"):
        await loading.load_file(hub_database, tmp_path / "none.csv")
    path.write_bytes(b"")
    with pytest.raises(PersonsError, match="heading"):
        await loading.load_file(hub_database, path)


async def test_progress_is_told_while_it_goes_on(hub_database, written, monkeypatch):
    monkeypatch.setattr(loading, "PROGRESS_EVERY", 10)
    said = []
    path = written(*(f"{person(n).digits},17,1,2,1,2020-01-01,," for n in range(25)))
    await loading.load_file(hub_database, path, progress=said.append)
    assert said == [10, 20, 25]


async def test_one_row_is_integrated_once(hub_database):
    row = known(person(1), "17-1", 2)
    assert await loading.integrate(hub_database, row) is True
    assert await loading.integrate(hub_database, row) is False
    assert await loading.integrate(hub_database, known(person(1), "17-1", 2, phase=3)) is True
    assert len(await persons.person(hub_database, person(1))) == 2
