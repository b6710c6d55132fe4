"""Does every institution hear what changed, in time?"""

from deploy.monitoring.panels import (
    AMBER,
    GREEN,
    RED,
    Board,
    Built,
    Column,
    Query,
    Says,
    Steps,
    lines,
    number,
    or_none,
    or_nothing,
    rows,
)

_LAG: Steps = ((None, GREEN), (3600, AMBER), (86400, RED))


def board() -> Board:
    return (
        Board(
            "distribution",
            "distribution",
            "Mutations on their way to everybody who is entitled to them: who is behind, by how much, since when.",
            hours=24,
        )
        .row("Now", *_now())
        .row("By recipient", *_recipients())
        .row("Mutations", *_mutations())
    )


def _now() -> tuple[Built, ...]:
    return (
        number(
            "Recipients behind",
            Says(
                "Institutions whose queue could not take what they are to be told. They catch up by themselves.",
                "0.",
                "one for hours: its queue is full because it does not read.",
                "`crossroads distribution behind`",
            ),
            Query(or_nothing("count(max by (recipient) (crossroads_distribution_behind) > 0)")),
            unit="none", steps=((None, GREEN), (1, AMBER)), width=6,
        ),
        number(
            "Longest lag",
            Says(
                "Age of the oldest word that a recipient has not taken.",
                "minutes; a night for institutions that fetch at night.",
                "more than a day.",
                "`crossroads distribution behind`",
            ),
            Query(or_nothing("max(crossroads_distribution_lag_seconds)")),
            unit="s", steps=_LAG, width=6,
        ),
        number(
            "Words owed",
            Says(
                "Words beyond what queues hold, of all recipients. They are fetched from their owners when the "
                "recipient "
                "catches up.",
                "0.",
                "a number that only grows.",
                "`crossroads distribution behind`",
            ),
            Query(or_nothing("sum(max by (recipient) (crossroads_distribution_behind))")),
            unit="short", steps=((None, GREEN), (1, AMBER)), width=6,
        ),
        number(
            "Not told at once",
            Says(
                "Attempts to tell an institution something that its queue did not take, in the last hour.",
                "0.",
                "many: a queue is full, or the broker refuses.",
                "`crossroads doctor`",
            ),
            Query(or_nothing("sum(increase(crossroads_untold_total[1h]))")),
            unit="none", steps=((None, GREEN), (1, AMBER)), width=6, decimals=0,
        ),
    )  # fmt: skip


def _of_recipients(figure: str) -> str:
    return or_none(f"max by (recipient) ({figure})", recipient="nobody")


def _recipients() -> tuple[Built, ...]:
    return (
        lines(
            "Lag by recipient",
            Says(
                "Age of the oldest word that each has not taken.",
                "lines that come back to 0.",
                "a line that climbs as the clock does: that institution takes nothing.",
                "`crossroads distribution behind`",
            ),
            Query(_of_recipients("crossroads_distribution_lag_seconds"), "{{recipient}}"),
            unit="s",
        ),
        lines(
            "Words in the queues",
            Says(
                "What waits in each `<address>.mutation`.",
                "lines that come back to 0.",
                "a line that stays at the top: the queue is full, and its institution is behind.",
                "`crossroads distribution behind`",
            ),
            Query(
                'sum by (address) (max by (address, vhost, queue) (crossroads_queue_messages{kind="mutation"}))',
                "{{address}}",
            ),
            unit="short",
        ),
        rows(
            "Recipients",
            Says(
                "Everybody who was ever told something: words owed beyond its queue, age of the oldest. A click "
                "opens its "
                "page.",
                "0 and minutes.",
                "owed above 0 for hours.",
                "`crossroads distribution behind`; what its software set aside: `crossroads distribution aside`",
            ),
            Column("owed", _of_recipients("crossroads_distribution_behind"), "short", ((None, GREEN), (1, AMBER))),
            Column("lag", _of_recipients("crossroads_distribution_lag_seconds"), "s", _LAG),
            by=("recipient",), sort="lag", width=12,
            links={"recipient": "/d/crossroads-institution?var-address=${__value.raw}"},
        ),
        lines(
            "Words by what became of them",
            Says(
                "What the libraries of the institutions that are watched did with words of the centre, a second.",
                "taken ones.",
                "`failed`: their own software cannot take a word; it is tried again, then set aside.",
                "`crossroads distribution aside`",
            ),
            Query(
                or_none(
                    "sum by (institution, result) (rate(crossroads_words_total[$__rate_interval]))",
                    institution="nobody",
                ),
                "{{institution}} {{result}}",
            ),
            unit="reqps", height=9,
        ),
    )  # fmt: skip


def _mutations() -> tuple[Built, ...]:
    return (
        lines(
            "Mutations waiting for a hub",
            Says(
                "What owners have published and no hub has taken: ingress queues `….mutation`.",
                "near 0.",
                "grows: too few hubs, or maintenance, in which mutations wait.",
                "`crossroads top`, `crossroads maintenance off`",
            ),
            Query(
                'sum by (address) (max by (address, vhost, queue) (crossroads_queue_messages{kind="ingress", '
                'queue=~".+[.]mutation"}))',
                "{{address}}",
            ),
            unit="short",
        ),
        lines(
            "Verdicts on mutations",
            Says(
                "Answers of the hub to services whose name ends in Mutation, a second, by code.",
                "MSG00000: passed on. MSG00021: nobody is to be told.",
                "refusals: the owner's messages break a rule.",
                "`crossroads repertory explain`, `crossroads distribution open`",
            ),
            Query(
                'sum by (service, code) (rate(crossroads_exchanges_total{service=~".+Mutation/.+"}[$__rate_interval]))',
                "{{service}} {{code}}",
            ),
            unit="reqps",
        ),
    )  # fmt: skip
