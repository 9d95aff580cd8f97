"""ztrade's own scorer: what it knows, and that no text of any kind breaks it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztrade.adapters.sentiment import NgramScorer
from ztrade.adapters.sentiment.ngram import Odds
from ztrade.adapters.sentiment.ngram.features import VERSION, features
from ztrade.adapters.sentiment.ngram.focus import focused
from ztrade.adapters.sentiment.ngram.scorer import WEIGHTS
from ztrade.adapters.sentiment.ngram.tokens import cleaned, negated, tokens
from ztrade.domain.sentiment import label

SCORER = NgramScorer()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Profit warning sends shares plunging", "bearish"),
        ("Tesla shares jump 8% after record deliveries", "bullish"),
        ("Apple cut to sell from neutral at Goldman", "bearish"),
        ("Apple upgraded to buy from hold at UBS", "bullish"),
        ("Apple to hold its annual meeting on March 4", "neutral"),
        ("Ford recalls 100,000 trucks over fire risk", "bearish"),
    ],
)
def test_it_knows_the_market_s_language(text: str, wanted: str) -> None:
    """Headlines whose meaning nobody doubts get their label; VADER calls the first one good."""
    (score,) = SCORER.score([text])
    assert label(score) == wanted


def test_what_is_said_of_the_company_asked_about_counts() -> None:
    """Where one rises as another falls, each has a score of its own."""
    text = "Ford shares soar to record high as Tesla stock plunges"
    (ford,), (tesla,) = SCORER.score([text], about=("Ford",)), SCORER.score([text], about=("TSLA", "Tesla"))
    assert ford > tesla
    assert tesla < 0


def test_a_company_that_is_not_named_changes_nothing() -> None:
    """Nor does one that is named in every clause."""
    text = "Stocks soar, bonds plunge"
    assert SCORER.score([text], about=("Apple",)) == SCORER.score([text])
    assert focused("Apple rises, Apple falls", ["Apple"]) is None
    assert focused("Smith and Wesson soars", ["Smith and Wesson"]) is None


def test_the_clause_that_names_the_company_is_found() -> None:
    """Names are whole words in any case; what is no name is none."""
    found = focused("Ford soars as GM recalls cars; Tesla waits", ["GM", "", " "])
    assert found is not None
    assert found.clause == "as GM recalls cars"
    assert (found.before, found.behind) == ("Ford soars as", "recalls cars; Tesla waits")
    assert focused("GMX soars, Ford falls", ["GM"]) is None
    assert focused("anything", []) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Up 5%, +3.2% to $1.2B", ["up", "<pct>", ",", "up<pct>", "to", "<money>"]),
        ("net of Rs 3.5 crore, 9 per cent", ["net", "of", "<money>", ",", "<pct>"]),
        ("$AAPL $MSFT (NYSE:F) in 2019", ["<tick>", "in", "<year>"]),
        ("isn't 3rd at 2x https://t.co/x @you", ["is", "not", "<ord>", "at", "<mult>"]),
        ("Apple&#39;s S&amp;P", ["apple", "s&p"]),
        ("-4 pct", ["dn<pct>"]),
    ],
)
def test_numbers_tickers_and_links_become_classes(text: str, wanted: list[str]) -> None:
    """What a number is matters, which one it is does not."""
    assert tokens(cleaned(text)) == wanted


def test_a_negation_reaches_three_words_and_no_further_than_a_mark() -> None:
    """Words behind it are other words than without it."""
    assert negated(["not", "a", "good", "day", "here"]) == ["not", "NOT_a", "NOT_good", "NOT_day", "here"]
    assert negated(["no", "profit", ",", "growth"]) == ["no", "NOT_profit", "growth"]


def test_which_of_two_numbers_is_larger_is_a_feature() -> None:
    """A dollar against 40 cents is more, 9 from 12 is less, and a larger loss is another thing."""
    assert "v>" in features("EPS $1.00 vs. 40 cents a year ago")
    assert "v<" in features("Target cut to 9 from 12")
    assert "v>L" in features("Loss of $3 million vs. $2 million")
    assert not any(name.startswith("v") for name in features("5 of 12"))


def test_the_score_is_the_odds_difference_once_a_direction_is_clear() -> None:
    """A tenth of it where neutral is likelier, without a step in between."""
    assert Odds(0.1, 0.2, 0.7).score == pytest.approx(0.6)
    assert Odds(0.0, 0.6, 0.4).score == pytest.approx(0.04)
    assert abs(Odds(0.05, 0.475, 0.475).score) <= 0.05
    assert Odds(0.0, 0.4999, 0.5001).score == pytest.approx(Odds(0.0, 0.5001, 0.4999).score, abs=0.01)


def test_equal_texts_score_equally_wherever_they_stand() -> None:
    """One score per text, in order, whatever its neighbours are."""
    alone = [SCORER.score([text])[0] for text in ("Apple soars", "", "Apple sinks")]
    assert list(SCORER.score(["Apple soars", "", "Apple sinks"])) == alone
    assert alone[1] == 0.0
    assert SCORER.score([]) == []


@settings(max_examples=200)
@given(st.text(max_size=300), st.lists(st.text(max_size=10), max_size=3))
def test_no_text_breaks_it(text: str, about: list[str]) -> None:
    """Every text has three odds that sum to one, and a finite score."""
    (odds,) = SCORER.odds([text], about)
    assert math.fsum(odds) == pytest.approx(1.0, abs=1e-5)
    assert -1 <= odds.score <= 1


@pytest.mark.parametrize(
    "text",
    [
        "x" * 100_000,
        "$1,000," * 20_000,
        "(" * 50_000,
        "&" * 50_000,
        "1 vs 2 " * 20_000,
        "\x00\ud800\u202e",
        "🚀" * 5_000,
        "ﷺ" * 20_000,
        "<b>" * 30_000,
        "up 3% " * 30_000,
    ],
    ids=range(10),
)
def test_hostile_texts_cost_no_time(text: str) -> None:
    """A hundred kilobytes of anything are scored at once: only the beginning is read."""
    begin = time.process_time()
    (score,) = SCORER.score([text], about=("Apple",))
    assert math.isfinite(score)
    assert time.process_time() - begin < 0.5


def test_it_loads_when_first_used_and_needs_no_learning_library() -> None:
    """Building it reads nothing; scoring needs numpy alone."""
    code = (
        "import sys; from ztrade.adapters.sentiment import NgramScorer; s = NgramScorer();"
        "before = 'numpy' in sys.modules;"
        "s.score(['Apple soars']); sys.exit(before or 'sklearn' in sys.modules or 'scipy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_shipped_says_what_it_is() -> None:
    """Small, of the version that scores carry, with its measured scores and the licences of what it learned from."""
    told = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert WEIGHTS.stat().st_size < 2_000_000
    assert SCORER.name == f"ztrade-{told['version']}"
    assert told["features"] == VERSION
    assert set(told["macro_f1_held_out"]) == set(told["rows"])
    assert min(told["macro_f1_held_out"].values()) > 0.75
    assert all("MIT" in words for words in told["licences"].values())


def test_weights_of_other_features_are_refused(tmp_path: Path) -> None:
    """Scores would be nonsense, and nobody would see it."""
    stored = dict(np.load(WEIGHTS))
    np.savez(tmp_path / "weights.npz", **{**stored, "features": np.array(VERSION + 1)})
    with pytest.raises(ValueError, match="other features"):
        NgramScorer(tmp_path / "weights.npz").score(["Apple soars"])


def test_its_name_holds_the_weights_version() -> None:
    """So that the journal says which weights gave a score."""
    assert SCORER.name.startswith("ztrade-")
