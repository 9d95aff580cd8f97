"""Configuration: parsed once into frozen objects. The only place that reads the environment.

``ztrade.toml`` is the main file, ``agents/NAME.toml`` beside it describe the agents, ``credentials.toml`` beside it
(mode 0600) holds keys. Every mistake is one :class:`~ztrade.errors.ConfigError` with file, key, reason and mend.
Environment variables ``ZTRADE_SECTION__KEY`` override single keys of the main file.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import ValidationError

from ztrade.config_credentials import SERVICES, Keys, key_pair, texts
from ztrade.config_schema import AgentFile, MainFile
from ztrade.domain.agent import AccountLimits, Agent, canonical_name
from ztrade.domain.limits import contradictions, idle_beside_account, idle_limits
from ztrade.errors import ConfigError

#: the account name under which the journal keeps what happens on the embedded exchange
EMBEDDED = "embedded"
#: where Alpaca trades real money
LIVE_HOST = "api.alpaca.markets"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
#: what `logs`, `stop` and `restart` mean by other things than agents
_TAKEN = frozenset({"beat", "exchange", "flower", "redis", "worker"})
_PASSWORD = re.compile(r"(://[^/@]*:)[^/@]*@")
#: characters of a wrong value that a message shows
_LONGEST_SHOWN = 120
#: variables with the prefix that are not overrides of keys
_PLAIN = {"ZTRADE_CONFIG", "ZTRADE_STATE"}


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """One Alpaca account; empty URLs mean Alpaca's own hosts for its kind."""

    name: str
    kind: Literal["paper", "live"]
    trading_url: str = ""
    data_url: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was configured; ``main`` keeps the sections that need no translation."""

    path: Path
    state_dir: Path
    main: MainFile
    agents: Mapping[str, Agent]
    accounts: Mapping[str, AccountConfig]
    limits: AccountLimits
    warnings: tuple[str, ...] = ()

    @property
    def redis_url(self) -> str:
        """The configured Redis, or the embedded one's unix socket."""
        return self.main.redis.url or f"redis+socket://{self.state_dir}/run/redis.sock"

    @property
    def journal_url(self) -> str:
        return self.main.journal.url or f"sqlite:///{self.state_dir}/journal.db"

    def agent(self, name: str) -> Agent:
        """Return the agent by name (``agent_spy`` is accepted for ``spy``).

        Raises:
            ConfigError: there is no such agent file.
        """
        found = self.agents.get(canonical_name(name))
        if found is None:
            known = ", ".join(sorted(self.agents)) or "none"
            raise ConfigError(f"agent {name!r}", "there is no such agent", fix=f"known agents: {known}")
        return found

    def keys(self, account: str) -> Keys | None:
        """Read the account's key pair from the credentials file; None where it is absent.

        Raises:
            ConfigError: the file is readable by others, or malformed.
        """
        path = self.path.parent / self.main.credentials
        section = _read_credentials(path, self.accounts).get(account)
        return None if section is None else key_pair(section, f"{path}: [{account}]")

    def secrets(self, service: str) -> tuple[str, ...] | None:
        """Read what the credentials file has for one of ``SERVICES``; None where it is absent.

        Raises:
            ConfigError: the file is readable by others, or malformed.
        """
        path = self.path.parent / self.main.credentials
        section = _read_credentials(path, self.accounts).get(service)
        return None if section is None else texts(section, SERVICES[service], f"{path}: [{service}]")

    def with_state(self, state_dir: Path) -> Self:
        """Return the same configuration with its state elsewhere."""
        return replace(self, state_dir=state_dir)


def default_config_path() -> Path:
    """Return ``$ZTRADE_CONFIG``, else ``./ztrade.toml`` where it exists, else ``/etc/ztrade/ztrade.toml``."""
    named = os.environ.get("ZTRADE_CONFIG")
    if named:
        return Path(named)
    local = Path("ztrade.toml")
    return local if local.exists() else Path("/etc/ztrade/ztrade.toml")


def default_state_dir() -> Path:
    """Return ``$ZTRADE_STATE``, else ``$XDG_STATE_HOME/ztrade`` (``~/.local/state/ztrade``)."""
    named = os.environ.get("ZTRADE_STATE")
    if named:
        return _at_home(named, "ZTRADE_STATE").absolute()
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return _at_home(base, "state directory").absolute() / "ztrade"


def child_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process' environment and ``more``, for a program that is started."""
    return {**os.environ, **more}


def default_environment(values: Mapping[str, str]) -> None:
    """Set variables that libraries read, where the person who started us has not."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


def load_config(path: Path | None = None) -> Config:
    """Read and check the main file, the agent files and the environment.

    Raises:
        ConfigError: anything is wrong; nothing was started or written.
    """
    path = (path or default_config_path()).absolute()
    main = _validated(MainFile, _overridden(_read_toml(path)), path)
    agents = _load_agents(path.parent / main.agents_dir, main)
    accounts = {name: AccountConfig(name, a.kind, a.trading_url, a.data_url) for name, a in main.accounts.items()}
    limits = AccountLimits(**main.limits.model_dump())
    config = Config(path, _state_dir(path, main), main, agents, accounts, limits)
    _check_accounts(config)
    _check_scorer(config)
    return replace(config, warnings=tuple(_warnings(config)))


def _warnings(config: Config) -> Iterator[str]:
    if not config.agents:
        yield f"{config.path.parent / config.main.agents_dir} has no agent files: nothing will trade"
    for agent in config.agents.values():
        yield from idle_limits(agent)
        yield from idle_beside_account(agent, config.limits)
        if not agent.dry_run and config.keys(agent.account) is None:
            file = config.path.parent / config.main.credentials
            yield f"{agent.name}: account {agent.account} has no keys in {file}: every cycle will fail"


def _state_dir(path: Path, main: MainFile) -> Path:
    if os.environ.get("ZTRADE_STATE") or not main.state_dir:
        return default_state_dir()
    return (path.parent / _at_home(main.state_dir, f"{path}: state_dir")).absolute()


def _at_home(path: str, where: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(where, f"{path!r} is in a home directory that does not exist", fix="write it out") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        # Windows' editors begin a file with a byte order mark
        return tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except FileNotFoundError:
        raise ConfigError(
            str(path), "the file does not exist", fix="name one with --config or ZTRADE_CONFIG, or try `ztrade demo`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        # the parser lets numbers of thousands of digits and thousands of brackets end it in ways of their own
        raise ConfigError(str(path), f"is not valid TOML: {error}") from None


def _overridden(raw: dict[str, Any]) -> dict[str, Any]:
    for name, value in sorted(os.environ.items()):
        if not name.startswith("ZTRADE_") or name in _PLAIN or name.startswith("ZTRADE_TEST_"):
            continue
        keys = name.removeprefix("ZTRADE_").lower().split("__")
        _override(raw, keys, value, name)
    return raw


def _override(raw: dict[str, Any], keys: Sequence[str], value: str, name: str) -> None:
    node: Any = raw
    schema: Any = MainFile
    for key in keys[:-1]:
        schema = _section(schema, key)
        node = node.setdefault(key, {}) if isinstance(node, dict) else None
    known = isinstance(schema, type) and keys[-1] in getattr(schema, "model_fields", {})
    if not known or not isinstance(node, dict):
        raise ConfigError(
            f"environment variable {name}",
            "names no key of ztrade.toml",
            fix="spell it ZTRADE_SECTION__KEY, like ZTRADE_REDIS__URL, or unset it",
        )
    node[keys[-1]] = value


def _section(schema: Any, key: str) -> Any:
    found = getattr(schema, "model_fields", {}).get(key)
    return found.annotation if found is not None else None


def _validated(model: Any, raw: Mapping[str, Any], path: Path) -> Any:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(str(path), _say(error)) from None


def _say(error: ValidationError) -> str:
    """Turn pydantic's list into one line per mistake: key, what is wrong, what was found."""
    lines = []
    for entry in error.errors():
        key = ".".join(str(part) for part in entry["loc"]) or "(file)"
        found = "" if isinstance(entry["input"], dict) else f" (found {_shown(entry['input'])})"
        if entry["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key")
        elif entry["type"] == "missing":
            lines.append(f"{key}: is missing")
        elif entry["type"] in ("model_type", "dict_type"):
            lines.append(f"{key}: must be a table{found}")
        else:
            lines.append(f"{key}: {entry['msg'].removeprefix('Value error, ')}{found}")
    return "; ".join(lines)


def _shown(value: object) -> str:
    """Spell a value as a file would, not as Python does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        value = _PASSWORD.sub(r"\1***@", value)
    text = str(value) if isinstance(value, Decimal | int | date) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _load_agents(folder: Path, main: MainFile) -> dict[str, Agent]:
    if not folder.is_dir():
        raise ConfigError(str(folder), "the agents' folder does not exist", fix="create it, or set agents_dir")
    if not os.access(folder, os.R_OK | os.X_OK):
        # a glob would find nothing and say nothing
        raise ConfigError(str(folder), "the agents' folder cannot be read", fix=f"let uid {os.getuid()} read it")
    agents: dict[str, Agent] = {}
    for path in sorted(folder.glob("*.toml")):
        agent = load_agent(path, main)
        if agent.name in agents:
            raise ConfigError(str(path), f"a second file for agent {agent.name!r}", fix="keep one of the two")
        agents[agent.name] = agent
    return agents


def load_agent(path: Path, main: MainFile) -> Agent:
    """Read one agent file; its name is the file's.

    Raises:
        ConfigError: a key is unknown, missing, wrong, or contradicts another.
    """
    name = canonical_name(path.stem)
    if not _NAME.fullmatch(name):
        raise ConfigError(str(path), "the file's name is the agent's: lower-case letters, digits, - and _, at most 32")
    if name in _TAKEN or name.startswith(("worker-", "agent_")):
        raise ConfigError(str(path), f"an agent cannot be named {name!r}: the commands mean something else by it")
    file: AgentFile = _validated(AgentFile, _read_toml(path), path)
    agent = file.to_agent(name)
    if agent.account not in main.accounts:
        raise ConfigError(
            f"{path}: account", f"{agent.account!r} is not in ztrade.toml", fix=f"one of: {', '.join(main.accounts)}"
        )
    for key, problem in contradictions(agent):
        raise ConfigError(f"{path}: {key}", problem)
    _check_strategy(agent, path)
    return agent


def _check_strategy(agent: Agent, path: Path) -> None:
    from ztrade.strategies import create  # TA-Lib costs 80 ms, which readers of the schema alone need not pay

    try:
        create(agent.strategy, agent.parameters)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{path}: [strategy]", str(error)) from None


def _check_scorer(config: Config) -> None:
    section = config.main.sentiment
    if section.scorer in ("ztrade", "vader"):
        return
    if not section.model:
        raise ConfigError(f"{config.path}: sentiment.model", "names no model", fix="the provider's name of one")
    if config.secrets(section.scorer) is None:
        where = f"{config.path.parent / config.main.credentials}: [{section.scorer}]"
        raise ConfigError(where, "api_key is missing", fix='put it there, or set scorer = "ztrade"')


def _check_accounts(config: Config) -> None:
    for section in config.accounts.values():
        host = (urlsplit(section.trading_url).hostname or "").rstrip(".")
        if section.kind == "paper" and host == LIVE_HOST:
            raise ConfigError(
                f"{config.path}: accounts.{section.name}.trading_url",
                f"{section.trading_url!r} trades real money, and the account is of kind paper",
                fix="leave trading_url out, or make it an account of kind live with its switches",
            )
    seen: dict[tuple[str, str], str] = {}
    for agent in config.agents.values():
        account = EMBEDDED if agent.dry_run else agent.account
        other = seen.setdefault((account, agent.symbol), agent.name)
        if other != agent.name:
            raise ConfigError(
                f"agents {other!r} and {agent.name!r}",
                f"both trade {agent.symbol} on account {account}",
                "resting orders of one make the other's orders wash trades",
                "give them different symbols or accounts",
            )
        if not agent.dry_run and config.accounts[agent.account].kind == "live":
            _check_live(config, agent)


def _check_live(config: Config, agent: Agent) -> None:
    missing = []
    if agent.account != "live":
        missing.append('account = "live" in the agent file (live accounts carry that name)')
    if not config.main.allow_live:
        missing.append("allow_live = true in ztrade.toml")
    if config.keys(agent.account) is None:
        missing.append(f"[{agent.account}] key_id and secret_key in {config.main.credentials}")
    if missing:
        raise ConfigError(
            f"agent {agent.name!r}", "live money is not switched on", fix="missing: " + "; ".join(missing)
        )


def _read_credentials(path: Path, accounts: Container[str]) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    if not path.is_file():
        raise ConfigError(str(path), "is not a file", fix="set credentials to the file with the keys")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(str(path), "others can read the keys", fix=f"chmod 600 {path}")
    found = _read_toml(path)
    for name in found:
        if name not in accounts and name not in SERVICES:
            raise ConfigError(f"{path}: {name}", "is no account of ztrade.toml", fix="name it as under [accounts]")
    return found


def hard_time_limit(every: timedelta) -> timedelta:
    """Return a cycle's hard time limit: the smaller of 600 s and 0.8 x its interval."""
    return min(timedelta(seconds=600), every * 0.8)
