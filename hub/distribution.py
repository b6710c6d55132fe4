"""Who is told of a mutation. Pure."""

from collections.abc import Iterable

from hub.repertory.rules import Distribution, Rules
from schemas.integration import REPLACED, Integration
from schemas.period import Period


def receivers(rules: Rules, service_type: str, rows: Iterable[Integration], period: Period) -> tuple[Distribution, ...]:
    """The rows of the distribution table under which a mutation of this service about a person goes out: to sectors and
    types that know the person in one of the row's qualities, on a day of `period` at least. In the order of their
    recipients, each of whom may stand under several rows."""
    known = {(row.kind, row.quality) for row in rows if row.quality != REPLACED and row.period.overlaps(period)}
    found = (
        row
        for row in rules.recipients(service_type)
        if any((row.recipient, quality) in known for quality in row.qualities)
    )
    return tuple(sorted(found, key=lambda row: (row.recipient, row.id)))
