"""`crossroads send`: one XML message, one answer."""

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from institutions.answer import Answer
    from schemas.address import Address

#: Exit status where an answer came that is not DATA_FOUND, and where none came.
NOT_FOUND, NO_ANSWER = 1, 3

File = Annotated[Path, typer.Argument(help="The message, an XML file; - is standard input.", show_default=False)]
As = Annotated[str, typer.Option("--as", metavar="ADDRESS", help="Who asks: 18-0, or 17-1-<enterprise number>.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object: kind, value, code, information, …")]
NewTicket = Annotated[
    bool, typer.Option("--new-ticket", help="Replace the message's ticket (SSDN: Reference): a new exchange.")
]
Service = Annotated[
    str | None,
    typer.Option(metavar="NAME/VERSION", help="Where two services have the same root element: which is meant."),
]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the answer.", min=0.1, max=60)]


def send(
    file: File,
    as_: As,
    as_json: Json = False,
    new_ticket: NewTicket = False,
    service: Service = None,
    timeout: Timeout = 5.0,
) -> None:
    """Send one message as an institution of the running network and print the answer alone on standard output.

    A cooperating institution's goes through its secondary network. The service is what the root element says. The
    message goes as it is, also where it is wrong: the hub says so. docs/examples has messages. An SSDNRequest is
    answered by one SSDNReply; its ticket is its Reference.
    Exit status: 0 DATA_FOUND (SSDN: ok="YES"), 1 any other answer, 2 the command could not be done, 3 no answer came.
    """
    from deploy.access import Access, home
    from institutions.errors import NoAnswer, OverLimit, Unreachable, UnreadableAnswer
    from schemas.address import Address
    from schemas.errors import CrossroadsError

    access = Access.load(home())
    address = Address.parse(as_)
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise CrossroadsError(f"{file}: {error.strerror}") from None
    if new_ticket:
        body = _with_new_ticket(body)
    try:
        answer = asyncio.run(_send(access.institution_urls(address), address, body, service, timeout))
    except (NoAnswer, OverLimit, Unreachable, UnreadableAnswer) as error:
        typer.echo(f"crossroads: {error}", err=True)
        raise typer.Exit(NO_ANSWER) from None
    if as_json:
        sys.stdout.write(json.dumps(as_dict(answer), ensure_ascii=False) + "\n")
    else:
        sys.stdout.buffer.write(answer.xml.rstrip(b"\n") + b"\n")
    raise typer.Exit(0 if answer.found else NOT_FOUND)


async def _send(
    urls: tuple[str, ...], address: "Address", body: bytes, service: str | None, timeout: float
) -> "Answer":
    from institutions import Institution
    from schemas.catalogue import Catalogue

    nothing = Catalogue(())  # the hub knows the services; to read them here would take longer than the exchange
    # What went wrong is in the error that ends the command: nothing is logged besides.
    async with Institution(address, urls, catalogue=nothing, timeout=timeout, observe=_quiet, report=_quiet) as me:
        return await me.send(body, type=service)


def _quiet(_: object) -> None: ...


def _with_new_ticket(body: bytes) -> bytes:
    from schemas.errors import CrossroadsError
    from schemas.parser import Malformed, parse
    from schemas.splice import SpliceError, put_reference, put_ticket
    from schemas.ssdn.envelope import REQUEST

    try:
        put = put_reference if parse(body).tag == REQUEST else put_ticket
        return put(body, str(uuid.uuid4()))
    except (Malformed, SpliceError) as error:
        raise CrossroadsError(f"--new-ticket: no message that a ticket could be put into ({error})") from None


def as_dict(answer: "Answer") -> dict[str, object]:
    """An answer as `--json` prints it."""
    return {
        "kind": answer.kind,
        "value": answer.value,
        "code": answer.code,
        "information": [{"fieldName": name, "fieldValue": value} for name, value in answer.information],
        "ticketCBSS": str(answer.ticket_cbss) if answer.ticket_cbss else None,
        "ms": answer.ms,
        "xml": answer.xml.decode(),
    }
