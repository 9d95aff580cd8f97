"""One worker per agent: its own queues, its own process, everything heavy loaded before the first cycle."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable
from typing import Any, NoReturn

import structlog
from celery import signals
from celery.utils.nodenames import default_nodename, host_format

from ztrade.config import Config, default_environment, supervision
from ztrade.domain.agent import Agent
from ztrade.errors import ConfigError, TemporaryError
from ztrade.service import broker, forks, logs, names, watchdog
from ztrade.service.app import context_of, create_app
from ztrade.service.context import Build, build_runtime
from ztrade.service.progress import Loop, Progress
from ztrade.service.report import Reporter
from ztrade.service.settings import time_limits
from ztrade.service.worker_facts import TellingConsumer, WorkerFacts

log = structlog.get_logger("ztrade.worker")

#: one cycle computes on 500 bars: threads of the numeric libraries cost memory and bring nothing
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


#: commands that Flower sends by itself, so that workers tell it what they do
HARMLESS = frozenset({"enable_events", "heartbeat"})


def one_thread_each() -> None:
    """Keep numeric libraries from starting threads; works only before they are imported."""
    default_environment(dict.fromkeys(_THREADS, "1"))


def options(agent: Agent, level: str) -> dict[str, Any]:
    """Return the options of Celery's worker for one agent, as its command line calls them."""
    soft, hard = time_limits(agent)
    return {
        "hostname": host_format(default_nodename(f"{agent.name}@%h")),
        "queues": names.queues(agent.name),
        "concurrency": 1,
        "soft_time_limit": soft,
        "time_limit": hard,
        "without_mingle": True,  # asking all others at start has left workers connected and deaf
        "without_gossip": True,  # nobody here needs to know the others
        "task_events": True,
        "consumer_cls": TellingConsumer,
        "loglevel": level.upper(),
        "quiet": True,
    }


def run_worker(config: Config, name: str, build: Build = build_runtime) -> NoReturn:
    """Run the agent's worker until SIGTERM, which lets a running cycle finish.

    Raises:
        ConfigError: there is no such agent.
    """
    agent = config.agent(name)
    level = config.main.log.level
    logs.start(config, names.worker_role(agent.name))
    app = create_app(config, build)
    context = context_of(app)
    context.role = names.worker_role(agent.name)
    check_in_child(lambda: context.runtime.journal)
    forks.guard()
    for warning in config.warnings:
        log.warning("config_warning", warning=warning)

    def in_child(**_: Any) -> None:
        preload(context.runtime.preload)

    signals.worker_before_create_process.connect(_before_fork, weak=False)
    signals.worker_process_init.connect(in_child, weak=False)
    log.info("worker_starts", agent=agent.name, queues=names.queues(agent.name))
    if not config.main.flower.control:
        without_control()
    # not worker_main: Celery's command line loads every plug-in it finds, Flower and a shell among them, for 12 MB
    worker = app.Worker(**options(agent, level))
    _watch(worker, config, agent)
    worker.start()
    raise SystemExit(worker.exitcode or 0)


def without_control() -> None:
    """Take the commands away by which others change a worker: what it runs and takes can be asked, and no more.

    Whoever may ask may send any of them, and Redis cannot tell a question from an order to shut down.
    """
    from celery.worker.control import Panel

    for name, about in Panel.meta.items():
        if about.type == "control" and name not in HARMLESS:
            Panel.data |= {word: _refuse for word in (name, about.alias) if word}


def _refuse(_state: object, **_arguments: object) -> dict[str, str]:
    log.warning("command_refused", reason="flower.control is off")
    return {"error": "refused: flower.control is off in ztrade.toml"}


def _watch(worker: Any, config: Config, agent: Agent) -> None:
    """Tell the service manager, and the exporter, how the worker does; each judges by what it saw itself."""
    loop, told = Loop(worker), supervision()

    def progress() -> Progress:
        return Progress(
            loop.look,
            waits=names.slot_queue(agent.name),
            hard=time_limits(agent)[1],
            limit=watchdog.patience(told),
            redis=lambda: broker.silence(config.redis_url),
        )

    watchdog.watch(told, progress().judge)
    started = worker.app.now().timestamp()
    facts = WorkerFacts(worker, tasks=names.TASKS, look=loop.look, judge=progress().judge, started=started)
    facts.listen()
    Reporter(config, names.worker_role(agent.name), facts).start()


def check_in_child(look: Callable[[], object]) -> None:
    """Look in a child that ends, so that what looking loads is not kept, and raise what a person must mend.

    Raises:
        ConfigError: ``look`` raised it; an outage, or anything else, is met again by the first cycle, and recorded.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, _mistake(look))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        mistake = answer.read()
    os.waitpid(child, 0)
    if mistake:
        raise pickle.loads(mistake)  # noqa: S301 our own child's


def _mistake(look: Callable[[], object]) -> bytes:
    try:
        look()
    except ConfigError as error:
        return pickle.dumps(error)
    except Exception as error:  # noqa: BLE001 the child must end here, whatever it met
        log.warning("check_failed", reason=str(error))
    return b""


def _before_fork(**_: Any) -> None:
    """Keep the collector from writing to each object, which would copy every page that the child shares with us."""
    gc.collect()
    gc.freeze()


def preload(load: object) -> None:
    """Load what every cycle needs, in the pool's child; an outage now costs the first cycle time, not the start.

    In the child alone: loaded before the fork, the pages that a cycle touches would exist twice.
    """
    try:
        if callable(load):
            load()
    except TemporaryError as error:
        log.warning("preload_failed", reason=str(error))
