"""The identifiers of a DmfA, told again: to a sender that lost them, or has the mandate now.

The field's way is a request of the sender's (DMFAREQ), which is not built: an operator does it, `crossroads nsso pids`.
"""

from datetime import date

from institutions.nsso import statements
from institutions.nsso.dmfa import store
from institutions.nsso.dmfa.clerk import lock_of, tell
from institutions.nsso.employers import Directory
from institutions.nsso.moment import business
from institutions.nsso.office import PostgresOffice
from institutions.nsso.rows import mandate_of
from schemas.declarations.quarter import Quarter
from schemas.employer import NssoNumber
from schemas.errors import CrossroadsError

_REAL = "R"


class NotDeclared(CrossroadsError):  # noqa: N818  what is the matter
    """There is no such DmfA, or the sender may not declare for this employer; the text says which."""


async def tell_again(
    office: PostgresOffice, employer: NssoNumber, quarter: Quarter, sender: str, today: date | None = None
) -> int:
    """Tell a sender with a mandate today what an employer's quarter is called, as it is now: in how many messages.

    Raises NotDeclared, with nothing done, and OfficeUnavailable.
    """
    async with office.transaction() as connection:
        # No update is told before this that is done behind it.
        await connection.execute(statements.LOCK, [lock_of(_REAL, employer, quarter)])
        now = business(await connection.fetchval(statements.CLOCK), today)
        _, _, mandates = await connection.fetchrow(
            statements.REGISTER, [sender], [employer.digits], [], [], now.day, now.day
        )
        if not Directory((), map(mandate_of, mandates)).mandated(sender, employer, now.day):
            raise NotDeclared("this sender has no mandate for this employer today: `crossroads nsso load` gives it one")
        kept = await store.of_quarter(connection, _REAL, employer, quarter)
        if kept is None:
            raise NotDeclared("this employer has not declared this quarter")
        return await tell(connection, kept, sender, now.received)
