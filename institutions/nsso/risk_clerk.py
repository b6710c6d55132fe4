"""Who handles risks (ZIMA001, ZIMA006): judged, kept, and told in one transaction. docs/declarations.md, "Risks"."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from institutions.nsso import risk_statements, statements
from institutions.nsso.clerk import Case, Clerk, Decided
from institutions.nsso.dmfa_rules import Known
from institutions.nsso.register import Employer
from institutions.nsso.risk import BEGINS, RESUMES, Said, Situation, first_look, judge, read
from institutions.nsso.risk_rows import anticipate, keep, risk_of, written_of
from institutions.nsso.risk_telling import TELLS, told_of
from institutions.nsso.rows import quarter_lock
from institutions.outbox import Outbox
from schemas.address import Address
from schemas.catalogue import shipped
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.outcome import Result
from schemas.declarations.quarter import Quarter
from schemas.service import Service

#: Of which of an employer's quarters there is a DmfA: connection, environment, NSSO number, quarters.
Declared = Callable[[Any, str, str, Sequence[Quarter]], Awaitable[frozenset[Quarter]]]
_REAL = "R"


async def _nothing_declared(*_: Any) -> frozenset[Quarter]:
    return frozenset()


class RiskClerk:
    """A `Clerk`. `outbox`: of `owner`, on the office's database. `service`: RiskMutation/1; what ships by default."""

    def __init__(
        self,
        outbox: Outbox,
        owner: Address,
        service: Service | None = None,
        *,
        declared: Declared = _nothing_declared,
    ) -> None:
        self._outbox, self._owner, self._declared = outbox, owner, declared
        self._service = service if service is not None else Service.read(_folder())

    async def handle(self, case: Case) -> Decided:
        """See `Clerk.handle`."""
        said = read(case.form, case.head)
        found = first_look(said, case.moment)
        employer = await case.employer(said.first.numbers, said.first.path)
        if isinstance(employer, Anomaly):
            found.append(employer)
        if not isinstance(employer, Employer) or said.ssin is None or any(one.blocks for one in found):
            return Decided.by(found)
        await self._lock(case, said, employer)
        situation = await self._situation(case, said, employer)
        judgement = judge(said, situation, case.moment)
        found += judgement.anomalies
        if judgement.after is None or any(one.blocks for one in found):
            return Decided.by(found)
        connection, clock = case.connection, case.clock
        await keep(connection, judgement.after, case.ticket, clock)
        kept = []
        if judgement.anticipated is not None:
            kept = await anticipate(connection, judgement.after, judgement.anticipated, case.ticket, clock)
        if case.submission.environment != _REAL:
            return Decided.by(found)  # told to nobody in the network: nobody's answer is waited for
        number = None
        for entry in told_of(
            self._service, self._owner, said.form, judgement.before, judgement.after, judgement.action, kept
        ):
            number = await self._outbox.add(entry, connection)
        submission = case.submission
        await connection.execute(
            risk_statements.WAITS, number, submission.sender, submission.environment, submission.key
        )
        return Decided(Result.TO_VALIDATE, found)

    async def _lock(self, case: Case, said: Said, employer: Employer) -> None:
        """The worker, and the quarters that the employer anticipates: nobody declares them meanwhile."""
        ssin = said.ssin
        assert ssin is not None  # noqa: S101 - it was looked at
        quarters = (one.quarter for one in said.anticipates if one.quarter is not None)
        locks = {quarter_lock(case.world, employer.nsso.digits, written_of(one)) for one in quarters}
        await case.connection.execute(statements.LOCK, sorted({*locks, ssin.number}))

    async def _situation(self, case: Case, said: Said, employer: Employer) -> Situation:
        ssin, nsso, connection = said.ssin, employer.nsso.digits, case.connection
        assert ssin is not None  # noqa: S101 - it was looked at
        rows = await connection.fetch(risk_statements.RISKS, case.world, ssin.number, nsso)
        worked = said.starts is None or await connection.fetchval(
            risk_statements.WORKED, case.world, ssin.number, nsso, said.starts
        )
        quarters = [one.quarter for one in said.anticipates if one.quarter is not None]
        return Situation(
            nsso,
            None if employer.company is None else employer.company.digits,
            tuple(map(risk_of, rows)),
            Known(employer),
            worked,
            await self._declared(connection, case.world, nsso, quarters) if quarters else frozenset(),
            case.world,
            case.ticket,
        )


def clerks(outbox: Outbox, owner: Address, service: Service | None = None, **options: Any) -> Mapping[str, Clerk]:
    """By form, as `RiskClerk`."""
    clerk = RiskClerk(outbox, owner, service, **options)
    return {BEGINS: clerk, RESUMES: clerk}


def _folder() -> Path:
    return shipped() / TELLS.partition("/")[0]
