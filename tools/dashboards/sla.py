"""The objectives: whether they are met, what is left of their budgets, and how fast it goes."""

from __future__ import annotations

from tools.dashboards.board import Board, Row
from tools.dashboards.expressions import grown
from tools.dashboards.parts import Look, bars, graph
from tools.dashboards.table import Column, rows

_LEFT = Look("percentunit", ((0, "red"), (0.001, "orange"), (0.25, "green")), decimals=1)
_BURN = ((0, "green"), (1, "orange"), (6, "red"))


def _share(window: str, by: str = "objective") -> str:
    """Return the share of events that were bad; an objective without events has none."""
    bad = f"sum by ({by}) (increase(ztrade_sla_bad_total[{window}]))"
    return f"{bad} / (sum by ({by}) (increase(ztrade_sla_events_total[{window}])) > 0)"


#: an objective of 1 leaves no budget: nothing burns, and each bad one is an alert of its own
_BUDGET = "on (objective) group_left () (1 - max by (objective) (ztrade_sla_objective_ratio) > 0)"


def _burn(window: str, by: str = "objective") -> str:
    """Return how many times faster than it may the budget goes; 1 uses it up exactly."""
    return f"({_share(window, by)}) / {_BUDGET}"


MET = Row(
    "Are the objectives met?",
    [
        rows(
            "Objectives",
            "objective",
            [
                Column("Asked", "max by (objective) (ztrade_sla_objective_ratio)", Look("percentunit", decimals=2)),
                Column("Met", f"1 - {_share('$__range')}", Look("percentunit", decimals=3)),
                Column("Budget left", f"1 - {_burn('$__range')}", _LEFT),
                Column(
                    "Bad",
                    "sum by (objective) (round(increase(ztrade_sla_bad_total[$__range])))",
                    Look("none", ((0, "green"), (1, "orange"))),
                ),
                Column(
                    "Counted",
                    "sum by (objective) (round(increase(ztrade_sla_events_total[$__range])))",
                    Look("none", decimals=0),
                ),
            ],
            "Red has no budget left in the chosen time: mend before anything else; ztrade sla names the worst slots.",
            size=(24, 5),
        ),
        bars(
            "Budget left by agent",
            f"sort(1 - {_burn('$__range', 'agent, objective')})",
            "{{agent}} {{objective}}",
            Look("percentunit", _LEFT.steps, decimals=0, low=0, high=1),
            "The lowest agent is the one to look at: its page shows whether it starts late, runs long or misses.",
        ),
        graph(
            "Budget left",
            {"{{objective}}": f"1 - {_burn('30d')}"},
            Look("percentunit", ((0, "red"), (0.001, "green")), decimals=0, high=1),
            "Of the 30 days before each instant: a steep fall is an incident, a steady one a weakness.",
            size=(12, 7),
            style="step",
            every="1h",
        ),
    ],
)

BURN = Row(
    "How fast does the budget go?",
    [
        graph(
            "Burn rate over 6 hours",
            {"{{objective}}": _burn("6h")},
            Look("none", _BURN, decimals=1, low=0),
            "1 uses the budget up exactly; above 6 for hours it is gone in days, so somebody should look today.",
            every="15m",
        ),
        graph(
            "Burn rate over 3 days",
            {"{{objective}}": _burn("3d")},
            Look("none", _BURN, decimals=1, low=0),
            "Above 1 the month will not be met unless something changes: find what the bad ones have in common.",
            every="1h",
        ),
        graph(
            "What is counted",
            grown("ztrade_sla_events_total", "objective"),
            Look("none", decimals=0, low=0),
            "Nothing in market hours: no slots became due, or the journal is not read; the figures above stand still.",
            style="bars",
            every="1h",
        ),
        graph(
            "What was bad",
            grown("ztrade_sla_bad_total", "agent", "objective"),
            Look("none", decimals=0, low=0),
            "Take the time of a bar to the agent's page, or to ztrade cycles, and read the reason.",
            style="bars",
            every="1h",
        ),
    ],
)

BOARD = Board(
    "ztrade-sla",
    "ztrade / SLA",
    "The objectives of the configuration: met or not, budget left, burn rate.",
    [MET, BURN],
    span="now-30d",
)
