"""Kinds of well-formed requests that say something wrong."""

from collections.abc import Iterator
from datetime import date, timedelta

from schemas.ssin import check_is_right
from tests.hub.services import namespace
from tests.hub.star import CONTEXT, PCSW_A, PCSW_B
from tests.trials.broken.kind import EACH, OWN, Maker, Told, Variant, kind

# --- what service -----------------------------------------------------------------------------------------------------


@kind("wrong namespace", Told("CRB00008"))
def wrong_namespace(make: Maker) -> Iterator[Variant]:
    own = namespace("Probe", "1")
    for uri in (
        "urn:test:Probe:v2", "urn:test:Probe", "urn:test:Probe:v1/", "urn:test:Probe:v1#", "urn:test:Probe:v10",
        "urn:test:probe:v1", "URN:test:Probe:v1", "urn:test:Probe:v01", "urn:test:Probe%3Av1", "http://test/Probe/v1",
        "urn:crossroads:v1", "http://kszbcss.fgov.be/types/common/v3", "http://www.w3.org/2001/XMLSchema",
        f"http://{make.listener}/Probe", f"urn:{make.ssin.digits}", "urn:test:Pr%D0%BEbe:v1",
    ):  # fmt: skip
        yield Variant(f"{len(uri)} characters", make.edited((f'"{own}"', f'"{uri}"')))
    yield Variant("none", make.request().replace("r:request", "request").replace("xmlns:r", "xmlns:q").encode())


@kind("wrong root", Told("CRB00008"))
def wrong_root(make: Maker) -> Iterator[Variant]:
    for root in (
        "Request", "REQUEST", "requests", "reques", "requ\u00e9st", "_request", "request.", "request-1", "probe",
        "criteria", "informationCustomer", "Envelope", "SSDNRequest", "schema", "html", "x" * 1_000,
    ):  # fmt: skip
        yield Variant(f"{len(root)} characters", make.request().replace("r:request", f"r:{root}").encode())
    yield Variant("our own fault", b'<c:fault xmlns:c="urn:crossroads:v1"/>')


@kind("the root of an answer", Told("MSG00008"))
def root_of_an_answer(make: Maker) -> Iterator[Variant]:
    for service in ("Probe/1", "Plain/1", "Gather/1", "Gather/2"):
        for root in ("response", "fault"):
            # Plain/1 and Gather/2 have no fault of their own: the type must say whose root it should be.
            given = {"message_type": service}
            text = make.request(service=service).replace("r:request", f"r:{root}")
            yield Variant(f"{root} of {service}", text.encode(), given)
            status = "<status><value>DATA_FOUND</value><code>MSG00000</code></status>"
            yield Variant(f"{root} of {service} with a status", text.replace("</c", status + "</c").encode(), given)


@kind("unknown service", Told("CRB00008"))
def unknown_service(make: Maker) -> Iterator[Variant]:
    for type_ in (
        "Nothing/1", "Probe/2", "Probe", "Probe/", "/1", "/", "probe/1", "Probe/1/", "Probe/1 ", " Probe/1", "Probe.1",
        "../Probe/1", "Probe/1\0", "Probe/01", "Probe\\1", "x" * 255, "*", "#", "\u0440robe/1", make.ssin.digits,
    ):  # fmt: skip
        yield Variant(f"{len(type_)} characters", make.body(), {"message_type": type_})


@kind("a type that differs from the root", Told("MSG00008"))
def other_type(make: Maker) -> Iterator[Variant]:
    services = ("Probe/1", "Plain/1", "Gather/1", "Gather/2", "Pension/1", "RetrieveTIGroups/2", "SocialInquiry/1")
    for type_ in services:
        for service in services[:4]:
            if service != type_:
                yield Variant(f"{type_} on {service}", make.body(service=service), {"message_type": type_})


# --- for whom ---------------------------------------------------------------------------------------------------------


def _cbe(number: str) -> str:
    return f"<cbeNumber>{number}</cbeNumber>"


def _kind(sector: int | str, type_: int | str) -> str:
    return f"<sector>{sector}</sector><institution>{type_}</institution>"


@kind("another sender in the body", Told("CRB00007"))
def another_sender(make: Maker) -> Iterator[Variant]:
    for customer in (
        _kind(5, 0), _kind(7, 0), _kind(16, 0), _kind(17, 0), _kind(17, 1), _kind(12, 0), _kind(64, 1), _kind(999, 999),
        _kind(0, 0), _cbe("0206738078"), _cbe(PCSW_A), _cbe(PCSW_B), _cbe("0000000000"), _cbe("9999999999"),
        _cbe("0242069538"),
    ):  # fmt: skip
        yield Variant("of one connected", make.body(customer=customer))
    for customer in (
        _kind(64, 0), _kind(17, 1), _cbe("0242069537"), _cbe("0206738078"), _cbe("0000000000"), _kind(5, 0),
    ):  # fmt: skip
        yield Variant("of one that manages a network", make.body(customer=customer), sender="17-0")


@kind("an inactive institution", Told("CRB00006"))
def inactive(make: Maker) -> Iterator[Variant]:
    gone = _cbe("0207448689")
    for service in ("Probe/1", "Plain/1", "Gather/1", "Gather/2"):
        for customer in (_kind(12, 0), _cbe("0206731546"), OWN):
            yield Variant(f"asks {service}", make.body(service=service, customer=customer), sender="12-0")
        yield Variant(f"is asked for, {service}", make.body(service=service, customer=gone), sender="17-0")


# --- against the schema -----------------------------------------------------------------------------------------------


@kind("against the schema", Told("MSG00008"))
def against_the_schema(make: Maker) -> Iterator[Variant]:
    person = make.ssin.digits
    head = f"<customerIdentification>{OWN}</customerIdentification>"
    for note, old, new in (
        ("no legal context", f"<legalContext>{CONTEXT}</legalContext>", ""),
        ("no head", f"<informationCustomer><ticket>t</ticket>{head}</informationCustomer>", ""),
        ("nobody in the head", head, ""),
        ("a head out of place", f"<legalContext>{CONTEXT}</legalContext>", "<informationCustomer/>"),
        ("a long legal context", CONTEXT, "x" * 65),
        ("text between elements", "<criteria>", f"{make.name}<criteria>"),
        ("an element more", "<criteria>", "<criteria><more/>"),
        ("an attribute more", "<criteria>", f'<criteria person="{person}">'),
        ("an element in a text", CONTEXT, f"{CONTEXT}<b>{make.name}</b>"),
        ("a sector of letters", "<sector>64<", "<sector>064.0<"),
        ("a moment that is none", "</ticket>", "</ticket><timestampSent>yesterday</timestampSent>"),
        ("a moment of the 13th month", "</ticket>", "</ticket><timestampSent>2024-13-01T00:00:00Z</timestampSent>"),
        ("both marks of a customer", "</institution>", f"</institution>{_cbe('0242069537')}"),
        (
            "our own ticket that is none",
            "<legal",
            "<informationCBSS><ticketCBSS>x</ticketCBSS></informationCBSS><legal",
        ),
        ("criteria before the context", "<legalContext>", f"<criteria><ssin>{person}</ssin></criteria><legalContext>"),
        ("a day that is none", "</ssin>", "</ssin><period><beginDate>2024-02-30</beginDate></period>"),
        ("a day of letters", "</ssin>", f"</ssin><period><beginDate>{make.name}</beginDate></period>"),
        ("no begin", "</ssin>", "</ssin><period><endDate>2024-01-01</endDate></period>"),
        ("an empty period", "</ssin>", "</ssin><period/>"),
    ):
        yield Variant(note, make.edited((old, new), ticket="t" if "head" in note else ""))


@kind("elements in the wrong namespace", Told("MSG00008"))
def wrong_inner_namespace(make: Maker) -> Iterator[Variant]:
    own = namespace("Probe", "1")
    text = make.request()
    inner = ("informationCustomer", "customerIdentification", "legalContext", "criteria", "ssin", "ticket", "sector")
    for name in inner:
        for prefix in ("r:", "x:"):
            edited = text.replace(f"<{name}>", f"<{prefix}{name}>").replace(f"</{name}>", f"</{prefix}{name}>")
            edited = edited.replace("<r:request", '<r:request xmlns:x="urn:of:nobody"')
            yield Variant(f"{name} with {prefix}", edited.encode())
    yield Variant("a default namespace", text.replace("xmlns:r=", f'xmlns="{own}" xmlns:r=').encode())
    yield Variant("that of the common types", text.replace("<criteria>", '<criteria xmlns="urn:x">').encode())


@kind("a number of the wrong form", Told("MSG00008"))
def wrong_form(make: Maker) -> Iterator[Variant]:
    d = make.ssin.digits
    for note, text in {
        "as it is printed": f"{d[:2]}.{d[2:4]}.{d[4:6]}-{d[6:9]}.{d[9:]}",
        "with spaces": f"{d[:6]} {d[6:9]} {d[9:]}",
        "with a slash": f"{d[:9]}/{d[9:]}",
        "ten digits": d[1:],
        "twelve digits": d + "0",
        "a zero in front": "0" + d,
        "a sign": "-" + d,
        "a plus": "+" + d,
        "white space around it": f"\n  {d}  ",
        "a tab behind it": f"{d}&#9;",
        "a space that does not break": f"{d}&#160;",
        "full width": "".join(chr(0xFF10 + int(c)) for c in d),
        "Arabic": "".join(chr(0x0660 + int(c)) for c in d),
        "a name": make.name,
        "the 60th month": f"{d[:2]}60{d[4:]}",
        "the 40th day": f"{d[:4]}40{d[6:]}",
        "a check of 98": d[:9] + "98",
        "one more from right to left": f"{d[:5]}\u202e{d[5:]}",
        "nothing wide within": f"{d[:5]}\u200b{d[5:]}",
        "an exponent": "8.5e10",
    }.items():
        yield Variant(note, make.body(text))
    yield Variant("none at all", make.edited((f"<ssin>{d}</ssin>", "<ssin/>")))


@kind("a wrong check number", Told("MSG00011", "NO_RESULT"))
def wrong_check(make: Maker) -> Iterator[Variant]:
    checks = [n for n in range(1, 98) if not check_is_right(make.ssin.digits[:9] + f"{n:02d}")]
    for n in make.random.sample(checks, EACH + 2):
        yield Variant("another check", make.body(make.ssin.digits[:9] + f"{n:02d}"))
    yield Variant("a check of 0", make.body(make.ssin.digits[:9] + "00"))


@kind("a period turned round", Told("MSG00008", "NO_RESULT"))
def turned_round(make: Maker) -> Iterator[Variant]:
    for _ in range(EACH):
        begin = date(1990, 1, 1) + timedelta(days=make.random.randrange(1, 15_000))
        end = begin - timedelta(days=make.random.choice((1, 30, 365, 6_000)))
        yield Variant(f"{(begin - end).days} days", make.body(period=(str(begin), str(end))))
    for note, begin_text, end_text in (
        ("with zones", "2024-01-02Z", "2024-01-01+14:00"),
        ("beyond our calendar", "12024-01-01", "2024-01-01"),
        ("before our era", "2024-01-01", "-2024-01-01"),
        ("from end to end", "9999-12-31", "0001-01-01"),
    ):
        yield Variant(note, make.body(period=(begin_text, end_text)))


@kind("two periods", Told("MSG00008"))
def two_periods(make: Maker) -> Iterator[Variant]:
    periods = [
        "<period><beginDate>2024-01-01</beginDate></period>",
        "<period><beginDate>2024-01-01</beginDate><endDate>2024-02-01</endDate></period>",
        "<period><beginDate>2024-02-01</beginDate><endDate>2024-01-01</endDate></period>",
        "<period/>",
    ]
    for one in periods:
        for other in periods:
            yield Variant("two", make.body(more=one + other))
    yield Variant("a thousand", make.body(more=periods[0] * 1_000))


@kind("a very long ticket", Told("MSG00008"))
def long_ticket(make: Maker) -> Iterator[Variant]:
    for size in (37, 38, 64, 100, 255, 256, 1_000, 4_096, 10_000, 65_535, 100_000, 500_000, 900_000):
        yield Variant(f"{size} characters", make.body(ticket="t" * size))
    yield Variant("letters of four bytes", make.body(ticket="\U0001f600" * 37))
    yield Variant("white space", make.body(ticket=" " * 37))
    yield Variant("a person", make.body(ticket=f"{make.ssin.digits} {make.name} " * 3))
    yield Variant("references", make.body(ticket="&#116;" * 37))


@kind("the number outside its place", Told("MSG00008"))
def number_elsewhere(make: Maker) -> Iterator[Variant]:
    number = f"<ssin>{make.ssin.digits}</ssin>"
    empty = f"<criteria>{number}</criteria>"
    for note, old, new in (
        ("in the root", empty, number),
        ("before the criteria", empty, number + empty),
        ("in empty criteria's place", empty, "<criteria/>" + number),
        ("behind the criteria", empty, empty + number),
        ("twice", number, number * 2),
        ("in two criteria", empty, empty * 2),
        ("in criteria of criteria", empty, f"<criteria>{empty}</criteria>"),
        ("in an attribute", number, f'<ssin value="{make.ssin.digits}"/>'),
        ("in a comment", number, f"<!--{make.ssin.digits}-->"),
        ("in an instruction", number, f"<?ssin {make.ssin.digits}?>"),
        ("as text", number, make.ssin.digits),
        ("under another name", number, f"<SSIN>{make.ssin.digits}</SSIN>"),
        ("as a person", number, f"<person>{number}</person>"),
        ("in the head", "</informationCustomer>", f"{number}</informationCustomer>"),
        ("in the context", f"<legalContext>{CONTEXT}", f"<legalContext>{number}"),
        ("as CDATA of its own", number, f"<![CDATA[{number}]]>"),
        ("in an element of its own", number, f"<ssin>{number}</ssin>"),
    ):
        yield Variant(note, make.edited((old, new)))


@kind("heads twice", Told("MSG00008"))
def heads_twice(make: Maker) -> Iterator[Variant]:
    text = make.request(ticket="t")
    identification = f"<customerIdentification>{OWN}</customerIdentification>"
    other = f"<customerIdentification>{_kind(5, 0)}</customerIdentification>"
    head = f"<informationCustomer><ticket>t</ticket>{identification}</informationCustomer>"
    context = f"<legalContext>{CONTEXT}</legalContext>"
    cbss = (
        "<informationCBSS><ticketCBSS>00000000-0000-0000-0000-000000000000</ticketCBSS>"
        "<timestampReceive>2024-01-01T00:00:00Z</timestampReceive>"
        "<timestampReply>2024-01-01T00:00:00Z</timestampReply></informationCBSS>"
    )
    for note, old, new in (
        ("the head", head, head * 2),
        ("the head, another's second", head, head + head.replace(identification, other)),
        ("the head, another ticket second", head, head + head.replace(">t<", ">u<")),
        ("the head at the end", "</r:request>", f"{head}</r:request>"),
        ("the head within the head", head, head.replace("</informationCustomer>", f"{head}</informationCustomer>")),
        ("the ticket", "<ticket>t</ticket>", "<ticket>t</ticket><ticket>u</ticket>"),
        ("the same ticket", "<ticket>t</ticket>", "<ticket>t</ticket><ticket>t</ticket>"),
        ("who asks", identification, identification * 2),
        ("who asks, another second", identification, identification + other),
        ("the sector", "<sector>64</sector>", "<sector>64</sector><sector>5</sector>"),
        ("the institution", "<institution>0</institution>", "<institution>0</institution><institution>1</institution>"),
        ("the context", context, context * 2),
        ("the context, another second", context, context + context.replace(CONTEXT, "OTHER")),
        ("what the hub says", context, cbss * 2 + context),
        ("what the hub says, late", context, context + cbss),
        ("a hundred heads", head, head * 100),
    ):
        yield Variant(note, text.replace(old, new, 1).encode())


# --- tickets ----------------------------------------------------------------------------------------------------------


@kind("a ticket used again for other content", Told("CRB00009"))
def ticket_again(make: Maker) -> Iterator[Variant]:
    year = ("2024-01-01", "2024-12-31")
    for note, old, new in (
        ("a comment more", "<criteria>", "<!-- a --><criteria>"),
        ("a space more", "<criteria>", " <criteria>"),
        ("a line more", "</r:request>", "\n</r:request>"),
        ("a declaration", "<r:request", '<?xml version="1.0" encoding="UTF-8"?><r:request'),
        ("another prefix", "<r:request", '<r:request xmlns:x="urn:x"'),
        ("the other quotes", f'"{namespace("Probe", "1")}"', f"'{namespace('Probe', '1')}'"),
        ("white space in a tag", "<ssin>", "<ssin >"),
        ("a reference", f">{CONTEXT}<", f">&#{ord(CONTEXT[0])};{CONTEXT[1:]}<"),
        ("another moment", "</ticket>", "</ticket><timestampSent>2024-01-01T00:00:00Z</timestampSent>"),
        ("another end", year[1], "2024-12-30"),
        ("another begin", year[0], "2024-01-02"),
        ("no end", f"<endDate>{year[1]}</endDate>", ""),
        ("the number as CDATA", make.ssin.digits, f"<![CDATA[{make.ssin.digits}]]>"),
        ("the customer by its enterprise number", OWN, _cbe("0242069537")),
    ):
        ticket = make.ticket()
        first = make.request(ticket=ticket, period=year)
        if old not in first:
            raise ValueError(note)
        yield Variant(note, first.replace(old, new, 1).encode(), first=first.encode())
    for service in ("Plain/1", "Gather/1", "Gather/2"):
        ticket = make.ticket()
        yield Variant(service, make.body(ticket=ticket, service=service), first=make.body(ticket=ticket, period=year))
