"""Messages that wait in the journal, given to the channels; a channel that is down is tried again later."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ztrade.ports import AlertChannel, Clock, Journal

log = structlog.get_logger("ztrade.outbox")

#: messages a round: a flood must not keep the sender from its other duties
ROUND = 20


def deliver(journal: Journal, clock: Clock, channels: Sequence[AlertChannel]) -> int:
    """Send what waits, oldest first, to every channel; returns how many went out.

    A message counts as sent once every channel has taken it. Where one fails, it and those behind it wait.

    Raises:
        JournalUnavailable: nothing more can be noted as sent.
    """
    sent = 0
    for message in journal.messages(unsent=True, limit=ROUND):
        try:
            for channel in channels:
                channel.send(message.severity, message.title, message.text)
        except Exception as error:  # noqa: BLE001 whatever a channel raises, it is the channel's trouble alone
            log.warning("message_waits", key=message.key, error=str(error))
            return sent
        journal.mark_sent(message.key, clock.wall())
        sent += 1
    return sent
