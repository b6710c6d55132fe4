"""What each check makes of what was seen: one thing wrong at a time in a network that is sound."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
import typer

from deploy.command import cli
from deploy.doctor.broker import Node
from deploy.doctor.checks import CHECKS
from deploy.doctor.database import Behind, Gone, Paused, Refused, Trigger
from deploy.doctor.examination import Examination, judge
from deploy.doctor.facts import Facts
from deploy.doctor.finding import NotSeen
from hub.control import Process as Hub
from schemas.address import Address
from schemas.wire import names
from tests.deploy.doctor.sound import HUB, INSTITUTIONS, MEMBER, NOW, RIGHTS, process, rules_of, sound, with_queue

SOUND = sound()
AWAY = NotSeen("it does not answer", True)
NOT_NAMED = NotSeen("it is not known: set CROSSROADS_…")

Change = Callable[[Facts], Facts]


def broker(**changes: Any) -> Change:
    return lambda facts: replace(facts, broker=replace(facts.broker, **changes))  # type: ignore[type-var]


def node(**changes: Any) -> Change:
    one = Node("rabbit@a", True, (), (), 90 << 30, 50 << 20)
    return broker(nodes=(replace(one, **changes),))


def database(**changes: Any) -> Change:
    return lambda facts: replace(facts, database=replace(facts.database, **changes))  # type: ignore[type-var]


def setting(name: str, value: str) -> Change:
    return lambda facts: database(settings={**facts.database.settings, name: value})(facts)  # type: ignore[union-attr]


def rows(**changes: Any) -> Change:
    return lambda facts: replace(facts, rows=replace(facts.rows, **changes))  # type: ignore[type-var]


def without(field: str, key: Any) -> Change:
    """Something of what stands on the broker is gone."""

    def change(facts: Facts) -> Facts:
        there = getattr(facts.standing, field)
        if isinstance(there, Mapping):
            left: Any = {name: value for name, value in there.items() if name != key}
        else:
            left = frozenset(one for one in there if one != key)
        assert left != there
        return replace(facts, standing=replace(facts.standing, **{field: left}))  # type: ignore[type-var]

    return change


def standing(field: str, key: Any, value: Any) -> Change:
    def change(facts: Facts) -> Facts:
        there = {**getattr(facts.standing, field), key: value}
        return replace(facts, standing=replace(facts.standing, **{field: there}))  # type: ignore[type-var]

    return change


def queue(name: str, **how: Any) -> Change:
    return lambda facts: with_queue(facts, name, **how)


def processes(*all_of_them: Any) -> Change:
    return lambda facts: replace(facts, processes=all_of_them)


def hub(name: str, *, ready: bool = True, silent: float = 0.2) -> Hub:
    return Hub(uuid4(), name, f"http://{name}:8080", NOW, ready, False, 1, 1, 0, {}, {}, silent)


def rules(*texts: str, number: int = 1) -> Change:
    return lambda facts: replace(facts, rules=rules_of(*texts, number=number))


def together(*changes: Change) -> Change:
    def change(facts: Facts) -> Facts:
        for one in changes:
            facts = one(facts)
        return facts

    return change


HUB_1, HUB_2, WATCHER = SOUND.processes  # type: ignore[misc]
PRIMARY, SECONDARY = names.PRIMARY, "secondary-17"
QUEUE = (PRIMARY, "5-0.online.Pension.1")
NO_SUPPLIER = INSTITUTIONS.replace('"5-0"', '"6-0"')
GONE = Gone("5-0", "answered", NOW - timedelta(hours=2))
SHORT = RIGHTS.replace("from = 2020-01-01", "from = 2020-01-01\nto = 2026-12-20")

#: What is changed, which check sees it, in which state, and a word that it says of it.
WRONGS: list[tuple[str, Change, str, str, str]] = [
    ("broker away", lambda f: replace(f, broker=AWAY), "broker", "wrong", "does not answer"),
    ("broker old", broker(version="3.8.1"), "broker", "wrong", "3.8.1"),
    ("broker not named", lambda f: replace(f, broker=NOT_NAMED), "broker", "unknown", "set CROSSROADS_"),
    ("node down", node(running=False), "broker nodes", "wrong", "rabbit@a does not run"),
    ("cluster split", node(partitions=("rabbit@b",)), "broker nodes", "wrong", "does not see rabbit@b"),
    ("alarm", node(alarms=("memory",)), "broker alarms", "wrong", "rabbit@a: memory"),
    ("disk nearly full", node(disk_free=60 << 20), "broker disk", "warning", "60 MiB free"),
    ("messages too large", broker(largest_message=128 << 20), "largest message", "wrong", "128 MiB"),
    ("messages too small", broker(largest_message=64 << 10), "largest message", "wrong", "64 KiB"),
    ("largest not told", broker(largest_message=None), "largest message", "unknown", "no configuration file"),
    ("vhost missing", without("vhosts", SECONDARY), "provisioned", "wrong", "vhost secondary-17"),
    ("user missing", without("users", "5-0"), "provisioned", "wrong", "user 5-0"),
    ("exchange missing", without("exchanges", (PRIMARY, "5-0.out")), "provisioned", "wrong", "crossroads/5-0.out"),
    ("queue missing", without("queues", QUEUE), "provisioned", "wrong", "queue crossroads/5-0.online.Pension.1"),
    ("binding missing", without("bindings", (PRIMARY, "1-0.out", "hub.in.1-0.online", "online")), "provisioned",
     "wrong", "1-0.out -> hub.in.1-0.online"),
    ("queue otherwise", standing("queues", QUEUE, {"x-queue-type": "classic"}), "queues' arguments", "wrong",
     "x-queue-type is classic, not quorum"),
    ("right missing", without("permissions", (PRIMARY, "5-0")), "permissions", "wrong", "5-0 in crossroads: none"),
    ("right too wide", standing("permissions", (PRIMARY, "5-0"), (".*", ".*", ".*")), "permissions", "wrong",
     "5-0 in crossroads: configure .*"),
    ("user tagged", standing("users", "5-0", ("administrator",)), "permissions", "wrong", "5-0 is administrator"),
    ("stranger", together(standing("users", "9-0", ()), standing("permissions", (PRIMARY, "9-0"), ("^$", ".*", "^$"))),
     "permissions", "warning", "9-0 in crossroads"),
    ("empty queue left", queue("9-0.answers"), "left over", "warning", "crossroads/9-0.answers: 0 messages, 1 reader"),
    ("full queue left", queue("hub.in.9-0.online", messages=3), "left over", "wrong", "hub.in.9-0.online: 3 messages"),
    ("supplier away", queue(QUEUE[1], messages=4, consumers=0), "suppliers read", "wrong", "Pension.1: 4 messages"),
    ("no hub reads", queue("hub.in.1-0.online", consumers=0), "requests read", "wrong", "hub.in.1-0.online"),
    ("no hub reads answers", queue("hub.definitive", consumers=0), "requests read", "wrong", "hub.definitive"),
    ("dead", queue(names.DEAD, messages=1, consumers=0), "hub.dead", "wrong", "crossroads: 1 message"),
    ("dead at a relay", queue(names.DEAD, vhost=SECONDARY, messages=2, consumers=0), "hub.dead", "wrong",
     "secondary-17: 2 messages"),
    ("database away", lambda f: replace(f, database=AWAY), "database", "wrong", "does not answer"),
    ("database old", database(version=140002), "database", "wrong", "PostgreSQL 14.2"),
    ("migrations behind", database(revision="0011"), "migrations", "wrong", "0011"),
    ("migrations ahead", database(revision="0099"), "migrations", "wrong", "newer"),
    ("no tables", database(revision=None), "migrations", "wrong", "no tables"),
    ("partitions end soon", database(partitions_until=date(2027, 1, 1)), "partitions", "warning", "34 days"),
    ("partitions end", database(partitions_until=date(2026, 12, 1)), "partitions", "wrong", "3 days"),
    ("partitions ended", database(partitions_until=date(2026, 11, 1)), "partitions", "wrong", "2026-11-01"),
    ("journal may change", database(triggers=SOUND.database.triggers[1:]), "journal kept", "wrong",  # type: ignore[union-attr]
     "journal: journal_append_only is missing"),
    ("journal unlocked", database(triggers=(*SOUND.database.triggers[1:],  # type: ignore[union-attr]
     Trigger("journal", "journal_append_only", False))), "journal kept", "wrong", "switched off"),
    ("journal closed", database(writable=False), "journal kept", "wrong", "may not add"),
    ("another key", rows(key_id="2025z"), "journal keys", "wrong", "2025z"),
    ("no key", lambda f: replace(f, journal_keys=""), "journal keys", "wrong", "no key"),
    ("key not given", lambda f: replace(f, journal_keys=None), "journal keys", "unknown", "CROSSROADS_JOURNAL_KEY"),
    ("log verbose", setting("log_error_verbosity", "default"), "database's log", "wrong", "log_error_verbosity"),
    ("log parameters", setting("log_parameter_max_length_on_error", "-1"), "database's log", "wrong", "on_error"),
    ("log statements", setting("log_statement", "all"), "database's log", "wrong", "log_statement = all"),
    ("log slow", setting("log_min_duration_statement", "500"), "database's log", "wrong", "log_min_duration"),
    ("clock ahead", database(ahead=5.0), "clocks", "warning", "database's is 5.0 s ahead"),
    ("clock far behind", broker(ahead=-90.0), "clocks", "wrong", "broker's is 90.0 s behind"),
    ("one hub", processes(HUB_1, WATCHER), "hubs", "warning", "1 ready: hub-1"),
    ("a hub that beats and is not ready", rows(hubs=(hub("hub-3", ready=False),)), "hubs", "wrong", "hub-3"),
    ("hub drained", rows(paused=(Paused("hub", "0", NOW, None),)), "paused", "warning", "hub 0, which runs no more"),
    ("no hub", processes(WATCHER), "hubs", "wrong", "no hub takes requests"),
    ("a hub away", processes(HUB_1, replace(HUB_2, answers=False, why="refused", figures={}), WATCHER), "hubs", "wrong",
     "hub-2 (http://hub-2:8080): refused"),
    ("a hub not ready", processes(HUB_1, replace(HUB_2, ready=False), WATCHER), "hubs", "wrong", "hub-2"),
    ("a part down", processes(HUB_1, replace(HUB_2, parts={"journal": False}), WATCHER), "hubs' parts", "wrong",
     "hub-2: journal"),
    ("rules withdrawn", rules(INSTITUTIONS, RIGHTS, number=2), "hubs' rules", "wrong", "hub-1 decides by load 1"),
    ("two versions", processes(HUB_1, process("hub-2", HUB.replace("1.0", "0.9"))), "hubs' version", "warning",
     "0.9: hub-2"),
    ("no watcher", processes(HUB_1, HUB_2), "watcher", "warning", "none"),
    ("watcher blind", processes(HUB_1, process("w", 'crossroads_watched{source="broker"} 0\n')), "watcher", "wrong",
     "broker"),
    ("paused", rows(paused=(Paused("service", "Pension/1", NOW - timedelta(hours=3), None),)), "paused", "warning",
     "service Pension/1, since 2026-11-28 09:00 UTC (3 h)"),
    ("gone, and named", together(rules(NO_SUPPLIER, RIGHTS), rows(gone=(GONE,))), "institutions gone", "wrong",
     "1 authorisation names 5-0: pension"),
    ("gone, and asked", together(rules(NO_SUPPLIER, RIGHTS), queue(QUEUE[1], messages=6), rows(gone=(GONE,))),
     "institutions gone", "wrong", "crossroads/5-0.online.Pension.1: 6 messages wait"),
    ("gone, and refused", together(rules(NO_SUPPLIER), rows(gone=(GONE,), refused=(
        Refused("5-0", "", "Pension/1", "CRB00005", 7, NOW),))), "institutions gone", "wrong",
     "5-0 asked Pension/1 7 times within the last hour and was told CRB00005"),
    ("gone, and counted", together(rules(NO_SUPPLIER), rows(gone=(GONE,)), processes(process("hub-1", HUB +
        'crossroads_exchanges_total{service="Pension/1",verdict="fault",code="CRB00005"} 4\n'))), "institutions gone",
     "wrong", "4 requests for Pension/1 refused with CRB00005"),
    ("gone, and counted at a relay", together(rules(NO_SUPPLIER), rows(gone=(GONE,)), processes(process("relays",
        'crossroads_relayed_total{institution="17-0",direction="down",service="unknown",result="CRB00005"} 2\n'))),
     "institutions gone", "wrong", "2 requests for unknown refused with CRB00005 by the relay of 17-0"),
    ("manager gone", together(rules(INSTITUTIONS.replace('address = "17-0"', 'address = "18-0"')),
     rows(gone=(Gone("17-0", "managed", NOW),))), "institutions gone", "wrong", f"{MEMBER} is managed by 17-0"),
    ("inactive", rules(INSTITUTIONS.replace('name = "answers"', 'name = "answers"\nactive = false'), RIGHTS),
     "institutions inactive", "warning", "1 authorisation names 5-0: pension"),
    ("ends soon", rules(INSTITUTIONS, SHORT), "authorisations ending", "warning", "2026-12-20: authorisation pension"),
    ("held by nobody", rules(NO_SUPPLIER, RIGHTS), "services held", "wrong", "Pension/1, which 1-0 may ask"),
    ("holder unknown", rules(NO_SUPPLIER, RIGHTS), "availability", "wrong", "no institution of 5-0"),
    ("holder without queue", without("queues", QUEUE), "availability", "wrong", "no queue 5-0.online.Pension.1"),
    ("behind", rows(behind=(Behind("5-0", 12),)), "distribution", "warning", "5-0: 12 words"),
    ("relay away", queue(f"hub.in.{MEMBER}.online", vhost=SECONDARY, consumers=0), "relays", "wrong", "relay of 17-0"),
    ("member missing", lambda f: replace(f, members={"17-0": ()}), "members", "wrong", f"17-0 lacks {MEMBER}"),
    ("member inactive", lambda f: replace(f, members={"17-0": (replace(f.members["17-0"][0], active=False),)}),  # type: ignore[index]
     "members", "wrong", f"17-0 has {MEMBER} inactive"),
    ("stranger a member", lambda f: replace(f, members={"17-0": (*f.members["17-0"], replace(  # type: ignore[misc]
        f.members["17-0"][0], address=Address.parse("17-1-0207473635")))}), "members", "wrong",  # type: ignore[index]
     "has 17-1-0207473635, who is not in the register"),
    ("repertory away", lambda f: replace(f, members={"17-0": AWAY}), "members", "wrong", "17-0: it does not answer"),
    ("repertory not named", lambda f: replace(f, members={}), "members", "unknown", "CROSSROADS_SECTORAL_URLS"),
]  # fmt: skip


def test_hubs_are_those_that_say_so_in_the_database_too():
    beating = rows(hubs=(hub("hub-1"), hub("hub-3"), hub("hub-4", silent=300.0)))
    finding = CHECKS["hubs"](together(beating, processes(HUB_1, WATCHER))(SOUND))
    assert (finding.state, finding.saw) == ("good", "2 ready: hub-1, hub-3")
    assert finding.details == ("hub-4 ended without a word 5 min ago",)
    alone = together(beating, lambda facts: replace(facts, processes=NOT_NAMED))
    assert CHECKS["hubs"](alone(SOUND)).saw == "2 ready: hub-1, hub-3"


def test_a_hub_that_is_known_by_another_url_than_it_tells_is_one():
    """In a container a hub tells its host's name, which is the container's number."""
    hosts = {"hub-1": "f3a9", "hub-2": "b7c1"}
    told = tuple(replace(hub(name), url=f"http://{host}:8080") for name, host in hosts.items())
    alone = together(rows(hubs=told[:1]), processes(HUB_1, WATCHER))(SOUND)
    assert CHECKS["hubs"](alone).state == "warning"
    assert CHECKS["hubs"](alone).saw.startswith("1 ready: hub-1;")
    assert CHECKS["hubs"](rows(hubs=told)(SOUND)).saw == "2 ready: hub-1, hub-2"


def test_of_a_sound_network_everything_is_good():
    assert {name: finding for name, finding in judge(SOUND).items() if finding.state != "good"} == {}


@pytest.mark.parametrize(
    ("change", "check", "state", "word"), [row[1:] for row in WRONGS], ids=[row[0] for row in WRONGS]
)
def test_what_is_wrong_is_found_and_something_can_be_done(change, check, state, word):
    finding = CHECKS[check](change(SOUND))
    assert finding.state == state
    assert word in "\n".join((finding.saw, *finding.details))
    assert finding.do or state == "unknown"


def test_each_check_is_made_wrong_here():
    assert {row[2] for row in WRONGS if row[3] in ("wrong", "warning")} == set(CHECKS)


def test_what_is_to_be_done_are_commands_that_there_are():
    told = [line for row in WRONGS for line in CHECKS[row[2]](row[1](SOUND)).do]
    named = {tuple(words.split()) for line in told for words in re.findall(r"\bcrossroads((?: [a-z]+)+)", line)}
    assert {("dead", "list"), ("provision",), ("hub",), ("watcher",)} <= named
    for words in named:
        command: Any = typer.main.get_command(cli)
        for word in words:
            if not hasattr(command, "commands"):
                break  # what follows is no command
            assert word in command.commands, words
            command = command.commands[word]


def test_what_was_not_seen_is_unknown_and_no_error():
    nothing = replace(
        SOUND, broker=NOT_NAMED, standing=NOT_NAMED, queues=NOT_NAMED, database=NOT_NAMED, rows=NOT_NAMED,
        rules=NOT_NAMED, senders=NOT_NAMED, members={}, processes=NOT_NAMED, journal_keys=None,
    )  # fmt: skip
    found = judge(nothing)
    assert {finding.state for finding in found.values()} == {"unknown"}
    assert all(finding.saw for finding in found.values())
    assert Examination(found, 0.0).exit_status == 0


def test_without_the_nssos_database_its_senders_are_not_called_strangers():
    assert {name: finding.state for name, finding in judge(replace(SOUND, senders=NOT_NAMED)).items()} == dict.fromkeys(
        CHECKS, "good"
    )


def test_one_who_is_gone_without_a_trace_is_good():
    finding = CHECKS["institutions gone"](rows(gone=(Gone("9-0", "was here", NOW),))(SOUND))
    assert (finding.state, "9-0" in finding.saw) == ("good", True)


def test_in_maintenance_it_is_no_fault_that_lots_and_mutations_wait():
    on = rows(paused=(Paused("maintenance", "", NOW, None),))
    waiting = together(on, queue("hub.in.1-0.batch", messages=5, consumers=0), queue("hub.definitive", consumers=0))
    assert CHECKS["requests read"](waiting(SOUND)).state == "good"
    unread = together(on, queue("hub.in.1-0.online", messages=5, consumers=0))
    assert CHECKS["requests read"](unread(SOUND)).state == "wrong"


def test_nothing_of_a_check_holds_a_secret():
    said = repr(judge(SOUND)) + repr(SOUND.rows)
    assert "a-secret" not in said
