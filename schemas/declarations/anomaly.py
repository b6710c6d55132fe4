"""One thing that is wrong with a form: ErrorID, where, and what stands there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, cast

from lxml import etree

from schemas.declarations.anomalies import ANOMALIES, AnomalyClass
from schemas.declarations.form import Release
from schemas.declarations.values import text_of
from schemas.violation import Violation

#: Of a value that is told: what is longer is cut.
_MOST_OF_A_VALUE = 200
_INDEX = re.compile(r"\[[0-9]+\]")
_STEP = re.compile(r"([^\[]+)(?:\[([0-9]+)\])?")
#: By path, zone and type.
_Zones = Mapping[str, tuple[str, str]]

#: libxml2's rule, without SCHEMAV_, to the code (field digest 6.0); any other is 003, invalid.
_CODES: Mapping[str, str] = {
    "CVC_ENUMERATION_VALID": "008",
    "CVC_MININCLUSIVE_VALID": "008",
    "CVC_MAXINCLUSIVE_VALID": "008",
    "CVC_MINEXCLUSIVE_VALID": "008",
    "CVC_MAXEXCLUSIVE_VALID": "008",
    "CVC_LENGTH_VALID": "093",
    "CVC_MINLENGTH_VALID": "093",
    "CVC_MAXLENGTH_VALID": "093",
    "CVC_TOTALDIGITS_VALID": "093",
    "CVC_TYPE_3_1_1": "092",
    "CVC_TYPE_3_1_2": "092",
    "CVC_COMPLEX_TYPE_2_1": "092",
    "CVC_COMPLEX_TYPE_2_2": "092",
    "CVC_COMPLEX_TYPE_3_1": "092",
    "CVC_COMPLEX_TYPE_3_2_1": "092",
    "CVC_COMPLEX_TYPE_3_2_2": "092",
    "CVC_ELT_1": "092",
}
_DATATYPES = {"CVC_DATATYPE_VALID_1_2_1", "CVC_DATATYPE_VALID_1_2_2", "CVC_DATATYPE_VALID_1_2_3"}
_CONTENT = "ELEMENT_CONTENT"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What is wrong. Its class and sentence are the catalogue's."""

    #: Zone or block, 5 digits.
    zone: str
    #: 3 digits.
    code: str
    #: Name of the element.
    tag: str = ""
    #: What stands there, for the sender alone.
    value: str | None = field(default=None, repr=False)
    #: Names of elements: from the root, `/Dimona/Form/DimonaIn/StartingDate`; until `at`, from the Form.
    path: str = ""
    #: From 1; 0: not known.
    line: int = 0
    column: int = 0

    @property
    def error_id(self) -> str:
        return f"{self.zone}-{self.code}"

    @property
    def anomaly_class(self) -> AnomalyClass:
        return ANOMALIES.of(self.error_id).anomaly_class

    @property
    def blocks(self) -> bool:
        """It refuses the form."""
        return self.anomaly_class == "B"

    def at(self, form: etree._Element, shift: int = 0) -> "Anomaly":
        """Found in this Form: with the line of its element, or of the nearest above that is there, `shift` lines
        further, and its path from the root."""
        place = form
        for step in filter(None, self.path.split("/")):
            if (child := place.find(step)) is None:
                break
            place = child
        parent = form.getparent()
        above = f"/{parent.tag}/Form" if parent is not None else "/Form"
        path = f"{above}/{self.path}" if self.path else above
        return replace(self, path=path, line=max(1, cast(int, place.sourceline) + shift))

    @property
    def row(self) -> list[Any]:
        """As JSON; `of_row` reads it."""
        return [self.zone, self.code, self.tag, self.value, self.path, self.line, self.column]

    @classmethod
    def of_row(cls, row: list[Any]) -> "Anomaly":
        return cls(*row)


def of_violation(release: Release, violation: Violation, root: etree._Element, shift: int = 0) -> Anomaly:
    """What breaks the schema, as an anomaly; `root` is what was validated.

    A missing element is told as that (001), if it is clear which it is. `shift`: see `Anomaly.at`. Raises GrammarError.
    """
    zones = _zones(release)
    bare = _INDEX.sub("", violation.path)
    found = _found(root, violation.path)
    rule = violation.rule.removeprefix("SCHEMAV_")
    tag, value = bare.rpartition("/")[2], None
    line = max(1, violation.line + shift)
    if rule == _CONTENT:
        code, path = _of_content(violation, zones, bare, found)
        tag = path.rpartition("/")[2]
    else:
        code, path = _CODES.get(rule, "003"), bare
        if found is not None and next(found.iterchildren("*"), None) is None:
            value = text_of(found)[:_MOST_OF_A_VALUE]
        if rule in _DATATYPES:
            code = "001" if value is not None and not value.strip() else "002" if _is_number(zones, bare) else code
    return Anomaly(_zone(zones, path), code, tag, value, path, line)


def _of_content(violation: Violation, zones: _Zones, bare: str, found: etree._Element | None) -> tuple[str, str]:
    """Code, and the path of what it is about."""
    lacks = " lacks an element" in violation.reason
    above = bare if lacks else bare.rpartition("/")[0]
    parent = found if lacks or found is None else found.getparent()
    there = set() if parent is None else {str(child.tag) for child in parent.iterchildren("*")}
    missing = [name for name in violation.expected if name not in there]
    # What is expected here, alone, and is not there: that is what is wrong.
    if len(violation.expected) == 1 and missing:
        return "001", f"{above}/{missing[0]}"
    if lacks:
        return "090", above
    if bare not in zones:
        return "092", bare
    twice = found is not None and next(found.itersiblings(str(found.tag), preceding=True), None) is not None
    return ("090" if twice else "091"), bare


def _is_number(zones: _Zones, path: str) -> bool:
    return path in zones and zones[path][1] == "integer"


def _zone(zones: _Zones, path: str) -> str:
    """Of the element, or of the nearest above that has one."""
    while path and path not in zones:
        path = path.rpartition("/")[0]
    return zones[path][0] if path in zones else "90059"


def _found(root: etree._Element, path: str) -> etree._Element | None:
    """The element of a violation's path."""
    place = root
    for step in path.strip("/").split("/")[1:]:
        read = _STEP.fullmatch(step)
        if read is None:
            return None
        alike = list(place.iterchildren("{*}" + read[1]))
        index = int(read[2] or 1) - 1
        if index >= len(alike):
            return None
        place = alike[index]
    return place


@lru_cache(maxsize=64)
def _zones(release: Release) -> _Zones:
    """By path, zone and type of each element of a release."""
    from schemas.declarations.glossary import elements  # with what reads structures, which takes long to import

    return {use.path: (number, use.type) for number, _, use in elements(release) if number is not None}
