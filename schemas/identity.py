"""Who somebody is, and what is brought forward to prove it. Pure.

Clients in the field write names in capitals without accents, and dates of which they know the year only: names and
dates are compared by what both sides know (field.md 2.3, docs/integrations.md "Proof of authentication").
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from schemas.errors import CrossroadsError

#: Letters that do not come apart into a letter and an accent.
_LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l",
     "đ": "d", "Đ": "d", "ð": "d", "Ð": "d", "þ": "th", "Þ": "th", "ı": "i"}
)  # fmt: skip
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


class IncompleteDateError(CrossroadsError):
    """Not a date of which year, or year and month, or all is known; the text does not repeat it."""


@dataclass(frozen=True, slots=True, repr=False)
class IncompleteDate:
    """`1985-03-02`, `1985-03-00` or `1985-00-00`."""

    year: int
    #: 0: not known; then the day is not either
    month: int
    #: 0: not known
    day: int

    @classmethod
    def parse(cls, text: str) -> "IncompleteDate":
        """Raises IncompleteDateError."""
        match = _DATE.fullmatch(text)
        if match is None or int(match[2]) > 12 or int(match[3]) > 31 or (match[2] == "00" and match[3] != "00"):
            raise IncompleteDateError("write a date as yyyy-mm-dd, yyyy-mm-00 or yyyy-00-00")
        return cls(int(match[1]), int(match[2]), int(match[3]))

    def agrees(self, other: "IncompleteDate") -> bool:
        """Whether what both know is the same."""
        return (
            self.year == other.year
            and (self.month == other.month or 0 in (self.month, other.month))
            and (self.day == other.day or 0 in (self.day, other.day))
        )

    def is_after(self, day: date) -> bool:
        """Whether it is later, whatever is not known of it."""
        return (self.year, self.month or 1, self.day or 1) > (day.year, day.month, day.day)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}-{self.day:02d}"


@dataclass(frozen=True, slots=True)
class Named:
    """Name and birth date."""

    last_name: str = field(repr=False)
    birth_date: IncompleteDate = field(repr=False)
    first_name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Proof:
    """What is brought forward; one of them is enough."""

    sis_card: str | None = field(default=None, repr=False)
    identity_card: str | None = field(default=None, repr=False)
    named: Named | None = None

    @property
    def empty(self) -> bool:
        return self == Proof()


@dataclass(frozen=True, slots=True)
class Identity:
    """What a register says of a person."""

    last_name: str = field(repr=False)
    birth_date: IncompleteDate = field(repr=False)
    first_names: tuple[str, ...] = field(default=(), repr=False)
    sis_card: str | None = field(default=None, repr=False)
    identity_card: str | None = field(default=None, repr=False)


def proves(proof: Proof, identity: Identity) -> bool:
    """Whether one thing of the proof at least is right of this person."""
    if proof.sis_card is not None and proof.sis_card == identity.sis_card:
        return True
    if proof.identity_card is not None and proof.identity_card == identity.identity_card:
        return True
    return proof.named is not None and is_named(proof.named, identity)


def is_named(named: Named, identity: Identity) -> bool:
    """Whether last name and birth date are this person's, and the first name one of his where it is given."""
    if not same_name(named.last_name, identity.last_name) or not named.birth_date.agrees(identity.birth_date):
        return False
    if named.first_name is None:
        return True
    own = (*identity.first_names, "".join(identity.first_names))
    return any(same_name(named.first_name, first) for first in own)


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same but for case, accents, and what is no letter. Never where nothing is left."""
    plain = normalised(one)
    return bool(plain) and plain == normalised(other)


def normalised(name: str) -> str:
    """Capitals without accents; nothing but letters and digits."""
    apart = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    return "".join(letter for letter in apart.upper() if letter.isalnum())
