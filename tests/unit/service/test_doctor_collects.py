"""The evidence is what is really there: a Redis with its settings, a port, a package that is too old."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ztrade.config import Config, load_config
from ztrade.service import broker
from ztrade.service.doctor import collect_machine as machine
from ztrade.service.doctor.collect_redis import redis_facts
from ztrade.testing.redis_server import RedisServer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(ROOT / "deploy" / "config" / "ztrade.toml").with_state(tmp_path)


def test_redis_tells_its_settings_and_its_queues(config: Config, tmp_path: Path) -> None:
    """A message for an agent that is no more included."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    section = config.main.redis.model_copy(update={"url": server.url})
    config = replace(config, main=config.main.model_copy(update={"redis": section}))
    with closing(broker.client(server.url)) as redis:
        redis.lpush("agent.qqq", "x")
        redis.lpush("agent.spy", "x")
        redis.config_set("maxmemory-policy", "allkeys-lru")
        found = redis_facts(config, {"tsla": "c1"})
        assert found.settings["maxmemory-policy"] == "allkeys-lru"
        assert found.settings["appendonly"] == "yes"
        assert int(found.info["used_memory"]) > 0
        assert found.strange == ["agent.qqq"]
        assert [queue.name for queue in found.queues] == ["agent.spy"]
        assert found.socket_mode == 0o700
        assert found.open_to_all
        redis.config_set("requirepass", "geheim")
    with pytest.raises(broker.BrokerUnavailable):
        redis_facts(config, {})
    server.stop()


@pytest.mark.parametrize(
    ("address", "loopback"), [("127.0.0.1", True), ("0.0.0.0", False), ("::1", True), ("::", False)]
)
def test_a_port_that_is_open_is_seen(address: str, loopback: bool) -> None:
    """By the address it is open on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()
        port = server.getsockname()[1]
        (found,) = (one for one in machine.listening() if one.port == port)
    assert (found.address, found.loopback) == (address, loopback)


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("redis>=1", ""),
        ("redis<1", "redis is "),
        ("no-such-package", "no-such-package is missing"),
        ("no-such-package; extra == 'embedded'", ""),
        ("no-such-package; python_version < '3'", ""),
    ],
)
def test_requirements_are_held_against_what_is_installed(requirement: str, said: str) -> None:
    """What only an extra or another Python needs, nobody misses."""
    assert machine._unmet(requirement).startswith(said)
    assert bool(machine._unmet(requirement)) is bool(said)


def test_this_installation_is_whole() -> None:
    """The real requirements, the real packages."""
    assert machine.python_facts().broken == []


def test_files_that_matter_are_looked_at(config: Config, tmp_path: Path) -> None:
    """Agent files and the journal plainly, the login as a secret."""
    (tmp_path / "journal.db").touch(0o660)
    (tmp_path / "flower.auth").touch(0o600)
    found = {file.path: file for file in machine.files(config)}
    assert not found[str(tmp_path / "journal.db")].secret
    assert found[str(tmp_path / "flower.auth")].secret
    assert any(path.endswith("agents/spy.toml") for path in found)


def test_the_newest_backup_counts(config: Config, tmp_path: Path) -> None:
    """By when it was written; one that is being made does not."""
    assert machine.newest_backup(config) is None
    (tmp_path / "backups").mkdir()
    written = {"journal-a.db": 1_600_000_000, "journal-b.db": 1_700_000_000, ".journal-c.db": 1_790_000_000}
    for name, at in written.items():
        (tmp_path / "backups" / name).touch()
        os.utime(tmp_path / "backups" / name, (at, at))
    newest = machine.newest_backup(config)
    assert newest is not None
    assert newest.timestamp() == 1_700_000_000
