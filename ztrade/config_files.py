"""A configuration file into checked values, and every mistake into one line: key, what is wrong, what was found."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ztrade.errors import ConfigError

#: not an editor's: Emacs has `.#spy.toml` beside the file, which leads nowhere, for as long as a change is not saved
AGENT_FILES = "[!.]*.toml"
_PASSWORD = re.compile(r"(://[^/@]*:)[^/@]*@")
#: characters of a wrong value that a message shows
_LONGEST_SHOWN = 120


def read_toml(path: Path) -> dict[str, Any]:
    """Return the file's content, decimals exact. Raises ConfigError."""
    try:
        # of a pipe that nobody writes to the first byte would be waited for
        if path.exists() and not path.is_file():
            raise ConfigError(str(path), "is not a file")
        # Windows' editors begin a file with a byte order mark
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            str(path), "the file does not exist", fix="name one with --config or ZTRADE_CONFIG, or try `ztrade demo`"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from None
    return parse_toml(text, path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """Return what a file says, decimals exact. Raises ConfigError."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        # the parser lets numbers of thousands of digits and thousands of brackets end it in ways of their own
        raise ConfigError(str(path), f"is not valid TOML: {error}") from None


def digest(raw: Mapping[str, Any]) -> str:
    """Return what tells a file's content from another's; neither comments nor the order of keys count."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()[:16]


def validated(model: Any, raw: Mapping[str, Any], path: Path) -> Any:
    """Return the model of what a file says. Raises ConfigError with one line per mistake."""
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
