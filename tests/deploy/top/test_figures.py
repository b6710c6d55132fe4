"""Figures read from a page, and counted from one scrape to the next."""

import pytest

from deploy.top.figures import Buckets, FiguresError, History, Scrape, buckets, by, grown, of, read, total

PAGE = """\
# HELP crossroads_exchanges_total Answered exchanges
# TYPE crossroads_exchanges_total counter
crossroads_exchanges_total{service="Pension/1",verdict="DATA_FOUND",code="MSG00000"} 5.0
crossroads_exchanges_total{service="Pension/1",verdict="fault",code="CRB00005"} 2.0
# TYPE crossroads_supplier_seconds histogram
crossroads_supplier_seconds_bucket{supplier="5-0",le="0.5"} 1.0
crossroads_supplier_seconds_bucket{supplier="5-0",le="1.0"} 3.0
crossroads_supplier_seconds_bucket{supplier="5-0",le="+Inf"} 4.0
crossroads_supplier_seconds_count{supplier="5-0"} 4.0
crossroads_supplier_seconds_sum{supplier="5-0"} 3.5
# TYPE crossroads_maintenance gauge
crossroads_maintenance 1.0
"""


def figures(**series):
    """`a_total=1`, or with labels `a_total={"x": 1}` under the label `l`."""
    return {
        name: {(("l", label),): value for label, value in given.items()} if isinstance(given, dict) else {(): given}
        for name, given in series.items()
    }


def test_a_page_is_read_and_summed_by_labels():
    page = read(PAGE)
    assert by(page, "crossroads_exchanges_total", "service") == {("Pension/1",): 7.0}
    assert by(page, "crossroads_exchanges_total", "code", verdict="fault") == {("CRB00005",): 2.0}
    assert of(page, "crossroads_maintenance") == 1.0
    assert of(page, "crossroads_of_another_version") == 0.0
    assert buckets(page, "crossroads_supplier_seconds", "supplier") == {
        "5-0": Buckets((0.5, 1.0, float("inf")), (1.0, 3.0, 4.0))
    }


@pytest.mark.parametrize("page", ["<html>no figures</html>", "crossroads_up{part= 1", "crossroads_up one"])
def test_a_page_of_something_else_is_said_to_be_none_of_figures(page):
    with pytest.raises(FiguresError):
        read(page)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (figures(a_total=3), figures(a_total=5), figures(a_total=2)),
        (figures(a_total=3), figures(a_total=3), figures(a_total=0)),
        # one that was not there before grew from nothing
        (figures(a_total={"x": 3}), figures(a_total={"x": 3, "y": 2}), figures(a_total={"x": 0, "y": 2})),
        # a process that began anew: all of what it tells is new, also what is higher than before
        (figures(a_total=9, b_total=1), figures(a_total=2, b_total=4), figures(a_total=2, b_total=4)),
        (figures(a_total={"x": 3, "y": 1}), figures(a_total={"x": 5}), figures(a_total={"x": 5})),
        # what is no counter does not grow
        (figures(up=1, a_total=1), figures(up=0, a_total=1), figures(a_total=0)),
    ],
)
def test_counters_grow_also_over_a_restart(before, after, expected):
    assert grown(before, after) == expected


def test_several_processes_are_summed():
    assert total([figures(a_total={"x": 1}), figures(a_total={"x": 2, "y": 1}), figures(b_total=1)]) == figures(
        a_total={"x": 3, "y": 1}, b_total=1
    )


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((0, 0, 0), 0.5, None),
        ((10, 10, 10), 0.5, 0.5),  # all in the first bucket, spread evenly from 0
        ((0, 10, 10), 0.5, 1.5),
        ((5, 10, 10), 0.99, 1.98),
        ((0, 0, 4), 0.5, 2.0),  # above the highest bound: no more is known
        ((1, 1, 2), 0.5, 1.0),  # an empty bucket lies between
    ],
)
def test_a_quantile_lies_within_its_bucket(counts, share, expected):
    found = Buckets((1.0, 2.0, float("inf")), counts).quantile(share)
    assert found == (None if expected is None else pytest.approx(expected))


def scrape(at, figures, process="hub-1"):
    return Scrape(process, "http://127.0.0.1:1", at, figures, "" if figures is not None else "connection refused")


def test_what_was_counted_within_the_window_is_told_with_its_seconds():
    history = History(10.0)
    for at, value in ((0, 0), (5, 10), (10, 30), (15, 60)):
        history = history.with_([scrape(at, figures(a_total=value))])
    [growth] = history.growth()
    assert (growth.seconds, growth.figures) == (10.0, figures(a_total=50))


def test_one_scrape_alone_tells_no_growth():
    assert History(10.0).with_([scrape(0, figures(a_total=7))]).growth() == ()


def test_a_process_that_was_away_is_counted_over_the_gap():
    history = History(4.0)
    for at, value in ((0, 10), (2, None), (9, None), (10, 30)):
        history = history.with_([scrape(at, None if value is None else figures(a_total=value))])
    [growth] = history.growth()
    assert (growth.seconds, growth.figures) == (10.0, figures(a_total=20))


def test_a_restart_within_the_window_loses_nothing_that_was_seen():
    history = History(60.0)
    for at, value in ((0, 100), (2, 110), (4, 3), (6, 8)):
        history = history.with_([scrape(at, figures(a_total=value))])
    [growth] = history.growth()
    assert growth.figures == figures(a_total=18)


def test_a_process_that_is_gone_is_forgotten():
    history = History(60.0)
    for at in (0, 2):
        history = history.with_([scrape(at, figures(a_total=at)), scrape(at, figures(a_total=at), "hub-2")])
    assert len(history.growth()) == 2
    assert len(history.with_([scrape(4, figures(a_total=4))]).growth()) == 1
