"""What a person is told when the stack starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner

from ztrade.cli.context import App
from ztrade.cli.service import stack
from ztrade.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "deploy" / "config"


def test_a_start_says_which_limits_do_nothing(tmp_path: Path) -> None:
    """The warnings of `config check` also meet who never asks for them."""
    folder = tmp_path / "etc"
    shutil.copytree(SHIPPED, folder)
    spy = folder / "agents" / "spy.toml"
    spy.write_text(spy.read_text().replace("max_daily_loss = 300", "max_daily_loss = 9000"))
    # a path that no socket fits into keeps anything from starting
    app = App(config_path=folder / "ztrade.toml", state=tmp_path / ("x" * 120))
    result = CliRunner().invoke(stack, ["start"], obj=app)
    assert result.stderr.startswith("warning: spy: max_daily_loss 9000 is above what")
    assert isinstance(result.exception, ConfigError)
