"""XSD's patterns: what they match, and whether two that are written differently match the same texts."""

import re
from functools import cache

import elementpath
from elementpath.regex import translate_pattern

from schemas import language
from schemas.errors import CrossroadsError
from schemas.language import Expression

_QUANTIFIER = re.compile(r"[?*+]|\{(?P<least>\d+)(?P<comma>,(?P<most>\d*))?\}")
_ESCAPE = re.compile(r"\\[pP]\{[^}]*\}|\\.", re.DOTALL)
#: white space is what XML says, not what Unicode says
_SPACES = {r"\s": r"[ \t\n\r]", r"\S": r"[^ \t\n\r]"}
#: the characters by which classes are told apart: all of Unicode's first plane that XML permits
_CHARACTERS = [chr(n) for n in (9, 10, 13, *range(32, 0xD800), *range(0xE000, 0xFFFE))]


class PatternError(CrossroadsError):
    """A text that is no pattern of XSD."""


@cache
def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches; what cannot be read is taken to match anything."""
    try:
        return _compiled(pattern).fullmatch(text) is not None
    except PatternError:
        return True


@cache
def same(one: str, other: str) -> bool:
    """Whether both match the same texts; where that cannot be decided: whether they are the same text."""
    if one == other:
        return True
    try:
        trees = _Reader(one), _Reader(other)
        atoms = trees[0].atoms | trees[1].atoms
        letters = _letters(frozenset(atoms))
        found = language.same(*(_spelled(tree.whole(), letters) for tree in trees))
    except (PatternError, RecursionError):
        return False
    return bool(found)


class _Reader:
    """A pattern as an expression over its atoms: characters and classes as written."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.atoms: set[str] = set()
        self._read = self._branches()
        if self._at < len(text):
            raise PatternError("a pattern with a parenthesis that nothing opens")

    def whole(self) -> Expression:
        return self._read

    def _branches(self) -> Expression:
        found = [self._branch()]
        while self._next("|"):
            found.append(self._branch())
        return language.choice(found)

    def _branch(self) -> Expression:
        parts = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            atom = self._atom()
            quantifier = _QUANTIFIER.match(self._text, self._at)
            if quantifier is not None:
                self._at = quantifier.end()
                atom = language.repeat(atom, *_often(quantifier))
            parts.append(atom)
        return language.sequence(parts)

    def _atom(self) -> Expression:
        if self._next("("):
            inner = self._branches()
            if not self._next(")"):
                raise PatternError("a pattern with a parenthesis that nothing closes")
            return inner
        start = self._at
        if self._text[start] == "\\":
            escape = _ESCAPE.match(self._text, start)
            if escape is None:
                raise PatternError("a pattern that ends in a backslash")
            self._at = escape.end()
        elif self._text[start] == "[":
            self._class()
        else:
            self._at += 1
        atom = self._text[start : self._at]
        self.atoms.add(atom)
        return language.one_of([atom])

    def _class(self) -> None:
        depth = 0
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 2 if character == "\\" else 1
            depth += {"[": 1, "]": -1}.get(character, 0)
            if depth == 0:
                return
        raise PatternError("a pattern with a class that nothing closes")

    def _next(self, character: str) -> bool:
        if self._text[self._at : self._at + 1] != character:
            return False
        self._at += 1
        return True


def _often(quantifier: re.Match[str]) -> tuple[int, int | None]:
    if quantifier["least"] is None:
        return {"?": (0, 1), "*": (0, None), "+": (1, None)}[quantifier[0]]
    least = int(quantifier["least"])
    if quantifier["comma"] is None:
        return least, least
    return least, int(quantifier["most"]) if quantifier["most"] else None


def _letters(atoms: frozenset[str]) -> dict[str, frozenset[str]]:
    """For each atom the characters it matches, of one character for all that no atom tells apart."""
    order = sorted(atoms)
    members = [_members(atom) for atom in order]
    kinds: dict[tuple[bool, ...], str] = {}
    for character in _CHARACTERS:
        kinds.setdefault(tuple(character in member for member in members), character)
    return {atom: frozenset(c for kind, c in kinds.items() if kind[place]) for place, atom in enumerate(order)}


@cache
def _members(atom: str) -> frozenset[str]:
    fits = _compiled(_SPACES.get(atom, atom)).fullmatch
    return frozenset(character for character in _CHARACTERS if fits(character))


def _spelled(expression: Expression, letters: dict[str, frozenset[str]]) -> Expression:
    parts = [_spelled(part, letters) for part in expression.parts]
    match expression.kind:
        case "letter":
            return language.one_of(letters[str(next(iter(expression.letters)))])
        case "repeat":
            return language.repeat(parts[0], expression.least, expression.most)
        case "sequence":
            return language.sequence(parts)
        case "choice":
            return language.choice(parts)
    return expression


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(translate_pattern(pattern, back_references=False, lazy_quantifiers=False, anchors=False))
    except (elementpath.ElementPathError, re.error, ValueError) as error:
        raise PatternError(f"no pattern of XSD: {type(error).__name__}") from None
