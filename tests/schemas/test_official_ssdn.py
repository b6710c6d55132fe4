"""Our schemas of the SSDN messages, held against their published structure, and official replies against ours."""

import csv
from collections.abc import Iterator

import pytest
import xmlschema
from lxml import etree
from xmlschema.validators import XsdComplexType, XsdElement, XsdGroup

from schemas.grammar import SHIPPED_SCHEMAS
from schemas.ssdn.envelope import grammar
from tests.schemas.conftest import FACTS

Row = dict[str, str]
TABLES = {
    "ssdn-request.tsv": "service.xsd",
    "ssdn-reply.tsv": "service.xsd",
    "manage-access-request.tsv": "manage-access.xsd",
    "manage-access-reply.tsv": "manage-access.xsd",
    "identify-person-request.tsv": "identify-person.xsd",
    "identify-person-reply.tsv": "identify-person.xsd",
}
#: Where we take more than the table, or bound what it leaves open.
OURS = {
    "/ssdn:SSDNRequest/ssdn:ServiceRequest": "1..16",
    "/mar:ManageAccessRequest/mar:ProofOfAuthentication": "0..1",
}
MORE = {"Language"}
SAMPLES = sorted((FACTS.parent / "samples" / "services").glob("identify-person-reply-*.xml"))


def rows(table: str) -> list[Row]:
    with (FACTS / "services" / table).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def children(element: XsdElement) -> list[XsdElement]:
    kind = element.type
    if isinstance(kind, XsdComplexType) and isinstance(kind.content, XsdGroup):
        return [child for child in kind.content.iter_elements() if isinstance(child, XsdElement)]
    return []


def described(table: str) -> Iterator[tuple[Row, XsdElement]]:
    schema = xmlschema.XMLSchema10(str(SHIPPED_SCHEMAS / "ssdn" / TABLES[table]))
    for row in rows(table):
        first, *steps = [step.rpartition(":")[2] for step in row["path"].strip("/").split("/")]
        element = schema.elements[first]
        for step in steps:
            if step == "*":
                break
            element = next(child for child in children(element) if child.local_name == step)
        else:
            yield row, element


@pytest.mark.parametrize("table", TABLES)
def test_names_order_and_occurrences_are_the_official_ones(table):
    below: dict[str, list[str]] = {}
    for row in rows(table):
        above, _, name = row["path"].rpartition("/")
        if name != "*":
            below.setdefault(above, []).append(name.rpartition(":")[2])
    for row, element in described(table):
        if row["path"].count("/") > 1:
            occurs = f"{element.min_occurs}..{element.max_occurs or 'n'}"
            assert occurs == OURS.get(row["path"], row["occurs"]), row["path"]
        if row["path"] in below:
            there = [child.local_name for child in children(element) if child.local_name not in MORE]
            assert there == below[row["path"]], row["path"]


@pytest.mark.parametrize("table", TABLES)
def test_enumerations_and_attributes_are_the_official_ones(table):
    for row, element in described(table):
        simple = element.type if element.type.is_simple() else element.type.content
        listed = getattr(simple, "enumeration", None)
        wanted = next((facet[5:] for facet in row["facets"].split("; ") if facet.startswith("enum ")), None)
        assert (None if listed is None else "|".join(map(str, listed))) == wanted, row["path"]
        names = {attribute.split("?")[0].split(" ")[0].strip("@ ") for attribute in row["attributes"].split(",")}
        assert set(getattr(element, "attributes", {})) == names - {""}, row["path"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_an_official_reply_keeps_to_our_schemas(sample):
    root = etree.parse(str(sample)).getroot()
    assert grammar("service.xsd").violations_of(root) == ()
    [business] = root.iterfind(".//{*}IdentifyPersonReply")
    business = etree.fromstring(etree.tostring(business, with_tail=False))
    assert grammar("identify-person.xsd").violations_of(business) == ()


def test_there_are_official_replies():
    assert len(SAMPLES) == 2
