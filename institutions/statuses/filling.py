"""A first fill: what a source says of everybody on a day, a mutation a line. docs/statuses.md."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from institutions.statuses import statements
from institutions.statuses.buffer import Buffer
from institutions.statuses.definitions import Definitions
from institutions.statuses.derive import CannotDerive, Fact, read
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.parser import Malformed, parse
from schemas.period import PeriodError
from schemas.ssin import SsinError

#: Lines in one transaction.
PART = 5_000


class LineError(CrossroadsError):
    """A line that says nothing that can be used; the text says why, and nothing of anybody."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What came of a file."""

    #: Lines of the file, with those that an earlier run did.
    lines: int
    #: Of these, taken by this run.
    taken: int
    #: Line and reason of what could not be.
    wrong: tuple[tuple[int, str], ...]


def facts(lines: Iterable[bytes], catalogue: Catalogue) -> Iterator[Fact | LineError]:
    """What each line says."""
    for line in lines:
        try:
            yield _fact(line, catalogue)
        except (LineError, Malformed, SsinError, PeriodError, CannotDerive) as error:
            yield LineError(f"{type(error).__name__}: {error}" if not isinstance(error, LineError) else str(error))


def _fact(line: bytes, catalogue: Catalogue) -> Fact:
    root = parse(line)
    service = catalogue.by_root(str(root.tag))
    if service is None or service.mode != "mutation" or service.answered_by == "hub":
        raise LineError("no mutation that the catalogue knows")
    if violations := service.violations_of(root, "request"):
        raise LineError(f"{violations[0].path}: {violations[0].reason}")
    return read(service, root)


async def fill(
    buffer: Buffer,
    definitions: Definitions,
    catalogue: Catalogue,
    path: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> Filled:
    """Put a file into the buffer, in parts that are one transaction each; killed, it goes on behind the last one.
    Nothing is told of it. `buffer`: one with time enough (`FILL_TIMEOUT`). Raises OSError."""
    digest = _digest(path)
    done = await buffer.pool.fetchval(statements.FILLED, digest) or 0
    taken, wrong = 0, []
    with path.open("rb") as file:
        lines = iter(file)
        number = sum(1 for _ in islice(lines, done))
        while part := list(islice(lines, PART)):
            said = list(facts(part, catalogue))
            wrong += [(number + n, str(one)) for n, one in enumerate(said, 1) if isinstance(one, LineError)]
            good = [one for one in said if isinstance(one, Fact)]
            await put(buffer, definitions, good, (digest, number + len(part)))
            number += len(part)
            taken += len(good)
            progress(number)
    return Filled(number, taken, tuple(wrong))


async def put(
    buffer: Buffer, definitions: Definitions, said: list[Fact], done: tuple[bytes, int] | None = None
) -> None:
    """One part, and how far a file is with it."""
    async with buffer.pool.acquire() as connection, connection.transaction():
        await buffer.apply(connection, definitions, said)
        if done is not None:
            await connection.execute(statements.FILL, *done)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
