"""A file published: each form declared once and reported, whatever becomes of the publisher in between."""

import asyncio
import csv
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from institutions.errors import NoAnswer, NotAllowed, Unreachable
from institutions.payroll import CannotPublish, Progress, Report, StateError, publisher
from institutions.payroll import Sender as Payroll
from institutions.payroll.publisher import Publication, Wanted
from schemas.declarations.number import PeriodId
from schemas.declarations.outcome import Result
from schemas.declarations.writing import opening
from schemas.period import today
from schemas.ssin import Ssin
from schemas.wire import names
from tests.institutions.patience import PATIENCE
from tests.institutions.payroll.dimona_file import WRONG, Plan
from tests.institutions.payroll.ground import OTHERS, OWN, SECOND, SIGNER, SLOW, A, B, Ground
from tests.wire.proxy import Proxy

FORMS = 60


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of which a small file has several."""
    monkeypatch.setattr(publisher, "SLICE", 2_048)
    monkeypatch.setattr(publisher, "WINDOW", 4)
    monkeypatch.setattr(publisher, "_LOOK", 0.05)


PLAN = Plan(FORMS, (OWN, SECOND), OTHERS, seed=7, wrong=dict.fromkeys(WRONG, 80))


def as_planned(report: Report, plan: Plan = PLAN) -> None:
    """Every form is in the report, as it must be, with its line and its reason."""
    outcomes = list(report.outcomes())
    assert [one.form for one in outcomes] == list(range(1, plan.count + 1))
    lines = report.file.read_text().splitlines()
    for one in outcomes:
        sent, error_id = plan.outcome(one.form)
        assert (one.sent, [a.error_id for a in one.anomalies]) == (sent, [error_id] if error_id else [])
        assert lines[one.line - 1] == "  <Form>"
        for anomaly in one.anomalies:
            assert anomaly.line is not None
            assert f"<{anomaly.tag}" in lines[anomaly.line - 1]
        if sent:
            assert one.result is (Result.REFUSED if error_id else Result.ACCEPTED)
            assert len(one.ticket) == 13


def rows(report: Report) -> list[dict[str, str]]:
    with report.csv.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def private(folder: Path) -> None:
    for path in folder.rglob("*"):
        if "publish" in path.name or path.suffix == ".csv":
            assert path.stat().st_mode & 0o077 == 0, path


async def test_a_file_is_declared_and_reported(ground: Ground, tmp_path: Path) -> None:
    file = PLAN.write(tmp_path / "may.xml")
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        private(tmp_path)

    report = await ground.sender(A, box=tmp_path / "box").publish(file, environment="T", progress=watch)
    as_planned(report)
    kinds = [PLAN.kind(n) for n in range(1, FORMS + 1)]
    assert all(kinds.count(kind) > 1 for kind in WRONG)
    assert (report.forms, report.not_sent) == (FORMS, kinds.count("schema") + kinds.count("digits"))
    assert (report.refused, report.accepted) == (kinds.count("mandate") + kinds.count("end"), kinds.count(""))
    assert (report.not_answered, report.all_accepted, report.errors) == (0, False, ())
    last = seen[-1]
    assert (last.answered, last.refused, last.wrong) == (FORMS - report.not_sent, report.refused, report.not_sent)
    # The report for those who have no Python.
    found = rows(report)
    assert [row["form"] for row in found] == [str(n) for n in range(1, FORMS + 1)]
    for row in found:
        error_id = PLAN.outcome(int(row["form"]))[1]
        assert row["errorId"] == error_id
        assert (row["class"], bool(row["NL"] and row["FR"] and row["EN"])) == (("B", True) if error_id else ("", False))
        assert row["outcome"] in ("accepted", "refused", "not sent")
    private(tmp_path)
    assert not (tmp_path / "may.xml.T.publish.d").exists()
    # The same once more: told again, and nothing is sent.
    again = await Payroll(A, "amqp://nowhere.invalid").publish(file, environment="T")
    assert again == report


async def declared(ground: Ground, plan: Plan) -> set[int]:
    """How often the workers of the forms that are right are declared."""
    right = [n for n in range(1, plan.count + 1) if not plan.kind(n)]
    of = "SELECT count(*) FROM period WHERE ssin = $1"
    return {await ground.count(of, int(plan.ssin(n))) for n in right}


class Killed(BaseException):
    """The publisher is no more."""


async def test_killed_between_every_two_steps_nothing_is_declared_twice_and_the_report_is_whole(
    ground: Ground, tmp_path: Path
) -> None:
    plan = replace(PLAN, born=62)
    file, steps = plan.write(tmp_path / "june.xml"), []
    running: asyncio.Future[Any]

    def dies(step: str) -> None:
        if step not in steps:
            steps.append(step)
            if asyncio.current_task() is not running:  # it reads answers
                running.cancel()
            raise Killed(step)

    for _ in range(50):
        me = ground.sender(A, box=tmp_path / "box")
        publication = Publication(file, A, Wanted("T"), step=dies)
        running = asyncio.ensure_future(me.run([publication]))
        try:
            [report] = await running
        except (Killed, asyncio.CancelledError):
            continue
        break
    assert isinstance(report, Report)
    as_planned(report, plan)
    assert {"checked", "named", "go", "sent", "kept", "answered", "written", "cleared"} < set(steps)
    assert sum(step.startswith("slices") for step in steps) > 3
    assert await ground.count("SELECT count(*) FROM file WHERE name = $1", report.name) == 1
    assert await declared(ground, plan) == {1}


async def test_what_another_process_of_the_sender_read_is_in_the_box(ground: Ground, tmp_path: Path) -> None:
    """One reads the queue, both have their answers; what is neither's is there for who listens."""
    plans = [replace(PLAN, born=born) for born in (63, 64)]
    files = [plan.write(tmp_path / f"{plan.born}.xml") for plan in plans]
    first, second = (ground.sender(A, box=tmp_path / "box") for _ in range(2))
    connection = await ground.connection("12-0")
    try:
        channel = await connection.channel()
        told = aio_pika.Message(b"<IDFLUX/>", type="IDFLUX", user_id="12-0")
        await channel.default_exchange.publish(told, names.answers(names.sender_user(A)))
    finally:
        await connection.close()
    reports = await asyncio.gather(first.publish(files[0], environment="T"), second.publish(files[1], environment="T"))
    for plan, report in zip(plans, reports, strict=True):
        as_planned(report, plan)
    third = ground.sender(A, box=tmp_path / "box")
    assert [kept.form async for kept in third.listen(idle=0.2)] == ["IDFLUX"]
    assert [kept.form async for kept in third.listen(idle=0.2, files=True)] == []


async def test_a_full_queue_makes_it_slower_and_loses_nothing(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "SLICE", 512)
    monkeypatch.setattr(publisher, "WINDOW", 16)
    monkeypatch.setattr(publisher, "_SLOWER", 0.05)
    plan, slower = replace(PLAN, born=65), asyncio.Event()
    await ground.kill()
    file = plan.write(tmp_path / "july.xml")
    publishing = asyncio.ensure_future(ground.sender(SLOW, box=tmp_path / "box").publish(
        file, environment="T", progress=lambda told: slower.set() if told.slower else None))  # fmt: skip
    await asyncio.wait_for(slower.wait(), PATIENCE)
    await ground.start()
    as_planned(await publishing, plan)
    assert await declared(ground, plan) == {1}


async def test_while_the_broker_is_away_it_waits_and_goes_on_with_the_same_command(
    ground: Ground, tmp_path: Path
) -> None:
    plan = replace(PLAN, born=66)
    file = plan.write(tmp_path / "august.xml")
    await ground.kill()
    async with Proxy(ground.url(f"sender-{A}")) as proxy:

        def publish(patience: float) -> asyncio.Future[Report]:
            me = Payroll(A, proxy.url, observe=lambda _: None, box=tmp_path / "box")
            return asyncio.ensure_future(me.publish(file, environment="T", patience=patience))

        proxy.refusing = True
        with pytest.raises(Unreachable, match="go on with the same command"):
            await publish(0.3)
        proxy.refusing = False
        with pytest.raises(NoAnswer, match="forms are not answered"):
            await publish(2)
        proxy.refusing = True
        waiting = publish(PATIENCE)
        await ground.start()
        proxy.refusing = False
        as_planned(await waiting, plan)
    assert await declared(ground, plan) == {1}


async def test_whom_the_broker_does_not_let_in_is_told_so(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_REFUSED_FOR", 0.1)
    url = ground.url(f"sender-{A}").replace(ground.passwords[f"sender-{A}"], "guess")
    with pytest.raises(NotAllowed, match="look at user, password and vhost"):
        await Payroll(A, url, observe=lambda _: None, box=tmp_path / "box").publish(
            PLAN.write(tmp_path / "june.xml"), environment="T"
        )


async def test_a_file_that_changed_is_refused_and_with_again_it_is_another(ground: Ground, tmp_path: Path) -> None:
    plan = replace(PLAN, born=67)
    file, me = plan.write(tmp_path / "june.xml"), ground.sender(A, box=tmp_path / "box")
    first = await me.publish(file, environment="T")
    file.write_text(file.read_text().replace("synthetic", "changed"))
    with pytest.raises(CannotPublish, match="--again"):
        await me.publish(file, environment="T")
    second = await me.publish(file, environment="T", again=True)
    found = [[a.error_id for a in one.anomalies] for one in second.outcomes() if not plan.kind(one.form)]
    assert found == [["90373-333"]] * first.accepted
    assert not second.all_accepted
    assert await declared(ground, plan) == {1}
    third = await me.publish(file, environment="T", again=True)
    assert len({first.name, second.name, third.name}) == 3
    # A simulation of it is another publication.
    simulated = await me.publish(file, environment="S")
    as_planned(simulated, plan)
    assert ".S." in str(simulated.name)


async def test_who_lost_its_state_is_told_that_the_file_was_sent(ground: Ground, tmp_path: Path) -> None:
    plan = replace(PLAN, born=68)
    file, me = plan.write(tmp_path / "june.xml"), ground.sender(A, box=tmp_path / "box")
    await me.publish(file, environment="T")
    for left in ("june.xml.T.publish", "june.xml.T.report.csv"):
        (tmp_path / left).unlink()
    report = await me.publish(file, environment="T")
    assert (report.errors, report.accepted, report.all_accepted) == (("ACRF-133",), 0, False)
    found = rows(report)
    assert (found[0]["outcome"], found[0]["errorId"]) == ("file refused", "ACRF-133")
    assert found[0]["FR"]
    assert {row["outcome"] for row in found[1:]} == {"file refused", "not sent"}


async def test_one_process_publishes_a_file_and_another_sender_has_its_own_copy(tmp_path: Path) -> None:
    file = PLAN.write(tmp_path / "june.xml")
    one = Publication(file, A, Wanted("T"))
    try:
        with pytest.raises(StateError, match="another process"):
            Publication(file, A, Wanted("T"))
    finally:
        one.close()
    with pytest.raises(StateError, match=f"is sender {A}'s"):
        Publication(file, B, Wanted("T"))
    # A file whose name ends as a state's does is not taken for one that was published as a test.
    real = PLAN.write(tmp_path / "june.xml.T")
    with pytest.raises(StateError, match="another environment"):
        Publication(real, A, Wanted("R"))


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 0, "not well-formed"),
        ("no XML", 0, "not well-formed"),
        ("{opening}</Dimona>", 2, "there is no form in it"),
        ("{opening}\n{form}", 3, "cut off"),
        ("{opening}\n{form}</Dimona>\n<more/>", 4, "behind the root"),
        ("{opening}\n{form}text</Dimona>", 3, "only elements Form"),
        ("{opening}\n{form}<Strange/></Dimona>", 3, "only elements Form"),
        ("{opening}\n{form}<!-- </Dimona>", 3, "not closed"),
        ("{opening}\n{form}<Form><INSS></Form></Dimona>", 3, "not well-formed XML, in the form"),
        ("{opening}\n<Form>", 3, "cut off"),
        ("<!DOCTYPE Dimona><Dimona/>", 0, "DOCTYPE"),
        ("\n<Dimona a='" + 5_000 * "x" + "'></Dimona>", 2, "bytes of attributes"),
        ("<Strange><Form/></Strange>", 0, "known form"),
        ("<IDFLUX><Form/></IDFLUX>", 0, "is not published in a file"),
    ],
)
async def test_what_is_no_file_of_forms_is_refused_with_its_line_and_nothing_is_sent(
    tmp_path: Path, text: str, line: int, why: str
) -> None:
    file = tmp_path / "june.xml"
    form = Plan(1, (OWN,), OTHERS, wrong={}).form(1)
    file.write_text(text.format(opening=opening("Dimona_20231"), form=form))
    publication = Publication(file, A, Wanted("T"))
    try:
        with pytest.raises(CannotPublish, match=why) as caught:
            await publication.check()
        # Lines of the table are without those of the form.
        behind = form.count("\n") if "{form}" in text else 0
        assert f"june.xml:{line + behind}: " in str(caught.value) or line == 0
    finally:
        publication.close()


async def test_where_no_form_is_right_nothing_is_sent(tmp_path: Path) -> None:
    plan = Plan(5, (OWN,), OTHERS, wrong={"digits": 1_000})
    report = await Payroll(A, "amqp://nowhere.invalid").publish(plan.write(tmp_path / "june.xml"))
    assert (report.forms, report.not_sent, report.name, report.all_accepted) == (5, 5, None, False)
    as_planned(report, plan)


async def test_what_is_real_is_signed_part_by_part(ground: Ground, tmp_path: Path) -> None:
    plan = replace(PLAN, born=69)
    file, me = plan.write(tmp_path / "june.xml"), ground.sender(A, box=tmp_path / "box")
    as_planned(await me.publish(file, signer=SIGNER), plan)
    # Signed elsewhere, under a name of the field's: as it is.
    right = replace(PLAN, born=70, wrong={})
    name = f"FI.DIMN.{A}.{today():%Y%m%d}.ABCDE.R.1.1"
    file = right.write(tmp_path / name)
    fs = SIGNER.sign(hashlib.sha256(file.read_bytes()).digest())
    (tmp_path / name.replace("FI", "FS")).write_bytes(fs)
    report = await me.publish(file)
    as_planned(report, right)
    assert (report.name, report.all_accepted) == (name.replace("FI", "GO")[:-2], True)
    assert await declared(ground, plan) == {1} == await declared(ground, right)
    # What is wrong cannot be left out of what is signed.
    wrong = replace(PLAN, born=71).write(tmp_path / name.replace("ABCDE", "ABCDF"))
    (tmp_path / wrong.name.replace("FI", "FS")).write_bytes(fs)
    with pytest.raises(CannotPublish, match="11 of 60 forms are wrong, and its FS is over the whole file"):
        await me.publish(wrong)


async def test_what_is_real_must_be_signed(tmp_path: Path) -> None:
    publication = Publication(PLAN.write(tmp_path / "june.xml"), A, Wanted())
    try:
        with pytest.raises(CannotPublish, match="must be signed"):
            await publication.check()
    finally:
        publication.close()


async def test_equal_bytes_at_two_places_are_one_file_and_the_other_is_told_so(ground: Ground, tmp_path: Path) -> None:
    plan = replace(PLAN, born=71)
    files = [plan.write(tmp_path / "one.xml"), tmp_path / "two.xml"]
    files[1].write_bytes(files[0].read_bytes())
    mine = [ground.sender(A, box=tmp_path / "box") for _ in files]
    reports = await asyncio.gather(*(me.publish(file, environment="T") for me, file in zip(mine, files, strict=True)))
    first, second = sorted(reports, key=lambda report: report.errors)
    assert first.name == second.name
    as_planned(first, plan)
    assert (second.errors, second.accepted, second.all_accepted) == (("ACRF-133",), 0, False)
    assert await declared(ground, plan) == {1}


async def test_how_a_form_ended_that_was_to_be_validated_is_reported_too(ground: Ground, tmp_path: Path) -> None:
    """Told when the file was reported, to whoever reads the queue then; and told, and told again, before."""
    plan = Plan(3, (OWN,), OTHERS, wrong={}, born=72)
    file, me = plan.write(tmp_path / "june.xml"), ground.sender(A, box=tmp_path / "box")
    said = "<WorkerName>Zilverspar</WorkerName><WorkerFirstName>{}</WorkerFirstName>"
    born = "<WorkerBirthdate>1972-01-01</WorkerBirthdate>"
    text = file.read_text()
    for n, name in ((1, "Ada"), (2, "Bea")):
        text = text.replace(f"<INSS>{plan.ssin(n)}</INSS>", said.format(name) + born)
    file.write_text(text)

    async def publish() -> list[Result | None]:
        report = await me.publish(file, signer=SIGNER)
        ended = [one.result for one in report.outcomes()]
        assert [row["outcome"] for row in rows(report)] == [one and one.value for one in ended]
        assert report.to_validate == ended.count(Result.TO_VALIDATE)
        periods.extend(str(one.period_id) for one in report.outcomes())
        return ended

    async def identify(n: int) -> None:
        assert await ground.nsso.persons.identify(PeriodId.parse(periods[n - 1]), Ssin.parse(plan.ssin(n))) is not None

    periods: list[str] = []
    assert await publish() == [Result.TO_VALIDATE, Result.TO_VALIDATE, Result.ACCEPTED]
    assert await publish() == [Result.TO_VALIDATE, Result.TO_VALIDATE, Result.ACCEPTED], "nothing came yet"
    await identify(1)
    # Another process of the sender reads the queue: nobody looks for it now.
    assert [kept.form async for kept in ground.sender(A, box=tmp_path / "box").listen(idle=1)] == []
    ended = await publish()
    assert (ended[0] in (Result.ACCEPTED, Result.WARNED), ended[1:]) == (True, [Result.TO_VALIDATE, Result.ACCEPTED])
    await identify(2)
    ended = await publish()
    assert Result.TO_VALIDATE not in ended
    again = await Payroll(A, "amqp://nowhere.invalid").publish(file, signer=SIGNER)
    assert [one.result for one in again.outcomes()] == ended
