"""The files that are made from code, for Prometheus and Grafana to read."""

from collections.abc import Mapping
from pathlib import Path

from deploy.monitoring import alerts, recording, rules

ROOT = Path(__file__).parents[1]


def files() -> Mapping[str, str]:
    """Each file's text by its path below `deploy/`."""
    return {
        "prometheus/recording.yml": rules.text(rules.document(recording.groups()), "deploy/monitoring/recording.py"),
        "prometheus/alerts.yml": rules.text(rules.document(alerts.groups()), "deploy/monitoring/alerts.py"),
    }
