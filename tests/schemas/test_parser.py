"""Which bodies come in, and by which code the others are refused."""

import contextlib
import time

import pytest
from lxml import etree

from schemas.parser import MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_ONLINE, Malformed, parse


def code_of(body: bytes, **options: int) -> str:
    with pytest.raises(Malformed) as refused:
        parse(body, **options)
    return refused.value.code


def attributes(count: int) -> bytes:
    return b" ".join(b'a%d=""' % number for number in range(count))


@pytest.mark.parametrize(
    "body",
    [
        b"<a/>",
        b"\xef\xbb\xbf<a/>",
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?><a/>',
        b'<?xml version="1.0" encoding="utf-8"?><a/>',
        b"<?xml version='1.0' encoding = 'Utf-8' standalone='yes'?><a/>",
        "<a>é</a>".encode(),
        b"<a><!-- <!DOCTYPE a> --></a>",
        b"<!-- <!DOCTYPE a> --><a/>",
        b"<a><![CDATA[<!DOCTYPE a [<!ENTITY b 'c'>]>]]></a>",
        b"<?p <!DOCTYPE a> ?><a/>",
        b'<a b="encoding=&quot;latin1&quot;"/>',
        b"<a>&#x3C;!DOCTYPE</a>",
        b'<a b=">" c=\'"\'>==========</a>',
        b"<a>" + b"=" * 200 + b"</a>",
        b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH,
        b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>",
        b"<a " + attributes(MAX_ATTRIBUTES) + b"/>",
        b"<a>" + b'<b c="" d=""/>' * 100 + b"</a>",
        "<a><\U00010400/></a>".encode(),
    ],
    ids=range(19),
)
def test_a_message_comes_in(body: bytes) -> None:
    assert etree.QName(parse(body)).localname == "a"


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("one byte too many", b"<a>" + b"x" * (MAX_ONLINE - 6) + b"</a>", "CRB00001"),
        ("20 MiB of nothing", b"\0" * 20 * 1_048_576, "CRB00001"),
        ("Latin-1", "<a>é</a>".encode("latin-1"), "CRB00002"),
        ("Latin-1 declared", b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "CRB00002"),
        ("Latin-1 declared in single quotes", b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "CRB00002"),
        ("Latin-1 declared behind a mark", b'\xef\xbb\xbf<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "CRB00002"),
        ("declared over two lines", b'<?xml version="1.0"\n  encoding\n=\n"windows-1252"?><a/>', "CRB00002"),
        ("UTF-7 declared", b'<?xml version="1.0" encoding="UTF-7"?><a/>', "CRB00002"),
        ("ASCII declared", b'<?xml version="1.0" encoding="US-ASCII"?><a/>', "CRB00002"),
        ("UTF-16 declared, UTF-8 in truth", b'<?xml version="1.0" encoding="UTF-16"?><a/>', "CRB00002"),
        ("UTF-16 with mark", "<a/>".encode("utf-16"), "CRB00002"),
        ("UTF-16 little-endian without mark", "<a/>".encode("utf-16-le"), "CRB00002"),
        ("UTF-16 big-endian without mark", "<a/>".encode("utf-16-be"), "CRB00002"),
        ("UTF-32", "<a/>".encode("utf-32"), "CRB00002"),
        ("overlong UTF-8", b"<a>\xc0\xbc</a>", "CRB00002"),
        ("surrogate in UTF-8", b"<a>\xed\xa0\x80</a>", "CRB00002"),
        ("cut within a character", "<a>é".encode()[:-1], "CRB00002"),
        ("compressed", b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "CRB00002"),
        ("DOCTYPE", b"<!DOCTYPE a><a/>", "CRB00004"),
        ("DOCTYPE in small letters", b"<!doctype a><a/>", "CRB00004"),
        ("DOCTYPE in the wrong place", b"<a><!DOCTYPE a></a>", "CRB00004"),
        ("DOCTYPE behind a comment", b"<!-- x --><!DOCTYPE a><a/>", "CRB00004"),
        ("DOCTYPE in a body not well-formed", b"<!DOCTYPE a><a>", "CRB00004"),
        ("DOCTYPE behind what is not well-formed", b"<a <<<!DOCTYPE a>", "CRB00004"),
        ("DOCTYPE cut off", b"<!DOCTYPE a [<!ENTITY b", "CRB00004"),
        ("external entity", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>', "CRB00004"),
        ("parameter entity", b'<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1:9/">%b;]><a/>', "CRB00004"),
        (
            "bomb",
            b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;">]><a>&d;</a>',
            "CRB00004",
        ),
        ("too deep", b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1), "CRB00004"),
        ("far too deep", b"<a>" * 100_000 + b"</a>" * 100_000, "CRB00004"),
        ("too deep and never closed", b"<a>" * 70, "CRB00004"),
        ("too many elements", b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>", "CRB00004"),
        ("too many elements, not closed", b"<a>" + b"<b/>" * MAX_ELEMENTS, "CRB00004"),
        ("too many attributes", b"<a " + attributes(MAX_ATTRIBUTES + 1) + b"/>", "CRB00004"),
        ("far too many attributes", b"<a " + attributes(90_000) + b"/>", "CRB00004"),
        ("too many attributes, twice the same", b'<a b="" b="" ' + attributes(64) + b"/>", "CRB00004"),
        ("too many attributes, not closed", b"<a " + attributes(65), "CRB00004"),
        ("too many namespaces", b"<a " + b" ".join(b'xmlns:n%d="u"' % n for n in range(65)) + b"/>", "CRB00004"),
        ("nothing", b"", "CRB00003"),
        ("white space", b" \n ", "CRB00003"),
        ("text", b"hello", "CRB00003"),
        ("JSON", b'{"ssin": "x"}', "CRB00003"),
        ("cut off", b"<a><b>c</b>", "CRB00003"),
        ("cut off within a tag", b"<a><b c='", "CRB00003"),
        ("crossed", b"<a><b></a></b>", "CRB00003"),
        ("two roots", b"<a/><a/>", "CRB00003"),
        ("something behind", b"<a/>x", "CRB00003"),
        ("unknown entity", b"<a>&b;</a>", "CRB00003"),
        ("unknown prefix", b"<b:a/>", "CRB00003"),
        ("an attribute twice", b'<a b="" b=""/>', "CRB00003"),
        ("NUL within", b"<a>\0</a>", "CRB00003"),
        ("NUL behind", b"<a/>\0", "CRB00003"),
        ("a character that XML forbids", b"<a>\x01</a>", "CRB00003"),
        ("a forbidden reference", b"<a>&#0;</a>", "CRB00003"),
        ("DOCTYPE in a comment never closed", b"<a><!-- <!DOCTYPE a>", "CRB00003"),
        ("declaration not first", b' <?xml version="1.0" encoding="UTF-8"?><a/>', "CRB00003"),
    ],
    ids=lambda value: value if isinstance(value, str) and not value.startswith("CRB") else "",
)
def test_a_body_is_refused_by_its_earliest_code(kind: str, body: bytes, code: str) -> None:
    assert code_of(body) == code


def test_too_large_comes_before_any_look_at_the_bytes() -> None:
    assert code_of(b"\xff\xff<!DOCTYPE a>", limit=5) == "CRB00001"


def test_wrong_encoding_comes_before_doctype_and_form() -> None:
    assert code_of(b"<!DOCTYPE a><a>\xff") == "CRB00002"


def test_who_reads_a_collected_answer_may_allow_more() -> None:
    body = b"<a>" + b"x" * MAX_ONLINE + b"</a>"
    assert parse(body, limit=2 * MAX_ONLINE).tag == "a"
    many = b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>"
    assert parse(many, limit=2 * MAX_ONLINE).tag == "a"
    assert code_of(many) == "CRB00004"


def test_a_refusal_says_where_and_never_what() -> None:
    with pytest.raises(Malformed) as refused:
        parse(b"<a>\n<secret>85073003328</secrets></a>")
    assert refused.value.information == (("line", "2"), ("column", "30"))
    assert "85073003328" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        b'<a "' * (MAX_ONLINE // 4),
        b"<a b='" * (MAX_ONLINE // 6),
        b"<!--" * (MAX_ONLINE // 4),
        b"<![CDATA[" * (MAX_ONLINE // 9),
        b"<?" * (MAX_ONLINE // 2),
        b"<a " + b"=" * (MAX_ONLINE - 10),
        b"<a " + b"a" * (MAX_ONLINE // 2) + b"= " * 100,
        b"<a " + b"a='' " * (MAX_ONLINE // 6),
        b"<" * MAX_ONLINE,
        b"<!" * (MAX_ONLINE // 2),
        b"</" * (MAX_ONLINE // 2),
        b"<!DOCTYP" * (MAX_ONLINE // 8),
        b"<a b='" + b"&#x41;" * (MAX_ONLINE // 6 - 2) + b"'/>",
    ],
    ids=range(13),
)
def test_no_body_within_the_limit_takes_long(body: bytes) -> None:
    begin = time.process_time()
    with contextlib.suppress(Malformed):
        parse(body)
    assert time.process_time() - begin < 1.0
