"""Atom and RSS, as strangers write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as Tree  # documents with a doctype, the one way to hurt it, are refused below

from ztrade.domain.plain_text import plain_text
from ztrade.errors import ExchangeUnavailable

_MOST_ENTRIES = 200
_LONGEST = 2_000
#: elements that may hold markup
_WRITTEN = frozenset({"title", "summary", "description"})
_DOCTYPE = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def entries(document: bytes) -> Iterator[Mapping[str, str]]:
    """Yield each entry's elements by name, namespaces left out, inner elements too; of equal names the first.

    Raises:
        ExchangeUnavailable: it is no feed, or one that tries to harm its reader.
    """
    if _DOCTYPE.search(document):
        raise ExchangeUnavailable("the feed declares entities, which no feed needs")
    try:
        root = Tree.fromstring(document)  # noqa: S314 - no entities, and at most 2 MB
    except (Tree.ParseError, ValueError, LookupError) as error:
        raise ExchangeUnavailable(f"the feed is not XML: {error}") from error
    found = [node for node in root.iter() if _name(node) in ("entry", "item")]
    if not found and _name(root) not in ("feed", "rss", "RDF"):
        raise ExchangeUnavailable(f"the answer is no feed but <{_name(root)[:40]}>")
    yield from map(_fields, found[:_MOST_ENTRIES])


def _fields(entry: Tree.Element) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for node in entry.iter():
        text = "".join(node.itertext()) if _name(node) in _WRITTEN else node.text or ""
        found.setdefault(_name(node), plain_text(text, _LONGEST) or node.get("href", ""))
    return found


def _name(node: Tree.Element) -> str:
    return str(node.tag).rpartition("}")[2]


def instant(text: str) -> datetime | None:
    """Read a feed's time of either kind; None where it names none, or no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return at.astimezone(UTC) if at.tzinfo is not None else None
