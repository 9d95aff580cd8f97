"""The agents' files: one agent each, named by its file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ztrade.config_files import AGENT_FILES, digest, read_toml, validated
from ztrade.config_schema import AgentFile, MainFile
from ztrade.domain.agent import Agent, canonical_name
from ztrade.domain.limits import contradictions
from ztrade.errors import ConfigError

AGENT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
#: what `logs`, `stop` and `restart` mean by other things than agents
_TAKEN = frozenset({"backup", "beat", "exchange", "exporter", "flower", "keeper", "redis", "worker"})
#: what becomes of a mistake
Refuse = Callable[[ConfigError], object]


def raised(error: ConfigError) -> NoReturn:
    """Refuse all files for one mistake. Raises ConfigError."""
    raise error


def load_agents(folder: Path, main: MainFile, refuse: Refuse) -> tuple[dict[str, Agent], dict[str, str]]:
    """Return the agents whose files are right, and what tells their files from what they may be later."""
    agents: dict[str, Agent] = {}
    digests: dict[str, str] = {}
    try:
        _check_folder(folder)
    except ConfigError as error:
        refuse(error)
    for path in sorted(folder.glob(AGENT_FILES)):
        try:
            raw = read_toml(path)
            agent = _agent(path, raw, main)
            if agent.name in agents:
                raise ConfigError(str(path), f"a second file for agent {agent.name!r}", fix="keep one of the two")
            agents[agent.name], digests[agent.name] = agent, digest(raw)
        except ConfigError as error:
            refuse(error)
    return agents, digests


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigError(str(folder), "the agents' folder does not exist", fix="create it, or set agents_dir")
    if not os.access(folder, os.R_OK | os.X_OK):
        # a glob would find nothing and say nothing
        raise ConfigError(str(folder), "the agents' folder cannot be read", fix=f"let uid {os.getuid()} read it")


def _agent(path: Path, raw: Mapping[str, Any], main: MainFile) -> Agent:
    """Return the agent of a file, whose name is its own."""
    name = canonical_name(path.stem)
    if not AGENT_NAME.fullmatch(name):
        raise ConfigError(str(path), "the file's name is the agent's: lower-case letters, digits, - and _, at most 32")
    if name in _TAKEN or name.startswith(("worker-", "agent_")):
        raise ConfigError(str(path), f"an agent cannot be named {name!r}: the commands mean something else by it")
    file: AgentFile = validated(AgentFile, raw, path)
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
