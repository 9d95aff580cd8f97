"""What a benchmark prints: a figure, beside what it is compared with in the same run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and its baseline, both in ``unit``; ``aim`` says in words what was asked for."""

    what: str
    value: float
    baseline: float
    named: str
    unit: str
    aim: str = ""

    def __str__(self) -> str:
        ratio = self.value / self.baseline if self.baseline else float("nan")
        aim = f"   (aim: {self.aim})" if self.aim else ""
        return (
            f"  {self.what}: {ratio:.{2 if abs(ratio) >= 0.01 else 4}f} x {self.named}"
            f"   [{self.value:,.2f} {self.unit} against {self.baseline:,.2f} {self.unit}]{aim}"
        )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def machine() -> str:
    """Return the machine and how busy it is, without which no figure means anything."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{psutil.cpu_count()} CPUs, load {load}"
