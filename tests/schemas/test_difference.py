"""What `schemas diff` says: pairs that mean the same, and pairs that differ in one thing each."""

# ruff: noqa: E501 - a pair is read side by side

from pathlib import Path

import pytest

from schemas.declarations.forms import Forms, shipped
from schemas.difference import differences
from schemas.grammar import Grammar, GrammarError

HEAD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"'
ONE = HEAD + ">{}</xs:schema>"


def grammar(folder: Path, side: str, text: str | dict[str, str]) -> Grammar:
    place = folder / side
    place.mkdir(exist_ok=True)
    files = {"main.xsd": text} if isinstance(text, str) else text
    for name, inner in files.items():
        (place / name).write_text(inner if inner.startswith(HEAD) else ONE.format(inner))
    return Grammar.read(place, "main.xsd")


def told(folder: Path, old: str | dict[str, str], new: str | dict[str, str]) -> list[tuple[str, str, object, object]]:
    changes = differences(grammar(folder, "old", old), grammar(folder, "new", new))
    return [(change.change, change.path, change.old, change.new) for change in changes]


def seq(inner: str, name: str = "r") -> str:
    return f'<xs:element name="{name}"><xs:complexType><xs:sequence>{inner}</xs:sequence></xs:complexType></xs:element>'


def text(facets: str, base: str = "string", name: str = "r") -> str:
    return (
        f'<xs:element name="{name}"><xs:simpleType><xs:restriction base="xs:{base}">{facets}</xs:restriction>'
        "</xs:simpleType></xs:element>"
    )


def e(name: str, rest: str = "") -> str:
    return f'<xs:element name="{name}" type="xs:string" {rest}/>'


A, B, C = e("a"), e("b"), e("c")
OPTIONAL_A, OPTIONAL_B = e("a", 'minOccurs="0"'), e("b", 'minOccurs="0"')
ATTRIBUTE = (
    '<xs:element name="r"><xs:complexType><xs:attribute name="q" type="xs:int" {}/></xs:complexType></xs:element>'
)

MAX_3 = '<xs:restriction base="xs:string"><xs:maxLength value="3"/></xs:restriction>'
YES_OR_NO = '<xs:restriction base="xs:boolean"/>'


def inline(definition: str, name: str = "") -> str:
    named = f' name="{name}"' if name else ""
    return (
        definition if definition.startswith("<xs:simpleType") else f"<xs:simpleType{named}>{definition}</xs:simpleType>"
    )


def union_of(*members: str) -> str:
    return f"<xs:union>{''.join(map(inline, members))}</xs:union>"


def union(*members: str) -> str:
    return f'<xs:element name="r">{inline(union_of(*members))}</xs:element>'


def attribute(type_: str) -> str:
    return f'<xs:element name="r"><xs:complexType><xs:attribute name="q">{type_}</xs:attribute></xs:complexType></xs:element>'


SAME = {
    "annotation": (seq(A), seq(A.replace("/>", "><xs:annotation><xs:documentation>x</xs:documentation></xs:annotation></xs:element>"))),
    "order of declarations": (seq(A) + seq(B, "s"), seq(B, "s") + seq(A)),
    "named and anonymous simple type": (
        text('<xs:maxLength value="3"/>'),
        '<xs:element name="r" type="T"/><xs:simpleType name="T"><xs:restriction base="xs:string"><xs:maxLength value="3"/></xs:restriction></xs:simpleType>',
    ),
    "named and anonymous complex type": (
        seq(A),
        f'<xs:element name="r" type="T"/><xs:complexType name="T"><xs:sequence>{A}</xs:sequence></xs:complexType>',
    ),
    "reference": (seq(A), A + seq('<xs:element ref="a"/>')),
    "group": (seq(A + B), f'<xs:group name="g"><xs:sequence>{A}{B}</xs:sequence></xs:group>' + seq('<xs:group ref="g"/>')),
    "attribute group": (
        ATTRIBUTE.format(""),
        '<xs:attributeGroup name="g"><xs:attribute name="q" type="xs:int"/></xs:attributeGroup>'
        '<xs:element name="r"><xs:complexType><xs:attributeGroup ref="g"/></xs:complexType></xs:element>',
    ),
    "prohibited attribute": (ATTRIBUTE.format('use="prohibited"'), '<xs:element name="r"><xs:complexType/></xs:element>'),
    "extension": (
        seq(A + B),
        f'<xs:complexType name="T"><xs:sequence>{A}</xs:sequence></xs:complexType><xs:element name="r"><xs:complexType>'
        f'<xs:complexContent><xs:extension base="T"><xs:sequence>{B}</xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:element>',
    ),
    "sequence in sequence": (seq(A + B + C), seq(f"{A}<xs:sequence>{B}</xs:sequence><xs:sequence>{C}</xs:sequence>")),
    "choice in choice": (
        seq(f"<xs:choice>{A}{B}{C}</xs:choice>"),
        seq(f"<xs:choice>{C}<xs:choice>{B}{A}</xs:choice></xs:choice>"),
    ),
    "optional choice": (
        seq(f'<xs:choice minOccurs="0">{A}{B}</xs:choice>'),
        seq(f'<xs:choice>{OPTIONAL_A}{B}</xs:choice>'),
    ),
    "factored choice": (
        seq(f"<xs:choice><xs:sequence>{A}{OPTIONAL_B}</xs:sequence>{B}</xs:choice>"),
        seq(f'<xs:choice>{B}<xs:sequence>{A}<xs:choice minOccurs="0">{B}</xs:choice></xs:sequence></xs:choice>'),
    ),
    "counted": (seq(e("a", 'maxOccurs="2"')), seq(e("a") + e("a", 'minOccurs="0"'))),
    "zero times": (seq(A), seq(A + e("z", 'minOccurs="0" maxOccurs="0"'))),
    "substitution": (
        '<xs:element name="h" type="xs:string" abstract="true"/><xs:element name="a" substitutionGroup="h" type="xs:string"/>'
        '<xs:element name="b" substitutionGroup="h" type="xs:string"/>' + seq('<xs:element ref="h"/>'),
        A + B + seq('<xs:choice><xs:element ref="b"/><xs:element ref="a"/></xs:choice>'),
    ),
    "digits within limits": (
        text('<xs:minInclusive value="0"/><xs:maxInclusive value="99"/>', "integer"),
        text('<xs:minExclusive value="-1"/><xs:maxExclusive value="100"/><xs:totalDigits value="2"/>', "integer"),
    ),
    "a built-in integer": (text("", "unsignedByte"), text('<xs:minInclusive value="0"/><xs:maxInclusive value="255"/>', "integer")),
    "length": (text('<xs:length value="3"/>'), text('<xs:minLength value="3"/><xs:maxLength value="3"/>')),
    "facets that the listed values keep": (
        text('<xs:enumeration value="A"/><xs:enumeration value="BB"/>'),
        text('<xs:maxLength value="7"/><xs:enumeration value="BB"/><xs:enumeration value="A"/><xs:enumeration value="TOO LONG"/>'),
    ),
    "union of lists of values": (
        text('<xs:enumeration value="A"/><xs:enumeration value="B"/>'),
        '<xs:simpleType name="A"><xs:restriction base="xs:string"><xs:enumeration value="A"/></xs:restriction></xs:simpleType>'
        '<xs:simpleType name="B"><xs:restriction base="xs:string"><xs:enumeration value="B"/></xs:restriction></xs:simpleType>'
        '<xs:element name="r"><xs:simpleType><xs:union memberTypes="B A"/></xs:simpleType></xs:element>',
    ),
    "a union in another order": (
        union(MAX_3, YES_OR_NO),
        '<xs:simpleType name="Y"><xs:restriction base="xs:boolean"/></xs:simpleType><xs:simpleType name="N"><xs:restriction base="xs:string"><xs:minLength value="0"/><xs:maxLength value="3"/></xs:restriction></xs:simpleType>'
        '<xs:element name="r"><xs:simpleType><xs:union memberTypes="Y N"/></xs:simpleType></xs:element>',
    ),
    "a union in a union": (union(MAX_3, YES_OR_NO), union(inline(union_of(YES_OR_NO, MAX_3)), YES_OR_NO)),
    "a list of a named type": (
        f'<xs:element name="r"><xs:simpleType><xs:list>{inline(MAX_3)}</xs:list></xs:simpleType></xs:element>',
        f'{inline(MAX_3, "T")}<xs:element name="r"><xs:simpleType><xs:list itemType="T"/></xs:simpleType></xs:element>',
    ),
    "an attribute of a named type": (
        attribute(inline(r'<xs:restriction base="xs:string"><xs:pattern value="\d{2}|\d"/></xs:restriction>')),
        inline(r'<xs:restriction base="xs:string"><xs:pattern value="\d\d?"/></xs:restriction>', "T")
        + '<xs:element name="r"><xs:complexType><xs:attribute name="q" type="T"/></xs:complexType></xs:element>',
    ),
    "simple content of a named type": (
        f'<xs:element name="r"><xs:complexType><xs:simpleContent><xs:extension base="T"/></xs:simpleContent></xs:complexType></xs:element>{inline(MAX_3, "T")}',
        f'<xs:element name="r" type="U"/>{inline(MAX_3, "U")}',
    ),
    "choice of what may be left out": (
        seq(f"<xs:choice>{OPTIONAL_A}{OPTIONAL_B}</xs:choice>{C}"),
        seq(f'<xs:choice minOccurs="0">{B}{A}</xs:choice>{C}'),
    ),
    "choice that repeats of what may be left out": (
        seq(f'<xs:choice minOccurs="2" maxOccurs="3">{OPTIONAL_A}{B}</xs:choice>'),
        seq(f'<xs:choice minOccurs="0" maxOccurs="3">{A}{B}</xs:choice>'),
    ),
    "a pattern": (text(r'<xs:pattern value="\d{4}|\d{5}"/>'), text(r'<xs:pattern value="[0-9]?\d\d\d\d"/>').replace("[0-9]", r"\d")),
    "patterns of one step": (text('<xs:pattern value="a|b"/>'), text('<xs:pattern value="a"/><xs:pattern value="b"/>')),
    "derived in two steps": (
        text('<xs:maxLength value="3"/>'),
        '<xs:simpleType name="T"><xs:restriction base="xs:string"><xs:maxLength value="9"/></xs:restriction></xs:simpleType>'
        + text('<xs:maxLength value="3"/>').replace('base="xs:string"', 'base="T"'),
    ),
    "included": (
        seq(A),
        {"main.xsd": '<xs:include schemaLocation="part.xsd"/><xs:element name="r" type="T"/>', "part.xsd": f'<xs:complexType name="T"><xs:sequence>{A}</xs:sequence></xs:complexType>'},
    ),
    "imported": (
        {
            "main.xsd": f'{HEAD} xmlns:p="urn:p"><xs:import namespace="urn:p" schemaLocation="part.xsd"/><xs:element name="r" type="p:T"/></xs:schema>',
            "part.xsd": f'{HEAD} targetNamespace="urn:p"><xs:complexType name="T"><xs:sequence>{A}</xs:sequence></xs:complexType></xs:schema>',
        },
        seq(A),
    ),
    "a type that contains itself": (
        f'<xs:element name="r" type="T"/><xs:complexType name="T"><xs:sequence>{A}<xs:element name="t" type="T" minOccurs="0"/></xs:sequence></xs:complexType>',
        f'<xs:complexType name="U"><xs:sequence>{A}<xs:element name="t" type="U" minOccurs="0"/></xs:sequence></xs:complexType><xs:element name="r" type="U"/>',
    ),
}  # fmt: skip

DIFFERENT = {
    "added": (seq(A), seq(A + B), [("added", "/r/b", None, "1..1, string")]),
    "removed": (seq(A + B), seq(A), [("removed", "/r/b", "1..1, string", None)]),
    "became zero times": (
        seq(A + B),
        seq(A + e("b", 'minOccurs="0" maxOccurs="0"')),
        [("removed", "/r/b", "1..1, string", None)],
    ),
    "renamed": (
        seq(A + B),
        seq(A + C),
        [("removed", "/r/b", "1..1, string", None), ("added", "/r/c", None, "1..1, string")],
    ),
    "moved": (seq(A + B + C), seq(C + A + B), [("moved", "/r/c", "after b", "first")]),
    "moved to another parent": (
        seq(seq(A + C, "p") + seq(B, "q")),
        seq(seq(C, "p") + seq(B + A, "q")),
        [("moved", "/r/q/a", "/r/p/a", "/r/q/a")],
    ),
    "cardinality": (seq(A), seq(e("a", 'maxOccurs="unbounded"')), [("cardinality", "/r/a", "1..1", "1..n")]),
    "cardinality of a large number": (
        seq(e("a", 'maxOccurs="99999"') + B),
        seq(e("a", 'maxOccurs="88888"') + B),
        [("cardinality", "/r/a", "1..99999", "1..88888")],
    ),
    "type": (text(""), text("", "date"), [("type", "/r", "string", "date")]),
    "elements for text": (text(""), seq(A), [("type", "/r", "text", "elements")]),
    "mixed": (seq(A), seq(A).replace("<xs:complexType", '<xs:complexType mixed="true"'), [("type", "/r", "elements", "elements and text")]),
    "nil": (seq(A), seq(e("a", 'nillable="true"')), [("type", "/r/a", "may not be nil", "may be nil")]),
    "values": (
        text('<xs:enumeration value="A"/><xs:enumeration value="B"/>'),
        text('<xs:enumeration value="C"/><xs:enumeration value="A"/>'),
        [("values", "/r", ["A", "B"], ["C", "A"])],
    ),
    "listed": (text('<xs:maxLength value="2"/>'), text('<xs:enumeration value="A"/>'), [("values", "/r", None, ["A"])]),
    "fixed": (seq(A), seq(e("a", 'fixed="x"')), [("values", "/r/a", None, ["x"])]),
    "length": (text('<xs:maxLength value="2"/>'), text('<xs:maxLength value="3"/>'), [("length", "/r", "0..2", "0..3")]),
    "digits": (
        text('<xs:totalDigits value="2"/>', "integer"),
        text('<xs:totalDigits value="3"/>', "integer"),
        [("length", "/r", "2 digits", "3 digits")],
    ),
    "pattern": (text('<xs:pattern value="a+"/>'), text('<xs:pattern value="a*"/>'), [("pattern", "/r", "a+", "a*")]),
    "limit": (text('<xs:maxInclusive value="2"/>', "integer"), text('<xs:maxExclusive value="2"/>', "integer"), [("limit", "/r", "..2", "..1")]),
    "limit of dates": (text("", "date"), text('<xs:minExclusive value="2020-01-01"/>', "date"), [("limit", "/r", None, "above 2020-01-01..")]),
    "key": (
        seq(A),
        seq(A).replace("</xs:complexType>", '</xs:complexType><xs:unique name="u"><xs:selector xpath="a"/><xs:field xpath="."/></xs:unique>'),
        [("limit", "/r", None, "unique a: .")],
    ),
    "choice for sequence": (seq(A + B + C), seq(f"{A}<xs:choice>{B}{C}</xs:choice>"), [("choice", "/r", "(a, b, c)", "(a, (b | c))")]),
    "optional choice": (
        seq(f"{A}<xs:choice>{B}{C}</xs:choice>"),
        seq(f'{A}<xs:choice minOccurs="0">{B}{C}</xs:choice>'),
        [("choice", "/r", "(b | c)", "(b | c)?")],
    ),
    "optional choice by an alternative": (
        seq(f"{A}<xs:choice>{B}{C}</xs:choice>"),
        seq(f"{A}<xs:choice>{OPTIONAL_B}{C}</xs:choice>"),
        [("choice", "/r", "(b | c)", "(b | c)?")],
    ),
    "how often an alternative": (
        seq(f"{A}<xs:choice>{B}{C}</xs:choice>"),
        seq(f"{A}<xs:choice>{e('b', 'maxOccurs=' + chr(34) + '3' + chr(34))}{C}</xs:choice>"),
        [("cardinality", "/r/b", "1..1", "1..3")],
    ),
    "a member of a union": (
        union(MAX_3, YES_OR_NO),
        union(MAX_3.replace("3", "4"), YES_OR_NO),
        [("type", "/r", "boolean or string, 0..3", "boolean or string, 0..4")],
    ),
    "items of a list": (
        f'<xs:element name="r"><xs:simpleType><xs:list>{inline(MAX_3)}</xs:list></xs:simpleType></xs:element>',
        '<xs:element name="r"><xs:simpleType><xs:list itemType="xs:date"/></xs:simpleType></xs:element>',
        [("type", "/r", "list of string, 0..3", "list of date")],
    ),
    "an attribute's length": (
        attribute(inline(MAX_3)),
        attribute(inline(MAX_3.replace("3", "4"))),
        [("attribute", "/r/@q", "optional, string, 0..3", "optional, string, 0..4")],
    ),
    "out of a choice": (
        seq(f"<xs:choice>{A}{B}{C}</xs:choice>"),
        seq(f"{A}<xs:choice>{B}{C}</xs:choice>"),
        [("choice", "/r/a", "in (a | b | c)", "first")],
    ),
    "another alternative": (
        seq(f"<xs:choice>{A}{B}</xs:choice>"),
        seq(f"<xs:choice>{A}{B}{C}</xs:choice>"),
        [("added", "/r/c", None, "1..1, string")],
    ),
    "in a type that contains itself": (
        f'<xs:element name="r" type="T"/><xs:complexType name="T"><xs:sequence>{A}<xs:element name="t" type="T" minOccurs="0"/></xs:sequence></xs:complexType>',
        f'<xs:element name="r" type="T"/><xs:complexType name="T"><xs:sequence>{B}<xs:element name="t" type="T" minOccurs="0"/></xs:sequence></xs:complexType>',
        [("removed", "/r/a", "1..1, string", None), ("added", "/r/b", None, "1..1, string")],
    ),
    "any element": (
        seq('<xs:any namespace="##other"/>'),
        seq('<xs:any namespace="##other" processContents="lax"/>'),
        [("removed", "/r/*", "1..1", None), ("added", "/r/*", None, "1..1")],
    ),
    "attribute came": (
        '<xs:element name="r"><xs:complexType/></xs:element>',
        ATTRIBUTE.format(""),
        [("attribute", "/r/@q", None, "optional, integer, -2147483648..2147483647")],
    ),
    "attribute required": (
        ATTRIBUTE.format('fixed="1"'),
        ATTRIBUTE.format('fixed="1" use="required"'),
        [("attribute", "/r/@q", "optional, integer, -2147483648..2147483647, fixed 1", "required, integer, -2147483648..2147483647, fixed 1")],
    ),
    "root": (seq(A), seq(A) + seq(B, "s"), [("added", "/s", None, "elements")]),
    "in an included part": (
        {"main.xsd": '<xs:include schemaLocation="part.xsd"/><xs:element name="r" type="T"/>', "part.xsd": f'<xs:complexType name="T"><xs:sequence>{A}</xs:sequence></xs:complexType>'},
        seq(e("a", 'minOccurs="0"')),
        [("cardinality", "/r/a", "1..1", "0..1")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
@pytest.mark.parametrize("back", [False, True])
def test_schemas_that_mean_the_same_differ_in_nothing(tmp_path, pair, back):
    old, new = reversed(pair) if back else pair
    assert told(tmp_path, old, new) == []


@pytest.mark.parametrize(("old", "new", "expected"), DIFFERENT.values(), ids=DIFFERENT)
def test_one_difference_is_told_as_that_and_nothing_else(tmp_path, old, new, expected):
    assert told(tmp_path, old, new) == expected


def test_every_kind_of_change_is_among_the_pairs():
    kinds = "added removed moved cardinality type values length pattern limit choice attribute"
    assert {change[0] for *_, expected in DIFFERENT.values() for change in expected} == set(kinds.split())


def test_dimona_is_the_same_in_2022_2_and_2022_3_and_in_2023_1_has_another_worker_type():
    second, third, fourth = (release.grammar for release in Forms([shipped()]).forms["Dimona"].releases)
    assert differences(second, third) == ()
    [change] = differences(third, fourth)
    assert (change.change, change.zone) == ("values", "00655")
    assert change.path == "/Dimona/Form/DimonaIn/DimonaFeatures/WorkerType"
    assert isinstance(change.old, list)
    assert isinstance(change.new, list)
    assert (set(change.old) - set(change.new), set(change.new) - set(change.old)) == ({"QUA"}, {"ALT"})


def test_a_schema_that_does_not_compile_is_refused_with_file_line_and_reason(tmp_path):
    with pytest.raises(GrammarError, match=r"main\.xsd:1: .*maxOccurs"):
        grammar(tmp_path, "old", seq(e("a", 'maxOccurs="some"')))
    with pytest.raises(GrammarError, match=r"main\.xsd:2: include of a file .*: part\.xsd"):
        grammar(tmp_path, "new", '\n<xs:include schemaLocation="part.xsd"/>')
    (tmp_path / "parts" / "inner").mkdir(parents=True)
    (tmp_path / "parts" / "inner" / "part.xsd").write_text(ONE.format("\n<xs:nothing/>"))
    with pytest.raises(GrammarError, match=r"inner/part\.xsd:2: "):
        grammar(tmp_path, "parts", '<xs:include schemaLocation="inner/part.xsd"/>')
