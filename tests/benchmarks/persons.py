"""Numbers nobody has."""

from collections.abc import Iterator

from schemas.ssin import Ssin, check_digits


def persons(count: int) -> Iterator[Ssin]:
    """Born on consecutive days of the 1950s and after, with the day's first counters: up to 16,800 a counter."""
    made = 0
    for counter in range(1, 998):
        for year in range(50, 100):
            for month in range(1, 13):
                for day in range(1, 29):
                    nine = f"{year:02d}{month:02d}{day:02d}{counter:03d}"
                    yield Ssin.parse(nine + check_digits(nine, born_2000=False))
                    made += 1
                    if made == count:
                        return
