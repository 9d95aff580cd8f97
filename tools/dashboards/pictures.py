"""``python -m tools.dashboards.pictures FOLDER``: draw the dashboards, as a person without Grafana may look at them.

Without ``--prometheus`` they show the sample day, from a Prometheus started for it.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from tools.dashboards.__main__ import BOARDS
from tools.dashboards.ask import Asking, PrometheusError, stored
from tools.dashboards.board import Board
from tools.dashboards.draw import page
from tools.dashboards.sample import BEGIN, END, INSTANCE, open_metrics

_SAMPLE = {"instance": INSTANCE, "agent": "tsla"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, and print the names of the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tools.dashboards.pictures", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prometheus", default="", help="URL of a running one, instead of the sample day")
    parser.add_argument("--until", type=int, default=END, help="Unix time of the right edge")
    parser.add_argument("--seconds", type=int, default=END - BEGIN, help="from the left edge to the right one")
    parser.add_argument("--board", choices=sorted(board.uid for board in BOARDS), help="this one alone")
    parser.add_argument("--agent", default=_SAMPLE["agent"])
    parser.add_argument("--instance", default=INSTANCE)
    given = parser.parse_args(arguments)
    variables = {"agent": given.agent, "instance": given.instance}
    begin, boards = given.until - given.seconds, [board for board in BOARDS if given.board in (None, board.uid)]
    try:
        if given.prometheus:
            drawn(given.folder, Asking(given.prometheus, begin, given.until, variables, scrape=15), boards)
        else:
            with sample_day() as url:
                drawn(given.folder, Asking(url, begin, given.until, variables), boards)
    except PrometheusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def sample_day() -> Iterator[str]:
    """Run Prometheus on the sample day; give its URL. Raises PrometheusError."""
    with (
        tempfile.TemporaryDirectory(prefix="ztrade-pictures-") as folder,
        stored(Path(folder), open_metrics(), free_port()) as url,
    ):
        yield url


def drawn(folder: Path, asking: Asking, boards: Sequence[Board]) -> None:
    """Write one picture for each dashboard."""
    folder.mkdir(parents=True, exist_ok=True)
    for board in boards:
        path = folder / f"{board.uid}.png"
        saved(page(json.loads(board.text()), asking), path)
        print(path)


def saved(figure: Figure, path: Path) -> None:
    """Write a picture of few colours, which makes it small."""
    figure.savefig(path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
