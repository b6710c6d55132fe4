"""Answers from files: what is told is what stands there, byte for byte."""

import asyncio
from pathlib import Path

import pytest
from lxml import etree

from institutions.double import HubDouble
from institutions.errors import UnknownService
from institutions.simulator import AnswerFileError, AnswerFiles, find, simulate
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.wire import names
from tests.institutions.conformance.network import (
    CONTEXT,
    CUSTOMER,
    SERVICES,
    SUPPLIER,
    canonical,
    ended,
    known,
    person,
)
from tests.institutions.world import World

PERMIT, PERMITS = "Permit/1", "Permits/1"
CATALOGUE = Catalogue([SERVICES])
XSI = "http://www.w3.org/2001/XMLSchema-instance"

#: A prefix that stands in a value alone, comments, CDATA, white space, a character reference, foreign elements.
ODD = f"""<?xml version="1.0" encoding="UTF-8"?>
<odd:permitResponse xmlns:odd="urn:crossroads:test:permit:v1" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:xsi="{XSI}" xmlns:x="urn:foreign">
  <informationCustomer><ticket>another's</ticket><customerIdentification><sector>1</sector><institution>0</institution>
  </customerIdentification></informationCustomer>
  <informationCBSS><ticketCBSS>99999999-2222-5333-8444-555555555555</ticketCBSS>
  <timestampReceive>2020-01-01T00:00:00Z</timestampReceive><timestampReply>2020-01-01T00:00:00Z</timestampReply>
  </informationCBSS>
  <legalContext>ANOTHER</legalContext><criteria><ssin>85073003328</ssin></criteria>
  <status><value>DATA_FOUND</value><code>MSG00000</code><description>theirs</description></status>
  <permit><!-- kept --><number xsi:type="xs:string"><![CDATA[a & b]]> &#233;\t</number>
    <x:more a = '1'  b="&quot;"><x:empty/></x:more>
  </permit>
</odd:permitResponse>
"""


def data_in(text: bytes) -> list[etree._Element]:
    root = etree.fromstring(text)
    return [child for child in root if child.tag == "permit"]


@pytest.fixture
def files(tmp_path: Path) -> AnswerFiles:
    return AnswerFiles(tmp_path, CATALOGUE.services[PERMIT])


async def asked_through_the_double(files: AnswerFiles, service: str, content: bytes) -> bytes:
    """What an asker gets of a person whose file holds this."""
    ssin = person()
    (files.directory / f"{ssin.digits}.xml").write_bytes(content)
    async with HubDouble(catalogue=CATALOGUE) as hub, hub.institution(SUPPLIER) as it, hub.institution(CUSTOMER) as me:
        it.supplies(service)(lambda question: files.get(question.ssin.digits))
        assert await it.supplying()
        answer = await me.consult(service, ssin=ssin, legal_context=CONTEXT)
        assert answer.root.findtext("criteria/ssin") == ssin.digits
        assert answer.ticket != "another's"
        return answer.xml


@pytest.mark.parametrize("form", ["prefixed", "default namespace"])
async def test_a_whole_response_is_told_from_its_status_on(files: AnswerFiles, form: str) -> None:
    content = ODD
    if form == "default namespace":
        content = content.replace("xmlns:odd=", "xmlns=").replace("odd:", "")
        for name in ("informationCustomer", "informationCBSS", "legalContext", "criteria", "status", "permit"):
            content = content.replace(f"<{name}>", f'<{name} xmlns="">')
    told = await asked_through_the_double(files, PERMIT, content.encode())
    assert [canonical(e) for e in data_in(told)] == [canonical(e) for e in data_in(content.encode())]
    assert b"<description>theirs</description>" in told
    begin = content.encode().index(b"<!-- kept -->")
    assert content.encode()[begin : content.encode().index(b"</permit>")] in told


async def test_data_elements_alone_and_side_by_side(files: AnswerFiles) -> None:
    one = b'<?xml version="1.0"?>\n<permit><number>1</number></permit>\n'
    two = b"<permit><number>1</number></permit>\n<permit><number>2</number></permit>"
    assert [e.findtext("number") for e in data_in(await asked_through_the_double(files, PERMIT, one))] == ["1"]
    assert [e.findtext("number") for e in data_in(await asked_through_the_double(files, PERMIT, two))] == ["1", "2"]


async def test_data_of_a_service_with_several_suppliers_stand_in_a_part(tmp_path: Path) -> None:
    files = AnswerFiles(tmp_path, CATALOGUE.services[PERMITS])
    told = await asked_through_the_double(files, PERMITS, b"<permit><number>1</number></permit>")
    root = etree.fromstring(told)
    assert [e.text for e in root.iterfind("part/permit/number")] == ["1"]


async def test_a_whole_response_may_say_that_there_is_nothing(files: AnswerFiles) -> None:
    content = ODD[: ODD.index("<status>")] + (
        "<status><value>NO_RESULT</value><code>MSG00005</code></status></odd:permitResponse>"
    )
    told = etree.fromstring(await asked_through_the_double(files, PERMIT, content.encode()))
    assert told.findtext("status/code") == "MSG00005"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"<permit>", "neither a message nor elements"),
        (b"<!DOCTYPE a><permit/>", "CRB00004"),
        (b'<p:permitRequest xmlns:p="urn:crossroads:test:permit:v1"/>', "a request or a fault"),
        (b'<p:permitResponse xmlns:p="urn:crossroads:test:permit:v1"/>', "without status"),
    ],
    ids=["broken", "DOCTYPE", "request", "no status"],
)
def test_a_file_that_cannot_be_told_says_why(files: AnswerFiles, content: bytes, wrong: str) -> None:
    (files.directory / f"{person().digits}.xml").write_bytes(content)
    (files.directory / "somebody.xml").write_bytes(b"<permit/>")
    first, second = files.problems()
    assert wrong in first
    assert "11 digits" in second


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(AnswerFileError, match="no directory"):
        AnswerFiles(tmp_path / "nowhere", CATALOGUE.services[PERMIT])


def test_a_service_by_its_name_alone() -> None:
    assert find(CATALOGUE, "Permit").type == PERMIT
    with pytest.raises(UnknownService, match=r"Permit/1, Permits/1"):
        find(CATALOGUE, "Pension")


async def test_only_the_one_service_is_taken_and_the_answer_comes_through_the_hub(world: World, tmp_path: Path) -> None:
    ssin, nobody = await known(world, CUSTOMER, SUPPLIER), await known(world, CUSTOMER, SUPPLIER)
    (tmp_path / f"{ssin.digits}.xml").write_text(ODD)
    ready = asyncio.Event()
    address, url = Address.parse(SUPPLIER), world.url(SUPPLIER)
    simulating = asyncio.create_task(simulate("Permit", address, tmp_path, [url], catalogue=CATALOGUE, ready=ready.set))
    await asyncio.wait_for(ready.wait(), 20)
    async with world.institution(CUSTOMER) as me:
        found = await me.consult(PERMIT, ssin=ssin, legal_context=CONTEXT)
        none = await me.consult(PERMIT, ssin=nobody, legal_context=CONTEXT)
    other = names.supplier_queue(SUPPLIER, "online", PERMITS)
    management = world.broker.management
    queue = await asyncio.to_thread(management.get, f"/api/queues/{world.network.primary}/{other}")
    simulating.cancel()
    await asyncio.gather(simulating, return_exceptions=True)
    assert [canonical(e) for e in found.data] == [canonical(e) for e in data_in(ODD.encode())]
    assert ended(none) == ("response", "NO_DATA_FOUND", "MSG00100")
    assert not queue.get("consumers")
