"""Looking at a service's schema: what stands where, and what may be left out.

Only for when a service or a rule is loaded; nothing here is on a message's way. Paths are local names joined by `/`,
relative to a root element.
"""

from collections.abc import Iterator

from xmlschema.validators import XsdAnyElement, XsdComplexType, XsdElement, XsdGroup, XsdSimpleType

HEAD = ("informationCustomer", "informationCBSS", "legalContext")
"""What every request and response begins with."""


def children(element: XsdElement) -> tuple[str, ...]:
    """Local names of the elements that may stand directly in `element`, in the schema's order."""
    return tuple(
        dict.fromkeys(child.local_name or "" for child in _particles(element) if isinstance(child, XsdElement))
    )


def find(element: XsdElement, path: str) -> XsdElement | None:
    """The first element declared at `path`, or None."""
    return next(iter(_declared(element, path)), None)


def missing_step(element: XsdElement, path: str) -> tuple[str, tuple[str, ...]] | None:
    """The first name of `path` that the schema does not have, and the names that would be right there; None: all are.

    Where anything at all may stand (`xs:any`), no name is missing.
    """
    level = [element]
    for name in path.split("/"):
        if any(_is_open(parent) for parent in level):
            return None
        below = [child for parent in level for child in _named(parent, name)]
        if not below:
            return name, tuple(dict.fromkeys(known for parent in level for known in children(parent)))
        level = below
    return None


def why_not_omit(element: XsdElement, path: str) -> str | None:
    """Why a message could become invalid when every element at `path` is cut out of it; None: it never does.

    Cut is what the path names, at every place where it stands; what contains it stays.
    """
    first = path.split("/")[0]
    if first in (*HEAD, "status", "dataFilters"):
        return f"'{first}' belongs to every answer and is never cut"
    if (missing := missing_step(element, path)) is not None:
        name, known = missing
        return f"the response has no '{name}' there" + (f": there are {', '.join(known)}" if known else "")
    *above, last = path.split("/")
    for parent in _declared(element, "/".join(above)) if above else [element]:
        model = _content(parent)
        if model is not None and not all(_omittable(model, child) for child in _named(parent, last)):
            return f"'{path}' is mandatory in the response's schema"
    return None


def _declared(element: XsdElement, path: str) -> list[XsdElement]:
    level = [element]
    for name in path.split("/"):
        level = [child for parent in level for child in _named(parent, name)]
    return level


def values(element: XsdElement) -> frozenset[str] | None:
    """The values that an element with text may have, where the schema lists them; None: it lists none."""
    kind = element.type if isinstance(element.type, XsdSimpleType) else element.type.content
    listed = kind.enumeration if isinstance(kind, XsdSimpleType) else None
    return frozenset(str(value) for value in listed) if listed is not None else None


def _content(element: XsdElement) -> XsdGroup | None:
    if isinstance(element.type, XsdComplexType) and isinstance(element.type.content, XsdGroup):
        return element.type.content
    return None


def _particles(element: XsdElement) -> Iterator[XsdElement | XsdAnyElement]:
    model = _content(element)
    if model is not None:
        yield from model.iter_elements()


def _named(element: XsdElement, name: str) -> Iterator[XsdElement]:
    return (child for child in _particles(element) if isinstance(child, XsdElement) and child.local_name == name)


def _is_open(element: XsdElement) -> bool:
    return any(isinstance(child, XsdAnyElement) for child in _particles(element)) or element.type.name == (
        "{http://www.w3.org/2001/XMLSchema}anyType"
    )


def _omittable(model: XsdGroup, child: XsdElement) -> bool:
    """Whether content stays valid when the particle `child` is left out wherever it stands."""
    gone: XsdElement | XsdGroup = child
    for group in reversed(_enclosing(model, child)):
        if gone.min_occurs == 0:
            return True
        if group.model == "choice":
            if group.is_emptiable():
                return True
        elif len(group) > 1:
            return False  # its siblings would stand there without it
        gone = group
    return gone.min_occurs == 0


def _enclosing(model: XsdGroup, child: XsdElement) -> list[XsdGroup]:
    """The groups around a particle, the outermost first."""
    for particle in model:
        if particle is child:
            return [model]
        if isinstance(particle, XsdGroup) and (within := _enclosing(particle, child)):
            return [model, *within]
    return []
