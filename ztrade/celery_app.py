"""``from ztrade.celery_app import trading_cycle, test_task``, and ``celery -A ztrade.celery_app``."""

from __future__ import annotations

from ztrade.service.app import create_app, tasks_of

__all__ = ["app", "settle", "test_task", "trading_cycle"]

app = create_app()
trading_cycle = tasks_of(app).trading_cycle
settle = tasks_of(app).settle
test_task = tasks_of(app).test_task
