"""``ztrade setup``: what it writes, what it proves first, and that a failure leaves everything as it was."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.cli.stage import one_error
from tests.unit.cli.units import unit
from ztrade.cli.context import App
from ztrade.cli.main import cli
from ztrade.config import Config
from ztrade.config_credentials import Keys
from ztrade.domain.ledger import Holding
from ztrade.errors import JournalUnavailable
from ztrade.service.install import proof
from ztrade.service.units import Unit
from ztrade.testing.exchange_server import running
from ztrade.testing.scripted_server import Answer, scripted

ROOT = Path(__file__).parents[3]
OFF = {"UnitFileState": "disabled", "ActiveState": "inactive", "MainPID": "0"}
KEYS = {"PKGOOD": "s3cret-of-paper"}


@dataclass
class Machine:
    """/etc/ztrade as the package leaves it, in a folder; a systemctl that writes down what it is asked."""

    folder: Path
    units: list[Unit]
    #: None: a journal that cannot be read
    holdings: list[Holding] | None = None

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def setup(self, *words: str, stdin: str = "") -> Result:
        app = App(
            self.etc / "ztrade.toml", units=lambda _config: self.units, quiet=lambda: None, open_journal=self._journal
        )
        return CliRunner().invoke(cli, ["setup", *words], obj=app, input=stdin)

    def _journal(self, _config: Config) -> Any:
        if self.holdings is None:
            raise JournalUnavailable("the database is locked")
        return SimpleNamespace(holdings=lambda: self.holdings)

    def files(self) -> dict[str, str]:
        return {str(p.relative_to(self.etc)): p.read_text() for p in sorted(self.etc.rglob("*")) if p.is_file()}

    def systemctl(self, body: str) -> None:
        program = self.folder / "bin" / "systemctl"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho "$@" >> {self.folder}/asked\n{body}\n')
        program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    etc = tmp_path / "etc"
    shutil.copytree(ROOT / "deploy/config/agents", etc / "agents")
    shutil.copy(ROOT / "deploy/etc/ztrade.toml", etc / "ztrade.toml")
    names = ["ztrade-beat.service", "ztrade-worker@spy.service"]
    made = Machine(tmp_path, [unit(name, **OFF) for name in names])
    made.systemctl("exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return made


@pytest.fixture
def paper(machine: Machine) -> Iterator[Machine]:
    """A paper account that knows one pair of keys."""
    with running(keys=KEYS) as url:
        path = machine.etc / "ztrade.toml"
        path.write_text(path.read_text().replace('kind = "paper"', f'kind = "paper"\ntrading_url = "{url}"'))
        yield machine


def test_a_demo_is_three_dry_agents_on_the_embedded_exchange(machine: Machine) -> None:
    """With a login for Flower, and every unit enabled that it needs; nothing is started."""
    result = machine.setup("--demo")
    assert result.exit_code == 0, result.output
    assert "--synthetic" in machine.files()["exchange.conf"]
    (enabled,) = (line for line in machine.asked if line.startswith("enable"))
    wanted = {"ztrade.target", "ztrade-redis.service", "ztrade-exchange.service", "ztrade-worker@aapl.service"}
    assert wanted <= set(enabled.split())
    login = json.loads(machine.files()["credentials/flower.auth"])
    assert f"shown once: {login['password']}" in result.stdout
    assert "next: systemctl start ztrade.target" in result.stdout
    assert not [line for line in machine.asked if line.startswith("start")]


def test_a_second_time_changes_nothing(machine: Machine) -> None:
    """Run by a script at every boot it is a look."""
    machine.setup("--demo")
    before = machine.files()
    names = machine.asked[-1].split()[1:]
    machine.units = [unit(name) for name in names]
    result = machine.setup("--demo")
    assert "everything is as asked already" in result.stdout
    assert machine.files() == before
    assert machine.asked[-1] == "daemon-reload"


def test_agents_that_are_not_named_are_kept_and_switched_off(machine: Machine) -> None:
    """Their files do not count, and their workers are stopped; named again, they are as they were."""
    mine = (machine.etc / "agents/tsla.toml").read_text() + "# mine\n"
    (machine.etc / "agents/tsla.toml").write_text(mine)
    machine.units.append(unit("ztrade-worker@tsla.service"))
    assert machine.setup("--agents", "spy").exit_code == 0
    assert {path.name for path in (machine.etc / "agents").iterdir()} == {"spy.toml", "aapl.toml.off", "tsla.toml.off"}
    assert "disable ztrade-worker@tsla.service" in machine.asked
    assert "stop --no-block ztrade-worker@tsla.service" in machine.asked, "its cycle may take minutes"
    assert machine.setup("--agents", "agent_spy,tsla").exit_code == 0
    assert (machine.etc / "agents/tsla.toml").read_text() == mine
    assert not (machine.etc / "agents/tsla.toml.off").exists()


def test_keys_are_proved_by_using_them(paper: Machine) -> None:
    """Then they are in a file that only root reads."""
    result = paper.setup("--paper-key-id", "PKGOOD", "--paper-secret-file", "-", stdin="s3cret-of-paper\n")
    assert result.exit_code == 0, result.output
    assert "keys of account paper work" in result.stdout
    path = paper.etc / "credentials/credentials.toml"
    assert tomllib.loads(path.read_text()) == {"paper": {"key_id": "PKGOOD", "secret_key": "s3cret-of-paper"}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "s3cret" not in result.output


def test_keys_that_are_refused_change_nothing(paper: Machine) -> None:
    """Not even what would have been fine."""
    before = paper.files()
    result = paper.setup("--agents", "spy", "--paper-key-id", "PKBAD", "--paper-secret-file", "-", stdin="wrong\n")
    assert "keys of account paper: the exchange refuses them" in one_error(result, 2)
    assert paper.files() == before
    assert paper.asked == []


def test_other_keys_stay(paper: Machine) -> None:
    """A second account's section is kept when the first gets new keys."""
    place = paper.etc / "credentials"
    place.mkdir(mode=0o700)
    (place / "credentials.toml").write_text('[openai]\napi_key = "sk-1"\n')
    (place / "credentials.toml").chmod(0o600)
    paper.setup("--paper-key-id", "PKGOOD", "--paper-secret-file", "-", stdin="s3cret-of-paper\n")
    assert set(tomllib.loads((place / "credentials.toml").read_text())) == {"openai", "paper"}


def test_a_secret_is_no_argument(machine: Machine) -> None:
    """There is no option that takes one; without a terminal it says what is missing."""
    assert "Secret key of the paper account: is missing" in one_error(machine.setup("--paper-key-id", "PK"), 2)
    assert "--paper-secret " not in machine.setup("--help").output


def test_slack_is_greeted_before_its_url_is_kept(machine: Machine, tmp_path: Path) -> None:
    """A URL that Slack does not know is refused, and is in no message."""
    file = tmp_path / "slack"
    with scripted(lambda asked: Answer(200 if asked.path == "/good" else 404, "ok")) as server:
        file.write_text(f"{server.url}/bad\n")
        refused = one_error(machine.setup("--slack-url-file", str(file)), 2)
        assert "Slack answers 404" in refused
        assert server.url not in refused
        file.write_text(f"{server.url}/good\n")
        assert machine.setup("--slack-url-file", str(file)).exit_code == 0
        assert server.asked[-1].body == {"text": proof.GREETING}
        assert machine.setup("--slack-url-file", str(file)).exit_code == 0
    files = machine.files()
    assert f'[alerts.slack]\nwebhook = "{server.url}/good"' in files["credentials/credentials.toml"]
    assert files["ztrade.toml"].count('[alerts.channels.slack]\nkind = "slack"\n') == 1
    # beside a configuration that is not the installed one, and never among this machine's own units
    assert "systemd/ztrade-keeper.service.d/network.conf" in files


def test_when_the_units_cannot_be_enabled_the_files_are_as_before(machine: Machine) -> None:
    """And what systemctl had done already is taken back."""
    before = machine.files()
    machine.systemctl('if [ "$1" = enable ]; then echo "no such unit" >&2; exit 1; fi')
    result = machine.setup("--demo")
    assert "no such unit" in one_error(result, 1)
    assert machine.files() == before
    assert machine.asked[-1].startswith("disable ztrade.target")


def test_a_worker_that_cannot_be_stopped_is_enabled_as_before(machine: Machine) -> None:
    """Else the agent counts, and after the next boot nobody runs it."""
    machine.units.append(unit("ztrade-worker@tsla.service"))
    machine.systemctl('if [ "$1" = stop ]; then echo "refused" >&2; exit 1; fi')
    assert "refused" in one_error(machine.setup("--agents", "spy"), 1)
    assert machine.asked[-1] == "enable ztrade-worker@tsla.service"
    assert (machine.etc / "agents/tsla.toml").exists()


def test_a_file_that_was_guarded_stays_guarded(machine: Machine, tmp_path: Path) -> None:
    """A journal's URL may hold a password; setup adds to the file, and opens it to nobody."""
    main = machine.etc / "ztrade.toml"
    main.chmod(0o640)
    file = tmp_path / "slack"
    with scripted(lambda _asked: Answer(200, "ok")) as server:
        file.write_text(f"{server.url}/good\n")
        assert machine.setup("--slack-url-file", str(file)).exit_code == 0
    assert "[alerts.channels.slack]" in main.read_text()
    assert main.stat().st_mode & 0o777 == 0o640


def test_when_a_file_cannot_be_written_none_is(machine: Machine) -> None:
    """A folder in the place of the last file."""
    (machine.etc / "exchange.conf").mkdir()
    before = machine.files()
    result = machine.setup("--demo")
    assert result.exit_code == 2
    assert machine.files() == before
    assert not list(machine.etc.rglob("*.new"))


def test_a_position_of_an_agent_that_is_switched_off_is_named(machine: Machine) -> None:
    """Nobody decides to exit it any more, and the keeper knows no agent that has no file."""
    machine.holdings = [Holding("tsla", "TSLA", Decimal(10)), Holding("spy", "SPY", Decimal(3))]
    result = machine.setup("--agents", "spy")
    assert result.exit_code == 0
    assert "warning: tsla is off and holds 10 TSLA: nothing but its stop and target ends that" in result.stderr
    assert "SPY" not in result.stderr


def test_an_agent_that_trades_at_alpaca_is_let_through_the_sandbox(machine: Machine) -> None:
    """The plan has the drop-in for workers and keeper; a demo refuses such an agent."""
    from ztrade.service.install.plan import Answers, make_plan

    path = machine.etc / "agents/spy.toml"
    path.write_text(path.read_text().replace("dry_run = true", "dry_run = false"))
    plan = make_plan(machine.etc, machine.etc / "credentials/credentials.toml", Answers(), machine.folder / "system")
    names = {str(file.relative_to(machine.folder)) for file in plan.files if "system" in file.parts}
    assert names == {f"system/ztrade-{unit}.service.d/network.conf" for unit in ("worker@", "keeper")}
    assert "a demo trades dry" in one_error(machine.setup("--demo"), 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--agents", "nobody"), "agent 'nobody': has no file"),
        (("--agents", ","), "names nobody"),
        (("--paper-secret-file", "-"), "goes with a key id"),
        (("--slack-url-file", "/no/such/file"), "cannot be read"),
        (("--flower-password-file", "-"), "is shorter than 8 characters"),
        (("--slack-url-file", "/dev/null"), "/dev/null: is empty"),
        (("--flower-user", "an:n"), "Flower's user: holds a colon"),
        (("--flower-user", "a\tb"), "Flower's user: holds a colon or what no keyboard types"),
        (("--flower-user", "a" * 101), "Flower's user: is longer than 100 characters"),
    ],
)
def test_bad_answers_are_one_line_and_change_nothing(machine: Machine, words: tuple[str, ...], said: str) -> None:
    """Exit 2."""
    before = machine.files()
    assert said in one_error(machine.setup(*words, stdin="short\n"), 2)
    assert machine.files() == before


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("\n", "standard input: is empty"),
        ("no\0thing here\n", "what no keyboard types"),
        ("a" * 1001, "is longer than"),
    ],
    ids=["empty", "control character", "long"],
)
def test_a_password_that_opens_nothing_is_refused(machine: Machine, password: str, said: str) -> None:
    """Before Flower is started with it and lets nobody in."""
    assert said in one_error(machine.setup("--flower-password-file", "-", stdin=password), 2)
    assert not (machine.etc / "credentials").exists()


def test_a_login_that_is_damaged_is_replaced_when_a_new_one_is_asked_for(machine: Machine) -> None:
    """All that is worth keeping of the old one is what signs its cookies."""
    machine.setup("--demo")
    for text in ('{"user": 3', "[]", '{"cookie_secret": 3}'):
        (machine.etc / "credentials/flower.auth").write_text(text)
        assert machine.setup("--flower-user", "ann").exit_code == 0
        login = json.loads(machine.files()["credentials/flower.auth"])
        assert login["user"] == "ann"
        assert len(login["cookie_secret"]) > 40


def test_an_agent_s_file_of_the_older_spelling_is_the_agent_s(machine: Machine) -> None:
    """Its unit wants spy.toml; switched off and on again it is still what a person wrote, and not the shipped one."""
    agents = machine.etc / "agents"
    mine = (agents / "spy.toml").read_text() + "# mine\n"
    (agents / "spy.toml").unlink()
    (agents / "agent_spy.toml").write_text(mine)
    for chosen, there in (("tsla", "spy.toml.off"), ("spy", "spy.toml"), ("agent_spy", "spy.toml")):
        assert machine.setup("--agents", chosen).exit_code == 0
        assert [path.name for path in agents.iterdir() if "spy" in path.name] == [there]
        assert (agents / there).read_text() == mine
    (agents / "spy.toml").rename(agents / "agent_spy.toml.off")
    assert machine.setup("--agents", "spy").exit_code == 0
    assert [(path.name, path.read_text()) for path in agents.iterdir() if "spy" in path.name] == [("spy.toml", mine)]


def test_folders_are_open_to_the_services_whatever_root_s_umask_is(tmp_path: Path) -> None:
    """Hardened machines have 077: units would not even read their configuration."""
    from ztrade.service.install.changes import SECRET, Changes, Wanted

    before = os.umask(0o077)
    try:
        etc = tmp_path / "etc/ztrade"
        Changes({etc / "agents/spy.toml": Wanted("x"), etc / "credentials/k": Wanted("x", SECRET)}).apply()
    finally:
        os.umask(before)
    assert [etc.stat().st_mode & 0o777, (etc / "agents").stat().st_mode & 0o777] == [0o755, 0o755]
    assert (etc / "credentials").stat().st_mode & 0o777 == 0o700


def test_what_editors_leave_is_no_obstacle_and_a_pipe_is_named(machine: Machine) -> None:
    """The first leads nowhere, and is no agent; the second would be copied without end."""
    (machine.etc / "agents" / ".#spy.toml").symlink_to("ann@host.1234:1661178900")
    assert machine.setup("--demo").exit_code == 0
    os.mkfifo(machine.etc / "pipe")
    line = one_error(machine.setup("--demo"), 2)
    assert f"{machine.etc}/pipe: cannot be copied" in line


def test_a_wrong_agent_file_is_named_by_its_own_name(machine: Machine) -> None:
    """Not by that of the copy which was looked at."""
    (machine.etc / "agents/spy.toml").write_text("symbol = 7\n")
    said = one_error(machine.setup("--agents", "spy,tsla"), 2)
    assert said.startswith(f"error: {machine.etc}/agents/spy.toml")


def test_a_password_of_ones_own_is_not_shown(machine: Machine) -> None:
    """The cookie's secret stays when only the password changes."""
    machine.setup("--demo")
    before = json.loads(machine.files()["credentials/flower.auth"])
    result = machine.setup("--flower-user", "ann", "--flower-password-file", "-", stdin="correct horse\n")
    after = json.loads(machine.files()["credentials/flower.auth"])
    assert (after["user"], after["password"]) == ("ann", "correct horse")
    assert after["cookie_secret"] == before["cookie_secret"]
    assert "correct horse" not in result.output


CREDS = """
case "$1 $4" in
  "encrypt "*) base64 ;;
  *) base64 -d "$3" ;;
esac
"""


@pytest.fixture
def sealing(paper: Machine) -> Machine:
    """A machine whose systemd-creds hides nothing, and can be told from plain text."""
    program = paper.folder / "bin" / "systemd-creds"
    program.write_text(f"#!/bin/sh\n{CREDS}")
    program.chmod(0o755)
    return paper


def test_keys_are_kept_encrypted_where_that_is_asked(sealing: Machine) -> None:
    """No plain copy is left; the units are told; later keys go the same way, and a second time changes nothing."""
    from ztrade.config import load_config
    from ztrade.service.install.changes import Changes
    from ztrade.service.install.plan import Answers, make_plan

    place, system = sealing.etc / "credentials/credentials.toml", sealing.folder / "system"
    keys = {"paper": Keys("PKGOOD", "s3cret-of-paper")}

    def plan(answers: Answers) -> Changes:
        return Changes(make_plan(sealing.etc, place, answers, system).files)

    plan(Answers(keys=keys)).apply()
    assert "s3cret" in place.read_text()
    plan(Answers(encrypt=True)).apply()
    assert not place.exists()
    assert "s3cret" not in place.with_name("credentials.toml.cred").read_text()
    drop_in = (system / "ztrade-worker@.service.d/encrypted-keys.conf").read_text()
    assert f"LoadCredentialEncrypted=credentials.toml:{place}.cred" in drop_in
    assert load_config(sealing.etc / "ztrade.toml").keys("paper") == keys["paper"]
    assert not plan(Answers(encrypt=True))
    assert not plan(Answers(keys=keys))
    plan(Answers(keys={"live": Keys("AK", "s2")})).apply()
    assert load_config(sealing.etc / "ztrade.toml").keys("paper") == keys["paper"]
    assert not place.exists()
    plan(Answers(encrypt=False)).apply()
    assert "s3cret" in place.read_text()
    assert not list(system.rglob("*.conf"))
    assert not place.with_name("credentials.toml.cred").exists()


def test_keys_that_cannot_be_decrypted_say_so(sealing: Machine) -> None:
    """Another machine's."""
    program = sealing.folder / "bin" / "systemd-creds"
    program.write_text("#!/bin/sh\nexit 1\n")
    place = sealing.etc / "credentials"
    place.mkdir(mode=0o700)
    (place / "credentials.toml.cred").write_text("x")
    said = one_error(
        sealing.setup("--paper-key-id", "PKGOOD", "--paper-secret-file", "-", stdin="s3cret-of-paper\n"), 2
    )
    assert "cannot be decrypted" in said
