"""Configuration: parsed once into frozen objects. The only place that reads the environment.

``ztrade.toml`` is the main file, ``agents/NAME.toml`` beside it describe the agents, ``credentials.toml`` beside it
(mode 0600) holds keys. Every mistake is one :class:`~ztrade.errors.ConfigError` with file, key, reason and mend.
Environment variables ``ZTRADE_SECTION__KEY`` override single keys of the main file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from ztrade.config_agents import AGENT_NAME as AGENT_NAME
from ztrade.config_agents import Refuse, load_agents, raised
from ztrade.config_checks import EMBEDDED as EMBEDDED
from ztrade.config_checks import check
from ztrade.config_credentials import (
    SERVICES,
    Keys,
    Login,
    Unreadable,
    alert_secret,
    alert_secrets,
    key_pair,
    login_in,
    read_credentials,
    texts,
)
from ztrade.config_files import digest, read_toml, validated
from ztrade.config_schema import MainFile
from ztrade.domain.agent import AccountLimits, Agent, canonical_name
from ztrade.domain.limits import idle_beside_account, idle_limits
from ztrade.domain.sla import Objectives
from ztrade.errors import ConfigError

#: among the digests the main file, which is no agent's
MAIN = ""
#: what members of ztrade-operators log in to ztrade's own Redis with
OPERATORS_LOGIN = Path("/etc/ztrade/operators/redis")
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
    """Everything that was configured; ``main`` keeps the sections that need no translation.

    ``digests`` tell the files from what they may be later: by agent, and under :data:`MAIN` the main one's. What the
    environment overrides is not in them: it differs from one program to the next.
    """

    path: Path
    state_dir: Path
    main: MainFile
    agents: Mapping[str, Agent]
    accounts: Mapping[str, AccountConfig]
    limits: AccountLimits
    warnings: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def redis_url(self) -> str:
        """The configured Redis, or the embedded one's unix socket."""
        return self.main.redis.url or f"redis+socket://{self.state_dir}/run/redis.sock"

    @property
    def journal_url(self) -> str:
        return self.main.journal.url or f"sqlite:///{self.state_dir}/journal.db"

    @property
    def objectives(self) -> Objectives:
        """What is promised of slots and orders."""
        return Objectives(**self.main.sla.model_dump())

    @property
    def log_dir(self) -> Path | None:
        """The directory of log files; None where lines go to the journal or standard output."""
        directory = self.main.log.directory
        return (self.path.parent / _at_home(directory, f"{self.path}: log.directory")).absolute() if directory else None

    @property
    def credentials_file(self) -> Path:
        """The file with the keys: the unit's credential where systemd hands one over, else the one beside ours."""
        named = self.path.parent / self.main.credentials
        return credential(named.name) or named

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
        section = self._credentials().get(account)
        return None if section is None else key_pair(section, f"{self.credentials_file}: [{account}]")

    def secrets(self, service: str) -> tuple[str, ...] | None:
        """Read what the credentials file has for one of ``SERVICES``; None where it is absent.

        Raises:
            ConfigError: the file is readable by others, or malformed.
        """
        section = self._credentials().get(service)
        return None if section is None else texts(section, SERVICES[service], f"{self.credentials_file}: [{service}]")

    def alert_secrets(self) -> Mapping[str, str]:
        """Read the secret of each alert channel, empty where it needs none. Raises ConfigError."""
        wanted = {name: channel.secret for name, channel in self.main.alerts.channels.items()}
        return alert_secrets(self._credentials(), wanted, str(self.credentials_file)) if wanted else {}

    def alert_secret(self, channel: str) -> str:
        """Read the secret of one alert channel, empty where it needs none. Raises ConfigError."""
        key = self.main.alerts.channels[channel].secret
        # what needs no secret needs no file of secrets that is in order
        return alert_secret(self._credentials(), channel, key, str(self.credentials_file)) if key else ""

    def ca_file(self, channel: str) -> str:
        """Return the file of authorities for a channel's mail server, empty for the system's. Raises ConfigError."""
        name = self.main.alerts.channels[channel].ca_file
        if not name:
            return ""
        path = (self.path.parent / name).absolute()
        # not is_file(): a folder that is not ours would end it in an error of its own
        if not os.path.isfile(path):  # noqa: PTH113
            where, what = f"{self.path}: alerts.channels.{channel}.ca_file", f"{path} is no file that can be seen"
            raise ConfigError(where, what, fix="name a file of PEM certificates that the service may read")
        return str(path)

    def lacks_keys(self, account: str) -> bool:
        """Tell whether the account surely has no keys; not where this user may not look: it needs none either.

        Raises:
            ConfigError: the file is readable by others, or malformed.
        """
        try:
            return self.keys(account) is None
        except Unreadable:
            return False

    def may_read_keys(self) -> bool:
        """Tell whether this user may look at the keys; true where there are none."""
        try:
            self._credentials()
        except Unreadable:
            return False
        return True

    def _credentials(self) -> Mapping[str, Any]:
        path = self.credentials_file
        return read_credentials(path, self.accounts, guarded=path == credential(path.name))

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


def journal_stream() -> str:
    """Return ``$JOURNAL_STREAM``: which device and inode systemd connected to the journal; empty where none."""
    return os.environ.get("JOURNAL_STREAM", "")


def child_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process' environment and ``more``, for a program that is started."""
    return {**os.environ, **more}


def default_environment(values: Mapping[str, str]) -> None:
    """Set variables that libraries read, where the person who started us has not."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True, slots=True)
class Supervision:
    """What systemd says to a service that it starts.

    Args:
        notify: the socket that hears of its state (sd_notify(3)), empty where nobody listens.
        watchdog: how often it must be heard of (sd_watchdog_enabled(3)), None where it need not.
        sockets: how many open sockets it was handed, the first as descriptor 3 (sd_listen_fds(3)).
    """

    notify: str = ""
    watchdog: timedelta | None = None
    sockets: int = 0


def supervision() -> Supervision:
    """Read what systemd says to this very process; what was meant for a parent is not for a child."""
    said, me = os.environ, str(os.getpid())
    watched = said.get("WATCHDOG_PID", me) == me and said.get("WATCHDOG_USEC", "")
    handed = said.get("LISTEN_FDS", "0") if said.get("LISTEN_PID") == me else "0"
    return Supervision(
        said.get("NOTIFY_SOCKET", ""), timedelta(microseconds=int(watched)) if watched else None, int(handed)
    )


def failure() -> Mapping[str, str]:
    """Return what systemd says of the unit that failed, to the one that it names in OnFailure= (systemd.exec(5))."""
    prefix = "MONITOR_"
    return {name.removeprefix(prefix).lower(): said for name, said in os.environ.items() if name.startswith(prefix)}


def credential(name: str) -> Path | None:
    """Return the file of a credential that the unit loads (LoadCredential=), None where there is none by that name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, name) if folder else None
    return path if path is not None and path.exists() else None


def redis_login(url: str = "") -> Login | None:
    """Return the login for a Redis (empty: whichever), from the unit's credentials, else the operators' file."""
    return login_in(credential("redis") or OPERATORS_LOGIN, url)


def load_config(path: Path | None = None) -> Config:
    """Read and check the main file, the agent files and the environment.

    Raises:
        ConfigError: anything is wrong; nothing was started or written.
    """
    config = _with_agents(load_main(path), raised)
    check(config)
    return replace(config, warnings=tuple(_warnings(config)))


def load_to_look(path: Path | None = None) -> Config:
    """Read what is right, for looking alone: an agent's file that is wrong hides no other agent.

    Returns a configuration that nothing may trade on; what is wrong is among its ``warnings``.

    Raises:
        ConfigError: the main file or an override is wrong.
    """
    wrong: list[str] = []
    config = _with_agents(load_main(path), lambda error: wrong.append(str(error)))
    try:
        check(config)
    except ConfigError as error:
        wrong.append(str(error))
    return replace(config, warnings=tuple(wrong))


def _with_agents(plain: Config, refuse: Refuse) -> Config:
    agents, digests = load_agents(plain.path.parent / plain.main.agents_dir, plain.main, refuse)
    return replace(plain, agents=agents, digests={**plain.digests, **digests})


def load_main(path: Path | None = None) -> Config:
    """Read the main file and the environment alone: enough to find the journal when an agent's file is wrong.

    Raises:
        ConfigError: the main file or an override is wrong.
    """
    path = (path or default_config_path()).absolute()
    raw = read_toml(path)
    digests = {MAIN: digest(raw)}
    main = validated(MainFile, _overridden(raw), path)
    accounts = {name: AccountConfig(name, a.kind, a.trading_url, a.data_url) for name, a in main.accounts.items()}
    limits = AccountLimits(**main.limits.model_dump())
    return Config(path, _state_dir(path, main), main, {}, accounts, limits, digests=digests)


def _warnings(config: Config) -> Iterator[str]:
    if not config.agents:
        yield f"{config.path.parent / config.main.agents_dir} has no agent files: nothing will trade"
    yield from config.main.alerts.unheard(config.agents)
    for agent in config.agents.values():
        yield from idle_limits(agent)
        yield from idle_beside_account(agent, config.limits)
        if not agent.dry_run and config.lacks_keys(agent.account):
            file = config.credentials_file
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


def hard_time_limit(every: timedelta) -> timedelta:
    """Return a cycle's hard time limit: the smaller of 600 s and 0.8 x its interval."""
    return min(timedelta(seconds=600), every * 0.8)
