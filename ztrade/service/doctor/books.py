"""Checks of what must be right about money: the journal, its disk, its copies, halts, messages for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ztrade.domain.ledger import UNRESOLVED
from ztrade.service.doctor.evidence import DiskFacts, FileFacts, JournalFacts
from ztrade.service.doctor.findings import Finding

GIB = 1 << 30
LARGE, LONG_LOG = 10 * GIB, GIB
LEAST_FREE, LEAST_SHARE = GIB, 0.05
#: the sender gives up after seconds, and the next cycle asks: an order that is unclear for longer is nobody's business
UNCLEAR = timedelta(minutes=15)
UNSENT = timedelta(minutes=30)
BACKUP = timedelta(hours=26)


def readable(_journal: JournalFacts) -> Iterator[Finding]:
    """Nothing more to say: a journal that cannot be opened, or is newer, is this check's finding before it runs."""
    yield from ()


def size(journal: JournalFacts) -> Iterator[Finding]:
    """A journal grows for years."""
    if journal.size > LARGE:
        yield Finding(
            f"the journal has {journal.size / GIB:.1f} GiB", "backups and looks at the past take long",
            "move it to PostgreSQL: docs/reference/journal.md", hurts=False,
        )  # fmt: skip
    if journal.log_size > LONG_LOG:
        yield Finding(
            f"the journal's write-ahead log has {journal.log_size / GIB:.1f} GiB",
            "some process has been reading for very long, and every start reads the log through",
            "systemctl restart ztrade.target",
        )


def ownership(files: Sequence[FileFacts], user: str) -> Iterator[Finding]:
    """A command that root ran must not take the journal away from the services; ``user`` runs them."""
    for file in files:
        if user and file.owner != user and file.path.rpartition("/")[2].startswith("journal.db"):
            yield Finding(
                f"{file.path} belongs to {file.owner}",
                f"the services run as {user} and cannot write it: no cycle would be recorded, so none runs",
                f"chown {user}:ztrade-operators {file.path}",
            )


def unclear_orders(journal: JournalFacts) -> Iterator[Finding]:
    """Orders of which nobody knows whether the exchange has them."""
    for intent in journal.unresolved:
        if intent.state in UNRESOLVED and journal.now - intent.wall_at > UNCLEAR:
            yield Finding(
                f"order {intent.request.client_order_id} is {intent.state} since {intent.wall_at:%Y-%m-%d %H:%M} UTC",
                "it may be at the exchange, and nobody has asked",
                f"ztrade orders --agent {intent.agent}; its worker and the keeper ask: ztrade logs keeper -p warning",
            )  # fmt: skip


def messages(journal: JournalFacts) -> Iterator[Finding]:
    """What people should know, and were not told."""
    if journal.unsent_since is not None and journal.now - journal.unsent_since > UNSENT:
        yield Finding(
            f"{journal.unsent} messages for people wait, the oldest since {journal.unsent_since:%Y-%m-%d %H:%M} UTC",
            "nobody hears of halts and breakers",
            "ztrade alerts test; ztrade alerts list --state waiting",
        )


def channels(configured: Sequence[str]) -> Iterator[Finding]:
    """Somebody has to hear of it."""
    if not configured:
        yield Finding(
            "no alert channel is configured", "what goes wrong is in the log, where nobody looks at night",
            "name one under [alerts.channels] in ztrade.toml: docs/how-to/get-alerts.md", hurts=False,
        )  # fmt: skip


def disk(disks: Sequence[DiskFacts]) -> Iterator[Finding]:
    """Bytes and inodes below the state, the logs, the messages."""
    for one in disks:
        share = one.free / one.total if one.total else 1.0
        if one.free < LEAST_FREE or share < LEAST_SHARE:
            yield Finding(
                f"{one.path}: {one.free / GIB:.1f} GiB free ({share:.0%})",
                "with a full disk no cycle can be recorded, so none runs",
                f"du -xh --max-depth=2 {one.path} | sort -h | tail",
            )
        if one.inodes and one.free_inodes / one.inodes < LEAST_SHARE:
            yield Finding(
                f"{one.path}: {one.free_inodes} inodes free of {one.inodes}",
                "no file can be made, a halt's flag included",
                f"find {one.path} -xdev -type d -size +100k",
            )


def halts(halted: Mapping[str, str], reducing: Mapping[str, str]) -> Iterator[Finding]:
    """What a person or a breaker stopped."""
    for name, reason in halted.items():
        why = "it sends nothing until a person releases it"
        yield Finding(f"{name} is halted: {reason}", why, _release(name))
    for name, reason in reducing.items():
        why = "it enters nothing until a person releases it"
        yield Finding(f"{name} is reducing: {reason}", why, _release(name))


def _release(name: str) -> str:
    return "ztrade release" if name == "ALL" else f"ztrade release {name}"


def backups(newest: datetime | None, now: datetime) -> Iterator[Finding]:
    """A copy of the journal that is of yesterday at the oldest."""
    if newest is None:
        yield Finding(
            "there is no backup of the journal", "a lost disk loses what happened to the money",
            "systemctl enable --now ztrade-backup.timer; or `ztrade backup` daily", hurts=False,
        )  # fmt: skip
    elif now - newest > BACKUP:
        yield Finding(
            f"the newest backup is of {newest:%Y-%m-%d %H:%M} UTC",
            "a lost disk loses what happened since",
            "ztrade backup; systemctl status ztrade-backup.timer ztrade-backup.service says why",
        )
