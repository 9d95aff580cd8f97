"""Which queue a message goes to, decided where it is sent: a mistake is an error of the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ztrade.config import Config
from ztrade.domain.types import aware_utc
from ztrade.errors import ConfigError
from ztrade.service import names

#: positions of the arguments that decide
_AGENT, _SLOT = 0, 3


def route(config: Config, task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the queue for a message, None for tasks that are not ours.

    Raises:
        ConfigError: the agent does not exist, or the slot is no instant.
    """
    if task == names.TEST_TASK:
        return {"queue": names.MAINTENANCE}
    if task not in (names.TRADING_CYCLE, names.SETTLE):
        return None
    agent = config.agent(_text(_argument(args, kwargs, _AGENT, "agent_id"))).name
    slot = slot_argument(args, kwargs) if task == names.TRADING_CYCLE else None
    if slot is None:
        return {"queue": names.control_queue(agent)}
    parse_slot(slot)
    return {"queue": names.slot_queue(agent)}


def slot_argument(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the slot of a trading cycle's message, None where it names none."""
    return _argument(args, kwargs, _SLOT, "slot")


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs.get(name)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError("agent_id", f"{value!r} is no name of an agent", fix="pass text like 'agent_spy'")
    return value


def parse_slot(text: object) -> datetime:
    """Return the instant that a message names.

    Raises:
        ConfigError: it is no ISO instant with a zone.
    """
    try:
        if not isinstance(text, str):
            raise TypeError(f"{text!r} is no text")
        return aware_utc(datetime.fromisoformat(text))
    except (ValueError, TypeError) as error:
        raise ConfigError("slot", str(error), fix="pass an instant like '2022-08-22T14:35:00+00:00'") from None
