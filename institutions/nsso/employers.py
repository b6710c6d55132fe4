"""Which employer a form means, and whether a sender may declare for it. docs/declarations.md, "Who may declare"."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from institutions.nsso.register import Employer, Mandate
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.head import EmployerNumbers
from schemas.employer import EmployerNumberError, EnterpriseNumber, NssoNumber
from schemas.period import Period

_EMPLOYER, _NSSO, _PROVISIONAL, _LOCAL, _COMPANY = "90256", "00011", "00948", "00109", "00014"


class Directory:
    """As much of the register as some forms need: their employers, and mandates of their senders."""

    def __init__(self, employers: Iterable[Employer] = (), mandates: Iterable[Mandate] = ()) -> None:
        self._employers: dict[NssoNumber, Employer] = {}
        self._companies: dict[EnterpriseNumber, list[Employer]] = defaultdict(list)
        self._mandates: dict[str, dict[NssoNumber, list[Period]]] = defaultdict(lambda: defaultdict(list))
        for employer in employers:
            self._employers[employer.nsso] = employer
            if employer.company is not None:
                self._companies[employer.company].append(employer)
        for mandate in mandates:
            self._mandates[mandate.sender][mandate.employer].append(mandate.period)

    def employer(self, number: NssoNumber) -> Employer | None:
        return self._employers.get(number)

    def mandated(self, sender: str, employer: NssoNumber, day: date) -> bool:
        """Whether a sender may declare for an employer on a day."""
        return any(one.contains(day) for one in self._mandates[sender][employer])

    def meant(self, numbers: EmployerNumbers, sender: str, day: date, path: str = "EmployerId") -> Employer | Anomaly:
        """The employer that these numbers name; what is wrong with them, at `path` below the Form.

        By NSSO number, else the provisional one, else the enterprise number; where several employers have that, the one
        that the sender may declare for. Without any number the only one that it may declare for; 0 is no employer's.
        """
        company: EnterpriseNumber | None = None
        if numbers.company is not None and numbers.company.strip("0"):
            try:
                company = EnterpriseNumber.parse(numbers.company)
            except EmployerNumberError:
                return Anomaly(_COMPANY, "004", "CompanyID", numbers.company, f"{path}/CompanyID")
        for zone, name, text in (
            (_NSSO, "NOSSRegistrationNbr", numbers.nsso),
            (_PROVISIONAL, "ProvisionalNSSONbr", numbers.provisional),
            (_LOCAL, "NOSSLPARegistrationNbr", numbers.local),
        ):
            if text is None or not text.strip("+-0"):
                continue
            place = f"{path}/{name}"
            if zone == _LOCAL:
                return Anomaly(zone, "235", name, text, place)
            number = nsso_number(text)
            if number is None:
                return Anomaly(zone, "004", name, text, place)
            if (found := self._employers.get(number)) is None:
                return Anomaly(zone, "235", name, text, place)
            if company is not None and found.company != company:
                return Anomaly(_COMPANY, "022", "CompanyID", numbers.company, f"{path}/CompanyID")
            return found
        alike = self._companies.get(company, []) if company is not None else []
        if company is not None and not alike:
            return Anomaly(_COMPANY, "235", "CompanyID", numbers.company, f"{path}/CompanyID")
        if company is None:
            if numbers.given:
                # All of them 0, which names nobody (field digest 5): none is looked for in its place.
                return Anomaly(_EMPLOYER, "001", "EmployerId", None, path)
            mine = [
                number
                for number, periods in self._mandates[sender].items()
                if any(one.contains(day) for one in periods)
            ]
            alike = [employer for number in mine if (employer := self._employers.get(number)) is not None]
        elif len(alike) > 1:
            alike = [employer for employer in alike if self.mandated(sender, employer.nsso, day)]
        return alike[0] if len(alike) == 1 else Anomaly(_EMPLOYER, "001", "EmployerId", None, path)


def nsso_number(text: str) -> NssoNumber | None:
    """As declarations write it, an integer, definitive or provisional; None: it is no such number."""
    try:
        return NssoNumber.parse(text.lstrip("+").lstrip("0")[:11])
    except EmployerNumberError:
        return None


def candidates(numbers: EmployerNumbers) -> tuple[list[str], list[str]]:
    """NSSO and enterprise numbers by which the register has to be looked into."""
    nsso = [number.digits for text in (numbers.nsso, numbers.provisional) if text and (number := nsso_number(text))]
    try:
        company = [EnterpriseNumber.parse(numbers.company).digits] if numbers.company else []
    except EmployerNumberError:
        company = []
    return nsso, company
