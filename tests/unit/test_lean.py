"""Hidden imports: what is hidden is back afterwards, and what is loaded stays."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from ztrade.lean import without


def test_a_hidden_module_cannot_be_imported_and_comes_back() -> None:
    """Inside, the import fails as for a module that is not installed; afterwards it works."""
    sys.modules.pop("colorsys", None)
    with without("colorsys"), pytest.raises(ModuleNotFoundError):
        import_module("colorsys")
    assert import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_a_loaded_module_stays() -> None:
    """Who has it already keeps it, inside and afterwards."""
    before = import_module("json")
    with without("json"):
        assert sys.modules["json"] is before
    assert sys.modules["json"] is before


def test_modules_come_back_after_a_failure() -> None:
    """An import that fails inside leaves nothing hidden."""
    with pytest.raises(RuntimeError, match="stop"), without("nothing_of_this_name"):
        raise RuntimeError("stop")
    assert "nothing_of_this_name" not in sys.modules


def test_strategies_load_no_pandas() -> None:
    """Importing the strategies leaves pandas out, and leaves it importable."""
    code = (
        "import sys, ztrade.strategies; assert 'pandas' not in sys.modules;"
        "import pandas; sys.exit(int(pandas.Series([1]).sum()) - 1)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_the_exchange_s_client_loads_no_pandas() -> None:
    """alpaca-py's client is there, its models and pandas are not."""
    code = (
        "import sys; from ztrade.adapters.alpaca import gateway, AlpacaSettings;"
        "s = AlpacaSettings('a', 'k', 's', 'http://t', 'http://d');"
        "made = [gateway._new_client(api, s) for api in gateway.Api];"
        "sys.exit('pandas' in sys.modules or len(made) != 3)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_exchange_s_client_does_not_guess_character_sets() -> None:
    """The guesser is left out, and requests does not complain about that."""
    code = (
        "import sys; from ztrade.adapters.alpaca import gateway;"
        "sys.exit(any('charset_normalizer' in name or 'chardet' in name for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
