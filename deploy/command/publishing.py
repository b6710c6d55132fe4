"""`crossroads payroll publish` and `listen`: files of forms, and what comes unasked."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from institutions.payroll import Employers, Progress, Report
    from institutions.payroll.box import Kept
    from schemas.declarations.signature import Signer

#: Exit status: some were not accepted; it could not be done; no network, or answers are missing.
NOT_ALL, COULD_NOT, GO_ON = 1, 2, 3
#: Seconds between two words on how far it is, on a terminal and elsewhere.
_TERMINAL, _ELSEWHERE = 0.5, 5.0

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", help="Each one structured message with any number of Forms, of one kind.", show_default=False
    ),
]
As = Annotated[str, typer.Option("--as", metavar="SENDER", help="The sender number, 6 digits.")]
Env = Annotated[
    str, typer.Option("--env", help="R real, must be signed; T test, a world of its own; S simulation: forgotten.")
]
Key = Annotated[
    Path | None, typer.Option(help="Private key in PEM, to sign with; CROSSROADS_KEY_PASSWORD opens it if need be.")
]
Certificate = Annotated[Path | None, typer.Option(help="Its certificate in PEM, which the NSSO has registered.")]
OwnEmployers = Annotated[
    Path | None,
    typer.Option(help="NSSO or enterprise numbers, one a line: forms for any other employer are not sent."),
]
Again = Annotated[bool, typer.Option("--again", help="Begin a new transfer of what was published, or has changed.")]
Patience = Annotated[
    float, typer.Option(help="Seconds without a step forward after which it ends, to be gone on with.", min=1)
]
Everything = Annotated[
    bool, typer.Option("--all", help="Also answers to files, which `publish` then does not find any more.")
]
Seconds = Annotated[float | None, typer.Option("--for", help="End after so many seconds without a message.", min=1)]


def publish(
    files: Files,
    as_: As,
    env: Env = "R",
    key: Key = None,
    certificate: Certificate = None,
    employers: OwnEmployers = None,
    again: Again = False,
    patience: Patience = 600.0,
) -> None:
    """Hand in files of forms, and report how each form ended.

    Each FILE is checked form by form (schema, check digits). What is wrong is reported and not sent; what is right is
    named, signed, sent in slices, and its answers collected. Then FILE.report.csv has a line for each form and each
    thing that is wrong with it: form, line, outcome, ticket, period, ErrorID, what it means in NL, FR and EN.

    How far it is stands in FILE.publish. However it ends (Ctrl-C, kill, no broker), the same command goes on where it
    was, and nothing is declared twice. A FILE that changed since is refused, unless with --again.

    What is real must be signed with --key and --certificate, or be named as the field names files (FI.DIMN.…) with its
    FS beside it. Try with --env S first: all is judged as if it were real, and forgotten.

    Example: crossroads payroll publish docs/examples/declarations/DimonaFile.xml --as 100001 --env S

    Exit status: 0 every form was accepted (a warning is accepted), 1 some were not, 2 it could not be done, 3 the
    network could not be reached or answers are missing: go on with the same command.
    """
    from deploy.command.payroll import sender_of
    from institutions.payroll.publisher import Publication, Wanted

    if env not in ("R", "T", "S"):
        raise CrossroadsError("--env: R, T or S")
    signer, own, me = _signer(key, certificate), _employers(employers), sender_of(as_, 10.0)
    wanted = Wanted(env, signer, own, again, patience)  # type: ignore[arg-type]
    if len(set(map(Path.resolve, files))) < len(files):
        raise CrossroadsError("the same FILE twice")
    publications: list[Publication] = []
    try:
        for file in files:
            publications.append(Publication(file, as_, wanted, progress=Shown(file.name)))  # noqa: PERF401 - one by one
    except BaseException:
        for one in publications:
            one.close()
        raise
    try:
        ended = asyncio.run(me.run(publications))
    except KeyboardInterrupt:
        typer.echo("\ncrossroads: stopped; go on with the same command", err=True)
        raise typer.Exit(GO_ON) from None
    raise typer.Exit(max(map(_told, ended)))


def listen(as_: As, everything: Everything = False, idle: Seconds = None) -> None:
    """Print what comes to a sender unasked, until Ctrl-C: a line of JSON a message, with its XML.

    IDFLUX (a worker's number was replaced), DmfAPID, and notifications whose reply_to was the sender's own queue. A
    message is done with when it is printed. Answers to files are kept for `publish`, which finds them.

    Exit status: 0 ended, 2 the command could not be done, 3 no broker let it in.
    """
    from deploy.command.payroll import sender_of
    from institutions.errors import NotAllowed

    me = sender_of(as_, 10.0)

    async def go() -> None:
        async for kept in me.listen(files=everything, idle=idle):
            sys.stdout.write(json.dumps(_as_dict(kept), ensure_ascii=False) + "\n")
            sys.stdout.flush()

    try:
        asyncio.run(go())
    except KeyboardInterrupt:
        return
    except NotAllowed as error:
        typer.echo(f"crossroads: {error}", err=True)
        raise typer.Exit(GO_ON) from None


def _as_dict(kept: "Kept") -> dict[str, object]:
    return {
        "form": kept.form,
        "file": kept.file,
        "first": kept.first,
        "count": kept.count,
        "key": kept.key,
        "ticket": kept.ticket,
        "xml": kept.body.decode("utf-8", "replace"),
    }


def _told(ended: "Report | Exception") -> int:
    """Say how a file ended; its exit status."""
    from institutions.errors import NoAnswer, NotAllowed, Unreachable

    if isinstance(ended, Exception):
        words = f"{ended.filename}: {ended.strerror}" if isinstance(ended, OSError) else str(ended)
        typer.echo(f"crossroads: {words}", err=True)
        return GO_ON if isinstance(ended, NoAnswer | Unreachable | NotAllowed) else COULD_NOT
    if ended.errors:
        from schemas.declarations.anomalies import ANOMALIES, UnknownAnomaly

        for error in ended.errors:
            try:
                means = ANOMALIES.of(error).text["EN"]
            except UnknownAnomaly:
                means = "refused as a whole"
            typer.echo(f"{ended.file}: {error}: {means}", err=True)
    numbers = {
        "accepted": ended.accepted,
        "of them with a warning": ended.warned,
        "to be validated": ended.to_validate,
        "refused": ended.refused,
        "not sent": ended.not_sent,
        "file refused" if ended.errors else "not answered": ended.not_answered,
    }
    counts = ", ".join(f"{count} {word}" for word, count in numbers.items() if count)
    ticket = f", ticket {ended.ticket}" if ended.ticket else ""
    typer.echo(f"{ended.file}: {ended.forms} forms: {counts}{ticket}; {ended.csv}", err=True)
    return 0 if ended.all_accepted else NOT_ALL


def _signer(key: Path | None, certificate: Path | None) -> "Signer | None":
    if key is None and certificate is None:
        return None
    if key is None or certificate is None:
        raise CrossroadsError("--key and --certificate go together")
    from schemas.declarations.signature import Signer

    try:
        return Signer.load(key, certificate, os.environ.get("CROSSROADS_KEY_PASSWORD"))
    except OSError as error:
        raise CrossroadsError(f"{error.filename}: {error.strerror}") from None


def _employers(file: Path | None) -> "Employers | None":
    from institutions.payroll import Employers

    return None if file is None else Employers.read(file)


class Shown:
    """Progress on standard error: one line that is written over on a terminal, else one now and then."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._terminal = sys.stderr.isatty()
        self._every = _TERMINAL if self._terminal else _ELSEWHERE
        #: Of the phase that goes on: when it began and with how much; when a word was said last.
        self._phase: object = None
        self._since, self._at_first, self._last = 0.0, 0, 0.0

    def __call__(self, progress: "Progress") -> None:
        now = self._clock()
        done = (progress.read, progress.sent, progress.sent, progress.answered, 0, 0)[progress.phase]
        if progress.phase != self._phase:
            self._phase, self._since, self._at_first, self._last = progress.phase, now, done, 0.0
        words, whole = _words(progress, done - self._at_first, now - self._since)
        if not words or (now - self._last < self._every and not whole):
            return
        self._last = now
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{self._name}: {words}" + ("\n" if whole else ""))
            sys.stderr.flush()
        else:
            typer.echo(f"{self._name}: {words}", err=True)


def _words(progress: "Progress", done: int, seconds: float) -> tuple[str, bool]:
    """What to say, and whether the phase is at its end."""
    a_second = done / seconds if seconds > 0 else 0.0
    wrong = f", {progress.wrong} wrong" if progress.wrong else ""
    if progress.phase == 0:
        whole = progress.read >= progress.size
        forms = progress.forms / seconds if seconds > 0 else 0.0
        told = f"checked {progress.forms} forms{wrong}, {forms:.0f} a second"
        return told + _left(progress.size - progress.read, a_second), whole
    if progress.phase < 3:
        slower = ", slower: the NSSO takes no more for now" if progress.slower else ""
        sent = f"sent {progress.sent / 1e6:.1f} of {progress.to_send / 1e6:.1f} MB{slower}"
        return sent + _left(progress.to_send - progress.sent, a_second), progress.sent >= progress.to_send
    if progress.phase == 3:
        asked = progress.forms - progress.wrong
        told = f"answered {progress.answered} of {asked}, {progress.refused} refused, {a_second:.0f} a second"
        return told + _left(asked - progress.answered, a_second), progress.answered >= asked
    return "", True


def _left(left: float, a_second: float) -> str:
    return f", {left / a_second:.0f} s left" if left > 0 and a_second > 0 else ""
