"""What holds for every test."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

#: what was measured in this run, a line each; workers write it, the one that starts them prints it at the end
FIGURES = Path(__file__).resolve().parents[1] / ".cache" / "system-figures.jsonl"

# a shell without job control starts what runs in the background with SIGINT and SIGQUIT ignored, and children inherit
# that: the tests that press Ctrl-C would wait for ever
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """Undo what a command that ran in this process did to logging: its loggers are final, and capture nothing."""
    yield
    if not structlog.get_config()["cache_logger_on_first_use"]:
        return
    structlog.reset_defaults()
    for module in list(sys.modules.values()):
        made = getattr(module, "log", None) if getattr(module, "__name__", "").startswith("ztrade") else None
        getattr(made, "__dict__", {}).pop("bind", None)


#: tests of one machine, or of one stack, which has one life: in the order of their file
HERE = Path(__file__).parent
ORDERED = (HERE / "system", HERE / "monitoring" / "test_scenarios.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of machines and stacks back into the order of their files; the others stay shuffled."""
    places = [place for place, item in enumerate(items) if any(item.path.is_relative_to(one) for one in ORDERED)]
    ordered = sorted((items[place] for place in places), key=lambda item: (str(item.path), item.location[1] or 0))
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where tests that share a machine or a stack are spread over workers: they fail now and then."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    loose = [item for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
    if loose:
        raise pytest.UsageError(f"pytest-xdist does not group {loose[0].nodeid} and others: pin pytest or pytest-xdist")


def pytest_configure(config: pytest.Config) -> None:
    """Begin a run without the figures of the one before."""
    if not hasattr(config, "workerinput"):
        FIGURES.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured: aims, not gates."""
    if FIGURES.exists():
        terminalreporter.section("measured on a booted system")
        for line in FIGURES.read_text(encoding="utf-8").splitlines():
            terminalreporter.write_line("{what}: {value:.2f} {unit} (aim {aim})".format(**json.loads(line)))
