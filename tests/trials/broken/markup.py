"""Kinds of well-formed requests whose markup means more than it says: it reaches out, or hides."""

from collections.abc import Iterator

from tests.hub.services import namespace
from tests.hub.star import CONTEXT
from tests.trials.broken.kind import DATA_FOUND, Maker, Told, Variant, kind

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XINCLUDE = "http://www.w3.org/2001/XInclude"


@kind("XInclude", Told("MSG00008"))
def xinclude(make: Maker) -> Iterator[Variant]:
    for href in (
        "file:///etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "../service.toml", "", "Probe.xsd",
        f"http://{make.listener}/x", f"https://{make.listener}/x", f"ftp://{make.listener}/x", f"//{make.listener}/x",
    ):  # fmt: skip
        for parse in ("xml", "text"):
            include = f'<xi:include xmlns:xi="{_XINCLUDE}" href="{href}" parse="{parse}"/>'
            place = ("<ssin>", f"<ssin>{include}") if parse == "text" else ("<criteria>", f"<criteria>{include}")
            yield Variant(f"{len(href)} characters as {parse}", make.edited(place))


@kind("nil", Told("MSG00008"))
def nil(make: Maker) -> Iterator[Variant]:
    xsi = f' xmlns:xsi="{_XSI}"'
    names = ("informationCustomer", "customerIdentification", "legalContext", "criteria", "ssin", "ticket", "sector")
    for name in names:
        for value in ("true", "1"):
            yield Variant(f"{name} {value}", make.edited((f"<{name}>", f'<{name}{xsi} xsi:nil="{value}">')))
    number = f"<ssin>{make.ssin.digits}</ssin>"
    yield Variant("empty", make.edited((number, f'<ssin{xsi} xsi:nil="true"/>')))
    yield Variant("no boolean", make.edited(("<ssin>", f'<ssin{xsi} xsi:nil="{make.name}">')))


@kind("another type", Told("MSG00008"))
def another_type(make: Maker) -> Iterator[Variant]:
    declared = f' xmlns:xsi="{_XSI}" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    common = ' xmlns:c="http://kszbcss.fgov.be/types/common/v3"'
    for type_ in (
        "xs:string", "xs:anyType", "xs:anySimpleType", "xs:integer", "c:TicketType", "c:CbeNumberType", "r:ItemType",
        "r:CriteriaType", "c:NothingType", "x:y", "nothing", "", make.name, "c:OpenPeriodType", "c:LegalContextType",
        "xs:ENTITY",
    ):  # fmt: skip
        edit = ("<ssin>", f'<ssin{declared}{common} xsi:type="{type_}">')
        yield Variant(f"{len(type_)} characters", make.edited(edit))


@kind("a schema to fetch", DATA_FOUND)
def schema_location(make: Maker) -> Iterator[Variant]:
    """Allowed anywhere, and to be left alone: nobody is called, no file is read."""
    own = namespace("Probe", "1")
    for href in (
        f"http://{make.listener}/x.xsd", f"https://{make.listener}/x.xsd", f"ftp://{make.listener}/x.xsd",
        "file:///dev/zero", "/dev/stdin", "/dev/zero", "file:///etc/passwd", "x.xsd",
    ):  # fmt: skip
        for attribute in (
            f'xsi:schemaLocation="{own} {href}"',
            f'xsi:schemaLocation="urn:of:nobody {href}"',
            f'xsi:noNamespaceSchemaLocation="{href}"',
        ):
            edit = ("<r:request", f'<r:request xmlns:xsi="{_XSI}" {attribute}')
            yield Variant(f"{attribute[4:12]} {len(href)} characters", make.edited(edit))


@kind("comments and instructions", DATA_FOUND)
def comments(make: Maker) -> Iterator[Variant]:
    """Allowed anywhere: what is checked and what the supplier reads must be the same number."""
    d = make.ssin.digits
    href = f'href="http://{make.listener}/x.xsl" type="text/xsl"'
    for note, old, new in (
        ("in the number", d, f"{d[:6]}<!-- {make.name} -->{d[6:]}"),
        ("another number in the number", d, f"{d[:6]}<!--99999-->{d[6:]}"),
        ("an instruction in the number", d, f"{d[:6]}<?a b?>{d[6:]}"),
        ("before the number", d, f"<!--{d}-->{d}"),
        ("behind the number", d, f"{d}<!--{d}-->"),
        ("CDATA", d, f"<![CDATA[{d}]]>"),
        ("CDATA in pieces", d, f"{d[:3]}<![CDATA[{d[3:7]}]]>{d[7:]}"),
        ("references", d, "".join(f"&#{ord(c)};" for c in d)),
        ("by hexadecimal", d, "".join(f"&#x{ord(c):x};" for c in d)),
        ("in the context", CONTEXT, f"{CONTEXT[:2]}<!-- a -->{CONTEXT[2:]}"),
        ("in the sector", "<sector>64", "<sector>6<!-- 5 -->4"),
        ("in the ticket", "<ticket>", "<ticket><!-- a --><?b?>"),
        ("a head within a comment", "<informationCustomer>", "<!-- <informationCustomer> --><informationCustomer>"),
        ("a DOCTYPE within a comment", "<criteria>", "<!-- <!DOCTYPE r> --><criteria>"),
        ("a DOCTYPE within CDATA", f"<ssin>{d}", f"<ssin>{d}<!--<![CDATA[<!DOCTYPE r>]]>-->"),
        ("a style sheet", "<r:request", f"<?xml-stylesheet {href}?><r:request"),
        ("a style sheet within", "<criteria>", f"<?xml-stylesheet {href}?><criteria>"),
        ("a thousand", "<criteria>", "<!-- a --><?b c?>" * 1_000 + "<criteria>"),
    ):
        yield Variant(note, make.edited((old, new)))
