"""What each alert does, minute by minute: when it fires and with which words, not a minute before, what is near and
does not fire it, and that it stops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Firing:
    """One alert that fires: its labels but for `severity`, and its summary."""

    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Series in promtool's notation, a sample a minute from minute 0 (`5x3` is 5 and three more, `_` none); at these
    minutes these fire. The first line says what happens."""

    alert: str
    what: str
    series: Mapping[str, str]
    fires: Mapping[int, Sequence[Firing]]


def _promise(kept: str, supplier: str, hub: str, service: str = "TIGroups/1") -> dict[str, str]:
    name = f'crossroads_promise_total{{service="{service}", instance="hub-1", '
    return {
        f'{name}kept="yes", fault="none"}}': kept,
        f'{name}kept="no", fault="supplier"}}': supplier,
        f'{name}kept="no", fault="hub"}}': hub,
    }


def _answers(supplier: str, answered: str, silent: str) -> dict[str, str]:
    name = f'crossroads_supplier_answers_total{{supplier="{supplier}", instance="hub-1", '
    return {
        f'{name}result="answered"}}': answered,
        f'{name}result="no reply"}}': silent,
        f'{name}result="late"}}': "0x400",
    }


def _seconds(supplier: str, quick: str, every: str) -> dict[str, str]:
    name, labels = "crossroads_supplier_seconds", f'supplier="{supplier}", instance="hub-1"'
    return {f'{name}_bucket{{{labels}, le="2.0"}}': quick, f"{name}_count{{{labels}}}": every}


def _parts(instance: str, **parts: str) -> dict[str, str]:
    whole = {"broker": "1x60", "intake": "1x60", "journal": "1x60", "repertory": "1x60", "rules": "1x60"} | parts
    return {
        f'crossroads_up{{job="hub", instance="{instance}", part="{part}"}}': seen for part, seen in whole.items()
    } | {f'up{{job="hub", instance="{instance}"}}': "1x60"}


def _queue(
    queue: str,
    kind: str,
    age: str,
    *,
    messages: str = "3x60",
    consumers: str = "1x60",
    vhost: str = "crossroads",
    address: str = "17-1",
) -> dict[str, str]:
    labels = f'{{job="watcher", vhost="{vhost}", queue="{queue}", kind="{kind}", address="{address}"}}'
    return {
        f"crossroads_queue_age_seconds{labels}": age,
        f"crossroads_queue_messages{labels}": messages,
        f"crossroads_queue_consumers{labels}": consumers,
    }


def _queue_labels(queue: str, kind: str, vhost: str = "crossroads", address: str = "17-1") -> dict[str, str]:
    return {"vhost": vhost, "queue": queue, "kind": kind, "address": address}


def _exchanges(verdict: str, code: str, count: str, service: str = "TIGroups/1") -> dict[str, str]:
    labels = f'service="{service}", verdict="{verdict}", code="{code}", instance="hub-1"'
    return {f"crossroads_exchanges_total{{{labels}}}": count}


def _forms(to_be_judged: str, to_be_told: str) -> dict[str, str]:
    name = 'crossroads_file_forms{job="institution", instance="nsso", state='
    return {f'{name}"received"}}': to_be_judged, f'{name}"judged"}}': to_be_told, f'{name}"told"}}': "0x200"}


_LOT = Firing(
    "The open lots of 17-1 have not moved for an hour: consultations to be decided: 600", {"customer": "17-1"}
)
_ON = {'crossroads_maintenance{job="hub", instance="hub-1"}': "1x400"}
_OFF = {'crossroads_maintenance{job="hub", instance="hub-1"}': "0x400"}

CASES: tuple[Case, ...] = (
    # --- the promise -------------------------------------------------------------------------------------------------
    Case(
        "PromiseBroken",
        "the hub misses a third from minute 71 to 90: the hour is over the limit at 75, and the last 5 minutes until "
        "94",
        _OFF | _promise("0+1000x200", "0x200", "0x70 500+500x19 10000x110"),
        {
            76: (),
            77: (Firing("5.512% of answers miss the promise, by the hub itself", {"fault": "hub"}),),
            94: (Firing("14.29% of answers miss the promise, by the hub itself", {"fault": "hub"}),),
            95: (),
        },
    ),
    Case(
        "PromiseBroken",
        "suppliers miss a third",
        _OFF | _promise("0+1000x200", "0x70 500+500x19 10000x110", "0x200"),
        {76: (), 77: (Firing("5.512% of answers miss the promise, by suppliers", {"fault": "supplier"}),), 95: ()},
    ),
    Case(
        "PromiseBroken",
        "ten misses a minute of a thousand: a budget burnt four times too quickly wakes nobody",
        _OFF | _promise("0+1000x200", "0+10x200", "0+10x200"),
        {60: (), 120: (), 200: ()},
    ),
    Case(
        "PromiseBroken",
        "nine misses of a night's hundred exchanges",
        _OFF | _promise("0+1x200", "0x200", "0x70 1+1x8 9x120"),
        {75: (), 80: (), 90: ()},
    ),
    Case("PromiseBroken", "nobody asks anything", _OFF | _promise("0x200", "0x200", "0x200"), {60: (), 200: ()}),
    Case(
        "PromiseBroken",
        "during maintenance",
        _ON | _promise("0+1000x200", "0x200", "0x70 500+500x19 10000x110"),
        {78: (), 90: ()},
    ),
    Case(
        "PromiseWears",
        "two of a hundred miss from minute 11 to 200, by the hub: over the limit of a day at 19, of half an hour "
        "until 218",
        _OFF | _promise("0+1000x400", "0x400", "0x10 20+20x189 3800x200"),
        {
            33: (),
            34: (Firing("1.356% of a day's answers missed the promise, by the hub itself", {"fault": "hub"}),),
            219: (),
        },
    ),
    Case(
        "PromiseWears",
        "a five-hundredth misses: within the budget",
        _OFF | _promise("0+1000x400", "0+2x400", "0x400"),
        {100: (), 400: ()},
    ),
    Case(
        "PromiseWears",
        "during maintenance",
        _ON | _promise("0+1000x400", "0x400", "0x10 20+20x189 3800x200"),
        {40: (), 100: ()},
    ),
    # --- suppliers ---------------------------------------------------------------------------------------------------
    Case(
        "SupplierSilent",
        "one of two suppliers is silent from minute 11 to 30: half of five minutes at 13, and then for two minutes",
        _answers("1-0", "0+10x10 100x20 110+10x60", "0x10 10+10x19 200x60") | _answers("4-0", "0+10x90", "0x90"),
        {
            14: (),
            15: (Firing("Supplier 1-0 leaves 100% of its questions without an answer", {"supplier": "1-0"}),),
            30: (Firing("Supplier 1-0 leaves 100% of its questions without an answer", {"supplier": "1-0"}),),
            33: (),
        },
    ),
    Case(
        "SupplierSilent",
        "a third is not answered",
        _answers("1-0", "0+20x60", "0+10x60"),
        {10: (), 60: ()},
    ),
    Case("SupplierSilent", "four questions, no answer", _answers("1-0", "0x60", "0x10 4x50"), {13: (), 20: ()}),
    Case("SupplierSilent", "nobody asks it", _answers("1-0", "7x60", "9x60"), {10: (), 60: ()}),
    Case(
        "SupplierSlow",
        "half its answers take over 2 s from minute 11 to 30",
        _seconds("1-0", "0+20x10 210+10x19 420+20x60", "0+20x90") | _answers("1-0", "0+20x90", "0x90"),
        {
            16: (),
            17: (Firing("Supplier 1-0 takes over 2 s for 50% of its answers", {"supplier": "1-0"}),),
            34: (),
        },
    ),
    Case(
        "SupplierSlow",
        "a twentieth takes over 2 s",
        _seconds("1-0", "0+19x60", "0+20x60") | _answers("1-0", "0+20x60", "0x60"),
        {20: (), 60: ()},
    ),
    Case(
        "SupplierSlow",
        "it is silent: the wait for what never came is long too, and another alert",
        _seconds("1-0", "0x60", "0+20x60") | _answers("1-0", "0x60", "0+20x60"),
        {20: (), 60: ()},
    ),
    Case(
        "SupplierSlow",
        "three slow answers an hour are nobody's trouble",
        _seconds("1-0", "0x60", "0x20 3x40") | _answers("1-0", "0x20 3x40", "0x60"),
        {25: (), 60: ()},
    ),
    # --- hubs --------------------------------------------------------------------------------------------------------
    Case(
        "HubDown",
        "a hub does not answer from minute 10 to 19",
        _parts("hub-1") | {'up{job="hub", instance="hub-2"}': "1x9 0x9 1x20"},
        {
            11: (),
            12: (Firing("Hub hub-2 takes no requests", {"job": "hub", "instance": "hub-2"}),),
            19: (Firing("Hub hub-2 takes no requests", {"job": "hub", "instance": "hub-2"}),),
            20: (),
        },
    ),
    Case(
        "HubDown",
        "a hub lost its broker",
        _parts("hub-1", broker="1x9 0x9 1x20"),
        {11: (), 12: (Firing("Hub hub-1 takes no requests", {"job": "hub", "instance": "hub-1"}),), 20: ()},
    ),
    Case(
        "HubDown",
        "a hub is replaced within two minutes",
        _parts("hub-1", intake="1x9 0x1 1x20"),
        {11: (), 12: (), 13: ()},
    ),
    Case(
        "HubDown",
        "it takes nothing because a store does not answer: another alert",
        _parts("hub-1", intake="1x9 0x20", journal="1x9 0x20"),
        {12: (), 20: ()},
    ),
    Case("HubDown", "the watcher does not answer", _parts("hub-1") | {'up{job="watcher"}': "0x60"}, {12: (), 20: ()}),
    Case(
        "HubsFew",
        "one of two takes nothing from minute 10 to 19",
        _parts("hub-1") | _parts("hub-2", intake="1x9 0x9 1x20"),
        {11: (), 12: (Firing("Hubs that take requests: 1, fewer than two"),), 20: ()},
    ),
    Case(
        "HubsFew",
        "both are gone, and with them their figures",
        {
            f'crossroads_up{{job="hub", instance="{name}", part="intake"}}': "1x9 stale _x9 1x20"
            for name in ("hub-1", "hub-2")
        },
        {11: (), 12: (Firing("Hubs that take requests: 0, fewer than two"),), 20: ()},
    ),
    Case("HubsFew", "two of three", _parts("1") | _parts("2") | _parts("3", rules="0x60"), {5: (), 20: ()}),
    Case(
        "BarrierClosed",
        "the database does not answer from minute 10 to 19: of three parts only the journal noticed",
        _parts("1", journal="1x9 0x9 1x20", intake="1x9 0x9 1x20") | _parts("2", journal="1x9 0x9 1x20"),
        {
            10: (),
            11: (Firing("Hubs that cannot reach their journal, and so answer nobody: 2", {"part": "journal"}),),
            20: (),
        },
    ),
    Case("BarrierClosed", "the broker is lost", _parts("1", broker="0x60", intake="0x60"), {11: (), 20: ()}),
    Case("BarrierClosed", "for less than a minute", _parts("1", rules="1x9 0 1x20"), {10: (), 11: (), 12: ()}),
    # --- queues ------------------------------------------------------------------------------------------------------
    Case(
        "RequestsWait",
        "requests wait 12 s from minute 10 to 19",
        _queue("hub.in.17-1.online", "ingress", "0x9 12x9 0x20"),
        {
            10: (),
            11: (
                Firing("On-line requests of 17-1 wait 12s for a hub", _queue_labels("hub.in.17-1.online", "ingress")),
            ),
            20: (),
        },
    ),
    Case(
        "RequestsWait",
        "a flooded queue holds two seconds, a lot waits for hours, a relay reads its own network",
        _queue("hub.in.17-1.online", "ingress", "3x60")
        | _queue("hub.in.17-1.batch", "ingress", "7200x60")
        | _queue("hub.in.17-1-1.online", "ingress", "60x60", vhost="secondary-17"),
        {5: (), 60: ()},
    ),
    Case(
        "QueueStands",
        "a mutation waits over 15 minutes, from minute 10 to 19",
        _OFF | _queue("hub.in.4-0.mutation", "ingress", "0x9 960x9 0x20", address="4-0"),
        {
            11: (),
            12: (
                Firing(
                    "hub.in.4-0.mutation (ingress) is not worked off: its oldest message waits 16m 0s",
                    _queue_labels("hub.in.4-0.mutation", "ingress", address="4-0"),
                ),
            ),
            20: (),
        },
    ),
    Case(
        "QueueStands",
        "nobody reads a supplier's queue, from minute 10 to 19",
        _OFF | _queue("4-0.batch.Pension.1", "supplier", "90x60", consumers="1x9 0x9 1x20", address="4-0"),
        {
            11: (),
            12: (
                Firing(
                    "4-0.batch.Pension.1 (supplier) is not worked off: its oldest message waits 1m 30s",
                    _queue_labels("4-0.batch.Pension.1", "supplier", address="4-0"),
                ),
            ),
            20: (),
        },
    ),
    Case(
        "QueueStands",
        "a supplier that answers in its own time, a lot, answers that are fetched once a day, what could not be "
        "answered",
        _queue("4-0.batch.Pension.1", "supplier", "90000x60")
        | _queue("hub.in.17-1.batch", "ingress", "90000x60")
        | _queue("17-1.answers", "answers", "90000x60", consumers="0x60")
        | _queue("17-1.mutation", "mutation", "90000x60", consumers="0x60")
        | _queue("hub.dead", "dead", "90000x60", consumers="0x60")
        | _queue("4-0.online.Pension.1", "supplier", "3x60", consumers="0x60"),
        {20: (), 60: ()},
    ),
    Case(
        "QueueStands",
        "during maintenance, and for five minutes behind it",
        {'crossroads_maintenance{job="hub", instance="hub-1"}': "1x19 0x60"}
        | _queue("hub.in.4-0.mutation", "ingress", "9000x60", consumers="0x19 1x60"),
        {15: (), 26: ()},
    ),
    Case(
        "DeadMessages",
        "two messages from minute 10 to 19, in one of two vhosts",
        _queue("hub.dead", "dead", "0x9 5x9 0x20", messages="0x9 2x9 0x20", consumers="0x60", address="hub")
        | _queue("hub.dead", "dead", "0x60", messages="0x60", vhost="secondary-17", address="hub"),
        {
            10: (),
            11: (Firing("Messages in hub.dead of vhost crossroads: 2", {"vhost": "crossroads"}),),
            20: (),
        },
    ),
    # --- what is told ------------------------------------------------------------------------------------------------
    Case(
        "RefusalsJump",
        "from 2 % of all to 20 % at minute 100, until 130",
        _exchanges("DATA_FOUND", "MSG00000", "0+980x200")
        | _exchanges("NO_RESULT", "MSG00012", "0+20x100 2245+245x29 9125+20x70"),
        {
            106: (),
            107: (
                Firing("20% of answers are refusals MSG00012: four times as many as a day long", {"code": "MSG00012"}),
            ),
            124: (),
        },
    ),
    Case(
        "RefusalsJump",
        "a code that nobody was told before",
        _exchanges("DATA_FOUND", "MSG00000", "0+950x200") | _exchanges("fault", "CRB00008", "_x100 50+50x100"),
        {
            105: (),
            106: (
                Firing("5% of answers are refusals CRB00008: four times as many as a day long", {"code": "CRB00008"}),
            ),
        },
    ),
    Case(
        "RefusalsJump",
        "the morning brings ten times as many exchanges, and refusals with them",
        _exchanges("DATA_FOUND", "MSG00000", "0+98x100 9800+980x100")
        | _exchanges("NO_RESULT", "MSG00012", "0+2x100 200+20x100"),
        {105: (), 115: (), 150: ()},
    ),
    Case(
        "RefusalsJump",
        "what is found, what is not, what was paused, what suppliers owe",
        _exchanges("DATA_FOUND", "MSG00000", "0+900x100 90000+100x100")
        | _exchanges("NO_DATA_FOUND", "MSG00100", "0+1x100 300+300x100")
        | _exchanges("fault", "CRB00021", "0x100 300+300x100")
        | _exchanges("fault", "CRB00010", "0x100 300+300x100"),
        {105: (), 115: (), 150: ()},
    ),
    Case(
        "RefusalsJump",
        "a Prometheus that knows nothing of the day before",
        _exchanges("DATA_FOUND", "MSG00000", "0+900x50") | _exchanges("NO_RESULT", "MSG00012", "0+100x50"),
        {10: (), 20: (), 50: ()},
    ),
    Case(
        "RefusalsJump",
        "five of a night's hundred",
        _exchanges("DATA_FOUND", "MSG00000", "0+10x200") | _exchanges("NO_RESULT", "MSG00012", "0x100 1+1x4 5x100"),
        {106: (), 112: (), 130: ()},
    ),
    Case(
        "MessageMetBug",
        "one message, at minute 11; a quarter of an hour later it is over",
        {'crossroads_failures_total{job="hub", instance="hub-1"}': "0x10 1x60"},
        {
            10: (),
            11: (Firing("Messages that met a bug of hub hub-1: 1", {"job": "hub", "instance": "hub-1"}),),
            26: (),
        },
    ),
    Case(
        "MessageMetBug",
        "a hub that met some starts again",
        {'crossroads_failures_total{job="hub", instance="hub-1"}': "3x10 0x60"},
        {10: (), 11: (), 20: ()},
    ),
    # --- later -------------------------------------------------------------------------------------------------------
    Case(
        "RecipientBehind",
        "over an hour from minute 10 to 29",
        {'crossroads_distribution_lag_seconds{recipient="17-0"}': "3600x9 3660x19 0x20"},
        {14: (), 15: (Firing("17-0 has not taken what it is told for 1h 1m 0s", {"recipient": "17-0"}),), 30: ()},
    ),
    Case(
        "LotStands",
        "it moves until minute 50: at 110 it has stood for an hour; its customer goes on at 132",
        _OFF
        | {
            'crossroads_lot_declared{customer="17-1"}': "_x10 1000x190",
            'crossroads_lot_decided{customer="17-1"}': "_x10 0+10x40 400x80 401+1x60",
        },
        {
            114: (),
            115: (_LOT,),
            131: (_LOT,),
            132: (),
        },
    ),
    Case(
        "LotStands",
        "every consultation is decided; another's goes slowly; a third opened one half an hour ago beside one that "
        "stands",
        {
            'crossroads_lot_declared{customer="17-1"}': "1000x200",
            'crossroads_lot_decided{customer="17-1"}': "1000x200",
            'crossroads_lot_declared{customer="17-2"}': "1000x200",
            'crossroads_lot_decided{customer="17-2"}': "0x40 1x40 2x40 3x40 4x40",
            'crossroads_lot_declared{customer="17-3"}': "500x168 900x30",
            'crossroads_lot_decided{customer="17-3"}': "400+1x100 500x99",
        },
        {80: (), 120: (), 199: ()},
    ),
    Case(
        "LotStands",
        "maintenance half an hour ago",
        {
            'crossroads_maintenance{job="hub"}': "0x69 1x20 0x100",
            'crossroads_lot_declared{customer="17-1"}': "1000x200",
            'crossroads_lot_decided{customer="17-1"}': "0+10x60 600x59 601+1x60",
        },
        {119: (), 120: (), 125: ()},
    ),
    Case(
        "AnswersOverdue",
        "over four days at minute 11; answered at 30",
        {'crossroads_open_question_age_seconds{supplier="4-0"}': "345000+60x29 60x20"},
        {15: (), 16: (Firing("4-0 has left a question open for 4d 0h 6m 0s", {"supplier": "4-0"}),), 30: ()},
    ),
    Case(
        "WithoutOutcome",
        "two from minute 10 to 29",
        {"crossroads_without_outcome": "0x9 2x19 0x20"},
        {14: (), 15: (Firing("Exchanges that were decided and never answered: 2"),), 30: ()},
    ),
    Case(
        "WithoutOutcome",
        "a hub was killed; another has what it left within four minutes",
        {"crossroads_without_outcome": "0x9 9x3 0x20"},
        {12: (), 15: (), 20: ()},
    ),
    Case(
        "PartitionsEnd",
        "nine and a half days from minute 10, a new month at 30",
        {"crossroads_journal_partition_days": "10x9 9.5x19 101x20"},
        {14: (), 15: (Firing("The journal has a place for 9.5 more days"),), 30: ()},
    ),
    Case(
        "JournalStands",
        "its newest row is of minute 10, exchanges go on; a row at minute 30",
        {"crossroads_journal_age_seconds": "0x10 60+60x18 0x20"} | _exchanges("DATA_FOUND", "MSG00000", "0+9x60"),
        {
            13: (),
            14: (Firing("Exchanges are answered, and the newest row of the journal is 4m 0s old"),),
            30: (),
        },
    ),
    Case(
        "JournalStands",
        "a night without exchanges",
        {"crossroads_journal_age_seconds": "0+60x60"} | _exchanges("DATA_FOUND", "MSG00000", "9x60"),
        {14: (), 60: ()},
    ),
    Case(
        "JournalStands",
        "a night in which somebody tries what is paused, each minute under the same ticket: one row says so",
        {"crossroads_journal_age_seconds": "0+60x60"} | _exchanges("fault", "CRB00021", "0+1x60"),
        {14: (), 60: ()},
    ),
    # --- the ground --------------------------------------------------------------------------------------------------
    Case(
        "BrokerAlarm",
        "memory from minute 10 to 19",
        {
            'crossroads_broker_alarm{node="a", alarm="memory"}': "0x9 1x9 0x20",
            'crossroads_broker_alarm{node="a", alarm="disk"}': "0x60",
            'crossroads_broker_alarm{node="b", alarm="memory"}': "0x60",
        },
        {10: (), 11: (Firing("Broker node a: memory", {"node": "a", "alarm": "memory"}),), 20: ()},
    ),
    Case(
        "BrokerAlarm",
        "one node of three does not run from minute 10 to 19; of it nothing else is told meanwhile",
        {
            **{f'crossroads_broker_alarm{{node="{node}", alarm="down"}}': "0x60" for node in "ab"},
            'crossroads_broker_alarm{node="c", alarm="down"}': "0x9 1x9 0x20",
            'crossroads_broker_alarm{node="c", alarm="memory"}': "0x9 stale _x9 0x20",
        },
        {10: (), 11: (Firing("Broker node c: down", {"node": "c", "alarm": "down"}),), 20: ()},
    ),
    Case(
        "WatcherBlind",
        "its looks at the database fail from minute 10 to 19",
        {
            'crossroads_watched{job="watcher", instance="a", source="broker"}': "1x60",
            'crossroads_watched{job="watcher", instance="a", source="database"}': "1x9 0x9 1x20",
        },
        {10: (), 11: (Firing("The watcher does not see the database", {"source": "database"}),), 20: ()},
    ),
    Case(
        "WatcherBlind",
        "it is killed at minute 10 and started at 20",
        {'crossroads_watched{job="watcher", source="broker"}': "1x9 stale _x9 1x20"},
        {
            10: (),
            11: (Firing("The watcher does not see anything: it does not run", {"job": "watcher"}),),
            20: (),
        },
    ),
    Case(
        "WatcherBlind",
        "a look that began at minute 8 does not end before 19",
        {
            'crossroads_watched{job="watcher", source="broker"}': "1x60",
            'crossroads_watched_at_seconds{job="watcher", source="broker"}': "0+60x8 480x9 1140+60x20",
        },
        {10: (), 11: (Firing("The watcher does not see the broker", {"source": "broker"}),), 19: ()},
    ),
    Case(
        "WatcherBlind",
        "one of two watchers sees",
        {
            'crossroads_watched{job="watcher", instance="a", source="database"}': "0x60",
            'crossroads_watched{job="watcher", instance="b", source="database"}': "1x60",
            'crossroads_watched_at_seconds{job="watcher", instance="a", source="database"}': "0x60",
            'crossroads_watched_at_seconds{job="watcher", instance="b", source="database"}': "0+60x60",
        },
        {11: (), 20: ()},
    ),
    Case(
        "Paused",
        "a service, from minute 10 on; the hub is replaced at 40; resumed at 100",
        {'crossroads_paused{job="hub", instance="hub-1", kind="service", what="TIGroups/1"}': "_x10 1x29 _ 1x59 stale"},
        {
            69: (),
            70: (
                Firing(
                    "service TIGroups/1 has been paused for over an hour", {"kind": "service", "what": "TIGroups/1"}
                ),
            ),
            103: (),
        },
    ),
    Case(
        "Paused",
        "for half an hour, twice",
        {'crossroads_paused{instance="hub-1", kind="supplier", what="4-0"}': "_x10 1x30 stale _x10 1x30 stale"},
        {45: (), 75: (), 85: ()},
    ),
    Case(
        "MaintenanceLong",
        "from minute 10 to 300",
        {
            'crossroads_maintenance{instance="hub-1"}': "0x9 1x290 0x60",
            'crossroads_maintenance{instance="hub-2"}': "0x400",
        },
        {249: (), 250: (Firing("The network has been in maintenance for over 4 hours"),), 303: ()},
    ),
    Case(
        "FilesStand",
        "forms are judged until minute 40, and again from 102 on; more came at 60",
        _forms("0x9 1000-20x30 400x18 500x41 480-20x20", "0x200"),
        {
            74: (),
            75: (
                Firing("Forms of files that wait at 12-0 to be judged, and none goes on: 500", {"state": "received"}),
            ),
            101: (
                Firing("Forms of files that wait at 12-0 to be judged, and none goes on: 500", {"state": "received"}),
            ),
            102: (),
        },
    ),
    Case(
        "FilesStand",
        "all are judged, and none is told any more",
        _forms("0x200", "600-10x40 200x100"),
        {
            74: (),
            75: (Firing("Forms of files that wait at 12-0 to be told, and none goes on: 200", {"state": "judged"}),),
        },
    ),
    Case(
        "FilesStand",
        "no files; then forms that are judged and told as quickly as they come; many, a quarter of an hour ago",
        _forms("0x60 9 0 9 0 9 0x20 600x15", "0x60 0 9 0 9 0 9 0x20 600x15"),
        {50: (), 80: (), 100: ()},
    ),
    Case(
        "Alive",
        "always, from the first moment, whatever else is there or not",
        {"up": "_x60"},
        {0: (Firing("Prometheus evaluates the alerts"),), 60: (Firing("Prometheus evaluates the alerts"),)},
    ),
)  # fmt: skip
