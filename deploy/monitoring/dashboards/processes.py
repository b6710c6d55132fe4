"""Do the processes, the broker and the watcher run?"""

from deploy.monitoring.panels import (
    AMBER,
    BLUE,
    GREEN,
    NONE_IS_GOOD,
    RED,
    Board,
    Built,
    Column,
    Query,
    Says,
    lines,
    number,
    or_none,
    or_nothing,
    rows,
    states,
)

_UP = {"0": ("away", RED), "1": ("up", GREEN)}


def board() -> Board:
    return (
        Board(
            "processes",
            "processes",
            "Hubs, institutions, the watcher and the broker: who runs, who is well, who is draining or paused.",
        )
        .row("Now", *_now())
        .row("Over time", *_over_time())
        .row("Parts", *_parts())
    )


def _now() -> tuple[Built, ...]:
    return (
        number(
            "Alerts",
            Says(
                "Alerts that fire now; those that wake somebody, and those that can wait until morning.",
                "0.",
                "any. Each has a page in docs/runbooks with its name.",
                "`crossroads doctor`",
            ),
            Query(or_nothing('count(ALERTS{alertstate="firing", severity="page"})'), "page"),
            Query(or_nothing('count(ALERTS{alertstate="firing", severity="ticket"})'), "ticket"),
            unit="none", steps=NONE_IS_GOOD, width=5,
        ),
        number(
            "Hubs",
            Says(
                "Hub processes that beat in the database: those that are ready to take requests, and those that are "
                "not.",
                "as many ready ones as you started, none other.",
                "0 ready: nobody is served.",
                "`crossroads hub`, `crossroads doctor`",
            ),
            Query(or_nothing('max(crossroads_hub_processes{ready="yes"})'), "ready"),
            Query(or_nothing('max(crossroads_hub_processes{ready="no"})'), "not ready"),
            unit="none", width=5,
        ),
        number(
            "Processes that do not answer",
            Says(
                "Of all that Prometheus knows, those that did not give their figures.",
                "0.",
                "any: it was stopped, or hangs.",
                "`crossroads doctor`",
            ),
            Query(or_nothing("count(up == 0)")),
            unit="none", steps=NONE_IS_GOOD,
        ),
        number(
            "Broker alarms",
            Says(
                "Nodes of the broker with an alarm for memory or disk: it then takes nothing from anybody.",
                "0.",
                "any: free memory or disk on that node.",
                "`crossroads doctor`",
            ),
            Query("sum(max by (node, alarm) (crossroads_broker_alarm))"),
            unit="none", steps=NONE_IS_GOOD, width=3,
        ),
        number(
            "Watcher",
            Says(
                "Age of the watcher's last look at the broker and the database. Without it, queues, journal, "
                "distribution and "
                "lots are not known; the network runs on.",
                "seconds.",
                "minutes: the figures on other pages are of then.",
                "`crossroads doctor`, `crossroads watcher`",
            ),
            Query("time() - max by (source) (crossroads_watched_at_seconds)", "{{source}}"),
            unit="s", steps=((None, GREEN), (60, AMBER), (300, RED)), width=5, decimals=0,
        ),
        number(
            "Maintenance",
            Says(
                "Whether the network is in maintenance: requests on line are told so, all else waits in its queue.",
                "off.",
                "on, and nobody works on it.",
                "`crossroads maintenance off`",
            ),
            Query("max(crossroads_maintenance)"),
            unit="none", steps=((None, GREEN), (1, AMBER)), width=2,
            mappings={"0": ("off", GREEN), "1": ("on", AMBER)},
        ),
    )  # fmt: skip


def _over_time() -> tuple[Built, ...]:
    return (
        states(
            "Processes",
            Says(
                "Each process that Prometheus knows.",
                "green.",
                "red: it did not give its figures.",
                "`crossroads doctor`",
            ),
            Query("max by (job, instance) (up)", "{{instance}}"),
            mappings=_UP, width=12, height=8,
        ),
        states(
            "Pauses, drains, maintenance",
            Says(
                "What operators did. `nothing paused` stands there when nothing is.",
                "what you know of.",
                "what nobody remembers.",
                "`crossroads resume …`, `crossroads maintenance off`",
            ),
            Query("max(crossroads_maintenance)", "maintenance"),
            Query("max by (instance) (crossroads_draining)", "{{instance}} drains"),
            Query(or_none("max by (kind, what) (crossroads_paused)", what="nothing"), "{{kind}} {{what}} paused"),
            mappings={"0": ("no", GREEN), "1": ("yes", AMBER)}, width=12, height=8,
        ),
        lines(
            "In hand by process",
            Says(
                "Requests that each hub has taken and not answered, and questions that institutions have in hand.",
                "hubs alike.",
                "one hub with all: the others read nothing.",
                "`crossroads drain HUB`, then start it anew",
            ),
            Query("sum by (instance) (crossroads_in_flight)", "{{instance}}"),
            unit="none", width=8,
        ),
        lines(
            "Ingress queues that a hub reads",
            Says(
                "Each hub reads every institution's ingress queues.",
                "all hubs the same number.",
                "one with fewer: it has not found them yet, or is draining.",
                "`crossroads doctor`",
            ),
            Query("max by (instance) (crossroads_ingress_queues)", "{{instance}}"),
            unit="none", width=8,
        ),
        lines(
            "Time of a look",
            Says(
                "How long each process took to give its figures: a measure of how busy it is.",
                "hundredths of a second.",
                "seconds: its event loop is blocked, or the machine has no processor left.",
                "`crossroads top`",
            ),
            Query("max by (instance) (scrape_duration_seconds)", "{{instance}}"),
            unit="s", width=8,
        ),
    )  # fmt: skip


def _parts() -> tuple[Built, ...]:
    return (
        rows(
            "Parts that processes need",
            Says(
                "What each process is connected to: broker, database, rules, an institution's own parts.",
                "1 everywhere.",
                "0: that process takes nothing until it is back.",
                "`crossroads doctor`",
            ),
            Column("answers", "min by (job, instance, part) (crossroads_up)", "none", ((None, RED), (1, GREEN))),
            by=("job", "instance", "part"), sort="answers", descending=False, width=12,
        ),
        rows(
            "Paused now",
            Says(
                "What an operator has paused: a service, questions to a supplier, requests of a customer. A row "
                "`nothing` says that there is none.",
                "nothing.",
                "a pause that nobody remembers.",
                "`crossroads resume …`",
            ),
            Column(
                "in force",
                or_none("max by (kind, what) (crossroads_paused)", what="nothing"),
                "none",
                ((None, BLUE), (1, AMBER)),
            ),
            by=("kind", "what"), sort="what", descending=False, width=6,
        ),
        rows(
            "Broker",
            Says(
                "Alarms of each node of the broker.",
                "0.",
                "1: that node has no memory or disk left, and nothing is taken from anybody.",
                "`crossroads doctor`",
            ),
            Column("alarm now", "max by (node, alarm) (crossroads_broker_alarm)", "none", NONE_IS_GOOD),
            by=("node", "alarm"), sort="alarm now", width=6,
        ),
    )  # fmt: skip
