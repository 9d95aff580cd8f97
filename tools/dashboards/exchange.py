"""The far side: the exchange, the accounts there, orders and what came of them, messages to people."""

from __future__ import annotations

from tools.dashboards.board import Board, Row
from tools.dashboards.expressions import grown, quantiles
from tools.dashboards.parts import ZERO_IS_WELL, Look, graph, timeline

_COUNT = Look("none", decimals=0, low=0)
_UP = Look("none", ((0, "red"), (1, "green")), {0: ("away", "red"), 1: ("answers", "green")})


def _by(label: str, metric: str) -> dict[str, str]:
    return {f"{{{{{label}}}}}": f"sum by ({label}) ({metric})"}


EXCHANGE = Row(
    "Does the exchange answer?",
    [
        timeline("Exchange", "max by (account) (ztrade_exchange_up)", "{{account}}", _UP),
        graph(
            "Requests a minute",
            {
                "{{account}} {{role}}": "60 * sum by (account, role)"
                " (rate(ztrade_exchange_requests_total[$__rate_interval]))"
            },
            Look("none", ((0, "green"), (200, "red")), low=0),
            "Near the line the exchange throttles: see which process asks most, and give that agent a longer interval.",
            size=(12, 7),
        ),
        graph("Errors by kind", grown("ztrade_exchange_errors_total", "kind"), _COUNT, style="bars", every="15m"),
        graph(
            "Budget left",
            {"{{account}}": "min by (account) (ztrade_exchange_budget_left)"},
            _COUNT,
        ),
        graph(
            "Clock skew",
            {"{{account}}": "max by (account) (ztrade_clock_skew_seconds)"},
            Look("s", ((-2, "green"), (2, "red"))),
        ),
        graph(
            "Answer to an order",
            quantiles("ztrade_order_answer_seconds", "6h"),
            Look("s", low=0),
            "Above 15 s a submit is given up on and asked about: see unknown orders, then the exchange's errors.",
        ),
    ],
)

ACCOUNTS = Row(
    "What do the accounts hold?",
    [
        graph(
            "Equity",
            _by("account", "ztrade_account_equity_dollars"),
            Look("currencyUSD"),
            "The sum that must not fall: a step without a fill is money moved by hand, or a difference to look into.",
        ),
        graph("Cash", _by("account", "ztrade_account_cash_dollars"), Look("currencyUSD"), style="step"),
        graph(
            "Fall from the peak",
            {"{{account}}": "max by (account) (ztrade_account_drawdown_ratio)"},
            Look("percentunit", low=0),
            "At the company-wide max_drawdown all agents stop entering: look before it is reached which one loses.",
        ),
        graph(
            "Exposure",
            _by("agent", "ztrade_agent_exposure_dollars"),
            Look("currencyUSD", low=0),
            "At 80 % of the account's equity all entries are refused: decide which agent should have the money.",
            style="step",
        ),
    ],
)

ORDERS = Row(
    "What became of the orders?",
    [
        graph("Orders open", _by("state", "ztrade_orders_open"), _COUNT, style="step"),
        graph("Orders ended", grown("ztrade_orders_total", "state"), _COUNT, style="bars", every="15m"),
        graph("Fills", grown("ztrade_fills_total", "agent"), _COUNT, style="bars", every="15m"),
        graph("Refused by rule", grown("ztrade_refusals_total", "rule"), _COUNT, style="bars", every="15m"),
        graph("Slippage", quantiles("ztrade_slippage_ratio", "1d"), Look("percentunit", decimals=3)),
        graph("Proposals", _by("agent", "ztrade_proposals_pending"), _COUNT, style="step"),
    ],
)

DOUBT = Row(
    "Is anything in doubt?",
    [
        graph(
            "Unknown orders",
            {
                "{{agent}}": "max by (agent) (ztrade_orders_unknown)",
            },
            Look("none", ZERO_IS_WELL, decimals=0, low=0),
            "Above 0 for a minute: ztrade orders shows them; send nothing by hand, the keeper asks the exchange.",
            style="step",
        ),
        graph(
            "Age of the oldest unknown order",
            {"{{agent}}": "max by (agent) (ztrade_orders_unknown_age_seconds)"},
            Look("s", ((0, "green"), (60, "red")), low=0),
            "Above the line the objective is missed: the exchange or the way to it is in trouble, see its errors.",
        ),
        graph(
            "Submits without an answer",
            grown("ztrade_unknown_outcomes_total", "agent"),
            _COUNT,
            style="bars",
            every="15m",
        ),
        graph(
            "Differences from the exchange",
            _by("kind", "ztrade_reconciliation_differences"),
            _COUNT,
            "Any unexplained one: halt, and compare ztrade positions with the exchange's own page before you release.",
            style="step",
        ),
    ],
)

MESSAGES = Row(
    "Do people hear of it?",
    [
        graph("Messages waiting", _by("channel", "ztrade_messages_waiting"), _COUNT, style="step"),
        graph(
            "Failures in a row",
            {"{{channel}}": "max by (channel) (ztrade_channel_failures)"},
            _COUNT,
            "Above 0 a channel does not take messages: ztrade alerts test shows its error.",
            style="step",
        ),
        graph("Messages sent", grown("ztrade_messages_sent_total", "channel"), _COUNT, style="bars", every="15m"),
        graph("Messages given up", grown("ztrade_messages_lost_total", "channel"), _COUNT, style="bars", every="15m"),
    ],
)

BOARD = Board(
    "ztrade-exchange",
    "ztrade / Exchange and orders",
    "The exchange, the accounts there, the orders and what came of them.",
    [EXCHANGE, ACCOUNTS, ORDERS, DOUBT, MESSAGES],
)
