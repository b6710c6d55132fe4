"""What is decided of a mutation, in the database: decision, verdict, integrations and a position each recipient, in one
commit. docs/distribution.md, "Order, once, nobody waits for another".
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hub.distribution import Recipient, told_by
from hub.journal import Decision, Outcome, PersonKeys, row
from hub.own.acting import Acting
from hub.queries import QUERIES
from hub.repertory import lines
from hub.repertory.database import Connection
from hub.repertory.lines import Change
from hub.repertory.persons import integration
from schemas.address import Address
from schemas.distribution import Entitled, of_json, to_json
from schemas.dossier import Line, normal, withdraw, without
from schemas.integration import Integration
from schemas.period import Period
from schemas.ssin import Ssin

#: Mutations forgotten in one transaction.
_FORGOTTEN = 1_000


@dataclass(frozen=True, slots=True)
class Given:
    """A recipient's position for a mutation, and the rows by which it is told."""

    recipient: Address
    series: UUID
    position: int
    entitled: tuple[Entitled, ...]
    #: It is behind: nothing is published to it.
    owed: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided of a mutation, for good."""

    value: str
    code: str
    #: Destinations that were named and may not be told.
    missing: tuple[Address, ...]
    given: tuple[Given, ...]
    #: Of the mutation that was decided.
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Passing:
    """A mutation about to be decided: what the database keeps of it, which is no content."""

    ticket_cbss: UUID
    sender: Address
    owner: Address
    correlation_id: str | None
    ticket: str
    service: str
    flow: str
    action: str
    code: str | None
    reference: str = field(repr=False)
    ssin: Ssin = field(repr=False)
    period: Period
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """How it ends, by the person's rows at the moment of the commit."""

    recipients: tuple[Recipient, ...]
    #: The owner is registered in this quality.
    integrate: int | None
    missing: tuple[Address, ...]
    value: str
    code: str
    decision: Decision
    outcome: Outcome


class _MeanwhileError(Exception):
    """Another hub decided: what was changed here is taken back."""


class Positions:
    """Over the connections for changes. Raises RepertoryUnavailableError: whether it was done is not known, and doing
    it again is safe."""

    def __init__(self, acting: Acting, keys: PersonKeys, hub: str) -> None:
        self._acting, self._keys, self._hub = acting, keys, hub

    async def decided(self, ticket_cbss: UUID) -> Decided | None:
        """What was decided under a ticket; None: nothing yet."""
        async with self._acting.connection() as connection:
            records = await connection.fetch(QUERIES["mutation_recorded"], ticket_cbss)
        if not records:
            return None
        first = records[0]
        missing = tuple(map(Address.parse, first["missing"]))
        return Decided(first["value"], first["answer_code"], missing, _given(records), first["sha256"])

    async def forerunners(
        self, passing: Passing, numbers: Iterable[Ssin]
    ) -> frozenset[tuple[Address, Entitled, str | None]] | None:
        """Who was told an earlier mutation of this reference, by which rows, and its code; None: it is another
        person's, by all his `numbers`."""
        async with self._acting.connection() as connection:
            records = await connection.fetch(QUERIES["mutation_forerunners"], self._references(passing))
        persons = self._persons(numbers)
        if any(record["person"] not in persons for record in records):
            return None
        return frozenset(
            (Address.parse(r["recipient"]), told_by(row), r["code"])
            for r in records
            if r["recipient"] is not None
            for row in of_json(r["entitled"])
        )

    async def decide(self, passing: Passing, made: Made) -> Decided | None:
        """Commit it, as one statement. None: the ticket was decided meanwhile, ask `decided`."""
        async with self._acting.connection() as connection:
            return await self._distribute(connection, passing, made)

    async def decide_and_integrate(
        self, passing: Passing, make: Callable[[Sequence[Integration]], Made]
    ) -> Decided | None:
        """The same with what it changes in the repertory: `make` decides by the person's rows, which are locked."""
        number = passing.ssin.number
        async with self._acting.connection() as connection:
            try:
                async with connection.transaction():
                    await connection.execute(QUERIES["mutation_patience"])
                    await connection.execute(QUERIES["person_write_lock"])
                    await connection.execute(QUERIES["person_lock"], number)
                    records = await connection.fetch(QUERIES["person_rows_replaced"], [number])
                    rows = tuple(integration(record, passing.ssin) for record in records)
                    made = make(rows)
                    now = await connection.fetchval(QUERIES["moment"])
                    await self._integrate(connection, passing, made, rows, now)
                    # Last: until the commit nobody else is given a position of these recipients.
                    if (decided := await self._distribute(connection, passing, made)) is None:
                        raise _MeanwhileError
                    return decided
            except _MeanwhileError:
                return None

    async def owe(self, recipient: Address, position: int) -> None:
        """It could not be told: it has to catch up from this position on."""
        async with self._acting.connection() as connection:
            await connection.execute(QUERIES["recipient_owe"], str(recipient), position)

    async def forget(self) -> None:
        """What is older than 100 days, in batches; what lacks a Z answer after a year. Counters stay."""
        gone = _FORGOTTEN
        while gone == _FORGOTTEN:
            async with self._acting.connection() as connection:
                gone = int((await connection.execute(QUERIES["mutations_forget"], _FORGOTTEN)).rpartition(" ")[2])
        async with self._acting.connection() as connection:
            await connection.execute(QUERIES["mutation_integrations_forget"])

    async def _distribute(self, connection: Connection, passing: Passing, made: Made) -> Decided | None:
        entries = [
            row.of_decision(made.decision, "decision", self._hub, self._keys),
            row.of_outcome(made.outcome, self._hub, passing.sha256),
        ]
        records = await connection.fetch(
            QUERIES["mutation_distribute"],
            made.decision.claim,
            entries,
            self._kept(passing, made),
            [str(one.address) for one in made.recipients],
            [to_json(one.entitled) for one in made.recipients],
        )
        if records[0]["result"] != "decision":
            return None
        return Decided(made.value, made.code, made.missing, _given(records), passing.sha256)

    def _kept(self, passing: Passing, made: Made) -> tuple[Any, ...]:
        """The composite type `mutation`, column by column."""
        key = self._keys.current
        return (
            passing.ticket_cbss, datetime.now(UTC), str(passing.sender), str(passing.owner), passing.correlation_id,
            passing.ticket, passing.service, passing.flow, passing.action, passing.code, key.id,
            self._references(passing)[0], key.hash(passing.ssin.digits), passing.sha256, made.value, made.code,
            [str(address) for address in made.missing],
        )  # fmt: skip

    # --- automatic integration -------------------------------------------------------------------------------------

    async def _integrate(
        self, connection: Connection, passing: Passing, made: Made, rows: Sequence[Integration], now: datetime
    ) -> None:
        persons = self._persons({passing.ssin, *(one.ssin for one in rows)})
        before = await connection.fetch(QUERIES["mutation_integrations"], persons)
        if passing.action == "CANCELLED":
            await self._withdraw(connection, passing, before, now)
            return
        wanted = {one.address: one.integrate for one in made.recipients if one.integrate is not None}
        if made.integrate is not None:
            wanted[passing.owner] = made.integrate
        for kind, quality in wanted.items():
            line = Line(quality, None, passing.period)
            there = await lines.read(connection, passing.ssin, kind)
            ours = any((_kind(one), one["quality"]) == (kind, quality) for one in before)
            known = any(row.kind == kind and row.quality == quality for row in rows)
            # A recipient that knows the person by a registration of its own is told; it is not registered for longer.
            added = () if known and not ours and kind != passing.owner else without([line], there)
            if added:
                after = normal((*there, *added))
                await lines.write(connection, now, kind, [Change(passing.ssin.number, there, after)])
            await connection.execute(
                QUERIES["mutation_integration_add"], passing.ticket_cbss, self._references(passing)[0],
                self._keys.current.hash(passing.ssin.digits), kind.sector, kind.type, quality,
                passing.period.begin, passing.period.end, *_days(added),
            )  # fmt: skip

    async def _withdraw(self, connection: Connection, passing: Passing, before: Sequence[Any], now: datetime) -> None:
        """Take out what the mutations of this reference added, less what another one still wants."""
        references = self._references(passing)
        own = [one for one in before if one["reference"] in references]
        others = [one for one in before if one["reference"] not in references]
        for kind in sorted({Address(one["sector"], one["type"]) for one in own}):
            made = [line for one in own if _kind(one) == kind for line in _made(one)]
            wanting = [one for one in others if _kind(one) == kind]
            there = await lines.read(connection, passing.ssin, kind)
            after, moved = withdraw(there, made, map(_wanted, wanting))
            await lines.write(connection, now, kind, [Change(passing.ssin.number, there, after)])
            for one in wanting:
                left = without(moved, [_wanted(one)])
                if left != moved:
                    taken = normal((*_made(one), *without(moved, left)))
                    await connection.execute(
                        QUERIES["mutation_integration_made"],
                        one["ticket_cbss"], kind.sector, kind.type, one["quality"], *_days(taken),
                    )  # fmt: skip
                    moved = left
        await connection.execute(QUERIES["mutation_integration_withdraw"], references)

    def _references(self, passing: Passing) -> list[bytes]:
        """Keyed hashes of the reference: of an owner and a service, whatever its version; one a key."""
        name = passing.service.partition("/")[0]
        text = hashlib.sha256(f"{passing.owner} {name} {passing.reference}".encode()).hexdigest()
        return [key.hash(text) for key in self._keys.keys]

    def _persons(self, numbers: Iterable[Ssin]) -> list[bytes]:
        return [each for ssin in numbers for each in self._keys.hashes(ssin)]


def _given(records: Iterable[Any]) -> tuple[Given, ...]:
    given = [
        Given(Address.parse(r["recipient"]), r["series"], r["position"], of_json(r["entitled"]), r["owed"] is not None)
        for r in records
        if r["recipient"] is not None
    ]
    return tuple(sorted(given, key=lambda one: one.recipient))


def _kind(record: Any) -> Address:
    return Address(record["sector"], record["type"])


def _wanted(record: Any) -> Line:
    return Line(record["quality"], None, Period(record["wanted_from"], record["wanted_to"]))


def _made(record: Any) -> list[Line]:
    days = zip(record["made_from"], record["made_to"], strict=True)
    return [Line(record["quality"], None, Period(begin, end)) for begin, end in days]


def _days(made: Iterable[Line]) -> tuple[list[Any], list[Any]]:
    periods = [line.period for line in made]
    return [period.begin for period in periods], [period.end for period in periods]
