"""Whatever happens to a request, nothing but its answer tells of the person: no log at any level, no figure.

Every kind of broken input goes by, and what a supplier can do, and what can break; all about persons whose numbers and
name are then looked for in every form.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.servers import ForeignPostgreSQL, ForeignRabbitMQ, PrivatePostgreSQL, PrivateRabbitMQ
from schemas.ssin import Ssin
from tests.hub.star import ONE, stay_silent, until
from tests.trials.broken.ground import Ground, prepared
from tests.trials.broken.kind import Kind
from tests.trials.broken.kinds import KINDS
from tests.trials.broken.traces import NAME, persons, told
from tests.trials.leaks.paths import PATHS, Path
from tests.trials.leaks.sources import Libraries, listening, of_server, over_http

#: Of each kind; the others differ in ways that have a path of their own nowhere.
_MOST = 4


@pytest.fixture(scope="module")
def libraries() -> Iterator[Libraries]:
    with listening() as libraries:
        yield libraries


@pytest.fixture(scope="module")
async def ground(
    rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ,
    postgresql: PrivatePostgreSQL | ForeignPostgreSQL,
    libraries: Libraries,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Ground]:
    async with prepared(rabbitmq, postgresql, tmp_path_factory.mktemp("services")) as ground:
        yield ground


@pytest.fixture
async def nothing_told(ground: Ground, libraries: Libraries, capfd: pytest.CaptureFixture[str]) -> AsyncIterator[None]:
    """Looks everywhere after the test."""
    begin = len(ground.star.log.getvalue())
    yield
    written = capfd.readouterr()
    for where, text in {
        "the hub's log": ground.star.log.getvalue()[begin:],
        "a library's log": libraries.take(),
        "health and figures": await over_http(ground.hub),
        "standard output": written.out,
        "standard error": written.err,
    }.items():
        assert (form := told(text, ground.persons)) is None, f"{where} tells {form}"


@pytest.mark.usefixtures("nothing_told")
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
async def test_nothing_is_told_of_a_broken_request(ground: Ground, kind: Kind) -> None:
    assert await ground.endures(kind, _MOST) == _MOST


@pytest.mark.usefixtures("nothing_told")
@pytest.mark.parametrize("go", PATHS.values(), ids=PATHS)
async def test_nothing_is_told_on_the_way_of_a_right_request(ground: Ground, go: Path) -> None:
    await go(ground)
    await ground.serves()


async def test_nothing_is_told_when_the_hub_stops(
    ground: Ground, libraries: Libraries, capfd: pytest.CaptureFixture[str]
) -> None:
    begin = len(ground.star.log.getvalue())
    ssin = await ground.known()
    ground.star.script(ONE, ssin, stay_silent)
    consulting = asyncio.create_task(ground.star.consult(ssin))
    await until(lambda: ground.hub.intake.in_flight)
    ground.star.hubs.remove(ground.hub)
    await ground.hub.stop()
    assert (await consulting).code == "CRB00010"
    written = capfd.readouterr()
    told_of = ground.star.log.getvalue()[begin:] + libraries.take() + written.out + written.err
    assert '"stopped"' in told_of
    assert (form := told(told_of, ground.persons)) is None, f"{form} is told"


def test_the_broker_wrote_nothing_down(ground: Ground, rabbitmq: PrivateRabbitMQ | ForeignRabbitMQ) -> None:
    if not isinstance(rabbitmq, PrivateRabbitMQ):
        pytest.skip("the log of a broker that others run is not ours to read")
    log = of_server(rabbitmq)
    assert "accepting AMQP connection" in log
    known = set(ground.persons) - set(ground.at_the_broker)
    assert (form := told(log, known)) is None, f"the broker's log tells {form}"


def test_the_database_wrote_nothing_down(ground: Ground, postgresql: PrivatePostgreSQL | ForeignPostgreSQL) -> None:
    if not isinstance(postgresql, PrivatePostgreSQL):
        pytest.skip("the log of a server that others run is not ours to read")
    assert (form := told(of_server(postgresql), ground.persons)) is None, f"the database's log tells {form}"


@pytest.mark.parametrize("form", [
    "{0}", "ssin={0}.", "{1}.{2}-{3}", "{1} {2} {3}", "{4}", "0{4}", "'{4}'", "Wilhelmina", "VANDERZYPE",
    "quaghebeur's",
])  # fmt: skip
def test_what_is_looked_for_would_be_found(form: str) -> None:
    for ssin in (next(persons(counter)) for counter in range(1, 6)):
        d = ssin.digits
        assert told(form.format(d, d[:6], d[6:9], d[9:], ssin.number), (ssin,))
        assert told(f"{NAME}, {d[:5]}", (ssin,)) == "a name"
        assert told(f"1{d} {d}1 {d[:-1]}", (ssin,)) is None
        assert told(str(ssin) + repr(ssin), (ssin,)) is None


def test_disguises_would_be_found() -> None:
    ssin: Ssin = next(persons())
    raw = ssin.digits.encode()
    for text in (base64.b64encode(raw).decode(), raw.hex(), hashlib.sha256(raw).hexdigest(), f"<<{list(raw)}>>"):
        assert told(text, (ssin,)) == "a number in disguise"
