"""The labelled headlines that the scorer is trained and measured on. They are read in place and never shipped."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parents[2] / "shared" / "data"
BEARISH, NEUTRAL, BULLISH = 0, 1, 2
NAMES = ("bearish", "neutral", "bullish")
_TWITTER = {"0": BEARISH, "1": BULLISH, "2": NEUTRAL}
_SENTFIN = {"negative": BEARISH, "neutral": NEUTRAL, "positive": BULLISH}
_PAIR = re.compile(r"[\"'](.+?)[\"']: [\"'](positive|negative|neutral)[\"']")


class Labelled(NamedTuple):
    """A text, whom its label is about (empty: the whole of it), and the label."""

    text: str
    about: str
    label: int


def twitter() -> list[Labelled]:
    """Return Twitter Financial News' training set: posts, labelled as a whole."""
    rows = _rows(DATA / "sentiment" / "twitter_financial_news_train.csv")
    return [Labelled(row["text"], "", _TWITTER[row["label"]]) for row in rows]


def sentfin() -> list[Labelled]:
    """Return SEntFiN's first half: a row per headline whose companies all fare alike, one more per company of many."""
    return list(_sentfin())


def _sentfin() -> Iterator[Labelled]:
    for row in _rows(DATA / "sentiment" / "sentfin_part1.csv"):
        decisions = _decisions(row["Decisions"])
        labels = {_SENTFIN[word] for word in decisions.values()}
        if len(labels) == 1:
            yield Labelled(row["Title"], "", min(labels))
        if len(decisions) > 1:
            yield from (Labelled(row["Title"], name, _SENTFIN[word]) for name, word in decisions.items())


def _decisions(text: str) -> Mapping[str, str]:
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError):  # an apostrophe in a name: five rows
        found = dict(_PAIR.findall(text))
    return {str(name): str(word) for name, word in found.items() if word in _SENTFIN}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
