"""What breaks the schema in a form of many mebibytes, in time that grows with its bytes.

To say where one error is takes libxml2 as long as there are siblings, and it says so of all of them: of 30,000 persons
with a few errors each it takes minutes.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from lxml import etree

from schemas.declarations.form import Release
from schemas.violation import Violation, local

#: Errors whose places are looked for in the whole form.
FEW = 100
#: Where there are more: elements of one name that are looked at below each parent, so many of them first.
SIBLINGS = 500
#: Of one parent, more than any form needs that is right.
_CROWD = 100_000


def violations_of(release: Release, root: etree._Element, body: bytes) -> tuple[Violation, ...]:
    """As `release.violations_of`; `body` is `root` as bytes. Of a form that breaks its schema in very many places those
    among the first elements of each kind are told; where none is there, one, without its place."""
    broken = release.grammar.count_violations(body)
    if not broken:
        return ()
    if broken <= FEW and not root.xpath(f"boolean(//*[count(*) > {_CROWD}])"):
        return release.violations_of(root)
    with _cut(root):
        found = release.violations_of(root)
    if found:
        return found
    return (Violation(cast(int, root.sourceline), f"/{local(str(root.tag))}", "it breaks its schema in many places"),)


@contextmanager
def _cut(root: etree._Element) -> Iterator[None]:
    """Meanwhile `root` has of each parent's children only the first of each name."""
    parents = cast(list[etree._Element], root.xpath(f"//*[count(*) > {SIBLINGS}]"))
    before = [(parent, list(parent)) for parent in parents]
    for parent, children in before:
        seen = Counter[object]()
        for child in children:
            seen[child.tag] += 1
            if seen[child.tag] > SIBLINGS:
                parent.remove(child)
    try:
        yield
    finally:
        for parent, children in before:
            parent[:] = children
