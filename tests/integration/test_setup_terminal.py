"""``ztrade setup`` with a person in front of it: what it asks, and that a secret is not echoed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ztrade.testing.exchange_server import running

ROOT = Path(__file__).parents[2]


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self._program = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT)
        os.close(theirs)
        self.shown = ""

    def answers(self, question: str, answer: str) -> None:
        """Wait for a question, and type."""
        self._until(lambda: question in self.shown, question)
        # click switches the echo off before it asks for a secret, and asks in the same breath
        time.sleep(0.1)
        os.write(self._ours, f"{answer}\n".encode())

    def ends(self) -> int:
        self._until(lambda: self._program.poll() is not None, "the end")
        os.close(self._ours)
        return self._program.wait()

    def _until(self, done: object, what: str) -> None:
        deadline = time.monotonic() + 300
        while not (callable(done) and done()):
            assert time.monotonic() < deadline, f"waited for {what!r}: {self.shown}"
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self._ours, 4096).decode(errors="replace")
                except OSError:
                    self._program.wait(90)


def test_a_person_is_asked_and_a_secret_is_not_echoed(tmp_path: Path) -> None:
    """Agents, keys, Slack, Flower; an empty answer leaves as it is."""
    etc = tmp_path / "etc"
    shutil.copytree(ROOT / "deploy/config/agents", etc / "agents")
    with running(keys={"PKGOOD": "s3cret-of-paper"}) as url:
        main = (ROOT / "deploy/etc/ztrade.toml").read_text()
        (etc / "ztrade.toml").write_text(main.replace('kind = "paper"', f'kind = "paper"\ntrading_url = "{url}"'))
        person = Terminal(sys.executable, "-m", "ztrade", "--config", str(etc / "ztrade.toml"), "setup")
        person.answers("Agents [aapl,spy,tsla]:", "spy,tsla")
        person.answers("paper key id:", "PKGOOD")
        person.answers("Its secret", "s3cret-of-paper")
        person.answers("Slack", "")
        person.answers("Flower user:", "")
        assert person.ends() == 0, person.shown
    assert "keys of account paper work" in person.shown
    assert "s3cret" not in person.shown
    assert "s3cret-of-paper" in (etc / "credentials/credentials.toml").read_text()
    assert {path.name for path in (etc / "agents").iterdir()} == {"spy.toml", "tsla.toml", "aapl.toml.off"}
    assert "shown once" in person.shown
