"""The one door by which XML comes in.

No DOCTYPE, no entities, no network, nothing but UTF-8, and limits on size, depth, elements and attributes.
The order of the checks is the order of `docs/wire.md`: a body that fails two is told of the earlier one.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from lxml import etree

from schemas.errors import CrossroadsError
from schemas.markup import attribute_count, bears_doctype, tags

MAX_ONLINE = 1_048_576
"""Bytes a body may have on line (1 MiB)."""

MAX_DEPTH = 64
"""Elements within each other, the root included."""

MAX_ELEMENTS = 20_000
"""Elements of a message of `MAX_ONLINE` bytes; one that may be larger may have as many more."""

MAX_ATTRIBUTES = 64
"""Attributes of one element, namespace declarations included."""

MAX_ROOT = 4_096
"""Bytes of the attributes of a root that is read slowly, namespace declarations included: each child that is taken out
is kept below a root like it."""

_DECLARATION = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")

Information = tuple[tuple[str, str], ...]
"""`information` of a fault or status: pairs of fieldName (64 characters at most) and fieldValue (256)."""


class Malformed(CrossroadsError):  # noqa: N818 - what the body is
    """The body is not a message: too large (CRB00001), not UTF-8 (CRB00002), not well-formed (CRB00003), or bearing a
    DOCTYPE or beyond a limit (CRB00004). Send it again as UTF-8 XML without DOCTYPE, within the limits of docs/wire.md.

    `information` says where or which limit, never what stands there.
    """

    def __init__(self, code: str, information: Information = ()) -> None:
        told = ", ".join(f"{name} {value}" for name, value in information)
        super().__init__(f"{code} ({told})" if told else code)
        self.code = code
        self.information = information


SETTINGS: Mapping[str, Any] = {
    "encoding": "utf-8",
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "attribute_defaults": False,
    "huge_tree": False,
    "collect_ids": False,
    "recover": False,
}
"""Of lxml's parsers here."""

_PARSER = etree.XMLParser(**SETTINGS)


def parse(body: bytes, *, limit: int = MAX_ONLINE) -> etree._Element:
    """The root element of `body`, at most `limit` bytes. Raises `Malformed` with the earliest code that holds."""
    elements = max(MAX_ELEMENTS, MAX_ELEMENTS * limit // MAX_ONLINE)
    if len(body) > limit:
        raise Malformed("CRB00001", (("bytes", str(len(body))), ("limit", str(limit))))
    _check_encoding(body)
    if bears_doctype(body):
        raise Malformed("CRB00004", (("forbidden", "DOCTYPE"),))
    # Cheap upper bounds first: 100,000 attributes would cost libxml2 40 ms before anyone could count them.
    if body.count(b"<") > elements or _may_have_too_many_attributes(body):
        _check_limits(body, elements)
    if b"\0" in body:
        raise Malformed("CRB00003", (("forbidden", "NUL character"),))
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        _check_limits(body, elements)
        line, column = error.position
        raise Malformed("CRB00003", (("line", str(line)), ("column", str(column)))) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Malformed("CRB00004", (("forbidden", "DOCTYPE"),))
    if _TOO_DEEP(root):
        raise Malformed("CRB00004", (("limit", f"depth {MAX_DEPTH}"),))
    return root


class Slowly:
    """Reads a document that is too large to be held whole.

    All children of its root but the last are whole at any time and may be taken out; what stays in is held in memory.
    Raises `Malformed` as `parse` does, save for the limits on size and on attributes, of which only the root's are
    limited (`MAX_ROOT`), and on depth, which is libxml2's own (256).
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._parser = etree.XMLPullParser(events=("start",), **SETTINGS)
        self._root: etree._Element | None = None
        self._head = b""

    def feed(self, chunk: bytes) -> etree._Element | None:
        """Read on; the root, with its attributes, or None while its start tag is not there."""
        if self._root is None:
            self._head += chunk
            _check_encoding(self._head, whole=False)
        if b"\0" in chunk:
            raise Malformed("CRB00003", (("forbidden", "NUL character"),))
        try:
            self._decoder.decode(chunk)
        except UnicodeDecodeError:
            raise Malformed("CRB00002", (("expected", "UTF-8"),)) from None
        with _told():
            if self._root is not None:
                self._parser.feed(chunk)
            elif not self._begun():
                return None
            for _ in self._parser.read_events():
                pass
        return self._root

    def end(self) -> etree._Element:
        """There is no more: the whole root."""
        with _told():
            if self._root is None:
                self._parser.feed(self._head or b" ")
            return self._parser.close()

    def _begun(self) -> bool:
        """Whether the root is there now."""
        if bears_doctype(self._head):
            raise Malformed("CRB00004", (("forbidden", "DOCTYPE"),))
        root = _root_of(self._head)
        if root is None:
            if len(self._head) > MAX_ONLINE:
                raise Malformed("CRB00004", (("limit", f"{MAX_ONLINE} bytes up to the root's start tag"),))
            return False
        # From here on only the start of the root is told: an event an element costs as much as to read it.
        self._parser = etree.XMLPullParser(events=("start",), tag=root.tag, **SETTINGS)
        self._parser.feed(self._head)
        self._root = cast(etree._Element, next(element for _, element in self._parser.read_events()))
        if _size_of_attributes(self._root) > MAX_ROOT:
            raise Malformed("CRB00004", (("limit", f"{MAX_ROOT} bytes of attributes of the root"),))
        self._head = b""
        return True


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise Malformed("CRB00003", (("line", str(line)), ("column", str(column)))) from None


def _root_of(head: bytes) -> etree._Element | None:
    """The root, as far as its start tag; None: that is not there yet."""
    parser = etree.XMLPullParser(events=("start",), **SETTINGS)
    parser.feed(head)
    return cast(etree._Element | None, next((element for _, element in parser.read_events()), None))


def _size_of_attributes(root: etree._Element) -> int:
    said = [*root.attrib.items(), *((name or "", uri) for name, uri in root.nsmap.items())]
    return sum(len(str(name)) + len(str(value)) for name, value in said)


def _check_encoding(body: bytes, *, whole: bool = True) -> None:
    # UTF-16 and UTF-32 without a byte order mark are valid UTF-8 full of NUL characters.
    if b"\0" in body[:2]:
        raise Malformed("CRB00002", (("expected", "UTF-8"),))
    try:
        if whole:
            body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("CRB00002", (("expected", "UTF-8"), ("byte", str(error.start)))) from None
    declaration = _DECLARATION.match(body, len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0)
    if declaration is not None and (declaration[1] or declaration[2] or b"").lower() != b"utf-8":
        raise Malformed("CRB00002", (("expected", "UTF-8"), ("place", "XML declaration")))


def _may_have_too_many_attributes(body: bytes) -> bool:
    # No attribute's value may hold a <, so that each tag lies within one piece.
    return body.count(b"=") > MAX_ATTRIBUTES and any(piece.count(b"=") > MAX_ATTRIBUTES for piece in body.split(b"<"))


def _check_limits(body: bytes, most: int) -> None:
    """Counts in the bytes, so that it holds for bodies that are not well-formed too, up to where they break."""
    depth = elements = 0
    for tag in tags(body):
        if tag.opens:
            elements += 1
            depth += 1
            if elements > most:
                raise Malformed("CRB00004", (("limit", f"elements {most}"),))
            if depth > MAX_DEPTH:
                raise Malformed("CRB00004", (("limit", f"depth {MAX_DEPTH}"),))
            if tag.attributes.count(b"=") > MAX_ATTRIBUTES and attribute_count(tag) > MAX_ATTRIBUTES:
                raise Malformed("CRB00004", (("limit", f"attributes {MAX_ATTRIBUTES}"),))
        if tag.closes:
            depth -= 1
