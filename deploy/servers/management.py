"""RabbitMQ's management API, as far as servers are prepared through it."""

import base64
import http.client
import json
import ssl
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from schemas.errors import CrossroadsError

_TIMEOUT_S = 30.0


class ManagementError(CrossroadsError):
    """The management API refused, or was not there. `status` is its HTTP status, 0 where it gave none."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Management:
    """Calls to a management API, one connection each. Blocks: from a coroutine call it in a thread.

    url: `http://user:password@host:port`, the value of CROSSROADS_RABBITMQ_ADMIN_URL. Never shown in an error.
    timeout: of one call, seconds without a word from it.
    """

    def __init__(self, url: str, timeout: float = _TIMEOUT_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is None:
            raise ManagementError("the URL of a management API looks like http://user:password@host:15672")
        self.url, self._timeout = url, timeout
        self.user = unquote(parts.username)
        self.password = unquote(parts.password or "")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (15671 if self._tls else 15672)
        self._prefix = parts.path.rstrip("/")

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def put(self, path: str, body: object = None) -> None:
        self._call("PUT", path, body if body is not None else {})

    def post(self, path: str, body: object) -> Any:
        return self._call("POST", path, body)

    def delete(self, path: str) -> None:
        """Remove it; what is gone already is no error."""
        try:
            self._call("DELETE", path)
        except ManagementError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def clock(self) -> datetime:
        """What time it is at the broker, to the second."""
        response, _ = self._ask("GET", "/api/whoami")
        return parsedate_to_datetime(response.getheader("Date") or "")

    def _call(self, method: str, path: str, body: object = None) -> Any:
        _, content = self._ask(method, path, body)
        return json.loads(content) if content else None

    def _ask(self, method: str, path: str, body: object = None) -> tuple[http.client.HTTPResponse, bytes]:
        """`path` begins with /api/; parts of it are percent-encoded by the caller (vhost `/` is %2F)."""
        word = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, self._prefix + path, payload, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ManagementError(
                f"no management API at {self._host}:{self._port} ({error}): is the plugin rabbitmq_management on?"
            ) from error
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            reason = content.decode(errors="replace")[:500]
            raise ManagementError(f"{method} {path}: {response.status} {response.reason}: {reason}", response.status)
        return response, content
