"""docs/reference/configuration.md has every key, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from tests.unit.configs import SHIPPED
from ztrade.config_alerts import ChannelSection
from ztrade.config_schema import AccountSection, AgentFile, MainFile


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, f"{prefix}{name}.")
        elif name == "accounts":
            yield from _keys(AccountSection, "accounts.NAME.")
        elif name == "channels":
            yield from _keys(ChannelSection, f"{prefix}channels.NAME.")
        else:
            yield prefix + (field.alias or name)


@pytest.mark.parametrize(("model", "title"), [(MainFile, "## ztrade.toml"), (AgentFile, "## agents/NAME.toml")])
def test_the_reference_lists_every_key(model: type[BaseModel], title: str) -> None:
    """A key that the reference lacks, or one that is no more, fails here."""
    page = (SHIPPED.parents[1] / "docs" / "reference" / "configuration.md").read_text()
    table = page.split(title)[1].split("\n## ")[0]
    written = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert written == set(_keys(model))
