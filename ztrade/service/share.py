"""Where shipped files are: ``deploy/`` and ``ops/`` at a checkout's root, in ``_share/`` of an installed wheel."""

from __future__ import annotations

from pathlib import Path

from ztrade.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent.parent


def share(name: str) -> Path:
    """Return the path of a shipped file or folder, like ``deploy/supervisor``.

    Raises:
        ConfigError: this installation does not have it.
    """
    for base in (_PACKAGE / "_share", _PACKAGE.parent):
        if (base / name).exists():
            return base / name
    raise ConfigError(name, "is not part of this installation", fix="install the wheel again, or use a whole checkout")
