"""The demo's state directory: one demo at a time, each fresh, with a configuration of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.stage import SHIPPED
from ztrade.cli.demo import place
from ztrade.config import Config, load_config
from ztrade.errors import ConfigError


@pytest.fixture
def source() -> Config:
    return load_config(SHIPPED / "ztrade.toml")


def test_the_written_configuration_is_the_shipped_one_on_its_own_exchange(source: Config, tmp_path: Path) -> None:
    """Agents and limits are kept; URLs, ports and state are the demo's."""
    config = place.write_config(tmp_path / "current", source, {name: source.agents[name] for name in ("spy", "aapl")})
    assert sorted(config.agents) == ["aapl", "spy"]
    assert config.agents["spy"] == source.agents["spy"]
    assert config.limits == source.limits
    assert config.state_dir == tmp_path / "current"
    assert config.main.exchange.url != source.main.exchange.url
    assert config.redis_url == f"redis+socket://{tmp_path}/current/run/redis.sock"
    assert load_config(tmp_path / "current" / "ztrade.toml").state_dir == tmp_path / "current"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZTRADE_REDIS__URL", "redis://127.0.0.1:6379/0"),
        ("ZTRADE_JOURNAL__URL", "sqlite:////tmp/other.db"),
        ("ZTRADE_EXCHANGE__URL", "http://127.0.0.1:1"),
        ("ZTRADE_EXCHANGE__SOCKET", "/tmp/other.sock"),
    ],
)
def test_the_demo_touches_nobody_elses_things(
    source: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """An environment variable that points to another Redis, journal or exchange is refused."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"unset {name}"):
        place.write_config(tmp_path / "current", source, source.agents)


def test_a_second_demo_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    """It names the process that holds it; afterwards the directory is free again."""
    with (
        place.held(tmp_path / "state"),
        pytest.raises(ConfigError, match=f"another demo or stack runs here \\(process {os.getpid()}\\)"),
    ):
        place.held(tmp_path / "state").__enter__()
    with place.held(tmp_path / "state") as current:
        assert current == tmp_path / "state" / "current"


def test_a_state_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file stands in the way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        place.held(tmp_path / "file" / "state").__enter__()


def demo_folder(path: Path, word: str) -> None:
    path.mkdir()
    (path / "ztrade.toml").write_text(f"# {word}")


def test_the_demo_before_is_kept_and_the_one_before_that_is_not(tmp_path: Path) -> None:
    """One generation is enough to look at what went wrong."""
    demo_folder(tmp_path / "last", "older")
    demo_folder(tmp_path / "current", "old")
    place.make_room(tmp_path / "current")
    assert not (tmp_path / "current").exists()
    assert (tmp_path / "last" / "ztrade.toml").read_text() == "# old"


@pytest.mark.parametrize("name", ["current", "last"])
def test_a_folder_that_is_no_demos_is_never_moved_or_removed(tmp_path: Path, name: str) -> None:
    """Somebody else's files under that name stay."""
    demo_folder(tmp_path / ("last" if name == "current" else "current"), "demo")
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="no folder of a demo"):
        place.make_room(tmp_path / "current")
    assert (tmp_path / name / "thesis.txt").exists()


def test_ports_are_free_and_different() -> None:
    """The exchange and Flower never get the same one."""
    exchange, flower = place.free_ports()
    assert exchange != flower
    assert min(exchange, flower) > 1023
