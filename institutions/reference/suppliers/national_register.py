"""The National Register (0-0): information types of persons it holds, in the names of its own message structure.

Only the structure is the register's; every content is invented. Whoever has a bis number is not held.
"""

from collections.abc import Iterator
from datetime import date

from lxml import etree

from institutions.reference.draws import Draws
from institutions.reference.household import Role
from institutions.reference.identity import AS_OF, Identity
from institutions.reference.person import Person
from institutions.reference.suppliers.elements import Asked

NAMESPACE = "http://www.ibz.rrn.fgov.be/XSD/xm25/rn25Schema"

_Node = etree._Element

#: Labels: code and text in each language. Codes of the synthetic network.
_LABELS: dict[str, tuple[str, dict[str, str]]] = {
    "belgian": ("150", {"fr": "Belgique", "nl": "België", "de": "Belgien"}),
    "single": ("10", {"fr": "Célibataire", "nl": "Ongehuwd", "de": "Ledig"}),
    "married": ("20", {"fr": "Marié", "nl": "Gehuwd", "de": "Verheiratet"}),
    "dead": ("99991", {"fr": "Décédé", "nl": "Overleden", "de": "Verstorben"}),
    "alone": ("01", {"fr": "Isolé", "nl": "Alleenstaand", "de": "Alleinstehend"}),
    "head": ("01", {"fr": "Personne de référence", "nl": "Referentiepersoon", "de": "Bezugsperson"}),
    "partner": ("02", {"fr": "Conjoint", "nl": "Echtgenoot", "de": "Ehepartner"}),
    "child": ("03", {"fr": "Enfant", "nl": "Kind", "de": "Kind"}),
    "filiation": ("00", {"fr": "Enfant de", "nl": "Kind van", "de": "Kind von"}),
    "card": ("0000", {"fr": "Carte d'identité", "nl": "Identiteitskaart", "de": "Personalausweis"}),
}
_LANGUAGES = {"fr": "1", "nl": "2", "de": "3"}
_ROLES = {Role.HEAD: "head", Role.PARTNER: "partner", Role.CHILD: "child"}


def told(person: Person, asked: Asked) -> list[_Node]:
    """`rrn_it_implicit` with the person's information types."""
    if person.ssin.kind != "national":
        return []
    body = etree.Element("rrn_it_implicit", Language=asked.language, nsmap={"r": NAMESPACE})
    body.extend(_types(person, asked))
    return [body]


def _types(person: Person, asked: Asked) -> Iterator[_Node]:
    who, language = person.identity, asked.language
    yield _typed("NationalNumber", "000", "A1", _number(who))
    yield _node("FileOwner", *_residences(who, language, history=asked.history))
    yield _node("Names", _typed("Name", "010", "A1", _day(who), _name(who)))
    yield _node("LegalMainAddresses", *_addresses(who, history=asked.history))
    yield _node(
        "Nationalities", _typed("Nationality", "031", "B1", _day(who), _labelled("Nationality", "belgian", language))
    )
    yield _typed(
        "BirthPlace",
        "100",
        "A1",
        _day(who),
        _text("ActNumber", f"{_draws(who, 'birth').below(10**4):05d}"),
        _place(who),
    )
    if parents := _parents(person):
        yield _node("Filiations", _filiation(who, parents, language))
    yield _node("CivilStates", *_civil_states(person, language))
    yield from _family(person, language)
    if who.age >= 12:
        yield _node("IdentityCards", _card(who, language))
    yield _typed("CreationDate", "253", "A1", _date(who.born))
    yield _typed("LastUpdateDate", "254", "A1", _date(who.died or max(who.address.since, who.replaced_on or who.born)))


def _residences(who: Identity, language: str, *, history: bool) -> Iterator[_Node]:
    spoken = _text("Language", _LANGUAGES[who.municipality.language])
    if who.died is not None:
        yield _typed(
            "Residences",
            "001",
            "A1",
            _date(who.died),
            _labelled("Residence", "dead", language),
            _text("Fusion", "0"),
            spoken,
        )
    if who.died is None or history:
        here = _node("Residence", _text("Code", who.municipality.nis), _text("Label", who.municipality.name))
        yield _typed("Residences", "001", "A1", _date(who.address.since), here, _text("Fusion", "0"), _same(spoken))


def _addresses(who: Identity, *, history: bool) -> Iterator[_Node]:
    yield _address(who, who.address.since, who.address.street, who.address.house_number)
    if history and who.born < who.address.since:
        yield _address(who, who.born, who.address.street, who.address.house_number % 180 + 1)


def _address(who: Identity, since: date, street: str, number: int) -> _Node:
    code = f"{who.municipality.zip}{_draws(who, street).below(10**4):04d}"
    return _typed(
        "LegalMainAddress",
        "020",
        "A1",
        _date(since),
        _node(
            "Address",
            _text("ZipCode", who.municipality.zip),
            _node("Street", _text("Code", code), _text("Label", street)),
            _text("HouseNumber", str(number)),
        ),
    )


def _filiation(who: Identity, parents: list[Identity], language: str) -> _Node:
    named = [_node(f"Parent{place}", _number(parent), _name(parent)) for place, parent in enumerate(parents, start=1)]
    return _typed("Filiation", "110", "C1", _day(who), _labelled("FiliationType", "filiation", language), *named)


def _civil_states(person: Person, language: str) -> Iterator[_Node]:
    who, spouse = person.identity, _spouse(person)
    if spouse is None:
        yield _typed("CivilState", "120", "B1", _day(who), _labelled("CivilState", "single", language))
        return
    # Both tell the same wedding day.
    later = max(who.born, spouse.born)
    wedding = _draws(who, "wedding", who.household.number).day(
        date(later.year + 20, 5, 1), date(later.year + 28, 9, 30)
    )
    yield _typed(
        "CivilState",
        "120",
        "B1",
        _date(min(wedding, date(AS_OF.year - 1, 6, 1))),
        _labelled("CivilState", "married", language),
        _node("Spouse", _number(spouse), _name(spouse)),
        _node("Lieu", _place(who)),
    )


def _family(person: Person, language: str) -> Iterator[_Node]:
    who, household = person.identity, person.household
    since = _date(who.address.since)
    if person.role is not Role.HEAD:
        head = person.head.identity
        role = _labelled("FamilyRole", _ROLES[person.role], language)
        yield _node("HeadOfFamily", _typed("HeadOfFamily", "141", "A1", since, role, _number(head), _name(head)))
        return
    alone = len(household.members) == 1
    members = [
        _typed("FamilyMember", "140", "A1", since, _labelled("FamilyRole", "alone" if alone else "head", language))
    ]
    for index in household.members[1:]:
        other = person.relative(index)
        members.append(
            _typed(
                "FamilyMember",
                "140",
                "A1",
                _date(other.identity.address.since),
                _labelled("FamilyRole", _ROLES[other.role], language),
                _number(other.identity),
                _name(other.identity),
            )
        )
    yield _node("FamilyMembers", *members)


def card_number(who: Identity) -> str:
    """The number of the identity card: 12 digits."""
    return _issued(who)[1]


def _issued(who: Identity) -> tuple[date, str]:
    """When the identity card was issued, and its number."""
    draws = _draws(who, "card")
    issued = draws.day(max(date(2019, 1, 1), who.address.since), date(2025, 12, 1))
    number = draws.below(10**10)
    return issued, f"{number:010d}{number % 97 or 97:02d}"


def _card(who: Identity, language: str) -> _Node:
    issued, number = _issued(who)
    return _typed(
        "IdentityCard",
        "195",
        "F1",
        _date(issued),
        _labelled("TypeOfCard", "card", language),
        _text("CardNumber", number),
        _node("Delivery", _place_of(who, "Place")),
        _node("ExpiryDate", *_date_parts(date(issued.year + 10, issued.month, min(issued.day, 28)))),
    )


def _parents(person: Person) -> list[Identity]:
    if person.role is not Role.CHILD:
        return []
    parents = [person.relative(index) for index in person.household.adults if index != person.index]
    return [parent.identity for parent in parents[:2]]


def _spouse(person: Person) -> Identity | None:
    """The other of a couple that heads a household."""
    members = [person.relative(index) for index in person.household.adults]
    couple = [member for member in members if member.role is not Role.CHILD]
    if len(couple) != 2 or person.role is Role.CHILD:
        return None
    return next(member.identity for member in couple if member.index != person.index)


# --- pieces ---------------------------------------------------------------------------------------------------------


def _node(name: str, *children: _Node, **attributes: str) -> _Node:
    node = etree.Element(f"{{{NAMESPACE}}}{name}", attrib=attributes, nsmap={"r": NAMESPACE})
    node.extend(children)
    return node


def _text(name: str, text: str) -> _Node:
    node = _node(name)
    node.text = text
    return node


def _typed(name: str, type_: str, structure: str, *children: _Node) -> _Node:
    return _node(name, *children, Type=type_, Structure=structure)


def _same(node: _Node) -> _Node:
    return _text("Language", node.text or "")


def _labelled(name: str, label: str, language: str) -> _Node:
    code, texts = _LABELS[label]
    return _node(name, _text("Code", code), _text("Label", texts[language]))


def _date_parts(day: date, *, known: bool = True) -> tuple[_Node, ...]:
    month, of_month = (day.month, day.day) if known else (0, 0)
    return (
        _text("Century", f"{day.year // 100}"),
        _text("Year", f"{day.year % 100:02d}"),
        _text("Month", f"{month:02d}"),
        _text("Day", f"{of_month:02d}"),
    )


def _date(day: date) -> _Node:
    return _node("Date", *_date_parts(day))


def _day(who: Identity) -> _Node:
    """The day of birth, as far as it is known."""
    return _node("Date", *_date_parts(who.born, known=who.birth_date_known))


def _number(who: Identity) -> _Node:
    return _node(
        "NationalNumber", _text("NationalNumber", who.ssin.digits), _day(who), _text("Sex", "2" if who.female else "1")
    )


def _name(who: Identity) -> _Node:
    def coded(name: str, label: str) -> _Node:
        return _node(name, _text("Code", f"{Draws(0, label, 0).below(10**8):08d}"), _text("Label", label))

    return _node("Name", coded("LastName", who.last_name), *(coded("FirstName", first) for first in who.first_names))


def _place(who: Identity) -> _Node:
    return _place_of(who, "Place1")


def _place_of(who: Identity, name: str) -> _Node:
    return _node(name, _text("Code", who.municipality.nis), _text("Label", who.municipality.name))


def _draws(who: Identity, what: str, number: int | None = None) -> Draws:
    return Draws(who.seed, what, who.index if number is None else number)
