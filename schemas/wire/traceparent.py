"""The header `traceparent`, exactly: docs/wire.md, "Traces". Knows no library for traces."""

import re
from dataclasses import dataclass

from schemas.ssin import Ssin, SsinError
from schemas.wire.transport import Properties

HEADER = "traceparent"
#: Characters, always.
LENGTH = 55
#: Flags that are read and written: somebody records it; its trace id is random.
SAMPLED, RANDOM = 0b01, 0b10

_FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
#: Digits that a person's number may be, also where they overlap.
_ELEVEN = re.compile(r"(?=([0-9]{11}))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Context:
    """Where a span of somebody else stands. Neither id is zero, and no person's number is in one."""

    trace_id: int
    span_id: int
    flags: int

    @property
    def sampled(self) -> bool:
        return bool(self.flags & SAMPLED)


def of(properties: Properties) -> Context | None:
    """What the header says; None: there is none that counts."""
    return of_text(properties.headers.get(HEADER))


def of_text(told: object) -> Context | None:
    """As `of`, of the header's value."""
    if not isinstance(told, str) or len(told) != LENGTH:
        return None
    read = _FORM.fullmatch(told)
    if read is None:
        return None
    trace, span, flags = read.groups()
    if not int(trace, 16) or not int(span, 16) or has_a_number(trace) or has_a_number(span):
        return None
    return Context(int(trace, 16), int(span, 16), int(flags, 16) & (SAMPLED | RANDOM))


def written(context: Context) -> str:
    """The header."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.flags & (SAMPLED | RANDOM):02x}"


def has_a_number(hexadecimal: str) -> bool:
    """Whether eleven digits in it are a person's number with the right check digits."""
    for found in _ELEVEN.finditer(hexadecimal):
        try:
            Ssin.parse(found[1])
        except SsinError:
            continue
        return True
    return False
