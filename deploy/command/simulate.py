"""`crossroads simulate`: a supplier that answers from files."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

Service = Annotated[str, typer.Argument(help="Name, or Name/version.", show_default=False)]
As = Annotated[str, typer.Option("--as", metavar="ADDRESS", help="Who answers: 0-0, or 17-1-<enterprise number>.")]
Answers = Annotated[Path, typer.Option(help="Directory of files <ssin>.xml.", file_okay=False)]


def simulate(service: Service, as_: As, answers: Answers) -> None:
    """Answer a service from files, until Ctrl-C: the sandbox of who wants to connect.

    Each file <ssin>.xml holds a whole response, or its data elements; head, criteria and ticket come from the request.
    A person without a file: NO_DATA_FOUND MSG00100. Files may change while it runs. It takes the questions of this one
    service; where another process answers the same one, each gets a part of them: start the network with
    `crossroads up --without ADDRESS` to have them all.
    """
    from deploy.access import Access, home
    from institutions.simulator import simulate as run
    from schemas.address import Address

    access = Access.load(home())
    address = Address.parse(as_)

    def ready() -> None:
        typer.echo("ready")

    urls = access.institution_urls(address)
    asyncio.run(run(service, address, answers, urls, catalogue=access.catalogue(), ready=ready))
