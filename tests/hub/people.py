"""Synthetic persons and rows for the hub's tests."""

from datetime import date

from schemas.address import Address
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin, check_digits


def person(n: int) -> Ssin:
    """The nth synthetic person: each number once, for n below 900,000."""
    nine = f"{70 + n // 300_000:02d}{n // 25_000 % 12 + 1:02d}{n // 900 % 27 + 1:02d}{n % 900 + 1:03d}"
    return Ssin(nine + check_digits(nine, born_2000=False))


def known(who: Ssin, kind: str, quality: int, begin: str = "2020-01-01", end: str | None = None, **more) -> Integration:
    """A row: `who` is known at `kind` in this quality for this period."""
    return Integration(who, Address.parse(kind), quality, more.pop("phase", None), Period.parse(begin, end), **more)


def replaced(who: Ssin, by: Ssin, kind: str = "0-0", begin: str = "2021-01-01") -> Integration:
    """A row of quality 999."""
    return Integration(who, Address.parse(kind), 999, None, Period(date.fromisoformat(begin), None), by)
