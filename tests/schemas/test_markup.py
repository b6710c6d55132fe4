"""Tags and their offsets, held against two other readers of XML."""

import pyexpat

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.markup import bears_doctype, spans, tags
from tests.schemas.documents import documents


@given(documents())
def test_every_tag_begins_where_expat_finds_it(body: bytes) -> None:
    found: list[tuple[int, str]] = []
    reader = pyexpat.ParserCreate()
    reader.StartElementHandler = lambda name, _: found.append((reader.CurrentByteIndex, name))
    reader.Parse(body, True)
    assert [(tag.begin, tag.name.decode()) for tag in tags(body) if tag.opens] == found


@given(documents())
def test_spans_are_the_elements_of_the_tree_by_their_own_bytes(body: bytes) -> None:
    root = etree.fromstring(body)
    expected = [etree.QName(element).localname for _, element in etree.iterwalk(root, events=("end",), tag="*")]
    found = list(spans(body))
    assert [span.start.local.decode() for span in found] == expected
    for span in found:
        assert body[span.begin : span.begin + 1] == b"<"
        assert body[span.end - 1 : span.end] == b">"
        assert span.close == span.end or body[span.close : span.close + 2] == b"</"


@given(documents())
def test_the_default_namespace_is_that_of_the_unprefixed_names(body: bytes) -> None:
    root = etree.fromstring(body)
    elements = [element for _, element in etree.iterwalk(root, events=("end",), tag="*")]
    for span, element in zip(spans(body), elements, strict=True):
        if not span.start.prefix:
            assert span.within.decode() == (etree.QName(element).namespace or "")


@given(st.binary(max_size=200) | st.text(alphabet="<>/!?-[]'\"= aDOCTYPE", max_size=60).map(str.encode))
def test_rubbish_ends(body: bytes) -> None:
    list(tags(body))
    bears_doctype(body)


def test_depth_limits_what_is_given() -> None:
    body = b"<a><b><c><d/></c></b><e/></a>"
    assert [span.path for span in spans(body, depth=1)] == [(b"b",), (b"e",), ()]
