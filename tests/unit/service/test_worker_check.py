"""What a worker looks at before it starts."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from ztrade.errors import ConfigError, DataError, ExchangeUnavailable
from ztrade.service.worker import check_in_child


def test_a_mistake_that_the_child_finds_is_raised_here() -> None:
    """With its class and all its parts, so that the command line says it in its one line and exits 2."""

    def damaged() -> NoReturn:
        raise DataError("journal.db", "is no database", fix="restore it")

    with pytest.raises(DataError, match="is no database") as caught:
        check_in_child(damaged)
    assert caught.value.fix == "restore it"


@pytest.mark.parametrize("error", [ExchangeUnavailable("down"), ZeroDivisionError("odd")], ids=repr)
def test_an_outage_does_not_keep_a_worker_from_starting(error: Exception) -> None:
    """The first cycle meets it again and records it."""

    def fail() -> NoReturn:
        raise error

    check_in_child(fail)


def test_the_look_happens_elsewhere() -> None:
    """Nothing that it loads stays in this process."""

    def look() -> None:
        raise ConfigError("pid", str(os.getpid()))

    with pytest.raises(ConfigError) as caught:
        check_in_child(look)
    assert caught.value.what != str(os.getpid())
