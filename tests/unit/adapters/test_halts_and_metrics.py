"""Flag files that stop agents, and counters."""

from __future__ import annotations

import os
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
    assert "cannot be read" in FileHalts(tmp_path).active()["ALL"], "and who looks is told so"
    assert FileHalts(tmp_path).active_reducing() == {}


def test_a_flag_that_leads_nowhere_means_halted(tmp_path: Path) -> None:
    """A link to a disk that is not there any more: what it said cannot be known, and somebody made it."""
    (tmp_path / "halts").mkdir()
    (tmp_path / "halts" / "spy").symlink_to(tmp_path / "gone")
    halts = FileHalts(tmp_path)
    assert "leads nowhere" in (halts.reason("spy") or "")
    assert halts.reason("tsla") is None
    assert list(halts.release("spy")) == ["halted"]
    assert halts.reason("spy") is None


def test_a_folder_that_leads_nowhere_means_halted(tmp_path: Path) -> None:
    """The same, one step above; a link to a folder that is there is a folder."""
    (tmp_path / "halts").symlink_to(tmp_path / "flags")
    assert FileHalts(tmp_path).reason("spy") is not None
    (tmp_path / "flags").mkdir()
    assert FileHalts(tmp_path).reason("spy") is None


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


def test_what_a_halt_ordered_stands_until_it_is_released(tmp_path: Path) -> None:
    """A second halt, or an agent that halts itself while it is being flattened, has other reasons and no fewer."""
    halts = FileHalts(tmp_path)
    halts.halt("spy", "ann: out", Wish("20220822T143500Z", flatten=True))
    halts.halt("spy", "bob: look")
    assert (halts.reason("spy"), halts.wish("spy")) == ("bob: look", Wish("20220822T143500Z", flatten=True))
    halts.halt("spy", "ann: again", Wish("20220822T143600Z", flatten=True))
    assert halts.wish("spy") == Wish("20220822T143600Z", flatten=True)
    halts.release("spy")
    halts.halt("spy", "ann: looking")
    assert halts.wish("spy") is None


@pytest.mark.parametrize(
    ("line", "stamp"), [("now!", "now"), ("ü", "byhand"), ("a\x00b.c", "abc"), ("x" * 300, "x" * 40), ("1 2 3", None)]
)
def test_an_order_written_by_hand_makes_ids_that_the_exchange_takes(
    tmp_path: Path, line: str, stamp: str | None
) -> None:
    """Else the stop would be ended, and the sale refused, again and again."""
    (tmp_path / "halts").mkdir()
    (tmp_path / "halts" / "spy").write_text(f"out\nflatten {line}\n")
    wish = FileHalts(tmp_path).wish("spy")
    assert wish == (None if stamp is None else Wish(stamp, flatten=True))


@pytest.mark.timeout(5)
def test_a_pipe_in_a_flags_place_means_halted(tmp_path: Path) -> None:
    """Nobody may ever write to it: whoever looks must not wait."""
    (tmp_path / "halts").mkdir()
    os.mkfifo(tmp_path / "halts" / "spy")
    assert FileHalts(tmp_path).reason("spy") == "halted"


@pytest.mark.timeout(5)
def test_a_pipe_that_somebody_holds_open_means_halted(tmp_path: Path) -> None:
    """There is a writer, and no word of his."""
    (tmp_path / "halts").mkdir()
    os.mkfifo(tmp_path / "halts" / "spy")
    writer = os.open(tmp_path / "halts" / "spy", os.O_RDWR)
    try:
        assert FileHalts(tmp_path).reason("spy") == "halted"
    finally:
        os.close(writer)


def test_a_folder_in_a_flags_place_means_halted_and_keeps_nothing_open(tmp_path: Path) -> None:
    """It is looked at for as long as it stands: a descriptor for each look would be the end of the keeper."""
    (tmp_path / "halts" / "spy").mkdir(parents=True)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert "Is a directory" in (FileHalts(tmp_path).reason("spy") or "")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_flag_without_end_means_halted(tmp_path: Path) -> None:
    """Only its beginning is read."""
    (tmp_path / "halts").mkdir()
    (tmp_path / "halts" / "spy").symlink_to("/dev/zero")
    assert FileHalts(tmp_path).reason("spy") is not None


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


def test_a_second_halt_on_a_full_disk_keeps_what_the_first_said(tmp_path: Path) -> None:
    """An empty flag in its place would order nothing any more."""
    halts = FileHalts(tmp_path)
    halts.halt("spy", "ann: out", Wish("20220822T143500Z", flatten=True))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        halts.halt("spy", "bob: look")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (halts.reason("spy"), halts.wish("spy")) == ("ann: out", Wish("20220822T143500Z", flatten=True))
    assert [path.name for path in (tmp_path / "halts").iterdir()] == ["spy"]


def test_counters_add_up_by_labels() -> None:
    """The order of labels does not matter."""
    counters = Counters()
    counters.count("drift", labels={"a": "1", "b": "2"})
    counters.count("drift", 2, {"b": "2", "a": "1"})
    counters.count("other")
    assert counters.told()["counts"] == [["drift", {"a": "1", "b": "2"}, 3], ["other", {}, 1]]
