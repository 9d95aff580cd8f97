"""Every bad value, wherever it stands: one line, exit code 2, nothing started, nothing written."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from ztrade.cli.context import App
from ztrade.cli.main import cli

ZTRADE = str(Path(sys.executable).with_name("ztrade"))
SHIPPED = Path(__file__).parents[2] / "deploy" / "config"
HEADER = "symbol,timestamp,open,high,low,close,volume\n"
GOOD = "SPY,2022-08-22T13:30:00Z,418.5,419.0,418.3,418.7,1000\n"
MORE = "".join(f"SPY,2022-08-22T13:{minute}:00Z,418.5,419.0,418.3,418.7,1000\n" for minute in (35, 40, 45, 50))


class Place:
    """A configuration and a state directory of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.etc, self.state = folder, folder / "etc", folder / "state"
        shutil.copytree(SHIPPED, self.etc)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``ztrade ARGUMENTS`` on this place in a process of its own."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ZTRADE_")}
        return subprocess.run(
            [ZTRADE, "--config", str(self.etc / "ztrade.toml"), "--state", str(self.state), *arguments],
            capture_output=True, text=True, timeout=100, env={**clean, **(env or {})},
        )  # fmt: skip

    def refused(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run a command that must be refused, and return the one line that says why."""
        before = sorted(self.folder.rglob("*"))
        app = App(self.etc / "ztrade.toml", self.state, quiet=lambda: None)
        done = CliRunner().invoke(cli, arguments, obj=app, env=env)
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert sorted(self.folder.rglob("*")) == before
        return line


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own configuration out of the tests."""
    for name in [name for name in os.environ if name.startswith("ZTRADE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def place() -> Iterator[Place]:
    """Under a short path: unix sockets have little room."""
    with tempfile.TemporaryDirectory(prefix="zt-") as folder:
        yield Place(Path(folder))


def edit(file: str, old: str, new: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        path = place.etc / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def add(file: str, text: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        path = place.etc / file
        path.write_text((path.read_text() if path.exists() else "") + text)

    return change


def remove(file: str) -> Callable[[Place], None]:
    return lambda place: (place.etc / file).unlink()


def put(file: str, content: bytes) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        (place.etc / file).write_bytes(content)

    return change


def go_live(place: Place) -> None:
    edit(SPY, "dry_run = true", "dry_run = false")(place)
    edit(SPY, 'account = "paper"', 'account = "live"')(place)


SPY = "agents/spy.toml"
SECRETS = b'[paper]\nkey_id = "a"\nsecret_key = "b"\n'
MAIN = "ztrade.toml"
FILES: dict[str, tuple[Callable[[Place], None], str, str]] = {
    "main: no TOML": (add("ztrade.toml", "nonsense ="), "ztrade.toml", "not valid TOML"),
    "main: unknown key": (add("ztrade.toml", "\n[redis]\nurll = ''\n"), "redis.urll", "unknown key"),
    "main: wrong type": (edit("ztrade.toml", "allow_live = false", "allow_live = 7"), "allow_live", "found"),
    "main: ratio above 1": (edit(MAIN, "max_drawdown = 0.20", "max_drawdown = 20"), "limits.max_drawdown", "20"),
    "main: nan": (edit(MAIN, "max_daily_loss = 2000", "max_daily_loss = nan"), "limits.max_daily_loss", "finite"),
    "main: redis url": (add("ztrade.toml", '\n[redis]\nurl = "amqp://x"\n'), "redis.url", "redis://"),
    "main: exchange url": (edit("ztrade.toml", '"http://127.0.0.1:8642"', '"8642"'), "exchange.url", "8642"),
    "main: flower port": (add("ztrade.toml", "\n[flower]\nport = 70000\n"), "flower.port", "65535"),
    "main: not there": (remove("ztrade.toml"), "ztrade.toml", "does not exist"),
    "main: not text": (put("ztrade.toml", b"\xff\xfe\x00"), "ztrade.toml", "cannot be read"),
    "agent: no TOML": (add(SPY, "= ="), "spy.toml", "not valid TOML"),
    "agent: unknown key": (edit(SPY, "capital", "captial"), "captial", "unknown key"),
    "agent: negative money": (edit(SPY, "capital = 10000", "capital = -1"), "capital", "greater than 0"),
    "agent: duration": (edit(SPY, 'every = "5m"', 'every = "often"'), "schedule.every", "not a duration"),
    "agent: strategy": (edit(SPY, '"momentum"', '"astrology"'), "[strategy]", "astrology"),
    "agent: account": (edit(SPY, 'account = "paper"', 'account = "swiss"'), "account", "swiss"),
    "agent: contradiction": (edit(SPY, 'timeframe = "15m"', 'timeframe = "7m"'), "timeframe", "7m"),
    "agent: live without switches": (go_live, "agent 'spy'", "allow_live = true"),
    "agent: name": (add("agents/Bad Name.toml", 'symbol = "SPY"\n'), "Bad Name.toml", "lower-case letters"),
    "credentials: open to all": (put("credentials.toml", SECRETS), "credentials.toml", "chmod 600"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_bad_configuration_file_is_named_with_key_and_reason(place: Place, case: str) -> None:
    """File or key, what is wrong; nothing is written."""
    spoil, where, what = FILES[case]
    spoil(place)
    line = place.refused("config", "check")
    assert where in line
    assert what in line


@pytest.mark.parametrize(
    "command", [("cycles",), ("positions",), ("run", "spy"), ("demo",), ("worker", "a"), ("beat",)]
)
def test_every_command_refuses_a_bad_configuration(place: Place, command: tuple[str, ...]) -> None:
    """The same words, whatever was asked for."""
    edit(SPY, "capital = 10000", "capital = -1")(place)
    assert "capital" in place.refused(*command)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ZTRADE_REDIS__URL", "localhost", "redis.url"),
        ("ZTRADE_REDIS__URLL", "redis://x", "ZTRADE_REDIS__URLL"),
        ("ZTRADE_NONSENSE", "1", "ZTRADE_NONSENSE"),
        ("ZTRADE_LIMITS__MAX_DRAWDOWN", "a lot", "limits.max_drawdown"),
        ("ZTRADE_FLOWER__PORT", "-1", "flower.port"),
        ("ZTRADE_ALLOW_LIVE", "perhaps", "allow_live"),
    ],
)
def test_a_bad_environment_variable_is_named(place: Place, name: str, value: str, said: str) -> None:
    """The key that it sets, or the variable itself."""
    assert said in place.refused("config", "check", env={name: value})


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "nonsense"),
        ("sqlite:////nowhere/at/all/journal.db", "/nowhere/at/all"),
        ("oracle://me@db/x", "oracle"),
    ],
)
def test_a_bad_database_url_is_named(place: Place, url: str, said: str) -> None:
    """Looking at it is enough to be told."""
    assert said in place.refused("cycles", env={"ZTRADE_JOURNAL__URL": url})


def nobody(place: Place) -> None:
    shutil.rmtree(place.etc / "agents")
    (place.etc / "agents").mkdir()


def keys_for_all(place: Place) -> None:
    edit(SPY, "dry_run = true", "dry_run = false")(place)
    put("credentials.toml", SECRETS)(place)


@pytest.mark.parametrize(
    ("spoil", "variable", "said"),
    [
        (keys_for_all, {}, "chmod 600"),
        (None, {"ZTRADE_JOURNAL__URL": "sqlite:////nowhere/at/all/journal.db"}, "/nowhere/at/all does not exist"),
        (None, {"ZTRADE_JOURNAL__URL": "sqlite:////tmp"}, "is a directory"),
        (None, {"ZTRADE_REDIS__URL": "redis://127.0.0.1:1/0?nonsense=1"}, "nonsense"),
        (None, {"ZTRADE_FLOWER__PORT": "TAKEN"}, "flower.port"),
        (None, {"ZTRADE_EXCHANGE__URL": "http://127.0.0.1:TAKEN"}, "exchange.url"),
    ],
)
def test_a_stack_that_cannot_work_is_not_started(
    place: Place, spoil: Callable[[Place], None] | None, variable: dict[str, str], said: str
) -> None:
    """Not one process is started, not one folder made, for a worker to find the mistake a minute later."""
    if spoil is not None:
        spoil(place)
    with socket.socket() as taken, socket.socket() as free, socket.socket() as more:
        for probe in (taken, free, more):
            probe.bind(("127.0.0.1", 0))
        taken.listen()
        port, flower, exchange = (probe.getsockname()[1] for probe in (taken, free, more))
        free.close()
        more.close()
        env = {"ZTRADE_FLOWER__PORT": str(flower), "ZTRADE_EXCHANGE__URL": f"http://127.0.0.1:{exchange}", **variable}
        line = place.refused("stack", "start", env={key: text.replace("TAKEN", str(port)) for key, text in env.items()})
    assert said in line


def test_a_stack_without_agents_is_not_started(place: Place) -> None:
    """There is nothing to start."""
    nobody(place)
    done = place.run("stack", "start")
    assert done.returncode == 2
    assert "has no agent files" in done.stderr
    assert not place.state.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bogus",), "--bogus"),
        (("stray",), "stray"),
        (("--bars", "nowhere"), "nowhere"),
        (("--synthetic", "x"), "--synthetic"),
        (("--speed", "0"), "is not a speed"),
        (("--symbols", "A/B"), "'A/B' is no symbol"),
        (("--port", "1"), "is the stack's to say"),
        (("--bars", "nowhere", "--synthetic", "3"), "one source of prices"),
    ],
)
def test_a_stack_whose_exchange_cannot_start_is_not_started(
    place: Place, arguments: tuple[str, ...], said: str
) -> None:
    """What follows `start --` is read as the exchange will read it."""
    assert said in place.refused("stack", "start", "--", *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "spy", "--slot", "2022-08-22T14:36Z"), "the nearest of that day is 14:35Z"),
        (("run", "spy", "--slot", "2022-08-20T14:35Z"), "closed on that day"),
        (("cycles", "--until", "9999-12-31"), "is no day of an exchange"),
        (("backtest", "--from", "9999-12-31"), "is no day of an exchange"),
        (("backtest", "--json", "."), "is a directory"),
        (("backtest", "--bars", "x" * 5000), "longer than a path can be"),
        (("backtest", "--bars", ""), "names no path"),
        (("demo", "--state", "~nobody-at-all/x"), "home directory that does not exist"),
        (("demo", "--json", "same", "--report", "same"), "where the report goes"),
        (("stack", "test", "--seconds", "nan"), "--seconds"),
        (("exchange", "--synthetic", "7", "--symbols", "A/B"), "'A/B' is no symbol"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(place: Place, arguments: tuple[str, ...], said: str) -> None:
    """Not a traceback, not a cycle for a slot that nobody asks for, not minutes of work for nothing."""
    assert said in place.refused(*arguments)


@pytest.mark.parametrize("reader", ["true", "head -n 1 > /dev/null", "sleep 3"])
def test_output_that_nobody_reads_is_no_error(place: Place, reader: str) -> None:
    """`ztrade config check | head -1` is quiet, whenever the reader leaves."""
    command = f"'{ZTRADE}' --config '{place.etc}/ztrade.toml' config check | {reader}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


def test_a_terminal_without_a_character_gets_another(place: Place) -> None:
    """The true minus and the ellipsis are for those who can see them."""
    put("credentials.toml", SECRETS)(place)
    (place.etc / "credentials.toml").chmod(0o600)
    done = place.run("config", "check", env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0, done.stderr
    assert "a? and a secret" in done.stdout


def test_a_folder_in_the_report_s_place_is_found_before_the_demo(place: Place) -> None:
    """Not after it, when the report cannot be written."""
    (place.state / "report.html").mkdir(parents=True)
    assert "is a directory" in place.refused("demo")


def bars(place: Place, text: str) -> str:
    folder = place.folder / "bars"
    folder.mkdir()
    (folder / "SPY.csv").write_text(text)
    return str(folder)


BARS = {
    "empty file": ("", "is empty"),
    "header only": (HEADER, "no bars"),
    "another layout": ("date,o,h,l,c,v\n2022-08-22 09:30,1,1,1,1,1\n", "ztrade bars import"),
    "not a number": (HEADER + GOOD.replace("418.7", "n/a"), "row 2"),
    "high under low": (HEADER + GOOD.replace("419.0", "400.0"), "row 2"),
    "twice": (HEADER + GOOD + GOOD, "row 3"),
    "no zone": (HEADER + GOOD.replace("00Z", "00"), "row 2"),
    "at night": (HEADER + (GOOD + MORE).replace("T13", "T03"), "the exchange is closed"),
    "another symbol": (HEADER + (GOOD + MORE).replace("SPY", "GME"), "no agent trades one of GME"),
}


@pytest.mark.parametrize("command", ["demo", "backtest"])
@pytest.mark.parametrize("case", BARS)
def test_a_bad_bars_file_stops_before_anything_starts(place: Place, command: str, case: str) -> None:
    """File, row, reason."""
    text, said = BARS[case]
    assert said in place.refused(command, "--bars", bars(place, text))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bars", "nowhere"), "nowhere"),
        (("--bars", "bars", "--synthetic", "3"), "excludes --bars"),
        (("--news", "news.json"), "goes with --bars"),
        (("--once", "2022-08-20"), "closed"),
        (("--once", "1970-01-05"), "1970-01-05"),
        (("--from", "2024-05-14"), "--from and --to need each other"),
        (("--once", "2024-05-14", "--from", "2024-05-14", "--to", "2024-05-14"), "--once excludes"),
        (("--json", "no/such/folder/file.json"), "no/such/folder/file.json"),
        (("--report", "."), "is a directory"),
    ],
)
def test_demo_options_that_cannot_work_are_refused(place: Place, arguments: tuple[str, ...], said: str) -> None:
    """Before the state directory is even made."""
    assert said in place.refused("demo", *arguments)


def test_the_demo_names_the_days_it_has_bars_for(place: Place) -> None:
    """A day without bars is answered with the days that have some."""
    assert "from 2022-08-22 to 2022-08-22" in place.refused(
        "demo", "--bars", bars(place, HEADER + GOOD + MORE), "--once", "2022-08-24"
    )


def test_a_state_path_that_cannot_work_is_refused(place: Place) -> None:
    """A file in the way."""
    (place.folder / "file").write_text("")
    for path in ("file", "file/state"):
        assert "cannot be written" in place.refused("demo", "--state", str(place.folder / path))
        place.state = place.folder / path
        assert "cannot be written" in place.refused("stack", "start")


@pytest.mark.parametrize("path", ["x" * 100, "strange*name"])
def test_a_state_path_that_a_socket_or_supervisor_cannot_have_is_refused(place: Place, path: str) -> None:
    """Too long, or with characters that mean something elsewhere."""
    assert "state directory" in place.refused("demo", "--state", str(place.folder / path))


def test_the_demo_refuses_to_use_somebody_elses_redis(place: Place) -> None:
    """An environment variable must not turn a demo into an attack on production."""
    line = place.refused("demo", env={"ZTRADE_REDIS__URL": "redis://127.0.0.1:6379/0"})
    assert "unset ZTRADE_REDIS__URL" in line


def test_an_exchange_that_is_down_is_said_in_those_words(place: Place) -> None:
    """No exchange at that port: the outcome says so, exit code 1, and the cycle is in the journal."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    done = place.run("run", "spy", env={"ZTRADE_EXCHANGE__URL": url})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "refused" in (done.stdout + done.stderr).lower()


def test_no_keys_are_said_in_those_words(place: Place) -> None:
    """An agent on paper without keys: whoever checks or runs it reads which file wants them, at any hour."""
    edit(SPY, "dry_run = true", "dry_run = false")(place)
    said = f"spy: account paper has no keys in {place.etc / 'credentials.toml'}: every cycle will fail"
    assert f"warning: {said}" in place.run("config", "check").stdout
    assert f"warning: {said}" in place.run("run", "spy").stderr
