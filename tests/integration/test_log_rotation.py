"""The shipped logrotate file, forced while three processes write: every line is there, once, in its order."""

from __future__ import annotations

import gzip
import json
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.needs import needs

ROOT = Path(__file__).parents[2]
WRITERS, LINES = 3, 20_000
#: writes as fast as it can, through the logging of every program
WRITER = f"""
import sys, structlog
from pathlib import Path
from ztrade.service import logs
logs.configure(place=logs.Place("worker-spy", Path(sys.argv[1])))
log = structlog.get_logger()
for number in range({LINES}):
    log.info("line", writer=int(sys.argv[2]), number=number)
"""


def shipped(folder: Path) -> str:
    """Return the file with our folder and user in it: the test may not be root, nor have the package's users."""
    text = (ROOT / "deploy/logrotate/ztrade").read_text()
    user = pwd.getpwuid(os.geteuid()).pw_name
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()
    text = text.replace("/var/log/ztrade", str(folder)).replace("ztrade ztrade-operators", f"{user} {group}")
    return (
        text
        if os.geteuid() == 0
        else "\n".join(line for line in text.splitlines() if not line.strip().startswith("su "))
    )


def read(folder: Path) -> list[tuple[int, int]]:
    """Return writer and number of every line of every file."""
    found = []
    for path in sorted(folder.iterdir()):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found += [(entry["writer"], entry["number"]) for entry in map(json.loads, data.splitlines())]
    return found


@pytest.mark.slow
def test_no_line_is_lost_when_the_files_are_rotated_under_load(tmp_path: Path) -> None:
    """Real logrotate, about once a second; no stray file is left that nobody would ever rotate."""
    needs("logrotate")
    folder = tmp_path / "log"
    folder.mkdir(mode=0o750)
    conf = tmp_path / "conf"
    conf.write_text(shipped(folder))
    conf.chmod(0o644)
    command = ["/usr/sbin/logrotate", "--force", "--state", str(tmp_path / "state"), str(conf)]
    (folder / "worker-spy.log").touch(0o640)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(number)], cwd=ROOT)
        for number in range(WRITERS)
    ]
    while any(writer.poll() is None for writer in writers):
        time.sleep(0.25)
        subprocess.run(command, check=False, capture_output=True)
    assert [writer.wait() for writer in writers] == [0] * WRITERS
    names = [path.name for path in folder.iterdir()]
    assert len(names) > 2, "too few rotations to show anything"
    assert not [name for name in names if "backup" in name]
    found = read(folder)
    assert sorted(found) == [(writer, number) for writer in range(WRITERS) for number in range(LINES)]
    assert (folder / "worker-spy.log").stat().st_mode & 0o777 == 0o640


def test_the_shipped_file_is_understood(tmp_path: Path) -> None:
    """`logrotate -d` reads it without an error."""
    needs("logrotate")
    (tmp_path / "log").mkdir()
    (tmp_path / "conf").write_text(shipped(tmp_path / "log"))
    command = ["/usr/sbin/logrotate", "--debug", "--state", str(tmp_path / "state"), str(tmp_path / "conf")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error:" not in done.stderr
