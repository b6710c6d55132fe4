"""Rows of risks, and of what is anticipated with them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from institutions.nsso import dmfa_store as store
from institutions.nsso import risk_statements as statements
from institutions.nsso.dmfa_store import Attested
from institutions.nsso.risk import Anticipated, Risk
from schemas.declarations.quarter import Quarter
from schemas.employer import NssoNumber
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


async def anticipate(
    connection: Any, risk: Risk, blocks: Sequence[Anticipated], sender: str, clock: datetime
) -> list[Attested]:
    """What was anticipated with this risk is this from now on, and nothing else. Under the quarters' locks."""
    await connection.execute(statements.NOT_ANTICIPATED, risk.ticket, clock)
    employer, kept = NssoNumber(risk.employer), []
    for one in blocks:
        assert one.quarter is not None  # noqa: S101 - of a form that anticipates
        await store.anticipate(
            connection,
            risk.environment,
            employer,
            risk.company,
            one.quarter,
            risk.ssin,
            one.records,
            sender,
            risk.ticket,
            clock,
        )
        kept.append(Attested(one.quarter, employer, risk.company, "ANTICIPATED", 1, one.records))
    return kept


async def anticipated_quarters(connection: Any, world: str, ssin: Ssin, employer: NssoNumber) -> set[Quarter]:
    """Of which quarters something is anticipated of a worker at an employer."""
    rows = await connection.fetch(statements.QUARTERS, world, ssin.number, employer.digits)
    return {Quarter.parse(str(row["quarter"])) for row in rows}
