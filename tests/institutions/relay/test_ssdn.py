"""A member sends the SSDN envelope: its relay opens it, asks the hub in Common V3, and closes it again."""

from collections.abc import AsyncIterator
from datetime import date

import pytest
from lxml import etree

from hub.repertory.persons import person as believed
from institutions import Answer, Institution, Question
from schemas.address import Address
from schemas.ssdn.envelope import grammar
from schemas.ssdn.reasons import REASONS
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss
from tests.hub.integrations import element
from tests.institutions.conformance.network import person
from tests.institutions.relay.conftest import Sector, running, sector
from tests.institutions.world import PCSW_A, PCSW_B, Broker, Database, World
from tests.institutions.world import opened as opened_world
from tests.schemas.ssdn import PROOF, USER, consult, context, envelope, identify, manage, replies, summary, text

A = Address.parse(PCSW_A)
PCSA, REFERENCES = "PCSA:SOCIAL_INQUIRY", "REFERENCE_REPERTORY"
OK = ("YES", "0", [])
YEAR = ("2025-01-01", "2025-12-31")
QUALITY = "<mar:Purpose>02</mar:Purpose>"

MORE_RULES = (
    '[[institution]]\naddress = "0-0"\ncbe = "0362475538"\nname = "0-0"\n'
    '[[availability]]\nservice = "IdentifyPerson/1"\naddress = "0-0"\neverybody = true\n'
    '[[availability]]\nservice = "SectoralIntegrations/1"\naddress = "17-0"\neverybody = true\n'
) + "".join(
    f'[[authorisation]]\nid = "{service}"\ncustomer = "17-1"\nlegal_context = "{legal_context}"\nqualities = [1, 2]\n'
    f'service = "{service}"\n{more}\nfrom = 2020-01-01\ndeliberation = {{ number = "00/000", date = 2020-01-01 }}\n'
    for service, legal_context, more in (
        ("RegisterIntegration/1", PCSA, ""),
        ("UnregisterIntegration/1", PCSA, ""),
        ("ListIntegrations/1", PCSA, ""),
        ("IdentifyPerson/1", PCSA, 'suppliers = ["0-0"]'),
        ("ConsultOtherSectors/1", REFERENCES, ""),
    )
)


@pytest.fixture(scope="module")
async def world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    async with opened_world(rabbitmq, postgresql, MORE_RULES) as found, found.institution("0-0") as register:

        @register.supplies("IdentifyPerson/1")
        def answer(question: Question) -> etree._Element:
            return element(
                "person",
                element("ssin", question.ssin.digits),
                element("register", "NR"),
                element("lastName", "Dhertogé"),
                element("birthDate", "1985-01-01"),
            )

        assert await register.supplying()
        yield found


@pytest.fixture(scope="module")
async def network(world: World, postgresql: Database) -> AsyncIterator[Sector]:
    async with sector(world, postgresql, "17-0") as found, running(found.relay()):
        yield found


@pytest.fixture(scope="module")
async def me(world: World, network: Sector) -> AsyncIterator[Institution]:
    async with world.institution(PCSW_A) as found:
        yield found


async def somebody(world: World, network: Sector, *members: str) -> Ssin:
    """Whom these members have in quality 2, and 17-1 and 5-0 at the hub."""
    ssin = person()
    for member in members:
        await network.knows(ssin, member, quality=2)
    await world.integrate(ssin, "17-1", quality=2, begin=date(2020, 1, 1))
    await world.integrate(ssin, "5-0", begin=date(2025, 3, 1))
    return ssin


def sent(*services: str, unit: str = PCSW_A, kind: int = 1, reference: str | None = None) -> bytes:
    return envelope(
        *services,
        matrix=f"<MatrixID>17</MatrixID><MatrixSubID>{kind}</MatrixSubID>",
        org_unit=f"<OrgUnit>{unit[-10:]}</OrgUnit>",
        reference=reference,
    )


def root_of(answer: Answer) -> etree._Element:
    assert answer.kind == "response"
    root = etree.fromstring(answer.xml)
    assert grammar("service.xsd").violations_of(root) == ()
    return root


async def test_a_member_s_envelope_is_answered_and_journalled_under_its_own_reference(world, network, me):
    ssin = await somebody(world, network, PCSW_A)
    reference = f"member {ssin.number}"
    answer = await me.send(sent(identify(ssin.digits, verification=PROOF), reference=reference), timeout=30)
    root = root_of(answer)
    assert (context(root), summary(replies(root)[0])) == (OK, ("YES", "0", ["12007001"]))
    assert (answer.value, answer.found, answer.code) == ("YES", True, "12007001")
    assert answer.ticket == reference
    assert answer.ticket_cbss == ticket_cbss(A, reference)
    decision, outcome = await world.hub.journal.exchange(ticket_cbss(A, reference))
    assert (decision.service, decision.customer, decision.program) == ("IdentifyPerson/1", A, USER)
    assert outcome.code == "MSG00000"


async def test_a_member_registers_and_lists_in_one_envelope_and_one_that_fails_stops_neither(world, network, me):
    ssin = await somebody(world, network, PCSW_A)
    register = manage(ssin.digits, "REGISTER", purpose="<mar:Purpose>001</mar:Purpose>", begin="2026-01-01",
                      end="<common:EndDate>2026-02-28</common:EndDate>")  # fmt: skip
    wrong = register.replace("<mar:Purpose>001", "<mar:Purpose>007")
    listed = manage(ssin.digits, "LIST", purpose="", proof="", more="<mar:QueryRegister>PRIMARY</mar:QueryRegister>")
    answer = await me.send(sent(register, wrong, listed), timeout=30)
    root = root_of(answer)
    assert context(root) == ("NO", "10000", ["30000001"])
    assert [summary(one)[0] for one in replies(root)] == ["YES", "NO", "YES"]
    assert summary(replies(root)[1])[2] == [REASONS["MSG00013"]]
    assert (answer.value, answer.found) == ("NO", False)
    found = {one.text for one in replies(root)[2].iter("{*}Purpose")} - {"0"}
    assert found == {"1", "2"}
    rows = [one.integration for one in await believed(world.database_url, ssin)]
    assert {(str(row.kind), row.quality) for row in rows} == {("17-1", 1), ("17-1", 2), ("5-0", 1)}


async def test_other_sectors_are_told_to_the_very_member_that_has_the_person(world, network, me):
    ssin = await somebody(world, network, PCSW_A)
    asked = consult(ssin.digits, 2, YEAR, YEAR)
    [reply] = replies(root_of(await me.send(sent(asked), timeout=30)))
    assert summary(reply) == OK
    where = "r:ReferenceManagerReply/r:ConsultOtherSectorsResult/r:Consultation/r:Sector"
    assert text(reply, where) == "5"
    async with world.institution(PCSW_B) as other:
        [reply] = replies(root_of(await other.send(sent(asked, unit=PCSW_B), timeout=30)))
    assert summary(reply) == ("NO", "10000", [REASONS["MSG00012"]])


@pytest.mark.parametrize(("unit", "kind"), [(PCSW_B, 1), (PCSW_A, 0), (PCSW_A, 2)])
async def test_a_member_speaks_for_itself_alone(world, network, me, unit, kind):
    ssin = await somebody(world, network, PCSW_A, PCSW_B)
    body = sent(identify(ssin.digits), unit=unit, kind=kind)
    [reply] = replies(root_of(await me.send(body, timeout=30)))
    assert summary(reply) == ("NO", "10000", [REASONS["CRB00007"]])


async def test_an_envelope_that_breaks_its_schema_goes_no_further_than_the_relay(world, network, me):
    answer = await me.send(sent(identify("85010100130")).replace(b"Email>", b"EMail>"), timeout=30)
    root = root_of(answer)
    assert (set(context(root)[2]), replies(root)) == ({"31000001"}, [])
    assert (answer.value, answer.code) == ("NO", "31000001")
    assert answer.ticket_cbss is not None
    assert await world.hub.journal.exchange(answer.ticket_cbss) == ()
