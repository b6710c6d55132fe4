"""What the sectoral repertory says of a request: may this very member ask, and which members hold the dossier. Pure.

The hub knows sectors and types; who of a network has the person is its relay's check (docs/relay.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from institutions.relay.sectoral_repertory import Member
from schemas.address import Address
from schemas.integration import DEFINITIVE, PROVISIONAL, REPLACED, Integration, Opening, check_person
from schemas.message import Head
from schemas.parser import Information
from schemas.period import Period
from schemas.sectors import qualities_of
from schemas.ssin import Ssin


@dataclass(frozen=True, slots=True)
class Refused:
    """The request ends at the relay, with this code of `schemas.codes`."""

    code: str
    #: For the answer; may hold a person's number (MSG00006), so it is in no repr.
    information: Information = field(default=(), repr=False)


def admit_member(members: Mapping[Address, Member], sender: Address) -> Member | Refused:
    """Checks 6 and 7: a member of this network, and active."""
    member = members.get(sender)
    if member is None:
        return Refused("CRB00005", (("expected", "a member of this network's register"),))
    if not member.active:
        return Refused("CRB00006", (("inactive", str(sender)),))
    return member


def speaks_for_itself(sender: Address, head: Head) -> Refused | None:
    """Check 9: a member manages no network, so the customer in the body is the member itself."""
    if head.cbe in (None, sender.cbe) and head.sector_institution in (None, sender.kind):
        return None
    return Refused("CRB00007", (("expected", f"{sender}, by its enterprise number"),))


def admit_person(
    rows: Sequence[Integration], member: Address, ssin: Ssin, asked: Period, rule: str, today: date
) -> Refused | None:
    """Checks 14 and 15 for the very member, over the rows of all numbers this person ever had; None: it may ask.

    Any significant quality opens, in any phase: the relay cannot know which ones the authorisation names.
    """
    newest, older = _numbers(rows, ssin, today)
    if newest != ssin and any(row.member == member for row in rows):
        return Refused("MSG00006", (("newSSIN", newest.digits),))
    own = [row for row in rows if row.member == member and row.ssin in older]
    qualities = frozenset(row.quality for row in own if is_significant(row.kind, row.quality))
    # Without a significant row of its own, the quality is what is missing, whatever quality is asked about.
    found = check_person(own, qualities or frozenset({1}), None, asked, rule)
    if isinstance(found, Opening):
        return None
    return Refused("MSG00012", (("missing", found),))


def holders(
    rows: Sequence[Integration], members: Mapping[Address, Member], ssin: Ssin, asked: Period, today: date
) -> tuple[Address, ...]:
    """The active members that hold this person's dossier for some asked day, in the order of their addresses."""
    _, older = _numbers(rows, ssin, today)
    found = {
        row.member
        for row in rows
        if row.member is not None
        and row.ssin in older
        and is_significant(row.kind, row.quality)
        and row.period.overlaps(asked)
        and (member := members.get(row.member)) is not None
        and member.active
    }
    return tuple(sorted(found))


def is_significant(kind: Address, quality: int) -> bool:
    """Whether a row of this quality says that there is a dossier: not that a number was only registered (902; 0 where
    the sector has qualities of its own), nor that it was replaced (999)."""
    if quality in (PROVISIONAL, REPLACED):
        return False
    return quality != DEFINITIVE or set(qualities_of(kind.sector)) <= {DEFINITIVE, PROVISIONAL, REPLACED}


def _numbers(rows: Iterable[Integration], ssin: Ssin, today: date) -> tuple[Ssin, frozenset[Ssin]]:
    """The newest number of the person asked about, and the number asked about with all those that it replaced."""
    newer = {
        row.ssin: row.replaced_by
        for row in rows
        if row.quality == REPLACED and row.replaced_by is not None and row.period.contains(today)
    }
    newest, seen = ssin, {ssin}
    while (following := newer.get(newest)) is not None and following not in seen:
        seen.add(following)
        newest = following
    older, ahead = {ssin}, [ssin]
    while ahead:
        number = ahead.pop()
        found = {old for old, new in newer.items() if new == number} - older
        older |= found
        ahead += found
    return newest, frozenset(older)
