"""`crossroads institution`: one process of reference institutions and relays, for a container."""

from typing import Annotated

import typer

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="18-0, 17-1-<enterprise number>, …")]


def institution(addresses: Addresses) -> None:
    """Run the reference institutions of these addresses until SIGTERM: their suppliers, and for a managing
    institution its relay. Configured by CROSSROADS_* in the environment (docs/institutions.md, docs/relay.md)."""
    from institutions.process import main

    main(addresses)
