"""Grafana's dashboards as code: ``python -m tools.dashboards`` writes ``ops/grafana/dashboards`` and its reference."""
