"""What is decided of mutations, in the database: decision, verdict, integrations and a position each recipient, in one
commit; of many at a time. docs/distribution.md, "Order, once, nobody waits for another".
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

from hub.distribution import Recipient, told_by
from hub.integrating import Wish, integrate
from hub.journal import Decision, Outcome, PersonKeys, row
from hub.own.acting import Acting
from hub.queries import QUERIES
from hub.repertory.database import Connection, RepertoryUnavailableError
from hub.repertory.persons import integration
from schemas.address import Address
from schemas.distribution import Entitled, of_json, to_json
from schemas.integration import Integration
from schemas.period import Period
from schemas.process.grouped import Grouped
from schemas.ssin import Ssin

#: Mutations of one commit, at most.
_GROUP = 64
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


@dataclass(frozen=True, slots=True)
class Known:
    """What is recorded of a mutation's ticket and of its reference."""

    #: None: nothing was decided yet.
    decided: Decided | None
    #: Rows of the mutations of its reference, one a recipient.
    forerunners: tuple[Any, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Deciding:
    """A mutation that waits for its commit."""

    passing: Passing
    make: Callable[[Sequence[Integration]], Made]
    #: None: made by the person's rows, locked, since it changes them.
    made: Made | None


class _MeanwhileError(Exception):
    """Another hub decided: what was changed here is taken back."""


class Positions:
    """Over the connections for changes; many mutations at a time. Raises RepertoryUnavailableError: whether it was done
    is not known, and doing it again is safe."""

    def __init__(self, acting: Acting, keys: PersonKeys, hub: str) -> None:
        self._acting, self._keys, self._hub = acting, keys, hub
        self._looks: Grouped[Passing, Known] = Grouped(self._look, most=_GROUP, of_all=(RepertoryUnavailableError,))
        self._commits, self._changes = self._groups(), self._groups()

    async def known(self, passing: Passing) -> Known:
        """What was decided under its ticket, and who was told of its reference."""
        return await self._looks(passing)

    def forerunners(
        self, known: Known, numbers: Iterable[Ssin]
    ) -> frozenset[tuple[Address, Entitled, str | None]] | None:
        """Who was told an earlier mutation of a reference, by which rows, and its code; None: it is another person's,
        by all his `numbers`."""
        persons = self._persons(numbers)
        if any(record["person"] not in persons for record in known.forerunners):
            return None
        return frozenset(
            (Address.parse(r["recipient"]), told_by(row), r["code"])
            for r in known.forerunners
            if r["recipient"] is not None
            for row in of_json(r["entitled"])
        )

    async def decide(
        self, passing: Passing, make: Callable[[Sequence[Integration]], Made], made: Made | None = None
    ) -> Decided | None:
        """Commit it: as `made`, or, where it changes what is known of the person, as `make` decides by his rows, which
        are locked. None: the ticket was decided meanwhile, ask `known`."""
        # Apart: what changes the repertory may wait for a load of a file, and nobody else waits with it.
        try:
            return await (self._changes if made is None else self._commits)(_Deciding(passing, make, made))
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

    # --- in groups ---------------------------------------------------------------------------------------------------

    def _groups(self) -> Grouped[_Deciding, Decided | None]:
        return Grouped(self._commit, most=_GROUP, key=lambda one: one.passing.ssin, of_all=(RepertoryUnavailableError,))

    async def _look(self, group: Sequence[Passing]) -> list[Known]:
        tickets, references = [one.ticket_cbss for one in group], [self._references(one) for one in group]
        async with self._acting.connection() as connection:
            recorded = await connection.fetch(QUERIES["mutation_recorded"], tickets)
            earlier = await connection.fetch(QUERIES["mutation_forerunners"], list(chain.from_iterable(references)))
        by_ticket, by_reference = _by(recorded, "ticket_cbss"), _by(earlier, "reference")
        return [
            Known(_decided(by_ticket[ticket]), tuple(row for one in each for row in by_reference[one]))
            for ticket, each in zip(tickets, references, strict=True)
        ]

    async def _commit(self, group: Sequence[_Deciding]) -> list[Decided | None]:
        """All of a group in one transaction: if one of them cannot be, nothing of it is done."""
        async with self._acting.connection() as connection:
            if all(one.made is not None for one in group):
                return await self._distribute(connection, group, [one.made for one in group if one.made is not None])
            async with connection.transaction():
                # Positions last: until the commit nobody else is given one of these recipients.
                return await self._distribute(connection, group, await self._integrated(connection, group))

    async def _integrated(self, connection: Connection, group: Sequence[_Deciding]) -> list[Made]:
        """Decide by locked rows, and change them."""
        changing = [one.passing for one in group if one.made is None]
        await connection.execute(QUERIES["mutation_patience"])
        await connection.execute(QUERIES["person_write_lock"])
        numbers = sorted({passing.ssin.number for passing in changing})
        await connection.execute(QUERIES["person_locks"], numbers)
        rows = _by(await connection.fetch(QUERIES["person_rows_replaced"], numbers), "asked")
        mades: list[Made] = []
        wishes: list[Wish] = []
        for one in group:
            if one.made is not None:
                mades.append(one.made)
                continue
            ssin = one.passing.ssin
            known = tuple(integration(record, ssin) for record in rows[ssin.number])
            mades.append(one.make(known))
            wishes.append(self._wish(one.passing, mades[-1], known))
        await integrate(connection, wishes, await connection.fetchval(QUERIES["moment"]))
        return mades

    def _wish(self, passing: Passing, made: Made, rows: Sequence[Integration]) -> Wish:
        wanted = {one.address: one.integrate for one in made.recipients if one.integrate is not None}
        if made.integrate is not None:
            wanted[passing.owner] = made.integrate
        return Wish(
            ticket_cbss=passing.ticket_cbss,
            action=passing.action,
            period=passing.period,
            owner=passing.owner,
            references=self._references(passing),
            persons=self._persons({passing.ssin, *(row.ssin for row in rows)}),
            number=passing.ssin.number,
            person=self._keys.current.hash(passing.ssin.digits),
            wanted=wanted,
            rows=rows,
        )

    async def _distribute(
        self, connection: Connection, group: Sequence[_Deciding], mades: Sequence[Made]
    ) -> list[Decided | None]:
        """Decisions, verdicts and a position each recipient, in one statement."""
        entries = [
            entry
            for one, made in zip(group, mades, strict=True)
            for entry in (
                row.of_decision(made.decision, "decision", self._hub, self._keys),
                row.of_outcome(made.outcome, self._hub, one.passing.sha256),
            )
        ]
        told = [(place, each) for place, made in enumerate(mades, 1) for each in made.recipients]
        records = await connection.fetch(
            QUERIES["mutation_distribute"],
            uuid4(),
            entries,
            [self._kept(one.passing, made) for one, made in zip(group, mades, strict=True)],
            [place for place, _ in told],
            [str(each.address) for _, each in told],
            [to_json(each.entitled) for _, each in told],
        )
        by_place = _by(records, "place")
        answers: list[Decided | None] = []
        for place, (one, made) in enumerate(zip(group, mades, strict=True), 1):
            if by_place[place][0]["result"] == "decision":
                given = _given(by_place[place])
                answers.append(Decided(made.value, made.code, made.missing, given, one.passing.sha256))
            elif one.made is None:
                raise _MeanwhileError
            else:
                answers.append(None)
        return answers

    def _kept(self, passing: Passing, made: Made) -> tuple[Any, ...]:
        """The composite type `mutation`, column by column."""
        key = self._keys.current
        return (
            passing.ticket_cbss, datetime.now(UTC), str(passing.sender), str(passing.owner), passing.correlation_id,
            passing.ticket, passing.service, passing.flow, passing.action, passing.code, key.id,
            self._references(passing)[0], key.hash(passing.ssin.digits), passing.sha256, made.value, made.code,
            [str(address) for address in made.missing],
        )  # fmt: skip

    def _references(self, passing: Passing) -> list[bytes]:
        """Keyed hashes of the reference: of an owner and a service, whatever its version; one a key."""
        name = passing.service.partition("/")[0]
        text = hashlib.sha256(f"{passing.owner} {name} {passing.reference}".encode()).hexdigest()
        return [key.hash(text) for key in self._keys.keys]

    def _persons(self, numbers: Iterable[Ssin]) -> list[bytes]:
        return [each for ssin in numbers for each in self._keys.hashes(ssin)]


def _by(records: Iterable[Any], column: str) -> defaultdict[Any, list[Any]]:
    found: defaultdict[Any, list[Any]] = defaultdict(list)
    for record in records:
        found[record[column]].append(record)
    return found


def _decided(records: Sequence[Any]) -> Decided | None:
    if not records:
        return None
    first = records[0]
    missing = tuple(map(Address.parse, first["missing"]))
    return Decided(first["value"], first["answer_code"], missing, _given(records), first["sha256"])


def _given(records: Iterable[Any]) -> tuple[Given, ...]:
    given = [
        Given(Address.parse(r["recipient"]), r["series"], r["position"], of_json(r["entitled"]), r["owed"] is not None)
        for r in records
        if r["recipient"] is not None
    ]
    return tuple(sorted(given, key=lambda one: one.recipient))
