"""Reads one after another, in the order given."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class InlineGather:
    """Twin of the thread pool: runs every call in the caller's thread. Backtests use it too."""

    def __call__(self, calls: Mapping[str, Callable[[], object]]) -> Mapping[str, object | BaseException]:
        """Return each call's result, or the exception it raised, under its name."""
        return {name: _outcome(call) for name, call in calls.items()}


def _outcome(call: Callable[[], object]) -> object | BaseException:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the caller gets every failure as a value, as from a thread
        return error
