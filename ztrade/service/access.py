"""Who may do what in ztrade's own Redis: one user per role, one per agent's worker, and nobody without a login.

Keys decide: a worker has the queues of its own agent and no others, Flower may look at queues and fill none. What
Celery's transport calls on them was found by running everything against Redis' ``ACL LOG`` (celery #8724 asks for
such a list). No two roles share the keys of unacknowledged messages: whoever holds them can put messages into any
queue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ztrade.service import names

ADMIN, BEAT, KEEPER, FLOWER, EXPORTER, OPERATOR = (
    "admin",
    names.BEAT,
    names.KEEPER,
    "flower",
    names.EXPORTER,
    "operator",
)

#: nobody logs in as this user; but as this user Redis 7.0 runs the transactions of its append-only file at a start, and
#: silently drops what it may not do
DEFAULT = "user default off resetpass ~* &* +@all"
#: as an own connection: not who else is there, and nobody else's
_CONNECT = "-@all +@connection -@dangerous"
#: what kombu, Celery's results and the request budget call
_CALLS = (
    "+@transaction +brpop +lpush +rpush +llen +lindex +lrange +rpop +hset +hget +hdel +hlen +zadd +zrem +zrange"
    " +zrangebyscore +zrevrangebyscore +zremrangebyscore +zcard +sadd +srem +smembers +exists +del +set +get +setex"
    " +mget +expire +pexpire +publish +subscribe +unsubscribe +psubscribe +punsubscribe +eval +evalsha +script|exists"
    " +script|load +time"
)
#: questions to all workers and their answers, by which one sees what they run
_PIDBOX = (
    "&/0.celery.pidbox", "~*.celery.pidbox", "~_kombu.binding*.celery.pidbox", "~_kombu.binding*.reply.celery.pidbox"
)  # fmt: skip
_EVENTS = ("&/0.celeryev/*", "~celeryev.*", "~_kombu.binding*.celeryev")
_RESULTS = ("~celery-task-meta-*", "&celery-task-meta-*")
_BUDGET = "~ztrade:budget:*"
#: kombu notes here when bindings of queues that expire may go; ours never do
_DEADLINES = "~_kombu.binding_deadlines"


@dataclass(frozen=True, slots=True)
class User:
    """One user of Redis: its name, and its rules in the words of an ACL file."""

    name: str
    rules: str


def users(agents: Iterable[str], *, control: bool) -> Iterator[User]:
    """Yield every user that ztrade has on these agents.

    Args:
        control: whether Flower may send and revoke tasks.
    """
    queues = ("agent.*", names.MAINTENANCE)
    look = (*(f"%R~{queue}" for queue in queues), *_asking("client"))
    publish = tuple(key for queue in queues for key in (f"%W~{queue}", f"~_kombu.binding*.{queue}"))
    yield User(ADMIN, "~* &* +@all")
    yield User(BEAT, _rules(*publish, *_EVENTS, *_own("beat"), _DEADLINES))
    yield User(KEEPER, _rules(*look, _BUDGET, calls="+client|list"))
    yield User(EXPORTER, _EXPORTS)
    yield User(FLOWER, _flower(look, publish, control=control))
    yield User(OPERATOR, "~* &* +@all -@admin -@dangerous " + _OPERATES)
    for agent in sorted(agents):
        yield User(names.worker_role(agent), _worker(agent))


#: of what is dangerous or an administrator's, the looking
_OPERATES = "+info +client|list +config|get +acl|log +acl|getuser +role +lastsave +keys"

#: lengths, ages, events, and what Redis says of itself; nothing that could be written
_EXPORTS = (
    f"%R~agent.* %R~{names.MAINTENANCE}* %R~unacked.* %R~ztrade:budget:* &/0.celeryev/* {_CONNECT}"
    " +llen +lindex +hlen +zrange +zcount +time +psubscribe +punsubscribe +info +client|list"
)


def _worker(agent: str) -> str:
    queues = names.queues(agent)
    mine = (key for queue in queues for key in (f"~{queue}", f"~_kombu.binding*.{queue}"))
    return _rules(*mine, *_asking(names.worker_role(agent)), *_EVENTS, *_RESULTS, _BUDGET)


def _flower(look: Sequence[str], publish: Sequence[str], *, control: bool) -> str:
    seen = ("%R~celery-task-meta-*", "&celery-task-meta-*", *_asking("flower"), *_EVENTS)
    return _rules(*look, *seen, *(publish if control else ()))


def _asking(role: str) -> Sequence[str]:
    return (*_PIDBOX, *_own(role), _DEADLINES)


def _own(role: str) -> Sequence[str]:
    return tuple(f"~{key}" for key in names.unacked_keys(role).values())


def _rules(*rules: str, calls: str = "") -> str:
    return " ".join([*dict.fromkeys(rules), _CONNECT, _CALLS, *([calls] if calls else [])])


def acl_lines(wanted: Iterable[User], passwords: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of an ACL file; it holds hashes of the passwords, not them."""
    yield DEFAULT
    for user in wanted:
        digest = hashlib.sha256(passwords[user.name].encode()).hexdigest()
        yield f"user {user.name} on #{digest} {user.rules}"
