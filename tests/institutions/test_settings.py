"""What the environment says to an institution's process."""

from datetime import date

import pytest
from pydantic import ValidationError

from institutions.settings import Settings, SettingsError
from schemas.address import Address
from schemas.wire.aiopika import AioPikaTransport
from schemas.wire.choice import Client

PENSIONS, PCSW, PODMI = Address(5, 0), Address(17, 1, "0212344876"), Address(17, 0)


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(f"CROSSROADS_{name.upper()}", value)
    return Settings()


def test_one_institution_is_all_in_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch, amqp_url="amqp://5-0:p%40ss@one/crossroads, amqps://5-0:p%40ss@two:5671/crossroads?x=1"
    )
    assert found.access(PENSIONS).urls == (
        "amqp://5-0:p%40ss@one/crossroads",
        "amqps://5-0:p%40ss@two:5671/crossroads?x=1",
    )
    assert "p%40ss" not in repr(found.access(PENSIONS))


def test_several_get_their_passwords_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch,
        amqp_url="amqp://one:5672,amqp://two:5672",
        passwords=f'{{"5-0": "a/b", "{PCSW}": "c", "17-0": "d"}}',
        secondary_vhosts='{"17-0": "test_secondary-17"}',
        sectoral_urls='{"17-0": "postgresql://somewhere/17"}',
    )
    assert found.access(PENSIONS).urls == (
        "amqp://5-0:a%2Fb@one:5672/crossroads",
        "amqp://5-0:a%2Fb@two:5672/crossroads",
    )
    assert found.access(PCSW).urls[0] == f"amqp://{PCSW}:c@one:5672/test_secondary-17"
    relay = found.access(PODMI)
    assert relay.urls[0] == "amqp://17-0:d@one:5672/crossroads"
    assert relay.secondary_urls[0] == "amqp://17-0:d@one:5672/test_secondary-17"
    assert relay.database_url == "postgresql://somewhere/17"
    assert [found.relays(a, alone=False) for a in (PODMI, PENSIONS, PCSW)] == [True, False, False]


def test_a_relay_alone_in_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(
        monkeypatch, amqp_url="amqp://17-0:d@one/crossroads", database_url="postgresql://hub:x@somewhere/17"
    )
    assert found.access(PODMI).secondary_urls == ("amqp://17-0:d@one/secondary-17",)
    assert found.relays(PODMI, alone=True)
    assert not found.relays(PODMI, alone=False)


def test_the_client_library_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, amqp_url="amqp://one").transport is Client.PIKA
    assert settings(monkeypatch, transport="aiopika").transport.transport is AioPikaTransport
    with pytest.raises(ValidationError, match="'aiopika' or 'pika'"):
        settings(monkeypatch, transport="kombu")


def test_a_password_that_is_nowhere_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, amqp_url="amqp://somebody:else@one/crossroads")
    with pytest.raises(SettingsError, match="CROSSROADS_PASSWORDS"):
        found.access(PENSIONS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("amqp_url", " , "), ("http_port", "70000"), ("log_level", "LOUD"), ("database_url", "mysql://x")],
)
def test_a_wrong_value_stops_at_once(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        settings(monkeypatch, **{"amqp_url": "amqp://5-0:x@one/x"} | {name: value})


def test_the_nsso_has_a_database_a_vhost_of_its_senders_and_a_business_day(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://somewhere/nsso"
    found = settings(monkeypatch, amqp_url="amqp://12-0:x@one", nsso_url=url, today="2026-11-30")
    assert found.access(Address(12, 0)).urls == ("amqp://12-0:x@one/crossroads",)
    assert found.access(Address(12, 0)).secondary_urls == ("amqp://12-0:x@one/secondary-12",)
    assert found.nsso_url is not None
    assert found.nsso_url.get_secret_value() == url
    assert found.today == date(2026, 11, 30)
    with pytest.raises(ValidationError, match="today"):
        settings(monkeypatch, amqp_url="amqp://12-0:x@one", today="soon")
