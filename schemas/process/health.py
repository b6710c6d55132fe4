"""Health, readiness and figures over HTTP.

| path | 200 when | else |
|---|---|---|
| `/health` | every part answers | 503, and the JSON says which does not |
| `/ready` | requests are being taken | 503 |
| `/live` | the process answers at all: what an orchestrator restarts by | |
| `/metrics` | always | |
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from schemas.process.http import Answer, Http


class Figures(Protocol):
    """What `/metrics` tells."""

    def text(self) -> bytes:
        """In Prometheus' text format."""
        ...


class Health:
    """A small HTTP server. `parts` says which part answers, `ready` whether requests are taken."""

    def __init__(self, metrics: Figures, parts: Mapping[str, Callable[[], bool]], ready: Callable[[], bool]) -> None:
        self._metrics, self._parts, self._ready = metrics, parts, ready
        self._http = Http(self._answer)

    async def start(self, host: str, port: int) -> int:
        """Listen; the port that was taken (another than asked where that was 0). OSError if it is in use."""
        return await self._http.start(host, port)

    async def close(self) -> None:
        await self._http.close()

    async def _answer(self, path: str) -> Answer:
        match path:
            case "/metrics":
                return Answer(self._metrics.text(), "text/plain; version=0.0.4; charset=utf-8")
            case "/live":
                return Answer(b'{"live": true}')
            case "/ready":
                return _said(self._ready(), {"ready": self._ready()})
            case "/health":
                parts = {name: up() for name, up in self._parts.items()}
                return _said(all(parts.values()), {"healthy": all(parts.values()), "parts": parts})
        return Answer(b'{"error": "one of /health /ready /live /metrics"}', status=HTTPStatus.NOT_FOUND)


def _said(good: bool, document: object) -> Answer:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(json.dumps(document).encode(), status=status)
