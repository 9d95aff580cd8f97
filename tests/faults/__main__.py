"""``python -m tests.faults``: run the matrix, go on where the last run stopped, and write docs/reliability.md."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Any

from tests.faults import matrix, page
from tests.faults.catalogue import FAULTS
from tests.faults.process import end_with_parent
from tests.faults.programs import warm_up
from tests.faults.scenario import run_apart

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests" / "faults" / "runs" / "results.jsonl"
PAGE = ROOT / "docs" / "reliability.md"
#: pair, seed, and whether it is the naive version's
Job = tuple[matrix.Pair, int, bool]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--pairs", default="", help="only pairs whose name contains one of these words, by comma")
    sets = parser.add_mutually_exclusive_group()
    sets.add_argument("--cut", dest="among", action="store_const", const=matrix.CUT, help="the test suite's few pairs")
    sets.add_argument(
        "--cover", dest="among", action="store_const", const=matrix.COVER,
        help=f"{len(matrix.COVER)} of the {len(matrix.PAIRS)} pairs, with every point and every fault among them",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=20, help="runs of each pair")
    parser.add_argument("--naive", type=int, default=3, help="runs of each pair of the naive version")
    parser.add_argument("--stacks", type=int, default=2, help="stacks at once")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after this long; the page is written")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="run again what was found unsound; its old line is void")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--logs", type=Path, help="keep the processes' logs and journals of unsound runs here")
    return parser.parse_args()


def done(results: Path, again: bool) -> set[tuple[str, int, bool]]:
    """Return the runs that need not be made (``again``: those found unsound do); what failed was not judged."""
    known = {(r["pair"], r["seed"], r["naive"]): r for r in page.read(results) if "failed" not in r}
    return {key for key, result in known.items() if result["sound"] or result["naive"] or not again}


def jobs(given: argparse.Namespace) -> Iterator[Job]:
    """Yield what is to be run, every pair once before any is run again."""
    pairs = matrix.chosen(given.pairs, given.among or matrix.PAIRS)
    finished = done(given.results, given.again)
    for seed in range(given.first_seed, given.first_seed + max(given.runs, given.naive)):
        for pair in pairs:
            for is_naive in (False, True):
                wanted = seed - given.first_seed < (given.naive if is_naive else given.runs)
                can = not is_naive or FAULTS[pair.fault].naive
                if wanted and can and (pair.name, seed, is_naive) not in finished:
                    yield pair, seed, is_naive


def results_of(todo: Sequence[Job], given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the results as they come, as many stacks at once as asked for, and no new one when the time is up."""
    until = time.monotonic() + given.minutes * 60
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(given.stacks, mp_context=context, initializer=end_with_parent) as pool:
        under_way: set[Future[dict[str, Any]]] = set()
        for job in todo:
            if time.monotonic() > until:
                break
            if len(under_way) >= given.stacks:
                over, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in over)
            under_way.add(pool.submit(run_apart, *job, given.logs))
        yield from (future.result() for future in as_completed(under_way))


def version() -> str:
    """Return the name that git gives the source of ztrade as it is, whatever else a commit changes."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD:ztrade"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    changed = subprocess.run(
        ["git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", "ztrade"], check=False
    ).returncode
    return f"{found}{' changed' if changed else ''}" if found else ""


def main() -> int:
    given = arguments()
    given.results.parent.mkdir(parents=True, exist_ok=True)
    todo = list(jobs(given))
    print(f"{len(todo)} runs to do", flush=True)
    warm_up()
    code = version()
    bad = sum(_note({**result, "code": code}, given.results) for result in results_of(todo, given))
    page.write(given.page, given.results)
    return 1 if bad else 0


def _note(result: dict[str, Any], results: Path) -> bool:
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    wrong = [
        f"{key}: {result[key]}" for key in ("failed", "doubled", "lost", "unresolved", "books", "limits", "bare")
        if result.get(key)
    ]  # fmt: skip
    name = f"{result['pair']} seed {result['seed']}{' naive' if result['naive'] else ''}"
    words = "; ".join(wrong) or "sound"
    print(f"{result.get('seconds')} s  {name}: {words}, recovery {result.get('recovery')}", flush=True)
    return not result["naive"] and not result.get("sound")


if __name__ == "__main__":
    sys.exit(main())
