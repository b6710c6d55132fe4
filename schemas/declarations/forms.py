"""All forms there are, and the release that a message names."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lxml import etree

from schemas.declarations.form import DESCRIPTOR, Form, FormError, Release
from schemas.declarations.quarter import Quarter
from schemas.declarations.stream import MAX_RECORD, Stream
from schemas.folders import Change, Folders
from schemas.parser import MAX_ONLINE, Malformed, parse, read_slowly
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
            raise FormError("the root element is that of no known form; add the form's folder")
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


def checked(forms: Forms, chunks: Iterable[bytes], quarter: Quarter | None = None) -> Iterator[Violation]:
    """What breaks its schema in a declaration of any size, as it is read, in the memory of one record.

    Raises `Malformed`, `FormError`, `GrammarError` and `StreamError`.
    """
    read, since = 0, 0

    def counted() -> Iterator[bytes]:
        nonlocal read
        for chunk in chunks:
            read += len(chunk)
            yield chunk

    stream: Stream | None = None
    root: etree._Element | None = None
    for root in read_slowly(counted()):
        if stream is None:
            stream = Stream(forms.release_of(root, quarter), root)
        before = next(iter(root), None)
        yield from stream.take(root)
        if next(iter(root), None) is not before:
            since = read
        if read - since > MAX_RECORD:
            raise Malformed("CRB00001", (("limit", f"{MAX_RECORD} bytes a record"),))
    if stream is not None and root is not None:
        yield from stream.end(root)


def _read(folder: Path) -> Form:
    # What ships is known to compile, and is compiled when it is first used: all of it takes seconds.
    return Form.read(folder) if folder.parent == shipped() else Form.compiled(folder)
