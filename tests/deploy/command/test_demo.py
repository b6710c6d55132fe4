"""`crossroads demo` proves what it says."""

import re
import signal
from collections import Counter
from dataclasses import replace

import pytest

from deploy.demo.proof import problems, stopped_at_relays
from deploy.demo.traffic import Seen
from hub.journal.entry import Summary
from tests.deploy.command.network import Place, until

FOUND, STRANGER, NO_RIGHT = ("Pension/1", "MSG00000"), ("Pension/1", "MSG00012"), ("Pension/1", "MSG00013")
#: Eight exchanges: five found, one refused by the hub, two refused, of which one by a relay.
ENDED = Counter({FOUND: 5, NO_RIGHT: 1, STRANGER: 2})
JOURNAL = Summary(
    kinds={"decision": 7, "outcome": 7},
    outcomes={
        ("Pension/1", "DATA_FOUND", "MSG00000"): 5,
        ("Pension/1", "NO_RESULT", "MSG00013"): 1,
        ("Pension/1", "NO_RESULT", "MSG00012"): 1,
    },
    without_outcome=0,
    decided_twice=0,
    told_twice=0,
)


def test_a_journal_that_accounts_for_every_exchange_proves_them():
    seen = Seen(ended=ENDED)
    assert problems(seen, JOURNAL, 8) == ()
    assert stopped_at_relays(seen, JOURNAL) == {STRANGER: 1}


@pytest.mark.parametrize(
    ("ended", "journal", "told"),
    [
        (ENDED, replace(JOURNAL, without_outcome=1), "1 without outcome"),
        (ENDED, replace(JOURNAL, decided_twice=1), "1 decided twice"),
        (ENDED, replace(JOURNAL, told_twice=1), "1 told twice"),
        (ENDED, replace(JOURNAL, kinds={"decision": 7, "outcome": 6}), "7 decisions and 6 outcomes do not account"),
        (ENDED, replace(JOURNAL, kinds={"decision": 6, "outcome": 6}), "6 decisions and 6 outcomes do not account"),
        (ENDED, replace(JOURNAL, kinds={}), "0 decisions and 0 outcomes do not account"),
        (ENDED, replace(JOURNAL, outcomes={}), "do not account for 8 exchanges"),
        (ENDED - Counter({FOUND: 1}), JOURNAL, "1 more outcomes than answers of Pension/1 MSG00000"),
        (ENDED - Counter({FOUND: 1}), JOURNAL, "7 answers to 8 exchanges"),
        (ENDED + Counter({FOUND: 1}), JOURNAL, "9 answers to 8 exchanges"),
        # One that was told otherwise than the journal says, in sums that are right.
        (ENDED - Counter({FOUND: 1}) + Counter({NO_RIGHT: 1}), JOURNAL, "1 more outcomes than answers"),
    ],
    ids=[
        "no outcome", "decided twice", "told twice", "outcome missing", "decision missing", "empty", "not told",
        "more told", "answer missing", "answer twice", "other code",
    ],
)  # fmt: skip
def test_a_journal_that_says_otherwise_is_found_out(ended, journal, told):
    assert told in " ".join(problems(Seen(ended=ended), journal, 8))


def test_an_answer_other_than_the_oracles_is_told_whatever_the_journal_says():
    wrong = "5-0 asked Pension/1 in X: MSG00021, not MSG00000"
    assert problems(Seen(ended=ENDED, wrong=[wrong]), JOURNAL, 8) == (wrong,)


def test_the_demo_proves_its_exchanges_plays_its_scene_and_leaves_nothing():
    with Place() as place:
        running = place.start("demo", "--exchanges", "200")
        assert running.wait(110) == 0, place.said("demo") + place.said("demo", "err")
        said = place.said("demo")
        assert "every exchange ended as it should, and the journal accounts for each" in said
        summary = re.search(r"200 exchanges in .* 4 s, median \d+ ms", said)
        assert summary, said
        decisions, outcomes, relays = map(
            int, re.search(r"(\d+) decisions and (\d+) outcomes; (\d+) exchanges ended at a relay", said).groups()
        )
        assert decisions == outcomes
        assert decisions + relays == 200
        chain = re.findall(r"ms  (\S.*?) +(\w+)/1 +(\w+).*\n +ticketCBSS ([0-9a-f-]{36})", said)
        assert [step[:3] for step in chain] == [
            ("17-1-1917010109 → 17-0 → hub", "RegisterIntegration", "quality"),
            ("17-1-1917010109 → 17-0 → hub", "LivingWageMutation", "CREATED"),
            ("25-1 → 17-1-1917010109", "LivingWageMutation", "definitive"),
            ("25-1 → 64-0", "StatusMutation", "CREATED"),
            ("25-1 → 70-3", "StatusMutation", "CREATED"),
            ("64-0 → 25-1", "SocialStatus", "MSG00000"),
            ("70-3 → 25-1", "SocialStatus", "MSG00000"),
        ]
        grant, told = chain[1][3], chain[3][3]
        assert (chain[2][3], chain[4][3]) == (grant, told) != (told, grant)
        assert "the status reached both bodies, down and up the stars, and nothing of why" in said
        assert re.findall(r"\b\d{11}\b", said) == []
        assert place.left() == []


def test_ctrl_c_during_the_demo_leaves_nothing():
    with Place() as place:
        running = place.start("demo", "--exchanges", "1000000", "--in-flight", "2")
        until(lambda: "loading the repertory" in place.said("demo") or running.poll() is not None)
        running.send_signal(signal.SIGINT)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130, place.said("demo", "err")
        assert place.left() == []
        assert "Traceback" not in place.said("demo", "err")
