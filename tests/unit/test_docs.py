"""The pages tell what is there: links lead somewhere, and commands are spelt as the program spells them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ztrade.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[str]:
    """Yield the lines of code blocks that call ztrade."""
    for block in _FENCE.findall(page.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines()
        yield from (line.strip().removeprefix("$ ") for line in lines if re.match(r"\s*(\$ )?ztrade ", line))


def problem(line: str) -> str:
    """Return what is wrong with a command line as written, empty where all its names exist."""
    words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli)
    for word in words:
        if word == "--":
            break
        name = word.strip("[]").partition("=")[0]
        if name.startswith("--"):
            known = {option for parameter in command.get_params(context) for option in parameter.opts}
            known |= {option for parameter in command.get_params(context) for option in parameter.secondary_opts}
            if name not in known:
                return f"{name} is no option of {command.name}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", word):
            found = command.get_command(context, word)
            if found is None:
                return f"{word} is no command"
            command = found
    return ""


WRITTEN = [(page, line) for page in PAGES for line in commands(page)]


def test_the_pages_show_commands() -> None:
    """The search below finds something to check."""
    assert len(WRITTEN) > 10


@pytest.mark.parametrize(("page", "line"), [pytest.param(p, c, id=f"{p.name}: {c[:60]}") for p, c in WRITTEN])
def test_a_command_on_a_page_exists(page: Path, line: str) -> None:
    """Each command and option that a page tells to type is one of the program's."""
    assert problem(line) == ""


@pytest.mark.parametrize("line", ["ztrade bars import x --no-such-option", "ztrade dance", "ztrade config chekc"])
def test_a_misspelt_command_would_be_seen(line: str) -> None:
    """The check can fail."""
    assert problem(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Files that pages point to are there."""
    targets = [t for t in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in t and ":" not in t]
    assert [target for target in targets if not (page.parent / target).exists()] == []
