"""Private servers boot, keep what they should, and leave nothing behind, however they end."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ, ServerError, start_all
from deploy.servers import postgresql as postgresql_module
from deploy.servers import rabbitmq as rabbitmq_module
from deploy.servers.ports import LOOPBACK, free_ports

OWNER = """
import signal
import sys
from deploy.servers import PrivatePostgreSQL, PrivateRabbitMQ, start_all
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is ignored where the tests run in the background
servers = [PrivateRabbitMQ(in_memory=True), PrivatePostgreSQL(in_memory=True)]
for server in servers:
    server.launch()
    print(server.directory, flush=True)
try:
    for server in servers:
        server.wait_ready()
    print("ready", flush=True)
    sys.stdin.read()
finally:
    for server in servers:
        server.stop()
"""


def processes_of(directory: Path) -> list[str]:
    """The living processes whose home is the directory: each server gives its own to all its children."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={directory}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(f"{process.name} {(process / 'cmdline').read_bytes()[:80]!r}")
        except OSError:  # it ended, or it is another user's
            continue
    return found


def assert_all_gone(directories: list[Path], within: float = 20) -> None:
    end = time.monotonic() + within
    while left := [process for directory in directories for process in processes_of(directory)]:
        assert time.monotonic() < end, f"still running: {left}"
        time.sleep(0.05)
    while any(directory.exists() for directory in directories):
        assert time.monotonic() < end, "a directory stayed"
        time.sleep(0.05)


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    """Another process that owns a RabbitMQ and a PostgreSQL; its first two lines name their directories."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def directories_of(owner: subprocess.Popen[str]) -> list[Path]:
    assert owner.stdout is not None
    return [Path(owner.stdout.readline().strip()) for _ in range(2)]


def test_kill_9_of_the_owner_leaves_no_process_and_no_file(owner):
    directories = directories_of(owner)
    assert owner.stdout.readline() == "ready\n", owner.stderr.read()
    assert all(processes_of(directory) for directory in directories)
    owner.kill()
    assert_all_gone(directories)


def test_ctrl_c_while_they_boot_leaves_no_process_and_no_file(owner):
    directories = directories_of(owner)
    owner.send_signal(signal.SIGINT)
    owner.wait(timeout=30)
    assert_all_gone(directories)


async def test_a_named_directory_is_kept_and_a_killed_server_starts_again_on_the_same_ports(tmp_path, open_directory):
    definitions = {
        "vhosts": [{"name": "star"}],
        "queues": [
            {
                "name": "box",
                "vhost": "star",
                "durable": True,
                "auto_delete": False,
                "arguments": {"x-queue-type": "quorum"},
            }
        ],
    }
    rabbitmq = PrivateRabbitMQ(tmp_path / "rabbitmq", definitions, management=False)
    postgresql = PrivatePostgreSQL(open_directory / "postgresql")
    start_all(rabbitmq, postgresql)
    rabbitmq.restart()  # a quorum queue of less than a second would not stand the kill -9 below
    try:
        urls = rabbitmq.amqp_url(vhost="star"), postgresql.url()
        async with await aio_pika.connect(urls[0]) as connection:
            channel = await connection.channel(on_return_raises=True)
            await channel.default_exchange.publish(
                aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT), "box"
            )
        await _execute(urls[1], "CREATE TABLE kept (n int)")

        rabbitmq.kill()
        postgresql.kill()
        assert processes_of(tmp_path / "rabbitmq") == processes_of(open_directory / "postgresql") == []
        start_all(rabbitmq, postgresql)

        assert urls == (rabbitmq.amqp_url(vhost="star"), postgresql.url())
        async with await aio_pika.connect(urls[0]) as connection:
            channel = await connection.channel()
            message = await (await channel.get_queue("box", ensure=False)).get(timeout=10, no_ack=True)
            assert message.body == b"kept"
        await _execute(urls[1], "SELECT * FROM kept")
    finally:
        rabbitmq.stop()
        postgresql.stop()
    assert processes_of(tmp_path / "rabbitmq") == processes_of(open_directory / "postgresql") == []
    assert (tmp_path / "rabbitmq" / "mnesia").is_dir()
    assert (open_directory / "postgresql" / "data").is_dir()


def test_a_broker_dies_with_its_guardian(tmp_path):
    server = PrivateRabbitMQ(tmp_path / "rabbitmq")
    server.launch()
    _wait_for(lambda: any("beam" in process for process in processes_of(tmp_path / "rabbitmq")))
    guardian = server._guarded.pid
    os.kill(guardian, signal.SIGKILL)
    _wait_for(lambda: processes_of(tmp_path / "rabbitmq") == [])
    server.stop()


def test_a_port_that_another_took_is_changed_for_another(monkeypatch):
    with socket.create_server((LOOPBACK, free_ports(1)[0])) as other:
        taken = other.getsockname()[1]
        offers = [[taken]]
        monkeypatch.setattr(
            postgresql_module, "free_ports", lambda count: offers.pop() if offers else free_ports(count)
        )
        with PrivatePostgreSQL(in_memory=True) as server:
            assert server.port != taken
            assert server.ready()
    assert not offers


@pytest.mark.parametrize(
    "which", [pytest.param(0, id="amqp", marks=pytest.mark.slow), pytest.param(1, id="distribution")]
)
def test_a_broker_finds_other_ports_too(monkeypatch, which):
    with socket.create_server((LOOPBACK, free_ports(1)[0])) as other:
        taken = other.getsockname()[1]
        offers = [free_ports(4)]
        offers[0][which] = taken
        monkeypatch.setattr(rabbitmq_module, "free_ports", lambda count: offers.pop() if offers else free_ports(count))
        with PrivateRabbitMQ(in_memory=True) as server:
            assert server.ready()
    assert not offers


def test_a_broker_that_cannot_boot_tells_the_log_and_what_to_do(tmp_path):
    (tmp_path / "advanced.config").write_text("rubbish")
    with pytest.raises(ServerError) as told:
        PrivateRabbitMQ(tmp_path).start()
    assert "failed_to_read_advanced_configuration_file" in str(told.value)
    assert "CROSSROADS_AMQP_URL" in str(told.value)


def test_a_database_that_cannot_boot_tells_the_log_and_what_to_do(open_directory):
    place = open_directory / "postgresql"
    (place / "data").mkdir(parents=True)
    with pytest.raises(ServerError) as told:
        PrivatePostgreSQL(place).start()
    assert "FATAL:  data directory" in str(told.value)
    assert "CROSSROADS_DATABASE_URL" in str(told.value)


def test_a_missing_program_is_told_with_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgresql_module, "_PLACES", "nowhere/*/bin")
    monkeypatch.setattr(rabbitmq_module, "_SCRIPTS", tmp_path)
    with pytest.raises(ServerError, match="apt-get install postgresql"):
        PrivatePostgreSQL(in_memory=True).start()
    with pytest.raises(ServerError, match="apt-get install rabbitmq-server"):
        PrivateRabbitMQ(in_memory=True).start()


def test_definitions_that_were_not_imported_are_told_and_the_other_server_is_stopped():
    broken = PrivateRabbitMQ(definitions={"queues": [{"name": "box", "vhost": "unknown"}]}, in_memory=True)
    other = PrivatePostgreSQL(in_memory=True)
    with pytest.raises(ServerError, match=r"did not import 1 of its definitions|prior to importing"):  # 3.10, 4.x
        start_all(other, broken)
    assert not other.running
    assert broken.directory is None


async def test_the_servers_own_log_repeats_no_row_and_no_parameter(private_postgresql):
    log, value = private_postgresql.directory / "boot.log", 61234567890
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(await private_postgresql.create_database(name))
    try:
        await connection.execute("CREATE TABLE person (number bigint CHECK (number < 10), ssin text UNIQUE)")
        before = log.stat().st_size
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("INSERT INTO person VALUES ($1, '1')", value)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.copy_records_to_table("person", records=[(value, "1")])
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.copy_records_to_table("person", records=2 * [(1, str(value))])
    finally:
        await connection.close()
        await private_postgresql.drop_database(name)
    told = log.read_bytes()[before:].decode()
    assert told.count("ERROR") == 3
    assert str(value) not in told


async def test_only_who_knows_the_password_is_let_in(private_postgresql):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _execute(private_postgresql.url().replace("@", "wrong@"), "SELECT 1")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def open_directory():
    """A directory that everybody can enter, as those of pytest are not: PostgreSQL does not run as root."""
    with tempfile.TemporaryDirectory(prefix="crossroads-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _wait_for(condition, within: float = 30) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
