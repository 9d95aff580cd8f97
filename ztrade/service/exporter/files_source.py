"""The journal as a file, the disk below it, and its backups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ztrade.adapters.journal import revision
from ztrade.adapters.journal.upgrade import HEAD
from ztrade.config import Config
from ztrade.errors import DataError, ZtradeError
from ztrade.ports import Clock
from ztrade.service.doctor.collect_machine import journal_sizes, newest_backup
from ztrade.service.exporter.source import Value


class FilesSource:
    """Implements :class:`ztrade.service.exporter.source.Source`."""

    name, every = "files", 15.0

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config, self._clock = config, clock

    def look(self) -> Iterator[Value]:
        """Return what files tell; a journal on a database server has no size here. Raises OSError."""
        sizes = journal_sizes(self._config.journal_url)
        folder = Path(sizes["path"]).parent if sizes else self._config.state_dir
        disk = os.statvfs(folder)
        yield "ztrade_disk_free_bytes", (), float(disk.f_bavail * disk.f_frsize)
        yield "ztrade_disk_size_bytes", (), float(disk.f_blocks * disk.f_frsize)
        if sizes and sizes["size"]:
            yield "ztrade_journal_size_bytes", (), float(sizes["size"] + sizes["log_size"])
        yield from self._current()
        backup = newest_backup(self._config)
        if backup is not None:
            yield "ztrade_backup_age_seconds", (), max((self._clock.wall() - backup).total_seconds(), 0.0)

    def _current(self) -> Iterator[Value]:
        # a journal that cannot be read is told of by another source
        with suppress(ZtradeError):
            try:
                found = revision(self._config.journal_url)
            except DataError:
                found = "another program's"
            if found is not None:
                yield "ztrade_journal_current", (), float(found == HEAD)

    def blind(self) -> Iterator[Value]:
        """Say nothing: what cannot be read is unknown."""
        return iter(())
