"""`crossroads doctor` on running networks: one that is whole, and one in which institutions are missing."""

from tests.deploy.command.network import until


def states(said):
    return {check["check"]: check["state"] for check in said.json["checks"]}


def test_a_network_that_runs_is_looked_at_as_a_whole(network):
    # What other tests leave behind (rules, queues of who was removed) is theirs; this is nobody's.
    sound = (
        "broker", "broker nodes", "broker alarms", "largest message", "queues' arguments", "requests read", "database",
        "migrations", "partitions", "journal kept", "journal keys", "database's log", "clocks", "hubs' parts",
        "hubs' rules", "hubs' version", "watcher", "relays",
    )  # fmt: skip

    # A broker tells who reads a queue some seconds after it began.
    def looked():
        said = network.here("doctor", "--json")
        return said if all(states(said)[check] == "good" for check in sound) else None

    said = until(looked, within=20)
    found = states(said)
    assert found["hubs"] == "warning"  # one hub: while it is replaced nobody is answered
    assert "unknown" not in found.values()
    assert said.status == int("wrong" in found.values())
    assert network.access["passwords"]["hub"] not in said.out.decode()


def test_suppliers_that_do_not_run_are_named_and_what_to_do(incomplete):
    def looked():
        said = incomplete.here("doctor", "--json")
        [check] = [one for one in said.json["checks"] if one["check"] == "suppliers read"]
        whose = {line.partition("/")[2].partition(".")[0] for line in check["details"]}
        return (said, check) if check["state"] == "wrong" and whose <= {"0-0", "1-0", "16-0"} else None

    said, check = until(looked, within=20)
    assert said.status == 1
    assert any("0-0.online." in line for line in check["details"])
    assert any("crossroads institution 16-0" in line for line in check["do"])
    shown = incomplete.here("doctor").out.decode()
    assert "crossroads institution 16-0" in shown
    assert " wrong" in shown


def test_where_no_network_is_it_says_what_to_name(network, tmp_path):
    said = network.here("doctor", home=tmp_path)
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert "CROSSROADS_DATABASE_URL" in said.err
