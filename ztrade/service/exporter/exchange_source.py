"""Exchanges: the embedded one's own clock, and what the processes that have a network say of the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from redis.exceptions import RedisError

from ztrade.config import EMBEDDED, Config
from ztrade.domain.agent import Agent
from ztrade.domain.reconcile import Kind
from ztrade.domain.spread import WRITE
from ztrade.ports import Calendar
from ztrade.service import broker, names, report
from ztrade.service.asked import NOBODY
from ztrade.service.exporter import hours, money
from ztrade.service.exporter.grown import Grown
from ztrade.service.exporter.hours import Hours, Paces
from ztrade.service.exporter.source import Value

#: wall seconds after which what the keeper found says nothing any more: it asks every minute
OLD = 180.0
#: kinds of requests without a usable answer
ERRORS = ("timeout", "server", "throttled", "denied", "refused")
_REQUESTS, _ERRORS, _WRITES = (
    "ztrade_exchange_requests_total",
    "ztrade_exchange_errors_total",
    "ztrade_journal_write_seconds",
)


class ExchangeSource:
    """Implements :class:`ztrade.service.exporter.source.Source`."""

    name, every = "exchange", 5.0

    def __init__(
        self, config: Config, paces: Paces, calendar: Calendar, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._config, self._paces, self._hours, self._monotonic = config, paces, Hours(calendar), monotonic
        self._agents = [agent for _, agent in sorted(config.agents.items())]
        self._accounts = sorted({money.account_of(agent) for agent in self._agents})
        self._grown = Grown({_WRITES: WRITE})
        roles = [*(names.worker_role(agent.name) for agent in self._agents), names.KEEPER]
        self._roles = {role: report.cycles(role) for role in roles}

    def look(self) -> Iterator[Value]:
        """Return agents' hours and what is known of their exchanges; what nobody knows is left out."""
        for agent in self._agents:
            kind, switches = self._money(agent), (str(agent.dry_run).lower(), str(agent.manual).lower())
            yield "ztrade_agent_info", (agent.name, agent.symbol, money.account_of(agent), kind, *switches), 1.0
            yield from hours.values(agent, self._hours, self._paces)
        asked = self._asked()
        for account in self._accounts:
            yield from self._account(account, asked.get(account))
        yield from self._differences(asked)
        yield from self._requests()
        yield from self._budgets()

    def blind(self) -> Iterator[Value]:
        """Say nothing: what cannot be read is unknown."""
        return iter(())

    def _money(self, agent: Agent) -> str:
        """Return what the agent trades with; an account may have any name."""
        if agent.dry_run:
            return "simulated"
        return "real" if self._config.accounts[agent.account].kind == "live" else "paper"

    def _asked(self) -> Mapping[str, Mapping[str, Any]]:
        """Take all reports in; return what the keeper found lately, by account."""
        keeper: Mapping[str, Mapping[str, Any]] = {}
        for role, file in self._roles.items():
            found = report.read(self._config.state_dir, file, self._monotonic)
            if found is None:
                continue
            self._grown.take(role, found.pid, found.facts)
            accounts = found.facts.get("accounts")
            if role == names.KEEPER and isinstance(accounts, dict):
                keeper = {name: one for name, one in accounts.items() if _fresh(one, found.age)}
        return keeper

    def _account(self, account: str, found: Mapping[str, Any] | None) -> Iterator[Value]:
        if account == EMBEDDED:
            yield "ztrade_exchange_up", (account,), float(self._paces.of(dry_run=True) is not None)
        elif found is not None:
            yield "ztrade_exchange_up", (account,), float(found.get("up") is True)
            skew = report.number(found.get("skew"))
            if skew is not None:
                yield "ztrade_clock_skew_seconds", (account,), skew

    def _differences(self, asked: Mapping[str, Mapping[str, Any]]) -> Iterator[Value]:
        """Yield what the last comparison left; 0 for each agent whose account was compared."""
        counts: dict[tuple[str, str], float] = {}
        for account, found in asked.items():
            mine = [agent.name for agent in self._agents if money.account_of(agent) == account]
            if found.get("up") is not True or not mine:
                continue
            for agent in (*mine, NOBODY):
                for kind in Kind:
                    counts.setdefault((agent, str(kind)), 0.0)
            for owner, what, count in _differences(found.get("differences")):
                # who trades here no more may still hold shares: nobody's label, and not nobody's business
                series = (owner if owner in mine else NOBODY, what)
                if series in counts:
                    counts[series] += count
        for (owner, what), value in counts.items():
            yield "ztrade_reconciliation_differences", (owner, what), value

    def _requests(self) -> Iterator[Value]:
        mine = [(money.account_of(agent), names.worker_role(agent.name)) for agent in self._agents]
        requests = dict.fromkeys([*mine, *((account, names.KEEPER) for account in self._accounts)], 0.0)
        for role, labels, value in self._grown.counts(_REQUESTS):
            if labels.get("account") in self._accounts:
                requests[labels["account"], role] = value
        for (account, role), value in requests.items():
            yield _REQUESTS, (account, role), value
        errors = {(account, kind): 0.0 for account in self._accounts for kind in ERRORS}
        for _, labels, value in self._grown.counts(_ERRORS):
            series = (labels.get("account", ""), labels.get("kind", ""))
            if series in errors:
                errors[series] += value
        for (account, kind), value in errors.items():
            yield _ERRORS, (account, kind), value
        for role, _, spread in self._grown.spreads(_WRITES):
            yield _WRITES, (role,), spread

    def _budgets(self) -> Iterator[Value]:
        """Yield what is left of each account's budget; Redis that is away is another source's to tell."""
        accounts = [account for account in self._accounts if account != EMBEDDED]
        if not accounts:
            return
        most = self._config.main.alpaca.requests_per_minute
        with (
            suppress(RedisError, OSError),
            closing(broker.client(self._config.redis_url, role=names.EXPORTER)) as redis,
        ):
            seconds, micros = redis.time()
            begin = seconds * 1_000_000 + micros - 60_000_000
            for account in accounts:
                taken = int(redis.zcount(f"ztrade:budget:{account}", begin, "+inf"))
                yield "ztrade_exchange_budget_left", (account,), float(max(most - taken, 0))


def _fresh(found: object, age: float) -> bool:
    since = report.count(found.get("age")) if isinstance(found, dict) else None
    return since is not None and since + age < OLD


def _differences(rows: object) -> Iterator[tuple[str, str, float]]:
    for row in rows if isinstance(rows, list) else ():
        # one below 0 would hide as many real ones
        count = report.count(row[2]) if isinstance(row, list) and len(row) == 3 else None
        if count is not None:
            yield str(row[0]), str(row[1]), count
