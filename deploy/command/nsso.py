"""`crossroads nsso`: who may hand in declarations, what anomalies mean, and periods that are locked or blocked."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from institutions.nsso.office import PostgresOffice
    from institutions.nsso.persons import Persons

group = typer.Typer(
    no_args_is_help=True,
    help="The NSSO (12-0): senders, employers, mandates; anomalies; periods locked, blocked, identified; untold.",
)

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="TOML or CSV.", show_default=False)]
Database = Annotated[
    str | None,
    typer.Option(help="12-0's database; else that of the network that runs here, else CROSSROADS_NSSO_URL."),
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON list of objects.")]
Language = Annotated[str, typer.Option(help="NL, FR or EN.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID…", help="90373-333, ACRF-102, or a code: 333; none: all there are.")
]
PeriodIdArgument = Annotated[str, typer.Argument(metavar="PERIOD", help="The period's id, 12 digits.")]
Employer = Annotated[str, typer.Argument(metavar="EMPLOYER", help="Its NSSO number.")]
QuarterArgument = Annotated[str, typer.Argument(metavar="QUARTER", help="2026/3, or 20263.")]
To = Annotated[str, typer.Option("--to", metavar="SENDER", help="The sender number, 6 digits.")]
Person = Annotated[str, typer.Argument(metavar="SSIN", help="The worker's number, 11 digits.")]
Again = Annotated[bool, typer.Option("--again", help="Tell it anew, each as the period is now.")]
All = Annotated[bool, typer.Option("--all", help="Also those that are done, refused or cancelled: the newest 1,000.")]
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="As it is listed: GO.DIMN.123456.20261128.00001.R.1")]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]

#: Warnings that are told one by one.
_MOST_TOLD = 20

_MOST_FILES = 1_000
_T = TypeVar("_T")
#: Of NaturalPerson, what identifies.
_NAMES = ("WorkerName", "WorkerFirstName", "WorkerBirthdate")


@group.command()
def load(files: Files, database: Database = None) -> None:
    """Put senders, employers and mandates into the NSSO's register.

    Each file replaces what a file of the same name said before; all that are named are loaded in one transaction. What
    is wrong in one is told line by line, or that it contradicts another, and then nothing of any is loaded. Who has a
    mandate and stands in no file, or no more, is told: the mandate is loaded, and counts for nothing until its sender
    and its employer are there. A TOML file holds tables sender, employer and mandate, as deploy/network/senders.toml
    does; many employers or mandates fit into CSV: nsso,enterprise,from,to,forbidden or sender,employer,from,to. A
    mandate that is gone counts for the next declaration. New senders get their queues and user by `crossroads
    provision`; in a network of `crossroads up`, by itself.
    """
    from institutions.nsso.register import RegisterError
    from institutions.nsso.register_files import read

    found, wrong = {}, []
    for file in files:
        if file.name in found:
            wrong.append(f"{file}: of the same name as another one here: one takes the place of the other")
        try:
            found[file.name] = read(file)
        except RegisterError as error:
            wrong.append(str(error))
    if wrong:
        raise CrossroadsError("\n".join(wrong))
    unknown = _with_office(database, lambda office: office.load_all(found))
    for name, register in found.items():
        typer.echo(
            f"{name}: {len(register.senders):,} senders, {len(register.employers):,} employers, "
            f"{len(register.mandates):,} mandates"
        )
    for one in unknown[:_MOST_TOLD]:
        typer.echo(
            f"crossroads: {one.source}: {one.kind} {one.number} is in no file that was loaded: what mandates name it"
            f" ({one.mandates:,}) count for nothing until it is",
            err=True,
        )
    if (more := len(unknown) - _MOST_TOLD) > 0:
        typer.echo(f"crossroads: and {more:,} more senders and employers that are in no file", err=True)


@group.command()
def senders(database: Database = None, as_json: Json = False) -> None:
    """List who may hand in declarations, and who once might (inactive)."""
    from deploy.command.table import tell

    async def read(office: "PostgresOffice") -> list[tuple[object, ...]]:
        return [(s.number, s.name, s.language, s.rate, s.active) for s in await office.senders()]

    tell(as_json, ("number", "name", "language", "rate", "active"), _with_office(database, read))


@group.command()
def files(every: All = False, database: Database = None, as_json: Json = False) -> None:
    """List files on their way: how far they are, and those that stopped because the NSSO's own code failed at a form.

    Nothing of a stopped file is lost and nobody else's waits for it. When what was wrong is mended: crossroads nsso
    go-on NAME. States: coming (until all of it is there), complete, accepted, done, refused (errors of its ACRF),
    cancelled.
    """
    from deploy.command.table import tell
    from institutions.nsso.files.filing import Filing

    async def read(office: "PostgresOffice") -> list[tuple[object, ...]]:
        found = await Filing(office).files(all_of_them=every, most=_MOST_FILES)
        return [
            (one.called, one.sender, one.state, one.forms, one.done, one.told, " ".join(one.errors), one.stopped or "")
            for one in found
        ]

    columns = ("file", "sender", "state", "forms", "done", "told", "errors", "stopped")
    tell(as_json, columns, _with_office(database, read))


@group.command(name="go-on")
def go_on(name: FileArgument, database: Database = None) -> None:
    """Let a file go on that was stopped, from the form at which it stopped; what was done stays done."""
    from institutions.nsso.files.filing import Filing

    if not _with_office(database, lambda office: Filing(office).go_on(name)):
        raise CrossroadsError("no stopped file of this name: crossroads nsso files")


@group.command()
def anomalies(ids: Ids = None, language: Language = "EN", as_json: Json = False) -> None:
    """Say what anomalies mean: class (B blocks) and a sentence.

    An id is the zone of an element and a code; a code means the same in any zone, unless the list has both.
    """
    from deploy.command.table import tell
    from schemas.declarations.anomalies import ANOMALIES

    one = language_of(language)
    rows = []
    for error_id in ids or ANOMALIES.ids:
        text = ANOMALIES.of(error_id)
        rows.append((error_id, text.anomaly_class, text.text[one], text.ours))
    tell(as_json, ("id", "class", "means", "ours"), rows)


@group.command()
def lock(period: PeriodIdArgument, undo: Undo = False, database: Database = None) -> None:
    """Lock a period, as one that the NSSO declared itself: senders' declarations about it are refused (00913-362)."""
    _mark("lock", period, not undo, database)


@group.command()
def block(period: PeriodIdArgument, undo: Undo = False, database: Database = None) -> None:
    """Mark a period as having a blocking anomaly: senders' declarations about it are refused (00913-357)."""
    _mark("block", period, not undo, database)


@group.command()
def unidentified(database: Database = None, as_json: Json = False) -> None:
    """List periods whose worker was declared by name and birth date alone, and is not known yet.

    What came of the search in the registers: nobody, several, another (one who sounds so, and is called otherwise or
    was born on another day), unsearchable (no date that can be searched by); none: it is not over. Whom you know,
    `identify`.
    """
    from deploy.command.table import tell

    async def read(persons: "Persons") -> list[tuple[object, ...]]:
        return [
            (
                str(one.period.id),
                one.period.employer.digits,
                one.period.span.starting_date.isoformat(),
                *(dict(one.period.worker.said).get(name, "") for name in _NAMES),
                one.outcome or "",
            )
            for one in await persons.unidentified()
        ]

    names = ("last name", "first name", "birth date")
    tell(as_json, ("period", "employer", "starts", *names, "search"), _with_persons(database, read))


@group.command()
def identify(period: PeriodIdArgument, ssin: Person, database: Database = None) -> None:
    """Say whose a period is that `unidentified` lists.

    Its sender is told for good, and the network as of a new work relation. Where the worker is declared already for
    these days the period is cancelled, and its sender told that it is refused (exit status 1).
    """
    from schemas.declarations.number import PeriodId
    from schemas.declarations.outcome import Result
    from schemas.ssin import Ssin

    found, worker = PeriodId.parse(period), Ssin.parse(ssin)
    result = _with_persons(database, lambda persons: persons.identify(found, worker))
    typer.echo(result.value)
    if result is Result.REFUSED:
        raise typer.Exit(1)


@group.command()
def untold(database: Database = None, again: Again = False, as_json: Json = False) -> None:
    """List what the network was to be told of periods, and the hub refused.

    The code says why (`crossroads codes`); when that is mended, --again tells it anew.
    """
    from deploy.command.table import tell

    async def read(persons: "Persons") -> list[tuple[object, ...]]:
        found = await persons.untold()
        if again:
            for one in found:
                await persons.tell_again(one.number)
        return [
            (one.number, one.added.isoformat(timespec="seconds"), one.code, one.action, str(one.period), one.ticket)
            for one in found
        ]

    tell(as_json, ("number", "since", "code", "action", "period", "ticket"), _with_persons(database, read))


@group.command()
def pids(employer: Employer, quarter: QuarterArgument, to: To, database: Database = None) -> None:
    """Tell a sender again what the blocks of a DmfA are called, and their last versions.

    For one that lost the DmfAPID, or has taken the employer over: without it nothing of the quarter can be changed. It
    has to have a mandate today. The message comes to its queue of answers.
    """
    from institutions.nsso.dmfa.again import tell_again
    from schemas.declarations.quarter import Quarter
    from schemas.employer import NssoNumber

    number, named = NssoNumber.parse(employer), Quarter.parse(quarter)
    told = _with_office(database, lambda office: tell_again(office, number, named, to))
    typer.echo(f"told in {told} message" + "s" * (told > 1))


def language_of(text: str) -> str:
    """NL, FR or EN."""
    if text.upper() not in ("NL", "FR", "EN"):
        raise CrossroadsError("--language: NL, FR or EN")
    return text.upper()


def _mark(how: str, period: str, on: bool, database: str | None) -> None:
    from schemas.declarations.number import PeriodId

    found = PeriodId.parse(period)

    async def put(office: "PostgresOffice") -> bool:
        if how == "lock":
            return await office.lock(found.number, locked=on)
        return await office.block(found.number, blocked=on)

    if not _with_office(database, put):
        raise CrossroadsError("no such period: its id stands in the notification of its IN, and in lists of workers")


def _with_persons(database: str | None, use: "Callable[[Persons], Awaitable[_T]]") -> _T:
    async def used(office: "PostgresOffice") -> _T:
        from institutions.database import Database as Tables
        from institutions.nsso.employment import TELLS, Employments
        from institutions.nsso.persons import Persons
        from institutions.reference.network import NSSO
        from schemas.catalogue import Catalogue

        tables = Tables(_place(database))
        try:
            async with tables.connection():
                pass  # the outbox has its tables
        finally:
            await tables.close()
        tells = Catalogue.from_environment().services.get(TELLS)
        if tells is None:
            raise CrossroadsError(f"no service {TELLS}: CROSSROADS_SERVICES adds folders of services")
        return await use(Persons(office, Employments(tells, NSSO)))

    return _with_office(database, used)


def _with_office(database: str | None, use: "Callable[[PostgresOffice], Awaitable[_T]]") -> _T:
    return asyncio.run(_used(_place(database), use))


async def _used(url: str, use: "Callable[[PostgresOffice], Awaitable[_T]]") -> _T:
    from institutions.nsso import office as offices

    await offices.migrate(url)
    office = await offices.PostgresOffice.connect(url)
    try:
        return await use(office)
    finally:
        await office.close()


def _place(database: str | None) -> str:
    """12-0's database."""
    from deploy.access import Access, NoNetworkError, home

    if database is not None:
        return database
    try:
        return Access.load(home()).nsso_url
    except NoNetworkError:
        if not (named := os.environ.get("CROSSROADS_NSSO_URL")):
            raise
        return named
