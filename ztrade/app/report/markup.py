"""Markup that escapes by default: plain text becomes safe, only what :func:`tag` made passes unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Html(str):
    """Markup that is already safe."""

    __slots__ = ()


#: elements that have no end tag in HTML and no content in SVG
_VOID = frozenset({"circle", "line", "path", "polyline", "rect", "use", "br"})


def tag(name: str, *content: object, **attributes: object) -> Html:
    """Build one element; content that is not :class:`Html` is escaped, attributes that are None are left out.

    ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``.
    """
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    head = name + "".join(f' {key}="{escape(_text(value))}"' for key, value in pairs)
    if name in _VOID and not content:
        return Html(f"<{head}/>")
    return Html(f"<{head}>{join(content)}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Html:
    """Put parts one after another, escaping those that are not markup."""
    return Html(between.join(part if isinstance(part, Html) else escape(_text(part)) for part in parts))


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
