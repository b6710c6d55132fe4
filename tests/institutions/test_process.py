"""One process of several institutions, started as a container starts it."""

import asyncio
import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.servers.ports import free_ports
from tests.institutions.conformance.network import CONTEXT, SERVICES, person
from tests.institutions.relay.conftest import sector
from tests.institutions.world import PCSW_A, Database, World


def got(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@asynccontextmanager
async def running(
    environment: dict[str, str], log: Path, *addresses: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """The process and its health port; killed in the end if it did not end itself."""
    [port] = free_ports(1)
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "institutions",
            *addresses,
            env={"PATH": os.environ["PATH"], "CROSSROADS_HTTP_PORT": str(port)} | environment,
            stderr=stream,
        )
    try:
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_relay_and_a_supplier_in_one_process(world: World, postgresql: Database, tmp_path: Path) -> None:
    ssin = person()
    async with sector(world, postgresql, "17-0") as pcsw:
        await pcsw.knows(ssin, PCSW_A)
        place = world.url("17-0").rpartition("@")[2].partition("/")
        environment = {
            "CROSSROADS_AMQP_URL": f"amqp://{place[0]}/{world.network.primary}",
            "CROSSROADS_PASSWORDS": json.dumps({a: world.passwords[a] for a in ("17-0", "5-0")}),
            "CROSSROADS_SECONDARY_VHOSTS": json.dumps({"17-0": world.vhost_of(PCSW_A)}),
            "CROSSROADS_SECTORAL_URLS": json.dumps({"17-0": pcsw.database_url}),
            "CROSSROADS_SERVICES": str(SERVICES),
        }
        log = tmp_path / "log"
        async with running(environment, log, "17-0", "5-0") as (process, port):
            async with asyncio.timeout(60):
                while (await asyncio.to_thread(got, port, "/ready"))[0] != 200:
                    assert process.returncode is None, log.read_text()
                    await asyncio.sleep(0.1)
            async with world.institution(PCSW_A) as me:
                answer = await me.consult("Permit/1", ssin=ssin, legal_context=CONTEXT, timeout=10)
            status, health = await asyncio.to_thread(got, port, "/health")
            _, figures = await asyncio.to_thread(got, port, "/metrics")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0
    assert answer.code == "MSG00012"  # of the hub, which was asked
    assert (status, set(json.loads(health)["parts"])) == (
        200,
        {"5-0", "17-0 primary", "17-0 secondary", "17-0 repertory"},
    )
    assert (
        'crossroads_relayed_total{direction="down",institution="17-0",result="passed",service="Permit/1"} 1.0'
        in figures
    )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert any(line["event"] == "relayed" and line["ticket"] == str(answer.ticket_cbss) for line in lines)
    assert ssin.digits not in log.read_text()


async def test_an_address_with_nothing_to_do_is_told_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with running({"CROSSROADS_AMQP_URL": "amqp://64-0:x@127.0.0.1/x"}, log, "64-0") as (process, _):
        assert await asyncio.wait_for(process.wait(), 30) != 0
    assert "64-0 answers no service of the reference network" in log.read_text()


async def test_wrong_settings_are_named_without_their_values(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = {"CROSSROADS_AMQP_URL": "amqp://5-0:hidden@127.0.0.1/x", "CROSSROADS_HTTP_PORT": "99999"}
    async with running(environment, log, "5-0") as (process, _):
        assert await asyncio.wait_for(process.wait(), 30) != 0
    assert "CROSSROADS_HTTP_PORT" in log.read_text()
    assert "hidden" not in log.read_text()
