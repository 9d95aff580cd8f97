"""``docs/reliability.md``, made from the results: nobody writes a figure of it by hand."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.faults import points
from tests.faults.catalogue import FAULTS
from tests.faults.matrix import PAIRS, Pair

Result = Mapping[str, Any]
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
- **unresolved**: an intent still planned or unknown, or a slot without its outcome, at the end;
- **other**: a difference of orders, fills, positions or cash (to the cent) between both books, a limit exceeded, an
  order after a halt, a position without a stop for longer than two slots, a claim granted twice, a cycle finished
  twice, an order that is not named after its slot;
- **recovery**: slots from the fault's on until every one ended well again (`held`, `entered` or `exited`); more than
  two is a failure.

Leases, HTTP timeouts and the waits of beat and keeper are shortened to seconds, so that a run takes seconds;
nothing else differs from what is installed. The naive version is what most people write first: a Celery task
(`acks_late`, `reject_on_worker_lost`, three retries) that asks alpaca-py for the position and submits without a
`client_order_id`. It stands beside each pair to show that the harness sees doubled and lost orders where there are
some.
"""
_NOT_HERE = """## Not in the matrix

Time is stepped here, so slots that nobody ran while Redis or beat was down are not: `tests/integration` holds the
keeper to them in running time. Neither are PostgreSQL, several agents on one account, a second machine, an early close,
or a backup of Redis restored with old messages in it (`redelivery` brings old messages without one).
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
        if not self.seeds:
            return "–"
        if len(self.seeds) == 1:
            return str(self.seeds[0])
        whole = self.seeds == list(range(self.seeds[0], self.seeds[-1] + 1))
        return f"{self.seeds[0]}–{self.seeds[-1]}" if whole else ", ".join(map(str, self.seeds))


def _sum(results: Iterable[Result], key: str) -> int:
    return sum(len(result[key]) for result in results)


def page(results: Sequence[Result], safeguards: Sequence[Result] = ()) -> str:
    """Return the page."""
    latest = {(r["pair"], r["seed"], r["naive"]): r for r in results if "failed" not in r}
    ours = [result for result in latest.values() if not result["naive"]]
    naive = [result for result in latest.values() if result["naive"]]
    parts = [_HEAD, *_totals(ours, naive), *_table(ours, naive), *_guards(safeguards), *_reproduce(ours, results)]
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


def _reproduce(ours: Sequence[Result], results: Sequence[Result]) -> Iterator[str]:
    failed = sum("failed" in result for result in results)
    took = sum(result.get("seconds", 0) for result in results)
    yield _NOT_HERE
    yield "## Reproduce\n"
    yield "```"
    yield "make faults                                            # goes on where the last run stopped"
    yield 'make faults ARGS="--runs 20 --stacks 2"'
    yield "make faults ARGS=\"--pairs 'post> kill child' --first-seed 3 --runs 1 --logs /tmp/faults\""
    yield "```\n"
    yield (
        "A seed fixes the broker and every wait of the driver; the scheduling of the processes stays the machine's. "
        "Results are appended to `.cache/faults/results.jsonl`, one line a run. Faults that mount, or cut the network, "
        "need root; jumps of the clock need a C compiler, cuts `iptables`."
    )
    versions = Counter(result.get("code") or "not noted" for result in ours)
    words = ", ".join(f"{name} ({count} runs)" for name, count in versions.items())
    yield f"Sources of ztrade, as `git rev-parse HEAD:ztrade` names them: {words}."
    yield (
        f"This page: {len(ours)} runs of ztrade, {took / 3600:.1f} hours of stacks, {failed} runs that the harness "
        f"could not judge and tried again, on Python {platform.python_version()} and {platform.system()}."
    )
