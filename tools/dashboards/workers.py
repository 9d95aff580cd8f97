"""The machinery: workers, queues, beat, units, Redis, the journal's file, the exporter itself."""

from __future__ import annotations

from tools.dashboards.board import Board, Row
from tools.dashboards.expressions import grown, worst
from tools.dashboards.parts import YES, ZERO_IS_WELL, Look, graph, one, timeline
from tools.dashboards.table import Column, rows

_COUNT = Look("none", decimals=0, low=0)
_SECONDS = Look("s", low=0)
_BYTES = Look("bytes", low=0)


def _by(label: str, metric: str) -> dict[str, str]:
    return {f"{{{{{label}}}}}": f"max by ({label}) ({metric})"}


WORKERS = Row(
    "Do the workers take what is sent?",
    [
        rows(
            "Workers",
            "agent",
            [
                Column("Up", "max by (agent) (ztrade_worker_up)", Look("none", words=YES)),
                Column("Consuming", "max by (agent) (ztrade_worker_consuming)", Look("none", words=YES)),
                Column("Watchdog", "max by (agent) (ztrade_worker_watchdog_healthy)", Look("none", words=YES)),
                Column(
                    "Last asked",
                    "max by (agent) (ztrade_worker_last_ask_age_seconds)",
                    Look("s", ((0, "green"), (10, "orange"), (30, "red")), decimals=0),
                ),
                Column(
                    "Running since",
                    "max by (agent) (time() - ztrade_worker_start_timestamp_seconds)",
                    Look("s", decimals=0),
                ),
                Column(
                    "In flight", "max by (agent) (ztrade_tasks_in_flight)", Look("none", ((0, "green"), (2, "orange")))
                ),
                Column("Memory", "sum by (agent) (ztrade_worker_memory_bytes)", Look("bytes", decimals=0)),
                Column(
                    "Reconnects",
                    "sum by (agent) (round(increase(ztrade_worker_broker_reconnects_total[$__range])))",
                    Look("none"),
                ),
                Column(
                    "Child deaths",
                    'sum by (agent) (round(increase(ztrade_worker_child_deaths_total{cause!="exit"}[$__range])))',
                    Look("none", ZERO_IS_WELL),
                ),
            ],
            "Up but not consuming is a deaf worker, its watchdog's job; not up: systemctl status ztrade-worker@AGENT.",
            size=(24, 6),
        ),
        timeline(
            "Workers consuming",
            "max by (agent) (ztrade_worker_consuming)",
            "{{agent}}",
            Look("none", ((0, "red"), (1, "green")), YES),
        ),
        graph("Since a worker last asked", _by("agent", "ztrade_worker_last_ask_age_seconds"), _SECONDS, size=(12, 7)),
        graph(
            "Memory of workers",
            {"{{agent}} {{process}}": "max by (agent, process) (ztrade_worker_memory_bytes)"},
            _BYTES,
        ),
        graph(
            "Child deaths by cause",
            grown("ztrade_worker_child_deaths_total", "agent", "cause"),
            _COUNT,
            style="bars",
            every="15m",
        ),
    ],
)

TASKS = Row(
    "What became of the tasks?",
    [
        graph(
            "Tasks",
            {
                step: f"sum(increase(ztrade_tasks_{step}_total[$__interval]))"
                for step in ("sent", "received", "started", "succeeded")
            },
            _COUNT,
            "Four equal lines are well; where one falls below the one before it, a step is stuck there.",
            every="15m",
        ),
        graph(
            "Tasks that did not do well",
            {
                step: f"sum(increase(ztrade_tasks_{step}_total[$__interval]))"
                for step in ("failed", "expired", "revoked", "rejected", "retried")
            },
            _COUNT,
            "Any needs a reason: failed and expired are in ztrade logs, the others come from outside.",
            style="bars",
            every="15m",
        ),
        graph(
            "Given again",
            {
                "redelivered": "sum(increase(ztrade_tasks_redelivered_total[$__interval]))",
                "duplicates suppressed": "sum(increase(ztrade_tasks_duplicate_total[$__interval]))",
            },
            _COUNT,
            style="bars",
            every="15m",
        ),
        graph("Tasks in flight", _by("agent", "ztrade_tasks_in_flight"), _COUNT, style="step"),
        graph("Run of a task, 95th percentile", worst("ztrade_task_run_seconds", "agent"), _SECONDS),
        graph("Wait in the queue, 95th percentile", worst("ztrade_task_queue_wait_seconds", "agent"), _SECONDS),
    ],
)

QUEUES = Row(
    "Does anything wait?",
    [
        graph("Waiting messages", _by("queue", "ztrade_queue_messages"), _COUNT, style="step"),
        graph("Age of the oldest message", _by("queue", "ztrade_queue_oldest_message_age_seconds"), _SECONDS),
        graph("Unacknowledged messages", _by("agent", "ztrade_unacked_messages"), _COUNT, style="step"),
        graph("Age of the oldest unacknowledged", _by("agent", "ztrade_unacked_oldest_age_seconds"), _SECONDS),
    ],
)

SERVICES = Row(
    "Does the rest of it run?",
    [
        timeline(
            "Units active",
            "max by (unit) (ztrade_unit_active)",
            "{{unit}}",
            Look("none", ((0, "red"), (1, "green")), YES),
        ),
        graph(
            "Restarts by systemd",
            grown("ztrade_unit_restarts_total", "unit"),
            _COUNT,
            size=(12, 7),
            style="bars",
            every="15m",
        ),
        graph(
            "Beat",
            {"last tick": "ztrade_beat_last_tick_age_seconds", "last message": "ztrade_beat_last_publish_age_seconds"},
            _SECONDS,
            "The tick stays under 2 s; the message comes at least once per shortest interval in market hours.",
        ),
        graph(
            "Redis memory",
            {"used": "ztrade_redis_memory_bytes", "limit": "ztrade_redis_memory_limit_bytes"},
            _BYTES,
            "Look at the queues before used comes near limit: Redis then refuses messages.",
        ),
        graph(
            "Redis",
            {"up": "ztrade_redis_up", "safe": "ztrade_redis_safe"},
            Look("none", ((0, "red"), (1, "green")), decimals=0, low=0, high=1),
            "Safe at 0: ztrade doctor says whether policy, persistence or the last save is wrong, and the mend.",
            style="step",
        ),
        graph("Redis: last snapshot", {"age": "ztrade_redis_last_save_age_seconds"}, _SECONDS),
        graph(
            "Redis: keys thrown away",
            {"keys": "sum(increase(ztrade_redis_evicted_keys_total[$__interval]))"},
            _COUNT,
            style="bars",
        ),
        graph(
            "Redis: connections",
            {"{{name}}": "max by (name) (ztrade_redis_clients)", "blocked": "max(ztrade_redis_blocked_clients)"},
            _COUNT,
            style="step",
        ),
        graph("Journal's size", {"journal": "ztrade_journal_size_bytes"}, _BYTES),
        graph("Journal's writes, 95th percentile", worst("ztrade_journal_write_seconds", "role"), _SECONDS),
        graph(
            "Disk",
            {"free": "ztrade_disk_free_bytes", "size": "ztrade_disk_size_bytes"},
            _BYTES,
            "Compare its slope with what is left; the journal's size shows whether it is ztrade that grows.",
        ),
        graph("Backup's age", {"age": "ztrade_backup_age_seconds"}, Look("s", ((0, "green"), (93_600, "red")), low=0)),
    ],
)

EXPORTER = Row(
    "Is what this page shows true?",
    [
        one(
            "Exporter",
            "max(up)",
            Look("none", words={0: ("down", "red"), 1: ("answers", "green")}),
            "Down: everything here is old; systemctl status ztrade-exporter.",
        ),
        one(
            "Events lost",
            "sum(round(increase(ztrade_exporter_events_lost_total[$__range])))",
            Look("none", ((0, "green"), (1, "orange"))),
        ),
        one(
            "Events of strangers",
            "sum(round(increase(ztrade_exporter_events_unknown_total[$__range])))",
            Look("none", ((0, "green"), (1, "orange"))),
        ),
        timeline(
            "Programs on the files as they are",
            "min by (program) (ztrade_config_current)",
            "{{program}}",
            Look("none", ((0, "red"), (1, "green")), YES),
            "No: somebody changed a file since it started; ztrade doctor names the unit to restart.",
        ),
        timeline(
            "Sources seen",
            "max by (source) (ztrade_exporter_source_up)",
            "{{source}}",
            Look("none", ((0, "red"), (1, "green")), YES),
        ),
        graph(
            "Age of what is shown",
            _by("source", "ztrade_exporter_source_age_seconds"),
            Look("s", ((0, "green"), (60, "red")), low=0),
        ),
        graph("Duration of a look", _by("source", "ztrade_exporter_source_duration_seconds"), _SECONDS),
        graph("Events by type", grown("ztrade_exporter_events_total", "type"), _COUNT, every="15m"),
        graph(
            "Answer to a scrape, 95th percentile",
            {"scrape": "histogram_quantile(0.95, sum by (le) (increase(ztrade_exporter_scrape_seconds_bucket[15m])))"},
            _SECONDS,
        ),
    ],
)

BOARD = Board(
    "ztrade-workers",
    "ztrade / Workers and queues",
    "The machinery: whether messages are sent, taken and done, and what the rest of it does.",
    [WORKERS, TASKS, QUEUES, SERVICES, EXPORTER],
)
