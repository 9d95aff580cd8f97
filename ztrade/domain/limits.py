"""What can be wrong with an agent's settings taken together: contradictions stop, idle limits warn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ztrade.domain.agent import AccountLimits, Agent
from ztrade.domain.durations import format_duration

BASE_SPAN = timedelta(minutes=5)
SESSION = timedelta(hours=6, minutes=30)


def contradictions(agent: Agent) -> Iterator[tuple[str, str]]:
    """Yield (key, problem) for settings that cannot hold together; such an agent does not start."""
    yield from _schedule_problems(agent)
    yield from _limit_problems(agent)
    if agent.weights.sentiment + agent.weights.technical <= 0:
        yield "weights", "both weights are 0, so nothing could ever decide"
    if agent.weights.threshold >= 1:
        yield "weights.threshold", "a score can never pass 1"


def _schedule_problems(agent: Agent) -> Iterator[tuple[str, str]]:
    if agent.timeframe % BASE_SPAN or not BASE_SPAN <= agent.timeframe <= SESSION:
        yield "timeframe", f"{format_duration(agent.timeframe)} is not a multiple of 5m between 5m and 6h30m"
    if not timedelta(seconds=5) <= agent.every < SESSION:
        yield "schedule.every", f"{format_duration(agent.every)} must be from 5s to under 6h30m"
    if not timedelta(0) <= agent.delay < agent.every:
        yield "schedule.delay", f"{format_duration(agent.delay)} must be shorter than every"
    if not agent.sessions:
        yield "schedule.sessions", "names no part of the day"
    if agent.manual and agent.proposal_ttl <= timedelta(0):
        yield "proposal_ttl", "a proposal must live longer than nothing"


def _limit_problems(agent: Agent) -> Iterator[tuple[str, str]]:
    limits = agent.limits
    if limits.take_profit <= limits.price_collar / 10:
        yield "limits.take_profit", "is smaller than a tenth of price_collar: the entry's slippage alone could pass it"
    if (limits.max_daily_trades == 0) != (limits.max_open_positions == 0):
        yield "limits", "max_daily_trades and max_open_positions must both be 0 (never enter) or both above"
    if limits.max_quote_age <= timedelta(0):
        yield "limits.max_quote_age", "every quote would be stale"


def idle_limits(agent: Agent) -> Iterator[str]:
    """Yield a sentence for each limit that can never bind; such an agent starts, with a warning."""
    limits = agent.limits
    if limits.max_position_value > agent.capital:
        yield f"{agent.name}: max_position_value {limits.max_position_value} is above capital {agent.capital}"
    if limits.max_daily_loss >= agent.capital:
        yield f"{agent.name}: max_daily_loss {limits.max_daily_loss} is not under capital {agent.capital}"
    worst_day = limits.max_daily_trades * limits.max_position_value * limits.stop_loss
    if 0 < worst_day < limits.max_daily_loss:
        yield (
            f"{agent.name}: max_daily_loss {limits.max_daily_loss} is above what {limits.max_daily_trades} stopped "
            f"trades can lose ({worst_day:.2f})"
        )
    worst_trade = limits.max_position_value * limits.stop_loss
    if worst_trade > limits.max_daily_loss:
        yield (
            f"{agent.name}: one stopped trade of max_position_value loses {worst_trade:.2f}, "
            f"more than max_daily_loss {limits.max_daily_loss} lets a day lose"
        )
    if limits.min_confidence <= 0:
        yield f"{agent.name}: min_confidence {limits.min_confidence} refuses nothing"
    if limits.max_open_positions > 1:
        yield f"{agent.name}: max_open_positions {limits.max_open_positions}: an agent has one position at most"
    slots = SESSION // agent.every
    if limits.max_daily_trades > max(slots, 1):
        yield f"{agent.name}: max_daily_trades {limits.max_daily_trades} is above its {slots} slots a day"
    if limits.cooldown >= SESSION:
        yield f"{agent.name}: cooldown {format_duration(limits.cooldown)} ends every day at its first stop"


def idle_beside_account(agent: Agent, account: AccountLimits) -> Iterator[str]:
    """Yield a sentence for a limit of the agent that the account's own reaches first."""
    own, shared = agent.limits.max_daily_loss, account.max_daily_loss
    if own > shared:
        yield f"{agent.name}: max_daily_loss {own} is above the account's {shared}, which binds first"
