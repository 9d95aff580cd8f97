"""Every fault on demand, seen from outside: what the client gets, and what the exchange holds afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from ztrade.testing.exchange_server import ExchangeUrl, running

OPEN = datetime(2022, 8, 15, 13, 30, tzinfo=UTC)
BUY = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}


@dataclass
class Client:
    """A plain HTTP client of one exchange."""

    url: ExchangeUrl
    session: requests.Session

    def send(self, method: str, path: str, timeout: float = 20, **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=timeout, **more)

    def get(self, path: str, **params: str) -> Any:
        return self.send("GET", path, params=params).json()

    def submit(self, **changes: str) -> requests.Response:
        return self.send("POST", "/v2/orders", json={**BUY, **changes})

    def ids(self) -> list[str]:
        return [order["client_order_id"] for order in self.get("/v2/orders", status="all")]


@pytest.fixture
def client() -> Iterator[Client]:
    with running(start=OPEN) as url, requests.Session() as session:
        session.headers.update({"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"})
        yield Client(url, session)


def test_latency_delays_the_answer(client: Client) -> None:
    """The request is answered, later."""
    client.url.fault("latency", seconds=0.3)
    begin = time.monotonic()
    assert client.send("GET", "/v2/account").status_code == 200
    assert time.monotonic() - begin >= 0.3


def test_hang_never_answers_and_blocks_nobody_else(client: Client) -> None:
    """The caller runs into its own timeout; nothing landed; others are served meanwhile."""
    client.url.fault("hang", method="POST")
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.send("POST", "/v2/orders", json=BUY, timeout=0.3)
    assert client.ids() == []


def test_too_many_requests_comes_in_both_forms(client: Client) -> None:
    """With Alpaca's headers and code, or without any header, as measured on market data."""
    client.url.fault("429", headers=True)
    with_headers = client.send("GET", "/v2/account")
    assert with_headers.json() == {"code": 42910000, "message": "rate limit exceeded"}
    assert with_headers.headers["X-Ratelimit-Remaining"] == "0"
    client.url.fault("429", headers=False, path="^/v2/stocks")
    bare = client.send("GET", "/v2/stocks/AAPL/quotes/latest")
    assert (bare.status_code, bare.json()) == (429, {"message": "too many requests."})
    assert not [name for name in bare.headers if name.lower().startswith(("x-ratelimit", "retry"))]


def test_error_status_and_body_can_be_chosen(client: Client) -> None:
    """A 503 with HTML, as a gateway sends it, and nothing lands."""
    client.url.fault("500", status=503, body="<html>Service Unavailable</html>")
    answer = client.submit(client_order_id="a")
    assert (answer.status_code, answer.text) == (503, "<html>Service Unavailable</html>")
    assert client.ids() == []


def test_504_comes_after_the_order_landed(client: Client) -> None:
    """The client sees a timeout, the exchange has the order."""
    client.url.fault("504", method="POST", path="^/v2/orders$")
    assert client.submit(client_order_id="landed").status_code == 504
    assert client.ids() == ["landed"]


@pytest.mark.parametrize(("kind", "landed"), [("reset_before", []), ("reset_after", ["order"])])
def test_connection_is_reset_before_or_after_landing(client: Client, kind: str, landed: list[str]) -> None:
    """The client sees the same reset; only the exchange knows whether the order is there."""
    client.url.fault(kind, method="POST")
    with pytest.raises(requests.exceptions.ConnectionError):
        client.submit(client_order_id="order")
    assert client.ids() == landed


def test_duplicate_delivery_is_refused_by_id(client: Client) -> None:
    """Delivered twice with an id, the second is refused and one order is there."""
    client.url.fault("duplicate")
    answer = client.submit(client_order_id="twice")
    assert (answer.status_code, answer.json()["message"]) == (422, "client_order_id must be unique")
    assert client.ids() == ["twice"]


def test_duplicate_delivery_doubles_without_an_id(client: Client) -> None:
    """Delivered twice without an id, two orders are there: why an id belongs on every order."""
    client.url.fault("duplicate")
    assert client.submit().status_code == 200
    assert len(client.ids()) == 2


def test_partial_fill(client: Client) -> None:
    """The next fill takes only the fraction asked for."""
    client.url.fault("partial_fill", fraction=0.3)
    order = client.submit().json()
    client.url.advance(OPEN + timedelta(minutes=1))
    seen = client.get(f"/v2/orders/{order['id']}")
    assert (seen["status"], seen["filled_qty"]) == ("partially_filled", "3")
    client.url.advance(OPEN + timedelta(minutes=11))
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "filled"


def test_order_is_accepted_and_then_rejected(client: Client) -> None:
    """The POST succeeds; the order ends as rejected."""
    client.url.fault("rejected")
    order = client.submit()
    assert order.status_code == 200
    client.url.advance(OPEN + timedelta(minutes=1))
    seen = client.get(f"/v2/orders/{order.json()['id']}")
    assert (seen["status"], seen["filled_qty"]) == ("rejected", "0")
    assert seen["failed_at"] is not None


def test_schema_drifts(client: Client) -> None:
    """A field is gone, another has a value nobody knows, a third is new."""
    client.submit(client_order_id="a")
    client.url.fault("schema_drift", remove=["hwm"], set={"status": "quantum", "surprise": 1})
    drifted = client.get("/v2/orders")[0]
    assert "hwm" not in drifted
    assert (drifted["status"], drifted["surprise"]) == ("quantum", 1)
    assert client.get("/v2/orders")[0]["status"] == "pending_new"


def test_session_closes_early(client: Client) -> None:
    """Clock and calendar say so, and a day order expires at the new close."""
    order = client.submit(type="limit", limit_price="50").json()
    client.url.fault("early_close", at="13:00")
    assert client.get("/v2/clock")["next_close"] == "2022-08-15T13:00:00-04:00"
    assert client.get("/v2/calendar", start="2022-08-15", end="2022-08-15")[0]["close"] == "13:00"
    client.url.advance(OPEN + timedelta(hours=4))
    assert client.get("/v2/clock")["is_open"] is False
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "expired"
    assert client.url.clock()["session"]["close"] == "2022-08-15T17:00:00+00:00"


def test_clock_is_wrong_until_faults_are_cleared(client: Client) -> None:
    """Reported time is off by what was asked for; the real one is not touched."""
    client.url.fault("clock_skew", seconds=-90)
    assert client.get("/v2/clock")["timestamp"].startswith("2022-08-15T09:28:30")
    assert client.submit().json()["submitted_at"].startswith("2022-08-15T13:28:30")
    assert client.url.clock()["now"] == OPEN.isoformat()
    client.url.clear_faults()
    assert client.get("/v2/clock")["timestamp"].startswith("2022-08-15T09:30:00")


def test_stock_splits_overnight(client: Client) -> None:
    """Shares, average price, resting orders and the tape's prices are in new terms the next morning."""
    client.submit()
    client.url.advance(OPEN + timedelta(minutes=5))
    rest = client.submit(side="sell", type="limit", limit_price="150", time_in_force="gtc").json()
    before = client.get("/v2/positions/AAPL")
    client.url.fault("split", symbol="AAPL", ratio=4)
    assert client.get("/v2/positions/AAPL")["qty"] == "10"
    client.url.advance(OPEN + timedelta(days=1, minutes=5))
    after = client.get("/v2/positions/AAPL")
    assert after["qty"] == "40"
    assert Decimal(after["avg_entry_price"]) == Decimal(before["avg_entry_price"]) / 4
    assert Decimal(after["current_price"]) < 30
    seen = client.get(f"/v2/orders/{rest['id']}")
    assert (seen["qty"], seen["limit_price"]) == ("40", "37.5")
    halves = client.get("/v2/account/activities/SPLIT")
    assert sorted(half["qty"] for half in halves) == ["-10", "40"]


def test_dividend_is_paid(client: Client) -> None:
    """Cash comes for the shares held before the day, with an entry in the account book."""
    client.submit()
    client.url.advance(OPEN + timedelta(minutes=5))
    cash = Decimal(client.get("/v2/account")["cash"])
    client.url.fault("dividend", symbol="AAPL", amount="0.25")
    client.url.advance(OPEN + timedelta(days=1))
    entry = client.get("/v2/account/activities/DIV")[0]
    assert (entry["net_amount"], entry["per_share_amount"], entry["qty"]) == ("2.5", "0.25", "10")
    assert Decimal(client.get("/v2/account")["cash"]) - cash == Decimal("2.5")


def test_faults_wait_in_order_for_what_they_match(client: Client) -> None:
    """Only matching requests get one, in the order asked for, as often as asked for."""
    client.url.fault("500", path="^/v2/clock$", times=2)
    client.url.fault("429", path="^/v2/clock$")
    listed = client.send("GET", "/admin/faults").json()["faults"]
    assert [(fault["kind"], fault["times"]) for fault in listed] == [("500", 2), ("429", 1)]
    assert client.send("GET", "/v2/account").status_code == 200
    assert [client.send("GET", "/v2/clock").status_code for _ in range(4)] == [500, 500, 429, 200]


def test_fault_for_ever_ends_when_cleared(client: Client) -> None:
    """A fault without a number of times stays until it is cleared."""
    client.url.fault("500", times=None)
    assert {client.send("GET", "/v2/clock").status_code for _ in range(5)} == {500}
    client.url.clear_faults()
    assert client.send("GET", "/v2/clock").status_code == 200


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        ("banana", {}, "allowed: latency, hang"),
        ("latency", {"seconds": "x"}, "latency.seconds must be a number"),
        ("latency", {"minutes": 1}, "allowed: seconds"),
        ("early_close", {"at": "25:00"}, "a New York time like 13:00"),
        ("early_close", {"at": "08:00"}, "must lie between now"),
        ("split", {"symbol": "NOPE", "ratio": 2}, "NOPE"),
        ("split", {"symbol": "AAPL", "ratio": 0}, "from 0.0001"),
        ("schema_drift", {}, "needs remove, set or both"),
        ("dividend", {"symbol": "AAPL", "amount": 1, "ex_date": "soon"}, "a day like"),
    ],
)
def test_nonsense_faults_are_refused_with_what_is_allowed(
    client: Client, kind: str, args: dict[str, Any], words: str
) -> None:
    """A wrong fault is a 400 that says what would be right, and nothing waits."""
    with pytest.raises(ValueError, match="400") as error:
        client.url.fault(kind, **args)
    assert words in str(error.value)
    assert client.send("GET", "/admin/faults").json()["faults"] == []
