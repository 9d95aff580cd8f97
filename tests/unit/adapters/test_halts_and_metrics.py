"""Flag files that stop agents, and counters."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from ztrade.adapters.halts import FileHalts
from ztrade.adapters.metrics import Counters
from ztrade.domain.ledger import Wish


def test_a_flag_stops_its_agent_until_it_is_released(tmp_path: Path) -> None:
    """Only the named agent; the reason comes back as it was written."""
    halts = FileHalts(tmp_path)
    assert halts.reason("spy") is None
    halts.halt("spy", "ann: looking")
    assert halts.reason("spy") == "ann: looking"
    assert halts.reason("tsla") is None
    assert halts.active() == {"spy": "ann: looking"}
    assert halts.release("spy") == {"halted": "ann: looking"}
    assert halts.reason("spy") is None
    assert halts.release("spy") == {}


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


def test_reducing_is_a_flag_of_its_own_and_keeps_its_first_reason(tmp_path: Path) -> None:
    """Not halted by it; what tripped first is what a person must see; one release takes both back."""
    halts = FileHalts(tmp_path)
    assert halts.reduce("spy", "daily loss 512 of 500")
    assert not halts.reduce("spy", "drawdown")
    assert (halts.reducing("spy"), halts.reason("spy")) == ("daily loss 512 of 500", None)
    assert halts.reducing("tsla") is None
    halts.halt("spy", "ann: looking")
    assert halts.active_reducing() == {"spy": "daily loss 512 of 500"}
    assert halts.release("spy") == {"halted": "ann: looking", "reducing": "daily loss 512 of 500"}
    assert halts.reducing("spy") is None


def test_a_reducing_flag_that_cannot_be_read_refuses_entries(tmp_path: Path) -> None:
    """Fail closed, for everyone too."""
    (tmp_path / "reducing" / "ALL").mkdir(parents=True)
    assert "cannot be read" in (FileHalts(tmp_path).reducing("spy") or "")


def test_a_halt_may_order_more_than_stopping(tmp_path: Path) -> None:
    """The reason stays one line; a flag made by hand orders nothing."""
    halts = FileHalts(tmp_path)
    halts.halt("spy", "ann:\nlooking", Wish("20220822T143500Z", flatten=True))
    assert halts.reason("spy") == "ann: looking"
    assert halts.wish("spy") == Wish("20220822T143500Z", flatten=True)
    assert halts.wish("tsla") is None
    halts.halt("ALL", "stop", Wish("20220822T143600Z"))
    assert halts.wish("tsla") == Wish("20220822T143600Z")
    (tmp_path / "halts" / "aapl").write_text("look\nflatten\nnonsense here and there\n")
    halts.release("ALL")
    assert halts.wish("aapl") is None


def test_a_flag_on_a_full_disk_leaves_no_rest(tmp_path: Path) -> None:
    """A folder that cannot be written: the caller hears it, and no half flag stands."""
    (tmp_path / "halts").touch()
    with pytest.raises(OSError, match="exists"):
        FileHalts(tmp_path).halt("spy", "stop")


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
