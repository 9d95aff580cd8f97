"""What one agent's worker holds, idle after its first cycle: main process and pool child, beside a plain worker.

The plain one imports alpaca-py, pandas and TA-Lib inside of its task, as the older application did. Both run at the
same time and from the same files, so that pages of libraries are shared alike; PSS divides a page by its users.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import psutil
from celery import Celery

from tests.benchmarks.figures import Figure
from tests.benchmarks.places import free_port, process, served_exchange, write_config
from ztrade.adapters.journal import open_journal
from ztrade.service.app import create_app, tasks_of
from ztrade.service.programs import ztrade_command
from ztrade.testing.redis_server import redis_server

DAY = date(2024, 3, 5)
AGENT = Path(__file__).parents[2] / "deploy" / "config" / "agents" / "spy.toml"
MAIN = 'state_dir = "state"\n[exchange]\nurl = "http://127.0.0.1:{port}"\n[redis]\nurl = "{redis}"\n'
IDLE_SECONDS = 5.0


def measure() -> Iterator[object]:
    """Yield the PSS of both workers."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place, ExitStack() as running:
        folder, port = Path(place), free_port()
        redis = running.enter_context(redis_server(folder / "redis"))
        # time that stands half an hour after the open: a cycle by hand runs at any moment of it
        options = ("--synthetic", "7", "--start", f"{DAY}T15:00:00Z", "--until", str(DAY), "--speed", "max")
        running.enter_context(served_exchange(folder, port, *options))
        config = write_config(folder, {"spy": AGENT.read_text()}, MAIN.format(port=port, redis=redis.url))
        # a worker that makes the journal itself holds Alembic too, 9 MB, until it is started again
        open_journal(config.journal_url).close()
        command = ztrade_command("--config", str(config.path), "worker", "spy")
        ours = running.enter_context(process(command, folder / "worker.log"))
        app = create_app(config)
        answer = tasks_of(app).trading_cycle.apply_async(args=["spy"], queue="agent.spy.ctl").get(timeout=60)
        app.close()
        plain = running.enter_context(process(_plain_command(redis.url), folder / "plain.log"))
        _run_plain(redis.url)
        time.sleep(IDLE_SECONDS)
        yield f"  the cycle: {answer['outcome']}: {answer['reason']}"
        yield from _report(ours.pid, plain.pid)


def _plain_command(redis: str) -> list[str]:
    environment = [f"PLAIN_BROKER={redis}", f"PLAIN_RESULTS={redis}"]
    options = ["-Q", "celery", "--concurrency=1", "--loglevel=warning"]
    return [
        "env",
        *environment,
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.benchmarks.plain_celery",
        "worker",
        *options,
    ]


def _run_plain(redis: str) -> None:
    app = Celery("plain", broker=redis, backend=redis)
    app.send_task("plain.trade").get(timeout=60)
    app.close()


def _report(ours: int, plain: int) -> Iterator[object]:
    mine, theirs = _memory(ours), _memory(plain)
    named = "a plain prefork worker that imports alpaca-py, pandas and TA-Lib in its task"
    yield Figure("PSS of one worker and its child", mine["Pss"], theirs["Pss"], named, "MB", "<= 0.75")
    for key, what in (("Pss_Anon", "of that, memory of its own"), ("Pss_File", "of that, files")):
        yield Figure(what, mine[key], theirs[key], "the plain worker", "MB")


def _memory(pid: int) -> dict[str, float]:
    """Return megabytes of a process and its descendants, by the kernel's names."""
    total = {"Pss": 0.0, "Pss_Anon": 0.0, "Pss_File": 0.0}
    for member in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        for line in Path(f"/proc/{member.pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in total:
                total[name] += int(rest.split()[0]) / 1024
    return total
