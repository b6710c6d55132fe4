"""The declarations' schemas, held against the official samples and the published structure."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lxml import etree

from schemas.declarations.form import Release
from schemas.declarations.forms import Forms, shipped
from schemas.declarations.glossary import elements
from schemas.declarations.quarter import Quarter
from schemas.parser import parse
from tests.schemas.conftest import FACTS
from tests.schemas.oracle import strictly

SAMPLES = sorted((FACTS.parent / "samples" / "declarations").glob("*.xml"))
FORMS = Forms([shipped()])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_an_official_sample_is_accepted_by_the_release_it_names(sample: Path) -> None:
    release, violations = FORMS.violations(sample.read_bytes())
    assert violations == ()
    assert sample.stem.startswith(f"{release.form}_{release.valid_from.year}{release.valid_from.number}_")
    assert strictly(release).is_valid(str(sample), use_location_hints=False)


# --- messages made from the published structure alone ---------------------------------------------------------------

TABLES = sorted((FACTS / "declarations").glob("*.tsv"))
FACET = re.compile(r"; (?=(?:enum|length|maxInclusive|maxLength|minInclusive|minLength|pattern|totalDigits) )")
GUESSES = ["2022-01-01", "12:00:00.000", "1200", "--01-01", "2022-01", "20223", "true", "XXX", "124", "124,00", "0"]
GUESSES += ["10000000001", "2000000000", "9999999917", "'10000000001", "10000000", "AB", "1.5", "12:00:00", "018"]
GUESSES += [letter * length for length in range(1, 21) for letter in "1A"]


@dataclass(eq=False)
class Row:
    """A row of a table, and the rows below it."""

    name: str
    fewest: int
    most: int | None
    group: tuple[str, ...]
    base: str
    facets: dict[str, str]
    below: list["Row"] = field(default_factory=list)
    above: "Row | None" = None
    #: what `good` has found
    known: list[str | None] = field(default_factory=list)


def tree_of(table: Path) -> list[Row]:
    """The rows in the table's order, the root first."""
    last: dict[str, Row] = {}
    rows = []
    with table.open(encoding="utf-8") as file:
        for line in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            above, _, name = line["path"].rpartition("/")
            fewest, most = line["occurs"].split("..")
            facets = dict(one.split(" ", 1) for one in FACET.split(line["facets"]) if one)
            group = tuple(line["group"].split(">")) if line["group"] else ()
            row = Row(name, int(fewest), None if most == "n" else int(most), group, line["base"], facets)
            if above:
                row.above = last[above]
                row.above.below.append(row)
            last[line["path"]] = row
            rows.append(row)
    return rows


def permits(row: Row, value: str) -> bool:
    """Whether the table permits this text, of those that are made here."""
    facets = row.facets
    if row.base == "integer":
        if not re.fullmatch(r"[+-]?[0-9]+", value):
            return False
        number = int(value)
        if not int(facets.get("minInclusive", number)) <= number <= int(facets.get("maxInclusive", number)):
            return False
        if len(str(abs(number))) > int(facets.get("totalDigits", 99)):
            return False
        if "enum" in facets and number not in map(int, facets["enum"].split("|")):
            return False
    elif "enum" in facets and value not in facets["enum"].split("|"):
        return False
    lexical = {
        "date": r"\d{4}-\d\d-\d\d",
        "time": r"\d\d:\d\d:\d\d\.\d{3}",
        "gYearMonth": r"\d{4}-\d\d",
        "gMonthDay": r"--\d\d-\d\d",
        "boolean": "true|false|1|0",
    }
    if row.base in lexical and not re.fullmatch(lexical[row.base], value):
        return False
    if not int(facets.get("minLength", 0)) <= len(value) <= int(facets.get("maxLength", len(value))):
        return False
    if "length" in facets and len(value) != int(facets["length"]):
        return False
    return "pattern" not in facets or bool(re.fullmatch(facets["pattern"].replace(r"\p{L}", "[A-Za-z]"), value))


def tried(row: Row) -> Iterator[tuple[str, str]]:
    """Each limit hit and passed by one, each listed value, and what is no number: which edge it is, and the value."""
    if "enum" in row.facets:
        yield from (("enum", value) for value in row.facets["enum"].split("|"))
    for limit in ("minInclusive", "maxInclusive"):
        if limit in row.facets and row.base == "integer":
            yield from ((f"{limit} {step:+}", str(int(row.facets[limit]) + step)) for step in (-1, 0, 1))
    for limit in ("length", "minLength", "maxLength", "totalDigits"):
        if limit in row.facets:
            letters = "1" if row.base == "integer" else "A1"
            size = int(row.facets[limit])
            yield from (
                (f"{limit} {step:+}", letter * max(size + step, 0)) for step in (-1, 0, 1) for letter in letters
            )
    if row.base == "integer":
        yield from (("decimal", "0.0"), ("empty", ""))


def good(row: Row) -> str | None:
    # None: the pattern of INSSUser in NOTIFICATION permits no integer.
    if not row.known:
        values = (*(value for _, value in tried(row)), *GUESSES)
        row.known = [next((value for value in values if permits(row, value)), None)]
    return row.known[0]


def written(row: Row, way: list[Row], value: str | None, times: int) -> str:
    """The row as XML with as little as may be, but all of `way`; its last has this value and stands so many times."""
    last = len(way) == 1 and way[0] is row
    if row.below:
        inner = particles(row.below, 0, way[1:] if way and way[0] is row else [], value, times)
    elif row.name == "*":
        return "<anything/>" * (times if last else 1)
    else:
        inner = value if last and value is not None else good(row)
    count = times if last else max(row.fewest, 1)
    return f"<{row.name}>{inner}</{row.name}>" * count


def particles(rows: list[Row], depth: int, way: list[Row], value: str | None, times: int, one: bool = False) -> str:
    parts: list[tuple[str, list[Row]]] = []
    for row in rows:
        token = row.group[depth] if depth < len(row.group) else ""
        if token and token != "choice" and parts and parts[-1][0] == token:
            parts[-1][1].append(row)
        else:
            parts.append((token, [row]))
    own = one or any(token == "choice" for token, _ in parts)
    if own:
        possible = [part for part in parts if any(row.most != 0 for row in part[1])]
        parts = [next((part for part in parts if way and way[0] in part[1]), possible[0])]
    text = ""
    for token, inside in parts:
        asked = bool(way) and way[0] in inside
        if not token or token == "choice":
            if asked or inside[0].fewest:
                text += written(inside[0], way if asked else [], value, times)
        elif asked or "0..1" not in token:
            text += particles(inside, depth + 1, way, value, times, token.startswith("choice"))
    return text


def way_to(row: Row) -> list[Row]:
    return [*(way_to(row.above) if row.above else []), row]


def single(row: Row) -> list[Row]:
    """The rows beside this one whose name stands once, so that a place can be told by it."""
    beside = row.above.below if row.above else []
    names = [one.name for one in beside]
    return [one for one in beside if names.count(one.name) == 1]


def parent_of(root: etree._Element, way: list[Row]) -> etree._Element:
    return root if len(way) == 2 else root.find("/".join(row.name for row in way[1:-1]))


def rearranged(rows: list[Row], row: Row, way: list[Row]) -> Iterator[tuple[str, str, bool]]:
    """What a message with this row becomes when its elements are put in another order, or its choice is made twice or
    not at all: which edge that is, the message, whether the table permits it."""
    beside = single(row)
    if row not in beside or row.above is None:
        return
    whole = written(rows[0], way, None, max(row.fewest, 1))
    root = etree.fromstring(whole)
    own = parent_of(root, way).find(row.name)
    for before in reversed(beside[: beside.index(row)] if not row.group else []):
        other = parent_of(root, way).find(before.name)
        if other is not None and not before.group:
            parent_of(root, way).remove(own)
            other.addprevious(own)
            yield "out of order", etree.tostring(root).decode(), False
            break
    if len(row.group) != 1 or not row.group[0].startswith("choice"):
        return
    alternatives = [one for one in row.above.below if one.group == row.group or row.group[0] in one.group[:1]]
    if row.group == ("choice",):
        alternatives = row.above.below
    if all(len(one.group) == 1 for one in alternatives):
        optional = any(one.fewest == 0 and one.most != 0 for one in alternatives) or "0..1" in row.group[0]
        root = etree.fromstring(whole)
        parent = parent_of(root, way)
        for one in parent.findall(row.name):
            parent.remove(one)
        yield "no choice", etree.tostring(root).decode(), optional
    for other_row in alternatives:
        if other_row is not row and other_row in beside and other_row.most != 0 and len(other_row.group) == 1:
            if not (other_row.below or good(other_row) is not None):
                continue
            root = etree.fromstring(whole)
            inner = etree.fromstring(written(other_row, [], None, 1).replace("><anything/>", ">") or "<x/>")
            parent_of(root, way).find(row.name).addnext(inner)
            yield "chosen twice", etree.tostring(root).decode(), False


def edges(rows: list[Row]) -> Iterator[tuple[str, bool, str, Callable[[], str]]]:
    """Each row present and absent, too seldom and too often, each value and limit, each choice, each order: which edge
    it is, whether the table permits it, where, and what writes the message."""
    for row in rows[1:]:
        way = way_to(row)
        name = "/".join(step.name for step in way)
        possible = all(step.most != 0 for step in way) and (bool(row.below) or row.name == "*" or good(row) is not None)
        fewest = max(row.fewest, 1)

        def make(value: str | None, times: int, way: list[Row] = way) -> Callable[[], str]:
            return lambda: written(rows[0], way, value, times)

        yield "present", possible, name, make(None, fewest)
        if row.most is not None:
            yield "too often", False, name, make(None, row.most + 1)
        if row.fewest and not row.group and possible:
            yield "too seldom", False, name, make(None, row.fewest - 1)
        if not row.below and row.name != "*":
            for edge, value in tried(row):
                yield edge, possible and permits(row, value), f"{name} {value}", make(value, fewest)
        if possible and row.name != "*":
            for edge, message, right in rearranged(rows, row, way):
                yield edge, right, name, lambda message=message: message


def messages(rows: list[Row], every: int = 1) -> Iterator[tuple[str, str, bool]]:
    """Edge and place, the message, whether the table permits it: of each kind of edge, permitted and not, the first and
    each so many'th thereafter, so that none is left out and a run is like the other."""
    met: Counter[tuple[str, bool]] = Counter()
    for edge, right, place, make in edges(rows):
        met[edge, right] += 1
        if met[edge, right] % every == 1 % every:
            yield f"{edge}: {place}", make(), right


def of_table(table: Path) -> tuple[list[Row], Release]:
    name, _, quarter = table.stem.rpartition("_")
    return tree_of(table), FORMS.forms[name].release(Quarter.parse(quarter))


of_each_table = pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)


@of_each_table
def test_messages_are_accepted_or_refused_as_the_table_says(table: Path) -> None:
    rows, release = of_table(table)
    made = list(messages(rows))
    wrong = [
        (what, right) for what, message, right in made if release.grammar.accepts(parse(message.encode())) != right
    ]
    assert wrong == []
    assert len(made) > max(2 * len(rows), 100)
    done = {what.partition(":")[0] for what, _, _ in made}
    assert {"present", "too often", "too seldom"} <= done
    if table.stem.startswith(("Dimona", "DmfA", "NOTI", "ZIMA")):
        assert {"out of order", "decimal", "enum"} <= done
        assert len(made) > 200


def held_against_xmlschema(table: Path, every: int) -> None:
    rows, release = of_table(table)
    strict = strictly(release)
    wrong = [
        (what, right)
        for what, message, right in messages(rows, every)
        if strict.is_valid(etree.fromstring(message)) != right
    ]
    assert wrong == []


@of_each_table
def test_xmlschema_has_the_same_verdicts_on_some_messages_of_each_kind(table: Path) -> None:
    held_against_xmlschema(table, every=40)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@of_each_table
def test_xmlschema_has_the_same_verdicts_on_all_messages(table: Path) -> None:
    held_against_xmlschema(table, every=1)


@of_each_table
def test_the_glossary_has_every_zone_of_the_table_and_says_how_often_it_may_stand(table: Path) -> None:
    rows, release = of_table(table)
    told = {(number, use.path): use.occurs.partition(",")[0] for number, _, use in elements(release)}
    with table.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row, line in zip(rows, lines, strict=True):
        if (
            all(step.most != 0 for step in way_to(row))
            and line["zone"]
            and [x["path"] for x in lines].count(line["path"]) == 1
        ):
            assert (line["zone"], line["path"]) in told, line["path"]
