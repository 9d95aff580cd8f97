"""Which sources and which scorer a configuration leads to."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.benchmarks.places import SHIPPED
from ztrade import opinions
from ztrade.adapters.sentiment import NgramScorer, VaderScorer
from ztrade.config import Config, load_config
from ztrade.errors import ConfigError, JournalUnavailable
from ztrade.ports import Journal
from ztrade.testing.news import ListNews
from ztrade.testing.sentiment import WordScorer


def configured(folder: Path, section: str = "", credentials: str = "") -> Config:
    """Write the shipped configuration with this section of sentiment."""
    shutil.copytree(SHIPPED.parent, folder / "etc")
    with (folder / "etc" / "ztrade.toml").open("a") as file:
        file.write(f"\n[sentiment]\n{section}\n")
    if credentials:
        (folder / "etc" / "credentials.toml").write_text(credentials)
        (folder / "etc" / "credentials.toml").chmod(0o600)
    return load_config(folder / "etc" / "ztrade.toml")


def no_journal() -> Journal:
    """Stand for a journal that is down."""
    raise JournalUnavailable("down")


def test_by_default_the_news_are_scored_by_our_own(tmp_path: Path) -> None:
    """Nothing else is on."""
    config = configured(tmp_path)
    assert [source.name for source in opinions.sources(config, ListNews(), WordScorer())] == ["news"]
    assert isinstance(opinions.scorer(config, no_journal), NgramScorer)


def test_with_what_they_need_all_sources_are_on(tmp_path: Path) -> None:
    """Unless their weight is 0."""
    section = 'contact = "a@b.cc"\nstories = "x.json"\nnews = 0.0\nscorer = "vader"'
    config = configured(tmp_path, section, '[reddit]\nclient_id = "i"\nclient_secret = "s"\n')
    made = [source.name for source in opinions.sources(config, ListNews(), WordScorer())]
    assert made == ["filings", "reddit", "file"]
    assert opinions.sources_off(config) == {"news": "its weight is 0"}
    assert isinstance(opinions.scorer(config, no_journal), VaderScorer)


def test_filings_may_be_older_than_news(tmp_path: Path) -> None:
    """A company files seldom: a week is looked back, whatever is configured for news."""
    config = configured(tmp_path, 'contact = "a@b.cc"\nlookback = "2h"')
    made = {source.name: source for source in opinions.sources(config, ListNews(), WordScorer())}
    ages = {name: source._source._lookback for name, source in made.items()}  # type: ignore[attr-defined]
    assert ages == {"news": timedelta(hours=2), "filings": timedelta(days=7)}


def test_a_language_model_needs_a_name_and_a_key(tmp_path: Path) -> None:
    """Each is said before anything starts; with both it scores, also while the journal is down."""
    with pytest.raises(ConfigError, match="names no model"):
        configured(tmp_path / "a", 'scorer = "openai"')
    with pytest.raises(ConfigError, match="api_key is missing"):
        configured(tmp_path / "b", 'scorer = "openai"\nmodel = "m"')
    section = 'scorer = "openai"\nmodel = "m"\nmodel_url = "http://127.0.0.1:1"'
    config = configured(tmp_path / "c", section, '[openai]\napi_key = "k"\n')
    scorer = opinions.scorer(config, no_journal)
    assert scorer.name == "openai-m"
    assert scorer.score(["Apple soars"])[0] > 0
    assert isinstance(opinions.plain_scorer(config), NgramScorer)


@pytest.mark.parametrize("contact", ["me", "a@b", "a@b.cc\\nX: y"])
def test_a_contact_is_one_line_with_an_address(tmp_path: Path, contact: str) -> None:
    """It goes into a header."""
    with pytest.raises(ConfigError, match=r"sentiment\.contact"):
        configured(tmp_path, f'contact = "{contact}"')
