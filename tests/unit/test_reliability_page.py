"""docs/reliability.md says what the results say, the unsound ones first of all."""

from __future__ import annotations

from typing import Any

from tests.faults.page import page


def result(seed: int, *, naive: bool = False, **changes: Any) -> dict[str, Any]:
    """Return a sound run, but for the changes."""
    nothing: dict[str, Any] = {key: [] for key in ("doubled", "lost", "unresolved", "books", "limits", "bare")}
    usual = {"pair": "post> kill child", "seed": seed, "naive": naive, "redis": "valkey/aof", "recovery": 1,
             "sound": True, "seconds": 6.0, "code": "abc"}  # fmt: skip
    return {**nothing, **usual, **changes}


BAD: dict[str, Any] = {"sound": False, "doubled": ["2 buy orders in slot 2"]}


def test_an_unsound_run_is_named_and_counted() -> None:
    """In the totals, in its pair's row, and by its seed."""
    text = page([result(0), result(1, **BAD)])
    assert "Unsound runs of ztrade: `post> kill child` seed 1." in text
    assert "| ztrade | 1 | 2 | 1 | 0 | 0 | 0 | 0 |" in text


def test_seeds_are_told_as_spans() -> None:
    """A hundred of them fit into a cell."""
    assert "| 0–2, 5, 7–8 |" in page([result(seed) for seed in (7, 0, 2, 1, 5, 8)])


def test_what_was_mended_stays_on_the_page() -> None:
    """The newest line of a run counts, and the one before is told with what was seen."""
    text = page([result(1, **BAD, code="old"), result(1)])
    assert "Unsound runs of ztrade: none." in text
    assert "`post> kill child` seed 1 (2 buy orders in slot 2; code `old`)" in text
    assert "Found unsound before" not in page([result(1)])


def test_a_soak_that_could_not_be_judged_is_told() -> None:
    """It is neither sound nor left out."""
    text = page([], soaks=[{"seed": 3, "days": 2, "start": "2024-11-01", "failed": "time stands still", "code": "abc"}])
    assert "not judged: time stands still" in text
