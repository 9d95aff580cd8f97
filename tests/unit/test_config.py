"""Configuration: the shipped files are right, and every mistake is named with file, key and mend."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.configs import MAIN, copied, edited, without_overrides
from ztrade.config import Config, hard_time_limit, load_config
from ztrade.domain.durations import format_duration, parse_duration
from ztrade.errors import ConfigError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    without_overrides(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path)


def test_the_shipped_configuration_is_right(folder: Path) -> None:
    """Three agents, dry, without warnings: what a newcomer starts with."""
    config = load_config(folder / "ztrade.toml")
    assert sorted(config.agents) == ["aapl", "spy", "tsla"]
    assert config.warnings == ()
    assert all(agent.dry_run and not agent.manual for agent in config.agents.values())
    assert config.agents["aapl"].limits.stop_loss == Decimal("0.015")
    assert config.agent("agent_spy").name == "spy"


SPY = "agents/spy.toml"
LIVE = "allow_live = false"
MISTAKES = {
    "unknown key": (SPY, "capital = 10000", "captial = 10000", "captial: unknown key"),
    "missing key": (SPY, 'symbol = "SPY"\n', "", "symbol: is missing"),
    "lower-case symbol": (SPY, 'symbol = "SPY"', 'symbol = "spy"', "symbol"),
    "duration as number": (SPY, 'every = "5m"', "every = 5", 'a duration is text like "5m"'),
    "duration nonsense": (SPY, 'every = "5m"', 'every = "5 minutes"', "not a duration"),
    "negative money": (SPY, "max_position_value = 5000", "max_position_value = -1", "greater than 0"),
    "nan": (SPY, "max_position_value = 5000", "max_position_value = nan", "finite"),
    "infinite": (SPY, "max_daily_loss = 300", "max_daily_loss = inf", "finite"),
    "percent for fraction": (SPY, "stop_loss = 0.02", "stop_loss = 2", "less than 1"),
    "confidence over one": (SPY, "min_confidence = 0.60", "min_confidence = 60", "less than or equal to 1"),
    "unknown strategy": (SPY, 'name = "momentum"', 'name = "martingale"', "martingale"),
    "unknown parameter": (SPY, 'name = "momentum"', 'name = "momentum"\nspeed = 3', "speed"),
    "text parameter": (SPY, 'name = "momentum"', 'name = "momentum"\nspeed = "x"', "must be a number"),
    "timeframe": (SPY, 'timeframe = "15m"', 'timeframe = "7m"', "not a multiple of 5m"),
    "delay": (SPY, 'every = "5m"', 'every = "5m"\ndelay = "5m"', "shorter than every"),
    "weights": (SPY, "sentiment = 0.6\ntechnical = 0.4", "sentiment = 0\ntechnical = 0", "both weights are 0"),
    "contradiction": (SPY, "max_open_positions = 1", "max_open_positions = 0", "must both be 0"),
    "account": (SPY, 'account = "paper"', 'account = "papier"', "'papier' is not in ztrade.toml"),
    "same symbol": (SPY, 'symbol = "SPY"', 'symbol = "TSLA"', "both trade TSLA"),
    "switch as text": (SPY, "dry_run = true", 'dry_run = "no"', "dry_run"),
    "switch as number": (SPY, "manual = false", "manual = 0", "manual"),
    "true for a number": (SPY, "max_daily_trades = 5", "max_daily_trades = true", "must be a number"),
    "true for money": (SPY, "max_position_value = 5000", "max_position_value = true", "found true"),
    "a session twice": (SPY, 'every = "5m"', 'every = "5m"\nsessions = ["regular", "regular"]', "twice"),
    "proposal without life": (SPY, "capital = 10000", 'capital = 10000\nproposal_ttl = "0s"', "proposal_ttl"),
    "value as in the file": (SPY, "stop_loss = 0.02", "stop_loss = -0.02", "(found -0.02)"),
    "live switch as text": ("ztrade.toml", "allow_live = false", 'allow_live = "yes"', "must be true or false"),
    "no such port": ("ztrade.toml", "127.0.0.1:8642", "127.0.0.1:86420", "port"),
    "redis port": ("ztrade.toml", "allow_live = false", '[redis]\nurl = "redis://localhost:99999"\n', "redis.url"),
    "database url": ("ztrade.toml", "allow_live = false", '[journal]\nurl = "sqlte:///x.db"\n', "sqlite:///"),
    "no time to answer": ("ztrade.toml", "allow_live = false", '[alpaca]\nread_timeout = "0s"\n', "read_timeout"),
    "test task without rest": ("ztrade.toml", "allow_live = false", '[beat]\ntest_task = "0s"\n', "test_task"),
    "test task too often": (MAIN, LIVE, '[beat]\ntest_task = "1ms"\n', "beat.test_task: must be at least 1s, or"),
    "test task as number": (MAIN, LIVE, "[beat]\ntest_task = 60\n", 'beat.test_task: a duration is text like "5m"'),
    "waits longer than a cycle": (MAIN, LIVE, '[alpaca]\nread_timeout = "1h"\n', "must be at most 5m"),
    "longer than calendars reach": (SPY, 'cooldown = "30m"', 'cooldown = "99999999999h"', "longer than a year"),
    "digits of another script": (SPY, 'timeframe = "15m"', 'timeframe = "１５m"', "not a duration"),
    "money below a millionth": (SPY, "capital = 10000", "capital = 1e-9", "capital"),
    "money that no column holds": (SPY, "capital = 10000", "capital = 1e40", "capital"),
    "a stop at the entry": (SPY, "stop_loss = 0.02", "stop_loss = 1e-300", "limits.stop_loss"),
    "endless parameter": (SPY, 'name = "momentum"', f'name = "momentum"\nfast = 1{"0" * 400}', "must be a number"),
    "parameter nan": (SPY, 'name = "momentum"', 'name = "momentum"\nfast = nan', "must be a number"),
    "endless number": (SPY, "capital = 10000", f"capital = {'9' * 5000}", "not valid TOML"),
    "brackets without end": (MAIN, LIVE, f"x = {'[' * 3000}", "not valid TOML"),
    "two dots in a symbol": (SPY, 'symbol = "SPY"', 'symbol = "A..B"', "is no symbol like SPY"),
    "a value for a table": (MAIN, LIVE, "redis = 3\n", "redis: must be a table (found 3)"),
    "somebody's home": (MAIN, LIVE, 'state_dir = "~nobody-at-all/x"\n', "home directory that does not exist"),
    "a path with a zero": (MAIN, LIVE, 'state_dir = "\\u0000"\n', "state_dir"),
    "agents nowhere": (MAIN, LIVE, 'agents_dir = ""\n', "agents_dir: must not be empty"),
    "redis without a host": (MAIN, LIVE, '[redis]\nurl = "redis://"\n', "names no host"),
    "redis database": (MAIN, LIVE, '[redis]\nurl = "redis://h/cache"\n', "number of a database"),
    "redis with a blank": (MAIN, LIVE, '[redis]\nurl = "redis://us er@h/0"\n', "has blanks"),
    "redis socket without a path": (MAIN, LIVE, '[redis]\nurl = "redis+socket://"\n', "redis+socket:///PATH"),
    "journal in memory": (MAIN, LIVE, '[journal]\nurl = "sqlite:///:memory:"\n', "absolute path"),
    "journal without a file": (MAIN, LIVE, '[journal]\nurl = "sqlite:///"\n', "absolute path"),
    "journal wherever one stands": (MAIN, LIVE, '[journal]\nurl = "sqlite:///journal.db"\n', "absolute path"),
    "dry runs nowhere": (MAIN, '"http://127.0.0.1:8642"', '""', "must look like http://127.0.0.1:8642"),
    "dry runs at Alpaca": (MAIN, '"http://127.0.0.1:8642"', '"https://api.alpaca.markets"', "where dry runs trade"),
    "an address with a path": (MAIN, "127.0.0.1:8642", "127.0.0.1:8642/v2", "and nothing else"),
    "an address with a login": (MAIN, "127.0.0.1:8642", "me:pw@127.0.0.1:8642", "and nothing else"),
    "a socket somewhere": (MAIN, "[exchange]", '[exchange]\nsocket = "x.sock"', "absolute path"),
    "a socket too long": (MAIN, "[exchange]", f'[exchange]\nsocket = "/{"x" * 120}"', "at most 107 bytes"),
    "one port for two": (MAIN, LIVE, "[flower]\nport = 9540\n", "exporter.port: 9540 is flower.port's"),
    "the exchange's port": (MAIN, LIVE, "[exporter]\nport = 8642\n", "exporter.port: 8642 is exchange.url's"),
    "no host": (MAIN, LIVE, '[flower]\nhost = "not a host"\n', "no host name and no IP address"),
    "no path": (MAIN, LIVE, '[flower]\nurl_prefix = "/a b"\n', "must be a path of letters, digits"),
    "no IP address": (MAIN, LIVE, '[flower]\nhost = "999.1.1.1"\n', "no host name and no IP address"),
    "the exchange's own account": (MAIN, LIVE, '[accounts.embedded]\nkind = "paper"\n', "is no account name"),
    "no past": ("ztrade.toml", "allow_live = false", '[sentiment]\nlookback = "0s"\n', "lookback"),
    "more than all": (MAIN, LIVE, "[sla]\ndone_in_time = 1.5\n", "sla.done_in_time"),
    "per cent": (MAIN, LIVE, "[sla]\nnot_missed = 99.9\n", "a share, and 0.995 is 99.5 %"),
    "no objective": (MAIN, LIVE, "[sla]\nnot_missed = 0\n", "sla.not_missed"),
    "no time for it": (MAIN, LIVE, '[sla]\norder_known_within = "0s"\n', "sla.order_known_within"),
    "not toml": (SPY, "[schedule]", "[schedule", "not valid TOML"),
    "main key": ("ztrade.toml", "allow_live = false", "allow_life = false", "allow_life: unknown key"),
    "main url": ("ztrade.toml", "http://127.0.0.1:8642", "127.0.0.1:8642", "exchange.url"),
    "tls unverified": (
        "ztrade.toml",
        "allow_live = false",
        'allow_live = false\n[redis]\nurl = "rediss://h/0"\n',
        "ssl_cert_reqs=required",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_file(name: str, folder: Path) -> None:
    """One error, with the file, the key and what is wrong."""
    file, old, new, words = MISTAKES[name]
    with pytest.raises(ConfigError) as caught:
        edited(folder, file, old, new)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_limits_that_cannot_bind_are_warnings(folder: Path) -> None:
    """The agent starts; a person is told that a number does nothing."""
    config = edited(folder, SPY, "max_daily_loss = 300", "max_daily_loss = 90000")
    assert any("max_daily_loss" in warning for warning in config.warnings)
    config = edited(folder, SPY, "min_confidence = 0.60", "min_confidence = 0")
    assert any("min_confidence" in warning for warning in config.warnings)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_daily_loss = 300", "max_daily_loss = 2500", "above the account's 2000"),
        ("max_daily_loss = 300", "max_daily_loss = 60", "one stopped trade"),
        ("max_position_value = 5000", "max_position_value = 20000", "above capital"),
    ],
)
def test_limits_are_held_against_each_other(folder: Path, old: str, new: str, words: str) -> None:
    """A limit that another one makes idle, or that one trade can break, is said at every start."""
    assert any(words in warning for warning in edited(folder, SPY, old, new).warnings)


def go_live(folder: Path, *, allowed: bool, keys: bool) -> Config:
    if allowed:
        path = folder / "ztrade.toml"
        path.write_text(path.read_text().replace("allow_live = false", "allow_live = true"))
    if keys:
        path = folder / "credentials.toml"
        path.write_text('[live]\nkey_id = "AK"\nsecret_key = "s"\n')
        path.chmod(0o600)
    text = (folder / SPY).read_text()
    text = text.replace("dry_run = true ", "dry_run = false ").replace('account = "paper"', 'account = "live"')
    (folder / SPY).write_text(text)
    return load_config(folder / "ztrade.toml")


@pytest.mark.parametrize(
    ("allowed", "keys", "missing"), [(False, True, "allow_live"), (True, False, "key_id"), (False, False, "allow_live")]
)
def test_live_money_needs_every_switch(folder: Path, allowed: bool, keys: bool, missing: str) -> None:
    """Anything less refuses to start and says which switch is missing."""
    with pytest.raises(ConfigError, match="live money is not switched on") as caught:
        go_live(folder, allowed=allowed, keys=keys)
    assert missing in str(caught.value)


def test_a_live_account_under_another_name_is_refused(folder: Path) -> None:
    """Its name is one of the switches: an agent's file that trades real money says so where everybody looks."""
    edited(folder, "ztrade.toml", "allow_live = false", 'allow_live = true\n[accounts.big]\nkind = "live"\n')
    keys = folder / "credentials.toml"
    keys.write_text('[big]\nkey_id = "AK"\nsecret_key = "s"\n')
    keys.chmod(0o600)
    edited(folder, SPY, 'account = "paper"', 'account = "big"')
    with pytest.raises(ConfigError, match='account = "live"'):
        edited(folder, SPY, "dry_run = true ", "dry_run = false ")


@pytest.mark.parametrize("url", ["https://api.alpaca.markets", "https://API.alpaca.markets.:443"])
def test_a_paper_account_at_the_live_address_is_refused(folder: Path, url: str) -> None:
    """It would trade real money past every switch."""
    with pytest.raises(ConfigError, match="trades real money"):
        edited(
            folder,
            "ztrade.toml",
            "allow_live = false",
            f'allow_live = false\n[accounts.more]\nkind = "paper"\ntrading_url = "{url}"\n',
        )


def test_live_with_every_switch_starts(folder: Path) -> None:
    """With all switches on, the agent is live."""
    config = go_live(folder, allowed=True, keys=True)
    assert not config.agents["spy"].dry_run
    assert config.keys("live") is not None


def test_keys_that_others_can_read_are_refused(folder: Path) -> None:
    """A credentials file must be the user's alone."""
    (folder / "credentials.toml").write_text('[paper]\nkey_id = "PK"\nsecret_key = "s"\n')
    (folder / "credentials.toml").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_config(folder / "ztrade.toml").keys("paper")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[papr]\nkey_id = "a"\nsecret_key = "b"\n', "papr: is no account of ztrade.toml"),
        ("paper = 3\n", "[paper]: must be a table"),
        ('[paper]\nkey_id = "a"\nsecret_key = "b"\nkeyid = "c"\n', "keyid: unknown key"),
        ('[paper]\nkey_id = "a"\n', "key_id and secret_key must be"),
        ('[paper]\nkey_id = "a"\nsecret_key = "b "\n', "without blanks"),
        ('[paper]\nkey_id = "a"\nsecret_key = "b\\n"\n', "without blanks"),
    ],
)
def test_a_mistake_in_the_credentials_is_named(folder: Path, text: str, words: str) -> None:
    """A misspelt account would look like one without keys, and a blank would break the request's header."""
    (folder / "credentials.toml").write_text(text)
    (folder / "credentials.toml").chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        load_config(folder / "ztrade.toml").keys("paper")
    assert words in str(caught.value)


def test_a_pipe_among_the_agents_is_named_and_not_read(folder: Path) -> None:
    """It would be waited for without end."""
    os.mkfifo(folder / "agents" / "pipe.toml")
    with pytest.raises(ConfigError, match=r"pipe\.toml: is not a file"):
        load_config(folder / MAIN)


def test_what_an_editor_puts_beside_an_agents_file_is_no_agent(folder: Path) -> None:
    """Emacs' lock leads nowhere until the change is saved; meanwhile a halt must work, and what dies must come back."""
    (folder / "agents" / ".#spy.toml").symlink_to("ann@host.1234:1661178900")
    assert sorted(load_config(folder / MAIN).agents) == ["aapl", "spy", "tsla"]


def test_a_folder_is_no_credentials_file(folder: Path) -> None:
    """The advice must not be to take a folder, or the whole machine, away from everybody else."""
    config = edited(folder, MAIN, LIVE, f'{LIVE}\ncredentials = "agents"\n')
    with pytest.raises(ConfigError, match="is not a file") as caught:
        config.keys("paper")
    assert "chmod" not in str(caught.value)


def test_a_password_in_a_wrong_url_is_not_shown(folder: Path) -> None:
    """The message says what is wrong; it may end up in a log."""
    with pytest.raises(ConfigError, match=r"redis\.url") as caught:
        edited(folder, MAIN, LIVE, '[redis]\nurl = "redis://me:hunter2@h/cache"\n')
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["beat", "keeper", "redis", "worker", "worker-spy", "agent_agent_spy"])
def test_an_agent_is_not_named_like_a_program(name: str, folder: Path) -> None:
    """`stop beat` must mean one thing."""
    (folder / SPY).rename(folder / "agents" / f"{name}.toml")
    with pytest.raises(ConfigError, match="an agent cannot be named"):
        load_config(folder / MAIN)


def test_a_folder_without_agents_is_a_warning(folder: Path) -> None:
    """Nothing would trade, and nothing would say why."""
    for path in (folder / "agents").iterdir():
        path.unlink()
    (warning,) = load_config(folder / MAIN).warnings
    assert "no agent files" in warning


def test_a_file_from_a_windows_editor_is_read(folder: Path) -> None:
    """With a byte order mark and carriage returns."""
    text = (folder / MAIN).read_bytes().replace(b"\n", b"\r\n")
    (folder / MAIN).write_bytes(b"\xef\xbb\xbf" + text)
    assert load_config(folder / MAIN).agents


@pytest.mark.parametrize("prefix", ["flower", "/flower", "/ops/flower/", ""])
def test_a_path_at_a_proxy_may_have_its_slashes(folder: Path, prefix: str) -> None:
    """Flower wants it without."""
    config = edited(folder, MAIN, LIVE, f'[flower]\nurl_prefix = "{prefix}"\n')
    assert config.main.flower.url_prefix == prefix.strip("/")
    assert config.main.flower.control is False


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://:pw@h:6379/3", "redis+socket:///run/redis.sock?virtual_host=1",
        "rediss://h/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem", "redis://[::1]:6379/0",
    ],
)  # fmt: skip
def test_every_spelling_of_a_redis_is_read(folder: Path, url: str) -> None:
    """Being strict must not shut anybody out."""
    assert edited(folder, MAIN, LIVE, f'[redis]\nurl = "{url}"\n').redis_url == url


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/ztrade/journal.db", "postgresql://me:p%40ss@db:5433/x", "postgresql:///x?host=/run/pg"]
)
def test_every_spelling_of_a_journal_is_read(folder: Path, url: str) -> None:
    """Being strict must not shut anybody out."""
    assert edited(folder, MAIN, LIVE, f'[journal]\nurl = "{url}"\n').journal_url == url


def test_keys_are_never_shown(folder: Path) -> None:
    """Neither repr nor str of the pair contains it."""
    path = folder / "credentials.toml"
    path.write_text('[paper]\nkey_id = "PKSECRET"\nsecret_key = "SSECRET"\n')
    path.chmod(0o600)
    assert "SECRET" not in f"{load_config(folder / 'ztrade.toml').keys('paper')!r}"


def test_the_environment_overrides_single_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZTRADE_SECTION__KEY wins over the file."""
    monkeypatch.setenv("ZTRADE_EXCHANGE__URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ZTRADE_FLOWER__PORT", "5556")
    config = load_config(folder / "ztrade.toml")
    assert config.main.exchange.url == "http://127.0.0.1:1"
    assert config.main.flower.port == 5556


@pytest.mark.parametrize("name", ["ZTRADE_EXCHANGE__ULR", "ZTRADE_NOPE", "ZTRADE_ALLOW_LIVE__X", "ZTRADE_"])
def test_a_misspelt_variable_is_an_error(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing mistake must not leave the default in force unseen."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError, match="names no key"):
        load_config(folder / "ztrade.toml")


@pytest.mark.parametrize("word", ["true", "false"])
def test_a_switch_in_the_environment_is_spelt_as_in_the_file(
    word: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables are text, so the two words count there."""
    monkeypatch.setenv("ZTRADE_ALLOW_LIVE", word)
    assert load_config(folder / "ztrade.toml").main.allow_live is (word == "true")


def test_a_bad_value_in_the_environment_names_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value is checked like one in the file."""
    monkeypatch.setenv("ZTRADE_FLOWER__PORT", "many")
    with pytest.raises(ConfigError, match=r"flower\.port"):
        load_config(folder / "ztrade.toml")


def test_no_file_says_what_to_do(tmp_path: Path) -> None:
    """A missing main file points to --config and to the demo."""
    with pytest.raises(ConfigError, match="ztrade demo"):
        load_config(tmp_path / "ztrade.toml")


@pytest.mark.parametrize("name", ["SPY.toml", "9lives.toml", "a b.toml", f"{'x' * 40}.toml"])
def test_agent_names_are_safe_for_queues_units_and_ids(name: str, folder: Path) -> None:
    """The file's name becomes part of queue, unit and order names."""
    shutil.copy(folder / SPY, folder / "agents" / name)
    with pytest.raises(ConfigError, match="the file's name is the agent's"):
        load_config(folder / "ztrade.toml")


def test_both_spellings_of_one_agent_are_refused(folder: Path) -> None:
    """agent_spy.toml beside spy.toml would be the same agent twice."""
    shutil.copy(folder / SPY, folder / "agents" / "agent_spy.toml")
    with pytest.raises(ConfigError, match="a second file"):
        load_config(folder / "ztrade.toml")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("250ms", 0.25)]
)
def test_durations_are_read_and_written(text: str, seconds: float) -> None:
    """What is written can be read back."""
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


def test_the_hard_limit_is_under_the_interval() -> None:
    """0.8 x the interval, at most ten minutes."""
    assert hard_time_limit(timedelta(minutes=5)) == timedelta(minutes=4)
    assert hard_time_limit(timedelta(hours=1)) == timedelta(minutes=10)
