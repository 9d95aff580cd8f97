"""What counting needs: in which order cycles ended, and how long it took to know what became of an order."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_NUMBER = """
UPDATE cycles SET ended = numbered.ended
FROM (
    SELECT cycle_id, row_number() OVER (ORDER BY finished_at, slot, cycle_id) AS ended
    FROM cycles WHERE outcome IS NOT NULL
) AS numbered
WHERE numbered.cycle_id = cycles.cycle_id
"""


def upgrade() -> None:
    op.add_column("cycles", sa.Column("ended", sa.Integer(), nullable=True))
    op.execute(_NUMBER)
    op.create_index("ix_cycles_ended", "cycles", ["ended"], unique=True)
    op.add_column("intents", sa.Column("answered", sa.Float(53), nullable=True))
    op.create_index("ix_fills_agent_side", "fills", ["agent", "side"])
