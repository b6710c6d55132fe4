"""What the reference suppliers answer: valid for every person, never at odds with each other or with the repertory."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from deploy.network import FILES
from hub.repertory.files import read
from institutions.question import Deceased, Question, UnknownSsin
from institutions.reference import network, whereabouts
from institutions.reference.career import Means
from institutions.reference.person import Person
from institutions.reference.population import Population
from institutions.reference.suppliers import accidents, employment, insurance, unemployment
from institutions.reference.suppliers.data import NotASupplier, answer, data_of, services_of, tells
from institutions.reference.suppliers.elements import Asked, months, pay_day
from schemas.address import Address
from schemas.parser import parse
from schemas.period import Period
from schemas.ssin import Ssin
from tests.reference.messages import CATALOGUE, request, response

RULES = read(FILES, CATALOGUE)
ON = date(2026, 3, 15)
TODAY = Period(ON, ON)
SUPPLIERS = [
    (service, address)
    for service, kind in network.suppliers()
    for address in (network.members_of(kind) or (kind,))
    if tells(service, address)
]  # fmt: skip
TOLD = sorted({service for service, _ in SUPPLIERS})

days = st.dates(min_value=date(1990, 1, 1), max_value=date(2030, 1, 1))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    begin = draw(days)
    return Period(begin, draw(st.none() | st.just(begin + timedelta(days=draw(st.integers(0, 4000))))))


people = st.builds(Person, st.integers(0, 30), st.integers(0, 11_000_000))
asked_periods = periods() | st.just(TODAY) | st.just(Period(date(1990, 1, 1), None))


@pytest.mark.parametrize(("service_type", "address"), SUPPLIERS, ids=lambda value: str(value).split("/")[0])
@given(person=people, asked=asked_periods)
@settings(max_examples=60, deadline=None)
def test_every_answer_is_valid(service_type: str, address: Address, person: Person, asked: Period) -> None:
    service = CATALOGUE.services[service_type]
    data = data_of(service_type, address, person, asked, on=ON)
    if data is None:
        return
    out = response(service, request(service, person.ssin, asked), data, address)
    _, violations = service.violations(out, "response")
    assert violations == ()


@pytest.mark.parametrize("service_type", TOLD)
def test_every_answer_about_the_default_population_is_valid(service_type: str) -> None:
    service = CATALOGUE.services[service_type]
    asked = Period(date(1990, 1, 1), None)
    suppliers = [address for type_, address in SUPPLIERS if type_ == service_type]
    answered = 0
    for person in Population().persons[: 300 if len(suppliers) > 3 else 1000]:
        for address in suppliers:
            if (data := data_of(service_type, address, person, asked, on=ON)) is not None:
                answered += 1
                out = response(service, request(service, person.ssin, asked), data, address)
                assert service.violations(out, "response")[1] == ()
    assert answered >= 15


@pytest.mark.parametrize("service_type", TOLD)
@given(person=people, asked=asked_periods)
@settings(max_examples=80, deadline=None)
def test_who_has_data_has_integrated_the_person(service_type: str, person: Person, asked: Period) -> None:
    """Else the hub would never ask whoever could answer."""
    rows = list(whereabouts.rows_at_the_hub(person))
    for kind in network.HOLDERS[service_type]:
        for address in network.members_of(kind) or (kind,):
            if not tells(service_type, address):
                continue
            if data_of(service_type, address, person, asked, on=ON) is None:
                continue
            held = {row.quality for row in RULES.available(service_type) if row.address == kind}
            assert held == {None} or any(
                row.kind == kind and row.quality in held and row.period.overlaps(asked) for row in rows
            )
            if address.is_cooperating:
                sectoral = whereabouts.rows_of_members(person, Address(kind.sector, 0))
                assert any(row.member == address and row.period.overlaps(asked) for row in sectoral)


def test_every_answer_about_the_dead_is_valid_and_ends_with_their_lives() -> None:
    asked = Period(date(1990, 1, 1), None)
    dead = [person for person in Population(seed=9, size=6_000).persons if person.died is not None]
    for person in dead:
        for service_type, address in SUPPLIERS:
            data = data_of(service_type, address, person, asked, on=ON)
            if data is None or service_type == "SocialInquiry/1":
                continue
            service = CATALOGUE.services[service_type]
            out = response(service, request(service, person.ssin, asked), data, address)
            assert service.violations(out, "response")[1] == ()
            open_ended = [
                period
                for element in data
                for period in element.iter("validityPeriod", "rightPeriod", "InsurancePeriod", "activityPeriod")
                if period.find("endDate") is None
            ]
            assert open_ended == []
    assert len(dead) > 60


def test_the_same_question_has_the_same_answer() -> None:
    def told() -> list[bytes]:
        person = Population().examples.social_inquiry
        return [
            etree.tostring(element)
            for service, address in SUPPLIERS
            for element in data_of(service, address, person, Period(date(2010, 1, 1), None), on=ON) or ()
        ]

    assert told() == told()
    assert len(told()) >= 6


@given(people)
def test_nobody_works_while_unemployed_or_before_the_accident_at_work(person: Person) -> None:
    jobs = employment.employments_of(person)
    for right in unemployment.rights_of(person):
        assert not any(job.period.overlaps(right.period) for job in jobs)
    for accident in accidents.accidents_of(person):
        assert any(job.period.contains(accident.day) and job.employer == accident.employer for job in jobs)
    for incapacity in insurance.incapacities_of(person):
        assert not any(job.period.overlaps(incapacity.period) for job in jobs)


@given(person=people, asked=periods())
def test_paid_months_lie_in_the_right_and_are_not_paid_ahead(person: Person, asked: Period) -> None:
    for right in unemployment.rights_of(person):
        paid = list(months(right.period, Asked(asked, ON, right.member), unemployment.MOST_MONTHS))
        assert len(paid) <= unemployment.MOST_MONTHS
        for month in paid:
            assert pay_day(month) <= ON
            assert Period(month, pay_day(month)).overlaps(right.period)
            assert Period(month, pay_day(month)).overlaps(asked)


@given(person=people)
def test_what_is_filtered_can_be_cut_of_every_answer(person: Person) -> None:
    """Every authorisation's `without`, on what its suppliers say of this person."""
    for row in RULES.authorisations:
        service = CATALOGUE.services[row.service]
        for path in row.without:
            assert service.why_not_omit(path) is None


def test_a_mutuality_tells_of_its_own_members_alone() -> None:
    person = Population().examples.at_two_mutualities
    asked = Period(date(2025, 6, 1), date(2025, 6, 1))
    told = [m for m in network.MUTUALITIES if data_of("HealthInsurance/1", m, person, asked, on=ON)]
    assert set(told) == {membership.member for membership in insurance.memberships_of(person)}
    assert len(told) == 2


def test_a_living_wage_is_told_by_the_pcsw_of_that_time() -> None:
    person = Population().examples.known_to_two_pcsws
    for day, pcsw in ((date(2025, 1, 15), network.PCSW_A), (date(2025, 9, 1), network.PCSW_B)):
        for member in network.members_of(Address(17, 1)):
            told = data_of("LivingWages/1", member, person, Period(day, day), on=ON)
            assert (told is not None) == (member == pcsw)


def test_nothing_is_told_of_days_on_which_there_was_nothing() -> None:
    person = Population().examples.pensioner
    assert data_of("Pension/1", Address(5, 0), person, TODAY, on=ON) is not None
    young = Period(person.identity.turned(30), person.identity.turned(31))
    assert data_of("Pension/1", Address(5, 0), person, young, on=ON) is None


def test_who_supplies_no_such_service_says_so() -> None:
    with pytest.raises(NotASupplier, match="Pension"):
        data_of("Pension/1", Address(7, 0), Population().persons[0], TODAY)
    assert services_of(Address(5, 0)) == ("Pension/1", "SocialInquiry/1")
    assert services_of(network.PCSW_A) == ("LivingWages/1",)
    assert services_of(Address(64, 0)) == ()


# --- the National Register --------------------------------------------------------------------------------------------

R = "{http://www.ibz.rrn.fgov.be/XSD/xm25/rn25Schema}"


def register(person: Person, *, language: str = "fr", history: bool = False) -> etree._Element:
    found = data_of("RetrieveTIGroups/2", Address(0, 0), person, TODAY, on=ON, language=language, history=history)
    assert found is not None
    (body,) = found
    return body


def test_the_national_register_tells_information_types_of_itself_and_the_family() -> None:
    person = Population().examples.child
    body = register(person)
    assert body.tag == "rrn_it_implicit"
    is_own = body.findtext(f"{R}NationalNumber/{R}NationalNumber/{R}NationalNumber") == person.ssin.digits
    assert is_own
    assert {e.get("Type") for e in body.iter() if e.get("Type")} >= {"000", "001", "010", "020", "031", "100", "110"}
    parents = body.findall(f".//{R}Filiation//{R}NationalNumber/{R}NationalNumber")
    adults = {person.relative(index).ssin for index in person.household.adults}
    assert {Ssin.parse(parent.text or "") for parent in parents} == adults


def test_the_national_register_speaks_the_language_asked_and_tells_the_past_when_asked() -> None:
    person = next(
        p for p in Population().persons if p.identity.address.since > p.identity.born and p.role.name == "HEAD"
    )
    labels = {
        language: register(person, language=language).findtext(f".//{R}Nationality//{R}Label")
        for language in ("fr", "nl", "de")
    }
    assert labels == {"fr": "Belgique", "nl": "België", "de": "Belgien"}
    addresses = f"{R}LegalMainAddresses/{R}LegalMainAddress"
    assert len(register(person).findall(addresses)) == 1
    assert len(register(person, history=True).findall(addresses)) == 2


def test_an_unknown_birth_date_is_told_as_zeros_and_a_bis_number_is_not_held() -> None:
    examples = Population().examples
    body = register(examples.unknown_birth_date)
    assert body.findtext(f"{R}NationalNumber/{R}NationalNumber/{R}Date/{R}Month") == "00"
    assert data_of("RetrieveTIGroups/2", Address(0, 0), examples.bis_number, TODAY, on=ON) is None


# --- as a supplier of the library -------------------------------------------------------------------------------------


def question(service_type: str, supplier: Address, person: Person) -> Question:
    service = CATALOGUE.services[service_type]
    return Question(
        service=service,
        supplier=supplier,
        person=person.ssin,
        period=TODAY,
        customer=None,
        legal_context=None,
        ticket_cbss=None,
        root=parse(request(service, person.ssin)),
        deadline=0.0,
    )


def test_a_question_is_answered_with_data_nothing_a_death_or_no_such_number() -> None:
    population = Population()
    examples = population.examples
    pensions, handicap = Address(5, 0), Address(16, 0)
    assert answer(population, question("Pension/1", pensions, examples.pensioner))
    assert answer(population, question("Pension/1", pensions, examples.employee)) is None
    assert answer(population, question("HandicapRecognition/1", handicap, examples.handicapped))
    with pytest.raises(Deceased) as died:
        answer(population, question("LivingWages/1", network.PCSW_A, examples.deceased_on_living_wage))
    assert died.value.on == examples.deceased_on_living_wage.died
    # A service that answers about the dead says what it has: nothing that holds today.
    assert answer(population, question("Pension/1", pensions, examples.deceased)) is None
    with pytest.raises(UnknownSsin):
        answer(population, question("Pension/1", pensions, Population(size=5000).persons[4000]))


def test_a_number_of_nobody_may_be_asked_about_and_is_told_to_be_unknown() -> None:
    population = Population()
    nobody = population.examples.nobody
    assert population.person(nobody) is None
    own = [row for row in population.integrations() if row.ssin == nobody]
    assert [(row.kind, row.period.contains(ON)) for row in own] == [(Address(17, 1), True)]
    assert [row.member for row in population.sectoral(Address(17, 0)) if row.ssin == nobody] == [network.PCSW_A]
    asked = question("RetrieveTIGroups/2", Address(0, 0), population.persons[0])
    with pytest.raises(UnknownSsin):
        answer(population, replace(asked, person=nobody))


def test_five_branches_have_something_to_say_in_a_social_inquiry() -> None:
    person = Population().examples.social_inquiry
    asked = Period(date(2024, 1, 1), date(2025, 12, 31))
    told = {
        address.kind: [element.tag for element in data]
        for service, address in SUPPLIERS
        if service == "SocialInquiry/1" and (data := data_of(service, address, person, asked, on=ON))
    }
    assert told == {
        Address(7, 0): ["dossier"] * len(told[Address(7, 0)]),
        Address(11, 1): ["Insurance"],
        Address(16, 0): ["recognition"],
        Address(18, 1): ["unemployment"],
    }
    assert person.means is Means.HANDICAP
