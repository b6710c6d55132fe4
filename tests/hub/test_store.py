"""The rules in the database: replaced by file name, with their history, and seen by a running hub."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from hub.repertory import store
from hub.repertory.database import RepertoryUnavailableError
from hub.repertory.files import RulesError, parse
from hub.repertory.rules import Authorisation, Availability, Institution, RowId, Rules
from hub.repertory.watch import RulesWatch
from schemas.address import Address
from tests.hub.test_rules_files import AUTHORISATION, AVAILABILITY, CATALOGUE, DISTRIBUTION, REGISTER

CUSTOMER = Address(17, 1)


async def load(url, *, dry_run=False, **texts):
    files = [parse(text, f"{name}.toml") for name, text in texts.items()]
    return await store.load_files(url, files, CATALOGUE, dry_run=dry_run)


async def test_what_was_loaded_is_read_back(hub_database):
    text = REGISTER + AVAILABILITY + AUTHORISATION + DISTRIBUTION
    difference = await load(hub_database, rules=text)
    assert difference.count() == (7, 0, 0)
    rules = await store.read(hub_database)
    assert set(rules.rows()) == set(parse(text, "rules.toml").rows)
    assert rules.number == difference.number > 0
    assert all(row.version == 1 for row in rules.rows())


async def test_loading_from_paths_goes_by_the_file_name(hub_database, tmp_path):
    for folder, text in (("a", REGISTER + AVAILABILITY), ("b", REGISTER)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rules.toml").write_text(text)
    await store.load(hub_database, [tmp_path / "a" / "rules.toml"], CATALOGUE)
    difference = await store.load(hub_database, [tmp_path / "b" / "rules.toml"], CATALOGUE)
    assert difference.count() == (0, 0, 2)
    with pytest.raises(RulesError, match="named twice"):
        await store.load(hub_database, sorted(tmp_path.glob("*/rules.toml")), CATALOGUE)


async def test_only_what_changed_gets_a_new_version(hub_database):
    await load(hub_database, rights=AUTHORISATION + AVAILABILITY, register=REGISTER)
    first = await store.read(hub_database)
    difference = await load(hub_database, rights=AUTHORISATION.replace("[2, 1]", "[3]") + AVAILABILITY)
    assert (difference.count(), difference.same) == ((0, 1, 0), 2)
    (change,) = difference.changes
    assert (change.file, change.old.qualities, change.new.qualities) == ("rights.toml", {1, 2}, {3})
    rules = await store.read(hub_database)
    assert rules.authorisations[0].row == RowId("pcsw-pension", 2)
    assert all(row.version == 1 for row in rules.availabilities)
    assert rules.number > first.number


async def test_loading_the_same_again_changes_nothing(hub_database):
    first = await load(hub_database, rules=REGISTER + AUTHORISATION)
    again = await load(hub_database, rules=REGISTER + AUTHORISATION)
    assert (again.changes, again.same, again.number) == ((), 4, first.number)


async def test_a_file_replaces_its_own_rows_only(hub_database):
    await load(hub_database, rights=AUTHORISATION, register=REGISTER)
    difference = await load(hub_database, rights="")
    assert difference.count() == (0, 0, 1)
    rules = await store.read(hub_database)
    assert (len(rules.institutions), rules.authorisations) == (3, ())


async def test_a_row_that_comes_back_goes_on_with_its_versions(hub_database):
    for text in (AUTHORISATION, "", AUTHORISATION):
        await load(hub_database, rights=text)
    assert (await store.read(hub_database)).authorisations[0].version == 2


async def test_a_row_may_move_to_another_file_in_one_load(hub_database):
    await load(hub_database, old=AUTHORISATION)
    with pytest.raises(RulesError, match=r"new\.toml:2: pcsw-pension is also in old\.toml"):
        await load(hub_database, new=AUTHORISATION)
    difference = await load(hub_database, old="", new=AUTHORISATION)
    assert difference.count() == (0, 1, 0)
    await load(hub_database, old="")
    assert len((await store.read(hub_database)).authorisations) == 1


async def test_a_dry_run_says_the_difference_and_writes_nothing(hub_database):
    await load(hub_database, rules=REGISTER)
    number = (await store.read(hub_database)).number
    difference = await load(hub_database, rules=REGISTER + AUTHORISATION, dry_run=True)
    assert difference.count() == (1, 0, 0)
    rules = await store.read(hub_database)
    assert (rules.authorisations, rules.number) == ((), number)


async def test_nothing_is_loaded_where_one_row_is_wrong(hub_database):
    with pytest.raises(RulesError, match=r"rights\.toml:2: service"):
        await load(hub_database, register=REGISTER, rights=AUTHORISATION.replace("Pension/1", "Pension/3"))
    assert (await store.read(hub_database)).rows() == ()


async def test_a_file_may_not_take_away_what_another_stands_on(hub_database):
    member = "[[institution]]" + REGISTER.split("[[institution]]")[2]
    await load(hub_database, register=REGISTER.replace(member, ""), members=member)
    with pytest.raises(RulesError, match=r"members\.toml: managed_by: 17-0 is no institution"):
        await load(hub_database, register="")


async def test_the_rules_of_a_past_moment_can_be_told_again(hub_database, connection):
    before = datetime.now(UTC)
    await load(hub_database, rights=AUTHORISATION)
    between = await connection.fetchval("SELECT clock_timestamp()")
    await load(hub_database, rights=AUTHORISATION.replace("[2, 1]", "[3]"))
    assert (await store.read(hub_database, before - timedelta(seconds=1))).rows() == ()
    then, now = await store.read(hub_database, between), await store.read(hub_database)
    assert (then.authorisations[0].qualities, then.authorisations[0].version) == ({1, 2}, 1)
    assert (now.authorisations[0].qualities, now.authorisations[0].version) == ({3}, 2)
    assert then.number < now.number
    (first, known_from, known_to), (second, since, still) = await store.rule_history(
        hub_database, Authorisation, "pcsw-pension"
    )
    assert (first, second) == (then.authorisations[0], now.authorisations[0])
    assert known_from < between < known_to == since
    assert still is None


async def test_one_row_is_added_by_a_command_and_changed_by_the_next(hub_database):
    row = Availability("Pension/1", Address(5, 0), 100)
    await store.add_rule(hub_database, row, CATALOGUE)
    right = parse(AUTHORISATION, "x").rows[0]
    await store.add_rule(hub_database, right, CATALOGUE)
    await store.add_rule(hub_database, parse(AUTHORISATION.replace("[2, 1]", "[3]"), "x").rows[0], CATALOGUE)
    rules = await store.read(hub_database)
    assert rules.availabilities == (row,)
    assert [(one.qualities, one.version) for one in rules.authorisations] == [({3}, 2)]


async def test_loads_at_once_come_after_each_other(hub_database):
    changed = AUTHORISATION.replace("[2, 1]", "[3]")
    await load(hub_database, rights=AUTHORISATION)
    await asyncio.gather(*(load(hub_database, rights=text) for text in (changed, AUTHORISATION) * 3))
    history = await store.rule_history(hub_database, Authorisation, "pcsw-pension")
    assert [row.version for row, _, _ in history] == list(range(1, len(history) + 1))
    assert sum(end is None for _, _, end in history) == 1


async def test_a_database_without_tables_is_unavailable(database):
    with pytest.raises(RepertoryUnavailableError, match="migrated"):
        await store.read(database)
    with pytest.raises(RepertoryUnavailableError):
        await RulesWatch(database).start()


class Seen:
    """What a watch told, and a way to wait for it."""

    def __init__(self):
        self.rules, self.health = asyncio.Queue(), asyncio.Queue()

    async def next(self) -> Rules:
        async with asyncio.timeout(10):
            return await self.rules.get()

    async def next_health(self) -> bool:
        async with asyncio.timeout(10):
            return await self.health.get()

    def watch(self, url, **more) -> RulesWatch:
        return RulesWatch(url, on_change=self.rules.put_nowait, on_health=self.health.put_nowait, **more)


async def test_a_running_hub_sees_a_load_by_notification(hub_database):
    await load(hub_database, register=REGISTER)
    seen = Seen()
    async with seen.watch(hub_database, poll=3600) as watch:
        assert len(watch.rules.institutions) == 3
        assert seen.rules.empty()
        await load(hub_database, rights=AUTHORISATION)
        assert await seen.next() is watch.rules
        assert len(watch.rules.authorisations) == 1


async def test_a_load_is_seen_without_notification_too(hub_database, connection):
    seen = Seen()
    async with seen.watch(hub_database, poll=0.05):
        await connection.execute(
            "INSERT INTO institution (id, version, file, known_from, address, cbe, name, active, rate)"
            " VALUES ('5-0', 1, 'x', now(), '5-0', '0206738078', 'x', true, 1);"
            " INSERT INTO rules_load (at, files, rows_new, rows_changed, rows_gone) VALUES (now(), '{x}', 1, 0, 0)"
        )
        assert (await seen.next()).institutions[Address(5, 0)] == Institution(Address(5, 0), "0206738078", "x", rate=1)


async def test_a_dry_run_tells_nobody(hub_database):
    seen = Seen()
    async with seen.watch(hub_database, poll=3600):
        await load(hub_database, register=REGISTER, dry_run=True)
        await load(hub_database, rights=AUTHORISATION)
        assert (await seen.next()).institutions == {}


async def test_a_watch_that_loses_its_connection_says_so_and_finds_another(hub_database, connection):
    seen = Seen()
    async with seen.watch(hub_database, poll=3600) as watch:
        assert await seen.next_health() is True
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'hub rules' AND datname = current_database()"
        )
        assert await seen.next_health() is False
        assert await seen.next_health() is True
        await load(hub_database, register=REGISTER)
        await seen.next()
        assert watch.healthy


def test_rights_members_and_holders_are_told():
    rules = Rules(parse(REGISTER + AVAILABILITY + AUTHORISATION + DISTRIBUTION, "rules.toml").rows)
    assert [row.id for row in rules.rights(Address.parse("17-1-0212344876"))] == ["pcsw-pension"]
    assert [str(member.address) for member in rules.members(Address(17, 0))] == ["17-1-0212344876"]
    assert rules.asked_as(CUSTOMER) == Address(17, 0)
    assert rules.holders("Pension/2") == (Address(0, 0),)
    assert [row.recipient for row in rules.recipients("AddressChange/1")] == [CUSTOMER]
    bare = Rules(parse(AUTHORISATION, "rules.toml").rows)
    assert bare.holders("Pension/1") == (Address(5, 0),)
    assert bare.holders("Pension/2") == ()
