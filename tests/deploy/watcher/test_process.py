"""A watcher whose sources are away: no figure is better than an old one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from pydantic import SecretStr

from deploy.command.watcher import watcher as watcher_command
from deploy.watcher.figures import FIGURES, SOURCES, Figures, Seen
from deploy.watcher.process import Watcher
from deploy.watcher.settings import Settings
from hub.migrations import migrate
from schemas.errors import CrossroadsError

#: Where nobody listens.
NO_BROKER, NO_DATABASE = "http://monitor:secret@127.0.0.1:1", "postgresql://nobody:secret@127.0.0.1:1/none"


@asynccontextmanager
async def watching(database: str) -> AsyncIterator[Watcher]:
    watcher = Watcher(
        Settings(
            database_url=SecretStr(database), rabbitmq_admin_url=SecretStr(NO_BROKER), http_port=0, every=0.1,
            _env_file=None,
        )
    )  # fmt: skip
    await watcher.start()
    try:
        yield watcher
    finally:
        await watcher.stop()


async def page(watcher: Watcher, path: str) -> tuple[int, str]:
    def read() -> tuple[int, str]:
        try:
            with urlopen(f"http://127.0.0.1:{watcher.http_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(read)


async def test_of_a_broker_that_is_away_nothing_is_told_and_of_the_database_all(database: str) -> None:
    await migrate(database)
    async with watching(database) as watcher:
        async with asyncio.timeout(60):
            while not watcher.figures.watched("database"):  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.05)
        _, text = await page(watcher, "/metrics")
        assert 'crossroads_watched{source="broker"} 0.0' in text
        assert 'crossroads_watched{source="database"} 1.0' in text
        assert 'crossroads_watched_at_seconds{source="database"}' in text
        assert 'crossroads_watched_at_seconds{source="broker"}' not in text
        assert "crossroads_queue_messages{" not in text
        assert "crossroads_rules_load 0.0" in text
        status, said = await page(watcher, "/health")
        assert (status, '"broker": false' in said, '"database": true' in said) == (503, True, True)
        assert (await page(watcher, "/live"))[0] == 200


async def test_without_any_source_it_lives_and_says_so() -> None:
    async with watching(NO_DATABASE) as watcher:
        _, text = await page(watcher, "/metrics")
        for source in SOURCES:
            assert f'crossroads_watched{{source="{source}"}} 0.0' in text
        assert [line for line in text.splitlines() if not line.startswith(("#", "crossroads_watched{"))] == []
        assert (await page(watcher, "/ready"))[0] == 503


def test_a_look_that_did_not_see_all_tells_what_it_saw_and_is_no_success() -> None:
    figures = Figures()
    figures.seen("database", Seen([("crossroads_rules_load", (), 7)]))
    figures.seen("database", Seen([("crossroads_rules_load", (), 8)], whole=False, why="a part of it"))
    text = figures.text().decode()
    assert "crossroads_rules_load 8.0" in text
    assert 'crossroads_watched{source="database"} 0.0' in text
    assert 'crossroads_watched_at_seconds{source="database"}' in text  # the one before
    figures.seen("database", None)
    assert "crossroads_rules_load 8.0" not in figures.text().decode()


def test_each_figure_says_what_it_is() -> None:
    text = Figures().text().decode()
    assert all(f"# HELP {name} {what}\n# TYPE {name} gauge\n" in text for name, (what, _) in FIGURES.items())


def test_wrong_settings_are_named_and_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "CROSSROADS_DATABASE_URL": "mysql://me:secret@host/x",
        "CROSSROADS_RABBITMQ_ADMIN_URL": "host:15672/secret",
        "CROSSROADS_HTTP_PORT": "no",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CrossroadsError) as raised:
        watcher_command()
    for name in environment:
        assert name in str(raised.value)
    assert "http://monitor:password@host:15672" in str(raised.value)
    assert "secret" not in str(raised.value)
