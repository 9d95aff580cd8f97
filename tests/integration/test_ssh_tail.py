"""The key of docs/how-to/read-the-logs.md, with a real sshd: it follows the log and does nothing else."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.needs import needs
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
ZTRADE = Path(sys.executable).with_name("ztrade")


def documented() -> str:
    """Return the options of the page's key, up to the key itself."""
    page = (ROOT / "docs/how-to/read-the-logs.md").read_text()
    (found,) = re.findall(r"^(restrict,\S+ .*?) ssh-ed25519 ", page, re.MULTILINE)
    return str(found)


def running(word: str) -> str:
    """Return the command lines of the processes that have a word in theirs."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return "\n".join(line for line in lines if word in line)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Host:
    """One sshd, one user, one key."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.log = folder / "state/logs/beat.log"
        self.log.parent.mkdir(parents=True)
        self.log.write_text("an earlier line\n")
        for name in ("host", "phone"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        here = f"{ZTRADE} --config {ROOT}/deploy/config/ztrade.toml --state {folder}/state logs"
        options = documented().replace("ztrade logs", here)
        (folder / "keys").write_text(f"{options} {(folder / 'phone.pub').read_text()}")
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/keys\n"
            f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile {folder}/pid\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self.server = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", folder / "sshd_config", "-E", folder / "sshd.log"]
        )

    def command(self, *words: str) -> list[str]:
        quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        user = pwd.getpwuid(os.geteuid()).pw_name
        return [
            "ssh",
            "-F",
            "none",
            "-i",
            str(self.folder / "phone"),
            *quiet,
            "-p",
            str(self.port),
            *words,
            f"{user}@127.0.0.1",
        ]

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def shows(self, text: str) -> None:
        shown = self.folder / "shown"
        wait_for(lambda: shown.read_text() == text, what=f"{text!r}")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    needs("sshd", "ssh", "ssh-keygen", root=True)
    made = Host(tmp_path)
    try:
        wait_for(made.listens, what="sshd to listen")
        yield made
    finally:
        made.server.terminate()
        made.server.wait(90)


@pytest.mark.slow
def test_the_key_follows_the_log_whatever_is_typed(host: Host) -> None:
    """An earlier line, then one that is written while it follows; `id` is not run."""
    words = [*host.command(), "id; touch", shlex.quote(str(host.folder / "broken-in"))]
    with (host.folder / "shown").open("w") as shown, subprocess.Popen(words, stdout=shown) as client:
        host.shows("an earlier line\n")
        with host.log.open("a") as file:
            file.write("a new line\n")
        host.shows("an earlier line\na new line\n")
        client.terminate()
    assert not (host.folder / "broken-in").exists()
    wait_for(lambda: str(host.folder) not in running("logs"), what="its end: nobody reads any more")


@pytest.mark.slow
def test_the_key_forwards_nothing(host: Host) -> None:
    """No way into the machine's network, where Redis and the exchange listen."""
    words = host.command("-N", "-o", "ExitOnForwardFailure=yes", "-W", f"127.0.0.1:{host.port}")
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert "forwarding failed" in done.stderr
