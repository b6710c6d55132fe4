"""Who handles risks (ZIMA001, ZIMA006): judged, kept, and told in one transaction. docs/declarations.md, "Risks"."""

from collections.abc import Collection, Mapping
from datetime import datetime

from institutions.nsso.attestation import Attestation
from institutions.nsso.clerk import Case, Clerk, Decided
from institutions.nsso.dmfa.clerk import OriginalClerk, same
from institutions.nsso.dmfa.judging import DECLARATION
from institutions.nsso.dmfa.rules import Known
from institutions.nsso.dmfa.store import declared_of
from institutions.nsso.register import Employer
from institutions.nsso.risks import statements
from institutions.nsso.risks.risk import BEGINS, RESUMES, Said, Situation, first_look, judge, read
from institutions.nsso.risks.rows import (
    anticipate,
    anticipated_persons,
    anticipated_quarters,
    keep,
    newest_by_number,
    newest_of,
    no_more_anticipated,
    risk_of,
    written_of,
)
from institutions.nsso.risks.telling import told_of
from institutions.nsso.rows import quarter_lock
from institutions.outbox import Outbox
from schemas.address import Address
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.dmfa import Declaration
from schemas.declarations.outcome import Result
from schemas.declarations.quarter import Quarter
from schemas.service import Service
from schemas.ssin import Ssin

_REAL = "R"
_DMFA = "DmfAOriginal"


class RiskClerk:
    """A `Clerk`. `outbox`: of `owner`, on the office's database. `service`: RiskMutation/1."""

    def __init__(self, outbox: Outbox, owner: Address, service: Service) -> None:
        self._outbox, self._owner, self._service = outbox, owner, service

    @property
    def forms(self) -> Mapping[str, Clerk]:
        """Who handles which form: risks, and the DmfA that has to be held against what was anticipated."""
        return {BEGINS: self, RESUMES: self, _DMFA: OriginalClerk(self.reconcile)}

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
        while True:
            ssin, clock = await _lock(case, said, employer.nsso.digits, ssin)
            # While the locks were waited for the mandate may have been withdrawn.
            meant, employer = employer, await case.employer(said.first.numbers, said.first.path)
            if isinstance(employer, Anomaly):
                return Decided.by([employer])
            if employer.nsso == meant.nsso:
                break
        judgement = judge(said, await _situation(case, said, employer, ssin), case.moment)
        found += judgement.anomalies
        if judgement.after is None or any(one.blocks for one in found):
            return Decided.by(found)
        connection, kept = case.connection, list[Attestation]()
        await keep(connection, judgement.after, case.ticket, clock)
        if judgement.anticipated is not None:
            kept = await anticipate(connection, judgement.after, judgement.anticipated, case.ticket, clock)
        if case.submission.environment != _REAL:
            return Decided.by(found)  # told to nobody in the network: nobody's answer is waited for
        number, submission = None, case.submission
        for entry in told_of(
            self._service, self._owner, said.form, judgement.before, judgement.after, judgement.action, kept
        ):
            number = await self._outbox.add(entry, connection)
        await connection.execute(statements.WAITS, number, submission.sender, submission.environment, submission.key)
        return Decided(Result.TO_VALIDATE, found)

    async def reconcile(
        self, case: Case, employer: Employer, declaration: Declaration, clock: datetime
    ) -> list[Anomaly]:
        """A DmfA is held against what was anticipated of its quarter, which is over: who had what was said otherwise is
        told what it says. A `dmfa.clerk.Reconcile`; whoever changes one of these risks waits for the quarter's lock."""
        found, nsso = [], employer.nsso.digits
        if not await _lock_anticipated(case, nsso, declaration.quarter):
            return []
        # By the number that stands now: one may have been replaced until these persons were locked.
        ssins = [one.ssin for one in declaration.persons if one.ssin is not None]
        newest = await newest_by_number(case.connection, ssins)
        places = {
            newest.get(one.ssin, one.ssin): (number, one)
            for number, one in enumerate(declaration.persons, 1)
            if one.ssin is not None
        }
        for ticket, ssin, records in await no_more_anticipated(
            case.connection, case.world, nsso, declaration.quarter, clock
        ):
            number, person = places.get(ssin, (0, None))
            declared = () if person is None else person.records
            if person is not None and same(records, declared):
                continue
            path = f"{DECLARATION}/NaturalPerson[{number}]/INSS" if person is not None else DECLARATION
            found.append(Anomaly("90015", "044", "INSS", ssin.digits, path))
            if case.submission.environment == _REAL:
                company = None if employer.company is None else employer.company.digits
                await self._correct(
                    case, ticket, Attestation(declaration.quarter, nsso, company, "DECLARED", 1, declared)
                )
        return found

    async def _correct(self, case: Case, ticket: str, declared: Attestation) -> None:
        row = await case.connection.fetchrow(statements.RISK, ticket)
        if row is None or (risk := risk_of(row)).cancelled:
            return
        for entry in told_of(self._service, self._owner, BEGINS, risk, risk, "CHANGED", [declared]):
            await self._outbox.add(entry, case.connection)


async def _lock_anticipated(case: Case, employer: str, quarter: Quarter) -> bool:
    """Everybody of whom something is anticipated, so that no number of theirs is replaced meanwhile; whether there is
    anybody. The quarter is locked."""
    locked = set[Ssin]()
    while (there := await anticipated_persons(case.connection, case.world, employer, quarter)) - locked:
        locked |= there
        await case.lock(one.number for one in there)
    return bool(there)


async def _lock(case: Case, said: Said, employer: str, named: Ssin) -> tuple[Ssin, datetime]:
    """The worker, by the number that stands today; the quarters that are anticipated, and were: nobody declares them
    meanwhile. The clock behind the locks."""
    wanted = {one.quarter for one in said.anticipates if one.quarter is not None}
    ssin = await newest_of(case.connection, named)
    while True:
        wanted |= await anticipated_quarters(case.connection, case.world, ssin, employer)
        clock = await case.lock(_locks(case, employer, (named, ssin), wanted))
        newest = await newest_of(case.connection, named)
        there = await anticipated_quarters(case.connection, case.world, newest, employer)
        if newest == ssin and there <= wanted:
            return ssin, clock
        ssin = newest


def _locks(case: Case, employer: str, persons: Collection[Ssin], quarters: Collection[Quarter]) -> list[int]:
    return [
        *(one.number for one in persons),
        *(quarter_lock(case.world, employer, written_of(one)) for one in quarters),
    ]


async def _situation(case: Case, said: Said, employer: Employer, ssin: Ssin) -> Situation:
    nsso, connection = employer.nsso, case.connection
    rows = await connection.fetch(statements.RISKS, case.world, ssin.number, nsso.digits)
    worked = await connection.fetchrow(statements.WORKED, case.world, ssin.number, nsso.digits, said.starts)
    quarters = [one.quarter for one in said.anticipates if one.quarter is not None]
    return Situation(
        nsso.digits,
        None if employer.company is None else employer.company.digits,
        tuple(map(risk_of, rows)),
        Known(employer),
        said.starts is None or worked["then"],
        worked["ever"],
        await declared_of(connection, case.world, nsso.digits, quarters),
        case.world,
        case.ticket,
        ssin,
    )
