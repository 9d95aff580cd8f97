"""Text out of markup."""

from __future__ import annotations

import html
import re
import string

#: markup is a few times as long as its text; what lies beyond is not read at all
_MARKUP_FACTOR = 10
_SILENT = frozenset({"script", "style", "head", "template", "noscript"})
_TAG_BEGINNINGS = frozenset(string.ascii_lowercase + "/!?")
_NAME = re.compile(r"[a-z]+")
#: unlike str.lower it never changes a text's length
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def plain_text(markup: str, longest: int) -> str:
    """Return the text of HTML, or of what only looks like it, on one line of at most ``longest`` characters.

    Scripts and styles are left out, entities resolved (also those that were escaped twice), control characters and runs
    of space become one space. Never raises, and takes time in proportion to the length: the standard library's parser
    needs minutes for a hundred kilobytes of open comments, and a story's text is a stranger's.
    """
    markup = markup[: longest * _MARKUP_FACTOR]
    text = html.unescape(html.unescape(_strip(markup)))
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.split())[:longest]


def _strip(markup: str) -> str:
    lower = markup.translate(_LOWER)
    last_close = lower.rfind(">")
    parts: list[str] = []
    at = 0
    # behind the last ">" no tag ends, so every search below finds its mark, and nothing is searched twice
    while 0 <= (start := markup.find("<", at)) <= last_close:
        end = _end_of_tag(lower, start)
        parts += [markup[at:start], " " if end > start + 1 else "<"]
        at = end
    return "".join([*parts, markup[at:]])


def _end_of_tag(lower: str, start: int) -> int:
    """Return where the tag that begins at ``start`` ends; right behind the ``<`` where it begins none."""
    if lower.startswith("<!--", start):
        return _behind(lower, "-->", start + 4)
    if lower[start + 1 : start + 2] not in _TAG_BEGINNINGS:
        return start + 1
    name = _NAME.match(lower, start + 1)
    if name is not None and name.group() in _SILENT:
        return _behind(lower, ">", _behind(lower, f"</{name.group()}", start))
    return _behind(lower, ">", start)


def _behind(lower: str, mark: str, start: int) -> int:
    found = lower.find(mark, start)
    # never closed: browsers, too, take all the rest for a comment or a script
    return len(lower) if found < 0 else found + len(mark)
