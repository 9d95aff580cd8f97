"""The embedded exchange as a process: what it acknowledged outlives kill -9, a full disk, and a second server."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from ztrade.adapters.calendar.nyse import NyseCalendar
from ztrade.domain.types import Bars, rows_of
from ztrade.testing.tapes import wave_tape

KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
MARKET_BUY = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
BRACKET = {
    **MARKET_BUY,
    "time_in_force": "gtc",
    "order_class": "bracket",
    "take_profit": {"limit_price": "110"},
    "stop_loss": {"stop_price": "90"},
}


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of bars in Alpaca's export layout."""
    folder = tmp_path_factory.mktemp("bars")
    tape = wave_tape(NyseCalendar())
    for symbol in tape.symbols():
        (folder / f"{symbol}.csv").write_text("\n".join(_lines(tape.bars(symbol))) + "\n")
    return folder


def _lines(bars: Bars) -> Iterator[str]:
    yield "symbol,timestamp,open,high,low,close,volume"
    for at, *values in rows_of(bars):
        yield ",".join([bars.symbol, f"{at:%Y-%m-%dT%H:%M:%SZ}", *map(str, values)])


@dataclass
class Served:
    """One process of ``ztrade exchange``."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str, **params: str) -> Any:
        return self.send("GET", path, params=params).json()

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        with requests.Session() as session:
            return session.request(method, self.url + path, headers=KEYS, timeout=20, **more)

    def submit(self, body: dict[str, Any]) -> requests.Response:
        return self.send("POST", "/v2/orders", json=body)

    def step(self, minutes: int) -> None:
        now = datetime.fromisoformat(self.get("/admin/clock")["now"])
        body = {"advance_to": (now + timedelta(minutes=minutes)).isoformat()}
        assert self.send("POST", "/admin/clock", json=body).status_code == 200

    def books(self) -> dict[str, Any]:
        """Return everything that must survive."""
        paths = ("/v2/account", "/v2/positions", "/v2/account/activities", "/v2/clock")
        orders = self.get("/v2/orders", status="all", nested="true", limit="500")
        return {path: self.get(path) for path in paths} | {"orders": orders}

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(90)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from ztrade.cli.main import main; main()", "exchange", *map(str, arguments)]


@contextmanager
def served(*arguments: object) -> Iterator[Served]:
    """Run ``ztrade exchange`` on a free port."""
    with subprocess.Popen(
        command(*arguments, "--port", "0"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("exchange: http"), process.communicate(timeout=20)[1]
            yield Served(process, line.split()[1])
        finally:
            process.kill()


def test_everything_acknowledged_survives_kill_nine(bars: Path, tmp_path: Path) -> None:
    """Account, orders with legs, positions, fills and clock are the same after kill -9, and ids stay taken."""
    options = ("--bars", bars, "--speed", "max", "--state", tmp_path / "exchange.db")
    with served(*options) as first:
        assert first.submit({**BRACKET, "client_order_id": "entry"}).status_code == 200
        first.step(7)
        assert first.submit({**MARKET_BUY, "symbol": "SPY", "client_order_id": "pending"}).status_code == 200
        before = first.books()
        first.kill()
    with served(*options) as second:
        assert second.books() == before
        duplicate = second.submit({**BRACKET, "client_order_id": "entry"})
        assert (duplicate.status_code, duplicate.json()["message"]) == (422, "client_order_id must be unique")
        second.step(5)
        assert second.get("/v2/orders:by_client_order_id", client_order_id="pending")["status"] == "filled"


def test_kill_during_submits_loses_no_acknowledged_order(bars: Path, tmp_path: Path) -> None:
    """Each order whose answer arrived is there after a kill at any moment."""
    options = ("--bars", bars, "--speed", "max", "--state", tmp_path / "exchange.db")
    acknowledged: list[str] = []
    for life in range(3):
        with served(*options) as server:
            for number in range(6):
                name = f"{life}-{number}"
                assert server.submit({**MARKET_BUY, "qty": "1", "client_order_id": name}).status_code == 200
                acknowledged.append(name)
            server.kill()
    with served(*options) as server:
        found = {order["client_order_id"] for order in server.get("/v2/orders", status="all", limit="500")}
    assert found == set(acknowledged)


def test_running_clock_goes_on_where_it_stood(bars: Path, tmp_path: Path) -> None:
    """A restarted running clock is never behind what was shown before, nor does it count the time between."""
    options = ("--bars", bars, "--speed", "60", "--state", tmp_path / "exchange.db")
    with served(*options) as first:
        shown = datetime.fromisoformat(first.get("/admin/clock")["now"])
        first.kill()
    with served(*options) as second:
        again = datetime.fromisoformat(second.get("/admin/clock")["now"])
    assert shown <= again < shown + timedelta(minutes=10)


def test_second_server_on_the_same_state_is_refused(bars: Path, tmp_path: Path) -> None:
    """The second says that another is running, exits 2, and leaves the first alone."""
    options = ("--bars", bars, "--speed", "max", "--state", tmp_path / "exchange.db")
    with served(*options) as first:
        second = subprocess.run(
            command(*options, "--port", "0"), capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == 2
        assert "another exchange is running on it" in second.stderr
        assert first.get("/admin/health")["status"] == "ok"


def test_state_of_other_prices_is_refused(bars: Path, tmp_path: Path) -> None:
    """Orders made on one set of prices mean nothing on another."""
    state = tmp_path / "exchange.db"
    with served("--bars", bars, "--state", state) as first:
        first.kill()
    other = command("--synthetic", "1", "--days", "1", "--state", state, "--port", "0")
    refused = subprocess.run(other, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "was made on other prices" in refused.stderr


def test_sigterm_ends_it_cleanly(bars: Path, tmp_path: Path) -> None:
    """SIGTERM ends with exit code 0 and removes the socket."""
    path = tmp_path / "exchange.sock"
    with served("--bars", bars, "--socket", path) as server:
        assert path.is_socket()
        server.process.terminate()
        assert server.process.wait(90) == 0
    assert not path.exists()


def test_full_disk_answers_500_and_recovers(bars: Path, tmp_path: Path) -> None:
    """Where the state cannot be written nothing is acknowledged and time stands; when it can again, all goes on."""
    with served("--bars", bars, "--speed", "max", "--state", tmp_path / "exchange.db") as server:
        assert server.submit({**MARKET_BUY, "client_order_id": "kept"}).status_code == 200
        before = server.books()
        _limit_files(server, 1)
        refused = server.submit({**MARKET_BUY, "client_order_id": "refused"})
        assert (refused.status_code, "state cannot be written" in refused.json()["message"]) == (500, True)
        stepped = server.send("POST", "/admin/clock", json={"advance_to": "2022-08-16T15:00:00Z"})
        assert stepped.status_code == 500
        assert server.send("GET", "/admin/health").status_code == 503
        assert server.books() == before
        _limit_files(server, resource.RLIM_INFINITY)
        assert server.get("/admin/health")["status"] == "ok"
        assert server.submit({**MARKET_BUY, "client_order_id": "again"}).status_code == 200
        found = {order["client_order_id"] for order in server.get("/v2/orders", status="all")}
        assert found == {"kept", "again"}
        server.kill()
        assert server.process.stderr is not None
        assert server.process.stderr.read().count("state_not_written") == 1


def _limit_files(server: Served, size: int) -> None:
    """Let the server's files grow to ``size`` bytes only: what a full disk does, to one process."""
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_both_listeners_serve_the_same_exchange(bars: Path, tmp_path: Path) -> None:
    """The unix socket serves API, clock and administration, without a network."""
    from ztrade.adapters.clock import EmbeddedClock

    path = tmp_path / "exchange.sock"
    with served("--bars", bars, "--speed", "max", "--socket", path) as server:
        clock = EmbeddedClock(f"unix://{path}")
        before = clock.now()
        assert before.isoformat() == server.get("/admin/clock")["now"]
        clock.advance_to(before + timedelta(minutes=5))
        assert datetime.fromisoformat(server.get("/admin/clock")["now"]) == before + timedelta(minutes=5)
        clock.close()
        assert json.loads(server.send("GET", "/v2/account").text)["cash"] == "100000"
