"""A person's answer to a proposal."""

from __future__ import annotations

from ztrade.app import books, trade
from ztrade.app.act import question
from ztrade.app.desk import Desk
from ztrade.app.ended import Ended
from ztrade.app.observe import Seen, observe
from ztrade.app.run_cycle import Run, finish, gate_exchange
from ztrade.app.standing import states
from ztrade.domain import risk
from ztrade.domain.decision import Action, Decision
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome, Proposal, ProposalState
from ztrade.domain.schedule import Session, is_market_open, market_day
from ztrade.domain.types import Leg, Side
from ztrade.errors import NotFound, Rejected
from ztrade.ports import Journal


def find(journal: Journal, proposal_id: str) -> Proposal:
    """Return the proposal.

    Raises:
        NotFound: there is none with this id.
    """
    for proposal in journal.proposals():
        if proposal.id == proposal_id:
            return proposal
    raise NotFound(f"there is no proposal {proposal_id!r}")


def approve(desk: Desk, proposal_id: str, *, by: str) -> CycleRecord | None:
    """Send what was proposed, after risk looked again at the market as it is now.

    Returns the record of the extra cycle that sent it (its outcome may be blocked), None when the claim was lost.

    Raises:
        NotFound, Rejected: there is no such proposal, it is another account's, or it was decided or expired before.
    """
    proposal = find(desk.journal, proposal_id)
    if proposal.account != desk.account:
        raise Rejected(
            f"proposal {proposal_id} was made for account {proposal.account}, and {desk.agent.name} now trades on "
            f"{desk.account}: its prices and its money are not these"
        )
    if proposal.request.symbol != desk.agent.symbol:
        raise Rejected(
            f"proposal {proposal_id} is about {proposal.request.symbol}, and {desk.agent.name} now trades "
            f"{desk.agent.symbol}: its prices and its bars are not these"
        )
    now = desk.clock.now()
    desk.journal.decide_proposal(proposal_id, ProposalState.APPROVED, by=by, now=now)
    claim = desk.journal.claim(
        desk.agent.name,
        now,
        CycleKind.EXTRA,
        owner=desk.owner,
        now=now,
        wall=desk.clock.wall(),
        lease=desk.lease,
        gone=desk.gone,
    )
    if claim is None:
        raise Rejected(f"proposal {proposal_id} is being sent by somebody else")
    run = Run(desk, claim, now, manual=False, session=desk.calendar.session(market_day(now)))
    return finish(run, lambda: _send(run, proposal, by))


def _send(run: Run, proposal: Proposal, by: str) -> Ended:
    desk, session = run.desk, run.session
    if session is None or not is_market_open(session, run.now):
        return Ended(Outcome.CLOSED, f"the market is closed: proposal {proposal.id} was not sent")
    known, unknown = books.catch_up(desk, session.open)
    if unknown:
        return Ended(Outcome.BLOCKED, f"order {unknown[0].request.client_order_id} is unanswered")
    seen, _ = observe(desk, session, run.now, known)
    shut = gate_exchange(run, session, seen)
    if shut is not None:
        return shut
    run.details = {"proposal": proposal.id, "price": str(proposal.price)}
    asked = _asked(run, session, seen, proposal)
    verdict = risk.check(asked)
    if isinstance(verdict, risk.Rejected):
        return Ended(Outcome.BLOCKED, f"blocked: {verdict}; approved by {by}", rules=verdict.rules)
    if proposal.leg is Leg.ENTRY:
        order = trade.enter(desk, run.claim, proposal.request, asked, now=run.now, seen_wall=seen.wall)
        return Ended(Outcome.ENTERED, f"entered: approved by {by}: {proposal.rationale}", (order.client_order_id,))
    cause = proposal.request.client_order_id.split(".")[2]
    left = trade.leave(desk, run.claim, session.open, cause, run.now)
    names = (left.client_order_id,) if left is not None else ()
    return Ended(Outcome.EXITED, f"exited: approved by {by}: {proposal.rationale}", names)


def _asked(run: Run, session: Session, seen: Seen, proposal: Proposal) -> risk.Check:
    known = states(run.desk, session.open)
    request = proposal.request
    buying = request.side is Side.BUY
    decision = Decision(
        action=Action.BUY if buying else Action.SELL,
        # a leg may have sold a part meanwhile: what is left is still to be sold
        qty=request.qty if buying else min(request.qty, known.agent.holding.qty),
        confidence=proposal.confidence,
        score=0.0,
        price=proposal.price,
        rationale=proposal.rationale,
        stop=request.stop_loss,
        target=request.take_profit,
    )
    return question(run.desk, seen, known, decision, run.now)
