"""What ``ztrade setup`` makes of the answers: the files under /etc/ztrade, and the units to enable."""

from __future__ import annotations

import json
import secrets
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ztrade.config import Config
from ztrade.config_credentials import Keys, seal, sealed, unseal
from ztrade.config_files import AGENT_FILES, parse_toml
from ztrade.domain.agent import canonical_name
from ztrade.errors import ConfigError
from ztrade.service.flower_login import LOGIN, USER, check_login
from ztrade.service.install.changes import SECRET, Wanted
from ztrade.service.share import share
from ztrade.service.units import BACKUP, TARGET, unit_of

#: an agent file that is kept, and does not count
OFF = ".toml.off"
#: a demo that shows something: a slot of five minutes every half minute
DEMO_EXCHANGE = "# written by ztrade setup --demo\nEXCHANGE_ARGS=--synthetic 7 --days 60 --speed 10\n"
#: the drop-in that lets a unit reach Alpaca, and where it is needed
NETWORK, _NETWORKED = "network.conf", ("ztrade-worker@.service.d", "ztrade-keeper.service.d")
SYSTEM = Path("/etc/systemd/system")
#: the drop-in that hands encrypted keys over, and where it is needed
_WITH_KEYS = ("ztrade-worker@.service.d", "ztrade-keeper.service.d", "ztrade-exchange.service.d")
SEALED_KEYS = "# written by ztrade setup --encrypt\n[Service]\nLoadCredentialEncrypted={name}:{path}\n"
#: the alert channel that setup makes
CHANNEL = "slack"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person chose; None and empty: as it is.

    Args:
        agents: whose workers shall run; None: every agent that has a file.
        demo: the embedded exchange and dry runs alone.
        keys: by account.
        slack_url: where messages for people go.
        encrypt: keep the keys encrypted with this machine's key, or not; None: as they are kept now.
        flower_user: who opens Flower, with ``flower_password`` (None: one is made).
    """

    agents: Sequence[str] | None = None
    demo: bool = False
    keys: Mapping[str, Keys] = field(default_factory=dict)
    slack_url: str = field(default="", repr=False)
    encrypt: bool | None = None
    flower_user: str = ""
    flower_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be: files, agents, and what a person must be told once."""

    files: Mapping[Path, Wanted]
    agents: Sequence[str]
    flower_password: str | None = field(default=None, repr=False)


def make_plan(folder: Path, credentials: Path, answers: Answers, system: Path = SYSTEM) -> Plan:
    """Return the files that make the answers true; nothing is written.

    Args:
        folder: ``/etc/ztrade``.
        credentials: the file with the keys.
        answers: a person's.
        system: where drop-ins of units are.

    Raises:
        ConfigError: an agent has no file, or what is there contradicts the answers.
    """
    here = agent_files(folder)
    chosen = [canonical_name(name) for name in answers.agents] if answers.agents is not None else _usual(here, answers)
    files = dict(_agents(folder, here, chosen))
    if answers.demo:
        _check_dry(files)
        files[folder / "exchange.conf"] = Wanted(DEMO_EXCHANGE)
    files |= _credentials(credentials, answers, system)
    trades = not answers.demo and any(not dry for dry in _dry(files).values())
    files |= dict(_networks(system, _NETWORKED if trades else _NETWORKED[-1:] if answers.slack_url else ()))
    files |= _channel(folder / "ztrade.toml") if answers.slack_url else {}
    login = _login(credentials.parent / LOGIN, answers)
    password = None
    if login is not None:
        text, password = login
        files[credentials.parent / LOGIN] = Wanted(text, SECRET)
    return Plan(files, sorted(chosen), password)


def agent_files(folder: Path) -> dict[str, Path]:
    """Return the agent files by name: those that count, those that are off, else the shipped ones."""
    found = {path.stem: path for path in sorted(share("deploy/config/agents").glob("*.toml"))}
    off = sorted((folder / "agents").glob(f"*{OFF}"))
    found |= {canonical_name(path.name.removesuffix(OFF)): path for path in off}
    return found | {canonical_name(path.stem): path for path in sorted((folder / "agents").glob(AGENT_FILES))}


def _usual(here: Mapping[str, Path], answers: Answers) -> list[str]:
    shipped = share("deploy/config/agents")
    if answers.demo:
        return sorted(path.stem for path in shipped.glob("*.toml"))
    return sorted(name for name, path in here.items() if path.parent != shipped and path.suffix == ".toml")


def _agents(folder: Path, here: Mapping[str, Path], chosen: Sequence[str]) -> Iterator[tuple[Path, Wanted]]:
    """Yield the agents' files: the chosen ones count, the others are kept and do not."""
    if not chosen:
        raise ConfigError("--agents", "names nobody", fix=f"one or more of: {', '.join(sorted(here))}")
    for name in chosen:
        if name not in here:
            known = ", ".join(sorted(here))
            raise ConfigError(f"agent {name!r}", f"has no file in {folder / 'agents'}", fix=f"write one, or: {known}")
        place = folder / "agents" / f"{name}.toml"
        yield place, Wanted(_text(here[name]))
        yield place.with_name(f"{name}{OFF}"), Wanted(None)
        if here[name] != place and here[name].parent == place.parent:
            # the older spelling, agent_spy.toml: its unit looks for spy.toml
            yield here[name], Wanted(None)
    for path in sorted((folder / "agents").glob(AGENT_FILES)):
        if canonical_name(path.stem) not in chosen:
            yield path, Wanted(None)
            yield path.with_name(f"{canonical_name(path.stem)}{OFF}"), Wanted(_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from None


def _dry(files: Mapping[Path, Wanted]) -> dict[Path, bool]:
    """Return for each agent file whether it trades dry; one that is no TOML says so when it is checked."""
    found = {}
    for path, wanted in files.items():
        if path.suffix == ".toml" and path.parent.name == "agents" and wanted.text is not None:
            try:
                found[path] = bool(tomllib.loads(wanted.text).get("dry_run", True))
            except ValueError as error:
                raise ConfigError(str(path), f"is not valid TOML: {error}") from None
    return found


def _check_dry(files: Mapping[Path, Wanted]) -> None:
    for path, dry in _dry(files).items():
        if not dry:
            raise ConfigError(
                str(path), "says dry_run = false, and a demo trades dry", fix="set dry_run = true, or leave --demo out"
            )


def _networks(system: Path, folders: Sequence[str]) -> Iterator[tuple[Path, Wanted]]:
    text = share(f"deploy/systemd/dropins/{NETWORK}").read_text(encoding="utf-8")
    for folder in folders:
        yield system / folder / NETWORK, Wanted(text)


def _credentials(path: Path, answers: Answers, system: Path) -> dict[Path, Wanted]:
    if not answers.keys and not answers.slack_url and answers.encrypt is None:
        return {}
    before = _kept(path)
    given: dict[str, Any] = {name: _pair(keys) for name, keys in answers.keys.items()}
    if answers.slack_url:
        known = parse_toml(before, path).get("alerts", {})
        given["alerts"] = {**known, CHANNEL: {"webhook": answers.slack_url}}
    text = _toml({**parse_toml(before, path), **given}) if given else before
    encrypt = sealed(path).exists() if answers.encrypt is None else answers.encrypt
    if not text:
        return {}
    if not encrypt:
        files = {path: Wanted(text, SECRET), sealed(path): Wanted(None)}
    elif sealed(path).exists() and text == before:
        files = {path: Wanted(None)}
    else:
        files = {path: Wanted(None), sealed(path): Wanted(seal(text, path.name), SECRET)}
    drop_in = SEALED_KEYS.format(name=path.name, path=sealed(path)) if encrypt else None
    return files | {system / folder / "encrypted-keys.conf": Wanted(drop_in) for folder in _WITH_KEYS}


def _kept(path: Path) -> str:
    """Return the keys as they are kept now, empty where there are none. Raises ConfigError."""
    if path.exists():
        return _text(path)
    return unseal(path) if sealed(path).exists() else ""


def _channel(main: Path) -> dict[Path, Wanted]:
    """Name the channel whose webhook was given, unless the file does already."""
    text = _text(main)
    try:
        known = tomllib.loads(text).get("alerts", {}).get("channels", {})
    except (ValueError, AttributeError) as error:
        raise ConfigError(str(main), f"is not valid TOML: {error}", fix="mend it first") from None
    if CHANNEL in known:
        return {}
    return {
        main: Wanted(f'{text.rstrip()}\n\n# written by ztrade setup\n[alerts.channels.{CHANNEL}]\nkind = "slack"\n')
    }


def _pair(keys: Keys) -> dict[str, str]:
    return {"key_id": keys.key_id, "secret_key": keys.secret_key}


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Return sections of texts, or of such sections; JSON's spelling of a text of visible ASCII is TOML's, too."""
    lines = ["# Written by ztrade setup. Nobody but root reads this file; systemd hands each service its copy."]
    return "\n".join([*lines, *_tables(sections)]) + "\n"


def _tables(sections: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    for name, values in sections.items():
        texts = {key: value for key, value in values.items() if not isinstance(value, dict)}
        if texts or not values:
            yield from ("", f"[{prefix}{name}]", *(f"{key} = {json.dumps(value)}" for key, value in texts.items()))
        inner = {key: value for key, value in values.items() if isinstance(value, dict)}
        yield from _tables(inner, f"{prefix}{name}.")


def _login(path: Path, answers: Answers) -> tuple[str, str | None] | None:
    """Return Flower's login and the password to show where it was made; None: the one that is there stays."""
    if path.exists() and not answers.flower_user and answers.flower_password is None:
        return None
    made = None if answers.flower_password is not None else secrets.token_urlsafe(18)
    user, password = answers.flower_user or USER, answers.flower_password or made or ""
    check_login(user, password)
    cookie_secret = _cookie_secret(path) or secrets.token_urlsafe(48)
    return json.dumps({"user": user, "password": password, "cookie_secret": cookie_secret}), made


def _cookie_secret(path: Path) -> str:
    """Return what signs cookies now; empty where there is none, or the file is damaged: it is about to be replaced."""
    try:
        kept = json.loads(_text(path))["cookie_secret"] if path.exists() else ""
    except (ValueError, LookupError, TypeError):
        return ""
    return kept if isinstance(kept, str) else ""


def units_of(config: Config) -> list[str]:
    """Return the units that run a configuration, the target first."""
    names = ["beat", "keeper", "exporter", "flower"]
    if config.redis_url.startswith("redis+socket:///run/ztrade-redis/"):
        names.append("redis")
    if any(agent.dry_run for agent in config.agents.values()):
        names.append("exchange")
    return [
        TARGET,
        BACKUP,
        *map(unit_of, names),
        *(unit_of(f"worker-{name}") for name in sorted(config.agents)),
    ]
