"""Our schemas, held against the published structure of the messages, and an official answer held against ours."""

import csv
from collections.abc import Iterator

import pytest
import xmlschema
from lxml import etree
from xmlschema.validators import XsdComplexType, XsdElement, XsdGroup, XsdSimpleType

from schemas.answers import data_response
from schemas.catalogue import shipped
from schemas.grammar import SHIPPED_SCHEMAS
from schemas.parser import parse
from tests.schemas.conftest import FACTS
from tests.schemas.messages import CBSS, REPLIED, ti_groups, ti_groups_request

Row = dict[str, str]
TABLES = {
    "common-v3.tsv": SHIPPED_SCHEMAS / "common-v3.xsd",
    "retrieve-ti-groups-v2.tsv": shipped() / "RetrieveTIGroups" / "RetrieveTIGroupsTypes.xsd",
}


def rows(table: str) -> list[Row]:
    with (FACTS / "services" / table).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def schema_of(table: str) -> xmlschema.XMLSchema10:
    imported = {"http://kszbcss.fgov.be/types/common/v3": str(SHIPPED_SCHEMAS / "common-v3.xsd")}
    return xmlschema.XMLSchema10(str(TABLES[table]), locations=imported)


def children(kind: XsdSimpleType | XsdComplexType) -> list[XsdElement]:
    if isinstance(kind, XsdComplexType) and isinstance(kind.content, XsdGroup):
        return [child for child in kind.content.iter_elements() if isinstance(child, XsdElement)]
    return []


def described(schema: xmlschema.XMLSchema10, table: str) -> Iterator[tuple[Row, XsdSimpleType | XsdComplexType, str]]:
    """Each row with the type that stands at its path, and how often it occurs."""
    for row in rows(table):
        if row["path"].startswith("type "):
            yield row, schema.types[row["path"].removeprefix("type ")], ""
            continue
        first, *steps = row["path"].split("/")
        kind = schema.types[first]
        occurs = ""
        for step in steps:
            child = next(child for child in children(kind) if child.local_name == step)
            kind, occurs = child.type, f"{child.min_occurs}..{child.max_occurs or 'n'}"
        yield row, kind, occurs


def facets(kind: XsdSimpleType | XsdComplexType) -> dict[str, str]:
    simple = kind if isinstance(kind, XsdSimpleType) else kind.content
    found: dict[str, str] = {}
    for name, facet in getattr(simple, "facets", {}).items():
        match (name or "").rpartition("}")[2]:
            case "pattern":
                found["pattern"] = spelled_out(" or ".join(facet.regexps))
            case "enumeration":
                found["enum"] = "|".join(map(str, facet.enumeration))
            case "" | "explicitTimezone" | "assertion":
                pass
            case other:
                found[other] = str(facet.value)
    return found


def spelled_out(pattern: str) -> str:
    """Ours has no {2}, which libxml2 counts wrongly; the language is the same."""
    return pattern.replace("[0-9]{2}", "[0-9][0-9]")


def bases(kind: XsdSimpleType | XsdComplexType) -> set[str]:
    found = set()
    step: XsdSimpleType | XsdComplexType | None = kind
    while step is not None:
        found.add(step.local_name or "")
        step = step.base_type
    return found


@pytest.mark.parametrize("table", TABLES)
def test_names_occurrences_bases_and_limits_are_the_official_ones(table: str) -> None:
    for row, kind, occurs in described(schema_of(table), table):
        assert row["occurs"] in ("", occurs) or row["path"].startswith("type "), row["path"]
        asked = dict(facet.split(" ", 1) for facet in row["facets"].split("; ") if facet)
        if "pattern" in asked:
            asked["pattern"] = spelled_out(asked["pattern"])
        found = facets(kind)
        assert {name: found.get(name) for name in asked} == asked, row["path"]
        own = {"maxLength", "minLength", "length", "pattern", "enum"} & found.keys()
        if row["base"] == "string":
            assert own == asked.keys() - {"whiteSpace"}, row["path"]
        if row["base"] not in ("", "abstract"):
            assert row["base"] in bases(kind), row["path"]
        names = {attribute.split("?")[0].strip("@ ") for attribute in row["attributes"].split(",") if attribute}
        assert names == (set(kind.attributes) if isinstance(kind, XsdComplexType) else set()), row["path"]


@pytest.mark.parametrize("table", TABLES)
def test_elements_stand_in_the_official_order_and_there_are_no_others(table: str) -> None:
    schema = schema_of(table)
    below: dict[str, list[str]] = {}
    for row in rows(table):
        if "/" in row["path"]:
            above, _, name = row["path"].rpartition("/")
            below.setdefault(above, []).append(name)
    for row, kind, _ in described(schema, table):
        path = row["path"].removeprefix("type ")
        if row["base"] == "" and path in below:
            assert [child.local_name for child in children(kind)] == below[path], path


@pytest.mark.parametrize("table", TABLES)
def test_every_named_type_is_there_and_no_other(table: str) -> None:
    named = {row["path"].removeprefix("type ") for row in rows(table) if row["path"].startswith("type ")}
    roots = {row["path"].split("/")[0] for row in rows(table)} if table != "common-v3.tsv" else set()
    assert set(schema_of(table).types) == named | {name for name in roots if not name.startswith("type ")}


def test_what_is_abstract_in_the_table_is_abstract_in_the_schema() -> None:
    schema = schema_of("common-v3.tsv")
    abstract = {name for name, kind in schema.types.items() if getattr(kind, "abstract", False)}
    assert abstract == {"BaseRequestType", "BaseResponseType"}


def test_an_official_answer_re_wrapped_as_version_2_is_valid_and_its_body_unchanged() -> None:
    sample = etree.parse(str(FACTS.parent / "samples" / "services" / "retrieve-ti-groups-response-v1.xml"))
    body = sample.getroot().find(".//rrn_it_implicit")
    assert body is not None
    answer = data_response(ti_groups, parse(ti_groups_request(cbss=CBSS)), [body], replied=REPLIED)
    root, violations = ti_groups.violations(answer, "response")
    assert violations == ()
    told = root.find("rrn_it_implicit")
    assert told is not None
    assert canonical(told) == canonical(body)


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_tail=False)
