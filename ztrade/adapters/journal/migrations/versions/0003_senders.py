"""Which process sends an intent: the cycle's newest owner is another once it was taken over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("intents", sa.Column("sender", sa.Text(), nullable=False, server_default=""))
