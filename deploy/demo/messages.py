"""Messages to send to the reference network: one for each service, one for each code that a message can bring about.

Their persons are those of the default population. `deploy.demo.examples` writes them into docs/examples.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lxml import etree

from institutions.reference import network, whereabouts
from institutions.reference.numbering import birth_of, ssin_of
from institutions.reference.person import Person
from institutions.reference.population import Population
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.period import Period
from schemas.service import Service
from schemas.ssdn import envelope
from schemas.ssdn.adapters import identify_person, manage_access
from schemas.ssin import Ssin

#: Where the examples that end otherwise than DATA_FOUND stand, and those in the older envelope.
CODES, SSDN = "codes", "ssdn"

INQUIRY = "PCSA:SOCIAL_INQUIRY"
INCAPACITY = "HEALTHINSURANCE:INCAPACITY"
_SENT = "2026-03-02T09:00:00Z"
_PEOPLE = Population().examples
_A, _B = network.PCSW_A, network.PCSW_B
#: A PCSW that was merged into another: inactive.
_MERGED = Address(17, 1, network.enterprise_number(17, 1, 5))


@dataclass(frozen=True, slots=True)
class Example:
    """One message, and what it is answered with by a network that has just been started."""

    #: Below docs/examples.
    file: str
    #: Who sends it: `--as`.
    sender: Address
    #: Of the status or of the fault's first detail.
    code: str
    #: What it shows.
    says: str
    body: bytes = field(repr=False)
    #: The example that has to be sent before it.
    after: str = ""


def examples() -> tuple[Example, ...]:
    """All of them, in the order of the page."""
    write = _Writer()
    return (
        *_found(write), *_repertory(write), *_integrations(write), *_numbers(write), *_lots(write),
        *_declared(write), *_told(write), *_refused(write),
    )  # fmt: skip


def envelopes() -> tuple[Example, ...]:
    """Messages in the older envelope, SSDN; their code is empty: each is answered by an SSDNReply that says YES."""
    who, tended = _PEOPLE.pensioner.identity, _PEOPLE.known_to_pcsw_a_only.ssin
    listing = (
        f'<m:ManageAccessRequest xmlns:m="{manage_access.NAMESPACE}" xmlns:c="{envelope.COMMON}">\n'
        f"      <m:SSIN>{tended.digits}</m:SSIN>\n      <m:Purpose/>\n"
        "      <m:Period><c:StartDate>2026-01-01</c:StartDate><c:EndDate/></m:Period>\n"
        "      <m:Action>LIST</m:Action>\n      <m:QueryRegister>ALL</m:QueryRegister>\n"
        "      <m:ProofOfAuthentication><m:SISCardNumber/></m:ProofOfAuthentication>\n    </m:ManageAccessRequest>"
    )
    searching = (
        f'<i:IdentifyPersonRequest xmlns:i="{identify_person.NAMESPACE}">\n      <i:SearchCriteria>\n'
        f"        <i:SSIN/>\n        <i:PhoneticCriteria>\n          <i:LastName>{who.last_name.upper()}</i:LastName>\n"
        f"          <i:BirthDate>{who.born.isoformat()}</i:BirthDate>\n"
        "        </i:PhoneticCriteria>\n      </i:SearchCriteria>\n    </i:IdentifyPersonRequest>"
    )
    return (
        _enveloped(
            f"{SSDN}/ManageAccess.xml",
            "How a PCSW knows a person, at the hub and in the PCSWs' own repertory (LIST, ALL).",
            "OCMWCPASManageAccess",
            "20050930",
            listing,
        ),
        _enveloped(
            f"{SSDN}/IdentifyPerson.xml",
            "Who sounds like this and was born that day (phonetic criteria).",
            "OCMWCPASIdentifyPerson",
            "20050930",
            searching,
        ),
    )


def _enveloped(file: str, says: str, service_id: str, version: str, business: str) -> Example:
    """An SSDNRequest of PCSW A, as clients in the field write it."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!-- {says} Sent as {_A}. -->\n'
        f'<SSDNRequest xmlns="{envelope.SERVICE}">\n  <RequestContext>\n    <AuthorizedUser>\n'
        "      <UserID>00901234567</UserID>\n      <Email>info@pcsw.example</Email>\n"
        f"      <OrgUnit>{_A.cbe}</OrgUnit>\n      <MatrixID>{_A.sector}</MatrixID>\n"
        f"      <MatrixSubID>{_A.type}</MatrixSubID>\n    </AuthorizedUser>\n    <Message>\n"
        f"      <Reference>example-ssdn-{Path(file).stem}</Reference>\n"
        "      <TimeRequest>20260302T100000</TimeRequest>\n    </Message>\n  </RequestContext>\n  <ServiceRequest>\n"
        f"    <ServiceId>{service_id}</ServiceId>\n    <Version>{version}</Version>\n    {business}\n"
        "  </ServiceRequest>\n</SSDNRequest>\n"
    )
    return Example(file, _A, "", says, body.encode())


def message(
    service: Service,
    ssin: Ssin | str | None,
    *,
    ticket: str,
    customer: Address = _A,
    context: str = INQUIRY,
    period: Period | None = None,
    before: Sequence[tuple[str, str]] = (),
    more: Sequence[tuple[str, str]] = (),
    behind: Sequence[tuple[str, str]] = (),
    comment: str = "",
) -> bytes:
    """A request as an institution would write it: prefixed, indented. `customer` is named by its enterprise number, or
    by sector and institution where it is connected to the hub itself. `ssin` None: the service is about nobody in
    particular. Paths and texts stand `before` the person, behind him (`more`), and `behind` the period."""
    root = etree.Element(service.request, nsmap={"q": str(etree.QName(service.request).namespace)})

    def put(path: str, text: str) -> None:
        parent = root
        *above, last = path.split("/")
        for step in above:
            found = parent.find(step)
            parent = found if found is not None else etree.SubElement(parent, step)
        etree.SubElement(parent, last).text = text

    put("informationCustomer/ticket", ticket)
    put("informationCustomer/timestampSent", _SENT)
    if customer.cbe is not None:
        put("informationCustomer/customerIdentification/cbeNumber", customer.cbe)
    else:
        put("informationCustomer/customerIdentification/sector", str(customer.sector))
        put("informationCustomer/customerIdentification/institution", str(customer.type))
    put("legalContext", context)
    for path, text in before:
        put(path, text)
    if ssin is not None:
        put(service.ssin, ssin.digits if isinstance(ssin, Ssin) else ssin)
    for path, text in more:
        put(path, text)
    if period is not None and service.period is not None:
        put(f"{service.period}/beginDate", period.begin.isoformat())
        if period.end is not None:
            put(f"{service.period}/endDate", period.end.isoformat())
    for path, text in behind:
        put(path, text)
    etree.indent(root)
    told = f"<!-- {comment} -->\n" if comment else ""  # without two hyphens, which no comment may hold
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{told}{etree.tostring(root, encoding="unicode")}\n'.encode()


class _Writer:
    """Makes examples that differ in few things."""

    def __init__(self) -> None:
        self._services = {service.name: service for service in Catalogue([shipped()]).services.values()}

    def __call__(
        self,
        file: str,
        code: str,
        says: str,
        service: str,
        ssin: Ssin | str | None,
        *,
        sender: Address = _A,
        customer: Address | None = None,
        context: str = INQUIRY,
        period: Period | None = None,
        before: Sequence[tuple[str, str]] = (),
        more: Sequence[tuple[str, str]] = (),
        behind: Sequence[tuple[str, str]] = (),
        ticket: str = "",
        after: str = "",
        edit: tuple[str, str] = ("", ""),
    ) -> Example:
        """`customer`: who the message says asks, where it is not the sender. `edit`: a text of the message, and what
        stands there instead."""
        body = message(
            self._services[service],
            ssin,
            ticket=ticket or f"example-{Path(file).stem}",
            customer=customer or sender,
            context=context,
            period=period,
            before=before,
            more=more,
            behind=behind,
            comment=f"{says} Sent as {sender}, answered {code}.",
        )
        old, new = edit
        return Example(file, sender, code, says, body.replace(old.encode(), new.encode()) if old else body, after)


def _found(write: _Writer) -> Iterator[Example]:
    """One for each service, each with data."""
    people, found = _PEOPLE, "MSG00000"
    a_pcsw = people.known_to_pcsw_a_only.ssin
    yield write("RetrieveTIGroups.xml", found, "The National Register's data of a person.", "RetrieveTIGroups", a_pcsw)
    yield write("FamilyAllowances.xml", found, "Who is paid family allowances.", "FamilyAllowances", a_pcsw)
    yield write(
        "HandicapRecognition.xml",
        found,
        "A recognised handicap; dataFilters says which element a PCSW may not see.",
        "HandicapRecognition",
        people.handicapped.ssin,
    )
    yield write(
        "HealthInsurance.xml",
        found,
        "Asked through the relay of the mutualities; two of them know the person: two parts.",
        "HealthInsurance",
        people.at_two_mutualities.ssin,
    )
    yield write("LivingWages.xml", found, "Asked back into the PCSWs' own network.", "LivingWages", a_pcsw)
    yield write(
        "OccupationalAccident.xml",
        found,
        "A mutuality asks about an accident at work of a person whose incapacity it has recognised (phase 2).",
        "OccupationalAccident",
        people.occupational_accident.ssin,
        sender=_mutuality_of(people.occupational_accident),
        context=INCAPACITY,
    )
    yield write("Pension.xml", found, "A pension, with its history.", "Pension", people.pensioner.ssin)
    yield write(
        "SelfEmployed.xml", found, "A self-employed person's affiliation.", "SelfEmployed", people.self_employed.ssin
    )
    yield write(
        "SocialInquiry.xml",
        found,
        "Several branches asked at once, and answered once: a part each.",
        "SocialInquiry",
        people.social_inquiry.ssin,
    )
    yield write(
        "SocialStatus.xml",
        found,
        "De Lijn asks which social statuses a person has today: from the buffer of 25-1, no source is asked.",
        "SocialStatus",
        people.known_to_pcsw_a_only.ssin,
        sender=whereabouts.DE_LIJN,
        context="DELIJN:FREE_PASS",
    )
    yield write(
        "UnemploymentData.xml",
        found,
        "Asked through the relay of the payment institutions.",
        "UnemploymentData",
        people.unemployed.ssin,
    )


def _repertory(write: _Writer) -> Iterator[Example]:
    """What the hub itself tells of its repertory."""
    pensioner = _PEOPLE.pensioner.ssin
    yield write(
        "ConsultOtherSectors.xml",
        "MSG00000",
        "Which other sectors know a person that the PCSW has integrated itself, in quality 4 since 2019.",
        "ConsultOtherSectors",
        pensioner,
        context="REFERENCE_REPERTORY",
        more=[
            ("criteria/qualityCode", "4"),
            ("criteria/integratedPeriod/beginDate", "2019-03-01"),
            ("criteria/requestedPeriod/beginDate", "2026-01-01"),
        ],
    )
    yield write(
        "ExplainDecision.xml",
        "MSG00000",
        "Whether a request for this person's pension would be admitted, and why.",
        "ExplainDecision",
        pensioner,
        context="REPERTORY:EXPLAIN",
        before=[("criteria/question/service", "Pension/1"), ("criteria/question/legalContext", INQUIRY)],
    )


def _integrations(write: _Writer) -> Iterator[Example]:
    """What PCSW A says of a child, and takes back; each answered so in this order."""
    child, kept = _PEOPLE.child, Period(date(2026, 1, 1), None)
    who, quality = child.identity, ("criteria/qualityCode", "12")
    person = "criteria/proofOfAuthentication/personData"
    # As clients in the field write it: in capitals.
    proof = [
        (f"{person}/lastName", who.last_name.upper()),
        (f"{person}/birthDate", who.born.isoformat()),
    ]
    yield write(
        "IdentifyPerson.xml",
        "MSG00000",
        "Who a number is, before the person is integrated.",
        "IdentifyPerson",
        child.ssin,
    )
    yield write(
        "RegisterIntegration.xml",
        "MSG00000",
        "The PCSW says that it knows a person; name and birth date prove that it means this one.",
        "RegisterIntegration",
        child.ssin,
        more=[quality],
        behind=proof,
        period=kept,
    )
    yield write(
        "ListIntegrations.xml",
        "MSG00000",
        "How it knows the person, at the hub and in the PCSWs' own repertory.",
        "ListIntegrations",
        child.ssin,
        behind=[("criteria/register", "ALL")],
        after="RegisterIntegration.xml",
    )
    yield write(
        "UnregisterIntegration.xml",
        "MSG00000",
        "It takes that back: a quality (situation 5).",
        "UnregisterIntegration",
        child.ssin,
        more=[("criteria/situation", "5"), quality],
        behind=proof,
        after="ListIntegrations.xml",
    )


def _numbers(write: _Writer) -> Iterator[Example]:
    """Who has which number: what the National Register and the registers of 25-0 say together."""
    found, who = "MSG00000", _PEOPLE.pensioner.identity
    old, new = _PEOPLE.replaced
    yield write(
        "SearchPerson.xml",
        found,
        "Who sounds like this and was born that day: both registers are searched.",
        "SearchPerson",
        None,
        behind=[("criteria/lastName", who.last_name.upper()), ("criteria/birthDate", who.born.isoformat())],
    )
    yield write(
        "RegisterPerson.xml",
        found,
        "A bis number for somebody whom no register holds; had one held somebody alike, he would be told instead.",
        "RegisterPerson",
        None,
        behind=[
            ("criteria/lastName", "Vandersterren"),
            ("criteria/firstName", "Noor"),
            ("criteria/birthDate", "1991-04-12"),
            ("criteria/gender", "2"),
        ],
    )
    yield write("RelatedSsins.xml", found, "All numbers that a person had.", "RelatedSsins", new)
    yield write("CurrentSsin.xml", found, "Which number stands for a replaced one today.", "CurrentSsin", old)
    bis, national = _to_be_replaced()
    yield write(
        "ReplaceSsin.xml",
        found,
        "A person with a bis number got a national one: who knows the person is told.",
        "ReplaceSsin",
        bis,
        sender=Address(0, 0),
        context="REGISTERS:UPKEEP",
        behind=[("criteria/newSsin", national.digits), ("criteria/day", "2026-01-15")],
    )


def _to_be_replaced() -> tuple[Ssin, Ssin]:
    """The first bis number of the population that no other example is about, and a national number for that person."""
    person = next(
        one for one in Population().persons if one.ssin.kind != "national" and one.scenario is None and not one.died
    )
    birth = birth_of(person.identity.seed, person.index)
    return person.ssin, ssin_of(birth, female=person.identity.female)


def _lots(write: _Writer) -> Iterator[Example]:
    """The vouchers of a lot; what stands between them goes by another queue (`crossroads lot send` does all of it)."""
    social_tariff, lot = whereabouts.SOCIAL_TARIFF, "00000000-0000-4000-8000-000000000001"

    def voucher(file: str, code: str, says: str, ticket: str, sequence: int) -> Example:
        criteria = [
            ("criteria/sequence", str(sequence)), ("criteria/count", "1"), ("criteria/service", "SocialStatus/1"),
        ]  # fmt: skip
        return write(
            file, code, says, "OpenLot", None, sender=social_tariff, context="LOT", more=criteria, ticket=ticket
        )

    yield voucher(
        "OpenLot.xml", "MSG00000", "The voucher of the social tariff's first lot: its ticket is the lot.", lot, 1
    )
    yield voucher(
        f"{CODES}/CRB00018.xml", "CRB00018", "The voucher of a lot that is not the next one.", f"{lot[:-1]}9", 900
    )
    yield write(
        f"{CODES}/CRB00019.xml",
        "CRB00019",
        "Closing a lot (CloseLot) of which one consultation was never sent.",
        "CloseLot",
        None,
        sender=social_tariff,
        context="LOT",
        more=[
            ("criteria/lot", lot), ("criteria/total/value", "NO_DATA_FOUND"),
            ("criteria/total/code", "MSG00100"), ("criteria/total/count", "1"),
        ],
        after="OpenLot.xml",
    )  # fmt: skip


def _declared(write: _Writer) -> Iterator[Example]:
    """What employers declared."""
    someone = _PEOPLE.occupational_accident
    yield write(
        f"{CODES}/MSG00100-wages.xml",
        "MSG00100",
        "A mutuality asks the NSSO, and no employer, for the wages of a person whose incapacity it has recognised "
        "(DmfaAttestation): of this one nothing was declared yet.",
        "DmfaAttestation",
        someone.ssin,
        sender=_mutuality_of(someone),
        context=INCAPACITY,
        period=Period(date(2025, 1, 1), None),
    )


def _told(write: _Writer) -> Iterator[Example]:
    """What is asked of mutations, by who was told and by who told; the library asks the first by itself."""
    yield write(
        f"{CODES}/MSG00100-catch-up.xml",
        "MSG00100",
        "What was I to be told since position 0 (CatchUp)? Nothing yet.",
        "CatchUp",
        None,
        sender=Address(10, 0),
        context="DISTRIBUTION",
        more=[("criteria/after", "0"), ("criteria/most", "50")],
    )
    yield write(
        f"{CODES}/MSG00100-follow-up.xml",
        "MSG00100",
        "Which of my mutations lack definitive answers, and whose (FollowUp)? None.",
        "FollowUp",
        None,
        sender=Address(25, 1),
        context="DISTRIBUTION",
        more=[("criteria/most", "100")],
    )


def _refused(write: _Writer) -> Iterator[Example]:
    """One for each code that a message alone can bring about, in the order of the checks."""
    yield from _not_exchanged(write)
    yield from _not_asked(write)
    yield from _without_data(write)


def _not_exchanged(write: _Writer) -> Iterator[Example]:
    """Steps 1 to 3: faults, and two answers about what the message says."""
    pensioner = _PEOPLE.pensioner.ssin
    yield write(
        f"{CODES}/CRB00002.xml",
        "CRB00002",
        "It declares another encoding than UTF-8.",
        "Pension",
        pensioner,
        edit=('encoding="UTF-8"', 'encoding="ISO-8859-1"'),
    )
    yield write(
        f"{CODES}/CRB00003.xml",
        "CRB00003",
        "It is cut off before its end.",
        "Pension",
        pensioner,
        edit=("</q:consultPensionRequest>\n", ""),
    )
    yield write(
        f"{CODES}/CRB00004.xml",
        "CRB00004",
        "It has a DOCTYPE.",
        "Pension",
        pensioner,
        edit=("<q:consultPensionRequest ", "<!DOCTYPE anything>\n<q:consultPensionRequest "),
    )
    yield write(
        f"{CODES}/CRB00006.xml",
        "CRB00006",
        "It speaks for a member of the network that is inactive.",
        "Pension",
        pensioner,
        sender=Address(17, 0),
        customer=_MERGED,
    )
    yield write(f"{CODES}/CRB00007.xml", "CRB00007", "It speaks for another PCSW.", "Pension", pensioner, customer=_B)
    yield write(
        f"{CODES}/CRB00007-shared-number.xml",
        "CRB00007",
        "Two services of the Employment Office share this enterprise number: which one asks cannot be told.",
        "RetrieveTIGroups",
        pensioner,
        sender=Address(18, 0),
        customer=Address(18, 2, network.SHARED_CBE),
        context="UNEMPLOYMENT:RIGHT",
    )
    yield write(
        f"{CODES}/CRB00008.xml",
        "CRB00008",
        "Nobody knows this service.",
        "Pension",
        pensioner,
        edit=("urn:crossroads:services:Pension:v1", "urn:example:nobody-knows"),
    )
    yield write(
        f"{CODES}/MSG00008-schema.xml",
        "MSG00008",
        "It breaks the schema in two places: a fault, a detail for each.",
        "Pension",
        pensioner,
        edit=(f"<ssin>{pensioner.digits}</ssin>", "<ssin>1</ssin>\n    <ssn>1</ssn>"),
    )
    yield write(
        f"{CODES}/MSG00011.xml", "MSG00011", "The SSIN's check number is wrong.", "Pension", _wrong_check(pensioner)
    )
    yield write(
        f"{CODES}/MSG00008-period.xml",
        "MSG00008",
        "The period ends before it begins.",
        "Pension",
        pensioner,
        period=Period(date(2026, 2, 1), date(2026, 2, 28)),
        edit=("2026-02-28", "2026-01-31"),
    )


def _not_asked(write: _Writer) -> Iterator[Example]:
    """Steps 4 to 7: nobody is asked."""
    people = _PEOPLE
    yield write(
        f"{CODES}/MSG00013.xml",
        "MSG00013",
        "No authorisation for this legal context.",
        "Pension",
        people.pensioner.ssin,
        context="PCSA:CURIOSITY",
    )
    yield write(
        f"{CODES}/MSG00006.xml",
        "MSG00006",
        "The number was replaced; who has integrated the person is told the new one.",
        "RetrieveTIGroups",
        people.replaced[0],
    )
    yield write(
        f"{CODES}/MSG00012-another-pcsw.xml",
        "MSG00012",
        "Another PCSW has integrated the person: the relay of 17-0 refuses, and nothing reaches the hub.",
        "RetrieveTIGroups",
        people.known_to_pcsw_b_only.ssin,
    )
    yield write(
        f"{CODES}/MSG00012-quality.xml",
        "MSG00012",
        "The PCSW knows the person in a quality that does not open this service.",
        "Pension",
        people.child.ssin,
    )
    yield write(
        f"{CODES}/MSG00012-phase.xml",
        "MSG00012",
        "The mutuality has not recognised the incapacity yet (phase 1).",
        "OccupationalAccident",
        people.phase_too_low.ssin,
        sender=_mutuality_of(people.phase_too_low),
        context=INCAPACITY,
    )
    yield write(
        f"{CODES}/MSG00012-period.xml",
        "MSG00012",
        "The mutuality's dossier does not cover the asked period.",
        "Pension",
        people.pensioner.ssin,
        sender=_mutuality_of(people.pensioner),
        context="HEALTHINSURANCE:INSURABILITY",
        period=Period(date(1950, 1, 1), date(1950, 12, 31)),
    )
    yield write(
        f"{CODES}/MSG00021.xml",
        "MSG00021",
        "No pensions service has integrated this person.",
        "Pension",
        people.employee.ssin,
    )
    yield write(
        f"{CODES}/MSG00021-no-mutuality.xml",
        "MSG00021",
        "The hub says that the mutualities know the person, and none of them does: their relay says so.",
        "HealthInsurance",
        people.at_no_mutuality.ssin,
    )
    yield write(
        f"{CODES}/CRB00009.xml",
        "CRB00009",
        "Its ticket was used for other content.",
        "Pension",
        people.grapa.ssin,
        ticket="example-Pension",
        after="Pension.xml",
    )


def _without_data(write: _Writer) -> Iterator[Example]:
    """Steps 8 to 11: the supplier says that there is nothing."""
    people = _PEOPLE
    yield write(
        f"{CODES}/MSG00005.xml",
        "MSG00005",
        "PCSW A has integrated a number that nobody has: the National Register says so.",
        "RetrieveTIGroups",
        people.nobody,
    )
    yield write(
        f"{CODES}/MSG00009.xml",
        "MSG00009",
        "The person died, and this service does not tell of the dead.",
        "LivingWages",
        people.deceased_on_living_wage.ssin,
    )
    yield write(
        f"{CODES}/MSG00100.xml",
        "MSG00100",
        "The National Register does not hold a person with a bis number.",
        "RetrieveTIGroups",
        people.bis_number.ssin,
    )


def _mutuality_of(person: Person) -> Address:
    """A mutuality that has a dossier of the person now."""
    rows = whereabouts.rows_of_members(person, Address(11, 0))
    return next(row.member for row in rows if row.member is not None and row.period.end is None)


def _wrong_check(ssin: Ssin) -> str:
    return ssin.digits[:9] + f"{int(ssin.digits[9:]) % 97 + 1:02d}"
