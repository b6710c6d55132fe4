"""Answers that wait for their turn: a few in memory, the others in a file that nobody else can open."""

import tempfile
from dataclasses import dataclass, field
from typing import IO

from schemas.wire.transport import Properties

#: Bytes of bodies kept in memory.
IN_MEMORY = 16 << 20


@dataclass(frozen=True, slots=True)
class _Kept:
    properties: Properties = field(repr=False)
    #: The body, or where in the file it stands: offset and length.
    body: bytes | tuple[int, int] = field(repr=False)


class Spool:
    """By number. The file has no name, and is gone with the process: what was in it can be asked again."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._kept: dict[int, _Kept] = {}
        self._free = in_memory
        self._file: IO[bytes] | None = None
        self._end = self._in_file = 0

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    def put(self, number: int, body: bytes, properties: Properties) -> None:
        if len(body) <= self._free:
            self._free -= len(body)
            self._kept[number] = _Kept(properties, body)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._file.seek(self._end)
        self._file.write(body)
        self._kept[number] = _Kept(properties, (self._end, len(body)))
        self._end += len(body)
        self._in_file += 1

    def take(self, number: int) -> tuple[bytes, Properties]:
        """Remove it. KeyError where it is not there."""
        kept = self._kept.pop(number)
        if isinstance(kept.body, bytes):
            self._free += len(kept.body)
            return kept.body, kept.properties
        if self._file is None:
            raise KeyError(number)
        offset, length = kept.body
        self._file.seek(offset)
        body = self._file.read(length)
        self._in_file -= 1
        if not self._in_file:
            self._end = 0
        return body, kept.properties

    def close(self) -> None:
        self._kept.clear()
        if self._file is not None:
            self._file.close()
