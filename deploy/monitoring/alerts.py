"""Alerts: what an operator is woken for (`page`), and what he finds in the morning (`ticket`).

A page says that institutions are not served now, or that nobody would see it if they were not; a ticket says why, or
what will become of it. So the promise pages and a silent supplier does not: where that hurts, the promise says so too.

Each has a page in `docs/runbooks/`, named as the alert is. What is not there when all is well is looked for by
`absent`, `vector(0)` or `unless` alone; counters that alerts look at are there from the start with 0
(`hub/metrics.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deploy.monitoring.pace import REAL, Pace, seconds
from deploy.monitoring.recording import BUDGET
from deploy.monitoring.rules import Group

Severity = Literal["page", "ticket", "none"]

#: How many hubs there have to be: one may go at any time.
HUBS = 2

#: Of a hub process, of the watcher: how the scrape configuration calls them.
_HUB, _WATCHER = 'job="hub"', 'job="watcher"'
#: The vhost of the primary network; others are read by the relay that manages them.
_PRIMARY = 'vhost="crossroads"'
_DEAD = 'kind="dead"'
#: What tells queues apart.
_QUEUE = "vhost, queue, kind, address"
#: Codes of what is paused, or under maintenance.
_HELD_BACK = "CRB0002[12]"
#: Codes that are told on purpose, say that the answer comes later, or miss the promise, which has its own alert.
_NO_REFUSAL = f"MSG00003|CRB0001[012367]|{_HELD_BACK}"
#: The shortest age that an alert at a test's pace looks for, seconds: the watcher looks every 2 s.
_SURE = 5.0


@dataclass(frozen=True)
class Alert:
    """One alert.

    expression: PromQL at a pace; what it gives is one alert each, with its labels.
    hold: how long it must be so (`for`): "0s" where the expression looks back far enough itself.
    severity: page: wakes somebody. ticket: for the working day. none: for a machine.
    summary: what and where, in a line. description: what it means now, and the first thing to do. Both are templates of
        Prometheus: `{{ $labels.supplier }}`, `{{ $value }}`.
    """

    name: str
    expression: Callable[[Pace], str]
    hold: str
    severity: Severity
    summary: str
    description: str

    @property
    def runbook(self) -> str:
        """Its page, from the repository's root."""
        return f"docs/runbooks/{self.name}.md"

    def rule(self, pace: Pace = REAL) -> dict[str, Any]:
        """As a rule file has it."""
        return {
            "alert": self.name,
            "expr": self.expression(pace),
            "for": pace.hold(self.hold),
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description, "runbook": self.runbook},
        }


def groups(pace: Pace = REAL, paces: Mapping[str, Pace] | None = None) -> Sequence[Group]:
    """The rules, all at a pace but those that `paces` names."""
    own = paces or {}
    return (
        Group("crossroads_alerts", [alert.rule(own.get(alert.name, pace)) for alert in ALERTS], pace.interval("30s")),
    )


def _age(length: str, pace: Pace) -> str:
    """A length as the figure of an age has it, seconds."""
    return f"{max(seconds(length) * pace.ratio, _SURE if pace is not REAL else 0):g}"


def _seen(figure: str, by: str, where: str = "") -> str:
    """A figure of the watcher, of whichever of several watchers it is the highest."""
    labels = f"{{{where}}}" if where else ""
    return f"max by ({by}) ({figure}{labels})" if by else f"max({figure}{labels})"


def _no_maintenance(pace: Pace) -> str:
    """Appended to what is meant to happen while the network is in maintenance, and for the window behind it."""
    return f"unless on () max(max_over_time(crossroads_maintenance[{pace.window('5m')}])) == 1"


def _promise_burns(long: str, short: str, times: float) -> Callable[[Pace], str]:
    """Misses by one fault burn the error budget so many times too quickly, over the long window and still in the short
    one; never for under 10 misses, which at night are a large share of little."""

    def expression(pace: Pace) -> str:
        most = f"{times * BUDGET:g}"
        misses = f'sum by (fault) (increase(crossroads_promise_total{{kept="no"}}[{pace.window(long)}]))'
        return (
            f"network:crossroads_promise_missed:share{long} > {most}\n"
            f"and network:crossroads_promise_missed:share{short} > {most}\n"
            f"and on (fault) {misses} >= 10\n"
            f"{_no_maintenance(pace)}"
        )

    return expression


def _unanswered(pace: Pace) -> str:
    """Share of a supplier's questions without an answer in time."""
    over = pace.window("5m")
    return (
        f'sum by (supplier) (increase(crossroads_supplier_answers_total{{result!="answered"}}[{over}]))'
        f" / sum by (supplier) (increase(crossroads_supplier_answers_total[{over}]))"
    )


def _supplier_silent(pace: Pace) -> str:
    asked = f"sum by (supplier) (increase(crossroads_supplier_answers_total[{pace.window('5m')}]))"
    return f"{_unanswered(pace)} > 0.5\nand {asked} >= 5"


def _supplier_slow(pace: Pace) -> str:
    over, name = pace.window("5m"), "crossroads_supplier_seconds"
    quick = f'sum by (supplier) (rate({name}_bucket{{le="2.0"}}[{over}]))'
    return (
        f"1 - {quick} / sum by (supplier) (rate({name}_count[{over}])) > 0.1\n"
        f"and sum by (supplier) (increase({name}_count[{over}])) >= 20\n"
        f"unless {_unanswered(pace)} > 0.5"
    )


def _hub_down(_: Pace) -> str:
    ready = f'min by (instance, job) (crossroads_up{{{_HUB}, part=~"broker|intake"}})'
    store = f'crossroads_up{{{_HUB}, part=~"journal|repertory|rules"}} == 0'
    return f"up{{{_HUB}}} == 0\nor {ready} == 0 unless on (instance) {store}"


def _hubs_few(_: Pace) -> str:
    return f"(count(min by (instance) (crossroads_up{{{_HUB}}}) == 1) or vector(0)) < {HUBS}"


def _barrier_closed(_: Pace) -> str:
    return f'count by (part) (crossroads_up{{{_HUB}, part=~"journal|repertory|rules"}} == 0)'


def _requests_wait(pace: Pace) -> str:
    where = f'{_PRIMARY}, kind="ingress", queue=~".+[.]online"'
    return f"{_seen('crossroads_queue_age_seconds', _QUEUE, where)} > {_age('10s', pace)}"


def _queue_stands(pace: Pace) -> str:
    def age(where: str) -> str:
        return _seen("crossroads_queue_age_seconds", _QUEUE, where)

    slow = age('kind=~"ingress|definitive", queue!~".+[.](online|batch)"')
    unread = age('kind=~"ingress|supplier|definitive"')
    return (
        f"({slow} > {_age('15m', pace)}\n"
        f"or {unread} > {_age('1m', pace)}\n"
        f"and on (vhost, queue) {_seen('crossroads_queue_consumers', 'vhost, queue')} == 0)\n"
        f"{_no_maintenance(pace)}"
    )


def _refusals_jump(pace: Pace) -> str:
    rate, day, five = "service:crossroads_exchanges:rate5m", pace.window("1d"), pace.window("5m")
    which = f'{{verdict=~"NO_RESULT|fault", code!~"{_NO_REFUSAL}"}}'
    now = f"(sum by (code) ({rate}{which}) / on () group_left () sum({rate}))"
    then = (
        f"sum by (code) (sum_over_time({rate}{which}[{day}] offset {five}))"
        f" / on () group_left () sum(sum_over_time({rate}[{day}] offset {five}))"
    )
    return (
        f"{now} > 0.01\n"
        f"and {now} > 4 * ({then} or 0 * {now})\n"
        f"and sum by (code) ({rate}{which}) * {_length('5m', pace)} >= 20\n"
        f"and on () sum({rate} offset {pace.window('1h')}) > 0"
    )


def _length(length: str, pace: Pace) -> str:
    """A window in seconds, to make a number of a rate."""
    return f"{seconds_of(pace.window(length)):g}"


def seconds_of(window: str) -> float:
    """Of a window as `Pace` writes it."""
    return float(window[:-2]) / 1000 if window.endswith("ms") else seconds(window)


def _met_bug(pace: Pace) -> str:
    return f"increase(crossroads_failures_total[{pace.window('15m')}]) > 0"


def _lot_stands(pace: Pace) -> str:
    """No open lot of this customer moved for an hour, and none was opened."""
    stood = pace.window("1h")

    def consultations(figure: str, when: str = "") -> str:
        return f"max by (customer) (sum by (customer, instance) (crossroads_lot_{figure}{when}))"

    def same(figure: str) -> str:
        return f"{consultations(figure)} == {consultations(figure, f' offset {stood}')}"

    return (
        f"{consultations('declared')} - {consultations('decided')} > 0\n"
        f"and {same('declared')}\n"
        f"and {same('decided')}\n"
        f"unless on () max(max_over_time(crossroads_maintenance[{stood}])) == 1"
    )


def _journal_stands(pace: Pace) -> str:
    # Who is told again and again that something is paused has one row for it (docs/journal.md, `busy`).
    exchanges = f'sum(increase(crossroads_exchanges_total{{code!~"{_HELD_BACK}"}}[{pace.window("2m")}]))'
    return f"min(crossroads_journal_age_seconds) > {_age('2m', pace)}\nand on () {exchanges} >= 1"


def _paused(pace: Pace) -> str:
    return f"max by (kind, what) (max_over_time(crossroads_paused[{pace.window('2m')}])) == 1"


def _files_stand(pace: Pace) -> str:
    """Forms wait to be judged, or to be told, as they did half an hour ago, and never were there fewer since."""
    forms, stood = "crossroads_file_forms", pace.window("30m")
    waiting = f'{forms}{{state=~"received|judged"}}'
    return (
        f"max by (state) ({waiting}) > 0\n"
        f"and max by (state) ({waiting} offset {stood}) > 0\n"
        f"and max by (state) (resets({waiting}[{stood}])) == 0"
    )


def _blind(pace: Pace) -> str:
    """None of the watchers sees a source, or its looks no longer end, or there is none."""
    watched, at = f"crossroads_watched{{{_WATCHER}}}", f"crossroads_watched_at_seconds{{{_WATCHER}}}"
    return (
        f"max by (source) ({watched}) == 0\n"
        f"or time() - max by (source) ({at}) > {_age('1m', pace)}\n"
        f"or absent({watched})"
    )


_WORST_SUPPLIERS = (
    "Suppliers that left most unanswered in the last 5 minutes:{{ range query "
    '"topk(3, sum by (supplier) (increase(crossroads_supplier_answers_total{result!=\\"answered\\"}[5m])) > 0)" }}'
    ' {{ .Labels.supplier }} ({{ .Value | printf "%.0f" }}){{ else }} none; they are slow, or answer wrongly{{ end }}.'
)


def _worst_services(window: str) -> str:
    query = f'increase(crossroads_promise_total{{kept=\\"no\\", fault=\\"%s\\"}}[{window}])'
    return (
        "Services that miss it most:{{ range query "
        f'(printf "topk(3, sum by (service) ({query}) > 0)" $labels.fault) }}}}'
        ' {{ .Labels.service }} ({{ .Value | printf "%.0f" }}){{ end }}.'
    )


_WHOSE = '{{ if eq $labels.fault "hub" }}the hub itself{{ else }}suppliers{{ end }}'

ALERTS = (
    Alert(
        "PromiseBroken",
        _promise_burns("1h", "5m", 14.4),
        "2m",
        "page",
        f"{{{{ $value | humanizePercentage }}}} of answers miss the promise, by {_WHOSE}",
        "Of the last hour's on-line exchanges this share was not answered with all data under 4 s, and it goes on: at "
        f"this pace two days use up the month's error budget of 0.26 %. The fault is of {_WHOSE}. "
        f"{_worst_services('5m')} "
        f'{{{{ if eq $labels.fault "supplier" }}}}{_WORST_SUPPLIERS} Call them; pause who does not answer.'
        "{{ else }}Look with `crossroads top` and `crossroads doctor`: database, broker, or too few hubs.{{ end }}",
    ),
    Alert(
        "PromiseWears",
        _promise_burns("1d", "30m", 3),
        "15m",
        "ticket",
        f"{{{{ $value | humanizePercentage }}}} of a day's answers missed the promise, by {_WHOSE}",
        "Since yesterday the month's error budget of 0.26 % is used three times too quickly, and still is: in ten days "
        f"nothing is left of it. The fault is of {_WHOSE}. {_worst_services('30m')}",
    ),
    Alert(
        "SupplierSilent",
        _supplier_silent,
        "2m",
        "ticket",
        "Supplier {{ $labels.supplier }} leaves {{ $value | humanizePercentage }} of its questions without an answer",
        "Over the last 5 minutes more than half of what the hub asked {{ $labels.supplier }} on line had no answer "
        "in time: who asks gets CRB00010, or INCOMPLETE_DATA, after waiting. See whether its process reads its "
        "queues; tell its operators; pause it, so that nobody waits in vain.",
    ),
    Alert(
        "SupplierSlow",
        _supplier_slow,
        "5m",
        "ticket",
        "Supplier {{ $labels.supplier }} takes over 2 s for {{ $value | humanizePercentage }} of its answers",
        "Over the last 5 minutes more than a tenth of the answers of {{ $labels.supplier }} took over 2 s. What takes "
        "longer than its service's deadline (3.5 s, where that says nothing else) comes too late and misses the "
        "promise: `crossroads top` shows how much that is. Tell its operators.",
    ),
    Alert(
        "HubDown",
        _hub_down,
        "2m",
        "ticket",
        "Hub {{ $labels.instance }} takes no requests",
        "For 2 minutes the hub at {{ $labels.instance }} does not answer Prometheus, or says that it is not "
        "connected to the broker or takes nothing in. The other hubs have its work. Start it again and read why it "
        "ended.",
    ),
    Alert(
        "HubsFew",
        _hubs_few,
        "2m",
        "page",
        "Hubs that take requests: {{ $value }}, fewer than two",
        "{{ if eq $value 0.0 }}No hub takes requests: nobody is answered; what is sent waits in its queue or is "
        "refused by the broker. {{ else }}One hub is left: nobody suffers yet, and nothing is left should it end. {{ "
        "end }}Start hubs; if they do not become ready, their health says which part is missing.",
    ),
    Alert(
        "BarrierClosed",
        _barrier_closed,
        "1m",
        "page",
        "Hubs that cannot reach their {{ $labels.part }}, and so answer nobody: {{ $value }}",
        "For a minute a store of the barrier, {{ $labels.part }}, does not answer these hubs. What they "
        "cannot check or journal they do not answer: requests wait in their queues, nothing is lost. It is the hub's "
        "database: bring it back; the hubs go on by themselves.",
    ),
    Alert(
        "RequestsWait",
        _requests_wait,
        "1m",
        "page",
        "On-line requests of {{ $labels.address }} wait {{ $value | humanizeDuration }} for a hub",
        "The oldest request in {{ $labels.queue }} has waited so long before any hub began with it; the promise's "
        "clock has not begun for it, so no other figure shows it. A sender above its rate cannot cause this: its "
        "queue holds 2 seconds' worth. The hubs are too few, too busy, or do not read this queue.",
    ),
    Alert(
        "QueueStands",
        _queue_stands,
        "2m",
        "ticket",
        "{{ $labels.queue }} ({{ $labels.kind }}) is not worked off: its oldest message waits {{ $value | "
        "humanizeDuration }}",
        "In vhost {{ $labels.vhost }} messages wait in {{ $labels.queue }}, and nobody reads it or who reads it does "
        "not keep up. It is {{ $labels.address }} that should have been reading, or the hub for its own. Nothing is "
        "lost while it has room.",
    ),
    Alert(
        "DeadMessages",
        lambda _: f"{_seen('crossroads_queue_messages', 'vhost', _DEAD)} > 0",
        "1m",
        "ticket",
        "Messages in hub.dead of vhost {{ $labels.vhost }}: {{ $value }}",
        "They could not be answered: what was delivered 20 times, or an answer whose asker's queue is full. They are "
        "kept for 7 days. Look at each, remove the cause, then replay it or drop it.",
    ),
    Alert(
        "RefusalsJump",
        _refusals_jump,
        "5m",
        "ticket",
        "{{ $value | humanizePercentage }} of answers are refusals {{ $labels.code }}: four times as many as a day "
        "long",
        "For 5 minutes {{ $labels.code }} is told over four times as often, of all answers, as in the day before, "
        "and for over 1 % of them. Mostly one customer's new program, a right that ended, or rules that were loaded "
        "wrong. Find who is refused.",
    ),
    Alert(
        "MessageMetBug",
        _met_bug,
        "0s",
        "ticket",
        "Messages that met a bug of hub {{ $labels.instance }}: {{ $value | printf \"%.0f\" }}",
        "In the last 15 minutes messages failed in the hub by an error that it does not foresee: their senders were "
        "told MSG00003. It goes on with others. The log has the ticket and the trace.",
    ),
    Alert(
        "RecipientBehind",
        lambda pace: f"{_seen('crossroads_distribution_lag_seconds', 'recipient')} > {_age('1h', pace)}",
        "5m",
        "ticket",
        "{{ $labels.recipient }} has not taken what it is told for {{ $value | humanizeDuration }}",
        "The oldest word for {{ $labels.recipient }} that it did not take is so old. Others are told meanwhile; it "
        "will catch up by itself when it reads again. After 30 days the queue drops, after 100 days the hub forgets.",
    ),
    Alert(
        "LotStands",
        _lot_stands,
        "5m",
        "ticket",
        "The open lots of {{ $labels.customer }} have not moved for an hour: consultations to be decided: {{ $value }}",
        "For an hour none of them was decided. Either the customer stopped sending, and forgot the lot, or the hubs "
        "do not read hub.in.{{ $labels.customer }}.batch.",
    ),
    Alert(
        "AnswersOverdue",
        lambda pace: f"{_seen('crossroads_open_question_age_seconds', 'supplier')} > {_age('4d', pace)}",
        "5m",
        "ticket",
        "{{ $labels.supplier }} has left a question open for {{ $value | humanizeDuration }}",
        "{{ $labels.supplier }} answers in its own time, and has had this question for over 4 days. After 5 (the "
        "service's definitive_days) the hub tells CRB00010 in its stead, and what it answers then is dropped.",
    ),
    Alert(
        "WithoutOutcome",
        lambda _: "max(crossroads_without_outcome) > 0",
        "5m",
        "ticket",
        "Exchanges that were decided and never answered: {{ $value }}",
        "For 5 minutes the journal has decisions without an outcome, over a minute old, of which nobody holds the "
        "answer. Their askers wait or have asked again. A hub that was killed leaves such for as long as nobody "
        "redelivers.",
    ),
    Alert(
        "PartitionsEnd",
        lambda _: "min(crossroads_journal_partition_days) < 10",
        "5m",
        "ticket",
        "The journal has a place for {{ $value | printf \"%.1f\" }} more days",
        "Hubs make the journal's months three ahead; for a while they have not. On the day the last one ends nothing "
        "can be journalled any more, and nobody is answered.",
    ),
    Alert(
        "JournalStands",
        _journal_stands,
        "1m",
        "page",
        "Exchanges are answered, and the newest row of the journal is {{ $value | humanizeDuration }} old",
        "Nothing may be answered that is not journalled. Either the watcher looks at another database than the hubs "
        "write to (a replica that stands, a restored copy), or hubs answer without a journal: then stop them.",
    ),
    Alert(
        "BrokerAlarm",
        lambda _: f"{_seen('crossroads_broker_alarm', 'node, alarm')} == 1",
        "1m",
        "page",
        "Broker node {{ $labels.node }}: {{ $labels.alarm }}",
        "{{ if eq $labels.alarm \"down\" }}The node does not run. With one of three gone all goes on, with two "
        "nothing does.{{ else }}The node has no {{ $labels.alarm }} left and takes no message from anybody until it "
        "has: nobody can ask or answer.{{ end }}",
    ),
    Alert(
        "WatcherBlind",
        _blind,
        "1m",
        "page",
        "The watcher does not see {{ if $labels.source }}the {{ $labels.source }}{{ else }}anything: it does not "
        "run{{ end }}",
        "For a minute nobody has seen queues, journal, distribution and lots. The network runs on; half of the alerts "
        "cannot fire. Start the watcher, or bring back what it looks at.",
    ),
    Alert(
        "Paused",
        _paused,
        "1h",
        "ticket",
        "{{ $labels.kind }} {{ $labels.what }} has been paused for over an hour",
        '{{ if eq $labels.kind "customer" }}All that it asks{{ else }}Whoever asks for it{{ end }} is told CRB00021. '
        "Who paused it and why is in the journal. Resume it (`crossroads resume {{ $labels.what }}`), or say until "
        "when.",
    ),
    Alert(
        "MaintenanceLong",
        lambda pace: f"max(max_over_time(crossroads_maintenance[{pace.window('2m')}])) == 1",
        "4h",
        "page",
        "The network has been in maintenance for over 4 hours",
        "Every request on line is told CRB00022; lots and mutations wait; alerts about the promise are silent. If "
        "the work is done, somebody forgot to end it.",
    ),
    Alert(
        "FilesStand",
        _files_stand,
        "5m",
        "ticket",
        "Forms of files that wait at 12-0 to be "
        '{{ if eq $labels.state "received" }}judged{{ else }}told{{ end }}, '
        "and none goes on: {{ $value }}",
        "So it has been for half an hour. Their senders wait for notifications; nothing is lost. A file that stopped "
        "is "
        "listed with its reason; what cannot be told waits for a queue, or for the hub.",
    ),
    Alert(
        "Alive",
        lambda _: "vector(1)",
        "0s",
        "none",
        "Prometheus evaluates the alerts",
        "This one always fires. Whoever forwards alerts pages when it does not come: then nobody would be told "
        "anything.",
    ),
)  # fmt: skip
#: By name.
BY_NAME: Mapping[str, Alert] = {alert.name: alert for alert in ALERTS}
