"""The secrets of the reference network in containers, a file each: what deploy/compose.yaml hands to whom.

One file, `passwords`, holds every password that was made; all others are made from it again, but for the journal's key,
which stays as it is and gets older ones behind it (docs/journal.md).
"""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from deploy import children, provision
from deploy.databases import database_names, managing
from deploy.network import FILES, SENDERS
from hub.repertory import files
from institutions.nsso.register_files import read as read_register
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.errors import CrossroadsError
from schemas.wire import names

#: Where the servers are, by the names of their services.
BROKER, DATABASES = "rabbitmq:5672", "postgresql:5432"
MANAGEMENT = "rabbitmq:15672"
_BASE, _KEY = "passwords", "journal_key"
_ADMINISTRATOR = "administrator"


def write(directory: Path) -> tuple[str, ...]:
    """Make what is missing and bring the rest up to the register; the names of the files that are new or changed. Only
    its owner may enter the directory; the files are for the containers' users to read."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        known = json.loads((directory / _BASE).read_text()) if (directory / _BASE).exists() else {}
        made = contents(known)
        changed = [name for name, content in made.items() if _put(directory / name, content, keep=name == _KEY)]
    except OSError as error:
        raise CrossroadsError(f"{error.filename or directory}: {error.strerror}") from None
    except ValueError:
        raise CrossroadsError(f"{directory / _BASE} is not what was written there: take it from a backup") from None
    return tuple(changed)


def contents(known: Mapping[str, str]) -> dict[str, str]:
    """Each file by its name. `known`: passwords that were made before."""
    catalogue = Catalogue.from_environment()
    rules = files.read(FILES, catalogue)
    network = provision.network_of(rules, catalogue.services.values(), senders=read_register(SENDERS).senders)
    passwords = dict(known)

    def password(of: str) -> str:
        return passwords.setdefault(of, secrets.token_urlsafe(24))

    users = {user: password(f"user {user}") for user in provision.users(network)}
    places = {
        what: _database(name, password(f"database {name}"), name)
        for what, name in database_names(managing(rules)).items()
    }
    shared = children.shared_out(managing(rules))
    broker, server, grafana = password("rabbitmq"), password("postgresql"), password("grafana")
    found = {
        "postgresql_password": server,
        "postgresql_admin_url": _database("postgres", server, "postgres"),
        "rabbitmq_administrator.conf": f"default_user = {_ADMINISTRATOR}\ndefault_pass = {broker}\n",
        "rabbitmq_admin_url": _management(_ADMINISTRATOR, broker),
        "operator_url": f"amqp://{names.OPERATOR}:{quote(users[names.OPERATOR], safe='')}@{BROKER}",
        "monitor_url": _management(names.MONITOR, users[names.MONITOR]),
        "broker_users": json.dumps(users, indent=1),
        "hub_amqp_url": f"amqp://{names.HUB}:{quote(users[names.HUB], safe='')}@{BROKER}/{names.PRIMARY}",
        "hub_database_url": places["hub"],
        "registers_url": places["registers"],
        "statuses_url": places["statuses"],
        "nsso_url": places["nsso"],
        "sectoral_urls": json.dumps({str(one): places[str(one)] for one in managing(rules)}),
        "reader_url": _database("reader", password("reader"), database_names(())["hub"]),
        "grafana_password": grafana,
        **{f"{process}_passwords": _of(addresses, users) for process, addresses in shared.items()},
        _KEY: f"first:{secrets.token_hex(32)}",
    }
    return {_BASE: json.dumps(passwords, indent=1)} | found  # first: what was made once is not made again


def _of(addresses: Iterable[Address], users: Mapping[str, str]) -> str:
    return json.dumps({str(address): users[str(address)] for address in addresses})


def _database(user: str, password: str, name: str) -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@{DATABASES}/{name}"


def _management(user: str, password: str) -> str:
    return f"http://{user}:{quote(password, safe='')}@{MANAGEMENT}"


def _put(file: Path, content: str, *, keep: bool) -> bool:
    """Whether it was written: it was missing, or differed and is not to be kept."""
    if file.exists() and (keep or file.read_text() == content):
        return False
    written = file.with_name(f"{file.name}.{os.getpid()}")
    mode = 0o600 if file.name == _BASE else 0o644
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
        os.fchmod(out.fileno(), mode)
        out.write(content)
    written.replace(file)
    return True
