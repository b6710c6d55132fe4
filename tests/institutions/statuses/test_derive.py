"""Every status of the reference network by its rule, and what the actions do to it."""

from datetime import date

import pytest
from lxml import etree

from institutions.reference.mutations import Telling
from institutions.reference.suppliers.elements import element, period
from institutions.statuses.definitions import SHIPPED, DefinitionsError, read
from institutions.statuses.derive import CannotDerive, derive
from institutions.statuses.derive import read as read_fact
from institutions.statuses.following import Following
from schemas.address import Address
from schemas.period import Period
from schemas.ssin import Ssin
from tests.reference.messages import CATALOGUE

DEFINITIONS = read(SHIPPED, CATALOGUE)
PERSON = Ssin.parse("85073003328")
DAYS = Period(date(2026, 5, 12), date(2026, 8, 31))
INSURED = Period(date(2026, 1, 1), None)


def fact(service: str, content: etree._Element | None, action: str = "CREATED", days: Period = DAYS):
    telling = Telling(service, Address(5, 0), PERSON, days, "D-1", content, action)
    known = CATALOGUE.services[service]
    root, violations = known.violations(telling.message("TEST"), "request")
    assert violations == ()
    return read_fact(known, root)


def living_wage(quality: int):
    return "LivingWageMutation/1", element("livingWage", element("QualityCode", quality))


def pension(kind: str):
    return "PensionMutation/1", element("pension", element("kind", kind))


def handicap(kind: str, reduced: int | None):
    told = element("reducedBy", reduced) if reduced is not None else None
    return "HandicapMutation/1", element("recognition", element("allowanceKind", kind), told)


def insurance(increased: bool | None):
    told = element("IncreasedIntervention", increased) if increased is not None else None
    return "InsuranceMutation/1", element("insurance", period("InsurancePeriod", INSURED), told)


def unemployment(category: str, days: int):
    return "UnemploymentMutation/1", element("unemployment", element("category", category), element("days", days))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (living_wage(2), {"LIVING_WAGE": DAYS}),
        (living_wage(3), {"EQUIVALENT_LIVING_WAGE": DAYS}),
        (living_wage(4), {}),
        (pension("GRAPA"), {"INCOME_GUARANTEE": DAYS}),
        (pension("RETIREMENT"), {}),
        (handicap("IVT", 66), {"HANDICAP_ALLOWANCE": DAYS, "HANDICAP_RECOGNISED": DAYS}),
        (handicap("IT", 65), {"HANDICAP_ALLOWANCE": DAYS}),
        (handicap("IVT_IT", None), {"HANDICAP_ALLOWANCE": DAYS}),
        (handicap("THAB", 65), {}),
        (handicap("NONE", 100), {"HANDICAP_RECOGNISED": DAYS}),
        (insurance(True), {"INCREASED_REIMBURSEMENT": INSURED}),
        (insurance(False), {}),
        (insurance(None), {}),
        (unemployment("COMPLETE_UNEMPLOYMENT", 365), {"LONG_UNEMPLOYED": DAYS}),
        (unemployment("COMPLETE_UNEMPLOYMENT", 364), {}),
        (unemployment("CAREER_BREAK", 400), {}),
    ],
)
def test_what_follows_from_what_a_source_tells(told, expected):
    told_fact = fact(*told)
    found = {one.code: derive(one, told_fact, None) for one in DEFINITIONS.of(told_fact.source)}
    assert {code: days for code, days in found.items() if days is not None} == expected
    assert len(found) >= 1


def test_seven_statuses_each_with_source_rule_validity_and_text_in_four_languages():
    assert len(DEFINITIONS.statuses) == 7
    assert len(DEFINITIONS.sources) == 5
    assert all(set(one.text) == {"nl", "fr", "de", "en"} and one.when for one in DEFINITIONS.statuses.values())


BEFORE = Period(date(2026, 2, 1), date(2026, 12, 31))


@pytest.mark.parametrize(
    ("action", "days", "before", "expected"),
    [
        ("CREATED", DAYS, None, DAYS),
        ("CHANGED", DAYS, BEFORE, DAYS),
        ("CHANGED", DAYS, None, DAYS),
        ("STOPPED", Period(date(2026, 2, 1), date(2026, 4, 30)), BEFORE, Period(date(2026, 2, 1), date(2026, 4, 30))),
        ("STOPPED", Period(date(2026, 1, 1), date(2027, 4, 30)), BEFORE, BEFORE),
        ("STOPPED", Period(date(2026, 1, 1), date(2026, 1, 31)), BEFORE, None),
        ("STOPPED", DAYS, Period(date(2026, 1, 1), None), Period(date(2026, 1, 1), DAYS.end)),
        ("STOPPED", DAYS, None, None),
        ("CANCELLED", DAYS, BEFORE, None),
        ("CANCELLED", DAYS, None, None),
    ],
)
def test_what_an_action_does_to_what_held(action, days, before, expected):
    told = fact(*living_wage(2), action, days)
    assert derive(DEFINITIONS.statuses["LIVING_WAGE"], told, before) == expected


def test_a_change_to_what_no_longer_fits_ends_the_one_status_and_begins_the_other():
    told = fact(*living_wage(3), "CHANGED")
    assert derive(DEFINITIONS.statuses["LIVING_WAGE"], told, BEFORE) is None
    assert derive(DEFINITIONS.statuses["EQUIVALENT_LIVING_WAGE"], told, None) == DAYS


def test_what_stops_or_ends_needs_no_content():
    for action in ("STOPPED", "CANCELLED"):
        assert derive(DEFINITIONS.statuses["LIVING_WAGE"], fact("LivingWageMutation/1", None, action), None) is None


def test_stopped_without_a_last_day_is_refused():
    told = fact(*living_wage(2), "STOPPED", Period(DAYS.begin, None))
    with pytest.raises(CannotDerive, match="no last day"):
        derive(DEFINITIONS.statuses["LIVING_WAGE"], told, BEFORE)


# --- the file ---------------------------------------------------------------------------------------------------------

STATUS = """
[[status]]
code = "LIVING_WAGE"
source = "LivingWageMutation/1"
when = [{ path = "livingWage/QualityCode", in = ["2"] }]
until = "quarter"
text = { nl = "a", fr = "b", de = "c", en = "d" }
"""


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (STATUS.replace("LivingWageMutation/1", "Pension/1"), "statuses.toml:4: source: "),
        (STATUS.replace("QualityCode", "Quality"), "statuses.toml:5: when: "),
        (STATUS.replace('until = "quarter"', 'until = "month"'), "statuses.toml:6: until: "),
        (STATUS.replace('until = "quarter"', 'until = "year"\nvalidity = "livingWage"'), "statuses.toml:7: validity: "),
        (STATUS.replace('in = ["2"]', 'in = ["2"], exists = true'), "statuses.toml:5: when: "),
        (STATUS.replace(', en = "d"', ""), "statuses.toml:7: text: "),
        (STATUS + STATUS, "statuses.toml:10: code: "),
        (STATUS.replace("code =", "cod ="), "statuses.toml:2: code: "),
        (STATUS + '[[grants]]\nbody = "64-0"\nstatuses = ["LIVING"]\n', "statuses.toml:10: statuses: "),
        (STATUS + '[[grants]]\nbody = "64-0-0212344876"\nstatuses = ["LIVING_WAGE"]\n', "statuses.toml:9: body: "),
        (STATUS + "[[stati]]\n", "statuses.toml: stati: "),
        ("[[status", "statuses.toml: not TOML: "),
    ],
)
def test_a_wrong_file_says_line_and_field(tmp_path, text, where):
    file = tmp_path / "statuses.toml"
    file.write_text(text)
    with pytest.raises(DefinitionsError) as told:
        read(file, CATALOGUE)
    assert any(line.startswith(where) for line in told.value.lines), told.value


def test_who_sees_which(tmp_path):
    file = tmp_path / "statuses.toml"
    file.write_text(STATUS + '[[grants]]\nbody = "64-0"\nstatuses = ["LIVING_WAGE"]\n')
    found = read(file, CATALOGUE)
    assert found.seen_by(Address(64, 0)) == {"LIVING_WAGE"}
    assert found.seen_by(Address(70, 3)) == found.seen_by(None) == frozenset()


def test_a_change_of_the_file_counts_from_then_on_and_a_wrong_one_changes_nothing(tmp_path):
    file = tmp_path / "statuses.toml"
    file.write_text(STATUS)
    following = Following(file, CATALOGUE)
    assert set(following.now.statuses) == {"LIVING_WAGE"}
    file.write_text(STATUS.replace('"LIVING_WAGE"', '"LEEFLOON"'))
    assert set(following.now.statuses) == {"LEEFLOON"}
    file.write_text("[[status")
    assert set(following.now.statuses) == {"LEEFLOON"}
    file.unlink()
    assert set(following.now.statuses) == {"LEEFLOON"}
    file.write_text(STATUS + "\n")
    assert set(following.now.statuses) == {"LIVING_WAGE"}
