"""Where metrics come from: one thread looks at each source, so that one that hangs makes no other old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from redis.exceptions import RedisError

from ztrade.domain.spread import Spread
from ztrade.errors import ZtradeError
from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.metric import Kind

log = structlog.get_logger("ztrade.exporter")

#: name of a metric, its labels' values in the catalogue's order, and its value: a histogram's is a spread
Value = tuple[str, tuple[str, ...], float | Spread]
Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


class Source(Protocol):
    """One thing that is looked at.

    Args:
        name: the label of its own health.
        every: wall seconds between two looks.
    """

    @property
    def name(self) -> str: ...

    @property
    def every(self) -> float: ...

    def look(self) -> Iterable[Value]:
        """Return the values now; what cannot be seen is left out, and never 0.

        Raises:
            ZtradeError, RedisError, OSError: the source is away; :meth:`blind` is served then.
        """
        ...

    def blind(self) -> Iterable[Value]:
        """Return what is served while the source is away, as ``ztrade_redis_up 0``."""
        ...


@dataclass(slots=True)
class _Seen:
    text: bytes = b""
    up: bool = False
    at: float | None = None
    took: float = 0.0
    trouble: str = field(default="", repr=False)


class Board:
    """The latest values of all sources; a scrape waits for nothing.

    What a source told is put into Prometheus' format once, when it was looked at: with 200 agents that takes longer
    than a scrape may. So each metric is one source's alone.
    """

    def __init__(self, sources: Sequence[Source], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sources, self._monotonic = sources, monotonic
        self._began = monotonic()
        self._seen: Mapping[str, _Seen] = {source.name: _Seen() for source in sources}

    def start(self, over: threading.Event) -> None:
        """Look at every source in a thread of its own until ``over``."""
        for source in self._sources:
            name = f"look-{source.name}"
            threading.Thread(target=self._keep_looking, args=(source, over), name=name, daemon=True).start()

    def _keep_looking(self, source: Source, over: threading.Event) -> None:
        self.look(source)
        while not over.wait(source.every):
            self.look(source)

    def look(self, source: Source) -> None:
        """Look once. Never raises: the next look may see more."""
        seen, began = self._seen[source.name], self._monotonic()
        try:
            self._told(seen, tuple(source.look()))
        except (ZtradeError, RedisError, OSError) as error:
            self._away(source, seen, str(error))
        except Exception as error:
            if not seen.trouble:
                log.exception("look_failed", source=source.name)
            self._away(source, seen, str(error) or type(error).__name__)
        else:
            if seen.trouble:
                log.info("seen_again", source=source.name, after=seen.trouble)
            seen.up, seen.trouble, seen.at = True, "", self._monotonic()
        seen.took = self._monotonic() - began

    def _away(self, source: Source, seen: _Seen, trouble: str) -> None:
        if not seen.trouble:
            log.warning("not_seen", source=source.name, reason=trouble)
        seen.trouble, seen.up = trouble or "unknown", False
        self._told(seen, tuple(source.blind()))

    @staticmethod
    def _told(seen: _Seen, values: Sequence[Value]) -> None:
        seen.text = render(values)

    def _about_itself(self) -> Iterator[Value]:
        now = self._monotonic()
        for name, seen in self._seen.items():
            yield "ztrade_exporter_source_up", (name,), float(seen.up)
            yield "ztrade_exporter_source_age_seconds", (name,), now - (self._began if seen.at is None else seen.at)
            yield "ztrade_exporter_source_duration_seconds", (name,), seen.took

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return b"".join([*(seen.text for seen in self._seen.values()), render(self._about_itself())])


class _Families:
    def __init__(self, values: Iterable[Value]) -> None:
        self._values = values

    def collect(self) -> Iterator[Family]:
        families: dict[str, Family] = {}
        for name, labels, value in self._values:
            if name not in families:
                families[name] = _family(name)
            _put(families[name], labels, value)
        yield from families.values()


def render(values: Iterable[Value]) -> bytes:
    """Return values in Prometheus' text format; the order in which metrics first come is kept.

    Raises:
        KeyError: the catalogue has no such metric.
    """
    return generate_latest(_Families(values))


def _family(name: str) -> Family:
    metric = METRICS[name]
    if metric.kind is Kind.HISTOGRAM:
        return HistogramMetricFamily(name, metric.help, labels=metric.labels)
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(name, metric.help, labels=metric.labels)


def _put(family: Family, labels: Sequence[str], value: float | Spread) -> None:
    if isinstance(family, HistogramMetricFamily):
        assert isinstance(value, Spread)  # noqa: S101 the catalogue says so
        family.add_metric(list(labels), list(value.cumulated), value.total)
    else:
        assert not isinstance(value, Spread)  # noqa: S101 the catalogue says so
        family.add_metric(list(labels), value)
