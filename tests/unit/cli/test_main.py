"""The command itself: what it imports, and how it says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.unit.cli.stage import Stage, one_error
from ztrade.cli.context import App
from ztrade.cli.main import COMMANDS, LazyGroup, cli
from ztrade.config import Config
from ztrade.errors import ConfigError, ExchangeUnavailable, JournalUnavailable

HEAVY = {"pydantic", "celery", "sqlalchemy", "numpy", "talib", "alpaca", "exchange_calendars", "rich", "tornado"}


def imported_by(*arguments: str) -> set[str]:
    """Return the top-level modules that a run of ``ztrade ARGUMENTS`` imports."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*{m.partition('.')[0] for m in sys.modules}, file=sys.stderr))\n"
        f"sys.argv = ['ztrade', *{list(arguments)!r}]\n"
        "from ztrade.cli.main import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--version",), ("--help",)])
def test_help_and_version_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Asking what there is costs no library of any command."""
    assert imported_by(*arguments) & HEAVY == set()


def test_every_command_can_be_imported_and_explains_itself() -> None:
    """The table of commands names only what is there, and --help of each works."""
    for name in COMMANDS:
        result = CliRunner().invoke(cli, [name, "--help"], obj=App())
        assert result.exit_code == 0, (name, result.output)
        assert result.output.startswith(f"Usage: ztrade {name}")


def test_help_lists_the_commands_by_what_they_are_for() -> None:
    """A newcomer sees the demo first."""
    output = CliRunner().invoke(cli, ["--help"]).output
    assert output.index("Try:") < output.index("demo") < output.index("Serve:")
    assert "\n  stack " not in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("status", "--nonsense"), "No such option"),
        (("run",), "Missing argument 'AGENT'"),
        (("cycles", "--limit", "0"), "0 is not in the range x>=1"),
        (("cycles", "--limit", "many"), "not a valid integer"),
        (("cycles", "--since", "yesterday"), "'yesterday' is not an instant"),
        (("cycles", "--since", "2022-08-22T14:35"), "has no time zone"),
        (("cycles", "--since", "2022-13-01"), "is not a day"),
        (("run", "spy", "--slot", "2022-08-22"), "has no time zone"),
        (("demo", "--speed", "0"), "'0' is not a speed"),
        (("demo", "--speed", "nan"), "'nan' is not a speed"),
        (("demo", "--speed", "fast"), "'fast' is not a speed"),
        (("demo", "--once", "22.8.2022"), "is not a day"),
        (("demo", "--once", "2022-08-26..2022-08-22"), "ends before it begins"),
        (("demo", "--synthetic", "-1"), "-1 is not in the range"),
        (("demo", "--synthetic", "x"), "not a valid integer"),
        (("backtest", "--from", "tomorrow"), "is not a day"),
        (("logs", "-n", "-3"), "-3 is not in the range"),
        (("config", "nonsense"), "No such command 'nonsense'"),
        (("demo", "--bars"), "ztrade demo: Option '--bars' requires an argument"),
    ],
)
def test_bad_usage_is_one_line_with_a_way_out(stage: Stage, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, what is wrong, where the help is; nothing is written."""
    line = one_error(stage.run(*arguments), 2)
    assert said in line
    assert "--help" in line
    assert not stage.state.exists()


@pytest.mark.parametrize("arguments", [(), ("bars",), ("config",)])
def test_a_command_without_its_command_shows_the_help_as_it_is(stage: Stage, arguments: tuple[str, ...]) -> None:
    """What a newcomer types first is no mistake to be told off for: the whole page, exit code 2."""
    result = stage.run(*arguments)
    assert result.exit_code == 2
    assert result.output.startswith("Usage: ztrade")
    assert result.output.count("\n") > 5


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (lambda: ConfigError("ztrade.toml: limits", "is wrong", "because", "mend it"), 2, "fix: mend it"),
        (lambda: ConfigError("ztrade.toml", "line one\nline two"), 2, "line one; line two"),
        (lambda: JournalUnavailable("the disk is full"), 1, "the disk is full"),
        (lambda: ExchangeUnavailable("connection refused"), 1, "connection refused"),
        (lambda: KeyError("spy"), 1, "unexpected KeyError"),
        (lambda: PermissionError(13, "Permission denied", "/var/lib/ztrade/run"), 1, "/var/lib/ztrade/run: Permission"),
    ],
)
def test_every_error_is_one_line(error: Callable[[], Exception], code: int, said: str) -> None:
    """Errors of a person exit 2, of the world 1; a mistake of ours is said without a traceback."""

    def fail(_path: Path | None) -> Config:
        raise error()

    result = CliRunner().invoke(cli, ["config", "check"], obj=App(load=fail))
    assert said in one_error(result, code)


def test_debug_shows_where_an_error_comes_from() -> None:
    """The traceback is there for those who ask for it."""

    def fail(_path: Path | None) -> Config:
        raise ConfigError("ztrade.toml", "is wrong")

    result = CliRunner().invoke(cli, ["--debug", "config", "check"], obj=App(load=fail))
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_interrupting_a_command_exits_130() -> None:
    """Ctrl-C is no error to explain."""

    @click.command()
    def wait() -> None:
        raise KeyboardInterrupt

    class Waiting(LazyGroup):
        def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
            return wait

    result = CliRunner().invoke(Waiting("ztrade"), ["wait"])
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_the_state_option_moves_the_state_of_every_command(stage: Stage, tmp_path: Path) -> None:
    """--state wins over the configuration."""
    result = CliRunner().invoke(
        cli, ["--config", str(stage.path), "--state", str(tmp_path / "else"), "config", "check", "--json"]
    )
    assert f'"state_dir": "{tmp_path / "else"}"' in result.stdout
