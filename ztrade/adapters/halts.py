"""Stops as flag files: they work with Redis and the database down, and survive a reboot.

``STATE/halts/{ALL,NAME}`` halts, ``STATE/reducing/{ALL,NAME}`` refuses entries. The first line of a file is the
reason; a person may make one with ``touch``. What a halt orders besides stands in lines of its own (``flatten STAMP``).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ztrade.domain.ledger import Wish

ALL = "ALL"


class FileHalts:
    """Implements :class:`ztrade.ports.Halts`. A file that is present, or cannot be looked at, counts."""

    def __init__(self, state_dir: Path) -> None:
        self._halts, self._reducing = state_dir / "halts", state_dir / "reducing"

    def reason(self, agent: str) -> str | None:
        return _first(self._halts, agent, "halted")

    def reducing(self, agent: str) -> str | None:
        return _first(self._reducing, agent, "reducing")

    def halt(self, agent: str, reason: str, wish: Wish | None = None) -> None:
        """Write the flag so that a reader sees either none or the whole of it.

        Raises:
            OSError: it cannot be written.
        """
        orders = [] if wish is None else [f"{word} {wish.stamp}" for word in _words(wish)]
        _write(self._halts / agent, "\n".join([" ".join(reason.split()), *orders]))

    def reduce(self, agent: str, reason: str) -> bool:
        """Refuse the agent's entries; False where a flag is there, whose reason is then kept.

        Raises:
            OSError: it cannot be written.
        """
        if _read(self._reducing / agent, "reducing") is not None:
            return False
        _write(self._reducing / agent, " ".join(reason.split()))
        return True

    def wish(self, agent: str) -> Wish | None:
        """Return what the halts of the agent, or of all, order besides stopping; None where nothing."""
        lines = [line for name in (ALL, agent) for line in (_read(self._halts / name, "") or "").splitlines()[1:]]
        orders = dict(line.split(maxsplit=1) for line in lines if len(line.split()) == 2)
        found = orders.get("flatten") or orders.get("cancel-entries")
        return Wish(found, flatten="flatten" in orders) if found else None

    def release(self, agent: str) -> Mapping[str, str]:
        """Remove the flags of one name; returns what was there, by kind (``halted``, ``reducing``).

        Raises:
            OSError: a flag cannot be removed; it still stands.
        """
        found: dict[str, str] = {}
        for kind, folder in (("halted", self._halts), ("reducing", self._reducing)):
            reason = _read(folder / agent, kind)
            with contextlib.suppress(FileNotFoundError):
                (folder / agent).unlink()
                found[kind] = (reason or kind).splitlines()[0]
        return found

    def active(self) -> dict[str, str]:
        """Return the reason by name (an agent's, or ``ALL``) of every halt that stands."""
        return dict(_flags(self._halts, "halted"))

    def active_reducing(self) -> dict[str, str]:
        """Return the same of every agent that is reducing."""
        return dict(_flags(self._reducing, "reducing"))


def _words(wish: Wish) -> list[str]:
    return ["cancel-entries", "flatten"] if wish.flatten else ["cancel-entries"]


def _first(folder: Path, agent: str, word: str) -> str | None:
    for name in (ALL, agent):
        found = _read(folder / name, word)
        if found is not None:
            return found.splitlines()[0]
    return None


def _flags(folder: Path, word: str) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        found = None if path.name.startswith(".") else _read(path, word)
        if found is not None:
            yield path.name, found.splitlines()[0]


def _read(path: Path, word: str) -> str | None:
    """Return the flag's text, ``word`` for an empty one, None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or word
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"the flag {path} cannot be read: {error.strerror}"


def _write(path: Path, text: str) -> None:
    """Write a flag so that a reader sees either none or the whole of it; on a full disk, an empty one.

    An empty file takes no space, and its presence is what counts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    with contextlib.suppress(OSError), os.fdopen(handle, "wb", buffering=0) as file:
        file.write(f"{text}\n".encode("utf-8", "replace"))
        os.fsync(file.fileno())
    Path(name).chmod(0o640)
    Path(name).replace(path)
