"""Looks for who was declared by name and birth date alone: the registers are searched once a period.

docs/declarations.md, "Whose a period is".
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from institutions.answer import Answer
from institutions.errors import AskingError, InvalidRequest
from institutions.nsso.employment import CONTEXT
from institutions.nsso.persons import NotIdentified, Persons
from institutions.nsso.submission import OfficeUnavailable
from institutions.request import Criteria
from schemas.declarations.dimona_period import DimonaPeriod
from schemas.identity import Identity, IncompleteDate, IncompleteDateError, Named, is_named
from schemas.message import find_all, text_at, text_of
from schemas.process.log import logger, told
from schemas.ssin import Ssin, SsinError

SEARCH = "SearchPerson/1"
#: Seconds between two looks at who waits, and until one is looked for again who could not be.
LOOK, AGAIN = 2.0, 60.0
#: Looked for at a time, one after the other: all of them within `AGAIN`.
_MOST = 10
#: More than one is too many, however many there are.
_ENOUGH = 2
_ANSWERED = ("DATA_FOUND", "NO_DATA_FOUND")

#: `Institution.consult`.
Consult = Callable[..., Awaitable[Answer]]


class Searching:
    """Any number of processes may, on one database: each period is given to one of them."""

    def __init__(self, persons: Persons, consult: Consult, who: str) -> None:
        self._persons, self._consult, self._who = persons, consult, who

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                if await self.look():
                    continue
            except OfficeUnavailable:
                pass  # whoever takes declarations says so
            except Exception as error:  # noqa: BLE001  a bug in one look is no reason never to look again
                logger().error("nobody looked for", institution=self._who, **told(error))
            await asyncio.sleep(LOOK)

    async def look(self) -> int:
        """Look for those who wait; how many there were."""
        waiting = await self._persons.claim(_MOST, AGAIN)
        for period in waiting:
            try:
                await self._one(period)
            except OfficeUnavailable:
                raise
            except Exception as error:  # noqa: BLE001  a bug in one of them is no reason not to look for those behind it
                logger().error("nobody looked for", institution=self._who, **told(error))
        return len(waiting)

    async def _one(self, period: DimonaPeriod) -> None:
        named = named_by(dict(period.worker.said))
        if named is None:
            await self._persons.searched(period.id, "unsearchable")
            return
        try:
            answer = await self._consult(SEARCH, ssin=None, legal_context=CONTEXT, criteria=_criteria(named))
        except InvalidRequest:
            await self._persons.searched(period.id, "unsearchable")
            return
        except AskingError as error:
            logger().warning("registers not searched", institution=self._who, why=type(error).__name__)
            return
        if answer.value not in _ANSWERED:  # also where one of the registers was silent: it may know another one
            logger().warning("registers not searched", institution=self._who, why=answer.code)
            return
        found = found_by(answer, named)
        if isinstance(found, Ssin):
            with suppress(NotIdentified):  # an operator was faster, or it was cancelled
                result = await self._persons.identify(period.id, found)
                logger().info("worker identified", institution=self._who, result=result.name)
        else:
            await self._persons.searched(period.id, found)


def named_by(said: Mapping[str, str]) -> Named | None:
    """By what somebody can be looked for; None: too little of it was said."""
    try:
        born = IncompleteDate.parse(said.get("WorkerBirthdate", "").strip())
    except IncompleteDateError:
        return None
    last, first = (" ".join(said.get(name, "").split()) for name in ("WorkerName", "WorkerFirstName"))
    return Named(last, born, first) if last and first else None


def found_by(answer: Answer, named: Named) -> Ssin | str:
    """Who is meant; else `nobody`, `several`, or `another`: the one who sounds so is called otherwise, or was born on
    another day."""
    candidates: dict[str, Any] = {}
    for person in find_all(answer.root, "part/person"):
        candidates[text_at(person, "ssin") or ""] = person
    more = any(text_of(one) in ("true", "1") for one in find_all(answer.root, "part/more"))
    if not candidates:
        return "nobody"
    if len(candidates) > 1 or more:
        return "several"
    ((number, person),) = candidates.items()
    try:
        ssin, born = Ssin.parse(number), IncompleteDate.parse(text_at(person, "birthDate") or "")
    except (SsinError, IncompleteDateError):
        return "another"
    first = tuple(filter(None, map(text_of, find_all(person, "firstName"))))
    return ssin if is_named(named, Identity(text_at(person, "lastName") or "", born, first)) else "another"


def _criteria(named: Named) -> Criteria:
    return {
        "criteria/lastName": named.last_name,
        "criteria/firstName": named.first_name or "",
        "criteria/birthDate": str(named.birth_date),
        "criteria/maximum": _ENOUGH,
    }
