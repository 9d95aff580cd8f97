"""One agent, from its slots down to its processes."""

from __future__ import annotations

from tools.dashboards.board import Board, Row
from tools.dashboards.expressions import grown, of, quantiles
from tools.dashboards.overview import LIMIT
from tools.dashboards.parts import LOSS_IS_RED, ON_OFF, YES, ZERO_IS_WELL, Look, bars, graph, one, timeline

_DOLLARS = Look("currencyUSD", LOSS_IS_RED, decimals=2)
_COUNT = Look("none", decimals=0, low=0)
_SECONDS = Look("s", low=0)
_NEAR = "From 0.8 on decide whether the limit or the agent is wrong; at 1 entries stop, exits go on."


_MINE = 'agent="$agent"'


def _mine(metric: str) -> str:
    """Return the metric of the chosen agent."""
    return of(metric, _MINE)


NOW = Row(
    "$agent now",
    [
        one("Consuming", f"max({_mine('ztrade_worker_consuming')})", Look("none", words=YES), width=3),
        one(
            "Slots without success",
            f"max({_mine('ztrade_agent_slots_without_success')})",
            Look("none", ((0, "green"), (1, "orange"), (2, "red"))),
            width=3,
        ),
        one(
            "Halted",
            'max(ztrade_agent_halted{agent=~"$agent|ALL"})',
            Look("none", words=ON_OFF),
            "Yes: ztrade release shows who halted it and why, before it releases.",
            width=3,
        ),
        one("Reducing", f"max({_mine('ztrade_agent_reducing')})", Look("none", words=ON_OFF), width=3),
        one(
            "Next slot",
            f"min({_mine('ztrade_agent_next_slot_seconds')})",
            Look("s", ((0, "blue"),), decimals=0),
            width=3,
        ),
        one(
            "Profit today",
            f"sum({_mine('ztrade_agent_pnl_today_dollars')})",
            _DOLLARS,
            "Below 0: see below how much of daily_loss it has used, and in ztrade cycles what it paid for.",
            width=3,
        ),
        one("Profit so far", f"sum({_mine('ztrade_agent_pnl_dollars')})", _DOLLARS, width=3),
        one(
            "Proposals",
            f"sum({_mine('ztrade_proposals_pending')})",
            Look("none", ((0, "blue"), (1, "orange"))),
            width=3,
        ),
    ],
)

SLOTS = Row(
    "Does it trade?",
    [
        graph(
            "Slots by outcome", grown("ztrade_slots_total", "outcome", only=_MINE), _COUNT, style="bars", every="15m"
        ),
        graph(
            "Missed slots by cause",
            grown("ztrade_slots_missed_total", "cause", only=_MINE),
            _COUNT,
            style="bars",
            every="15m",
        ),
        graph("Slot to start", quantiles("ztrade_slot_lateness_seconds", only=_MINE), _SECONDS),
        graph(
            "Slot to outcome",
            quantiles("ztrade_slot_done_seconds", only=_MINE),
            Look("s", ((0, "green"), (30, "red")), low=0),
            "Above the line slots miss the objective: slot to start shows whether they begin late or run long.",
        ),
        graph("Wait in the queue", quantiles("ztrade_task_queue_wait_seconds", only=_MINE), _SECONDS),
        graph("Run of a task", quantiles("ztrade_task_run_seconds", only=_MINE), _SECONDS),
    ],
)

MONEY = Row(
    "Does it trade well?",
    [
        graph(
            "Equity",
            {"equity": f"sum({_mine('ztrade_agent_equity_dollars')})"},
            Look("currencyUSD"),
            "Compare it over a month with ztrade backtest of the same days: a gap is slippage, missed slots or luck.",
        ),
        graph(
            "Profit",
            {
                "today": f"sum({_mine('ztrade_agent_pnl_today_dollars')})",
                "so far": f"sum({_mine('ztrade_agent_pnl_dollars')})",
            },
            Look("currencyUSD"),
            "Today's is what max_daily_loss limits; so far is what the agent has earned of its capital.",
        ),
        bars("Limits used", f"max by (limit) ({_mine('ztrade_limit_used_ratio')})", "{{limit}}", LIMIT, _NEAR),
        graph(
            "Fall from the peak",
            {"fall": f"max({_mine('ztrade_agent_drawdown_ratio')})"},
            Look("percentunit", low=0),
            "At max_drawdown the breaker trips: decide before it does whether the strategy still fits.",
            size=(12, 7),
        ),
        graph(
            "Position",
            {"{{symbol}}": f"sum by (symbol) ({_mine('ztrade_agent_position_shares')})"},
            Look("none"),
            style="step",
        ),
        graph(
            "Exposure",
            {"at cost": f"sum({_mine('ztrade_agent_exposure_dollars')})"},
            Look("currencyUSD", low=0),
            "Always at max_position_value: that limit, not the strategy, decides the size of its trades.",
            style="step",
        ),
        graph(
            "Sentiment",
            {"score": f"max({_mine('ztrade_sentiment_score')})"},
            Look("none", low=-1, high=1),
            style="step",
        ),
        graph("Age of the news", {"newest story": f"max({_mine('ztrade_news_age_seconds')})"}, _SECONDS),
    ],
)

ORDERS = Row(
    "Do its orders go through?",
    [
        graph("Orders open", {"{{state}}": f"sum by (state) ({_mine('ztrade_orders_open')})"}, _COUNT, style="step"),
        graph("Orders ended", grown("ztrade_orders_total", "state", only=_MINE), _COUNT, style="bars", every="15m"),
        graph("Fills", grown("ztrade_fills_total", "side", only=_MINE), _COUNT, style="bars", every="15m"),
        graph("Refused by rule", grown("ztrade_refusals_total", "rule", only=_MINE), _COUNT, style="bars", every="15m"),
        graph(
            "Answer to an order",
            quantiles("ztrade_order_answer_seconds", "6h", only=_MINE),
            _SECONDS,
            "Above 15 s a submit is given up on and asked about: see unknown orders, then the exchange's errors.",
        ),
        graph("Slippage", quantiles("ztrade_slippage_ratio", "1d", only=_MINE), Look("percentunit", decimals=3)),
        graph(
            "Unknown orders",
            {"orders": f"sum({_mine('ztrade_orders_unknown')})"},
            Look("none", ZERO_IS_WELL, decimals=0, low=0),
            "Above 0 for a minute: ztrade orders shows them; send nothing by hand, the keeper asks the exchange.",
        ),
        graph(
            "Differences from the exchange",
            {"{{kind}}": f"sum by (kind) ({_mine('ztrade_reconciliation_differences')})"},
            _COUNT,
            "Any unexplained one: halt, and compare ztrade positions with the exchange's own page before you release.",
            style="step",
        ),
    ],
)

WORKER = Row(
    "Is its worker well?",
    [
        timeline(
            "Worker consuming",
            f"max by (agent) ({_mine('ztrade_worker_consuming')})",
            "{{agent}}",
            Look("none", ((0, "red"), (1, "green")), YES),
        ),
        graph(
            "Since it last asked",
            {"age": f"max({_mine('ztrade_worker_last_ask_age_seconds')})"},
            _SECONDS,
            size=(12, 7),
        ),
        graph(
            "Memory",
            {"{{process}}": f"max by (process) ({_mine('ztrade_worker_memory_bytes')})"},
            Look("bytes", low=0),
        ),
        graph(
            "Restarts and deaths",
            {
                "restarts": f"changes({_mine('ztrade_worker_start_timestamp_seconds')}[$__interval])",
                **grown("ztrade_worker_child_deaths_total", "cause", only=_MINE),
                "broker reconnects": f"sum(increase({_mine('ztrade_worker_broker_reconnects_total')}[$__interval]))",
            },
            _COUNT,
            "Each but a planned exit may have cost a cycle: lay it over the missed slots, then read ztrade logs.",
            style="bars",
            every="15m",
        ),
    ],
)

BOARD = Board(
    "ztrade-agent",
    "ztrade / Agent",
    "One agent: its slots, its money, its orders, its worker.",
    [NOW, SLOTS, MONEY, ORDERS, WORKER],
    by_agent=True,
)
