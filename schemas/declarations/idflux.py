"""IDFLUX: who declares for a worker is told, unasked, that his identification changed. Field digest 6.5."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path

from schemas.declarations.form import Form, Release
from schemas.declarations.head import reference
from schemas.declarations.writing import element, head, opening
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.grammar import GrammarError
from schemas.parser import parse
from schemas.ssin import Ssin

RELEASE = "IDFLUX_20231"
#: JustificationCode: a number was replaced.
NUMBER_REPLACED = 90
#: Where the form wants what nobody said.
_NO_NAME, _NO_DATE = "-", "0000-00-00"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A number that took another's place, for one employer."""

    old: Ssin
    new: Ssin
    #: From when on.
    day: date
    employer: NssoNumber
    company: EnterpriseNumber | None
    #: What was declared of the worker beside the number: `WorkerName` and so on.
    said: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def sex(self) -> str | None:
        """1 male, 2 female; None: neither the numbers nor a declaration say, and the form has no place for that."""
        for number in (self.new, self.old):
            if number.male is not None:
                return "1" if number.male else "2"
        said = self.said.get("WorkerSex", "").strip()
        return said if said in ("1", "2") else None


def idflux(replacement: Replacement, ticket: str, now: datetime) -> bytes | None:
    """The message, valid against its schema, as UTF-8; None: its schema has no place for what is known, a sex that
    nobody said, or a provisional employer without enterprise number. `now` is aware.

    The name is what was declared, else `-`. Its birth date likewise, else what a number holds, else zeros.
    """
    sex, employer = replacement.sex, _employer(replacement)
    if sex is None or employer is None:
        return None
    said = replacement.said
    born = said.get("WorkerBirthdate") or replacement.new.birth_date or replacement.old.birth_date or _NO_DATE
    body = (
        f"{opening(RELEASE)}<Form>{head('IDFLUX', now, 'SU')}{reference('1', '2', ticket)}<IdfluxInformation>"
        f"<JustificationCode>{NUMBER_REPLACED}</JustificationCode>"
        f"<EffectiveStartingDate>{replacement.day}</EffectiveStartingDate>{employer}"
        f"<ValidSituation><INSS>{replacement.new.digits}</INSS>"
        f"{element('WorkerName', said.get('WorkerName') or _NO_NAME, 48)}"
        f"{element('WorkerFirstName', said.get('WorkerFirstName') or _NO_NAME, 24)}"
        f"{element('WorkerBirthdate', born)}<WorkerSex>{sex}</WorkerSex></ValidSituation>"
        f"<OutdatedSituation><INSS>{replacement.old.digits}</INSS></OutdatedSituation>"
        "</IdfluxInformation></Form></IDFLUX>"
    ).encode()
    broken = _release().violations_of(parse(body))
    if broken:
        raise GrammarError(f"an IDFLUX of ours breaks its schema: {broken[0].path}: {broken[0].reason}")
    return body


def _employer(replacement: Replacement) -> str | None:
    company = replacement.company.digits if replacement.company is not None else "0"
    if not replacement.employer.provisional:
        number = f"<NOSSRegistrationNbr>{replacement.employer}</NOSSRegistrationNbr>"
    elif replacement.company is None:
        return None
    else:
        number = "<NOSSLPARegistrationNbr>0</NOSSLPARegistrationNbr>"  # 0 names nobody: the enterprise number does
    return f"<EmployerId>{number}<CompanyID>{company}</CompanyID></EmployerId>"


@cache
def _release() -> Release:
    return Form.read(Path(__file__).parent / "IDFLUX").releases[-1]
