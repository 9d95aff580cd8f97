"""``python -m tests.benchmarks [NAME[=SIZE]...]``: measure, and print every figure as a ratio against a named baseline.

``exporters=1000000`` sends a million events instead of the usual number.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module

from tests.benchmarks.figures import machine

#: name -> what it answers; each module of this name has ``measure() -> Iterator[str]``, one with a size takes it
BENCHMARKS = {
    "backtest": "how long a year of 5-minute slots takes",
    "cycle": "what one live cycle costs besides waiting, and how often it waits",
    "punctuality": "how long after its slot a cycle starts, and whether that drifts",
    "memory": "what one agent's worker holds",
    "exporters": "what exporters lose, hold, cost to scrape, and how soon they see a dead worker",
    "sentiment": "how often the scorer of headlines is right, and what that costs",
}


def main(names: list[str]) -> int:
    sizes = {name: [size] if size else [] for name, _, size in (given.partition("=") for given in names)}
    unknown = sorted(set(sizes) - set(BENCHMARKS))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in sizes or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]}   [{machine()}]", flush=True)
        begin = time.monotonic()
        measure: Callable[..., Iterator[object]] = import_module(f"tests.benchmarks.{name}").measure
        for line in measure(*sizes.get(name, [])):
            print(line, flush=True)
        print(f"  measured in {time.monotonic() - begin:.0f} s   [{machine()}]", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
