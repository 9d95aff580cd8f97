"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what, why it matters, and the command that mends it.

    ``hurts`` is False for what is worth knowing and costs nobody money or sleep.
    """

    what: str
    why: str
    fix: str
    hurts: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands for a part of the evidence that could not be had, and says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Stands for a part of the evidence that should have been there: the check that ``reports`` it says so, once.

    ``reason`` is why the others are skipped.
    """

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """One question: ``needs`` names the parts of the evidence that ``run`` takes, in their order.

    ``reports`` names the part whose failure is this check's to tell; others that need it are skipped.
    """

    name: str
    about: str
    needs: tuple[str, ...]
    run: Callable[..., Iterable[Finding]]
    reports: str = ""


class State(StrEnum):
    """How a check came out."""

    FINE = "fine"
    ADVICE = "advice"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found; ``reason`` says why it was skipped."""

    check: Check
    findings: Sequence[Finding] = ()
    reason: str = ""

    @property
    def state(self) -> State:
        if self.reason:
            return State.SKIPPED
        if any(finding.hurts for finding in self.findings):
            return State.BAD
        return State.ADVICE if self.findings else State.FINE


def examine(checks: Iterable[Check], evidence: Mapping[str, Any]) -> list[Result]:
    """Run the checks; one whose evidence could not be had is skipped, with the reason."""
    return [_examine(check, evidence) for check in checks]


def _examine(check: Check, evidence: Mapping[str, Any]) -> Result:
    parts = [evidence[name] for name in check.needs]
    own = evidence.get(check.reports)
    if isinstance(own, Failed):
        return Result(check, (own.finding,))
    missing = [part.reason for part in parts if isinstance(part, Unknown | Failed)]
    return Result(check, reason=missing[0]) if missing else Result(check, tuple(check.run(*parts)))
