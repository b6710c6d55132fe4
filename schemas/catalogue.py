"""All services there are, kept up with their folders while the process runs."""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from schemas.service import FAULT, SETTINGS, Kind, Service, ServiceError
from schemas.violation import Violation

__all__ = ["FAULT", "Catalogue", "Change", "Kind", "Service", "ServiceError", "Violation", "shipped"]

_EVERY = 1.0  # seconds between two looks at the folders

_Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What a look at the folders found new."""

    #: "broken": the folder cannot be read as a service, what it said before still holds;
    #: "shadowed": a later folder has the same type
    kind: Literal["new", "changed", "removed", "broken", "shadowed"]
    #: `Name/version`, where known
    type: str | None
    folder: Path
    #: why, one line an error; empty where the kind says it all
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.type or self.folder.name}: {self.kind}" + (f": {self.reason}" if self.reason else "")


@dataclass(slots=True)
class _Seen:
    """What a folder was when it was last read."""

    fingerprint: _Fingerprint
    service: Service | None
    complaint: str


def shipped() -> Path:
    """The folder of the services that come with Crossroads."""
    return Path(__file__).parent / "services"


class Catalogue:
    """The services of some folders. Each is a folder of service folders, or a service folder itself; later ones win.

    `services` and what is looked up change only in `refresh`, all at once; a `Service` in hand stays what it was.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        #: by type, `Name/version`
        self.services: Mapping[str, Service] = MappingProxyType({})
        self._by_root: Mapping[str, Service] = MappingProxyType({})
        self._seen: dict[Path, _Seen] = {}
        self._shadowed: frozenset[tuple[str, Path]] = frozenset()
        self._unreadable: set[Path] = set()
        #: what the first look found
        self.found = self.refresh()

    @classmethod
    def from_environment(cls) -> "Catalogue":
        """The shipped services and the folders that CROSSROADS_SERVICES adds (separated as in PATH)."""
        added = os.environ.get("CROSSROADS_SERVICES", "").split(os.pathsep)
        return cls((shipped(), *(Path(folder) for folder in added if folder)))

    def by_root(self, root: str) -> Service | None:
        """The service that has this root element (Clark notation) as request, response or own fault.

        None also where two services share it: then only the type can tell.
        """
        return self._by_root.get(root)

    def find(self, type_: str | None, root: str | None) -> Service | None:
        """The service of this type; where no type was given, the one that the root element tells."""
        if type_:
            return self.services.get(type_)
        return self.by_root(root) if root is not None else None

    def refresh(self) -> tuple[Change, ...]:
        """Looks at the folders again, reads those that changed and tells what is different.

        Blocks: some 50 ms a changed service.
        """
        changes: list[Change] = []
        before = self.services
        present: dict[Path, _Seen] = {}
        for folder in self._service_folders(changes):
            present[folder] = self._look(folder, changes)
        self._seen = present
        services: dict[str, Service] = {}
        shadowed: set[tuple[str, Path]] = set()
        for seen in present.values():
            if seen.service is None:
                continue
            if (earlier := services.get(seen.service.type)) is not None:
                shadowed.add((earlier.type, earlier.folder))
            services[seen.service.type] = seen.service
        changes += (
            Change("shadowed", type_, folder, f"{services[type_].folder} has the same name and version and is used")
            for type_, folder in sorted(shadowed - self._shadowed)
        )
        self._shadowed = frozenset(shadowed)
        for type_, service in services.items():
            if type_ not in before:
                changes.append(Change("new", type_, service.folder))
            elif before[type_] is not service:
                changes.append(Change("changed", type_, service.folder))
        changes += (Change("removed", type_, before[type_].folder) for type_ in before if type_ not in services)
        self._by_root = MappingProxyType(_roots(services.values()))
        self.services = MappingProxyType(services)
        return tuple(changes)

    async def watch(self, on_change: Callable[[tuple[Change, ...]], Awaitable[None] | None]) -> None:
        """Looks every second, in a thread, until cancelled, and calls `on_change` with what is different."""
        while True:
            await asyncio.sleep(_EVERY)
            changes = await asyncio.to_thread(self.refresh)
            if changes and inspect.isawaitable(told := on_change(changes)):
                await told

    def _service_folders(self, changes: list[Change]) -> Iterator[Path]:
        for folder in self.folders:
            if self._is_service(folder):
                yield folder
                continue
            try:
                inner = sorted(path for path in folder.iterdir() if self._is_service(path))
            except OSError as error:
                if folder not in self._unreadable:
                    self._unreadable.add(folder)
                    changes.append(Change("broken", None, folder, f"no folder of services: {error.strerror}"))
                continue
            self._unreadable.discard(folder)
            yield from inner

    def _is_service(self, folder: Path) -> bool:
        # A known folder whose service.toml is gone for the moment is being edited, not removed.
        return (folder / SETTINGS).is_file() or (folder in self._seen and folder.is_dir())

    def _look(self, folder: Path, changes: list[Change]) -> _Seen:
        seen = self._seen.get(folder)
        fingerprint: _Fingerprint = ()
        try:
            # Taken before reading: what is written meanwhile is seen at the next look.
            fingerprint = _fingerprint(folder)
            if seen is not None and seen.fingerprint == fingerprint:
                return seen
            return _Seen(fingerprint, Service.read(folder), "")
        except ServiceError as error:
            complaint = str(error)
        except OSError as error:
            fingerprint, complaint = (), f"cannot be read: {error.strerror}"
        kept = seen.service if seen is not None else None
        if seen is None or seen.complaint != complaint:
            changes.append(Change("broken", kept.type if kept is not None else None, folder, complaint))
        return _Seen(fingerprint, kept, complaint)


def _fingerprint(folder: Path) -> _Fingerprint:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in {".toml", ".xsd"})
    return tuple(
        (str(path.relative_to(folder)), (stat := path.stat()).st_mtime_ns, stat.st_size, stat.st_ino) for path in files
    )


def _roots(services: Iterable[Service]) -> dict[str, Service]:
    roots: dict[str, Service] = {}
    shared: set[str] = {FAULT}
    for service in services:
        for root in {service.request, service.response, service.fault}:
            if root in roots:
                shared.add(root)
            roots[root] = service
    return {root: service for root, service in roots.items() if root not in shared}
