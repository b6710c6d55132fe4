"""`crossroads schemas`: messages and XSDs checked as they lie in files."""

import contextlib
import os
import pty
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from deploy.demo.examples import FOLDER, OWN_SERVICE
from schemas.catalogue import Catalogue, shipped
from schemas.declarations.forms import shipped as shipped_forms
from schemas.grammar import SHIPPED_SCHEMAS
from tests.deploy.command.network import COMMAND, Place, until

BROKEN = FOLDER / "codes" / "MSG00008-schema.xml"


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Place() as found:
        yield found


def test_every_service_is_listed_and_those_of_the_environment(place):
    shutil.copytree(OWN_SERVICE, place.services / "own")
    place.environment["CROSSROADS_SERVICES"] = str(place.services / "own")
    listed = place.run("schemas", "list", "--json")
    assert listed.status == 0, listed
    told = {row["service"]: row for row in listed.json if "service" in row}
    assert set(told) == {*Catalogue([shipped()]).services, "FreePass/1"}
    assert told["SocialInquiry/1"]["combine"] == "part"
    assert told["FreePass/1"]["request"] == "{urn:example:free-pass:v1}freePassRequest"
    (place.services / "own" / "FreePass" / "service.toml").write_text("name = 1")
    broken = place.run("schemas", "list")
    assert "FreePass" not in broken.out.decode()
    assert "note: FreePass: broken: service.toml: name" in broken.err
    del place.environment["CROSSROADS_SERVICES"]


def test_valid_messages_and_schemas_say_nothing(place):
    files = [*FOLDER.glob("*.xml"), *SHIPPED_SCHEMAS.glob("*.xsd"), OWN_SERVICE / "FreePass" / "FreePass.xsd"]
    said = place.here("schemas", "check", *files)
    assert (said.status, said.out, said.err) == (0, b"", "")
    assert place.here("schemas", "check", *files, "--json").json == []


def test_each_error_is_told_with_file_line_path_and_reason_and_never_the_value(place):
    said = place.run("schemas", "check", FOLDER / "Pension.xml", BROKEN)
    assert said.status == 1
    assert said.out.decode().splitlines() == [
        f"{BROKEN}:13: /consultPensionRequest/criteria/ssin: element 'ssin' does not match its pattern",
        f"{BROKEN}:14: /consultPensionRequest/criteria/ssn: element 'ssn' is not expected here, expected: period",
    ]
    assert place.here("schemas", "check", BROKEN, "--json").json[0] == {
        "file": str(BROKEN),
        "line": 13,
        "path": "/consultPensionRequest/criteria/ssin",
        "reason": "element 'ssin' does not match its pattern",
    }


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("CRB00002", 1, "CRB00002"),
        ("CRB00003", 15, "CRB00003"),
        ("CRB00004", 1, "CRB00004"),
        ("CRB00008", 1, "no service"),
    ],
)
def test_what_is_no_message_of_a_known_service_is_told_where_it_ends_to_be_one(place, name, line, told):
    file = FOLDER / "codes" / f"{name}.xml"
    said = place.here("schemas", "check", file)
    assert said.status == 1
    assert said.out.decode().startswith(f"{file}:{line}: /: {told}")


def test_a_schema_that_does_not_compile_is_told_with_its_line(place):
    file = place.root / "broken.xsd"
    whole = (OWN_SERVICE / "FreePass" / "FreePass.xsd").read_text()
    file.write_text(whole.replace('maxOccurs="unbounded"', 'maxOccurs="some"'))
    [line] = [number for number, text in enumerate(file.read_text().splitlines(), 1) if "some" in text]
    said = place.here("schemas", "check", file)
    assert said.status == 1
    assert said.out.decode().startswith(f"{file}:{line}: /: ")
    assert "maxOccurs" in said.out.decode()


def test_a_file_that_cannot_be_read_is_exit_status_2_and_the_others_are_checked(place):
    said = place.here("schemas", "check", place.root / "nowhere.xml", BROKEN)
    assert said.status == 2
    assert said.err == f"crossroads: {place.root}/nowhere.xml: No such file or directory\n"
    assert len(said.out.splitlines()) == 2


@pytest.mark.parametrize(
    ("release", "told"),
    [
        ("Dimona_20231.xsd", ":2: /Dimona/Form/Nothing: element 'Nothing' is not expected here"),
        ("Dimona_20001.xsd", ":1: /: Dimona: no release for 2000/1; the earliest is 2022/2"),
        ("Pension_20231.xsd", ":1: /: Dimona: noNamespaceSchemaLocation does not name a release"),
        ("Dimona_20231", ":1: /: Dimona: noNamespaceSchemaLocation does not name a release"),
    ],
)
def test_a_declaration_is_held_against_the_release_it_names(place, tmp_path, release, told):
    file = tmp_path / "declaration.xml"
    file.write_text(
        '<Dimona xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:noNamespaceSchemaLocation="{release}"><Form>\n<Nothing/></Form></Dimona>'
    )
    said = place.here("schemas", "check", file)
    assert said.status == 1
    assert said.out.decode().startswith(f"{file}{told}")


def test_releases_without_a_difference_say_nothing(place):
    assert place.here("schemas", "diff", "Dimona_20222", "Dimona_20223").out == b""
    assert place.here("schemas", "diff", "Dimona_20222", "Dimona_20223", "--json").json == []


def test_what_changed_is_told_with_its_zone_and_whom_it_hits(place):
    said = place.run("schemas", "diff", "Dimona_20223", "Dimona_20231")
    assert (said.status, said.out.decode().splitlines()) == (
        0,
        [
            "values: /Dimona/Form/DimonaIn/DimonaFeatures/WorkerType (00655): -QUA +ALT",
            "hits Dimona: an employer or its agent -> NSSO",
        ],
    )
    [row] = place.here("schemas", "diff", "Dimona_20223", "Dimona_20231", "--json").json
    assert set(row) == {"change", "path", "zone", "old", "new", "flows"}
    assert (row["change"], row["zone"]) == ("values", "00655")
    assert row["flows"] == [{"form": "Dimona", "sender": "an employer or its agent", "receiver": "NSSO"}]


def test_two_files_are_compared_and_the_page_is_escaped(place, tmp_path):
    schema = shipped_forms() / "ZIMA006" / "ZIMA006_20231.xsd"
    other = tmp_path / "other.xsd"
    other.write_text(
        schema.read_text().replace('<xs:enumeration value="FA"/>', '<xs:enumeration value="&lt;&amp;"/>', 1)
    )
    page = tmp_path / "page.html"
    said = place.here("schemas", "diff", schema, other, "--page", page)
    assert (said.status, said.out, said.err) == (0, b"", "")
    html = page.read_text()
    assert "/ZIMA006/Form/TypeForm" in html
    assert "<del>FA</del>" in html
    assert "<ins>&lt;&amp;</ins>" in html
    other.write_text(schema.read_text().replace('minOccurs="0" maxOccurs="3"', 'minOccurs="0" maxOccurs="4"'))
    [row] = place.here("schemas", "diff", schema, other, "--json").json
    assert (row["change"], row["path"], row["old"], row["new"]) == (
        "cardinality",
        "/ZIMA006/Form/Reference",
        "0..3",
        "0..4",
    )
    assert row["flows"][0]["form"] == "ZIMA006"
    other.write_text(schema.read_text().replace('name="Reference"', 'name="R&amp;"'))
    assert place.here("schemas", "diff", schema, other).status == 1
    own = OWN_SERVICE / "FreePass" / "FreePass.xsd"
    assert place.here("schemas", "diff", own, own).out == b""


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("Dimona_20223", "Dimona_20199x"), 2, "Dimona_20199x: no release"),
        (("Dimona_20223", "Nimona_20231"), 2, "no such form; there are ACRF"),
        (("Dimona_20223", "nowhere.xsd"), 2, "nowhere.xsd: No such file or directory"),
    ],
)
def test_what_is_no_schema_is_refused(place, words, status, told):
    said = place.here("schemas", "diff", *words)
    assert (said.status, said.out) == (status, b"")
    assert told in said.err


def test_a_schema_that_does_not_compile_is_not_compared_and_told_with_its_line(place, tmp_path):
    file = tmp_path / "broken.xsd"
    schema = shipped_forms() / "ZIMA006" / "ZIMA006_20231.xsd"
    file.write_text(schema.read_text().replace('maxOccurs="3"', 'maxOccurs="some"', 1))
    [line] = [number for number, text in enumerate(file.read_text().splitlines(), 1) if "some" in text]
    said = place.here("schemas", "diff", schema, file)
    assert (said.status, said.out) == (1, b"")
    assert said.err.startswith(f"crossroads: {file}:{line}: ")
    assert "maxOccurs" in said.err


def test_a_declaration_of_any_size_is_checked_and_its_errors_told_where_they_are(place, tmp_path):
    file = tmp_path / "large.xml"
    bad = "<Form>\n<Nothing/></Form>\n"
    with file.open("w") as written:
        written.write('<ZIMA006 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ')
        written.write('xsi:noNamespaceSchemaLocation="ZIMA006_20231.xsd">\n')
        written.write("<!-- nothing to see -->\n" * 100_000 + bad + "<!-- nor here -->\n" * 10 + bad + "</ZIMA006>")
    said = place.here("schemas", "check", file)
    assert (said.status, said.err) == (1, "")
    assert [line.partition(": element")[0] for line in said.out.decode().splitlines()] == [
        f"{file}:100003: /ZIMA006/Form[1]/Nothing",
        f"{file}:100015: /ZIMA006/Form[2]/Nothing",
    ]
    told = place.here("schemas", "check", file, "--json").json
    assert [row["line"] for row in told] == [100_003, 100_015]
    file.write_text("<Unknown>" + " " * 2_000_000 + "</Unknown>")
    said = place.here("schemas", "check", file)
    assert said.out.decode().startswith(f"{file}:1: /: the root element is that of no known form")


def test_how_far_it_is_is_told_on_a_terminal_and_nowhere_else(place, tmp_path):
    file = tmp_path / "large.xml"
    file.write_text("<ZIMA006>" + "<!-- nothing to see -->" * 100_000 + "</ZIMA006>")
    assert place.here("schemas", "check", file).err == ""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [COMMAND, "schemas", "check", file], env=place.environment, stdout=subprocess.DEVNULL, stderr=theirs
    ) as run:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while more := os.read(ours, 4096):
                said += more
    os.close(ours)
    assert run.returncode == 1
    assert b"large.xml: " in said
    assert b" % of 2 MiB" in said


def test_forms_and_releases_are_listed_and_a_form_that_is_dropped_in_is_checked(place, tmp_path):
    listed = place.here("schemas", "list", "--json").json
    dimona = [row for row in listed if row.get("form") == "Dimona"]
    assert [(row["release"], row["valid"]) for row in dimona] == [
        ("Dimona_20222", "2022/2"),
        ("Dimona_20223", "2022/3 to 2022/4"),
        ("Dimona_20231", "from 2023/1"),
    ]
    assert dimona[0]["receiver"] == "NSSO"
    message = tmp_path / "own.xml"
    message.write_text("<Own>1.5</Own>")
    assert "no declaration form has this root" in place.here("schemas", "check", message).out.decode()
    for name, base in (("Own", "integer"), ("Broken", "nothing")):
        folder = tmp_path / "forms" / name
        folder.mkdir(parents=True)
        (folder / "form.toml").write_text(
            f'name = "{name}"\nidentification = "{name}"\nflow = {{sender = "we", receiver = "they"}}\n'
            f'releases = [{{valid_from = "2024/1", schema = "own.xsd", root = "{name}"}}]\n'
        )
        (folder / "own.xsd").write_text(
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
            f'<xs:element name="{name}" type="xs:{base}"/></xs:schema>'
        )
    place.environment["CROSSROADS_FORMS"] = str(tmp_path / "forms")
    try:
        said = place.here("schemas", "check", message)
        assert said.out.decode() == f"{message}:1: /Own: element 'Own' is not a valid xs:integer\n"
        listed = place.here("schemas", "list")
        assert "Own_20241" in listed.out.decode()
        assert "note: Broken: broken: Broken: own.xsd:1: " in listed.err
    finally:
        del place.environment["CROSSROADS_FORMS"]


def test_the_glossary_tells_of_a_zone_in_words_and_json(place):
    said = place.here("schemas", "glossary", "00655")
    assert said.status == 0
    assert said.out.decode().startswith("00655 WorkerType\nNL ")
    said = place.here("schemas", "glossary", "00178")
    assert said.out.decode().startswith("00178 DayIndicator\nno meaning is written")
    told = place.here("schemas", "glossary", "00655", "--json").json
    assert (told["zone"], told["names"]) == ("00655", ["WorkerType"])
    assert {use["form"] for use in told["uses"]} >= {"Dimona", "NOTIFICATION"}
    assert len(told["differs"]) == 3
    listed = place.here("schemas", "glossary", "--json").json
    assert "00024" in {row["zone"] for row in listed}
    assert "no schema has a zone" in place.here("schemas", "glossary", "99999").err


def test_schemas_are_served_over_http_until_it_is_told_to_stop(place):
    served = place.start("schemas", "serve", name="serve")
    try:
        url = until(lambda: place.said("serve").strip())
        with urllib.request.urlopen(f"{url}Dimona_20231.xsd", timeout=60) as answer:  # noqa: S310 - our own
            assert answer.read() == (shipped_forms() / "Dimona" / "Dimona_20231.xsd").read_bytes()
    finally:
        served.terminate()
    assert served.wait(30) == 0
    assert place.said("serve", "err") == ""


def test_a_running_network_serves_the_schemas_at_the_address_it_tells(network):
    [line] = [line.split() for line in network.said("up", "err").splitlines() if line.split()[:1] == ["schemas"]]
    with urllib.request.urlopen(f"{line[1]}Dimona_20231.xsd", timeout=60) as answer:  # noqa: S310 - our own
        assert answer.read() == (shipped_forms() / "Dimona" / "Dimona_20231.xsd").read_bytes()
