"""One institution: what it asked, what it was asked, its queues, its refusals, whether it is paused."""

from deploy.monitoring.panels import (
    AMBER,
    GREEN,
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
    variable,
)
from schemas.codes import CODES

_HIS = 'institution="$address"'
_MADE = 'supplier="$address"'
_QUEUES = 'address="$address"'
_REGISTER = "name, sector, active, managed_by"
_QUEUE = "{{queue}}"
#: Codes of answers that are no refusals: relays count by code.
_DATA = "|".join(one.code for one in CODES.values() if one.value in ("DATA_FOUND", "NO_DATA_FOUND", "INCOMPLETE_DATA"))


def board() -> Board:
    return (
        Board(
            "institution",
            "an institution",
            "What an institution that calls can be told. What it asked and did is known where its own process is "
            "watched "
            "(those of the reference network are); what it was asked, its queues and pauses are known always.",
            variables=(
                variable(
                    "address",
                    "Institution",
                    "label_values(crossroads_institution_info, address)",
                    "Address in the network: sector-type, with the enterprise number where the type has many.",
                ),
            ),
        )
        .row("Now", *_now())
        .row("What it was asked", *_asked_of_it())
        .row("What it asked", *_asked_by_it())
        .row("Its queues", *_its_queues())
    )


def _rate(counter: str, *labels: str) -> str:
    """A second, by labels; 0 where there is nothing."""
    return or_none(f"sum by ({', '.join(labels)}) (rate({counter}[$__rate_interval]))", **{labels[0]: "none"})


def _now() -> tuple[Built, ...]:
    return (
        rows(
            "Who it is",
            Says(
                "As the register has it. managed_by: the institution whose relay it goes through.",
                "active yes.",
                "active no: it is told nothing, and refused (CRB00006).",
                "`crossroads repertory institutions`",
            ),
            Column("in the register", f"max by ({_REGISTER}) (crossroads_institution_info{{{_QUEUES}}})", "none"),
            by=_REGISTER.split(", "), sort="name", width=8, height=4,
        ),
        number(
            "Paused",
            Says(
                "Whether questions to it (supplier) or requests of it (customer) are paused.",
                "no.",
                "yes, and nobody remembers why.",
                "`crossroads resume ADDRESS`, `crossroads resume ADDRESS --asking`",
            ),
            Query(or_nothing('max(crossroads_paused{kind="supplier", what="$address"})'), "as supplier"),
            Query(or_nothing('max(crossroads_paused{kind="customer", what="$address"})'), "as asker"),
            unit="none", steps=((None, GREEN), (1, AMBER)), width=4,
            mappings={"0": ("no", GREEN), "1": ("yes", AMBER)},
        ),
        number(
            "Its queues",
            Says(
                "What waits in its queues, in both directions, and how long the oldest has waited.",
                "0, or seconds.",
                "hours, in its own queues: it does not read them.",
                "`crossroads distribution behind`",
            ),
            Query(or_nothing(f"sum(max by (vhost, queue) (crossroads_queue_messages{{{_QUEUES}}}))"), "waiting"),
            unit="short", width=3,
        ),
        number(
            "Oldest in its queues",
            Says(
                "How long the message that waits longest has waited.",
                "seconds.",
                "hours: it does not read.",
                "`crossroads distribution behind`",
            ),
            Query(or_nothing(f"max(crossroads_queue_age_seconds{{{_QUEUES}}})")),
            unit="s", steps=((None, GREEN), (600, AMBER), (86400, RED)), width=3,
        ),
        number(
            "Mutations behind",
            Says(
                "Words owed to it beyond what its queue holds.",
                "0.",
                "any: its queue was full. It catches up by itself once it reads.",
                "`crossroads distribution behind`",
            ),
            Query(or_nothing('max(crossroads_distribution_behind{recipient="$address"})')),
            unit="short", steps=((None, GREEN), (1, AMBER)), width=3,
        ),
        number(
            "Questions open",
            Says(
                "Questions to it that are answered later and not answered yet.",
                "falls after each of its nights.",
                "only grows.",
                "`crossroads ticket TICKET`",
            ),
            Query(or_nothing(f"max(crossroads_open_questions{{{_MADE}}})")),
            unit="short", width=3,
        ),
    )  # fmt: skip


def _asked_of_it() -> tuple[Built, ...]:
    return (
        lines(
            "Questions of the hub by what came",
            Says(
                "A second. `answered`; `no reply` and `late`: not in time; all else: not what was asked.",
                "answered alone.",
                "no reply: it is away. Askers wait for it in vain.",
                "`crossroads pause ADDRESS` spares them the wait",
            ),
            Query(
                _rate(f"crossroads_supplier_answers_total{{{_MADE}}}", "result"),
                "{{result}}",
            ),
            unit="reqps", width=8, stacked=True,
        ),
        lines(
            "Its seconds, as the hub sees them",
            Says(
                "From a question to its reply: half, 95 % and 99 % come sooner. 0 where it was asked nothing.",
                "p99 well below 4 s.",
                "near 4 s: its answers come too late for the promise.",
                "`crossroads pause ADDRESS`",
            ),
            *(
                Query(or_nothing(f"max(supplier:crossroads_supplier_seconds:p{q}_5m{{{_MADE}}})"), f"p{q}")
                for q in ("50", "95", "99")
            ),
            unit="s", steps=((None, GREEN), (4, RED)), width=8,
        ),
        lines(
            "Questions by service and what it answered",
            Says(
                "What its own process counted, a second.",
                "as the hub counts.",
                "`failed`, `invalid`: its own software. Its log has the ticket.",
                "`crossroads ticket TICKET`",
            ),
            Query(
                _rate(f"crossroads_questions_total{{{_HIS}}}", "service", "result"),
                "{{service}} {{result}}",
            ),
            unit="reqps", width=8, stacked=True,
        ),
    )  # fmt: skip


def _asked_by_it() -> tuple[Built, ...]:
    asked = _rate(f"crossroads_asked_total{{{_HIS}}}", "service", "result")
    relayed = _rate(f"crossroads_relayed_total{{{_HIS}}}", "service", "direction", "result")
    return (
        lines(
            "What it asked",
            Says(
                "Its consultations by how they ended, a second, as its own process counts them.",
                "data, or none.",
                "NO_RESULT and fault: refusals. Names of errors: no answer came.",
                "`crossroads repertory explain`",
            ),
            Query(asked, "{{service}} {{result}}"),
            unit="reqps", width=8, stacked=True,
        ),
        lines(
            "What its relay handed on",
            Says(
                "Of a managing institution: `down` is what its members asked, `up` what the hub asked its members.",
                "data, or none.",
                "CRB00010 to CRB00014 on `down`: the hub, or whom it asked, is away or too busy.",
                "`crossroads repertory explain`",
            ),
            Query(relayed, "{{direction}} {{service}} {{result}}"),
            unit="reqps", width=8, stacked=True,
        ),
        lines(
            "Its refusals",
            Says(
                "Of what it asked itself or through its relay, what was refused or a fault, a second.",
                "0.",
                "one service: a row of the rules is missing, or it asks what it may not.",
                "`crossroads repertory explain` says which row, and who may add it",
            ),
            Query(
                _rate(f'crossroads_asked_total{{{_HIS}, result=~"NO_RESULT|fault"}}', "service"),
                "{{service}} itself",
            ),
            Query(
                _rate(f'crossroads_relayed_total{{{_HIS}, direction="down", result!~"{_DATA}"}}', "service"),
                "{{service}} by its relay",
            ),
            unit="reqps", width=8, stacked=True,
        ),
        lines(
            "Its seconds, as it sees them",
            Says(
                "95 % of its consultations, and of its relay's exchanges, took less. 0 where it asked nothing.",
                "well below 4 s.",
                "more than the hub says: its own network or process.",
                "`crossroads ticket TICKET`",
            ),
            Query(
                or_nothing(
                    "max(histogram_quantile(0.95, sum by (le) "
                    f"(rate(crossroads_asking_seconds_bucket{{{_HIS}}}[$__rate_interval]))) >= 0)"
                ),
                "asking, p95",
            ),
            Query(
                or_nothing(
                    "max(histogram_quantile(0.95, sum by (le) "
                    f"(rate(crossroads_relaying_seconds_bucket{{{_HIS}}}[$__rate_interval]))) >= 0)"
                ),
                "relay, p95",
            ),
            unit="s", steps=((None, GREEN), (4, RED)),
        ),
        lines(
            "What it was told",
            Says(
                "Words of the centre by what its library did with them, a second; attempts of the hub to tell it "
                "that failed.",
                "taken ones.",
                "`failed`, or attempts that failed: its own software or its queue.",
                "`crossroads distribution aside`",
            ),
            Query(
                _rate(f"crossroads_words_total{{{_HIS}}}", "result"), "{{result}}"
            ),
            Query(or_nothing('sum(rate(crossroads_untold_total{recipient="$address"}[$__rate_interval]))'), "not told"),
            unit="reqps",
        ),
    )  # fmt: skip


def _its_queues() -> tuple[Built, ...]:
    return (
        lines(
            "Waiting",
            Says(
                "What waits in each of its queues: `hub.in.…` is what it asks, the others are what it is asked or "
                "told.",
                "lines that come back to 0.",
                "its own queues only grow: it does not read them.",
                "`crossroads distribution behind`",
            ),
            Query(or_none(f"max by (vhost, queue) (crossroads_queue_messages{{{_QUEUES}}})", queue="none"), _QUEUE),
            unit="short",
        ),
        lines(
            "Oldest",
            Says(
                "How long the first message of each of its queues has waited.",
                "seconds.",
                "a line that climbs as the clock does.",
                "`crossroads distribution behind`",
            ),
            Query(or_none(f"max by (vhost, queue) (crossroads_queue_age_seconds{{{_QUEUES}}})", queue="none"), _QUEUE),
            unit="s",
        ),
        lines(
            "Mutations: lag",
            Says(
                "Age of the oldest word that it has not taken.",
                "comes back to 0.",
                "climbs as the clock does.",
                "`crossroads distribution behind`",
            ),
            Query(or_nothing('max(crossroads_distribution_lag_seconds{recipient="$address"})'), "lag"),
            unit="s", width=8,
        ),
        lines(
            "Its lots",
            Says(
                "Consultations that its open lots declared, and those that were decided.",
                "decided comes up to declared.",
                "decided stands still.",
                "`crossroads lot send` goes on with one that was cut off",
            ),
            Query(or_nothing('max(crossroads_lot_declared{customer="$address"})'), "declared"),
            Query(or_nothing('max(crossroads_lot_decided{customer="$address"})'), "decided"),
            unit="short", width=8,
        ),
        lines(
            "Messages that count for nothing",
            Says(
                "What its library did not take: from somebody else, or an answer to nothing it asked.",
                "0.",
                "any for long: somebody answers in another's name, or it was started anew while it waited.",
                "`crossroads ticket TICKET`",
            ),
            Query(
                _rate(f"crossroads_dropped_total{{{_HIS}}}", "reason"),
                "{{reason}}",
            ),
            Query(
                or_none(f"max by (reason) (crossroads_answers_dropped{{{_HIS}}})", reason="none"),
                "answers: {{reason}}",
            ),
            unit="none", width=8,
        ),
    )  # fmt: skip
