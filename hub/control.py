"""What operators have paused, and what follows from it: docs/operators.md, "Levers".

`Controls` is a frozen value that the journey asks; `ControlWatch` keeps it up to date, and tells the database what this
process has in hand; `begin` and `end` change it.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg

from hub.queries import QUERIES
from hub.repertory.database import FAILURES, Connection, connect
from hub.watching import Watch
from schemas.address import Address
from schemas.parser import Information

CHANNEL = "crossroads_control"
#: Between two beats of a process, seconds; the database is asked as often what is in force.
BEAT = 1.0
#: A process that was silent for so long, seconds, is not there any more.
SILENT = 6.0
#: Advisory lock of whoever changes what is in force.
_LOCK = -20
#: Seconds within which a process that ends says so, if the database answers.
_GOODBYE = 2.0
#: What the network's own bookkeeping needs: to refuse it would lose what is to be told, or hide why.
BOOKKEEPING = frozenset(("CatchUp/1", "CloseLot/1", "ExplainDecision/1", "FollowUp/1"))

PAUSED, MAINTENANCE = "CRB00021", "CRB00022"

Kind = Literal["service", "supplier", "customer", "maintenance", "hub"]


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that is so now."""

    number: int
    kind: Kind
    #: `Name/version`, an address, an instance; empty: the network.
    what: str
    since: datetime
    #: When it ends by itself.
    until: datetime | None = None

    @property
    def code(self) -> str:
        """What is told."""
        return MAINTENANCE if self.kind == "maintenance" else PAUSED

    @property
    def information(self) -> Information:
        """What is told beside it: what, as the wire names it, and until when. Never an operator's reason."""
        what = () if self.kind == "maintenance" else ((self.kind, self.what),)
        if self.until is None:
            return what
        return (*what, ("until", self.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))


@dataclass(frozen=True, slots=True)
class Controls:
    """All that is so at a moment."""

    version: int = 0
    found: Mapping[tuple[Kind, str], Control] = field(default_factory=lambda: MappingProxyType({}))
    #: Nothing is paused: the one look that an exchange costs.
    quiet: bool = True
    maintenance: Control | None = None
    #: Whom nothing may be put to.
    suppliers: frozenset[Address] = frozenset()

    @classmethod
    def of(cls, version: int, controls: Iterable[Control]) -> "Controls":
        found = MappingProxyType({(one.kind, one.what): one for one in controls})
        return cls(
            version,
            found,
            quiet=not any(kind != "hub" for kind, _ in found),
            maintenance=found.get(("maintenance", "")),
            suppliers=frozenset(Address.parse(what) for kind, what in found if kind == "supplier"),
        )

    def asked(self, service: str, customer: Address | None, sender: Address, *, online: bool) -> Control | None:
        """Behind check 9: what forbids to ask this now. Maintenance is told on line alone: all else waits in its
        queue."""
        if online and self.maintenance is not None:
            return self.maintenance
        if service in BOOKKEEPING:
            return None
        found = self.found.get(("service", service))
        for who in (customer, sender):
            found = found or self.found.get(("customer", str(who)))
        return found

    def forbidding(self, control: Control) -> "Controls":
        """The same with all of the network told what this one says."""
        return replace(self, maintenance=control)

    def put_to(self, suppliers: Sequence[Address]) -> Control | None:
        """Behind check 16: what forbids to ask, where none of them may be asked: of the first one."""
        if not suppliers or not self.suppliers.issuperset(suppliers):
            return None
        return self.found["supplier", str(suppliers[0])]

    def drains(self, instance: UUID) -> bool:
        """Whether this process is to end."""
        return ("hub", str(instance)) in self.found

    def paused(self) -> Iterable[tuple[str, str]]:
        """Kind and what, for the figures."""
        return [(kind, what) for kind, what in self.found if kind not in ("maintenance", "hub")]


QUIET = Controls()


@dataclass(frozen=True, slots=True)
class InHand:
    """What a process has in hand."""

    ready: bool
    draining: bool
    count: int
    services: Mapping[str, int]
    suppliers: Mapping[str, int]
    #: Tickets of what began; those under which something is still in hand.
    tickets: frozenset[UUID]


class ControlWatch(Watch):
    """Keeps `controls` up to date, and beats: what this process has in hand stands in table `hub_process`, from the
    first look after `start` until `close`."""

    #: A beat that is lost is what the next one brings.
    _settings = MappingProxyType({"synchronous_commit": "off"})

    def __init__(self, database_url: str, name: str, in_hand: Callable[[], InHand]) -> None:
        super().__init__(database_url, f"{name} control", CHANNEL)
        #: Tells this process from any other, also of its name.
        self.instance = uuid4()
        self._process, self._in_hand = name, in_hand
        self._controls = QUIET
        self._on_change: list[Callable[[Controls], None]] = []
        #: Where this process tells its figures, once it does.
        self.url = ""
        #: What was in hand when `controls` changed last, and is still; and the version that all else began under.
        self._older: frozenset[UUID] = frozenset()
        self._settled = 0

    @property
    def controls(self) -> Controls:
        """What is so now; take it once per request, and keep it to its end."""
        return self._controls

    def on_change(self, callback: Callable[[Controls], None]) -> None:
        """Call this with each new value."""
        self._on_change.append(callback)

    def beat(self) -> None:
        """Look and tell soon, what is in hand having changed."""
        self._told.set()

    async def close(self) -> None:
        """End, and tell that this process is gone: within a second or two, if the database answers."""
        await super().close()
        if not self.url:
            return
        try:
            async with asyncio.timeout(_GOODBYE):
                connection = await connect(self._url, self._name)
                try:
                    async with connection.transaction():
                        await connection.execute(QUERIES["hub_gone"], self.instance)
                        await _end(connection, "hub", str(self.instance), None)
                finally:
                    connection.terminate()
        except FAILURES:
            pass  # it beats no more, which tells the same

    async def _look(self, connection: "asyncpg.Connection[asyncpg.Record]", *, first: bool) -> float:
        if first:
            await connection.execute(QUERIES["hubs_forget"])
        records = await connection.fetch(QUERIES["control_in_force"])
        self._take(_controls(records))
        if self.url:
            await self._beat(connection)
        until = records[0]["next"]
        return BEAT if until is None else min(BEAT, max(until, 0.0) + 0.01)

    def _take(self, controls: Controls) -> None:
        if controls.version == self._controls.version and controls.found.keys() == self._controls.found.keys():
            return
        self._older |= self._in_hand().tickets
        self._controls = controls
        for callback in self._on_change:
            callback(controls)

    async def _beat(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        now = self._in_hand()
        self._older &= now.tickets
        if not self._older:
            self._settled = self._controls.version
        await connection.execute(
            QUERIES["hub_beat"], self.instance, self._process, self.url, now.ready, now.draining,
            self._controls.version, self._settled, now.count, _counts(now.services), _counts(now.suppliers),
        )  # fmt: skip


def _counts(counts: Mapping[str, int]) -> str:
    return json.dumps({name: count for name, count in counts.items() if count})


def _controls(records: Iterable[Any]) -> Controls:
    version, found = 0, []
    for record in records:
        version = record["version"]
        if record["number"] is not None:
            found.append(Control(record["number"], record["kind"], record["what"], record["since"], record["until"]))
    return Controls.of(version, found)


# --- changing it -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """What was so until now."""

    since: datetime
    until: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Begun:
    """What is so from now on; `before`: it was so already, and has another `until` and reason now."""

    version: int
    since: datetime
    before: Ended | None


async def read(connection: Connection) -> Controls:
    """What is so now."""
    return _controls(await connection.fetch(QUERIES["control_in_force"]))


async def begin(
    connection: Connection,
    kind: Kind,
    what: str = "",
    *,
    until: datetime | None = None,
    program: str | None = None,
    reason: str | None = None,
) -> Begun:
    """It is so when this returns, and every hub that answers knows it within two seconds. Raises what asyncpg raises:
    then nothing changed. `program`: a program's number, never a person's."""
    async with connection.transaction():
        now = await connection.fetchval(QUERIES["control_lock"], _LOCK)
        before = await _ended(connection, kind, what, now, program)
        number = await connection.fetchval(QUERIES["control_begin"], kind, what, now, until, program, reason)
        await connection.execute(QUERIES["control_tell"])
    return Begun(number, now, before)


async def end(connection: Connection, kind: Kind, what: str = "", *, program: str | None = None) -> Ended | None:
    """It is so no more. None: it was not so."""
    async with connection.transaction():
        return await _end(connection, kind, what, program)


async def _end(connection: Connection, kind: Kind, what: str, program: str | None) -> Ended | None:
    now = await connection.fetchval(QUERIES["control_lock"], _LOCK)
    ended = await _ended(connection, kind, what, now, program)
    await connection.execute(QUERIES["control_tell"])
    return ended


async def _ended(connection: Connection, kind: Kind, what: str, now: datetime, program: str | None) -> Ended | None:
    row = await connection.fetchrow(QUERIES["control_end"], kind, what, now, program)
    return None if row is None or row["over"] else Ended(row["since"], row["until"], row["reason"])


@dataclass(frozen=True, slots=True)
class Process:
    """A hub process, as it last told."""

    instance: UUID
    name: str
    url: str
    started: datetime
    ready: bool
    draining: bool
    #: Versions of what is in force: by which it judges; and under which, or a later one, all began that it has in hand.
    seen: int
    settled: int
    in_hand: int
    services: Mapping[str, int]
    suppliers: Mapping[str, int]
    #: Seconds since then.
    silent: float

    @property
    def beats(self) -> bool:
        return self.silent < SILENT


async def processes(connection: Connection) -> tuple[Process, ...]:
    """All hub processes that did not end in order, by name; those that were killed too, until a day later."""
    return tuple(
        Process(
            **{name: record[name] for name in Process.__slots__ if name not in ("services", "suppliers")},
            services=json.loads(record["services"]),
            suppliers=json.loads(record["suppliers"]),
        )
        for record in await connection.fetch(QUERIES["hub_processes"])
    )
