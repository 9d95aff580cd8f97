"""The server around the exchange: clock modes, keys, budgets, listeners, and junk from everywhere."""

from __future__ import annotations

import http.client
import json
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from ztrade.errors import ConfigError
from ztrade.testing.exchange_server import ExchangeUrl, running

OPEN = datetime(2022, 8, 15, 13, 30, tzinfo=UTC)
KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
BUY = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.fixture(scope="module")
def stepped() -> Iterator[ExchangeUrl]:
    with running(start=OPEN) as url:
        yield url


def send(url: str, method: str, path: str, **more: Any) -> requests.Response:
    with requests.Session() as session:
        return session.request(method, url + path, timeout=20, **{"headers": KEYS, **more})


# -- clock -----------------------------------------------------------------------------------------------------------
def test_stepped_time_stands_until_told() -> None:
    """Time moves to where it is told, stays when told again or told the past, and stops at the end."""
    with running(start=OPEN, until=OPEN + timedelta(days=1)) as url:
        assert url.clock()["now"] == OPEN.isoformat()
        to = OPEN + timedelta(minutes=7)
        assert url.advance(to)["now"] == url.advance(to)["now"] == url.advance(OPEN)["now"] == to.isoformat()
        with pytest.raises(ValueError, match=r"409 .*the end is"):
            url.advance(OPEN + timedelta(days=2))
        done = url.advance(OPEN + timedelta(days=1))
        assert done["finished"] is True
        assert (done["mode"], done["speed"]) == ("stepped", None)


def test_clock_tells_the_part_of_the_day() -> None:
    """Before the open the day's session is named; on a closed day there is none."""
    with running(start=datetime(2022, 8, 19, 12, tzinfo=UTC)) as url:
        before = url.clock()
        assert before["is_open"] is False
        assert before["session"] == {"open": "2022-08-19T13:30:00+00:00", "close": "2022-08-19T20:00:00+00:00"}
        assert before["next_open"] == "2022-08-19T13:30:00+00:00"
        saturday = url.advance(datetime(2022, 8, 20, 15, tzinfo=UTC))
        assert saturday["session"] is None
        assert saturday["next_open"] == "2022-08-22T13:30:00+00:00"


def test_running_time_fills_orders_without_requests() -> None:
    """Time runs at its speed and the order is filled by itself; paused, time stands."""
    with running(start=OPEN, speed=60) as url:
        order = send(url, "POST", "/v2/orders", json=BUY).json()
        time.sleep(0.6)
        assert send(url, "POST", "/admin/clock", json={"pause": True}).json()["paused"] is True
        stood = url.clock()["now"]
        filled = send(url, "GET", f"/v2/orders/{order['id']}").json()
        assert filled["status"] == "filled"
        assert datetime.fromisoformat(filled["filled_at"]) < OPEN + timedelta(seconds=15)
        assert OPEN + timedelta(seconds=30) < datetime.fromisoformat(stood) < OPEN + timedelta(minutes=5)
        assert url.clock()["now"] == stood
        send(url, "POST", "/admin/clock", json={"pause": False})
        time.sleep(0.1)
        assert url.clock()["now"] > stood


def test_running_time_can_skip_closed_hours() -> None:
    """A running clock goes forward when told, and runs on from there."""
    with running(start=OPEN, speed=1) as url:
        tomorrow = OPEN + timedelta(days=1)
        assert datetime.fromisoformat(url.advance(tomorrow)["now"]) >= tomorrow


@pytest.mark.parametrize(
    "body", ["{", "[]", "{}", '{"advance_to": "soon"}', '{"advance_to": 5}', '{"advance_to": "2022-08-15T13:30:00"}',
             '{"pause": 1}', '{"pause": true, "advance_to": "x"}', '{"jump": 1}']
)  # fmt: skip
def test_nonsense_to_the_clock_is_refused(stepped: ExchangeUrl, body: str) -> None:
    """Each is a 400 that says what to send, and time stands."""
    answer = send(stepped, "POST", "/admin/clock", data=body)
    assert answer.status_code == 400
    assert stepped.clock()["now"] == OPEN.isoformat()


def test_stepped_time_cannot_be_made_to_run(stepped: ExchangeUrl) -> None:
    """Taking the pause from a clock that never runs is a conflict."""
    assert send(stepped, "POST", "/admin/clock", json={"pause": False}).status_code == 409


# -- keys and budgets ------------------------------------------------------------------------------------------------
def test_keys_are_needed_and_any_pair_is_let_in(stepped: ExchangeUrl) -> None:
    """Without configured keys any non-empty pair is let in, by header or basic authorization."""
    assert send(stepped, "GET", "/v2/account", headers={}).status_code == 401
    assert send(stepped, "GET", "/v2/account", headers={**KEYS, "APCA-API-SECRET-KEY": ""}).status_code == 401
    assert send(stepped, "GET", "/v2/account", headers={}, auth=("any", "pair")).status_code == 200
    assert send(stepped, "GET", "/v2/account", headers={"Authorization": "Bearer token"}).status_code == 200


def test_configured_keys_keep_others_out() -> None:
    """A wrong secret is unauthorized, an unknown key forbidden, in Alpaca's words."""
    with running(keys={"mine": "secret"}) as url:
        right = {"APCA-API-KEY-ID": "mine", "APCA-API-SECRET-KEY": "secret"}
        assert send(url, "GET", "/v2/account", headers=right).status_code == 200
        wrong = send(url, "GET", "/v2/account", headers={**right, "APCA-API-SECRET-KEY": "guess"})
        assert (wrong.status_code, wrong.json()) == (401, {"message": "unauthorized."})
        unknown = send(url, "GET", "/v2/account", headers=KEYS)
        assert (unknown.status_code, unknown.json()) == (403, {"message": "forbidden."})


def test_budget_of_requests_is_each_keys_own() -> None:
    """The budget is told on every answer, refused beyond it in both forms, and counted per key."""
    with running(rate_limit=3) as url:
        # the minute may end in between: then the budget begins anew and one more round decides
        for _ in range(2):
            answers = [send(url, "GET", "/v2/clock") for _ in range(4)]
            if answers[-1].status_code == 429:
                break
        assert answers[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}
        assert answers[-1].headers["X-Ratelimit-Remaining"] == "0"
        data = send(url, "GET", "/v2/stocks/AAPL/quotes/latest")
        assert (data.status_code, data.json()) == (429, {"message": "too many requests."})
        assert send(url, "GET", "/v2/clock", headers={**KEYS, "APCA-API-KEY-ID": "other"}).status_code == 200


# -- routes and listeners --------------------------------------------------------------------------------------------
def test_unknown_paths_and_methods_are_refused_as_json(stepped: ExchangeUrl) -> None:
    """404 for a path nobody has, 405 for a method it has not; always JSON."""
    for method, path, status in [
        ("GET", "/v2/nothing", 404),
        ("GET", "/", 404),
        ("PUT", "/v2/orders", 405),
        ("POST", "/v2/clock", 405),
        ("DELETE", "/v2/account", 405),
        ("GET", "/admin/nothing", 404),
        ("PUT", "/admin/clock", 405),
    ]:
        answer = send(stepped, method, path, json={})
        assert (answer.status_code, method, path) == (status, method, path)
        assert answer.json()["message"]


def test_administration_is_not_for_pages_in_a_browser(stepped: ExchangeUrl) -> None:
    """A request that a web page sent is refused: it may come from anywhere."""
    assert send(stepped, "GET", "/admin/clock", headers={"Origin": "https://example.org"}).status_code == 403


def test_unix_socket_serves_the_same(tmp_path: Path) -> None:
    """API and administration answer on the unix socket too."""
    path = tmp_path / "exchange.sock"
    with running(start=OPEN, socket=path):
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        for target in ("/admin/clock", "/v2/account"):
            connection.request("GET", target, headers=KEYS)
            answer = connection.getresponse()
            assert answer.status == 200
            assert isinstance(json.load(answer), dict)
        connection.close()


def test_socket_of_a_living_server_is_not_taken(tmp_path: Path) -> None:
    """A second server on the same socket is refused; one left behind by a dead server is taken over."""
    path = tmp_path / "exchange.sock"
    with running(socket=path), pytest.raises(ConfigError, match="another server listens there"), running(socket=path):
        pass
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with running(socket=path) as url:
        assert url.clock()["mode"] == "stepped"


def test_taken_port_is_said(stepped: ExchangeUrl, tmp_path: Path) -> None:
    """A port in use is one clear error, and the state file is free again."""
    from dataclasses import replace

    from ztrade.adapters.calendar.nyse import NyseCalendar
    from ztrade.adapters.clock.system import SystemClock
    from ztrade.exchange.server.app import Settings
    from ztrade.testing.exchange_server import serving
    from ztrade.testing.tapes import wave_tape

    calendar = NyseCalendar()
    taken = int(stepped.rpartition(":")[2])
    settings = Settings(
        tape=wave_tape(calendar), calendar=calendar, wall=SystemClock().wall, port=taken, state=tmp_path / "x.db"
    )
    with pytest.raises(ConfigError, match="cannot listen"), serving(settings):
        pass
    with serving(replace(settings, port=0)) as url:
        assert url.clock()["mode"] == "stepped"


# -- junk ------------------------------------------------------------------------------------------------------------
JUNK = ["", "null", "NaN", "-1", "0", "1e999", "999999999999999999999", "true", "'", "%00", "\u202e", "😀", "../..",
        "x" * 5000,
        "2022-13-45", "2022-08-15T99:99:99Z", "9999-12-31", "0001-01-01", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00", "{}", "[]", "AAPL,,SPY", ",", "٣", "5Min", "0Min", "99Hour",
        "AAAA|M|x"]  # fmt: skip
NAMES = ["status", "limit", "after", "until", "direction", "nested", "symbols", "side", "timeframe", "start", "end",
         "page_token", "sort", "feed", "adjustment", "page_size", "date", "activity_types", "category", "period",
         "qty", "percentage", "cancel_orders", "client_order_id", "before_order_id", "asset_class", "currency",
         "include_content", "exclude_contentless", "order_id"]  # fmt: skip
PATHS = ["/v2/account", "/v2/account/activities", "/v2/account/activities/{}", "/v2/account/portfolio/history",
         "/v2/assets", "/v2/assets/{}", "/v2/calendar", "/v2/clock", "/v2/orders", "/v2/orders/{}",
         "/v2/orders:by_client_order_id", "/v2/positions", "/v2/positions/{}", "/v2/stocks/bars",
         "/v2/stocks/{}/bars", "/v2/stocks/{}/quotes/latest", "/v2/stocks/snapshots", "/v2/stocks/AAPL/snapshot",
         "/v2/stocks/trades/latest", "/v1beta1/news"]  # fmt: skip
FIELDS = ["symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price", "order_class",
          "take_profit", "stop_loss", "client_order_id", "extended_hours", "position_intent", "legs"]  # fmt: skip
VALUES: list[Any] = [None, True, 0, -1, 1, 10**30, 1.5, "x", "", "NaN", "Infinity", "1e9", "0.0000000001", [], {},
          "AAPL", "buy",
          "limit", "bracket", "day", {"limit_price": "x"}, {"stop_price": -1}, "\x00", "😀" * 200]  # fmt: skip


def test_an_id_sent_by_many_at_once_is_one_order() -> None:
    """Eight clients send the same ten ids at the same time: one of each is taken, the others are told that it is."""
    with running(start=OPEN) as url, ThreadPoolExecutor(8) as pool:
        bodies = [BUY | {"client_order_id": f"mine-{number}"} for number in range(10) for _ in range(8)]
        answers = list(pool.map(lambda body: send(url, "POST", "/v2/orders", json=body), bodies))
        assert len(send(url, "GET", "/v2/orders").json()) == 10
    for first in range(0, 80, 8):
        assert sorted(answer.status_code for answer in answers[first : first + 8]) == [200] + [422] * 7
    assert {answer.json().get("message", "taken") for answer in answers} == {"taken", "client_order_id must be unique"}


@pytest.mark.parametrize("seed", range(4))
def test_junk_in_queries_and_paths_never_breaks_it(stepped: ExchangeUrl, seed: int) -> None:
    """Any junk gets an answer below 500, and JSON where there is a body."""
    chance = random.Random(seed)
    with requests.Session() as session:
        session.headers.update(KEYS)
        for _ in range(150):
            path = chance.choice(PATHS).format(quote(chance.choice(JUNK)[:200] or "x", safe=""))
            query = [(chance.choice(NAMES), chance.choice(JUNK)) for _ in range(chance.randrange(4))]
            if "/bars" in path and chance.random() < 0.7:
                query += [("timeframe", "5Min"), ("symbols", "AAPL,SPY")]
            method = chance.choice(["GET", "GET", "GET", "DELETE", "PATCH"])
            answer = session.request(method, stepped + path, params=query, timeout=20)
            assert answer.status_code < 500, (method, answer.url, answer.text)
            assert not answer.content or isinstance(answer.json(), dict | list)


@pytest.mark.parametrize("seed", range(4))
def test_junk_in_bodies_never_breaks_it(stepped: ExchangeUrl, seed: int) -> None:
    """Any body gets an answer below 500; what is taken is an order, what is refused says why."""
    chance = random.Random(seed)
    with requests.Session() as session:
        session.headers.update(KEYS)
        for _ in range(150):
            body: dict[str, Any] = dict(BUY) if chance.random() < 0.8 else {}
            body |= {chance.choice(FIELDS): chance.choice(VALUES) for _ in range(chance.randrange(1, 4))}
            answer = session.post(stepped + "/v2/orders", json=body, timeout=20)
            assert answer.status_code in {200, 400, 403, 422}, (body, answer.text)
            assert answer.json()["id" if answer.status_code == 200 else "message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"qty": NaN}', b"null", b"5" * 10_000])
def test_bodies_that_are_no_json_are_a_400(stepped: ExchangeUrl, body: bytes) -> None:
    """Malformed JSON is refused in Alpaca's words."""
    answer = send(stepped, "POST", "/v2/orders", data=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)


@pytest.mark.parametrize(
    "raw", [b"GET\r\n\r\n", b"\x00\x01\x02\r\n\r\n", b"POST /v2/orders HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_broken_http_does_not_hurt_others(stepped: ExchangeUrl, raw: bytes) -> None:
    """A connection that speaks no HTTP is dropped, and the server goes on."""
    host, _, port = stepped.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw)
        connection.settimeout(10)
        assert b"200 OK" not in connection.recv(1000)
    assert stepped.clock()["mode"] == "stepped"
