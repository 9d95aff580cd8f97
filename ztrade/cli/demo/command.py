"""The command: plan, start, follow, close, stop."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import click

from ztrade.adapters.clock import EmbeddedClock
from ztrade.app.report import text
from ztrade.app.report.data import AgentStory
from ztrade.cli.context import App, pass_app
from ztrade.cli.demo import closing, place
from ztrade.cli.demo.follow import Followed, Follower
from ztrade.cli.demo.plan import Plan, make_plan, read_prices
from ztrade.cli.demo.progress import Progress
from ztrade.cli.demo.view import LiveView, PlainView, View
from ztrade.cli.options import PATH, Day, Days, Speed
from ztrade.cli.output import check_writable, columns_of, to_json, warn
from ztrade.config import Config, default_state_dir, load_config
from ztrade.errors import ConfigError
from ztrade.service.share import share
from ztrade.service.stack import Stack, Started


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the demo writes: its state directory, the report, the JSON file (None: nowhere)."""

    state: Path
    report: Path
    json: Path | None


@click.command()
@click.option("--bars", type=PATH, metavar="DIR", help="Recorded bars instead of the synthetic market.")
@click.option("--news", type=PATH, metavar="FILE", help="Recorded news.")
@click.option("--synthetic", type=click.IntRange(0, 2**31 - 1), metavar="SEED", help="Seed of the synthetic market; 7.")
@click.option("--once", "days", type=Days(), help="This session (2024-05-16), or the first and last of several.")
@click.option("--from", "first", type=Day(), help="The first day of several; with --to.")
@click.option("--to", "last", type=Day(), help="The last day of several; with --from.")
@click.option("--speed", type=Speed(), default="max", show_default=True, help="Times the speed of a real day.")
@click.option("--state", type=PATH, metavar="DIR", help="Where the demo keeps its state.")
@click.option("--json", "json_file", type=PATH, metavar="FILE", help="Write both books here at the end.")
@click.option("--report", "report_file", type=PATH, metavar="FILE", help="Write the HTML report here.")
@click.option("--open/--no-open", "open_report", default=False, help="Open the report in a browser at the end.")
@pass_app
def demo(
    app: App,
    bars: Path | None,
    news: Path | None,
    synthetic: int | None,
    days: tuple[date, date] | None,
    first: date | None,
    last: date | None,
    speed: str,
    state: Path | None,
    json_file: Path | None,
    report_file: Path | None,
    open_report: bool,
) -> int:
    """Watch agents trade a day on the embedded exchange: real workers, beat, Flower; no keys, no real money.

    Exit code 1: the books disagree, a slot was missed, or a program kept dying.
    """
    app.quiet()
    days = _days(days, first, last)
    source = load_config(app.config_path or share("deploy/config") / "ztrade.toml")
    warn(source.warnings)
    root = (state or app.state or default_state_dir() / "demo").absolute()
    targets = Targets(root, report_file or root / "report.html", json_file)
    _check_targets(targets)
    calendar = app.calendar()
    plan = make_plan(source.agents, read_prices(bars, news, synthetic, calendar), days, speed, calendar)
    place.rehearse(source, plan.agents, root / place.CURRENT)
    with place.held(root) as current, interruptible():
        code = _run(plan, source, current, targets)
    if open_report:
        click.launch(str(targets.report))
    return code


def _days(days: tuple[date, date] | None, first: date | None, last: date | None) -> tuple[date, date] | None:
    if first is None and last is None:
        return days
    if days is not None:
        raise ConfigError("ztrade demo", "--once excludes --from and --to", fix="give one of them")
    if first is None or last is None or last < first:
        raise ConfigError("ztrade demo", "--from and --to need each other, in this order", fix="or use --once DAY")
    return first, last


def _check_targets(targets: Targets) -> None:
    """Refuse to trade for minutes what cannot be written afterwards."""
    if targets.json is not None and targets.json.absolute() == targets.report.absolute():
        raise ConfigError("--json", f"{targets.json} is where the report goes", fix="name another file")
    for path in (targets.report, targets.json):
        # the state directory itself is made when the demo starts
        if path is not None and (path.is_dir() or path.absolute().parent != targets.state):
            check_writable(path)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does: everything is stopped first."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(plan: Plan, source: Config, current: Path, targets: Targets) -> int:
    _stop_leftovers(current)
    place.make_room(current)
    config = place.write_config(current, source, plan.agents)
    port = urlsplit(config.main.exchange.url).port
    served = ["--port", str(port), "--state", str(current / "exchange.db")]
    stack = Stack(config, exchange_args=[*plan.exchange_arguments, *served])
    try:
        click.echo("starting Valkey, exchange, workers, beat and Flower: up to half a minute ...")
        started = stack.start()
        _greet(plan, config, started)
        return _trade(plan, config, stack, started, targets)
    finally:
        _stop(stack)


def _stop_leftovers(current: Path) -> None:
    """Stop what a demo that was killed has left running."""
    if not (current / place.MAIN).exists():
        return
    stack = Stack.of(load_config(current / place.MAIN).with_state(current))
    if any(program.state != "ABSENT" for program in stack.status()):
        click.echo("an earlier demo was killed and its stack still runs: stopping it first", err=True)
        stack.stop()


def _stop(stack: Stack) -> None:
    """Stop everything; another Ctrl-C, or a terminal that is gone, must not leave half of it running."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        with suppress(OSError):
            click.echo("stopping everything: some seconds ...", err=True)
        stack.stop()
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _greet(plan: Plan, config: Config, started: Started) -> None:
    click.echo(f"{plan.prices.words}; {closing.title(plan.sessions).removeprefix('ztrade demo, ')}; speed {plan.speed}")
    if plan.left_out:
        click.echo(f"left out, because the bars lack their symbols, or begin later: {', '.join(plan.left_out)}")
    if started.flower_url:
        password = f", password {started.flower_password}" if started.flower_password else ""
        click.echo(f"Flower: {started.flower_url} (user ztrade{password})")
    click.echo(f"look closer: ztrade --config {config.path} status | cycles | logs", nl=True)


def _trade(plan: Plan, config: Config, stack: Stack, started: Started, targets: Targets) -> int:
    from ztrade.bootstrap import Runtime

    runtime = Runtime(config)
    try:
        clock = EmbeddedClock(config.main.exchange.url)
        follower = Follower(Progress(plan, runtime.journal), plan, clock.status, stack.status, clock.advance_to)
        with _view(plan, started) as view:
            followed = follower.follow(view)
        venue = runtime.venue(next(iter(plan.agents.values())))
        end = closing.collect(plan, runtime.journal, venue.exchange, venue.data)
        clock.close()
    finally:
        runtime.close()
    _write(end, followed, targets)
    click.echo(_summary(end, followed, targets))
    return 0 if closing.is_fine(end, followed.trouble) else 1


def _view(plan: Plan, started: Started) -> View:
    if not sys.stdout.isatty():
        return PlainView()
    return LiveView(f"speed {plan.speed}", f"Flower {started.flower_url}   Ctrl-C stops everything")


def _write(end: closing.Closing, followed: Followed, targets: Targets) -> None:
    try:
        targets.report.write_text(closing.report(end, followed.trouble), encoding="utf-8")
        if targets.json is not None:
            targets.json.write_text(to_json(closing.record(end, followed.trouble)) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(error.filename), f"cannot be written: {error.strerror}") from None


def _summary(end: closing.Closing, followed: Followed, targets: Targets) -> str:
    lines = ["", columns_of([("agent", "slots", "entries", "exits", "P&L", "holds"), *map(_agent, end.stories)]), ""]
    gain = end.exchange.equity - end.start_cash
    lines.append(
        f"equity {text.money(end.exchange.equity)} ({text.signed(gain)}, fees {text.money(end.exchange.fees)})"
    )
    lines += [f"trouble: {one}" for one in followed.trouble]
    lines += end.missed_words
    lines += [f"the books differ: {one}" for one in end.differences]
    if not end.differences:
        count = f"{len(end.journal.orders)} orders, {len(end.journal.fills)} fills"
        lines.append(f"journal and exchange agree to the cent: {count}, positions, cash")
    lines.append(f"report: {targets.report}")
    return "\n".join(lines)


def _agent(story: AgentStory) -> Sequence[str]:
    sides = [{fill.order_id for fill in story.fills if fill.side == side} for side in ("buy", "sell")]
    return (
        story.agent.name,
        str(len(story.cycles)),
        str(len(sides[0])),
        str(len(sides[1])),
        text.signed(story.realized + story.unrealized),
        f"{text.quantity(story.holding.qty)} {story.agent.symbol}" if story.holding.qty else "nothing",
    )
