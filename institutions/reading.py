"""Checks 8 and 10 to 12 of docs/wire.md, as a relay and the double make them in the hub's part. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from schemas.catalogue import Catalogue
from schemas.message import Request, read_request
from schemas.parser import Information
from schemas.service import Service
from schemas.ssin import Ssin, SsinError
from schemas.violation import Violation


@dataclass(frozen=True, slots=True)
class Wrong:
    """The request ends here: with a fault, or with a response that says NO_RESULT."""

    code: str
    fault: bool
    #: Of a fault.
    details: Sequence[Violation | Information] = ()
    #: Of a response.
    information: Information = ()


def known_service(
    catalogue: Catalogue, type_: str | None, root: etree._Element, mode: str = "online"
) -> Service | Wrong:
    """Check 8: the service, by its type, else by its root element; served in this mode."""
    service = catalogue.find(type_, str(root.tag))
    if service is None or service.mode != mode:
        return Wrong("CRB00008", True)
    return service


def read(service: Service, body: bytes, root: etree._Element) -> tuple[Request, Ssin | None] | Wrong:
    """Checks 10 to 12: the schema, the number's check digits, and that the period is not turned round. No number: the
    service asks about nobody in particular."""
    request = read_request(service, body, root)
    if not isinstance(request, Request):
        return Wrong("MSG00008", True, details=request)
    ssin = None
    if service.ssin:
        try:
            ssin = Ssin.parse(request.ssin_text)
        except SsinError:
            return Wrong("MSG00011", False)
    if request.asked is None:
        return Wrong("MSG00008", False, information=(("field", service.period or "period"),))
    return request, ssin
