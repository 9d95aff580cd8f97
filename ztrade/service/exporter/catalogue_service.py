"""Metrics of the machinery: tasks, queues, workers, beat, units, Redis, the journal as a file, the exporter itself."""

from __future__ import annotations

from ztrade.domain.spread import WRITE
from ztrade.service.exporter.metric import Metric, counter, gauge, histogram

#: seconds: a cycle's hard limit is at most 600
_RUN = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_WAIT = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 300.0)

TASKS: tuple[Metric, ...] = (
    counter(
        "ztrade_tasks_sent_total",
        "task agent",
        "Messages sent to a worker's queue; agent is empty where any worker may take it.",
        "Compare with received: a lasting gap is a worker that does not consume.",
    ),
    counter(
        "ztrade_tasks_received_total",
        "task agent",
        "Messages that a worker took from its queue in time.",
        "Compare with sent, and with started.",
    ),
    counter(
        "ztrade_tasks_started_total",
        "task agent",
        "Tasks that began to run.",
        "Compare with succeeded and failed: the rest runs, or died with its process.",
    ),
    counter(
        "ztrade_tasks_succeeded_total",
        "task agent",
        "Tasks that returned.",
        "The plain sign of life of a worker; whether the cycle did well is in ztrade_slots_total.",
    ),
    counter(
        "ztrade_tasks_failed_total",
        "task agent",
        "Tasks that raised, or whose process died.",
        "Any is a defect or a death: read ztrade logs of the agent at that time.",
    ),
    counter(
        "ztrade_tasks_retried_total",
        "task agent",
        "Tasks that asked to be run again.",
        "ztrade retries no task: any is somebody else's task in these queues.",
    ),
    counter(
        "ztrade_tasks_revoked_total",
        "task agent",
        "Tasks taken back before or while they ran, expired ones included.",
        "Beyond the expired ones somebody revoked tasks by hand: ask who has Flower's login.",
    ),
    counter(
        "ztrade_tasks_expired_total",
        "task agent",
        "Messages that were too old when a worker took them.",
        "Each is a slot that nobody ran in its time: see why the worker was late.",
    ),
    counter(
        "ztrade_tasks_rejected_total",
        "task agent",
        "Messages that a worker refused as unreadable or unknown; task is `unknown`.",
        "Any means that something else writes into these queues.",
    ),
    counter(
        "ztrade_tasks_redelivered_total",
        "task agent",
        "Messages that a worker was given again.",
        "Harmless, because a slot is claimed once; many mean workers that die or a visibility timeout too short.",
    ),
    counter(
        "ztrade_tasks_duplicate_total",
        "task agent",
        "Messages for a slot that another one had: suppressed.",
        "The proof that the claim works; a steady rate means two beats or a Redis restored from a backup.",
    ),
    histogram(
        "ztrade_task_run_seconds",
        "task agent",
        "From a task's start to its end.",
        "Watch the 95th percentile against the hard limit, 0.8 of the agent's interval.",
        _RUN,
    ),
    histogram(
        "ztrade_task_queue_wait_seconds",
        "task agent",
        "From sending a message to a worker taking it.",
        "Above a second the worker was busy or away.",
        _WAIT,
    ),
    gauge(
        "ztrade_tasks_in_flight",
        "agent",
        "Tasks that run now, by their events.",
        "More than 1 for long, or one that never ends, is a stuck cycle.",
    ),
)

QUEUES: tuple[Metric, ...] = (
    gauge(
        "ztrade_queue_messages",
        "queue",
        "Messages that wait in a queue, all its priorities included.",
        "Above 1 for an agent's queue for longer than its interval: the worker does not keep up.",
    ),
    gauge(
        "ztrade_queue_oldest_message_age_seconds",
        "queue",
        "Wall seconds since the oldest waiting message was sent; 0 for an empty queue.",
        "The alert on queues: a short queue that nobody empties is worse than a long one.",
    ),
    gauge(
        "ztrade_unacked_messages",
        "agent",
        "Messages that the agent's worker has taken and not acknowledged.",
        "Normally 0, as a message is acknowledged when its task begins; what stays is redelivered after a while.",
    ),
    gauge(
        "ztrade_unacked_oldest_age_seconds",
        "agent",
        "Wall seconds since the oldest of them was taken; 0 for none.",
        "Above a minute its worker died, or hangs, between taking a message and beginning its task.",
    ),
)

WORKERS: tuple[Metric, ...] = (
    gauge(
        "ztrade_worker_up",
        "agent",
        "1 while the agent's worker process lives and reports; 0 also for one never seen.",
        "0: systemctl status ztrade-worker@AGENT.",
    ),
    gauge(
        "ztrade_worker_consuming",
        "agent",
        "1 while the agent's worker takes messages or runs a cycle.",
        "0 with up 1 is a deaf worker: the watchdog restarts it, else you do.",
    ),
    gauge(
        "ztrade_worker_last_ask_age_seconds",
        "agent",
        "Wall seconds since the worker last asked Redis for a message, or ran one.",
        "Normally under 5; above 10 consuming turns 0.",
    ),
    gauge(
        "ztrade_worker_start_timestamp_seconds",
        "agent",
        "When the worker's main process started, Unix time; absent while it does not report.",
        "Lay restarts over other graphs with changes().",
    ),
    gauge(
        "ztrade_worker_memory_bytes",
        "agent process",
        "Proportional set size of the worker's main process and its child, measured by itself.",
        "Compare with MemoryMax of the unit; a slope over days is a leak.",
    ),
    gauge(
        "ztrade_worker_watchdog_healthy",
        "agent",
        "1 while the worker's own watchdog is fed.",
        "0: systemd restarts the worker within WatchdogSec.",
    ),
    counter(
        "ztrade_worker_broker_reconnects_total",
        "agent",
        "Connections to Redis that the worker lost and made anew.",
        "A rate without restarts of Redis is a network or a client limit.",
    ),
    counter(
        "ztrade_worker_child_deaths_total",
        "agent cause",
        "Ends of the process that runs cycles: exit, signal, memory, time_limit.",
        "Any but a planned exit cost a cycle: the journal says which one.",
    ),
    gauge(
        "ztrade_beat_up",
        "",
        "1 while beat looks at the schedule.",
        "0: no slot is rung for; systemctl status ztrade-beat.",
    ),
    gauge("ztrade_beat_last_tick_age_seconds", "", "Wall seconds since beat last came round.", "Normally under 2."),
    gauge(
        "ztrade_beat_last_publish_age_seconds",
        "",
        "Wall seconds since beat last sent a slot or a settlement; a restart of beat does not forget it.",
        "In market hours never longer than the shortest interval of an agent.",
    ),
    gauge(
        "ztrade_keeper_up",
        "",
        "1 while the keeper comes round.",
        "0: nobody reconciles, flattens or tells people; systemctl status ztrade-keeper.",
    ),
    gauge(
        "ztrade_unit_active",
        "unit",
        "1 while systemd calls the unit active; only where systemd is in charge.",
        "0 for a unit that should run: systemctl status of it.",
    ),
    counter(
        "ztrade_unit_restarts_total",
        "unit",
        "Restarts by systemd since the unit was started by a person.",
        "A storm of them is the alert; one now and then is not.",
    ),
)

CONFIG: tuple[Metric, ...] = (
    gauge(
        "ztrade_config_valid",
        "",
        "1 while the files of the configuration can be read, 0 from a mistake in one until it is mended.",
        "0: all goes on by what the files said before, and what restarts does not start. See ztrade config check.",
    ),
    gauge(
        "ztrade_config_current",
        "program",
        "1 while a program runs on the files as they are, 0 once one has changed since it started.",
        "0: restart it; until then it neither rings for nor watches what is new.",
    ),
)

REDIS: tuple[Metric, ...] = (
    gauge(
        "ztrade_redis_up", "", "1 while Redis answers.", "0: slots run late or are missed; the keeper and exits go on."
    ),
    gauge(
        "ztrade_redis_memory_bytes",
        "",
        "Memory that Redis uses for data.",
        "Against the limit: at 90 % somebody must look.",
    ),
    gauge(
        "ztrade_redis_memory_limit_bytes",
        "",
        "maxmemory; 0 where there is no limit.",
        "0 on a small machine lets Redis take it all.",
    ),
    gauge(
        "ztrade_redis_safe",
        "",
        "1 while Redis evicts nothing, keeps a file on disk, and its last write to it went well.",
        "0: ztrade doctor says which of them, and the mend.",
    ),
    gauge(
        "ztrade_redis_last_save_age_seconds",
        "",
        "Wall seconds since the last snapshot was written.",
        "With the append-only file on it may be old; without, it is what a crash loses.",
    ),
    counter(
        "ztrade_redis_evicted_keys_total",
        "",
        "Keys that Redis threw away to make room.",
        "Any is a lost message: set maxmemory-policy noeviction.",
    ),
    gauge(
        "ztrade_redis_clients",
        "name",
        "Connections by the name their process gave itself; `other` for those without one of ours.",
        "A worker's name missing here is proof that it is not connected.",
    ),
    gauge("ztrade_redis_blocked_clients", "", "Connections that wait for a message.", "About one per worker."),
)

JOURNAL: tuple[Metric, ...] = (
    gauge("ztrade_journal_up", "", "1 while the journal can be read.", "0: no cycle sends anything; ztrade doctor."),
    gauge(
        "ztrade_journal_size_bytes",
        "",
        "The journal with its write-ahead log.",
        "Plan the disk with its slope; a log that only grows is a reader that never ends.",
    ),
    histogram(
        "ztrade_journal_write_seconds",
        "role",
        "Duration of a transaction that writes, by the process that wrote.",
        "Above 0.1 s the disk is slow or shared.",
        WRITE,
    ),
    gauge(
        "ztrade_journal_current",
        "",
        "1 where the journal's migration is the one that this program expects.",
        "0: an upgrade was not finished; ztrade doctor.",
    ),
    gauge("ztrade_disk_free_bytes", "", "Space left where the journal is.", "The alert fires long before writes fail."),
    gauge("ztrade_disk_size_bytes", "", "Size of the file system where the journal is.", "Divide by it."),
    gauge(
        "ztrade_backup_age_seconds",
        "",
        "Wall seconds since the newest backup was written; absent where there is none.",
        "Above 26 hours the nightly backup failed.",
    ),
)

EXPORTER: tuple[Metric, ...] = (
    gauge("ztrade_build_info", "version", "Always 1.", "See which version ran when."),
    gauge(
        "ztrade_exporter_source_up",
        "source",
        "1 where a source was seen last time: events, redis, reports, units, files, config, halts, journal, exchange.",
        "0: what comes from that source is absent or old, so believe nothing of it.",
    ),
    gauge(
        "ztrade_exporter_source_age_seconds",
        "source",
        "Wall seconds since the source was last seen.",
        "Above 60 the exporter is blind there.",
    ),
    gauge(
        "ztrade_exporter_source_duration_seconds",
        "source",
        "Wall seconds that the last look took.",
        "Grows before looks come too late.",
    ),
    counter(
        "ztrade_exporter_events_total",
        "type",
        "Events of Celery that were counted, by type.",
        "0 with tasks running: workers send none, or Redis refuses.",
    ),
    counter(
        "ztrade_exporter_events_lost_total",
        "",
        "Tasks that workers say they began and whose event never came.",
        "Where it grows, the ztrade_task metrics are too low by as much.",
    ),
    counter(
        "ztrade_exporter_events_unknown_total",
        "",
        "Events of a type, task or agent that nobody configured.",
        "Somebody else uses this Redis, or an agent's file is gone.",
    ),
    histogram(
        "ztrade_exporter_scrape_seconds",
        "",
        "Duration of answering a scrape.",
        "Milliseconds; more means too many series.",
        (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5),
    ),
)

METRICS: tuple[Metric, ...] = (*TASKS, *QUEUES, *WORKERS, *CONFIG, *REDIS, *JOURNAL, *EXPORTER)
