"""A look fits its terminal, and says what is wrong at any width."""

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from deploy.top.drawing import age, draw, percent, rate, seconds
from deploy.top.look import Look, Process, Promise, Queue, Recipient, Service, Supplier

NAMES = ["RetrieveHarmonisedSocialStatuses/1", "Pension/1", *(f"Service{number}/1" for number in range(30))]
BUSY = Look(
    at=datetime(2026, 11, 28, 12, tzinfo=UTC),
    over=20.0,
    processes=(
        Process("hub-1", "http://hub-1", True, "", (), False),
        Process("hub-2", "http://hub-2", False, "connection refused", (), False),
        Process("hub-3", "http://hub-3", True, "", ("journal",), False),
        Process("hub-4", "http://hub-4", True, "", (), True),
    ),
    a_second=1234.5,
    promise=Promise(90, 6, 4),
    since_start=Promise(99_990, 10, 0),
    in_flight=42,
    held=3,
    paused=(("service", "Pension/1"), ("supplier", "5-0")),
    maintenance=True,
    services=tuple(
        Service(name, 9.9, Promise(9, 1, 0), Promise(99, 1, 0), 0.0123, 12.0, 1.5, 7, name == "Pension/1")
        for name in NAMES
    ),
    suppliers=tuple(Supplier(f"17-1-19{number:08}", 3.0, 1.4, 10.0, 5, 0.25, number == 1) for number in range(25)),
    queues=tuple(
        Queue("secondary-17", f"17-1-19{number:08}.online.Service.1", "supplier", "17-1", 1234, 7_300.0, 0)
        for number in range(25)
    ),
    dead=2,
    behind=tuple(Recipient(f"17-1-19{number:08}", 12, 90.0) for number in range(25)),
    seen=("broker",),
    unseen=("database",),
)
IDLE = replace(
    BUSY, processes=BUSY.processes[:1], a_second=0.0, promise=Promise(), since_start=Promise(), paused=(),
    maintenance=False, services=(), suppliers=(), queues=(), behind=(), dead=0, seen=("broker", "database"), unseen=(),
)  # fmt: skip


def drawn(look: Look, width: int, height: int | None = None) -> list[str]:
    console = Console(width=width, height=height or 500, file=StringIO())
    with console.capture() as said:
        console.print(draw(look, width, height))
    return said.get().splitlines()


@pytest.mark.parametrize("look", [BUSY, IDLE], ids=["busy", "idle"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (100, 30), (160, 30), (160, 50), (220, 60)])
def test_it_fits_the_terminal(look, width, height):
    lines = drawn(look, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    assert "Services" in "\n".join(lines)


@pytest.mark.parametrize("width", [80, 160])
def test_what_is_wrong_is_said_at_every_width(width):
    text = " ".join("\n".join(drawn(BUSY, width, 60)).split())
    for words in (
        "1,234", "in flight 42", "90.00 % now", "99.99 % since", "6 supplier's and 4 hub's", "MAINTENANCE", "PAUSED",
        "service Pension/1, supplier 5-0", "hub-2 does not answer (connection refused)", "hub-3 down: journal",
        "hub-4 draining", "hub.dead: 2", "does not see the database", "nobody reads", ">10 s", "12 ms", "25.00 %",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize("width", [80, 160])
def test_an_idle_network_is_no_empty_screen(width):
    text = "\n".join(drawn(IDLE, width, 40))
    for words in ("nothing is asked", "nobody is asked", "no queue holds a message"):
        assert words in text
    assert "does not answer" not in text


def test_rows_that_find_no_room_are_counted():
    text = "\n".join(drawn(BUSY, 160, 40))
    shown = sum("Service" in line and "/1" in line for line in text.splitlines())
    assert 3 <= shown < len(NAMES)
    assert "more" in text


def test_without_a_height_every_row_is_there():
    text = "\n".join(drawn(BUSY, 200))
    assert all(one.service in text for one in BUSY.services)
    assert all(one.queue in text for one in BUSY.queues)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (percent(1.0), "100 %"), (percent(0.99999), "99.99 %"), (percent(0.9974), "99.74 %"), (percent(0.0), "0 %"),
        (percent(0.000001), "0.01 %"), (rate(0), "0"), (rate(0.001), "<0.1"), (rate(0.34), "0.3"),
        (rate(56.7), "57"), (rate(12345), "12,345"), (seconds(None), "–"), (seconds(0.0001), "<1 ms"),
        (seconds(0.25), "250 ms"), (seconds(3.21), "3.2 s"), (seconds(10.0), ">10 s"), (age(0), "0 s"),
        (age(119), "119 s"), (age(600), "10 min"), (age(36_000), "10 h"), (age(200_000), "2 d"),
    ],
)  # fmt: skip
def test_numbers_are_short_and_never_flatter(said, expected):
    assert said == expected
