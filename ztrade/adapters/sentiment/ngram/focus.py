"""What a headline says of one company, where it names several: ``Ford soars as GM recalls cars``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_BORDER = re.compile(
    r"[;:,]|\s(?:while|as|but|amid|and|on|after|against|vs\.?|versus|despite|whereas|though)(?=\s)", re.IGNORECASE
)
#: words on either side that say what the company does, and what is done to it
_BESIDE = 4


class Focus(NamedTuple):
    """The clauses that name the company, and the words right before and behind its first mention."""

    clause: str
    before: str
    behind: str


def focused(text: str, about: Sequence[str]) -> Focus | None:
    """Return what is said of the company; None where the text does not name it, or is about nothing else.

    Args:
        text: a headline.
        about: names and ticker of the company.
    """
    names = _names(tuple(about))
    found = names.search(text) if names is not None else None
    if names is None or found is None:
        return None
    clauses = _clauses(text)
    chosen = [clause for clause in clauses if names.search(clause)]
    # a name with a border in it ("Smith and Wesson") is in none of them
    if not chosen or len(chosen) == len(clauses):
        return None
    before, behind = text[: found.start()].split(), text[found.end() :].split()
    return Focus("".join(chosen).strip(" ,;:"), " ".join(before[-_BESIDE:]), " ".join(behind[:_BESIDE]))


def _clauses(text: str) -> list[str]:
    found, begin = [], 0
    for border in _BORDER.finditer(text):
        found.append(text[begin : border.start()])
        begin = border.start()
    return [clause for clause in [*found, text[begin:]] if clause.strip(" ,;:")]


@lru_cache(maxsize=64)
def _names(about: tuple[str, ...]) -> re.Pattern[str] | None:
    parts = [re.escape(name.strip()) for name in about if name.strip()]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE) if parts else None
