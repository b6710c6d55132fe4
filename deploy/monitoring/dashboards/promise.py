"""Is the promise kept, and whose fault is it when not?"""

from deploy.monitoring.panels import (
    AMBER,
    GREEN,
    NONE_IS_GOOD,
    RED,
    Board,
    Built,
    Column,
    Query,
    Says,
    Steps,
    lines,
    number,
    or_nothing,
    rows,
)
from deploy.monitoring.recording import PROMISE

_SHARE: Steps = ((None, RED), (PROMISE, GREEN))
_LEFT: Steps = ((None, RED), (0, AMBER), (0.25, GREEN))
_BURN: Steps = ((None, GREEN), (1, AMBER), (6, RED))
_SECONDS: Steps = ((None, GREEN), (4, RED))
_QUANTILES = ("50", "95", "99")


def board() -> Board:
    return (
        Board(
            "promise",
            "the promise",
            "Share of on-line answers with all data under 4 s: by service, against 99.74 %; whose fault a miss was; "
            "where "
            "the time goes.",
        )
        .row("Now", *_now())
        .row("By service", *_services())
        .row("Whose fault", *_faults())
        .row("Where the time goes", *_seconds())
    )


def _now() -> tuple[Built, ...]:
    share = Says(
        "Of the exchanges that passed the controls, those answered with all data under 4 s. Empty: nobody asked.",
        "99.74 % or more over 30 days; a short window may dip.",
        "below 99.74 % over an hour and longer: look under *Whose fault*.",
        "`crossroads top`, `crossroads doctor`",
    )
    windows = (("5m", "5 min"), ("1h", "1 h"), ("1d", "1 day"), ("30d", "30 days"))
    return (
        number(
            "Share under 4 s",
            share,
            *(Query(f"network:crossroads_promise_kept:share{window}", name) for window, name in windows),
            unit="percentunit", steps=_SHARE, width=10, decimals=2, nothing="nobody asked",
        ),
        number(
            "Error budget left",
            Says(
                "Of the 0.26 % that may be missed in 30 days, the part that is not used up.",
                "above 25 %.",
                "below 0: the promise of these 30 days is broken. Put off what is risky.",
                "`crossroads top`",
            ),
            Query("network:crossroads_promise:budget_left30d"),
            unit="percentunit", steps=_LEFT, width=3, decimals=0, nothing="nobody asked",
        ),
        number(
            "Burn rate, 1 h",
            Says(
                "How fast the error budget goes: at 1 it lasts exactly 30 days.",
                "below 1.",
                "above 6 it is gone in 5 days, above 14.4 in 2.",
                "`crossroads doctor`",
            ),
            Query("network:crossroads_promise:burn1h"),
            unit="none", steps=_BURN, width=3, decimals=1, nothing="nobody asked",
        ),
        number(
            "Exchanges a second",
            Says(
                "Answers of all hubs, refusals among them.",
                "as usual at this hour.",
                "0 by day: nobody reaches the hubs, or they do not answer.",
                "`crossroads top`, `crossroads doctor`",
            ),
            Query("sum(service:crossroads_exchanges:rate5m)"),
            unit="reqps", width=3, decimals=1,
        ),
        number(
            "Paused",
            Says(
                "Services, suppliers and customers that an operator has paused, and the network's maintenance.",
                "0.",
                "anything that nobody remembers: it is refused politely until somebody resumes it.",
                "`crossroads resume …`, `crossroads maintenance off`",
            ),
            Query(or_nothing("count(max by (kind, what) (crossroads_paused))"), "paused"),
            Query("max(crossroads_maintenance)", "maintenance"),
            unit="none", steps=((None, GREEN), (1, AMBER)), width=5,
        ),
    )  # fmt: skip


def _services() -> tuple[Built, ...]:
    table = Says(
        "Each service that was asked: its share under 4 s, what is left of its error budget, how much it is asked.",
        "every share at 99.74 % or more.",
        "a service alone in red: its suppliers. All in red: the hub.",
        "`crossroads pause SERVICE`, if its supplier is known to be away",
    )
    kept = "service:crossroads_promise_kept:share"
    return (
        rows(
            "Services",
            table,
            Column("1 h", f"{kept}1h", "percentunit", _SHARE),
            Column("1 day", f"{kept}1d", "percentunit", _SHARE),
            Column("30 days", f"{kept}30d", "percentunit", _SHARE),
            Column("budget left", "service:crossroads_promise:budget_left30d", "percentunit", _LEFT),
            Column("a second", "sum by (service) (service:crossroads_promise:rate5m)", "reqps"),
            by=("service",), sort="30 days", descending=False, width=12,
        ),
        lines(
            "Share under 4 s by service",
            Says(
                "Over 5 minutes each.",
                "lines on the upper edge.",
                "a line below the dashed one for long.",
                "`crossroads top`",
            ),
            Query(f"{kept}5m", "{{service}}"),
            unit="percentunit", steps=_SHARE, height=9, most=1, least=None,
        ),
    )  # fmt: skip


def _faults() -> tuple[Built, ...]:
    return (
        number(
            "Misses in the last hour",
            Says(
                "Exchanges that missed the promise, by whose fault: the supplier's, if it was silent, late, invalid, "
                "told a "
                "fault or took most of the time; else the hub's.",
                "0.",
                "the hub's: look at *Steps of the hub* below and at the processes. A supplier's: at *Suppliers* below.",
                "`crossroads ticket TICKET` shows every step of one exchange",
            ),
            Query('sum(increase(crossroads_promise_total{kept="no", fault="hub"}[1h]))', "hub"),
            Query('sum(increase(crossroads_promise_total{kept="no", fault="supplier"}[1h]))', "suppliers"),
            unit="none", steps=NONE_IS_GOOD, width=6, height=8, decimals=0,
        ),
        lines(
            "Share missed by fault",
            Says(
                "Over 5 minutes: of all exchanges that passed the controls, those missed through the hub or a "
                "supplier.",
                "below 0.26 % together.",
                "the hub's share above 0 for long.",
                "`crossroads doctor`",
            ),
            Query("network:crossroads_promise_missed:share5m", "{{fault}}"),
            unit="percentunit", steps=((None, GREEN), (1 - PROMISE, RED)), width=9, stacked=True,
        ),
        lines(
            "Misses by service and fault",
            Says(
                "Misses a second. `paused` are answers of which only a paused part was missing: no misses.",
                "nothing but zeros.",
                "one service: its supplier. Many: the hub.",
                "`crossroads pause SERVICE or ADDRESS` spares askers the wait for a supplier that is away",
            ),
            Query(
                'sum by (service, fault) (rate(crossroads_promise_total{kept="no"}[$__rate_interval]))',
                "{{service}} {{fault}}",
            ),
            unit="reqps", width=9, stacked=True,
        ),
    )  # fmt: skip


def _seconds() -> tuple[Built, ...]:
    def of(metric: str) -> tuple[Query, ...]:
        return tuple(Query(f"network:crossroads_{metric}_seconds:p{q}_5m", f"p{q}") for q in _QUANTILES)

    both = "`crossroads ticket TICKET`"
    return (
        lines(
            "Whole exchange",
            Says(
                "Of forwarded exchanges, from the hub's receipt to its answer's confirm: half, 95 % and 99 % take "
                "less.",
                "p99 below 4 s.",
                "p99 above 4 s: more than one in a hundred misses the promise.",
                both,
            ),
            *of("exchange"),
            unit="s", steps=_SECONDS, width=8,
        ),
        lines(
            "The hub's own time",
            Says(
                "The same, less the wait for suppliers.",
                "some hundredths of a second.",
                "seconds: the hub waits for the database, the broker or a processor.",
                "`crossroads doctor`",
            ),
            *of("hub"),
            unit="s", steps=_SECONDS, width=8,
        ),
        lines(
            "Suppliers' time",
            Says(
                "From a question to its reply, on line; one that never came counts with the time it was waited for.",
                "well below 4 s.",
                "near 4 s: suppliers are late. Which ones: below.",
                "`crossroads top` lists the slowest suppliers",
            ),
            *of("supplier"),
            unit="s", steps=_SECONDS, width=8,
        ),
        lines(
            "The hub's own time by service, p95",
            Says(
                "95 % of a service's exchanges cost the hub less.",
                "services alike.",
                "one that stands out: many parts, or large answers.",
                "`crossroads ticket TICKET`",
            ),
            Query("service:crossroads_hub_seconds:p95_5m", "{{service}}"),
            unit="s", width=8,
        ),
        lines(
            "Suppliers, p95",
            Says(
                "95 % of a supplier's replies come sooner.",
                "below 4 s each.",
                "one above 4 s: tell it; until it is well again, pause it.",
                "`crossroads pause ADDRESS`",
            ),
            Query("supplier:crossroads_supplier_seconds:p95_5m", "{{supplier}}"),
            unit="s", steps=_SECONDS, width=8,
        ),
        lines(
            "Steps of the hub, mean",
            Says(
                "What a step of an exchange takes: `repertory` and `journal_…` are the database, `suppliers` the "
                "wait for "
                "replies, `answer` the broker's confirm.",
                "milliseconds, but for `suppliers`.",
                "`journal_…` grows: the database's disk. `answer` grows: the broker.",
                "`crossroads doctor`",
            ),
            Query(
                "sum by (step) (rate(crossroads_step_seconds_sum[$__rate_interval])) "
                "/ sum by (step) (rate(crossroads_step_seconds_count[$__rate_interval]))",
                "{{step}}",
            ),
            unit="s", width=8,
        ),
    )  # fmt: skip
