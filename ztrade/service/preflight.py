"""What a stack looks at before it starts or writes anything: a mistake is said now, not by a worker that dies of it."""

from __future__ import annotations

from contextlib import suppress

from ztrade.adapters.journal import open_journal
from ztrade.config import Config
from ztrade.config_checks import check_channels
from ztrade.errors import ConfigError, TemporaryError
from ztrade.service import broker


def preflight(config: Config) -> None:
    """Refuse a configuration that cannot work; what is only down does not keep a stack from starting.

    Raises:
        ConfigError: there are no agents, or the journal's place, a Redis URL or an alert channel is wrong.
        DataError: what is at the journal's place is none.
    """
    if not config.agents:
        folder = config.path.parent / config.main.agents_dir
        raise ConfigError(str(folder), "has no agent files, so there is nothing to start", fix="add one, like spy.toml")
    check_channels(config)
    if config.main.redis.url:
        with suppress(TemporaryError):
            broker.check(config.redis_url)
    _check_journal(config)


def _check_journal(config: Config) -> None:
    own = config.state_dir / "journal.db"
    if not config.main.journal.url and not own.exists():
        return  # the stack makes it
    with suppress(TemporaryError):
        open_journal(config.journal_url).close()
