"""What an SSDN reply says about how it went: reason codes TCSSSXXX, summaries, and the aggregate of several.

The field's rule (field.md 3.2): the summary of the context is the worst of the services', and says no more than that at
least one of them has generated an error, or a warning.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

from schemas.codes import CODES
from schemas.parser import Information

Ok = Literal["YES", "WARNING", "NO"]
Severity = Literal["INFORMATION", "WARNING", "ERROR"]

#: Details that one summary may have, and pairs of field and value of one detail.
MOST_DETAILS, MOST_INFORMATION = 30, 5

AN_ERROR, A_WARNING = "30000001", "20000001"
#: Of the envelope, and of IdentifyPerson.
BROKEN, NO_TOLERANCE, BOTH_CRITERIA, NOT_VALIDATED, VALIDATED = (
    "31000001", "31009001", "21007001", "22007007", "12007001",
)  # fmt: skip

_TABLE: Mapping[str, Mapping[str, str]] = tomllib.loads(
    files("schemas.ssdn").joinpath("reasons.toml").read_text(encoding="utf-8")
)
#: Our code (`schemas.codes`) to TCSSSXXX.
REASONS: Mapping[str, str] = _TABLE["codes"]
_SEVERITIES: Mapping[str, Severity] = {"1": "INFORMATION", "2": "WARNING", "3": "ERROR"}
_RETURN_CODES: Mapping[Ok, int] = {"YES": 0, "WARNING": 1, "NO": 10000}
_UNEXPECTED = "MSG00003"


@dataclass(frozen=True, slots=True)
class Note:
    """One `Detail`."""

    #: TCSSSXXX
    code: str
    text: str
    #: AuthorCodeList: who gave the code its meaning.
    author: str
    #: May hold a person's number.
    information: Information = field(default=(), repr=False)

    @property
    def severity(self) -> Severity:
        return _SEVERITIES[self.code[0]]


@dataclass(frozen=True, slots=True)
class Summary:
    """A `ResultSummary`."""

    notes: tuple[Note, ...] = ()

    @property
    def ok(self) -> Ok:
        """As bad as the worst of its notes."""
        told = {note.severity for note in self.notes}
        return "NO" if "ERROR" in told else "WARNING" if "WARNING" in told else "YES"

    @property
    def return_code(self) -> int:
        return _RETURN_CODES[self.ok]


def note(reason: str, language: str = "EN", information: Information = ()) -> Note:
    """One of the field's own reasons. KeyError for one that the table does not have."""
    return Note(reason, _TABLE[reason][language], "CBSS", information)


def note_of(code: str, language: str = "EN", information: Information = ()) -> Note:
    """What a status or fault code of the journey is told as. A supplier's own code, that no catalogue has, is told as
    an unexpected error; it may say anything, so it is not repeated."""
    if code not in REASONS:
        code, information = _UNEXPECTED, ()
    return Note(REASONS[code], CODES[code].text[language], "CROSSROADS", information)


def aggregate(summaries: Iterable[Summary], language: str = "EN") -> Summary:
    """The summary of a context: the worst of its services'."""
    worst = {summary.ok for summary in summaries}
    if "NO" in worst:
        return Summary((note(AN_ERROR, language),))
    return Summary((note(A_WARNING, language),)) if "WARNING" in worst else Summary()


def within_limits(notes: Sequence[Note]) -> tuple[Note, ...]:
    """As many as a summary may have; where some are left out, none that is worse than one that stays."""
    order = ("ERROR", "WARNING", "INFORMATION")
    return tuple(sorted(notes, key=lambda one: order.index(one.severity))[:MOST_DETAILS])
