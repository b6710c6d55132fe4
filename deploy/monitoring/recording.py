"""Recording rules: what the promise, its misses and its error budget come to, by service and for the network.

A share over a long time is the sum of what was kept by the sum of what was asked, never a mean of shares. What did not
happen is 0 and not absent; a service that nobody asked has no share at all. Exchanges of which only a paused part is
missing (fault `paused`) are in no share.
"""

from collections.abc import Sequence
from typing import Any

from deploy.monitoring.pace import REAL, Pace
from deploy.monitoring.rules import Group

#: The share that the real network reached in 2023 is what is promised (docs/operators.md).
PROMISE = 0.9974
#: The share that may be missed.
BUDGET = round(1 - PROMISE, 6)

#: Over these, shares and burn rates are recorded.
WINDOWS = ("5m", "30m", "1h", "6h", "1d", "30d")
#: Those that are long enough to be summed from recorded rates; 30 days of samples would be read each time.
_FROM_RATE = {"6h": "5m", "1d": "5m", "30d": "1h"}
_QUANTILES = (0.5, 0.95, 0.99)


def groups(pace: Pace = REAL) -> Sequence[Group]:
    """The rules, at a pace."""
    short = [w for w in WINDOWS if w not in _FROM_RATE]
    return (
        Group("crossroads_promise", [*_rate("5m", pace), *_each(short, pace)], pace.interval("1m")),
        Group("crossroads_promise_long", [*_rate("1h", pace), *_each(_FROM_RATE, pace), *_left()], pace.interval("5m")),
        Group("crossroads_seconds", [*_seconds(pace), *_traffic(pace)], pace.interval("1m")),
    )


def or_zero(expression: str, like: str) -> str:
    """The expression, and 0 for each series of `like` (same labels) of which it says nothing."""
    return f"({expression} or 0 * {like})"


def _record(name: str, expression: str) -> dict[str, Any]:
    return {"record": name, "expr": expression}


def _rate(window: str, pace: Pace) -> list[dict[str, Any]]:
    over = pace.window(window)
    return [
        _record(
            f"service:crossroads_promise:rate{window}",
            f"sum by (service, kept, fault) (rate(crossroads_promise_total[{over}]))",
        )
    ]


def _each(windows: Sequence[str] | dict[str, str], pace: Pace) -> list[dict[str, Any]]:
    return [rule for window in windows for rule in _shares(window, pace)]


def _shares(window: str, pace: Pace) -> list[dict[str, Any]]:
    over = pace.window(window)

    def amount(by: str, where: str = "") -> str:
        """What was counted in the window, by labels: in exchanges a second or a multiple of it."""
        where = f'{{fault!="paused"{where}}}'
        if (base := _FROM_RATE.get(window)) is not None:
            inner = f"sum_over_time(service:crossroads_promise:rate{base}{where}[{over}])"
        else:
            inner = f"rate(crossroads_promise_total{where}[{over}])"
        return f"sum by ({by}) ({inner})" if by else f"sum({inner})"

    missed = ', kept="no"'
    rules = []
    for level, by in (("service", "service"), ("network", "")):
        every = f"({amount(by)} > 0)"
        share = f"1 - {or_zero(amount(by, missed), every)} / {every}"
        rules.append(_record(f"{level}:crossroads_promise_kept:share{window}", share))
        rules.append(
            _record(
                f"{level}:crossroads_promise:burn{window}",
                f"(1 - {level}:crossroads_promise_kept:share{window}) / {BUDGET}",
            )
        )
    for fault in ("supplier", "hub"):
        where = f', kept="no", fault="{fault}"'
        every = f"({amount('')} > 0)"
        missing = f"{or_zero(amount('', where), every)} / {every}"
        rules.append(
            _record(f"network:crossroads_promise_missed:share{window}", missing) | {"labels": {"fault": fault}}
        )
    return rules


def _left() -> list[dict[str, Any]]:
    return [
        _record(f"{level}:crossroads_promise:budget_left30d", f"1 - {level}:crossroads_promise:burn30d")
        for level in ("service", "network")
    ]


def _seconds(pace: Pace) -> list[dict[str, Any]]:
    over = pace.window("5m")
    rules = []
    for quantile in _QUANTILES:
        name = f"p{round(quantile * 100)}_5m"

        def of(metric: str, labels: str, where: str = "", quantile: float = quantile) -> str:
            buckets = f"sum by ({labels}) (rate({metric}_bucket{where}[{over}]))"
            return f"histogram_quantile({quantile}, {buckets}) > 0"  # of nothing it is no number

        rules += [
            _record(
                f"network:crossroads_exchange_seconds:{name}",
                of("crossroads_exchange_seconds", "le", '{forwarded="yes"}'),
            ),
            _record(f"network:crossroads_hub_seconds:{name}", of("crossroads_hub_seconds", "le")),
            _record(f"service:crossroads_hub_seconds:{name}", of("crossroads_hub_seconds", "service, le")),
            _record(f"network:crossroads_supplier_seconds:{name}", of("crossroads_supplier_seconds", "le")),
            _record(f"supplier:crossroads_supplier_seconds:{name}", of("crossroads_supplier_seconds", "supplier, le")),
        ]
    return rules


def _traffic(pace: Pace) -> list[dict[str, Any]]:
    over = pace.window("5m")
    return [
        _record(
            "service:crossroads_exchanges:rate5m",
            f"sum by (service, verdict, code) (rate(crossroads_exchanges_total[{over}]))",
        ),
        _record(
            "supplier:crossroads_supplier_answers:rate5m",
            f"sum by (supplier, result) (rate(crossroads_supplier_answers_total[{over}]))",
        ),
    ]
