"""A network in which nothing is wrong, as facts and as rules: tests make one thing of it wrong."""

from dataclasses import replace
from datetime import UTC, date, datetime

from deploy import provision
from deploy.doctor.broker import Broker, Node, Queue, standing
from deploy.doctor.database import LOG_SETTINGS, Database, Kept, Trigger
from deploy.doctor.facts import Facts
from deploy.doctor.processes import Process
from deploy.top.figures import read
from hub.repertory.files import parse
from hub.repertory.rules import Rules
from institutions.nsso.register import Sender
from institutions.relay.sectoral_repertory import Member
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.wire import names

CATALOGUE = Catalogue((shipped(),))
TODAY = date(2026, 11, 28)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MEMBER = "17-1-0212344876"

#: 1-0 asks 5-0 about pensions; 17-0 manages a network of one member, which asks too. 12-0 is there for its senders.
INSTITUTIONS = f"""
[[institution]]
address = "1-0"
cbe = "0206734318"
name = "asks"
[[institution]]
address = "5-0"
cbe = "0206738078"
name = "answers"
[[institution]]
address = "12-0"
cbe = "0206731546"
name = "has senders"
[[institution]]
address = "17-0"
cbe = "0316380841"
name = "manages a network"
[[institution]]
address = "{MEMBER}"
cbe = "0212344876"
name = "is its member"
managed_by = "17-0"
"""
RIGHTS = """
[[availability]]
service = "Pension/1"
address = "5-0"
quality = 100
[[authorisation]]
id = "pension"
customer = "1-0"
legal_context = "TEST"
qualities = [0]
service = "Pension/1"
suppliers = ["5-0"]
deliberation = { number = "00/000", date = 2020-01-01 }
from = 2020-01-01
"""
SENDERS = (Sender("000001", "hands in"),)


def rules_of(*texts: str, number: int = 1) -> Rules:
    rows = [row for place, text in enumerate(texts) for row in parse(text, f"{place}.toml").rows]
    return Rules(rows, number=number)


HUB = """\
crossroads_ingress_queues 12
crossroads_rules_in_use 1
crossroads_build_info{version="1.0"} 1
"""
WATCHER = """\
crossroads_watched{source="broker"} 1
crossroads_watched{source="database"} 1
"""


def process(name: str, page: str, *, ready: bool = True, parts: dict[str, bool] | None = None) -> Process:
    return Process(name, f"http://{name}:8080", True, "", ready, parts or {"broker": True}, read(page))


def sound() -> Facts:
    """All of it good."""
    rules = rules_of(INSTITUTIONS, RIGHTS)
    network = provision.network_of(rules, CATALOGUE.services.values(), senders=SENDERS)
    there = standing(provision.definitions(network, dict.fromkeys(provision.users(network), "")))
    tables = ("journal", "journal_2026_11", "journal_2026_12")
    triggers = [
        Trigger(table, name, True) for table in tables for name in ("journal_append_only", "journal_not_emptied")
    ]
    settings = dict.fromkeys(LOG_SETTINGS, "-1") | {
        "log_error_verbosity": "terse", "log_parameter_max_length_on_error": "0", "log_statement": "none",
    }  # fmt: skip
    member = Member(Address.parse(MEMBER), "is its member", True, rules.institutions[Address.parse(MEMBER)].rate)
    return Facts(
        catalogue=CATALOGUE,
        today=TODAY,
        broker=Broker("3.13.7", "rabbit", (Node("rabbit@a", True, (), (), 90 << 30, 50 << 20),), 0.0, 32 << 20),
        standing=there,
        queues=tuple(Queue(vhost, name, 0, 0 if name == names.DEAD else 1) for vhost, name in there.queues),
        database=Database(
            150018, 0.1, "0012", "0012", date(2027, 3, 1), tables, tuple(triggers), True, False, settings
        ),
        rows=Kept((), (), (), (), (), NOW, "2026a"),
        rules=rules,
        senders=SENDERS,
        members={"17-0": (member,)},
        processes=(process("hub-1", HUB), process("hub-2", HUB), process("watcher", WATCHER)),
        journal_keys="2026a:a-secret-that-only-the-tests-know",
        primary=names.PRIMARY,
        prefix="",
    )


def with_queue(facts: Facts, queue: str, *, vhost: str = names.PRIMARY, messages: int = 0, consumers: int = 1) -> Facts:
    """With this queue so, whether it was there or not."""
    assert facts.queues is not None
    others = [one for one in facts.queues if (one.vhost, one.name) != (vhost, queue)]  # type: ignore[union-attr]
    return replace(facts, queues=(*others, Queue(vhost, queue, messages, consumers)))
