"""DmfAs in the NSSO's database: kept in all their versions, read as they are, or as they were known at a moment.

`docs/declarations.md`, "DmfA". Every function works within its caller's transaction.
"""

import json
import secrets
from asyncio import to_thread
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from institutions.nsso.dmfa.kept import (
    KeptDmfa,
    KeptOccupation,
    KeptPerson,
    KeptRecord,
    KeptUnrelated,
    KeptVehicle,
)
from schemas.declarations.dmfa import Declaration, Occupation, Person, Record, Unrelated, Vehicle
from schemas.declarations.quarter import Quarter
from schemas.employer import NssoNumber
from schemas.period import Period
from schemas.ssin import Ssin

#: What NaturalPersonPIDs are drawn from (zone 00549); what is counted, `dmfa_number`, is below.
_DRAWN = range(50_000_000_000, 100_000_000_000)
_KNOWN = "known_from <= $2 AND (known_to IS NULL OR known_to > $2)"
_CURRENT = "known_to IS NULL AND ($2::timestamptz IS NULL)"

_NUMBERS = "SELECT array(SELECT nextval('dmfa_number') FROM generate_series(1, $1::integer))"
_BY_QUARTER = """
SELECT pid FROM dmfa WHERE environment = $1 AND employer = $2 AND quarter = $3 ORDER BY version DESC LIMIT 1
"""
_DMFA = "SELECT * FROM dmfa WHERE pid = $1 AND {}"
_PERSONS = "SELECT * FROM dmfa_person WHERE dmfa = $1 AND {} ORDER BY (content->>'sequence')::integer, pid"
_RECORDS = "SELECT * FROM dmfa_record WHERE dmfa = $1 AND {} ORDER BY id"
_OCCUPATIONS = "SELECT * FROM dmfa_occupation WHERE dmfa = $1 AND {} ORDER BY number"
_OTHERS = "SELECT * FROM dmfa_other WHERE dmfa = $1 AND {} ORDER BY kind, length(key), key"
#: Whether a person's PID ($1) is, or was, of a declaration of an employer ($3) and world ($2) other than this ($4).
_WHOSE = """
SELECT EXISTS (
    SELECT FROM dmfa_person p JOIN dmfa d ON d.pid = p.dmfa
    WHERE p.pid = $1 AND d.environment = $2 AND d.employer = $3 AND d.pid <> $4
)
"""
_HIGHEST_RECORDS = """
SELECT person, employer_class, worker_code, max(version) AS version FROM dmfa_record
WHERE dmfa = $1 AND person = ANY ($2)
GROUP BY person, employer_class, worker_code
"""
#: By what the record was called when it had the occupation, or later.
_HIGHEST_OCCUPATIONS = """
SELECT r.person, r.employer_class, r.worker_code, o.number, max(o.version) AS version
FROM (
    SELECT DISTINCT id, person, employer_class, worker_code FROM dmfa_record WHERE dmfa = $1 AND person = ANY ($2)
) r JOIN dmfa_occupation o ON o.record = r.id
GROUP BY r.person, r.employer_class, r.worker_code, o.number
"""
_HIGHEST_OTHERS = "SELECT kind, key, max(version) AS version FROM dmfa_other WHERE dmfa = $1 GROUP BY kind, key"

#: Of persons ($2), by their own number, else by one that is the same person's.
_NATURALS = """
WITH asked AS (
    SELECT a.ssin, coalesce(r.newest, a.ssin) AS newest FROM unnest($2::bigint[]) AS a (ssin)
    LEFT JOIN replaced_number r ON r.old = a.ssin
), same AS (
    SELECT ssin AS asked, ssin FROM asked
    UNION SELECT ssin, newest FROM asked
    UNION SELECT a.ssin, r.old FROM asked a JOIN replaced_number r ON r.newest = a.newest
)
SELECT DISTINCT ON (same.asked) same.asked AS ssin, n.pid FROM same
JOIN dmfa_natural_person n ON n.environment = $1 AND n.ssin = same.ssin
ORDER BY same.asked, n.ssin <> same.asked, n.pid
"""
#: Sorted, so that two declarations of the same new persons never wait for each other crosswise.
_NEW_NATURALS = """
INSERT INTO dmfa_natural_person (environment, ssin, pid)
SELECT $1, ssin, pid FROM unnest($2::bigint[], $3::bigint[]) AS new (ssin, pid) ORDER BY ssin
ON CONFLICT DO NOTHING
"""

_CLOSE_DMFA = "UPDATE dmfa SET known_to = $2 WHERE pid = $1 AND known_to IS NULL"
_CLOSE_PERSONS = "UPDATE dmfa_person SET known_to = $2 WHERE pid = ANY ($1) AND known_to IS NULL"
_CLOSE_RECORDS = "UPDATE dmfa_record SET known_to = $2 WHERE id = ANY ($1) AND known_to IS NULL"
_CLOSE_OCCUPATIONS = """
UPDATE dmfa_occupation o SET known_to = $3 FROM unnest($1::bigint[], $2::integer[]) AS gone (record, number)
WHERE o.record = gone.record AND o.number = gone.number AND o.known_to IS NULL
"""
_CLOSE_OTHERS = """
UPDATE dmfa_other o SET known_to = $4 FROM unnest($2::text[], $3::text[]) AS gone (kind, key)
WHERE o.dmfa = $1 AND o.kind = gone.kind AND o.key = gone.key AND o.known_to IS NULL
"""

#: A person's ($1) current quarters ($3 to $4) in a world ($2), also those that were declared under a number before.
_DECLARED = """
SELECT d.quarter, d.employer, d.company, p.pid, p.version FROM dmfa_person p
JOIN dmfa d ON d.pid = p.dmfa AND d.known_to IS NULL
WHERE p.ssin IN (SELECT $1 UNION SELECT old FROM replaced_number WHERE newest = $1)
  AND p.known_to IS NULL AND d.environment = $2 AND d.quarter BETWEEN $3 AND $4
"""
_RECORDS_OF = "SELECT * FROM dmfa_record WHERE person = ANY ($1) AND known_to IS NULL ORDER BY id"
_OCCUPATIONS_OF = "SELECT * FROM dmfa_occupation WHERE record = ANY ($1) AND known_to IS NULL ORDER BY number"
#: Of which quarters ($3) an employer ($2) has declared, in a world ($1).
_QUARTERS = """
SELECT quarter FROM dmfa WHERE environment = $1 AND employer = $2 AND quarter = ANY ($3) AND known_to IS NULL
"""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "dmfa_person": ("pid", "version", "dmfa", "natural_person", "ssin", "content", "known_from"),
    "dmfa_record": ("id", "version", "dmfa", "person", "employer_class", "worker_code", "content", "known_from"),
    "dmfa_occupation": ("record", "number", "version", "dmfa", "content", "known_from"),
    "dmfa_other": ("dmfa", "kind", "key", "version", "content", "known_from"),
}
_DMFA_COLUMNS = (
    "pid",
    "environment",
    "employer",
    "company",
    "quarter",
    "content",
    "sender",
    "ticket",
    "known_from",
)


def written(quarter: Quarter) -> int:
    """As declarations write it, 20263."""
    return quarter.year * 10 + quarter.number


def _quarter(number: int) -> Quarter:
    return Quarter(number // 10, number % 10)


# --- reading ------------------------------------------------------------------------------------------------------


async def of_quarter(
    connection: Any, world: str, employer: NssoNumber, quarter: Quarter, at: datetime | None = None
) -> KeptDmfa | None:
    """An employer's quarter, as `of_pid`."""
    pid = await pid_of(connection, world, employer, quarter)
    return None if pid is None else await of_pid(connection, pid, at)


async def pid_of(connection: Any, world: str, employer: NssoNumber, quarter: Quarter) -> int | None:
    """The EmployerDeclarationPID of an employer's quarter, where there is one."""
    pid: int | None = await connection.fetchval(_BY_QUARTER, world, employer.digits, written(quarter))
    return pid


async def of_pid(connection: Any, pid: int, at: datetime | None = None) -> KeptDmfa | None:
    """A declaration as it is, or as it was known at a moment; None: it is not there, or was not yet."""
    known = _CURRENT if at is None else _KNOWN

    async def rows(statement: str) -> Sequence[Any]:
        found: Sequence[Any] = await connection.fetch(statement.format(known), pid, at)
        return found

    heads = await rows(_DMFA)
    if not heads:
        return None
    parts = [await rows(statement) for statement in (_PERSONS, _RECORDS, _OCCUPATIONS, _OTHERS)]
    return await to_thread(_kept, heads[0], *parts)


def _kept(
    head: Any, persons: Sequence[Any], records: Sequence[Any], occupations: Sequence[Any], others: Sequence[Any]
) -> KeptDmfa:
    works: dict[int, list[KeptOccupation]] = defaultdict(list)
    for row in occupations:
        works[row["record"]].append(_occupation(row))
    lines: dict[int, list[KeptRecord]] = defaultdict(list)
    for row in records:
        lines[row["person"]].append(_record(row, works[row["id"]]))
    return KeptDmfa(
        head["pid"],
        head["environment"],
        NssoNumber(head["employer"]),
        head["company"],
        head["sender"],
        head["ticket"],
        Declaration.of_row(json.loads(head["content"])),
        head["known_from"],
        tuple(
            KeptPerson(
                row["pid"],
                row["version"],
                row["natural_person"],
                Person.of_row(json.loads(row["content"])),
                tuple(lines[row["pid"]]),
            )
            for row in persons
        ),
        tuple(
            KeptUnrelated(row["version"], Unrelated.of_row(json.loads(row["content"])))
            for row in others
            if row["kind"] == "unrelated"
        ),
        tuple(
            KeptVehicle(row["version"], Vehicle.of_row(json.loads(row["content"])))
            for row in others
            if row["kind"] == "vehicle"
        ),
    )


@dataclass(frozen=True, slots=True)
class Highest:
    """Versions that were given out, whatever became of what they were of: no version comes twice."""

    #: By DeclNaturalPersonPID, employer class, worker code.
    records: Mapping[tuple[int, str, str], int] = field(default_factory=dict)
    #: The same, and OccupationSequenceNbr.
    occupations: Mapping[tuple[int, str, str, int], int] = field(default_factory=dict)
    #: By kind and key (`key_of_unrelated`, `key_of_vehicle`).
    others: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def record(self, person: int, key: tuple[str, str]) -> int:
        """0: there never was one."""
        return self.records.get((person, *key), 0)

    def occupation(self, person: int, key: tuple[str, str], number: int) -> int:
        return self.occupations.get((person, *key, number), 0)

    def unrelated(self, one: Unrelated) -> int:
        return self.others.get(("unrelated", key_of_unrelated(one)), 0)

    def vehicle(self, one: Vehicle) -> int:
        return self.others.get(("vehicle", key_of_vehicle(one)), 0)


async def highest(connection: Any, pid: int, persons: Sequence[int]) -> Highest:
    """Of the records of these persons (DeclNaturalPersonPID), and of what is nobody's, in a declaration."""
    records = await connection.fetch(_HIGHEST_RECORDS, pid, persons)
    occupations = await connection.fetch(_HIGHEST_OCCUPATIONS, pid, persons)
    others = await connection.fetch(_HIGHEST_OTHERS, pid)
    return Highest(
        {(row["person"], row["employer_class"], row["worker_code"]): row["version"] for row in records},
        {
            (row["person"], row["employer_class"], row["worker_code"], row["number"]): row["version"]
            for row in occupations
        },
        {(row["kind"], row["key"]): row["version"] for row in others},
    )


async def is_elsewhere(connection: Any, person: int, dmfa: KeptDmfa) -> bool:
    """Whether a DeclNaturalPersonPID is, or was, of another declaration of the same employer."""
    found: bool = await connection.fetchval(_WHOSE, person, dmfa.world, dmfa.employer.digits, dmfa.pid)
    return found


async def naturals(connection: Any, world: str, persons: Iterable[Ssin]) -> dict[str, int]:
    """NaturalPersonPID by INSS, of those that have one."""
    rows = await connection.fetch(_NATURALS, world, sorted({one.number for one in persons}))
    return {Ssin.from_number(row["ssin"]).digits: row["pid"] for row in rows}


# --- writing ------------------------------------------------------------------------------------------------------


async def numbers(connection: Any, count: int) -> Iterator[int]:
    """So many that were never given out: of declarations, persons in them, records."""
    return iter(await connection.fetchval(_NUMBERS, count))


async def given(connection: Any, world: str, persons: Iterable[Ssin]) -> dict[str, int]:
    """NaturalPersonPID by INSS; who has none is given one."""
    asked = set(persons)
    found = await naturals(connection, world, asked)
    while missing := sorted(one.number for one in asked if one.digits not in found):
        drawn = [secrets.choice(_DRAWN) for _ in missing]
        # One that is somebody's already is drawn again.
        await connection.execute(_NEW_NATURALS, world, missing, drawn)
        found = await naturals(connection, world, asked)
    return found


async def write(connection: Any, before: KeptDmfa | None, after: KeptDmfa, clock: datetime) -> None:
    """From `clock` on it is so: the blocks whose versions are others than before, or that are gone, are closed, and
    those with other versions are opened. A block of the same version is the same."""
    if before is not None:
        await connection.execute(_CLOSE_DMFA, before.pid, clock)
    await connection.copy_records_to_table("dmfa", records=[(*_dmfa_row(after), clock)], columns=_DMFA_COLUMNS)
    old, new = await to_thread(_Rows, before), await to_thread(_Rows, after)
    gone = {table: _gone(old.by[table], new.by[table]) for table in _COLUMNS}
    if keys := gone["dmfa_person"]:
        await connection.execute(_CLOSE_PERSONS, [key[0] for key in keys], clock)
    if keys := gone["dmfa_record"]:
        await connection.execute(_CLOSE_RECORDS, [key[0] for key in keys], clock)
    if keys := gone["dmfa_occupation"]:
        await connection.execute(_CLOSE_OCCUPATIONS, [key[0] for key in keys], [key[1] for key in keys], clock)
    if keys := gone["dmfa_other"]:
        await connection.execute(_CLOSE_OTHERS, after.pid, [key[0] for key in keys], [key[1] for key in keys], clock)
    for table, columns in _COLUMNS.items():
        opened = [
            (*row, clock)
            for key, (version, row) in new.by[table].items()
            if key not in old.by[table] or old.by[table][key][0] != version
        ]
        if opened:
            await connection.copy_records_to_table(table, records=opened, columns=columns)


def _gone(old: "_Versions", new: "_Versions") -> list[tuple[Any, ...]]:
    return [key for key, (version, _) in old.items() if key not in new or new[key][0] != version]


#: By a block's key, its version and its row without `known_from`.
_Versions = dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]]


class _Rows:
    """Blocks by table."""

    def __init__(self, dmfa: KeptDmfa | None) -> None:
        self.by: Mapping[str, _Versions] = {table: {} for table in _COLUMNS}
        if dmfa is None:
            return
        for person in dmfa.persons:
            self._person(dmfa.pid, person)
        for one in dmfa.unrelated:
            self._other(dmfa.pid, "unrelated", key_of_unrelated(one.said), one.version, one.said.row)
        for each in dmfa.vehicles:
            self._other(dmfa.pid, "vehicle", key_of_vehicle(each.said), each.version, each.said.row)

    def _person(self, dmfa: int, person: KeptPerson) -> None:
        ssin = person.said.ssin
        self.by["dmfa_person"][person.pid,] = (
            person.version,
            (
                person.pid,
                person.version,
                dmfa,
                person.natural,
                None if ssin is None else ssin.number,
                json.dumps(person.said.row),
            ),
        )
        for record in person.records:
            self.by["dmfa_record"][record.id,] = (
                record.version,
                (record.id, record.version, dmfa, person.pid, *record.key, json.dumps(record.said.row)),
            )
            for one in record.occupations:
                self.by["dmfa_occupation"][record.id, one.said.sequence] = (
                    one.version,
                    (record.id, one.said.sequence, one.version, dmfa, json.dumps(one.said.row)),
                )

    def _other(self, dmfa: int, kind: str, key: str, version: int, row: Mapping[str, Any]) -> None:
        self.by["dmfa_other"][kind, key] = (version, (dmfa, kind, key, version, json.dumps(row)))


def key_of_unrelated(unrelated: Unrelated) -> str:
    """Its key in `Highest.others`."""
    return " ".join(unrelated.key)


def key_of_vehicle(vehicle: Vehicle) -> str:
    """As `key_of_unrelated`."""
    return str(vehicle.sequence)


def _dmfa_row(dmfa: KeptDmfa) -> tuple[Any, ...]:
    return (
        dmfa.pid,
        dmfa.world,
        dmfa.employer.digits,
        dmfa.company,
        written(dmfa.said.quarter),
        json.dumps(dmfa.said.row),
        dmfa.sender,
        dmfa.ticket,
    )


# --- what is attested ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attested:
    """A person's quarter at an employer, as it was declared."""

    quarter: Quarter
    employer: NssoNumber
    #: Digits of the enterprise number.
    company: str | None
    #: Of the person in the declaration.
    version: int
    #: With their occupations.
    records: tuple[Record, ...] = field(repr=False)


async def quarters_of(connection: Any, ssin: Ssin, period: Period, world: str = "R") -> list[Attested]:
    """What is declared, by what is known today, of the quarters that a period touches, by quarter and employer."""
    first, last = _touched(period)
    declared = await connection.fetch(_DECLARED, ssin.number, world, first, last)
    rows = await connection.fetch(_RECORDS_OF, [row["pid"] for row in declared])
    occupations: dict[int, list[KeptOccupation]] = defaultdict(list)
    for row in await connection.fetch(_OCCUPATIONS_OF, [row["id"] for row in rows]):
        occupations[row["record"]].append(_occupation(row))
    records: dict[int, list[Record]] = defaultdict(list)
    for row in rows:
        records[row["person"]].append(_record(row, occupations[row["id"]]).whole)
    found = (
        Attested(
            _quarter(row["quarter"]),
            NssoNumber(row["employer"]),
            row["company"],
            row["version"],
            tuple(records[row["pid"]]),
        )
        for row in declared
    )
    return sorted(found, key=lambda one: (one.quarter, one.employer))


async def declared_of(connection: Any, world: str, employer: str, quarters: Iterable[Quarter]) -> frozenset[Quarter]:
    """Of which of these quarters an employer (NSSO number) has a DmfA."""
    rows = await connection.fetch(_QUARTERS, world, employer, [written(one) for one in quarters])
    return frozenset(_quarter(row["quarter"]) for row in rows)


def _touched(period: Period) -> tuple[int, int]:
    begin = period.begin.year * 10 + (period.begin.month + 2) // 3
    end = period.end
    return begin, 99994 if end is None else end.year * 10 + (end.month + 2) // 3


def _occupation(row: Any) -> KeptOccupation:
    return KeptOccupation(row["version"], Occupation.of_row(json.loads(row["content"])))


def _record(row: Any, occupations: Sequence[KeptOccupation]) -> KeptRecord:
    return KeptRecord(row["id"], row["version"], Record.of_row(json.loads(row["content"])), tuple(occupations))
