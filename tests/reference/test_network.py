"""The rules files of the reference network: valid, complete, and with something to show for every verdict."""

from collections.abc import Iterable
from datetime import date

import pytest

from deploy.network import FILES
from deploy.network.page import PAGE, page
from hub.admission import Admitted, Asked, Refused, authorise, decide, decide_mutation, resolve_customer
from hub.repertory.files import read, read_file
from hub.repertory.review import review
from hub.repertory.rules import Authorisation
from institutions.reference import network, whereabouts
from institutions.reference.mutations import told_of
from institutions.reference.person import Person
from institutions.reference.population import Population
from institutions.statuses.definitions import SHIPPED
from institutions.statuses.definitions import read as read_definitions
from schemas.address import Address
from schemas.employer import EnterpriseNumber
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin
from tests.reference.messages import CATALOGUE, SERVICES

RULES = read(FILES, CATALOGUE)
TODAY = date(2026, 3, 15)
EXAMPLES = Population().examples
TOLD = read_definitions(SHIPPED, CATALOGUE).sources
INQUIRY = "PCSA:SOCIAL_INQUIRY"
A = network.PCSW_A
MUTUALITY = network.MUTUALITIES[0]


def test_the_rules_hold_together_and_leave_nothing_to_remark() -> None:
    rows = [(file.where(row), row) for file in map(read_file, FILES) for row in file.rows]
    found = review(rows, (), CATALOGUE)
    assert found.errors == ()
    assert found.remarks == ()


def test_the_register_is_the_one_the_population_is_made_for() -> None:
    registered = {(str(i.address), i.cbe, i.name, i.managed_by, i.active) for i in RULES.institutions.values()}
    assert registered == {(str(m.address), m.cbe, m.name, m.managed_by, m.active) for m in network.MEMBERS}


def test_holders_are_the_same_in_the_rules_and_for_the_suppliers() -> None:
    for service_type, kinds in network.HOLDERS.items():
        assert set(RULES.holders(service_type)) == set(kinds)


def test_enterprise_numbers_are_right_and_one_belongs_to_two_addresses() -> None:
    for member in network.MEMBERS:
        assert EnterpriseNumber.parse(member.cbe).digits == member.cbe
    numbers = [member.cbe for member in network.MEMBERS]
    assert [cbe for cbe in set(numbers) if numbers.count(cbe) > 1] == [network.SHARED_CBE]


@pytest.mark.parametrize(
    "address",
    [
        "0-0",
        "1-0",
        "5-0",
        "6-0",
        "7-0",
        "10-0",
        "11-0",
        "12-0",
        "15-0",
        "16-0",
        "17-0",
        "18-0",
        "25-0",
        "25-1",
        "64-0",
        "70-3",
    ],
)
def test_every_branch_and_scheme_has_its_institution(address: str) -> None:
    assert RULES.institutions[Address.parse(address)].active


@pytest.mark.parametrize(
    ("kind", "least"), [("17-1", 3), ("11-1", 2), ("18-1", 2), ("7-1", 1), ("10-1", 1), ("15-1", 1)]
)
def test_secondary_networks_have_members(kind: str, least: int) -> None:
    assert len(network.members_of(Address.parse(kind))) >= least


def test_deliberations_are_marked_as_synthetic_and_have_number_date_and_changes() -> None:
    assert all(row.deliberation.number.startswith("synthetic ") for row in RULES.authorisations + RULES.distributions)
    assert any(row.deliberation.changes for row in RULES.authorisations)
    assert all(row.deliberation.decided <= row.valid.begin for row in RULES.authorisations)


def test_the_buffer_of_statuses_is_told_of_everybody_and_grants_are_the_same_in_its_own_file() -> None:
    definitions = read_definitions(SHIPPED, CATALOGUE)
    told = {row.service: row for row in RULES.distributions if row.recipient == network.STATUSES}
    assert set(definitions.sources) == set(told)
    assert all(row.everybody for row in told.values())
    granted = {row.recipient: row.codes for row in RULES.distributions if row.service == "StatusMutation/1"}
    assert granted == definitions.grants


def test_who_grants_rights_by_a_status_is_told_nothing_that_it_follows_from() -> None:
    sources = read_definitions(SHIPPED, CATALOGUE).sources
    bodies = {row.recipient for row in RULES.distributions if row.service == "StatusMutation/1"}
    assert [row.id for row in RULES.distributions if row.service in sources and row.recipient in bodies] == []


def test_what_the_sources_tell_of_a_life_they_may_tell() -> None:
    """Each has integrated the person in an authorised quality on all days of what it tells."""
    contexts = {row.service: row.legal_context for row in RULES.authorisations if row.service in TOLD}
    for person in Population(size=400).persons:
        for one in told_of(person):
            service, context = CATALOGUE.services[one.service], contexts[one.service]
            asked = Asked(one.owner, service, context, person.ssin, one.period, TODAY)
            fitting = authorise(RULES, asked)
            assert not isinstance(fitting, Refused)
            found = decide_mutation(asked, whereabouts.rows_at_the_hub(person), fitting)
            assert not isinstance(found, Refused), (one.service, person, found)


def test_the_national_register_tells_of_everybody_without_knowing_anybody() -> None:
    person = EXAMPLES.known_to_pcsw_b_only
    register, days = Address(0, 0), Period(TODAY, None)
    asked = Asked(register, CATALOGUE.services["PersonMutation/1"], "REGISTERS:UPKEEP", person.ssin, days, TODAY)
    fitting = authorise(RULES, asked)
    assert not isinstance(fitting, Refused)
    assert not isinstance(decide_mutation(asked, (), fitting), Refused)


def test_every_kind_of_rule_is_shown() -> None:
    rows = RULES.authorisations
    assert any(row.min_phase for row in rows)
    assert any(row.valid.end for row in rows)
    assert any(row.qualities == {902} for row in rows)
    assert sum(1 for row in rows if row.without) >= 10
    assert {service.period_rule for service in CATALOGUE.services.values()} == {"within", "overlap"}
    assert {service.deceased for service in CATALOGUE.services.values()} == {"answer", "refuse"}
    assert len({row.customer.kind for row in rows}) >= 15
    assert RULES.distributions


def test_the_page_tells_the_rules_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(RULES, CATALOGUE), "run: python -m deploy.network.page"


# --- verdicts ---------------------------------------------------------------------------------------------------------


def verdict(
    customer: Address,
    context: str,
    service: str,
    person: Person,
    *,
    ssin: Ssin | None = None,
    period: Period | None = None,
    rows: Iterable[Integration] | None = None,
) -> Admitted | Refused:
    asked = Asked(
        customer, CATALOGUE.services[service], context, ssin or person.ssin, period or Period(TODAY, TODAY), TODAY
    )
    return decide(RULES, asked, whereabouts.rows_at_the_hub(person) if rows is None else rows)


def code(found: Admitted | Refused) -> str:
    return found.code if isinstance(found, Refused) else "admitted"


@pytest.mark.parametrize(
    ("service", "example"),
    [
        ("RetrieveTIGroups/2", "child"),
        ("Pension/1", "pensioner"),
        ("Pension/1", "grapa"),
        ("HandicapRecognition/1", "handicapped"),
        ("SelfEmployed/1", "self_employed"),
        ("HealthInsurance/1", "unemployed"),
        ("UnemploymentData/1", "unemployed"),
        ("UnemploymentData/1", "career_break"),
        ("LivingWages/1", "known_to_pcsw_a_only"),
        ("LivingWages/1", "known_to_two_pcsws"),
        ("LivingWages/1", "deceased_on_living_wage"),
        ("FamilyAllowances/1", "social_inquiry"),
        ("SocialInquiry/1", "social_inquiry"),
        ("HealthInsurance/1", "at_no_mutuality"),
        ("HealthInsurance/1", "at_two_mutualities"),
    ],
)
def test_a_pcsw_may_ask_about_whom_it_knows(service: str, example: str) -> None:
    assert code(verdict(A, INQUIRY, service, getattr(EXAMPLES, example))) == "admitted"


def test_a_social_inquiry_asks_every_branch_that_knows_the_person() -> None:
    found = verdict(A, INQUIRY, "SocialInquiry/1", EXAMPLES.social_inquiry, period=Period(date(2024, 1, 1), TODAY))
    assert isinstance(found, Admitted)
    assert [str(address) for address in found.suppliers] == ["7-0", "11-0", "16-0", "18-0"]


@pytest.mark.parametrize(
    ("customer", "context", "service", "example", "expected"),
    [
        (A, INQUIRY, "OccupationalAccident/1", "occupational_accident", "MSG00013"),
        (A, "PCSA:OTHER", "Pension/1", "pensioner", "MSG00013"),
        (Address(10, 0), "HOLIDAYS:PAYMENT", "UnemploymentData/1", "unemployed", "MSG00013"),
        (A, INQUIRY, "Pension/1", "provisional_only", "MSG00012"),
        (Address(16, 0), "HANDICAP:FIRST_CONTACT", "RetrieveTIGroups/2", "provisional_only", "admitted"),
        (Address(16, 0), "HANDICAP:ALLOWANCE", "RetrieveTIGroups/2", "provisional_only", "MSG00012"),
        (Address(16, 0), "HANDICAP:FIRST_CONTACT", "RetrieveTIGroups/2", "handicapped", "MSG00012"),
        (A, INQUIRY, "Pension/1", "period_over", "MSG00012"),
        (Address(16, 0), "HANDICAP:ALLOWANCE", "Pension/1", "pensioner", "MSG00012"),
        (MUTUALITY, "HEALTHINSURANCE:INCAPACITY", "OccupationalAccident/1", "phase_too_low", "MSG00012"),
        (MUTUALITY, "HEALTHINSURANCE:INCAPACITY", "OccupationalAccident/1", "occupational_accident", "admitted"),
        (A, INQUIRY, "Pension/1", "employee", "MSG00021"),
        (A, INQUIRY, "SocialInquiry/1", "employee", "admitted"),
        (Address(12, 0), "NSSO:CONTRIBUTIONS", "RetrieveTIGroups/2", "employee", "admitted"),
    ],
)  # fmt: skip
def test_the_other_verdicts(customer: Address, context: str, service: str, example: str, expected: str) -> None:
    assert code(verdict(customer, context, service, getattr(EXAMPLES, example))) == expected


def test_what_is_missing_is_told() -> None:
    told = {
        example: verdict(customer, context, service, getattr(EXAMPLES, example))
        for example, customer, context, service in (
            ("provisional_only", A, INQUIRY, "Pension/1"),
            ("phase_too_low", MUTUALITY, "HEALTHINSURANCE:INCAPACITY", "OccupationalAccident/1"),
            ("period_over", A, INQUIRY, "Pension/1"),
        )
    }
    missing = [found.information[0][1] for found in told.values() if isinstance(found, Refused)]
    assert missing == ["quality", "phase", "period"]


def test_a_replaced_number_is_told_to_who_knew_it() -> None:
    person = EXAMPLES.replaced_number
    old, new = EXAMPLES.replaced
    found = verdict(A, INQUIRY, "Pension/1", person, ssin=old)
    assert isinstance(found, Refused)
    assert found.code == "MSG00006"
    assert [(name, Ssin.parse(told) == new) for name, told in found.information] == [("newSSIN", True)]
    assert code(verdict(Address(64, 0), "DELIJN:FREE_PASS", "HandicapRecognition/1", person, ssin=old)) != "MSG00006"


def test_the_first_authorisation_that_opens_decides_what_is_cut() -> None:
    found = verdict(MUTUALITY, "HEALTHINSURANCE:INSURABILITY", "HandicapRecognition/1", EXAMPLES.handicapped)
    assert isinstance(found, Admitted)
    assert found.authorisation.id == "mutuality-handicap-2-insurability"
    assert found.without == ("recognition/autonomyCriteria", "recognition/pathologyCode")


def test_unemployment_may_be_asked_about_before_the_customers_own_file_began() -> None:
    """`overlap`: a PCSW that has just opened a file needs what was paid before."""
    person = EXAMPLES.unemployed
    back = Period(date(2015, 1, 1), TODAY)
    assert code(verdict(A, INQUIRY, "UnemploymentData/1", person, period=back)) == "admitted"
    assert code(verdict(A, INQUIRY, "HealthInsurance/1", person, period=back)) == "MSG00012"


def test_an_enterprise_number_of_two_addresses_names_nobody() -> None:
    employment = RULES.institutions[Address(18, 0)]
    found = resolve_customer(RULES, employment, network.SHARED_CBE, None)
    assert isinstance(found, Refused)
    assert found.code == "CRB00007"
    assert (
        resolve_customer(RULES, employment, network.PAYMENT_INSTITUTIONS[0].cbe, None)
        == network.PAYMENT_INSTITUTIONS[0]
    )


def test_inactive_institutions_are_in_the_register() -> None:
    inactive = [i for i in RULES.institutions.values() if not i.active]
    assert {i.managed_by is None for i in inactive} == {True, False}
    merged = next(i for i in inactive if i.managed_by is not None)
    found = resolve_customer(RULES, RULES.institutions[Address(17, 0)], merged.cbe, None)
    assert isinstance(found, Refused)
    assert found.code == "CRB00006"


def test_every_authorisation_admits_somebody_or_has_ended() -> None:
    """A rule under which nobody of the population can be asked about shows nothing."""
    about_somebody = {service.type for service in SERVICES}
    waiting = {
        row.id: row for row in RULES.authorisations if row.valid.contains(TODAY) and row.service in about_somebody
    }
    for person in Population(size=6000).persons:
        rows = tuple(whereabouts.rows_at_the_hub(person))
        for row in tuple(waiting.values()):
            if any(_is_admitted(row, person, rows, period) for period in _askable(row, rows)):
                del waiting[row.id]
        if not waiting:
            return
    assert sorted(waiting) == []


def _askable(row: Authorisation, rows: Iterable[Integration]) -> list[Period]:
    """Today, the first days on which the customer knew the person, and everything since 1990."""
    begins = [own.period.begin for own in rows if own.kind == row.customer and own.quality in row.qualities]
    return [Period(TODAY, TODAY), *(Period(begin, begin) for begin in begins), Period(date(1990, 1, 1), TODAY)]


def _is_admitted(row: Authorisation, person: Person, rows: tuple[Integration, ...], period: Period) -> bool:
    found = verdict(row.customer, row.legal_context, row.service, person, period=period, rows=rows)
    return isinstance(found, Admitted) and found.authorisation.id == row.id
