"""The acknowledgement of receipt (ACRF): whether what a sender sent was received. Field digest 6.4, `docs/wire.md`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from schemas.declarations.writing import element, head, opening

_RELEASE = "ACRF_20231"
#: On line, where a message has no key that could name it.
ONLINE = "ONLINE"
_MOST_OF_A_NAME = 64
#: ReferenceOrigin of what social security gave.
_SOCIAL_SECURITY = 2


def acrf(
    file_name: str,
    *,
    ticket: str | None = None,
    errors: Iterable[str] = (),
    now: datetime,
    type: Literal["FA", "PA"] = "FA",  # noqa: A002  the field's word
) -> bytes:
    """The message, valid against its schema, as UTF-8.

    `file_name`: of the go-file, or on line the key; what XML cannot hold stands as `?`, 64 characters at most; empty:
    `ONLINE`. `ticket`: given to the file. `errors`: ErrorIDs, `ACRF-184`; ResultCode is 0 with any, else 1. `now` is
    aware. `PA`: received, more follows.
    """
    named = element("FileName", file_name or ONLINE, _MOST_OF_A_NAME)
    if ticket is not None:
        named += f"<ReferenceOrigin>{_SOCIAL_SECURITY}</ReferenceOrigin>" + element("ReferenceNbr", ticket)
    told = "".join(element("ErrorID", error) for error in errors)
    return (
        f"{opening(_RELEASE)}<Form>{head('ACRF001', now, type)}<FileReference>{named}</FileReference>"
        f"<ReceptionResult><ResultCode>{0 if told else 1}</ResultCode>{told}</ReceptionResult></Form></ACRF>"
    ).encode()
