"""The glossary and the pages of the schemas, made from the shipped forms."""

import asyncio
import tomllib
import urllib.error
import urllib.request
from asyncio import to_thread
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio

from schemas.declarations.forms import Forms, shipped
from schemas.declarations.glossary import UnknownZone, glossary, zone
from schemas.declarations.site import Site
from schemas.declarations.texts import LANGUAGES
from schemas.process.http import Answer, Http

FORMS = Forms([shipped()])
ZONES = glossary(FORMS.forms.values())


def test_a_zone_says_where_it_stands_and_where_its_limits_differ() -> None:
    worker_type = ZONES["00655"]
    assert worker_type.names == ("WorkerType",)
    assert {use.form for use in worker_type.uses} == {"Dimona", "NOTIFICATION", "PersonnelFileConsultationAnswer"}
    assert [(" QUA" in limits, " ALT" in limits, releases) for _, limits, releases in worker_type.differs] == [
        (True, False, ("Dimona_20222", "Dimona_20223")),
        (False, True, ("Dimona_20231",)),
        (True, False, ("NOTIFICATION_20223", "PersonnelFileConsultationAnswer_20223")),
    ]
    first = worker_type.uses[0]
    assert (first.release, first.occurs, first.type) == ("Dimona_20222", "1..1", "string")


def test_a_zone_that_is_the_same_everywhere_differs_nowhere() -> None:
    created = ZONES["00218"]
    assert created.differs == ()
    assert {use.form for use in created.uses} == set(FORMS.forms)


def test_a_choice_is_told_with_the_occurrence() -> None:
    assert {use.occurs for use in ZONES["01135"].uses if use.path.startswith("/Dimona/Form/DimonaIn/")} == {
        "1..1, one of 2 or none"
    }


def test_every_text_is_of_a_zone_and_in_three_languages() -> None:
    texts = tomllib.loads((shipped() / "zones.toml").read_text())
    for number, text in texts.items():
        assert set(text) == set(LANGUAGES), number
        assert all(text.values()), number
    assert set(texts) <= set(ZONES)


def test_the_zones_that_most_forms_share_have_texts() -> None:
    shared = {number for number, zone in ZONES.items() if len({use.form for use in zone.uses}) >= 4}
    assert shared <= {number for number, zone in ZONES.items() if zone.texts}


def test_a_number_that_is_no_zone_is_said_to_be_none() -> None:
    assert zone(FORMS.forms.values(), "655").number == "00655"
    with pytest.raises(UnknownZone, match="99999: no schema has a zone"):
        zone(FORMS.forms.values(), "99999")


# --- over HTTP ------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    http = Http(Site(Forms([shipped(), tmp_path])).answer)
    port = await http.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{port}"
    await http.close()


async def got(url: str) -> tuple[int, str, bytes]:
    def get() -> tuple[int, str, bytes]:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own
                return answer.status, answer.headers["content-type"], answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["content-type"], error.read()

    return await to_thread(get)


async def test_the_index_leads_to_every_release_its_schema_and_its_changes(address: str) -> None:
    status, kind, body = await got(address + "/schemas/")
    assert (status, kind) == (HTTPStatus.OK, "text/html; charset=utf-8")
    for form in FORMS.forms.values():
        for release in form.releases:
            assert f'href="/schemas/{release.label}.xsd"'.encode() in body
            said = await got(f"{address}/schemas/{release.label}.xsd")
            assert said == (HTTPStatus.OK, "application/xml", (release.folder / release.schema).read_bytes())
    assert b'href="/schemas/Dimona_20231/changes"' in body
    assert b'href="/schemas/Dimona_20222/changes"' not in body


async def test_a_release_has_a_page_with_its_zones_and_one_with_what_changed(address: str) -> None:
    status, _, body = await got(address + "/schemas/Dimona_20231")
    assert status == HTTPStatus.OK
    assert b"/Dimona/Form/DimonaIn/DimonaFeatures/WorkerType" in body
    assert b'href="/schemas/zones/00655"' in body
    assert b"valid from 2023/1" in body
    status, _, body = await got(address + "/schemas/Dimona_20231/changes")
    assert status == HTTPStatus.OK
    assert b"<del>QUA</del> <ins>ALT</ins>" in body
    assert b"Nothing changed" in (await got(address + "/schemas/Dimona_20223/changes"))[2]


async def test_every_zone_has_a_page(address: str) -> None:
    status, _, body = await got(address + "/schemas/zones/")
    assert status == HTTPStatus.OK
    assert all(f'href="/schemas/zones/{number}"'.encode() in body for number in ZONES)
    status, _, body = await got(address + "/schemas/zones/00024")
    assert status == HTTPStatus.OK
    assert "Numéro d&#x27;identification de la sécurité sociale de la personne".encode() in body


async def test_a_zone_of_which_nothing_is_written_has_a_page_that_says_so(address: str) -> None:
    untold = [number for number, zone in ZONES.items() if not zone.texts]
    status, _, body = await got(f"{address}/schemas/zones/{untold[0]}")
    assert status == HTTPStatus.OK
    assert b"No meaning is written for this zone yet" in body
    assert ZONES[untold[0]].uses[0].path.encode() in body
    assert (await got(address + "/schemas/zones/"))[2].count(b"not written yet") == len(untold)


async def test_a_quarter_without_a_release_of_its_own_is_shown_the_one_that_is_valid(address: str) -> None:
    assert await got(address + "/schemas/Dimona_20994") == await got(address + "/schemas/Dimona_20231")


async def test_a_server_answers_that_it_is_ready_before_anything_is_compiled(address: str) -> None:
    assert (await got(address + "/ready"))[0] == HTTPStatus.OK


async def test_a_form_that_breaks_is_reported_and_the_others_are_shown(tmp_path: Path) -> None:
    told: list[str] = []
    site = Site(Forms([shipped(), tmp_path]), lambda change: told.append(str(change)))
    (tmp_path / "Own").mkdir()
    (tmp_path / "Own" / "form.toml").write_text("name = 1")
    assert (await site.answer("/schemas/")).status == HTTPStatus.OK
    assert told[0].startswith("Own: broken: Own/form.toml: name: ")


async def test_a_client_is_not_left_waiting_where_no_answer_can_be_made() -> None:
    async def fails(_: str) -> Answer:
        raise LookupError

    http = Http(fails)
    port = await http.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    writer.close()
    await http.close()


@pytest.mark.parametrize(
    "path",
    [
        "/other",
        "/schemas/../form.py",
        "/schemas/Dimona_20231.xsd/../form.toml",
        "/schemas/..%2fDimona_20231.xsd",
        "/schemas/zones/%3Cscript%3E",
        "/schemas/Nimona_20231",
        "/schemas/Dimona_20001",
        "/schemas/Dimona_20239",
        "/schemas/Dimona_20222/changes",
        "/schemas/zones/99999",
        "/schemas/%3Cscript%3E_20231",
    ],
)
async def test_what_is_not_there_is_said_to_be_missing(address: str, path: str) -> None:
    status, _, body = await got(address + path)
    assert status == HTTPStatus.NOT_FOUND
    assert b"<script" not in body


async def test_a_form_that_is_dropped_in_is_shown_and_what_it_writes_is_escaped(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "Own"
    folder.mkdir()
    (folder / "own.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Own"><xs:simpleType>'
        '<xs:restriction base="xs:string"><xs:enumeration value="&lt;b&gt;"/></xs:restriction>'
        "</xs:simpleType></xs:element></xs:schema>"
    )
    (folder / "form.toml").write_text(
        'name = "Own"\nidentification = "OWN"\nflow = {sender = "<i>me</i>", receiver = "you"}\n'
        'releases = [{valid_from = "2024/1", schema = "own.xsd", root = "Own"}]\n'
    )
    index = (await got(address + "/schemas/"))[2]
    assert b'href="/schemas/Own_20241"' in index
    assert b"<i>" not in index
    assert b"&lt;i&gt;me" in index
    assert b"one of &lt;b&gt;" in (await got(address + "/schemas/Own_20241"))[2]
