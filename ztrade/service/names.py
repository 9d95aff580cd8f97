"""Names that processes agree on: queues, tasks, nodes, beat entries, connections."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ztrade.domain.ledger import CycleKind

APP = "ztrade"
TRADING_CYCLE = "ztrade.trading_cycle"
SETTLE = "ztrade.settle"
TEST_TASK = "ztrade.test_task"
MAINTENANCE = "maintenance"
#: what beat sends; the test task is a person's, or a developer's
SCHEDULED = (TRADING_CYCLE, SETTLE)
TASKS = (*SCHEDULED, TEST_TASK)
BEAT, KEEPER, EXPORTER = "beat", "keeper", "exporter"
#: what connections to Redis are named for, beside workers
ROLES = (BEAT, KEEPER, EXPORTER, "flower", "client")
#: header of a message: when it was sent, Unix time
SENT_AT = "ztrade_sent_at"


def slot_queue(agent: str) -> str:
    """Return the queue of the agent's scheduled slots."""
    return f"agent.{agent}"


def control_queue(agent: str) -> str:
    """Return the queue that the agent's worker empties first: runs by hand, settlements, the test task."""
    return f"agent.{agent}.ctl"


def queues(agent: str) -> list[str]:
    """Return what the agent's worker consumes, the most urgent first."""
    return [control_queue(agent), slot_queue(agent), MAINTENANCE]


def entry_name(agent: str) -> str:
    """Return the name of the agent's beat entry."""
    return f"agent-{agent}-trading-cycle"


def worker_role(agent: str) -> str:
    """Return the role of the agent's worker: its user at Redis, its connections and its report are called so."""
    return f"worker-{agent}"


def client_name(role: str) -> str:
    """Return the name under which a process shows in Redis' CLIENT LIST."""
    return f"ztrade-{role}"


def stamp(at: datetime) -> str:
    """Return an instant as ``20220822T143500Z``."""
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def task_id(kind: CycleKind, agent: str, slot: datetime) -> str:
    """Return the message's id: the same slot always has the same one, however often it is sent."""
    prefix = "settle" if kind is CycleKind.SETTLE else "cycle"
    return f"{prefix}:{agent}:{stamp(slot)}"


def task_of(message: str) -> str:
    """Return the task of a message by its id, empty where the id does not tell."""
    return {"cycle": TRADING_CYCLE, "settle": SETTLE}.get(message.partition(":")[0], "")


def unacked_keys(role: str) -> Mapping[str, str]:
    """Return the role's own keys for messages that were taken and not acknowledged, by kombu's names of the options."""
    return {
        "unacked_key": f"unacked.{role}",
        "unacked_index_key": f"unacked.{role}.index",
        "unacked_mutex_key": f"unacked.{role}.mutex",
    }
