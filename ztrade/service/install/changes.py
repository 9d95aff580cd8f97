"""A set of files that is written whole: when one of them fails, the others are as they were."""

from __future__ import annotations

import difflib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ztrade.errors import ConfigError

PLAIN, SECRET = 0o644, 0o600


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as it shall be; ``text`` None: it shall not be there. The repr shows nothing of what is secret."""

    text: str | None = field(repr=False)
    mode: int = PLAIN


class Changes:
    """Files by path, compared with what is there.

    Args:
        files: as they shall be.
    """

    def __init__(self, files: Mapping[Path, Wanted]) -> None:
        self._files = {path: wanted for path, wanted in files.items() if not _is_so(path, wanted)}

    def __bool__(self) -> bool:
        return bool(self._files)

    @property
    def paths(self) -> Sequence[Path]:
        """The files that differ from what is wanted."""
        return sorted(self._files)

    def overwritten(self) -> Sequence[Path]:
        """Return those that are there, with other content."""
        return [path for path in self.paths if path.exists() and _read(path) != self._files[path].text]

    def diff(self) -> Iterator[str]:
        """Yield the lines of a unified diff; a secret's say only that it changes."""
        for path in self.paths:
            wanted = self._files[path]
            if wanted.mode == SECRET:
                yield f"{path}: a secret, " + ("changed" if path.exists() else "new")
                continue
            before, after = _read(path) or "", wanted.text or ""
            names = (str(path) if path.exists() else "/dev/null", "/dev/null" if wanted.text is None else str(path))
            yield from difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")

    def apply(self) -> Changes:
        """Write all, and return what takes it back.

        Raises:
            ConfigError: one cannot be written; everything is as it was.
        """
        before = {path: Wanted(_read(path), _mode(path, self._files[path])) for path in self._files}
        try:
            fresh = [(path, _prepared(path, wanted)) for path, wanted in sorted(self._files.items())]
            for path, scratch in fresh:
                path.unlink(missing_ok=True) if scratch is None else scratch.replace(path)
        except OSError as error:
            self._clear_up(before)
            raise ConfigError(
                str(error.filename), f"cannot be written: {error.strerror}; nothing was changed"
            ) from None
        return Changes(before)

    def _clear_up(self, before: Mapping[Path, Wanted]) -> None:
        with suppress(OSError):
            for path in self._files:
                for scratch in path.parent.glob(f".{path.name}.*.new"):
                    scratch.unlink()
            for path, wanted in before.items():
                if not _is_so(path, wanted):
                    _put(path, wanted)


def _put(path: Path, wanted: Wanted) -> None:
    scratch = _prepared(path, wanted)
    path.unlink(missing_ok=True) if scratch is None else scratch.replace(path)


def _prepared(path: Path, wanted: Wanted) -> Path | None:
    """Write the content beside its place: a disk that is full is noticed before anything is replaced."""
    if wanted.text is None:
        return None
    for folder in reversed([path.parent, *path.parent.parents]):
        if not folder.exists():
            folder.mkdir(mode=0o700)
            # said once more: root's umask may hide it from the services
            folder.chmod(0o700 if folder.name == "credentials" else 0o755)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(wanted.text)
        file.flush()
        os.fsync(file.fileno())
    scratch.chmod(_as_narrow(path, wanted))
    if path.exists():
        os.chown(scratch, -1, path.stat().st_gid)
    return scratch


def _as_narrow(path: Path, wanted: Wanted) -> int:
    """Return the mode: a file that somebody has guarded stays as guarded as it is."""
    return wanted.mode & stat.S_IMODE(path.stat().st_mode) if path.exists() else wanted.mode


def _is_so(path: Path, wanted: Wanted) -> bool:
    if wanted.text is None:
        return not path.exists()
    return _read(path) == wanted.text and _mode(path, wanted) == _as_narrow(path, wanted)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from None


def _mode(path: Path, wanted: Wanted) -> int:
    return path.stat().st_mode & 0o777 if path.exists() else wanted.mode
