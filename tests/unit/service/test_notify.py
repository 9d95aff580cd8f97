"""What a service manager hears, on a real datagram socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ztrade.config import Supervision, credential, supervision
from ztrade.service import notify
from ztrade.service.notify import Notifier
from ztrade.service.watchdog import MORE_TIME, START, Pace, Verdict, Watchdog, patience


class Manager:
    """A socket that hears what a service says."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.settimeout(5)
        self.address = address

    def heard(self) -> list[str]:
        """Return the lines of the next datagram."""
        return self.socket.recv(4096).decode().splitlines()

    def silent(self) -> bool:
        """Tell whether nothing was said."""
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(5)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


def told(manager: Manager, watchdog: float | None = 8.0) -> Supervision:
    return Supervision(manager.address, None if watchdog is None else timedelta(seconds=watchdog))


def test_lines_arrive_in_one_datagram(manager: Manager) -> None:
    """A status never has a line end of its own: what follows would be read as another field."""
    Notifier(manager.address).tell(notify.READY, notify.status("waits\nfor Redis"), notify.extend(1.5))
    assert manager.heard() == ["READY=1", "STATUS=waits for Redis", "EXTEND_TIMEOUT_USEC=1500000"]


def test_an_abstract_socket_is_found() -> None:
    """Containers hand one over."""
    manager = Manager(f"@ztrade-test-{os.getpid()}")
    Notifier(manager.address).tell(notify.READY)
    assert manager.heard() == ["READY=1"]
    manager.socket.close()


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"], ids=["none", "gone"])
def test_nobody_who_listens_stops_nothing(address: str) -> None:
    """A service started by hand works the same."""
    Notifier(address).tell(notify.READY)


def test_what_systemd_says_is_for_one_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child inherits the environment, and neither its sockets nor its watchdog."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/n")
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    assert supervision() == Supervision("/run/n", timedelta(seconds=60), 2)
    monkeypatch.setenv("WATCHDOG_PID", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    assert supervision() == Supervision("/run/n", None, 0)


def test_a_credential_is_one_of_the_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without systemd there is none, whatever lies about."""
    (tmp_path / "login").write_text("x")
    assert credential("login") is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credential("login") == tmp_path / "login"
    assert credential("other") is None


class Service:
    """A service whose verdict a test sets."""

    def __init__(self) -> None:
        self.verdict = Verdict(True, "starts", ready=False)
        self.dumps = 0

    def judge(self) -> Verdict:
        return self.verdict

    def dump(self) -> None:
        self.dumps += 1


def test_ready_is_said_once_and_life_as_long_as_it_lasts(manager: Manager) -> None:
    """Not ready: fed and no more. Stuck: silence, one trace, and the reason in the status."""
    service = Service()
    watchdog = Watchdog(told(manager), service.judge, dump=service.dump)
    assert watchdog.look() == 0.1
    assert manager.heard() == ["WATCHDOG=1", "STATUS=starts"]
    service.verdict = Verdict(True, "consumes agent.spy")
    assert watchdog.look() == 2.0
    assert manager.heard() == ["READY=1", "WATCHDOG=1", "STATUS=consumes agent.spy"]
    watchdog.look()
    assert manager.heard() == ["WATCHDOG=1"]
    service.verdict = Verdict(False, "stuck: nothing")
    watchdog.look()
    watchdog.look()
    assert manager.heard() == ["STATUS=stuck: nothing"]
    assert manager.silent()
    assert service.dumps == 1
    service.verdict = Verdict(True, "consumes agent.spy")
    watchdog.look()
    assert manager.heard() == ["WATCHDOG=1", "STATUS=consumes agent.spy"]


def test_a_stop_that_makes_progress_asks_for_time(manager: Manager) -> None:
    """One that is stuck does not: systemd's own limit then ends it."""
    service = Service()
    watchdog = Watchdog(told(manager, None), service.judge, dump=service.dump)
    service.verdict = Verdict(True, "stopping", stopping=True)
    watchdog.look()
    assert manager.heard() == [
        "READY=1",
        "STOPPING=1",
        notify.extend(MORE_TIME),
        "STATUS=stopping",
    ]
    service.verdict = Verdict(False, "stopping", stopping=True)
    watchdog.look()
    assert manager.heard() == ["STOPPING=1"]


def test_a_judge_that_breaks_has_seen_no_life(manager: Manager) -> None:
    """Neither fed nor dead: the thread goes on and looks again."""

    def broken() -> Verdict:
        raise RuntimeError("Set changed size during iteration")

    watchdog = Watchdog(told(manager), broken, dump=lambda: None)
    watchdog.look()
    assert manager.heard() == ["STATUS=cannot be judged: RuntimeError('Set changed size during iteration')"]


def test_the_thread_goes_on_by_itself(manager: Manager) -> None:
    """Fed four times in the manager's patience."""
    watchdog = Watchdog(told(manager, 0.2), lambda: Verdict(True, "runs"))
    watchdog.start()
    assert [manager.heard()[-1] for _ in range(3)] == ["STATUS=runs", "WATCHDOG=1", "WATCHDOG=1"]
    watchdog.close()
    watchdog.join(5)
    assert not watchdog.is_alive()
    assert threading.active_count() >= 1


def test_a_loop_that_stands_is_stuck_unless_it_is_excused() -> None:
    """Patience is counted anew from the end of what it waited for."""
    now, excuse = [0.0], [""]
    pace = Pace(10.0, lambda: excuse[0], lambda: now[0])
    assert pace.judge() == Verdict(True, "starting", ready=False)
    pace.tick("sends")
    now[0] = 10.0
    assert pace.judge() == Verdict(True, "sends")
    now[0] = 11.0
    assert not pace.judge().alive
    excuse[0] = "Redis is away"
    assert pace.judge() == Verdict(True, "waits: Redis is away")
    excuse[0] = ""
    now[0] = 20.0
    assert pace.judge().alive
    now[0] = 22.0
    assert pace.judge() == Verdict(False, "stuck: nothing done for 11 s")


def test_a_loop_that_never_came_round_is_ready_when_it_knows_why() -> None:
    """A start in an outage does not hang."""
    now = [0.0]
    pace = Pace(10.0, lambda: "Redis is away", lambda: now[0])
    now[0] = 11.0
    assert pace.judge() == Verdict(True, "waits: Redis is away")


def test_a_start_may_take_longer_than_a_turn() -> None:
    """Loading on a busy machine is no standstill; systemd has a limit of its own for it."""
    now = [0.0]
    pace = Pace(10.0, monotonic=lambda: now[0])
    now[0] = START
    assert pace.judge() == Verdict(True, "starting", ready=False)
    now[0] = START + 1
    assert not pace.judge().alive


def test_patience_follows_the_unit() -> None:
    """A drop-in that shortens WatchdogSec= shortens all of it."""
    assert patience(Supervision("x", timedelta(seconds=8))) == 6.0
    assert patience(Supervision()) == 45.0
