"""Are the journal and the databases well?"""

from deploy.monitoring.panels import AMBER, GREEN, RED, Board, Built, Query, Says, lines, number


def board() -> Board:
    return (
        Board(
            "stores",
            "journal and databases",
            "Nothing is done that cannot be journalled: what the journal takes, what has no outcome, how large it "
            "all is.",
            hours=24,
        )
        .row("Now", *_now())
        .row("Journal", *_journal())
        .row("Databases", *_databases())
    )


def _now() -> tuple[Built, ...]:
    return (
        number(
            "Newest row",
            Says(
                "How long ago the journal's newest row was written.",
                "seconds, while anything is asked.",
                "minutes, while institutions ask: the database takes nothing, and so nothing is taken on.",
                "`crossroads doctor`",
            ),
            Query("max(crossroads_journal_age_seconds)"),
            unit="s", steps=((None, GREEN), (300, AMBER)),
        ),
        number(
            "Without outcome",
            Says(
                "Exchanges that were decided over a minute ago, that nobody answered and nobody will answer later.",
                "0; a few after a hub was killed, until another one has gone on with them.",
                "any that stay: their askers never had an answer.",
                "`crossroads ticket TICKET`, `crossroads journal --help`",
            ),
            Query("max(crossroads_without_outcome)"),
            unit="none", steps=((None, GREEN), (1, AMBER), (100, RED)),
        ),
        number(
            "Days of journal made",
            Says(
                "For how many days from now the journal's months are made.",
                "more than 30.",
                "below 7: soon no row finds its month, and nothing is taken on any more. Hubs make them: none did.",
                "`crossroads doctor`; a hub that starts makes them: `crossroads hub`",
            ),
            Query("max(crossroads_journal_partition_days)"),
            unit="d", steps=((None, RED), (7, AMBER), (30, GREEN)),
        ),
        number(
            "Load of rules",
            Says(
                "Number of the newest load of rules, and of the oldest by which a hub decides.",
                "both what was loaded last.",
                "a hub that stays at an older one: it does not hear of loads.",
                "`crossroads repertory load`",
            ),
            Query("max(crossroads_rules_load)", "newest"),
            Query("min(crossroads_rules_in_use)", "oldest in use"),
            unit="none",
        ),
        number(
            "Database answers",
            Says(
                "Whether the watcher's last look at the hub's database succeeded; and whether every hub's does.",
                "yes.",
                "no: nothing is taken on until it is back, and nothing is lost.",
                "`crossroads doctor`",
            ),
            Query('max(crossroads_watched{source="database"})', "watcher"),
            Query('min(crossroads_up{job="hub", part=~"database|journal|repertory|rules"})', "hubs"),
            unit="none", steps=((None, RED), (1, GREEN)), mappings={"0": ("no", RED), "1": ("yes", GREEN)},
        ),
        number(
            "Size of all databases",
            Says(
                "Bytes on disk.",
                "grows as the journal does.",
                "a jump: a table that is not emptied.",
                "`crossroads backup FILE` before anything else",
            ),
            Query("sum(max by (database) (crossroads_database_bytes))"),
            unit="bytes",
        ),
    )  # fmt: skip


def _journal() -> tuple[Built, ...]:
    return (
        lines(
            "Rows a second",
            Says(
                "What the journal takes: two rows for an exchange that was forwarded, one for another.",
                "as what is asked.",
                "0 while something is asked.",
                "`crossroads doctor`",
            ),
            Query("max(rate(crossroads_journal_rows[$__rate_interval]))", "rows"),
            unit="wps", width=8,
        ),
        lines(
            "Rows a commit",
            Says(
                "How many rows a hub commits at once, in the mean: what comes while one commit runs goes into the "
                "next.",
                "near 1 at rest, more under load.",
                "hundreds: the database commits slowly.",
                "`crossroads top`",
            ),
            Query(
                "sum by (instance) (rate(crossroads_journal_group_size_sum[$__rate_interval])) "
                "/ sum by (instance) (rate(crossroads_journal_group_size_count[$__rate_interval]))",
                "{{instance}}",
            ),
            unit="none", width=8,
        ),
        lines(
            "Time of a commit, p95",
            Says(
                "95 % of the waits for the journal are shorter.",
                "below 50 ms.",
                "above half a second: the disk.",
                "`crossroads doctor`",
            ),
            Query(
                "histogram_quantile(0.95, sum by (step, le) "
                '(rate(crossroads_step_seconds_bucket{step=~"journal_.+|repertory"}[$__rate_interval])))',
                "{{step}}",
            ),
            unit="s", width=8,
        ),
    )  # fmt: skip


def _databases() -> tuple[Built, ...]:
    return (
        lines(
            "Size",
            Says(
                "Bytes on disk by database.",
                "a line that climbs evenly.",
                "a line that will meet the end of the disk: plan before it does.",
                "`crossroads backup FILE`",
            ),
            Query("max by (database) (crossroads_database_bytes)", "{{database}}"),
            unit="bytes",
        ),
        lines(
            "Without outcome",
            Says(
                "Exchanges that were decided and that nobody answered.",
                "0.",
                "a line that does not come back to 0.",
                "`crossroads ticket TICKET`",
            ),
            Query("max(crossroads_without_outcome)", "without outcome"),
            unit="none",
        ),
    )  # fmt: skip
