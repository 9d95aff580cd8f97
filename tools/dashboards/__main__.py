"""``python -m tools.dashboards``: write the dashboards and their reference."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tools.dashboards import agent, exchange, overview, sla, workers
from tools.dashboards.page import reference

ROOT = Path(__file__).resolve().parents[2]
BOARDS = (overview.BOARD, agent.BOARD, workers.BOARD, exchange.BOARD, sla.BOARD)


def files() -> Mapping[Path, str]:
    """Return what is made: path -> text."""
    made = {
        ROOT / "ops/grafana/dashboards" / f"{board.uid.removeprefix('ztrade-')}.json": board.text() for board in BOARDS
    }
    return {**made, ROOT / "docs/reference/dashboards.md": reference(BOARDS)}


def main() -> int:
    """Write what differs, and say so."""
    for path, text in files().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
