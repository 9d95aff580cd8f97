"""Deliveries in SQL: which message goes to which channel, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ztrade.adapters.journal.engine import Database
from ztrade.adapters.journal.messages import FIELDS
from ztrade.adapters.journal.tables import channels, deliveries, messages
from ztrade.domain.messages import Delivery, Health, Message, Severity

_C, _D, _M = channels.c, deliveries.c, messages.c
_CHUNK = 100
_WAITS = _D.ended_at.is_(None)
_MESSAGE = [_M[name] for name in FIELDS]
_BOTH = deliveries.join(messages, _D.seq == _M.seq)


class SqlOutbox:
    """:class:`ztrade.ports.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def unrouted(self, limit: int) -> Sequence[Message]:
        """See :meth:`ztrade.ports.Outbox.unrouted`."""
        on_its_way = sa.exists().where(_D.seq == _M.seq)
        query = sa.select(*_MESSAGE).where(_M.sent_at.is_(None), ~on_its_way).order_by(_M.seq).limit(limit)
        with self._db.read() as connection:
            return [Message(**row._mapping) for row in connection.execute(query)]

    def route(self, wanted: Mapping[str, Collection[str]], at: datetime) -> None:
        """See :meth:`ztrade.ports.Outbox.route`."""
        with self._db.write() as connection:
            for key, names in wanted.items():
                _route(connection, key, names, at)

    def posts(self, channel: str, since: datetime, *, critical: bool) -> int:
        """See :meth:`ztrade.ports.Outbox.posts`; what one post took ended at one instant."""
        count = sa.select(sa.func.count(_D.ended_at.distinct())).select_from(_BOTH)
        query = count.where(_D.channel == channel, _D.ended_at > since, _D.lost.is_(False), _is(critical))
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())

    def waiting(self, channel: str, *, critical: bool, limit: int) -> Sequence[Delivery]:
        """See :meth:`ztrade.ports.Outbox.waiting`."""
        query = sa.select(deliveries, *_MESSAGE).select_from(_BOTH)
        mine = query.where(_D.channel == channel, _WAITS, _is(critical)).order_by(_D.seq).limit(limit)
        with self._db.read() as connection:
            return [_delivery(row) for row in connection.execute(mine)]

    def begin(
        self,
        channel: str,
        keys: Collection[str],
        *,
        owner: str,
        at: datetime,
        lease: timedelta,
        gone: Callable[[str], bool],
    ) -> bool:
        """See :meth:`ztrade.ports.Outbox.begin`."""
        with self._db.write() as connection:
            found = _channel(connection, channel)
            held = found.owner != owner and found.lease_until is not None and found.lease_until > at
            if held and not gone(found.owner):
                return False
            if _count_waiting(connection, channel, keys) != len(keys):
                return False
            _update_channel(connection, channel, owner=owner, lease_until=at + lease)
            _update(connection, channel, keys, attempts=_D.attempts + 1, trouble="")
            return True

    def taken(self, channel: str, keys: Collection[str], at: datetime) -> None:
        """See :meth:`ztrade.ports.Outbox.taken`."""
        with self._db.write() as connection:
            _update(connection, channel, keys, ended_at=at)
            _close(connection, keys, at)
            _update_channel(connection, channel, failures=0, since=None, trouble="", resume=None)

    def put_off(self, channel: str, keys: Collection[str], trouble: str, at: datetime, resume: datetime) -> None:
        """See :meth:`ztrade.ports.Outbox.put_off`."""
        with self._db.write() as connection:
            _update(connection, channel, keys, trouble=trouble)
            found = _channel(connection, channel)
            since = found.since or at
            _update_channel(
                connection, channel, failures=found.failures + 1, since=since, trouble=trouble, resume=resume
            )

    def lose(self, channel: str, keys: Collection[str], trouble: str, at: datetime) -> None:
        """See :meth:`ztrade.ports.Outbox.lose`."""
        with self._db.write() as connection:
            _update(connection, channel, keys, ended_at=at, lost=True, trouble=trouble)
            _close(connection, keys, at)

    def give_up(self, before: datetime, at: datetime) -> Mapping[str, int]:
        """See :meth:`ztrade.ports.Outbox.give_up`."""
        old = sa.select(_D.channel, _M.key).select_from(_BOTH).where(_WAITS, _M.at < before)
        with self._db.read() as connection:
            if connection.execute(old.limit(1)).first() is None:
                return {}
        with self._db.write() as connection:
            keys = defaultdict(list)
            for name, key in connection.execute(old):
                keys[name].append(key)
            for name, some in keys.items():
                _update(connection, name, some, ended_at=at, lost=True)
                _close(connection, some, at)
            return {name: len(some) for name, some in keys.items()}

    def health(self) -> Mapping[str, Health]:
        """See :meth:`ztrade.ports.Outbox.health`."""
        with self._db.read() as connection:
            rows = connection.execute(sa.select(channels).order_by(_C.name)).all()
        return {row.name: Health(row.failures, row.since, row.trouble, row.resume) for row in rows}

    def lost(self) -> Mapping[str, int]:
        """See :meth:`ztrade.ports.Outbox.lost`."""
        query = sa.select(_D.channel, sa.func.count()).where(_D.lost.is_(True)).group_by(_D.channel)
        with self._db.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def deliveries(self, limit: int) -> Sequence[tuple[Message, Sequence[Delivery]]]:
        """See :meth:`ztrade.ports.Outbox.deliveries`."""
        newest = sa.select(_M.seq, *_MESSAGE).order_by(_M.seq.desc()).limit(limit)
        with self._db.read() as connection:
            rows = reversed(connection.execute(newest).all())
            found: dict[int, tuple[Message, list[Delivery]]] = {row.seq: (_message(row), []) for row in rows}
            first = min(found, default=0)
            query = sa.select(deliveries).where(_D.seq >= first).order_by(_D.seq, _D.channel)
            for row in connection.execute(query):
                if row.seq in found:
                    message, some = found[row.seq]
                    some.append(_as_delivery(message, row))
        return list(found.values())


def _is(critical: bool) -> sa.ColumnElement[bool]:
    return _M.severity == Severity.CRITICAL if critical else _M.severity != Severity.CRITICAL


def _message(row: Any) -> Message:
    return Message(**{name: getattr(row, name) for name in FIELDS})


def _as_delivery(message: Message, row: Any) -> Delivery:
    return Delivery(message, row.channel, row.attempts, row.trouble, row.ended_at, row.lost)


def _delivery(row: Any) -> Delivery:
    return _as_delivery(_message(row), row)


def _route(connection: sa.Connection, key: str, names: Collection[str], at: datetime) -> None:
    seq = connection.execute(sa.select(_M.seq).where(_M.key == key, _M.sent_at.is_(None))).scalar_one_or_none()
    if seq is None or connection.execute(sa.select(_D.seq).where(_D.seq == seq).limit(1)).first() is not None:
        return
    if not names:
        connection.execute(sa.update(messages).where(_M.seq == seq).values(sent_at=at))
        return
    new: dict[str, Any] = {"seq": seq, "attempts": 0, "trouble": "", "ended_at": None, "lost": False}
    connection.execute(sa.insert(deliveries), [new | {"channel": name} for name in sorted(names)])


def _chunks(keys: Collection[str]) -> Iterator[sa.ScalarSelect[Any]]:
    some = list(keys)
    for start in range(0, len(some), _CHUNK):
        yield sa.select(_M.seq).where(_M.key.in_(some[start : start + _CHUNK])).scalar_subquery()


def _update(connection: sa.Connection, channel: str, keys: Collection[str], **values: Any) -> None:
    for seqs in _chunks(keys):
        mine = (_D.channel == channel, _D.seq.in_(seqs), _WAITS)
        connection.execute(sa.update(deliveries).where(*mine).values(**values))


def _count_waiting(connection: sa.Connection, channel: str, keys: Collection[str]) -> int:
    queries = (
        sa.select(sa.func.count()).where(_D.channel == channel, _D.seq.in_(seqs), _WAITS) for seqs in _chunks(keys)
    )
    return sum(int(connection.execute(query).scalar_one()) for query in queries)


def _close(connection: sa.Connection, keys: Collection[str], at: datetime) -> None:
    """Note which messages have no channel left that they wait for."""
    still = sa.exists().where(_D.seq == _M.seq, _WAITS)
    for seqs in _chunks(keys):
        done = (_M.seq.in_(seqs), _M.sent_at.is_(None), ~still)
        connection.execute(sa.update(messages).where(*done).values(sent_at=at))


def _channel(connection: sa.Connection, name: str) -> Any:
    """Return the channel's row, which is made where it is missing."""
    query = sa.select(channels).where(_C.name == name)
    row = connection.execute(query).one_or_none()
    if row is None:
        connection.execute(sa.insert(channels), {"name": name, "owner": "", "failures": 0, "trouble": ""})
        row = connection.execute(query).one()
    return row


def _update_channel(connection: sa.Connection, name: str, **values: Any) -> None:
    connection.execute(sa.update(channels).where(_C.name == name).values(**values))
