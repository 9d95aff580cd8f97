"""A Debian 12 with systemd as its first process, in a container that boots in a second.

``base`` is made once by debootstrap, with the packages beside it that ztrade's will need, since a booted machine has no
network but its loopback. Each machine is a layer over it, thrown away at the end.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
#: what a server has before ztrade comes
SYSTEM = (
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "polkitd", "sudo", "procps", "iproute2", "ca-certificates",
    "nginx-light", "openssh-server", "python3",
)  # fmt: skip
#: what ``apt install ./ztrade_*.deb`` fetches, and what docs/how-to/monitor.md installs
FETCHED = ("redis-server", "python3.11", "logrotate", "adduser", "prometheus", "prometheus-alertmanager")
#: services of the system that a test starts when it wants them
QUIET = ("nginx", "ssh", "systemd-networkd-wait-online", "e2scrub_reap", "apt-daily.timer", "apt-daily-upgrade.timer")
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "blkio", "freezer", "cpuset", "devices")


def lacking() -> str:
    """Return why no machine can be booted here, empty where it can."""
    if os.geteuid() != 0:
        return "booting a system needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"not installed: {', '.join(missing)}; apt install debootstrap systemd-container" if missing else ""


def cache() -> Path:
    """Return where base systems are kept; they outlive a checkout, since making one takes a minute."""
    place = Path("~/.cache/ztrade-lab").expanduser()
    place.mkdir(parents=True, exist_ok=True)
    return place


def base() -> Path:
    """Return the base system's folder, made where it is not there yet."""
    words = repr((SUITE, SYSTEM, FETCHED, QUIET, 2))
    place = cache() / f"base-{hashlib.sha256(words.encode()).hexdigest()[:12]}"
    with _lock(place):
        if not (place / ".complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            _make_base(place)
            (place / ".complete").touch()
    return place


@contextmanager
def _lock(place: Path) -> Iterator[None]:
    import fcntl

    with place.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_base(place: Path) -> None:
    _run("debootstrap", "--variant=minbase", f"--include={','.join(SYSTEM)}", SUITE, str(place), seconds=900)
    # it keeps services from being started while packages are configured in a chroot, and would go on doing so
    (place / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    # a machine that is thrown away need not wait for its disk
    (place / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    shutil.copy("/etc/resolv.conf", place / "etc/resolv.conf")
    for certificate in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        shutil.copy(certificate, place / "usr/local/share/ca-certificates")
    fetch = ("apt-get", "install", "--download-only", "--yes", "--no-install-recommends", *FETCHED)
    for command in (("update-ca-certificates",), ("apt-get", "update", "-qq"), fetch):
        _run("chroot", str(place), *command, seconds=600)
    for unit in QUIET:
        _run("chroot", str(place), "systemctl", "disable", unit, check=False)


def installed(package: Path) -> Sequence[Path]:
    """Return the layers of a system on which ``package`` was installed as a person does, newest first."""
    content = hashlib.sha256(package.read_bytes()).hexdigest()[:12]
    layer = cache() / f"installed-{content}"
    below = base()
    with _lock(layer):
        if not (layer / ".complete").exists():
            _forget_old("installed-*", keep=4)
            shutil.rmtree(layer, ignore_errors=True)
            with boot([below], keep=layer) as machine:
                machine.copy(package, f"/root/{package.name}")
                machine.run(
                    "apt-get", "install", "--yes", "--no-install-recommends", f"/root/{package.name}", seconds=300
                )
                machine.run("rm", f"/root/{package.name}")
            (layer / ".complete").touch()
    return [layer, below]


def built(version: str = "") -> Path:
    """Return the package of this checkout, built where its content is not in the cache yet."""
    content = hashlib.sha256(version.encode())
    for pattern in ("ztrade/**/*", "deploy/**/*", "ops/**/*", "tools/deb.py", "uv.lock", "pyproject.toml"):
        for file in sorted(ROOT.glob(pattern)):
            if file.is_file() and "__pycache__" not in file.parts:
                content.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    place = cache() / f"deb-{content.hexdigest()[:12]}"
    with _lock(place):
        if not (place / ".complete").exists():
            _forget_old("deb-*", keep=4)
            version_of = ("--version", version) if version else ()
            _run(sys.executable, "-m", "tools.deb", "--compress", "none", "--out", str(place), *version_of, seconds=300)
            (place / ".complete").touch()
    return next(place.glob("*.deb"))


def _forget_old(pattern: str, keep: int) -> None:
    found = sorted((p for p in cache().glob(pattern) if p.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in found[:-keep]:
        shutil.rmtree(path, ignore_errors=True)


@dataclass
class Machine:
    """A booted system.

    Attributes:
        root: its file system, seen from outside.
        leader: the process number of its systemd, outside.
    """

    root: Path
    binds: Sequence[str] = ()
    leader: int = 0
    nspawn: subprocess.Popen[bytes] | None = None
    console: Path = field(default=Path("/dev/null"))

    def start(self, seconds: float = 60) -> None:
        """Boot, and wait until the system says that it runs.

        Raises:
            AssertionError: it does not come up in time.
        """
        command = [
            "systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine={self.root.name}", "--register=no",
            "--keep-unit", "--private-network", "--capability=all", "--system-call-filter=bpf @keyring",
            "--console=pipe", *self.binds, "--boot",
        ]  # fmt: skip
        with self.console.open("ab") as console:
            # a session of its own: Ctrl-C at the tests must not look like one at the machine's console
            self.nspawn = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                preexec_fn=lambda: _enter_groups(self.root.name),
            )
        wait_for(self._boots, seconds, "the machine to boot")
        self._open_controllers()

    def _first_child(self) -> int:
        assert self.nspawn is not None
        assert self.nspawn.poll() is None, f"systemd-nspawn ended: {self.console.read_text(errors='replace')[-2000:]}"
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        return int(children[-1]) if children else 0

    def _boots(self) -> bool:
        # looked for each time: the first child of all only makes the machine's first process, and ends
        self.leader = self._first_child()
        if not self.leader:
            return False
        state = self.run("systemctl", "is-system-running", check=False, seconds=20).stdout.strip()
        return state in ("running", "degraded")

    def _open_controllers(self) -> None:
        """Let this systemd set limits: the container has the controllers read-only."""
        for name in CONTROLLERS:
            self.run("mount", "-o", "remount,bind,rw", f"/sys/fs/cgroup/{name}", check=False)
        self.run("systemctl", "daemon-reexec")

    def stop(self) -> None:
        """Power off, at once if it does not want to."""
        if self.nspawn is None:
            return
        if self.nspawn.poll() is None:
            self.nspawn.terminate()  # nspawn tells its systemd to power off
            try:
                self.nspawn.wait(90)
            except subprocess.TimeoutExpired:
                os.kill(self.leader, signal.SIGKILL)
                self.nspawn.wait(10)
        self.nspawn = None
        for group in _groups(self.root.name):
            _forget_group(group)

    def reboot(self) -> None:
        """Power off and boot again on the same disk."""
        self.stop()
        self.start()

    def run(
        self, *command: str, check: bool = True, seconds: float = 120, stdin: str = "", user: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine and return what it said.

        Raises:
            AssertionError: it failed, and ``check``.
        """
        as_user = ["runuser", "-u", user, "--"] if user else []
        # not nsenter -a: the time namespace is not ours to enter
        full = [
            "nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wdns=/", "--",
            "env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
            *as_user, *command,
        ]  # fmt: skip
        done = subprocess.run(full, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
        assert not check or done.returncode == 0, (
            f"{' '.join(command)} gave {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done

    def out(self, *command: str, seconds: float = 120) -> str:
        """Return what a command printed. Raises AssertionError when it failed."""
        return self.run(*command, seconds=seconds).stdout.strip()

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit as ``systemctl show`` gives them."""
        lines = self.out("systemctl", "show", unit, f"--property={','.join(properties)}").splitlines()
        return dict(line.partition("=")[::2] for line in lines)

    def active(self, unit: str) -> str:
        """Return the unit's state in a word."""
        return self.show(unit, "ActiveState")["ActiveState"]

    def pid(self, unit: str) -> int:
        """Return the unit's main process, as numbered in the machine; 0 where there is none."""
        return int(self.show(unit, "MainPID")["MainPID"])

    def journal(self, *arguments: str) -> str:
        """Return journalctl's answer, messages alone unless the arguments say otherwise."""
        return self.run("journalctl", "--no-pager", "--output=cat", *arguments, check=False).stdout

    def copy(self, source: Path, target: str) -> None:
        """Copy a file or folder into the machine."""
        place = self.path(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place, dirs_exist_ok=True) if source.is_dir() else shutil.copy(source, place)

    def write(self, target: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the machine."""
        place = self.path(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(mode)

    def path(self, inside: str) -> Path:
        """Return where a file of the machine's disk is outside; not for what is mounted inside, such as /run."""
        return self.root / inside.lstrip("/")


@contextmanager
def boot(layers: Sequence[Path], *, keep: Path | None = None, binds: Sequence[str] = ()) -> Iterator[Machine]:
    """Give a machine on a fresh layer over ``layers`` (newest first); ``keep``: the folder that becomes that layer."""
    folder = Path(tempfile.mkdtemp(prefix="ztrade-machine-"))
    upper, work, root = keep or folder / "upper", folder / "work", folder / f"ztrade-{os.urandom(3).hex()}"
    if keep is not None:
        work = keep.with_name(f"{keep.name}.work")
    for place in (upper, work, root):
        place.mkdir(parents=True, exist_ok=True)
    lower = ":".join(map(str, layers))
    _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", str(root))
    machine = Machine(root, binds, console=folder / "console")
    try:
        machine.start()
        yield machine
    finally:
        machine.stop()
        _run("umount", "-l", str(root), check=False)
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _groups(name: str) -> Iterator[Path]:
    """Yield the control groups of one machine: two that share them would meet in their limits and firewalls."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, mine = line.split(":", 2)
        mounted = Path("/sys/fs/cgroup") / (controllers.removeprefix("name=") or "unified")
        if controllers != "cpuset" and mounted.is_dir():  # a cpuset's group needs its processors named first
            yield mounted / mine.strip("/") / name


def _enter_groups(name: str) -> None:
    for group in _groups(name):
        group.mkdir(exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))


def _forget_group(group: Path) -> None:
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        group.rmdir()


def _run(*command: str, check: bool = True, seconds: float = 120) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT)
    assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
