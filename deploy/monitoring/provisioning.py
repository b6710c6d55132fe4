"""Grafana's provisioning: its data source, and where its dashboards are."""

from collections.abc import Mapping

from deploy.monitoring import rules

_SOURCE = "deploy/monitoring/provisioning.py"
#: Where a container of Grafana has `deploy/grafana/dashboards`.
DASHBOARDS = "/etc/grafana/dashboards"


def files() -> Mapping[str, str]:
    """Each file's text by its path below `deploy/grafana/provisioning/`."""
    prometheus = {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": "${CROSSROADS_PROMETHEUS_URL}",  # Grafana puts the variable's value there
        "isDefault": True,
        "editable": False,
        "jsonData": {"timeInterval": "15s", "httpMethod": "POST"},  # a rate looks at four of these at least
    }
    folder = {
        "name": "crossroads",
        "folder": "Crossroads",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": DASHBOARDS},
    }
    return {
        "datasources/prometheus.yaml": rules.text({"apiVersion": 1, "datasources": [prometheus]}, _SOURCE),
        "dashboards/crossroads.yaml": rules.text({"apiVersion": 1, "providers": [folder]}, _SOURCE),
    }
