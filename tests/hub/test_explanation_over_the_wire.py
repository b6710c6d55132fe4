"""An institution asks the hub why, over the broker: of its own tickets and its own side, and of nobody else's."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from schemas.address import Address
from schemas.period import today
from schemas.ssin import Ssin
from tests.hub import integrations
from tests.hub.star import (
    CONTEXT,
    CUSTOMER,
    MANAGING,
    ONE,
    PCSW_A,
    PCSW_B,
    STRANGER,
    TWO,
    Star,
    Told,
    opened,
)  # fmt: skip

GIVEN = 'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
_EXPLAINS = "".join(
    f'[[authorisation]]\nid = "explain-{kind}"\ncustomer = "{kind}"\nlegal_context = "{CONTEXT}"\n'
    f'service = "ExplainDecision/1"\nqualities = [{quality}]\n'
    f"{GIVEN}"
    for kind, quality in (("64-0", 0), ("17-0", 0), ("17-1", 2), ("1-0", 902), ("5-0", 100), ("7-0", 101), ("16-0", 1))
)
DISTRIBUTED = (
    '[[distribution]]\nservice = "Probe/1"\nrecipient = "64-0"\nqualities = [0]\nwithout = []\n'
    f"{GIVEN}"
    '[[distribution]]\nservice = "Probe/1"\nrecipient = "5-0"\nqualities = [100]\nwithout = []\n'
    f"{GIVEN}"
)
_CONSULTS = (
    f'[[authorisation]]\nid = "others"\ncustomer = "64-0"\nlegal_context = "{CONTEXT}"\nqualities = [0]\n'
    'service = "ConsultOtherSectors/1"\ndeliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
)
MORE_RULES = integrations.MORE_RULES + _EXPLAINS + DISTRIBUTED + _CONSULTS
DIRECT = "<sector>{0.sector}</sector><institution>{0.type}</institution>"
MEMBER = f"<cbeNumber>{PCSW_A}</cbeNumber>"


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), MORE_RULES) as star:
        await star.hub()
        await star.supply(integrations.NATIONAL_REGISTER, "IdentifyPerson/1", integrations.identify)
        yield star


class Explained:
    """What the hub answered."""

    def __init__(self, told: Told) -> None:
        self.told, self.said = told, told.said
        root = told.root.find("explanation")
        self.there = root is not None
        if root is None:
            return
        self.verdict, self.code, self.check = (root.findtext(name) for name in ("verdict", "code", "check"))
        self.decided_by = [row.findtext("id") for row in root.iterfind("decidedBy")]
        self.missing = [row.findtext("text") or "" for row in root.iterfind("missing")]
        self.by = [[who.text for who in row.iterfind("mayBeAddedBy")] for row in root.iterfind("missing")]
        self.suppliers = [
            f"{row.findtext('sector')}-{row.findtext('institution')}" for row in root.iterfind("supplier")
        ]
        self.receives = [row.findtext("id") for row in root.iterfind("receives")]
        self.outcome, self.step = root.findtext("told"), root.findtext("step")
        self.remarks = [remark.text or "" for remark in root.iterfind("remark")]
        self.information = {i.findtext("fieldName"): i.findtext("fieldValue") for i in root.iterfind("information")}


async def explain(
    star: Star,
    ssin: Ssin,
    criteria: str,
    *,
    sender: Address = CUSTOMER,
    customer: str = "",
    period: tuple[str, str] | None = None,
    context: str = CONTEXT,
) -> Explained:
    asked = f"<period><beginDate>{period[0]}</beginDate><endDate>{period[1]}</endDate></period>" if period else ""
    body = (
        '<r:explainDecisionRequest xmlns:r="urn:crossroads:services:ExplainDecision:v1"><informationCustomer>'
        f"<ticket>{uuid4()}</ticket>"
        f"<customerIdentification>{customer or DIRECT.format(sender)}</customerIdentification>"
        f"</informationCustomer><legalContext>{context}</legalContext><criteria>{criteria}<ssin>{ssin.digits}</ssin>"
        f"{asked}</criteria></r:explainDecisionRequest>"
    )
    return Explained(await star.send(body.encode(), sender=sender))


def of(told: Told) -> str:
    return f"<ticketCBSS>{told.ticket_cbss}</ticketCBSS>"


def asking(service: str = "Probe/1", context: str = CONTEXT, day: object = None) -> str:
    written = f"<day>{day}</day>" if day else ""
    return f"<question><service>{service}</service><legalContext>{context}</legalContext>{written}</question>"


def filled_in(text: str) -> str:
    return "\n".join(line.removeprefix("# ").partition(": ")[0] for line in text.split("\n"))


async def add(star: Star, ssin: Ssin, text: str) -> None:
    """Write the row that was named, as it was named; of the person only the number is added."""
    said = dict(line.split(" = ", 1) for line in filled_in(text).split("\n")[1:])
    if text.startswith("[[integration]]"):
        kind = Address.parse(said["address"].strip('"'))
        quality = int(said["quality"].partition(" #")[0])
        phase = int(said["phase"]) if "phase" in said else None
        await star.know(ssin, (kind, quality, phase, _day(said["from"]), _day(said.get("to"))))
    else:
        await star.reload(star.rules + filled_in(text) + "\n")


def _day(text):
    return None if text is None else type(today()).fromisoformat(text)


# --- the row that is named, once added, makes the same request pass --------------------------------------------------

OLD = (today() - timedelta(900), today() - timedelta(800))
CASES = {
    "MSG00013": ([(CUSTOMER, 0), (ONE, 100)], {"context": "OTHER"}),
    "MSG00012 quality": ([(ONE, 100)], {}),
    "MSG00012 period": ([(CUSTOMER, 0, None, *OLD), (ONE, 100)], {}),
    "MSG00012 part of the period": (
        [(CUSTOMER, 0, None, *OLD), (ONE, 100)], {"period": (OLD[0].isoformat(), (OLD[1] + timedelta(9)).isoformat())}),
    "MSG00021": ([(CUSTOMER, 0)], {}),
    "MSG00021 of several": ([(CUSTOMER, 0)], {"service": "Gather/1"}),
}  # fmt: skip


@pytest.mark.parametrize("form", ["ticket", "ticketCBSS", "question"])
@pytest.mark.parametrize("case", CASES)
async def test_the_row_that_is_named_once_added_makes_the_same_request_pass(star, case, form):
    known, request = CASES[case]
    ssin, ticket = await star.person(*known), str(uuid4())
    told = await star.consult(ssin, ticket=ticket, **request)
    assert told.code == case.split()[0]
    criteria = {
        "ticket": f"<ticket>{ticket}</ticket>",
        "ticketCBSS": of(told),
        "question": asking(request.get("service", "Probe/1"), request.get("context", CONTEXT)),
    }
    why = await explain(star, ssin, criteria[form], period=request.get("period"))
    assert why.said == ("DATA_FOUND", "MSG00000")
    assert (why.verdict, why.code) == ("REFUSED", told.code)
    assert why.outcome == (None if form == "question" else told.code)
    assert why.missing
    assert all(why.by)
    assert ssin.digits not in "".join(why.missing)
    try:
        await add(star, ssin, why.missing[0])
        assert (await star.consult(ssin, **request)).said == ("DATA_FOUND", "MSG00000")
    finally:
        await star.reload(star.rules)


# --- what a service that the hub answers finds out by itself ----------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "quality", "phase", "named"), [(ONE, 20, None, "10, 100"), (TWO, 101, 1, "101 from phase 2")]
)
async def test_a_quality_or_phase_that_may_not_be_registered_passes_with_the_row_that_is_named(
    star, sender, quality, phase, named
):
    ssin, registrar = await star.person(), integrations.Registrar(star, sender, DIRECT.format(sender))
    told = await registrar.register(ssin, quality, phase=phase)
    assert told.code == "MSG00013"
    why = await explain(star, ssin, of(told), sender=sender)
    assert (why.verdict, why.code, why.check, why.step, why.outcome) == ("REFUSED", "MSG00013", None, "own", "MSG00013")
    assert any(f"name the qualities {named}; it named another" in remark for remark in why.remarks)
    assert why.by == [["the hub's operators, under a deliberation"]]
    [row] = why.missing
    names = [line for line in row.split("\n") if line.startswith("# qualities = ")]
    assert len(names) == 1, "what the journal does not hold is for people to fill in"
    try:
        await add(star, ssin, row.replace(names[0], f"qualities = [{quality}]"))
        assert (await registrar.register(ssin, quality, phase=phase)).said == ("DATA_FOUND", "MSG00000")
    finally:
        await star.reload(star.rules)


async def test_who_has_not_integrated_as_it_states_passes_with_the_row_that_is_named(star):
    ssin = await star.person((CUSTOMER, 0, None, *OLD), (ONE, 100))
    stated = (OLD[0].isoformat(), today().isoformat())

    def consulting() -> bytes:
        one = f"<beginDate>{stated[0]}</beginDate><endDate>{stated[1]}</endDate>"
        return integrations.Registrar(star).body(
            "ConsultOtherSectors", ssin,
            f"<qualityCode>0</qualityCode><integratedPeriod>{one}</integratedPeriod>"
            f"<requestedPeriod>{one}</requestedPeriod>",
        )  # fmt: skip

    told = await star.send(consulting())
    assert told.code == "MSG00012"
    why = await explain(star, ssin, of(told), period=stated)
    assert (why.verdict, why.outcome, why.decided_by) == ("ADMITTED", "MSG00012", ["others"])
    [row] = why.missing
    assert why.by == [["64-0, by RegisterIntegration"]]
    assert f"# from = {stated[0]}" in row
    await add(star, ssin, row)
    assert (await star.send(consulting())).said == ("DATA_FOUND", "MSG00000")


async def test_what_no_row_would_help_is_said_in_words(star):
    ssin, registrar = await star.person(), integrations.Registrar(star)
    wrong = await registrar.register(ssin, 0, proof=integrations.PROOF.replace("DHERTOGE", "JANSSENS"))
    why = await explain(star, ssin, of(wrong))
    assert (why.verdict, why.outcome, why.missing) == ("ADMITTED", "CRB00015", [])
    assert any(remark.startswith("told CRB00015: Check the number and the proof") for remark in why.remarks)
    contradiction = await registrar.unregister(ssin, 1, 0)
    assert contradiction.said == ("NO_RESULT", "MSG00008")
    why = await explain(star, ssin, of(contradiction))
    assert (why.verdict, why.code, why.check, why.step) == ("REFUSED", "MSG00008", None, "own")
    assert any("the answer told what was expected" in remark for remark in why.remarks)
    broken = await star.send(registrar.unregistering(ssin, 1).replace(b"</criteria>", b"<more/></criteria>"))
    why = await explain(star, ssin, of(broken))
    assert (why.code, why.check, why.step) == ("MSG00008", "10", "syntax")
    never = await explain(star, ssin, asking("RegisterIntegration/1"))
    assert never.verdict == "ADMITTED"
    assert any("one of 0, 902 (else MSG00013)" in remark for remark in never.remarks)


async def test_a_phase_that_is_too_low_is_named_for_a_member(star):
    ssin = await star.person((Address(17, 1), 2, 1, OLD[0], None), (ONE, 100))
    told = await star.consult(ssin, sender=MANAGING, customer=MEMBER)
    assert (told.code, told.information) == ("MSG00012", [("missing", "phase")])
    why = await explain(star, ssin, of(told), sender=MANAGING, customer=MEMBER)
    assert (why.code, why.information, why.decided_by) == ("MSG00012", {"missing": "phase"}, ["pcsw"])
    assert "phase = 2" in why.missing[0]
    assert why.by == [[f"17-1-{PCSW_A}, by RegisterIntegration", "its managing institution, in the sectoral repertory"]]
    await add(star, ssin, why.missing[0])
    assert (await star.consult(ssin, sender=MANAGING, customer=MEMBER)).code == "MSG00000"


async def test_a_replaced_number_passes_under_the_newer_one(star):
    old, new = await star.person((CUSTOMER, 0)), await star.person((CUSTOMER, 0), (ONE, 100))
    await star.replace(old, new)
    told = await star.consult(old)
    assert told.code == "MSG00006"
    for criteria in (of(told), asking()):
        why = await explain(star, old, criteria)
        assert (why.code, why.check, why.missing) == ("MSG00006", "14", [])
    assert (await star.consult(new)).code == "MSG00000"


@pytest.mark.parametrize("what", ["admitted", "answered with nothing"])
async def test_an_admission_says_under_which_row_who_was_asked_and_what_was_told(star, what):
    ssin = await star.known(ONE)
    if what != "admitted":
        star.script(ONE, ssin, lambda question: question.reply(question.response(code="MSG00100")))
    told = await star.consult(ssin)
    why = await explain(star, ssin, of(told))
    assert (why.verdict, why.code, why.check) == ("ADMITTED", None, None)
    assert (why.decided_by, why.suppliers, why.outcome, why.missing) == (["probe"], ["5-0"], told.code, [])


async def test_a_question_tells_who_would_be_asked_and_whether_one_would_receive_a_mutation_oneself(star):
    ssin = await star.known(ONE, TWO)
    why = await explain(star, ssin, asking("Gather/1"))
    assert (why.verdict, why.suppliers, why.receives) == ("ADMITTED", ["5-0", "7-0"], [])
    assert (await explain(star, ssin, asking())).receives == ["Probe/1 64-0 0"], "and not that 5-0 would"


async def test_a_service_that_is_not_there_is_named(star):
    why = await explain(star, await star.known(ONE), asking("Nothing/1"))
    assert (why.code, why.check) == ("CRB00008", "8")
    assert 'name = "Nothing"' in why.missing[0]


@pytest.mark.parametrize("spoil", [lambda body: body.replace(b"</criteria>", b"<more/></criteria>")])
async def test_a_syntax_error_is_explained_by_its_check_and_shows_no_row(star, spoil):
    ssin = await star.known(ONE)
    told = await star.send(spoil(star.request(ssin)))
    assert told.code == "MSG00008"
    why = await explain(star, ssin, of(told))
    assert (why.code, why.check, why.missing) == ("MSG00008", "10", [])


# --- nobody else's ---------------------------------------------------------------------------------------------------


async def test_anothers_ticket_is_as_one_that_does_not_exist(star):
    ssin = await star.known(ONE)
    told = await star.consult(ssin, ticket="mine")
    nothing = await explain(star, ssin, f"<ticketCBSS>{uuid4()}</ticketCBSS>", sender=STRANGER)
    assert nothing.said == ("NO_DATA_FOUND", "MSG00100")
    for sender, customer in ((STRANGER, ""), (TWO, ""), (MANAGING, ""), (MANAGING, MEMBER)):
        for criteria in (of(told), "<ticket>mine</ticket>"):
            other = await explain(star, ssin, criteria, sender=sender, customer=customer)
            assert (other.said, other.there, other.told.information) == (nothing.said, False, nothing.told.information)
    assert (await explain(star, ssin, "<ticket>mine</ticket>")).there


async def test_a_members_ticket_is_neither_another_members_nor_its_managing_institutions(star):
    ssin = await star.person((Address(17, 1), 2, 2, OLD[0], None), (ONE, 100))
    told = await star.consult(ssin, sender=MANAGING, customer=MEMBER)
    assert told.code == "MSG00000"
    assert (await explain(star, ssin, of(told), sender=MANAGING, customer=MEMBER)).there
    other = f"<cbeNumber>{PCSW_B}</cbeNumber>"
    for customer in (other, DIRECT.format(MANAGING)):
        assert not (await explain(star, ssin, of(told), sender=MANAGING, customer=customer)).there


async def test_ones_own_ticket_with_another_persons_number_tells_nothing(star):
    told = await star.consult(await star.known(ONE))
    assert not (await explain(star, await star.known(ONE), of(told))).there


async def test_a_supplier_is_told_what_it_was_asked_under_and_nothing_of_the_customers_or_of_others(star):
    ssin = await star.known(ONE, TWO)
    told = await star.consult(ssin, service="Gather/1")
    why = await explain(star, ssin, of(told), sender=ONE)
    assert (why.verdict, why.decided_by) == ("ADMITTED", ["gather"])
    assert (why.suppliers, why.missing, why.outcome, why.receives) == ([], [], None, [])
    assert not (await explain(star, await star.known(ONE), of(told), sender=ONE)).there, "of that very person"


async def test_a_question_is_always_about_oneself(star):
    """There is no way to name another customer but to speak for it."""
    ssin = await star.known(ONE)
    why = await explain(star, ssin, asking(), sender=STRANGER)
    assert (why.code, why.check) == ("MSG00013", "13")
    forged = await explain(star, ssin, asking(), sender=STRANGER, customer=DIRECT.format(CUSTOMER))
    assert forged.said == (None, "CRB00007")


async def test_a_refusal_says_the_same_whatever_others_know(star):
    nobody_knows, others_know = await star.person(), await star.person((ONE, 100), (TWO, 101), (MANAGING, 0))
    one, two = [await explain(star, ssin, asking()) for ssin in (nobody_knows, others_know)]
    assert one.code == "MSG00012"
    assert (one.missing, one.decided_by, one.information) == (two.missing, two.decided_by, two.information)


async def test_a_past_day_is_no_way_round_a_right_that_has_ended(star):
    """Who no longer knows the person is not told who held his data when it did."""
    ssin = await star.known(ONE)
    yesterday = today() - timedelta(1)
    connection = await asyncpg.connect(star.database_url)
    try:
        await connection.execute(
            "UPDATE person SET known_from = now() - interval '9 days' WHERE ssin = $1", ssin.number
        )
        await connection.execute("UPDATE rules_load SET at = at - interval '9 days'")
        for table in ("institution", "availability", "authorisation", "distribution"):
            await connection.execute(f"UPDATE {table} SET known_from = known_from - interval '9 days'")
        why = await explain(star, ssin, asking(day=yesterday))
        assert (why.verdict, why.suppliers) == ("ADMITTED", ["5-0"])
        told = await star.consult(ssin)
        await connection.execute(
            "UPDATE person SET known_to = clock_timestamp() WHERE ssin = $1 AND sector = 64", ssin.number
        )
    finally:
        await connection.close()
    refused = await explain(star, ssin, asking(day=yesterday))
    assert (refused.said, refused.there) == (("NO_RESULT", "MSG00012"), False)
    # What was told under a ticket was told.
    again = await explain(star, ssin, of(told), period=("2020-01-01", "2020-01-01"))
    assert (again.verdict, again.suppliers, again.outcome) == ("ADMITTED", ["5-0"], "MSG00000")
    assert (await explain(star, ssin, asking())).code == "MSG00012"


async def test_a_day_that_has_not_begun_is_refused(star):
    told = await explain(star, await star.known(ONE), asking(day=today() + timedelta(1)))
    assert told.said == ("NO_RESULT", "MSG00008")


async def test_a_ticket_is_decided_again_with_the_rows_of_its_moment(star):
    ssin = await star.person((ONE, 100))
    told = await star.consult(ssin)
    await star.know(ssin, (CUSTOMER, 0))
    why = await explain(star, ssin, of(told))
    assert (why.code, len(why.missing)) == ("MSG00012", 1)
    assert (await explain(star, ssin, asking())).verdict == "ADMITTED"


async def test_a_ticket_whose_period_is_not_named_says_so(star):
    ssin = await star.person((CUSTOMER, 0, None, *OLD), (ONE, 100))
    period = (OLD[0].isoformat(), OLD[1].isoformat())
    told = await star.consult(ssin, period=period)
    assert told.code == "MSG00000"
    assert (await explain(star, ssin, of(told), period=period)).decided_by == ["probe"]
    late = await star.consult(ssin, period=(OLD[0].isoformat(), today().isoformat()))
    why = await explain(star, ssin, of(late), period=period)
    assert (why.code, why.missing) == ("MSG00012", [])
    assert "name the period" in why.told.root.findtext("explanation/remark")


# --- journalled ------------------------------------------------------------------------------------------------------


async def test_each_look_at_a_persons_side_stands_in_the_journal(star):
    ssin = await star.known(ONE)
    told = await star.consult(ssin)
    for criteria in (of(told), asking()):
        why = await explain(star, ssin, criteria)
        entries = await star.journal(why.told)
        assert [entry.kind for entry in entries] == ["decision", "outcome"]
        assert (entries[0].service, entries[0].customer, entries[0].verdict) == (
            "ExplainDecision/1",
            CUSTOMER,
            "admitted",
        )
        assert entries[1].code == "MSG00000"
        found = await star.hubs[0].journal.who(ssin)
        assert why.told.ticket_cbss in {entry.ticket_cbss for entry in found}
    assert ssin.digits not in star.log.getvalue()


async def test_who_is_not_authorised_to_ask_why_is_told_so(star):
    ssin = await star.known(ONE)
    assert (await explain(star, ssin, asking(), context="OTHER")).said == ("NO_RESULT", "MSG00013")


def test_a_relay_checks_that_the_very_member_knows_the_person(star):
    """What the hub explains of a member is what its whole sector has: docs/relay.md."""
    assert star.catalogue.services["ExplainDecision/1"].person_check
