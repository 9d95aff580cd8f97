"""``ztrade unit-failed UNIT``: what a unit that failed makes systemd start (OnFailure=)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import click
import structlog

from ztrade.cli.context import App, pass_app
from ztrade.config import Config, failure, load_main
from ztrade.errors import ConfigError, ZtradeError

log = structlog.get_logger("ztrade.units")

#: what a person reads first
LAST_LINES = 10


@click.command("unit-failed")
@click.argument("unit")
@pass_app
def unit_failed(app: App, unit: str) -> None:
    """Tell that UNIT has failed and is not started again: in the log, and to whoever gets messages."""
    from ztrade.adapters.clock import SystemClock
    from ztrade.app.tell import tell
    from ztrade.domain.messages import Severity
    from ztrade.service import logs

    logs.configure(place=logs.Place("alert"))
    said = failure()
    lines = last_lines(said.get("invocation_id", ""))
    log.error("unit_failed", **{**said, "unit": unit, "lines": lines})
    try:
        with app.journal(_config(app)) as journal:
            text = "\n".join([describe(unit, said), *lines])
            tell(journal, SystemClock(), Severity.CRITICAL, key(unit, said), f"{unit} has failed", text)
    except ZtradeError as error:
        log.error("message_not_kept", unit=unit, error=str(error))


def _config(app: App) -> Config:
    """Return the configuration; without its agents where one of their files is wrong: that may be why the unit failed.

    Raises:
        ConfigError: the main file is wrong.
    """
    try:
        return app.config()
    except ConfigError:
        return load_main(app.config_path)


def key(unit: str, said: Mapping[str, str]) -> str:
    """Return the same key for the same failure."""
    return f"unit:{unit}:{said.get('invocation_id', '')}"


def describe(unit: str, said: Mapping[str, str]) -> str:
    """Return what systemd knows, as a sentence."""
    how = f"{said.get('exit_code', 'ended')} {said.get('exit_status', '')}".strip()
    return f"{unit}: {said.get('service_result', 'failed')} ({how}). It is not started again before a person does so."


def last_lines(invocation: str) -> list[str]:
    """Return the last lines of one run of a unit; none where the journal cannot be read."""
    if not invocation:
        return []
    which = f"_SYSTEMD_INVOCATION_ID={invocation}"
    command = ["/usr/bin/journalctl", "--namespace=*", "-q", "-o", "cat", "-n", str(LAST_LINES), which]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("journal_not_read", error=str(error))
        return []
    return found.stdout.splitlines()
