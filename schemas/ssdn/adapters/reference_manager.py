"""ReferenceManager.consult: which other sectors know a person (field.md 2.4)."""

from lxml import etree

from schemas.message import find_all, text_at, text_of
from schemas.ssdn.adapters.adapter import Replied, Wrong, element, number, optional, period
from schemas.ssdn.envelope import Envelope

NAMESPACE = "http://www.ksz-bcss.fgov.be/XSD/SSDN/ReferenceManagerFacade"
REQUEST = f"{{{NAMESPACE}}}ReferenceManagerRequest"
_CRITERIA = "ConsultOtherSectorsCriteria"


class ReferenceManager:
    """One service."""

    schema = "reference-manager.xsd"

    def action(self, business: etree._Element) -> str:
        return ""

    def criteria(self, business: etree._Element, language: str) -> etree._Element | Wrong:
        return element(
            "criteria",
            optional("ssin", text_at(business, f"{_CRITERIA}/RequestedSsin")),
            optional("qualityCode", number(business, f"{_CRITERIA}/QualityCodeRequestor")),
            period("integratedPeriod", business, f"{_CRITERIA}/IntegratedPeriod"),
            period("requestedPeriod", business, f"{_CRITERIA}/RequestedPeriod"),
            optional("fetchDescriptions", text_at(business, f"{_CRITERIA}/FetchDescriptions")),
        )

    def reply(self, business: etree._Element, envelope: Envelope, answer: etree._Element) -> Replied:
        root = etree.Element(f"{{{NAMESPACE}}}ReferenceManagerReply", nsmap={"rm": NAMESPACE})
        result = etree.SubElement(root, _name("ConsultOtherSectorsResult"))
        for row in find_all(answer, "consultation"):
            consultation = etree.SubElement(result, _name("Consultation"))
            _put(consultation, "Sector", text_at(row, "sector"))
            _put(consultation, "QualityCode", text_at(row, "qualityCode"))
            days = etree.SubElement(consultation, _name("Period"))
            _put(days, "StartDate", text_at(row, "period/beginDate"))
            _put(days, "EndDate", text_at(row, "period/endDate"))
            for theirs, ours in (("Sector", "sectorDescription"), ("QualityCode", "qualityCodeDescription")):
                texts = {one.get("language"): text_of(one) for one in find_all(row, ours)}
                _put(consultation, f"{theirs}DescriptionNl", texts.get("NL"))
                _put(consultation, f"{theirs}DescriptionFr", texts.get("FR"))
        return Replied(root)


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _put(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        etree.SubElement(parent, _name(name)).text = text
