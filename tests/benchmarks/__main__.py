"""``python -m tests.benchmarks [NAME...]``: measure, and print every figure as a ratio against a named baseline."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module

from tests.benchmarks.figures import machine

#: name -> what it answers; each module of this name has ``measure() -> Iterator[str]``
BENCHMARKS = {
    "backtest": "how long a year of 5-minute slots takes",
    "cycle": "what one live cycle costs besides waiting, and how often it waits",
    "punctuality": "how long after its slot a cycle starts, and whether that drifts",
    "memory": "what one agent's worker holds",
    "sentiment": "how often the scorer of headlines is right, and what that costs",
}


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name]}   [{machine()}]", flush=True)
        begin = time.monotonic()
        measure: Callable[[], Iterator[object]] = import_module(f"tests.benchmarks.{name}").measure
        for line in measure():
            print(line, flush=True)
        print(f"  measured in {time.monotonic() - begin:.0f} s   [{machine()}]", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
