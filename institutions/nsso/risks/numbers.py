"""A number is replaced: risks move with it, and what was refused under it is told anew. docs/declarations.md."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from institutions.nsso import statements as office_statements
from institutions.nsso.risks import statements
from institutions.nsso.risks.rows import keep, risk_of
from institutions.nsso.risks.telling import CONTEXT, INSURERS, TELLS
from institutions.outbox import Outbox
from institutions.publishing import entry
from schemas.address import Address
from schemas.message import day_at, find_all, read_mutation
from schemas.parser import parse
from schemas.period import Period
from schemas.service import Service
from schemas.ssin import Ssin

_REPLACED = "MSG00006"


class RiskNumbers:
    """`moved` is one of `persons.Moves`."""

    def __init__(self, outbox: Outbox, owner: Address, service: Service) -> None:
        self._outbox, self._owner, self._service = outbox, owner, service

    async def moved(self, connection: Any, old: Ssin, new: Ssin, clock: datetime) -> None:
        """Within the transaction, with both numbers locked. Told twice, it does nothing."""
        for row in await connection.fetch(statements.RISKS_OF, old.number):
            risk = risk_of(row)
            await keep(connection, replace(risk, ssin=new), risk.forms[-1], clock)
        await connection.execute(statements.MOVE_ANTICIPATED, old.number, new.number, clock)
        for row in await connection.fetch(office_statements.UNTOLD_OF, TELLS, old.digits, _REPLACED):
            if await connection.fetchval(office_statements.TOLD_AGAIN, row["number"]) is not None:
                number = await self._again(connection, row["body"], new)
                await connection.execute(statements.WAITS_NOW, row["number"], number)

    async def _again(self, connection: Any, body: bytes, new: Ssin) -> int:
        """The same mutation, about the number that stands."""
        root = parse(body)
        says, day = read_mutation(root), day_at(root, "criteria/period/beginDate")
        assert day is not None  # noqa: S101 - its schema asks it
        again = entry(
            self._service,
            self._owner,
            person=new,
            period=Period(day, day),
            action=says.action,
            reference=says.reference,
            legal_context=CONTEXT,
            content=[*find_all(root, "risk"), *find_all(root, "attestation")],
            destinations=(INSURERS,),
        )
        return await self._outbox.add(again, connection)
