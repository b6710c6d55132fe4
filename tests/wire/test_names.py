"""Every name of docs/wire.md."""

import re
from uuid import UUID

import pytest

from schemas.address import Address
from schemas.wire import names

ADDRESS = Address.parse("17-1-0212344876")


def test_names_are_those_of_the_page() -> None:
    assert names.out(ADDRESS) == "17-1-0212344876.out"
    assert names.ingress(Address.parse("18-0")) == "hub.in.18-0.online"
    assert names.ingress("18-0", "batch") == "hub.in.18-0.batch"
    assert names.ingress("18-0", "mutation") == "hub.in.18-0.mutation"
    assert names.mutations("18-0") == "18-0.mutation"
    assert names.DEFINITIVE == "hub.definitive"
    assert names.supplier_queue("18-0", "online", "Pension/1") == "18-0.online.Pension.1"
    assert names.answers("18-0") == "18-0.answers"
    assert names.reply_queue(UUID(int=0)) == "hub.reply.00000000-0000-0000-0000-000000000000"
    assert names.secondary(Address.parse("17-0")) == "secondary-17"
    assert (names.HUB, names.INSTITUTIONS, names.REPLIES, names.DLX, names.DEAD) == (
        "hub",
        "institutions",
        "hub.replies",
        "hub.dlx",
        "hub.dead",
    )


@pytest.mark.parametrize("mode", ["online", "batch", "mutation"])
@pytest.mark.parametrize("address", ["18-0", "17-1-0212344876", "70-3"])
def test_an_ingress_queue_names_its_owner(address: str, mode: names.Mode) -> None:
    assert names.owner_of_ingress(names.ingress(address, mode)) == Address.parse(address)


@pytest.mark.parametrize(
    "queue",
    [
        "",
        "18-0",
        "hub.in.18-0",
        "hub.in..online",
        "hub.in.18-0.other",
        "hub.in.x.online",
        "in.18-0.online",
        "hub.dead",
    ],
)
def test_what_is_no_ingress_queue_has_no_owner(queue: str) -> None:
    with pytest.raises(names.WireNameError, match="no ingress queue"):
        names.owner_of_ingress(queue)


@pytest.mark.parametrize("service_type", ["", "Pension", "Pension/", "/1"])
def test_a_service_type_has_a_name_and_a_version(service_type: str) -> None:
    with pytest.raises(names.WireNameError, match="Pension/1"):
        names.supplier_queue("18-0", "online", service_type)


@pytest.mark.parametrize(
    ("reply_to", "direct"),
    [
        ("amq.rabbitmq.reply-to.g1h2.key", True),
        ("amq.rabbitmq.reply-to", False),
        ("18-0.answers", False),
        ("", False),
        (None, False),
    ],
)
def test_a_direct_reply_to_is_known(reply_to: str | None, direct: bool) -> None:
    assert names.is_direct_reply(reply_to) is direct


@pytest.mark.parametrize(
    ("own", "name", "may_write", "may_read"),
    [
        ("1-0", "1-0.out", True, False),
        ("1-0", "11-0.out", False, False),
        ("1-0", "1-0xout", False, False),
        ("1-0", "hub.replies", True, False),
        ("1-0", "hubxreplies", False, False),
        ("1-0", "institutions", False, False),
        ("1-0", "", False, False),
        ("1-0", "1-0.online.Pension.1", False, True),
        ("1-0", "1-0.online", False, True),
        ("1-0", "1-0.onlinex", False, False),
        ("1-0", "1-0.answers", False, True),
        ("1-0", "11-0.answers", False, False),
        ("1-0", "1-0-0212344876.answers", False, False),
        ("1-0", "hub.in.1-0.online", False, False),
    ],
)
def test_an_institution_writes_and_reads_its_own_and_configures_nothing(
    own: str, name: str, may_write: bool, may_read: bool
) -> None:
    configure, write, read = names.institution_permissions(own)
    assert configure == "^$"
    assert bool(re.search(write, name)) is may_write
    assert bool(re.search(read, name)) is may_read


def test_the_centre_makes_its_reply_queues_and_nothing_else() -> None:
    configure, write, read = names.CENTRE_PERMISSIONS
    assert re.search(configure, "hub.reply.1")
    assert not re.search(configure, "hub.in.18-0.online")
    for name in ("institutions", "hub.dlx", "hub.replies", "hub.reply.1", "amq.default"):
        assert re.search(write, name)
    assert not re.search(write, "18-0.out")
    assert re.search(read, "hub.in.18-0.online")
    assert not re.search(read, "18-0.answers")


def test_a_sender_is_named_by_its_number() -> None:
    user = names.sender_user("123456")
    assert user == "sender-123456"
    assert names.out(user) == "sender-123456.out"
    assert names.ingress(user) == "hub.in.sender-123456.online"
    assert names.answers(user) == "sender-123456.answers"
    for mode in ("online", "batch"):
        assert names.sender_of_ingress(f"hub.in.sender-123456.{mode}") == "123456"


@pytest.mark.parametrize("number", ["", "12345", "1234567", "12345a", "12.456", "１２３４５６", "123456\n"])
def test_a_sender_number_is_six_digits(number: str) -> None:
    with pytest.raises(names.WireNameError, match="6 digits"):
        names.sender_user(number)
    assert not names.is_sender(f"sender-{number}")


@pytest.mark.parametrize(
    "queue",
    [
        "sender-123456.online",
        "hub.in.sender-123456",
        "hub.in.sender-123456.mutation",
        "hub.in.12-0.online",
        "hub.in.sender-12345.online",
        "hub.in.xsender-123456.online",
        "hub.in.sender-123456.x.online",
    ],
)
def test_what_is_no_ingress_queue_of_a_sender_names_none(queue: str) -> None:
    with pytest.raises(names.WireNameError, match="no ingress queue of a sender"):
        names.sender_of_ingress(queue)


def test_a_senders_queue_is_no_institutions() -> None:
    with pytest.raises(names.WireNameError):
        names.owner_of_ingress("hub.in.sender-123456.online")


@pytest.mark.parametrize(
    ("name", "may_write", "may_read"),
    [
        ("sender-123456.out", True, False),
        ("sender-123457.out", False, False),
        ("sender-123456xout", False, False),
        ("xsender-123456.out", False, False),
        ("sender-123456.out.more", False, False),
        ("hub.replies", False, False),
        ("amq.default", False, False),
        ("institutions", False, False),
        ("hub.dlx", False, False),
        ("", False, False),
        ("sender-123456.answers", False, True),
        ("sender-123457.answers", False, False),
        ("sender-123456.answers.more", False, False),
        ("hub.in.sender-123456.online", False, False),
        ("hub.dead", False, False),
    ],
)
def test_a_sender_writes_to_one_exchange_and_reads_one_queue(name: str, may_write: bool, may_read: bool) -> None:
    configure, write, read = names.sender_permissions("123456")
    assert configure == "^$"
    assert bool(re.search(write, name)) is may_write
    assert bool(re.search(read, name)) is may_read
