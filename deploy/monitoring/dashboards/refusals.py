"""Who is refused what, and why?"""

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
    bars,
    counted,
    lines,
    number,
    or_nothing,
    rows,
)

#: Answers that are neither data nor their absence.
_REFUSED = 'verdict=~"NO_RESULT|fault"'
_COUNTER = f"crossroads_exchanges_total{{{_REFUSED}}}"


def board() -> Board:
    return (
        Board(
            "refusals",
            "refusals",
            "What institutions are refused, by service and code. What a code means and what its reader should do: "
            "docs/codes.md.",
        )
        .row("Now", *_now())
        .row("By code", *_codes())
        .row("What hubs dropped", *_dropped())
    )


def _now() -> tuple[Built, ...]:
    everything = "sum(service:crossroads_exchanges:rate5m)"
    return (
        number(
            "Share refused",
            Says(
                "Of all answers of the last 5 minutes, those that are refusals or faults.",
                "as usual: some askers always ask what they may not.",
                "twice as many as usual. One code alone: below, by code.",
                "`crossroads repertory explain` says which check decided and who may add the row that is missing",
            ),
            Query(f"sum(service:crossroads_exchanges:rate5m{{{_REFUSED}}}) / ({everything} > 0)"),
            unit="percentunit", decimals=1, nothing="nobody asked",
        ),
        number(
            "Faults of the hub",
            Says(
                "MSG00003: the hub failed while it handled a request, in the last hour.",
                "0.",
                "any: a bug. Its log line has the ticket.",
                "`crossroads ticket TICKET`",
            ),
            Query('sum(increase(crossroads_exchanges_total{code="MSG00003"}[1h]))'),
            unit="none", steps=NONE_IS_GOOD, decimals=0,
        ),
        number(
            "Faults of suppliers",
            Says(
                "CRB00010 … CRB00012: a supplier was silent, wrong or told a fault, in the last hour.",
                "0.",
                "many of one supplier: see *Suppliers* on the promise's page.",
                "`crossroads pause ADDRESS`",
            ),
            Query('sum(increase(crossroads_exchanges_total{code=~"CRB0001[012]"}[1h]))'),
            unit="none", steps=((None, GREEN), (1, AMBER)), decimals=0,
        ),
        number(
            "Too busy",
            Says(
                "CRB00014: an institution asked more than its rate, or the hub could not take it, in the last hour.",
                "0, or one institution that sends a lot on line.",
                "many institutions: too few hubs.",
                "`crossroads top`; another hub: `crossroads hub`",
            ),
            Query('sum(increase(crossroads_exchanges_total{code="CRB00014"}[1h]))'),
            unit="none", steps=((None, GREEN), (1, AMBER)), decimals=0,
        ),
        number(
            "Paused, or maintenance",
            Says(
                "CRB00021 and CRB00022: what was asked of something that is paused, in the last hour.",
                "0, but while an operator has paused something.",
                "a pause that nobody remembers.",
                "`crossroads resume …`, `crossroads maintenance off`",
            ),
            Query(or_nothing('sum(increase(crossroads_exchanges_total{code=~"CRB0002[12]"}[1h]))')),
            unit="none", steps=((None, GREEN), (1, AMBER)), decimals=0,
        ),
        number(
            "Bugs that a hub met",
            Says(
                "Messages at which a hub's own code failed, since it started.",
                "0.",
                "any: the hub's log says where, without a person's number.",
                "`crossroads dead list`",
            ),
            Query("sum(crossroads_failures_total)"),
            unit="none", steps=NONE_IS_GOOD, decimals=0,
        ),
    )  # fmt: skip


def _codes() -> tuple[Built, ...]:
    return (
        lines(
            "Refusals by code",
            Says(
                "A second, refusals and faults.",
                "steady.",
                "a code that rises at once: rules were loaded, or an institution changed its software.",
                "`crossroads repertory explain`",
            ),
            Query(
                f"sum by (code) (rate(crossroads_exchanges_total{{{_REFUSED}}}[$__rate_interval]))",
                "{{code}}",
            ),
            unit="reqps", stacked=True,
        ),
        bars(
            "Most refused services",
            Says(
                "Share of a service's answers that are refusals, of those that were asked in the last 5 minutes.",
                "as usual.",
                "near 100 %: a rule is missing for everybody, or the service is paused.",
                "`crossroads repertory preview` says who would be asked under which row",
            ),
            Query(
                f"topk(10, sum by (service) (service:crossroads_exchanges:rate5m{{{_REFUSED}}}) "
                "/ (sum by (service) (service:crossroads_exchanges:rate5m) > 0))",
                "{{service}}",
            ),
            unit="percentunit", steps=((None, GREEN), (0.5, AMBER), (0.9, RED)), most=1,
        ),
        rows(
            "Services and codes",
            Says(
                "Every refusal of the time that is shown. A code's meaning and remedy: docs/codes.md.",
                "MSG00012 and MSG00013 in small numbers: askers learn what they may not.",
                "a service that is new in the list.",
                "`crossroads repertory explain`; `crossroads ticket TICKET`",
            ),
            Column(
                "answers",
                f"sum by (service, verdict, code) ({counted(_COUNTER, '$__range')}) > 0",
                "short",
            ),
            by=("service", "verdict", "code"), sort="answers", height=12,
        ),
    )  # fmt: skip


def _dropped() -> tuple[Built, ...]:
    return (
        lines(
            "Replies that count for no question",
            Says(
                "`late`: after the time was over. `wrong_sender`, `wrong_ticket`, `unknown`: not what was asked, or "
                "not from "
                "whom.",
                "late ones, where a supplier is slow.",
                "wrong_sender at all: an institution answers in another's name; the hub does not take it.",
                "`crossroads top` lists the slowest suppliers",
            ),
            Query("sum by (reason) (rate(crossroads_replies_dropped_total[$__rate_interval]))", "{{reason}}"),
            unit="reqps", width=8,
        ),
        lines(
            "Delivered twice",
            Says(
                "Requests that came again and started nothing: another hub had them, or they were answered already.",
                "0; some when a hub stops or a connection breaks.",
                "a steady stream: an asker repeats its requests without waiting.",
                "`crossroads doctor`",
            ),
            Query("sum by (because) (rate(crossroads_redeliveries_total[$__rate_interval]))", "{{because}}"),
            Query("sum(rate(crossroads_resumed_total[$__rate_interval]))", "gone on with"),
            Query("sum(rate(crossroads_orphaned_total[$__rate_interval]))", "gone elsewhere"),
            unit="reqps", width=8,
        ),
        lines(
            "Put aside, or confirmed late",
            Says(
                "`put aside`: sent to `hub.dead`. `published again`: answers that the broker did not confirm at once.",
                "0.",
                "published again for minutes: the broker has no leader for a queue, or no disk.",
                "`crossroads dead list`, `crossroads doctor`",
            ),
            Query("sum(rate(crossroads_parked_total[$__rate_interval]))", "put aside"),
            Query("sum(rate(crossroads_unconfirmed_total[$__rate_interval]))", "published again"),
            unit="reqps", width=8,
        ),
    )  # fmt: skip
