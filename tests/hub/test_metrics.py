"""Figures of the hub: whose fault a missed promise is, and how they are told (docs/operators.md, "The figures")."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.metrics import PROMISE, Fault, Metrics, fault


@pytest.mark.parametrize(
    ("value", "seconds", "waited", "failed", "whose"),
    [
        pytest.param("DATA_FOUND", 0.1, 0.05, False, "none", id="answered"),
        pytest.param("NO_DATA_FOUND", 0.1, 0.05, False, "none", id="answered, without data"),
        pytest.param("NO_RESULT", 0.1, 0.05, False, "none", id="a supplier's refusal"),
        pytest.param("DATA_FOUND", PROMISE - 0.001, 0.0, False, "none", id="just in time"),
        pytest.param("DATA_FOUND", PROMISE, PROMISE, False, "supplier", id="the supplier took it all"),
        pytest.param("DATA_FOUND", 5.0, 2.6, False, "supplier", id="more than half of it the supplier's"),
        pytest.param("DATA_FOUND", 5.0, 2.5, False, "hub", id="half each"),
        pytest.param("DATA_FOUND", 5.0, 0.1, False, "hub", id="the hub took it"),
        pytest.param("INCOMPLETE_DATA", 0.1, 0.05, True, "supplier", id="one of several is silent"),
        pytest.param("fault", 3.3, 3.2, True, "supplier", id="silent, late, invalid, or a fault of its own"),
        pytest.param("fault", 0.1, 0.0, False, "hub", id="busy, or a bug"),
        pytest.param("fault", 3.3, 3.2, False, "hub", id="a bug behind a slow supplier"),
        pytest.param("fault", 5.0, 4.9, False, "hub", id="a bug, and late"),
        pytest.param("INCOMPLETE_DATA", 0.1, 0.05, False, "hub", id="parts that nobody failed to give"),
        pytest.param("NO_RESULT", 5.0, 0.0, True, "supplier", id="one failed, and it took long"),
    ],
)
def test_whose_fault_it_is(value: str, seconds: float, waited: float, failed: bool, whose: Fault) -> None:
    assert fault(value, seconds, waited, failed=failed) == whose


@pytest.mark.parametrize(
    ("value", "seconds", "failed", "whose"),
    [
        pytest.param("INCOMPLETE_DATA", 0.1, False, "paused", id="only the paused part is missing"),
        pytest.param("INCOMPLETE_DATA", 0.1, True, "supplier", id="another one is missing too"),
        pytest.param("DATA_FOUND", 0.1, False, "none", id="it has all the same"),
        pytest.param("DATA_FOUND", 5.0, False, "hub", id="it has all the same, too late"),
    ],
)
def test_what_only_a_paused_supplier_lacks_is_no_miss(value: str, seconds: float, failed: bool, whose: Fault) -> None:
    assert fault(value, seconds, 0.0, failed=failed, paused=True) == whose


def test_what_is_paused_is_told_as_it_is_when_it_is_asked_for() -> None:
    metrics, paused = Metrics(), [("service", "Pension/1")]
    metrics.paused(lambda: paused)
    metrics.maintenance(lambda: bool(paused))
    metrics.draining(lambda: not paused)
    assert b'crossroads_paused{kind="service",what="Pension/1"} 1.0' in metrics.text()
    assert b"crossroads_maintenance 1.0" in metrics.text()
    paused.clear()
    assert b"crossroads_paused{" not in metrics.text()
    assert b"crossroads_maintenance 0.0" in metrics.text()
    assert b"crossroads_draining 1.0" in metrics.text()


def test_a_service_that_comes_later_has_its_counters_at_once_and_one_that_is_there_keeps_them() -> None:
    metrics = Metrics()
    metrics.services(["Pension/1"])
    metrics.promised("Pension/1", "fault", 0.1, 0.0, failed=False)
    metrics.services(["Pension/1", "LivingWages/1"])
    text = metrics.text().decode()
    assert 'crossroads_promise_total{fault="hub",kept="no",service="Pension/1"} 1.0' in text
    assert 'crossroads_promise_total{fault="hub",kept="no",service="LivingWages/1"} 0.0' in text


def test_what_is_written_here_is_read_as_prometheus_client_reads_it() -> None:
    metrics, odd = Metrics(), 'a "b" \\c\nd'
    metrics.of_services[odd] += 1
    metrics.supplier(odd, "late", 3.5)
    metrics.supplier(odd, "answered", 0.002)
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }
    assert found["crossroads_service_in_flight", ("service", odd)] == 1
    assert found["crossroads_supplier_answers_total", ("result", "late"), ("supplier", odd)] == 1
    assert found["crossroads_supplier_answers_total", ("result", "no reply"), ("supplier", odd)] == 0
    assert found["crossroads_supplier_seconds_bucket", ("le", "0.0025"), ("supplier", odd)] == 1
    assert found["crossroads_supplier_seconds_bucket", ("le", "3.0"), ("supplier", odd)] == 1
    assert found["crossroads_supplier_seconds_bucket", ("le", "+Inf"), ("supplier", odd)] == 2
    assert found["crossroads_supplier_seconds_count", ("supplier", odd)] == 2
    assert found["crossroads_supplier_seconds_sum", ("supplier", odd)] == pytest.approx(3.502)
