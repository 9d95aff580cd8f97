from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.stage import Stage


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own configuration out of the tests."""
    for name in ("ZTRADE_CONFIG", "ZTRADE_STATE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)
