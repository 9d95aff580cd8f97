"""The ``ztrade`` command: options for all commands, commands that are imported when used, errors as one line each."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from ztrade import __version__
from ztrade.cli.context import App
from ztrade.cli.options import PATH
from ztrade.errors import ConfigError, ZtradeError

FINE, NOT_FINE, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130

#: name -> where it is, and what ``ztrade --help`` says of it without importing it
Commands = Mapping[str, tuple[str, str]]
SECTIONS: Mapping[str, Commands] = {
    "Try": {
        "demo": ("ztrade.cli.demo:demo", "Watch the whole stack trade a day on the embedded exchange."),
        "backtest": ("ztrade.cli.backtest:backtest", "Run agents over past bars in this process."),
        "exchange": ("ztrade.cli.exchange:exchange", "Serve the embedded exchange."),
        "bars": ("ztrade.cli.bars:bars", "Bring bars of other layouts into the layout that ztrade reads."),
    },
    "Look": {
        "status": ("ztrade.cli.status:status", "Show agents, positions, halts, workers on one screen."),
        "doctor": ("ztrade.cli.doctor:doctor", "Look for what would hurt, and say what mends it."),
        "cycles": ("ztrade.cli.listings:cycles", "List what each slot did, and why."),
        "orders": ("ztrade.cli.listings:orders", "List the orders that the journal knows."),
        "positions": ("ztrade.cli.listings:positions", "List positions, the journal's beside the exchange's."),
        "logs": ("ztrade.cli.logs:logs", "Show the log of a program."),
        "sentiment": ("ztrade.cli.sentiment:sentiment", "Show the news behind a decision, scored then and now."),
        "sla": ("ztrade.cli.sla:sla", "Show how a month went against the objectives."),
        "alerts": ("ztrade.cli.alerts:alerts", "Try the alert channels, list what was told."),
        "replay": ("ztrade.cli.replay:replay", "Make a cycle's decision again from its stored inputs."),
        "config": ("ztrade.cli.config:config", "Check the configuration."),
    },
    "Act": {
        "run": ("ztrade.cli.run:run", "Run one cycle of an agent now."),
        "proposals": ("ztrade.cli.proposals:proposals", "List what waits for a person."),
        "approve": ("ztrade.cli.proposals:approve", "Approve a proposal: its order is sent."),
        "reject": ("ztrade.cli.proposals:reject", "Reject a proposal."),
        "resolve": ("ztrade.cli.resolve:resolve", "Decide on an order that is not at the exchange as it was meant."),
        "halt": ("ztrade.cli.halts:halt", "Stop an agent, or all of them, from sending anything."),
        "release": ("ztrade.cli.halts:release", "Take a halt back, and what a breaker tripped."),
    },
    "Keep": {
        "backup": ("ztrade.cli.backup:backup", "Copy the journal while it is in use."),
        "restore": ("ztrade.cli.backup:restore", "Put a copy of the journal back, with everything stopped and halted."),
    },
    "Install": {
        "setup": ("ztrade.cli.setup:setup", "Set agents, keys and units up on this machine."),
        "deploy": ("ztrade.cli.deploy:deploy", "Write units or supervisor files for a virtual environment."),
    },
    "Serve": {
        "worker": ("ztrade.cli.service:worker", "Run the worker of one agent."),
        "beat": ("ztrade.cli.service:beat", "Send due slots to the workers."),
        "keeper": ("ztrade.cli.service:keeper", "Keep what must go on when Redis is down."),
        "flower": ("ztrade.cli.service:flower", "Serve Flower behind a login."),
        "exporter": ("ztrade.cli.service:exporter", "Serve metrics for Prometheus."),
        "loop": ("ztrade.cli.service:loop", "Run all agents in one process without Redis, for development."),
    },
}
#: what scripts call, and ``ztrade --help`` does not show
HIDDEN: Commands = {
    "stack": ("ztrade.cli.service:stack", ""),
    "journal-revision": ("ztrade.cli.journal:journal_revision", ""),
    "redis-acl": ("ztrade.cli.redis:redis_acl", ""),
    "redis-cli": ("ztrade.cli.redis:redis_cli", ""),
    "unit-failed": ("ztrade.cli.units:unit_failed", ""),
}
COMMANDS: Commands = {name: entry for section in (*SECTIONS.values(), HIDDEN) for name, entry in section.items()}


class LazyGroup(click.Group):
    """Imports a command when it is used; turns every error into one line and an exit code."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, words) for name, (_, words) in commands.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ZtradeError, click.ClickException, click.Abort, click.exceptions.Exit) as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            if isinstance(error, click.UsageError) and error.ctx is None and ctx.invoked_subcommand:
                # click does not say whose option lacks its argument
                error.ctx = click.Context(self, ctx, ctx.invoked_subcommand)
            raise
        except BrokenPipeError:
            raise  # click ends quietly
        except PermissionError as error:
            if ctx.params.get("debug"):
                raise
            raise Denied(error) from error
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise Unexpected(error) from error

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: object, **extra: Any
    ) -> NoReturn:
        extra["standalone_mode"] = False
        _bear_any_terminal()
        sys.exit(_to_the_end(lambda: super(LazyGroup, self).main(args, prog_name or "ztrade", **extra)))


class Unexpected(ZtradeError):
    """A mistake in ztrade itself: said in one line, with the way to see more."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"unexpected {type(error).__name__}: {error}; `ztrade --debug ...` shows where")


class Denied(ZtradeError):
    """A file that this user may not use: most often a person who has not logged in since joining the group."""

    def __init__(self, error: PermissionError) -> None:
        fix = "be root, or become a member of group ztrade-operators and log in again"
        super().__init__(f"{error.filename or 'the system'}: {error.strerror}; fix: {fix}")


def _bear_any_terminal() -> None:
    """Let a terminal that lacks a character show another: a day must not end in an error about a minus."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _to_the_end(run: Any) -> int:
    """Return the exit code of ``run`` once all it said has been read, or nobody reads on, as with ``| head``."""
    try:
        code = _outcome(run)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left in the buffer would be tried again at exit, and fail there with a message
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_FINE
    return code


def _outcome(run: Any) -> int:
    """Return the exit code of ``run``, having said in one line what went wrong."""
    try:
        code = run()
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return BAD_USAGE
    except click.UsageError as error:
        return _say(_usage(error), BAD_USAGE)
    except click.ClickException as error:
        return _say(error.format_message(), NOT_FINE)
    except ConfigError as error:
        return _say(str(error), BAD_USAGE)
    except ZtradeError as error:
        return _say(str(error) or type(error).__name__, NOT_FINE)
    return code if isinstance(code, int) else FINE


def _usage(error: click.UsageError) -> str:
    where = error.ctx.command_path if error.ctx else "ztrade"
    return f"{where}: {error.format_message()}; fix: see `{where} --help`"


def _say(message: str, code: int) -> int:
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())
    # what a server or a file says must not redraw the terminal
    click.echo(f"error: {''.join(char if char.isprintable() else ' ' for char in line)}", err=True)
    return code


@click.group("ztrade", cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="ztrade %(version)s")
@click.option("--config", metavar="FILE", type=PATH, help="The main configuration file.")
@click.option("--state", metavar="DIR", type=PATH, help="The state directory.")
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, state: Path | None, debug: bool) -> None:
    """Run autonomous trading agents unattended.

    Exit codes: 0 fine, 1 the thing asked about is not fine, 2 bad usage or configuration.
    """
    _ = debug  # read by LazyGroup.invoke
    if ctx.obj is None:
        ctx.obj = App(config, state.absolute() if state else None)


def run_command(command: click.Command) -> NoReturn:
    """Run one of the commands with this process' arguments, as ``python -m`` of its module does."""
    cli.main([str(command.name), *sys.argv[1:]])


def main() -> NoReturn:
    """Run the command line; the entry point of the ``ztrade`` script."""
    cli.main()
