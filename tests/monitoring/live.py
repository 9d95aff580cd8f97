"""A whole stack at the pace of its exchange, three agents every 15 seconds: the shipped programs, by supervisord."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
import requests

from tests.integration.served import ZTRADE
from tests.monitoring.prometheus import free_port
from tests.waiting import PATIENCE
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.store import SqlJournal
from ztrade.config import Config, load_config
from ztrade.service.stack import Stack
from ztrade.service.supervisor import Supervisor
from ztrade.testing.scripted_server import Answer, ScriptedServer, scripted

AGENTS = ("aapl", "spy", "tsla")
#: wall and exchange seconds
EVERY = 15
AGENT = """
symbol = "{symbol}"
timeframe = "5m"
capital = 10000
dry_run = true
manual = false
[schedule]
every = "{every}s"
[strategy]
name = "momentum"
[limits]
max_quote_age = "6m"
[breakers]
troubled_cycles = 2
orders_per_hour = 1000
"""
MAIN = """
state_dir = "{state}"
[exchange]
url = "http://127.0.0.1:{exchange}"
[alpaca]
connect_timeout = "1s"
read_timeout = "3s"
[sentiment]
news = 0
[flower]
port = {flower}
[exporter]
port = {exporter}
[alerts.channels.ops]
kind = "slack"
"""


@dataclass
class Live:
    """What runs. ``slack`` is the agents' own channel, which the keeper sends to."""

    config: Config
    stack: Stack
    slack: ScriptedServer
    journal: SqlJournal

    @property
    def target(self) -> str:
        """Where the exporter listens."""
        return f"127.0.0.1:{self.config.main.exporter.port}"

    def pid(self, program: str) -> int:
        """Return the process of a program."""
        (pid,) = (state.pid for state in self.stack.status() if state.name == program and state.pid)
        return pid

    def signal(self, program: str, number: signal.Signals) -> None:
        """Send a signal to a program's own process."""
        os.kill(self.pid(program), number)

    def end(self, program: str) -> None:
        """Stop a program as a person does, whom nobody needs to be told of; a worker ends its cycle first."""
        supervisor = Supervisor(self.config.state_dir)
        supervisor.stop(program)
        supervisor.wait_ended([program], timedelta(seconds=PATIENCE * 30))

    def begin(self, program: str) -> None:
        """Start it again."""
        Supervisor(self.config.state_dir).start(program)

    def told(self) -> list[str]:
        """Return what ztrade itself told, over the agents' own channel."""
        return [str(asked.body) for asked in self.slack.asked]

    def redis(self) -> redis.Redis:
        """Return a connection to the stack's Redis."""
        return redis.Redis(unix_socket_path=str(self.config.state_dir / "run/redis.sock"), decode_responses=True)

    def objectives(self) -> dict[str, tuple[int, int]]:
        """Return what `ztrade sla` counts: events and bad ones by objective."""
        command = [ZTRADE, "--config", str(self.config.path), "sla", "--json"]
        said = json.loads(subprocess.run(command, check=False, capture_output=True, timeout=60).stdout)
        return {one["objective"]: (one["events"], one["bad"]) for one in said["objectives"]}

    def ztrade(self, *words: str) -> None:
        """Run a command as a person does."""
        command = [ZTRADE, "--config", str(self.config.path), *words]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the exchange's admin side."""
        answer = requests.request(method, f"{self.config.main.exchange.url}{path}", json=body, timeout=10)
        return answer.json() if answer.content else None


@contextmanager
def live(*, start: str, until: str, redis: str = "") -> Iterator[Live]:
    """Run the stack from an instant of exchange time on, at the pace of the wall's clock, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="zl-") as place, scripted(lambda _asked: Answer(200, b"ok")) as slack:
        config = _configure(Path(place), slack)
        arguments = ["--synthetic", "7", "--start", start, "--until", until, "--speed", "1"]
        stack = Stack(config, exchange_args=arguments, with_flower=False)
        try:
            stack.start()
            journal = open_journal(config.journal_url)
            yield Live(config, stack, slack, journal)
            journal.close()
        finally:
            stack.stop()


def _configure(folder: Path, slack: ScriptedServer) -> Config:
    (folder / "agents").mkdir()
    for name in AGENTS:
        (folder / "agents" / f"{name}.toml").write_text(AGENT.format(symbol=name.upper(), every=EVERY))
    ports = {"exchange": free_port(), "flower": free_port(), "exporter": free_port()}
    (folder / "ztrade.toml").write_text(MAIN.format(state=folder / "state", **ports))
    keys = folder / "credentials.toml"
    keys.write_text(f'[alerts.ops]\nwebhook = "{slack.url}/services/T0/B0/own"\n')
    keys.chmod(0o600)
    return load_config(folder / "ztrade.toml")
