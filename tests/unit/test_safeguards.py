"""What takes safeguards out must find them: a cut that no longer fits would prove nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.safeguards import GUARDS, ROOT, Guard, take_out


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_safeguard_is_where_it_is_taken_out(guard: Guard, tmp_path: Path) -> None:
    """Each text once, and what is left is a program."""
    for file in {cut.file for cut in guard.cuts}:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for cut in guard.cuts:
        take_out(cut, tmp_path)
