"""Business requests of the envelope become Common V3 requests, and answers become business replies."""

import pytest
from lxml import etree

from schemas.catalogue import Catalogue, shipped
from schemas.ssdn.adapters import ADAPTERS, Wrong
from schemas.ssdn.envelope import COMMON, Envelope, grammar, read
from tests.schemas.ssdn import IDENTIFY, NAMES, PROOF, consult, envelope, identify, manage, phonetic, service, text

SSIN = "85073003328"
CATALOGUE = Catalogue([shipped()])
_EMPTY = service("OCMWCPASIdentifyPerson", "20050930", f'<IdentifyPersonRequest xmlns="{IDENTIFY}"/>')


def asked(one: str, **options: str) -> tuple[Envelope, etree._Element]:
    found = read(etree.fromstring(envelope(one, **options)))
    assert isinstance(found, Envelope)
    business = etree.fromstring(etree.tostring(found.services[0].business, with_tail=False))
    assert grammar(ADAPTERS[business.tag].schema).violations_of(business) == ()
    return found, business


def criteria(one: str) -> etree._Element | Wrong:
    _, business = asked(one)
    return ADAPTERS[business.tag].criteria(business, "EN")


def written(one: str) -> str:
    found = criteria(one)
    assert not isinstance(found, Wrong)
    return etree.tostring(found).decode()


def reasons(one: str) -> list[str]:
    found = criteria(one)
    assert isinstance(found, Wrong)
    return [one.code for one in found.notes]


def replied(one: str, answer: str) -> tuple[etree._Element, list[str]]:
    found, business = asked(one)
    told = ADAPTERS[business.tag].reply(business, found, etree.fromstring(answer))
    root = etree.fromstring(etree.tostring(told.business))
    assert grammar(ADAPTERS[business.tag].schema).violations_of(root) == ()
    return root, [note.code for note in told.notes]


# --- which service ----------------------------------------------------------------------------------------------------


def test_every_service_that_the_envelope_names_has_an_adapter_and_a_name_of_its_own():
    named = [name for service in CATALOGUE.services.values() for name in service.ssdn]
    assert len({(name.service_id, name.version, name.action) for name in named}) == len(named)
    assert {name.request for name in named} == set(ADAPTERS)
    actions = {(name.service_id, name.action) for name in named}
    assert {("OCMWCPASManageAccess", action) for action in ("REGISTER", "UNREGISTER", "LIST")} <= actions
    assert ("OCMWCPASIdentifyPerson", "SSIN") in actions


@pytest.mark.parametrize(
    ("one", "action"),
    [
        (manage(SSIN, "REGISTER"), "REGISTER"),
        (manage(SSIN, "LIST"), "LIST"),
        (identify(SSIN), "SSIN"),
        (identify("", phonetic=phonetic("1985-01-01")), "PHONETIC"),
        (identify(SSIN, phonetic=phonetic("1985-01-01")), "SSIN"),
        (consult(SSIN, 1, ("2020-01-01", "2020-12-31"), ("2020-01-01", "2020-12-31")), ""),
    ],
)
def test_the_business_request_says_which_service_it_is(one, action):
    _, business = asked(one)
    assert ADAPTERS[business.tag].action(business) == action


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_register_asks_what_it_says_without_what_is_empty_and_without_leading_zeros():
    assert written(manage(SSIN, "REGISTER", purpose="<mar:Purpose>010</mar:Purpose>")) == (
        f"<criteria><ssin>{SSIN}</ssin><qualityCode>10</qualityCode><period><beginDate>2026-01-01</beginDate></period>"
        "<proofOfAuthentication><personData><lastName>DHERTOGE</lastName><birthDate>1985-01-01</birthDate></personData>"
        "</proofOfAuthentication></criteria>"
    )


def test_unregister_is_a_period_of_one_quality():
    told = written(manage(SSIN, "UNREGISTER", end="<common:EndDate>2026-02-28</common:EndDate>"))
    assert "<situation>6</situation><qualityCode>0</qualityCode>" in told
    assert "<period><beginDate>2026-01-01</beginDate><endDate>2026-02-28</endDate></period>" in told


def test_a_list_needs_neither_proof_nor_quality():
    told = written(
        manage(SSIN, "LIST", purpose="<mar:Purpose/>", more="<mar:QueryRegister>ALL</mar:QueryRegister>", proof="")
    )
    assert told == (
        f"<criteria><ssin>{SSIN}</ssin><period><beginDate>2026-01-01</beginDate></period><register>ALL</register></criteria>"
    )


@pytest.mark.parametrize("action", ["REGISTER", "UNREGISTER"])
def test_a_change_needs_quality_and_proof(action):
    assert reasons(manage(SSIN, action, purpose="<mar:Purpose/>")) == ["31900008"]
    assert reasons(manage(SSIN, action, proof="<mar:SISCardNumber/>")) == ["31900008"]


def test_one_card_number_is_proof_enough():
    told = written(manage(SSIN, "REGISTER", proof="<mar:SISCardNumber>0123456789</mar:SISCardNumber>"))
    assert "<proofOfAuthentication><sisCardNumber>0123456789</sisCardNumber></proofOfAuthentication>" in told


def test_a_number_goes_before_phonetic_criteria_and_that_is_told():
    one = identify(SSIN, phonetic=phonetic("1985-00-00"))
    assert written(one) == f"<criteria><ssin>{SSIN}</ssin></criteria>"
    assert replied(one, "<response/>")[1] == ["21007001"]


@pytest.mark.parametrize("born", ["1985-00-00", "1985-03-00"])
def test_an_incomplete_birth_date_needs_a_tolerance(born):
    assert reasons(identify("", phonetic=phonetic(born))) == ["31009001"]
    assert "<tolerance>2</tolerance>" in written(identify("", phonetic=phonetic(born, "<Tolerance>2</Tolerance>")))


def test_no_more_than_fifty_persons_are_asked_for():
    told = written(identify("", phonetic=phonetic("1985-01-01", "<Gender>2</Gender><Maximum>80</Maximum>")))
    assert told == (
        "<criteria><lastName>DHERTOGE</lastName><birthDate>1985-01-01</birthDate><gender>2</gender>"
        "<maximum>50</maximum></criteria>"
    )


def test_a_birth_date_that_is_none_identifies_nobody():
    assert reasons(identify("", phonetic=phonetic("1985-13-01"))) == ["31900008"]


@pytest.mark.parametrize("one", [identify(""), _EMPTY], ids=["criteria", "all"])
def test_an_empty_business_request_breaks_its_own_schema_and_not_the_envelope(one):
    found = read(etree.fromstring(envelope(identify(SSIN), one)))
    assert isinstance(found, Envelope)
    business = etree.fromstring(etree.tostring(found.services[1].business, with_tail=False))
    assert grammar("identify-person.xsd").violations_of(business) != ()


def test_other_sectors_are_asked_with_the_requester_s_own_integration():
    told = written(consult(SSIN, 1, ("2020-01-01", "2020-12-31"), ("2020-02-01", "2020-02-29")))
    assert told == (
        f"<criteria><ssin>{SSIN}</ssin><qualityCode>1</qualityCode>"
        "<integratedPeriod><beginDate>2020-01-01</beginDate><endDate>2020-12-31</endDate></integratedPeriod>"
        "<requestedPeriod><beginDate>2020-02-01</beginDate><endDate>2020-02-29</endDate></requestedPeriod>"
        "<fetchDescriptions>true</fetchDescriptions></criteria>"
    )


# --- what is answered -------------------------------------------------------------------------------------------------

_ROWS = (
    "<overlapping><register>PRIMARY</register><organization><sector>17</sector><institution>1</institution>"
    "</organization><qualityCode>2</qualityCode><period><beginDate>2020-01-01</beginDate></period></overlapping>"
    "<registration><register>SECONDARY</register><organization><cbeNumber>0212344876</cbeNumber></organization>"
    "<qualityCode>3</qualityCode><phaseCode>1</phaseCode><period><beginDate>2020-01-01</beginDate>"
    "<endDate>2020-12-31</endDate></period></registration>"
)


def test_register_tells_what_overlapped_and_the_others_what_there_is():
    answer = f"<response>{_ROWS}</response>"
    for action, quality, unit, register, end in (
        ("REGISTER", "2", "17-1", "PRIMARY", None),
        ("UNREGISTER", "3", "0212344876", "SECONDARY", "2020-12-31"),
        ("LIST", "3", "0212344876", "SECONDARY", "2020-12-31"),
    ):
        root, notes = replied(manage(SSIN, action), answer)
        assert notes == []
        assert len(root.findall("m:Registrations", NAMES)) == 1
        row = "m:Registrations"
        assert [text(root, f"{row}/m:{name}") for name in ("Purpose", "OrgUnit", "Register")] == [
            quality,
            unit,
            register,
        ]
        assert text(root, f"{row}/m:Period/c:EndDate") == end
        original = root.find("m:OriginalRequest", NAMES)
        assert [etree.QName(one).localname for one in original] == ["SSIN", "Purpose", "Period", "Action"]
        assert text(root, f"m:OriginalRequest/m:Period/{{{COMMON}}}StartDate") == "2026-01-01"


def test_a_list_of_another_sector_is_empty():
    one = manage(SSIN, "LIST", more="<mar:Sector>17</mar:Sector><mar:QueryRegister>ALL</mar:QueryRegister>")
    root, notes = replied(one, f"<response>{_ROWS}</response>")
    assert notes == ["22900100"]
    assert root.findall("m:Registrations", NAMES) == []
    own = one.replace(">17<", ">064<")
    assert len(replied(own, f"<response>{_ROWS}</response>")[0].findall("m:Registrations", NAMES)) == 1


_PERSON = (
    "<response><part><person><ssin>85073003328</ssin><register>NR</register><lastName>D'Hértoge</lastName>"
    "<firstName>Zoë</firstName><firstName>Anne</firstName><birthDate>1985-01-01</birthDate><gender>2</gender><address>"
    "<countryCode>150</countryCode><municipalityCode>63023</municipalityCode><municipality>EUPEN</municipality>"
    "<postalCode>4700</postalCode><street>HAASSTRASSE</street><houseNumber>123</houseNumber></address>"
    "<civilState>10</civilState><nationalityCode>150</nationalityCode></person></part></response>"
)


def test_a_person_is_told_as_the_field_does():
    root, notes = replied(identify(SSIN), _PERSON)
    assert notes == []
    data = root.find("i:SearchResults/i:LimitedLegalData", NAMES)
    assert data.get("origin") == "RN_RR"
    assert text(data, "i:Basic/i:FirstName") == "Zoë Anne"
    assert text(data, "i:Basic/i:Address/i:Municipality") == "EUPEN"
    assert text(data, "i:Extended/i:NationalityCode") == "150"


@pytest.mark.parametrize(
    ("verification", "reason"),
    [
        (PROOF, "12007001"),
        ("<IdentityCardNumber>590123456789</IdentityCardNumber>" + PROOF, "12007001"),
        (PROOF.replace("DHERTOGE", "JANSSENS"), "22007007"),
        (PROOF.replace("1985-01-01", "1985-13-01"), "22007007"),
        ("<IdentityCardNumber>590123456789</IdentityCardNumber>", "22007007"),
    ],
)
def test_verification_data_are_compared_and_of_a_stranger_nothing_is_told(verification, reason):
    root, notes = replied(identify(SSIN, verification=verification), _PERSON)
    assert notes == [reason]
    assert (root.find("i:SearchResults", NAMES) is not None) == (reason == "12007001")


def test_verification_data_without_a_number_are_ignored():
    one = identify("", phonetic=phonetic("1985-01-01"), verification=PROOF.replace("DHERTOGE", "JANSSENS"))
    root, notes = replied(one, _PERSON)
    assert notes == []
    assert root.find("i:SearchResults", NAMES) is not None


def test_no_more_than_a_hundred_persons_are_told():
    part = _PERSON.removeprefix("<response>").removesuffix("</response>")
    root, _ = replied(identify("", phonetic=phonetic("1985-01-01")), f"<response>{part * 101}</response>")
    assert len(root.findall("i:SearchResults/i:LimitedLegalData", NAMES)) == 100


def test_other_sectors_are_told_with_their_descriptions_in_two_languages():
    answer = (
        "<response><consultation><sector>5</sector><qualityCode>100</qualityCode><period>"
        "<beginDate>2020-01-01</beginDate></period>"
        "<sectorDescription language='NL'>Pensioenen</sectorDescription>"
        "<sectorDescription language='FR'>Pensions</sectorDescription></consultation></response>"
    )
    root, _ = replied(consult(SSIN, 1, ("2020-01-01", "2020-12-31"), ("2020-01-01", "2020-12-31")), answer)
    row = "r:ConsultOtherSectorsResult/r:Consultation"
    names = [etree.QName(one).localname for one in root.find(row, NAMES)]
    assert names == ["Sector", "QualityCode", "Period", "SectorDescriptionNl", "SectorDescriptionFr"]
    assert text(root, f"{row}/r:Period/r:EndDate") is None
