"""What the publisher looks at before it sends: schema, check digits, and whether the employer is one of the sender's.

Nothing here is stricter than the NSSO: what is refused here would be refused there.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

from lxml import etree

from institutions.payroll.notification import Anomaly
from schemas.declarations.anomaly import Anomaly as Found
from schemas.declarations.anomaly import of_violation
from schemas.declarations.form import Release
from schemas.declarations.number import NumberError, PeriodId
from schemas.declarations.stream import MAX_RECORD
from schemas.declarations.values import text_of
from schemas.employer import EmployerNumberError, EnterpriseNumber, NssoNumber
from schemas.errors import CrossroadsError
from schemas.parser import parse
from schemas.ssin import Ssin, SsinError
from schemas.violation import MOST_VIOLATIONS

_NO_MANDATE = ("90256", "155")
#: Of national numbers.
_NO_COUNTERS = ("000", "999")


def is_ssin(text: str) -> bool:
    """Whether `Ssin.parse` takes it."""
    # Almost all are right, and of somebody born before 2000: that is looked at in one step.
    if len(text) == 11 and text.isascii() and text.isdigit() and text[6:9] not in _NO_COUNTERS:
        month, day = int(text[2:4]), int(text[4:6])
        if month <= 12 and day <= 31 and int(text[9:]) == 97 - int(text[:9]) % 97:
            return True
    try:
        Ssin.parse(text)
    except SsinError:
        return False
    return True


@lru_cache(4096)
def _is_nsso(text: str) -> bool:
    return _nsso(text) is not None


@lru_cache(4096)
def _nsso(text: str) -> str | None:
    """As declarations write it, an integer."""
    try:
        return NssoNumber.parse(text.lstrip("+").lstrip("0")[:11]).digits
    except EmployerNumberError:
        return None


@lru_cache(4096)
def _is_company(text: str) -> bool:
    return _company(text) is not None


@lru_cache(4096)
def _company(text: str) -> str | None:
    try:
        return EnterpriseNumber.parse(text).digits
    except EmployerNumberError:
        return None


def _is_period(text: str) -> bool:
    try:
        PeriodId.parse(text)
    except NumberError:
        return False
    return True


#: Numbers with check digits: element, zone, and whether it can be one.
_NUMBERS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "INSS": ("00024", is_ssin),
    "NOSSRegistrationNbr": ("00011", _is_nsso),
    "ProvisionalNSSONbr": ("00948", _is_nsso),
    "CompanyID": ("00014", _is_company),
    "UsingEmployerCompanyID": ("00131", _is_company),
    "DimonaPeriodId": ("00913", _is_period),
}
_NAMES = tuple(_NUMBERS)
_OF_EMPLOYER = {"NOSSRegistrationNbr", "ProvisionalNSSONbr", "CompanyID"}
#: What has an enterprise number too, at which the NSSO does not look.
_OTHERS = {"PreventionService"}


class Employers:
    """Those for whom the sender declares, as it says itself."""

    def __init__(self, numbers: Collection[str]) -> None:
        """NSSO and enterprise numbers. Raises CrossroadsError for what is neither."""
        self._nsso, self._companies = set(), set()
        for number in numbers:
            company = _company(number) if len(number) == 10 and number[0] in "01" else None
            nsso = _nsso(number) if company is None else None
            if company is not None:
                self._companies.add(company)
            elif nsso is not None:
                self._nsso.add(nsso)
            else:
                raise CrossroadsError("neither an NSSO number (9 digits) nor an enterprise number (10 digits)")

    @classmethod
    def read(cls, file: Path) -> "Employers":
        """A number a line, with anything behind a comma or `#`. Raises CrossroadsError with the line."""
        found = []
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            raise CrossroadsError(f"{file}: {why}") from None
        for line, words in enumerate(text.splitlines(), 1):
            number = words.partition("#")[0].partition(",")[0].strip()
            if not number or (line == 1 and not number[0].isdigit()):  # titles of columns
                continue
            try:
                cls((number,))
            except CrossroadsError as error:
                raise CrossroadsError(f"{file}:{line}: {error}") from None
            found.append(number)
        return cls(found)

    def knows(self, nsso: str | None, company: str | None) -> bool:
        """By either number. A number that is not listed may be that of an employer who is listed by the other kind: it
        is nobody's only where the form names every kind that is listed."""
        if nsso in self._nsso or company in self._companies or not (self._nsso or self._companies):
            return True
        return (nsso is None and bool(self._nsso)) or (company is None and bool(self._companies))


class Check:
    """The look at the forms of one file."""

    def __init__(self, release: Release, opening: bytes, closing: bytes, employers: Employers | None = None) -> None:
        self._release, self._grammar = release, release.grammar
        # Its declaration says nothing that is not known.
        self._opening, self._closing = opening.partition(b"?>")[2].lstrip(), closing
        self._employers = employers

    def look(self, form: bytes, line: int) -> tuple[Anomaly, ...]:
        """What is wrong with a form that begins at this line of its file; nothing: it may be sent.

        Raises Malformed, whose lines count from the form's own opening, and GrammarError.
        """
        root = parse(b"".join((self._opening, form, self._closing)), limit=MAX_RECORD)
        if not self._grammar.accepts(root):
            shift = line - cast(int, root[0].sourceline)
            return tuple(
                _told(of_violation(self._release, one, root, shift)) for one in self._release.violations_of(root)
            )
        found = tuple(self._numbers(root))
        return tuple(_told(one.at(root[0], line - cast(int, root[0].sourceline))) for one in found) if found else ()

    def _numbers(self, root: etree._Element) -> Iterator[Found]:
        nsso = company = None
        wrong = 0
        for element in root.iter(*_NAMES):
            name = element.tag
            text = text_of(element).strip()
            zone, is_right = _NUMBERS[name]
            if name == "CompanyID" and cast(etree._Element, element.getparent()).tag in _OTHERS:
                continue
            if not is_right(text):
                if not text.strip("+-0"):  # 0 is no number, and names nobody
                    continue
                wrong += 1
                if wrong <= MOST_VIOLATIONS:
                    yield Found(zone, "004", name, text, _below_form(element))
            elif self._employers is not None and name in _OF_EMPLOYER:
                if name == "CompanyID":
                    company = company or (element, _company(text))
                else:
                    nsso = nsso or (element, _nsso(text))
        if self._employers is None or wrong:
            return
        named = nsso or company
        if named is not None and not self._employers.knows(nsso and nsso[1], company and company[1]):
            element = named[0]
            yield Found(*_NO_MANDATE, str(element.tag), text_of(element).strip(), _below_form(element))


def _below_form(element: etree._Element) -> str:
    steps = [str(element.tag)]
    steps += [str(one.tag) for one in element.iterancestors() if one.getparent() is not None]
    return "/".join(reversed(steps[:-1])) if len(steps) > 1 else steps[0]


def _told(found: Found) -> Anomaly:
    return Anomaly(
        found.error_id,
        found.anomaly_class,
        found.tag or None,
        found.value,
        found.line or None,
        found.column or None,
        found.path,
    )
