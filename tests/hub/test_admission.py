"""The decision: tables for each check, and for every pair of checks the earlier one's code."""

from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.admission import Admitted, Asked, Refused, decide, interface
from hub.repertory.rules import Authorisation, Availability, Deliberation, Institution, RowId, Rules
from schemas.address import Address
from schemas.period import Period
from tests.hub.people import known, person, replaced

TODAY = date(2026, 11, 23)
ASKED = Period(TODAY, TODAY)
SMALS, NAMUR, GENT, CLOSED = (
    Address.parse(text) for text in ("17-0", "17-1-0212344876", "17-1-0207451227", "17-1-0206662577")
)
PCSW, PENSIONS, REGISTER, MUTUALITY, NIC = (Address.parse(text) for text in ("17-1", "5-0", "0-0", "11-1", "11-0"))
CONTEXT = "SOCIAL_INQUIRY"
WHO, OLD, NEW = person(1), person(2), person(3)


@dataclass(frozen=True)
class Facts:
    type: str = "Pension/1"
    period_rule: str = "within"


def institution(address: str, cbe: str, managed_by: str | None = None, *, active: bool = True) -> Institution:
    managing = None if managed_by is None else Address.parse(managed_by)
    return Institution(Address.parse(address), cbe, f"institution {address}", managing, active)


REGISTERED = (
    institution("17-0", "0308357159"),
    institution("17-1-0212344876", "0212344876", "17-0"),
    institution("17-1-0207451227", "0207451227", "17-0"),
    institution("17-1-0206662577", "0206662577", "17-0", active=False),
    institution("5-0", "0206738078"),
    institution("0-0", "0314595348"),
    institution("11-0", "0411702543"),
    institution("11-1-0411702543", "0411702543", "11-0"),
    institution("16-0", "0367303762", active=False),
)


def authorisation(id_: str = "pcsw-pension", **changes) -> Authorisation:
    values = {
        "customer": PCSW, "legal_context": CONTEXT, "service": "Pension/1", "qualities": frozenset({1, 2}),
        "min_phase": None, "suppliers": (PENSIONS,), "without": (),
        "deliberation": Deliberation("04/012", date(2004, 4, 6)), "valid": Period(date(2020, 1, 1), None), "version": 3,
    }  # fmt: skip
    return Authorisation(id_, **values | changes)


HELD = Availability("Pension/1", PENSIONS, 100)
RULES = Rules((*REGISTERED, HELD, authorisation()))
ROWS = (known(WHO, "17-1", 2), known(WHO, "5-0", 100))


def rules(*rows) -> Rules:
    return Rules((*REGISTERED, *rows))


def asked(**changes) -> Asked:
    values = {
        "customer": NAMUR, "service": Facts(), "legal_context": CONTEXT, "ssin": WHO, "period": ASKED, "today": TODAY,
    }  # fmt: skip
    return Asked(**values | changes)


def code(result) -> str | None:
    return result.code if isinstance(result, Refused) else None


def missing(result) -> str:
    assert code(result) == "MSG00012"
    ((name, value),) = result.information
    assert name == "missing"
    return value


class TestInterface:
    def resolve(self, sender=SMALS, cbe=None, place=None, service_known=True):
        return interface(RULES, sender, service_known=service_known, cbe=cbe, sector_institution=place)

    def test_a_sender_speaks_for_itself(self):
        assert self.resolve(cbe="0308357159") == SMALS
        assert self.resolve(place=SMALS) == SMALS
        assert self.resolve() == SMALS

    def test_a_sender_speaks_for_a_member_of_its_network(self):
        assert self.resolve(cbe="0212344876") == NAMUR

    def test_a_sender_that_is_not_in_the_register_is_refused(self):
        assert code(self.resolve(Address.parse("18-0"))) == "CRB00005"

    def test_a_cooperating_institution_does_not_speak_to_the_hub_itself(self):
        assert code(self.resolve(NAMUR, cbe="0212344876")) == "CRB00005"

    def test_an_inactive_sender_and_an_inactive_member_are_told_so(self):
        assert code(self.resolve(Address.parse("16-0"))) == "CRB00006"
        assert code(self.resolve(cbe="0206662577")) == "CRB00006"

    @pytest.mark.parametrize(
        ("cbe", "place"),
        [("0206738078", None), ("9999999999", None), (None, PCSW), (None, PENSIONS), ("0308357159", PCSW)],
        ids=["another's member", "nobody's", "two of that kind", "another", "two marks that do not meet"],
    )
    def test_who_is_not_exactly_one_of_its_own_is_refused(self, cbe, place):
        assert code(self.resolve(cbe=cbe, place=place)) == "CRB00007"

    def test_one_enterprise_number_of_sender_and_member_is_not_exactly_one(self):
        assert code(self.resolve(NIC, cbe="0411702543")) == "CRB00007"
        assert self.resolve(NIC, place=MUTUALITY) == Address.parse("11-1-0411702543")

    def test_an_unknown_service_is_told_after_the_sender_and_before_the_customer(self):
        assert code(self.resolve(service_known=False, cbe="9999999999")) == "CRB00008"
        assert code(self.resolve(Address.parse("16-0"), service_known=False)) == "CRB00006"


class TestAuthority:
    @pytest.mark.parametrize(
        "changes",
        [
            {"customer": PENSIONS}, {"legal_context": "ANOTHER"}, {"service": "Pension/2"}, {"service": "Pensions"},
            {"valid": Period(date(2020, 1, 1), date(2026, 11, 22))}, {"valid": Period(date(2026, 11, 24), None)},
        ],
        ids=["customer", "legal context", "version", "name", "over", "not yet"],
    )  # fmt: skip
    def test_none_that_fits_is_refused(self, changes):
        result = decide(rules(HELD, authorisation(**changes)), asked(), ROWS)
        assert result == Refused("MSG00013", (), NAMUR)

    def test_its_first_and_last_day_count(self):
        one_day = authorisation(valid=Period(TODAY, TODAY))
        assert isinstance(decide(rules(HELD, one_day), asked(), ROWS), Admitted)

    def test_a_name_without_version_speaks_of_every_version(self):
        assert isinstance(decide(rules(HELD, authorisation(service="Pension")), asked(), ROWS), Admitted)

    def test_it_is_the_customers_sector_and_type_that_counts(self):
        assert isinstance(decide(RULES, asked(customer=GENT), ROWS), Admitted)


class TestCustomer:
    @pytest.mark.parametrize(
        ("row", "what"),
        [
            (known(WHO, "17-1", 3), "quality"), (known(WHO, "18-0", 2), "quality"),
            (known(WHO, "17-1", 2, phase=1), "phase"), (known(WHO, "17-1", 2), "phase"),
            (known(WHO, "17-1", 2, "2020-01-01", "2026-11-22", phase=2), "period"),
            (known(WHO, "17-1", 902, phase=2), "quality"), (known(WHO, "17-1", 0, phase=2), "quality"),
        ],
    )  # fmt: skip
    def test_what_was_missing_is_told(self, row, what):
        result = decide(rules(HELD, authorisation(min_phase=2)), asked(), [row, known(WHO, "5-0", 100)])
        assert missing(result) == what

    def test_the_nearest_miss_of_several_authorisations_is_told(self):
        several = rules(HELD, authorisation("a", qualities=frozenset({5})), authorisation("b", min_phase=4))
        assert missing(decide(several, asked(), ROWS)) == "phase"
        row = known(WHO, "17-1", 2, "2020-01-01", "2021-01-01", phase=4)
        assert missing(decide(several, asked(), [row])) == "period"

    def test_a_provisional_registration_opens_what_names_it(self):
        named = rules(HELD, authorisation(qualities=frozenset({902})))
        result = decide(named, asked(), [known(WHO, "17-1", 902), known(WHO, "5-0", 100)])
        assert isinstance(result, Admitted)
        assert result.quality == 902

    def test_adjacent_rows_of_one_quality_count_together(self):
        rows = [known(WHO, "17-1", 2, "2020-01-01", "2022-12-31"), known(WHO, "17-1", 2, "2023-01-01"), ROWS[1]]
        long = asked(period=Period(date(2022, 1, 1), date(2023, 6, 30)))
        assert isinstance(decide(RULES, long, rows), Admitted)

    def test_a_service_may_say_that_an_overlap_is_enough(self):
        rows = [known(WHO, "17-1", 2, "2023-01-01"), ROWS[1]]
        period = Period(date(2022, 1, 1), date(2023, 6, 30))
        assert missing(decide(RULES, asked(period=period), rows)) == "period"
        overlap = asked(period=period, service=Facts(period_rule="overlap"))
        assert isinstance(decide(RULES, overlap, rows), Admitted)

    def test_the_first_by_id_under_which_the_check_succeeds_decides_alone(self):
        several = rules(
            HELD,
            Availability("Pension/1", MUTUALITY, None),
            authorisation("c", without=("c",)),
            authorisation("b", without=("b",), suppliers=(MUTUALITY,), version=7),
            authorisation("a", qualities=frozenset({1}), without=("a",)),
        )
        result = decide(several, asked(), ROWS)
        assert result == Admitted(NAMUR, RowId("b", 7), 2, (NIC,), ("b",))

    def test_one_that_opens_and_leads_to_nobody_is_not_followed_by_the_next(self):
        several = rules(HELD, authorisation("a", suppliers=(MUTUALITY,)), authorisation("b"))
        assert code(decide(several, asked(), ROWS)) == "MSG00021"


class TestReplaced:
    ROW = replaced(OLD, NEW)

    @pytest.mark.parametrize("integrated", [OLD, NEW], ids=["old", "new"])
    def test_who_had_integrated_either_number_is_told_the_new_one(self, integrated):
        past = known(integrated, "17-1", 8, "2001-01-01", "2002-01-01")
        result = decide(RULES, asked(ssin=OLD), [self.ROW, past])
        assert (result.code, result.information, result.customer) == ("MSG00006", (("newSSIN", NEW.digits),), NAMUR)

    def test_others_are_told_what_a_stranger_is_told(self):
        rows = [self.ROW, known(OLD, "18-0", 1), known(NEW, "5-0", 100)]
        assert missing(decide(RULES, asked(ssin=OLD), rows)) == "quality"

    def test_without_an_authorisation_nothing_is_told(self):
        assert code(decide(rules(HELD), asked(ssin=OLD), [self.ROW, known(OLD, "17-1", 2)])) == "MSG00013"

    def test_the_newest_of_a_chain_is_told(self):
        rows = [replaced(person(5), OLD), self.ROW, known(person(5), "17-1", 2)]
        assert decide(RULES, asked(ssin=person(5)), rows).information == (("newSSIN", NEW.digits),)

    def test_rows_under_the_old_number_count_for_the_new_one(self):
        rows = [self.ROW, known(OLD, "17-1", 2), known(OLD, "5-0", 100)]
        assert isinstance(decide(RULES, asked(ssin=NEW), rows), Admitted)

    @pytest.mark.parametrize("begin", ["2026-11-24"], ids=["tomorrow"])
    def test_a_number_that_is_replaced_later_is_not_yet(self, begin):
        rows = [replaced(OLD, NEW, begin=begin), known(OLD, "17-1", 2), known(OLD, "5-0", 100)]
        assert isinstance(decide(RULES, asked(ssin=OLD), rows), Admitted)

    def test_a_circle_of_replacements_ends(self):
        rows = [self.ROW, replaced(NEW, OLD), known(OLD, "17-1", 2)]
        assert decide(RULES, asked(ssin=OLD), rows).information == (("newSSIN", NEW.digits),)

    def test_no_number_stands_in_a_repr(self):
        result = decide(RULES, asked(ssin=OLD), [self.ROW, known(OLD, "17-1", 2)])
        assert NEW.digits not in repr(result)
        assert OLD.digits not in repr(asked(ssin=OLD))


class TestSuppliers:
    def suppliers(self, *rows, kinds=(PENSIONS, MUTUALITY, REGISTER), persons=ROWS, **changes):
        result = decide(rules(*rows, authorisation(suppliers=kinds)), asked(**changes), persons)
        return result.suppliers if isinstance(result, Admitted) else result.code

    def test_who_holds_the_data_and_knows_the_person_in_that_quality_is_asked(self):
        assert self.suppliers(HELD) == (PENSIONS,)
        assert self.suppliers(Availability("Pension", PENSIONS, 100)) == (PENSIONS,)
        assert self.suppliers(Availability("Pension/1", PENSIONS, 20)) == "MSG00021"
        assert self.suppliers(Availability("Pension/2", PENSIONS, 100), HELD) == (PENSIONS,)

    def test_who_holds_it_for_everybody_is_asked_about_anybody(self):
        assert self.suppliers(Availability("Pension/1", REGISTER, None)) == (REGISTER,)

    def test_only_suppliers_of_the_authorisation_are_asked(self):
        both = (HELD, Availability("Pension/1", REGISTER, None))
        assert self.suppliers(*both, kinds=(PENSIONS,)) == (PENSIONS,)
        assert self.suppliers(*both, kinds=(MUTUALITY,)) == "MSG00021"

    def test_a_cooperating_sector_and_type_is_asked_by_its_managing_institution_once(self):
        rows = (Availability("Pension/1", MUTUALITY, 1), Availability("Pension/1", NIC, None))
        persons = (ROWS[0], known(WHO, "11-1", 1))
        assert self.suppliers(*rows, persons=persons, kinds=(MUTUALITY, NIC)) == (NIC,)

    def test_several_are_asked_in_the_order_of_their_addresses(self):
        rows = (Availability("Pension/1", MUTUALITY, None), HELD, Availability("Pension/1", REGISTER, None))
        assert self.suppliers(*rows) == (REGISTER, PENSIONS, NIC)

    def test_a_dossier_that_touches_the_asked_period_is_enough(self):
        persons = (ROWS[0], known(WHO, "5-0", 100, "2010-01-01", "2021-03-31"))
        assert self.suppliers(HELD, persons=persons) == "MSG00021"
        period = Period(date(2021, 1, 1), TODAY)
        assert self.suppliers(HELD, persons=persons, period=period) == (PENSIONS,)

    def test_a_service_that_no_row_names_is_held_by_the_authorised_for_whom_they_have_integrated(self):
        assert self.suppliers() == (PENSIONS,)
        assert self.suppliers(persons=(ROWS[0], known(WHO, "5-0", 902))) == "MSG00021"
        assert self.suppliers(persons=(ROWS[0], known(WHO, "5-0", 0))) == "MSG00021"
        assert self.suppliers(persons=(ROWS[0], known(WHO, "0-0", 0))) == (REGISTER,)

    def test_a_refusal_for_want_of_a_supplier_says_what_had_opened(self):
        result = decide(RULES, asked(), ROWS[:1])
        assert result == Refused("MSG00021", (), NAMUR, RowId("pcsw-pension", 3), 2)


def ask(*, sender=SMALS, service_known=True, cbe="0212344876", context=CONTEXT, number=WHO, rows=ROWS) -> str | None:
    """All checks of this module, as the journey makes them."""
    customer = interface(RULES, sender, service_known=service_known, cbe=cbe, sector_institution=None)
    if isinstance(customer, Refused):
        return customer.code
    return code(decide(RULES, asked(customer=customer, legal_context=context, ssin=number), rows))


#: In the order of docs/wire.md: what makes each check fail. Rows are made of what the persons' checks say.
FAILURES = {
    "CRB00005": {"sender": Address.parse("18-0")},
    "CRB00006": {"sender": Address.parse("16-0")},
    "CRB00008": {"service_known": False},
    "CRB00007": {"cbe": "9999999999"},
    "MSG00013": {"context": "ANOTHER"},
    "MSG00006": {"number": OLD},
    "MSG00012": {"customer_row": False},
    "MSG00021": {"supplier_row": False},
}


def outcome(*failing: str) -> str | None:
    changes = {key: value for name in failing for key, value in FAILURES[name].items()}
    number = changes.get("number", WHO)
    # A replaced number is told to who knew it in whatever quality: that alone opens nothing.
    rows = [replaced(OLD, NEW), known(OLD, "17-1", 8)]
    if changes.pop("customer_row", True):
        rows.append(known(number, "17-1", 2))
    if changes.pop("supplier_row", True):
        rows.append(known(number, "5-0", 100))
    return ask(rows=rows, **changes)


def test_what_fails_no_check_is_admitted():
    assert outcome() is None


@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_one_check_is_told_its_code(name):
    assert outcome(name) == name


#: One sender cannot be both unknown and inactive.
IMPOSSIBLE = {("CRB00005", "CRB00006")}


@pytest.mark.parametrize(("earlier", "later"), [pair for pair in combinations(FAILURES, 2) if pair not in IMPOSSIBLE])
def test_what_fails_two_checks_is_told_of_the_earlier(earlier, later):
    assert outcome(earlier, later) == earlier


@given(
    st.sets(st.sampled_from(sorted(FAILURES)), min_size=1).filter(lambda some: not set(IMPOSSIBLE.copy().pop()) <= some)
)
def test_what_fails_any_checks_is_told_of_the_earliest(failing):
    assert outcome(*failing) == next(name for name in FAILURES if name in failing)


days = st.dates(date(2015, 1, 1), date(2030, 12, 31))
kinds = st.sampled_from(["17-1", "5-0", "11-1", "0-0", "18-0"])


@st.composite
def periods(draw):
    begin, end = draw(days), draw(st.none() | days)
    return Period(begin, None if end is None or end < begin else end)


@st.composite
def integrations(draw):
    who = draw(st.sampled_from([WHO, OLD, NEW]))
    if draw(st.booleans()):
        return replaced(who, draw(st.sampled_from([n for n in (WHO, OLD, NEW) if n != who])))
    row = known(who, draw(kinds), draw(st.sampled_from([0, 1, 2, 100, 902])), phase=draw(st.none() | st.integers(0, 3)))
    return replace(row, period=draw(periods()))


@st.composite
def authorisations(draw):
    return authorisation(
        draw(st.sampled_from("abcdef")),
        customer=draw(st.sampled_from([PCSW, PENSIONS])),
        qualities=draw(st.frozensets(st.sampled_from([0, 1, 2, 902]), min_size=1)),
        min_phase=draw(st.none() | st.integers(0, 3)),
        suppliers=tuple(draw(st.sets(st.sampled_from([PENSIONS, MUTUALITY, REGISTER]), min_size=1))),
        valid=draw(periods()),
    )


@st.composite
def networks(draw):
    held = st.builds(
        Availability, st.sampled_from(["Pension", "Pension/1", "Pension/2"]),
        st.sampled_from([PENSIONS, MUTUALITY, REGISTER]), st.sampled_from([None, 0, 1, 100]),
    )  # fmt: skip
    return rules(
        *draw(st.lists(held, max_size=4)), *draw(st.lists(authorisations(), max_size=4, unique_by=lambda a: a.id))
    )


@given(networks(), st.lists(integrations(), max_size=8), periods(), st.randoms())
def test_whoever_is_admitted_had_the_right_and_only_the_authorised_are_asked(network, rows, period, random):
    question = asked(period=period)
    result = decide(network, question, rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert decide(network, question, shuffled) == result
    if isinstance(result, Refused):
        assert result.code in ("MSG00013", "MSG00006", "MSG00012", "MSG00021")
        return
    (used,) = (one for one in network.authorisations if one.row == result.authorisation)
    assert used.customer == PCSW
    assert used.valid.contains(TODAY)
    assert result.quality in used.qualities
    assert any(row.kind == PCSW and row.quality == result.quality for row in rows)
    assert result.suppliers
    assert set(result.suppliers) <= {network.asked_as(kind) for kind in used.suppliers}
    assert list(result.suppliers) == sorted(set(result.suppliers))


@given(networks(), st.lists(integrations(), max_size=8), periods(), periods())
def test_asking_about_less_never_needs_more_rights(network, rows, period, part):
    """Within one row lies every part of what lies within it."""
    whole = decide(network, asked(period=period), rows)
    if isinstance(whole, Admitted) and period.covers(part):
        assert code(decide(network, asked(period=part), rows)) in (None, "MSG00021")
