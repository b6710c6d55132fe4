"""A file of many integrations: the same rows as line by line, where it was cut too; and the file held against them."""

import asyncio
import csv
import os
import random
import secrets
import signal
import sys
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import pytest

from hub.migrations import migrate
from hub.repertory import bulk
from hub.repertory.bulk import BulkError, Refusal, load_file
from hub.repertory.files import parse
from hub.repertory.reconcile import reconcile
from hub.repertory.store import load_files
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.dossier import Line, Removal, register, unregister
from schemas.period import Period
from schemas.ssin import check_digits

PENSIONS, FAMILY, PCSW = Address(5, 0), Address(7, 0), Address(17, 1)
RULES = (
    '[[institution]]\naddress = "5-0"\ncbe = "0206738078"\nname = "5-0"\n'
    '[[institution]]\naddress = "7-0"\ncbe = "0206731645"\nname = "7-0"\n'
    '[[institution]]\naddress = "17-0"\ncbe = "0316380841"\nname = "17-0"\n'
    '[[institution]]\naddress = "17-1-0212344876"\ncbe = "0212344876"\nname = "a"\nmanaged_by = "17-0"\n'
) + "".join(
    f'[[authorisation]]\nid = "{customer}-{service}"\ncustomer = "{customer}"\nlegal_context = "TEST"\n{more}\n'
    f'qualities = {qualities}\nservice = "{service}"\nfrom = 2020-01-01\n'
    'deliberation = { number = "00/000", date = 2020-01-01 }\n'
    for customer, qualities, more in (
        ("5-0", "[10, 100]", ""), ("7-0", "[101]", "min_phase = 2"), ("17-1", "[1, 2]", ""),
    )
    for service in ("RegisterIntegration/1", "UnregisterIntegration/1")
)  # fmt: skip


@pytest.fixture(scope="module")
async def loaded(postgresql):
    name = f"test_{secrets.token_hex(6)}"
    url = await postgresql.create_database(name)
    await migrate(url)
    await load_files(url, [parse(RULES, "rules.toml")], Catalogue((shipped(),)))
    yield url
    await postgresql.drop_database(name)


@pytest.fixture
async def database(loaded):
    """The rules, and nobody known."""
    connection = await asyncpg.connect(loaded)
    await connection.execute("TRUNCATE person, bulk")
    await connection.close()
    return loaded


def number(index: int) -> str:
    nine = f"{60 + index // 28 // 900:02d}01{index // 900 % 28 + 1:02d}{index % 900 + 1:03d}"
    return nine + check_digits(nine, born_2000=False)


def write(path: Path, rows, heading: str = bulk.HEADING) -> Path:
    path.write_text("\n".join([heading, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


async def rows_of(url: str, kind: Address = PENSIONS) -> dict[str, set[tuple]]:
    connection = await asyncpg.connect(url)
    try:
        records = await connection.fetch(
            "SELECT ssin, quality, phase, valid_from, valid_to FROM person"
            " WHERE sector = $1 AND type = $2 AND known_to = 'infinity'",
            kind.sector, kind.type,
        )  # fmt: skip
    finally:
        await connection.close()
    found: dict[str, set[tuple]] = {}
    for ssin, *rest in records:
        found.setdefault(f"{ssin:011d}", set()).add(tuple(rest))
    return found


def drawn(seed: int, count: int, persons: int) -> list[tuple[str, int, object, str, str]]:
    """Lines of few persons, so that many of them overlap."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        begin = date(2020, 1, 1) + timedelta(days=chance.randrange(1_500))
        end = "" if chance.randrange(4) == 0 else (begin + timedelta(days=chance.randrange(300))).isoformat()
        phase = chance.choice(["", 1, 2])
        rows.append((number(chance.randrange(persons)), chance.choice([10, 100]), phase, begin.isoformat(), end))
    return rows


def oracle(rows) -> dict[str, set[tuple]]:
    """What registering them one after the other leaves."""
    known: dict[str, tuple[Line, ...]] = {}
    for ssin, quality, phase, begin, end in rows:
        line = Line(quality, None if phase == "" else phase, Period.parse(begin, end or None))
        known[ssin] = register(known.get(ssin, ()), line)
    return {
        ssin: {(one.quality, one.phase, one.period.begin, one.period.end) for one in lines}
        for ssin, lines in known.items()
    }


# --- loading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [7, 5_000])
async def test_a_file_leaves_the_rows_that_its_lines_leave_one_by_one(database, tmp_path, batch):
    rows = drawn(batch, 300, 40)
    done = await load_file(database, write(tmp_path / "many.csv", rows), PENSIONS, batch=batch)
    assert await rows_of(database) == oracle(rows)
    assert (done.progress.lines, done.progress.refused, done.progress.share) == (300, 0, 1.0)


async def test_taking_out_leaves_what_situation_6_leaves(database, tmp_path):
    rows, away = drawn(1, 200, 20), drawn(2, 60, 20)
    await load_file(database, write(tmp_path / "in.csv", rows), PENSIONS)
    await load_file(database, write(tmp_path / "out.csv", away), PENSIONS, what="unregister", batch=13)
    known = {
        ssin: tuple(Line(q, p, Period(b, e)) for q, p, b, e in sorted(lines, key=str))
        for ssin, lines in oracle(rows).items()
    }
    for ssin, quality, _, begin, end in away:
        known[ssin] = unregister(known.get(ssin, ()), Removal(6, quality, period=Period.parse(begin, end or None)))
    left = {
        ssin: {(one.quality, one.phase, one.period.begin, one.period.end) for one in lines}
        for ssin, lines in known.items()
        if lines
    }
    assert await rows_of(database) == left


async def test_refused_lines_are_reported_with_line_and_reason_and_the_others_are_done(database, tmp_path):
    good = (number(1), 10, "", "2024-01-01", "")
    path = write(
        tmp_path / "some.csv",
        [
            good,
            (number(2)[:9] + "00", 10, "", "2024-01-01", ""),
            ("1234", 10, "", "2024-01-01", ""),
            (number(3), 30, "", "2024-01-01", ""),
            (number(3), 999, "", "2024-01-01", ""),
            (number(3), 10, "x", "2024-01-01", ""),
            (number(3), 10, "", "2024-02-30", ""),
            (number(3), 10, "", "2024-02-01", "2024-01-31"),
            (number(3), 10, ""),
            (f'"{number(3)}"', 10, "", "2024-01-01", ""),
            ("",),
            (number(4), 100, 3, "2024-01-01", "2024-12-31"),
        ],
    )
    done = await load_file(database, path, PENSIONS, batch=3)
    report = list(csv.reader(done.report.read_text().splitlines()))
    assert [(row[0], row[1]) for row in report[1:]] == [
        ("3", "ssin"), ("4", "ssin"), ("5", "quality"), ("6", "quality"), ("7", "phase"), ("8", "from"), ("9", "to"),
        ("10", "line"), ("11", "ssin"),
    ]  # fmt: skip
    assert report[0] == ["line", "column", "reason"]
    assert (done.progress.lines, done.progress.refused) == (12, 9)
    assert set(await rows_of(database)) == {number(1), number(4)}
    for digits in (number(2)[:9], number(3)):
        assert digits not in done.report.read_text()


async def test_limits_phases_and_replaced_numbers_are_kept(database, tmp_path):
    family = await load_file(
        database, write(tmp_path / "7.csv", [(number(1), 101, p, "2024-01-01", "") for p in ("", 1, 2)]), FAMILY
    )
    assert family.progress.refused == 2
    pcsw = write(
        tmp_path / "17.csv",
        [(number(1), 1, "", "2026-01-15", end) for end in ("", "2026-03-15", "2026-03-14")],
    )
    assert (await load_file(database, pcsw, PCSW)).progress.refused == 2
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO person (ssin, replaced_by, sector, type, quality, valid_from, known_from)"
        " VALUES ($1, $2, 0, 0, 999, '2020-01-01', now())", int(number(2)), int(number(3)),
    )  # fmt: skip
    await connection.close()
    done = await load_file(
        database, write(tmp_path / "5.csv", [(number(n), 10, "", "2024-01-01", "") for n in (2, 3)]), PENSIONS
    )
    assert list(await rows_of(database)) == [number(3)]
    assert done.report.read_text().splitlines()[1:] == ["2,ssin,was replaced by another number"]


@pytest.mark.parametrize(
    ("kind", "heading", "told"),
    [
        (PENSIONS, "ssin,sector,type,quality,phase,from,to,replaced_by", "heading: write ssin,quality,phase,from,to"),
        (Address(6, 0), bulk.HEADING, "no authorisation"),
        (Address(17, 1, "0212344876"), bulk.HEADING, "17-1"),
    ],
)
async def test_a_file_that_cannot_be_begun_with_is_refused_whole(database, tmp_path, kind, heading, told):
    with pytest.raises(BulkError, match=told):
        await load_file(database, write(tmp_path / "x.csv", drawn(1, 3, 3), heading), kind)
    with pytest.raises(BulkError, match="cannot be read"):
        await load_file(database, tmp_path / "nowhere.csv", PENSIONS)


async def test_a_file_that_is_done_does_nothing_more_unless_it_is_wanted(database, tmp_path):
    path = write(tmp_path / "many.csv", drawn(3, 50, 10))
    first = await load_file(database, path, PENSIONS)
    again = await load_file(database, path, PENSIONS)
    assert (again.progress, again.resumed) == (first.progress, 50)
    anew = await load_file(database, path, PENSIONS, again=True)
    assert (anew.resumed, anew.progress.lines) == (0, 50)


async def test_progress_is_told_of_what_is_committed(database, tmp_path):
    seen = []
    rows = drawn(4, 100, 100)
    await load_file(database, write(tmp_path / "many.csv", rows), PENSIONS, batch=10, progress=seen.append)
    assert [one.lines for one in seen] == list(range(10, 101, 10))
    assert seen[-1].share == 1.0


async def test_the_report_is_cut_back_to_what_was_committed(database, tmp_path, monkeypatch):
    """As when it is killed between the report and the commit."""
    rows = [(number(n), 30 if n % 3 == 0 else 10, "", "2024-01-01", "") for n in range(60)]
    path = write(tmp_path / "many.csv", rows)
    count = 0

    class Cut(Exception):
        pass

    write_lines = bulk.lines.write

    async def cut_at_the_fourth(*given):
        nonlocal count
        count += 1
        if count == 4:
            done = await write_lines(*given)
            with (tmp_path / "many.csv.refused.csv").open("a") as report:
                report.write("half a li")
            raise Cut(done)
        return await write_lines(*given)

    monkeypatch.setattr(bulk.lines, "write", cut_at_the_fourth)
    with pytest.raises(Cut):
        await load_file(database, path, PENSIONS, batch=10)
    done = await load_file(database, path, PENSIONS, batch=10)
    assert done.resumed == 30
    refused = [int(line.split(",")[0]) for line in done.report.read_text().splitlines()[1:]]
    assert refused == [n + 2 for n in range(60) if n % 3 == 0]
    assert set(await rows_of(database)) == {number(n) for n in range(60) if n % 3}


_CHILD = """
import asyncio, sys
from pathlib import Path
from hub.repertory.bulk import load_file
from schemas.address import Address
def tell(progress):
    print(progress.lines, flush=True)
asyncio.run(load_file(sys.argv[1], Path(sys.argv[2]), Address(5, 0), batch=200, progress=tell))
"""


async def test_kill_9_and_again_leaves_the_rows_of_an_uncut_run(database, tmp_path):
    rows = drawn(5, 4_000, 900)
    for place in range(0, 4_000, 97):
        rows[place] = (number(1), 30, "", "2024-01-01", "")
    path = write(tmp_path / "many.csv", rows)
    kills = 0
    while True:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CHILD, database, str(path), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        await child.stdout.readline()
        if kills == 2:
            await child.communicate()
            break
        await child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        kills += 1
    good = [row for row in rows if row[1] != 30]
    assert await rows_of(database) == oracle(good)
    report = (tmp_path / "many.csv.refused.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in report[1:]] == [n + 2 for n in range(0, 4_000, 97)]


async def test_a_load_and_registrations_at_once_lose_nothing(database, tmp_path):
    """A load takes the table's lock a transaction at a time: a change of one person waits for it and is kept."""
    rows = [(number(n), 10, "", "2024-01-01", "2024-06-30") for n in range(400)]
    path = write(tmp_path / "many.csv", rows)
    from hub.repertory.loading import integrate
    from schemas.integration import Integration
    from schemas.ssin import Ssin

    begun = asyncio.Event()
    loading = asyncio.create_task(load_file(database, path, PENSIONS, batch=20, progress=lambda _: begun.set()))
    await begun.wait()
    for n in range(0, 400, 40):
        row = Integration(Ssin.parse(number(n)), PENSIONS, 100, None, Period(date(2020, 1, 1), None))
        assert await integrate(database, row)
    await loading
    found = await rows_of(database)
    assert all(len(found[number(n)]) == (2 if n % 40 == 0 else 1) for n in range(400))


def test_what_an_institution_may_register_has_the_lowest_phase_of_its_authorisations():
    rights = bulk.Allowed(7, {101: 2, 102: None})
    assert rights.refusal(Line(101, 2, Period(date(2024, 1, 1), None))) is None
    assert rights.refusal(Line(102, None, Period(date(2024, 1, 1), None))) is None
    assert isinstance(rights.refusal(Line(101, 1, Period(date(2024, 1, 1), None))), Refusal)


# --- reconciliation ---------------------------------------------------------------------------------------------------


def differences(path: Path) -> set[tuple[str, ...]]:
    return {tuple(row) for row in list(csv.reader(path.read_text().splitlines()))[1:]}


async def test_every_planted_difference_is_found_and_nothing_else(database, tmp_path):
    rows = [(number(n), 10, 1, "2024-01-01", "2024-12-31") for n in range(300)]
    rows += [(number(n), 100, "", "2020-01-01", "") for n in range(100)]
    await load_file(database, write(tmp_path / "in.csv", rows), PENSIONS)
    own = dict.fromkeys(rows)
    planted = set()
    del own[(number(5), 10, 1, "2024-01-01", "2024-12-31")]
    planted.add(("surplus", number(5), "10", "1", "2024-01-01", "2024-12-31"))
    own[(number(900), 10, "", "2025-01-01", "")] = None
    planted.add(("missing", number(900), "10", "", "2025-01-01", ""))
    del own[(number(7), 10, 1, "2024-01-01", "2024-12-31")]
    own[(number(7), 10, 2, "2024-01-01", "2024-06-30")] = None
    planted |= {
        ("phase", number(7), "10", "2", "2024-01-01", "2024-06-30"),
        ("surplus", number(7), "10", "1", "2024-07-01", "2024-12-31"),
    }
    del own[(number(9), 100, "", "2020-01-01", "")]
    own[(number(9), 100, "", "2019-12-31", "2030-12-31")] = None
    planted |= {
        ("missing", number(9), "100", "", "2019-12-31", "2019-12-31"),
        ("surplus", number(9), "100", "", "2031-01-01", ""),
    }
    # The same days in two lines are no difference.
    del own[(number(11), 10, 1, "2024-01-01", "2024-12-31")]
    own[(number(11), 10, 1, "2024-07-01", "2024-12-31")] = None
    own[(number(11), 10, 1, "2024-01-01", "2024-06-30")] = None
    shuffled = list(own)
    random.Random(6).shuffle(shuffled)
    path = write(tmp_path / "own.csv", shuffled)
    found = await reconcile(database, path, PENSIONS)
    assert differences(found.report) == planted
    assert (found.differing, found.opened, found.closed) == (4, 0, 0)
    assert found.found == {"missing": 2, "surplus": 3, "phase": 1}
    assert found.report.stat().st_mode & 0o077 == 0
    repaired = await reconcile(database, path, PENSIONS, repair=True)
    assert differences(repaired.report) == planted
    after = await reconcile(database, path, PENSIONS)
    assert (after.differing, differences(after.report)) == (0, set())


@pytest.mark.parametrize("seed", range(2))
async def test_random_files_are_told_apart_as_days_are_and_repaired(database, tmp_path, seed):
    first, second = drawn(seed, 250, 60), drawn(seed + 50, 250, 60)
    await load_file(database, write(tmp_path / "in.csv", first), PENSIONS)
    # Of one line a quality and person, since a whole file says each day once.
    once = list({row[:2]: row for row in second}.values())
    path = write(tmp_path / "own.csv", once)
    found = await reconcile(database, path, PENSIONS)
    there, wanted = _days(oracle(first)), _days(oracle(once))
    told: dict[str, set] = {"missing": set(), "surplus": set(), "phase": set()}
    for kind, ssin, quality, _, begin, end in differences(found.report):
        told[kind] |= {(ssin, int(quality), day) for day in _range(begin, end)}
    assert told["missing"] == wanted.keys() - there.keys()
    assert told["surplus"] == there.keys() - wanted.keys()
    assert told["phase"] == {key for key in there.keys() & wanted.keys() if there[key] != wanted[key]}
    await reconcile(database, path, PENSIONS, repair=True)
    assert await rows_of(database) == oracle(once)


def _range(begin: str, end: str) -> list[int]:
    last = date.fromisoformat(end).toordinal() if end else date(2026, 1, 1).toordinal()
    return list(range(date.fromisoformat(begin).toordinal(), last + 1))


def _days(known: dict[str, set[tuple]]) -> dict[tuple[str, int, int], int | None]:
    return {
        (ssin, quality, day): phase
        for ssin, lines in known.items()
        for quality, phase, begin, end in lines
        for day in _range(begin.isoformat(), end.isoformat() if end else "")
    }


async def test_a_repair_touches_own_rows_of_authorised_qualities_alone(database, tmp_path):
    connection = await asyncpg.connect(database)
    rows = [
        (int(number(1)), 5, 0, 30, date(2020, 1, 1)),
        (int(number(1)), 5, 0, 10, date(2020, 1, 1)),
        (int(number(1)), 7, 0, 101, date(2020, 1, 1)),
        (int(number(2)), 7, 0, 101, date(2020, 1, 1)),
    ]
    await connection.executemany(
        "INSERT INTO person (ssin, sector, type, quality, valid_from, known_from) VALUES ($1, $2, $3, $4, $5, now())",
        rows,
    )
    await connection.close()
    found = await reconcile(database, write(tmp_path / "own.csv", []), PENSIONS, repair=True)
    assert differences(found.report) == {("surplus", number(1), "10", "", "2020-01-01", "")}
    assert await rows_of(database) == {number(1): {(30, None, date(2020, 1, 1), None)}}
    assert set(await rows_of(database, FAMILY)) == {number(1), number(2)}


async def test_a_file_with_a_wrong_line_is_compared_with_nothing(database, tmp_path):
    await load_file(database, write(tmp_path / "in.csv", drawn(8, 20, 20)), PENSIONS)
    before = await rows_of(database)
    path = write(tmp_path / "own.csv", [(number(1), 10, "", "2024-01-01", ""), (number(1), 30, "", "2024-01-01", "")])
    with pytest.raises(BulkError, match=r"own.csv:3: quality: is none") as error:
        await reconcile(database, path, PENSIONS, repair=True)
    assert number(1) not in str(error.value)
    assert await rows_of(database) == before
