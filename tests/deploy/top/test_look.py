"""A look, made from two scrapes of each process."""

import json
from datetime import UTC, datetime

import pytest

from deploy.top.figures import History, Scrape, read
from deploy.top.look import Look, Promise, Queue, Recipient, look

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def page(*lines):
    return read("\n".join(lines) + "\n")


def scrape(process, at, *lines):
    return Scrape(process, f"http://{process}", at, page(*lines))


def seen(*scrapes, window=20.0) -> Look:
    """The look after rounds of scrapes, by their moments."""
    history = History(window)
    for at in sorted({one.at for one in scrapes}):
        latest = [one for one in scrapes if one.at == at]
        history = history.with_(latest)
    return look(history, latest, AT)


def exchanges(count, service="Pension/1", verdict="DATA_FOUND", code="MSG00000"):
    return f'crossroads_exchanges_total{{service="{service}",verdict="{verdict}",code="{code}"}} {count}'


def promise(count, kept="yes", fault="none", service="Pension/1"):
    return f'crossroads_promise_total{{service="{service}",kept="{kept}",fault="{fault}"}} {count}'


def answers(count, result="answered", supplier="5-0"):
    return f'crossroads_supplier_answers_total{{supplier="{supplier}",result="{result}"}} {count}'


def seconds(name, label, counts):
    lines = [f"# TYPE {name} histogram"]
    return "\n".join(lines + [f'{name}_bucket{{{label},le="{le}"}} {count}' for le, count in counts.items()])


def test_rates_of_several_hubs_are_summed_each_over_its_own_time():
    found = seen(
        scrape("hub-1", 0, exchanges(100)),
        scrape("hub-2", 0, exchanges(50)),
        scrape("hub-1", 10, exchanges(200)),
        scrape("hub-2", 10, exchanges(100)),
    )
    assert (found.a_second, found.over) == (15.0, 10)
    assert [(one.service, one.a_second) for one in found.services] == [("Pension/1", 15.0)]


def test_the_share_now_is_of_the_window_and_the_other_since_the_hubs_began():
    found = seen(
        scrape("hub-1", 0, promise(900), promise(100, "no", "hub")),
        scrape("hub-1", 10, promise(996), promise(102, "no", "hub"), promise(2, "no", "supplier")),
    )
    assert found.promise == Promise(kept=96, supplier=2, hub=2)
    assert found.promise.share == pytest.approx(0.96)
    assert found.since_start.share == pytest.approx(996 / 1100)


def test_a_paused_part_is_no_miss():
    found = seen(scrape("hub-1", 0, promise(0)), scrape("hub-1", 2, promise(3), promise(7, "no", "paused")))
    assert found.promise == Promise(kept=3)


def test_nothing_to_keep_is_no_share():
    assert seen(scrape("hub-1", 0, promise(0)), scrape("hub-1", 2, promise(0))).promise.share is None


def test_refusals_are_of_the_asker_alone():
    found = seen(
        scrape("hub-1", 0, exchanges(0)),
        scrape(
            "hub-1",
            10,
            exchanges(10),
            exchanges(10, verdict="fault", code="CRB00005"),
            exchanges(10, verdict="NO_RESULT", code="MSG00013"),
            exchanges(10, verdict="fault", code="CRB00010"),
            exchanges(10, verdict="fault", code="MSG00003"),
            exchanges(10, verdict="NO_RESULT", code="CRB00016"),
            exchanges(10, verdict="fault", code="CRB00021"),
            exchanges(10, verdict="fault", code="CRB00022"),
            exchanges(10, verdict="NO_DATA_FOUND", code="MSG00100"),
        ),
    )
    [service] = found.services
    assert (service.a_second, service.refused_a_second) == (9.0, 2.0)


def test_the_slowest_supplier_is_first_and_silence_is_a_share():
    slow = {"1.0": 0, "4.0": 10, "+Inf": 10}
    quick = {"1.0": 10, "4.0": 10, "+Inf": 10}
    name = "crossroads_supplier_seconds"
    found = seen(
        scrape("hub-1", 0, answers(0), answers(0, supplier="6-0")),
        scrape(
            "hub-1",
            10,
            answers(6),
            answers(3, "no reply"),
            answers(1, "late"),
            answers(10, supplier="6-0"),
            seconds(name, 'supplier="5-0"', slow),
            seconds(name, 'supplier="6-0"', quick),
            'crossroads_supplier_in_flight{supplier="5-0"} 4',
        ),
    )
    assert [one.supplier for one in found.suppliers] == ["5-0", "6-0"]
    slowest = found.suppliers[0]
    assert (slowest.a_second, slowest.silent, slowest.in_flight) == (pytest.approx(1.0), 0.4, 4)
    assert slowest.p50 == pytest.approx(2.5)
    assert slowest.p99 == pytest.approx(3.97)


def test_what_is_paused_is_shown_though_nobody_asks():
    found = seen(
        scrape("hub-1", 0, 'crossroads_paused{kind="service",what="Pension/1"} 1', "crossroads_maintenance 1"),
        scrape("hub-2", 0, 'crossroads_paused{kind="service",what="Pension/1"} 1', "crossroads_draining 1"),
    )
    assert found.paused == (("service", "Pension/1"),)
    assert [(one.service, one.paused, one.a_second) for one in found.services] == [("Pension/1", True, 0.0)]
    assert found.maintenance
    assert [one.draining for one in found.processes] == [False, True]
    assert found.over is None


def queue(figure, queue, value, kind="supplier", address="5-0"):
    return f'crossroads_queue_{figure}{{vhost="crossroads",queue="{queue}",kind="{kind}",address="{address}"}} {value}'


def test_backlog_is_the_oldest_first_and_of_several_watchers_counted_once():
    lines = [
        queue("messages", "5-0.online.Pension.1", 3),
        queue("age_seconds", "5-0.online.Pension.1", 12),
        queue("consumers", "5-0.online.Pension.1", 0),
        queue("messages", "hub.dead", 2, "dead", "hub"),
        queue("age_seconds", "hub.dead", 99, "dead", "hub"),
        queue("messages", "6-0.answers", 0, "answers", "6-0"),
        queue("messages", "7-0.answers", 1, "answers", "7-0"),
        'crossroads_distribution_behind{recipient="7-0"} 4',
        'crossroads_distribution_lag_seconds{recipient="7-0"} 70',
        'crossroads_distribution_behind{recipient="8-0"} 0',
        'crossroads_watched{source="broker"} 1',
        'crossroads_watched{source="database"} 0',
    ]
    found = seen(scrape("watcher", 0, *lines), scrape("watcher-2", 0, *lines))
    assert found.queues == (
        Queue("crossroads", "hub.dead", "dead", "hub", 2, 99.0, 0),
        Queue("crossroads", "5-0.online.Pension.1", "supplier", "5-0", 3, 12.0, 0),
        Queue("crossroads", "7-0.answers", "answers", "7-0", 1, None, 0),
    )
    assert found.behind == (Recipient("7-0", 4, 70.0),)
    assert (found.dead, found.seen, found.unseen) == (2, ("broker",), ("database",))


def test_a_process_that_does_not_answer_is_told_with_why():
    found = seen(Scrape("hub-1", "http://hub-1", 0, None, "connection refused"), scrape("hub-2", 0, exchanges(1)))
    assert [(one.name, one.answers, one.why) for one in found.processes] == [
        ("hub-1", False, "connection refused"),
        ("hub-2", True, ""),
    ]


def test_parts_that_are_down_are_named():
    found = seen(scrape("hub-1", 0, 'crossroads_up{part="broker"} 1', 'crossroads_up{part="journal"} 0'))
    assert found.processes[0].parts_down == ("journal",)


def test_a_look_is_json_with_its_shares():
    told = json.loads(json.dumps(seen(scrape("hub-1", 0, promise(0)), scrape("hub-1", 2, promise(4))).as_dict()))
    assert told["promise"] == {"kept": 4.0, "supplier": 0, "hub": 0, "share": 1.0}
    assert told["promised"] == 0.9974
    assert told["at"] == AT.isoformat()
