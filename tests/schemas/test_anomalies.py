"""The catalogue of anomalies: whole, in three languages, and true in the documentation."""

import ast
import re
from pathlib import Path

import pytest

from schemas.declarations import anomalies
from schemas.declarations.anomalies import ANOMALIES, UnknownAnomaly, page
from schemas.declarations.anomaly import Anomaly, of_violation
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.texts import LANGUAGES, zone_texts
from schemas.parser import parse

ROOT = Path(__file__).parents[2]
FORMS = Forms([shipped()])
#: Three digits that are no code: joint committee 322, interim work.
NO_CODES = {"322"}
#: What a schema makes of the rules it breaks.
OF_SCHEMAS = {"001", "002", "003", "008", "090", "091", "092", "093"}
#: Field digest 6.0 and 6.1.
FIELD = """
001 002 003 004 005 006 007 008 014 022 034 044 051 082 088 089 090 091 092 093 134 146 151 155 166 167 179 180
181 182 183 235 241 313 333 334 336 337 338 341 342 343 348 350 354 355 356 357 359 362 363 369 421 459 460 510
"""


def raised() -> set[str]:
    """Codes that stand in the NSSO's own code."""
    files = [ROOT / "schemas" / "declarations" / "anomaly.py", *(ROOT / "institutions" / "nsso").rglob("*.py")]
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in files)
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and re.fullmatch(r"[0-9]{3}", text)} - NO_CODES


def test_every_code_that_can_be_raised_is_in_the_catalogue() -> None:
    codes = raised()
    assert codes >= OF_SCHEMAS | {"155", "333", "354", "460"}
    known = {name.rpartition("-")[2] for name in ANOMALIES.ids}
    assert codes <= known


@pytest.mark.parametrize("code", FIELD.split())
def test_the_fields_codes_are_there_for_any_zone(code: str) -> None:
    assert code in ANOMALIES.ids
    assert not ANOMALIES.of(f"00024-{code}").ours


#: Field digest 6.2, with the classes that it gives.
DMFA = {
    "00013-313": "B",
    "00015-011": "B",
    "00085-044": "P",
    "00086-064": "NP",
    "90007-262": "NP",
    "90007-263": "NP",
    "90012-006": "B",
    "90015-095": "P",
    "90015-096": "P",
    "90017-252": "W",
    "90017-429": "NP",
    "90017-502": "NP",
}


@pytest.mark.parametrize("error_id", DMFA)
def test_the_anomalies_of_a_dmfa_have_the_fields_classes(error_id: str) -> None:
    assert ANOMALIES.of(error_id).anomaly_class == DMFA[error_id]


@pytest.mark.parametrize("name", ANOMALIES.ids)
def test_an_anomaly_has_a_class_and_three_sentences_that_fit(name: str) -> None:
    for error_id in [name] if "-" in name else [f"{zone}-{name}" for zone in ("00024", "90373", "12345")]:
        found = ANOMALIES.of(error_id)
        assert len(error_id) <= 9
        assert found.anomaly_class in ("B", "P", "NP", "D", "W", "I")
        assert found.blocks == (found.anomaly_class == "B")
        assert set(found.text) == set(LANGUAGES)
        for text in found.text.values():
            assert text
            assert "{" not in text
            assert len(text) <= 500


def test_a_zone_says_what_it_is_and_one_may_say_it_otherwise() -> None:
    assert ANOMALIES.of("00024-001").text["EN"].startswith(zone_texts("00024")["EN"])
    assert ANOMALIES.of("00910-003").text != ANOMALIES.of("00911-003").text
    assert ANOMALIES.of("90059-006").ours
    assert not ANOMALIES.of("90012-006").ours


@pytest.mark.parametrize("error_id", ["90373-999", "90373", "9037-333", "ACRF-1", ""])
def test_what_is_none_is_said_so(error_id: str) -> None:
    with pytest.raises(UnknownAnomaly):
        ANOMALIES.of(error_id)


def test_the_page_is_what_the_catalogue_says() -> None:
    assert anomalies.PAGE.read_text(encoding="utf-8") == page()


# --- what breaks a schema ---------------------------------------------------------------------------------------------

GOOD = """<Dimona>
<Form>
<Identification>DIMONA</Identification>
<FormCreationDate>2026-11-25</FormCreationDate>
<FormCreationHour>10:00:00.000</FormCreationHour>
<AttestationStatus>0</AttestationStatus>
<TypeForm>SU</TypeForm>
<DimonaIn>
<StartingDate>2026-11-25</StartingDate>
<EndingDate>2026-11-26</EndingDate>
<NaturalPerson><INSS>80010100197</INSS></NaturalPerson>
<DimonaFeatures><WorkerType>OTH</WorkerType></DimonaFeatures>
</DimonaIn>
</Form>
</Dimona>"""


@pytest.mark.parametrize(
    ("was", "written", "error_id", "below", "value"),
    [
        ("<INSS>80010100197", "<INSS>8001010019", "00024-003", "NaturalPerson/INSS", "8001010019"),
        ("<INSS>80010100197", "<INSS>8001010019x", "00024-002", "NaturalPerson/INSS", "8001010019x"),
        ("<INSS>80010100197", "<INSS> ", "00024-001", "NaturalPerson/INSS", " "),
        ("<WorkerType>OTH", "<WorkerType>QQQ", "00655-008", "DimonaFeatures/WorkerType", "QQQ"),
        (
            "<WorkerType>OTH</WorkerType>",
            "<JointCommissionNbr>124</JointCommissionNbr>",
            "00655-001",
            "DimonaFeatures/WorkerType",
            None,
        ),
        ("<StartingDate>2026-11-25</StartingDate>", "", "00910-001", "StartingDate", None),
        ("2026-11-26", "2026-11-31", "00911-003", "EndingDate", "2026-11-31"),
        (
            "</StartingDate>",
            "</StartingDate><StartingDate>2026-11-25</StartingDate>",
            "00910-090",
            "StartingDate",
            None,
        ),
        (
            "<EndingDate>2026-11-26</EndingDate>",
            "<EndingHour>1200</EndingHour><EndingDate>2026-11-26</EndingDate>",
            "00911-091",
            "EndingDate",
            None,
        ),
        ("<EndingDate>", "<Peeters/><EndingDate>", "90373-092", "Peeters", None),
        ("<NaturalPerson>", "<NaturalPerson a='1'>", "90017-092", "NaturalPerson", None),
    ],
)
def test_what_breaks_the_schema_is_an_anomaly_of_its_zone(
    was: str, written: str, error_id: str, below: str, value: str | None
) -> None:
    assert was in GOOD
    root = parse(GOOD.replace(was, written, 1).encode())
    release = FORMS.release_of(root)
    found = [of_violation(release, one, root, 100) for one in release.violations_of(root)]
    assert [(one.error_id, one.path, one.value) for one in found] == [
        (error_id, f"/Dimona/Form/DimonaIn/{below}", value)
    ]
    assert 108 <= found[0].line <= 113
    assert found[0].tag == below.rpartition("/")[2]
    assert value is None or not value.strip() or value not in repr(found[0])


def test_an_anomaly_is_found_in_its_form_or_the_nearest_above() -> None:
    form = parse(GOOD.encode())[0]
    there = Anomaly("00024", "004", "INSS", "80010100197", "DimonaIn/NaturalPerson/INSS").at(form, 5)
    assert (there.path, there.line) == ("/Dimona/Form/DimonaIn/NaturalPerson/INSS", 16)
    missing = Anomaly("01135", "001", "PlannedHoursNbr", None, "DimonaIn/PlannedHoursNbr").at(form)
    assert (missing.path, missing.line) == ("/Dimona/Form/DimonaIn/PlannedHoursNbr", 8)
    assert Anomaly.of_row(there.row) == there
