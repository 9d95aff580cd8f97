"""From a text to weighted features; training and scoring both go through here, so they cannot disagree.

Each group of features is scaled by the root of its size: a long text says no more than a short one.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from ztrade.adapters.sentiment.ngram.focus import focused
from ztrade.adapters.sentiment.ngram.lexicon import CLASSES
from ztrade.adapters.sentiment.ngram.tokens import NEGATED, cleaned, negated, tokens

#: part of the model: weights are of use only with the features they were learned on
VERSION = 1

#: how much a group counts beside the others
WORDS, PAIRS, TRIPLES, SKIPS, CHARACTERS, PATTERNS, SHAPE, COMPARED = "1", "2", "3", "s", "#", "k", "f", "v"
SCALE = {WORDS: 1.0, PAIRS: 1.0, TRIPLES: 0.6, SKIPS: 0.6, CHARACTERS: 1.0, PATTERNS: 1.0, SHAPE: 0.5, COMPARED: 0.5}

#: how much the whole text counts where a part of it is about the company that was asked for
_AROUND = 0.5

_VALUE = re.compile(
    r"(?<![\w.])[-+]?\$?(\d{1,12}(?:,\d{3}){0,5}(?:\.\d{1,6})?)\s?"
    r"(cents|crore|cr|billion|million|bln|mln|b|m|lakh)?(?![A-Za-z])",
    re.IGNORECASE,
)
_COMPARING = re.compile(r"\b(vs|versus|from|against|compared to|compared with|est|estimate|consensus)\b", re.IGNORECASE)
_LOSS = re.compile(r"\bloss", re.IGNORECASE)
_SIZES = {"cents": 0.01, "lakh": 1e5, "m": 1e6, "million": 1e6, "mln": 1e6, "crore": 1e7, "cr": 1e7}
_SIZES |= dict.fromkeys(("b", "billion", "bln"), 1e9)
#: two numbers that are compared stand this near to each other
_NEAR = 45


def features(text: str, about: Sequence[str] = ()) -> dict[str, float]:
    """Return the features of a text, by name; empty where it has no words.

    Args:
        text: a headline, perhaps with its abstract.
        about: names of one company; what the text says of others then counts less.
    """
    clean = cleaned(text)
    found = _of_all(text, clean)
    focus = focused(clean, about) if about and found else None
    if focus is not None:
        found = {name: _AROUND * weight for name, weight in found.items()}
        for place, part in (("T", focus.clause), ("Z", focus.before), ("A", focus.behind)):
            words = negated(tokens(part))
            groups = {WORDS: words, PAIRS: list(_joined(words, 2)), PATTERNS: list(_patterns(words))}
            found |= {place + name: weight for name, weight in _weighed(groups).items()}
    return found


def _of_all(text: str, clean: str) -> dict[str, float]:
    marked = tokens(clean)
    words = negated(marked)
    if not words:
        return {}
    groups = {
        WORDS: words,
        PAIRS: list(_joined(words, 2)),
        TRIPLES: list(_joined(words, 3)),
        SKIPS: [f"{first} _ {third}" for first, third in zip(words, words[2:], strict=False)],
        CHARACTERS: list(_pieces(words)),
        PATTERNS: list(_patterns(words)),
        SHAPE: list(_shape(text, clean, marked)),
        COMPARED: list(_compared(clean)),
    }
    return _weighed(groups)


def _weighed(groups: Mapping[str, Sequence[str]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for group, names in groups.items():
        each = dict.fromkeys(names)
        if each:
            weight = SCALE[group] / math.sqrt(len(each))
            found |= {group + name: weight for name in each}
    return found


def key(name: str) -> int:
    """Return the number under which a feature's weights are kept."""
    return zlib.crc32(name.encode("utf-8", "replace"))


def _joined(words: Sequence[str], count: int) -> Iterator[str]:
    for begin in range(len(words) - count + 1):
        yield " ".join(words[begin : begin + count])


def _pieces(words: Iterable[str]) -> Iterator[str]:
    """Yield the runs of three to five characters within each word."""
    for word in dict.fromkeys(words):
        if word[0] == "<":
            continue
        padded = f"^{word}$"
        for size in (3, 4, 5):
            for begin in range(len(padded) - size + 1):
                yield padded[begin : begin + size]


def _patterns(words: Iterable[str]) -> Iterator[str]:
    """Yield runs of word classes: what rises or falls, good or bad, with the classes of numbers between."""
    letters = []
    for word in words:
        letter = CLASSES.get(word.removeprefix(NEGATED))
        if letter:
            letters.append(f"N{letter}" if word.startswith(NEGATED) else letter)
        elif "<" in word:
            letters.append(word)
    for count in (1, 2, 3):
        yield from _joined(letters, count)


def _shape(text: str, clean: str, marked: Sequence[str]) -> Iterator[str]:
    """Yield what kind of text it is: a post, a wire's headline, a question."""
    signs = {"link": "http" in clean, "cash": re.search(r"\$[A-Z]", clean), "hash": "#" in clean, "asks": "?" in clean}
    yield from (name for name, there in signs.items() if there)
    if clean.rstrip().endswith("…") or "… http" in text:
        yield "cut"
    parts = clean.split()
    yield f"length {min(len(parts) // 4, 6)}"
    words = [part for part in parts if part[0].isalpha()]
    yield f"capitals {4 * sum(word[0].isupper() for word in words) // max(len(words), 1)}"
    yield f"first {marked[0]}"


def _compared(text: str) -> Iterator[str]:
    """Yield which of two numbers is larger: ``EPS $1.00 vs. 40 cents``, ``cut to 9 from 12``."""
    values = [
        (match.start(), match.end(), float(match[1].replace(",", "")) * _SIZES.get((match[2] or "").lower(), 1.0))
        for match in _VALUE.finditer(text)
    ]
    for (start, end, first), (other, stop, second) in pairwise(values):
        word = _COMPARING.search(text, end, other) if other - end < _NEAR else None
        if word is None:
            continue
        order = ">" if first > second else "<" if first < second else "="
        order += "L" if _LOSS.search(text, 0, stop) else ""
        before = re.sub(r"\W+", " ", text[max(0, start - 12) : start].lower())[-8:]
        yield from (order, f"{word[1].lower()} {order}", f"{order} {before}")
