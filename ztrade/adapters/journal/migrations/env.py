"""Run by Alembic, inside the transaction that ``upgrade`` opened."""

from __future__ import annotations

from alembic import context

from ztrade.adapters.journal.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
