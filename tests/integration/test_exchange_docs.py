"""The how-to's snippets run as they are printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-the-exchange-in-your-tests.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_there_are_snippets() -> None:
    """The page shows how it is done."""
    assert len(SNIPPETS) >= 2


@pytest.mark.parametrize("snippet", SNIPPETS)
# Alpaca's client never closes its session
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_snippet_runs(snippet: str) -> None:
    """A reader who pastes the snippet gets no error."""
    exec(compile(snippet, str(HOW_TO), "exec"), {"__name__": "snippet"})
