"""The reference of the dashboards: every panel with one sentence that says what to do with it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tools.dashboards.board import Board

_HEAD = """# Dashboards

Made by `make dashboards` from `tools/dashboards`, as are the files in `ops/grafana/dashboards`; a test says when they
differ. [How to install them](../how-to/grafana.md). What they ask for is in the [page of metrics](metrics.md), what
fires in the [page of alerts](alerts.md).
"""


def reference(boards: Sequence[Board]) -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(_section(board) for board in boards)])


def _section(board: Board) -> str:
    lines = [f"## {board.title}", "", f"{board.about}"]
    for panel in json.loads(board.text())["panels"]:
        if panel["type"] == "row":
            lines += ["", f"**{panel['title']}**", "", "| panel | what to do with it |", "|---|---|"]
        else:
            lines.append(f"| {panel['title']} | {panel['description']} |")
    return "\n".join([*lines, ""])
