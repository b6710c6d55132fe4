"""What changed between two schemas, in what messages may look like: not in how the files are written.

Nothing is said of annotations, of the order of declarations, of named and anonymous types, of groups, references,
includes and derivations that come to the same. An element or attribute that may stand zero times is not there at all:
one that comes to be so is "removed".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from xmlschema.validators import XsdAnyElement, XsdAttribute, XsdComplexType, XsdElement, XsdGroup, XsdSimpleType

from schemas import content, value
from schemas.content import Content, Declared
from schemas.grammar import Grammar
from schemas.value import Told
from schemas.violation import local

Kind = Literal[
    "added",
    "removed",
    "moved",
    "cardinality",
    "type",
    "values",
    "length",
    "pattern",
    "limit",
    "choice",
    "attribute",
]


@dataclass(frozen=True)
class Change:
    """One thing that a message may do differently."""

    change: Kind
    #: element names from the root, `/a/b`, or `/a/b/@name` of an attribute
    path: str
    #: as the element's documentation in the schema says it, five digits; None: it says none
    zone: str | None
    #: what was and what is, in words; of "values" all of them, a list; None: was or is not there
    old: Told
    new: Told
    _declared: Declared | XsdAttribute | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        zone = f" ({self.zone})" if self.zone else ""
        return f"{self.change}: {self.path}{zone}: {self.told}"

    @property
    def told(self) -> str:
        """Old and new in one line; of lists only what is in one and not in the other."""
        old, new = self.old, self.new
        if isinstance(old, list) and isinstance(new, list):
            gone, come = [v for v in old if v not in new], [v for v in new if v not in old]
            return " ".join([*(f"-{v}" for v in gone), *(f"+{v}" for v in come)])
        if old is None and self.change in ("added", "attribute"):
            return str(new)
        if new is None and self.change in ("removed", "attribute"):
            return str(old)
        return f"{_words(old)} -> {_words(new)}"


def differences(old: Grammar, new: Grammar, roots: tuple[str, str] | None = None) -> tuple[Change, ...]:
    """What changed, in the order of the old schema. `roots`: the root element in each (Clark notation); None: those
    that no other element of the main schema contains."""
    comparison = _Comparison()
    found: list[Change] = []
    for one, other in _root_pairs(old, new) if roots is None else [(old.element(roots[0]), new.element(roots[1]))]:
        if one is not None and other is not None:
            found += comparison.elements(one, other).below("/" + (other.local_name or ""))
        elif other is not None:
            found.append(Change("added", f"/{other.local_name}", zone_of(other), None, described(other), other))
        elif one is not None:
            found.append(Change("removed", f"/{one.local_name}", zone_of(one), described(one), None, one))
    return tuple(_moved_elsewhere(found, comparison))


def zone_of(declared: Declared | XsdAttribute | None) -> str | None:
    """The zone or block number that an element's documentation is, or its reference's."""
    for one in (declared, getattr(declared, "ref", None)):
        documentation = one.annotation.documentation if one is not None and one.annotation is not None else ()
        for text in documentation:
            words = (text.text or "").strip()
            if len(words) == 5 and words.isascii() and words.isdecimal():
                return words
    return None


def described(declared: Declared, often: str = "") -> str:
    """An element in words: `0..1, integer, 1..99`."""
    if isinstance(declared, XsdAnyElement):
        return often or "any element"
    inner = value_of(declared)
    return ", ".join(part for part in (often, "elements" if inner is None else str(inner)) if part)


def value_of(declared: XsdElement) -> value.Value | None:
    """What an element's text may be; None: it holds elements."""
    type_ = declared.type
    inner = type_ if isinstance(type_, XsdSimpleType) else type_.content
    return value.of(inner) if isinstance(inner, XsdSimpleType) else None


def often(element: Content) -> str:
    """`0..1`, `1..n`."""
    return f"{element.least}..{'n' if element.most is None else element.most}"


@dataclass(frozen=True)
class _Found:
    """Changes with paths relative to the element that was compared."""

    changes: tuple[Change, ...]

    def below(self, path: str) -> Iterator[Change]:
        for change in self.changes:
            yield replace(change, path=path + change.path)


class _Comparison:
    """Pairs of types are compared once, also where types contain themselves."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], _Found] = {}

    def elements(self, old: Declared, new: Declared) -> _Found:
        """Two elements of one name, how often they may stand aside."""
        if not (isinstance(old, XsdElement) and isinstance(new, XsdElement)):
            return _Found(())
        zone = zone_of(new) or zone_of(old)
        own: list[Change] = []
        if old.nillable is not new.nillable:
            nil = {True: "may be nil", False: "may not be nil"}
            own.append(Change("type", "", zone, nil[old.nillable], nil[new.nillable]))
        if old.fixed != new.fixed:
            own.append(Change("values", "", zone, _fixed(old.fixed), _fixed(new.fixed)))
        if (before := _identities(old)) != (after := _identities(new)):
            own.append(Change("limit", "", zone, before, after))
        key = (id(old.type), id(new.type))
        if key not in self._known:
            self._known[key] = _Found(())  # what a type that contains itself says of itself is said once
            self._known[key] = _Found(tuple(self._types(old.type, new.type)))
        # The zone of the type's own changes is this element's.
        told = (replace(c, zone=zone) if c.path == "" else c for c in self._known[key].changes)
        return _Found((*own, *told))

    def _types(self, old: XsdSimpleType | XsdComplexType, new: XsdSimpleType | XsdComplexType) -> Iterator[Change]:
        if old is new:
            return
        before, after = _kind(old), _kind(new)
        if before != after:
            yield Change("type", "", None, before, after)
            return
        if before == "text":
            yield from _values("", None, value.of(_simple(old)), value.of(_simple(new)))
        yield from self._attributes(old, new)
        if before != "text":
            yield from self._contents(*(_content(type_) for type_ in (old, new)))

    def _attributes(self, old: XsdSimpleType | XsdComplexType, new: XsdSimpleType | XsdComplexType) -> Iterator[Change]:
        before, after = _attributes(old), _attributes(new)
        for name in dict.fromkeys((*before, *after)):
            one, other = before.get(name), after.get(name)
            if one is None or other is None or not one.same(other):
                old_told, new_told = (None if each is None else str(each) for each in (one, other))
                zone = next((zone_of(each.declared) for each in (other, one) if each is not None), None)
                yield Change("attribute", f"/@{local(name)}", zone, old_told, new_told)

    def _contents(
        self, old: tuple[Content, dict[str, Declared]], new: tuple[Content, dict[str, Declared]]
    ) -> Iterator[Change]:
        own = list(_structure(old[0], new[0], _Names(old[1], new[1])))
        for name, declared in old[1].items():
            yield from (c for c in own if c.path == f"/{_name(name)}")
            own = [c for c in own if c.path != f"/{_name(name)}"]
            if (other := new[1].get(name)) is not None:
                yield from self.elements(declared, other).below(f"/{_name(name)}")
        yield from own

    def alike(self, old: Declared, new: Declared) -> bool:
        """Whether two elements are the same but for where and how often they stand."""
        return not self.elements(old, new).changes


# --- what stands in an element --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Names:
    """What the names of both contents are declared as."""

    old: dict[str, Declared]
    new: dict[str, Declared]

    def change(self, kind: Kind, name: str, old: Told, new: Told) -> Change:
        declared = self.old.get(name) if kind == "removed" else self.new.get(name, self.old.get(name))
        return Change(kind, f"/{_name(name)}", zone_of(declared), old, new, declared)


def _structure(old: Content, new: Content, names: _Names) -> Iterator[Change]:
    """Why the sequences of names that two contents permit are not the same, in the fewest words found."""
    if content.same(old, new):
        return
    before, after = _by_name(old), _by_name(new)
    gone, come = [name for name in before if name not in after], [name for name in after if name not in before]
    for name in gone:
        yield names.change("removed", name, described(names.old[name], often(before[name][0])), None)
    for name in come:
        yield names.change("added", name, None, described(names.new[name], often(after[name][0])))
    old, new = old.without(*gone), new.without(*come)
    if content.same(old, new):
        return
    before, after = _by_name(old), _by_name(new)
    counted = new
    for name, stood in before.items():
        stands = after.get(name, [])
        if len(stood) != len(stands) or all(
            (a.least, a.most) == (b.least, b.most) for a, b in zip(stood, stands, strict=True)
        ):
            continue
        put = new.changed(_times(name, stood))
        if not content.same(put, new):
            for a, b in zip(stood, stands, strict=True):
                if (a.least, a.most) != (b.least, b.most):
                    yield names.change("cardinality", name, often(a), often(b))
            counted = counted.changed(_times(name, stood))
    if not content.same(old, counted):
        yield from _arrangement(old, counted, names)


def _arrangement(old: Content, new: Content, names: _Names) -> Iterator[Change]:
    """The same elements, as often, but in other places."""
    alone = [name for name in _out_of_order(old, new) if content.same(old.without(name), new.without(name))]
    in_sequence = [name for name in alone if _around(old, name) == _around(new, name) == "sequence"]
    if in_sequence:
        yield names.change("moved", in_sequence[0], _place(old, in_sequence[0]), _place(new, in_sequence[0]))
        return
    if len(alone) == 1 and not any(_one_of_two(whole, alone[0]) for whole in (old, new)):
        yield names.change("choice", alone[0], _around_told(old, alone[0]), _around_told(new, alone[0]))
        return
    several = [name for name in _out_of_order(old, new, certain=True) if _around(old, name) == _around(new, name)]
    if several and content.same(old.without(*several), new.without(*several)):
        for name in several:
            yield names.change("moved", name, _place(old, name), _place(new, name))
        return
    one, other = _narrowest(old, new)
    yield Change("choice", "", None, str(one), str(other))


def _out_of_order(old: Content, new: Content, *, certain: bool = False) -> list[str]:
    """The names that stand in another order first, then (unless only those that are `certain`) the others."""
    order = list(_by_name(old))
    other = list(_by_name(new))
    kept = _longest_common(order, other)
    moved = [name for name in order if name not in kept]
    return moved if certain else [*moved, *(name for name in order if name in kept)]


def _longest_common(one: Sequence[str], other: Sequence[str]) -> set[str]:
    """Names of a longest common subsequence; each name stands once in either."""
    at = {name: place for place, name in enumerate(other)}
    best: list[list[str]] = []
    for name in one:
        if name in at:
            before: list[str] = []
            for chain in best:
                if at[chain[-1]] < at[name] and len(chain) > len(before):
                    before = chain
            best.append([*before, name])
    longest: list[str] = []
    for chain in best:
        longest = chain if len(chain) > len(longest) else longest
    return set(longest)


def _narrowest(old: Content, new: Content) -> tuple[Content, Content]:
    """The groups within in which alone two contents differ."""
    while (old.kind, old.least, old.most, len(old.parts)) == (new.kind, new.least, new.most, len(new.parts)):
        unlike = [(a, b) for a, b in zip(old.parts, new.parts, strict=True) if a != b]
        if len(unlike) != 1:
            break
        [(old, new)] = unlike
    return old, new


def _around(whole: Content, name: str) -> str:
    """The kinds of the groups around an element, the outermost first, as far as they matter."""
    return " ".join(group.kind for group in _groups(whole, name))


def _one_of_two(whole: Content, name: str) -> bool:
    """Whether without this element there would be no choice around it any more."""
    groups = _groups(whole, name)
    return bool(groups) and groups[-1].kind == "choice" and len(groups[-1].parts) == 2


def _around_told(whole: Content, name: str) -> str:
    groups = _groups(whole, name)
    return f"in {groups[-1]}" if groups and groups[-1].kind == "choice" else _place(whole, name)


def _groups(whole: Content, name: str) -> list[Content]:
    if whole.kind == "element":
        return []
    for part in whole.parts:
        if any(element.name == name for element in part.elements()):
            return [whole, *_groups(part, name)]
    return []


def _place(whole: Content, name: str) -> str:
    order = list(_by_name(whole))
    place = order.index(name)
    return f"after {_name(order[place - 1])}" if place else "first"


def _by_name(whole: Content) -> dict[str, list[Content]]:
    found: dict[str, list[Content]] = {}
    for element in whole.elements():
        found.setdefault(element.name, []).append(element)
    return found


def _times(name: str, stood: Sequence[Content]) -> Callable[[Content], Content]:
    waiting = list(stood)

    def put(element: Content) -> Content:
        return element if element.name != name else replace(element, least=waiting[0].least, most=waiting.pop(0).most)

    return put


def _moved_elsewhere(found: Iterable[Change], comparison: _Comparison) -> Iterator[Change]:
    """An element that is gone from one parent and came, unchanged, to another: moved."""
    changes = list(found)
    gone = [change for change in changes if change.change == "removed"]
    come = [change for change in changes if change.change == "added"]
    pairs: dict[int, Change | None] = {}
    for one in gone:
        alike = [other for other in come if _last(other.path) == _last(one.path)]
        twins = [other for other in gone if _last(other.path) == _last(one.path)]
        if len(alike) == len(twins) == 1 and _unchanged(one, alike[0], comparison):
            moved = Change("moved", alike[0].path, alike[0].zone, one.path, alike[0].path)
            pairs |= {id(one): moved, id(alike[0]): None}
    for change in changes:
        put = pairs.get(id(change), change)
        if put is not None:
            yield put


def _unchanged(one: Change, other: Change, comparison: _Comparison) -> bool:
    old, new = one._declared, other._declared
    if not isinstance(old, XsdElement) or not isinstance(new, XsdElement):
        return False
    return one.old == other.new and comparison.alike(old, new)


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _name(name: str) -> str:
    return local(name)


# --- types ----------------------------------------------------------------------------------------------------------


def _kind(type_: XsdSimpleType | XsdComplexType) -> str:
    if isinstance(type_, XsdSimpleType) or isinstance(type_.content, XsdSimpleType):
        return "text"
    return "elements and text" if type_.mixed else "elements"


def _simple(type_: XsdSimpleType | XsdComplexType) -> XsdSimpleType:
    if isinstance(type_, XsdSimpleType):
        return type_
    if not isinstance(type_.content, XsdSimpleType):
        raise TypeError("a type without text")
    return type_.content


def _content(type_: XsdSimpleType | XsdComplexType) -> tuple[Content, dict[str, Declared]]:
    if isinstance(type_, XsdComplexType) and isinstance(type_.content, XsdGroup):
        found, declared = content.of_group(type_.content)
        return found, dict(declared)
    return content.NOTHING, {}


def _values(path: str, zone: str | None, old: value.Value, new: value.Value) -> Iterator[Change]:
    if not old.alike(new):
        yield Change("type", path, zone, str(old), str(new))
        return
    for facet, before, after in old.differences(new):
        yield Change(facet, path, zone, before, after)


@dataclass(frozen=True)
class _Attribute:
    """An attribute that may stand, or what others may."""

    #: "optional", "required", or of others which and how they are looked at
    use: str
    #: None: anything
    text: value.Value | None = None
    fixed: str | None = None
    declared: XsdAttribute | None = field(default=None, compare=False)

    def same(self, other: "_Attribute") -> bool:
        if self.text is None or other.text is None:
            return self == other
        return (self.use, self.fixed) == (other.use, other.fixed) and self.text.same(other.text)

    def __str__(self) -> str:
        fixed = None if self.fixed is None else f"fixed {self.fixed}"
        return ", ".join(str(part) for part in (self.use, self.text, fixed) if part is not None)


def _attributes(type_: XsdSimpleType | XsdComplexType) -> dict[str, _Attribute]:
    if isinstance(type_, XsdSimpleType):
        return {}
    found: dict[str, _Attribute] = {}
    for name, declared in type_.attributes.items():
        if not isinstance(declared, XsdAttribute):
            found["*"] = _Attribute(f"any, {' '.join(sorted(declared.namespace))}, {declared.process_contents}")
        elif declared.use != "prohibited":
            found[str(name)] = _Attribute(declared.use, value.of(declared.type), declared.fixed, declared)
    return found


def _identities(element: XsdElement) -> str | None:
    """Keys, uniqueness and references in words."""
    told = []
    for identity in element.identities:
        fields = ", ".join(str(each.path) for each in identity.fields)
        selector = identity.selector.path if identity.selector is not None else ""
        told.append(f"{type(identity).__name__.removeprefix('Xsd').lower()} {selector}: {fields}")
    return "; ".join(sorted(told)) or None


def _fixed(text: str | None) -> list[str] | None:
    return None if text is None else [text]


def _words(told: Told) -> str:
    return "any" if told is None else " ".join(told) if isinstance(told, list) else told


# --- roots ----------------------------------------------------------------------------------------------------------


def _root_pairs(old: Grammar, new: Grammar) -> Iterator[tuple[XsdElement | None, XsdElement | None]]:
    names = dict.fromkeys((*_roots(old), *_roots(new)))
    for name in names:
        one, other = (grammar.element(name) if name in grammar.roots else None for grammar in (old, new))
        yield (None if one is None or one.abstract else one), (None if other is None or other.abstract else other)


def _roots(grammar: Grammar) -> list[str]:
    """The main schema's elements that no other element of it contains; all, if each is in another."""
    inside: set[str] = set()
    for name in grammar.roots:
        if (element := grammar.element(name)) is not None:
            inside |= _contained(element) - {name}
    return [name for name in grammar.roots if name not in inside] or list(grammar.roots)


def _contained(element: XsdElement) -> set[str]:
    """The names of the global elements that stand below an element."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting: list[Declared] = [element]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, XsdElement) or id(one.type) in seen:
            continue
        seen.add(id(one.type))
        for child in _content(one.type)[1].values():
            if isinstance(child, XsdElement) and (child.ref is not None or child.parent is None):
                found.add(child.name or "")
            waiting.append(child)
    return found
