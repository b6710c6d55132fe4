"""OCMWCPASIdentifyPerson: who a number is, whether that is who somebody says he is, or who sounds like a name
(field.md 3.2)."""

from collections.abc import Iterator

from lxml import etree

from schemas.identity import Identity, IncompleteDate, IncompleteDateError, Named, Proof, proves
from schemas.message import find_all, text_at, text_of
from schemas.ssdn.adapters.adapter import Replied, Wrong, element, number, optional
from schemas.ssdn.envelope import Envelope
from schemas.ssdn.reasons import BOTH_CRITERIA, NO_TOLERANCE, NOT_VALIDATED, VALIDATED, Note, note, note_of

NAMESPACE = "http://www.ksz-bcss.fgov.be/XSD/SSDN/OCMW_CPAS/IdentifyPerson"
REQUEST = f"{{{NAMESPACE}}}IdentifyPersonRequest"

SSIN, PHONETIC = "SSIN", "PHONETIC"
_CRITERIA = "SearchCriteria/PhoneticCriteria"
#: The envelope lets 80 be asked for, the search gives 50.
_MOST_ASKED = 50
_MOST_TOLD = 100
#: Who the data are of, by our name of the register: of the others the field's word is not known.
_ORIGINS = {"NR": "RN_RR"}


class IdentifyPerson:
    """By number and by name are two services."""

    schema = "identify-person.xsd"

    def action(self, business: etree._Element) -> str:
        return SSIN if _ssin(business) is not None else PHONETIC

    def criteria(self, business: etree._Element, language: str) -> etree._Element | Wrong:
        if (ssin := _ssin(business)) is not None:
            return element("criteria", element("ssin", ssin))
        try:
            born = IncompleteDate.parse(text_at(business, f"{_CRITERIA}/BirthDate") or "")
        except IncompleteDateError:
            return Wrong(
                (note_of("MSG00008", language, (("expected", "BirthDate: a date, 00 for what is not known"),)),)
            )
        tolerance = number(business, f"{_CRITERIA}/Tolerance")
        if tolerance is None and not born.day:
            return Wrong((note(NO_TOLERANCE, language),))
        most = number(business, f"{_CRITERIA}/Maximum")
        return element(
            "criteria",
            optional("lastName", text_at(business, f"{_CRITERIA}/LastName")),
            optional("firstName", text_at(business, f"{_CRITERIA}/FirstName")),
            element("birthDate", str(born)),
            optional("gender", number(business, f"{_CRITERIA}/Gender")),
            optional("tolerance", tolerance),
            optional("maximum", None if most is None else str(min(int(most), _MOST_ASKED))),
        )

    def reply(self, business: etree._Element, envelope: Envelope, answer: etree._Element) -> Replied:
        """The persons found. Of somebody whose verification data are not his, nothing is told but that."""
        notes: list[Note] = []
        found = find_all(answer, "part/person")
        if _ssin(business) is not None:
            if find_all(business, _CRITERIA):
                notes.append(note(BOTH_CRITERIA, envelope.language))
            if found and (proof := _proof(business)) is not None:
                validated = any(proves(proof, identity) for identity in _identities(found))
                notes.append(note(VALIDATED if validated else NOT_VALIDATED, envelope.language))
                if not validated:
                    found = []
        root = etree.Element(f"{{{NAMESPACE}}}IdentifyPersonReply", nsmap={"ipr": NAMESPACE})
        if found:
            results = etree.SubElement(root, _name("SearchResults"))
            for person in found[:_MOST_TOLD]:
                results.append(_person(person))
        return Replied(root, tuple(notes))


def _ssin(business: etree._Element) -> str | None:
    return text_at(business, "SearchCriteria/SSIN")


def _proof(business: etree._Element) -> Proof | None:
    """VerificationData; None: there is none. A birth date that is none proves nothing."""
    where = "VerificationData"
    if not find_all(business, where):
        return None
    named = None
    if (last_name := text_at(business, f"{where}/PersonData/LastName")) is not None:
        try:
            born = IncompleteDate.parse(text_at(business, f"{where}/PersonData/BirthDate") or "")
            named = Named(last_name, born, text_at(business, f"{where}/PersonData/FirstName"))
        except IncompleteDateError:
            named = None
    return Proof(text_at(business, f"{where}/SISCardNumber"), text_at(business, f"{where}/IdentityCardNumber"), named)


def _identities(persons: list[etree._Element]) -> Iterator[Identity]:
    for person in persons:
        try:
            born = IncompleteDate.parse(text_at(person, "birthDate") or "")
        except IncompleteDateError:
            continue
        yield Identity(
            text_at(person, "lastName") or "",
            born,
            tuple(_texts(person, "firstName")),
            text_at(person, "sisCardNumber"),
            text_at(person, "identityCardNumber"),
        )


def _person(person: etree._Element) -> etree._Element:
    data = etree.Element(_name("LimitedLegalData"))
    if (origin := _ORIGINS.get(text_at(person, "register") or "")) is not None:
        data.set("origin", origin)
    basic = etree.SubElement(data, _name("Basic"))
    _put(basic, "SocialSecurityUser", text_at(person, "ssin"))
    _put(basic, "LastName", text_at(person, "lastName"))
    # All of them in one element, as the field has them.
    _put(basic, "FirstName", " ".join(_texts(person, "firstName")) or None)
    _put(basic, "BirthDate", text_at(person, "birthDate"))
    _put(basic, "Gender", text_at(person, "gender"))
    for address in find_all(person, "address"):
        place = etree.SubElement(basic, _name("Address"))
        for theirs, ours in (
            ("CountryCode", "countryCode"), ("MunicipalityCode", "municipalityCode"), ("Municipality", "municipality"),
            ("PostalCode", "postalCode"), ("Street", "street"), ("HouseNumber", "houseNumber"), ("Box", "box"),
        ):  # fmt: skip
            for text in _texts(address, ours):
                _put(place, theirs, text)
    extended = etree.Element(_name("Extended"))
    _put(extended, "CivilState", text_at(person, "civilState"))
    _put(extended, "DeceaseDate", text_at(person, "deceaseDate"))
    _put(extended, "NationalityCode", text_at(person, "nationalityCode"))
    if len(extended):
        data.append(extended)
    return data


def _texts(parent: etree._Element, name: str) -> Iterator[str]:
    return filter(None, (text_of(one) for one in find_all(parent, name)))


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _put(parent: etree._Element, name: str, text: str | None) -> None:
    if text is not None:
        etree.SubElement(parent, _name(name)).text = text
