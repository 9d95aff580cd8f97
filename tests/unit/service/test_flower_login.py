"""Flower's login file, and the checks before anything starts."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.integration.celery_stage import write_config
from ztrade.errors import ConfigError
from ztrade.service.flower_login import Login, ensure_login, login_file
from ztrade.service.programs import check_state_path, exchange_command


def test_the_login_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    """Mode 0600, the second call reads the same."""
    first, made = ensure_login(tmp_path)
    second, again = ensure_login(tmp_path)
    assert (made, again) == (True, False)
    assert first == second
    assert login_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert len(first.password) >= 20
    assert first.password not in repr(first)


def test_two_at_once_agree_on_one_login(tmp_path: Path) -> None:
    """Whoever is second takes the first one's."""
    found: list[tuple[Login, bool]] = []
    start = threading.Barrier(4)

    def make() -> None:
        start.wait()
        found.append(ensure_login(tmp_path))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({login.password for login, _ in found}) == 1
    assert [made for _, made in found].count(True) == 1


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"password": 1, "cookie_secret": "x"}', "\x00", '{"password": ""}']
)
def test_a_damaged_login_is_refused(tmp_path: Path, content: str) -> None:
    """One line with the mend; Flower never starts open because its file is empty."""
    login_file(tmp_path).write_text(content)
    login_file(tmp_path).chmod(0o600)
    with pytest.raises(ConfigError, match="is damaged"):
        ensure_login(tmp_path)


def test_a_login_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The mend is in the message."""
    ensure_login(tmp_path)
    login_file(tmp_path).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        ensure_login(tmp_path)


@pytest.mark.parametrize("user", ["", "a:b"])
def test_a_user_that_a_browser_cannot_send_is_refused(tmp_path: Path, user: str) -> None:
    """Basic authentication ends the user's name at the first colon."""
    login_file(tmp_path).write_text(json.dumps({"user": user, "password": "long enough", "cookie_secret": "x"}))
    login_file(tmp_path).chmod(0o600)
    with pytest.raises(ConfigError, match="no usable user"):
        ensure_login(tmp_path)


@pytest.mark.parametrize("path", ["/a b", "/a%(x)s", "/a?b", "/a#b", "/a\nb", "/a;b", "/a'b"])
def test_state_paths_that_mean_something_elsewhere_are_refused(path: str) -> None:
    """Blanks split supervisor's lists, % and ; are its own, ? and # end a URL's path."""
    with pytest.raises(ConfigError, match="characters"):
        check_state_path(Path(path))


def test_state_paths_at_the_limit() -> None:
    """The longest path that works is accepted, one byte more is refused with the number."""
    longest = 107 - len(".4194304") - len("/run/supervisor.sock")
    check_state_path(Path("/" + "x" * (longest - 1)))
    with pytest.raises(ConfigError, match="too long by 1 bytes"):
        check_state_path(Path("/" + "x" * longest))


def test_the_exchange_listens_where_the_configuration_says(tmp_path: Path) -> None:
    """Port and account file follow from it; what is given by hand wins; a made-up market where nothing was said."""
    config = write_config(tmp_path, more='[exchange]\nurl = "http://127.0.0.1:8777"\n')
    usual = exchange_command(config, ())[2:]
    assert usual == ("--synthetic", "7", "--port", "8777", "--state", str(config.state_dir / "exchange.db"))
    given = exchange_command(config, ("--bars", "x", "--state=y", "--port", "1"))[2:]
    assert given == ("--bars", "x", "--state=y", "--port", "1")
