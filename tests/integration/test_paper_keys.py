"""An agent on a paper account: real keys, real time, and each way in which the far side can be shut."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from tests.integration.served import CALENDAR, shipped
from ztrade.bootstrap import Runtime, run_backtest
from ztrade.cli.main import cli
from ztrade.config import Config, load_config
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome
from ztrade.exchange.bars import synthetic
from ztrade.exchange.server.app import Settings
from ztrade.exchange.tape import ListTape
from ztrade.ports import Clock
from ztrade.service.app import create_app
from ztrade.service.bell import CeleryBell
from ztrade.service.planner import Job
from ztrade.testing.exchange_server import ExchangeUrl, serving
from ztrade.testing.redis_server import RedisServer

KEY_ID, SECRET = "PKTESTKEYOFPAPER0001", "s3cr3t-of-the-paper-account-0001"
WRONG = "another-secret-that-opens-nothing"
DAY = date(2024, 5, 16)
SYMBOLS = ("AAPL", "SPY", "TSLA")


class ShiftedClock:
    """The machine's clock, moved by a constant: the day of the test is over, and an exchange in real time needs one.

    Against Alpaca exchange time is wall time; here both are the shifted one, which runs as fast as any clock does.
    """

    def __init__(self) -> None:
        self._shift = timedelta(0)

    def set(self, at: datetime) -> None:
        self._shift = at - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift

    def wall(self) -> datetime:
        return self.now()


class PaperRuntime(Runtime):
    """The runtime, told by a test what time it is."""

    def __init__(self, config: Config, clock: Clock) -> None:
        super().__init__(config)
        self._clock = clock

    def clock(self, dry_run: bool) -> Clock:
        assert not dry_run, "an agent on paper follows the wall clock"
        return self._clock


@dataclass
class Paper:
    """Agent spy on paper, its configuration in ``folder``, its exchange on a port that may be shut."""

    folder: Path
    tape: ListTape
    port: int
    clock: ShiftedClock

    @property
    def main(self) -> Path:
        return self.folder / "etc" / "ztrade.toml"

    @property
    def credentials(self) -> Path:
        return self.main.with_name("credentials.toml")

    def config(self) -> Config:
        return load_config(self.main).with_state(self.folder / "state")

    def write_keys(self, key_id: str = KEY_ID, secret: str = SECRET) -> None:
        self.credentials.write_text(f'[paper]\nkey_id = "{key_id}"\nsecret_key = "{secret}"\n')
        self.credentials.chmod(0o600)

    @contextmanager
    def open(self, at: datetime) -> Iterator[ExchangeUrl]:
        """Serve the exchange in real time from ``at`` on, to nobody but the holder of the keys."""
        settings = Settings(
            tape=self.tape,
            calendar=CALENDAR,
            wall=lambda: datetime.now(UTC),
            start=at,
            speed=1.0,
            port=self.port,
            keys={KEY_ID: SECRET},
        )
        self.clock.set(at)
        with serving(settings) as url:
            yield url

    def cycle(self, slot: datetime) -> CycleRecord:
        """Run the cycle of ``slot`` in a runtime of its own, as a worker that has just started."""
        runtime = PaperRuntime(self.config(), self.clock)
        record = runtime.run_cycle("spy", dry_run=False, manual=False, slot=slot, owner="test")
        runtime.close()
        assert record is not None
        return record

    def journal(self) -> list[CycleRecord]:
        runtime = PaperRuntime(self.config(), self.clock)
        return list(runtime.journal.cycles(agent="spy", kind=CycleKind.SLOT))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    """Agent spy with ``dry_run = false`` on an account whose addresses are the embedded exchange's."""
    shipped(tmp_path)
    (tmp_path / "state").mkdir()
    made = Paper(tmp_path, synthetic(7, DAY, 1, SYMBOLS, CALENDAR), free_port(), ShiftedClock())
    for other in ("aapl", "tsla"):
        (made.main.parent / "agents" / f"{other}.toml").unlink()
    spy = made.main.parent / "agents" / "spy.toml"
    spy.write_text(spy.read_text().replace("dry_run = true", "dry_run = false"))
    url = f"http://127.0.0.1:{made.port}"
    section = f'[accounts.paper]\nkind = "paper"\ntrading_url = "{url}"\ndata_url = "{url}"\n'
    made.main.write_text(made.main.read_text().replace('[accounts.paper]\nkind = "paper"\n', section))
    return made


def first_entry(paper: Paper) -> CycleRecord:
    """Return the slot at which a backtest of that day enters: what the agent on paper must do as well."""
    done = run_backtest(paper.config(), paper.tape, DAY, DAY, agents=["spy"])
    return next(record for record in done.records if record.outcome is Outcome.ENTERED)


def test_with_keys_the_agent_trades_in_real_time(paper: Paper) -> None:
    """The slot at which the backtest enters, in real time behind the keys: the same decision, one order."""
    wanted = first_entry(paper)
    paper.write_keys()
    with paper.open(wanted.slot):
        record = paper.cycle(wanted.slot)
        assert (record.outcome, record.order_ids) == (Outcome.ENTERED, wanted.order_ids), record.reason
        # some of the slot's first second has passed, and the price moves with it; what the decision rests on does not
        assert record.reason.partition("score")[2] == wanted.reason.partition("score")[2]
        runtime = PaperRuntime(paper.config(), paper.clock)
        (order,) = runtime.exchange_for("spy").orders()
        (intent,) = runtime.journal.intents(agent="spy")
        assert (intent.account, intent.request.client_order_id) == ("paper", order.client_order_id)
        assert runtime.run_cycle("spy", dry_run=False, manual=False, slot=wanted.slot, owner="late") is None
        runtime.close()


def slots() -> list[datetime]:
    """Return the first slots after the open."""
    session = CALENDAR.session(DAY)
    assert session is not None
    return [session.open + number * timedelta(minutes=5) for number in range(1, 8)]


def test_each_shut_door_is_said_in_those_words_and_the_next_slot_is_tried(paper: Paper) -> None:
    """No keys, wrong keys, closed port, down in mid-cycle: said, recorded, nothing sent; mended, it works."""
    no_keys, closed, wrong, down, gone, works, again = slots()
    with paper.open(no_keys):
        said = {no_keys: paper.cycle(no_keys)}
    paper.write_keys()
    paper.clock.set(closed)
    said[closed] = paper.cycle(closed)
    with paper.open(wrong):
        paper.write_keys(secret=WRONG)
        said[wrong] = paper.cycle(wrong)
    paper.write_keys()
    with paper.open(down) as url:
        url.fault("500", path="/v2/positions", times=None, status=503)
        said[down] = paper.cycle(down)
    with paper.open(gone) as url:
        url.fault("reset_before", path="/v2/(account|orders)", times=None)
        said[gone] = paper.cycle(gone)
    assert {record.outcome for record in said.values()} == {Outcome.FAILED}
    words = {slot: record.reason for slot, record in said.items()}
    assert words[no_keys].startswith("failed: account paper has no keys: put key_id and secret_key under [paper] in ")
    assert "Connection refused" in words[closed]
    assert f"127.0.0.1:{paper.port}" in words[closed]
    assert "refused access" in words[wrong]
    assert "check key_id and secret_key of account paper" in words[wrong]
    assert "HTTP 503" in words[down]
    assert "Connection" in words[gone]
    assert all(reason.endswith("the next slot tries again") for reason in words.values())
    with paper.open(works):
        assert paper.cycle(works).outcome in {Outcome.HELD, Outcome.ENTERED}
        assert not [i for i in PaperRuntime(paper.config(), paper.clock).journal.intents() if i.planned_at < works]
    assert [(c.slot, c.outcome, c.reason) for c in paper.journal()[:5]] == [
        (s, Outcome.FAILED, words[s]) for s in words
    ]
    with paper.open(again):
        assert paper.cycle(again).outcome in {Outcome.HELD, Outcome.ENTERED}


def test_the_keys_are_shown_nowhere(
    paper: Paper, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither logs at debug level, nor the journal, nor Celery's messages, nor ``config check`` have key or secret."""
    at, refused, *_ = slots()
    caplog.set_level(logging.DEBUG)
    shown = []
    with structlog.testing.capture_logs() as lines:
        paper.write_keys()
        with paper.open(at):
            paper.cycle(at)
        with paper.open(refused):
            paper.write_keys(secret=WRONG)
            shown.append(paper.cycle(refused).reason)
    # where another test has configured the log for good, its lines go to standard error
    written = capfd.readouterr()
    shown += [json.dumps(lines, default=repr), caplog.text, *written]
    shown += [path.read_bytes().decode("latin-1") for path in (tmp_path / "state").rglob("*") if path.is_file()]
    shown += [repr(paper.config()), repr(paper.config().keys("paper"))]
    options = ["--config", str(paper.main), "--state", str(tmp_path / "state"), "config", "check"]
    for more in ([], ["--json"]):
        result = CliRunner().invoke(cli, [*options, *more])
        assert result.exit_code == 0, result.output
        shown.append(result.output)
    shown += messages(paper, tmp_path / "redis", at)
    assert lines or '"event"' in written.err + written.out
    assert len(caplog.text + written.err) > 100
    for text in shown:
        for secret in (KEY_ID, SECRET, WRONG):
            assert secret not in text


def messages(paper: Paper, folder: Path, slot: datetime) -> list[str]:
    """Return everything that Redis holds, and has on its disk, once the slot was rung for."""
    import redis

    server = RedisServer(folder)
    server.start()
    try:
        paper.main.write_text(paper.main.read_text() + f'\n[redis]\nurl = "{server.url}"\n')
        app = create_app(paper.config())
        CeleryBell(app, paper.config()).ring(Job("spy", CycleKind.SLOT, slot, slot, slot + timedelta(minutes=5)), 60)
        app.close()
        client = redis.Redis(unix_socket_path=str(server.socket))
        queued = [repr(message) for message in client.lrange("agent.spy", 0, -1)]
        client.close()
    finally:
        server.close()
    assert queued
    return [*queued, *(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())]
