"""A program that is up and does nothing is not fine."""

from __future__ import annotations

import itertools
import socket
import threading
from pathlib import Path

import pytest

from ztrade.service.pulse import SILENCE, Pulse, pulse_file, trouble
from ztrade.service.stack import silence_of


def test_a_beat_that_ticks_has_no_trouble(tmp_path: Path) -> None:
    """The sign is fresh for as long as ticks come."""
    assert trouble(tmp_path, lambda: 100.0) == "has not looked at the schedule yet"
    pulse = Pulse(tmp_path, lambda: 100.0)
    pulse.tick()
    assert trouble(tmp_path, lambda: 100.0 + SILENCE) == ""
    assert trouble(tmp_path, lambda: 101.5 + SILENCE) == "has not looked at the schedule for 32 s"


def test_a_sign_from_before_the_last_boot_is_old(tmp_path: Path) -> None:
    """Monotonic time begins anew with the machine."""
    Pulse(tmp_path, lambda: 5000.0).tick()
    assert "has not looked" in trouble(tmp_path, lambda: 20.0)


def test_a_damaged_sign_is_none(tmp_path: Path) -> None:
    """Half a line is no sign of life."""
    pulse_file(tmp_path).parent.mkdir()
    pulse_file(tmp_path).write_text("x")
    assert trouble(tmp_path, lambda: 1.0) == "has not looked at the schedule yet"


def test_a_reader_meets_whole_signs_only(tmp_path: Path) -> None:
    """Read at any moment of the writing: a beat that works is never called dead."""
    seconds = itertools.count(100.0, 1.0)
    pulse = Pulse(tmp_path, lambda: next(seconds))
    pulse.tick()
    over = threading.Event()

    def write() -> None:
        for _ in range(3000):
            pulse.tick()
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    signs = set()
    while not over.is_set():
        signs.add(pulse_file(tmp_path).read_text())
    writer.join()
    assert len(signs) > 1
    assert all(sign.endswith("\n") and float(sign) >= 100 for sign in signs)
    assert [path.name for path in pulse_file(tmp_path).parent.iterdir()] == ["beat.pulse"]


def test_ticks_write_once_a_second(tmp_path: Path) -> None:
    """Stepped time ticks hundreds of times a second; the disk hears of one."""
    now = [10.0]
    pulse = Pulse(tmp_path, lambda: now[0])
    for now[0] in (10.0, 10.5, 10.9):
        pulse.tick()
    assert pulse_file(tmp_path).read_text() == "10.000\n"
    now[0] = 11.0
    pulse.tick()
    assert pulse_file(tmp_path).read_text() == "11.000\n"


def test_a_place_that_cannot_be_written_does_not_stop_beat(tmp_path: Path) -> None:
    """Ringing goes on; status says that the sign is missing."""
    (tmp_path / "run").write_text("a file where the folder should be")
    Pulse(tmp_path, lambda: 1.0).tick()
    assert trouble(tmp_path, lambda: 1.0)


def test_an_exchange_that_stands_is_not_fine() -> None:
    """The kernel accepts connections for a frozen process; only an answer counts."""
    with socket.socket() as frozen:
        frozen.bind(("127.0.0.1", 0))
        frozen.listen()
        assert "does not answer" in silence_of(f"http://127.0.0.1:{frozen.getsockname()[1]}", seconds=0.2)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1"])
def test_a_closed_port_is_not_fine(url: str) -> None:
    """Nobody listens there."""
    assert "refused" in silence_of(url).lower()
