"""What a check found."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NoReturn

#: unknown: it could not be looked at, which is no fault.
State = Literal["good", "warning", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, and what to do about it."""

    state: State
    #: One sentence.
    saw: str
    #: What is concerned, one a line: names and numbers, never a person's.
    details: tuple[str, ...] = ()
    #: Commands, or what to do where there is none.
    do: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Blind(Exception):  # noqa: N818
    """What a check needs was not seen; the text says why."""


@dataclass(frozen=True, slots=True)
class NotSeen:
    """Why something was not seen. `failed`: it is known where it is, and it does not answer."""

    why: str
    failed: bool = False

    def blind(self) -> NoReturn:
        raise Blind(self.why)


def good(saw: str, *details: str) -> Finding:
    return Finding("good", saw, details)


def warning(saw: str, details: tuple[str, ...] = (), *do: str) -> Finding:
    return Finding("warning", saw, details, do)


def wrong(saw: str, details: tuple[str, ...] = (), *do: str) -> Finding:
    return Finding("wrong", saw, details, do)


def unknown(why: str, *do: str) -> Finding:
    return Finding("unknown", why, (), do)
