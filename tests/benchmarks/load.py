"""How hard is asked: so many in flight, or so many a second."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of run: `level` in flight (`closed`), or `level` a second, whatever the answers do (`open`)."""

    loop: str
    level: int

    def __str__(self) -> str:
        return f"{self.level} in flight" if self.loop == "closed" else f"{self.level} a second"


CLOSED = tuple(Load("closed", level) for level in (1, 10, 50, 200))
OPEN = tuple(Load("open", level) for level in (57, 300, 574, 1000))
WARM = Load("closed", 50)


def parse(text: str) -> Load:
    """`c50`: 50 in flight; `o300`: 300 a second. ValueError says so."""
    loop = {"c": "closed", "o": "open"}.get(text[:1])
    if loop is None or not text[1:].isdigit() or int(text[1:]) == 0:
        raise ValueError(f"{text!r} is no load: c50 is 50 in flight, o300 is 300 a second")
    return Load(loop, int(text[1:]))
