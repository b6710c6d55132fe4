"""`schemas diff` of every shipped declaration schema and a copy that was changed in one known thing."""

import copy
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from schemas.declarations.forms import Forms, shipped
from schemas.difference import differences
from schemas.grammar import Grammar

XS = "{http://www.w3.org/2001/XMLSchema}"
SCHEMAS = sorted(shipped().rglob("*.xsd"))
RELEASES = {
    release.folder / release.schema: release for f in Forms([shipped()]).forms.values() for release in f.releases
}
#: those that compile quickly: every kind of mutant is made of them in each run, of the others by `-m slow`
SMALL = [schema for schema in SCHEMAS if schema.stat().st_size < 32_768]
#: mutants of one kind and schema that `-m slow` makes
SINGLES = 3


@dataclass(frozen=True)
class Mutant:
    """Where it changes the schema, how, and what must be told of it: kind of change and path."""

    name: str
    change: Callable[[], None]
    told: tuple[tuple[str, str], ...]


def path_of(element: etree._Element) -> str:
    named = [e.get("name") for e in (element, *element.iterancestors()) if e.tag == XS + "element"]
    return "/" + "/".join(reversed([name or "" for name in named]))


def local_elements(tree: etree._Element) -> list[etree._Element]:
    """Those that stand once by their name in their parent, in an anonymous type below the root."""
    found = []
    for element in tree.iter(XS + "element"):
        ancestors = list(element.iterancestors())
        if len(ancestors) < 2 or any(a.get("name") for a in ancestors if a.tag in (XS + "complexType", XS + "group")):
            continue
        [owner] = [a for a in ancestors if a.tag == XS + "complexType"][:1]
        inside = [
            e.get("name") for e in owner.iter(XS + "element") if next(e.iterancestors(XS + "complexType")) is owner
        ]
        if inside.count(element.get("name")) == 1 and element.get("name"):
            found.append(element)
    return found


def facet(restriction: etree._Element, name: str) -> etree._Element | None:
    found = restriction.findall(XS + name)
    return found[0] if len(found) == 1 else None


def in_choice(element: etree._Element) -> bool:
    return next(element.iterancestors(XS + "choice", XS + "complexType")).tag == XS + "choice"


def of_values(element: etree._Element) -> Iterator[Mutant]:
    restriction = element.find(f"{XS}simpleType/{XS}restriction")
    if restriction is None:
        return
    path, integer = path_of(element), restriction.get("base") == "xs:integer"
    listed = restriction.findall(XS + "enumeration")

    def put(name: str, value: object) -> Callable[[], None]:
        found = facet(restriction, name)
        assert found is not None
        return lambda: found.set("value", str(value))

    if listed:
        if len(listed) > 1:
            yield Mutant("value gone", lambda: restriction.remove(listed[-1]), (("values", path),))
        more = copy.deepcopy(listed[0])
        if not integer and facet(restriction, "pattern") is None:
            more.set("value", "ÿ" * len(listed[0].get("value") or ""))
            yield Mutant("value added", lambda: restriction.append(more), (("values", path),))
        longest = facet(restriction, "maxLength")
        if longest is not None:
            yield Mutant("limit that no listed value meets", put("maxLength", 99), ())
        return
    for name in ("length", "maxLength"):
        if (longest := facet(restriction, name)) is not None:
            yield Mutant("longer", put(name, int(longest.get("value") or "") + 1), (("length", path),))
    digits, high = facet(restriction, "totalDigits"), facet(restriction, "maxInclusive")
    low = facet(restriction, "minInclusive")
    if integer and high is not None and (low is None or low.get("value") != high.get("value")):
        yield Mutant("limit", put("maxInclusive", int(high.get("value") or "") - 1), (("limit", path),))
    if integer and digits is not None:
        narrow = high is not None and low is not None
        told = () if narrow else (("length", path),)
        yield Mutant("digits", put("totalDigits", int(digits.get("value") or "") + 1), told)
    if (pattern := facet(restriction, "pattern")) is not None:
        text = pattern.get("value") or ""
        if not integer:
            yield Mutant("pattern", put("pattern", f"{text}|[ ]{{2}}"), (("pattern", path),))
        yield Mutant("pattern in other words", put("pattern", f"({text})|({text})"), ())

    def other_type() -> None:
        simple = etree.Element(XS + "simpleType")
        etree.SubElement(simple, XS + "restriction", base="xs:hexBinary")
        element.replace(restriction.getparent(), simple)  # type: ignore[arg-type]

    yield Mutant("type", other_type, (("type", path),))


def of_occurrence(element: etree._Element) -> Iterator[Mutant]:
    if in_choice(element):
        return
    path = path_of(element)
    least, most = element.get("minOccurs", "1"), element.get("maxOccurs", "1")
    other = "1" if least == "0" else "0"
    yield Mutant("least", lambda: element.set("minOccurs", other), (("cardinality", path),))
    if most != "unbounded":
        yield Mutant("most", lambda: element.set("maxOccurs", str(int(most) + 1)), (("cardinality", path),))
        yield Mutant("no limit", lambda: element.set("maxOccurs", "unbounded"), (("cardinality", path),))

        def never() -> None:
            element.set("minOccurs", "0")
            element.set("maxOccurs", "0")

        yield Mutant("never", never, (("removed", path),))
    yield Mutant("gone", lambda: element.getparent().remove(element), (("removed", path),))  # type: ignore[union-attr]


def of_name(element: etree._Element) -> Iterator[Mutant]:
    path = path_of(element)
    told = (("added", f"{path}2"), ("removed", path))
    yield Mutant("renamed", lambda: element.set("name", f"{element.get('name')}2"), told)


def of_place(element: etree._Element) -> Iterator[Mutant]:
    parent = element.getparent()
    assert parent is not None
    if parent.tag != XS + "sequence":
        return
    elements = [child for child in parent if child.tag == XS + "element"]
    if in_choice(element) or len(elements) < 3 or elements[0] is not element or len(elements) < len(parent):
        return
    yield Mutant("moved", lambda: parent.append(element), (("moved", path_of(element)),))
    above = path_of(element).rpartition("/")[0]
    second = elements[1]

    def one_of_two() -> None:
        choice = etree.Element(XS + "choice")
        parent.replace(element, choice)
        choice.extend([element, second])

    yield Mutant("choice", one_of_two, (("choice", above),))


def of_attribute(element: etree._Element) -> Iterator[Mutant]:
    complex_type = element.find(XS + "complexType")
    if complex_type is not None:

        def add() -> None:
            etree.SubElement(complex_type, XS + "attribute", name="new", type="xs:date")

        yield Mutant("attribute", add, (("attribute", f"{path_of(element)}/@new"),))


KINDS = {f.__name__: f for f in (of_values, of_occurrence, of_name, of_place, of_attribute)}


def changed(tree: etree._Element, folder: Path, name: str) -> Grammar:
    (folder / name).write_bytes(etree.tostring(tree))
    return Grammar.read(folder, name)


def told(old: Grammar, new: Grammar) -> list[tuple[str, str]]:
    return sorted((change.change, change.path) for change in differences(old, new))


def mutants(tree: etree._Element, kind: str) -> dict[str, list[tuple[int, int]]]:
    """By name, which element and which of its mutants; none is made."""
    found: dict[str, list[tuple[int, int]]] = {}
    for place, element in enumerate(local_elements(tree)):
        for number, one in enumerate(KINDS[kind](element)):
            found.setdefault(one.name, []).append((place, number))
    return found


def mutant(tree: etree._Element, kind: str, place: int, number: int) -> Mutant:
    return list(KINDS[kind](local_elements(tree)[place]))[number]


def every_mutant_is_told(folder: Path, schema: Path, kind: str, most: int) -> None:
    old = RELEASES[schema].grammar
    source = etree.parse(schema).getroot()
    for name, found in mutants(source, kind).items():
        for place, number in random.Random(f"{schema.name}{name}").sample(found, min(most, len(found))):
            tree = copy.deepcopy(source)
            one = mutant(tree, kind, place, number)
            one.change()
            assert told(old, changed(tree, folder, schema.name)) == sorted(one.told), one


of_each_kind = pytest.mark.parametrize("kind", KINDS)
NAMES = {
    "of_values": "value gone, value added, limit that no listed value meets, longer, limit, digits, pattern, "
    "pattern in other words, type",
    "of_occurrence": "least, most, no limit, never, gone",
    "of_name": "renamed",
    "of_place": "moved, choice",
    "of_attribute": "attribute",
}


@of_each_kind
def test_every_mutant_is_made_of_some_small_schema(kind: str) -> None:
    made = {name for schema in SMALL for name in mutants(etree.parse(schema).getroot(), kind)}
    assert made == set(NAMES[kind].split(", "))


@pytest.mark.parametrize("schema", SMALL, ids=lambda path: path.stem)
@of_each_kind
def test_a_schema_that_is_changed_in_one_thing_is_told_to_differ_in_that(
    tmp_path: Path, schema: Path, kind: str
) -> None:
    every_mutant_is_told(tmp_path, schema, kind, 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
@of_each_kind
def test_every_schema_that_is_changed_in_one_thing_is_told_to_differ_in_that(
    tmp_path: Path, schema: Path, kind: str
) -> None:
    every_mutant_is_told(tmp_path, schema, kind, SINGLES)


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
def test_a_schema_that_is_written_otherwise_is_told_to_be_the_same(tmp_path: Path, schema: Path) -> None:
    tree = etree.parse(schema).getroot()
    for annotation in list(tree.iter(XS + "annotation", etree.Comment)):
        annotation.getparent().remove(annotation)  # type: ignore[union-attr]
    for number, simple in enumerate(list(tree.iter(XS + "simpleType"))):
        element = simple.getparent()
        if element is not None and element.tag == XS + "element" and number % 2:
            element.remove(simple)
            simple.set("name", f"T{number}")
            element.set("type", f"T{number}")
            tree.append(simple)
    for restriction in tree.iter(XS + "restriction"):
        restriction[:] = reversed(restriction)
    for number, complex_type in enumerate(list(tree.iter(XS + "complexType"))):
        model = complex_type.find(XS + "sequence")
        if model is not None and number % 3 == 0:
            group = etree.SubElement(tree, XS + "group", name=f"G{number}")
            complex_type.replace(model, etree.Element(XS + "group", ref=f"G{number}"))
            group.append(model)
    tree[:] = reversed(tree)
    text = re.sub(rb"\\d\\d\\d\\d-", rb"\\d{4}-", etree.tostring(tree))
    (tmp_path / schema.name).write_bytes(text)
    assert told(RELEASES[schema].grammar, Grammar.read(tmp_path, schema.name)) == []
