"""How a risk's form ends: with the hub's verdict and what the sector answers. docs/declarations.md, "Risks"."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

from institutions.database import Database
from institutions.nsso import outgoing
from institutions.nsso.moment import business
from institutions.nsso.risks import statements
from institutions.nsso.rows import Declaration
from institutions.outbox import Verdict
from schemas.declarations.anomaly import Anomaly
from schemas.declarations.notification import notification
from schemas.declarations.outcome import Result
from schemas.process.log import logger

_FORM = "NOTIFICATION"
_PASSED_ON, _NOBODY, _REPLACED = "MSG00000", "MSG00021", "MSG00006"
#: Nobody insures the worker; 12-0 may not tell it of this person; who insures does not take it.
_OUTCOMES = {"nobody": ("90017", "051"), "not told": ("90064", "151"), "not taken": ("90064", "146")}


class RiskAnswers:
    """Makes the final NOTIFICATION of a form, in one transaction with the row that says how it ended. Once: a verdict
    that comes again finds it done."""

    def __init__(self, database: Database, today: date | None = None) -> None:
        self._database, self._today = database, today

    async def hear(self, verdict: Verdict) -> bool:
        """The hub's verdict on an entry of the outbox, or a definitive answer; whether a risk's form ended with it, or
        waits for more. What is to be told again under another number is neither. Raises what asyncpg raises."""
        if verdict.code == _REPLACED and verdict.newer is not None:
            return False
        outcome = _outcome(verdict)
        async with self._database.connection() as connection, connection.transaction():
            waiting = await connection.fetchrow(statements.WAITING, verdict.number)
            if waiting is None or outcome is None:
                return waiting is not None
            await connection.execute(statements.SETTLED, verdict.number)
            found = Declaration.of_row(await connection.fetchrow(statements.DECLARATION, *waiting))
            anomalies = list(found.anomalies)
            if outcome:
                zone, code = _OUTCOMES[outcome]
                anomalies.append(Anomaly(zone, code, "", None, f"/{found.head.fields.get('Identification', '')}/Form"))
            settled = replace(
                found,
                result=Result.WARNED if anomalies else Result.ACCEPTED,
                anomalies=tuple(anomalies),
            )
            rows = json.dumps([one.row for one in anomalies])
            await connection.execute(statements.SETTLE, *waiting, settled.result.name, rows)
            language = await connection.fetchval(statements.LANGUAGE, found.sender)
            now = business(datetime.now(UTC), self._today).received
            body = notification([settled.told(language)], now)
            await outgoing.put(connection, found.sender, _FORM, found.ticket, body, headers=_headers(settled))
        if outcome:
            logger().warning("a risk's form", ticket=found.ticket, outcome=outcome, code=verdict.code)
        return True


def _outcome(verdict: Verdict) -> str | None:
    """Empty: it is with who insures. None: there is more to come."""
    if verdict.code == _NOBODY:
        return "nobody"
    if verdict.kind == "verdict":
        return None if verdict.code == _PASSED_ON else "not told"
    return "" if verdict.code == _PASSED_ON else "not taken"


def _headers(found: Declaration) -> dict[str, str | int]:
    """As of any NOTIFICATION: docs/wire.md, "Declarations"."""
    headers: dict[str, str | int] = {"ticket": found.ticket}
    if found.file_name is None:
        return headers | {"key": found.key}
    ordinal = int(found.key.rpartition("#")[2])
    return headers | {"file": found.file_name, "first": ordinal, "count": 1}
