"""How far is what nobody waits for: lots, questions answered later, files?"""

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

_AGE: Steps = ((None, GREEN), (86400, AMBER), (7 * 86400, RED))
_DECIDED = "sum(max by (customer) (crossroads_lot_decided))"
_DECLARED = "sum(max by (customer) (crossroads_lot_declared))"


def board() -> Board:
    return (
        Board(
            "batch",
            "batch",
            "Lots, questions that suppliers answer in their own time, and senders' files: how far they are.",
            hours=24,
        )
        .row("Now", *_now())
        .row("Lots", *_lots())
        .row("Answered later", *_questions())
        .row("Files of senders", *_files())
    )


def _now() -> tuple[Built, ...]:
    return (
        number(
            "Open lots",
            Says(
                "Lots that were opened and not closed.",
                "as many as institutions are sending.",
                "lots that stay open for days: their customers never closed them.",
                "`crossroads lot send` goes on with a lot that was cut off",
            ),
            Query(or_nothing("sum(max by (customer) (crossroads_lots_open))")),
            unit="none", width=6,
        ),
        number(
            "Decided",
            Says(
                "Of the consultations that open lots declare, those that the hub has decided. Without open lots it "
                "is all.",
                "grows to 100 %.",
                "stands still while something waits: see *Waiting for a hub*.",
                "`crossroads top`",
            ),
            Query(f"{_DECIDED} / ({_DECLARED} > 0) or vector(1)"),
            unit="percentunit", width=6, decimals=0,
        ),
        number(
            "Open questions",
            Says(
                "Questions to suppliers that answer in their own time.",
                "as many as usual.",
                "more than a supplier answers in its time.",
                "`crossroads ticket TICKET`",
            ),
            Query(or_nothing("sum(max by (supplier) (crossroads_open_questions))")),
            unit="none", width=6,
        ),
        number(
            "Forms in hand",
            Says(
                "Forms of senders' files that the NSSO has not told the outcome of.",
                "falls to 0 after each file.",
                "stands still.",
                "`crossroads nsso files`, `crossroads nsso go-on`",
            ),
            Query(or_nothing('sum(crossroads_file_forms{state=~"received|judged"})')),
            unit="none", width=6,
        ),
    )  # fmt: skip


def _of_customers(figure: str) -> str:
    return or_none(f"max by (customer) ({figure})", customer="nobody")


def _lots() -> tuple[Built, ...]:
    return (
        lines(
            "Consultations decided and declared",
            Says(
                "Of each customer's open lots: what they declared, and what the hub has decided.",
                "decided comes up to declared.",
                "decided stands still and something waits: no hub takes it, its service is paused, or there is "
                "maintenance.",
                "`crossroads top`",
            ),
            Query(_of_customers("crossroads_lot_declared"), "{{customer}} declared"),
            Query(_of_customers("crossroads_lot_decided"), "{{customer}} decided"),
            unit="short",
        ),
        lines(
            "Waiting for a hub",
            Says(
                "What customers have sent on `….batch` and no hub has taken.",
                "falls; a lot never waits before what is asked on line.",
                "stands still.",
                "`crossroads top`, `crossroads maintenance off`",
            ),
            Query(
                'sum by (address) (max by (address, vhost, queue) (crossroads_queue_messages{kind="ingress", '
                'queue=~".+[.]batch"}))',
                "{{address}}",
            ),
            unit="short",
        ),
        rows(
            "Customers",
            Says(
                "Who has open lots: how many, how far, how old the oldest.",
                "decided is declared, or comes near it.",
                "a lot of several days: its customer has to send the rest, or close it.",
                "`crossroads lot send`",
            ),
            Column("lots", _of_customers("crossroads_lots_open"), "none"),
            Column("declared", _of_customers("crossroads_lot_declared"), "short"),
            Column("decided", _of_customers("crossroads_lot_decided"), "short"),
            Column("oldest", _of_customers("crossroads_lot_age_seconds"), "s", _AGE),
            by=("customer",), sort="oldest",
            links={"customer": "/d/crossroads-institution?var-address=${__value.raw}"},
        ),
    )  # fmt: skip


def _questions() -> tuple[Built, ...]:
    return (
        lines(
            "Open questions by supplier",
            Says(
                "Questions that each supplier has not answered yet.",
                "falls after each of its nights.",
                "only grows: it answers nothing any more.",
                "`crossroads pause ADDRESS`, until it is well again",
            ),
            Query(or_none("max by (supplier) (crossroads_open_questions)", supplier="nobody"), "{{supplier}}"),
            unit="short", width=8,
        ),
        lines(
            "Oldest open question",
            Says(
                "How long the oldest question of each has been open.",
                "below the days that its availability row grants.",
                "near them: the customer is told that no answer came.",
                "`crossroads ticket TICKET`",
            ),
            Query(
                or_none("max by (supplier) (crossroads_open_question_age_seconds)", supplier="nobody"), "{{supplier}}"
            ),
            unit="s", width=8,
        ),
        lines(
            "Definitive answers waiting for a hub",
            Says(
                "What waits in `hub.definitive`; and what counted for nothing, in the last hour.",
                "0.",
                "grows: hubs do not read it, as during maintenance.",
                "`crossroads doctor`",
            ),
            Query('sum(max by (vhost, queue) (crossroads_queue_messages{kind="definitive"}))', "waiting"),
            Query(or_nothing("sum(increase(crossroads_later_dropped_total[1h]))"), "for nothing"),
            unit="short", width=8,
        ),
    )  # fmt: skip


def _files() -> tuple[Built, ...]:
    return (
        lines(
            "Forms by state",
            Says(
                "`received`: taken in; `judged`: the NSSO knows the outcome; `told`: the sender has it.",
                "all become told.",
                "received stands still: the NSSO's process judges nothing.",
                "`crossroads nsso files`, `crossroads nsso go-on`",
            ),
            Query("max by (state) (crossroads_file_forms)", "{{state}}"),
            unit="short",
        ),
        lines(
            "Forms by what was answered",
            Says(
                "What the NSSO answered to senders, a second, on line and from files.",
                "accepted, with or without warnings.",
                "refused at once from many senders: a release of the glossary, or a mandate that ended.",
                "`crossroads nsso anomalies`",
            ),
            Query(
                or_none(
                    'sum by (service, result) (rate(crossroads_questions_total{institution="12-0"}[$__rate_interval]))',
                    service="nothing",
                ),
                "{{service}} {{result}}",
            ),
            unit="reqps",
        ),
    )  # fmt: skip
