"""Explanations: what is named as missing passes the check that failed, once it is there, and says nothing of others."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hub.admission import Admitted, Asked, decide
from hub.explanation import CHECKS, Explanation, Missing, Question, explain, preview, with_row
from hub.repertory.files import parse
from hub.repertory.rules import (
    Authorisation,
    Availability,
    Deliberation,
    Institution,
    Rules,
    is_significant,
)
from schemas.address import Address
from schemas.codes import CODES
from schemas.integration import Integration
from schemas.period import Period
from tests.hub.people import known, person, replaced

TODAY = date(2026, 11, 23)
NAMUR, GENT = Address.parse("17-1-0212344876"), Address.parse("17-1-0207451227")
SMALS, PCSW, PENSIONS, REGISTER, MUTUALITY = (Address.parse(text) for text in ("17-0", "17-1", "5-0", "0-0", "11-1"))
CONTEXT = "SOCIAL_INQUIRY"
WHO, OLD, NEW = person(1), person(2), person(3)


@dataclass(frozen=True)
class Facts:
    type: str = "Pension/1"
    period_rule: str = "within"
    combine: str | None = None
    answered_by: str = "suppliers"
    mode: str = "online"
    person_check: bool = True


def institution(address: str, cbe: str, managed_by: str | None = None, *, active: bool = True) -> Institution:
    managing = None if managed_by is None else Address.parse(managed_by)
    return Institution(Address.parse(address), cbe, f"institution {address}", managing, active)


REGISTERED = (
    institution("17-0", "0308357159"),
    institution("17-1-0212344876", "0212344876", "17-0"),
    institution("5-0", "0206738078"),
    institution("0-0", "0314595348"),
    institution("11-0", "0411702543"),
    institution("11-1-0411702543", "0411702543", "11-0"),
)


def authorisation(id_: str = "pcsw-pension", **changes) -> Authorisation:
    values = {
        "customer": PCSW, "legal_context": CONTEXT, "service": "Pension/1", "qualities": frozenset({1, 2}),
        "min_phase": None, "suppliers": (PENSIONS,), "without": (),
        "deliberation": Deliberation("04/012", date(2004, 4, 6)), "valid": Period(date(2020, 1, 1), None), "version": 3,
    }  # fmt: skip
    return Authorisation(id_, **values | changes)


HELD = Availability("Pension/1", PENSIONS, 100)
ROWS = (known(WHO, "17-1", 2), known(WHO, "5-0", 100))


def rules(*rows, registered=REGISTERED) -> Rules:
    return Rules((*registered, *rows))


RULES = rules(HELD, authorisation())


def question(**changes) -> Question:
    values = {
        "customer": NAMUR, "service_type": "Pension/1", "service": Facts(), "legal_context": CONTEXT, "ssin": WHO,
        "period": Period(TODAY, TODAY), "day": TODAY,
    }  # fmt: skip
    return Question(**values | changes)


def without(*addresses: str) -> tuple[Institution, ...]:
    return tuple(row for row in REGISTERED if str(row.address) not in addresses)


def inactive(address: str) -> tuple[Institution, ...]:
    return tuple(replace(row, active=str(row.address) != address) for row in REGISTERED)


def added(text: str) -> str:
    """The text as whoever adds the row fills it in."""
    return "\n".join(line.removeprefix("# ").partition(": ")[0] for line in text.split("\n"))


ONCE = Period(date(2020, 1, 1), date(2021, 1, 1))

#: Name: code, rules, rows, question, tables of what is missing.
REFUSALS = {
    "not in the register": ("CRB00005", rules(HELD, authorisation(customer=PENSIONS, qualities=frozenset({100})),
        registered=without("5-0")), ROWS, question(customer=PENSIONS), ["institution"]),
    "its managing institution is not": (
        "CRB00005", rules(HELD, authorisation(), registered=without("17-0")), ROWS, question(), ["institution"]),
    "inactive": ("CRB00006", rules(HELD, authorisation(customer=PENSIONS, qualities=frozenset({100})),
        registered=inactive("5-0")), ROWS, question(customer=PENSIONS), ["institution"]),
    "an inactive member": (
        "CRB00006", rules(HELD, authorisation(), registered=inactive(str(NAMUR))), ROWS, question(), ["institution"]),
    "no member": ("CRB00007", RULES, ROWS, question(customer=GENT), ["institution"]),
    "no authorisation": ("MSG00013", rules(HELD), ROWS, question(), ["authorisation"]),
    "authorised for other days": ("MSG00013", rules(HELD, authorisation(valid=ONCE)), ROWS, question(),
        ["authorisation"]),
    "authorised in another context": ("MSG00013", rules(HELD, authorisation(legal_context="OTHER")), ROWS, question(),
        ["authorisation"]),
    "its own id is taken": ("MSG00013", rules(HELD, authorisation("17-1:Pension/1:SOCIAL_INQUIRY", legal_context="B")),
        ROWS, question(), ["authorisation"]),
    "not known in the quality": ("MSG00012", RULES, (known(WHO, "17-1", 3), ROWS[1]), question(), ["integration"]),
    "not known at all": ("MSG00012", RULES, ROWS[1:], question(), ["integration"]),
    "not known in the phase": ("MSG00012", rules(HELD, authorisation(min_phase=2)), ROWS, question(), ["integration"]),
    "not known in the period": ("MSG00012", RULES, (known(WHO, "17-1", 2, "2020-01-01", "2026-11-22"), ROWS[1]),
        question(), ["integration"]),
    "not known all the time": ("MSG00012", RULES, (known(WHO, "17-1", 2, "2026-01-01"), ROWS[1]),
        question(period=Period(date(2025, 1, 1), None)), ["integration"]),
    "not known under either authorisation": ("MSG00012", rules(HELD, authorisation("a", qualities=frozenset({1})),
        authorisation("b", qualities=frozenset({5}))), (known(WHO, "17-1", 3), ROWS[1]), question(),
        ["integration", "integration"]),
    "nobody holds the person": ("MSG00021", RULES, ROWS[:1], question(), ["integration"]),
    "held in another quality": ("MSG00021", RULES, (ROWS[0], known(WHO, "5-0", 110)), question(), ["integration"]),
    "nobody is said to hold it": ("MSG00021", rules(authorisation()), ROWS[:1], question(), ["integration"]),
    "a supplier is not said to hold it": ("MSG00021", rules(Availability("Pension/1", REGISTER, None), authorisation()),
        ROWS, question(), ["availability"]),
    "one of two suppliers would do": ("MSG00021", rules(HELD, Availability("Pension/1", MUTUALITY, 1),
        authorisation(suppliers=(PENSIONS, MUTUALITY))), ROWS[:1], question(service=Facts(combine="part")),
        ["integration", "integration"]),
    "nobody holds it for everybody": ("MSG00021", RULES, ROWS, question(service=Facts(person_check=False)),
        ["availability"]),
}  # fmt: skip


def number(explanation: Explanation) -> float:
    """How far it came."""
    return 99 if explanation.admitted else explanation.check or 0


@pytest.mark.parametrize("case", REFUSALS)
def test_the_row_that_is_named_once_added_passes_the_check(case):
    code, world, rows, asked, tables = REFUSALS[case]
    told = explain(world, asked, rows)
    assert (told.admitted, told.code, told.check) == (False, code, CHECKS[code][1])
    assert [missing.table for missing in told.missing] == tables
    for missing in told.missing:
        after = explain(*_swapped(with_row(world, rows, missing), asked))
        assert number(after) > number(told), missing.text
        assert after.admitted, "in these cases it is all that is missing"
        assert missing.by


def _swapped(world, asked):
    return world[0], asked, world[1]


def test_a_member_that_is_not_there_is_named_with_its_network():
    told = explain(rules(HELD, authorisation()), question(customer=GENT), ROWS)
    assert told.code == "CRB00007"
    [missing] = told.missing
    assert 'managed_by = "17-0"' in missing.text
    assert missing.by == ("the hub's operators", "17-0")
    assert parse(added(missing.text), "proposed.toml").rows == (missing.row,)
    assert explain(*_swapped(with_row(RULES, ROWS, missing), question(customer=GENT))).admitted


def test_a_member_of_no_network_needs_one():
    told = explain(rules(registered=()), question(), ROWS)
    assert (told.code, told.missing[0].row.address) == ("CRB00005", SMALS)
    managing = rules(HELD, authorisation(), told.missing[0].row, registered=())
    told = explain(managing, question(), ROWS)
    assert (told.code, told.missing[0].row.managed_by) == ("CRB00007", SMALS)


def test_an_enterprise_number_that_two_members_share_is_no_missing_row():
    twice = (*REGISTERED, institution("17-2-0212344876", "0212344876", "17-0"))
    told = explain(rules(HELD, authorisation(), registered=twice), question(), ROWS)
    assert (told.code, told.missing) == ("CRB00007", ())


def test_an_unknown_service_wants_a_folder():
    told = explain(RULES, question(service=None), ROWS)
    assert (told.code, told.check) == ("CRB00008", 8)
    [missing] = told.missing
    assert (missing.table, missing.row) == ("service", None)
    assert 'name = "Pension", version = "1"' in missing.text
    assert with_row(RULES, ROWS, missing) == (RULES, ROWS)
    assert explain(RULES, question(), ROWS).admitted, "with the folder"


def test_a_replaced_number_is_asked_again_under_the_newer_one_and_not_told():
    rows = (known(OLD, "17-1", 2), replaced(OLD, NEW), known(NEW, "5-0", 100))
    told = explain(RULES, question(ssin=OLD), rows)
    assert (told.code, told.check, told.missing) == ("MSG00006", 14, ())
    assert told.remarks
    assert NEW.digits not in f"{told!r}{told.remarks}{told.information}"
    assert explain(RULES, question(ssin=NEW), rows).admitted


def test_what_is_wrong_with_the_integration_is_told():
    told = explain(rules(HELD, authorisation(min_phase=2)), question(), ROWS)
    assert told.information == (("missing", "phase"),)
    [missing] = told.missing
    assert missing.text == (
        '[[integration]]\naddress = "17-1"\nquality = 2\nphase = 2\nfrom = 2026-11-23\nto = 2026-11-23'
    )
    assert missing.by == (f"{NAMUR}, by RegisterIntegration", "its managing institution, in the sectoral repertory")


def test_each_authorised_quality_that_would_do_is_told():
    [missing] = explain(RULES, question(), ROWS[1:]).missing
    assert missing.qualities == (1, 2)
    assert "quality = 1  # or one of 2" in missing.text


def test_an_authorisation_is_proposed_as_a_file_would_have_it_and_cannot_be_loaded_without_a_deliberation():
    told = explain(rules(HELD, authorisation(valid=ONCE)), question(), ROWS)
    assert [str(row) for row in told.decided_by] == ["authorisation pcsw-pension v3"], "it is of other days"
    [missing] = told.missing
    assert missing.by == ("the hub's operators, under a deliberation",)
    assert "\n# deliberation = " in missing.text
    with pytest.raises(Exception, match="deliberation: missing"):
        parse(missing.text, "proposed.toml")
    assert parse(added(missing.text), "proposed.toml").rows == (missing.row,)
    other = explain(rules(HELD, authorisation(legal_context="OTHER")), question(), ROWS)
    assert other.remarks == ("it may ask this service in the legal context OTHER",)


@pytest.mark.parametrize("case", [name for name, case in REFUSALS.items() if case[0] != "MSG00012"])
def test_a_rule_that_is_named_is_a_table_that_can_be_loaded(case):
    _, world, rows, asked, _ = REFUSALS[case]
    for missing in explain(world, asked, rows).missing:
        if not isinstance(missing.row, Integration):
            assert parse(added(missing.text), "proposed.toml").rows == (missing.row,)


def test_no_text_and_no_repr_holds_the_number():
    for _, world, rows, asked, _ in REFUSALS.values():
        told = explain(world, asked, rows)
        assert WHO.digits not in repr(told)
        assert WHO.digits not in "".join(missing.text for missing in told.missing)


def test_without_a_number_it_is_said_as_far_as_the_authorisations():
    told = explain(RULES, question(ssin=None), ())
    assert told.admitted is None
    assert [str(row) for row in told.decided_by] == ["authorisation pcsw-pension v3"]
    assert explain(rules(HELD), question(ssin=None), ()).code == "MSG00013"


def test_a_service_that_the_hub_answers_has_checks_of_its_own():
    own = rules(authorisation(suppliers=()))
    told = explain(own, question(service=Facts(answered_by="hub", person_check=False)), ())
    assert told.admitted
    assert told.remarks
    missing = explain(rules(), question(service=Facts(answered_by="hub", person_check=False)), ()).missing[0]
    assert missing.row.suppliers == ()
    assert "suppliers" not in missing.text


def test_every_refusal_that_the_hub_itself_decides_is_one_of_the_checks():
    common = {code for code in CODES if code.startswith("CRB") and code < "CRB00010"}
    assert common | {"MSG00006", "MSG00008", "MSG00011", "MSG00012", "MSG00013", "MSG00021"} == set(CHECKS)


# --- any world -------------------------------------------------------------------------------------------------------

KINDS = [PCSW, PENSIONS, REGISTER, MUTUALITY]
DAYS = st.integers(-400, 400).map(lambda n: TODAY + timedelta(n))
PERIODS = st.tuples(DAYS, st.none() | st.integers(0, 400)).map(
    lambda t: Period(t[0], None if t[1] is None else t[0] + timedelta(t[1]))
)
QUALITIES = st.sampled_from([0, 1, 2, 100, 902])
PERSON_ROWS = st.builds(
    Integration, st.sampled_from([WHO, WHO, WHO, OLD]), st.sampled_from(KINDS), QUALITIES,
    st.none() | st.integers(0, 3), PERIODS,
) | st.sampled_from([replaced(OLD, WHO), replaced(WHO, NEW)])  # fmt: skip
SOME_ROWS = st.lists(PERSON_ROWS, max_size=6)


@st.composite
def worlds(draw):
    made = [
        authorisation(
            f"a{n}", qualities=draw(st.frozensets(QUALITIES, min_size=1)),
            min_phase=draw(st.none() | st.integers(0, 3)),
            suppliers=tuple(sorted(draw(st.sets(st.sampled_from(KINDS), min_size=1)))), valid=draw(PERIODS),
            legal_context=draw(st.sampled_from([CONTEXT, CONTEXT, "OTHER"])),
        )
        for n in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    held = draw(st.lists(st.builds(Availability, st.just("Pension"), st.sampled_from(KINDS), st.none() | QUALITIES)))
    registered = tuple(
        replace(row, active=draw(st.sampled_from([True] * 9 + [False])))
        for row in REGISTERED
        if draw(st.integers(0, 19))
    )
    facts = Facts(
        period_rule=draw(st.sampled_from(["within", "overlap"])),
        combine="part",
        person_check=draw(st.integers(0, 9)) > 0,
    )
    asked = question(
        period=draw(PERIODS), service=facts, customer=draw(st.sampled_from([NAMUR, NAMUR, PENSIONS, REGISTER]))
    )
    return rules(*held, *made, registered=registered), asked, draw(SOME_ROWS)


@settings(max_examples=50)
@given(worlds())
def test_whatever_is_missing_each_row_that_is_named_gets_further_and_in_the_end_it_is_admitted(world):
    world, asked, rows = world
    steps = 0
    while (told := explain(world, asked, rows)).missing:
        for missing in told.missing:
            after = explain(*_swapped(with_row(world, rows, missing), asked))
            # A member and who manages its network may both be inactive; a stranger to a replaced number is told so once
            # it has integrated the person.
            same = told.code == after.code == "CRB00006" and told.missing != after.missing
            assert number(after) > number(told) or same or (told.code, after.code) == ("MSG00012", "MSG00006")
        world, rows = with_row(world, rows, told.missing[0])
        steps += 1
        assert steps < 12
    assert told.admitted or told.code == "MSG00006"


@given(worlds(), SOME_ROWS)
def test_what_a_refusal_says_hangs_on_the_customers_own_rows_alone(world, others):
    world, asked, rows = world
    own = [row for row in rows if row.kind == asked.customer.kind]
    strangers = [row for row in others if row.kind != asked.customer.kind and row.quality != 999]
    one, two = explain(world, asked, rows), explain(world, asked, [*own, *strangers])
    assume(not one.admitted and one.code == two.code)
    assert one == two


@given(worlds())
def test_the_verdict_is_the_decisions_own(world):
    world, asked, rows = world
    told = explain(world, asked, rows)
    assume(told.check is None or told.check >= 13)
    plain = Asked(
        asked.customer, asked.service, asked.legal_context, WHO if asked.service.person_check else None, asked.period,
        TODAY,
    )  # fmt: skip
    verdict = decide(world, plain, rows)
    assert told.admitted == isinstance(verdict, Admitted)
    assert told.suppliers == getattr(verdict, "suppliers", ())


# --- preview ---------------------------------------------------------------------------------------------------------


def test_a_preview_says_under_which_row_each_is_asked():
    world = rules(
        HELD, Availability("Pension", MUTUALITY, 1), Availability("Pension", REGISTER, None),
        authorisation(suppliers=(PENSIONS, MUTUALITY), without=("pension/monthlyAmount",)),
    )  # fmt: skip
    rows = (*ROWS, known(WHO, "11-1", 1))
    seen = preview(world, question(service=Facts(combine="part")), rows).supplies
    assert [(str(supply.holder), str(supply.asked_at), str(supply.availability)) for supply in seen] == [
        ("11-1", "11-0", "availability Pension 11-1 1 v0"),
        ("5-0", "5-0", "availability Pension/1 5-0 100 v0"),
    ]
    assert {str(supply.authorisation) for supply in seen} == {"authorisation pcsw-pension v3"}
    assert {supply.without for supply in seen} == {("pension/monthlyAmount",)}
    assert preview(world, question(), ROWS[1:]).supplies == ()


@given(worlds())
def test_who_is_previewed_is_who_is_asked(world):
    seen = preview(*_swapped((world[0], world[2]), world[1]))
    assert {supply.asked_at for supply in seen.supplies} == set(seen.explanation.suppliers)
    for supply in seen.supplies:
        if supply.availability is None:
            assert any(row.kind == supply.holder and is_significant(row.kind, row.quality) for row in world[2])


def test_a_missing_row_is_shown_without_its_person():
    assert "row" not in repr(Missing("integration", ROWS[0], ("5-0",)))
