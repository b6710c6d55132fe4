"""Where the parts of a network are: of the one that runs here, or as the environment names them."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.access import Access, NoNetworkError, home
from deploy.top import processes
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.wire import names


@dataclass(frozen=True, slots=True)
class Place:
    """All of it but the catalogue may be unknown; what it would be looked at with is then not looked at."""

    catalogue: Catalogue
    #: The hub's database.
    database_url: str | None = field(default=None, repr=False)
    #: The broker's management API, with its administrator.
    management_url: str | None = field(default=None, repr=False)
    #: 12-0's database, with the senders.
    nsso_url: str | None = field(default=None, repr=False)
    #: Sectoral repertories by the address of the managing institution.
    sectoral_urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Base URLs of processes by name.
    processes: Mapping[str, str] = field(default_factory=dict)
    #: As CROSSROADS_JOURNAL_KEY has them; None: they were not given.
    journal_keys: str | None = field(default=None, repr=False)
    #: Names of the vhosts: `deploy.provision.Network`.
    primary: str = names.PRIMARY
    prefix: str = ""


def here() -> Place:
    """The network that runs here, or that of the environment: CROSSROADS_DATABASE_URL, CROSSROADS_RABBITMQ_ADMIN_URL,
    CROSSROADS_METRICS, CROSSROADS_NSSO_URL, CROSSROADS_SECTORAL_URLS, CROSSROADS_JOURNAL_KEY, CROSSROADS_SERVICES; each
    may be missing, but not all. NoNetworkError where there is none."""
    try:
        network = Access.load(home())
    except NoNetworkError as error:
        return _environment(error)
    return Place(
        catalogue=network.catalogue(),
        database_url=network.database_url,
        management_url=network.management_url,
        nsso_url=network.nsso_url,
        sectoral_urls=network.sectoral_urls,
        processes=dict(network.http),
        journal_keys=network.journal_keys,
    )


def _environment(error: NoNetworkError) -> Place:
    given = {
        name: os.environ.get(f"CROSSROADS_{name}") or None
        for name in ("DATABASE_URL", "RABBITMQ_ADMIN_URL", "METRICS", "NSSO_URL", "SECTORAL_URLS", "JOURNAL_KEY")
    }
    if not (given["DATABASE_URL"] or given["RABBITMQ_ADMIN_URL"] or given["METRICS"]):
        raise NoNetworkError(
            f"{error}; or name one: CROSSROADS_DATABASE_URL, CROSSROADS_RABBITMQ_ADMIN_URL, CROSSROADS_METRICS"
        ) from None
    return Place(
        catalogue=Catalogue.from_environment(),
        database_url=given["DATABASE_URL"],
        management_url=given["RABBITMQ_ADMIN_URL"],
        nsso_url=given["NSSO_URL"],
        sectoral_urls=_sectoral(given["SECTORAL_URLS"]),
        processes=processes.here(()) if given["METRICS"] else {},
        journal_keys=given["JOURNAL_KEY"],
    )


def _sectoral(text: str | None) -> Mapping[str, str]:
    try:
        urls = json.loads(text or "{}")
    except ValueError:
        urls = None
    if not isinstance(urls, dict):
        raise CrossroadsError('CROSSROADS_SECTORAL_URLS is JSON, address to database: {"17-0": "postgresql://…"}')
    return urls
