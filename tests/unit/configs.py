"""The shipped configuration, to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ztrade.config import Config, load_config

#: the main file among them
MAIN = "ztrade.toml"
SHIPPED = Path(__file__).parents[2] / "deploy" / "config"

SLACK = '[alerts.channels.ops]\nkind = "slack"\n'
MAIL = (
    '[alerts.channels.mail]\nkind = "email"\nhost = "smtp.example.com"\nfrom = "z@example.com"\n'
    'to = ["ann@example.com"]\n'
)
WEBHOOK = '[alerts.ops]\nwebhook = "https://hooks.slack.com/services/T/B/verysecret"\n'


def without_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this machine's environment says of ztrade."""
    for name in ("ZTRADE_CONFIG", "ZTRADE_STATE"):
        monkeypatch.delenv(name, raising=False)


def copied(place: Path) -> Path:
    """Copy the shipped files; return their folder."""
    shutil.copytree(SHIPPED, place / "etc")
    return place / "etc"


def edited(folder: Path, file: str, old: str, new: str) -> Config:
    """Replace a text that is there, and load the result. Raises ConfigError."""
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return load_config(folder / "ztrade.toml")


def with_alerts(folder: Path, alerts: str, credentials: str = "") -> Config:
    """Add channels, and write the file with their secrets; load the result. Raises ConfigError."""
    with (folder / MAIN).open("a") as file:
        file.write(alerts)
    (folder / "credentials.toml").write_text(credentials)
    (folder / "credentials.toml").chmod(0o600)
    return load_config(folder / MAIN)
