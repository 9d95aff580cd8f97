"""Errors say where, what, why and how to mend, and stay themselves when they are copied."""

from __future__ import annotations

import copy
import pickle

import pytest

from ztrade.errors import ConfigError, DataError, OutcomeUnknown, ZtradeError


def test_a_config_error_is_one_line() -> None:
    """All four parts in their order; empty ones are left out."""
    assert str(ConfigError("f: k", "is 3", "cannot be", "set 4")) == "f: k: is 3; why: cannot be; fix: set 4"
    assert str(ConfigError("f", "is bad")) == "f: is bad"


@pytest.mark.parametrize(
    "error", [ConfigError("a", "b", "c", "d"), DataError("a", "b"), OutcomeUnknown("zt.spy.1.entry", "timed out")]
)
def test_a_copy_from_its_arguments_is_the_same_error(error: ZtradeError) -> None:
    """Celery's JSON results rebuild an exception as ``type(*args)``; pickling and copying do, too."""
    for made in (type(error)(*error.args), pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(made) is type(error)
        assert str(made) == str(error)
        assert vars(made) == vars(error)
