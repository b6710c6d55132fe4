"""One worker's life: in, sick, back, out, unemployed. What the employer said once is asked of nobody twice, and of the
employer never."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from lxml import etree

from institutions import Institution, MemoryInbox, Word
from institutions.nsso.register import Employer, Mandate, Register
from schemas.address import Address
from schemas.declarations.dmfa import Declaration
from schemas.declarations.quarter import Quarter
from schemas.employer import NssoNumber
from schemas.message import find_all, text_at
from schemas.parser import parse
from schemas.period import Period, today
from schemas.wire import names
from tests.institutions.nsso.quarters import Work, declared, original
from tests.institutions.nsso.risk_forms import incapacity, resumption
from tests.institutions.nsso.sickness import A, Sickness, Tap, questions, words
from tests.institutions.patience import PATIENCE, until
from tests.institutions.payroll.forms import ends, starts
from tests.institutions.payroll.ground import A as SENDER
from tests.institutions.relay.conftest import Sector, running, sector
from tests.institutions.world import FUND_A, Database

DAY = timedelta(days=1)
TODAY = today()
QUARTER = Quarter(TODAY.year, (TODAY.month + 2) // 3).before()
#: Of this test alone.
EMPLOYER = NssoNumber.of(1_920_001)
HIRED, ILL, BACK = TODAY - 200 * DAY, TODAY - 3 * DAY, TODAY
SINCE = date(2000, 1, 1)
#: What says of whom and of what a form is; all else is what is declared.
KEYS = {
    "INSS", "NOSSRegistrationNbr", "CompanyID", "Trusteeship", "Quarter", "DimonaPeriodId", "NaturalPersonSequenceNbr",
    "IdentificationOfRisk", "ReferenceType", "ReferenceOrigin", "ReferenceNbr", "LanguageCodePdf",
    "Identification", "FormCreationDate", "FormCreationHour", "AttestationStatus", "TypeForm",
}  # fmt: skip
WHO_IS_MEANT = {"IdentifyPerson.1", "SectoralIntegrations.1"}
#: Of an occupation a quarter repeats what kind it is, and since when: it is how a DmfA names it.
OF_AN_OCCUPATION = {"JointCommissionNbr"}


@pytest.fixture(scope="module")
async def funds(sickness: Sickness, postgresql: Database) -> AsyncIterator[Sector]:
    """Who pays unemployment benefits, with their relay."""
    async with sector(sickness, postgresql, "18-0") as found, running(found.relay()):
        yield found


class Fund:
    """A payment institution that is told of work, and asks for wages when it ends."""

    def __init__(self, me: Institution) -> None:
        self.me, self.words = me, list[Word]()
        me.receives("DimonaMutation/1")(self._take)

    async def _take(self, word: Word) -> None:
        self.words.append(word)


def daily(said: Declaration) -> Decimal:
    """60 % of what was paid a day, in euro."""
    (person,) = said.persons
    occupations = [one for record in person.records for one in record.occupations]
    cents = sum(wage.amount for one in occupations for wage in one.remunerations if wage.code == "001")
    hundredths = sum(service.days for one in occupations for service in one.services if service.code == "001")
    return (Decimal(cents) / hundredths * Decimal("0.6")).quantize(Decimal("0.01"))


def declared_data(*forms: bytes) -> Counter[str]:
    """Names of what is declared, with how many forms ask it."""
    return Counter(
        name
        for form in forms
        for name in {str(one.tag) for one in parse(form).iter() if isinstance(one.tag, str) and len(one) == 0} - KEYS
    )


async def test_in_sick_back_out_unemployed(sickness: Sickness, funds: Sector) -> None:
    active = Period(SINCE, None)
    register = Register(employers=(Employer(EMPLOYER, None, active),), mandates=(Mandate(SENDER, EMPLOYER, active),))
    await sickness.nsso.office.load(register, "a life")
    who = await sickness.insured((A, SINCE, None))
    await funds.knows(who, FUND_A)
    await sickness.integrate(who, "18-1")
    said = declared(EMPLOYER, QUARTER, [Work(who, HIRED)], created=TODAY)
    me = sickness.institution(FUND_A, timeout=PATIENCE, report=lambda _: None, inbox=MemoryInbox())
    fund = Fund(me)
    forms: list[bytes] = []
    async with me, Tap(sickness, Address(18, 0)) as tap, sickness.sender(SENDER) as employer:

        async def hand_in(form: bytes) -> tuple[str, str]:
            forms.append(form)
            told = await employer.declare(form)
            assert told.accepted, told.anomalies
            assert not any(one.blocks for one in told.anomalies)
            return told.ticket, told.period_id or ""

        # In, and the quarter's wages.
        _, period = await hand_in(starts(EMPLOYER.digits, who, HIRED))
        await sickness.all_told()
        await hand_in(original(said))
        # Sick: the employer says the risk alone.
        risk, _ = await hand_in(incapacity(EMPLOYER, who, ILL))
        await sickness.ended(risk)
        dossiers = sickness.mutualities[A].desk.dossiers
        await until(lambda: risk in dossiers and dossiers[risk].daily is not None)
        assert dossiers[risk].daily == daily(said)
        seen = await tap.seen()  # a question does not stay longer than one waits for its answer
        # Back.
        over, _ = await hand_in(resumption(EMPLOYER, who, BACK, of=risk))
        await sickness.ended(over)
        await until(lambda: dossiers[risk].recovers == BACK)
        seen += await tap.seen()
        # Out: who pays benefits is told.
        await hand_in(ends(period, TODAY))
        await until(lambda: len(fund.words) == 2)
        assert [one.says.action for one in fund.words] == ["CREATED", "STOPPED"]
        assert {one.says.reference for one in fund.words} == {period}
        assert fund.words[1].day("employment/endingDate") == TODAY
        # Unemployed: wages are asked of the NSSO.
        asked = Period(TODAY - 365 * DAY, TODAY)
        answer = await me.consult(
            "DmfaAttestation/1", ssin=who, legal_context="UNEMPLOYMENT:RIGHT", period=asked, timeout=PATIENCE
        )
        assert answer.found, answer.code
        wages = [text_at(one, "amount") for one in _each(answer.root, "attestation/record/occupation/remuneration")]
        assert sorted(map(int, filter(None, wages))) == sorted(
            wage.amount for record in said.records for one in record.occupations for wage in one.remunerations
        )
        seen += await tap.seen()
        await sickness.all_told()
        seen += await tap.seen()
    # What was declared is asked once by who needs it, of who has it. Beside it the hub and a relay ask who is meant,
    # each time a dossier begins or ends.
    asked_of = questions(seen)
    declared_asked = {which: count for which, count in asked_of.items() if which[0] not in WHO_IS_MEANT}
    assert declared_asked == {("DmfaAttestation.1", "12-0", A): 1, ("DmfaAttestation.1", "12-0", FUND_A): 1}
    assert words(seen)["DimonaMutation/1", FUND_A] == 2
    assert words(seen)["RiskMutation/1", A] == 2
    # Of the employer nothing was: all that was put into its network is its own forms.
    at_the_employer = [one for one in seen if one.exchange == names.out(f"sender-{SENDER}")]
    assert [one.by for one in at_the_employer] == [f"sender-{SENDER}"] * len(forms)
    assert not [one for one in seen if one.key.startswith("sender-") and one.exchange != names.out(f"sender-{SENDER}")]
    # And its forms ask nothing twice.
    twice = {name for name, count in declared_data(*forms).items() if count > 1}
    assert twice <= OF_AN_OCCUPATION


def _each(root: etree._Element, path: str) -> list[etree._Element]:
    return list(find_all(root, path))
