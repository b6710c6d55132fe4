"""Who may declare for whom: senders, employers, mandates. docs/declarations.md, "Who may declare"."""

import re
from dataclasses import dataclass, field

from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.errors import CrossroadsError
from schemas.period import Period
from schemas.wire.names import sender_user

_SENDER = re.compile(r"[0-9]{6}")


class RegisterError(CrossroadsError):
    """What a file of the register says cannot be; the text names the line or field, never a person's number."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Somebody who hands in declarations: an employer, a social secretariat, a full service centre. Raises
    RegisterError."""

    #: Sender number, 6 digits, not 000000 (field digest 6.4).
    number: str
    name: str
    #: In which the sentences of anomalies are told: NL, FR or EN.
    language: str = "NL"
    #: Messages a second on line, and slices of files.
    rate: int = 50
    active: bool = True
    #: SHA-256 of the certificates that its files are signed by, 64 hexadecimal digits in lower case.
    certificates: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not _SENDER.fullmatch(self.number) or self.number == "000000":
            raise RegisterError("a sender number is 6 digits, not all 0")
        if self.language not in ("NL", "FR", "EN"):
            raise RegisterError("a sender's language is NL, FR or EN")

    @property
    def user(self) -> str:
        """Its broker user."""
        return sender_user(self.number)


@dataclass(frozen=True, slots=True)
class Employer:
    """A row of the employer repertory."""

    nsso: NssoNumber
    company: EnterpriseNumber | None
    #: On which days it is an active employer.
    active: Period
    #: Worker types (zone 00655) it may not declare: 00655-350.
    forbidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mandate:
    """A sender may declare for an employer on these days. An employer that sends for itself has one too."""

    sender: str
    employer: NssoNumber
    period: Period


@dataclass(frozen=True, slots=True)
class Register:
    """All that is loaded together; it replaces what there is from the same source, in one transaction."""

    senders: tuple[Sender, ...] = ()
    employers: tuple[Employer, ...] = field(default=(), repr=False)
    mandates: tuple[Mandate, ...] = field(default=(), repr=False)
