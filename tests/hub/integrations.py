"""What the tests of integrations share: rules, messages, who keeps identities, who manages members."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from lxml import etree

from schemas import answers
from schemas.address import Address
from schemas.ssin import Ssin
from tests.hub.star import CONTEXT, CUSTOMER, MANAGING, PCSW_A, Question, Star, Told

NATIONAL_REGISTER = Address(0, 0)
#: Of a member's dossier: quality, phase, begin, end.
Row = tuple[int, int | None, str, str | None]

_AUTHORISED = [
    ("64-0", "[0, 902]", ""),
    ("17-1", "[1, 2]", ""),
    ("5-0", "[10, 100]", ""),
    ("7-0", "[101]", "min_phase = 2"),
]
MORE_RULES = (
    '[[institution]]\naddress = "0-0"\ncbe = "0362475538"\nname = "0-0"\n'
    '[[availability]]\nservice = "IdentifyPerson/1"\naddress = "0-0"\neverybody = true\n'
    '[[availability]]\nservice = "SectoralIntegrations/1"\naddress = "17-0"\neverybody = true\n'
) + "".join(
    f'[[authorisation]]\nid = "{customer}-{service}"\ncustomer = "{customer}"\nlegal_context = "{CONTEXT}"\n{more}\n'
    f'qualities = {qualities}\nservice = "{service}"\n'
    'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
    for customer, qualities, more in _AUTHORISED
    for service in ("RegisterIntegration/1", "UnregisterIntegration/1", "ListIntegrations/1")
)

MORE_RULES += (
    f'[[authorisation]]\nid = "identify"\ncustomer = "64-0"\nlegal_context = "{CONTEXT}"\nqualities = [0]\n'
    'service = "IdentifyPerson/1"\nsuppliers = ["0-0"]\nwithout = ["part/person/identityCardNumber"]\n'
    'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
)

PROOF = "<personData><lastName>DHERTOGE</lastName><birthDate>1985-01-01</birthDate></personData>"
MEMBER = f"<cbeNumber>{PCSW_A}</cbeNumber>"


def element(name: str, *content: "str | etree._Element") -> etree._Element:
    made = etree.Element(name)
    for piece in content:
        if isinstance(piece, str):
            made.text = piece
        else:
            made.append(piece)
    return made


async def identify(question: Question) -> None:
    """The National Register, where everybody has the same name."""
    person = element(
        "person",
        element("ssin", question.ssin),
        element("register", "NR"),
        element("lastName", "D'Hértoge"),
        element("firstName", "Zoë"),
        element("birthDate", "1985-01-01"),
        element("identityCardNumber", "590123456789"),
    )
    await question.reply(_data(question, [person]))


async def nobody(question: Question) -> None:
    await question.reply(_data(question, [], "MSG00005"))


def _data(question: Question, data: list[etree._Element], code: str = "MSG00000") -> bytes:
    return answers.data_response(
        question.service, question.root, data, code, replied=datetime.now(UTC), supplier=question.supplier
    )


def members(rows: dict[str, list[Row]]):
    """A managing institution whose members (by enterprise number) have these rows of everybody."""

    async def script(question: Question) -> None:
        data = [registration(cbe, row) for cbe, known in rows.items() for row in known]
        await question.reply(_data(question, data, "MSG00000" if data else "MSG00100"))

    return script


def registration(cbe: str, row: Row) -> etree._Element:
    quality, phase, begin, end = row
    return element(
        "registration",
        element("register", "SECONDARY"),
        element("organization", element("cbeNumber", cbe)),
        element("qualityCode", str(quality)),
        *([element("phaseCode", str(phase))] if phase is not None else []),
        element("period", element("beginDate", begin), *([element("endDate", end)] if end else [])),
    )


@dataclass
class Registrar:
    """An institution that registers, unregisters and lists over the broker."""

    star: Star
    sender: Address = CUSTOMER
    customer: str = "<sector>64</sector><institution>0</institution>"

    def body(self, name: str, ssin: Ssin, criteria: str, *, ticket: str = "", context: str = CONTEXT) -> bytes:
        root = name[0].lower() + name[1:]
        return (
            f'<r:{root}Request xmlns:r="urn:crossroads:services:{name}:v1"><informationCustomer>'
            f"<ticket>{ticket or uuid4()}</ticket><customerIdentification>{self.customer}</customerIdentification>"
            f"</informationCustomer><legalContext>{context}</legalContext>"
            f"<criteria><ssin>{ssin.digits}</ssin>{criteria}</criteria></r:{root}Request>"
        ).encode()

    def registering(
        self,
        ssin: Ssin,
        quality: int,
        begin: str = "2026-01-01",
        end: str | None = None,
        *,
        phase: int | None = None,
        proof: str = PROOF,
        ticket: str = "",
    ) -> bytes:
        criteria = (
            f"<qualityCode>{quality}</qualityCode>{_phase(phase)}{_period((begin, end))}"
            f"<proofOfAuthentication>{proof}</proofOfAuthentication>"
        )
        return self.body("RegisterIntegration", ssin, criteria, ticket=ticket)

    async def register(
        self, ssin: Ssin, quality: int, begin: str = "2026-01-01", end: str | None = None, **more
    ) -> Told:
        return await self.send(self.registering(ssin, quality, begin, end, **more))

    def unregistering(
        self,
        ssin: Ssin,
        situation: int,
        quality: int | None = None,
        *,
        phase: int | None = None,
        line: str | None = None,
        period: tuple[str, str | None] | None = None,
        proof: str = PROOF,
        ticket: str = "",
    ) -> bytes:
        criteria = (
            f"<situation>{situation}</situation>"
            + (f"<qualityCode>{quality}</qualityCode>" if quality is not None else "")
            + _phase(phase)
            + (f"<lineBeginDate>{line}</lineBeginDate>" if line else "")
            + (_period(period) if period else "")
            + f"<proofOfAuthentication>{proof}</proofOfAuthentication>"
        )
        return self.body("UnregisterIntegration", ssin, criteria, ticket=ticket)

    async def unregister(self, ssin: Ssin, situation: int, quality: int | None = None, **more) -> Told:
        return await self.send(self.unregistering(ssin, situation, quality, **more))

    async def list(self, ssin: Ssin, register: str | None = None, quality: int | None = None) -> Told:
        criteria = (f"<qualityCode>{quality}</qualityCode>" if quality is not None else "") + (
            f"<register>{register}</register>" if register else ""
        )
        return await self.send(self.body("ListIntegrations", ssin, criteria))

    async def send(self, body: bytes) -> Told:
        return await self.star.send(body, sender=self.sender)


def _phase(phase: int | None) -> str:
    return "" if phase is None else f"<phaseCode>{phase}</phaseCode>"


def _period(days: tuple[str, str | None]) -> str:
    begin, end = days
    return f"<period><beginDate>{begin}</beginDate>{f'<endDate>{end}</endDate>' if end else ''}</period>"


def rows(told: Told, name: str = "registration") -> list[tuple[str, str, int, int | None, str, str | None]]:
    """The rows that an answer tells: register, who, quality, phase, begin, end."""
    return [
        (
            one.findtext("register") or "",
            one.findtext("organization/cbeNumber")
            or f"{one.findtext('organization/sector')}-{one.findtext('organization/institution')}",
            int(one.findtext("qualityCode") or 0),
            int(phase) if (phase := one.findtext("phaseCode")) else None,
            one.findtext("period/beginDate") or "",
            one.findtext("period/endDate"),
        )
        for one in told.root.iterfind(name)
    ]


def days(told: Told, name: str = "registration") -> list[tuple[int, int | None, str, str | None]]:
    """As `rows`: quality, phase, begin, end."""
    return [row[2:] for row in rows(told, name)]


def pcsw(star: Star) -> Registrar:
    """PCSW A, by its relay."""
    return Registrar(star, MANAGING, MEMBER)
