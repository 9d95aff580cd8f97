"""Log files of programs, read as a person asks: the last lines, since when, how bad, and what comes next."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from ztrade.domain.agent import canonical_name
from ztrade.errors import ConfigError

POLL_SECONDS = 0.25
_CHUNK = 1 << 20
#: from the worst
LEVELS = ("critical", "error", "warning", "info", "debug")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: the last ``lines`` (None: all) of those from ``since`` on, as bad as ``priority`` or worse."""

    lines: int | None = None
    since: datetime | None = None
    priority: str | None = None

    def passes(self, line: str) -> bool:
        """Tell whether a line is wanted; one that does not say when, or how bad, is: a traceback is worth seeing."""
        found = _fields(line)
        late = self.since is None or _instant(found.get("timestamp"), self.since) >= self.since
        level = found.get("level")
        if self.priority is None or level not in LEVELS:
            return late
        return late and LEVELS.index(str(level)) <= LEVELS.index(self.priority)


def _fields(line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _instant(text: object, otherwise: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return otherwise
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def as_record(program: str, line: str) -> dict[str, object]:
    """Return a line as an object; what another program wrote as plain text is its ``event``."""
    return {"program": program, **(_fields(line) or {"event": line})}


def log_files(folders: Iterable[Path], name: str | None) -> list[Path]:
    """Return the log files of one program (an agent's name means its worker), of every ``worker``, or all.

    Args:
        folders: of two files with one name, the first folder's counts.

    Raises:
        ConfigError: there is none of that name.
    """
    folders = list(folders)
    found: dict[str, Path] = {}
    for folder in folders:
        found |= {path.stem: path for path in _logs_in(folder) if path.stem not in found}
    if name is None and found:
        return list(found.values())
    workers = [path for stem, path in found.items() if stem.startswith("worker-")]
    if name == "worker" and workers:
        return workers
    for wanted in (name, f"worker-{canonical_name(name or '')}"):
        if wanted in found:
            return [found[wanted]]
    known = ", ".join(stem.removeprefix("worker-") for stem in found)
    what = f"has no log of {name!r}" if known else "holds no logs: no stack has run with this state directory"
    raise ConfigError(str(folders[0]), what, fix=f"known: {known}" if known else "`ops/celery_control.sh start`")


def _logs_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".log")
    except PermissionError:
        raise _closed(folder) from None
    except OSError:
        return []


def _closed(path: Path) -> ConfigError:
    fix = "become a member of group ztrade-operators, and log in again"
    return ConfigError(str(path), "cannot be read: Permission denied", fix=fix)


def new_lines(files: Sequence[LogFile], enough: Callable[[], bool]) -> Iterator[tuple[Path, str]]:
    """Yield complete lines as they are appended; a file that became shorter, or another, was rotated.

    Args:
        files: to follow, from where their last lines were read.
        enough: asked every now and then: nobody reads any more.
    """
    while not enough():
        for one in files:
            yield from ((one.path, line) for line in one.grown())
        time.sleep(POLL_SECONDS)


class LogFile:
    """A file by name: its last lines, then what comes after them; after a rotation the old one is read to its end.

    Raises:
        ConfigError: it may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except PermissionError:
            raise _closed(path) from None
        except OSError as error:
            raise ConfigError(str(path), f"cannot be read: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def last(self, wanted: Wanted) -> Sequence[str]:
        """Return the wanted ones of all lines that are there."""
        found: deque[str] = deque(maxlen=wanted.lines)
        size = os.fstat(self._file.fileno()).st_size
        while self._file.tell() < size:
            found.extend(line for line in self._read(_CHUNK) if wanted.passes(line))
        return found

    def grown(self) -> list[str]:
        """Return the whole lines that came since."""
        lines = self._read()
        if self._is_another():
            lines += self._read()  # what came before its writers noticed
            self._file.close()
            self._file = self.path.open("rb")
            lines += self._read()
        return lines

    def _is_another(self) -> bool:
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False
        mine = self._place()
        return (now.st_dev, now.st_ino) != mine[:2] or now.st_size < self._file.tell()

    def _place(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_dev, status.st_ino

    def _read(self, most: int = -1) -> list[str]:
        begin = self._file.tell()
        data = self._file.read(most)
        whole = data[: data.rfind(b"\n") + 1]
        if most > 0 and not whole:
            # one line longer than that, or a last one that nobody ended
            whole = data + self._file.readline()
        self._file.seek(begin + len(whole))
        return whole.decode("utf-8", "replace").splitlines()
