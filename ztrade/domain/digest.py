"""What goes out in one post: a message as it is, or many as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ztrade.domain.messages import Delivery, Message, Severity

#: messages that a digest names, for a phone shows no more
NAMED = 10
AGAIN = "(Perhaps for the second time: ztrade was stopped while it sent this.)"
_WORST_FIRST = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


def as_one(post: Sequence[Delivery], at: datetime) -> Message:
    """Return the one message to send for deliveries of one post; ``at`` is when it is sent (wall time)."""
    message = _digest([one.message for one in post], at) if len(post) > 1 else post[0].message
    if any(one.doubtful for one in post):
        return replace(message, text=f"{message.text}\n{AGAIN}")
    return message


def _digest(messages: Sequence[Message], at: datetime) -> Message:
    counts = Counter(message.severity for message in messages)
    worst = [severity for severity in _WORST_FIRST if counts[severity]]
    told = sorted(messages, key=lambda message: _WORST_FIRST.index(message.severity))
    lines = [f"{message.at:%H:%M} {message.title}" for message in told[:NAMED]]
    if len(told) > NAMED:
        lines.append(f"and {len(told) - NAMED} more")
    lines.append("All of them: ztrade alerts list")
    title = f"and {len(messages)} more: " + ", ".join(f"{counts[severity]} {severity}" for severity in worst)
    return Message(f"digest:{messages[0].key}:{len(messages)}", worst[0], title, "\n".join(lines), at)
