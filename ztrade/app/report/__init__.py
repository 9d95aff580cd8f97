"""One self-contained HTML page about what the agents did: no network, no script, fit for phones and the dark."""

from ztrade.app.report.data import AgentStory, Books, Story
from ztrade.app.report.page import render

__all__ = ["AgentStory", "Books", "Story", "render"]
