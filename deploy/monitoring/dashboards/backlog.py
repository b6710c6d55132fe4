"""What waits, where, and for how long?"""

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

_AGE: Steps = ((None, GREEN), (60, AMBER), (600, RED))
_OF_QUEUE = "max by (vhost, queue, kind, address)"


def board() -> Board:
    return (
        Board(
            "backlog",
            "backlog",
            "Messages that wait, and the age of the oldest, by queue. Ages are right to some seconds, and at least "
            "what is "
            "shown for what was there before the watcher was.",
        )
        .row("Now", *_now())
        .row("Over time", *_over_time())
        .row("Queues", *_queues())
    )


def _now() -> tuple[Built, ...]:
    return (
        number(
            "Waiting",
            Says(
                "Messages in all queues of all vhosts.",
                "some, as work comes and goes.",
                "a number that only grows.",
                "`crossroads top`",
            ),
            Query(f"sum({_OF_QUEUE} (crossroads_queue_messages))"),
            unit="short",
        ),
        number(
            "Oldest message",
            Says(
                "How long the message that waits longest has waited, in whatever queue but the dead letters'.",
                "seconds; words to institutions that fetch at night may wait for hours.",
                "an *ingress* queue's message that waits for minutes: no hub takes it. Which queue: the table below.",
                "`crossroads doctor`",
            ),
            Query(or_nothing('max(crossroads_queue_age_seconds{kind!="dead"})')),
            unit="s", steps=_AGE,
        ),
        number(
            "Oldest request on line",
            Says(
                "How long the oldest request on line has waited for a hub.",
                "below 1 s.",
                "above 4 s: whoever asked it has given up.",
                "`crossroads doctor`; another hub: `crossroads hub`",
            ),
            Query(or_nothing('max(crossroads_queue_age_seconds{kind="ingress", queue=~".+[.]online"})')),
            unit="s", steps=((None, GREEN), (1, AMBER), (4, RED)),
        ),
        number(
            "Nobody reads them",
            Says(
                "Queues in which something waits and that nobody reads.",
                "0.",
                "any: an institution is not connected, or a hub does not read an ingress queue. Which: the table "
                "below, "
                "*readers* 0.",
                "`crossroads doctor`",
            ),
            Query(
                or_nothing(
                    f'count(({_OF_QUEUE} (crossroads_queue_messages{{kind!="dead"}}) > 0) '
                    f"and {_OF_QUEUE} (crossroads_queue_consumers) == 0)"
                )
            ),
            unit="none", steps=((None, GREEN), (1, AMBER)),
        ),
        number(
            "Could not be answered",
            Says(
                "What hubs and the broker have put into `hub.dead`, of all vhosts. It is kept for 7 days.",
                "0.",
                "any: a message that nobody could answer. Look at each before it is 7 days old.",
                "`crossroads dead list`, `crossroads dead show`, `crossroads dead replay`",
            ),
            Query(or_nothing(f'sum({_OF_QUEUE} (crossroads_queue_messages{{kind="dead"}}))')),
            unit="none", steps=NONE_IS_GOOD,
        ),
        number(
            "In hand",
            Says(
                "Requests that hubs have taken and not answered.",
                "about what is asked a second times the seconds that an answer takes.",
                "hundreds, and answers come late: suppliers or the database are slow.",
                "`crossroads top`",
            ),
            Query('sum(crossroads_in_flight{job="hub"})', "in hand"),
            Query("sum(crossroads_held)", "held back"),
            unit="none",
        ),
    )  # fmt: skip


def _over_time() -> tuple[Built, ...]:
    return (
        lines(
            "Waiting by kind of queue",
            Says(
                "`ingress`: what institutions ask. `supplier`: questions to them. `answers`, `mutation`: what they "
                "are told "
                "on a queue of their own. `reply`, `definitive`: what suppliers answer. `dead`: what nobody could "
                "answer.",
                "ingress, supplier, reply near 0; answers and mutation as their owners fetch.",
                "ingress grows: too few hubs. supplier grows: that supplier does not read. definitive grows: the "
                "database.",
                "`crossroads doctor`",
            ),
            Query(f"sum by (kind) ({_OF_QUEUE} (crossroads_queue_messages))", "{{kind}}"),
            unit="short",
        ),
        lines(
            "Oldest by kind of queue",
            Says(
                "How long the oldest message of each kind has waited.",
                "ingress, supplier and reply below a second.",
                "a line that climbs as the clock does: nobody takes anything from a queue.",
                "`crossroads doctor`",
            ),
            Query("max by (kind) (crossroads_queue_age_seconds)", "{{kind}}"),
            unit="s",
        ),
        lines(
            "The ten oldest queues",
            Says(
                "Queues whose first message has waited longest.",
                "short peaks.",
                "a line that climbs as the clock does.",
                "`crossroads doctor`",
            ),
            Query("topk(10, max by (vhost, queue) (crossroads_queue_age_seconds))", "{{queue}} ({{vhost}})"),
            unit="s", width=8,
        ),
        lines(
            "The ten longest queues",
            Says(
                "Queues with most messages.",
                "lines that come back to 0.",
                "a line that only climbs. An ingress queue that is full refuses its institution.",
                "`crossroads top`",
            ),
            Query("topk(10, max by (vhost, queue) (crossroads_queue_messages))", "{{queue}} ({{vhost}})"),
            unit="short", width=8,
        ),
        lines(
            "In hand by service",
            Says(
                "Requests that hubs have in hand.",
                "no service for itself takes all.",
                "one service: its supplier is slow and its requests pile up in the hubs.",
                "`crossroads pause SERVICE`",
            ),
            Query("sum by (service) (crossroads_service_in_flight)", "{{service}}"),
            unit="none", width=8, stacked=True,
        ),
    )  # fmt: skip


def _queues() -> tuple[Built, ...]:
    return (
        rows(
            "Every queue",
            Says(
                "Each queue: what waits, how long the first of it has waited, how many connections read it. A click "
                "on an "
                "address opens its page.",
                "ages of seconds, a reader at least wherever something waits.",
                "*readers* 0 with something waiting: its owner is away.",
                "`crossroads doctor`; `crossroads distribution behind` for `.mutation` queues",
            ),
            Column("messages", f"{_OF_QUEUE} (crossroads_queue_messages)", "short"),
            Column("oldest", f"{_OF_QUEUE} (crossroads_queue_age_seconds)", "s", _AGE),
            Column("readers", f"{_OF_QUEUE} (crossroads_queue_consumers)", "none"),
            by=("vhost", "queue", "kind", "address"), sort="oldest", height=14,
            links={"address": "/d/crossroads-institution?var-address=${__value.raw}"},
        ),
    )  # fmt: skip
