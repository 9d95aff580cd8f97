"""Configurations and served exchanges that benchmarks run on."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.request import urlopen

from ztrade.config import Config, load_config
from ztrade.service.programs import ztrade_command

SHIPPED = Path(__file__).parents[2] / "deploy" / "config" / "ztrade.toml"


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_config(folder: Path, agents: Mapping[str, str], main: str) -> Config:
    """Write a configuration with these agent files, and read it back."""
    (folder / "agents").mkdir(parents=True, exist_ok=True)
    for name, text in agents.items():
        (folder / "agents" / f"{name}.toml").write_text(text)
    (folder / "ztrade.toml").write_text(main)
    config = load_config(folder / "ztrade.toml")
    config.state_dir.mkdir(exist_ok=True)
    return config


@contextlib.contextmanager
def process(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program; it is ended at the end."""
    with log.open("wb") as out:
        made = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        try:
            yield made
        finally:
            made.terminate()
            try:
                made.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(made.pid, 9)
                made.wait(5)


@contextlib.contextmanager
def served_exchange(folder: Path, port: int, *options: str) -> Iterator[str]:
    """Serve the embedded exchange from a process of its own; gives its URL."""
    state = ("--port", str(port), "--state", str(folder / "exchange.db"))
    with process(ztrade_command("exchange", *options, *state), folder / "exchange.log") as made:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not _answers(url):
            if made.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "exchange.log").read_text())
            time.sleep(0.05)
        yield url


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/admin/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
