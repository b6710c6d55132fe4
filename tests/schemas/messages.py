"""Messages of the test service and of RetrieveTIGroups, each in the three ways that the field writes them."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from schemas.catalogue import Catalogue, Service, shipped

SHELTER = "urn:crossroads:services:shelter:v1"
TI_GROUPS = "http://kszbcss.fgov.be/intf/RetrieveTIGroupsService/v2"

CATALOGUE = Catalogue([shipped() / "RetrieveTIGroups", Path(__file__).parent / "services"])
shelter: Service = CATALOGUE.services["Shelter/1"]
ti_groups: Service = CATALOGUE.services["RetrieveTIGroups/2"]

TICKET = UUID("11111111-2222-5333-8444-555555555555")
RECEIVED = datetime(2024, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
REPLIED = datetime(2024, 3, 1, 12, 0, 1, 500000, tzinfo=UTC)

#: a made-up number: right pattern, right check number
SSIN = "85073003328"

CBSS = (
    "<informationCBSS><ticketCBSS>99999999-2222-5333-8444-555555555555</ticketCBSS>"
    "<timestampReceive>2020-01-01T00:00:00Z</timestampReceive>"
    "<timestampReply>2020-01-01T00:00:00Z</timestampReply></informationCBSS>"
)
CUSTOMER = (
    "<informationCustomer><ticket>t-1</ticket><timestampSent>2024-03-01T12:00:00+01:00</timestampSent>"
    "<customerIdentification><cbeNumber>0212344876</cbeNumber></customerIdentification></informationCustomer>"
)
CONTEXT = "<legalContext>PCSA:SOCIAL_INQUIRY</legalContext>"
STATUS = "<status><value>DATA_FOUND</value><code>MSG00000</code></status>"
STAY = "<stay><kind>NIGHT</kind><period><beginDate>2024-01-01</beginDate></period></stay>"


def prefixed(namespace: str, root: str, content: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<s:{root} xmlns:s="{namespace}">{content}</s:{root}>'.encode()


def with_default_namespace(namespace: str, root: str, content: str) -> bytes:
    """The root in the default namespace, so that each of its children must take it back."""
    return f'<{root} xmlns="{namespace}">{_taken_back(content)}</{root}>'.encode()


def with_foreign_prefixes(namespace: str, root: str, content: str) -> bytes:
    """As a SOAP library leaves it: many declarations, odd prefixes, white space, comments, byte order mark."""
    spaced = content.replace("><", ">\n  <!-- > --><", 3)
    declared = f'xmlns:ns2="urn:other" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ns3="{namespace}"'
    return b"\xef\xbb\xbf" + f"<ns3:{root}\n  {declared} >{spaced}\n</ns3:{root}>\n".encode()


def _taken_back(content: str) -> str:
    depth, out, rest = 0, "", content
    while rest:
        begin = rest.find("<")
        if begin < 0:
            return out + rest
        end = rest.index(">", begin)
        tag = rest[begin : end + 1]
        opens, empty = not tag.startswith("</"), tag.endswith("/>")
        if opens and depth == 0:
            name_end = min(i for i in (tag.find(" "), tag.find("/"), tag.find(">")) if i > 0)
            tag = tag[:name_end] + ' xmlns=""' + tag[name_end:]
        depth += (1 if opens and not empty else 0) - (0 if opens else 1)
        out += rest[:begin] + tag
        rest = rest[end + 1 :]
    return out


Style = Callable[[str, str, str], bytes]
STYLES: tuple[Style, ...] = (prefixed, with_default_namespace, with_foreign_prefixes)


def shelter_request(
    style: Style = prefixed,
    *,
    customer: str = CUSTOMER,
    cbss: str = "",
    context: str = CONTEXT,
    ssin: str = SSIN,
    period: str = "<period><beginDate>2024-01-01</beginDate><endDate>2024-02-01</endDate></period>",
) -> bytes:
    criteria = f"<criteria><ssin>{ssin}</ssin>{period}</criteria>"
    return style(SHELTER, "shelterRequest", customer + cbss + context + criteria)


def shelter_response(
    style: Style = prefixed,
    *,
    ssin: str = SSIN,
    status: str = STATUS,
    filters: str = "",
    parts: str = "",
    cbss: str = CBSS,
) -> bytes:
    criteria = f"<criteria><ssin>{ssin}</ssin></criteria>"
    return style(SHELTER, "shelterResponse", CUSTOMER + cbss + CONTEXT + criteria + status + filters + parts)


def part(identification: str, stays: str = STAY, status: str = STATUS) -> str:
    data = f"<data>{stays}</data>" if stays else ""
    supplier = f"<supplierIdentification>{identification}</supplierIdentification>"
    return f"<part><informationSupplier>{supplier}</informationSupplier>{status}{data}</part>"


def sector(number: int, institution: int = 0) -> str:
    return f"<sector>{number}</sector><institution>{institution}</institution>"


def ti_groups_request(style: Style = prefixed, *, cbss: str = "", ssin: str = SSIN, customer: str = CUSTOMER) -> bytes:
    search = f"<searchInformation><ssin>{ssin}</ssin><language>fr</language></searchInformation>"
    return style(TI_GROUPS, "retrieveTIGroupsRequest", customer + cbss + CONTEXT + search)


def ti_groups_response(style: Style = prefixed, *, cbss: str = "", ssin: str = SSIN) -> bytes:
    search = f"<searchInformation><ssin>{ssin}</ssin></searchInformation>"
    body = '<rrn_it_implicit><x:N xmlns:x="http://www.ibz.rrn.fgov.be/XSD/xm25/rn25Schema">v</x:N></rrn_it_implicit>'
    return style(TI_GROUPS, "retrieveTIGroupsResponse", CUSTOMER + cbss + CONTEXT + search + STATUS + body)
