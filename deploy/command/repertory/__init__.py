"""`crossroads repertory`: the reference repertory of the running network, read and loaded."""

import typer

from deploy.command.repertory import change, explain, show
from deploy.command.repertory.load import load
from deploy.command.repertory.register import reconcile, register

group = typer.Typer(
    no_args_is_help=True, help="Who is connected, who is known where, who may ask what: read and load it."
)
for _command in (
    load,
    show.institutions,
    show.persons,
    show.person,
    show.rights,
    change.integrate,
    change.authorise,
    explain.explain,
    explain.preview,
    register,
    reconcile,
):
    group.command()(_command)
