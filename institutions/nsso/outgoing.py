"""What a sender is told unasked: kept in the transaction that it follows from, told by `telling`.

docs/declarations.md, "Telling".
"""

import json
from collections.abc import Mapping
from typing import Any

_PUT = """
INSERT INTO outgoing (sender, form, reference, body, headers) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (sender, form, reference) DO NOTHING
"""


async def put(
    connection: Any,
    sender: str,
    form: str,
    reference: str,
    body: bytes,
    *,
    headers: Mapping[str, str | int] | None = None,
) -> None:
    """Tell a sender, once the caller's transaction is committed: at least once, and of one sender in the order in which
    it was put.

    `form`: its name in `schemas/declarations`, the property `type` on the wire (`DmfAPID`). `reference`: of one sender
    and form the same again is not told again. `headers`: beside the body, such as `ticket`; of a `file` (name of a
    go-file) the answer's correlation_id says so too. A body over 1 MiB is told in slices, and needs the headers
    `transfer` and `file`.
    """
    await connection.execute(_PUT, sender, form, reference, body, json.dumps(dict(headers or {})))
