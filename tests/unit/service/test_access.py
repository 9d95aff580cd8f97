"""Logins at ztrade's own Redis: for which URL they are, whose they are, and what their files hold."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ztrade.cli.redis import at
from ztrade.config import load_main, redis_login
from ztrade.config_credentials import Login, login_in
from ztrade.errors import ConfigError
from ztrade.service import broker
from ztrade.service.access import acl_lines, users
from ztrade.service.access_files import Place, agent_names, deployed, renew

OURS = "redis+socket:///run/ztrade-redis/redis.sock"
GIVEN = "redis+socket://beat:s%2Fcret@/run/ztrade-redis/redis.sock\n"


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A unit's credentials, with a login in them; returns its file."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "redis").write_text(GIVEN)
    return tmp_path / "redis"


@pytest.mark.parametrize("url", [OURS, f"{OURS}?virtual_host=1"])
def test_a_login_is_used_where_it_is_for(unit: Path, url: str) -> None:
    """The URL without a login, whatever else it asks for; no URL shows it, nor does its repr."""
    login = redis_login(url)
    assert login == Login("beat", "s/cret")
    assert "cret" not in repr(login)
    assert "cret" not in broker.celery_url(url)
    assert broker.GivenLogin().get_credentials() == ("beat", "s/cret")


@pytest.mark.parametrize(
    "url", ["redis+socket:///run/redis/redis.sock", "redis://127.0.0.1:6379/0", f"{OURS[:15]}me:mine@{OURS[15:]}", ""]
)
def test_another_redis_gets_none(unit: Path, url: str) -> None:
    """Nor one whose URL has a login itself: it is used as it is."""
    if url:
        assert redis_login(url) is None
        assert broker.celery_url(url) == url


@pytest.mark.parametrize("text", ["", "\n", OURS, "redis://[", "\x00"])
def test_a_unit_without_a_login_has_none(unit: Path, text: str) -> None:
    """An empty credential is the unit's stand-in; damage is no login, which Redis then says."""
    unit.write_text(text)
    assert redis_login(OURS) is None


def test_a_login_without_a_file(tmp_path: Path) -> None:
    """Or one that is not this user's to read."""
    assert login_in(tmp_path / "none") is None
    assert login_in(tmp_path) is None


def test_no_rule_reaches_beyond_the_agent() -> None:
    """An agent whose name begins another's gets nothing of that one's."""
    rules = {user.name: user.rules.split() for user in users(["spy", "spy2"], control=False)}
    keys = [rule for rule in rules["worker-spy"] if "spy" in rule]
    assert sorted(keys) == [
        "~_kombu.binding*.agent.spy", "~_kombu.binding*.agent.spy.ctl", "~agent.spy", "~agent.spy.ctl",
        "~unacked.worker-spy", "~unacked.worker-spy.index", "~unacked.worker-spy.mutex",
    ]  # fmt: skip
    assert not [rule for rule in rules["worker-spy"] if re.fullmatch(r"(%\w+)?~(agent\.)?\*", rule)]


def test_control_is_all_that_lets_flower_write() -> None:
    """Of queues it may otherwise only read."""
    off, on = (next(u for u in users(["spy"], control=it) if u.name == "flower").rules for it in (False, True))
    assert "%R~agent.*" in off
    assert "%W~agent.*" not in off
    assert "%W~agent.*" in on


def test_the_acl_holds_hashes_only() -> None:
    """Whoever reads Redis' file learns no password."""
    wanted = list(users(["spy"], control=False))
    lines = list(acl_lines(wanted, {user.name: f"secret of {user.name}" for user in wanted}))
    assert lines[0].startswith("user default off resetpass ")
    assert len(lines) == len(wanted) + 1
    assert "secret" not in "".join(lines)
    assert all(re.match(r"user [\w-]+ on #[0-9a-f]{64} ", line) for line in lines[1:])


def test_files_are_made_once_and_are_their_owners(tmp_path: Path) -> None:
    """Modes, the unit of an agent spelt the older way, and an agent that is gone."""
    place = Place(tmp_path / "logins", tmp_path / "operators/redis", tmp_path / "users.acl")
    first = renew(place, {"agent_spy": "spy", "tsla": "tsla"}, control=False)
    assert {"worker-spy", "worker-tsla", "admin", "flower"} <= set(first.made)
    assert (tmp_path / "logins").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in place.logins.iterdir()} == {0o600}
    assert place.operators.stat().st_mode & 0o777 == 0o640
    assert place.acl.stat().st_mode & 0o777 == 0o640
    assert (place.logins / "worker-agent_spy").read_text() == (place.logins / "worker-spy").read_text()
    assert place.operators.read_text() == (place.logins / "operator").read_text()
    before = (place.logins / "beat").read_text()
    assert renew(place, {"agent_spy": "spy"}, control=False).made == []
    assert (place.logins / "beat").read_text() == before
    assert not (place.logins / "worker-tsla").exists()
    assert "worker-tsla" not in place.acl.read_text()


def test_a_damaged_login_is_made_anew(tmp_path: Path) -> None:
    """Half a file is no login, and no reason to lock a role out."""
    place = Place(tmp_path / "logins", tmp_path / "operators/redis", tmp_path / "users.acl")
    renew(place, {}, control=False)
    (place.logins / "beat").write_text("redis+sock")
    assert renew(place, {}, control=False).made == ["beat"]
    assert login_in(place.logins / "beat") is not None


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """With the file and the reason."""
    (tmp_path / "logins").write_text("")
    place = Place(tmp_path / "logins", tmp_path / "operators/redis", tmp_path / "users.acl")
    with pytest.raises(ConfigError, match="logins: cannot be written"):
        renew(place, {}, control=False)


def test_who_is_not_root_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="fix: sudo ztrade redis-acl"):
        deployed(tmp_path / "ztrade.toml")


def test_agents_are_named_by_their_files_unread(tmp_path: Path) -> None:
    """One that is broken must not keep Redis from starting; a name that is none is no user."""
    (tmp_path / "agents").mkdir()
    for stem in ("spy", "agent_tsla", "on ~* +@all", "Broken"):
        (tmp_path / "agents" / f"{stem}.toml").write_text("[")
    (tmp_path / "ztrade.toml").write_text("[flower]\ncontrol = true\n")
    config = load_main(tmp_path / "ztrade.toml")
    assert config.main.flower.control is True
    assert agent_names(config) == {"agent_tsla": "tsla", "spy": "spy"}


def test_redis_cli_gets_its_password_where_ps_does_not_show_it(unit: Path, tmp_path: Path) -> None:
    """Root's login before the operators'; a URL's own where it has one."""
    root = tmp_path / "admin"
    assert at(OURS, root) == (["-s", OURS[15:], "--user", "beat", "--no-auth-warning"], {"REDISCLI_AUTH": "s/cret"})
    root.write_text(GIVEN.replace("beat:s%2Fcret", "admin:root"))
    assert at(OURS, root)[1] == {"REDISCLI_AUTH": "root"}
    tcp = at("redis://me:mine@127.0.0.1:6390/0", root)
    assert tcp == (
        ["-u", "redis://127.0.0.1:6390/0", "--user", "me", "--no-auth-warning"], {"REDISCLI_AUTH": "mine"}
    )  # fmt: skip
    assert at("redis://127.0.0.1:6390/0", root) == (["-u", "redis://127.0.0.1:6390/0", "--no-auth-warning"], {})
