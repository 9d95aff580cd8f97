"""The composition root: which doors an agent's orders and prices go through."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from ztrade.adapters.alpaca import AlpacaExchange, AlpacaMarketData, Gateway
from ztrade.adapters.budget import Purpose, RedisBudget
from ztrade.app.desk import Desk
from ztrade.bootstrap import Runtime
from ztrade.config import EMBEDDED, hard_time_limit, load_config
from ztrade.domain.ledger import CycleKind, Proposal, ProposalState
from ztrade.domain.messages import Message, Severity
from ztrade.domain.types import Leg, OrderRequest, Side
from ztrade.errors import ExchangeUnavailable
from ztrade.service import broker
from ztrade.testing.clock import FakeClock
from ztrade.testing.journal import MemoryJournal
from ztrade.testing.redis_server import RedisServer

SHIPPED = Path(__file__).parents[2] / "deploy" / "config"


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """Return the shipped agents, of which spy trades real money."""
    return configured(tmp_path)


def configured(tmp_path: Path, redis_url: str = "") -> Runtime:
    folder = tmp_path / "etc"
    shutil.copytree(SHIPPED, folder)
    main, spy, keys = folder / "ztrade.toml", folder / "agents" / "spy.toml", folder / "credentials.toml"
    (tmp_path / "state").mkdir()
    text = main.read_text().replace("allow_live = false", "allow_live = true")
    redis = f'[redis]\nurl = "{redis_url}"\n' if redis_url else ""
    main.write_text(f'state_dir = "{tmp_path / "state"}"\n{text}{redis}')
    text = spy.read_text().replace("dry_run = true ", "dry_run = false ").replace('"paper"', '"live"')
    spy.write_text(text)
    keys.write_text('[live]\nkey_id = "AK"\nsecret_key = "s"\n')
    keys.chmod(0o600)
    return Runtime(load_config(main))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def gateway(desk: Desk) -> Gateway:
    assert isinstance(desk.exchange, AlpacaExchange)
    return desk.exchange._gateway


def addresses(desk: Desk) -> set[str]:
    """Return every address that the desk's doors lead to."""
    assert isinstance(desk.exchange, AlpacaExchange)
    assert isinstance(desk.data, AlpacaMarketData)
    found = [desk.exchange._gateway.settings, desk.data._gateway.settings]
    found += [source._source._news._gateway.settings for source in desk.sources]  # type: ignore[attr-defined]
    return {url for settings in found for url in (settings.trading_url, settings.data_url)}


def test_a_dry_run_by_hand_of_a_live_agent_knows_only_the_embedded_exchange(runtime: Runtime) -> None:
    """Orders, prices and news: no door of its desk leads to Alpaca, and its books are not the live ones."""
    live, dry = runtime.desk("spy"), runtime.desk("spy", dry_run=True)
    assert addresses(live) == {"https://api.alpaca.markets", "https://data.alpaca.markets"}
    assert addresses(dry) == {runtime.config.main.exchange.url}
    assert (live.account, dry.account) == ("live", "embedded")
    assert runtime.desk("spy").account == "live"


def test_no_argument_takes_a_dry_agent_to_alpaca(runtime: Runtime) -> None:
    """Beside a live agent, and with real keys at hand, a file's ``dry_run = true`` is the last word."""
    desk = runtime.desk("tsla", dry_run=False)
    assert desk.agent.dry_run
    assert (desk.account, addresses(desk)) == ("embedded", {runtime.config.main.exchange.url})
    assert desk.clock is runtime.clock(True)


def test_processes_share_an_accounts_requests_and_none_counts_the_embedded_ones(
    tmp_path: Path, redis: RedisServer
) -> None:
    """The exchange counts 200 a minute for the account, whoever asks: two processes count in one place."""
    made = [configured(tmp_path / str(number), redis.url) for number in range(2)]
    for runtime in made:
        budget = gateway(runtime.desk("spy"))._budget
        assert isinstance(budget, RedisBudget)
        budget.take(Purpose.ORDER)
        budget.close()
    with Redis.from_url(broker.to_redis_py(redis.url)) as client:
        (key,) = client.keys("*budget*")
        assert client.zcard(key) == 2
    assert gateway(made[0].desk("tsla"))._budget is None


def test_a_claim_outlives_the_longest_cycle(runtime: Runtime) -> None:
    """Otherwise a second worker would take over from one that is still at it."""
    for name, agent in runtime.config.agents.items():
        desk = runtime.desk(name)
        assert desk.lease > hard_time_limit(agent.every)


def test_an_unanswered_order_is_asked_for_longer_than_it_may_travel(runtime: Runtime) -> None:
    """Half of the grace is for getting to the exchange's door, half for the way through it."""
    desk = runtime.desk("spy")
    assert isinstance(desk.exchange, AlpacaExchange)
    assert desk.unknown_grace / 2 > desk.exchange._gateway.settings.submit_deadline


def test_a_proposal_is_rejected_by_the_clock_it_was_made_with(runtime: Runtime) -> None:
    """A dry run of a live agent proposed on the embedded exchange, whose day is another than today."""
    at = datetime(2022, 8, 22, 14, 0, tzinfo=UTC)
    runtime.journal = MemoryJournal()
    runtime._clocks[True] = FakeClock(at)
    claim = runtime.journal.claim("spy", at, CycleKind.SLOT, owner="test", now=at, wall=at, lease=timedelta(minutes=10))
    assert claim is not None
    request = OrderRequest("zt.spy.20220822T140000Z.entry", "SPY", Side.BUY, Decimal(1))
    until = at + timedelta(minutes=4)
    made = Proposal(
        "p1", "spy", claim.cycle_id, Leg.ENTRY, request, "why", 0.9, at, until, price=Decimal(400), account=EMBEDDED
    )
    runtime.journal.propose(claim, made)
    assert runtime.reject("p1", "ann").state is ProposalState.REJECTED


def test_writes_of_the_journal_and_requests_are_counted_where_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the journal is no write."""
    monkeypatch.setenv("ZTRADE_EXCHANGE__URL", "http://127.0.0.1:1")
    runtime = configured(tmp_path)
    list(runtime.journal.cycles())
    assert runtime.metrics.told()["spreads"] == []
    runtime.journal.post(Message("k", Severity.INFO, "t", "x", datetime(2022, 8, 22, tzinfo=UTC)))
    told: Any = runtime.metrics.told()
    ((name, labels, counts, total),) = told["spreads"]
    assert (name, labels, sum(counts)) == ("ztrade_journal_write_seconds", {}, 1)
    assert 0 < total < 10
    with pytest.raises(ExchangeUnavailable):
        runtime.desk("aapl", dry_run=True).exchange.account()
    told = runtime.metrics.told()
    names = {name for name, *_ in told["counts"]}
    assert {"ztrade_exchange_requests_total", "ztrade_exchange_errors_total"} <= names
