"""`crossroads top`: a network seen while it is asked."""

import json
import os
import pty
import signal
import subprocess

from deploy.demo.examples import FOLDER
from institutions.reference.network import PCSW_A
from tests.deploy.command.network import COMMAND, until


def test_a_network_that_is_asked_is_seen_look_by_look(network):
    running = network.start("top", "--json", "--every", "0.5", name="top")

    def looks():
        return [json.loads(line) for line in network.said("top").splitlines(keepends=True) if line.endswith("\n")]

    until(looks)
    sent = network.send(FOLDER / "Pension.xml", PCSW_A, "--new-ticket")
    assert sent.json["value"] == "DATA_FOUND", sent

    def seen():
        return next((one for one in looks() if any(s["service"] == "Pension/1" for s in one["services"])), None)

    found = until(seen)
    assert network.end(running) == 0, network.said("top", "err")
    [service] = [one for one in found["services"] if one["service"] == "Pension/1"]
    assert (service["promise"]["share"], service["paused"]) == (1.0, False)
    assert service["hub_p50"] <= service["hub_p99"]
    assert found["a_second"] >= service["a_second"] > 0
    [supplier] = [one for one in found["suppliers"] if one["supplier"] == "5-0"]
    assert (supplier["silent"], supplier["paused"]) == (0.0, False)
    assert all(one["answers"] for one in found["processes"])


def test_what_is_paused_is_shown_and_found(network):
    """And `doctor` says since when."""
    assert network.here("pause", "HandicapRecognition", "--reason", "a test").status == 0
    try:

        def seen():
            told = network.here("top", "--once", "--json", "--every", "0.2").json
            return told if ["service", "HandicapRecognition/1"] in told["paused"] else None

        assert [one["paused"] for one in until(seen)["services"] if one["service"] == "HandicapRecognition/1"] == [True]
        checks = {one["check"]: one for one in network.here("doctor", "--json").json["checks"]}
        assert checks["paused"]["state"] == "warning"
        assert "service HandicapRecognition/1, since " in checks["paused"]["details"][0]
    finally:
        assert network.here("resume", "HandicapRecognition").status == 0


def test_one_look_is_one_document_or_tables(network):
    told = network.here("top", "--once", "--json", "--every", "0.2").json
    assert {one["name"] for one in told["processes"]} == set(network.access["http"])
    assert told["since_start"]["kept"] > 0
    assert told["seen"] == ["broker", "database"]
    shown = network.here("top", "--once", "--every", "0.2").out.decode()
    assert "Slowest suppliers" in shown
    assert "hub-1" in shown


def test_processes_can_be_named_and_one_that_is_away_is_shown(network, unused_port):
    hub = network.access["http"]["hub-1"]
    away = f"gone=http://127.0.0.1:{unused_port}"
    told = network.here("top", "--json", "--once", "--every", "0.2", "--from", f"{hub}/metrics", "--from", away).json
    assert [(one["name"], one["answers"]) for one in told["processes"]] == [
        (hub.removeprefix("http://"), True),
        ("gone", False),
    ]
    assert told["processes"][1]["why"] == "connection refused"
    assert told["seen"] == told["unseen"] == []


def test_what_is_no_url_and_no_network_is_one_line(network, tmp_path):
    for words, home in ((("top", "--from", "hub-1"), None), (("top", "--once"), tmp_path)):
        said = network.here(*words, home=home)
        assert said.status == 2
        assert said.err.count("\n") == 1


def test_in_a_terminal_it_fills_the_screen_until_q(network):
    owner, terminal = pty.openpty()
    try:
        running = subprocess.Popen(
            [COMMAND, "top", "--every", "0.2"],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            env=network.environment | {"TERM": "xterm", "LINES": "30"},
        )
        shown = bytearray()

        def screen(word):
            shown.extend(os.read(owner, 65536))
            return word in shown

        until(lambda: screen(b"\x1b[?1049h"))  # another screen than the shell's
        until(lambda: screen(b"Slowest suppliers"))
        running.send_signal(signal.SIGWINCH)
        os.write(owner, b"q")
        until(lambda: screen(b"\x1b[?1049l"))  # and back
        assert running.wait(20) == 0, running.stderr.read()
    finally:
        running.kill()
        running.wait()
        running.stderr.close()
        os.close(owner)
        os.close(terminal)
