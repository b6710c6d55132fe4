"""Random well-formed documents, written as people and tools do: prefixes, default namespaces, CDATA, comments."""

from collections.abc import Callable

from hypothesis import strategies as st

_NAMES = ("a", "b", "c", "informationCBSS", "é", "a-b.c_1")
_PREFIXES = ("", "", "p", "q")
_MISC = (
    b"",
    b"text",
    b"  \r\n\t",
    "é\U0001f600".encode(),
    b"<!-- <a> > ' \" -->",
    b"<![CDATA[<a b='>'>]]>",
    b"<![CDATA[]]]]>",
    b"<?target <a> > ?>",
    b"&lt;a&gt;",
    b"&#x3C;a>",
    b"'\">",
)
_ATTRIBUTES = (b"", b' x="1"', b" y = '>'", b"\n\tz='\"'", b' w="/"', b" v='&lt;/a&gt;'")
_DECLARATIONS = (b"", b"", b' xmlns=""', b' xmlns="urn:d"', b" xmlns = 'urn:e'", b' xmlns:q="urn:q2"')

_head = b' xmlns:p="urn:p" xmlns:q="urn:q"'

misc = st.sampled_from(_MISC)


@st.composite
def element(draw: Callable[[st.SearchStrategy[bytes]], bytes], inner: st.SearchStrategy[bytes]) -> bytes:
    """One element around `inner`, its prefixes declared by the root."""
    prefix = draw(st.sampled_from([prefix.encode() for prefix in _PREFIXES]))
    name = draw(st.sampled_from([name.encode() for name in _NAMES]))
    full = prefix + b":" + name if prefix else name
    declaration = draw(st.sampled_from(_DECLARATIONS))
    attribute = draw(st.sampled_from(_ATTRIBUTES))
    space = draw(st.sampled_from([b"", b" ", b"\n"]))
    content = draw(inner)
    if not content and draw(st.sampled_from([b"", b"/"])):
        return b"<" + full + declaration + attribute + space + b"/>"
    return b"<" + full + declaration + attribute + space + b">" + content + b"</" + full + space + b">"


def contents() -> st.SearchStrategy[bytes]:
    """What may stand within an element."""
    return st.recursive(misc, lambda inner: st.lists(element(inner) | misc, max_size=4).map(b"".join), max_leaves=12)


@st.composite
def documents(draw: Callable[[st.SearchStrategy[bytes]], bytes]) -> bytes:
    """A whole document, with or without byte order mark and declaration."""
    before = draw(st.sampled_from([b"", b"\xef\xbb\xbf", b'<?xml version="1.0" encoding="UTF-8"?>\n', b"<!-- <a> -->"]))
    default = draw(st.sampled_from([b"", b' xmlns="urn:d"']))
    root = draw(st.sampled_from([b"root", b"p:root"]))
    content = draw(contents())
    after = draw(st.sampled_from([b"", b"\n", b"<!-- end -->\n"]))
    return before + b"<" + root + _head + default + b">" + content + b"</" + root + b">" + after
