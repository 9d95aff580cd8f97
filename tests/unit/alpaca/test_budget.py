"""The account's request budget: alone, shared, and with Redis gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.alpaca.doors import Time
from ztrade.adapters.budget import Budget, LocalBudget, Purpose, RedisBudget
from ztrade.errors import RateLimited
from ztrade.testing.redis_server import RedisServer


def use_up(budget: Budget, purpose: Purpose, most: int = 1000) -> int:
    """Take without waiting until it is refused and return how many were granted."""
    for count in range(most):
        try:
            budget.take(purpose, timedelta(0))
        except RateLimited:
            return count
    raise AssertionError("never refused")


def local(time: Time, per_minute: int = 10, reserved: int = 3) -> LocalBudget:
    """Return a local budget on that time."""
    return LocalBudget(per_minute, reserved, monotonic=time, sleep=time.sleep)


def test_reads_leave_a_share_to_orders() -> None:
    """Reads stop at 7 of 10; the last three are for orders and cancels."""
    budget = local(Time())
    assert use_up(budget, Purpose.READ) == 7
    assert use_up(budget, Purpose.ORDER) == 3
    assert use_up(budget, Purpose.READ) == 0


def test_no_minute_ever_holds_more_than_the_limit() -> None:
    """The window slides: however takes are spread, any 60 seconds hold at most the limit."""
    time = Time()
    budget = local(time)
    granted: list[float] = []
    for _ in range(400):
        time.now += 1.7
        try:
            budget.take(Purpose.ORDER, timedelta(0))
            granted.append(time.now)
        except RateLimited:
            continue
    assert len(granted) > 100
    assert all(later - earlier >= 60 for earlier, later in zip(granted, granted[10:], strict=False))


def test_a_short_wait_is_waited_and_a_long_one_told() -> None:
    """Within the patience the caller waits for its turn; beyond it the error says how long it would take."""
    time = Time()
    budget = local(time)
    use_up(budget, Purpose.ORDER)
    with pytest.raises(RateLimited) as caught:
        budget.take(Purpose.ORDER, timedelta(seconds=2))
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > timedelta(seconds=59)
    assert time.slept == []
    time.now += 59
    budget.take(Purpose.ORDER, timedelta(seconds=2))
    assert 0 < sum(time.slept) <= 2


def test_a_budget_of_nearly_nothing_still_lets_reads_through() -> None:
    """Where the limit is below the reserve, reads get one."""
    assert use_up(local(Time(), 2, 40), Purpose.READ) == 1


def test_threads_share_it_exactly() -> None:
    """Many threads at once get exactly the limit between them."""
    budget = LocalBudget(100, 0)
    granted: list[int] = []
    threads = [threading.Thread(target=lambda: granted.append(use_up(budget, Purpose.ORDER))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 100


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Give a running Valkey."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


def shared(server: RedisServer, account: str, time: Time | None = None) -> RedisBudget:
    """Return one process's view of the account's budget of 10 a minute, 3 of them for orders."""
    if time is None:
        return RedisBudget(server.url, account, LocalBudget(10, 3))
    return RedisBudget(server.url, account, local(time), monotonic=time, sleep=time.sleep)


def test_processes_share_one_window(redis_server: RedisServer) -> None:
    """Two budgets of one account grant together what one may; another account has its own."""
    one, two, other = (shared(redis_server, name) for name in ("a", "a", "b"))
    assert use_up(one, Purpose.READ) == 7
    assert use_up(two, Purpose.READ) == 0
    assert use_up(two, Purpose.ORDER) == 3
    assert use_up(one, Purpose.ORDER) == 0
    assert use_up(other, Purpose.READ) == 7
    for budget in (one, two, other):
        budget.close()


def test_a_refusal_says_when_a_place_is_free(redis_server: RedisServer) -> None:
    """The wait comes from Redis' clock and is within the window."""
    budget = shared(redis_server, "wait")
    use_up(budget, Purpose.ORDER)
    with pytest.raises(RateLimited) as caught:
        budget.take(Purpose.ORDER, timedelta(seconds=1))
    assert caught.value.retry_after is not None
    assert timedelta(seconds=50) < caught.value.retry_after <= timedelta(seconds=60)
    budget.close()


def test_without_redis_each_counts_alone_and_comes_back(tmp_path: Path) -> None:
    """When Redis goes, requests are still granted and still limited; when it returns, it is used again."""
    server = RedisServer(tmp_path / "gone")
    server.start()
    time = Time()
    budget, other = shared(server, "x", time), shared(server, "x")
    for _ in range(5):
        budget.take(Purpose.READ, timedelta(0))
    server.stop()
    assert use_up(budget, Purpose.READ) == 2, "what this process used before counts"
    server.start()
    assert use_up(budget, Purpose.READ) == 0, "a Redis that failed is left alone for a while"
    use_up(other, Purpose.READ)
    time.now += 61
    assert use_up(budget, Purpose.READ) == 0, "back on Redis, where the other used the window up"
    server.stop()
    budget.close()
    other.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nowhere/redis.sock", "nonsense", ""])
def test_a_redis_that_is_not_there_stops_nobody(url: str) -> None:
    """An unreachable or nonsensical URL means counting alone."""
    budget = RedisBudget(url, "x", LocalBudget(10, 3))
    assert use_up(budget, Purpose.READ) == 7
