"""What a test needs of the machine: missing, it is skipped at home with the reason, and fails in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def needs(*programs: str, root: bool = False) -> None:
    """Skip, or in CI fail, where a program is not there, or we are not root."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/lib/systemd"
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if root and os.geteuid() != 0:
        missing.append("root")
    if not missing:
        return
    reason = f"needs {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
