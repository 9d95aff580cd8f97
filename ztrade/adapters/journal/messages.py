"""Messages in SQL: in the order in which they were written. Functions of an open transaction."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ztrade.adapters.journal.tables import messages
from ztrade.domain.messages import Message

_M = messages.c
FIELDS = ("key", "severity", "title", "text", "at", "agent")


def post(connection: sa.Connection, message: Message) -> bool:
    """See :meth:`ztrade.ports.Journal.post`."""
    if connection.execute(sa.select(_M.seq).where(_M.key == message.key)).first() is not None:
        return False
    connection.execute(sa.insert(messages), {name: getattr(message, name) for name in FIELDS})
    return True


def listing(connection: sa.Connection, *, unsent: bool, limit: int) -> Sequence[Message]:
    """See :meth:`ztrade.ports.Journal.messages`."""
    query = sa.select(*(_M[name] for name in FIELDS)).order_by(_M.seq).limit(limit)
    if unsent:
        query = query.where(_M.sent_at.is_(None))
    return [Message(**row._mapping) for row in connection.execute(query)]
