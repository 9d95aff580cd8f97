"""``python -m tests.faults.safeguards``: take one safeguard out of a copy of ztrade, and see that the matrix fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests" / "faults" / "runs" / "safeguards.jsonl"


@dataclass(frozen=True, slots=True)
class Cut:
    """One text of one file, and what stands there once the safeguard is gone."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Guard:
    """A safeguard: its words, how it is taken out, and the pairs that ought to miss it."""

    name: str
    cuts: tuple[Cut, ...]
    pairs: tuple[str, ...]


_CYCLES, _TRADE, _BOOKS = "ztrade/adapters/journal/cycles.py", "ztrade/app/trade.py", "ztrade/app/books.py"
GUARDS = (
    Guard(
        "the claim's compare-and-set",
        (Cut(_CYCLES, "if verdict is not Verdict.TAKE_OVER:\n        return None",
             "if row.outcome is None:\n        return Claim(row.cycle_id, agent, slot, kind, row.token)\n"
             "    if verdict is not Verdict.TAKE_OVER:\n        return None"),),
        ("claim> redelivery", "post< redelivery", "claim> freeze child"),
    ),
    Guard(
        "the intent before the POST",
        (Cut(_TRADE, "    desk.journal.plan(claim, intent)\n", ""),
         Cut(_TRADE, "        order = _submit(desk, request)\n", "        order = _submit(desk, request)\n"
             "        desk.journal.plan(claim, intent)\n")),
        ("post> kill child", "post> kill worker", "post< 504 landed"),
    ),
    Guard(
        "the id from the slot",
        (Cut("ztrade/domain/identity.py", 'return _checked(f"zt.{agent}.{stamp(slot)}.{Leg.ENTRY}")',
             'import uuid\n\n    return f"zt.{agent}.{uuid.uuid4().hex}.entry"'),),
        ("claim< none", "post> kill child", "post< redelivery"),
    ),
    Guard(
        "adoption of what the exchange has under our id",
        (Cut(_BOOKS, "    return adopt(desk, intent, order)",
             "    desk.journal.resolve(name, IntentState.NOT_SENT)\n    return IntentState.NOT_SENT"),
         Cut(_BOOKS, "    adopt(desk, intent, order)\n    text = ", "    text = "),
         Cut(_TRADE, "        return _already_there(desk, request)", "        raise")),
        ("post> kill child", "post< 504 landed", "sell< 504 landed"),
    ),
    Guard(
        "fencing by the claim's token",
        (Cut("ztrade/adapters/journal/cycles.py",
             "    check_token(claim.cycle_id, claim.token, row.token if row else None, row.outcome if row else None)\n",
             "    assert row is not None or check_token is not None\n"),),
        ("claim> freeze child", "plan< freeze child", "finish< freeze child"),
    ),
    Guard(
        "the halt looked at again before the POST",
        (Cut(_TRADE, "        if not even_halted:\n            _check_halt(desk)\n        _check_awake",
             "        _check_awake"),),
        ("observe< halt", "decide> halt", "plan< halt", "plan> halt"),
    ),
    Guard(
        "the sure end of a sender that is not heard of",
        (Cut(_BOOKS, "    return desk.end(sender)", "    return True or desk.end(sender)"),),
        ("post< freeze long", "sell< freeze long"),
    ),
    Guard(
        "a given-up request forgotten by the kernel",
        (Cut("ztrade/adapters/alpaca/transport.py", "socket_options=_forgetful(self._read), ", ""),),
        ("post< network cut", "sell< network cut"),
    ),
)  # fmt: skip


def copy_without(guard: Guard, to: Path) -> None:
    """Copy the source and take the safeguard out.

    Raises:
        ValueError: it is not there any more.
        SyntaxError: what is left is no program.
    """
    for name in ("ztrade", "tests", "deploy"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for cut in guard.cuts:
        take_out(cut, to)


def take_out(cut: Cut, root: Path) -> None:
    """Change one text of the source under a folder. Raises as :func:`copy_without`."""
    file = root / cut.file
    text = file.read_text(encoding="utf-8")
    if text.count(cut.old) != 1:
        raise ValueError(f"{cut.file} has not once {cut.old!r}")
    without = text.replace(cut.old, cut.new)
    compile(without, cut.file, "exec")
    file.write_text(without, encoding="utf-8")


def run_without(guard: Guard) -> Iterator[dict[str, object]]:
    """Run the guard's pairs on a copy without it; yield the results."""
    with tempfile.TemporaryDirectory(prefix="zg-") as place:
        copy = Path(place)
        copy_without(guard, copy)
        results = copy / "results.jsonl"
        options = {"--pairs": ",".join(guard.pairs), "--runs": "1", "--naive": "0", "--results": str(results)}
        words = [word for option in options.items() for word in option]
        command = [sys.executable, "-m", "tests.faults", *words, "--page", str(copy / "page.md")]
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        subprocess.run(command, cwd=copy, env=environment, check=False)
        for line in results.read_text().splitlines():
            yield {"guard": guard.name, **json.loads(line)}


def main() -> None:
    """Run the guards whose name contains the argument, all without one; a guard's old results are replaced."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for guard in GUARDS:
        if wanted in guard.name:
            old = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
            kept = [result for result in old if result["guard"] != guard.name]
            found = [*kept, *run_without(guard)]
            RESULTS.write_text("".join(json.dumps(result) + "\n" for result in found), encoding="utf-8")


if __name__ == "__main__":
    main()
