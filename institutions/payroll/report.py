"""What became of a file that was published: counts, and a line a form and anomaly in CSV."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from institutions.payroll.notification import Anomaly
from institutions.payroll.state import Outcome, Phase, State, StateError
from schemas.declarations.outcome import Result

COLUMNS = (
    "form", "line", "outcome", "ticket", "period", "errorId", "class", "element", "path", "value", "NL", "FR", "EN",
)  # fmt: skip
#: What a form that got no answer of its own is told as.
NOT_SENT, FILE_REFUSED, NOT_ANSWERED = "not sent", "file refused", "not answered"
_LANGUAGES = ("NL", "FR", "EN")


@dataclass(frozen=True, slots=True)
class Report:
    """How the publishing of a file ended."""

    file: Path
    #: Name of the GO; None: there was nothing to send.
    name: str | None
    #: The file's, from social security; empty where it was refused, or nothing was sent.
    ticket: str
    #: Why the NSSO refused the file as a whole, `ACRF-133`; none: it did not.
    errors: tuple[str, ...]
    #: Forms in the file, and how they ended; `not_sent` were found wrong here.
    forms: int
    accepted: int
    #: Among the accepted: with a warning, and still to be validated.
    warned: int
    to_validate: int
    refused: int
    not_sent: int
    not_answered: int
    #: The CSV.
    csv: Path
    _state: Path = field(repr=False)
    _sender: str = field(repr=False)
    _environment: str = field(repr=False)

    @property
    def all_accepted(self) -> bool:
        """Every form of the file is declared, with a warning perhaps."""
        return self.forms > 0 and self.accepted == self.forms

    def outcomes(self) -> Iterator[Outcome]:
        """Of every form, in the order of the file, with the id of the period and what is wrong."""
        state = State.open(self._state, self._sender, self._environment)
        try:
            yield from state.outcomes()
        finally:
            state.close()


def of_state(file: Path, state_path: Path, csv_path: Path, state: State) -> Report:
    """As far as it is known."""
    counts = state.counts()
    refused = counts.get(Result.REFUSED.name, 0)
    answered = sum(counts.values())
    return Report(
        file,
        state.name,
        state.ticket or "",
        state.errors or (),
        state.forms,
        answered - refused,
        counts.get(Result.WARNED.name, 0),
        counts.get(Result.TO_VALIDATE.name, 0),
        refused,
        state.forms - state.right,
        state.right - answered,
        csv_path,
        state_path,
        state.sender,
        state.environment,
    )


def write(path: Path, state: State) -> None:
    """The CSV, anew; who looks finds the old one or the new one. Raises OSError."""
    if state.phase < Phase.CHECKED:
        raise StateError("nothing is known of this file yet")
    written = path.with_name(f"{path.name}.new")
    written.unlink(missing_ok=True)
    with os.fdopen(
        os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline=""
    ) as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for error in state.errors or ():
            rows.writerow(("", "", FILE_REFUSED, "", "", *_of(Anomaly(error, "B"))))
        for outcome in state.outcomes():
            word = _word(outcome, refused=bool(state.errors))
            beginning = (outcome.form, word, outcome.ticket, outcome.period_id or "")
            if not outcome.anomalies:
                rows.writerow((beginning[0], outcome.line, *beginning[1:], *[""] * 8))
            for anomaly in outcome.anomalies:
                line = anomaly.line if anomaly.line is not None else outcome.line
                rows.writerow((beginning[0], line, *beginning[1:], *_of(anomaly)))
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)


def _word(outcome: Outcome, *, refused: bool) -> str:
    if outcome.result is not None:
        return outcome.result.value
    if not outcome.sent:
        return NOT_SENT
    return FILE_REFUSED if refused else NOT_ANSWERED


def _of(anomaly: Anomaly) -> tuple[str, ...]:
    return (
        anomaly.error_id,
        anomaly.anomaly_class,
        anomaly.tag or "",
        anomaly.path or "",
        anomaly.value or "",
        *(anomaly.text(language) for language in _LANGUAGES),
    )
