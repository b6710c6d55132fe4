"""Files: whatever comes in whatever order, each error of the whole told with its code, each form handled once."""

import asyncio
import base64
import json
import random
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import Result
from lxml import etree
from typer.testing import CliRunner

from deploy.command.nsso import group
from institutions.nsso.files import statements
from institutions.nsso.files.batch import key_of
from institutions.nsso.files.file import MOST_OF_A_PART, Part, SentFile, judged
from institutions.nsso.files.filing import Filing
from institutions.nsso.files.processing import Processing
from institutions.nsso.office import HandlingFailed
from institutions.nsso.rows import Declaration
from schemas.declarations.file_name import FileName
from schemas.errors import CrossroadsError
from schemas.wire.transport import Delivery, Properties
from tests.institutions.nsso.ground import (
    BREWER,
    NOON,
    OWN,
    SECRETARIAT,
    TODAY,
    Desk,
    dimona_in,
    dimona_out,
    person,
    question,
)
from tests.institutions.nsso.sending import (
    ANOTHERS,
    CERTIFICATES,
    LAPSED,
    Post,
    joined,
    name_of,
    signed,
    slices,
)

DAY = timedelta(days=1)
GO = "GO.DIMN.123456.20261125.00001.R.1"
NAME = FileName.parse(GO)
_RIGHT = Part(9, "0" * 64, 9)


@pytest.fixture
async def post(desk: Desk) -> Post:
    found = Post(desk)
    await found.rows("UPDATE sender SET certificates = $2 WHERE number = $1", SECRETARIAT, " ".join(CERTIFICATES))
    return found


def file(go: str | None = GO, *parts: str, **more: object) -> SentFile:
    """One that is complete, with these parts: those that belong to it if none are given."""
    named = parts or (str(NAME.fi(1)), str(NAME.fs(1)))
    found = SentFile(1, SECRETARIAT, str(uuid4()), GO, "complete", NOON, go, NOON, dict.fromkeys(named, _RIGHT))
    return replace(found, **more)  # type: ignore[arg-type]


def named(go: str, kind: str = "FI", part: int = 1) -> str:
    return f"{kind}{go[2:]}.{part}"


T = GO.replace(".R.", ".T.")
S = GO.replace(".R.", ".S.")


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        pytest.param(file(), [], id="right"),
        pytest.param(file(T, named(T)), [], id="a test needs no signature"),
        pytest.param(file(T, named(T), named(T, "FS")), [], id="and may have one"),
        pytest.param(file(S, named(S)), [], id="a simulation"),
        pytest.param(file("GO.DIMN"), ["107"], id="name of GO"),
        pytest.param(file(GO, "FI.DIMN", str(NAME.fs(1))), ["131"], id="name of FI"),
        pytest.param(file(GO, "XX.DIMN", str(NAME.fs(1))), ["131"], id="a part of no kind"),
        pytest.param(file(GO, str(NAME.fi(1)), "FS.DIMN"), ["132"], id="name of FS"),
        pytest.param(file(sender="123457"), ["108"], id="another's number"),
        pytest.param(file(GO.replace("20261125", "261125")), ["109"], id="length of the date"),
        pytest.param(file(GO.replace("20261125", "20261131")), ["110"], id="no date"),
        pytest.param(file(T.replace("1125", "1126"), named(T.replace("1125", "1126"))), ["111"], id="to come"),
        pytest.param(file(T.replace("1125", "1024"), named(T.replace("1125", "1024"))), ["126"], id="too old"),
        pytest.param(file(T.replace("1125", "1025"), named(T.replace("1125", "1025"))), [], id="a month ago"),
        pytest.param(file(GO.replace("00001", "0000")), ["112"], id="sequence"),
        pytest.param(file(GO.replace("00001", "00000")), ["127"], id="sequence 0"),
        pytest.param(file(GO[:-1] + "0"), ["114"], id="parts"),
        pytest.param(file(GO, f"{GO.replace('GO', 'FI')}.x", str(NAME.fs(1))), ["115"], id="no part"),
        pytest.param(file(GO, named(GO, part=2), str(NAME.fs(1))), ["116"], id="a part too many"),
        pytest.param(file(GO.replace(".R.", ".P.")), ["117"], id="environment"),
        pytest.param(file(T[:-1] + "2", named(T[:-1] + "2")), ["120"], id="an FI is missing"),
        pytest.param(file(parts={str(NAME.fi(1)): Part(9, "", 8), str(NAME.fs(1)): _RIGHT}), ["120"], id="cut off"),
        pytest.param(file(GO, str(NAME.fi(1))), ["122"], id="FS is missing"),
        pytest.param(file(parts={str(NAME.fi(1)): _RIGHT, str(NAME.fs(1)): Part(9, "", 8)}), ["122"], id="FS cut off"),
        pytest.param(file(T, named(T), named(T.replace("00001", "00002"))), ["123"], id="an FI of another file"),
        pytest.param(file(T, named(T), named(GO, "FS")), ["124"], id="an FS of another file"),
        pytest.param(file(S, named(S), named(S, "FS")), ["121"], id="a simulation is not signed"),
        pytest.param(file(T, named(T, "FS")), ["157"], id="no FI"),
        pytest.param(file(T, parts={named(T): Part(0, "0" * 64)}), ["134"], id="no bytes"),
        pytest.param(file(T, errors=("184", "102"), parts={}), ["102", "184"], id="what was noted when it came"),
        pytest.param(
            file("GO.DIMN.x.y.z.Q.0", "FI", "FS"),
            ["131", "132", "108", "109", "112", "114", "117"],
            id="all that is wrong, in order",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_names_and_numbers(given, codes):
    found = judged(given, active=True, today=TODAY)
    assert list(found) == codes
    assert judged(given, active=False, today=TODAY) == ("103", *found)


def test_codes_are_told_in_the_order_of_the_page():
    given = file(GO.replace("20261125", "20261201"), sender="123457", parts={})
    assert judged(given, active=True, today=TODAY) == ("108", "111", "122", "157")


def form(number: int) -> bytes:
    return dimona_in(person(700 + number))


RIGHT = joined([form(1)])


def crowded(other: bytes) -> bytes:
    """A Form with very many of these, each another."""
    return RIGHT.replace(b"</Form>", b"".join(other % number for number in range(600)) + b"</Form>")


_BROKEN = [
    pytest.param("DIMN", RIGHT[:-3], ["102"], id="not well-formed"),
    pytest.param("DIMN", b"\xff" + RIGHT, ["102"], id="not UTF-8"),
    pytest.param("DIMN", b"<!DOCTYPE Dimona><Dimona/>", ["102"], id="DOCTYPE"),
    pytest.param("DIMN", b"  ", ["102"], id="nothing"),
    pytest.param("DIMN", RIGHT + RIGHT, ["102"], id="two roots"),
    pytest.param("DIMN", RIGHT.replace(b"<Dimona ", b'<Dimona x="%s" ' % (b"x" * 5000)), ["102"], id="a large root"),
    pytest.param("DIMN", RIGHT.replace(b"<Dimona ", b'<Dimona xmlns:x="%s" ' % (b"x" * 5000)), ["102"], id="namespace"),
    pytest.param("DIMN", crowded(b"<x%d/>"), ["102"], id="very many names of elements"),
    pytest.param("DIMN", crowded(b'<x y%d="1"/>'), ["102"], id="of attributes"),
    pytest.param("DIMN", crowded(b'<x xmlns:y="%d"/>'), ["102"], id="of namespaces"),
    pytest.param("DIMN", crowded(b"<?x%d?>"), ["102"], id="of instructions"),
    pytest.param("DIMN", b"<Nothing/>", ["135"], id="unknown root"),
    pytest.param("DIMN", RIGHT.replace(b"Dimona_20231.xsd", b"Nothing.xsd"), ["136"], id="no release"),
    pytest.param("DIMN", RIGHT.replace(b"<Form>", b"text<Form>", 1), ["137"], id="text beside"),
    pytest.param("DIMN", RIGHT.replace(b"<Form>", b"<Other/><Form>", 1), ["137"], id="another element beside"),
    pytest.param("DIMN", question(), ["158"], id="another form"),
    pytest.param("DIMN", RIGHT[: RIGHT.index(b"<Form>")] + b"</Dimona>", ["142"], id="no form"),
    pytest.param("PFRQ", RIGHT, ["158"], id="no question"),
]


@pytest.mark.parametrize(("kind", "body", "codes"), _BROKEN)
async def test_what_is_wrong_with_the_bytes(post, kind, body, codes):
    name = name_of(kind)
    transfer = await post.send(name, body)
    await post.work()
    assert await post.acrfs(transfer) == [codes]
    sent = await post.file(transfer)
    assert (sent.state, sent.errors, sent.ticket) == ("refused", tuple(codes), "")
    assert await post.slices(transfer) == 0
    assert await post.declared(name) == []


async def test_what_is_accepted_is_told_its_ticket_then_each_form_is_handled(post):
    name = name_of(parts=2)
    parts = [joined(form(n) for n in (1, 2)), joined([form(3), dimona_in(person(704), TODAY, TODAY - DAY)])]
    transfer = await post.send(name, *parts)
    await post.work()
    sent = await post.file(transfer)
    assert (sent.state, sent.forms, sent.done, sent.received) == ("done", 4, 4, NOON)
    assert await post.acrfs(transfer) == [[]]
    (told,) = await post.rows("SELECT body, headers FROM outgoing WHERE headers->>'transfer' = $1", transfer)
    assert sent.ticket.encode() in told["body"]
    assert b"<TypeForm>PA<" in told["body"]
    assert str(name).encode() in told["body"]
    assert await post.declared(name) == ["ACCEPTED", "ACCEPTED", "ACCEPTED", "REFUSED"]
    assert await post.slices(transfer) == 0


async def test_forms_of_the_files_in_hand_are_counted_by_how_far_they_are(post):
    """What other tests left here counts too: a difference is looked at."""

    async def more(than):
        return {state: count - than[state] for state, count in (await post.filing.forms()).items()}

    before = await post.filing.forms()
    transfer = await post.send(name_of(), joined(form(n) for n in (41, 42, 43)))
    assert await more(before) == {"received": 0, "judged": 0, "told": 0}  # nobody has counted its forms yet
    (number,) = await post.filing.work((), 1)
    await post.processing._work(number)  # the whole
    assert await more(before) == {"received": 3, "judged": 0, "told": 0}
    await post.work()
    assert await more(before) == {"received": 0, "judged": 3, "told": 0}
    await post.rows("UPDATE file SET told = 2 WHERE transfer = $1", transfer)
    assert await more(before) == {"received": 0, "judged": 1, "told": 2}
    await post.rows("UPDATE file SET told = 3 WHERE transfer = $1", transfer)
    assert await more(before) == {"received": 0, "judged": 0, "told": 0}  # it is at its end


async def test_lines_of_anomalies_are_those_of_the_part(post):
    name = name_of()
    body = joined([form(5), dimona_in(person(706), TODAY, TODAY - DAY)])
    await post.send(name, body)
    await post.work()
    (row,) = await post.rows("SELECT anomalies FROM declaration WHERE key = $1", f"{name}#2")
    ((*_, line, _),) = json.loads(row["anomalies"])
    assert f"<EndingDate>{TODAY - DAY}" in body.splitlines()[line - 1].decode()


async def test_slices_in_any_order_and_twice(post):
    rng = random.Random(7)
    name, transfer = name_of(parts=2), str(uuid4())
    bodies = [joined(form(10 + n) for n in range(5)), joined(form(20 + n) for n in range(5))]
    all_of_them = [one for n, body in enumerate(bodies, 1) for one in slices(transfer, str(name.fi(n)), body)]
    order = [*all_of_them, *rng.sample(all_of_them, len(all_of_them) // 2)]
    rng.shuffle(order)
    complete = []
    for place, one in enumerate(order):
        if place in (3, 9):
            complete.append(await post.filing.go(SECRETARIAT, transfer, str(name)))
        complete.append(await post.filing.slice(SECRETARIAT, one))
    assert complete.count(True) == 1
    await post.work()
    assert (await post.declared(name)).count("ACCEPTED") == 10


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda one: replace(one, part=Part(MOST_OF_A_PART + 1, one.part.sha256)), ["184"]),
        (lambda one: replace(one, part=Part(one.part.size + 1, one.part.sha256)), ["102"]),
        (lambda one: replace(one, part=Part(one.part.size, "0" * 64)), ["102"]),
        (lambda one: replace(one, at=one.part.size - 1), ["102"]),
    ],
    ids=["more than 1 GiB", "another size", "another digest", "beyond the end"],
)
async def test_slices_that_contradict_each_other(post, change, codes):
    name, transfer = name_of(), str(uuid4())
    first, second, *rest = slices(transfer, str(name.fi(1)), RIGHT)
    for one in (first, change(second), *rest):
        await post.filing.slice(SECRETARIAT, one)
    await post.filing.go(SECRETARIAT, transfer, str(name))
    await post.work()
    assert await post.acrfs(transfer) == [codes]
    await post.filing.overdue()
    assert await post.slices(transfer) == 0


async def test_slices_that_overlap(post):
    name, transfer = name_of(), str(uuid4())
    first, second, *rest = slices(transfer, str(name.fi(1)), RIGHT)
    for one in (first, replace(second, at=second.at - 1), *rest):
        await post.filing.slice(SECRETARIAT, one)
    await post.filing.go(SECRETARIAT, transfer, str(name))
    await post.work()
    assert await post.acrfs(transfer) == [["102"]]


async def test_bytes_that_are_not_those_of_their_digest(post):
    name, transfer = name_of(), str(uuid4())
    for one in slices(transfer, str(name.fi(1)), RIGHT):
        await post.filing.slice(SECRETARIAT, replace(one, part=Part(one.part.size, "0" * 64)))
    await post.filing.go(SECRETARIAT, transfer, str(name))
    await post.work()
    assert await post.acrfs(transfer) == [["102"]]


@pytest.mark.parametrize("go_first", [False, True], ids=["the slices first", "the GO first"])
async def test_more_than_a_sender_may_have_here_of_files_that_are_not_done(post, monkeypatch, go_first):
    monkeypatch.setattr("institutions.nsso.files.filing.MOST_OF_A_SENDER", len(RIGHT))

    async def send(name, transfer):
        if go_first:
            await post.filing.go(OWN, transfer, str(name))
        for one in slices(transfer, str(name.fi(1)), RIGHT):
            await post.filing.slice(OWN, one)
        if not go_first:
            await post.filing.go(OWN, transfer, str(name))

    held_by, refused_by, later_by = (str(uuid4()) for _ in range(3))
    await send(name_of(sender=OWN), held_by)
    await send(name_of(sender=OWN), refused_by)
    await post.work()
    await send(name_of(sender=OWN), later_by)
    await post.work()
    assert [await post.acrfs(one, OWN) for one in (held_by, refused_by, later_by)] == [[[]], [["184"]], [[]]]


async def test_more_forms_than_a_file_may_have(post, monkeypatch):
    monkeypatch.setattr("institutions.nsso.files.processing.MOST_FORMS", 3)
    few, many = name_of(parts=2), name_of(parts=2)
    sent = [
        await post.send(few, joined([form(30), form(31)]), joined([form(32)])),
        await post.send(many, joined([form(30), form(31)]), joined([form(32), form(33)])),
    ]
    await post.work()
    assert [await post.acrfs(one) for one in sent] == [[[]], [["172"]]]


@pytest.mark.parametrize(
    ("first", "crowd", "few", "many"),
    [(200, "false()", "<x/>" * 150, "<x/>" * 250), (204, "//*/node()[61]", "<x/>" * 40, "<!-- -->" * 61)],
    ids=["elements", "beside each other"],
)
async def test_a_form_with_more_than_any_needs_is_refused_alone_and_its_schema_not_looked_at(
    post, monkeypatch, first, crowd, few, many
):
    monkeypatch.setattr("institutions.nsso.reading_form.MOST_ELEMENTS", 200)
    monkeypatch.setattr("institutions.nsso.reading_form.MOST_BESIDE", 60)
    monkeypatch.setattr("institutions.nsso.reading_form._CROWD", etree.XPath(f"boolean({crowd})"))
    right = [form(first + n) for n in range(4)]
    crowded = [
        one.replace(b"</Form>", f"{more}</Form>".encode()) for one, more in zip(right, ("", few, many, ""), strict=True)
    ]
    name = name_of()
    await post.send(name, joined(crowded))
    await post.work()
    assert await post.declared(name) == ["ACCEPTED", "REFUSED", "REFUSED", "ACCEPTED"]
    rows = await post.rows("SELECT key, anomalies FROM declaration WHERE file_name = $1", str(name))
    told = {row["key"].rpartition("#")[2]: [one[:2] for one in json.loads(row["anomalies"])] for row in rows}
    assert ["90059", "172"] not in told["2"]
    assert told["3"] == [["90059", "172"]]


async def test_a_name_that_another_transfer_has(post):
    name = name_of()
    first = await post.send(name, RIGHT)
    second = await post.send(name, joined([form(2)]))
    await post.filing.go(SECRETARIAT, second, str(name))
    await post.work()
    assert await post.acrfs(first) == [[]]
    assert await post.acrfs(second) == [["133"]]
    assert len(await post.declared(name)) == 1
    third = await post.send(name, RIGHT)
    assert await post.acrfs(third) == [["133"]]


async def test_the_same_transfer_again_is_told_nothing_more(post):
    name = name_of()
    transfer = await post.send(name, RIGHT)
    await post.work()
    await post.send(name, RIGHT, transfer=transfer)
    await post.work()
    assert await post.acrfs(transfer) == [[]]
    assert await post.slices(transfer) == 0
    assert len(await post.declared(name)) == 1


async def test_td_cancels_before_acceptance_and_frees_the_name(post):
    name = name_of()
    transfer = await post.send(name, RIGHT)
    await post.filing.cancel(SECRETARIAT, transfer, str(name.td()))
    await post.send(name, RIGHT, transfer=transfer)
    await post.work()
    assert (await post.file(transfer)).state == "cancelled"
    assert (await post.acrfs(transfer), await post.slices(transfer)) == ([], 0)
    again = await post.send(name, RIGHT)
    await post.work()
    assert await post.acrfs(again) == [[]]


async def test_td_that_overtakes_its_file(post):
    name, transfer = name_of(), str(uuid4())
    await post.filing.cancel(SECRETARIAT, transfer, str(name.td()))
    await post.send(name, RIGHT, transfer=transfer)
    await post.work()
    assert (await post.file(transfer)).state == "cancelled"
    assert await post.declared(name) == []


async def test_td_after_acceptance_does_nothing(post):
    name = name_of()
    transfer = await post.send(name, RIGHT)
    await post.work()
    await post.filing.cancel(SECRETARIAT, transfer, str(name.td()))
    assert (await post.file(transfer)).state == "done"


@pytest.mark.parametrize("what", ["another's transfer", "another name", "no name"])
async def test_td_of_something_else_cancels_nothing(post, what):
    name = name_of()
    transfer = await post.send(name, RIGHT)
    sender = OWN if what == "another's transfer" else SECRETARIAT
    td = {"another name": str(name_of().td()), "no name": "TD.DIMN"}.get(what, str(name.td()))
    await post.filing.cancel(sender, transfer, td)
    await post.work()
    assert await post.acrfs(transfer) == [[]]


async def test_a_file_without_a_go_is_told_so_after_a_day(post):
    name, transfer = name_of(), str(uuid4())
    for one in slices(transfer, str(name.fi(1)), RIGHT):
        await post.filing.slice(SECRETARIAT, one)
    post.now += timedelta(hours=24)
    await post.filing.overdue()
    assert await post.acrfs(transfer) == []
    post.now += timedelta(seconds=1)
    await post.filing.overdue()
    assert await post.acrfs(transfer) == [["130"]]
    await post.filing.overdue()
    assert await post.slices(transfer) == 0
    await post.filing.go(SECRETARIAT, transfer, str(name))
    await post.work()
    assert await post.acrfs(transfer) == [["130"]]


async def test_a_file_that_stays_incomplete_is_told_so_an_hour_after_its_go(post):
    name, transfer = name_of(), str(uuid4())
    first, _, *rest = slices(transfer, str(name.fi(1)), RIGHT)
    for one in (first, *rest):
        await post.filing.slice(SECRETARIAT, one)
    await post.filing.go(SECRETARIAT, transfer, str(name))
    post.now += timedelta(hours=1)
    await post.filing.overdue()
    await post.work()
    assert await post.acrfs(transfer) == []
    post.now += timedelta(seconds=1)
    await post.filing.overdue()
    await post.work()
    assert await post.acrfs(transfer) == [["120"]]


@pytest.mark.parametrize(
    ("signature", "codes"),
    [
        (lambda body: signed(body), []),
        (lambda body: signed(body + b" "), ["125"]),
        (lambda body: b"nothing", ["125"]),
        (lambda body: b"A" * 300_000, ["125"]),
        (lambda body: base64.b64decode(signed(body)), ["125"]),
        (lambda body: signed(body, ANOTHERS), ["153"]),
        (lambda body: signed(body, LAPSED), ["154"]),
        (lambda body: signed(body + b" ", ANOTHERS), ["125", "153"]),
    ],
    ids=["right", "over other bytes", "none", "too long", "no base64", "another's", "not in force", "two"],
)
@pytest.mark.parametrize("environment", ["R", "T"])
async def test_signatures(post, signature, codes, environment):
    name, body = name_of(environment=environment), joined([form(40 + len(codes))])
    transfer = await post.send(name, body, signatures=[signature(body)])
    await post.work()
    assert await post.acrfs(transfer) == [codes]


async def test_a_signature_is_of_its_own_part(post):
    name, bodies = name_of(environment="R", parts=2), [joined([form(50)]), joined([form(51)])]
    right = [signed(body) for body in bodies]
    swapped = await post.send(name, *bodies, signatures=right[::-1])
    good = await post.send(name_of(environment="R", parts=2), *bodies, signatures=right)
    await post.work()
    assert [await post.acrfs(one) for one in (swapped, good)] == [[["125"]], [[]]]


async def test_what_was_told_keeps_its_bytes_for_thirty_days(post):
    transfer = await post.send(name_of(), RIGHT)
    await post.work()
    of_it = "FROM outgoing WHERE reference = $1 AND body <> ''"
    await post.rows(f"UPDATE outgoing SET told = $2 WHERE id IN (SELECT id {of_it})", transfer, NOON)
    for days, there in ((30, 1), (31, 0)):
        post.now = NOON + timedelta(days=days)
        await post.filing.overdue()
        assert len(await post.rows(f"SELECT {of_it}", transfer)) == there


async def test_a_file_is_judged_by_the_day_on_which_it_was_complete(post):
    """However late it has its turn: its name's month, and the certificate that signed it, end on that day."""
    post.filing = Filing(post.desk.office, now=lambda: post.now)
    post.processing = Processing(post.desk.office, post.filing, "12-0", lambda: None)
    body = joined([form(53)])
    post.now = NOON + timedelta(hours=11, minutes=59)
    months_end = await post.send(name_of(day=TODAY.replace(month=10)), body)
    signed_today = await post.send(name_of(environment="R"), body, signatures=[signed(body)])
    post.now += timedelta(minutes=2)
    await post.work()
    assert [await post.acrfs(one) for one in (months_end, signed_today)] == [[[]], [[]]]


async def test_who_sends_many_files_keeps_nobody_waiting(post):
    many = [await post.send(name_of(), joined([form(54 + n)])) for n in range(3)]
    one = await post.send(name_of(sender=OWN), RIGHT, sender=OWN)
    first, of_another = [(await post.file(many[0])).id, (await post.file(one, OWN)).id]
    assert list(await post.filing.work((), 10)) == [first, of_another]
    await post.processing._work(first)
    assert list(await post.filing.work((), 10)) == [(await post.file(many[1])).id, of_another, first]
    await post.work()
    assert [(await post.file(each)).state for each in many] == ["done"] * 3


async def test_the_locks_of_a_process_whose_machine_is_gone_are_free_within_minutes(post):
    """Two hours are what an operating system waits by itself; who goes on with its files waits for that."""
    async with post.desk.office.session() as session:
        idle, more, times = [
            int(await session.fetchval(f"SELECT setting FROM pg_settings WHERE name = 'tcp_keepalives_{name}'"))
            for name in ("idle", "interval", "count")
        ]
        unsent = int(await session.fetchval("SELECT setting FROM pg_settings WHERE name = 'tcp_user_timeout'"))
    assert 0 < idle + more * times <= 120
    assert 0 < unsent <= 120_000


async def test_of_the_files_that_wait_for_their_turn_no_group_is_held(post, monkeypatch):
    monkeypatch.setattr("institutions.nsso.files.processing.GROUP", 3)
    monkeypatch.setattr("institutions.nsso.files.processing.AT_ONCE", 1)
    post.processing = Processing(post.desk.office, post.filing, "12-0", lambda: None)
    sent = [await post.send(name_of(), joined([form(59)] * 9)) for _ in range(5)]
    for transfer in sent:
        await post.processing._work((await post.file(transfer)).id)
    held, most = 0, 0
    submissions, handle = post.processing._submissions, post.desk.office.handle

    async def taking(*given):
        nonlocal held
        async for one in submissions(*given):
            held += 1
            yield one

    async def handling(group, *, within):
        nonlocal held, most
        most = max(most, held)
        handled = await handle(group, within=within)
        held -= len(group)
        return handled

    monkeypatch.setattr(post.processing, "_submissions", taking)
    monkeypatch.setattr(post.desk.office, "handle", handling)
    await asyncio.gather(*[post.processing._work((await post.file(transfer)).id) for transfer in sent])
    assert (held, [(await post.file(transfer)).state for transfer in sent]) == (0, ["done"] * 5)
    # A group, and of each file the next form.
    assert 3 <= most <= 3 + 5


async def test_to_tell_what_became_of_forms_takes_no_form_from_the_database(post):
    name = name_of()
    await post.send(name, joined([form(58)]))
    await post.work()
    (row,) = await post.rows(statements.ANSWERS, SECRETARIAT, "T", [f"{name}#1"])
    assert "body" not in dict(row)
    assert Declaration.of_row(row).file_name == str(name)


async def command(post: Post, *words: str) -> Result:
    """`crossroads nsso`, as operators say it."""
    return await asyncio.to_thread(CliRunner().invoke, group, [*words, "--database", post.desk.url])


async def listed(post: Post, *words: str) -> list[dict[str, object]]:
    said = await command(post, "files", "--json", *words)
    assert said.exit_code == 0
    found: list[dict[str, object]] = json.loads(said.stdout)
    return found


async def test_operators_see_what_became_of_files(post):
    name = name_of()
    await post.send(name, b"<Dimona>")
    await post.work()
    assert [one["file"] for one in await listed(post) if one["file"] == str(name)] == []
    (found,) = [one for one in await listed(post, "--all") if one["file"] == str(name)]
    assert (found["state"], found["errors"]) == ("refused", "102")


async def test_one_form_at_which_the_code_fails_stops_its_file_alone(post, monkeypatch):
    name, other = name_of(), name_of()
    bad = person(762)
    transfer = await post.send(name, joined(form(60 + n) for n in range(5)))
    beside = await post.send(other, RIGHT)
    handle = post.desk.office.handle

    async def failing(submissions, *, within=None):
        if any(bad.digits.encode() in one.body for one in submissions):
            raise HandlingFailed("a bug")
        return await handle(submissions, within=within)

    monkeypatch.setattr(post.desk.office, "handle", failing)
    await post.work()
    stopped = await post.file(transfer)
    assert (stopped.state, stopped.done, stopped.stopped) == ("accepted", 2, "form 3: a bug")
    assert (await post.file(beside)).state == "done"
    assert [one for one in await listed(post) if one["stopped"]] == [
        {"file": str(name), "sender": SECRETARIAT, "state": "accepted", "forms": 5, "done": 2, "told": 0, "errors": "",
         "stopped": "form 3: a bug"}
    ]  # fmt: skip
    monkeypatch.undo()
    await post.work()
    assert (await post.file(transfer)).done == 2
    assert isinstance((await command(post, "go-on", str(name_of()))).exception, CrossroadsError)
    assert (await command(post, "go-on", str(name))).exit_code == 0
    await post.work()
    assert await post.declared(name) == ["ACCEPTED"] * 5
    assert (await post.file(transfer)).state == "done"


async def test_nothing_of_a_file_is_anothers(post):
    """Another sender with the same transfer and name has a file of its own, and learns nothing."""
    name, transfer = name_of(), str(uuid4())
    first, *rest = slices(transfer, str(name.fi(1)), RIGHT)
    for one in rest:
        await post.filing.slice(SECRETARIAT, one)
    await post.filing.go(SECRETARIAT, transfer, str(name))
    await post.filing.slice(OWN, first)
    await post.filing.go(OWN, transfer, str(name))
    post.now += 2 * timedelta(hours=1)
    await post.filing.overdue()
    await post.work()
    assert await post.acrfs(transfer) == [["120"]]
    assert await post.acrfs(transfer, OWN) == [["108", "120"]]
    unknown = await post.send(name, sender=OWN)
    await post.filing.overdue()
    post.now += 2 * timedelta(hours=1)
    await post.filing.overdue()
    await post.work()
    assert await post.acrfs(unknown, OWN) == [["133"]]


async def test_a_mandate_that_another_has_is_of_no_use_in_a_file(post):
    name = name_of()
    await post.send(name, joined([dimona_in(person(770), employer=BREWER), form(71)]))
    await post.work()
    assert await post.declared(name) == ["REFUSED", "ACCEPTED"]


async def test_a_sender_that_ends_within_its_file_is_told_so_of_the_rest(post, monkeypatch):
    monkeypatch.setattr("institutions.nsso.files.processing.GROUP", 2)
    name = name_of(sender=OWN)
    await post.send(name, joined(dimona_in(person(730 + n), employer=BREWER) for n in range(5)))
    handle = post.desk.office.handle

    async def ending(submissions, *, within=None):
        done = await handle(submissions, within=within)
        await post.rows("UPDATE sender SET active = false WHERE number = $1", OWN)
        return done

    monkeypatch.setattr(post.desk.office, "handle", ending)
    try:
        await post.work()
    finally:
        await post.rows("UPDATE sender SET active = true WHERE number = $1", OWN)
    assert await post.declared(name) == ["ACCEPTED"] * 2 + ["REFUSED"] * 3
    rows = await post.rows("SELECT anomalies FROM declaration WHERE file_name = $1 AND result = 'REFUSED'", str(name))
    assert all(json.loads(row["anomalies"])[0][:2] == ["90256", "155"] for row in rows)


@pytest.mark.parametrize(
    "change",
    [
        {"transfer": str(uuid4())},
        {"file": "FI.OTHER"},
        {"offset": 1},
        {"size": 3},
        {"sha256": "1"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_equal_bytes_elsewhere_are_another_slice(change):
    said = {"transfer": str(uuid4()), "file": "FI.ONE", "offset": 0, "size": 2, "sha256": "0"}

    def key(headers, redelivered=False):
        properties = Properties(user_id="sender-123456", type="slice", headers=headers)
        return key_of(Delivery(b"x", "hub.in.sender-123456.batch", properties, redelivered, 1, 1))

    assert key(said) == key(dict(said), redelivered=True) != key({**said, **change})


@pytest.mark.parametrize("group", [1, 200])
async def test_a_simulation_is_judged_by_what_is_real_and_by_what_it_did(post, monkeypatch, group):
    monkeypatch.setattr("institutions.nsso.files.processing.GROUP", group)
    name, who, other = name_of(environment="S"), person(780 + 4 * (group > 1)), person(781 + 4 * (group > 1))
    period = (await post.desk.say(dimona_in(who))).period
    forms = [
        dimona_in(who),
        dimona_out(period, TODAY + DAY),
        dimona_out(period, TODAY + 2 * DAY),
        dimona_in(who, TODAY + 2 * DAY),
        dimona_in(other),
        dimona_in(other),
    ]
    await post.send(name, joined(forms))
    await post.work()
    found = ["REFUSED", "ACCEPTED", "REFUSED", "ACCEPTED", "ACCEPTED", "REFUSED"]
    assert await post.declared(name) == found
    # Another simulation knows nothing of it, and what is real is as it was.
    again = name_of(environment="S")
    await post.send(again, joined(forms))
    await post.work()
    assert await post.declared(again) == found
    (row,) = await post.rows("SELECT ending_date FROM period WHERE person = $1", who.number)
    assert row["ending_date"] is None
    assert await post.rows("SELECT FROM period WHERE person = $1", other.number) == []
    assert await post.rows("SELECT FROM simulated") == []
    # They go when they are told.
    await post.rows("DELETE FROM declaration WHERE environment = 'S'")


async def test_lists_of_workers_by_a_file(post):
    name = name_of("PFRQ")
    transfer = await post.send(name, joined([question(), question(BREWER)]))
    await post.work()
    rows = await post.rows(
        "SELECT form, headers FROM outgoing WHERE headers->>'transfer' = $1 AND form <> 'ACRF' ORDER BY id", transfer
    )
    assert [row["form"] for row in rows] == ["PersonnelFileConsultationAnswer", "NOTIFICATION"]


@pytest.mark.parametrize(("limit", "most"), [("MOST_ANSWERS", 4), ("MOST_UNTOLD", 5_000)])
async def test_lists_of_workers_wait_while_their_sender_does_not_read(post, monkeypatch, limit, most):
    """They are made no further than the ceiling, no place is held meanwhile, and none is lost."""
    await post.rows("UPDATE outgoing SET told = now()")
    monkeypatch.setattr(f"institutions.nsso.files.filing.{limit}", most)
    # Its sender has no mandate for the brewer: each is told so, in some 2 kB.
    name = name_of("PFRQ")
    transfer = await post.send(name, joined([question(BREWER)] * 9))
    number, seen = (await post.file(transfer)).id, [0]
    await post.processing._work(number)
    while (await post.file(transfer)).state != "done":
        await post.processing._work(number)
        # Again, and nothing has changed.
        await post.processing._work(number)
        sent = await post.file(transfer)
        assert seen[-1] < sent.done <= seen[-1] + 4
        assert (number in post.processing._resting) == (sent.done < 9)
        seen.append(sent.done)
        await post.rows("UPDATE outgoing SET told = now() WHERE sender = $1", SECRETARIAT)
        post.processing._resting.clear()
    assert len(seen) > 3
    rows = await post.rows(
        "SELECT (headers->>'first')::int AS first FROM outgoing WHERE headers->>'transfer' = $1 AND form <> 'ACRF'"
        " ORDER BY id",
        transfer,
    )
    assert [row["first"] for row in rows] == list(range(1, 10))


async def test_who_takes_a_file_that_another_had_tells_and_keeps_each_form_once(post, desks):
    """Both go on with the same file at once, as when a session's lock was lost."""
    name = name_of()
    transfer = await post.send(name, joined(form(90 + n) for n in range(9)))
    (number,) = await post.filing.work((), 10)
    await post.processing._work(number)
    other = Post(desks[1])
    one, two = post.processing, other.processing
    sent = await post.file(transfer)
    await asyncio.gather(one._handle(sent), two._handle(sent), return_exceptions=True)
    await post.work()
    assert await post.declared(name) == ["ACCEPTED"] * 9
    assert (await post.file(transfer)).state == "done"
