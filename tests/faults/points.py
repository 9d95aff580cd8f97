"""The steps of a cycle, before and after each of which a run can be stopped."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults import plan
from tests.faults.stops import Point


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the cycle: the door at which it is seen, and its words on the page."""

    label: str
    words: str
    slot: int = plan.ENTRY
    nth: int = 1
    planned: bool = False

    def point(self, *, after: bool) -> Point:
        return Point(self.label, plan.slot(self.slot), after, self.nth, self.planned)


STEPS = {
    "claim": Step("journal.claim", "claim"),
    "settle": Step("journal.intents", "ask for what is unanswered"),
    "observe": Step("gather", "observe"),
    "decide": Step("strategy", "decide"),
    "plan": Step("journal.plan", "write the intent"),
    "check": Step("halts.reason", "last checks", planned=True),
    "post": Step("exchange.submit", "POST the entry"),
    "resolve": Step("journal.resolve", "write down the answer", planned=True),
    "finish": Step("journal.finish", "finish"),
    "hold": Step("journal.claim", "claim, a position held", slot=plan.HOLD),
    "watch": Step("gather", "observe, a position held", slot=plan.HOLD),
    "cancel": Step("exchange.cancel", "cancel the legs", slot=plan.EXIT),
    "plansell": Step("journal.plan", "write the exit's intent", slot=plan.EXIT),
    "sell": Step("exchange.submit", "POST the exit", slot=plan.EXIT),
    "sold": Step("journal.resolve", "write down the exit's answer", slot=plan.EXIT, planned=True),
    "close": Step("journal.finish", "finish the exit's slot", slot=plan.EXIT),
}


def read(name: str) -> tuple[Step, bool]:
    """Return the step of ``name<`` (before) or ``name>`` (after), and whether it is after."""
    return STEPS[name[:-1]], name.endswith(">")


def words(name: str) -> str:
    """Return a point's words."""
    step, after = read(name)
    return f"{'after' if after else 'before'}: {step.words}"
