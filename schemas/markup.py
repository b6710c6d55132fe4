"""Where the tags of a message stand, in bytes.

What is changed in a message on its way is changed in its bytes (`schemas.splice`), and how deep or how large a message
is must be told even when it is not well-formed (`schemas.parser`): both need tags with byte offsets, which lxml does
not give. expat does, but it knows only the names of XML 1.0's fourth edition and so refuses messages that libxml2 has
accepted; a DOCTYPE-free UTF-8 document has few enough kinds of markup to be cut into tags by one regular expression.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Possessive quantifiers: a tag that is never closed is given up after one pass over the bytes.
_MARKUP = re.compile(
    rb"<(?:!--.*?-->|!\[CDATA\[.*?\]\]>|\?.*?\?>"
    rb"|/(?P<end>[^\s<>\"'/=]++)\s*+>"
    rb"|(?P<start>[^\s<>\"'/=!?]++)(?P<attributes>(?:[^\"'<>]++|\"[^\"<]*+\"|'[^'<]*+')*+)(?P<whole>>)?+"
    rb"|(?P<broken>))",
    re.DOTALL,
)
_DOCTYPE = re.compile(
    rb"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)|(?P<doctype><!(?i:DOCTYPE))", re.DOTALL
)
_ANY_DOCTYPE = re.compile(rb"<!(?i:DOCTYPE)")
_ATTRIBUTE = re.compile(rb"([^\s=]++)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_QUOTED = re.compile(rb"\"[^\"]*+\"|'[^']*+'")


class Tag(NamedTuple):
    """One tag. `opens` and `closes` are both true of `<a/>`; the name is as written, with its prefix."""

    begin: int
    end: int
    name: bytes
    attributes: bytes
    opens: bool
    closes: bool

    @property
    def local(self) -> bytes:
        return self.name.rpartition(b":")[2]

    @property
    def prefix(self) -> bytes:
        return self.name.rpartition(b":")[0]


def tags(body: bytes) -> Iterator[Tag]:
    """The tags in the order of the bytes; of a body that is not well-formed, those up to the first broken one."""
    for mark in _MARKUP.finditer(body):
        if (name := mark["start"]) is not None:
            attributes: bytes = mark["attributes"]
            empty = attributes.endswith(b"/")
            yield Tag(mark.start(), mark.end(), name, attributes[:-1] if empty else attributes, True, empty)
            if mark["whole"] is None:
                return
        elif (name := mark["end"]) is not None:
            yield Tag(mark.start(), mark.end(), name, b"", False, True)
        elif mark["broken"] is not None:
            return


class Span(NamedTuple):
    """One element. `path` is its local names below the root (empty for the root itself)."""

    path: tuple[bytes, ...]
    start: Tag
    #: where its end tag begins and ends; both the end of the start tag for `<a/>`
    close: int
    end: int
    #: the default namespace around it and within it, as written (no prefix at all: b"")
    around: bytes
    within: bytes

    @property
    def begin(self) -> int:
        return self.start.begin

    @property
    def namespace(self) -> tuple[bytes, bytes]:
        """What tells whether two siblings are in the same namespace: prefix, or the default namespace."""
        return (self.start.prefix, b"" if self.start.prefix else self.within)


def spans(body: bytes, depth: int | None = None) -> Iterator[Span]:
    """The elements of a well-formed body, each when its end is reached; only down to `depth` below the root, if given.

    Reads no further than it is asked to: who stops early pays for the head of a message only.
    """
    around = b""
    names: list[bytes] = []
    open_: list[tuple[Tag, bytes, bytes]] = []
    for tag in tags(body):
        if tag.opens:
            within = around
            if b"xmlns" in tag.attributes:
                within = next((value for name, value in attributes_of(tag) if name == b"xmlns"), around)
            open_.append((tag, around, within))
            names.append(tag.local)
            around = within
        if tag.closes:
            start, around, within = open_.pop()
            if depth is None or len(open_) <= depth:
                yield Span(tuple(names[1:]), start, tag.end if tag.opens else tag.begin, tag.end, around, within)
            names.pop()


def attributes_of(tag: Tag) -> Iterator[tuple[bytes, bytes]]:
    """Names and raw values (references unresolved) of a start tag's attributes, namespace declarations included."""
    for name, double, single in _ATTRIBUTE.findall(tag.attributes):
        yield name, double or single


def attribute_count(tag: Tag) -> int:
    """How many attributes a start tag has, namespace declarations included; linear whatever the tag holds."""
    return _QUOTED.sub(b"", tag.attributes).count(b"=")


def bears_doctype(body: bytes) -> bool:
    """Whether a DOCTYPE stands anywhere outside comments, CDATA sections and processing instructions."""
    if _ANY_DOCTYPE.search(body) is None:
        return False
    return any(mark["doctype"] is not None for mark in _DOCTYPE.finditer(body))
