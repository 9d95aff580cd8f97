"""Enabling units: those that are wanted, and of the workers no others; on failure as it was before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from ztrade.errors import TemporaryError
from ztrade.service.units import Unit, call

Run = Callable[[Sequence[str]], str]


def enable(wanted: Sequence[str], before: Sequence[Unit], *, run: Run = call) -> tuple[Sequence[str], Sequence[str]]:
    """Enable units, and disable and stop workers whose agent is off; return what was enabled and what disabled.

    Args:
        wanted: the units that shall be enabled.
        before: units as systemd knows them now.
        run: calls systemctl.

    Raises:
        TemporaryError: systemd refuses; what was enabled on the way is disabled again.
    """
    on = {unit.id for unit in before if unit.is_enabled}
    fresh = [unit for unit in wanted if unit not in on]
    stale = [unit.id for unit in before if unit.agent and unit.id not in wanted and (unit.is_enabled or unit.pid)]
    run(["systemctl", "daemon-reload"])
    try:
        if fresh:
            run(["systemctl", "enable", *fresh])
        if stale:
            run(["systemctl", "disable", *stale])
            # a running cycle is finished first, which may take minutes
            run(["systemctl", "stop", "--no-block", *stale])
    except TemporaryError:
        _as_before(fresh, [unit.id for unit in before if unit.id in stale and unit.is_enabled], run)
        raise
    return fresh, stale


def _as_before(fresh: Sequence[str], stale: Sequence[str], run: Run) -> None:
    for words, units in (("disable", fresh), ("enable", stale)):
        if units:
            with suppress(TemporaryError):
                run(["systemctl", words, *units])
