"""``ztrade worker | beat | keeper | flower | loop``, and the hidden commands behind ``ops/celery_control.sh``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.logs import logs
from ztrade.cli.output import json_option, show, warn
from ztrade.errors import ConfigError

if TYPE_CHECKING:
    from ztrade.config import Config
    from ztrade.service.stack import Started
    from ztrade.service.states import ProgramStatus


@click.command()
@click.argument("name")
@pass_app
def worker(app: App, name: str) -> None:
    """Run the worker of agent NAME until SIGTERM; a running cycle is finished first."""
    from ztrade.lean import without

    # structlog would colour tracebacks with rich, kombu read YAML, Celery tell its memory: 6 MB that no worker needs
    with without("rich", "yaml", "psutil"):
        from ztrade.service.worker import one_thread_each, run_worker

    one_thread_each()
    run_worker(app.config(), name, app.make_runtime)


@click.command()
@pass_app
def beat(app: App) -> None:
    """Send every due slot to its agent's worker, on the exchange's calendar and clock."""
    from ztrade.service.beat import run_beat

    run_beat(app.config(), app.make_runtime)


@click.command()
@pass_app
def keeper(app: App) -> None:
    """Close missed slots, reconcile, obey halts, send messages, until SIGTERM; a second keeper is harmless."""
    from ztrade.config import supervision
    from ztrade.service import logs, names, report, watchdog
    from ztrade.service.health import Health, looker
    from ztrade.service.joined import Joined
    from ztrade.service.keeper import Keeper, run_keeper
    from ztrade.service.postmen import postmen
    from ztrade.service.worker import one_thread_each

    one_thread_each()
    config = _config_of_keeper(app)
    logs.start(config, "keeper")
    with app.runtime(config) as runtime:
        told = supervision()
        pace, turns = watchdog.Pace(watchdog.patience(told)), report.Turns()
        watchdog.watch(told, pace.judge)
        report.Reporter(config, names.KEEPER, turns).start()

        def alive(status: str) -> None:
            pace.tick(status)
            turns.tick(status)

        with postmen(runtime):
            run_keeper(Keeper(runtime, Health(looker(config)), alive=alive, joined=Joined(config.state_dir)))


def _config_of_keeper(app: App) -> Config:
    """Read the configuration; a mistake in an agent's file is told by who else would tell of it, then raised."""
    try:
        return app.config()
    except ConfigError as error:
        from ztrade.service import last_words, logs, names

        with suppress(ConfigError):
            main = app.main_file()
            logs.start(main, names.KEEPER)
            with app.runtime(main) as runtime:
                last_words.say(runtime, error)
        raise


@click.command()
@pass_app
def flower(app: App) -> None:
    """Serve Flower behind a login that is made on first start; read-only unless flower.control is on."""
    from ztrade.service.flower import run_flower

    run_flower(app.config())


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of 127.0.0.1; else exporter.port of ztrade.toml.")
@pass_app
def exporter(app: App, port: int | None) -> None:
    """Serve metrics for Prometheus at /metrics, on the socket that systemd hands over or on a port."""
    from ztrade.service import logs
    from ztrade.service.exporter.server import run_exporter

    config = app.config()
    logs.start(config, "exporter")
    with app.runtime(config) as runtime:
        run_exporter(config, runtime, port or 0)


@click.command()
@click.option("--until-finished", is_flag=True, help="Return when the embedded exchange's time has ended.")
@pass_app
def loop(app: App, until_finished: bool) -> None:
    """Run all agents in this process, without Redis: for development."""
    from ztrade.service import logs
    from ztrade.service.loop import run_loop
    from ztrade.service.worker import one_thread_each

    one_thread_each()
    config = app.config()
    logs.start(config, "loop")
    warn(config.warnings)
    with app.runtime(config) as runtime:
        run_loop(config, runtime, until_finished=until_finished)


@click.group(hidden=True)
def stack() -> None:
    """What ``ops/celery_control.sh`` calls."""


@stack.command("start")
@click.argument("exchange_args", nargs=-1, type=click.UNPROCESSED)
@pass_app
def start_stack(app: App, exchange_args: tuple[str, ...]) -> None:
    """Start the stack; EXCHANGE_ARGS (after --) go to `ztrade exchange`."""
    from ztrade.cli.exchange import check_arguments
    from ztrade.service.programs import with_source
    from ztrade.service.stack import Stack

    config = app.config()
    if exchange_args:
        check_arguments(app, with_source(exchange_args))
    warn(config.warnings)
    stack = Stack(config, exchange_args=exchange_args) if exchange_args else Stack.of(config)
    if sys.stderr.isatty():
        click.echo("starting: up to half a minute ...", err=True)
    _tell(stack.start())


@stack.command("stop")
@click.argument("names", nargs=-1)
@pass_app
def stop_stack(app: App, names: tuple[str, ...]) -> None:
    """Stop the named programs, or the whole stack; running cycles are finished first."""
    from ztrade.service.stack import Stack

    Stack.of(app.config()).stop(names)
    click.echo("stopped")


@stack.command("restart")
@click.argument("names", nargs=-1)
@pass_app
def restart_stack(app: App, names: tuple[str, ...]) -> None:
    """Restart the named programs, or the whole stack."""
    from ztrade.service.stack import Stack

    started = Stack.of(app.config()).restart(names)
    _tell(started) if started else click.echo("restarted")


@stack.command("status")
@json_option
@pass_app
def stack_status(app: App, as_json: bool) -> int:
    """Show what runs and consumes; exit 1 unless all of it does."""
    from ztrade.service.stack import Stack

    states = Stack.of(app.config()).status()
    _show(states, as_json)
    return 0 if states and all(state.fine for state in states) else 1


@stack.command("test")
@click.option("--seconds", type=click.IntRange(1, 600), default=20, show_default=True)
@json_option
@pass_app
def test_stack(app: App, seconds: float, as_json: bool) -> int:
    """Send the test task to every worker and wait for the answers; exit 1 unless all came."""
    from ztrade.service.probe import probe

    answers = probe(app.config(), seconds)
    records = [
        {"agent": a.agent, "answer": a.worker or "none", "seconds": a.seconds, "detail": a.detail} for a in answers
    ]
    show(records, ["agent", "answer", "seconds", "detail"], as_json=as_json, empty="there are no agents")
    return 0 if answers and all(answer.worker for answer in answers) else 1


stack.add_command(logs)


def _tell(started: Started) -> None:
    _show(started.programs, as_json=False)
    if started.flower_url:
        click.echo(f"Flower: {started.flower_url}, user ztrade")
    if started.flower_password:
        click.echo(f"Flower's password, shown once: {started.flower_password}")


def _show(states: Sequence[ProgramStatus], as_json: bool) -> None:
    records = [asdict(state) for state in states]
    show(records, ["name", "state", "fine", "pid", "consuming", "detail"], as_json=as_json, empty="there is nothing")


if __name__ == "__main__":
    from ztrade.cli.main import LazyGroup, cli

    class Root(LazyGroup):
        """The root command and this hidden one."""

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return stack if cmd_name == "stack" else super().get_command(ctx, cmd_name)

    Root("ztrade", params=cli.params, callback=cli.callback).main()
