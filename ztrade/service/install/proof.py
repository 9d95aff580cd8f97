"""Proving what a person gave by using it, before anything is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ztrade.config import Config, load_config
from ztrade.errors import AccessDenied, ConfigError, ZtradeError
from ztrade.service.install.changes import Changes, Wanted

if TYPE_CHECKING:
    from ztrade.bootstrap import Runtime

#: wall seconds
_TIMEOUT = 10.0
GREETING = "ztrade is set up on this machine, and tells here what a person should know."


@contextmanager
def rehearsal(path: Path, files: Mapping[Path, Wanted]) -> Iterator[Config]:
    """Give the configuration as it will be: a copy in a folder that only we can read, keys included.

    Raises:
        ConfigError: it would be wrong; in the names of the real files.
    """
    folder = path.parent
    if not path.is_file():
        raise ConfigError(str(path), "is not there", fix="install the package, or: ztrade deploy systemd")
    with tempfile.TemporaryDirectory(prefix="ztrade-setup-") as scratch:
        copy = Path(scratch) / "etc"
        _copy(folder, copy)
        inside = {copy / file.relative_to(folder): wanted for file, wanted in files.items() if folder in file.parents}
        Changes(inside).apply()
        try:
            yield load_config(copy / path.name)
        except ConfigError as error:
            raise ConfigError(*(str(part).replace(str(copy), str(folder)) for part in error.args)) from None


def _copy(folder: Path, target: Path) -> None:
    """Copy a configuration, without what editors put beside its files. Raises ConfigError."""
    try:
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".*"), ignore_dangling_symlinks=True)
    except shutil.Error as error:
        (path, _, why), *_ = error.args[0]
        raise ConfigError(str(path), f"cannot be copied: {why}", fix="move it elsewhere") from None


def keys_work(config: Config, account: str, runtime: Callable[[Config], Runtime]) -> str:
    """Ask the exchange for the account and return its number.

    Raises:
        ConfigError: it refuses the keys, or cannot be asked.
    """
    made = runtime(config)
    try:
        return made.open_venue(account).exchange.account().account_number
    except AccessDenied as error:
        kind = config.accounts[account].kind
        raise ConfigError(
            f"keys of account {account}",
            f"the exchange refuses them: {error}",
            fix=f"make a pair for the {kind} account",
        ) from None
    except ZtradeError as error:
        raise ConfigError(
            f"keys of account {account}", f"cannot be tried: {error}", fix="try again when the exchange answers"
        ) from None
    finally:
        made.close()


def slack_works(url: str) -> None:
    """Post a greeting to Slack.

    Raises:
        ConfigError: it was not taken.
    """
    import requests

    where = "Slack URL"
    try:
        answer = requests.post(url, json={"text": GREETING}, timeout=_TIMEOUT)
    except requests.RequestException as error:
        # the URL is a secret, and is in the error's text
        raise ConfigError(
            where, f"cannot be reached: {type(error).__name__}", fix="try again, or make a new URL"
        ) from None
    if answer.status_code != 200:
        raise ConfigError(
            where, f"Slack answers {answer.status_code}: {answer.text[:80]}", fix="make a new webhook URL"
        )
