"""Rules files: what an operator writes, and what he is told where it cannot be."""

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from hub.repertory import files
from hub.repertory.files import RulesError, parse
from hub.repertory.review import review
from hub.repertory.rules import Authorisation, Availability, Deliberation, Distribution, Institution
from schemas.address import Address
from schemas.period import Period


@dataclass(frozen=True)
class KnownService:
    type: str
    ssin: str = "criteria/ssin"
    combine: str | None = None
    answered_by: str = "suppliers"
    mandatory: frozenset[str] = frozenset()
    mode: str = "online"

    def why_not_omit(self, path: str) -> str | None:
        return "the response must have it" if path in self.mandatory else None

    def why_not_omit_request(self, path: str) -> str | None:
        return "the mutation must have it" if path in self.mandatory else None


@dataclass(frozen=True)
class Catalogue:
    services: dict[str, KnownService] = field(default_factory=dict)


CATALOGUE = Catalogue(
    {
        one.type: one
        for one in (
            KnownService("Pension/1", mandatory=frozenset({"pension/begin"})),
            KnownService("Pension/2"),
            KnownService("HealthInsurance/1", combine="part"),
            KnownService("BenefitChange/1", mode="mutation", mandatory=frozenset({"benefit/kind"})),
        )
    }
)

REGISTER = """
[[institution]]
address = "17-0"
cbe = "0308357159"
name = "POD MI - SPP IS"

[[institution]]
address = "17-1-0212344876"
cbe = "0212344876"
name = "CPAS de Namur"
managed_by = "17-0"
active = false
rate = 50

[[institution]]
address = "5-0"
cbe = "0206738078"
name = "Federale Pensioendienst"
"""
AVAILABILITY = """
[[availability]]
service = "Pension/1"
address = "5-0"
quality = 100

[[availability]]
service = "Pension"
address = "0-0"
everybody = true
"""
AUTHORISATION = """
[[authorisation]]
id = "pcsw-pension"
customer = "17-1"
legal_context = "SOCIAL_INQUIRY"
qualities = [2, 1]
min_phase = 1
service = "Pension/1"
suppliers = ["5-0"]
without = ["pension/bankAccount"]
deliberation = { number = "04/012", date = 2004-04-06, changes = [2018-06-05] }
from = 2020-01-01
to = 2030-12-31
"""
DISTRIBUTION = """
[[distribution]]
service = "AddressChange/1"
recipient = "17-1"
qualities = [2]
without = ["old/address"]
codes = ["ADDRESS"]
dossiers = "all"
deliberation = { number = "04/012", date = 2004-04-06 }
from = 2020-01-01
"""


def told(text: str) -> list[str]:
    """The errors of a file named rules.toml, as a file or with all else."""
    try:
        file = parse(text, "rules.toml")
    except RulesError as error:
        return list(error.lines)
    return list(review([(file.where(row), row) for row in file.rows], (), CATALOGUE).errors)


def test_every_kind_of_row_is_read():
    file = parse(REGISTER + AVAILABILITY + AUTHORISATION + DISTRIBUTION, "rules.toml")
    managing, member, pensions, some, everybody, authorisation, distribution = file.rows
    assert managing == Institution(Address(17, 0), "0308357159", "POD MI - SPP IS")
    assert member == Institution(
        Address.parse("17-1-0212344876"), "0212344876", "CPAS de Namur", Address(17, 0), active=False, rate=50
    )
    assert pensions.active
    assert some == Availability("Pension/1", Address(5, 0), 100)
    assert everybody == Availability("Pension", Address(0, 0), None)
    assert authorisation == Authorisation(
        id="pcsw-pension",
        customer=Address(17, 1),
        legal_context="SOCIAL_INQUIRY",
        service="Pension/1",
        qualities=frozenset({1, 2}),
        min_phase=1,
        suppliers=(Address(5, 0),),
        without=("pension/bankAccount",),
        deliberation=Deliberation("04/012", date(2004, 4, 6), (date(2018, 6, 5),)),
        valid=Period(date(2020, 1, 1), date(2030, 12, 31)),
    )
    assert distribution == Distribution(
        "AddressChange/1",
        Address(17, 1),
        frozenset({2}),
        ("old/address",),
        Deliberation("04/012", date(2004, 4, 6)),
        Period(date(2020, 1, 1), None),
        codes=frozenset({"ADDRESS"}),
        dossiers="all",
    )


def test_the_docstring_is_a_file_that_is_read():
    example = re.search(r"```toml\n(.*?)```", files.__doc__, re.DOTALL).group(1)
    assert len(parse(example, "example.toml").rows) == 4


WRONG = {
    "address": (REGISTER, '"5-0"', '"5.0"', 16, "address", "18-0"),
    "address as a number": (REGISTER, '"5-0"', "5", 16, "address", '"5-0"'),
    "cbe": (REGISTER, '"0206738078"', '"206.738.078"', 17, "cbe", "10 digits"),
    "cbe as a number": (REGISTER, '"0206738078"', "206738078", 17, "cbe", "10 digits"),
    "not the address's cbe": (REGISTER, 'cbe = "0212344876"', 'cbe = "0206738078"', 9, "cbe", "of the address"),
    "no name": (REGISTER, 'name = "Federale Pensioendienst"', "", 15, "name", "missing"),
    "member without network": (REGISTER, 'managed_by = "17-0"', "", 7, "managed_by", "whose"),
    "network without number": (REGISTER, '"17-1-0212344876"', '"17-1"', 11, "managed_by", "17-1-0212344876"),
    "unknown manager": (REGISTER, '"17-0"\nactive', '"17-3"\nactive', 7, "managed_by", "17-3"),
    "no official sector": (REGISTER, '"5-0"', '"999-0"', 15, "address", "official"),
    "rate": (REGISTER, "rate = 50", "rate = 0", 13, "rate", "from 1 to"),
    "misspelt field": (REGISTER, "active", "activ", 12, "activ", "no such field of institution; it has address"),
    "misspelt table": (REGISTER, "[[institution]]", "[[instituion]]", None, "instituion", "institution, availability"),
    "plain table": (AVAILABILITY, "[[availability]]", "[availability]", None, "not TOML", ""),
    "not TOML": (REGISTER, "rate = 50", "rate =", None, "not TOML", "line 13"),
    "neither quality nor everybody": (AVAILABILITY, "quality = 100", "", 2, "quality", "everybody = true"),
    "quality and everybody": (AVAILABILITY, "everybody = true", "everybody = true\nquality = 0", 11, "quality", "true"),
    "quality of another sector": (AVAILABILITY, "100", "101", 2, "quality", "100"),
    "enterprise number in a rule": (AVAILABILITY, '"5-0"', '"11-1-0411702543"', 4, "address", '"11-1"'),
    "unknown service": (AUTHORISATION, '"Pension/1"', '"Pension/3"', 2, "service", "Pension/1, Pension/2"),
    "service": (AUTHORISATION, '"Pension/1"', '"Pension 1"', 8, "service", '"Name/1"'),
    "customer's quality": (AUTHORISATION, "[2, 1]", "[2, 101]", 2, "qualities", "902"),
    "no qualities": (AUTHORISATION, "[2, 1]", "[]", 6, "qualities", "one at least"),
    "999": (AUTHORISATION, "[2, 1]", "[999]", 6, "qualities", "998"),
    "no supplier": (AUTHORISATION, '["5-0"]', "[]", 9, "suppliers", "one at least"),
    "supplier's sector": (AUTHORISATION, '["5-0"]', '["998-0"]', 2, "suppliers", "official"),
    "mandatory element": (AUTHORISATION, "bankAccount", "begin", 2, "without", "begin: the response must"),
    "path": (AUTHORISATION, '"pension/bankAccount"', '"/pension"', 10, "without", "below the root"),
    "deliberation": (AUTHORISATION, 'number = "04/012", ', "", 11, "deliberation.number", "missing"),
    "date in quotes": (AUTHORISATION, "2020-01-01", '"2020-01-01"', 12, "from", "without quotes"),
    "turned round": (AUTHORISATION, "2030", "2019", 13, "to", "before from"),
    "legal context": (AUTHORISATION, "SOCIAL_INQUIRY", "", 5, "legal_context", "1 to 64"),
    "id": (AUTHORISATION, "pcsw-pension", "pcsw pension", 3, "id", "letters"),
    "twice": (AUTHORISATION + AUTHORISATION, "", "", 15, "authorisation", "stands on line 2 already"),
    "mode": (AVAILABILITY, "quality = 100", 'quality = 100\nmode = "slow"', 6, "mode", '"online" or "batch"'),
    "integrate of no quality": (AUTHORISATION, "min_phase", "integrate = 3\nmin_phase", 2, "integrate", "none of"),
    "integrate for a network": (
        REGISTER + DISTRIBUTION, "qualities", "integrate = 2\nqualities", 20, "integrate", "registers its own",
    ),
    "neither qualities nor everybody": (DISTRIBUTION, "qualities = [2]", "", 2, "qualities", "everybody = true"),
    "everybody and qualities": (DISTRIBUTION, "codes", "everybody = true\ncodes", 5, "qualities", "everybody"),
    "code": (DISTRIBUTION, '"ADDRESS"', '"AN ADDRESS"', 7, "codes", "list of distribution codes"),
    "dossiers": (DISTRIBUTION, '"all"', '"some"', 8, "dossiers", '"active"'),
    "no deliberation": (DISTRIBUTION, "deliberation", "#", 2, "deliberation", "missing"),
    "what a mutation must have": (
        DISTRIBUTION.replace("AddressChange", "BenefitChange"),
        "old/address",
        "benefit/kind",
        2,
        "without",
        "the mutation",
    ),
    "suppliers of a mutation": (AUTHORISATION, '"Pension/1"', '"BenefitChange/1"', 2, "suppliers", "distributions say"),
    "recipient": (DISTRIBUTION, '"17-1"', '"17-9"', 2, "recipient", "official"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_told_with_line_field_and_what_would_be_right(kind):
    text, old, new, line, where, right = WRONG[kind]
    assert old in text
    lines = told(text.replace(old, new))
    assert lines
    place = "rules.toml" if line is None else f"rules.toml:{line}"
    assert any(one.startswith(f"{place}: {where}: ") and right in one for one in lines), lines


def test_all_errors_of_a_file_are_told():
    lines = told(AUTHORISATION.replace("[2, 1]", "[]").replace('"5-0"', '"x"') + REGISTER.replace('"0206738078"', "1"))
    assert len(lines) == 3


@pytest.mark.parametrize("text", [REGISTER, REGISTER + AVAILABILITY + AUTHORISATION, DISTRIBUTION])
def test_what_is_right_is_told_nothing(text):
    assert told(text) == []


HEALTH = AVAILABILITY.replace("Pension/1", "HealthInsurance/1").replace("quality = 100", "quality = 1")
MUTUALITY = """
[[institution]]
address = "11-0"
cbe = "0411702543"
name = "CIN"
[[institution]]
address = "11-1-0411702543"
cbe = "0411702543"
name = "Mutuality"
managed_by = "11-0"
"""


def test_a_service_whose_relay_may_meet_two_members_must_combine():
    assert told(MUTUALITY + HEALTH.replace('"5-0"', '"11-1"')) == []
    alone = MUTUALITY + AVAILABILITY.replace('"5-0"', '"11-1"').replace("100", "1")
    (line,) = told(alone)
    assert line.startswith("rules.toml:12: address: the relay of 11-0 may meet two institutions of 11-1")
    assert "Pension/1 has no `combine`" in line


def test_an_authorisation_by_itself_must_combine_too_where_a_relay_is_asked():
    (line,) = told(MUTUALITY + AUTHORISATION.replace('"5-0"', '"11-1"'))
    assert "suppliers: the relay of 11-0" in line


def test_two_suppliers_need_a_service_that_combines():
    two = AVAILABILITY + AUTHORISATION.replace('["5-0"]', '["5-0", "0-0"]')
    (line,) = told(two)
    assert line.startswith("rules.toml:12: suppliers: Pension/1 has no `combine` to bring 2 answers in")


def test_one_of_several_suppliers_may_answer_in_its_own_time():
    slow = MUTUALITY + "".join(
        f'[[availability]]\nservice = "HealthInsurance/1"\naddress = "{address}"\neverybody = true\nmode = "batch"\n'
        for address in ("0-0", "11-1")
    )
    asks = AUTHORISATION.replace("Pension/1", "HealthInsurance/1").replace("pension/bankAccount", "part/account")
    (line,) = told(slow + asks.replace('"5-0"', '"0-0", "11-1"'))
    assert "0-0, 11-0 answer HealthInsurance/1 in their own time" in line
    assert told(slow + asks.replace('"5-0"', '"0-0"')) == []


def test_a_distribution_of_what_is_no_mutation_is_remarked():
    file = parse(DISTRIBUTION.replace("AddressChange", "Pension"), "rules.toml")
    remarks = review([(file.where(row), row) for row in file.rows], (), CATALOGUE).remarks
    assert any("Pension/1 is no mutation" in remark for remark in remarks)


def test_the_institutions_of_a_sector_and_type_have_one_manager():
    lines = told(MUTUALITY + MUTUALITY.replace("11-0", "17-0").replace("0411702543", "0206653946"))
    assert len([line for line in lines if "the same for every institution of 11-1; now 11-0, 17-0" in line]) == 2


def test_a_sector_and_type_is_one_institution_or_a_network():
    both = MUTUALITY + '[[institution]]\naddress = "11-1"\ncbe = "0411702543"\nname = "x"\n'
    assert any("11-1 is itself connected to the hub" in line for line in told(both))


def test_an_id_stands_in_one_file():
    one, two = parse(AUTHORISATION, "one.toml"), parse(AUTHORISATION, "two.toml")
    found = review([(one.where(row), row) for row in one.rows], [("two.toml", row) for row in two.rows], CATALOGUE)
    assert found.errors == ("one.toml:2: pcsw-pension is also in two.toml: keep it in one of both",)


def test_what_may_not_be_meant_is_remarked():
    file = parse(AUTHORISATION + DISTRIBUTION, "rules.toml")
    new = [(file.where(row), row) for row in file.rows]
    remarks = review(new, (), CATALOGUE).remarks
    assert any(
        "no availability row names Pension/1: 5-0 will be asked about the persons whom they" in r for r in remarks
    )
    assert any("the register has no institution of 5-0" in r for r in remarks)
    assert any("rules.toml:15: service: the catalogue has no service AddressChange/1" in r for r in remarks)
    others = [("other.toml", Availability("Pension/1", Address(0, 0), None))]
    remarks = review(new, others, CATALOGUE).remarks
    assert any("no availability row says that 5-0 holds Pension/1: not asked" in r for r in remarks)


def test_who_is_taken_out_of_the_register_and_named_by_files_that_stay_is_remarked():
    others = [
        ("rights.toml", parse(AUTHORISATION, "rights.toml").rows[0]),
        ("other.toml", Availability("Pension/1", Address(5, 0), None)),
    ]
    without, with_all = parse(MUTUALITY, "register.toml"), parse(REGISTER, "register.toml")
    remarks = review([(without.where(row), row) for row in without.rows], others, CATALOGUE).remarks
    assert "the register has no institution of 17-1, and 1 authorisation names it: pcsw-pension" in remarks
    assert any(
        told.startswith("the register has no institution of 5-0, and 1 availability row names it") for told in remarks
    )
    # Of who is there nothing is said, nor where no institution is loaded.
    told = review([(with_all.where(row), row) for row in with_all.rows], others, CATALOGUE).remarks
    assert not any("of 17-1, and" in remark for remark in told)
    assert review(others[1:], others[:1], CATALOGUE).remarks == ()


def test_files_are_read_without_a_database(tmp_path):
    (tmp_path / "register.toml").write_text(REGISTER)
    (tmp_path / "rights.toml").write_text(AVAILABILITY + AUTHORISATION)
    rules = files.read(sorted(tmp_path.glob("*.toml")), CATALOGUE)
    assert len(rules.institutions) == 3
    assert rules.holders("Pension/1") == (Address(0, 0), Address(5, 0))
    (tmp_path / "rights.toml").write_text(AUTHORISATION.replace("Pension/1", "Pension/3"))
    with pytest.raises(RulesError, match=r"rights\.toml:2: service: the catalogue has no service Pension/3"):
        files.read(sorted(tmp_path.glob("*.toml")), CATALOGUE)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path):
    with pytest.raises(RulesError, match="cannot be read"):
        files.read_file(tmp_path / "none.toml")
    Path(tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(RulesError, match="UTF-8"):
        files.read_file(tmp_path / "bytes.toml")
