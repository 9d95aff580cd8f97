"""What the tutorial and the how-to tell to type is typed here, word for word, by a newcomer with an empty home."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.mail_server import PASSWORD, mail_server
from ztrade.adapters.journal import open_journal
from ztrade.testing.scripted_server import Answer, scripted

ROOT = Path(__file__).parents[2]
#: a command that a test cannot run: it needs the network, or shows until somebody ends it
_ELSEWHERE = re.compile(r"git clone |make demo ARGS|.* -f ")


def block(page: str, holding: str) -> list[str]:
    """Return the commands of the code block of a page in which ``holding`` stands."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (found,) = (b for b in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if holding in b)
    return [line for line in found.splitlines() if line.strip() and not _ELSEWHERE.match(line)]


class Newcomer:
    """A shell in the checkout, with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("ZTRADE_", "XDG_"))}
        self._env = {**clean, "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}"}

    def types(self, lines: list[str]) -> str:
        """Run the lines one after another; the first that fails is the last."""
        script = "\n".join(["set -e", *lines])
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def newcomer() -> Iterator[Newcomer]:
    """Under a short path: unix sockets have little room."""
    with tempfile.TemporaryDirectory(prefix="zt-") as home:
        yield Newcomer(Path(home))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("stack")
def test_the_first_demo(newcomer: Newcomer) -> None:
    """The demo, a look at what it left, a halt and its release."""
    demo = newcomer.types(block("tutorial/first-demo.md", "git clone"))
    assert "journal and exchange agree to the cent" in demo
    assert (newcomer.home / ".local/state/ztrade/demo/report.html").exists()
    look = block("tutorial/first-demo.md", "ztrade cycles --agent spy")
    seen = newcomer.types(look)
    assert "settled" in seen
    assert "tsla" in seen
    # the stack has ended, so `status` is not fine
    act = [f"{line} || true" if line.startswith("ztrade status") else line for line in _acting()]
    assert "halted" in newcomer.types([*look[:2], *act])


def _acting() -> list[str]:
    return [line.partition("  #")[0] for line in block("tutorial/first-demo.md", "ztrade halt spy")]


def test_the_way_to_paper_keys(newcomer: Newcomer) -> None:
    """A folder of one's own, keys, and a check that shows nothing of the secret."""
    made = newcomer.types(block("tutorial/paper-keys.md", "mkdir -p ~/ztrade"))
    assert "fine; agents: 3, warnings: 0" in made
    keys = block("tutorial/paper-keys.md", 'key_id = "PK..."')
    (newcomer.home / "ztrade/credentials.toml").write_text("\n".join(keys) + "\n")
    page = block("tutorial/paper-keys.md", "chmod 600")
    told = newcomer.types(["export ZTRADE_CONFIG=~/ztrade/ztrade.toml", *page])
    assert "PK.." in told
    assert keys[-1].split('"')[1] not in told.replace("PK...", "")


def test_bars_are_imported_in_three_steps(newcomer: Newcomer) -> None:
    """The how-to's look, and its import; the third step is a demo as any other."""
    folder = newcomer.home / "Downloads" / "bars"
    folder.mkdir(parents=True)
    rows = [f"2022-08-22 09:{minute}:00,418.5,419.0,418.3,418.7,1000" for minute in range(30, 60, 5)]
    (folder / "SPY.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows]) + "\n")
    steps = block("how-to/import-bars.md", "--dry-run")
    assert steps[2].startswith("ztrade demo --bars ~/bars")
    # a few bars of one day: imported, with the gap after them told by exit code 1
    newcomer.types([steps[1] + " || [ $? = 1 ]"])
    assert len((newcomer.home / "bars" / "SPY.csv").read_text().splitlines()) == 7
    shutil.rmtree(newcomer.home / "bars")
    zone = steps[1].partition("--tz")[2]
    looked = newcomer.types([steps[0].partition(" #")[0] + f" --tz {zone} || [ $? = 1 ]"])
    assert "SPY" in looked
    assert not (newcomer.home / "bars").exists()


def test_alerts_are_set_up_tried_and_listed(newcomer: Newcomer, tmp_path: Path) -> None:
    """The page's own tables of both files, with the hosts of this machine in them; then its commands."""
    page, folder = "how-to/get-alerts.md", newcomer.home / "ztrade"
    shutil.copytree(ROOT / "deploy" / "config", folder)
    with scripted(lambda _asked: Answer(200, b"ok")) as slack, mail_server(tmp_path) as box:
        here = {"https://hooks.slack.com": slack.url, '"smtp.example.com"': f'"localhost"\nport = {box.port}'}
        here |= {'severities = ["critical"]': f'ca_file = "{box.ca_file}"', '"..."': f'"{PASSWORD}"'}
        for file, holding in (("ztrade.toml", "[alerts.channels.ops]"), ("credentials.toml", "[alerts.ops]")):
            text = "\n".join(block(page, holding))
            for there, ours in here.items():
                text = text.replace(there, ours)
            with (folder / file).open("a") as toml:
                toml.write(f"\n{text}\n")
            (folder / file).chmod(0o600)
        mine = ["export ZTRADE_CONFIG=~/ztrade/ztrade.toml"]
        open_journal(f"sqlite:///{_state(newcomer)}/journal.db").close()
        told = newcomer.types([*mine, *block(page, "ztrade alerts test")])
        assert told.count("taken") == 3
        assert (len(slack.asked), len(box.got)) == (2, 1)
        assert "[]" in newcomer.types([*mine, *block(page, "ztrade alerts list")])


def _state(newcomer: Newcomer) -> Path:
    state = newcomer.home / ".local" / "state" / "ztrade"
    state.mkdir(parents=True, exist_ok=True)
    return state
