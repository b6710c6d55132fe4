"""The glossary: what each zone of the declarations is and where it stands, made from the schemas."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xmlschema.validators import XsdElement

from schemas import content
from schemas.content import Content
from schemas.declarations.form import Form, Release
from schemas.declarations.texts import zone_texts
from schemas.difference import often, value_of, zone_of
from schemas.errors import CrossroadsError


class UnknownZone(CrossroadsError):  # noqa: N818 - what the zone is
    """No schema has an element of this zone number."""


@dataclass(frozen=True, slots=True)
class Use:
    """An element of a zone in one release of a form."""

    form: str
    release: str
    path: str
    #: `0..1`, in its group
    occurs: str
    #: "block" where it holds elements
    type: str
    #: length, limits, pattern and values in words; empty: none
    limits: str


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone, or a block of zones (90000 and above), over all forms."""

    number: str
    #: of its elements; most have one
    names: tuple[str, ...]
    uses: tuple[Use, ...]

    @property
    def texts(self) -> Mapping[str, str]:
        """What it means by language; empty where nothing is written."""
        return zone_texts(self.number)

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(use.type for use in self.uses))

    @property
    def limits(self) -> tuple[str, ...]:
        """The different limits it has; more than one where its forms or places differ."""
        return tuple(dict.fromkeys(use.limits for use in self.uses))

    @property
    def differs(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """Type, limits, and the releases that have them, where they are not the same throughout; else empty."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        for use in self.uses:
            found.setdefault((use.type, use.limits), {})[use.release] = None
        return tuple((*facets, tuple(releases)) for facets, releases in found.items()) if len(found) > 1 else ()

    @property
    def row(self) -> dict[str, object]:
        """As JSON tells it."""
        return {
            "zone": self.number,
            "names": list(self.names),
            "texts": dict(self.texts),
            "uses": [
                {name: getattr(use, name) for name in ("form", "release", "path", "occurs", "type", "limits")}
                for use in self.uses
            ],
            "differs": [
                {"type": type_, "limits": limits, "releases": list(releases)}
                for type_, limits, releases in self.differs
            ],
        }


def glossary(forms: Iterable[Form]) -> Mapping[str, Zone]:
    """All zones by number, in their order. Raises `GrammarError`. Compiles all schemas: seconds."""
    names: dict[str, dict[str, None]] = {}
    uses: dict[str, list[Use]] = {}
    for form in sorted(forms, key=lambda form: form.name):
        for release in form.releases:
            for number, name, use in elements(release):
                if number is not None:
                    names.setdefault(number, {})[name] = None
                    uses.setdefault(number, []).append(use)
    return MappingProxyType(
        {number: Zone(number, tuple(names[number]), tuple(uses[number])) for number in sorted(uses)}
    )


def zone(forms: Iterable[Form], number: str) -> Zone:
    """One zone. Raises `UnknownZone` and `GrammarError`."""
    found = glossary(forms).get(number.zfill(5))
    if found is None:
        raise UnknownZone(f"{number}: no schema has a zone of this number; `crossroads schemas glossary` lists them")
    return found


def elements(release: Release) -> Iterator[tuple[str | None, str, Use]]:
    """Zone, name and use of each element of a release, in the schema's order."""
    root = release.grammar.element(release.root)
    if root is not None:
        yield from _below(release, root, "", "1..1", ())


def _below(
    release: Release, element: XsdElement, above: str, occurs: str, inside: tuple[int, ...]
) -> Iterator[tuple[str | None, str, Use]]:
    name = element.local_name or ""
    path = f"{above}/{name}"
    value = value_of(element)
    type_, limits = ("block", "") if value is None else (value.called, value.limits)
    yield zone_of(element), name, Use(release.form, release.label, path, occurs, type_, limits)
    if id(element.type) in inside:
        return
    found, declared = content.of_element(element)
    for part, group in _grouped(found):
        child = declared[part.name]
        if isinstance(child, XsdElement):
            told = often(part) + (f", {group}" if group else "")
            yield from _below(release, child, path, told, (*inside, id(element.type)))


def _grouped(whole: Content, group: str = "") -> Iterator[tuple[Content, str]]:
    if whole.kind == "element":
        yield whole, group
    if whole.kind == "choice":
        group = f"one of {len(whole.parts)}" + ("" if whole.least else " or none")
    elif whole.least == 0 and whole.parts:
        group = "together or not"
    for part in whole.parts:
        yield from _grouped(part, group)
