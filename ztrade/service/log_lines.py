"""Where log lines go: a descriptor, a file that logrotate may take away, or the journal."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from ztrade.service import journald

#: rotation renames a file and then makes the next one: for so long a missing one is waited for, in the old file
GRACE = 1.0
_OWNER_AND_GROUP = 0o640


class LineHandler(logging.Handler):
    """Writes each line with one system call, so that lines of several processes never mix."""

    def __init__(self, fd: int, formatter: logging.Formatter) -> None:
        super().__init__()
        self._fd = fd
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; what cannot be formatted is written as it is, what cannot be written is lost."""
        self.write(self.line(record))

    def line(self, record: logging.LogRecord) -> str:
        """Return the record's line, whatever is wrong with the record."""
        try:
            return self.format(record)
        except Exception as error:  # noqa: BLE001 logging never raises
            return json.dumps({"event": "log_line_failed", "logger": record.name, "error": type(error).__name__})

    def write(self, line: str) -> None:
        """Write one line."""
        try:
            os.write(self._fd, (line + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            return


class FileHandler(LineHandler):
    """Appends to a file, and goes on in the new one when somebody has renamed it.

    Unlike the standard library's ``WatchedFileHandler`` it waits a moment for the one who rotates to make the new
    file: made by us first, logrotate moves that one aside as well, under a name that it never removes.

    Args:
        path: the file; it is made with mode 0640 where it is missing.
        fallback: the descriptor for lines that no file takes.
    """

    def __init__(
        self,
        path: Path,
        formatter: logging.Formatter,
        *,
        fallback: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(fallback, formatter)
        self.path, self._monotonic = path, monotonic
        self._file, self._missing_since = -1, float("inf")
        self._place = (0, 0)
        self._reopen()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record to the file that has the name now."""
        line = self.line(record)
        try:
            self._follow()
            os.write(self._file, (line + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            self.write(line)

    def _follow(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._missing_since = min(self._missing_since, self._monotonic())
            if self._file < 0 or self._monotonic() - self._missing_since > GRACE:
                self._reopen()
            return
        if (status.st_dev, status.st_ino) != self._place:
            self._reopen()

    def _reopen(self) -> None:
        try:
            fresh = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _OWNER_AND_GROUP)
        except OSError:
            return  # the old one, or the fallback, takes the lines
        if self._file >= 0:
            os.close(self._file)
        status = os.fstat(fresh)
        self._file, self._place, self._missing_since = fresh, (status.st_dev, status.st_ino), float("inf")


class JournalHandler(LineHandler):
    """Sends each line to the journal with its fields; what the journal refuses goes to ``fd``, with its priority."""

    def __init__(self, fd: int, formatter: logging.Formatter, identifier: str, journal: journald.JournalSocket) -> None:
        super().__init__(fd, formatter)
        self._identifier, self._journal = identifier, journal

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record."""
        line = self.line(record)
        try:
            code = (record.pathname, record.lineno, record.funcName or "")
            self._journal.send(journald.encode(journald.entry(json.loads(line), self._identifier, code)))
        except Exception:  # noqa: BLE001 whatever goes wrong here, the line is worth more
            self.write(f"<{journald.PRIORITIES.get(record.levelname.lower(), 6)}>{line}")

    def close(self) -> None:
        """Give the journal's socket back."""
        self._journal.close()
        super().close()
