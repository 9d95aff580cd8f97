"""An exporter that shows what a test sets: by the catalogue, so that a name or label that ztrade lacks is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.metric import Kind


class FakeExporter:
    """Serves gauges and counters from memory; ``target`` is its host and port."""

    def __init__(self) -> None:
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self._lock = threading.Lock()
        self._server: WSGIServer | None = None
        self.target = ""

    def set(self, name: str, value: float, **labels: str) -> None:
        """Show a value. Raises KeyError, AssertionError: the catalogue has no such metric, or other labels."""
        wanted = METRICS[name].labels
        assert set(labels) == set(wanted), f"{name} has the labels {wanted}"
        with self._lock:
            self._values.setdefault(name, {})[tuple(labels[label] for label in wanted)] = value

    def forget(self, agent: str) -> None:
        """Show nothing of an agent any longer."""
        with self._lock:
            for name, values in self._values.items():
                if "agent" in (labels := METRICS[name].labels):
                    at = labels.index("agent")
                    self._values[name] = {key: value for key, value in values.items() if key[at] != agent}

    def collect(self) -> Iterator[Metric]:
        """Yield what is shown; called by prometheus-client."""
        with self._lock:
            shown = {name: dict(values) for name, values in self._values.items()}
        for name, values in shown.items():
            metric = METRICS[name]
            kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = kind(name, metric.help, labels=metric.labels)
            for labels, value in values.items():
                family.add_metric(list(labels), value)
            yield family

    def start(self, port: int = 0) -> None:
        """Serve on 127.0.0.1; 0: a free port."""
        registry = CollectorRegistry()
        registry.register(self)
        self._server, self._thread = start_http_server(port, addr="127.0.0.1", registry=registry)
        self.target = f"127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Serve no longer."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)
            self._server = None


@contextmanager
def fake_exporter() -> Iterator[FakeExporter]:
    """Run one until the block ends."""
    made = FakeExporter()
    made.start()
    try:
        yield made
    finally:
        made.stop()
