"""Checks of Redis: it must keep what it is given, and hand it to nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ztrade.config import Config
from ztrade.service import names
from ztrade.service.doctor.evidence import RedisFacts
from ztrade.service.doctor.findings import Finding
from ztrade.service.units import unit_of

#: what Celery 5.7 asks for
OLDEST = (6, 2)
#: of the memory that it may use
FULL = 0.7
#: messages that are not even the exception on a bad day
PILE = 5
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def answers(_redis: RedisFacts) -> Iterator[Finding]:
    """Nothing more to say: one that does not answer is this check's finding before it runs."""
    yield from ()


def version(redis: RedisFacts) -> Iterator[Finding]:
    """Old servers lack commands."""
    text = redis.info.get("redis_version", "")
    found = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if found and found < OLDEST:
        yield Finding(f"Redis is {text}", "Celery needs 6.2 or newer", "apt install redis-server, from a newer release")


def eviction(redis: RedisFacts) -> Iterator[Finding]:
    """A full Redis must refuse, not forget."""
    policy = redis.settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        yield Finding(
            f"maxmemory-policy is {policy}",
            "a full Redis would silently forget messages: slots without a cycle",
            "ztrade redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its redis.conf",
        )


def persistence(redis: RedisFacts) -> Iterator[Finding]:
    """What was accepted must survive a crash."""
    if redis.settings.get("appendonly") == "no":
        yield Finding(
            "Redis writes no append-only file",
            "a crash forgets every message; the keeper records their slots as missed",
            "ztrade redis-cli CONFIG SET appendonly yes, and the same in its redis.conf",
        )
    if redis.info.get("aof_last_write_status", "ok") != "ok":
        yield Finding("Redis cannot write its append-only file", "it refuses messages", "df -h; ztrade logs redis")


def memory(redis: RedisFacts) -> Iterator[Finding]:
    """Room for messages."""
    used, most = _number(redis.info, "used_memory"), _number(redis.info, "maxmemory")
    if most and used > FULL * most:
        yield Finding(
            f"Redis uses {used / most:.0%} of its memory",
            "when it is full it refuses every message",
            "ztrade status shows what waits; raise maxmemory in its redis.conf",
        )
    if not most:
        yield Finding(
            "Redis has no maxmemory", "a flood of messages would take the machine's memory",
            "ztrade redis-cli CONFIG SET maxmemory 256mb, and the same in its redis.conf", hurts=False,
        )  # fmt: skip


def idle_timeout(redis: RedisFacts) -> Iterator[Finding]:
    """Idle connections must stay."""
    seconds = redis.settings.get("timeout", "0")
    if seconds not in ("0", ""):
        yield Finding(
            f"Redis closes connections that are idle for {seconds} s",
            "a worker that waits for its next slot would reconnect all day, and may miss one",
            "ztrade redis-cli CONFIG SET timeout 0, and the same in its redis.conf",
        )


def access(redis: RedisFacts) -> Iterator[Finding]:
    """Whoever reaches Redis can make agents trade."""
    if redis.socket_mode is not None and redis.socket_mode & 0o006:
        yield Finding(
            f"every user of this machine can open Redis' socket (mode {redis.socket_mode:04o})",
            "whoever sends a message makes an agent trade",
            "set unixsocketperm 770 in its redis.conf, and restart it",
        )
    host = urlsplit(redis.url).hostname or ""
    if redis.socket_mode is None and redis.open_to_all and host not in LOOPBACK:
        yield Finding(
            f"Redis at {host} asks for no password",
            "whoever sends a message makes an agent trade",
            "make a user with `ACL SETUSER`, and put it into redis.url",
        )
    if redis.url.startswith("redis://") and host not in LOOPBACK:
        yield Finding(
            f"messages to Redis at {host} are not encrypted",
            "the network between sees the password, and can send messages with it",
            "use rediss:// with ssl_cert_reqs=required",
        )


def refusals(redis: RedisFacts) -> Iterator[Finding]:
    """Who asked for what its role does not need: a mistake of ours, or somebody who should not be there."""
    if redis.refused:
        yield Finding(
            f"Redis refused {', '.join(redis.refused)} something", "what a role needs is never refused",
            "ztrade redis-cli ACL LOG says what; ACL LOG RESET forgets it", hurts=False,
        )  # fmt: skip


def queues_without_workers(config: Config, redis: RedisFacts) -> Iterator[Finding]:
    """Messages that wait, and nobody who takes them."""
    full = {queue.name for queue in redis.queues}
    for agent in config.agents:
        mine = {names.slot_queue(agent), names.control_queue(agent)} & full
        if mine and agent not in redis.waiting and agent not in redis.busy:
            yield Finding(
                f"messages wait in {', '.join(sorted(mine))}, and no worker takes them",
                "the agent's slots are missed",
                f"systemctl restart {unit_of(f'worker-{agent}')}, or: ops/celery_control.sh restart {agent}",
            )


def piles(config: Config, redis: RedisFacts, now: datetime) -> Iterator[Finding]:
    """Messages that come faster than they are taken; ``now`` is exchange time."""
    slots = {names.slot_queue(agent.name): agent for agent in config.agents.values()}
    for queue in redis.queues:
        agent = slots.get(queue.name)
        limit = 2 * agent.every if agent else timedelta(days=1)
        age = now - queue.oldest if queue.oldest and agent else timedelta(0)
        if queue.length > PILE or age > limit:
            yield Finding(
                f"{queue.length} messages wait in {queue.name}",
                "a message expires before the next slot: what waits behind it is missed",
                f"ztrade logs {agent.name if agent else 'worker'} --since 1h -p warning",
            )


def strange_queues(redis: RedisFacts) -> Iterator[Finding]:
    """Messages for agents that are no more."""
    for name in redis.strange:
        yield Finding(
            f"messages wait in {name}, and there is no such agent",
            "nobody will ever take them", f"ztrade redis-cli DEL {name}, or bring the agent file back", hurts=False,
        )  # fmt: skip


def _number(info: Mapping[str, str], name: str) -> int:
    text = str(info.get(name, "0"))
    return int(text) if text.isdigit() else 0
