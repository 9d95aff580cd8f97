"""Checks of the machine: who listens, whether its time is right, whether the installation is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from ztrade.service.doctor.evidence import Listener, LogFacts, PythonFacts, TimeFacts
from ztrade.service.doctor.findings import Finding

PYTHONS = ((3, 11), (3, 14))
WARN_BEFORE = timedelta(days=180)


def open_ports(listening: Sequence[Listener], ours: Mapping[int, str]) -> Iterator[Finding]:
    """Ports of ours, by number, that are open beyond this machine."""
    for one in listening:
        if one.port in ours and not one.loopback:
            yield Finding(
                f"{ours[one.port]} listens on {one.address}:{one.port}, open to the network",
                "whoever reaches it sees everything, and with Redis or the exchange can trade",
                f"let it listen on 127.0.0.1 only; until then: iptables -I INPUT -p tcp --dport {one.port} -j DROP",
            )


def synchronised(time: TimeFacts) -> Iterator[Finding]:
    """Somebody keeps the clock right."""
    if time.synchronised is False:
        yield Finding(
            "this machine's clock is not synchronised",
            "it drifts by seconds a day, and slots with it",
            "apt install systemd-timesyncd && timedatectl set-ntp true",
            hurts=time.real,
        )


def zone(time: TimeFacts) -> Iterator[Finding]:
    """New York's rules are known."""
    if (time.new_york_in_january, time.new_york_in_july) != (timedelta(hours=-5), timedelta(hours=-4)):
        yield Finding(
            "the rules of America/New_York are wrong on this machine",
            "slots would be an hour off for half of the year",
            "apt install tzdata; pip install --upgrade tzdata",
        )


def calendar(time: TimeFacts) -> Iterator[Finding]:
    """The calendar does not end soon."""
    if time.calendar_end - time.now < WARN_BEFORE:
        yield Finding(
            f"the exchange calendar ends on {time.calendar_end:%Y-%m-%d}",
            "after that nobody knows when the exchange trades, and nothing runs",
            "install a newer version of ztrade; if this machine's date is wrong, set it",
        )


def python(found: PythonFacts) -> Iterator[Finding]:
    """The interpreter is one of ours, and its packages are whole."""
    first, after = PYTHONS
    if not first <= found.version < after:
        yield Finding(
            f"Python is {found.version[0]}.{found.version[1]}",
            "ztrade is not tested with it",
            "install it with 3.11 to 3.13",
        )
    for requirement in found.broken:
        yield Finding(
            f"{found.executable}: {requirement}", "parts of ztrade cannot be loaded, perhaps in the middle of a cycle",
            "apt install --reinstall ztrade, or: pip install --force-reinstall ztrade",
        )  # fmt: skip


def logs(found: LogFacts) -> Iterator[Finding]:
    """Lines are written, kept and rotated."""
    if found.directory and not found.writable:
        yield Finding(
            f"{found.directory} cannot be written by the services", "lines go to standard output instead",
            f"install -d -o ztrade -g ztrade-operators -m 2750 {found.directory}",
        )  # fmt: skip
    if found.rotated is False:
        yield Finding(
            f"nothing rotates {found.directory}", "it fills the disk in the end",
            "cp deploy/logrotate/ztrade /etc/logrotate.d/ztrade", hurts=False,
        )  # fmt: skip
    if found.journal_kept is False:
        yield Finding(
            "the journal of systemd is in memory only", "a reboot forgets every log line",
            "mkdir -p /var/log/journal && systemctl restart systemd-journald", hurts=False,
        )  # fmt: skip
