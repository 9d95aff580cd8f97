"""A process is called gone only when it surely is."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from ztrade.adapters.process import end, is_gone, may_live_here, owner_name

SAY = "from ztrade.adapters.process import owner_name; print(owner_name('x'), flush=True); input()"


def test_this_process_is_not_gone() -> None:
    """Its own name is understood."""
    assert not is_gone(owner_name("spy@host/1/task"))


def test_a_killed_process_is_gone_also_before_it_is_reaped() -> None:
    """Alive, then a zombie, then nothing."""
    child = subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert not is_gone(name)
        child.kill()
        child.stdout.read()
        while not is_gone(name):
            assert child.returncode is None
        child.wait()
    assert is_gone(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [("#", "-other#"), (".", ".1")],
    ids=["another host", "another namespace"],
)
def test_what_cannot_be_known_is_not_gone(old: str, new: str) -> None:
    """Another machine's processes, another namespace's, and names of another form may be alive."""
    assert not is_gone(owner_name("spy").replace(old, new, 1))


@pytest.mark.parametrize("name", ["", "backtest", "spy@host/12/34", "x host#zz"])
def test_names_of_another_form_are_not_gone(name: str) -> None:
    """Nothing is known about them."""
    assert not is_gone(name)


def test_only_who_is_surely_elsewhere_or_gone_cannot_live_here() -> None:
    """A container has another host's name and this machine's boot; a name of another form may be anybody's."""
    name = owner_name("spy")
    host, _, rest = name.partition("#")
    assert may_live_here(name)
    assert may_live_here(f"{host}-container#{rest}")
    assert may_live_here("")
    assert not may_live_here(f"{host}-other#0{rest}")
    assert not may_live_here(name + "1")


def test_a_used_again_pid_and_another_boot_are_gone() -> None:
    """The same pid with another start time is another process; before the last boot nothing lives."""
    name = owner_name("spy")
    assert is_gone(name + "1")
    assert is_gone(name.replace("#", "#0", 1))


@pytest.mark.parametrize("frozen", [False, True], ids=["running", "frozen"])
def test_a_sender_is_ended_for_sure(*, frozen: bool) -> None:
    """Also one that was stopped and would go on with its request when it is thawed."""
    child = subprocess.Popen([sys.executable, "-c", SAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        if frozen:
            child.send_signal(signal.SIGSTOP)
        assert end(name)
        assert is_gone(name)
        assert child.wait() == -signal.SIGKILL
    assert end(name)


def test_this_process_has_ended_its_own_request_and_is_not_killed() -> None:
    """A later cycle of the same process asks: nobody is in the middle of a request."""
    assert end(owner_name("spy"))


def test_who_cannot_be_reached_is_not_called_ended() -> None:
    """Another host's process may still send; of a name of another form nothing is known."""
    for name in ("", "spy@host/12/34", owner_name("spy").replace("#", "-other#", 1)):
        assert not end(name)
