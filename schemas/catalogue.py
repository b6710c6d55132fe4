"""All services there are, kept up with their folders while the process runs."""

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from schemas.folders import Change, Folders
from schemas.service import FAULT, SETTINGS, Kind, Service, ServiceError
from schemas.violation import Violation

__all__ = ["FAULT", "Catalogue", "Change", "Kind", "Service", "ServiceError", "Violation", "shipped"]

_EVERY = 1.0  # seconds between two looks at the folders


def shipped() -> Path:
    """The folder of the services that come with Crossroads."""
    return Path(__file__).parent / "services"


class Catalogue:
    """The services of some folders. Each is a folder of service folders, or a service folder itself; later ones win.

    `services` and what is looked up change only in `refresh`, all at once; a `Service` in hand stays what it was.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._folders = Folders(self.folders, SETTINGS, Service.read, ("services", "name and version"))
        self._by_root: Mapping[str, Service] = MappingProxyType({})
        #: what the first look found
        self.found = self.refresh()

    @property
    def services(self) -> Mapping[str, Service]:
        """By type, `Name/version`."""
        return self._folders.found

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
        changes = self._folders.refresh()
        self._by_root = MappingProxyType(_roots(self.services.values()))
        return changes

    async def watch(self, on_change: Callable[[tuple[Change, ...]], Awaitable[None] | None]) -> None:
        """Looks every second, in a thread, until cancelled, and calls `on_change` with what is different."""
        while True:
            await asyncio.sleep(_EVERY)
            changes = await asyncio.to_thread(self.refresh)
            if changes and inspect.isawaitable(told := on_change(changes)):
                await told


def _roots(services: Iterable[Service]) -> dict[str, Service]:
    roots: dict[str, Service] = {}
    shared: set[str] = {FAULT}
    for service in services:
        for root in {service.request, service.response, service.fault}:
            if root in roots:
                shared.add(root)
            roots[root] = service
    return {root: service for root, service in roots.items() if root not in shared}
