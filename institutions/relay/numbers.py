"""A number was replaced, says the hub: the sectoral repertory follows, and members that know the person are told.

Doing it again changes nothing and tells again: members know a word by its ticketCBSS. docs/numbers.md.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import asyncpg
from lxml import etree

from institutions.relay import statements
from institutions.relay.sectoral_repertory import FAILURES
from institutions.word import Word
from schemas.address import Address
from schemas.dossier import Line, normal
from schemas.integration import REPLACED
from schemas.message import day_at, text_at
from schemas.period import Period
from schemas.process.log import logger, told
from schemas.ssin import Ssin, SsinError
from schemas.wire import names
from schemas.wire.transport import Properties, Refused, Transport, Unconfirmed, Unroutable

#: What the hub says.
WORD = "SsinReplaced/1"
_TIMEOUT = 5.0
#: Seconds until it is tried again.
_AGAIN = 1.0


@dataclass(frozen=True, slots=True)
class Replacement:
    """This number is replaced by that one from this day."""

    old: Ssin
    new: Ssin
    day: date = field(repr=False)


class Numbers:
    """Words of the hub, one at a time, in order. `members`: the transport to the secondary network."""

    def __init__(self, address: Address, database_url: str, members: Transport) -> None:
        self._who, self._url, self._members = str(address), database_url, members
        self._one = asyncio.Lock()

    async def take(self, word: Word) -> None:
        """Return when the repertory has followed and every member has the word in its queue. Tried on and on: nothing
        is lost while the database or the broker is away."""
        replacement = of_root(word.root)
        if replacement is None:
            logger().warning("word dropped", relay=self._who)
            return
        properties = Properties(user_id=self._who, correlation_id=word.id, type=word.service.type)
        async with self._one:
            for member in await self._moved(replacement):
                await self._tell(member, word.body, properties)

    async def _moved(self, replacement: Replacement) -> Sequence[str]:
        while True:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    connection = await asyncpg.connect(self._url)
                    try:
                        async with connection.transaction():
                            return await move(connection, replacement)
                    finally:
                        connection.terminate()
            except FAILURES as error:
                logger().warning("not moved yet", relay=self._who, **told(error))
                await asyncio.sleep(_AGAIN)

    async def _tell(self, member: str, body: bytes, properties: Properties) -> None:
        while True:
            try:
                await self._members.publish(
                    names.INSTITUTIONS, names.mutations(member), body, properties, timeout=_TIMEOUT
                )
                return
            except Unroutable:
                logger().error("no queue", relay=self._who, member=member)
                return
            except (Refused, Unconfirmed) as error:
                logger().warning("not told yet", relay=self._who, member=member, why=type(error).__name__)
                await asyncio.sleep(_AGAIN)


def of_root(root: etree._Element) -> Replacement | None:
    """What the word says; None: it makes no sense."""
    try:
        old, new = (Ssin.parse(text_at(root, f"criteria/{name}") or "") for name in ("ssin", "newSsin"))
    except SsinError:
        return None
    day = day_at(root, "criteria/day")
    return None if day is None or old == new else Replacement(old, new, day)


async def move(connection: Any, replacement: Replacement) -> Sequence[str]:
    """Within a transaction: every member's rows stand under the new number, the old one says so. Who has either."""
    old, new = replacement.old.number, replacement.new.number
    for number in sorted((old, new)):
        await connection.execute(statements.LOCK_NUMBER, number)
    by_member: defaultdict[str, list[Any]] = defaultdict(list)
    for row in await connection.fetch(statements.NUMBERS, [old, new]):
        by_member[row["member"]].append(row)
    for member, rows in by_member.items():
        leaving = [row for row in rows if row["ssin"] == old and row["quality"] != REPLACED]
        there = {row["id"]: _line(row) for row in rows if row["ssin"] == new and row["quality"] != REPLACED}
        after = normal((*there.values(), *map(_line, leaving))) if leaving else tuple(there.values())
        gone = [number for number, line in there.items() if line not in after]
        await connection.execute(statements.CLOSE_NUMBERS, [*gone, *(row["id"] for row in leaving)])
        kind = Address.parse(member).kind
        opened: list[tuple[int, Line, int | None]] = [(new, line, None) for line in after if line not in there.values()]
        if not any(row["ssin"] == old and row["quality"] == REPLACED for row in rows):
            opened.append((old, Line(REPLACED, None, Period(replacement.day, None)), new))
        for ssin, line, newer in opened:
            await connection.execute(
                statements.OPEN_NUMBER, ssin, member, kind.sector, kind.type, line.quality, line.phase,
                line.period.begin, line.period.end, newer,
            )  # fmt: skip
    return tuple(by_member)


def _line(row: Any) -> Line:
    return Line(row["quality"], row["phase"], Period(row["valid_from"], row["valid_to"]))
