"""Flag files that stop agents, and counters."""

from __future__ import annotations

import resource
from pathlib import Path

from ztrade.adapters.halts import FileHalts
from ztrade.adapters.metrics import Counters


def test_a_flag_stops_its_agent_until_it_is_released(tmp_path: Path) -> None:
    """Only the named agent; the reason comes back as it was written."""
    halts = FileHalts(tmp_path)
    assert halts.reason("spy") is None
    halts.halt("spy", "ann: looking")
    assert halts.reason("spy") == "ann: looking"
    assert halts.reason("tsla") is None
    assert halts.active() == {"spy": "ann: looking"}
    assert halts.release("spy")
    assert halts.reason("spy") is None
    assert not halts.release("spy")


def test_all_stops_everyone(tmp_path: Path) -> None:
    """The flag ALL counts for every agent."""
    FileHalts(tmp_path).halt("ALL", "stop")
    assert FileHalts(tmp_path).reason("spy") == "stop"


def test_a_flag_that_cannot_be_read_means_halted(tmp_path: Path) -> None:
    """A directory in its place, or an empty file: fail closed."""
    (tmp_path / "halts" / "spy").mkdir(parents=True)
    assert "cannot be read" in (FileHalts(tmp_path).reason("spy") or "")
    (tmp_path / "halts" / "tsla").touch()
    assert FileHalts(tmp_path).reason("tsla") == "halted"


def test_a_folder_that_cannot_be_entered_means_halted(tmp_path: Path) -> None:
    """Something else where the folder of flags should be: nobody can know, so nobody trades."""
    (tmp_path / "halts").touch()
    assert FileHalts(tmp_path).reason("spy") is not None


def test_a_halt_works_on_a_full_disk(tmp_path: Path) -> None:
    """No byte can be written, so the reason is lost; the flag is there, and halts."""
    halts = FileHalts(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        halts.halt("spy", "ann: looking")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert halts.reason("spy") == "halted"


def test_counters_add_up_by_labels() -> None:
    """The order of labels does not matter."""
    counters = Counters()
    counters.count("drift", labels={"a": "1", "b": "2"})
    counters.count("drift", 2, {"b": "2", "a": "1"})
    counters.count("other")
    assert counters.read() == {("drift", (("a", "1"), ("b", "2"))): 3, ("other", ()): 1}
