"""What every Form begins with, read from whatever was sent: of what its schema would refuse nothing is taken."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lxml import etree

from schemas.declarations.values import value
from schemas.declarations.writing import element

_MOST_REFERENCES = 4
_REFERENCE = re.compile(r"[0-9]"), re.compile(r"[1-7]"), re.compile(r".{1,64}", re.DOTALL)
#: Name, and what of it can be told back in HandledOriginalForm.
_FIELDS: Mapping[str, re.Pattern[str]] = {
    "Identification": re.compile(r"[A-Z0-9]{1,7}"),
    "FormCreationDate": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "FormCreationHour": re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}|24:00:00\.000"),
    "AttestationStatus": re.compile(r"[0-8]"),
    "TypeForm": re.compile(r"RE|PA|FA|LA|SU"),
}


@dataclass(frozen=True, slots=True)
class EmployerNumbers:
    """EmployerId as written, without white space around; each None where it is not there."""

    nsso: str | None = None
    provisional: str | None = None
    company: str | None = None
    #: Of a local authority.
    local: str | None = None

    @classmethod
    def of(cls, block: etree._Element | None) -> "EmployerNumbers":
        """Of an element that has EmployerId as a child."""
        found = None if block is None else block.find("EmployerId")
        if found is None:
            return _NO_NUMBERS
        return cls(
            value(found, "NOSSRegistrationNbr"),
            value(found, "ProvisionalNSSONbr"),
            value(found, "CompanyID"),
            value(found, "NOSSLPARegistrationNbr"),
        )

    @property
    def given(self) -> bool:
        return self != _NO_NUMBERS


_NO_NUMBERS = EmployerNumbers()


@dataclass(frozen=True, slots=True)
class Head:
    """Identification, creation and references of a Form."""

    #: By element name, what can be told back.
    fields: Mapping[str, str]
    #: ReferenceType, ReferenceOrigin, ReferenceNbr.
    references: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, form: etree._Element) -> "Head":
        fields = {}
        for name, pattern in _FIELDS.items():
            text = value(form, name)
            if text is not None and pattern.fullmatch(text) and (name != "FormCreationDate" or _is_day(text)):
                fields[name] = text
        references = []
        for found in form.iterchildren("Reference"):
            told = tuple(value(found, name) or "" for name in ("ReferenceType", "ReferenceOrigin", "ReferenceNbr"))
            if all(pattern.fullmatch(text) for pattern, text in zip(_REFERENCE, told, strict=True)):
                references.append((told[0], told[1], told[2]))
        return cls(fields, tuple(references[:_MOST_REFERENCES]))

    @property
    def created(self) -> date | None:
        text = self.fields.get("FormCreationDate")
        return None if text is None else date.fromisoformat(text)

    @property
    def original(self) -> str:
        """`HandledOriginalForm` of an answer."""
        # In the schema's order: a row's JSON keeps none.
        told = "".join(element(name, self.fields.get(name)) for name in _FIELDS)
        return f"<HandledOriginalForm>{told}</HandledOriginalForm>"

    def reference(self, most: int) -> str:
        """Its own references, as an answer tells them back."""
        return "".join(reference(*one) for one in self.references[:most])

    @property
    def row(self) -> Mapping[str, Any]:
        """As JSON; `of_row` reads it."""
        return {"fields": dict(self.fields), "references": self.references}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Head":
        fields = {name: row["fields"][name] for name in _FIELDS if name in row["fields"]}
        return cls(fields, tuple((kind, origin, number) for kind, origin, number in row["references"]))


def reference(kind: str, origin: str, number: str, name: str = "Reference") -> str:
    """A block of ReferenceType, ReferenceOrigin, ReferenceNbr."""
    return (
        f"<{name}><ReferenceType>{kind}</ReferenceType><ReferenceOrigin>{origin}</ReferenceOrigin>"
        f"{element('ReferenceNbr', number)}</{name}>"
    )


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
