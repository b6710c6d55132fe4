"""Folders that each describe one thing, read again when they change, while the process runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Generic, Literal, Protocol, TypeVar

from schemas.errors import CrossroadsError

#: of each file: its path in the folder, time of its last change, size, inode
Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a look at the folders found new."""

    #: "broken": the folder cannot be read, what it said before still holds;
    #: "shadowed": a later folder has the same type
    kind: Literal["new", "changed", "removed", "broken", "shadowed"]
    #: its name (of a service `Name/version`), where known
    type: str | None
    folder: Path
    #: why, one line an error; empty where the kind says it all
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.type or self.folder.name}: {self.kind}" + (f": {self.reason}" if self.reason else "")


class _Described(Protocol):
    @property
    def folder(self) -> Path: ...

    @property
    def type(self) -> str: ...


Thing = TypeVar("Thing", bound=_Described)


@dataclass(slots=True)
class _Seen(Generic[Thing]):
    """What a folder was when it was last read."""

    fingerprint: Fingerprint
    thing: Thing | None
    complaint: str


class Folders(Generic[Thing]):
    """The things of some folders. Each is a folder of such folders, or one itself; later ones win.

    `found` changes only in `refresh`, all at once.
    """

    def __init__(
        self, folders: Sequence[Path], descriptor: str, read: Callable[[Path], Thing], words: tuple[str, str]
    ) -> None:
        """`read` raises CrossroadsError. `words`: what they are called, and what two have in common that shadow each
        other."""
        self._folders, self._descriptor, self._read = tuple(folders), descriptor, read
        self._called, self._common = words
        #: by type
        self.found: Mapping[str, Thing] = MappingProxyType({})
        self._seen: dict[Path, _Seen[Thing]] = {}
        self._shadowed: frozenset[tuple[str, Path]] = frozenset()
        self._unreadable: set[Path] = set()

    def refresh(self) -> tuple[Change, ...]:
        """Looks at the folders again, reads those that changed and tells what is different."""
        changes: list[Change] = []
        before = self.found
        present: dict[Path, _Seen[Thing]] = {}
        for folder in self._described(changes):
            present[folder] = self._look(folder, changes)
        self._seen = present
        found: dict[str, Thing] = {}
        shadowed: set[tuple[str, Path]] = set()
        for seen in present.values():
            if seen.thing is None:
                continue
            if (earlier := found.get(seen.thing.type)) is not None:
                shadowed.add((earlier.type, earlier.folder))
            found[seen.thing.type] = seen.thing
        changes += (
            Change("shadowed", type_, folder, f"{found[type_].folder} has the same {self._common} and is used")
            for type_, folder in sorted(shadowed - self._shadowed)
        )
        self._shadowed = frozenset(shadowed)
        for type_, thing in found.items():
            if type_ not in before:
                changes.append(Change("new", type_, thing.folder))
            elif before[type_] is not thing:
                changes.append(Change("changed", type_, thing.folder))
        changes += (Change("removed", type_, before[type_].folder) for type_ in before if type_ not in found)
        self.found = MappingProxyType(found)
        return tuple(changes)

    def _described(self, changes: list[Change]) -> Iterator[Path]:
        for folder in self._folders:
            if self._is_one(folder):
                yield folder
                continue
            try:
                inner = sorted(path for path in folder.iterdir() if self._is_one(path))
            except OSError as error:
                if folder not in self._unreadable:
                    self._unreadable.add(folder)
                    changes.append(Change("broken", None, folder, f"no folder of {self._called}: {error.strerror}"))
                continue
            self._unreadable.discard(folder)
            yield from inner

    def _is_one(self, folder: Path) -> bool:
        # A known folder whose descriptor is gone for the moment is being edited, not removed.
        return (folder / self._descriptor).is_file() or (folder in self._seen and folder.is_dir())

    def _look(self, folder: Path, changes: list[Change]) -> _Seen[Thing]:
        seen = self._seen.get(folder)
        now: Fingerprint = ()
        try:
            # Taken before reading: what is written meanwhile is seen at the next look.
            now = fingerprint(folder)
            if seen is not None and seen.fingerprint == now:
                return seen
            return _Seen(now, self._read(folder), "")
        except CrossroadsError as error:
            complaint = str(error)
        except OSError as error:
            now, complaint = (), f"cannot be read: {error.strerror}"
        kept = seen.thing if seen is not None else None
        if seen is None or seen.complaint != complaint:
            changes.append(Change("broken", kept.type if kept is not None else None, folder, complaint))
        return _Seen(now, kept, complaint)


def fingerprint(folder: Path) -> Fingerprint:
    """Equal as long as the descriptors and schemas in a folder are the same files, unchanged. Raises OSError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in {".toml", ".xsd"})
    return tuple(
        (str(path.relative_to(folder)), (stat := path.stat()).st_mtime_ns, stat.st_size, stat.st_ino) for path in files
    )
