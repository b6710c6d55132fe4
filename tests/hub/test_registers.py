"""The registers of persons whom the National Register does not hold, asked over the hub and the broker."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from institutions.process import Process
from institutions.reference.network import REGISTERS
from institutions.registers.registers import found_elements
from institutions.registers.registry import Candidate, Wanted
from institutions.settings import Settings
from schemas import answers
from schemas.identity import IncompleteDate
from schemas.period import today
from schemas.ssin import Ssin
from tests.hub.integrations import MORE_RULES, NATIONAL_REGISTER, Registrar, nobody
from tests.hub.star import CONTEXT, CUSTOMER, ONE, PATIENCE, Question, Star, Told, opened

_NUMBERS = ("RelatedSsins/1", "CurrentSsin/1")
RULES = (
    MORE_RULES
    + '[[institution]]\naddress = "25-0"\ncbe = "0206734516"\nname = "25-0"\n'
    + "".join(
        f'[[availability]]\nservice = "{service}"\naddress = "{address}"\neverybody = true\n'
        for service, address in (
            ("IdentifyPerson/1", "25-0"), ("SearchPerson/1", "0-0"), ("SearchPerson/1", "25-0"),
            ("RegisterPerson/1", "25-0"), *((service, "25-0") for service in _NUMBERS),
        )
    )
    + "".join(
        f'[[authorisation]]\nid = "{customer}-{service}"\ncustomer = "{customer}"\nlegal_context = "{CONTEXT}"\n'
        f'qualities = [0]\nservice = "{service}"\n{suppliers}\n'
        'deliberation = { number = "00/000", date = 2020-01-01 }\nfrom = 2020-01-01\n'
        for customer, service, suppliers in (
            ("64-0", "SearchPerson/1", 'suppliers = ["0-0", "25-0"]'),
            ("25-0", "SearchPerson/1", 'suppliers = ["0-0"]'),
            *(("64-0", service, 'suppliers = ["25-0"]') for service in ("RegisterPerson/1", *_NUMBERS)),
            ("0-0", "ReplaceSsin/1", ""),
        )
    )
)  # fmt: skip
#: Whom the National Register holds.
PEETERS = Candidate(Ssin.parse("85073003328"), "NR", "Peeters", ("Anna",), IncompleteDate(1985, 7, 30), 0)


async def search_population(question: Question) -> None:
    """The National Register: one person, and nobody is silent."""
    found = [PEETERS] if question.root.findtext("criteria/lastName") in ("Peeters", "PETERS") else []
    data = found_elements(found, question.root)
    await question.reply(
        answers.data_response(
            question.service, question.root, data or [], "MSG00000" if data else "MSG00100",
            replied=datetime.now(UTC), supplier=question.supplier,
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
async def star(rabbitmq, postgresql, tmp_path_factory) -> AsyncIterator[Star]:
    async with opened(rabbitmq, postgresql, tmp_path_factory.mktemp("services"), RULES) as star:
        await star.hub()
        await star.supply(NATIONAL_REGISTER, "SearchPerson/1", search_population)
        await star.supply(NATIONAL_REGISTER, "IdentifyPerson/1", nobody)
        name = f"test_{uuid4().hex[:12]}"
        database = await postgresql.create_database(name)
        process = Process(
            [REGISTERS], Settings(amqp_url=star.url("25-0"), registers_url=database, http_port=0, log_level="ERROR")
        )
        await process.start()
        try:
            assert process.ready
            [star.registers] = process.registers
            assert process.institutions == [], "the population answers nothing in their place"
            yield star
        finally:
            await process.stop()
        await postgresql.drop_database(name)


def body(name: str, criteria: str, ticket: str = "") -> bytes:
    root = name[0].lower() + name[1:]
    return (
        f'<r:{root}Request xmlns:r="urn:crossroads:services:{name}:v1"><informationCustomer>'
        f"<ticket>{ticket or uuid4()}</ticket>"
        "<customerIdentification><sector>64</sector><institution>0</institution></customerIdentification>"
        f"</informationCustomer><legalContext>{CONTEXT}</legalContext>"
        f"<criteria>{criteria}</criteria></r:{root}Request>"
    ).encode()


def who(last: str, *first: str, born: str = "1990-05-17", gender: int = 1) -> str:
    names = "".join(f"<firstName>{name}</firstName>" for name in first)
    return f"<lastName>{last}</lastName>{names}<birthDate>{born}</birthDate><gender>{gender}</gender>"


async def register(star, criteria: str, confirmed=(), ticket: str = "") -> Told:
    said = "".join(f"<confirmed>{digits}</confirmed>" for digits in confirmed)
    return await star.send(body("RegisterPerson", criteria + said, ticket))


async def search(star, criteria: str) -> list[str]:
    told = await star.send(body("SearchPerson", criteria))
    assert told.value in ("DATA_FOUND", "NO_DATA_FOUND")
    return [element.text for element in told.root.iterfind("part/person/ssin")]


def given(told: Told) -> Ssin:
    assert told.said == ("DATA_FOUND", "MSG00000")
    return Ssin.parse(told.root.findtext("newlyRegistered"))


def existing(told: Told) -> list[str]:
    assert told.root.find("newlyRegistered") is None
    return [element.text for element in told.root.iterfind("existing/ssin")]


async def test_who_is_nowhere_gets_a_number_and_is_found_by_the_sound_of_his_name(star):
    ssin = given(await register(star, who("Vandenbosch", "Jan")))
    assert ssin.digits.startswith("904517")
    assert ssin.male
    assert await search(star, who("Van den Bossche")) == [ssin.digits]
    assert await search(star, who("Vandenbosch", born="1990-05-20")) == []
    assert await search(star, who("Vandenbosch", born="1990-05-20") + "<tolerance>3</tolerance>") == [ssin.digits]


@pytest.mark.parametrize(("gender", "month"), [(0, "32"), (1, "52"), (2, "52")])
async def test_the_month_tells_whether_the_sex_is_known(star, gender, month):
    ssin = given(await register(star, who(f"Ziegler {gender}", born="2001-12-24", gender=gender)))
    assert ssin.digits.startswith(f"01{month}24")
    assert ssin.female is (None if gender == 0 else gender == 2)


async def test_whom_the_national_register_holds_is_told_and_nobody_is_created(star):
    told = await register(star, who("PETERS", "Anna", born="1985-07-30", gender=2))
    assert existing(told) == [PEETERS.ssin.digits]
    assert await search(star, who("Peeters", born="1985-07-30")) == [PEETERS.ssin.digits]


async def test_confirmed_to_be_somebody_else_he_is_created_all_the_same(star):
    first = given(await register(star, who("Dhondt", "Piet")))
    again = await register(star, who("D'Hont", "Piet"))
    assert existing(again) == [first.digits]
    other = given(await register(star, who("D'Hont", "Piet"), confirmed=[first.digits]))
    assert other != first
    assert await search(star, who("Dhondt")) == sorted([first.digits, other.digits])


async def test_the_same_ticket_gives_the_same_number(star):
    ticket = str(uuid4())
    first = given(await register(star, who("Claeys", "Rik"), ticket=ticket))
    assert given(await register(star, who("Claeys", "Rik"), ticket=ticket)) == first
    assert await search(star, who("Claes", "Rik")) == [first.digits]


async def test_two_who_register_the_same_person_at_once_get_one_number(star):
    told = await asyncio.gather(*(register(star, who(name)) for name in ("Lefèvre", "Lefebvre", "LEFEVRE", "Le Fèvre")))
    [number] = {element.text for each in told for element in each.root.iterfind("newlyRegistered")}
    assert [existing(each) for each in told if each.root.find("newlyRegistered") is None] == [[number]] * 3
    assert await search(star, who("Lefevre")) == [number]


async def test_a_proof_of_authentication_finds_a_person_by_a_bis_number(star):
    """The National Register does not know the number, and the registers do."""
    ssin, registrar = given(await register(star, who("Écluse", "Zoé", gender=2))), Registrar(star)
    proof = "<personData><lastName>ECLUSE</lastName><birthDate>1990-00-00</birthDate></personData>"
    assert (await registrar.register(ssin, 0, proof=proof)).said == ("DATA_FOUND", "MSG00000")
    wrong = proof.replace("1990", "1991")
    assert (await registrar.register(ssin, 0, proof=wrong)).said == ("NO_RESULT", "CRB00015")
    stranger = await star.person()
    assert (await registrar.register(stranger, 0, proof=proof)).said == ("NO_RESULT", "MSG00005")


async def test_who_is_not_born_yet_or_has_no_name_gets_no_number(star):
    tomorrow = today() + timedelta(1)
    for criteria, expected in (
        (who("Morgenstern", born=tomorrow.isoformat()), "a birth date that has come"),
        (who("Morgenstern", born=f"{tomorrow.year + 1}-00-00"), "a birth date that has come"),
        (who("Morgenstern", born="1990-00-12"), "birthDate: write a date as"),
        (who("...", born="1990-05-17"), "lastName: a name with letters"),
    ):
        told = await register(star, criteria)
        assert told.said == ("NO_RESULT", "MSG00008")
        [(name, value)] = told.information
        assert name == "expected"
        assert value.startswith(expected)
    given(await register(star, who("Morgenstern", born=today().isoformat())))


async def test_at_most_fifty_are_told_and_that_there_are_more(star):
    wanted, found = Wanted("Smit", (), IncompleteDate(1971, 1, 1), 1), []
    for _ in range(51):
        found.append(await star.registers.registry.register(wanted, (), found, uuid4()))
    numbers = [ssin.digits for ssin in found]
    told = await star.send(body("SearchPerson", who("Schmitt", born="1971-01-01")))
    assert len(told.root.findall("part/person")) == 50
    assert told.root.findtext("part/more") == "true"
    few = await star.send(body("SearchPerson", who("Smit", born="1971-01-01") + "<maximum>2</maximum>"))
    assert [element.text for element in few.root.iterfind("part/person/ssin")] == sorted(numbers)[:2]


async def test_a_replaced_number_has_a_current_one_and_both_are_related(star):
    old = given(await register(star, who("Quaghebeur")))
    new = await star.person((CUSTOMER, 0), (ONE, 100))
    registrar = Registrar(star, NATIONAL_REGISTER, "<sector>0</sector><institution>0</institution>")
    criteria = f"<newSsin>{new.digits}</newSsin><day>2026-01-01</day>"
    told = await star.send(registrar.body("ReplaceSsin", old, criteria), sender=NATIONAL_REGISTER)
    assert told.said == ("DATA_FOUND", "MSG00000")
    async with asyncio.timeout(PATIENCE):  # the word comes to the registers by itself
        while (current := await current_of(star, old)) != new.digits:
            assert current == old.digits
    assert await current_of(star, new) == new.digits
    for ssin in (old, new):
        related = await star.send(body("RelatedSsins", f"<ssin>{ssin.digits}</ssin>"))
        found = {n.findtext("ssin"): n.findtext("replacedBy") for n in related.root.iterfind("part/number")}
        assert found == {old.digits: new.digits, new.digits: None}
    assert await search(star, who("Quaghebeur")) == []
    stranger = await star.person()
    unknown = await star.send(body("CurrentSsin", f"<ssin>{stranger.digits}</ssin>"))
    assert unknown.code == "MSG00005"


async def current_of(star, ssin: Ssin) -> str | None:
    told = await star.send(body("CurrentSsin", f"<ssin>{ssin.digits}</ssin>"))
    return told.root.findtext("part/currentSsin")
