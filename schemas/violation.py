"""What a message does wrong against its schema, told without telling what it says.

libxml2's own texts quote the offending value, which is personal data; here its error types are put into our own
sentences. What they take over from libxml2's text is what comes from the schema (a limit, a permitted value, an
expected element), and is cut from the end of the text, behind anything the sender wrote.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from lxml import etree

from schemas.parser import Information

MOST_VIOLATIONS = 30
"""Errors told of one message: as many as `detail` may occur in a fault."""

_MOST_CHARACTERS = 256  # of a fieldValue
_MOST_OF_A_NAME = 64
_MOST_OF_A_LIST = 120
_LEFT_OUT = "…"
_QUOTED = re.compile(r"'([^']*)'")


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule of the schema that one element breaks."""

    #: line in the bytes, from 1
    line: int
    #: element names from the root, with an index where a name is not the only one of its kind among its siblings
    path: str
    #: names the element and the rule, never the value
    reason: str
    #: libxml2's name of the rule that is broken, `SCHEMAV_CVC_PATTERN_VALID`
    rule: str = ""
    #: of an element that is missing or not expected: the local names of those that the schema would have there
    expected: tuple[str, ...] = ()

    def for_log(self, known: Container[str]) -> str:
        """Path and reason for those who may not read the message: a name that is not among `known` is left out, since
        whoever writes a message may call an element after a person."""
        path = "/".join(
            step if not step or step.partition("[")[0] in known else _LEFT_OUT for step in self.path.split("/")
        )
        return f"{path} " + _QUOTED.sub(lambda name: name[0] if name[1] in known else f"'{_LEFT_OUT}'", self.reason)

    @property
    def information(self) -> Information:
        """As it stands in a fault's `detail`."""
        path = self.path if len(self.path) <= _MOST_CHARACTERS else "…" + self.path[1 - _MOST_CHARACTERS :]
        return (("line", str(self.line)), ("path", path), ("reason", self.reason[:_MOST_CHARACTERS]))


class _LogEntry(Protocol):
    """What is used of lxml's entry in an error log."""

    line: int
    message: str
    type_name: str
    path: str | None


def local(name: str) -> str:
    """The name without its namespace."""
    return name.rpartition("}")[2]


def namespace(name: str) -> str:
    """The namespace of a name in Clark notation, empty where it has none."""
    return name.rpartition("}")[0][1:]


def violations_in(log: etree._ErrorLog, root: etree._Element) -> tuple[Violation, ...]:
    """The first errors of libxml2's log of `root`'s validation, one for each element and rule."""
    entries = cast(Iterable[_LogEntry], log)
    found: list[Violation] = []
    told: set[str] = set()
    for entry in entries:
        path = readable_path(entry.path or "", root)
        # A wrong value is reported by the facet it breaks and, sometimes, once more by its type.
        if entry.type_name.startswith("SCHEMAV_CVC_DATATYPE") and path in told:
            continue
        told.add(path)
        reason = reason_of(entry.type_name, entry.message)
        found.append(Violation(entry.line, path, reason, entry.type_name, _all_expected(entry)))
        if len(found) == MOST_VIOLATIONS:
            break
    return tuple(found)


# --- path ---------------------------------------------------------------------------------------------------------

_STEP = re.compile(r"(?:(?P<prefix>[^:\[\]/]+):)?(?P<name>[^:\[\]/]+)(?:\[(?P<index>\d+)\])?\Z")


def readable_path(xpath: str, root: etree._Element) -> str:
    """libxml2's node path (`/ns1:request/*[2]`) as `/request/criteria`, with the names of the elements themselves."""
    steps = [_STEP.match(step) for step in xpath.strip("/").split("/")]
    readable = "/" + _short(local(str(root.tag)))
    element = root
    for step in steps[1:]:
        if step is None or (child := _child(element, step["prefix"], step["name"], step["index"])) is None:
            break
        readable += "/" + _short(local(str(child.tag))) + _index(element, child)
        element = child
    return readable


def _child(element: etree._Element, prefix: str | None, name: str, index: str | None) -> etree._Element | None:
    if name == "*":
        alike = list(element.iterchildren("*"))
    else:
        alike = [c for c in element.iterchildren("*") if local(str(c.tag)) == name and c.prefix == prefix]
    place = int(index or 1) - 1
    return alike[place] if place < len(alike) else None


def _index(parent: etree._Element, child: etree._Element) -> str:
    alike = list(parent.iterchildren("{*}" + local(str(child.tag))))
    return f"[{alike.index(child) + 1}]" if len(alike) > 1 else ""


# --- reason -------------------------------------------------------------------------------------------------------

_ABOUT = re.compile(r"Element '(?P<element>[^']*)'(?:, attribute '(?P<attribute>[^']*)')?: ")
_LAST_QUOTED = re.compile(r"'([^']*)'\)?\.\s*\Z")
_PERMITTED = re.compile(r".* is not an element of the set \{(.*)\}\.\s*\Z", re.DOTALL)
_EXPECTED = re.compile(r"Expected is (?:one of )?\( (.*) \)\.\s*\Z")
_TYPE = re.compile(r" of the (?:atomic|list|union) type '([^']*)'\.\s*\Z")
_PATTERN = re.compile(r".* is not accepted by the pattern '(.*)'\.\s*\Z", re.DOTALL)
_ATTRIBUTE = re.compile(r"The attribute '([^']*)' is ")


def _short(text: str, most: int = _MOST_OF_A_NAME) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _cut(pattern: re.Pattern[str], message: str) -> str:
    match = pattern.search(message)
    return match[1] if match is not None else ""


def _type(message: str) -> str:
    named = local(_cut(_TYPE, message))
    return f"is not a valid {_short(named)}" if named else "is not of the type that its schema asks"


def _pattern(message: str) -> str:
    pattern = _cut(_PATTERN, message)
    return (
        f"does not match the pattern {pattern}" if 0 < len(pattern) <= _MOST_OF_A_NAME else "does not match its pattern"
    )


def _permitted(message: str) -> str:
    values = _cut(_PERMITTED, message)[1:-1].replace("', '", ", ")
    return f"is none of: {_short(values, _MOST_OF_A_LIST)}" if values else "is none of the permitted values"


def _names_expected(message: str) -> tuple[str, ...]:
    names = _cut(_EXPECTED, message).split(", ")
    return tuple(local(name) for name in names if name and "*" not in name)


def _all_expected(entry: _LogEntry) -> tuple[str, ...]:
    return _names_expected(entry.message) if entry.type_name == "SCHEMAV_ELEMENT_CONTENT" else ()


def _expected(message: str) -> str:
    return _short(", ".join(_names_expected(message)), _MOST_OF_A_LIST)


def _limit(before: str, after: str = "") -> Callable[[str], str]:
    def sentence(message: str) -> str:
        return f"{before} {_short(_cut(_LAST_QUOTED, message))}{after}"

    return sentence


def _fixed(text: str) -> Callable[[str], str]:
    return lambda _: text


#: libxml2's error type, without SCHEMAV_CVC_, to what the element or attribute does wrong
_SENTENCES: Mapping[str, Callable[[str], str]] = {
    "DATATYPE_VALID_1_2_1": _type,
    "DATATYPE_VALID_1_2_2": _type,
    "DATATYPE_VALID_1_2_3": _type,
    "PATTERN_VALID": _pattern,
    "ENUMERATION_VALID": _permitted,
    "LENGTH_VALID": _limit("is not", " characters long"),
    "MINLENGTH_VALID": _limit("is shorter than", " characters"),
    "MAXLENGTH_VALID": _limit("is longer than", " characters"),
    "MININCLUSIVE_VALID": _limit("is less than"),
    "MAXINCLUSIVE_VALID": _limit("is greater than"),
    "MINEXCLUSIVE_VALID": _limit("is not greater than"),
    "MAXEXCLUSIVE_VALID": _limit("is not less than"),
    "TOTALDIGITS_VALID": _limit("has more digits than"),
    "FRACTIONDIGITS_VALID": _limit("has more decimals than"),
    "TYPE_3_1_2": _fixed("holds elements where only text may stand"),
    "COMPLEX_TYPE_2_1": _fixed("is not empty, as it must be"),
    "COMPLEX_TYPE_2_2": _fixed("holds elements where only text may stand"),
    "COMPLEX_TYPE_2_3": _fixed("holds text where only elements may stand"),
    "ELT_1": _fixed("is not an element that the schema knows here"),
    "ELT_2": _fixed("is abstract and may not stand itself"),
    "ELT_3_1": _fixed("may not be nil"),
    "ELT_3_2_1": _fixed("is nil and yet not empty"),
    "ELT_3_2_2": _fixed("is nil where a fixed value is asked"),
    "ELT_4_1": _fixed("has an xsi:type that is not a name"),
    "ELT_4_2": _fixed("has an xsi:type that the schema does not know"),
    "ELT_4_3": _fixed("has an xsi:type that may not replace its own type"),
    "ELT_5_2_2_2_1": _fixed("does not have its fixed value"),
    "ELT_5_2_2_2_2": _fixed("does not have its fixed value"),
    "AU": _fixed("does not have its fixed value"),
    "IDC": _fixed("breaks a rule of uniqueness or reference"),
}
_NOT_ALLOWED = {"TYPE_3_1_1", "COMPLEX_TYPE_3_1", "COMPLEX_TYPE_3_2_1", "COMPLEX_TYPE_3_2_2"}


def reason_of(type_name: str, message: str) -> str:
    """Our sentence for an error of libxml2: element and rule, without the value."""
    about = _ABOUT.match(message)
    element = _short(local(about["element"])) if about is not None else "?"
    attribute = local(about["attribute"]) if about is not None and about["attribute"] else None
    rule = type_name.removeprefix("SCHEMAV_CVC_")
    if rule in _NOT_ALLOWED:
        return (
            f"attribute '{_short(attribute or local(_cut(_ATTRIBUTE, message)))}' of element '{element}' is not allowed"
        )
    if rule == "COMPLEX_TYPE_4":
        return f"element '{element}' lacks its attribute '{_short(local(_cut(_ATTRIBUTE, message)))}'"
    if type_name == "SCHEMAV_ELEMENT_CONTENT":
        return _content(element, message)
    about_element = attribute is None or rule.startswith("ELT_")
    subject = (
        f"element '{element}'" if about_element else f"attribute '{_short(attribute or '')}' of element '{element}'"
    )
    sentence = _SENTENCES.get(rule)
    return f"{subject} {sentence(message) if sentence is not None else 'breaks a rule of its schema'}"


def _content(element: str, message: str) -> str:
    expected = _expected(message)
    if ": Missing child" in message:
        return f"element '{element}' lacks an element" + (f", expected: {expected}" if expected else "")
    if element in expected.split(", "):
        return f"element '{element}' stands in another namespace than expected"
    return f"element '{element}' is not expected here" + (f", expected: {expected}" if expected else "")
