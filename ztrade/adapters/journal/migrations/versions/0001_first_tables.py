"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _accounts()
    _cycles()
    _equity()
    _halts()
    _intents()
    _peaks()
    _proposals()
    _activities()
    _books()
    _cycle_inputs()
    _orders()
    _sentiments()
    _fills()
    _holdings()
    _sentiment_readings()
    _round_trips()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.Column("opening_cash", sa.Text(), nullable=False),
        sa.Column("cash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
    )


def _cycles() -> None:
    op.create_table(
        "cycles",
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("slot", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.String(27), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("finished_at", sa.String(27), nullable=True),
        sa.Column("order_ids", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("timings", sa.Text(), nullable=False),
        sa.CheckConstraint("reason <> ''", name="ck_cycles_reason"),
        sa.PrimaryKeyConstraint("cycle_id", name="pk_cycles"),
        sa.UniqueConstraint("agent", "slot", "kind", "ordinal", name="uq_cycles_agent_slot_kind_ordinal"),
    )
    op.create_index(
        "ix_cycles_running",
        "cycles",
        ["agent"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index("ix_cycles_slot", "cycles", ["slot"])


def _equity() -> None:
    op.create_table(
        "equity",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("equity", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "at", name="pk_equity"),
    )


def _halts() -> None:
    op.create_table(
        "halts",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("released_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_halts"),
    )
    op.create_index("ix_halts_agent_at", "halts", ["agent", "at"])


def _intents() -> None:
    op.create_table(
        "intents",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("leg", sa.String(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.String(27), nullable=False),
        sa.Column("wall_at", sa.String(27), nullable=False),
        sa.Column("unfinished", sa.Boolean(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_intents"),
        sa.UniqueConstraint("client_order_id", name="uq_intents_client_order_id"),
    )
    op.create_index("ix_intents_agent_planned_at", "intents", ["agent", "planned_at"])
    op.create_index(
        "ix_intents_unfinished",
        "intents",
        ["agent"],
        sqlite_where=sa.text("unfinished IS 1"),
        postgresql_where=sa.text("unfinished IS true"),
    )


def _peaks() -> None:
    op.create_table(
        "peaks",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("equity", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_peaks"),
    )


def _proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("leg", sa.String(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(53), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_proposals"),
        sa.UniqueConstraint("id", name="uq_proposals_id"),
    )
    op.create_index("ix_proposals_state", "proposals", ["state", "agent"])


def _activities() -> None:
    op.create_table(
        "activities",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("net_amount", sa.Text(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=True),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("side", sa.String(), nullable=True),
        sa.Column("qty", sa.Text(), nullable=True),
        sa.Column("price", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.account"], name="fk_activities_account_accounts"),
        sa.PrimaryKeyConstraint("account", "id", name="pk_activities"),
    )
    op.create_index("ix_activities_account_at", "activities", ["account", "at"])
    op.create_index("ix_activities_account_symbol", "activities", ["account", "symbol"])


def _books() -> None:
    op.create_table(
        "books",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("foreign_qty", sa.Text(), nullable=False),
        sa.Column("last_at", sa.String(27), nullable=False),
        sa.Column("last_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.account"], name="fk_books_account_accounts"),
        sa.PrimaryKeyConstraint("account", "symbol", name="pk_books"),
    )


def _cycle_inputs() -> None:
    op.create_table(
        "cycle_inputs",
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["cycle_id"], ["cycles.cycle_id"], name="fk_cycle_inputs_cycle_id_cycles"),
        sa.PrimaryKeyConstraint("cycle_id", name="pk_cycle_inputs"),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("intent_id", sa.String(), nullable=False),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("leg", sa.String(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("client_order_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("order_class", sa.String(), nullable=False),
        sa.Column("time_in_force", sa.String(), nullable=False),
        sa.Column("qty", sa.Text(), nullable=False),
        sa.Column("filled_qty", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("filled_avg_price", sa.Text(), nullable=True),
        sa.Column("limit_price", sa.Text(), nullable=True),
        sa.Column("stop_price", sa.Text(), nullable=True),
        sa.Column("submitted_at", sa.String(27), nullable=True),
        sa.Column("filled_at", sa.String(27), nullable=True),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.Column("replaced_by", sa.String(), nullable=True),
        sa.Column("replaces", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["intent_id"], ["intents.client_order_id"], name="fk_orders_intent_id_intents"),
        sa.ForeignKeyConstraint(["parent_id"], ["orders.id"], name="fk_orders_parent_id_orders"),
        sa.PrimaryKeyConstraint("seq", name="pk_orders"),
        sa.UniqueConstraint("id", name="uq_orders_id"),
    )
    op.create_index("ix_orders_at", "orders", ["at"])
    op.create_index("ix_orders_intent_id", "orders", ["intent_id"])
    op.create_index("ix_orders_replaced_by", "orders", ["replaced_by"])
    op.create_index("ix_orders_replaces", "orders", ["replaces"])


def _sentiments() -> None:
    op.create_table(
        "sentiments",
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("score", sa.Float(53), nullable=False),
        sa.Column("confidence", sa.Float(53), nullable=False),
        sa.Column("agreement", sa.Float(53), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["cycle_id"], ["cycles.cycle_id"], name="fk_sentiments_cycle_id_cycles"),
        sa.PrimaryKeyConstraint("cycle_id", "symbol", name="pk_sentiments"),
    )
    op.create_index("ix_sentiments_at", "sentiments", ["at"])


def _fills() -> None:
    op.create_table(
        "fills",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=True),
        sa.Column("leg", sa.String(), nullable=True),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("qty", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("realized", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "id"], ["activities.account", "activities.id"], name="fk_fills_account_id_activities"
        ),
        sa.PrimaryKeyConstraint("account", "id", name="pk_fills"),
    )
    op.create_index("ix_fills_agent_at", "fills", ["agent", "at"])
    op.create_index("ix_fills_at", "fills", ["at"])
    op.create_index("ix_fills_order_id", "fills", ["order_id"])


def _holdings() -> None:
    op.create_table(
        "holdings",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("qty", sa.Text(), nullable=False),
        sa.Column("cost", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=True),
        sa.Column("realized", sa.Text(), nullable=False),
        sa.Column("trip_cost", sa.Text(), nullable=False),
        sa.Column("trip_qty", sa.Text(), nullable=False),
        sa.Column("trip_value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "symbol"], ["books.account", "books.symbol"], name="fk_holdings_account_symbol_books"
        ),
        sa.PrimaryKeyConstraint("account", "symbol", "agent", name="pk_holdings"),
    )


def _sentiment_readings() -> None:
    op.create_table(
        "sentiment_readings",
        sa.Column("cycle_id", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("score", sa.Float(53), nullable=False),
        sa.Column("confidence", sa.Float(53), nullable=False),
        sa.Column("items", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cycle_id", "symbol"],
            ["sentiments.cycle_id", "sentiments.symbol"],
            name="fk_sentiment_readings_cycle_id_symbol_sentiments",
        ),
        sa.PrimaryKeyConstraint("cycle_id", "symbol", "position", name="pk_sentiment_readings"),
    )


def _round_trips() -> None:
    op.create_table(
        "round_trips",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("fill_id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("qty", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.String(27), nullable=False),
        sa.Column("closed_at", sa.String(27), nullable=False),
        sa.Column("entry_price", sa.Text(), nullable=False),
        sa.Column("exit_price", sa.Text(), nullable=False),
        sa.Column("pnl", sa.Text(), nullable=False),
        sa.Column("exit_leg", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account", "fill_id"], ["fills.account", "fills.id"], name="fk_round_trips_account_fill_id_fills"
        ),
        sa.PrimaryKeyConstraint("account", "fill_id", name="pk_round_trips"),
    )
    op.create_index("ix_round_trips_closed_at", "round_trips", ["closed_at"])
