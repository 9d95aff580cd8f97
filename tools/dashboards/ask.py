"""Asks Prometheus what a panel asks, with the variables filled in as Grafana does."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CONFIG = "global: {scrape_interval: 1m}\n"
#: how many points Grafana asks for in a panel of half the width of a screen
_POINTS = 400


class PrometheusError(Exception):
    """Prometheus did not start, did not answer, or refused an expression."""


@dataclass(frozen=True, slots=True)
class Series:
    """Labels, and Unix times with values."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Asking:
    """Where, and for which time; ``scrape`` are the seconds between two scrapes, ``variables`` name -> value."""

    url: str
    begin: int
    end: int
    variables: Mapping[str, str]
    scrape: int = 60

    def instant(self, expression: str) -> list[Series]:
        """Return the values at the end. Raises PrometheusError."""
        found = self._get("query", {"query": self.filled(expression, self.scrape), "time": str(self.end)})
        return [Series(one["metric"], [(float(one["value"][0]), float(one["value"][1]))]) for one in found]

    def over_time(self, expression: str, least: int = 0) -> tuple[list[Series], int]:
        """Return the values over the time, and the seconds between two of them. Raises PrometheusError."""
        step = max((self.end - self.begin) // _POINTS, least, self.scrape)
        # Grafana asks at multiples of the step, so that a bar stands for the same time in each refresh
        begin = self.begin - self.begin % step
        asked = {"query": self.filled(expression, step), "start": str(begin), "end": str(self.end), "step": str(step)}
        found = self._get("query_range", asked)
        return [Series(one["metric"], [(float(t), float(v)) for t, v in one["values"]]) for one in found], step

    def filled(self, expression: str, step: int) -> str:
        """Return the expression without variables."""
        values = {
            "__rate_interval": f"{max(step + self.scrape, 4 * self.scrape)}s",
            "__interval": f"{step}s",
            "__range": f"{self.end - self.begin}s",
            **self.variables,
        }
        for name, value in values.items():
            expression = expression.replace(f"${name}", value)
        return expression

    def _get(self, what: str, asked: Mapping[str, str]) -> list[Any]:
        body = urllib.parse.urlencode(asked).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{what}", data=body, timeout=30) as answer:  # noqa: S310
                found: list[Any] = json.loads(answer.read())["data"]["result"]
        except urllib.error.HTTPError as refusal:
            raise PrometheusError(f"{asked['query']}: {json.loads(refusal.read())['error']}") from None
        except OSError as error:
            raise PrometheusError(f"{self.url}: {error}") from None
        return found


@contextmanager
def stored(folder: Path, lines: Iterable[str], port: int) -> Iterator[str]:
    """Run Prometheus on these lines of OpenMetrics, and nothing else; give its URL.

    Raises:
        PrometheusError: it does not start.
    """
    told = folder / "told.om"
    with told.open("w", encoding="utf-8") as file:
        file.writelines(lines)
    (folder / "prometheus.yml").write_text(_CONFIG, encoding="utf-8")
    store = ("promtool", "tsdb", "create-blocks-from", "openmetrics", str(told), str(folder / "data"))
    subprocess.run(store, check=True, capture_output=True)
    url = f"http://127.0.0.1:{port}"
    command = (
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    )  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _until_ready(process, url, folder / "log")
            yield url
        finally:
            process.terminate()


def _until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):  # noqa: S310
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                raise PrometheusError(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.05)
