"""Whether a process traces, and where to. What it takes to do so is loaded only then."""

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from schemas.process.tracing import Tracing

#: Where a collector takes spans, unless the URL says another path.
_PATH = "/v1/traces"


class TracesError(CrossroadsError):
    """CROSSROADS_TRACES or CROSSROADS_TRACES_SHARE is wrong; the text says what would be right."""


def endpoint(text: str) -> str:
    """The URL that spans are posted to; empty: nothing is traced. ValueError for what is no such URL."""
    if not (text := text.strip()):
        return ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError("the URL of an OTLP collector, over HTTP: http://127.0.0.1:4318; empty: nothing is traced")
    return urlunsplit((parts.scheme, parts.netloc, parts.path if parts.path.strip("/") else _PATH, parts.query, ""))


def opened(url: str, share: float, instance: str) -> "Tracing | None":
    """What traces to `url`, an `endpoint`; None where that is empty. Close it at the end."""
    if not url:
        return None
    from schemas.process.tracing import Tracing  # half a second to load, and of no use where nothing is traced

    return Tracing(url, share, instance=instance)


def of_environment(instance: str) -> "Tracing | None":
    """As CROSSROADS_TRACES and CROSSROADS_TRACES_SHARE say, for who has no settings. TracesError."""
    told = os.environ.get("CROSSROADS_TRACES", "")
    if not told:
        return None
    try:
        url = endpoint(told)
    except ValueError as error:
        raise TracesError(f"CROSSROADS_TRACES: {error}") from None
    try:
        share = float(os.environ.get("CROSSROADS_TRACES_SHARE") or 1.0)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise TracesError("CROSSROADS_TRACES_SHARE: from 0 to 1, as in 0.01")
    return opened(url, share, instance)
