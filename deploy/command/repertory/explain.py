"""Why a request was or would be refused, and who would be asked: by the hub's own decision, with the rows of the day.

Each look is written into the journal before anything is shown.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from deploy.command.acting import Key, Program, keys_of, program_of
from deploy.command.repertory.place import Database, Json, catalogue_of, run, url_of
from deploy.command.table import tell
from schemas.address import Address
from schemas.errors import CrossroadsError
from schemas.period import Period, PeriodError, day_of, end_of, today
from schemas.ssin import Ssin
from schemas.ticket import ticket_cbss

if TYPE_CHECKING:
    from hub.explanation import Cited, Explanation, Missing, Preview, Question
    from hub.journal import PersonKeys
    from hub.repertory.database import Connection

As = Annotated[str, typer.Option("--as", metavar="ADDRESS", help="Who asks: 18-0, or 17-1-<enterprise number>.")]
Service = Annotated[str, typer.Option("--service", metavar="NAME/VERSION", help="What is asked.")]
Context = Annotated[str, typer.Option("--context", help="The legal context, as the request names it.")]
Person = Annotated[str, typer.Option("--ssin", metavar="SSIN", help="About whom, eleven digits; never shown again.")]
Begin = Annotated[str, typer.Option("--from", help="First day asked about; the day itself by default.")]
End = Annotated[str, typer.Option("--to", help="Last day asked about; with --from alone it has no end.")]
Day = Annotated[str, typer.Option("--day", help="With the rows as they were at the end of this day; today by default.")]


@dataclass(frozen=True, slots=True)
class _Given:
    """The options, read."""

    ticket: str
    customer: Address | None
    service: str
    context: str
    ssin: Ssin | None
    period: Period | None
    day: date | None
    program: str | None

    def digest(self) -> bytes:
        """Of what was asked but the person: a number could be tried out."""
        asked = [self.ticket, str(self.customer), self.service, self.context, str(self.period), str(self.day)]
        return hashlib.sha256(json.dumps(asked).encode()).digest()


DistributionCode = Annotated[str, typer.Option("--code", help="Distribution code that a mutation would have.")]
Destination = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="Sector and type that a mutation would name; may be given again."),
]


def explain(
    ticket: Annotated[
        str, typer.Argument(metavar="TICKET", help="A ticketCBSS; with --as also that institution's own ticket.")
    ] = "",
    as_: As = "",
    service: Service = "",
    context: Context = "",
    ssin: Person = "",
    begin: Begin = "",
    end: End = "",
    day: Day = "",
    program: Program = "",
    as_json: Json = False,
    database: Database = None,
    key: Key = None,
) -> None:
    """Say which check decided, which row is missing, and who may add it.

    Of a request that was made: give its TICKET, and the person with --ssin, for the journal does not hold the number:
    without it the checks of the person's rows cannot be made again. Was a period asked about, give it too.

    Of a request that was not: --as, --service, --context, --ssin.

    It is decided again by the hub's own rules and rows of that moment. Any one of the rows that are named as missing
    lets the request pass that check; another may then fail. An integration is added by the institution itself
    (RegisterIntegration) or by `crossroads repertory integrate`, a rule by `load`. Each look is journalled.

    \b
    crossroads repertory explain 6a0f2c1e-… --ssin 85010112345
    crossroads repertory explain --as 18-0 --service Pension/1 --context UNEMPLOYMENT:BENEFIT --ssin 85010112345
    """
    given = _given(ticket, as_, service, context, ssin, begin, end, day, program)
    told = run(_explained(given, database, key))
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        typer.echo("\n".join(_lines(told)))


def preview(
    as_: As = "",
    service: Service = "",
    context: Context = "",
    ssin: Person = "",
    begin: Begin = "",
    end: End = "",
    day: Day = "",
    program: Program = "",
    code: DistributionCode = "",
    destination: Destination = None,
    as_json: Json = False,
    database: Database = None,
    key: Key = None,
) -> None:
    """Say who would be asked about a person, and who would be told of a mutation about him, each under which row.

    Nobody is asked or told. A refusal says why, as `explain` does. Each look is journalled. Of a mutation, --code and
    --destination are what it would say; without --code it is one with any code.

    \b
    crossroads repertory preview --as 18-0 --service Pension/1 --context UNEMPLOYMENT:BENEFIT --ssin 85010112345
    """
    given = _given("", as_, service, context, ssin, begin, end, day, program)
    told = run(_previewed(given, code, destination or [], database, key))
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo("\n".join(_lines(told["explanation"])))
    for title, rows in (("would be asked", told["asked"]), ("would be told of a mutation", told["receives"])):
        typer.echo(f"\n{title}: {'' if rows else 'nobody'}")
        if rows:
            tell(False, tuple(rows[0]), [tuple(row.values()) for row in rows])


# --- reading ---------------------------------------------------------------------------------------------------------


def _given(
    ticket: str, as_: str, service: str, context: str, ssin: str, begin: str, end: str, day: str, program: str
) -> _Given:
    if ticket and (service or context or day):
        raise CrossroadsError(
            "a ticket has its own service, legal context and day: leave out --service, --context, --day"
        )
    wanted = {"--as": as_, "--service": service, "--context": context}
    if not ticket and (missing := [name for name, value in wanted.items() if not value]):
        raise CrossroadsError(f"{', '.join(missing)} missing: give a ticket, or --as, --service, --context and --ssin")
    if end and not begin:
        raise CrossroadsError("--to needs --from: a period has a first day")
    on = _date(day) if day else None
    if on is not None and on > today():
        raise CrossroadsError("--day: that day has not begun; leave it out for what is so now")
    return _Given(
        ticket,
        Address.parse(as_) if as_ else None,
        service,
        context,
        Ssin.parse(ssin) if ssin else None,
        Period.parse(begin, end or None) if begin else None,
        on,
        program_of(program),
    )


def _date(text: str) -> date:
    try:
        return Period.parse(text, None).begin
    except PeriodError:
        raise CrossroadsError("--day: write it YYYY-MM-DD") from None


# --- explaining ------------------------------------------------------------------------------------------------------


async def _explained(given: _Given, database: str | None, key: str | None) -> dict[str, Any]:
    from hub.explanation import explain as explain_question
    from hub.hindsight import believed
    from hub.repertory.database import connected

    url, keys = url_of(database), keys_of(database, key)
    async with connected(url, "repertory explain") as connection:
        if given.ticket:
            told = await _of_ticket(connection, given, database, keys)
        else:
            question = _question(given, database)
            at = await _moment(connection, given)
            rules, rows = await believed(connection, question.ssin, at)
            _check_customer(rules, question.customer, at)
            told = as_dict(explain_question(rules, question, rows))
    await _journalled(url, keys, given, told)
    if told is None:
        raise CrossroadsError(
            "the journal has no such ticket, or it was not about this person: `crossroads journal who` lists a person's"
        )
    return told


async def _of_ticket(
    connection: "Connection", given: _Given, database: str | None, keys: "PersonKeys"
) -> dict[str, Any] | None:
    from deploy.dead.masking import text_shown
    from hub import hindsight

    tickets = [ticket_cbss(given.customer, given.ticket)] if given.customer is not None else []
    try:
        tickets.append(UUID(given.ticket))
    except ValueError:
        if not tickets:
            raise CrossroadsError(
                "not a ticketCBSS (a UUID): of an institution's own ticket say whose, with --as"
            ) from None
    found = None
    for ticket in tickets:
        found = found or await hindsight.exchange(connection, ticket)
    if found is None or (given.ssin is not None and found.person is not None and not found.is_about(given.ssin, keys)):
        return None
    services = catalogue_of(database)().services
    question = hindsight.question_of(found, given.ssin, given.period, services.get)
    told = as_dict(await hindsight.explain_exchange(connection, found, question))
    outcome = found.outcome
    return told | {
        "ticketCBSS": str(found.decision.ticket_cbss),
        "customer": str(found.decision.customer) if found.decision.customer else None,
        "service": found.decision.service,
        "legal_context": text_shown(found.decision.legal_context) if found.decision.legal_context else None,
        "decided": found.decision.at.isoformat(),
        "told": outcome.code if outcome is not None else None,
        "silent": [str(address) for address in outcome.silent] if outcome is not None else [],
    }


async def _previewed(
    given: _Given, code: str, destinations: Sequence[str], database: str | None, key: str | None
) -> dict[str, Any]:
    from hub.explanation import preview as preview_question
    from hub.explanation import told_facts
    from hub.hindsight import believed
    from hub.repertory.database import connected

    url, keys = url_of(database), keys_of(database, key)
    async with connected(url, "repertory preview") as connection:
        question = _question(given, database)
        at = await _moment(connection, given)
        rules, rows = await believed(connection, question.ssin, at)
        _check_customer(rules, question.customer, at)
        facts = replace(told_facts(question), destinations=tuple(map(Address.parse, destinations)))
        if code:
            facts = replace(facts, code=code, any_code=False)
        told = _preview_dict(preview_question(rules, question, rows, facts))
    await _journalled(url, keys, given, told)
    return told


def _question(given: _Given, database: str | None) -> "Question":
    from hub.explanation import Question

    if given.customer is None:
        raise CrossroadsError("--as missing")
    services, day = catalogue_of(database)().services, given.day or today()
    versions = [type_ for type_ in services if type_.partition("/")[0] == given.service]
    named = versions[0] if len(versions) == 1 else given.service
    service = services.get(named)
    if given.ssin is None and (service is None or service.person_check):
        raise CrossroadsError("--ssin missing: it hangs on who knows the person")
    return Question(given.customer, named, service, given.context, given.ssin, given.period or Period(day, day), day)


async def _moment(connection: "Connection", given: _Given) -> datetime:
    from hub.queries import QUERIES

    now: datetime = await connection.fetchval(QUERIES["moment"])
    return now if given.day is None or given.day >= day_of(now) else end_of(given.day)


def _check_customer(rules: Any, customer: Address, at: datetime) -> None:
    if not rules.number:
        raise CrossroadsError(f"no rules were loaded by {at.date().isoformat()}: name a later day")
    if not customer.is_cooperating and rules.asked_as(customer) != customer:
        raise CrossroadsError(
            f"--as: {customer} is a secondary network's sector and type: name one of its institutions, {customer}-…"
        )


async def _journalled(url: str, keys: "PersonKeys", given: _Given, told: dict[str, Any] | None) -> None:
    """Before anything is shown: who looked at whose side. `told` None: there was nothing to see."""
    from hub.journal import Act, Deed, note

    deed = Deed(
        act=Act.EXPLAIN,
        program=given.program,
        ssin=given.ssin,
        found=told is not None,
        request_sha256=given.digest(),
        answer_sha256=hashlib.sha256(json.dumps(told).encode()).digest(),
    )
    await note(url, keys, deed, hub="crossroads repertory")


# --- telling ---------------------------------------------------------------------------------------------------------


def as_dict(told: "Explanation") -> dict[str, Any]:
    """An explanation as `--json` prints it."""
    from schemas.codes import CODES

    known = CODES.get(told.code or "")
    return {
        "verdict": {True: "admitted", False: "refused", None: None}[told.admitted],
        "code": told.code,
        "check": told.check,
        "step": told.step,
        "meaning": known.text["EN"] if known is not None else None,
        "remedy": known.remedy if known is not None else None,
        "information": dict(told.information),
        "decided_by": [_cited(row) for row in told.decided_by],
        "missing": [_missing(row) for row in told.missing],
        "suppliers": [str(supplier) for supplier in told.suppliers],
        "remarks": list(told.remarks),
    }


def _cited(row: "Cited") -> dict[str, Any]:
    return {"table": row.table, "id": row.id, "version": row.version}


def _missing(row: "Missing") -> dict[str, Any]:
    return {"table": row.table, "text": row.text, "may_be_added_by": list(row.by)}


def _preview_dict(seen: "Preview") -> dict[str, Any]:
    return {
        "explanation": as_dict(seen.explanation),
        "asked": [
            {
                "holder": str(supply.holder),
                "asked_at": str(supply.asked_at),
                "availability": supply.availability.id if supply.availability is not None else None,
                "authorisation": f"{supply.authorisation.id} v{supply.authorisation.version}",
                "without": list(supply.without),
            }
            for supply in seen.supplies
        ],
        "receives": [
            {"recipient": str(row.recipient), "distribution": f"{row.id} v{row.version}", "without": list(row.without)}
            for row in seen.distributions
        ],
    }


def _lines(told: dict[str, Any]) -> Sequence[str]:
    lines = []
    if told.get("ticketCBSS"):
        lines.append(
            f"{told['ticketCBSS']}: {told['service'] or 'no known service'} in {told['legal_context'] or 'no context'},"
            f" asked by {told['customer'] or 'nobody known'}, decided {told['decided']}"
        )
    if told["verdict"] == "refused":
        own = "a check of the service's own"
        where = (
            f"check {told['check']}, {told['step']}"
            if told["check"]
            else own
            if told["step"] == "own"
            else told["step"]
        )
        lines += [f"refused: {told['code']} ({where}): {told['meaning'] or ''}"]
        lines += [f"{name}: {value}" for name, value in told["information"].items()]
    elif told["verdict"] == "admitted":
        asked = f", asks {', '.join(told['suppliers'])}" if told["suppliers"] else ""
        lines.append(f"admitted{asked}")
    if told.get("told") and told["told"] != told["code"]:
        lines.append(f"told: {told['told']}" + (f", silent: {', '.join(told['silent'])}" if told["silent"] else ""))
    for row in told["decided_by"]:
        lines.append(f"row: {row['table']} {row['id']} v{row['version']}")
    if told["missing"]:
        lines.append("missing; any one of these would do:" if len(told["missing"]) > 1 else "missing:")
    for row in told["missing"]:
        lines += [
            *("  " + line for line in row["text"].split("\n")),
            f"  added by: {', or '.join(row['may_be_added_by'])}",
        ]
    if told["code"] and not told["missing"]:
        lines.append(f"no row is missing. {told['remedy'] or ''}".rstrip())
    return [*lines, *(f"note: {remark}" for remark in told["remarks"])]
