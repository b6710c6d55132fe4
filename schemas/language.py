"""Regular expressions over letters of any kind, and whether two of them describe the same sequences.

The letters are element names for a content model, classes of characters for a pattern. Decided by derivatives: what may
still follow once a letter has been read (Brzozowski 1964).
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache

#: Pairs of states looked at before two languages count as too large to decide.
_MOST_STATES = 5_000


@dataclass(frozen=True, slots=True)
class Expression:
    """Built by the functions below alone, which bring what is alike into one form."""

    #: "none", "empty", "letter", "sequence", "choice", "repeat" or "all"
    kind: str
    parts: tuple["Expression", ...] = ()
    letters: frozenset[Hashable] = frozenset()
    least: int = 1
    #: None: without limit
    most: int | None = 1

    @property
    def nullable(self) -> bool:
        """Whether the empty sequence is one."""
        return _nullable(self)

    def first(self) -> frozenset[Hashable]:
        """The letters that a sequence may begin with."""
        return _first(self)

    def after(self, letter: Hashable) -> "Expression":
        """What may follow this letter."""
        return _after(self, letter)


NONE = Expression("none")
EMPTY = Expression("empty")


def one_of(letters: Iterable[Hashable]) -> Expression:
    """One letter of these."""
    found = frozenset(letters)
    return Expression("letter", letters=found) if found else NONE


def sequence(parts: Iterable[Expression]) -> Expression:
    """All of these, in this order."""
    found: list[Expression] = []
    for part in parts:
        if part == NONE:
            return NONE
        found += part.parts if part.kind == "sequence" else () if part == EMPTY else (part,)
    return found[0] if len(found) == 1 else Expression("sequence", tuple(found)) if found else EMPTY


def choice(parts: Iterable[Expression]) -> Expression:
    """One of these."""
    found: dict[Expression, None] = {}
    for part in parts:
        for each in part.parts if part.kind == "choice" else (part,):
            if each != NONE:
                found[each] = None
    if len(found) == 1:
        return next(iter(found))
    # In one order, so that the same alternatives are the same expression.
    return Expression("choice", tuple(sorted(found, key=hash))) if found else NONE


def repeat(part: Expression, least: int, most: int | None) -> Expression:
    """Between `least` and `most` times (None: without limit)."""
    if most == 0 or part == EMPTY:
        return EMPTY
    if part == NONE:
        return EMPTY if least == 0 else NONE
    if part.nullable:
        least = 0
    return part if (least, most) == (1, 1) else Expression("repeat", (part,), least=least, most=most)


def interleaved(parts: Iterable[Expression]) -> Expression:
    """Each of these, in any order, not mixed into one another (`xs:all`)."""
    found = [part for part in parts if part != EMPTY]
    return Expression("all", tuple(sorted(found, key=hash))) if len(found) > 1 else sequence(found)


def same(one: Expression, other: Expression) -> bool | None:
    """Whether both describe the same sequences; None: too large to decide."""
    waiting, seen = [(one, other)], {(one, other)}
    while waiting:
        left, right = waiting.pop()
        if left == right:
            continue
        if left.nullable is not right.nullable:
            return False
        # Sorted, so that the same two are looked at in the same way each time.
        for letter in sorted(left.first() ^ right.first(), key=repr):
            if (left if letter in left.first() else right).after(letter) != NONE:
                return False
        for letter in left.first() & right.first():
            pair = (left.after(letter), right.after(letter))
            if NONE in pair and pair != (NONE, NONE):
                return False
            if pair not in seen:
                if len(seen) == _MOST_STATES:
                    return None
                seen.add(pair)
                waiting.append(pair)
    return True


@lru_cache(maxsize=65_536)
def _nullable(of: Expression) -> bool:
    if of.kind == "repeat":
        return of.least == 0 or of.parts[0].nullable
    if of.kind in ("sequence", "all"):
        return all(part.nullable for part in of.parts)
    return of.kind == "empty" or (of.kind == "choice" and any(part.nullable for part in of.parts))


@lru_cache(maxsize=65_536)
def _first(of: Expression) -> frozenset[Hashable]:
    if of.kind != "sequence":
        return of.letters.union(*(part.first() for part in of.parts))
    found: frozenset[Hashable] = frozenset()
    for part in of.parts:
        found |= part.first()
        if not part.nullable:
            break
    return found


@lru_cache(maxsize=65_536)
def _after(of: Expression, letter: Hashable) -> Expression:
    if letter not in of.first():
        return NONE
    match of.kind:
        case "letter":
            return EMPTY
        case "choice":
            return choice(part.after(letter) for part in of.parts)
        case "repeat":
            most = None if of.most is None else of.most - 1
            rest = repeat(of.parts[0], max(of.least - 1, 0), most)
            return sequence((of.parts[0].after(letter), rest))
        case "sequence":
            ways = []
            for place, part in enumerate(of.parts):
                ways.append(sequence((part.after(letter), *of.parts[place + 1 :])))
                if not part.nullable:
                    break
            return choice(ways)
        case "all":
            return choice(
                sequence((part.after(letter), interleaved(of.parts[:place] + of.parts[place + 1 :])))
                for place, part in enumerate(of.parts)
            )
    return NONE
