"""Two networks for these tests: the whole one, and one in which some institutions are missing.

That nothing stays after Ctrl-C and after kill -9 is asserted when they end (`Network`).
"""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.command.network import Network

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "services"

# The official sample lies beside the working tree, not in it.
collect_ignore = [] if SAMPLES.is_dir() else ["test_official_sample.py"]


@pytest.fixture(scope="package")
def network() -> Iterator[Network]:
    """As `crossroads up --prometheus` starts it; ended by Ctrl-C."""
    with Network("--prometheus", ended_by=signal.SIGINT) as running:
        yield running


@pytest.fixture(scope="package")
def incomplete() -> Iterator[Network]:
    """Nobody answers for the National Register, for accidents at work and for handicaps; ended by kill -9."""
    left_out = [word for address in ("0-0", "1-0", "16-0") for word in ("--without", address)]
    with Network(*left_out, "--size", "200", ended_by=signal.SIGKILL) as running:
        yield running


@pytest.fixture
def unused_port() -> Iterator[int]:
    """One on which nobody listens, kept so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
