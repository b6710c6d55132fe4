"""Who handles risks (ZIMA001, ZIMA006): judged, kept, and told in one transaction. docs/declarations.md, "Risks"."""

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from institutions.nsso import dmfa_store as store
from institutions.nsso import risk_statements
from institutions.nsso.clerk import Case, Clerk, Decided
from institutions.nsso.dmfa_clerk import OriginalClerk
from institutions.nsso.dmfa_rules import Known
from institutions.nsso.dmfa_store import Anticipated, Attested
from institutions.nsso.register import Employer
from institutions.nsso.risk import BEGINS, RESUMES, Said, Situation, first_look, judge, read
from institutions.nsso.risk_rows import anticipate, anticipated_quarters, keep, risk_of
from institutions.nsso.risk_telling import TELLS, told_of
from institutions.nsso.rows import quarter_lock
from institutions.outbox import Outbox
from schemas.address import Address
from schemas.catalogue import shipped
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dmfa import Person
from schemas.declarations.outcome import Result
from schemas.declarations.quarter import Quarter
from schemas.declarations.values import value
from schemas.employer import NssoNumber
from schemas.service import Service
from schemas.ssin import Ssin

_REAL = "R"
_DMFA = "DmfAOriginal"


class RiskClerk:
    """A `Clerk`. `outbox`: of `owner`, on the office's database. `service`: RiskMutation/1."""

    def __init__(self, outbox: Outbox, owner: Address, service: Service) -> None:
        self._outbox, self._owner, self._service = outbox, owner, service

    async def handle(self, case: Case) -> Decided:
        """See `Clerk.handle`."""
        said = read(case.form, case.head)
        found = first_look(said, case.moment)
        employer = await case.employer(said.first.numbers, said.first.path)
        if isinstance(employer, Anomaly):
            found.append(employer)
        ssin = said.ssin
        if not isinstance(employer, Employer) or ssin is None or any(one.blocks for one in found):
            return Decided.by(found)
        clock = await _lock(case, said, employer.nsso, ssin)
        judgement = judge(said, await _situation(case, said, employer, ssin), case.moment)
        found += judgement.anomalies
        if judgement.after is None or any(one.blocks for one in found):
            return Decided.by(found)
        connection, kept = case.connection, list[Attested]()
        await keep(connection, judgement.after, case.ticket, clock)
        if judgement.anticipated is not None:
            kept = await anticipate(connection, judgement.after, judgement.anticipated, case.sender.number, clock)
        if case.submission.environment != _REAL:
            return Decided.by(found)  # told to nobody in the network: nobody's answer is waited for
        number, submission = None, case.submission
        for entry in told_of(
            self._service, self._owner, said.form, judgement.before, judgement.after, judgement.action, kept
        ):
            number = await self._outbox.add(entry, connection)
        await connection.execute(
            risk_statements.WAITS, number, submission.sender, submission.environment, submission.key
        )
        return Decided(Result.TO_VALIDATE, found)

    async def differs(self, case: Case, anticipated: Anticipated, person: Person | None) -> None:
        """A DmfA says otherwise than a risk anticipated: who had that is told what it says. A
        `dmfa_clerk.Differs`; whoever changes this risk waits for the lock of the quarter."""
        row = await case.connection.fetchrow(risk_statements.RISK, anticipated.ticket)
        if row is None or (risk := risk_of(row)).cancelled or case.submission.environment != _REAL:
            return
        quarter = Quarter.parse(value(case.form, "EmployerDeclaration/Quarter") or "")
        records = () if person is None else person.records
        declared = Attested(quarter, NssoNumber(risk.employer), risk.company, "DECLARED", 1, records)
        for entry in told_of(self._service, self._owner, BEGINS, risk, risk, "CHANGED", [declared]):
            await self._outbox.add(entry, case.connection)


async def _lock(case: Case, said: Said, employer: NssoNumber, ssin: Ssin) -> datetime:
    """The worker; the quarters that are anticipated, and were: nobody declares them meanwhile. The clock behind."""
    wanted = {one.quarter for one in said.anticipates if one.quarter is not None}
    wanted |= await anticipated_quarters(case.connection, case.world, ssin, employer)
    while True:
        clock = await case.lock(_locks(case, employer, ssin, wanted))
        there = await anticipated_quarters(case.connection, case.world, ssin, employer)
        if there <= wanted:
            return clock
        wanted |= there


def _locks(case: Case, employer: NssoNumber, ssin: Ssin, quarters: Collection[Quarter]) -> list[int]:
    return [ssin.number, *(quarter_lock(case.world, employer, one) for one in quarters)]


async def _situation(case: Case, said: Said, employer: Employer, ssin: Ssin) -> Situation:
    nsso, connection = employer.nsso, case.connection
    rows = await connection.fetch(risk_statements.RISKS, case.world, ssin.number, nsso.digits)
    worked = said.starts is None or await connection.fetchval(
        risk_statements.WORKED, case.world, ssin.number, nsso.digits, said.starts
    )
    quarters = [one.quarter for one in said.anticipates if one.quarter is not None]
    return Situation(
        nsso.digits,
        None if employer.company is None else employer.company.digits,
        tuple(map(risk_of, rows)),
        Known(employer),
        worked,
        frozenset([one for one in quarters if await store.pid_of(connection, case.world, nsso, one) is not None]),
        case.world,
        case.ticket,
    )


def clerks(outbox: Outbox, owner: Address, service: Service | None = None) -> Mapping[str, Clerk]:
    """By form: of risks, and of the DmfA that has to be held against what was anticipated. `service`: what ships by
    default."""
    clerk = RiskClerk(outbox, owner, service if service is not None else Service.read(_folder()))
    return {BEGINS: clerk, RESUMES: clerk, _DMFA: OriginalClerk(clerk.differs)}


def _folder() -> Path:
    return shipped() / TELLS.partition("/")[0]
