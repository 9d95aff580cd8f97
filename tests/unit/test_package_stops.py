"""In which order the package stops what runs, before its files change."""

from __future__ import annotations

import os
import subprocess
from fnmatch import fnmatch
from pathlib import Path

PRERM = Path(__file__).parents[2] / "deploy" / "debian" / "prerm"


def test_workers_drain_while_redis_and_the_exchange_are_there(tmp_path: Path) -> None:
    """systemctl asks for the units of one call in no order, so each that must be first has a call of its own."""
    said = tmp_path / "said"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    systemctl.chmod(0o755)
    text = PRERM.read_text()
    drain = text[text.index("drain() {") : text.index("\n}\n") + 3]
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-ec", f"{drain}\ndrain"], env=path, check=True, timeout=10)
    calls = [line.split()[1:] for line in said.read_text().splitlines()]

    def stopped_by(unit: str) -> int:
        return next(number for number, call in enumerate(calls) if any(fnmatch(unit, pattern) for pattern in call))

    beat, worker = stopped_by("ztrade-beat.service"), stopped_by("ztrade-worker@spy.service")
    assert beat < worker
    assert all(worker < stopped_by(f"ztrade-{name}.service") for name in ("exchange", "redis"))
