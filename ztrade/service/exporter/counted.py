"""What was counted in the journal, as metrics: of every agent that is configured, also what is 0 so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from ztrade.app.tally import ENDS, AgentTally, Tally
from ztrade.domain.ledger import Outcome
from ztrade.domain.missed import Cause
from ztrade.domain.orders import live_parts
from ztrade.domain.risk import REFUSALS
from ztrade.domain.sla import Objective, Objectives
from ztrade.domain.types import OrderStatus, Side
from ztrade.ports import Journal
from ztrade.service.exporter.source import Value

#: how a slot's cycle may end; settlements are cycles of their own
OUTCOMES = [outcome for outcome in Outcome if outcome is not Outcome.SETTLED]
#: states in which orders rest; one that is rare is told while an order is in it
OPEN = (OrderStatus.ACCEPTED, OrderStatus.NEW, OrderStatus.HELD, OrderStatus.PARTIALLY_FILLED)


def of_agent(name: str, one: AgentTally) -> Iterator[Value]:
    """Yield what was counted of an agent."""
    for outcome in OUTCOMES:
        yield "ztrade_slots_total", (name, str(outcome)), float(one.outcomes[outcome])
    for cause in Cause:
        yield "ztrade_slots_missed_total", (name, str(cause)), float(one.missed[cause])
    # an older ztrade may have had rules of other names
    for rule in sorted({*REFUSALS, *one.refusals}):
        yield "ztrade_refusals_total", (name, rule), float(one.refusals[rule])
    for status in ENDS:
        yield "ztrade_orders_total", (name, str(status)), float(one.ended[status])
    yield "ztrade_unknown_outcomes_total", (name,), float(one.unknown)
    yield "ztrade_slot_lateness_seconds", (name,), one.late
    yield "ztrade_slot_done_seconds", (name,), one.done
    yield "ztrade_order_answer_seconds", (name,), one.answers
    yield "ztrade_slippage_ratio", (name,), one.slippage


def of_fills(tally: Tally) -> Iterator[Value]:
    """Yield executions."""
    for name in tally.agents:
        for side in Side:
            yield "ztrade_fills_total", (name, str(side)), float(tally.fills.get((name, side), 0))


def unanswered(tally: Tally, wall: datetime) -> Iterator[Value]:
    """Yield orders of which nobody knows yet; ``wall`` is now."""
    for name in tally.agents:
        sent = [row.wall_at for row in tally.unresolved if row.agent == name]
        yield "ztrade_orders_unknown", (name,), float(len(sent))
        age = (wall - min(sent)).total_seconds() if sent else 0.0
        yield "ztrade_orders_unknown_age_seconds", (name,), max(age, 0.0)


def open_orders(journal: Journal, agents: Collection[str]) -> Iterator[Value]:
    """Yield the orders that can still be filled, legs included, as the journal knows them."""
    parts = (
        (intent.agent, str(part.status))
        for intent in journal.intents(unfinished=True)
        if intent.order is not None and intent.agent in agents
        for part in live_parts(intent.order)
    )
    counts = Counter({(name, str(state)): 0 for name in agents for state in OPEN})
    counts.update(parts)
    for (name, state), count in sorted(counts.items()):
        yield "ztrade_orders_open", (name, state), float(count)


def objectives(tally: Tally, wanted: Objectives, wall: datetime) -> Iterator[Value]:
    """Yield events and bad ones, and what is wanted."""
    for name in tally.agents:
        for objective, score in tally.scores(name, wall).items():
            yield "ztrade_sla_events_total", (name, str(objective)), float(score.events)
            yield "ztrade_sla_bad_total", (name, str(objective)), float(score.bad)
    for objective in Objective:
        yield "ztrade_sla_objective_ratio", (str(objective),), float(wanted.share(objective))
        within = wanted.within(objective)
        if within is not None:
            yield "ztrade_sla_within_seconds", (str(objective),), within.total_seconds()


def messages(tally: Tally, channels: Collection[str], failures: Mapping[str, int]) -> Iterator[Value]:
    """Yield what became of messages on each channel that is configured."""
    for name in sorted(channels):
        yield "ztrade_messages_waiting", (name,), float(tally.waiting[name])
        yield "ztrade_messages_sent_total", (name,), float(tally.deliveries[name]["sent"])
        yield "ztrade_messages_lost_total", (name,), float(tally.deliveries[name]["lost"])
        yield "ztrade_channel_failures", (name,), float(failures.get(name, 0))
