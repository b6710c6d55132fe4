"""What may stand in an element, in one form however it was written: groups without need are gone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from xmlschema.validators import XsdAnyElement, XsdComplexType, XsdElement, XsdGroup

from schemas import language
from schemas.language import Expression

Declared = XsdElement | XsdAnyElement


@dataclass(frozen=True)
class Content:
    """An element (`name`), or a group of `parts`; how often it may stand there."""

    #: "element", "sequence", "choice" or "all"
    kind: str
    least: int
    #: None: without limit
    most: int | None
    #: of an element, in Clark notation; of a wildcard, what it lets in
    name: str = ""
    parts: tuple["Content", ...] = ()

    @cached_property
    def expression(self) -> Expression:
        """The sequences of names it permits."""
        inner = [part.expression for part in self.parts]
        match self.kind:
            case "element":
                one = language.one_of([self.name])
            case "choice":
                one = language.choice(inner)
            case "all":
                one = language.interleaved(inner)
            case _:
                one = language.sequence(inner)
        return language.repeat(one, self.least, self.most)

    def elements(self) -> Iterator["Content"]:
        """The elements within, in their order."""
        if self.kind == "element":
            yield self
        for part in self.parts:
            yield from part.elements()

    def without(self, *names: str) -> "Content":
        """The rest when elements of these names are taken out."""
        return self.changed(lambda element: None if element.name in names else element)

    def changed(self, how: Callable[["Content"], "Content | None"]) -> "Content":
        """With each element replaced, or taken out where `how` gives None."""

        def one(part: "Content") -> "Content | None":
            if part.kind == "element":
                return how(part)
            return replace(part, parts=tuple(new for old in part.parts if (new := one(old)) is not None))

        return simple(one(self)) or NOTHING

    def __str__(self) -> str:
        """As in a DTD: `a, b?, (c | d)*, e{2,4}`."""
        often = {(1, 1): "", (0, 1): "?", (0, None): "*", (1, None): "+"}.get((self.least, self.most))
        if often is None:
            often = f"{{{self.least},{'' if self.most is None else self.most}}}"
        if self.kind == "element":
            return self.name.rpartition("}")[2] + often
        separator = {"choice": " | ", "all": " & "}.get(self.kind, ", ")
        return f"({separator.join(map(str, self.parts))}){often}"


NOTHING = Content("sequence", 1, 1)


def of_group(group: XsdGroup) -> tuple[Content, Mapping[str, Declared]]:
    """The content that a group permits, and what is declared by each name in it."""
    declared: dict[str, Declared] = {}
    return simple(_read(group, declared)) or NOTHING, declared


def of_element(element: XsdElement) -> tuple[Content, Mapping[str, Declared]]:
    """The elements that an element permits in it."""
    type_ = element.type
    if isinstance(type_, XsdComplexType) and isinstance(type_.content, XsdGroup):
        return of_group(type_.content)
    return NOTHING, {}


def same(one: Content, other: Content) -> bool:
    """Whether both permit the same sequences of names; where that is too large to decide, whether they are built
    alike."""
    found = language.same(one.expression, other.expression)
    return one == other if found is None else found


def _read(particle: Declared | XsdGroup, declared: dict[str, Declared]) -> Content | None:
    least, most = particle.occurs
    if most == 0:
        return None
    if isinstance(particle, XsdGroup):
        parts = tuple(part for inner in particle if (part := _read(inner, declared)) is not None)
        return Content(particle.model, least, most, parts=parts)
    if isinstance(particle, XsdAnyElement):
        namespaces = " ".join(sorted(particle.namespace)) or "##local"
        name = f"{{{particle.process_contents}: {namespaces}}}*"
        declared[name] = particle
        return Content("element", least, most, name)
    standing = [particle]
    if particle.ref is not None:
        standing = [each for each in (particle, *particle.iter_substitutes()) if not each.abstract]
    for each in standing:
        declared.setdefault(each.name or "", each)
    one = tuple(Content("element", 1, 1, each.name or "") for each in standing)
    return replace(one[0], least=least, most=most) if len(one) == 1 else Content("choice", least, most, parts=one)


def simple(content: Content | None) -> Content | None:
    """The same without groups that say nothing; None: nothing may stand there."""
    if content is None or content.kind == "element":
        return content
    parts: list[Content] = []
    least = content.least
    for given in content.parts:
        part = simple(given)
        if content.kind == "choice" and (part is None or part.least == 0):
            # What may be left out within a choice may be left out as the choice: (a? | b) is (a | b)?.
            least = 0
            part = None if part is None else replace(part, least=1)
        if part is None:
            continue
        if part.kind == content.kind and content.kind != "all" and (part.least, part.most) == (1, 1):
            parts += part.parts
        else:
            parts.append(part)
    if not parts:
        return None
    if content.kind == "sequence":
        parts = _joined(parts)
    if len(parts) == 1:
        [part] = parts
        most = content.most
        if (least, most) == (1, 1):
            return part
        if (part.least, part.most) == (1, 1):
            return replace(part, least=least, most=most)
        if most == 1 and part.least <= 1:
            return replace(part, least=0)
    if content.kind != "sequence":
        parts.sort(key=lambda part: (next(part.elements()).name, str(part)))
    return replace(content, least=least, parts=tuple(parts))


def _joined(parts: list[Content]) -> list[Content]:
    """Neighbours that are the same element, as one: `a, a?` is `a{1,2}`."""
    found = parts[:1]
    for before, part in pairwise(parts):
        if part.kind != "element" or before.kind != "element" or part.name != before.name:
            found.append(part)
            continue
        last = found[-1]
        most = None if last.most is None or part.most is None else last.most + part.most
        found[-1] = replace(last, least=last.least + part.least, most=most)
    return found
