"""Services come from folders, are kept up with them, and a folder in the making harms nobody."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from schemas.catalogue import Catalogue, Change, Service, ServiceError, shipped
from tests.schemas.messages import TI_GROUPS, prefixed, shelter, shelter_request, ti_groups, ti_groups_request

SHELTER = Path(__file__).parent / "services" / "Shelter"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of services with a copy of the test service in it."""
    shutil.copytree(SHELTER, tmp_path / "services" / "Shelter")
    return tmp_path / "services"


def edit(file: Path, old: str, new: str) -> None:
    """Writes as an editor does, and moves the clock on where the file system's is too coarse to tell."""
    text = file.read_text("utf-8")
    assert old in text
    before = file.stat().st_mtime_ns
    file.write_text(text.replace(old, new), "utf-8")
    if file.stat().st_mtime_ns == before:
        os.utime(file, ns=(before + 1, before + 1))


def kinds(changes: tuple[Change, ...]) -> list[str]:
    return [change.kind for change in changes]


def complaint(folder: Path) -> str:
    with pytest.raises(ServiceError) as wrong:
        Service.read(folder)
    return str(wrong.value)


# --- what there is ------------------------------------------------------------------------------------------------


def test_a_service_is_what_its_folder_says() -> None:
    assert (shelter.type, shelter.period, shelter.period_rule) == ("Shelter/1", "criteria/period", "overlap")
    assert (shelter.combine, shelter.deadline_ms, shelter.mode, shelter.deceased) == ("part", 2000, "online", "answer")
    assert shelter.knows_incomplete
    assert shelter.filters_place == ("informationCustomer", "informationCBSS", "legalContext", "criteria", "status")
    assert shelter.fault == "{urn:crossroads:v1}fault"
    assert (ti_groups.period, ti_groups.combine, ti_groups.filters_place) == (None, None, None)
    assert not ti_groups.knows_incomplete


def test_what_ships_is_read() -> None:
    catalogue = Catalogue([shipped()])
    assert {change.kind for change in catalogue.found} == {"new"}
    assert "RetrieveTIGroups/2" in catalogue.services


def test_the_environment_adds_folders_of_services_and_service_folders(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SHELTER, tmp_path / "one")
    edit(tmp_path / "one" / "service.toml", 'version = "1"', 'version = "2"')
    monkeypatch.setenv("CROSSROADS_SERVICES", os.pathsep.join(["", str(folder), str(tmp_path / "one")]))
    assert {"Shelter/1", "Shelter/2", "RetrieveTIGroups/2"} <= set(Catalogue.from_environment().services)


def test_a_service_is_found_by_its_type_else_by_its_root(folder: Path) -> None:
    catalogue = Catalogue([shipped(), folder])
    root = f"{{{TI_GROUPS}}}retrieveTIGroupsRequest"
    assert catalogue.find(None, root) is catalogue.services["RetrieveTIGroups/2"]
    assert catalogue.find("Shelter/1", root) is catalogue.services["Shelter/1"]
    assert catalogue.find("Unknown/1", root) is None
    assert catalogue.find(None, "{urn:unknown}a") is None
    assert catalogue.find(None, None) is None
    assert catalogue.by_root("{urn:crossroads:v1}fault") is None


def test_a_root_that_two_versions_share_tells_neither(folder: Path) -> None:
    shutil.copytree(folder / "Shelter", folder / "Shelter2")
    edit(folder / "Shelter2" / "service.toml", 'version = "1"', 'version = "2"')
    catalogue = Catalogue([folder])
    assert set(catalogue.services) == {"Shelter/1", "Shelter/2"}
    assert catalogue.find(None, shelter.request) is None
    assert catalogue.find("Shelter/2", shelter.request) is not None


def test_of_two_folders_with_the_same_type_the_later_is_used_and_it_is_said(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "later")
    edit(tmp_path / "later" / "Shelter" / "service.toml", "deadline_ms = 2000", "deadline_ms = 1000")
    catalogue = Catalogue([folder, tmp_path / "later"])
    assert kinds(catalogue.found) == ["shadowed", "new"]
    assert catalogue.services["Shelter/1"].deadline_ms == 1000
    assert catalogue.refresh() == ()
    shutil.rmtree(tmp_path / "later" / "Shelter")
    assert kinds(catalogue.refresh()) == ["changed"]
    assert catalogue.services["Shelter/1"].deadline_ms == 2000


# --- while it runs ------------------------------------------------------------------------------------------------


def test_a_new_a_changed_and_a_removed_folder_are_seen(folder: Path) -> None:
    catalogue = Catalogue([folder])
    shutil.copytree(folder / "Shelter", folder / "Second")
    edit(folder / "Second" / "service.toml", 'name = "Shelter"', 'name = "Second"')
    assert [str(change) for change in catalogue.refresh()] == ["Second/1: new"]
    old = catalogue.services["Shelter/1"]
    edit(folder / "Shelter" / "service.toml", "deadline_ms = 2000", "deadline_ms = 1000")
    assert [str(change) for change in catalogue.refresh()] == ["Shelter/1: changed"]
    assert (old.deadline_ms, catalogue.services["Shelter/1"].deadline_ms) == (2000, 1000)
    shutil.rmtree(folder / "Second")
    assert [str(change) for change in catalogue.refresh()] == ["Second/1: removed"]
    assert catalogue.refresh() == ()


def test_a_schema_half_written_is_reported_once_and_healed_when_whole(folder: Path) -> None:
    catalogue = Catalogue([folder])
    schema = folder / "Shelter" / "Shelter.xsd"
    whole = schema.read_text("utf-8")
    schema.write_text(whole[: len(whole) // 2], "utf-8")
    (broken,) = catalogue.refresh()
    assert (broken.kind, broken.type) == ("broken", "Shelter/1")
    assert "service.toml: schema: Shelter.xsd" in broken.reason
    assert catalogue.services["Shelter/1"].violations(shelter_request())[1] == ()
    schema.write_text(whole[: len(whole) // 2 + 1], "utf-8")
    assert set(kinds(catalogue.refresh())) <= {"broken"}
    schema.write_text(whole, "utf-8")
    assert kinds(catalogue.refresh()) == ["changed"]


def test_settings_gone_for_a_moment_remove_nothing(folder: Path) -> None:
    catalogue = Catalogue([folder])
    settings = folder / "Shelter" / "service.toml"
    text = settings.read_text("utf-8")
    settings.unlink()
    assert kinds(catalogue.refresh()) == ["broken"]
    assert "Shelter/1" in catalogue.services
    settings.write_text(text, "utf-8")
    assert kinds(catalogue.refresh()) == ["changed"]


def test_a_folder_of_services_that_is_not_there_is_said_once_and_seen_when_it_comes(tmp_path: Path) -> None:
    catalogue = Catalogue([tmp_path / "later"])
    assert kinds(catalogue.found) == ["broken"]
    assert catalogue.refresh() == ()
    shutil.copytree(SHELTER, tmp_path / "later" / "Shelter")
    assert kinds(catalogue.refresh()) == ["new"]


def test_a_schema_that_is_included_counts_as_the_folders(folder: Path) -> None:
    catalogue = Catalogue([shipped() / "RetrieveTIGroups"])
    assert catalogue.refresh() == ()
    shutil.copytree(shipped() / "RetrieveTIGroups", folder / "TI")
    catalogue = Catalogue([folder])
    edit(folder / "TI" / "RetrieveTIGroupsTypes.xsd", '<xs:enumeration value="de"/>', "")
    assert [str(change) for change in catalogue.refresh()] == ["RetrieveTIGroups/2: changed"]
    german = ti_groups_request().replace(b"<language>fr", b"<language>de")
    assert ti_groups.violations(german)[1] == ()
    assert catalogue.services["RetrieveTIGroups/2"].violations(german)[1] != ()


async def test_the_watch_tells_a_change_by_itself(folder: Path) -> None:
    catalogue = Catalogue([folder])
    told: asyncio.Queue[tuple[Change, ...]] = asyncio.Queue()
    async with asyncio.timeout(10):
        watch = asyncio.create_task(catalogue.watch(told.put))
        edit(folder / "Shelter" / "service.toml", "deadline_ms = 2000", "deadline_ms = 1000")
        assert kinds(await told.get()) == ["changed"]
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch
    # It was compiled in another thread than the one that uses it.
    assert catalogue.services["Shelter/1"].violations(shelter_request())[1] == ()
    assert catalogue.services["Shelter/1"].violations(shelter_request(ssin="x"))[1] != ()


# --- what is wrong with a folder ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "Shelter"\n', "", "service.toml: name: missing; it is letters"),
        ('name = "Shelter"', 'name = "Shel.ter"', "service.toml: name: wrong"),
        ('version = "1"', "version = 1", "service.toml: version: wrong"),
        ('combine = "part"', 'combined = "part"', "service.toml: combined: no such field; there are name, version"),
        ("deadline_ms = 2000", 'deadline_ms = "2 s"', "service.toml: deadline_ms: wrong"),
        ("deadline_ms = 2000", "deadline_ms = 0", "milliseconds, a whole number"),
        ('period_rule = "overlap"', 'period_rule = "touch"', '"within" or "overlap"'),
        ("combine =", "combine", "service.toml: not TOML"),
        ("shelterRequest", "shelterAsk", "service.toml: request: the schema has no element {urn:crossroads:services"),
        ("shelterResponse", "shelterAsk", "it has {urn:crossroads:services:shelter:v1}shelterRequest"),
        ("v1}shelterRequest", "v1:shelterRequest", '"{namespace}name"'),
        ('ssin = "criteria/ssin"', 'ssin = "criteria/inss"', "ssin: the schema has no element 'inss' at that place"),
        ('ssin = "criteria/ssin"', 'ssin = "criteria/inss"', "it has ssin, period, language"),
        ('ssin = "criteria/ssin"', 'ssin = ""', "service.toml: ssin: wrong"),
        ('"criteria/period"', '"criteria/language"', "service.toml: period: the schema has no element 'beginDate'"),
        ('combine = "part"', 'combine = "parts"', "service.toml: combine: the schema has no element 'parts'"),
        ('combine = "part"', 'combine = "dataFilters"', "no element 'informationSupplier' at that place"),
        ('schema = "Shelter.xsd"', 'schema = "None.xsd"', "service.toml: schema: no such file in the folder: None.xsd"),
        ('schema = "Shelter.xsd"', 'schema = "../../../x.xsd"', "no such file in the folder"),
        ('ssin = "criteria/ssin"', 'fault = "{u}f"\nssin = "criteria/ssin"', "service.toml: fault: the schema has no"),
    ],
)
def test_wrong_settings_are_told_by_field_with_what_would_be_right(folder: Path, old: str, new: str, told: str) -> None:
    edit(folder / "Shelter" / "service.toml", old, new)
    text = complaint(folder / "Shelter")
    assert told in text
    assert all(line.startswith("service.toml: ") for line in text.splitlines())


def test_all_wrong_fields_are_told_at_once(folder: Path) -> None:
    edit(folder / "Shelter" / "service.toml", 'version = "1"', "version = 1\nmore = 2")
    assert len(complaint(folder / "Shelter").splitlines()) == 2


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('type="common:SsinType"', 'type="common:NinType"', "Shelter.xsd:"),
        ('namespace="urn:crossroads:v1"', 'namespace="urn:none"', "imports the namespace 'urn:none'"),
        ("<xs:complexType name=", '<!DOCTYPE x><xs:complexType name="', "without DOCTYPE"),
        ("</xs:schema>", '<xs:include schemaLocation="../x.xsd"/></xs:schema>', "include of a file that the folder"),
        ("</xs:schema>", '<xs:include schemaLocation="http://127.0.0.1:9/x.xsd"/></xs:schema>', "include of a file"),
        ("crossroads:StatusType", "common:StatusType", "combine: the response's status has no value INCOMPLETE_DATA"),
        ('name="status"', 'name="state"', "response: the schema has no element 'status' at that place"),
    ],
)
def test_a_wrong_schema_is_told_by_file(folder: Path, old: str, new: str, told: str) -> None:
    edit(folder / "Shelter" / "Shelter.xsd", old, new)
    assert told in complaint(folder / "Shelter")


# --- how schemas find each other ----------------------------------------------------------------------------------

OWN_COMMON = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://kszbcss.fgov.be/types/common/v3"
  targetNamespace="http://kszbcss.fgov.be/types/common/v3"><xs:complexType name="CBSSFaultType"/>
  <xs:simpleType name="SsinType">
    <xs:restriction base="xs:string"><xs:pattern value="X[0-9]+"/></xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="LegalContextType"><xs:restriction base="xs:string"/></xs:simpleType>
  <xs:complexType name="InformationCustomerType">
    <xs:sequence><xs:any processContents="skip" maxOccurs="9"/></xs:sequence>
  </xs:complexType>
  <xs:complexType name="InformationCBSSType"/>
  <xs:complexType name="StatusType"><xs:sequence><xs:element name="value"/></xs:sequence></xs:complexType>
</xs:schema>"""


def test_a_schema_of_the_folders_own_goes_before_ours_for_all_that_import_it(folder: Path) -> None:
    shutil.copytree(shipped() / "RetrieveTIGroups", folder / "TI")
    (folder / "TI" / "sub").mkdir()
    (folder / "TI" / "sub" / "own.xsd").write_text(OWN_COMMON, "utf-8")
    edit(
        folder / "TI" / "RetrieveTIGroups.xsd",
        '<xs:import namespace="http://kszbcss.fgov.be/types/common/v3"/>',
        '<xs:import namespace="http://kszbcss.fgov.be/types/common/v3" schemaLocation="sub/own.xsd"/>',
    )
    service = Service.read(folder / "TI")
    assert service.violations(ti_groups_request(ssin="X1"))[1] == ()
    assert service.violations(ti_groups_request())[1] != ()


def test_the_attributes_of_xml_itself_are_known_to_who_imports_them(folder: Path) -> None:
    edit(
        folder / "Shelter" / "Shelter.xsd",
        '<xs:import namespace="urn:crossroads:v1"',
        '<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="http://www.w3.org/2001/xml.xsd"/>'
        '<xs:import namespace="urn:crossroads:v1"',
    )
    edit(
        folder / "Shelter" / "Shelter.xsd",
        '<xs:element name="language" type="common:LanguageType" minOccurs="0"/>\n    </xs:sequence>',
        '</xs:sequence><xs:attribute ref="xml:lang"/>',
    )
    service = Service.read(folder / "Shelter")
    assert service.violations(shelter_request().replace(b"<criteria>", b'<criteria xml:lang="nl-BE">'))[1] == ()
    assert service.violations(shelter_request().replace(b"<criteria>", b'<criteria xml:lang="!">'))[1] != ()


def test_a_schema_outside_the_folder_is_not_read(folder: Path) -> None:
    shutil.copytree(shipped() / "RetrieveTIGroups", folder / "TI")
    (folder / "own.xsd").write_text(OWN_COMMON, "utf-8")
    for location in ("../own.xsd", str(folder / "own.xsd"), (folder / "own.xsd").as_uri()):
        shutil.copy(shipped() / "RetrieveTIGroups" / "RetrieveTIGroups.xsd", folder / "TI")
        edit(
            folder / "TI" / "RetrieveTIGroups.xsd",
            '<xs:import namespace="http://kszbcss.fgov.be/types/common/v3"/>',
            f'<xs:import namespace="http://kszbcss.fgov.be/types/common/v3" schemaLocation="{location}"/>',
        )
        assert Service.read(folder / "TI").violations(ti_groups_request())[1] == ()


def test_a_folder_of_links_is_read_as_containers_mount_it(tmp_path: Path) -> None:
    data = tmp_path / "mount" / "..2024_01"
    shutil.copytree(SHELTER, data)
    for file in data.iterdir():
        (tmp_path / "mount" / file.name).symlink_to(Path("..2024_01") / file.name)
    assert Service.read(tmp_path / "mount").type == "Shelter/1"


# --- what may be cut ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "part/data",
        "part/data/stay/amount",
        "part/data/stay/room",
        "part/data/stay/companion",
        "part/data/stay/extra/any",
    ],
)
def test_an_element_may_be_cut_where_the_response_stays_valid_without_it(path: str) -> None:
    assert shelter.may_omit(path)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("part/data/stay", "mandatory"),
        ("part/data/stay/kind", "mandatory"),
        ("part/data/stay/street", "mandatory"),
        ("part/status", "mandatory"),
        ("criteria", "mandatory"),
        ("informationCBSS", "never cut"),
        ("status/description", "never cut"),
        ("part/data/stay/nothing", "there are kind, period"),
        ("nothing", "the response has no 'nothing' there"),
    ],
)
def test_a_filter_on_what_must_stand_there_is_refused_with_its_reason(path: str, why: str) -> None:
    assert not shelter.may_omit(path)
    assert why in (shelter.why_not_omit(path) or "")


def test_in_what_the_schema_leaves_open_everything_may_be_cut() -> None:
    assert ti_groups.may_omit("rrn_it_implicit/Names/Name")


def test_the_kind_of_a_message_is_that_of_its_root() -> None:
    for kind, body in (
        ("request", shelter_request()),
        ("fault", prefixed("urn:crossroads:v1", "fault", "")),
        (None, ti_groups_request()),
    ):
        root, _ = shelter.violations(body)
        assert shelter.kind_of(root) == kind


def test_what_a_service_says_of_who_answers_and_of_whom_it_asks_nothing(folder: Path) -> None:
    settings = folder / "Shelter" / "service.toml"
    plain = Service.read(folder / "Shelter")
    assert (plain.answered_by, plain.person_check, plain.changes, plain.ssdn) == ("suppliers", True, False, ())
    edit(settings, 'ssin = "criteria/ssin"', 'ssin = ""\nperson_check = false\nanswered_by = "hub"\nchanges = true')
    with settings.open("a") as file:
        file.write(
            '\n[ssdn]\nservice_id = "OldShelter"\nversion = "20050930"\nlegal_context = "A:B"\nrequest = "{u}r"\n'
        )
    found = Service.read(folder / "Shelter")
    assert (found.ssin, found.answered_by, found.person_check, found.changes) == ("", "hub", False, True)
    [name] = found.ssdn
    assert (name.service_id, name.version, name.legal_context, name.request, name.action) == (
        "OldShelter", "20050930", "A:B", "{u}r", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    "line", ['answered_by = "me"', 'person_check = "no"', "changes = 1", '[ssdn]\nservice_id = "x"\nversion = "2005"']
)
def test_who_answers_is_told_apart_from_mistakes(folder: Path, line: str) -> None:
    with (folder / "Shelter" / "service.toml").open("a") as file:
        file.write(f"\n{line}\n")
    assert complaint(folder / "Shelter").startswith(f"service.toml: {line.strip('[]').partition(' ')[0].split(']')[0]}")
