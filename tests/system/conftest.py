"""Machines for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import FIGURES
from tests.system import lab
from ztrade.config import child_environment


@pytest.fixture(scope="session")
def figure() -> Callable[[str, float, str, str], None]:
    """Give what notes a figure: what, value, unit, aim."""

    def note(what: str, value: float, unit: str, aim: str) -> None:
        FIGURES.parent.mkdir(exist_ok=True)
        with FIGURES.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, "value": value, "unit": unit, "aim": aim}) + "\n")

    return note


@pytest.fixture(scope="session")
def able() -> None:
    """Skip with the reason where no machine can be booted; where CI runs that is a failure."""
    reason = lab.lacking()
    if reason and child_environment({}).get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def machine(able: None) -> Iterator[lab.Machine]:
    """A machine on which the package was installed, and nothing else done; shared by a module's tests."""
    with lab.boot(lab.installed(lab.built())) as booted:
        yield booted
