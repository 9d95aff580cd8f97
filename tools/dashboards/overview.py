"""The one page that a person looks at: do the agents trade, do they trade well, what is about to break."""

from __future__ import annotations

from tools.dashboards.board import FIRING, Board, Row
from tools.dashboards.expressions import grown, worst
from tools.dashboards.parts import LOSS_IS_RED, ON_OFF, PLAIN, YES, ZERO_IS_WELL, Look, bars, graph, one, timeline
from tools.dashboards.table import Column, rows

_ALERT_LABELS = "severity agent account limit queue unit channel kind objective metric"
_SINCE = f"(time() - ALERTS_FOR_STATE) and ignoring (alertstate) {FIRING}"
_OWN_HALT = 'max by (agent) (ztrade_agent_halted{agent!="ALL"})'
_ALL_HALT = '(max(ztrade_agent_halted{agent="ALL"}) or vector(0))'
_IN_TROUBLE = (
    "ztrade_worker_up == 0 or ztrade_worker_consuming == 0 or ztrade_agent_slots_without_success >= 2"
    ' or ztrade_agent_halted{agent!="ALL"} == 1 or ztrade_agent_reducing == 1'
)
#: blind is not "none": without agents in sight there is no number
_ELSE_NONE = "or 0 * count(ztrade_agent_info)"
_REAL = 'ztrade_agent_info{money="real"}'
LIMIT = Look("percentunit", ((0, "green"), (0.8, "orange"), (1, "red")), decimals=0, low=0, high=1)
_DOLLARS = Look("currencyUSD", LOSS_IS_RED, decimals=2)

NOW = Row(
    "Now",
    [
        one(
            "Alerts",
            f"count({FIRING}) or vector(0)",
            Look("none", ZERO_IS_WELL),
            "Above 0: open the alert below; its runbook says what it means, where to look and what to do.",
        ),
        one(
            "Agents in trouble",
            f"count({_IN_TROUBLE}) {_ELSE_NONE}",
            Look("none", ZERO_IS_WELL),
            "Above 0: the table's red cells say which and what is wrong; unknown is an exporter that is blind.",
        ),
        one(
            "Market",
            "max(ztrade_agent_market_open)",
            Look("none", PLAIN, {0: ("closed", "blue"), 1: ("open", "green")}),
            "Closed where you expect it open: compare the calendar with the exchange's clock, ztrade doctor.",
        ),
        one("Next slot", "min(ztrade_agent_next_slot_seconds)", Look("s", ((0, "blue"),), decimals=0)),
        one(
            "Profit today",
            f"sum(ztrade_agent_pnl_today_dollars and on (agent) {_REAL}) or sum(ztrade_agent_pnl_today_dollars)",
            _DOLLARS,
            "Of the agents with real money, else of all; below 0: compare them below; max_daily_loss stops each.",
        ),
        one(
            "Agents with real money",
            f"count({_REAL}) {_ELSE_NONE}",
            Look("none", ((0, "blue"), (1, "orange")), {0: ("none", "blue")}),
            "Not what you expect: ztrade halt, then see account and dry_run in the agents' files.",
        ),
        rows(
            "Agents",
            "agent",
            [
                Column("", "max by (agent, symbol, account, dry_run, manual) (ztrade_agent_info)", Look("none")),
                Column(
                    "Real money",
                    f"max by (agent) ({_REAL}) or 0 * max by (agent) (ztrade_agent_info)",
                    Look("none", words={0: ("no", "blue"), 1: ("YES", "orange")}),
                ),
                Column("Up", "max by (agent) (ztrade_worker_up)", Look("none", words=YES)),
                Column("Consuming", "max by (agent) (ztrade_worker_consuming)", Look("none", words=YES)),
                Column("Last success", "max by (agent) (ztrade_agent_last_success_age_seconds)", Look("s", decimals=0)),
                Column(
                    "Slots without success",
                    "max by (agent) (ztrade_agent_slots_without_success)",
                    Look("none", ((0, "green"), (1, "orange"), (2, "red"))),
                ),
                Column(
                    "Missed",
                    "sum by (agent) (round(increase(ztrade_slots_missed_total[$__range])))",
                    Look("none", ZERO_IS_WELL),
                ),
                Column(
                    "Halted", f"clamp_max({_OWN_HALT} + on () group_left () {_ALL_HALT}, 1)", Look("none", words=ON_OFF)
                ),
                Column("Reducing", "max by (agent) (ztrade_agent_reducing)", Look("none", words=ON_OFF)),
                Column("Profit today", "sum by (agent) (ztrade_agent_pnl_today_dollars)", _DOLLARS),
                Column("Limit used", "max by (agent) (ztrade_limit_used_ratio)", LIMIT),
                Column("Next slot", "min by (agent) (ztrade_agent_next_slot_seconds)", Look("s", decimals=0)),
            ],
            "Red is what needs you: click an agent's name for its page, and see there what it did and why.",
            labels=[("symbol", "Symbol"), ("account", "Account"), ("dry_run", "Dry run"), ("manual", "Manual")],
            link="/d/ztrade-agent?var-agent=${__value.raw}&${instance:queryparam}&${datasource:queryparam}&${__url_time_range}",
            size=(24, 6),
        ),
    ],
)

TRADE = Row(
    "Do the agents trade?",
    [
        timeline(
            "Slots without success",
            "max by (agent) (ztrade_agent_slots_without_success)",
            "{{agent}}",
            Look("none", ((0, "green"), (1, "orange"), (2, "red"))),
        ),
        graph(
            "Slots by outcome",
            grown("ztrade_slots_total", "outcome"),
            Look("none", decimals=0, low=0),
            size=(12, 7),
            style="bars",
            every="15m",
        ),
        graph(
            "Missed slots by cause",
            grown("ztrade_slots_missed_total", "cause"),
            Look("none", decimals=0, low=0),
            size=(12, 6),
            style="bars",
            every="15m",
        ),
        graph(
            "Slot to outcome, 95th percentile",
            worst("ztrade_slot_done_seconds", "agent"),
            Look("s", ((0, "green"), (30, "red")), low=0),
            "Above the line slots miss the objective: the agent's page shows whether they start late or run long.",
            size=(12, 6),
        ),
    ],
)

WELL = Row(
    "Do they trade well?",
    [
        graph(
            "Equity",
            {"{{agent}}": "sum by (agent) (ztrade_agent_equity_dollars)"},
            Look("currencyUSD"),
            "Compare the curves over a month, not a day: one that only falls is an agent to halt and to backtest.",
        ),
        graph(
            "Profit today",
            {"{{agent}}": "sum by (agent) (ztrade_agent_pnl_today_dollars)"},
            Look("currencyUSD"),
            "A curve that falls all day is a strategy against its market: read its reasons with ztrade cycles.",
        ),
        bars(
            "Limits used",
            "sort_desc(topk(8, max by (agent, limit) (ztrade_limit_used_ratio)))",
            "{{agent}} {{limit}}",
            LIMIT,
            "From 0.8 on decide whether the limit or the agent is wrong; at 1 the breaker trips and entries stop.",
        ),
        graph(
            "Fall from the peak",
            {"{{agent}}": "max by (agent) (ztrade_agent_drawdown_ratio)"},
            Look("percentunit", low=0),
            "What max_drawdown limits: a fall that does not stop is worth a halt before the breaker does it.",
            size=(12, 7),
        ),
    ],
)


BREAK = Row(
    "What is about to break?",
    [
        rows(
            "Firing alerts",
            "alertname",
            [Column("For", _SINCE, Look("s", decimals=0))],
            "Click one for the list of alerts; its runbook there says what it means, where to look and what to do.",
            heading="Alert",
            link="https://github.com/ztrade/ztrade/blob/main/docs/reference/alerts.md",
            labels=[(name, name.capitalize()) for name in _ALERT_LABELS.split()],
            size=(24, 5),
        ),
        one("Beat", "ztrade_beat_up", Look("none", words={0: ("stalled", "red"), 1: ("ticks", "green")}), height=3),
        one("Keeper", "ztrade_keeper_up", Look("none", words={0: ("stalled", "red"), 1: ("runs", "green")}), height=3),
        one(
            "Redis",
            "min(ztrade_redis_up) + (min(ztrade_redis_safe) or 0 * min(ztrade_redis_up))",
            Look("none", words={0: ("down", "red"), 1: ("unsafe", "orange"), 2: ("safe", "green")}),
            "Unsafe: ztrade doctor says what is wrong and the mend; down: slots run late or are missed, exits go on.",
            height=3,
        ),
        one(
            "Redis memory",
            "ztrade_redis_memory_bytes / (ztrade_redis_memory_limit_bytes > 0)",
            Look("percentunit", ((0, "green"), (0.75, "orange"), (0.9, "red")), decimals=0),
            "From 90 % on Redis soon refuses messages: see which queue grows, then raise maxmemory.",
            height=3,
            absent="no limit",
        ),
        one(
            "Journal",
            "min(ztrade_journal_up) + (min(ztrade_journal_current) or 0 * min(ztrade_journal_up))",
            Look("none", words={0: ("down", "red"), 1: ("old", "orange"), 2: ("fine", "green")}),
            "Down: no cycle sends anything; old: an upgrade was not finished; ztrade doctor says more of both.",
            height=3,
        ),
        one(
            "Exchange",
            "min(ztrade_exchange_up)",
            Look("none", words={0: ("away", "red"), 1: ("answers", "green")}),
            height=3,
        ),
        one(
            "Disk free in a week",
            "clamp_min(min(predict_linear(ztrade_disk_free_bytes[6h], 7 * 86400) / ztrade_disk_size_bytes), 0)",
            Look("percentunit", ((0, "red"), (0.05, "orange"), (0.15, "green")), decimals=0),
            "What is left if the last six hours go on: make room while it is orange, before writes fail.",
            height=3,
        ),
        one(
            "Backup's age",
            "max(ztrade_backup_age_seconds)",
            Look("s", ((0, "green"), (93_600, "red")), decimals=0),
            height=3,
            absent="none",
        ),
        one(
            "Orders unknown",
            "sum(ztrade_orders_unknown)",
            Look("none", ZERO_IS_WELL),
            "Above 0 for a minute: ztrade orders shows them; the keeper asks the exchange, nobody sends again.",
            height=3,
        ),
        one(
            "Books differ",
            'sum(ztrade_reconciliation_differences{kind=~"unexplained|unprotected"})',
            Look("none", ZERO_IS_WELL),
            "Above 0: a difference, or a position without a stop; unknown: nobody compares, see the keeper's log.",
            height=3,
        ),
        one(
            "Messages stuck",
            "sum(ztrade_messages_waiting)",
            Look("none", ((0, "green"), (1, "orange"), (10, "red"))),
            "Above 0 for minutes a channel is down, and you read this instead: ztrade alerts test shows its error.",
            height=3,
            absent="no channel",
        ),
        one(
            "Exporter blind",
            "count(ztrade_exporter_source_up == 0) or 0 * max(up)",
            Look("none", ZERO_IS_WELL),
            "Above 0, or unknown: believe nothing of the sources that are down; systemctl status ztrade-exporter.",
            height=3,
        ),
    ],
)

BOARD = Board(
    "ztrade-overview",
    "ztrade / Overview",
    "Whether the agents trade, whether they trade well, and what is about to break.",
    [NOW, TRADE, WELL, BREAK],
)
