"""Chance that is always the same: a draw depends on the seed, on what it is for, and on whom it is about."""

from collections.abc import Sequence
from datetime import date
from hashlib import blake2b
from typing import TypeVar

_T = TypeVar("_T")

_LOW = 1 << 64


class Draws:
    """A run of draws. Another `what` or `number` is another run, so that a draw more here changes nothing there."""

    __slots__ = ("_hash", "_value")

    def __init__(self, seed: int, what: str, number: int) -> None:
        self._hash = blake2b(b"%d %s %d" % (seed, what.encode(), number)).digest()
        self._value = int.from_bytes(self._hash)

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1 (at most 2^32)."""
        if self._value < _LOW:
            self._hash = blake2b(self._hash).digest()
            self._value = int.from_bytes(self._hash)
        self._value, drawn = divmod(self._value, limit)
        return drawn

    def chance(self, per_mille: int) -> bool:
        return self.below(1000) < per_mille

    def between(self, first: int, last: int) -> int:
        """A whole number from `first` to `last`; `first` where `last` is less."""
        return first + self.below(last - first + 1) if last > first else first

    def day(self, first: date, last: date) -> date:
        """A day from `first` to `last`; `first` where `last` is earlier."""
        return date.fromordinal(self.between(first.toordinal(), last.toordinal()))

    def pick(self, choices: Sequence[_T]) -> _T:
        return choices[self.below(len(choices))]

    def weighted(self, choices: Sequence[tuple[_T, int]]) -> _T:
        """One of the choices, as often as its weight says."""
        left = self.below(sum(weight for _, weight in choices))
        for choice, weight in choices:
            left -= weight
            if left < 0:
                return choice
        return choices[-1][0]
