"""Log lines: one JSON object each, whatever is logged; no secrets."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.service.log_lines import LineHandler
from ztrade.service.logs import dumps, hide_secrets

SLOT = "2022-08-22T14:35:00+00:00"
PRELUDE = "import logging, structlog\nfrom ztrade.service import logs\nlogs.configure('info')\n"


def run(body: str, prelude: str = PRELUDE) -> list[dict[str, Any]]:
    """Run a program in its own process, because logging is the process's, and return its lines."""
    done = subprocess.run([sys.executable, "-c", prelude + body], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_our_lines_and_foreign_ones_look_alike() -> None:
    """structlog's and the standard library's lines have the same fields."""
    lines = run(
        "structlog.get_logger('ours').info('cycle_done', agent='spy')\n"
        "logging.getLogger('theirs').warning('queue %s is %d', 'q', 3)\n"
        "structlog.get_logger().debug('too quiet')\n"
    )
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("cycle_done", "info", "ours"),
        ("queue q is 3", "warning", "theirs"),
    ]
    assert lines[0]["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {"agent_id": "spy", "slot": SLOT}),
        (("agent_spy", True, True, SLOT), {}),
    ],
)
def test_lines_of_a_task_carry_its_id_agent_and_slot(args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    """They are bound once, before the task; what ran before has left nothing, and this leaves nothing behind."""
    lines = run(
        "from celery.signals import task_postrun, task_prerun\n"
        "from types import SimpleNamespace\n"
        "from ztrade.service import task_logs\n"
        "task_logs.connect()\n"
        "task = SimpleNamespace(name='ztrade.trading_cycle')\n"
        "structlog.contextvars.bind_contextvars(left_over=1)\n"
        f"task_prerun.send(sender=None, task_id='t1', task=task, args={args!r}, kwargs={kwargs!r})\n"
        "logging.getLogger('theirs').warning('in')\n"
        "task_postrun.send(sender=None, task_id='t1')\n"
        "structlog.get_logger().info('after')\n"
    )
    inside, after = ({key: line.get(key) for key in ("task_id", "agent", "slot", "left_over")} for line in lines)
    assert inside == {"task_id": "t1", "agent": "spy", "slot": SLOT, "left_over": None}
    assert set(after.values()) == {None}


def test_anything_can_be_logged() -> None:
    """Sets, circles, broken reprs, wrong format arguments, exceptions: a line comes out, no exception."""
    lines = run(
        "class Bad:\n    def __repr__(self): raise RuntimeError('no')\n"
        "circle = []; circle.append(circle)\n"
        "log = structlog.get_logger()\n"
        "log.info('a', value={1, 2}); log.info('b', value=circle); log.info('c', value=Bad())\n"
        "log.info('d', **{'value': {('a', 1): 2}}); log.info('\\ud800')\n"
        "logging.getLogger().warning('%d', 'text')\n"
        "try: 1 / 0\nexcept ZeroDivisionError: log.exception('e')\n"
    )
    assert len(lines) == 7
    assert "ZeroDivisionError" in lines[-1]["exception"]
    assert lines[2]["value"] == "<Bad that cannot be shown>"


def test_secrets_are_replaced() -> None:
    """Values under names of secrets, and passwords inside URLs, never reach a line; numbers named token do."""
    event = {"password": "geheim", "api_key": "geheim", "url": "redis://u:geheim@h/0", "token": 3}
    hidden = hide_secrets(None, "info", dict(event))
    assert "geheim" not in json.dumps(hidden)
    assert hidden["token"] == 3
    assert hidden["url"] == "redis://u:***@h/0"


def test_no_line_shows_a_secret() -> None:
    """Ours and the libraries' lines go through the same filter."""
    lines = run(
        "structlog.get_logger().info('connected', secret_key='geheim', url='redis://u:geheim@h/0')\n"
        "logging.getLogger('theirs').warning('lost redis://u:geheim@h/0', extra={'api_key': 'geheim'})\n"
    )
    assert "geheim" not in json.dumps(lines)
    assert lines[0]["secret_key"] == "***"


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.binary() | st.datetimes() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.tuples(st.text()), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values))
def test_dumps_gives_one_line_for_anything(event: dict[str, Any]) -> None:
    """One line, which can be read back."""
    line = dumps(event)
    assert "\n" not in line
    assert isinstance(json.loads(line), dict)


def test_a_full_disk_or_closed_pipe_does_not_raise(tmp_path: Path) -> None:
    """A handler whose file is gone loses the line and nothing else."""
    handle = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    os.close(handle)
    handler = LineHandler(handle, logging.Formatter())
    handler.emit(logging.LogRecord("a", logging.INFO, "", 1, "lost", (), None))


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_levels(level: str) -> None:
    """Only lines of the level and above are written."""
    program = PRELUDE.replace("'info'", repr(level)) + (
        "for name in ('debug', 'info', 'warning', 'error'): getattr(structlog.get_logger(), name)(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    order = ["debug", "info", "warning", "error"]
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == order[order.index(level) :]


def test_what_a_person_is_told_goes_where_the_log_goes() -> None:
    """Also where the module was imported before the log was configured, as in every service."""
    done = run(
        "from ztrade.app import tell\n"
        "logs.configure('info')\n"
        "from ztrade.domain.messages import Severity\n"
        "from datetime import UTC, datetime\n"
        "from ztrade.testing.clock import FakeClock\n"
        "from ztrade.testing.journal import MemoryJournal\n"
        "clock = FakeClock(datetime(2022, 8, 22, tzinfo=UTC))\n"
        "tell.tell(MemoryJournal(), clock, Severity.CRITICAL, 'key', 'title', 'text', 'spy')\n",
        prelude="import structlog\nfrom ztrade.service import logs\nfrom ztrade.app import tell\n",
    )
    assert [(line["event"], line["level"], line["title"]) for line in done] == [("told", "error", "title")]
