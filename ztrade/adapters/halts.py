"""Halts as flag files, ``STATE/halts/{ALL,NAME}``: they work with Redis and the database down, and survive a reboot."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

ALL = "ALL"


class FileHalts:
    """Implements :class:`ztrade.ports.Halts`. A file that is present, or cannot be looked at, means halted."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "halts"

    def reason(self, agent: str) -> str | None:
        for name in (ALL, agent):
            found = self._read(self._folder / name)
            if found is not None:
                return found
        return None

    def halt(self, agent: str, reason: str) -> None:
        """Write the flag so that a reader sees none or the whole reason; on a full disk, one without a reason."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".")
        # an empty file takes no space, and its presence is what halts
        with contextlib.suppress(OSError), os.fdopen(handle, "wb", buffering=0) as file:
            file.write(f"{reason}\n".encode("utf-8", "replace"))
            os.fsync(file.fileno())
        Path(name).chmod(0o640)
        Path(name).replace(self._folder / agent)

    def release(self, agent: str) -> bool:
        """Remove the flag; False when there was none."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / agent).unlink()
            return True
        return False

    def active(self) -> dict[str, str]:
        """Return the reason by agent (or ``ALL``) of every flag that is set."""
        if not self._folder.is_dir():
            return {}
        names = (path.name for path in self._folder.iterdir() if not path.name.startswith("."))
        return {name: self._read(self._folder / name) or "" for name in sorted(names)}

    @staticmethod
    def _read(path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip() or "halted"
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"the halt flag {path} cannot be read: {error.strerror}"
