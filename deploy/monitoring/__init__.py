"""Monitoring from code: recording rules, alerts, dashboards. `python -m deploy.monitoring` makes their files anew."""
