"""Under supervisord, too, a restart in the middle of a cycle lets it finish."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.celery_stage import write_config
from tests.integration.test_celery_control import Control, free_port
from tests.waiting import wait_for
from ztrade.config import load_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]
SEND = "from ztrade.celery_app import trading_cycle as c; c.delay('spy', dry_run=True, manual=False)"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """A stack with the embedded exchange, whose time is that of a real day."""
    more = f'[flower]\nport = {free_port()}\n[exporter]\nport = 0\n[exchange]\nurl = "http://127.0.0.1:{free_port()}"\n'
    write_config(tmp_path, more=more)
    made = Control(load_config(tmp_path / "ztrade.toml"))
    started = made("start", "--", "--synthetic", "7", "--symbols", "SPY")
    assert started.returncode == 0, started.stdout + started.stderr
    yield made
    assert made("stop").returncode == 0


def cycles(control: Control) -> list[dict[str, Any]]:
    """Return the cycles by hand."""
    command = [sys.executable, "-m", "ztrade", "--config", str(control.config.path), "cycles", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [one for one in json.loads(done.stdout) if one["kind"] == "extra"]


def test_a_restart_in_mid_cycle_finishes_the_cycle(control: Control) -> None:
    """The signal goes to the worker alone, and supervisor waits for longer than the cycle may last."""
    # more than one: the keeper asks as well
    fault = {"kind": "latency", "match": {"path": "^/v2/account$"}, "times": 3, "args": {"seconds": 6}}
    url = f"{control.config.main.exchange.url}/admin/faults"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(fault).encode(), method="POST"), timeout=10)
    environment = {**os.environ, "ZTRADE_CONFIG": str(control.config.path)}
    subprocess.run([sys.executable, "-c", SEND], env=environment, timeout=60, check=True)
    wait_for(lambda: any(one["finished_at"] is None for one in cycles(control)), 30, "a cycle under way")
    before = control.status()["worker-spy"]["pid"]
    assert control("restart", "spy").returncode == 0
    (one,) = cycles(control)
    assert one["outcome"] not in (None, "interrupted", "failed", "unknown"), one
    assert control.status()["worker-spy"]["pid"] != before
