"""The files that are made from code, for Prometheus and Grafana to read."""

from collections.abc import Mapping
from pathlib import Path

from deploy.monitoring import alerts, panels, provisioning, recording, rules, scraping
from deploy.monitoring.dashboards import (
    backlog,
    batch,
    distribution,
    institution,
    processes,
    promise,
    refusals,
    stores,
)
from deploy.monitoring.panels import Board

ROOT = Path(__file__).parents[1]

_BOARDS = (promise, backlog, refusals, distribution, batch, stores, processes, institution)


def boards() -> tuple[Board, ...]:
    """The dashboards, in the order in which an operator looks at them."""
    return tuple(module.board() for module in _BOARDS)


def files() -> Mapping[str, str]:
    """Each file's text by its path below `deploy/`."""
    made = {
        "prometheus/recording.yml": rules.text(rules.document(recording.groups()), "deploy/monitoring/recording.py"),
        "prometheus/alerts.yml": rules.text(rules.document(alerts.groups()), "deploy/monitoring/alerts.py"),
        "prometheus/prometheus.yml": rules.text(scraping.configuration(), "deploy/monitoring/scraping.py"),
    }
    made |= {f"grafana/provisioning/{path}": text for path, text in provisioning.files().items()}
    return made | {f"grafana/dashboards/{board.uid}.json": panels.text(board.json()) for board in boards()}
