"""`crossroads payroll`: declare as a sender, one form or files, and ask who works where."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from deploy.command import publishing
from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from institutions.payroll import Anomaly, Notification, Sender, Worker
    from schemas.declarations.dimona_period import Span
    from schemas.employer import EnterpriseNumber, NssoNumber
    from schemas.period import Period

#: Exit status where the NSSO refused, and where no answer came.
REFUSED, NO_ANSWER = 1, 3

group = typer.Typer(no_args_is_help=True, help="Declare as a sender: an employer, a social secretariat.")

File = Annotated[
    Path, typer.Argument(help="One structured message with one Form; - is standard input.", show_default=False)
]
As = Annotated[str, typer.Option("--as", metavar="SENDER", help="The sender number, 6 digits.")]
Key = Annotated[
    str | None,
    typer.Option(help="UUID that names this declaration: with the same one it is done once and told again."),
]
Environment = Annotated[
    str, typer.Option(help="R real; T test, a world of its own; S simulation: judged, answered, forgotten.")
]
Language = Annotated[str, typer.Option(help="In which anomalies are explained: NL, FR or EN.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, anomalies in all three languages.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the answer.", min=0.1, max=600)]
Employer = Annotated[str, typer.Argument(metavar="EMPLOYER", help="NSSO number (9 digits) or enterprise number (10).")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Who works there on this day; today.")]
From = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Of a period: its first day.")]
To = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Its last day; none: it goes on.")]
Cancelled = Annotated[bool, typer.Option("--cancelled", help="Cancelled periods too.")]
Rows = Annotated[bool, typer.Option("--json", help="Print a JSON list of objects.")]

_T = TypeVar("_T")


@group.command()
def declare(
    file: File,
    as_: As,
    key: Key = None,
    environment: Environment = "R",
    language: Language = "EN",
    as_json: Json = False,
    timeout: Timeout = 10.0,
) -> None:
    """Hand in one form and print the notification alone on standard output.

    On standard error: how it ended, the period, and each anomaly with where it stands and a sentence that says what it
    means. The message goes as it is, also where it is wrong: the NSSO says so. docs/examples/declarations has messages.
    When no answer came, the key is told: the same command with --key is the same declaration, done once.
    Exit status: 0 accepted (a warning, or still to be validated, is accepted), 1 refused, 2 the command could not be
    done, 3 no answer came.
    """
    from deploy.command.nsso import language_of

    spoken = language_of(language)
    if environment not in ("R", "T", "S"):
        raise CrossroadsError("--environment: R, T or S")
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CrossroadsError(f"{file}: {error.strerror}") from None

    async def handed_in() -> "Notification":
        async with sender_of(as_, timeout) as me:
            return await me.declare(body, key=key, environment=environment)  # type: ignore[arg-type]

    told = _answered(handed_in())
    if as_json:
        sys.stdout.write(json.dumps(as_dict(told), ensure_ascii=False) + "\n")
    else:
        for line in explained(told, spoken):
            typer.echo(line, err=True)
        sys.stdout.buffer.write(told.xml.rstrip(b"\n") + b"\n")
        sys.stdout.flush()
    raise typer.Exit(0 if told.accepted else REFUSED)


@group.command()
def workers(
    employer: Employer,
    as_: As,
    on: Day = None,
    from_: From = None,
    to: To = None,
    cancelled: Cancelled = False,
    as_json: Rows = False,
    timeout: Timeout = 10.0,
) -> None:
    """List who works at an employer, by what was declared: a row a period.

    Exit status: 0 there is a list, 1 the NSSO gives none (no mandate), 2 the command could not be done, 3 no answer
    came.
    """
    from deploy.command.table import tell
    from institutions.payroll import ListRefused

    asked, wanted = _employer(employer), _days(on, from_, to)

    async def listed() -> "list[Worker]":
        async with sender_of(as_, timeout) as me:
            return await me.workers(asked, wanted, cancelled=cancelled)

    try:
        found = _answered(listed())
    except ListRefused as error:
        typer.echo(f"crossroads: {error}", err=True)
        raise typer.Exit(REFUSED) from None
    columns = (
        "period",
        "ssin",
        "name",
        "firstName",
        "from",
        "to",
        "jointCommission",
        "workerType",
        "late",
        "cancelled",
    )
    rows = (
        (
            one.period_id, one.ssin, one.name, one.first_name, one.span.starting_date.isoformat(),
            one.span.ending_date and one.span.ending_date.isoformat(), one.joint_commission, one.worker_type,
            one.late, one.cancelled,
        )
        for one in found
    )  # fmt: skip
    tell(as_json, columns, rows)


group.command()(publishing.publish)
group.command()(publishing.listen)


def explained(told: "Notification", language: str) -> list[str]:
    """How it ended, for the eye."""
    ticket = f", ticket {told.ticket}" if told.ticket else ""
    period = f", period {told.period_id}" if told.period_id else ""
    return [f"{told.result.value}{ticket}{period}", *(_line(one, language) for one in told.anomalies)]


def _line(one: "Anomaly", language: str) -> str:
    place = f", line {one.line}" if one.line is not None else ""
    element = f", {one.tag}" if one.tag else ""
    value = f" {one.value!r}" if one.value else ""
    return f"  {one.error_id} ({one.anomaly_class}{element}{value}{place}): {one.text(language)}"


def as_dict(told: "Notification") -> dict[str, object]:
    """A notification as `--json` prints it."""
    return {
        "form": told.form,
        "result": told.result.name,
        "ticket": told.ticket,
        "period": told.period_id,
        "before": _span(told.before),
        "after": _span(told.after),
        "anomalies": [
            {
                "id": one.error_id,
                "class": one.anomaly_class,
                "element": one.tag,
                "value": one.value,
                "line": one.line,
                "column": one.column,
                "path": one.path,
                "text": {language: one.text(language) for language in ("NL", "FR", "EN")},
            }
            for one in told.anomalies
        ],
        "xml": told.xml.decode(),
    }


def _span(span: "Span | None") -> dict[str, object] | None:
    if span is None:
        return None
    return {
        "from": span.starting_date.isoformat(),
        "fromHour": span.starting_hour,
        "to": span.ending_date.isoformat() if span.ending_date is not None else None,
        "toHour": span.ending_hour,
        "plannedHours": span.planned_hours,
        "plannedDays": span.planned_days,
    }


def _answered(asking: "Coroutine[Any, Any, _T]") -> _T:
    from institutions.errors import NoAnswer, OverLimit, Unreachable, UnreadableAnswer

    try:
        return asyncio.run(asking)
    except (NoAnswer, OverLimit, Unreachable, UnreadableAnswer) as error:
        typer.echo(f"crossroads: {error}", err=True)
        raise typer.Exit(NO_ANSWER) from None


def sender_of(number: str, timeout: float) -> "Sender":
    """As the network that runs here knows it, else as CROSSROADS_AMQP_URL says."""
    from deploy.access import Access, NoNetworkError, home
    from institutions.payroll import Sender
    from schemas.wire import names

    user = names.sender_user(number)
    try:
        access = Access.load(home())
    except NoNetworkError:
        if not os.environ.get("CROSSROADS_AMQP_URL"):
            raise
        return Sender(number, timeout=timeout, observe=_quiet, report=_quiet)
    if user not in access.passwords:
        raise CrossroadsError(f"there is no sender {number} in this network: `crossroads nsso senders` lists who is")
    # What went wrong is in the error that ends the command: nothing is logged besides.
    return Sender(number, access.urls(user), timeout=timeout, observe=_quiet, report=_quiet)


def _quiet(_: object) -> None: ...


def _employer(text: str) -> "NssoNumber | EnterpriseNumber":
    """An enterprise number has 10 digits, the first 0 or 1; the rest are NSSO numbers."""
    from schemas.employer import EnterpriseNumber, NssoNumber

    if len(text) == 10 and text[0] in "01":
        return EnterpriseNumber.parse(text)
    return NssoNumber.parse(text)


def _days(on: datetime | None, from_: datetime | None, to: datetime | None) -> "date | Period | None":
    from schemas.period import Period

    if on is not None and (from_ is not None or to is not None):
        raise CrossroadsError("--on is a day, --from and --to a period: one of both")
    if to is not None and from_ is None:
        raise CrossroadsError("--to: say --from too")
    if from_ is not None:
        return Period(from_.date(), to.date() if to is not None else None)
    return on.date() if on is not None else None
