"""The office on a real PostgreSQL: once, in order, told to whom it concerns, and each form as if it had come alone."""

from tests.institutions.nsso.ground import (
    BREWER,
    FORMS,
    TODAY,
    dimona_cancel,
    dimona_in,
    dimona_out,
)


async def test_an_in_is_accepted_and_told_with_its_period(desk, worker):
    answer = await desk.say(dimona_in(worker))
    assert FORMS.violations(answer.handled.body)[1] == ()
    assert (answer.result, answer.ids) == ("ACCEPTED", [])
    assert answer.form.findtext(".//DimonaPeriodAfter/StartingDate") == TODAY.isoformat()
    assert answer.form.find(".//DimonaPeriodBefore") is None


async def test_a_life_of_a_period(desk, worker):
    period = (await desk.say(dimona_in(worker))).period
    out = await desk.say(dimona_out(period, TODAY))
    assert (out.result, out.period) == ("ACCEPTED", period)
    assert (await desk.say(dimona_out(period, TODAY))).ids == ["00913-356"]
    cancelled = await desk.say(dimona_cancel(period))
    assert (cancelled.result, cancelled.period) == ("ACCEPTED", period)
    assert (await desk.say(dimona_cancel(period))).ids == ["00913-355"]


async def test_no_mandate_no_declaration(desk, worker):
    answer = await desk.say(dimona_in(worker, employer=BREWER))
    assert (answer.result, answer.ids, answer.period) == ("REFUSED", ["90256-155"], "")
