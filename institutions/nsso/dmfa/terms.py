"""What DmfA's rules take from configuration: `nsso.toml`. All of it is ours."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path

_STUDENT = "student"


@dataclass(frozen=True, slots=True)
class Terms:
    """Thresholds and rates; what each is stands in `nsso.toml`."""

    percentage: Decimal
    missing_dimonas: Decimal
    missing_ssins: Decimal
    missing_workers: Decimal
    years: int
    slack: int
    days: int
    cents: int
    #: Per cent, by worker code and type of contribution.
    rates: Mapping[tuple[str, int], Decimal] = field(repr=False)
    student: Decimal


@cache
def terms() -> Terms:
    """As configured; read once a process."""
    text = (Path(__file__).parents[1] / "nsso.toml").read_text(encoding="utf-8")
    written = tomllib.loads(text, parse_float=Decimal)
    thresholds = {str(name): Decimal(value) for name, value in written["thresholds"].items()}
    rates = {str(name): Decimal(rate) for name, rate in written["rates"].items()}
    rule = {str(name): int(value) for name, value in written["dmfa"].items()}
    student = rates.pop(_STUDENT)
    return Terms(
        thresholds["percentage"],
        thresholds["missing_dimonas"],
        thresholds["missing_ssins"],
        thresholds["missing_workers"],
        rule["years"],
        rule["slack"],
        rule["days"],
        rule["cents"],
        {(name[:3], int(name[4:])): rate for name, rate in rates.items()},
        student,
    )


def is_too_many(found: int, of: int, percent: Decimal) -> bool:
    """Whether so many of so many are beyond a threshold; a single one never is."""
    return found > 1 and found * 100 > of * percent
