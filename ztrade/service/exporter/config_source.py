"""The files of the configuration: whether they can be read, and which programs still run on what they said before."""

from __future__ import annotations

from collections.abc import Iterator

from ztrade.config import Config, load_config
from ztrade.errors import ConfigError
from ztrade.service import applied, report
from ztrade.service.exporter.source import Value


class ConfigSource:
    """Implements :class:`ztrade.service.exporter.source.Source`."""

    name, every = "config", 15.0

    def __init__(self, config: Config) -> None:
        self._config = config

    def look(self) -> Iterator[Value]:
        """Return what the files are now; while they cannot be read nobody can tell what has changed."""
        try:
            now = load_config(self._config.path)
        except ConfigError:
            yield "ztrade_config_valid", (), 0.0
            return
        yield "ztrade_config_valid", (), 1.0
        reports = {role: report.read(self._config.state_dir, role) for role in applied.roles(self._config, now)}
        for role, files in applied.outdated(now, reports):
            yield "ztrade_config_current", (role,), float(not files)

    def blind(self) -> Iterator[Value]:
        """Say nothing: what cannot be read is unknown."""
        return iter(())
