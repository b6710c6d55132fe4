"""What tells of a person, in whatever form it was written down."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator

from schemas.ssin import Ssin, check_digits

#: Nobody's name, of words that no log has by chance.
NAME = "Wilhelmina Quaghebeur-Vanderzype"
#: Born in 1985; in 2005, so that the number begins with a zero; and a bis and a ter number of each.
_BIRTHS = (("850101", False), ("050101", True), ("852101", False), ("052101", True), ("854101", False))
_NAME = re.compile("|".join(re.split(r"\W", NAME)), re.IGNORECASE)


def persons(first: int = 1) -> Iterator[Ssin]:
    """Numbers of every kind, each once, from counter `first` on."""
    for counter in range(first, 998):
        born, late = _BIRTHS[counter % len(_BIRTHS)]
        nine = f"{born}{counter:03d}"
        yield Ssin.parse(nine + check_digits(nine, born_2000=late))


def formats(ssin: Ssin) -> re.Pattern[str]:
    """The number with up to two signs between any of its digits, and with or without the zeros that it begins with."""
    digits = r"[^0-9a-zA-Z]{0,2}".join(ssin.digits.lstrip("0"))
    return re.compile(rf"(?<![1-9])(?<![1-9]0){digits}(?![0-9])")


def told(text: str, known: Iterable[Ssin]) -> str | None:
    """In which form a text tells one of these persons, or the name; the answer itself tells neither."""
    if _NAME.search(text):
        return "a name"
    for ssin in known:
        if formats(ssin).search(text):
            return "a number"
        if any(form in text for form in _disguises(ssin)):
            return "a number in disguise"
    return None


def _disguises(ssin: Ssin) -> Iterator[str]:
    """Forms that hide a number from the eye and from nobody else: there are few enough to try them all."""
    digits = ssin.digits.encode()
    yield base64.b64encode(digits).decode().rstrip("=")
    yield digits.hex()
    yield ssin.digits[::-1]
    for name in ("md5", "sha1", "sha256"):
        yield hashlib.new(name, digits, usedforsecurity=False).hexdigest()
    yield ", ".join(str(byte) for byte in digits)
    yield ",".join(str(byte) for byte in digits)
