"""The shipped services: their folders, their schemas, and what may be cut of them."""

import pytest
from lxml import etree

from institutions.reference import network
from institutions.reference.population import Population
from schemas.catalogue import Service
from tests.reference.messages import CATALOGUE, OURS, SERVICES, request

XS = "{http://www.w3.org/2001/XMLSchema}"

#: what not every requester may see, by service
SENSITIVE = {
    "FamilyAllowances/1": ("dossier/monthlyAmount", "dossier/relatedActor", "dossier/payments/payment/amount"),
    "HandicapRecognition/1": ("recognition/pathologyCode", "recognition/autonomyCriteria"),
    "HealthInsurance/1": (
        "part/Insurance/Indemnity",
        "part/Insurance/InsurancePart/HolderCode1/IncreasedIntervention",
        "part/Insurance/InsurancePart/HolderCode2/IncreasedIntervention",
    ),
    "LivingWages/1": ("part/LivingWage/Attestation/Details/RefundPercentage",),
    "OccupationalAccident/1": ("accident/injury", "accident/yearlyAnnuity"),
    "Pension/1": ("pension/monthlyAmount", "pension/history/entry/monthlyAmount"),
    "SelfEmployed/1": ("affiliation/referenceIncome", "affiliation/contributions/contribution/amount"),
    "SocialInquiry/1": ("part/recognition/pathologyCode", "part/pension/monthlyAmount", "part/Insurance/Indemnity"),
    "UnemploymentData/1": ("part/unemployment/dailyAmount", "part/unemployment/paidSums/paidSum/amount"),
}


def _id(service: Service) -> str:
    return service.name


def test_every_folder_is_a_service_and_no_two_are_the_same() -> None:
    assert {change.kind for change in CATALOGUE.found} == {"new"}
    assert {service.type for service in SERVICES} == {"RetrieveTIGroups/2", *SENSITIVE}
    asked = {s.type for s in CATALOGUE.services.values() if s.answered_by == "suppliers" and s.mode == "online"}
    # What the hub itself asks: of relays about their members, of owners what they told.
    assert asked - {"SectoralIntegrations/1", "RepeatMutation/1"} == set(network.HOLDERS)


#: What institutions tell without being asked (docs/distribution.md), and in which flow.
TOLD = {
    "DimonaMutation/1": "M",
    "HandicapMutation/1": "M",
    "InsuranceMutation/1": "M",
    "LivingWageMutation/1": "Z",
    "PensionMutation/1": "M",
    "PersonMutation/1": "M",
    "RiskMutation/1": "Z",
    "SsinReplaced/1": "M",
    "StatusMutation/1": "M",
    "UnemploymentMutation/1": "M",
}


def test_mutations_have_a_flow_and_what_not_everybody_may_see_can_be_cut() -> None:
    told = {service.type: service for service in CATALOGUE.services.values() if service.mode == "mutation"}
    assert {name: service.flow for name, service in told.items()} == TOLD
    for name, path in (
        ("DimonaMutation/1", "employment/userEnterpriseNumber"),
        ("HandicapMutation/1", "recognition/pathologyCode"),
        ("InsuranceMutation/1", "insurance/IncreasedIntervention"),
        ("LivingWageMutation/1", "livingWage/RefundPercentage"),
        ("PensionMutation/1", "pension/monthlyAmount"),
        ("PersonMutation/1", "person/address"),
        ("UnemploymentMutation/1", "unemployment/dailyAmount"),
    ):
        assert told[name].why_not_omit_request(path) is None
    assert told["StatusMutation/1"].why_not_omit_request("socialStatus") is not None


@pytest.mark.parametrize("service", OURS, ids=_id)
def test_our_own_services_have_their_own_namespace_and_faults(service: Service) -> None:
    namespace = f"urn:crossroads:services:{service.name}:v1"
    for root, kind in ((service.request, "Request"), (service.response, "Response"), (service.fault, "Fault")):
        assert root == f"{{{namespace}}}consult{service.name}{kind}"


@pytest.mark.parametrize("service", OURS, ids=_id)
def test_a_service_tells_eight_elements_at_least_of_a_dossier(service: Service) -> None:
    schema = etree.parse(service.folder / f"{service.name}.xsd").getroot()
    if service.name == "SocialInquiry":
        assert len(schema.findall(f".//{XS}choice/{XS}element")) == 5
        return
    head = {"CriteriaType", "PartType", f"Consult{service.name}RequestType", f"Consult{service.name}ResponseType"}
    data = [t for t in schema.findall(f"{XS}complexType") if t.get("name") not in head]
    leaves = [e for t in data for e in t.iter(f"{XS}element")]
    assert len(leaves) >= 8
    assert any(e.get("type") == "common:OpenPeriodType" for e in leaves)


@pytest.mark.parametrize("service", SERVICES, ids=_id)
def test_a_request_with_and_without_a_period_is_valid(service: Service) -> None:
    person = Population().examples.pensioner
    root, violations = service.violations(request(service, person.ssin), "request")
    assert violations == ()
    assert service.kind_of(root) == "request"


@pytest.mark.parametrize("name", SENSITIVE)
def test_what_not_everybody_may_see_can_be_cut(name: str) -> None:
    service = CATALOGUE.services[name]
    assert [service.why_not_omit(path) for path in SENSITIVE[name]] == [None] * len(SENSITIVE[name])


def test_what_every_answer_needs_cannot_be_cut() -> None:
    pension = CATALOGUE.services["Pension/1"]
    for path in ("status", "criteria", "pension/validityPeriod", "pension/noSuchThing"):
        assert pension.why_not_omit(path) is not None


def test_services_that_several_hold_or_a_relay_answers_collect_parts() -> None:
    cooperating = {
        name
        for name, kinds in network.HOLDERS.items()
        if len(kinds) > 1 or any(network.members_of(kind) for kind in kinds)
    }
    combining = {
        service.type
        for service in CATALOGUE.services.values()
        if service.combine == "part" and service.knows_incomplete
    }
    assert cooperating == combining
