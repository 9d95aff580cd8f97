"""How the journal's connections are made."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from ztrade.adapters.journal.engine import Database


class Enough(Exception):
    """The arguments were seen: nobody is to be called."""


def test_a_postgresql_server_that_is_gone_without_a_word_is_noticed() -> None:
    """Its machine lost power, or a firewall forgot the connection: the kernel alone waits for a quarter of an hour."""
    pytest.importorskip("psycopg")
    seen: dict[str, object] = {}
    database = Database(sa.make_url("postgresql+psycopg://ztrade@db/ztrade"), timedelta(seconds=5))

    @sa.event.listens_for(database.engine, "do_connect")
    def look(_dialect: object, _record: object, _args: object, options: dict[str, object]) -> None:
        seen.update(options)
        raise Enough

    with pytest.raises(Enough), database.engine.connect():
        pass
    assert (seen["connect_timeout"], seen["tcp_user_timeout"]) == (10, 30_000)
    idle, interval, count = (seen[f"keepalives_{name}"] for name in ("idle", "interval", "count"))
    assert (idle, interval, count) == (10, 5, 4)
