"""A quarter of a year, by which releases of schemas are named."""

import re
from dataclasses import dataclass

from schemas.errors import CrossroadsError

_WRITTEN = re.compile(r"([0-9]{4})/?([1-4])")


class QuarterError(CrossroadsError):
    """A text that is no quarter; the error does not repeat it."""


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """Ordered as in time."""

    year: int
    #: 1 to 4
    number: int

    @classmethod
    def parse(cls, text: str) -> "Quarter":
        """Reads `2023/1`, and `20231` as in the names of schemas. Raises `QuarterError`."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise QuarterError('no quarter: write the year and 1 to 4, as in "2023/1"')
        return cls(int(found[1]), int(found[2]))

    def before(self) -> "Quarter":
        """The quarter before this one."""
        return Quarter(self.year, self.number - 1) if self.number > 1 else Quarter(self.year - 1, 4)

    def __str__(self) -> str:
        return f"{self.year:04}/{self.number}"
