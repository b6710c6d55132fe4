"""The definitions as the file says them now: a change counts from the next message on."""

from pathlib import Path

from institutions.statuses.definitions import Definitions, DefinitionsError, read
from schemas.catalogue import Catalogue
from schemas.process.log import logger


class Following:
    """Reads a file again when it has changed. Raises DefinitionsError at first; later a file that is wrong is logged
    and what it said before goes on."""

    def __init__(self, path: Path, catalogue: Catalogue) -> None:
        self._path, self._catalogue = path, catalogue
        self._seen = self._stamp()
        self._definitions = read(path, catalogue)

    @property
    def now(self) -> Definitions:
        if (stamp := self._stamp()) != self._seen:
            self._seen = stamp
            try:
                self._definitions = read(self._path, self._catalogue)
                logger().info("statuses", file=self._path.name, statuses=len(self._definitions.statuses))
            except DefinitionsError as error:
                logger().error("statuses: the file is wrong, the one before goes on", why=error.lines[0])
        return self._definitions

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
