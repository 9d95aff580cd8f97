"""Stops as flag files: they work with Redis and the database down, and survive a reboot.

``STATE/halts/{ALL,NAME}`` halts, ``STATE/reducing/{ALL,NAME}`` refuses entries. The first line of a file is the
reason; a person may make one with ``touch``. What a halt orders besides stands in lines of its own (``flatten STAMP``).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ztrade.domain.ledger import Wish

ALL = "ALL"
#: bytes of a flag that are read, and characters of a halt's stamp that are kept
_FLAG, _STAMP = 65_536, 40


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

        What an earlier halt ordered besides stands until it is released: a second halt, or an agent that halts itself
        while it is being flattened, must not keep its position.

        Raises:
            OSError: it cannot be written.
        """
        orders = self._orders(agent) if wish is None else [f"{word} {wish.stamp}" for word in _words(wish)]
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
        lines = [line for name in (ALL, agent) for line in self._orders(name)]
        orders = dict(line.split(maxsplit=1) for line in lines if len(line.split()) == 2)
        found = orders.get("flatten") or orders.get("cancel-entries")
        return Wish(_stamp(found), flatten="flatten" in orders) if found else None

    def _orders(self, name: str) -> Sequence[str]:
        return (_read(self._halts / name, "") or "").splitlines()[1:]

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


def _stamp(text: str) -> str:
    """Return what may stand in an order's id: a flag that a person wrote must not fail at the exchange."""
    return "".join(char for char in text if char.isascii() and char.isalnum())[:_STAMP] or "byhand"


def _words(wish: Wish) -> list[str]:
    return ["cancel-entries", "flatten"] if wish.flatten else ["cancel-entries"]


def _first(folder: Path, agent: str, word: str) -> str | None:
    for name in (ALL, agent):
        found = _read(folder / name, word)
        if found is not None:
            return found.splitlines()[0]
    return None


def _flags(folder: Path, word: str) -> Iterator[tuple[str, str]]:
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        # as a single flag does: who cannot look takes everybody for stopped
        yield ALL, f"the flags in {folder} cannot be read: {error.strerror}"
        return
    for path in paths:
        found = None if path.name.startswith(".") else _read(path, word)
        if found is not None:
            yield path.name, found.splitlines()[0]


def _read(path: Path, word: str) -> str | None:
    """Return the flag's text, ``word`` for an empty one, None where there is none."""
    try:
        return _beginning(path).decode("utf-8", "replace").strip() or word
    except FileNotFoundError:
        astray = any(one.is_symlink() and not one.exists() for one in (path, path.parent))
        return f"the flag {path} leads nowhere" if astray else None
    except OSError as error:
        return f"the flag {path} cannot be read: {error.strerror}"


def _beginning(path: Path) -> bytes:
    """Read what is there at once: a pipe in a flag's place would be waited for, for ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(handle, _FLAG)
    except BlockingIOError:
        # somebody holds the pipe open, and has written nothing
        return b""
    finally:
        os.close(handle)


def _write(path: Path, text: str) -> None:
    """Write a flag so that a reader sees either none or the whole of it; on a full disk, an empty one.

    An empty file takes no space, and its presence is what counts. Where a flag stands already, that one is kept: it
    says more.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    whole = False
    with contextlib.suppress(OSError), os.fdopen(handle, "wb", buffering=0) as file:
        file.write(f"{text}\n".encode("utf-8", "replace"))
        os.fsync(file.fileno())
        whole = True
    if not whole and path.exists():
        Path(name).unlink()
        return
    Path(name).chmod(0o640)
    Path(name).replace(path)
