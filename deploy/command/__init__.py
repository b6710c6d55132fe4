"""The `crossroads` command. Each word is a module here with one function, entered below.

A module imports what is heavy inside its function, so that every other command starts quickly.
"""

import sys

import typer

from deploy.command import (
    backup,
    control,
    dead,
    demo,
    distribution,
    doctor,
    hub,
    institution,
    journal,
    lot,
    nsso,
    payroll,
    prepare,
    provision,
    registers,
    repertory,
    schemas,
    secrets,
    send,
    simulate,
    statuses,
    test,
    ticket,
    top,
    up,
    watcher,
)
from schemas.errors import CrossroadsError
from schemas.process.secrets import take

cli = typer.Typer(
    name="crossroads",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold personal data
)


@cli.callback()
def crossroads() -> None:
    """An open crossroads bank: institutions ask each other, through one hub that stores none of the data."""


cli.command("test", context_settings=test.SETTINGS)(test.test)
cli.command("demo")(demo.demo)
cli.command("up")(up.up)
cli.command("send")(send.send)
cli.command("simulate")(simulate.simulate)
cli.add_typer(repertory.group, name="repertory")
cli.add_typer(schemas.group, name="schemas")
cli.add_typer(journal.group, name="journal")
cli.command("ticket")(ticket.ticket)
cli.add_typer(dead.group, name="dead")
cli.add_typer(statuses.group, name="statuses")
cli.add_typer(lot.group, name="lot")
cli.add_typer(distribution.group, name="distribution")
cli.add_typer(registers.group, name="registers")
cli.add_typer(payroll.group, name="payroll")
cli.add_typer(nsso.group, name="nsso")
cli.command("secrets")(secrets.secrets)
cli.command("prepare")(prepare.prepare)
cli.command("top")(top.top)
cli.command("doctor")(doctor.doctor)
cli.command("pause")(control.pause)
cli.command("resume")(control.resume)
cli.command("drain")(control.drain)
cli.command("maintenance")(control.maintenance)
cli.command("provision")(provision.provision)
cli.command("backup")(backup.backup)
cli.command("restore")(backup.restore)
cli.command("hub")(hub.hub)
cli.command("watcher")(watcher.watcher)
cli.command("institution")(institution.institution)


def app() -> None:
    """Run it. An error that we foresaw is one line on standard error and exit status 2."""
    try:
        take()
        cli()
    except CrossroadsError as error:
        typer.echo(f"crossroads: {error}", err=True)
        sys.exit(2)
