"""All forms there are, and the release that a message names."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lxml import etree

from schemas.declarations.form import DESCRIPTOR, Form, FormError, Release, UnknownForm
from schemas.declarations.quarter import Quarter
from schemas.declarations.stream import MAX_RECORD, Record, Stream, Unchecked
from schemas.folders import Change, Folders
from schemas.parser import MAX_ONLINE, Malformed, Slowly, parse
from schemas.violation import Violation

_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
_NAMED = re.compile(r"(?:.*[/\\])?(?P<form>[^/\\]+)_(?P<quarter>[0-9]{4}[1-4])\.xsd", re.DOTALL)


def shipped() -> Path:
    """The folder of the forms that come with Crossroads."""
    return Path(__file__).parent


class Forms:
    """The forms of some folders, each a folder of form folders, or a form folder itself; later ones win.

    A folder that is broken is told in `found` and by `refresh`; the other forms live, and so does what it said before.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        """Reads them, and compiles the schemas of those that do not ship."""
        self._folders = Folders(folders, DESCRIPTOR, _read, ("forms", "name"))
        #: what the first look found
        self.found = self.refresh()

    @property
    def forms(self) -> Mapping[str, Form]:
        """By name."""
        return self._folders.found

    def refresh(self) -> tuple[Change, ...]:
        """Looks at the folders again, reads those that changed and tells what is different."""
        changes = self._folders.refresh()
        self._by_root = {release.root: form for form in self.forms.values() for release in form.releases}
        return changes

    @classmethod
    def from_environment(cls) -> "Forms":
        """The shipped forms and the folders that CROSSROADS_FORMS adds (separated as in PATH)."""
        added = os.environ.get("CROSSROADS_FORMS", "").split(os.pathsep)
        return cls((shipped(), *(Path(folder) for folder in added if folder)))

    def knows(self, root: etree._Element) -> bool:
        """Whether some form has this root element."""
        return str(root.tag) in self._by_root

    def release_of(self, root: etree._Element, quarter: Quarter | None = None) -> Release:
        """The release that a message names: the form by its root element, the quarter by the `<Form>_<yyyyq>.xsd` of
        its noNamespaceSchemaLocation (field digest 6.0), else `quarter`, else the latest release.

        A quarter without a release of its own uses the latest before. Raises `FormError`.
        """
        form = self._by_root.get(str(root.tag))
        if form is None:
            raise UnknownForm("the root element is that of no known form; add the form's folder")
        location = root.get(_LOCATION)
        if location is not None:
            named = _NAMED.fullmatch(location.strip())
            if named is None or named["form"] != form.name:
                raise FormError(
                    f"{form.name}: noNamespaceSchemaLocation does not name a release; write {form.name}_<yyyyq>.xsd"
                )
            quarter = Quarter.parse(named["quarter"])
        release = form.releases[-1] if quarter is None else form.release(quarter)
        if release.root != root.tag:
            raise FormError(f"{form.name}: the root element is not that of release {release.valid_from}")
        return release

    def named(self, label: str) -> Release:
        """The release written `Dimona_20231`; where that quarter has none of its own, the latest before.

        Raises `FormError`.
        """
        named = _NAMED.fullmatch(f"{label}.xsd")
        if named is None:
            raise FormError(f"{label}: no release; write it <Form>_<yyyyq>, as in Dimona_20231")
        form = self.forms.get(named["form"])
        if form is None:
            raise FormError(f"{label}: no such form; there are {', '.join(sorted(self.forms))}")
        return form.release(Quarter.parse(named["quarter"]))

    def violations(
        self, body: bytes, quarter: Quarter | None = None, *, limit: int = MAX_ONLINE
    ) -> tuple[Release, tuple[Violation, ...]]:
        """Parses a message and checks it against the release it names. Raises `Malformed` and `FormError`."""
        root = parse(body, limit=limit)
        release = self.release_of(root, quarter)
        return release, release.violations_of(root)


class Records:
    """A declaration of any size, read record by record in the memory of one: `feed` it, then `end` it.

    Each record is held against its schema; without `check` none is, nor is the whole: what is not well-formed is all
    that is refused then. What `feed` and `end` give must be gone through before more is fed; so long the record stands
    in a root like the file's, without its neighbours, and who wants it longer takes it out of there.
    A last record without an element says what is wrong with the whole; there is none if nothing is.
    Both raise `Malformed`, `FormError`, `GrammarError` and `StreamError`.
    """

    def __init__(self, forms: Forms, quarter: Quarter | None = None, *, check: bool = True) -> None:
        self._forms, self._quarter, self._check = forms, quarter, check
        self._reader = Slowly()
        self._stream: Stream | Unchecked | None = None
        #: The release that the root names, once that was read.
        self.release: Release | None = None
        self._read = self._since = 0

    def feed(self, chunk: bytes) -> Iterator[Record]:
        """What is whole now."""
        self._read += len(chunk)
        root = self._reader.feed(chunk)
        if root is None:
            return
        stream = self._of(root)
        before = next(iter(root), None)
        yield from stream.take(root)
        if next(iter(root), None) is not before:
            self._since = self._read
        if self._read - self._since > MAX_RECORD:
            raise Malformed("CRB00001", (("limit", f"{MAX_RECORD} bytes a record"),))

    def end(self) -> Iterator[Record]:
        """The last records, and what is wrong with the whole."""
        root = self._reader.end()
        yield from self._of(root).end(root)

    def _of(self, root: etree._Element) -> "Stream | Unchecked":
        if self._stream is None:
            self.release = self._forms.release_of(root, self._quarter)
            self._stream = Stream(self.release, root) if self._check else Unchecked(root)
        return self._stream


def records(
    forms: Forms, chunks: Iterable[bytes], quarter: Quarter | None = None, *, check: bool = True
) -> Iterator[Record]:
    """The records of a declaration of any size, as it is read. See `Records`."""
    reader = Records(forms, quarter, check=check)
    for chunk in chunks:
        yield from reader.feed(chunk)
    yield from reader.end()


def checked(forms: Forms, chunks: Iterable[bytes], quarter: Quarter | None = None) -> Iterator[Violation]:
    """What breaks its schema in a declaration of any size, as it is read, in the memory of one record.

    Raises `Malformed`, `FormError`, `GrammarError` and `StreamError`.
    """
    for record in records(forms, chunks, quarter):
        yield from record.violations


def _read(folder: Path) -> Form:
    # What ships is known to compile, and is compiled when it is first used: all of it takes seconds.
    return Form.read(folder) if folder.parent == shipped() else Form.compiled(folder)
