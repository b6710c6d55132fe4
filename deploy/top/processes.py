"""Where processes tell their figures and their health, and what they tell there."""

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from deploy.access import Access, NoNetworkError, home
from deploy.top.figures import FiguresError, Scrape, read
from schemas.errors import CrossroadsError

#: A process that takes longer does not answer, seconds.
TIMEOUT = 2.0
MOST_AT_ONCE = 32
_LARGEST = 32 << 20


class PlaceError(CrossroadsError):
    """Something else than the URL of a process."""


def named(urls: Sequence[str]) -> dict[str, str]:
    """Base URLs by name, of `URL` (named after its host and port) or `NAME=URL`; one that ends in `/metrics` is the
    same without. PlaceError says which is no URL."""
    found = {}
    for written in urls:
        name, _, url = written.partition("=") if re.match(r"[\w.-]+=https?:", written) else ("", "", written)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PlaceError(f"{written!r} is no URL of a process: http://host:8080, or hub-1=http://host:8080")
        found[name or parts.netloc.rpartition("@")[2]] = url.rstrip("/").removesuffix("/metrics")
    return found


def here(urls: Sequence[str]) -> dict[str, str]:
    """Base URLs by process: these; else those of CROSSROADS_METRICS (comma or space separated); else of the network
    that runs here. NoNetworkError."""
    if given := [*urls] or os.environ.get("CROSSROADS_METRICS", "").replace(",", " ").split():
        return named(given)
    try:
        return dict(Access.load(home()).http)
    except NoNetworkError as error:
        raise NoNetworkError(f"{error}; or name processes: --from http://host:8080, CROSSROADS_METRICS") from None


def scrape(places: Mapping[str, str]) -> tuple[Scrape, ...]:
    """What each tells at `/metrics`, asked at once; in the order of their names."""
    if not places:
        return ()
    with ThreadPoolExecutor(min(len(places), MOST_AT_ONCE)) as pool:
        return tuple(pool.map(_scrape, sorted(places), (places[name] for name in sorted(places))))


def health(url: str) -> tuple[bool, dict[str, Any]]:
    """Whether a process takes requests (`/ready`), and its parts by whether they answer. OSError where it is away."""
    status, _ = _get(f"{url}/ready")
    _, told = _get(f"{url}/health")
    try:
        parts = json.loads(told).get("parts", {})
    except (ValueError, AttributeError):
        parts = {}
    return status == 200, parts


def _scrape(name: str, url: str) -> Scrape:
    try:
        status, content = _get(f"{url}/metrics")
    except OSError as error:
        return Scrape(name, url, time.monotonic(), None, _reason(error))
    at = time.monotonic()
    if status == 404:  # it has none: the pages of the schemas
        return Scrape(name, url, at, {})
    if status != 200:
        return Scrape(name, url, at, None, f"status {status}")
    try:
        return Scrape(name, url, at, read(content.decode("utf-8", "replace")))
    except FiguresError as error:
        return Scrape(name, url, at, None, str(error))


def _get(url: str) -> tuple[int, bytes]:
    """Status and content, whatever the status is. OSError where nothing answers in time."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 (http alone: `named`)
            return int(answer.status), bytes(answer.read(_LARGEST))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_LARGEST)
    except (ValueError, http.client.HTTPException) as error:  # something else than HTTP
        raise OSError(type(error).__name__) from None


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT:.0f} s"
    return (getattr(reason, "strerror", None) or type(reason).__name__).lower()
