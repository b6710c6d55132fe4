"""Kinds of broken bodies: no XML, no UTF-8, beyond a limit."""

import codecs
import gzip
import json
import random
from collections.abc import Iterator

from tests.trials.broken.kind import EACH, Clear, Maker, Told, Variant, kind

_MEBIBYTE = 1 << 20
_DECLARED = '<?xml version="1.0" encoding="{}"?>'


def _each(notes_and_bodies: dict[str, bytes]) -> Iterator[Variant]:
    for note, body in notes_and_bodies.items():
        yield Variant(note, body)


@kind("too large", Told("CRB00001"))
def too_large(make: Maker) -> Iterator[Variant]:
    body = make.body()
    least = _MEBIBYTE + 1 - len(body)
    yield Variant("one byte too many", body + b" " * least)
    yield Variant("20 MiB", body + b" " * 20 * _MEBIBYTE)
    yield Variant("a comment", body + b"<!--" + b"x" * _MEBIBYTE + b"-->")
    yield Variant("a text", make.body(context="x" * _MEBIBYTE))
    yield Variant("a name", make.body(more=f"<{'x' * _MEBIBYTE}/>"))
    yield Variant("many persons", make.body(more=f"<ssin>{make.ssin.digits}</ssin>" * 50_000))
    yield Variant("no XML at all", b"x" * (_MEBIBYTE + 1))
    yield Variant("and another charset", "é".encode("latin-1") * (_MEBIBYTE + 1))
    yield Variant("and NUL", bytes(_MEBIBYTE + 1))
    yield Variant("and a DOCTYPE", b"<!DOCTYPE r>" + body + b" " * _MEBIBYTE)
    yield Variant("and too deep", b"<a>" * 400_000)
    yield Variant("and another encoding", body + b" " * _MEBIBYTE, {"content_encoding": "gzip"})
    yield Variant("and an unknown service", body + b" " * _MEBIBYTE, {"message_type": "Nothing/1"})
    for _ in range(4):
        size = make.random.randrange(least, 2 * _MEBIBYTE)
        yield Variant(f"{size} bytes too many", body + b"\n" * size)


@kind("another charset declared", Told("CRB00002"))
def charset_declared(make: Maker) -> Iterator[Variant]:
    for charset in (
        "ISO-8859-1", "iso-8859-15", "windows-1252", "US-ASCII", "UTF-16", "UTF-16LE", "utf-32", "UCS-4", "UTF-7",
        "EBCDIC-CP-US", "Shift_JIS", "GB18030", "KOI8-R", "utf8", "UTF_8", "UTF-8 ", "x-of-our-own", "",
    ):  # fmt: skip
        yield Variant(charset, _DECLARED.format(charset).encode() + make.body())
    single = b"<?xml version='1.0' encoding='latin1' standalone='yes'?>"
    yield Variant("single quotes", single + make.body())
    yield Variant("behind a byte order mark", codecs.BOM_UTF8 + _DECLARED.format("latin1").encode() + make.body())


@kind("bytes that are no UTF-8", Told("CRB00002"))
def other_bytes(make: Maker) -> Iterator[Variant]:
    text = make.request()
    for charset in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        yield Variant(charset, text.encode(charset))
    yield Variant("UTF-16 that says UTF-8", (_DECLARED.format("UTF-8") + text).encode("utf-16"))
    yield Variant("EBCDIC", text.encode("cp500"))
    yield Variant("gzip", gzip.compress(text.encode(), mtime=0))
    for note, raw in {
        "latin-1": b"\xe9",
        "windows-1252": b"\x80",
        "a NUL of two bytes": b"\xc0\x80",
        "a slash of two bytes": b"\xc0\xaf",
        "half a surrogate pair": b"\xed\xa0\x80",
        "a pair of surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
        "half a character": b"\xe2\x82",
        "beyond Unicode": b"\xf4\x90\x80\x80",
        "five bytes": b"\xf8\x88\x80\x80\x80",
        "never a byte of UTF-8": b"\xff",
    }.items():
        yield Variant(note, make.body().replace(b"<criteria>", b"<!--" + raw + b"--><criteria>"))


@kind("another content_encoding", Told("CRB00002"))
def content_encoding(make: Maker) -> Iterator[Variant]:
    for encoding in (
        "gzip", "deflate", "br", "base64", "identity", "binary", "8bit", "utf8", "utf_8", "utf-8 ", " utf-8", "utf-16",
        "iso-8859-1", "us-ascii", "utf-8, gzip", "x" * 255, "\u00e9", make.ssin.digits,
    ):  # fmt: skip
        yield Variant(f"{len(encoding)} characters", make.body(), {"content_encoding": encoding})


@kind("DTD", Told("CRB00004"))
def dtd(make: Maker) -> Iterator[Variant]:
    body = make.body()
    for note, doctype in {
        "bare": "<!DOCTYPE r>",
        "empty subset": "<!DOCTYPE r []>",
        "file": '<!DOCTYPE r SYSTEM "file:///etc/passwd">',
        "http": f'<!DOCTYPE r SYSTEM "http://{make.listener}/x.dtd">',
        "public": f'<!DOCTYPE r PUBLIC "-//X//Y" "http://{make.listener}/x.dtd">',
        "element": "<!DOCTYPE r [<!ELEMENT r ANY>]>",
        "default attribute": '<!DOCTYPE r [<!ATTLIST r a CDATA "b">]>',
        "notation": '<!DOCTYPE r [<!NOTATION n SYSTEM "n">]>',
        "lower case": "<!doctype r>",
        "behind a declaration": '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE r>',
        "behind a comment": "<!-- <a> --><!DOCTYPE r>",
        "behind an instruction": "<?a b?><!DOCTYPE r>",
        "behind white space": "\n\t <!DOCTYPE r>",
        "behind a byte order mark": "\ufeff<!DOCTYPE r>",
        "two": "<!DOCTYPE r><!DOCTYPE r>",
        "never closed": "<!DOCTYPE r [",
    }.items():
        yield Variant(note, doctype.encode() + body)
    yield Variant("within the root", make.edited(("<criteria>", "<!DOCTYPE r><criteria>")))
    yield Variant("and truncated", b"<!DOCTYPE r>" + body[:-20])


@kind("entities", Told("CRB00004"))
def entities(make: Maker) -> Iterator[Variant]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    subsets = {
        "a billion laughs": f'<!ENTITY l0 "ha">{laughs}',
        "a long one, often": f'<!ENTITY l9 "{"a" * 100_000}">',
        "of a file": '<!ENTITY l9 SYSTEM "file:///etc/passwd">',
        "of a device": '<!ENTITY l9 SYSTEM "file:///dev/zero">',
        "of standard input": '<!ENTITY l9 SYSTEM "/dev/stdin">',
        "of the network": f'<!ENTITY l9 SYSTEM "http://{make.listener}/x">',
        "of ftp": f'<!ENTITY l9 SYSTEM "ftp://{make.listener}/x">',
        "of a person": f'<!ENTITY l9 "{make.ssin.digits}">',
        "parameter": f'<!ENTITY % p SYSTEM "http://{make.listener}/x"> %p;',
        "that means itself": '<!ENTITY l9 "&l9;">',
        "of each other": '<!ENTITY l8 "&l9;"><!ENTITY l9 "&l8;">',
        "unparsed": '<!NOTATION n SYSTEM "n"><!ENTITY l9 SYSTEM "x" NDATA n>',
        "public": f'<!ENTITY l9 PUBLIC "-//X//Y" "http://{make.listener}/x">',
        "with markup": '<!ENTITY l9 "&#60;ssin/>">',
    }
    for note, subset in subsets.items():
        for place in ("text", "attribute") if note in ("a billion laughs", "a long one, often") else ("text",):
            ssin = "&l9;" * (1_000 if "often" in note else 1)
            body = make.body(ssin) if place == "text" else make.edited(("<criteria>", f'<criteria a="{ssin}">'))
            yield Variant(f"{note}, {place}", f"<!DOCTYPE r [{subset}]>".encode() + body)


@kind("deep nesting", Told("CRB00004"))
def deep(make: Maker) -> Iterator[Variant]:
    for depth in (65, 66, 100, 1_000, 10_000, 100_000):
        yield Variant(f"{depth} around", b"<a>" * depth + make.body() + b"</a>" * depth)
        yield Variant(f"{depth} never closed", b"<a>" * depth)
    for depth in (63, 200, 5_000):
        yield Variant(f"{depth} within", make.body(more="<a>" * depth + "</a>" * depth))
    yield Variant("with prefixes", b"".join(b'<n%d:a xmlns:n%d="u">' % (n, n) for n in range(70)))
    yield Variant("and broken", b"<a>" * 70 + b"<&>")
    yield Variant("in steps", make.body(more="<a>" * 40 + "<b/></a>" + "<a>" * 60 + "</a>" * 99))


@kind("too many elements", Told("CRB00004"))
def many_elements(make: Maker) -> Iterator[Variant]:
    for count in (20_000, 20_500, 50_000, 200_000):
        yield Variant(f"{count} empty", make.body(more="<a/>" * count))
    for count in (20_000, 40_000, 100_000):
        yield Variant(f"{count} closed", make.body(more="<a></a>" * count))
        yield Variant(f"{count} never closed", make.body(more="<a><b></b>" * count)[:_MEBIBYTE])
    yield Variant("with texts", make.body(more="<a>b</a>" * 30_000))
    yield Variant("with attributes", make.body(more='<a b="c"/>' * 30_000))
    yield Variant("with declarations", make.body(more='<a xmlns="b"/>' * 30_000))
    yield Variant("of another person", make.body(more=f"<ssin>{make.ssin.digits}</ssin>" * 25_000))
    yield Variant("before it breaks", make.body(more="<a/>" * 21_000)[:-8])
    yield Variant("behind the root", make.body() + b"<a/>" * 21_000)


@kind("too many attributes", Told("CRB00004"))
def many_attributes(make: Maker) -> Iterator[Variant]:
    def attributes(count: int, form: str = ' a{}="{}"') -> str:
        return "".join(form.format(n, n) for n in range(count))

    for count in (65, 100, 1_000, 20_000, 60_000):
        yield Variant(f"{count} in criteria", make.edited(("<criteria>", f"<criteria{attributes(count)}>")))
    for count in (65, 5_000):
        yield Variant(f"{count} in the root", make.edited(("<r:request", f"<r:request{attributes(count)}")))
        text = attributes(count, ' xmlns:n{}="u{}"')
        yield Variant(f"{count} declarations", make.edited(("<criteria>", f"<criteria{text}>")))
        text = attributes(count, " a{}='{}'")
        yield Variant(f"{count} in single quotes", make.edited(("<ssin>", f"<ssin{text}>")))
        text = attributes(count, ' \n a{} \t = \r\n "{}"')
        yield Variant(f"{count} with white space", make.edited(("<ssin>", f"<ssin{text}>")))
    text = attributes(65, f' a{{}}="{make.ssin.digits}{{}}"')
    yield Variant("persons", make.edited(("<ssin>", f"<ssin{text}>")))
    text = attributes(65, ' a{}=">{}"')
    yield Variant("with > in them", make.edited(("<ssin>", f"<ssin{text}>")))
    yield Variant("and broken", make.edited(("<ssin>", f"<ssin{attributes(65)}>"))[:-5])
    yield Variant("of an empty element", make.body(more=f"<a{attributes(65)}/>"))


@kind("truncated", Told("CRB00003"))
def truncated(make: Maker) -> Iterator[Variant]:
    body = make.body()
    for place in sorted(make.random.sample(range(1, len(body)), EACH + 2)):
        yield Variant(f"behind byte {place}", body[:place])


@kind("no XML", Told("CRB00003"))
def no_xml(make: Maker) -> Iterator[Variant]:
    person = f"{make.ssin.digits} {make.name}"
    yield from _each(
        {
            "empty": b"",
            "a space": b" ",
            "white space": b"\r\n\t " * 100,
            "a byte order mark": codecs.BOM_UTF8,
            "a declaration alone": b'<?xml version="1.0" encoding="UTF-8"?>',
            "a comment alone": f"<!-- {person} -->".encode(),
            "an instruction alone": f"<?a {person}?>".encode(),
            "text": person.encode(),
            "JSON": json.dumps({"ssin": make.ssin.digits, "name": make.name}).encode(),
            "CSV": f'"{make.ssin.digits}";"{make.name}"\r\n'.encode(),
            "EDIFACT": f"UNB+UNOC:3+{make.ssin.digits}'NAD+{make.name}'".encode(),
            "a bracket": b"<",
            "an ampersand": b"&",
            "brackets": b"<" * 10_000,
            "an end tag": b"</a>",
            "white space before the declaration": b' <?xml version="1.0"?>' + make.body(),
            "text before the root": person.encode() + make.body(),
            "letters beyond the plane": "\U0001f600".encode() * 100,
        }
    )


@kind("characters that XML forbids", Told("CRB00003"))
def forbidden_characters(make: Maker) -> Iterator[Variant]:
    for note, character in {
        "NUL": "\0", "SOH": "\x01", "BEL": "\x07", "VT": "\x0b", "ESC": "\x1b", "US": "\x1f", "FFFE": "\ufffe",
        "FFFF": "\uffff", "NUL referred to": "&#0;", "NUL by hexadecimal": "&#x0;", "VT referred to": "&#11;",
        "a surrogate referred to": "&#xD800;", "beyond Unicode": "&#x110000;", "far beyond": f"&#{'9' * 30};",
    }.items():  # fmt: skip
        yield Variant(f"{note} in the number", make.body(make.ssin.digits[:5] + character + make.ssin.digits[5:]))
    yield Variant("NUL at the end", make.body() + b"\0")
    yield Variant("NUL between tags", make.edited(("<criteria>", "\0<criteria>")))
    yield Variant("NUL in a name", make.edited(("<criteria>", "<crit\0eria>")))
    yield Variant("NUL in an attribute", make.edited(("<criteria>", '<criteria a="\0">')))
    yield Variant("NUL in a comment", make.edited(("<criteria>", "<!--\0--><criteria>")))


@kind("not well-formed", Told("CRB00003"))
def not_well_formed(make: Maker) -> Iterator[Variant]:
    for note, old, new in (
        ("crossed tags", "</ssin></criteria>", "</criteria></ssin>"),
        ("other case", "</ssin>", "</SSIN>"),
        ("never closed", "</ssin>", ""),
        ("closed twice", "</ssin>", "</ssin></ssin>"),
        ("no quotes", "<criteria>", "<criteria a=b>"),
        ("no value", "<criteria>", "<criteria a>"),
        ("twice the attribute", "<criteria>", '<criteria a="1" a="2">'),
        ("< in an attribute", "<criteria>", '<criteria a="<">'),
        ("a bare ampersand", "<ssin>", "<ssin>&"),
        ("an unknown entity", "<ssin>", "<ssin>&nbsp;"),
        ("two hyphens", "<criteria>", "<!-- a -- b --><criteria>"),
        ("an end of CDATA", "<ssin>", "<ssin>]]>"),
        ("CDATA never closed", "<ssin>", "<ssin><![CDATA["),
        ("a comment never closed", "<criteria>", "<!-- <criteria>"),
        ("a declaration in the middle", "<criteria>", '<?xml version="1.0"?><criteria>'),
        ("a name that begins with a digit", "<criteria>", "<1a/><criteria>"),
        ("a prefix that nobody declared", "<criteria>", "<x:a/><criteria>"),
        ("a prefix on an attribute", "<criteria>", '<criteria x:a="1">'),
        ("a space before the name", "<criteria>", "< criteria>"),
    ):
        yield Variant(note, make.edited((old, new)))
    yield Variant("two roots", make.body() + make.body())
    yield Variant("text behind the root", make.body() + make.name.encode())


#: What accidents and attacks are made of.
_SHARDS = (
    b"", b"\0", b"<", b">", b"&", b'"', b"'", b"/", b"]]>", b"<!--", b"-->", b"<![CDATA[", b"<?", b"?>", b"&#0;",
    b"&lt;", b"<a>", b"</a>", b"<a/>", b' xmlns=""', b' xmlns:r="urn:x"', b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf",
    b"\r\n", b"<!DOCTYPE r>", b"9" * 40, b"%s%n", b"' OR 1=1 --", b"${jndi:x}", b"\xe2\x80\xae", b"-1",
)  # fmt: skip


@kind("accidents", Clear())
def accidents(make: Maker) -> Iterator[Variant]:
    """Right requests with a few pieces lost, doubled, exchanged or put in, anywhere."""
    for number in range(60):
        body = make.body(period=("2024-01-01", "2024-12-31"))
        yield Variant(f"number {number}", after_an_accident(body, make.random))


def after_an_accident(whole: bytes, chance: random.Random) -> bytes:
    """Bytes of which a few pieces, one mostly, were lost, doubled, exchanged or put in."""
    body = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 5))):
        begin = chance.randrange(len(body))
        end = min(len(body), begin + chance.choice((0, 0, 1, 3, 20)))
        body[begin:end] = chance.choice((*_SHARDS, bytes(body[begin:end]) * 2, chance.randbytes(2)))
    return bytes(body)
