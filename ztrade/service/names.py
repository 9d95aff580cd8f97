"""Names that processes agree on: queues, tasks, nodes, beat entries, connections."""

from __future__ import annotations

from datetime import UTC, datetime

from ztrade.domain.ledger import CycleKind

APP = "ztrade"
TRADING_CYCLE = "ztrade.trading_cycle"
SETTLE = "ztrade.settle"
TEST_TASK = "ztrade.test_task"
MAINTENANCE = "maintenance"


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
