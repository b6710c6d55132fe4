"""What the tests of registering through a relay share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lxml import etree

from hub.repertory.persons import person as believed
from institutions import Institution, Question
from schemas.address import Address
from schemas.dossier import Line
from schemas.period import today
from schemas.ssin import Ssin
from tests.hub.integrations import Registrar, element
from tests.institutions.conformance.network import CONTEXT, ended, permit, person
from tests.institutions.relay.conftest import Sector
from tests.institutions.world import PCSW_A, PCSW_B, Broker, Database, World
from tests.institutions.world import opened as opened_world

PERMIT = "Permit/1"
A, B = Address.parse(PCSW_A), Address.parse(PCSW_B)
BEGIN = today().replace(day=1).isoformat()

MORE_RULES = (
    '[[institution]]\naddress = "0-0"\ncbe = "0362475538"\nname = "0-0"\n'
    '[[availability]]\nservice = "IdentifyPerson/1"\naddress = "0-0"\neverybody = true\n'
    '[[availability]]\nservice = "SectoralIntegrations/1"\naddress = "17-0"\neverybody = true\n'
) + "".join(
    f'[[authorisation]]\nid = "{service}"\ncustomer = "17-1"\nlegal_context = "{CONTEXT}"\nqualities = [1, 2]\n'
    f'service = "{service}"\nfrom = 2020-01-01\ndeliberation = {{ number = "00/000", date = 2020-01-01 }}\n'
    for service in ("RegisterIntegration/1", "UnregisterIntegration/1", "ListIntegrations/1")
)


@dataclass
class Said:
    """An answer, as the helpers of the hub's tests read it."""

    root: etree._Element
    said: tuple[str | None, str | None]


class Member(Registrar):
    """A member that registers through its relay."""

    def __init__(self, institution: Institution) -> None:
        super().__init__(None, institution.address, f"<cbeNumber>{institution.address.cbe}</cbeNumber>")  # type: ignore[arg-type]
        self.institution = institution

    def body(self, name: str, ssin: Ssin, criteria: str, *, ticket: str = "", context: str = CONTEXT) -> bytes:
        return super().body(name, ssin, criteria, ticket=ticket, context=context)

    async def send(self, body: bytes) -> Any:
        answer = await self.institution.send(body, timeout=30)
        root = etree.fromstring(answer.xml)
        code = root.findtext("status/code") or root.findtext("detail/reasonCode")
        return Said(root, (root.findtext("status/value"), code))

    async def ask(self, ssin: Ssin) -> tuple[str | None, ...]:
        return ended(await self.institution.consult(PERMIT, ssin=ssin, legal_context=CONTEXT, timeout=30))[1:]


@asynccontextmanager
async def registering_world(rabbitmq: Broker, postgresql: Database) -> AsyncIterator[World]:
    """A world whose members may register: 0-0 says who everybody is, 5-0 answers Permit/1."""
    async with (
        opened_world(rabbitmq, postgresql, MORE_RULES) as found,
        found.institution("0-0") as register,
        found.institution("5-0") as supplier,
    ):

        @register.supplies("IdentifyPerson/1")
        def identify(question: Question) -> etree._Element:
            return element(
                "person",
                element("ssin", question.ssin.digits),
                element("register", "NR"),
                element("lastName", "Dhertogé"),
                element("birthDate", "1985-01-01"),
            )

        @supplier.supplies(PERMIT)
        def answer(question: Question) -> etree._Element:
            return permit("P-1")

        assert await register.supplying()
        assert await supplier.supplying()
        yield found


async def somebody(world: World) -> Ssin:
    ssin = person()
    await world.integrate(ssin, "5-0")
    return ssin


async def at_the_hub(world: World, ssin: Ssin) -> list[Line]:
    rows = [one.integration for one in await believed(world.database_url, ssin) if one.known_to is None]
    return [Line.of(row) for row in rows if row.kind == Address(17, 1)]


async def in_the_sector(pcsw: Sector, ssin: Ssin, member: Address) -> list[Line]:
    return [Line.of(row) for row in await pcsw.repertory.rows(ssin) if row.member == member]
