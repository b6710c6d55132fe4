"""What a sender is told of a number that was replaced: valid, and nothing where there is no place for what is known."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from schemas.declarations.forms import Forms, shipped
from schemas.declarations.idflux import Replacement, idflux
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.parser import parse
from schemas.period import BRUSSELS
from schemas.ssin import Ssin, check_digits

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=BRUSSELS)
FORMS = Forms([shipped()])
COMPANY = EnterpriseNumber.of(4_000_000)


def number(nine: str) -> Ssin:
    return Ssin.parse(nine + check_digits(nine, born_2000=False))


BIS, NATIONAL = number("802101123"), number("800101124")
PLAIN = Replacement(BIS, NATIONAL, date(2026, 11, 1), NssoNumber.of(1_234_567), COMPANY)


def told(replacement: Replacement) -> dict[str, str]:
    body = idflux(replacement, "3500000000197", NOW)
    assert body is not None
    assert FORMS.violations(body)[1] == ()
    return {str(one.tag): one.text or "" for one in parse(body).iter() if not len(one)}


def test_what_nobody_said_is_a_dash_or_what_the_number_holds() -> None:
    said = told(PLAIN)
    assert said["JustificationCode"] == "90"
    assert said["EffectiveStartingDate"] == "2026-11-01"
    assert said["ReferenceNbr"] == "3500000000197"
    assert (said["NOSSRegistrationNbr"], said["CompanyID"]) == (PLAIN.employer.digits, COMPANY.digits)
    assert (said["WorkerName"], said["WorkerFirstName"], said["WorkerBirthdate"]) == ("-", "-", "1980-01-01")
    assert said["WorkerSex"] == "2"
    valid, outdated = (parse(idflux(PLAIN, "1", NOW) or b"").findtext(f".//{name}/INSS") for name in SITUATIONS)
    assert (valid, outdated) == (NATIONAL.digits, BIS.digits)


SITUATIONS = ("ValidSituation", "OutdatedSituation")


def test_what_was_declared_is_told_as_far_as_the_form_has_room() -> None:
    declared = {"WorkerName": "Peeters & " + "x" * 60, "WorkerFirstName": "An", "WorkerBirthdate": "1980-00-00"}
    said = told(replace(PLAIN, said=declared))
    assert said["WorkerName"] == ("Peeters & " + "x" * 60)[:48]
    assert (said["WorkerFirstName"], said["WorkerBirthdate"]) == ("An", "1980-00-00")


def test_a_provisional_employer_is_named_by_its_enterprise_number() -> None:
    provisional = replace(PLAIN, employer=NssoNumber.of(51_000_001))
    said = told(provisional)
    assert (said["NOSSLPARegistrationNbr"], said["CompanyID"]) == ("0", COMPANY.digits)
    assert idflux(replace(provisional, company=None), "1", NOW) is None
    assert told(replace(PLAIN, company=None))["CompanyID"] == "0"


@pytest.mark.parametrize(("sex", "there"), [("2", True), ("0", False), ("", False)])
def test_a_sex_that_nobody_knows_has_no_place(sex: str, there: bool) -> None:
    other = number("802101125")
    found = idflux(replace(PLAIN, new=other, said={"WorkerSex": sex} if sex else {}), "1", NOW)
    assert (found is not None) is there
    # The one that was replaced may hold it.
    assert told(replace(PLAIN, old=NATIONAL, new=other))["WorkerSex"] == "2"


def test_nobody_is_named_in_a_repr() -> None:
    shown = repr(replace(PLAIN, said={"WorkerName": "Peeters"}))
    assert all(text not in shown for text in (BIS.digits, NATIONAL.digits, "Peeters"))
