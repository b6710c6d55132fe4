"""The types that all messages share, by values that they must take and must not."""

import pytest
from lxml import etree

from schemas.grammar import SHIPPED_SCHEMAS

COMMON = "http://kszbcss.fgov.be/types/common/v3"


def takes(name: str, content: str) -> bool:
    """Whether an element of the common type `name` may hold `content`."""
    schema = etree.XMLSchema(
        etree.fromstring(
            f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:c="{COMMON}">'
            f'<xs:import namespace="{COMMON}" schemaLocation="{(SHIPPED_SCHEMAS / "common-v3.xsd").as_uri()}"/>'
            f'<xs:element name="e" type="c:{name}"/></xs:schema>'
        )
    )
    return schema.validate(etree.fromstring(f"<e>{content}</e>"))


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        # national, unknown birth date, bis, ter; not: month 13, counter 000, day 32, check number 98, letters, spaces
        (
            "SsinType",
            ["85073003328", "00000100195", "85273003328", "85473003328"],
            [
                "85133003328",
                "85073000028",
                "85073203328",
                "85073003398",
                "8507300332X",
                " 85073003328",
                "850730033280",
                "",
            ],
        ),
        ("UUIDType", ["11111111-2222-5333-8444-55555555abCD"], ["11111111222253338444555555555555", "x"]),
        ("TicketType", ["", "t" * 36], ["t" * 37]),
        ("CbeNumberType", ["0212344876"], ["212344876", "02123448760", "BE0212344876"]),
        ("EnterpriseNumberType", ["0212344876", "1000000000"], ["2000000000"]),
        ("BusinessUnitNumberType", ["2000000000", "8999999999"], ["1000000000", "9000000000"]),
        ("LegalContextType", ["x" * 64], ["x" * 65]),
        ("SequenceNumberType", ["1", "9" * 15], ["0", "9" * 16, "-1"]),
        ("YearQuarterType", ["2024Q1", " 2024Q4 "], ["2024Q5", "3024Q1", "2024q1"]),
        ("IncompleteDateType", ["1968-00-00", "1968-07-02"], ["1968-7-2", "1968"]),
        ("NssoRegistrationNumberType", ["0123456789", "5112345678"], ["5212345678", "012345678"]),
        ("EuroAmountType", ["-1.25", "999999999999999.99"], ["1.255", "1000000000000000"]),
        ("EurocentPositiveAmountType", ["0", "99999999999999999"], ["-1", "100000000000000000"]),
        ("LanguageType", ["NL", "FR", "DE"], ["EN", "nl"]),
        ("SeverityType", ["FATAL"], ["ERROR"]),
        (
            "OrganizationIdentificationType",
            [
                "<cbeNumber>0212344876</cbeNumber>",
                "<sector>999</sector><institution>0</institution>",
            ],
            [
                "",
                "<sector>17</sector>",
                "<institution>1</institution><sector>17</sector>",
                "<sector>1000</sector><institution>1</institution>",
                "<cbeNumber>0212344876</cbeNumber><sector>17</sector><institution>1</institution>",
            ],
        ),
        (
            "OpenPeriodType",
            ["<beginDate>2024-01-01</beginDate>", "<beginDate>2024-01-01</beginDate><endDate>2024-01-01</endDate>"],
            ["", "<endDate>2024-01-01</endDate>", "<beginDate>2024-02-30</beginDate>"],
        ),
        (
            "PeriodType",
            ["<beginDate>2024-01-01</beginDate><endDate>2023-01-01</endDate>"],
            ["<beginDate>2024-01-01</beginDate>"],
        ),
        ("DataFiltersType", ["<filteredElement>a</filteredElement>" * 100], [""]),
        (
            "StatusType",
            ["<value>NO_RESULT</value><code>MSG00012</code>"],
            ["<value>INCOMPLETE_DATA</value><code>HAN20200</code>", "<value>NO_RESULT</value>"],
        ),
        (
            "LocalizedDescriptionsType",
            ["<description language='NL'>a</description>" * 3],
            ["", "<description>a</description>" * 4, "<description language='EN'>a</description>"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_common_type_takes_what_is_right_and_nothing_else(name: str, right: list[str], wrong: list[str]) -> None:
    assert [takes(name, content) for content in right] == [True] * len(right)
    assert [takes(name, content) for content in wrong] == [False] * len(wrong)
