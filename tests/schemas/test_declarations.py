"""The declarations' schemas by release: they compile, and a message finds the one it names."""

from pathlib import Path

import pytest

from schemas.declarations.form import Form, FormError, Release
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.quarter import Quarter, QuarterError
from schemas.parser import Malformed, parse
from tests.schemas.oracle import strictly

FORMS = Forms([shipped()])
RELEASES = [release for form in FORMS.forms.values() for release in form.releases]
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def named(release: str, root: str = "Dimona") -> bytes:
    return f'<{root} {XSI} xsi:noNamespaceSchemaLocation="{release}"/>'.encode()


def test_every_form_and_release_ships() -> None:
    assert {(release.form, str(release.valid_from)) for release in RELEASES} == {
        ("Dimona", "2022/2"),
        ("Dimona", "2022/3"),
        ("Dimona", "2023/1"),
        ("DmfAOriginal", "2022/3"),
        ("DmfAPID", "2022/4"),
        ("DmfAUpdate", "2022/3"),
        ("ACRF", "2022/3"),
        ("ACRF", "2023/1"),
        ("NOTIFICATION", "2022/3"),
        ("PersonnelFileConsultationRequest", "2023/1"),
        ("PersonnelFileConsultationAnswer", "2022/3"),
        ("IDFLUX", "2023/1"),
        ("ZIMA001", "2023/1"),
        ("ZIMA006", "2023/1"),
    }


def test_every_schema_in_the_folders_belongs_to_a_release() -> None:
    used = {release.folder / release.schema for release in RELEASES}
    assert set(shipped().rglob("*.xsd")) == used


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: f"{release.form}-{release.valid_from}")
def test_a_release_compiles_in_libxml2_and_strictly_in_xmlschema_and_has_its_root(release: Release) -> None:
    assert list(strictly(release).elements) == [release.root]
    assert release.grammar.roots == (release.root,)
    assert release.grammar is release.grammar


@pytest.mark.parametrize(
    ("asked", "found"),
    [("20222", "2022/2"), ("20223", "2022/3"), ("20224", "2022/3"), ("20231", "2023/1"), ("20994", "2023/1")],
)
def test_a_quarter_without_a_release_uses_the_latest_before(asked: str, found: str) -> None:
    assert str(FORMS.release_of(parse(named(f"Dimona_{asked}.xsd"))).valid_from) == found
    assert str(FORMS.release_of(parse(b"<Dimona/>"), Quarter.parse(asked)).valid_from) == found


def test_a_message_that_names_no_release_is_of_the_latest() -> None:
    assert str(FORMS.release_of(parse(b"<Dimona/>")).valid_from) == "2023/1"


@pytest.mark.parametrize(
    "body",
    [
        b"<Peeters/>",
        b'<Dimona xmlns="urn:other"/>',
        named("Dimona_20221.xsd"),
        named("Dimona_20225.xsd"),
        named("Peeters_20231.xsd"),
        named("Dimona.xsd"),
        named("ACRF_20231.xsd"),
    ],
)
def test_what_names_no_known_form_or_release_is_refused_without_repeating_it(body: bytes) -> None:
    with pytest.raises(FormError) as refused:
        FORMS.violations(body)
    assert "Peeters" not in str(refused.value)


def test_a_doctype_is_refused() -> None:
    with pytest.raises(Malformed, match="CRB00004"):
        FORMS.violations(b"<!DOCTYPE Dimona>" + named("Dimona_20231.xsd"))


def test_a_violation_names_element_and_rule_and_not_the_value() -> None:
    body = named("ACRF_20231.xsd", "ACRF").replace(
        b"/>", b"><Form><Identification>Peeters</Identification></Form></ACRF>"
    )
    _, violations = FORMS.violations(body)
    assert violations[0].path == "/ACRF/Form/Identification"
    assert "Peeters" not in str(violations)


DROPPED = """
name = "ZIMA003"
identification = "ZIMA003"
flow = {sender = "an employer", receiver = "a sickness fund"}
releases = [{valid_from = "2023/1", schema = "ZIMA003_20231.xsd", root = "ZIMA003"}]
"""
SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
<xs:element name="ZIMA003"><xs:complexType><xs:sequence>
  <xs:element name="Form" maxOccurs="unbounded"><xs:complexType><xs:sequence>
    <xs:element name="Identification"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="ZIMA003"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="DaysNbr" type="xs:unsignedByte" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""


def dropped(folder: Path, name: str = "ZIMA003") -> Path:
    place = folder / name
    place.mkdir()
    (place / "form.toml").write_text(DROPPED)
    (place / "ZIMA003_20231.xsd").write_text(SCHEMA)
    return place


def zima003(days: str) -> bytes:
    return f"<ZIMA003><Form><Identification>ZIMA003</Identification><DaysNbr>{days}</DaysNbr></Form></ZIMA003>".encode()


def test_a_form_that_is_dropped_in_is_checked(tmp_path: Path) -> None:
    forms = Forms([shipped(), tmp_path])
    with pytest.raises(FormError):
        forms.violations(zima003("1"))
    dropped(tmp_path)
    assert [str(change) for change in forms.refresh()] == ["ZIMA003: new"]
    assert forms.violations(zima003("1"))[1] == ()
    assert forms.violations(zima003("0.0"))[1] != ()
    assert forms.named("ZIMA003_20234").label == "ZIMA003_20231"


def test_a_broken_form_is_reported_and_the_others_live(tmp_path: Path) -> None:
    schema = dropped(tmp_path) / "ZIMA003_20231.xsd"
    forms = Forms([shipped(), tmp_path])
    schema.write_text(SCHEMA.replace("unbounded", "some"))
    [change] = forms.refresh()
    assert str(change).startswith("ZIMA003: broken: ZIMA003: ZIMA003_20231.xsd:3: ")
    assert "Dimona" in forms.forms
    other = Forms([shipped(), tmp_path])
    assert [change.kind for change in other.found if change.kind != "new"] == ["broken"]
    assert set(other.forms) == set(FORMS.forms)
    schema.write_text(SCHEMA.replace("unsignedByte", "decimal"))
    assert [str(change) for change in forms.refresh()] == ["ZIMA003: changed"]
    assert forms.violations(zima003("0.5"))[1] == ()


def test_a_part_that_a_schema_includes_is_read_again_and_half_edited_changes_nothing(tmp_path: Path) -> None:
    place = dropped(tmp_path)
    head, body = SCHEMA.split("\n", 1)
    (place / "ZIMA003_20231.xsd").write_text(
        head + '<xs:include schemaLocation="part.xsd"/>' + body.replace("xs:unsignedByte", "Days")
    )
    part = head + '<xs:simpleType name="Days"><xs:restriction base="xs:{}"/></xs:simpleType></xs:schema>'
    (place / "part.xsd").write_text(part.format("unsignedByte"))
    forms = Forms([tmp_path])
    assert forms.violations(zima003("0.5"))[1] != ()
    (place / "part.xsd").write_text(part.format("decimal"))
    assert [str(change) for change in forms.refresh()] == ["ZIMA003: changed"]
    assert forms.violations(zima003("0.5"))[1] == ()
    (place / "part.xsd").write_text(part[:40])
    [change] = forms.refresh()
    assert change.kind == "broken"
    assert forms.violations(zima003("0.5"))[1] == ()


def test_a_schema_without_the_root_that_the_descriptor_names_is_refused(tmp_path: Path) -> None:
    descriptor = dropped(tmp_path) / "form.toml"
    descriptor.write_text(DROPPED.replace('root = "ZIMA003"', 'root = "Zima003"'))
    with pytest.raises(FormError, match=r"root: ZIMA003_20231\.xsd has no such element; it has ZIMA003"):
        Form.compiled(tmp_path / "ZIMA003")


def test_of_two_folders_with_one_form_the_later_counts_and_it_is_reported(tmp_path: Path) -> None:
    dropped(tmp_path, "a")
    dropped(tmp_path, "b")
    forms = Forms([tmp_path])
    assert "has the same name and is used" in str(forms.found[0])
    assert forms.forms["ZIMA003"].folder == tmp_path / "b"


def test_a_release_is_valid_until_the_next() -> None:
    dimona = FORMS.forms["Dimona"]
    assert [dimona.validity(release) for release in dimona.releases] == ["2022/2", "2022/3 to 2022/4", "from 2023/1"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"2023/1"', '"2023/5"', "valid_from: Value error, no quarter"),
        ("ZIMA003_20231.xsd", "../ZIMA003.xsd", "schema"),
        ("ZIMA003_20231.xsd", "ZIMA003_20232.xsd", "no such file in the folder: ZIMA003_20232.xsd"),
        ("flow =", "flux =", "flow"),
        ("name =", "name", "no TOML"),
    ],
)
def test_a_broken_descriptor_is_refused_with_file_and_field(tmp_path: Path, old: str, new: str, told: str) -> None:
    (tmp_path / "form.toml").write_text(DROPPED.replace(old, new, 1))
    (tmp_path / "ZIMA003_20231.xsd").write_text(SCHEMA)
    with pytest.raises(FormError, match=told) as refused:
        Form.read(tmp_path)
    assert "form.toml" in str(refused.value)


@pytest.mark.parametrize("text", ["2023", "2023/0", "2023/5", "23/1", "2023-1", "", "2023/1\n"])
def test_a_text_that_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(QuarterError):
        Quarter.parse(text)
