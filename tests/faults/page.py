"""``docs/reliability.md``, made from the results: nobody writes a figure of it by hand."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults import points
from tests.faults.catalogue import FAULTS
from tests.faults.matrix import PAIRS, Pair

Result = Mapping[str, Any]
#: the files beside the matrix' results
GUARDS, SOAKS = "safeguards.jsonl", "soaks.jsonl"
_WRONG = ("books", "limits", "bare")
_HEAD = """# Reliability: what happens when anything dies at any moment

<!-- made by `make faults` from its results; do not edit -->

The real stack (Redis or Valkey, a Celery prefork worker, beat, the keeper, the embedded exchange as a process of its
own) trades a scripted hour: an agent buys, holds, sells. In each run one process is stopped at one point of one cycle,
one fault strikes there, what a service manager would start again is started again, and the hour goes on to its end.
Then the exchange's own book is the witness, and the journal the accused:

- **doubled**: an order beyond the first of its slot and leg, or an entry beside an open position;
- **lost**: an order of ours at the exchange that the journal does not have (or the other way round), or a trade that
  the script wants and that was never made;
- **unresolved**: an intent still planned or unknown, a slot without its outcome, or one that was missed without its
  right cause, at the end;
- **other**: a difference of orders, fills, positions or cash (to the cent) between both books, a limit exceeded, an
  order after a halt, a position without a stop for longer than two slots, a claim granted twice, a cycle finished
  twice, an order that is not named after its slot;
- **recovery**: slots from the fault's on until every one ended well again (`held`, `entered` or `exited`); more than
  two is a failure.

Time is stepped, so that a run takes seconds, but for the faults whose words begin with "time runs": there an hour of
five-minute slots takes a minute and a half, a second agent trades beside the first, and every slot that was missed must
say the right cause. The journal is SQLite unless the fault says PostgreSQL (a server of the run's own). Leases, HTTP
timeouts and the waits of beat and keeper are shortened to seconds; nothing else differs from what is installed. A
program that ends by itself is started again, as a service manager does. The naive version is what most people write
first: a Celery task (`acks_late`, `reject_on_worker_lost`, three retries) that asks alpaca-py for the position and
submits without a `client_order_id`. It stands beside each pair to show that the harness sees doubled and lost orders
where there are some.
"""
_NOT_HERE = """## Not in the matrix

A second machine: a sender there cannot be ended, only waited for (ten times the grace). Two agents with one symbol on
one account, which the configuration refuses. Hardware that lies: a disk that says it has written and has not.
"""
_SOAKED = """## Soak

A month (a holiday, an early close and the end of summer time in it) of the three shipped agents with their own
strategies on a made-up market, at `--speed max`, the real stack as above with one worker per agent. From two to six
faults a session, of the kinds above and at the times that the seed chooses, strike while time goes on, half of them at
any time, half while the next order is on its way. Programs that end are started again, as a service manager does it.
At the end the books must agree to the cent, every slot must have one outcome, no leg may have been sent twice, no
intent may be unresolved, and nobody may stand halted or reducing. Breakers are set so high that none trips: nobody is
there who would release. The exchange holds no order up for longer than the grace: what comes of one that it does is
said in [safety](reference/safety.md). `other` counts differences of the books, limits exceeded, shares sold short,
positions without a stop for more than three slots of their agent, claims granted twice, and stops that nobody set.
Trouble is slots in a row that did not end well, those under a person's halt among them: stepped time runs twenty slots
a second while the person looks.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one pair of one version, added up."""

    runs: int
    doubled: int
    lost: int
    unresolved: int
    other: int
    recovery: Sequence[int]
    seeds: Sequence[int]

    @staticmethod
    def of(results: Iterable[Result]) -> Row:
        known = [result for result in results if "failed" not in result]
        doubled, lost, unresolved = (_sum(known, key) for key in ("doubled", "lost", "unresolved"))
        other = sum(_sum(known, key) for key in _WRONG)
        recovery = [result["recovery"] for result in known]
        seeds = sorted(result["seed"] for result in known)
        return Row(len(known), doubled, lost, unresolved, other, recovery, seeds)

    @property
    def recovered(self) -> str:
        return f"{median(self.recovery):g} / {max(self.recovery)}" if self.recovery else "–"

    @property
    def seeded(self) -> str:
        rows = groupby(enumerate(self.seeds), lambda numbered: numbered[1] - numbered[0])
        spans = [[seed for _, seed in row] for _, row in rows]
        return ", ".join(f"{span[0]}–{span[-1]}" if len(span) > 1 else str(span[0]) for span in spans) or "–"


def _sum(results: Iterable[Result], key: str) -> int:
    return sum(len(result[key]) for result in results)


def read(results: Path) -> list[dict[str, Any]]:
    """Return the results so far; a line that a crash cut short is left out."""
    found = []
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def write(to: Path, results: Path) -> None:
    """Write the page from the matrix' results, and from what lies beside them."""
    beside = [read(results.with_name(name)) for name in (GUARDS, SOAKS)]
    to.write_text(page(read(results), *beside), encoding="utf-8")


def page(results: Sequence[Result], safeguards: Sequence[Result] = (), soaks: Sequence[Result] = ()) -> str:
    """Return the page."""
    latest = {(r["pair"], r["seed"], r["naive"]): r for r in results if "failed" not in r}
    ours = [result for result in latest.values() if not result["naive"]]
    naive = [result for result in latest.values() if result["naive"]]
    parts = [
        _HEAD,
        *_totals(ours, naive),
        *_mended(results),
        *_table(ours, naive),
        *_guards(safeguards),
        *_soaks(soaks),
        *_reproduce(ours, results),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _totals(ours: Sequence[Result], naive: Sequence[Result]) -> Iterator[str]:
    yield "## Totals\n"
    yield "| version | pairs | runs | doubled | lost | unresolved | other | runs with recovery over 2 slots |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, results in (("ztrade", ours), ("naive", naive)):
        row, pairs = Row.of(results), len({result["pair"] for result in results})
        late = sum(slots > 2 for slots in row.recovery) if results is ours else "–"
        cells = (name, pairs, row.runs, row.doubled, row.lost, row.unresolved, row.other, late)
        yield f"| {' | '.join(map(str, cells))} |"
    unsound = sorted({f"`{r['pair']}` seed {r['seed']}" for r in ours if not r["sound"]})
    yield f"\nUnsound runs of ztrade: {', '.join(unsound) or 'none'}."
    kinds = sorted({result["redis"] for result in ours})
    yield f"Message brokers used in turn, by seed: {', '.join(kinds)}.\n"


def _mended(results: Sequence[Result]) -> Iterator[str]:
    """Yield what was once found unsound and is not any more: nothing that was seen is forgotten."""
    judged = [result for result in results if "failed" not in result and not result["naive"]]
    last = {(result["pair"], result["seed"]): result for result in judged}
    mended = [r for r in judged if not r["sound"] and last[r["pair"], r["seed"]]["sound"]]
    if mended:
        words = (f"`{r['pair']}` seed {r['seed']} ({_seen(r)}; code `{r.get('code') or 'not noted'}`)" for r in mended)
        yield f"Found unsound before, mended, and run again: {'; '.join(words)}.\n"


def _table(ours: Sequence[Result], naive: Sequence[Result]) -> Iterator[str]:
    yield "## Every pair\n"
    yield (
        "| pair | point | fault | runs | doubled | lost | unresolved | other | recovery, median / worst | seeds "
        "| naive: runs | doubled | lost | unresolved |"
    )
    yield "|" + "---|" * 14
    yield from (_line(pair, ours, naive) for pair in PAIRS)
    yield ""


def _line(pair: Pair, ours: Sequence[Result], naive: Sequence[Result]) -> str:
    mine = Row.of(r for r in ours if r["pair"] == pair.name)
    theirs = Row.of(r for r in naive if r["pair"] == pair.name)
    cells: list[object] = [f"`{pair.name}`", points.words(pair.point), FAULTS[pair.fault].words, mine.runs]
    cells += [mine.doubled, mine.lost, mine.unresolved, mine.other, mine.recovered, mine.seeded]
    cells += [theirs.runs, theirs.doubled, theirs.lost, theirs.unresolved] if theirs.runs else ["–"] * 4
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _guards(results: Sequence[Result]) -> Iterator[str]:
    """Yield which pairs catch the removal of which safeguard."""
    if not results:
        return
    yield "## Each safeguard removed\n"
    names = list(dict.fromkeys(result["guard"] for result in results))
    caught_at_all = {result["guard"] for result in results if not result.get("sound")}
    yield (
        "Pairs on copies of ztrade from which one safeguard was taken out (`python -m tests.faults.safeguards`). "
        f"The matrix caught {len(caught_at_all)} of {len(names)}. A pair that stays sound "
        "without one was held by the others.\n"
    )
    yield "| removed | pairs run | caught by | what was seen |"
    yield "|---|---|---|---|"
    for name in names:
        mine = [result for result in results if result["guard"] == name]
        caught = [result for result in mine if not result.get("sound")]
        pairs = ", ".join(f"`{pair}`" for pair in sorted({result["pair"] for result in caught}))
        seen = "; ".join(dict.fromkeys(_seen(result) for result in caught))
        yield f"| {name} | {len({r['pair'] for r in mine})} | {pairs or 'nothing'} | {seen or '–'} |"
    yield ""


def _seen(result: Result) -> str:
    keys = ("doubled", "lost", "unresolved", *_WRONG)
    words = [text for key in keys for text in result.get(key, ())]
    return words[0] if words else f"recovery after {result.get('recovery')} slots"


def _soaks(results: Sequence[Result]) -> Iterator[str]:
    """Yield one row per soak."""
    if not results:
        return
    yield _SOAKED
    yield (
        "| seed | days | broker | slots | orders | fills | faults | ended by themselves | doubled | lost | unresolved "
        "| other | cent for cent | longest trouble, slots | minutes | code |"
    )
    yield "|" + "---|" * 16
    yield from (_soak(result) for result in results)
    yield ""


_MORE_WRONG = (*_WRONG, "stopped")


def _soak(result: Result) -> str:
    name = f"{result['seed']} | {result['days']} from {result['start']}"
    if "failed" in result:
        return f"| {name} | {' | ' * 13}not judged: {result['failed']} |"
    counts = [len(result[key]) for key in ("doubled", "lost", "unresolved")]
    struck, ended = (sum(result[key].values()) for key in ("faults", "ended"))
    cells: list[object] = [name, result["redis"], result["slots"], result["orders"], result["fills"], struck, ended]
    cells += [*counts, sum(len(result[key]) for key in _MORE_WRONG), "no" if result["books"] else "yes"]
    cells += [result["longest_trouble"], round(result["seconds"] / 60), f"`{result['code']}`"]
    return f"| {' | '.join(map(str, cells))} |"


def _reproduce(ours: Sequence[Result], results: Sequence[Result]) -> Iterator[str]:
    failed = sum("failed" in result for result in results)
    took = sum(result.get("seconds", 0) for result in results)
    yield _NOT_HERE
    yield "## Reproduce\n"
    yield "```"
    yield "make faults                                            # goes on where the last run stopped"
    yield 'make faults ARGS="--runs 20 --stacks 2"'
    yield 'make faults ARGS="--cover --runs 20"                   # fewer pairs; every point and every fault in them'
    yield "make faults ARGS=\"--pairs 'post> kill child' --first-seed 3 --runs 1 --logs /tmp/faults\""
    yield 'make soak ARGS="--seed 3"                              # one soak; its row joins those above'
    yield "```\n"
    yield (
        "A seed fixes the broker and every wait of the driver; the scheduling of the processes stays the machine's. "
        "Results are appended to `tests/faults/runs/results.jsonl`, a line each. Faults that mount or cut the network "
        "need root; jumps of the clock need a C compiler, cuts `iptables`."
    )
    versions = Counter(result.get("code") or "not noted" for result in ours)
    words = ", ".join(f"{name} ({count} runs)" for name, count in versions.items())
    yield f"Sources of ztrade, as `git rev-parse HEAD:ztrade` names them: {words}."
    ended = Counter(name for result in ours for name, count in result.get("ended", {}).items() for _ in range(count))
    if ended:
        words = ", ".join(f"{name} {count}" for name, count in ended.most_common())
        yield f"Programs that ended by themselves under a fault, and were started again: {words}."
    yield (
        f"This page: {len(ours)} runs of ztrade, {took / 3600:.1f} hours of stacks, {failed} runs that the harness "
        f"could not judge and tried again, on Python {platform.python_version()} and {platform.system()}."
    )
