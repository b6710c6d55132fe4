"""The registers replace one of their own numbers: the hub first, which tells everybody else, then here."""

from datetime import date

from institutions.answer import Answer
from institutions.institution import Institution
from institutions.registers.registry import Registry
from institutions.request import Criteria
from schemas.errors import CrossroadsError
from schemas.ssin import Ssin

#: The service of the hub's.
SERVICE = "ReplaceSsin/1"


class NotOurs(CrossroadsError):  # noqa: N818  named by what it says
    """No number that stands in the registers: nobody has it here, or it was replaced already."""


async def replace(
    institution: Institution, registry: Registry, old: Ssin, new: Ssin, day: date, legal_context: str
) -> Answer:
    """Say that `old` is replaced by `new` from this day; note it here once the hub has done its part. Cut in between,
    the same again does the rest: the hub tells a replacement that stands as done. Raises `NotOurs`, and what `consult`
    raises; an answer that is not `found` is a refusal, and nothing is noted."""
    if await registry.person(old) is None:
        raise NotOurs("the number to be replaced is none that stands in the registers of 25-0")
    criteria: Criteria = {"criteria/newSsin": new.digits, "criteria/day": day}
    answer = await institution.consult(SERVICE, ssin=old, legal_context=legal_context, criteria=criteria)
    if answer.found:
        await registry.replace(old, new, day)
    return answer
