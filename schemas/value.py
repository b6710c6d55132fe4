"""What a text may be by its simple type, in one form however it was written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Literal
from xml.etree.ElementTree import Element

from xmlschema.validators import XsdList, XsdSimpleType, XsdUnion

from schemas import pattern

_XS = "{http://www.w3.org/2001/XMLSchema}"

#: the built-in types that are an integer between limits
_INTEGERS: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    **{name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in (("long", 64), ("int", 32), ("short", 16))},
    "byte": (-128, 127),
    **{f"unsigned{name}": (0, 2**bits - 1) for name, bits in (("Long", 64), ("Int", 32), ("Short", 16), ("Byte", 8))},
}

Facet = Literal["values", "length", "limit", "pattern"]
Told = str | list[str] | None
"""What a change says of before or after; of values a list, in the schema's order."""


@dataclass(frozen=True)
class Value:
    """A simple type. Limits are texts as XSD writes them; None: without."""

    #: the nearest built-in type ("integer" for all that derive from it), "list" or "union"
    base: str
    low: str | None = None
    high: str | None = None
    #: whether the limit itself is out
    above: bool = False
    below: bool = False
    min_length: int = 0
    max_length: int | None = None
    digits: int | None = None
    decimals: int | None = None
    #: each must match; alternatives of one step are joined by |
    patterns: tuple[str, ...] = ()
    #: those permitted, as first written; None: not listed
    values: tuple[str, ...] | None = None
    white_space: str = ""
    #: of a list what its items may be, of a union its members
    parts: tuple["Value", ...] = ()

    @property
    def called(self) -> str:
        """The base in words: `integer`, `list of integer`, `date or string, 1..3`."""
        if self.base == "union":
            return " or ".join(sorted(map(str, self.parts)))
        return f"list of {self.parts[0]}" if self.parts else self.base

    def same(self, other: "Value") -> bool:
        """Whether both permit the same texts, as far as is looked: facet by facet, and members one by one."""
        return self.alike(other) and not any(self.differences(other))

    def alike(self, other: "Value") -> bool:
        """Whether both are of the same base, so that `differences` says all there is."""
        if (self.base, self.white_space) != (other.base, other.white_space):
            return False
        return all(any(a.same(b) for b in other.parts) for a in self.parts) and all(
            any(b.same(a) for a in self.parts) for b in other.parts
        )

    @cached_property
    def listed(self) -> tuple[str, ...] | None:
        """The permitted values that nothing else about the type rules out; integers in their shortest form."""
        if self.values is None:
            return None
        if self.base == "integer":
            return tuple(dict.fromkeys(str(int(value)) for value in self.values if self._holds_number(value)))
        if not self._is_text:
            return tuple(dict.fromkeys(self.values))
        most = self.max_length
        return tuple(
            dict.fromkeys(
                value
                for value in self.values
                if self.min_length <= len(value)
                and (most is None or len(value) <= most)
                and all(pattern.matches(each, value) for each in self.patterns)
            )
        )

    @property
    def range(self) -> str | None:
        """The limits in words: `1..99`; None: there are none."""
        low, high = self._limits
        if low is None and high is None:
            return None
        return f"{'above ' if self.above else ''}{low or ''}..{'below ' if self.below else ''}{high or ''}"

    @property
    def size(self) -> str | None:
        """The length in words: `1..20`, `9 digits`; None: any."""
        parts = []
        if (self.min_length, self.max_length) != (0, None):
            fixed = self.min_length == self.max_length
            parts.append(f"{self.min_length}" if fixed else f"{self.min_length}..{_text(self.max_length)}")
        if self.digits is not None:
            parts.append(f"{self.digits} digits")
        if self.decimals is not None and self.base != "integer":
            parts.append(f"{self.decimals} decimals")
        return ", ".join(parts) or None

    @property
    def form(self) -> str | None:
        """The patterns; None: there are none."""
        return " and ".join(self.patterns) or None

    def differences(self, new: "Value") -> Iterator[tuple[Facet, Told, Told]]:
        """What is different in a type that is `alike`: facet, old, new. Says nothing of what changes no value."""
        if self.listed is not None or new.listed is not None:
            if _set(self.listed) != _set(new.listed):
                yield "values", _list(self.listed), _list(new.listed)
            if not self._is_text and self.patterns != new.patterns and not _alike(self, new):
                yield "pattern", self.form, new.form
            return
        if self.base == "integer":
            if self._bounds != new._bounds:
                limits = self._limits != new._limits
                if limits and self._bounds != replace(self, low=new.low, high=new.high)._bounds:
                    yield "limit", self.range, new.range
                else:
                    limits = False
                if self.digits != new.digits and (
                    not limits or replace(self, low=new.low, high=new.high)._bounds != new._bounds
                ):
                    yield "length", self.size, new.size
        else:
            if (self._limits, self.above, self.below) != (new._limits, new.above, new.below):
                yield "limit", self.range, new.range
            if self.size != new.size:
                yield "length", self.size, new.size
        if self.patterns != new.patterns and not _alike(self, new):
            yield "pattern", self.form, new.form

    @property
    def limits(self) -> str:
        """All that the type says beyond its base, in words."""
        parts = [self.size, self.range, self.form]
        if self.listed is not None:
            parts.append("one of " + " ".join(self.listed))
        return ", ".join(part for part in parts if part)

    def __str__(self) -> str:
        return f"{self.called}, {self.limits}" if self.limits else self.called

    @property
    def _is_text(self) -> bool:
        return self.base == "string"

    @property
    def _limits(self) -> tuple[str | None, str | None]:
        return self.low, self.high

    @property
    def _bounds(self) -> tuple[int | None, int | None]:
        """Of an integer, by limits and digits."""
        low, high = (None if limit is None else int(limit) for limit in self._limits)
        if self.digits is not None:
            most = 10**self.digits - 1
            low = -most if low is None else max(low, -most)
            high = most if high is None else min(high, most)
        return low, high

    def _holds_number(self, text: str) -> bool:
        low, high = self._bounds
        return (low is None or int(text) >= low) and (high is None or int(text) <= high)


def of(type_: XsdSimpleType) -> Value:
    """A simple type."""
    if isinstance(type_, XsdList):
        return Value("list", parts=(of(type_.item_type),))
    if isinstance(type_, XsdUnion):
        return _union(type_)
    name = (type_.name or "").removeprefix(_XS)
    if (type_.name or "").startswith(_XS) or type_.base_type is None:
        if name in _INTEGERS:
            low, high = _INTEGERS[name]
            return Value("integer", None if low is None else str(low), None if high is None else str(high))
        return _with_white_space(Value(name or "anySimpleType"))
    base = type_.base_type
    if not isinstance(base, XsdSimpleType):  # a complex type with simple content
        if not isinstance(base.content, XsdSimpleType):
            return Value("anySimpleType")
        base = base.content
    found = of(base)
    for element in _restriction(type_.elem):
        found = _narrowed(found, element)
    steps = [str(f.get("value")) for f in _restriction(type_.elem) if f.tag == _XS + "pattern"]
    if steps and (step := "|".join(dict.fromkeys(steps))) not in found.patterns:
        found = replace(found, patterns=tuple(sorted((*found.patterns, step))))
    values = tuple(str(f.get("value")) for f in _restriction(type_.elem) if f.tag == _XS + "enumeration")
    return replace(found, values=values) if values else found


def _union(type_: XsdUnion) -> Value:
    """Its members without those that say what another says; all that are lists of values of one base are one."""
    members: list[Value] = []
    for given in map(of, type_.member_types):
        plain = given.base == "union" and given == Value("union", parts=given.parts)
        for member in given.parts if plain else (given,):
            if not any(member.same(known) for known in members):
                members.append(member)
    listed = [member for member in members if member.values is not None]
    for base in dict.fromkeys((member.base, member.white_space) for member in listed):
        ours = [member for member in listed if (member.base, member.white_space) == base]
        if len(ours) > 1 and not any(member.parts for member in ours):
            every = tuple(value for member in ours for value in member.listed or ())
            members = [member for member in members if member not in ours]
            members.append(Value(base[0], values=tuple(dict.fromkeys(every)), white_space=base[1]))
    return members[0] if len(members) == 1 else Value("union", parts=tuple(members))


def _with_white_space(value: Value) -> Value:
    """`normalizedString` and `token` are strings whose white space is brought into order before they are looked at."""
    way = {"normalizedString": "replace", "token": "collapse"}.get(value.base)
    return value if way is None else replace(value, base="string", white_space=way)


def _restriction(element: Element | None) -> list[Element]:
    """The facets as written."""
    if element is None:
        return []
    if element.tag == _XS + "complexType":
        element = next(element.iter(_XS + "restriction"), None)
    elif element.tag != _XS + "restriction":
        element = element.find(_XS + "restriction")
    return [] if element is None else list(element)


def _narrowed(value: Value, facet: Element) -> Value:
    text = str(facet.get("value"))
    integer = value.base == "integer"
    match facet.tag.removeprefix(_XS):
        case "minInclusive":
            return replace(value, low=_number(text, value), above=False)
        case "maxInclusive":
            return replace(value, high=_number(text, value), below=False)
        case "minExclusive":
            return replace(value, low=str(int(text) + 1)) if integer else replace(value, low=text, above=True)
        case "maxExclusive":
            return replace(value, high=str(int(text) - 1)) if integer else replace(value, high=text, below=True)
        case "length":
            return replace(value, min_length=int(text), max_length=int(text))
        case "minLength":
            return replace(value, min_length=int(text))
        case "maxLength":
            return replace(value, max_length=int(text))
        case "totalDigits":
            return replace(value, digits=int(text))
        case "fractionDigits":
            return replace(value, decimals=int(text))
        case "whiteSpace" if value.base == "string":
            return replace(value, white_space="" if text == "preserve" else text)
    return value


def _number(text: str, value: Value) -> str:
    """One text for one number."""
    try:
        if value.base == "integer":
            return str(int(text))
        if value.base == "decimal":
            return f"{Decimal(text).normalize():f}"
    except (ValueError, InvalidOperation):
        pass
    return text


def _alike(old: Value, new: Value) -> bool:
    mine, theirs = set(old.patterns) - set(new.patterns), set(new.patterns) - set(old.patterns)
    return len(mine) == len(theirs) == 1 and pattern.same(*mine, *theirs)


def _text(most: int | None) -> str:
    return "n" if most is None else str(most)


def _set(values: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _list(values: tuple[str, ...] | None) -> list[str] | None:
    return None if values is None else list(values)
