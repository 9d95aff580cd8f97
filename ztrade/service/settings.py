"""Celery's settings. Each line says why; docs/reference/celery.md compares them with the older application's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from kombu.entity import Exchange, Queue

from ztrade.config import Config, hard_time_limit
from ztrade.domain.agent import Agent
from ztrade.service import broker, names

#: a cycle gets this much before the hard limit to write down that its time is up
SOFT_MARGIN = timedelta(seconds=5)
#: what a sweep for lost messages may add to the visibility timeout
SWEEP = timedelta(seconds=30)
LONGEST = timedelta(seconds=600)
#: who sends hears of an outage at once and decides; the default tries for 6 s and more, and delays every later slot
_PUBLISHER = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}


def time_limits(agent: Agent) -> tuple[float, float]:
    """Return the (soft, hard) limits of the agent's cycle, in seconds of wall time."""
    hard = hard_time_limit(agent.every)
    margin = min(SOFT_MARGIN, hard * 0.2)
    return (hard - margin).total_seconds(), hard.total_seconds()


def limit(sender: Any, **_: Any) -> None:
    """Give a worker that nobody gave time limits (Celery's own command starts one) the longest that an agent may have.

    Not in the settings: who sends would write them into each message, where they count before the worker's.
    """
    if sender.time_limit is None:
        sender.soft_time_limit, sender.time_limit = (LONGEST - SOFT_MARGIN).total_seconds(), LONGEST.total_seconds()


def visibility_timeout(agents: Iterable[Agent]) -> timedelta:
    """Return a time after which an unacknowledged message is surely expired and its cycle surely over."""
    longest = max((agent.every for agent in agents), default=timedelta(0))
    return max(timedelta(hours=1), longest + LONGEST + SWEEP)


def settings(config: Config, role: str) -> dict[str, Any]:
    """Return all settings of one process; ``role`` names its connections in Redis' CLIENT LIST."""
    return {
        "broker_url": broker.celery_url(config.redis_url),
        "result_backend": broker.celery_url(config.redis_url),
        **_messages(),
        **_worker(),
        **_connections(config, role),
        **_results(config),
        **_queues(config),
        "beat_scheduler": "ztrade.service.beat:SlotScheduler",  # slots of the exchange, not intervals since a start
    }


def _messages() -> dict[str, Any]:
    return {
        "accept_content": ["json"],  # a pickle in a queue is a program: never load one
        "task_serializer": "json",
        "result_serializer": "json",
        "result_accept_content": ["json"],
        "timezone": "UTC",  # New York only at the edges; a zone with clock changes has doubled and lost runs in beat
        "enable_utc": True,
        "task_track_started": True,  # a person who asks for the state of a run by hand sees that it runs
        "task_acks_late": False,  # the journal's claim decides, beat rings again for a lapsed one; Redis never repeats
        "task_reject_on_worker_lost": False,  # with True a cycle that kills its worker would come back for ever
        "task_send_sent_event": True,  # Flower shows a message before a worker has it; how long it waited is measured
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
    }


def _worker() -> dict[str, Any]:
    return {
        "worker_pool": "prefork",  # the hard time limit needs a process that can be killed
        "worker_concurrency": 1,  # one agent, one cycle at a time
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,  # what waits stays in Redis, where another worker can take it
        # the agent's own are the worker's: see limit()
        "task_time_limit": None,
        "task_soft_time_limit": None,
        "worker_send_task_events": True,  # Flower and the exporter listen
        "worker_hijack_root_logger": False,  # one formatter for our lines and Celery's
        "worker_redirect_stdouts": False,
        "worker_max_tasks_per_child": None,  # a fresh child costs 0.5 s and its caches, and hides leaks
        "worker_max_memory_per_child": None,  # checked only between tasks: the unit's memory limit is the real one
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # never kill a cycle because Redis went away
        "worker_soft_shutdown_timeout": 0.0,  # SIGTERM waits for the cycle itself
        "worker_proc_alive_timeout": 60.0,  # the child loads everything before it says that it is there
    }


def _connections(config: Config, role: str) -> dict[str, Any]:
    return {
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,  # the order in which Redis and workers start does not matter
        "broker_connection_max_retries": None,  # the default gives up after 100 attempts
        # a Redis that is full answers with errors: without this, each worker ends of the first one
        "broker_channel_error_retry": True,
        "broker_transport_options": {
            "visibility_timeout": visibility_timeout(config.agents.values()).total_seconds(),
            "unacked_restore_interval": 2,  # with the defaults a lost message stays lost for up to 100 s more
            "unacked_restore_throttle": 1,
            "queue_order_strategy": "priority",  # the control queue first
            "priority_steps": [0],  # the length of a queue is the length of one list
            "socket_connect_timeout": 3.0,
            "socket_timeout": 10.0,  # the default waits for ever for a frozen Redis
            "socket_keepalive": True,
            "health_check_interval": 25,
            "client_name": names.client_name(role),
            **names.unacked_keys(role),  # its own: whoever may touch them can put a message into any queue
            **({} if role.startswith("worker") else _PUBLISHER),
        },
    }


def _results(config: Config) -> dict[str, Any]:
    return {
        "result_expires": timedelta(hours=1),  # results answer a call by hand; what happened is in the journal
        "redis_socket_timeout": 5.0,
        "redis_socket_connect_timeout": 3.0,
        # a unix socket's connection class does not know the word
        "redis_socket_keepalive": broker.socket_path(config.redis_url) is None,
        "redis_backend_health_check_interval": 30,
        "result_backend_transport_options": {
            # the shortest of all timeouts on one database would rule
            "visibility_timeout": visibility_timeout(config.agents.values()).total_seconds(),
            "retry_policy": {"timeout": 5.0, "max_retries": 2},  # the default blocks a worker for 20 s
        },
    }


def _queues(config: Config) -> dict[str, Any]:
    of_agents = [
        queue for name in sorted(config.agents) for queue in (names.control_queue(name), names.slot_queue(name))
    ]
    return {
        "task_queues": [_queue(name) for name in [*of_agents, names.MAINTENANCE]],
        "task_default_queue": names.MAINTENANCE,
        "task_default_exchange": names.MAINTENANCE,
        "task_default_routing_key": names.MAINTENANCE,
        "task_create_missing_queues": False,  # a misspelt queue is an error, not a place where messages wait for ever
    }


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="direct"), routing_key=name)  # type: ignore[no-untyped-call]
