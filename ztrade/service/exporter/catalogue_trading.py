"""Metrics of trading: slots and their outcomes, money, orders, the exchange, objectives, messages for people."""

from __future__ import annotations

from ztrade.domain.spread import ANSWER, LATE, SLIPPAGE
from ztrade.service.exporter.metric import Metric, counter, gauge, histogram

SLOTS: tuple[Metric, ...] = (
    gauge(
        "ztrade_agent_info",
        "agent symbol account money dry_run manual",
        "Always 1; money is real, paper or simulated, whatever the account is called.",
        "Count the real ones: none that you do not know of.",
    ),
    gauge(
        "ztrade_agent_interval_seconds",
        "agent",
        "Wall seconds between two slots of the agent.",
        "Rules take their durations from it.",
    ),
    gauge(
        "ztrade_agent_market_open",
        "agent",
        "1 from the agent's first slot of a session to the session's close, by its exchange's clock.",
        "Keeps alerts silent at night, on weekends and holidays.",
    ),
    gauge(
        "ztrade_agent_slots_without_success",
        "agent",
        "Slots due since the last one that ended well, those not yet late left out; 0 outside sessions.",
        "2 is the alert: the agent is silent in market hours.",
    ),
    gauge(
        "ztrade_agent_last_success_age_seconds",
        "agent",
        "Exchange seconds since the slot that last ended well.",
        "Read it beside market_open: a weekend is 65 hours.",
    ),
    gauge(
        "ztrade_agent_next_slot_seconds",
        "agent",
        "Exchange seconds until the agent's next slot.",
        "How long a restart may take without touching a slot.",
    ),
    counter(
        "ztrade_slots_total",
        "agent outcome",
        "Slots that have their outcome.",
        "The sum over outcomes is the schedule; failed, interrupted, missed and unknown are what did not go well.",
    ),
    counter(
        "ztrade_slots_missed_total",
        "agent cause",
        "Slots that nobody ran, by cause: beat, redis, worker, journal, exchange, other.",
        "The cause says which part to mend.",
    ),
    histogram(
        "ztrade_slot_lateness_seconds",
        "agent",
        "Wall seconds from the instant at which a slot was due to its cycle's start.",
        "Above a second the worker was busy, or started late.",
        LATE,
    ),
    histogram(
        "ztrade_slot_done_seconds",
        "agent",
        "Wall seconds from the instant at which a slot was due to its outcome.",
        "What the first objective is about.",
        LATE,
    ),
)

MONEY: tuple[Metric, ...] = (
    gauge(
        "ztrade_agent_equity_dollars",
        "agent",
        "Capital, realized and open profit, as the last cycle recorded it.",
        "The curve that people look at.",
    ),
    gauge(
        "ztrade_agent_exposure_dollars",
        "agent",
        "Value of the agent's open position at its cost.",
        "Against max_position_value.",
    ),
    gauge(
        "ztrade_agent_position_shares", "agent symbol", "Shares that the agent holds.", "0 is flat; absent is unknown."
    ),
    gauge(
        "ztrade_agent_pnl_today_dollars",
        "agent",
        "Equity now less equity before this session.",
        "What max_daily_loss limits.",
    ),
    gauge(
        "ztrade_agent_pnl_dollars",
        "agent",
        "Equity now less the agent's capital.",
        "What the agent has earned so far, on its present account.",
    ),
    gauge("ztrade_agent_drawdown_ratio", "agent", "Fall of equity from its peak.", "What max_drawdown limits."),
    gauge(
        "ztrade_limit_used_ratio",
        "agent limit",
        "Share of a limit or breaker that is used; it trips at 1.",
        "Warn at 0.8.",
    ),
    gauge(
        "ztrade_account_equity_dollars",
        "account",
        "Equity of the account, as the last cycle recorded it.",
        "The sum that must not fall.",
    ),
    gauge(
        "ztrade_account_cash_dollars",
        "account",
        "Cash by the journal's account book.",
        "Equal to the exchange's to the cent, else see differences.",
    ),
    gauge(
        "ztrade_account_drawdown_ratio",
        "account",
        "Fall of the account's equity from its peak.",
        "What the company-wide max_drawdown limits.",
    ),
    gauge(
        "ztrade_sentiment_score",
        "agent",
        "Sentiment of the agent's symbol in its last cycle, -1 to 1.",
        "Explains decisions; 0 for days is a source that is silent.",
    ),
    gauge(
        "ztrade_news_age_seconds",
        "agent",
        "Exchange seconds since the newest story that the last cycle knew.",
        "Days for a much-told company: the source is down.",
    ),
)

ORDERS: tuple[Metric, ...] = (
    gauge(
        "ztrade_orders_open",
        "agent state",
        "Orders that can still be filled, by state; resting stops and targets included.",
        "A position without a resting stop is unprotected.",
    ),
    counter(
        "ztrade_orders_total",
        "agent state",
        "Orders that came to an end: filled, canceled, expired, rejected.",
        "Rejected ones: read the reason with ztrade orders.",
    ),
    counter("ztrade_fills_total", "agent side", "Executions.", "Compare with what you expect of the strategy."),
    counter(
        "ztrade_refusals_total",
        "agent rule",
        "Entries that a rule of ours refused.",
        "The rule that refuses most is the limit that binds.",
    ),
    counter(
        "ztrade_unknown_outcomes_total",
        "agent",
        "Orders whose submit got no answer.",
        "Each is resolved by asking; a rate is a network or an exchange in trouble.",
    ),
    gauge(
        "ztrade_orders_unknown",
        "agent",
        "Orders of which nobody knows yet whether the exchange has them.",
        "Above 0 for longer than the objective is the alert.",
    ),
    gauge(
        "ztrade_orders_unknown_age_seconds",
        "agent",
        "Wall seconds since the oldest of them was sent; 0 for none.",
        "Above ztrade_sla_within_seconds of order_known is the alert.",
    ),
    histogram(
        "ztrade_order_answer_seconds",
        "agent",
        "Wall seconds from planning an order to knowing what became of it.",
        "Against the timeout of 15 s.",
        ANSWER,
    ),
    histogram(
        "ztrade_slippage_ratio",
        "agent",
        "Entry price paid against the decision's price; above 0 is worse.",
        "What a backtest does not know; compare with the fill model.",
        SLIPPAGE,
    ),
    gauge(
        "ztrade_reconciliation_differences",
        "agent kind",
        "Differences that the last comparison with the exchange left, by kind.",
        "unexplained is the alert.",
    ),
    gauge("ztrade_proposals_pending", "agent", "Proposals that wait for a person.", "They expire: ztrade proposals."),
    gauge(
        "ztrade_agent_halted",
        "agent",
        "1 while a halt stands, the agent's own or everybody's (ALL), whoever ordered it.",
        "ztrade release shows the reason first.",
    ),
    gauge(
        "ztrade_agent_halted_itself",
        "agent",
        "1 while the agent stands halted by itself: its keys are refused, or an order is not what was meant.",
        "The alert: nobody looks after its position but its stop; ztrade status shows the reason.",
    ),
    gauge(
        "ztrade_agent_reducing",
        "agent",
        "1 while a breaker refuses the agent's entries.",
        "Look at what tripped, then ztrade release.",
    ),
)

EXCHANGE: tuple[Metric, ...] = (
    gauge(
        "ztrade_exchange_up",
        "account",
        "1 while the exchange answers: the embedded one's clock, of others what the keeper asks every minute.",
        "0: cycles end as failed and say so; positions keep their stops there.",
    ),
    counter(
        "ztrade_exchange_requests_total",
        "account role",
        "Requests to the exchange, by the process that made them.",
        "Against the limit of 200 a minute.",
    ),
    counter(
        "ztrade_exchange_errors_total",
        "account kind",
        "Requests without a usable answer: timeout, server, throttled, denied, refused.",
        "denied is a key; throttled a budget; the rest the exchange or the network.",
    ),
    gauge(
        "ztrade_exchange_budget_left",
        "account",
        "Requests that the account may still make within this minute.",
        "Near 0 reads wait and slots run late.",
    ),
    gauge(
        "ztrade_clock_skew_seconds",
        "account",
        "This machine's clock less the exchange's; only for an exchange at wall time.",
        "Above 2 s mend NTP before quotes look stale.",
    ),
)

OBJECTIVES: tuple[Metric, ...] = (
    counter(
        "ztrade_sla_events_total",
        "agent objective",
        "What the objective counts: slots (done_in_time, not_missed), orders (order_known).",
        "The denominator of ztrade sla.",
    ),
    counter(
        "ztrade_sla_bad_total",
        "agent objective",
        "Those of them that did not meet the objective.",
        "Its rate against the budget is the burn alert.",
    ),
    gauge("ztrade_sla_objective_ratio", "objective", "The objective as configured.", "1 less it is the budget."),
    gauge(
        "ztrade_sla_within_seconds",
        "objective",
        "The wall time that an objective speaks of; not_missed has none.",
        "An order that is unknown for longer than order_known's is the alert.",
    ),
)

MESSAGES: tuple[Metric, ...] = (
    gauge(
        "ztrade_messages_waiting",
        "channel",
        "Messages for people that wait to be sent.",
        "Above 0 for minutes: the channel is down.",
    ),
    counter(
        "ztrade_messages_sent_total", "channel", "Messages that a channel took.", "None in a week: ztrade alerts test."
    ),
    counter(
        "ztrade_messages_lost_total", "channel", "Messages that were given up.", "Read them with ztrade alerts list."
    ),
    gauge("ztrade_channel_failures", "channel", "Failures of a channel in a row.", "0 is well."),
)

METRICS: tuple[Metric, ...] = (*SLOTS, *MONEY, *ORDERS, *EXCHANGE, *OBJECTIVES, *MESSAGES)
