"""Rows of risks, and of what is anticipated with them."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from institutions.nsso import statements as office_statements
from institutions.nsso.attestation import Attestation
from institutions.nsso.risks import statements
from institutions.nsso.risks.risk import Anticipated, Risk
from schemas.declarations.dmfa import Record
from schemas.declarations.quarter import Quarter
from schemas.period import Period
from schemas.ssin import Ssin


def risk_of(row: Any) -> Risk:
    """Of a row of asyncpg's."""
    return Risk(
        row["ticket"],
        row["environment"],
        row["employer"],
        row["company"],
        Ssin.from_number(row["person"]),
        row["identification"],
        row["starts"],
        row["recovers"],
        tuple(row["forms"].split()),
        tuple(row["resumptions"].split()),
        row["cancelled"],
    )


async def keep(connection: Any, risk: Risk, ticket: str, clock: datetime) -> None:
    """A new version, made by the form with this ticket."""
    await connection.execute(statements.CLOSE_RISK, risk.ticket, clock)
    await connection.execute(
        statements.OPEN_RISK,
        risk.ticket,
        risk.environment,
        risk.employer,
        risk.company,
        risk.ssin.number,
        risk.identification,
        risk.starts,
        risk.recovers,
        " ".join(risk.forms),
        " ".join(risk.resumptions),
        risk.cancelled,
        ticket,
        clock,
    )


async def newest_by_number(connection: Any, ssins: Sequence[Ssin]) -> dict[Ssin, Ssin]:
    """Of those that were replaced, the number that stands today."""
    rows = await connection.fetch(office_statements.NEWEST, [one.number for one in ssins])
    return {Ssin.from_number(row["old"]): Ssin.from_number(row["newest"]) for row in rows}


async def newest_of(connection: Any, ssin: Ssin) -> Ssin:
    """The number that stands today."""
    row = await connection.fetchrow(office_statements.NEWEST, [ssin.number])
    return ssin if row is None else Ssin.from_number(row["newest"])


async def anticipate(
    connection: Any, risk: Risk, blocks: Sequence[Anticipated], ticket: str, clock: datetime
) -> list[Attestation]:
    """What was anticipated with this risk is this from now on, and nothing else."""
    await connection.execute(statements.CLOSE_ANTICIPATED, risk.ticket, clock)
    kept = []
    for one in blocks:
        assert one.quarter is not None  # noqa: S101 - of a form that anticipates
        written, records = written_of(one.quarter), json.dumps([record.row for record in one.records])
        await connection.execute(
            statements.OPEN_ANTICIPATED,
            risk.ticket,
            risk.environment,
            risk.employer,
            risk.company,
            risk.ssin.number,
            written,
            records,
            ticket,
            clock,
        )
        kept.append(Attestation(one.quarter, risk.employer, risk.company, "ANTICIPATED", 1, one.records))
    return kept


async def anticipated_of(connection: Any, ssin: Ssin, period: Period) -> list[Attestation]:
    """Of a person, in the quarters that a period touches: what no DmfA has told yet."""
    first = written_of(quarter_of(period.begin))
    last = None if period.end is None else written_of(quarter_of(period.end))
    rows = await connection.fetch(statements.ANTICIPATED, ssin.number, first, last)
    return [
        Attestation(
            Quarter.parse(row["quarter"]),
            row["employer"],
            row["company"],
            "ANTICIPATED",
            1,
            records_of(row["records"]),
        )
        for row in rows
    ]


async def anticipated_quarters(connection: Any, world: str, ssin: Ssin, employer: str) -> set[Quarter]:
    """Of which quarters something is anticipated of a worker at an employer (NSSO number)."""
    rows = await connection.fetch(statements.QUARTERS, world, ssin.number, employer)
    return {Quarter.parse(row["quarter"]) for row in rows}


async def anticipated_persons(connection: Any, world: str, employer: str, quarter: Quarter) -> set[Ssin]:
    """Of whom something is anticipated of an employer's (NSSO number) quarter."""
    rows = await connection.fetch(statements.ANTICIPATED_PERSONS, world, employer, written_of(quarter))
    return {Ssin.from_number(row["person"]) for row in rows}


async def no_more_anticipated(
    connection: Any, world: str, employer: str, quarter: Quarter, clock: datetime
) -> list[tuple[str, Ssin, tuple[Record, ...]]]:
    """What was anticipated of an employer's quarter is over: of which risks, of whom, what; by person."""
    rows = await connection.fetch(statements.END_ANTICIPATED, world, employer, written_of(quarter), clock)
    return [
        (row["risk"], Ssin.from_number(row["person"]), records_of(row["records"]))
        for row in sorted(rows, key=lambda row: (row["person"], row["id"]))
    ]


def records_of(written: str) -> tuple[Record, ...]:
    """Of the column `records`."""
    return tuple(map(Record.of_row, json.loads(written)))


def quarter_of(day: date) -> Quarter:
    """The one of a day."""
    return Quarter(day.year, (day.month + 2) // 3)


def written_of(quarter: Quarter) -> str:
    """`20264`; as text they are ordered as in time."""
    return f"{quarter.year:04}{quarter.number}"
