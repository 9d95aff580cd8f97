"""A PostgreSQL server of a run's own, as a user of its own: it refuses to be root."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
USER = "postgres"


def trouble() -> str:
    """Return what is missing for it, empty where nothing is."""
    if not any(DEBIAN.glob("*/bin/postgres")):
        return "no PostgreSQL: apt install postgresql"
    if importlib.util.find_spec("psycopg") is None:
        return "no driver for PostgreSQL: pip install 'ztrade[postgres]'"
    return ""


def url(folder: Path) -> str:
    """Return the journal's URL, over the server's socket."""
    return f"postgresql://{USER}@/postgres?host={folder}"


def make(folder: Path) -> None:
    """Make an empty cluster. Raises OSError, CalledProcessError."""
    # its user must be able to come here; a folder of everybody's, as the system's for temporary files, stays as it is
    for place in (folder.parent, folder.parent.parent):
        mode = place.stat().st_mode
        if not mode & stat.S_IXOTH:
            place.chmod(stat.S_IMODE(mode) | stat.S_IXGRP | stat.S_IXOTH)
    folder.mkdir(mode=0o755)
    if not os.geteuid():
        shutil.chown(folder, USER, USER)
    options = ["--auth", "trust", "--username", USER, "--encoding", "UTF8", "--locale", "C", "--no-sync"]
    command = [str(_program("initdb")), "--pgdata", str(folder / "data"), *options]
    # runuser: root's environment is not this user's
    as_user = [] if os.geteuid() else ["runuser", "-u", USER, "--"]
    subprocess.run([*as_user, *command], check=True, capture_output=True, cwd="/")


def serve(folder: Path) -> None:
    """Become the server."""
    if not os.geteuid():
        who = pwd.getpwnam(USER)
        os.setgroups([])
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)
    os.chdir("/")
    (folder / "data" / "postmaster.pid").unlink(missing_ok=True)  # one that was killed left it
    command = [str(_program("postgres")), "-D", str(folder / "data"), "-k", str(folder), "-c", "listen_addresses="]
    os.execv(command[0], command)


def _program(name: str) -> Path:
    return max(DEBIAN.glob(f"*/bin/{name}"))


def answers(folder: Path) -> bool:
    """Tell whether it takes connections."""
    with contextlib.suppress(OSError):
        command = [str(_program("pg_isready")), "-q", "-h", str(folder)]
        return subprocess.run(command, check=False).returncode == 0
    return False
