"""OCMWCPASManageAccess: register, unregister and list whom an institution knows (field.md 2.3)."""

from lxml import etree

from schemas.message import find_all, text_at
from schemas.ssdn.adapters.adapter import Replied, Wrong, element, number, optional, period
from schemas.ssdn.envelope import COMMON, Envelope
from schemas.ssdn.reasons import note_of

NAMESPACE = "http://www.ksz-bcss.fgov.be/XSD/SSDN/OCMW_CPAS/ManageAccess"
REQUEST = f"{{{NAMESPACE}}}ManageAccessRequest"

_PREFIXES = {"mar": NAMESPACE, "common": COMMON}
#: A period of one quality, of S607: what UNREGISTER is.
_SITUATION = "6"
#: The reply's schema wants the asked quality also where LIST named none.
_NO_PURPOSE = "0"


class ManageAccess:
    """REGISTER, UNREGISTER and LIST are three services."""

    schema = "manage-access.xsd"

    def action(self, business: etree._Element) -> str:
        return text_at(business, "Action") or ""

    def criteria(self, business: etree._Element, language: str) -> etree._Element | Wrong:
        action = self.action(business)
        ssin = optional("ssin", text_at(business, "SSIN"))
        quality = optional("qualityCode", number(business, "Purpose"))
        days = period("period", business, "Period")
        if action == "LIST":
            register = optional("register", text_at(business, "QueryRegister"))
            return element("criteria", ssin, quality, days, register)
        proof = _proof(business)
        wanted = [name for name, given in (("Purpose", quality), ("ProofOfAuthentication", proof)) if given is None]
        if wanted:
            expected = tuple(("expected", f"{name}: {action} needs it") for name in wanted)
            return Wrong((note_of("MSG00008", language, expected),))
        situation = element("situation", _SITUATION) if action == "UNREGISTER" else None
        return element("criteria", ssin, situation, quality, days, proof)

    def reply(self, business: etree._Element, envelope: Envelope, answer: etree._Element) -> Replied:
        """REGISTER: what overlapped with what was to be registered. UNREGISTER: what is left. LIST: what there is."""
        action = self.action(business)
        root = etree.Element(f"{{{NAMESPACE}}}ManageAccessReply", nsmap=_PREFIXES)
        original = etree.SubElement(root, _name("OriginalRequest"))
        _put(original, "SSIN", text_at(business, "SSIN"))
        _put(original, "Purpose", number(business, "Purpose") or _NO_PURPOSE)
        _put_period(original, text_at(business, "Period/StartDate"), text_at(business, "Period/EndDate"))
        _put(original, "Action", action)
        _put(original, "Register", text_at(business, "QueryRegister"))
        asked = number(business, "Sector") if action == "LIST" else None
        if asked not in (None, str(envelope.matrix_id)):
            # Of another sector the customer sees nothing here: that is ReferenceManager.consult.
            return Replied(root, (note_of("MSG00100", envelope.language),))
        for row in find_all(answer, "overlapping" if action == "REGISTER" else "registration"):
            registration = etree.SubElement(root, _name("Registrations"))
            _put(registration, "Purpose", text_at(row, "qualityCode"))
            _put_period(registration, text_at(row, "period/beginDate"), text_at(row, "period/endDate"))
            _put(registration, "OrgUnit", _who(row))
            _put(registration, "Register", text_at(row, "register"))
        return Replied(root)


def _proof(business: etree._Element) -> etree._Element | None:
    where = "ProofOfAuthentication"
    person = None
    if find_all(business, f"{where}/PersonData"):
        person = element(
            "personData",
            optional("lastName", text_at(business, f"{where}/PersonData/LastName")),
            optional("firstName", text_at(business, f"{where}/PersonData/FirstName")),
            optional("birthDate", text_at(business, f"{where}/PersonData/BirthDate")),
        )
    proof = element(
        "proofOfAuthentication",
        optional("sisCardNumber", text_at(business, f"{where}/SISCardNumber")),
        optional("identityCardNumber", text_at(business, f"{where}/IdentityCardNumber")),
        person,
    )
    return proof if len(proof) else None


def _who(row: etree._Element) -> str:
    """Whose row it is: an enterprise number, or sector and type (`17-1`) where all of a kind have it together."""
    cbe = text_at(row, "organization/cbeNumber")
    return cbe or f"{text_at(row, 'organization/sector')}-{text_at(row, 'organization/institution')}"


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _put(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        etree.SubElement(parent, _name(name)).text = text


def _put_period(parent: etree._Element, begin: str | None, end: str | None) -> None:
    days = etree.SubElement(parent, _name("Period"))
    for name, text in (("StartDate", begin), ("EndDate", end)):
        if text is not None:
            etree.SubElement(days, f"{{{COMMON}}}{name}").text = text
