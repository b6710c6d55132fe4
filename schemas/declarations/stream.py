"""A file of any size held against its schema record by record, in the memory of one record.

A record is a child of the root: a `Form`. The schema knows it only below its root, so it is put into an empty root of
its own and that is checked. This says of each record what a check of the whole would, where the root's content is a
sequence of elements, or a choice of some that repeats, and no rule ties records together; of a schema that asks more, a
file that is not read at once is refused.

While a file is being read, libxml2 writes to the last child of the root and to the text behind it. Only what stands
before that is taken out of the root, and what is taken out is never put back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from lxml import etree

from schemas import content
from schemas.content import Content
from schemas.declarations.form import Release
from schemas.errors import CrossroadsError
from schemas.violation import Violation, local

MAX_RECORD = 64 * 1_048_576
"""Bytes a record may have."""


class StreamError(CrossroadsError):
    """Messages of this schema cannot be checked record by record; what fits into 1 MiB is checked at once."""


@dataclass(frozen=True, slots=True)
class Record:
    """A child of the root that is whole, or the last word on the whole."""

    #: With the text behind it. None: `violations` are the whole's.
    element: etree._Element | None = field(repr=False)
    #: In the file, from 1.
    line: int
    violations: tuple[Violation, ...] = ()

    def taken(self) -> etree._Element:
        """A root like the file's, with this record alone; it is taken out of where it stands. Not of the whole's."""
        assert self.element is not None  # noqa: S101 - as said
        self.element.tail = None
        root = _empty(cast(etree._Element, self.element.getparent()))
        root.append(self.element)
        return root


class Unchecked:
    """The records of one file, with nothing held against a schema; otherwise as `Stream`."""

    def __init__(self, root: etree._Element) -> None:
        self._shell, self._line, self._text = _empty(root), _line(root), False

    def take(self, root: etree._Element) -> Iterator[Record]:
        """The records that are whole; takes them out of `root`."""
        yield from self._taken(cast(Sequence[etree._Element], root)[:-1])

    def end(self, root: etree._Element) -> Iterator[Record]:
        """The last records, and that text stands beside them where none may; `root` is whole."""
        yield from self._taken(list(root))
        if self._text or (root.text or "").strip():
            path = f"/{local(str(self._shell.tag))}"
            yield Record(None, self._line, (Violation(self._line, path, "text is not expected here"),))

    def _taken(self, records: Sequence[etree._Element]) -> Iterator[Record]:
        for record in records:
            if record.tail is not None:
                self._text = self._text or not record.tail.isspace()
            if isinstance(record, etree._Comment | etree._ProcessingInstruction):
                cast(etree._Element, record.getparent()).remove(record)
                continue
            self._shell.append(record)
            yield Record(record, _line(record))
            if record.getparent() is self._shell:
                self._shell.remove(record)


class Stream:
    """The check of one file. Give it the root each time some more of it has been read, then `end`."""

    def __init__(self, release: Release, root: etree._Element) -> None:
        """`root` needs its attributes only. Raises `StreamError`."""
        self._grammar = release.grammar
        self._content = _root_content(release)
        self._repeated = {e.name for e in self._content.elements() if e.most != 1 or self._content.kind == "choice"}
        self._most = {e.name: e.most for e in self._content.elements()} if self._content.kind != "choice" else {}
        self._shell = _empty(root)
        self._line = _line(root)
        #: whether text stands between the records
        self._text = False
        #: by name, what must go when the next record of this name comes
        self._before: dict[str, tuple[etree._Element, ...]] = {}
        self._counts: dict[str, int] = {}
        #: whether the record that was told of last may not stand where it does
        self._unexpected = False

    def take(self, root: etree._Element) -> Iterator[Record]:
        """The records that are whole, with what is wrong with them; takes them out of `root`."""
        # The last may still be being read, and so may the text behind it.
        yield from self._judged(cast(Sequence[etree._Element], root)[:-1])

    def end(self, root: etree._Element) -> Iterator[Record]:
        """The last records, and what is wrong with the whole; `root` is whole."""
        yield from self._judged(list(root))
        if self._text or (root.text or "").strip():
            self._shell.text = "text"
        if any(self._counts.values()):
            found = self._grammar.violations_of(self._shell)
        else:
            found = self._grammar.violations_of(root)
        of_whole = tuple(replace(one, line=self._line) for one in found if one.path.count("/") == 1)
        if of_whole:
            yield Record(None, self._line, of_whole)

    def _judged(self, records: Sequence[etree._Element]) -> Iterator[Record]:
        for record in records:
            wrong = self._wrong(record)
            if isinstance(record, etree._Comment | etree._ProcessingInstruction):
                continue
            self._unexpected = False
            yield Record(record, _line(record), tuple(self._told(record)) if wrong else ())
            there = record.getparent() is self._shell
            # Behind an element that it did not expect libxml2 looks at none: the next record is to be looked at.
            if self._unexpected and there:
                self._shell.remove(record)
            elif not self._unexpected and not there:
                self._stand_in(str(record.tag))

    def _wrong(self, record: etree._Element) -> bool:
        """Puts a record into the shell, its forerunner out; whether anything is wrong then."""
        name = str(record.tag)
        if record.tail is not None:
            self._text = self._text or not record.tail.isspace()
        if isinstance(record, etree._Comment | etree._ProcessingInstruction):
            cast(etree._Element, record.getparent()).remove(record)
            return False
        self._counts[name] = number = self._counts.get(name, 0) + 1
        for earlier in self._before.get(name, ()):
            self._shell.remove(earlier)
        self._shell.append(record)
        if name in self._repeated:
            self._before[name] = (record,)
        most = self._most.get(name)
        return not self._grammar.accepts(self._shell) or (most is not None and number > most)

    def _stand_in(self, name: str) -> None:
        """For a record that somebody took out: what comes next, and the whole, need one there."""
        empty = etree.SubElement(self._shell, name)
        if name in self._before:
            self._before[name] = (empty,)

    def _told(self, record: etree._Element) -> Iterator[Violation]:
        name, own = str(record.tag), self._path(record)
        number, most = self._counts[name], self._most.get(name)
        place = f"/{local(str(self._shell.tag))}/{local(name)}[{number}]"
        if name in self._repeated and most is not None and number > most:
            yield Violation(_line(record), place, f"element '{local(name)}' is not expected here")
        unexpected = False
        for violation in self._grammar.violations_of(self._shell):
            if violation.path == own or violation.path.startswith(own + "/"):
                unexpected = unexpected or (violation.path == own and " expected" in violation.reason)
                # Beyond 65,535 libxml2 knows the lines of text alone, and of elements beside some.
                line = max(violation.line, _line(record))
                yield replace(violation, line=line, path=place + violation.path[len(own) :])
        self._unexpected = name not in self._repeated and unexpected

    def _path(self, record: etree._Element) -> str:
        alike = list(self._shell.iterchildren("{*}" + local(str(record.tag))))
        index = f"[{len(alike)}]" if len(alike) > 1 else ""
        return f"/{local(str(self._shell.tag))}/{local(str(record.tag))}{index}"


def _empty(root: etree._Element) -> etree._Element:
    """An element of this name and with these attributes."""
    attributes = {str(name): str(value) for name, value in root.attrib.items()}
    prefixes = cast(Mapping[str, str], root.nsmap)
    return etree.Element(root.tag, attributes, nsmap=prefixes)


def _line(element: etree._Element) -> int:
    return cast(int, element.sourceline)


def _root_content(release: Release) -> Content:
    grammar, root = release.grammar, release.grammar.element(release.root)
    found = content.NOTHING if root is None else content.of_element(root)[0]
    if grammar.has_ids or (root is not None and root.identities):
        raise StreamError(
            f"{release.form}: its schema asks something of several records together (a key or xs:ID), so that"
            " a file cannot be checked record by record; check one of up to 1 MiB"
        )
    parts = found.parts or (found,)
    # What a wildcard lets in has no name by which its forerunner could be found.
    flat = all(part.kind == "element" and part.least <= 1 and not part.name.endswith("*") for part in parts)
    once = (found.least, found.most) == (1, 1)
    if flat and (
        found.kind == "element"
        or (found.kind == "sequence" and once and len({part.name for part in parts}) == len(parts))
        or (found.kind == "choice" and found.most is None and found.least <= 1 and all(p.most == 1 for p in parts))
    ):
        return found
    raise StreamError(
        f"{release.form}: the root holds more than a sequence of elements, so that a file cannot be checked record by"
        " record; check one of up to 1 MiB"
    )
