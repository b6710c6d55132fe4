"""All checks of a network."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.doctor.checks import CHECKS
from deploy.doctor.facts import Facts, look
from deploy.doctor.finding import Blind, Finding, unknown
from deploy.doctor.place import Place


@dataclass(frozen=True, slots=True)
class Examination:
    """What each check found, and how long all of it took, seconds."""

    findings: Mapping[str, Finding]
    seconds: float

    def count(self, state: str) -> int:
        return sum(finding.state == state for finding in self.findings.values())

    @property
    def exit_status(self) -> int:
        """1 where something is wrong; what is worth a look, or could not be looked at, is not."""
        return int(self.count("wrong") > 0)

    def as_dict(self) -> dict[str, Any]:
        counts = {state: self.count(state) for state in ("good", "warning", "wrong", "unknown")}
        checks = [{"check": name, **finding.as_dict()} for name, finding in self.findings.items()]
        return {"counts": counts, "seconds": round(self.seconds, 3), "checks": checks}


async def examine(place: Place) -> Examination:
    """Look at all of a network, and say what is wrong. Changes nothing; raises nothing for what does not answer."""
    begun = time.monotonic()
    facts = await look(place)
    return Examination(judge(facts), time.monotonic() - begun)


def judge(facts: Facts) -> Mapping[str, Finding]:
    """What each check finds in these facts."""
    found = {}
    for name, check in CHECKS.items():
        try:
            found[name] = check(facts)
        except Blind as blind:
            found[name] = unknown(str(blind))
    return found
