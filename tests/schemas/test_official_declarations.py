"""The declarations' schemas, held against the official samples and the published structure."""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import xmlschema

from schemas.declarations.forms import Forms, shipped
from schemas.declarations.quarter import Quarter
from schemas.parser import parse
from tests.schemas.conftest import FACTS

SAMPLES = sorted((FACTS.parent / "samples" / "declarations").glob("*.xml"))
FORMS = Forms([shipped()])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_an_official_sample_is_accepted_by_the_release_it_names(sample: Path) -> None:
    release, violations = FORMS.violations(sample.read_bytes())
    assert violations == ()
    assert sample.stem.startswith(f"{release.form}_{release.valid_from.year}{release.valid_from.number}_")
    strict = xmlschema.XMLSchema10(str(release.folder / release.schema))
    assert strict.is_valid(str(sample), use_location_hints=False)


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


def tried(row: Row) -> list[str]:
    """Each limit hit and passed by one, each listed value, and what is no number."""
    values = row.facets.get("enum", "").split("|") if "enum" in row.facets else []
    for limit in ("minInclusive", "maxInclusive"):
        if limit in row.facets and row.base == "integer":
            values += [str(int(row.facets[limit]) + step) for step in (-1, 0, 1)]
    for limit in ("length", "minLength", "maxLength", "totalDigits"):
        if limit in row.facets:
            letters = "1" if row.base == "integer" else "A1"
            size = int(row.facets[limit])
            values += [letter * max(size + step, 0) for step in (-1, 0, 1) for letter in letters]
    return [*values, "0.0", ""] if row.base == "integer" else values


def good(row: Row) -> str | None:
    # None: the pattern of INSSUser in NOTIFICATION permits no integer.
    return next((value for value in tried(row) + GUESSES if permits(row, value)), None)


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


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_values_and_occurrences_are_accepted_or_refused_as_the_table_says(table: Path) -> None:
    rows = tree_of(table)
    name, _, quarter = table.stem.rpartition("_")
    release = FORMS.forms[name].release(Quarter.parse(quarter))
    wrong = []
    made = 0
    for row in rows[1:]:
        way = way_to(row)
        possible = all(step.most != 0 for step in way) and (bool(row.below) or row.name == "*" or good(row) is not None)
        cases = [(None, max(row.fewest, 1), possible)]
        if row.most is not None:
            cases.append((None, row.most + 1, False))
        if row.fewest and not row.group and possible:
            cases += [(None, row.fewest - 1, False)]
        if not row.below and row.name != "*":
            cases += [(value, max(row.fewest, 1), possible and permits(row, value)) for value in tried(row)]
        for value, times, right in cases:
            made += 1
            message = written(rows[0], way, value, times)
            if (release.violations_of(parse(message.encode())) == ()) is not right:
                wrong.append(("/".join(step.name for step in way), value, times, right))
    assert wrong == []
    assert made > 2 * len(rows)
