"""Units as systemd knows them; nothing where it is not in charge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ztrade.config import Config
from ztrade.service import units
from ztrade.service.exporter.source import Value
from ztrade.service.units import Unit


class UnitsSource:
    """Implements :class:`ztrade.service.exporter.source.Source`.

    Args:
        look: asks systemd about the units of these agents; raises TemporaryError.
    """

    name, every = "units", 15.0

    def __init__(self, config: Config, look: Callable[[Iterable[str]], list[Unit]] = units.look) -> None:
        self._agents, self._look = sorted(config.agents), look

    def look(self) -> Iterator[Value]:
        """Return state and restarts of each installed service, and the state of timers. Raises TemporaryError."""
        for unit in self._look(self._agents):
            if unit.exists and unit.id.endswith(".service") and unit.properties.get("Type") != "oneshot":
                yield "ztrade_unit_active", (unit.id,), float(unit.active == "active")
                yield "ztrade_unit_restarts_total", (unit.id,), float(unit.restarts)
            elif unit.exists and unit.id.endswith(".timer"):
                yield "ztrade_unit_active", (unit.id,), float(unit.active == "active")

    def blind(self) -> Iterator[Value]:
        """Say nothing: what systemd does not tell is unknown."""
        return iter(())
