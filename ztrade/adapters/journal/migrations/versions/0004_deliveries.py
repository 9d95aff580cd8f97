"""What became of each message on each channel, and how the channels do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.String(27), nullable=True),
        sa.Column("lost", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "channel", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["seq"], ["messages.seq"], name="fk_deliveries_seq_messages"),
    )
    waiting = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_deliveries_waiting", "deliveries", ["channel", "seq"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_index("ix_deliveries_ended", "deliveries", ["channel", "ended_at"])
    op.create_table(
        "channels",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.String(27), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.String(27), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("resume", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_channels"),
    )
