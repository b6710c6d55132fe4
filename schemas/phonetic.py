"""How a name sounds, so that a person is found though his name was written otherwise. Pure.

The keys are our own: no rule of the field's is published. They hear as one what Dutch, French and German spell apart
(Dhondt, D'Hont; Vandenbosch, van den Bossche; Lefèvre, Lefebvre; Claeys, Claes; Schmitt, Smit), and leave what is
different different: the first letter's sound and the order of consonants count.
"""

import re

from schemas.identity import IncompleteDate, normalised

#: What is heard, spelling after spelling, of capitals without accents; the longer ones come first.
_SOUNDS: tuple[tuple[str, str], ...] = (
    (r"SCHT", "ST"), (r"SCH(?=[MNLRW])", "S"), (r"SCHE?$", "S"), (r"TSCH", "X"), (r"SCH|SH", "X"),
    (r"PH", "F"), (r"(?<=E)B(?=V)", ""), (r"W", "V"), (r"TH", "T"), (r"D(?=T)", ""),
    (r"CKX|CKS|CX|KX|CS", "KS"), (r"X$", "KS"), (r"X(?=[AEIOUY])", "KS"), (r"QU|Q", "K"), (r"CK", "K"), (r"CH", "X"),
    (r"GN", "N"), (r"C(?=[EIY])", "S"), (r"C", "K"), (r"TZ|Z", "S"), (r"(?<=[AEIOUY])GH|GH", "G"),
    (r"IJ|Y", "I"), (r"J", "I"), (r"H", ""),
)  # fmt: skip
_RULES = tuple((re.compile(spelt), heard) for spelt, heard in _SOUNDS)
_VOWELS = re.compile(r"[AEIOU]+")
_DOUBLE = re.compile(r"(.)\1+")


def key(name: str) -> str:
    """How it sounds: the same for spellings that sound alike, at most 32 letters; empty where no letter is left."""
    sound = normalised(name)
    for spelt, heard in _RULES:
        sound = spelt.sub(heard, sound)
    sound = _DOUBLE.sub(r"\1", sound)
    first, rest = sound[:1], sound[1:]
    return _DOUBLE.sub(r"\1", ("A" if first in "AEIOU" and first else first) + _VOWELS.sub("", rest))[:32]


def is_near(born: IncompleteDate, other: IncompleteDate, tolerance: int) -> bool:
    """Whether two birth dates lie at most so many units apart; the unit is the finest that both know: days, months or
    years (IdentifyPerson, PhoneticCriteria/Tolerance)."""
    if 0 in (born.month, other.month):
        return abs(born.year - other.year) <= tolerance
    if 0 in (born.day, other.day):
        return abs(12 * (born.year - other.year) + born.month - other.month) <= tolerance
    return abs(_day(born) - _day(other)) <= tolerance


def _day(born: IncompleteDate) -> int:
    """Days since no day in particular; a day that its month does not have (30 February) counts as one behind it."""
    year, month = (born.year, born.month - 3) if born.month > 2 else (born.year - 1, born.month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + born.day
