"""From a decision to an order, a proposal, or a reasoned refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ztrade.app import guard, trade
from ztrade.app.desk import Desk
from ztrade.app.ended import Ended
from ztrade.app.observe import Seen
from ztrade.app.standing import States, states
from ztrade.app.think import Thought
from ztrade.domain import risk
from ztrade.domain.decision import Action, Decision
from ztrade.domain.identity import stamp
from ztrade.domain.ledger import AgentState, Claim, Outcome, Proposal, ProposalState
from ztrade.domain.orders import FINAL
from ztrade.domain.reconcile import left, stops_of
from ztrade.domain.schedule import Session
from ztrade.domain.types import Leg


def act(
    desk: Desk,
    claim: Claim,
    session: Session,
    seen: Seen,
    known: States,
    thought: Thought,
    points: Mapping[str, Decimal],
    *,
    manual: bool,
    now: datetime,
) -> Ended:
    """Carry the decision out, as far as risk, breakers and mode allow, and say how it ended.

    ``points`` are this cycle's points of the equity curves, which the journal does not have yet.

    Raises:
        whatever :func:`ztrade.app.trade.send` raises.
    """
    decision = _protected(thought.decision, known.agent)
    waiting = _waiting(known.agent)
    # what a person may answer to later holds no exit back that needs no answer
    if waiting is None and known.agent.pending_proposal and (manual or decision.action is not Action.SELL):
        waiting = _expire_or_wait(desk, now)
    if waiting is not None:
        return waiting
    if decision.action is Action.HOLD:
        return Ended(Outcome.HELD, f"held: {decision.rationale}")
    # read again: what somebody else traded for this agent while we looked counts against its limits, too
    known = states(desk, session.open)
    reduced = guard.watch(desk, session, now, known, points) if decision.action is Action.BUY else None
    if reduced is not None:
        words = f"blocked: reducing: {reduced}; wanted to {decision.rationale}"
        return Ended(Outcome.BLOCKED, words, rules=(risk.REDUCING,))
    asked = question(desk, seen, known, decision, now)
    verdict = risk.check(asked)
    if isinstance(verdict, risk.Rejected):
        return Ended(Outcome.BLOCKED, f"blocked: {verdict}; wanted to {decision.rationale}", rules=verdict.rules)
    if manual:
        return _propose(desk, claim, decision, now)
    if decision.action is Action.BUY:
        return _enter(desk, claim, asked, seen.wall)
    return _leave(desk, claim, session, decision, now)


def question(desk: Desk, seen: Seen, known: States, decision: Decision, now: datetime) -> risk.Check:
    """Return what risk has to look at before this decision may become an order."""
    last_close = seen.bars.close[-1] if len(seen.bars) else float("nan")
    return risk.Check(
        agent=desk.agent,
        account_limits=desk.account_limits,
        at=now,
        decision=decision,
        quote=seen.quote,
        account=seen.account,
        positions=seen.positions,
        orders=seen.orders,
        state=known.agent,
        account_state=known.account,
        last_close=risk.as_decimal(last_close),
    )


def _waiting(state: AgentState) -> Ended | None:
    """Return how the cycle ends because an order of this agent is still under way."""
    for intent in state.open_intents:
        name = intent.request.client_order_id
        if intent.leg is Leg.EXIT:
            return Ended(Outcome.HELD, f"held: exit {name} is still at the exchange", (name,))
        if intent.order is not None and intent.order.status not in FINAL and not state.holding.qty:
            return Ended(Outcome.HELD, f"held: entry {name} is still at the exchange ({intent.order.status})", (name,))
    return None


def _expire_or_wait(desk: Desk, now: datetime) -> Ended | None:
    for proposal in desk.journal.proposals(state=ProposalState.PENDING):
        if (proposal.agent, proposal.account) != (desk.agent.name, desk.account):
            continue
        if now < proposal.expires_at:
            return Ended(Outcome.HELD, f"held: proposal {proposal.id} waits until {proposal.expires_at:%H:%M:%S} UTC")
        desk.journal.decide_proposal(proposal.id, ProposalState.EXPIRED, by="ztrade", now=now)
    return None


def _protected(decision: Decision, state: AgentState) -> Decision:
    """Leave a position that no stop protects: a cancelled or broken bracket must not leave it open."""
    holding = state.holding
    if not holding.qty or decision.action is Action.SELL or has_stop(state):
        return decision
    return replace(
        decision,
        action=Action.SELL,
        qty=holding.qty,
        rationale=f"sell {holding.qty} {holding.symbol}: {bare_words(state)}",
    )


def bare_words(state: AgentState) -> str:
    """Return how little protects a position that :func:`has_stop` denies."""
    behind = _behind_stops(state)
    return f"stops protect only {behind} of the position" if behind else "no stop protects the position"


def has_stop(state: AgentState) -> bool:
    """Tell whether all shares of the agent's are behind stops at the exchange, as far as the journal knows."""
    return _behind_stops(state) >= state.holding.qty


def _behind_stops(state: AgentState) -> Decimal:
    return sum((left(stop) for stop in stops_of(state.open_intents, state.holding.agent)), Decimal(0))


def _propose(desk: Desk, claim: Claim, decision: Decision, now: datetime) -> Ended:
    buying = decision.action is Action.BUY
    request = (
        trade.entry_request(desk, claim.slot, decision)
        if buying
        else trade.exit_request(desk, stamp(claim.slot), decision.qty)
    )
    proposal = Proposal(
        id=claim.cycle_id,
        agent=desk.agent.name,
        cycle_id=claim.cycle_id,
        leg=Leg.ENTRY if buying else Leg.EXIT,
        request=request,
        rationale=decision.rationale,
        confidence=decision.confidence,
        created_at=now,
        expires_at=now + desk.agent.proposal_ttl,
        price=decision.price,
        account=desk.account,
    )
    desk.journal.propose(claim, proposal)
    until = f"{proposal.expires_at:%H:%M:%S} UTC"
    return Ended(
        Outcome.PROPOSED,
        f"proposed: {decision.rationale}; approve before {until} with: ztrade approve {proposal.id}",
    )


def _enter(desk: Desk, claim: Claim, asked: risk.Check, seen_wall: datetime) -> Ended:
    request = trade.entry_request(desk, claim.slot, asked.decision)
    order = trade.enter(desk, claim, request, asked, now=asked.at, seen_wall=seen_wall)
    why = f"entered: {asked.decision.rationale} (order {order.status})"
    return Ended(Outcome.ENTERED, why, (request.client_order_id,))


def _leave(desk: Desk, claim: Claim, session: Session, decision: Decision, now: datetime) -> Ended:
    order = trade.leave(desk, claim, session.open, stamp(claim.slot), now)
    if order is None:
        reason = "nothing is left at the exchange to sell: stop, target or a person was faster"
        return Ended(Outcome.EXITED, f"exited: {reason}; wanted to {decision.rationale}")
    return Ended(Outcome.EXITED, f"exited: {decision.rationale} (order {order.status})", (order.client_order_id,))
