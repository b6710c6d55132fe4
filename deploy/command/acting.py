"""What every command shares that looks at an exchange, or changes what becomes of one: who acts, and the note of it.

What cannot be journalled is not shown and not done (docs/operators.md).
"""

import os
import re
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from hub.journal import Deed, PersonKeys

Program = Annotated[
    str,
    typer.Option(
        envvar="CROSSROADS_PROGRAM", help="Who acts, for the journal: a program's number or an end user's, 11 digits."
    ),
]
Key = Annotated[
    str | None,
    typer.Option(help="Keys of the person hashes, as `crossroads journal who` takes them."),
]


def program_of(text: str) -> str | None:
    """The option, read. CrossroadsError where it is no number; it is not repeated."""
    if text and not re.fullmatch(r"[0-9]{11}", text):
        raise CrossroadsError("--program: a program's number or an end user's has 11 digits")
    return text or None


def keys_of(database: str | None, key: str | None = None) -> "PersonKeys":
    """Keys of the person hashes: the ones given, else those of the network that runs here, else the environment's."""
    from deploy.command.repertory.place import network_here
    from hub.journal import PersonKeys

    network = network_here(database)
    named = network.journal_keys if network is not None else os.environ.get("CROSSROADS_JOURNAL_KEY", "")
    return PersonKeys.parse(key or named)


async def noted(database: str | None, key: str | None, *deeds: "Deed", hub: str) -> tuple[UUID, ...]:
    """Return when the acts are in the journal; only then may anything be shown or done. `hub`: the command's name."""
    from deploy.command.repertory.place import url_of
    from hub.journal import note

    return await note(url_of(database), keys_of(database, key), *deeds, hub=hub)
