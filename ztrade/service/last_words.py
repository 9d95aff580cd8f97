"""What a keeper says that cannot start: nobody else sends messages, and so nobody would hear of it.

One agent's file with a mistake keeps every program from its next start, a reboot's at night included. What their units
then write into the journal waits for the keeper, which is one of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import structlog

from ztrade.app.outbox import route
from ztrade.app.tell import tell
from ztrade.bootstrap import Runtime
from ztrade.config import supervision
from ztrade.domain.messages import Severity
from ztrade.errors import ConfigError
from ztrade.ports import Journal
from ztrade.service.access_files import agent_names
from ztrade.service.notify import Notifier, status
from ztrade.service.postmen import PACE, postmen

log = structlog.get_logger("ztrade.last_words")

#: wall seconds: for what other units say of the same mistake, and for channels that take their time; together they
#: stay under the unit's TimeoutStartSec=
LEAST, MOST = 15.0, 60.0
TITLE = "the keeper cannot start"


def say(
    runtime: Runtime,
    mistake: ConfigError,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Tell of the mistake and send what waits, for a minute at most; never raises: the mistake is raised afterwards.

    Args:
        runtime: of the main file alone.
        mistake: why the keeper ends.
    """
    alerts = runtime.config.main.alerts
    if not alerts.channels:
        return
    Notifier(supervision().notify).tell(status(f"cannot start, tells of it: {mistake}"))
    try:
        clock, journal = runtime.clock(dry_run=False), runtime.journal
        text = f"{mistake}\nNothing is kept meanwhile: missed slots, books, halts that flatten, messages."
        tell(journal, clock, Severity.CRITICAL, f"keeper:start:{clock.wall():%Y-%m-%d %H}", TITLE, text)
        agents = set(agent_names(runtime.config).values())
        names = [one.channel for one in alerts.routes()]
        began = monotonic()
        with postmen(runtime):
            while monotonic() - began < MOST:
                route(journal, clock, alerts.routes(), alerts.give_up_after, agents)
                if monotonic() - began > LEAST and not _waiting(journal, names):
                    break
                pause(PACE)
    except Exception as error:  # noqa: BLE001 the mistake is what the keeper ends with
        log.error("nobody_told", reason=str(error))


def _waiting(journal: Journal, channels: Sequence[str]) -> bool:
    return any(
        journal.outbox.waiting(name, critical=critical, limit=1) for name in channels for critical in (True, False)
    )
