"""Free ports on the loopback address."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below Linux's range for outgoing connections (32768…60999), so that nothing but another server can take the port
# between our look and the server's own bind. Servers start again on other ports when one did.
_RANGE = range(20_000, 32_000)
_TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """`count` different ports on which nothing listens now. OSError if there are none."""
    found: list[int] = []
    held: list[socket.socket] = []
    try:
        for port in random.sample(_RANGE, _TRIES):
            probe = socket.socket()
            held.append(probe)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    finally:
        for probe in held:
            probe.close()
    raise OSError(f"no free port on {LOOPBACK} between {_RANGE.start} and {_RANGE.stop}: stop some servers")
