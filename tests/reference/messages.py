"""Requests as the hub forwards them, for any shipped service."""

from datetime import UTC, datetime
from uuid import UUID

from lxml import etree

from schemas.address import Address
from schemas.answers import data_response
from schemas.catalogue import Catalogue, Service, shipped
from schemas.period import Period
from schemas.ssin import Ssin

CATALOGUE = Catalogue([shipped()])
#: Those that institutions answer about whom their customers know, from the invented lives: 25-1's buffer, and what
#: employers declared to 12-0, are another matter.
SERVICES = tuple(
    service
    for service in CATALOGUE.services.values()
    if service.person_check and service.answered_by == "suppliers" and service.mode == "online"
    if service.name not in ("SocialStatus", "DmfaAttestation")
)
OURS = tuple(service for service in SERVICES if service.name != "RetrieveTIGroups")

TICKET = UUID("22222222-2222-5333-8444-555555555555")
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

_HEAD = (
    "<informationCustomer><ticket>t-1</ticket><customerIdentification><sector>17</sector><institution>0</institution>"
    "</customerIdentification></informationCustomer>"
    f"<informationCBSS><ticketCBSS>{TICKET}</ticketCBSS><timestampReceive>2026-03-01T12:00:00Z</timestampReceive>"
    "<timestampReply>2026-03-01T12:00:00Z</timestampReply></informationCBSS><legalContext>{}</legalContext>"
)


def request(service: Service, ssin: Ssin, asked: Period | None = None, context: str = "PCSA:SOCIAL_INQUIRY") -> bytes:
    """The request's bytes."""
    name = etree.QName(service.request)
    outer, inner = service.ssin.split("/")
    days = ""
    if asked is not None and service.period:
        end = f"<endDate>{asked.end}</endDate>" if asked.end else ""
        days = f"<period><beginDate>{asked.begin}</beginDate>{end}</period>"
    return (
        f'<s:{name.localname} xmlns:s="{name.namespace}">{_HEAD.format(context)}'
        f"<{outer}><{inner}>{ssin.digits}</{inner}>{days}</{outer}></s:{name.localname}>"
    ).encode()


def response(service: Service, body: bytes, data: list[etree._Element], supplier: Address) -> bytes:
    """A supplier's answer."""
    return data_response(service, etree.fromstring(body), data, replied=AT, supplier=supplier)
