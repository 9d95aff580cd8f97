"""The journal's tables. A change here needs a migration; a test compares the two."""

from __future__ import annotations

import sqlalchemy as sa

from ztrade.adapters.journal.columns import Instant, Json, Money, PackedJson, Ratio, Word, Words
from ztrade.domain.ledger import CycleKind, IntentState, Outcome, ProposalState
from ztrade.domain.messages import Severity
from ztrade.domain.types import Leg, OrderClass, OrderStatus, OrderType, Side, TimeInForce

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: agents, accounts, symbols, owners; unbounded, because SQLite would not hold a bound that PostgreSQL holds
_NAME = sa.String()
#: ours and the exchange's ids
_ID = sa.String()


def _sequence() -> sa.Column[int]:
    """Return a key that counts rows in the order in which they were written."""
    return sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True)


cycles = sa.Table(
    "cycles",
    metadata,
    sa.Column("cycle_id", _ID, primary_key=True),
    sa.Column("agent", _NAME, nullable=False),
    sa.Column("slot", Instant, nullable=False),
    sa.Column("kind", Word(CycleKind), nullable=False),
    # tells extra cycles of one instant apart; 0 for the others, of which there is one
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("owner", Words, nullable=False),
    sa.Column("lease_until", Instant),
    sa.Column("outcome", Word(Outcome)),
    sa.Column("reason", Words, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("order_ids", Json, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.Column("timings", Json, nullable=False),
    # counts cycles in the order in which they got their outcome: whoever counts goes on where it stopped
    sa.Column("ended", sa.Integer),
    sa.UniqueConstraint("agent", "slot", "kind", "ordinal"),
    sa.CheckConstraint("reason <> ''", name="reason"),
)
sa.Index("ix_cycles_slot", cycles.c.slot)
sa.Index("ix_cycles_ended", cycles.c.ended, unique=True)
# PostgreSQL's "where" stands in the migrations alone: named here, it would load that dialect, 2 MB in every worker
sa.Index(
    "ix_cycles_running",
    cycles.c.agent,
    sqlite_where=cycles.c.outcome.is_(None),
)

cycle_inputs = sa.Table(
    "cycle_inputs",
    metadata,
    sa.Column("cycle_id", _ID, sa.ForeignKey("cycles.cycle_id"), primary_key=True),
    sa.Column("body", PackedJson, nullable=False),
)

intents = sa.Table(
    "intents",
    metadata,
    _sequence(),
    sa.Column("client_order_id", _ID, nullable=False, unique=True),
    sa.Column("agent", _NAME, nullable=False),
    sa.Column("account", _NAME, nullable=False),
    sa.Column("cycle_id", _ID, nullable=False),
    sa.Column("leg", Word(Leg), nullable=False),
    sa.Column("request", Json, nullable=False),
    sa.Column("state", Word(IntentState), nullable=False),
    sa.Column("reason", Words, nullable=False),
    sa.Column("planned_at", Instant, nullable=False),
    sa.Column("wall_at", Instant, nullable=False),
    # the exchange still has to be asked; kept with the row so that finding these few costs nothing in years
    sa.Column("unfinished", sa.Boolean, nullable=False),
    sa.Column("order_id", _ID),
    sa.Column("sender", Words, nullable=False, server_default=""),
    sa.Column("answered", Ratio),
)
sa.Index("ix_intents_agent_planned_at", intents.c.agent, intents.c.planned_at)
sa.Index(
    "ix_intents_unfinished",
    intents.c.agent,
    sqlite_where=intents.c.unfinished.is_(True),
)

orders = sa.Table(
    "orders",
    metadata,
    _sequence(),
    sa.Column("id", _ID, nullable=False, unique=True),
    sa.Column("intent_id", _ID, sa.ForeignKey("intents.client_order_id"), nullable=False, index=True),
    sa.Column("parent_id", _ID, sa.ForeignKey("orders.id")),
    sa.Column("agent", _NAME, nullable=False),
    sa.Column("account", _NAME, nullable=False),
    sa.Column("leg", Word(Leg), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("client_order_id", _ID, nullable=False),
    sa.Column("symbol", _NAME, nullable=False),
    sa.Column("side", Word(Side), nullable=False),
    sa.Column("type", Word(OrderType), nullable=False),
    sa.Column("order_class", Word(OrderClass), nullable=False),
    sa.Column("time_in_force", Word(TimeInForce), nullable=False),
    sa.Column("qty", Money, nullable=False),
    sa.Column("filled_qty", Money, nullable=False),
    sa.Column("status", Word(OrderStatus), nullable=False),
    sa.Column("filled_avg_price", Money),
    sa.Column("limit_price", Money),
    sa.Column("stop_price", Money),
    sa.Column("submitted_at", Instant),
    sa.Column("filled_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("replaced_by", _ID, index=True),
    sa.Column("replaces", _ID, index=True),
)
sa.Index("ix_orders_at", orders.c.at)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account", _NAME, primary_key=True),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("opening_cash", Money, nullable=False),
    sa.Column("cash", Money, nullable=False),
)

activities = sa.Table(
    "activities",
    metadata,
    sa.Column("account", _NAME, sa.ForeignKey("accounts.account"), primary_key=True),
    sa.Column("id", _ID, primary_key=True),
    sa.Column("kind", _NAME, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("net_amount", Money, nullable=False),
    sa.Column("symbol", _NAME),
    sa.Column("order_id", _ID),
    sa.Column("side", Word(Side)),
    sa.Column("qty", Money),
    sa.Column("price", Money),
    sa.Column("description", Words, nullable=False),
    # contained in the opening balance
    sa.Column("seen", sa.Boolean, nullable=False),
)
sa.Index("ix_activities_account_at", activities.c.account, activities.c.at)
sa.Index("ix_activities_account_symbol", activities.c.account, activities.c.symbol)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("account", _NAME, primary_key=True),
    sa.Column("id", _ID, primary_key=True),
    sa.Column("order_id", _ID, nullable=False, index=True),
    # whose order it was, also where the fill contradicts the holding (then problem says how)
    sa.Column("agent", _NAME),
    sa.Column("leg", Word(Leg)),
    sa.Column("symbol", _NAME, nullable=False),
    sa.Column("side", Word(Side), nullable=False),
    sa.Column("qty", Money, nullable=False),
    sa.Column("price", Money, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("realized", Money, nullable=False),
    sa.Column("problem", Words, nullable=False),
    sa.ForeignKeyConstraint(["account", "id"], ["activities.account", "activities.id"]),
)
sa.Index("ix_fills_agent_at", fills.c.agent, fills.c.at)
sa.Index("ix_fills_at", fills.c.at)
sa.Index("ix_fills_agent_side", fills.c.agent, fills.c.side)

books = sa.Table(
    "books",
    metadata,
    sa.Column("account", _NAME, sa.ForeignKey("accounts.account"), primary_key=True),
    sa.Column("symbol", _NAME, primary_key=True),
    sa.Column("foreign_qty", Money, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("last_id", _ID, nullable=False),
)

holdings = sa.Table(
    "holdings",
    metadata,
    sa.Column("account", _NAME, primary_key=True),
    sa.Column("symbol", _NAME, primary_key=True),
    sa.Column("agent", _NAME, primary_key=True),
    sa.Column("qty", Money, nullable=False),
    sa.Column("cost", Money, nullable=False),
    sa.Column("opened_at", Instant),
    sa.Column("realized", Money, nullable=False),
    sa.Column("trip_cost", Money, nullable=False),
    sa.Column("trip_qty", Money, nullable=False),
    sa.Column("trip_value", Money, nullable=False),
    sa.ForeignKeyConstraint(["account", "symbol"], ["books.account", "books.symbol"]),
)

round_trips = sa.Table(
    "round_trips",
    metadata,
    sa.Column("account", _NAME, primary_key=True),
    # the fill that closed it
    sa.Column("fill_id", _ID, primary_key=True),
    sa.Column("agent", _NAME, nullable=False),
    sa.Column("symbol", _NAME, nullable=False),
    sa.Column("qty", Money, nullable=False),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("closed_at", Instant, nullable=False),
    sa.Column("entry_price", Money, nullable=False),
    sa.Column("exit_price", Money, nullable=False),
    sa.Column("pnl", Money, nullable=False),
    sa.Column("exit_leg", Word(Leg)),
    sa.ForeignKeyConstraint(["account", "fill_id"], ["fills.account", "fills.id"]),
)
sa.Index("ix_round_trips_closed_at", round_trips.c.closed_at)

equity = sa.Table(
    "equity",
    metadata,
    sa.Column("scope", _NAME, primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    sa.Column("equity", Money, nullable=False),
)

# the highest point of each curve: texts have no numeric maximum, and reading years of points is no cycle's work
peaks = sa.Table(
    "peaks",
    metadata,
    sa.Column("scope", _NAME, primary_key=True),
    sa.Column("equity", Money, nullable=False),
)

# the capital that all points of a curve are kept with, and the one that the newest was measured with
capitals = sa.Table(
    "capitals",
    metadata,
    sa.Column("scope", _NAME, primary_key=True),
    sa.Column("kept", Money, nullable=False),
    sa.Column("newest", Money, nullable=False),
)

sentiments = sa.Table(
    "sentiments",
    metadata,
    sa.Column("cycle_id", _ID, sa.ForeignKey("cycles.cycle_id"), primary_key=True),
    sa.Column("symbol", _NAME, primary_key=True),
    sa.Column("agent", _NAME, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("score", Ratio, nullable=False),
    sa.Column("confidence", Ratio, nullable=False),
    sa.Column("agreement", Ratio, nullable=False),
    sa.Column("weights", Json, nullable=False),
    sa.Column("missing", Json, nullable=False),
)
sa.Index("ix_sentiments_at", sentiments.c.at)

sentiment_readings = sa.Table(
    "sentiment_readings",
    metadata,
    sa.Column("cycle_id", _ID, primary_key=True),
    sa.Column("symbol", _NAME, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("source", _NAME, nullable=False),
    sa.Column("score", Ratio, nullable=False),
    sa.Column("confidence", Ratio, nullable=False),
    sa.Column("items", PackedJson, nullable=False),
    sa.ForeignKeyConstraint(["cycle_id", "symbol"], ["sentiments.cycle_id", "sentiments.symbol"]),
)

proposals = sa.Table(
    "proposals",
    metadata,
    _sequence(),
    sa.Column("id", _ID, nullable=False, unique=True),
    sa.Column("agent", _NAME, nullable=False),
    sa.Column("account", _NAME, nullable=False),
    sa.Column("cycle_id", _ID, nullable=False),
    sa.Column("leg", Word(Leg), nullable=False),
    sa.Column("request", Json, nullable=False),
    sa.Column("rationale", Words, nullable=False),
    sa.Column("confidence", Ratio, nullable=False),
    sa.Column("price", Money, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("state", Word(ProposalState), nullable=False),
    sa.Column("decided_by", Words),
    sa.Column("decided_at", Instant),
)
sa.Index("ix_proposals_state", proposals.c.state, proposals.c.agent)

halts = sa.Table(
    "halts",
    metadata,
    _sequence(),
    sa.Column("agent", _NAME, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("reason", Words, nullable=False),
    sa.Column("by", Words, nullable=False),
    sa.Column("released_at", Instant),
)
sa.Index("ix_halts_agent_at", halts.c.agent, halts.c.at)

messages = sa.Table(
    "messages",
    metadata,
    _sequence(),
    sa.Column("key", _ID, nullable=False, unique=True),
    sa.Column("severity", Word(Severity), nullable=False),
    sa.Column("agent", _NAME),
    sa.Column("title", Words, nullable=False),
    sa.Column("text", Words, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("sent_at", Instant),
)
sa.Index("ix_messages_unsent", messages.c.seq, sqlite_where=messages.c.sent_at.is_(None))

# all instants of both are wall time
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("seq", sa.Integer, sa.ForeignKey("messages.seq"), primary_key=True, autoincrement=False),
    sa.Column("channel", _NAME, primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("trouble", Words, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("lost", sa.Boolean, nullable=False),
)
sa.Index(
    "ix_deliveries_waiting",
    deliveries.c.channel,
    deliveries.c.seq,
    sqlite_where=deliveries.c.ended_at.is_(None),
)
sa.Index("ix_deliveries_ended", deliveries.c.channel, deliveries.c.ended_at)

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("owner", Words, nullable=False),
    sa.Column("lease_until", Instant),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("since", Instant),
    sa.Column("trouble", Words, nullable=False),
    sa.Column("resume", Instant),
)

# exchange time: where breakers begin to measure anew
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("agent", _NAME, primary_key=True),
    sa.Column("at", Instant, nullable=False),
)
