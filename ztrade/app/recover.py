"""What a process that starts does first: resolve what its predecessor left. The keeper does the same for the absent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from ztrade.app import books
from ztrade.app.desk import Desk
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Outcome, ProposalState
from ztrade.domain.schedule import market_day
from ztrade.errors import AdoptionMismatch

log = structlog.get_logger("ztrade.recover")

#: a cycle that nobody finished is looked for this far back
LOOKBACK = timedelta(days=30)


def recover(desk: Desk) -> Sequence[CycleRecord]:
    """Ask for unanswered orders, take the account book over, close cycles that died, expire proposals.

    Returns the records of the cycles that were closed. A slot that may still run is left to its own next attempt.

    Raises:
        JournalUnavailable, TemporaryError: try again; what was done stays done.
        HaltError: a person must look. Where another order has an id of ours, all the rest was done.
    """
    now = desk.clock.now()
    odd = _take_over(desk, _opening(desk, now))
    expire_proposals(desk, now)
    desk.journal.end_dead_extras(desk.agent.name, now, desk.clock.wall())
    closed = [_close(desk, claim, now) for claim in _dead(desk, now)]
    if odd is not None:
        raise odd
    return closed


def _take_over(desk: Desk, opening: datetime) -> AdoptionMismatch | None:
    if desk.journal.account_state(desk.account, opening).cash is None:
        return None
    try:
        known, _ = books.catch_up(desk, opening)
        books.refresh(desk, known)
    except AdoptionMismatch as error:
        # every slot has its outcome all the same
        return error
    return None


def _opening(desk: Desk, now: datetime) -> datetime:
    session = desk.calendar.session(market_day(now))
    return session.open if session is not None else now


def expire_proposals(desk: Desk, now: datetime) -> None:
    """Close the agent's proposals that nobody answered in time."""
    for proposal in desk.journal.proposals(state=ProposalState.PENDING):
        if (proposal.agent, proposal.account) == (desk.agent.name, desk.account) and now >= proposal.expires_at:
            desk.journal.decide_proposal(proposal.id, ProposalState.EXPIRED, by="ztrade", now=now)
            log.info("proposal_expired", agent=desk.agent.name, proposal=proposal.id)


def _dead(desk: Desk, now: datetime) -> Iterator[Claim]:
    """Yield the claims, taken over, of cycles whose process died and whose time is over."""
    for record in desk.journal.cycles(agent=desk.agent.name, since=now - LOOKBACK):
        if record.outcome is not None or record.kind is not CycleKind.SLOT or now < record.slot + desk.agent.every:
            continue
        claim = desk.journal.claim(
            desk.agent.name,
            record.slot,
            record.kind,
            owner=desk.owner,
            now=now,
            wall=desk.clock.wall(),
            lease=desk.lease,
            gone=desk.gone,
        )
        if claim is not None:
            yield claim


def _close(desk: Desk, claim: Claim, now: datetime) -> CycleRecord:
    planned = [i for i in desk.journal.intents(agent=claim.agent, since=claim.slot) if i.cycle_id == claim.cycle_id]
    names = tuple(intent.request.client_order_id for intent in planned)
    left = ", ".join(f"{intent.request.client_order_id} is {intent.state}" for intent in planned)
    reason = f"interrupted: its process died; {left or 'it had planned no order'}"
    record = CycleRecord(
        claim.cycle_id, claim.agent, claim.slot, claim.kind, Outcome.INTERRUPTED, reason, now, now, claim.token, names
    )
    desk.journal.finish(claim, record)
    return record
