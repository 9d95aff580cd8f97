"""The parts of the evidence: plain values, so that a test can make any situation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ztrade.domain.ledger import Intent
from ztrade.service.doorbell import QueueState


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file or folder: ``mode`` are its permission bits, ``secret`` that nobody but its owner may read it."""

    path: str
    mode: int
    owner: str
    group: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """A Redis that answered: its settings by name, its server's facts (``INFO``), who waits, what waits.

    ``busy`` is by agent the cycle that runs; ``strange`` are queues of agents that do not exist; ``refused`` are the
    users that asked for what they may not do;
    ``socket_mode`` is None over TCP.
    """

    url: str
    info: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    busy: Mapping[str, str] = field(default_factory=dict)
    queues: Sequence[QueueState] = ()
    strange: Sequence[str] = ()
    refused: Sequence[str] = ()
    socket_mode: int | None = None
    open_to_all: bool = False


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """A journal that could be read; ``now`` is the wall time of the look, ``path`` None for a server's."""

    now: datetime
    path: str | None = None
    size: int = 0
    log_size: int = 0
    unresolved: Sequence[Intent] = ()
    unsent_since: datetime | None = None
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account in use, asked: a field is empty where all is well.

    Attributes:
        account: its name; ``embedded`` for dry runs.
        kind: ``embedded``, ``paper`` or ``live``.
        refused: the exchange does not accept the keys.
        down: it does not answer.
        blocked: it answers, and the account may not trade.
        no_prices: by symbol, why the feed gives none.
        skew: wall time here minus the exchange's; None where its time is its own.
        number: the account's number at the exchange.
    """

    account: str
    kind: str
    refused: str = ""
    down: str = ""
    blocked: str = ""
    no_prices: Mapping[str, str] = field(default_factory=dict)
    skew: timedelta | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The file system below a folder."""

    path: str
    free: int
    total: int
    free_inodes: int
    inodes: int


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that somebody listens on; ``address`` as the kernel has it."""

    address: str
    port: int
    loopback: bool


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """The interpreter and what ztrade needs in it: ``broken`` are requirements that do not hold."""

    version: tuple[int, int]
    executable: str
    broken: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """What decides when slots are: synchronisation (None: nobody can tell), the zone's rules, the calendar's end.

    ``real`` is True where an agent trades on the wall clock's time.
    """

    now: datetime
    real: bool
    synchronised: bool | None
    new_york_in_january: timedelta
    new_york_in_july: timedelta
    calendar_end: datetime


@dataclass(frozen=True, slots=True)
class LogFacts:
    """Where lines go, and whether they stay: ``rotated`` None where nothing is to be rotated."""

    directory: str | None
    writable: bool = True
    rotated: bool | None = None
    journal_kept: bool | None = None
