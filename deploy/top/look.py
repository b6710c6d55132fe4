"""One look at a network: made from what its processes told last and before. Pure values, drawn elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from deploy.top.figures import Buckets, Figures, History, Scrape, buckets, by, of, total
from schemas.codes import NO_VERDICT

#: The real network's share of on-line answers under 4 s, of 2023: what ours is held against.
PROMISED = 0.9974
#: Faults and statuses without a result that are no refusal: the hub's or a supplier's doing, what is paused, or an
#: answer that comes later (schemas/codes.toml). `other` is a supplier's own.
_NO_REFUSAL = NO_VERDICT | {"MSG00003", "CRB00010", "CRB00011", "CRB00012", "CRB00013", "CRB00016", "CRB00017", "other"}
_REFUSING = ("fault", "NO_RESULT")


@dataclass(frozen=True, slots=True)
class Process:
    """A process and whether it answers. `parts`: those of it that do not."""

    name: str
    url: str
    answers: bool
    why: str
    parts_down: tuple[str, ...]
    draining: bool


@dataclass(frozen=True, slots=True)
class Promise:
    """Exchanges that passed the controls: kept, and missed by whose fault it was. What a paused supplier's part was
    missing from is in neither."""

    kept: float = 0
    supplier: float = 0
    hub: float = 0

    @property
    def share(self) -> float | None:
        """Kept, 0 to 1; None where there was nothing to keep."""
        every = self.kept + self.supplier + self.hub
        return self.kept / every if every > 0 else None


@dataclass(frozen=True, slots=True)
class Service:
    """A service over the window."""

    service: str
    a_second: float
    promise: Promise
    since_start: Promise
    #: Seconds of the hub's own time, of forwarded exchanges; None where there were none.
    hub_p50: float | None
    hub_p99: float | None
    refused_a_second: float
    in_flight: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Supplier:
    """Who is asked on line, over the window; seconds from question to reply, with those that never came."""

    supplier: str
    a_second: float
    p50: float | None
    p99: float | None
    in_flight: int
    #: Questions that brought no answer in time, 0 to 1; None where none ended.
    silent: float | None
    paused: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue in which something waits, or which somebody has to read and nobody does."""

    vhost: str
    queue: str
    kind: str
    address: str
    messages: int
    #: How long the oldest has waited, at least; None: not known.
    age: float | None
    consumers: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is behind with what is distributed: words owed, and the age of the oldest."""

    recipient: str
    behind: int
    lag: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """All that `crossroads top` shows."""

    at: datetime
    #: Seconds that rates, shares of now and quantiles are of; None: one scrape alone tells none of them.
    over: float | None
    processes: tuple[Process, ...]
    a_second: float
    promise: Promise
    since_start: Promise
    in_flight: int
    held: int
    #: kind (service, supplier, customer) and what.
    paused: tuple[tuple[str, str], ...]
    maintenance: bool
    #: Those with something to tell, the busiest first.
    services: tuple[Service, ...]
    #: The slowest first.
    suppliers: tuple[Supplier, ...]
    #: The oldest first.
    queues: tuple[Queue, ...]
    #: What could not be answered.
    dead: int
    #: The farthest behind first.
    behind: tuple[Recipient, ...]
    #: What the watcher sees (broker, database); those that it does not see; both empty: there is no watcher.
    seen: tuple[str, ...]
    unseen: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: each promise with its share, times in seconds, the moment in ISO 8601."""
        told: dict[str, Any] = _told(asdict(self))
        return told | {"promised": PROMISED}


def look(history: History, latest: Sequence[Scrape], at: datetime) -> Look:
    """What the last scrapes tell, with what was counted within the window before. Several hubs are one network: their
    counts and rates are summed, what is paused is paused where one of them says so."""
    answered = [scrape.figures for scrape in latest if scrape.figures is not None]
    now, growths = total(answered), history.growth()
    grew = total(growth.figures for growth in growths)
    #: As `grew`, each process' own share by its own time.
    rates = total(_a_second(growth.figures, growth.seconds) for growth in growths)
    paused = tuple(
        sorted((kind, what) for (kind, what), on in by(now, "crossroads_paused", "kind", "what").items() if on > 0)
    )
    watched = by(_most(answered), "crossroads_watched", "source")
    return Look(
        at=at,
        over=max((growth.seconds for growth in growths), default=None),
        processes=tuple(_process(scrape) for scrape in latest),
        a_second=of(rates, "crossroads_exchanges_total"),
        promise=_promises(grew).get((), Promise()),
        since_start=_promises(now).get((), Promise()),
        in_flight=round(of(now, "crossroads_service_in_flight")),
        held=round(of(now, "crossroads_held")),
        paused=paused,
        maintenance=of(now, "crossroads_maintenance") > 0,
        services=_services(now, grew, rates, {what for kind, what in paused if kind == "service"}),
        suppliers=_suppliers(now, grew, rates, {what for kind, what in paused if kind == "supplier"}),
        queues=_queues(_most(answered)),
        dead=round(of(_most(answered), "crossroads_queue_messages", kind="dead")),
        behind=_behind(_most(answered)),
        seen=tuple(sorted(source for (source,), up in watched.items() if up > 0)),
        unseen=tuple(sorted(source for (source,), up in watched.items() if up <= 0)),
    )


def _process(scrape: Scrape) -> Process:
    figures = scrape.figures or {}
    down = tuple(sorted(part for (part,), up in by(figures, "crossroads_up", "part").items() if up <= 0))
    draining = of(figures, "crossroads_draining") > 0
    return Process(scrape.process, scrape.url, scrape.figures is not None, scrape.why, down, draining)


def _a_second(figures: Figures, seconds: float) -> Figures:
    wanted = ("crossroads_exchanges_total", "crossroads_supplier_answers_total")
    return {
        name: {labels: value / seconds for labels, value in figures[name].items()} for name in wanted if name in figures
    }


def _most(parts: Iterable[Figures]) -> Figures:
    """What nobody owns is told by each watcher alike: where there are several, the most that one of them says."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for part in parts:
        for name, series in part.items():
            into = found.setdefault(name, {})
            for labels, value in series.items():
                into[labels] = max(into.get(labels, value), value)
    return found


def _promises(figures: Figures, *labels: str) -> dict[tuple[str, ...], Promise]:
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for (*key, kept, fault), count in by(figures, "crossroads_promise_total", *labels, "kept", "fault").items():
        found.setdefault(tuple(key), {})["kept" if kept == "yes" else fault] = count
    return {
        key: Promise(counts.get("kept", 0), counts.get("supplier", 0), counts.get("hub", 0))
        for key, counts in found.items()
    }


def _services(now: Figures, grew: Figures, rates: Figures, paused: set[str]) -> tuple[Service, ...]:
    a_second = by(rates, "crossroads_exchanges_total", "service")
    refused: dict[str, float] = {}
    for (service, verdict, code), count in by(
        rates, "crossroads_exchanges_total", "service", "verdict", "code"
    ).items():
        if verdict in _REFUSING and code not in _NO_REFUSAL:
            refused[service] = refused.get(service, 0.0) + count
    in_flight = by(now, "crossroads_service_in_flight", "service")
    lately, ever = _promises(grew, "service"), _promises(now, "service")
    seconds = buckets(grew, "crossroads_hub_seconds", "service")
    busy = {service for (service,), count in [*a_second.items(), *in_flight.items()] if count > 0} | paused
    found = [
        Service(
            service=service,
            a_second=a_second.get((service,), 0.0),
            promise=lately.get((service,), Promise()),
            since_start=ever.get((service,), Promise()),
            hub_p50=_quantile(seconds.get(service), 0.5),
            hub_p99=_quantile(seconds.get(service), 0.99),
            refused_a_second=refused.get(service, 0.0),
            in_flight=round(in_flight.get((service,), 0.0)),
            paused=service in paused,
        )
        for service in busy
    ]
    return tuple(sorted(found, key=lambda one: (-one.a_second, -one.in_flight, one.service)))


def _suppliers(now: Figures, grew: Figures, rates: Figures, paused: set[str]) -> tuple[Supplier, ...]:
    a_second = by(rates, "crossroads_supplier_answers_total", "supplier")
    in_flight = by(now, "crossroads_supplier_in_flight", "supplier")
    seconds = buckets(grew, "crossroads_supplier_seconds", "supplier")
    ended: dict[str, float] = {}
    silent: dict[str, float] = {}
    for (supplier, result), count in by(grew, "crossroads_supplier_answers_total", "supplier", "result").items():
        ended[supplier] = ended.get(supplier, 0.0) + count
        if result != "answered":
            silent[supplier] = silent.get(supplier, 0.0) + count
    asked = {supplier for (supplier,), count in [*a_second.items(), *in_flight.items()] if count > 0} | paused
    found = [
        Supplier(
            supplier=supplier,
            a_second=a_second.get((supplier,), 0.0),
            p50=_quantile(seconds.get(supplier), 0.5),
            p99=_quantile(seconds.get(supplier), 0.99),
            in_flight=round(in_flight.get((supplier,), 0.0)),
            silent=silent.get(supplier, 0.0) / ended[supplier] if ended.get(supplier) else None,
            paused=supplier in paused,
        )
        for supplier in asked
    ]
    return tuple(sorted(found, key=lambda one: (-(one.p50 or 0.0), -(one.p99 or 0.0), -one.in_flight, one.supplier)))


def _queues(figures: Figures) -> tuple[Queue, ...]:
    labels = ("vhost", "queue", "kind", "address")
    ages = by(figures, "crossroads_queue_age_seconds", *labels)
    consumers = by(figures, "crossroads_queue_consumers", *labels)
    found = [
        Queue(vhost, queue, kind, address, round(messages), ages.get(key), round(consumers.get(key, 0.0)))
        for key, messages in by(figures, "crossroads_queue_messages", *labels).items()
        for vhost, queue, kind, address in (key,)
        if messages > 0
    ]
    return tuple(sorted(found, key=lambda one: (-(one.age or 0.0), -one.messages, one.vhost, one.queue)))


def _behind(figures: Figures) -> tuple[Recipient, ...]:
    lags = by(figures, "crossroads_distribution_lag_seconds", "recipient")
    found = [
        Recipient(recipient, round(words), lags.get((recipient,)))
        for (recipient,), words in by(figures, "crossroads_distribution_behind", "recipient").items()
        if words > 0
    ]
    return tuple(sorted(found, key=lambda one: (-one.behind, one.recipient)))


def _quantile(counts: Buckets | None, share: float) -> float | None:
    return None if counts is None else counts.quantile(share)


def _told(value: Any) -> Any:
    """Fit for JSON."""
    if isinstance(value, dict):
        told = {key: _told(one) for key, one in value.items()}
        return told | {"share": Promise(**value).share} if value.keys() == {"kept", "supplier", "hub"} else told
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
