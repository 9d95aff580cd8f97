"""Following the embedded exchange's clock: stepped, running, and every way in which it may not answer."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ztrade.adapters.clock import EmbeddedClock
from ztrade.adapters.clock.embedded import parse
from ztrade.errors import ConfigError, ExchangeUnavailable
from ztrade.testing.scripted_server import Answer, Asked, in_turn, scripted

START = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)


def clock_body(now: datetime = START, **changes: object) -> dict[str, object]:
    """Write an answer of /admin/clock."""
    body: dict[str, object] = {
        "now": now.isoformat(),
        "wall": "2026-01-01T00:00:00+00:00",
        "mode": "stepped",
        "speed": None,
        "start": START.isoformat(),
        "until": None,
        "finished": False,
        "is_open": True,
        "session": "regular",
        "next_open": "2022-08-23T13:30:00+00:00",
        "next_close": "2022-08-22T20:00:00+00:00",
    }
    return {**body, **changes}


class Seconds:
    """Monotonic time that a test sets."""

    def __init__(self) -> None:
        self.value = 100.0

    def __call__(self) -> float:
        return self.value


def test_every_question_sees_the_current_step() -> None:
    """In stepped mode nothing is cached: each now() is the step the exchange stands at."""
    steps = [START + timedelta(minutes=5 * step) for step in range(4)]
    with scripted(in_turn(*(Answer(body=clock_body(at)) for at in steps))) as server:
        clock = EmbeddedClock(server.url)
        assert [clock.now() for _ in steps] == steps
        assert len({str(asked.peer) for asked in server.asked}) == 1, "one kept connection serves all questions"


def test_it_follows_through_a_unix_socket(tmp_path: Path) -> None:
    """A unit without a network reads the same clock through the socket, by URL or by path."""
    path = tmp_path / "exchange.sock"
    with scripted(in_turn(Answer(body=clock_body())), path):
        assert EmbeddedClock(f"unix://{path}").now() == START
        assert EmbeddedClock(str(path)).now() == START


def test_a_running_clock_is_carried_on_and_read_again_each_second() -> None:
    """Between two readings time goes on at the exchange's speed; after a second of wall time it is read again."""
    later = START + timedelta(seconds=63)
    answers = [Answer(body=clock_body(at, mode="running", speed=60)) for at in (START, later)]
    seconds = Seconds()
    with scripted(in_turn(*answers)) as server:
        clock = EmbeddedClock(server.url, monotonic=seconds)
        assert clock.now() == START
        seconds.value += 0.5
        assert clock.now() == START + timedelta(seconds=30)
        assert len(server.asked) == 1
        seconds.value += 0.6
        assert clock.now() == later
        assert len(server.asked) == 2


def test_a_running_clock_stops_at_its_end() -> None:
    """Carried on, exchange time never passes ``until``; a finished clock stands."""
    end = START + timedelta(seconds=10)
    seconds = Seconds()
    running = clock_body(mode="running", speed=60, until=end.isoformat())
    with scripted(
        in_turn(Answer(body=running), Answer(body={**running, "now": end.isoformat(), "finished": True}))
    ) as s:
        clock = EmbeddedClock(s.url, monotonic=seconds)
        clock.now()
        seconds.value += 0.9
        assert clock.now() == end
        seconds.value += 1
        assert clock.now() == end


def test_a_paused_clock_stands() -> None:
    """A running exchange that is paused is asked every time and not carried on."""
    seconds = Seconds()
    with scripted(in_turn(Answer(body=clock_body(mode="running", speed=60, paused=True)))) as server:
        clock = EmbeddedClock(server.url, monotonic=seconds)
        clock.now()
        seconds.value += 0.5
        assert clock.now() == START
        assert len(server.asked) == 2


def test_jitter_never_runs_backwards_but_a_restart_is_believed() -> None:
    """Re-reading a running clock may lag a little: time waits. A restart at an earlier day is followed."""
    ahead, behind, restarted = START, START - timedelta(seconds=2), START - timedelta(days=3)
    answers = [Answer(body=clock_body(at, mode="running", speed=60)) for at in (ahead, behind, restarted)]
    seconds = Seconds()
    with scripted(in_turn(*answers)) as server:
        clock = EmbeddedClock(server.url, monotonic=seconds)
        seen = []
        for _ in range(3):
            seen.append(clock.now())
            seconds.value += 2
        assert seen == [ahead, ahead, restarted]


def test_advance_to_moves_the_exchange() -> None:
    """advance_to posts the instant in UTC and returns the exchange's answer."""
    target = START + timedelta(minutes=5)
    with scripted(in_turn(Answer(body=clock_body(target)))) as server:
        east = target.astimezone(timezone(timedelta(hours=9)))
        assert EmbeddedClock(server.url).advance_to(east) == target
    assert [(a.method, a.path, a.body) for a in server.asked] == [
        ("POST", "/admin/clock", {"advance_to": target.isoformat()})
    ]


def test_a_naive_instant_is_refused() -> None:
    """advance_to refuses an instant without a time zone before anything is sent."""
    with scripted(in_turn(Answer(body=clock_body()))) as server, pytest.raises(ValueError, match="time zone"):
        EmbeddedClock(server.url).advance_to(datetime(2022, 8, 22))  # noqa: DTZ001
    assert server.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, {"message": "broken"}),
        Answer(404, {"message": "endpoint not found"}),
        Answer(302, None, {"Location": "http://127.0.0.1:1/"}),
        Answer(body=b"<html>gateway</html>"),
        Answer(body=b""),
        Answer(body=b"[" * 100_000),
        Answer(body=[1, 2]),
        Answer(body={}),
        Answer(body={**clock_body(), "now": "yesterday"}),
        Answer(body=clock_body(mode="sideways")),
        Answer(body=clock_body(mode="running", speed="fast")),
        Answer(body=clock_body(mode="running", speed=-1)),
        Answer(body={**clock_body(), "now": "2022-08-22T13:30:00"}),
        Answer(body={**clock_body(), "now": None}),
        Answer(body=b"x" * (2 << 20)),
        Answer(reset=True),
        Answer(hang=True),
    ],
    ids=lambda answer: str(answer)[:60],
)
def test_whatever_is_no_clock_is_an_outage(answer: Answer) -> None:
    """Errors, hangs, resets and bodies that are no clock raise ExchangeUnavailable, never a made-up time."""
    with scripted(in_turn(answer)) as server:
        clock = EmbeddedClock(server.url, timeout=timedelta(seconds=0.2))
        with pytest.raises(ExchangeUnavailable):
            clock.now()


def test_it_recovers_after_an_outage() -> None:
    """The connection is made again: after a failure the next question is answered."""
    with scripted(in_turn(Answer(reset=True), Answer(body=clock_body()))) as server:
        clock = EmbeddedClock(server.url)
        with pytest.raises(ExchangeUnavailable):
            clock.now()
        assert clock.now() == START


def test_a_connection_closed_in_between_is_opened_again() -> None:
    """A server that drops idle connections costs nothing: the question is asked again on a new one."""
    with scripted(in_turn(Answer(body=clock_body(), close=True))) as server:
        clock = EmbeddedClock(server.url)
        assert [clock.now(), clock.now(), clock.now()] == [START] * 3


def test_nobody_listens(tmp_path: Path) -> None:
    """A closed port and a missing socket are outages that name the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ExchangeUnavailable, match=url):
        EmbeddedClock(url).now()
    with pytest.raises(ExchangeUnavailable, match=r"nobody\.sock"):
        EmbeddedClock(str(tmp_path / "nobody.sock")).now()


@pytest.mark.parametrize(
    "target", ["", "ftp://host", "https://host", "host:80", "unix://relative", "http://h:x", "http://h/v2"]
)
def test_an_address_that_is_none(target: str) -> None:
    """A target of no known form is one clear configuration error."""
    with pytest.raises(ConfigError, match="http://HOST:PORT"):
        EmbeddedClock(target)


def test_a_forked_process_opens_its_own_connection() -> None:
    """Parent and child never share a connection, so neither reads the other's answer."""
    with scripted(in_turn(Answer(body=clock_body()))) as server:
        clock = EmbeddedClock(server.url)
        clock.now()
        child = os.fork()
        if child == 0:
            os._exit(0 if clock.now() == START else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        clock.now()
        peers = [str(asked.peer) for asked in server.asked]
        assert peers[0] == peers[2] != peers[1]


def test_headers_are_sent() -> None:
    """Given headers go with every request."""
    with scripted(in_turn(Answer(body=clock_body()))) as server:
        EmbeddedClock(server.url, headers={"X-Key": "k"}).now()
    assert server.asked[0].headers["X-Key"] == "k"


def test_the_state_can_be_read_whole() -> None:
    """status() tells the rest of the answer: end, part of the day, next open and close."""

    def script(_asked: Asked) -> Answer:
        return Answer(body=clock_body(finished=True, until=START.isoformat()))

    with scripted(script) as server:
        status = EmbeddedClock(server.url).status()
    assert status.finished
    assert status.until == START
    assert status.next_close == datetime(2022, 8, 22, 20, tzinfo=UTC)
    assert status == parse(clock_body(finished=True, until=START.isoformat()))
