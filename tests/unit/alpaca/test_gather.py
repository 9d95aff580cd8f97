"""Reads at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import pytest

from ztrade.adapters.alpaca import ThreadGather
from ztrade.errors import ExchangeUnavailable
from ztrade.ports import Gather
from ztrade.testing.gather import InlineGather

BOUND: ContextVar[str] = ContextVar("bound", default="nothing")


@pytest.fixture(params=["threads", "inline"])
def gather(request: pytest.FixtureRequest) -> Iterator[Gather]:
    """Give each implementation in turn."""
    if request.param == "inline":
        yield InlineGather()
        return
    threads = ThreadGather(4)
    yield threads
    threads.close()


def failing(error: BaseException) -> Callable[[], object]:
    """Return a call that raises."""

    def call() -> object:
        raise error

    return call


def giving(value: object) -> Callable[[], object]:
    """Return a call that gives a value."""
    return lambda: value


def test_results_and_errors_come_under_their_names(gather: Gather) -> None:
    """One call's failure is its value and costs the others nothing; the order is that of the calls."""
    down = ExchangeUnavailable("down")
    found = gather({"b": giving(1), "a": failing(down), "c": giving(None)})
    assert list(found.items()) == [("b", 1), ("a", down), ("c", None)]


def test_nothing_to_do(gather: Gather) -> None:
    """No calls, no results."""
    assert dict(gather({})) == {}


def test_calls_see_what_the_caller_bound(gather: Gather) -> None:
    """Fields bound for the log are seen inside the calls."""
    token = BOUND.set("cycle 7")
    try:
        assert gather({"seen": BOUND.get})["seen"] == "cycle 7"
    finally:
        BOUND.reset(token)


def test_more_calls_than_threads(gather: Gather) -> None:
    """All calls run, however few threads there are."""
    assert list(gather({str(number): giving(number) for number in range(50)}).values()) == list(range(50))


def test_calls_run_at_once_on_kept_threads() -> None:
    """Four calls that wait for each other all finish, and the next four run on the same threads."""
    gather = ThreadGather(4)
    together = threading.Barrier(4)

    def wait() -> object:
        together.wait(5)
        return threading.get_ident()

    first = gather({str(number): wait for number in range(4)})
    assert set(gather({str(number): wait for number in range(4)}).values()) == set(first.values())
    assert len(set(first.values())) == 4
    gather.close()


def test_it_works_in_a_forked_child_and_after_closing() -> None:
    """Threads do not survive a fork: the child starts its own."""
    gather = ThreadGather(2)
    assert gather({"a": giving(1)}) == {"a": 1}
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if gather({"a": giving(2)}) == {"a": 2} else 1
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended[0] == child, "the child hangs"
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    gather.close()
    assert gather({"a": giving(3)}) == {"a": 3}
    gather.close()
