"""What files of the state directory tell of halts."""

from __future__ import annotations

from collections.abc import Iterator

from ztrade.adapters.halts import ALL, FileHalts
from ztrade.config import Config
from ztrade.domain.ledger import BY_ITSELF
from ztrade.service.exporter.source import Value


class LocalSource:
    """Implements :class:`ztrade.service.exporter.source.Source`."""

    name, every = "halts", 5.0

    def __init__(self, config: Config) -> None:
        self._config, self._halts = config, FileHalts(config.state_dir)

    def look(self) -> Iterator[Value]:
        """Return halts."""
        active = self._halts.active()
        for agent in self._config.agents:
            yield "ztrade_agent_halted", (agent,), float(self._halts.reason(agent) is not None)
            yield "ztrade_agent_halted_itself", (agent,), float(active.get(agent, "").endswith(BY_ITSELF))
            yield "ztrade_agent_reducing", (agent,), float(self._halts.reducing(agent) is not None)
        yield "ztrade_agent_halted", (ALL,), float(ALL in active)

    def blind(self) -> Iterator[Value]:
        """Say nothing: what cannot be read is unknown."""
        return iter(())
