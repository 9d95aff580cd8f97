"""The embedded exchange's bodies against Alpaca's published OpenAPI files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator

from ztrade.adapters.calendar.nyse import NyseCalendar
from ztrade.domain.types import NewsItem
from ztrade.testing.exchange_server import ExchangeUrl, running
from ztrade.testing.tapes import wave_tape

FILES = Path(__file__).resolve().parents[3] / "shared" / "data" / "alpaca-openapi"
OPEN = datetime(2022, 8, 15, 13, 30, tzinfo=UTC)
BUY = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "gtc"}
BRACKET = BUY | {
    "order_class": "bracket",
    "take_profit": {"limit_price": "110"},
    "stop_loss": {"stop_price": "90"},
}

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FILES.is_dir(), reason="needs ../shared/data/alpaca-openapi beside the repository"),
]


def mended(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON schema: ``nullable``, and a leg's legs, which are always null."""
    if isinstance(schema, list):
        return [mended(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: mended(part) for name, part in schema.items()}
    null_shown = "example" in schema and schema["example"] is None
    if (schema.get("nullable") or null_shown) and isinstance(schema.get("type"), str):
        result["type"] = [schema["type"], "null"]
    return result


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    return {name: mended(yaml.safe_load((FILES / f"{name}-openapi.yaml").read_text())) for name in ("trading", "data")}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ExchangeUrl, requests.Session]]:
    """An exchange on which one of everything has happened."""
    tape = wave_tape(
        NyseCalendar(),
        stories=[NewsItem("7", OPEN, "Headline", "Summary", "wire", ("AAPL",), "https://example.org/7")],
    )
    with running(tape, start=OPEN) as url, requests.Session() as session:
        session.headers.update({"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"})
        for body in (BRACKET, BUY | {"symbol": "SPY"}, BUY | {"symbol": "TSLA", "type": "limit", "limit_price": "50"}):
            assert session.post(f"{url}/v2/orders", json=body, timeout=20).status_code == 200
        url.advance(OPEN + timedelta(minutes=10))
        url.fault("dividend", symbol="AAPL", amount=1)
        url.fault("split", symbol="SPY", ratio=2)
        session.delete(f"{url}/v2/positions/SPY", params={"qty": "1"}, timeout=20)
        url.advance(OPEN + timedelta(days=1, minutes=10))
        yield url, session


def check(document: dict[str, Any], name: str, body: object, *, many: bool = False) -> None:
    reference = {"$ref": f"#/components/schemas/{name}"}
    root = {"components": document["components"]} | ({"type": "array", "items": reference} if many else reference)
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in Draft202012Validator(root).iter_errors(body)]
    assert errors == []
    assert body


@pytest.mark.parametrize(
    ("path", "schema", "many"),
    [
        ("/v2/account", "Account", False),
        ("/v2/account/configurations", "AccountConfigurations", False),
        ("/v2/account/portfolio/history", "PortfolioHistory", False),
        ("/v2/account/portfolio/history?period=1D&timeframe=15Min", "PortfolioHistory", False),
        ("/v2/account/activities/FILL", "TradingActivities", True),
        ("/v2/account/activities/DIV", "NonTradeActivities", True),
        ("/v2/account/activities/SPLIT", "NonTradeActivities", True),
        ("/v2/assets", "Assets", True),
        ("/v2/assets/AAPL", "Assets", False),
        ("/v2/clock", "legacy_clock", False),
        ("/v2/calendar?start=2022-08-01&end=2022-12-31", "legacy_calendar_day", True),
        ("/v2/calendar?start=2022-08-01&end=2022-08-31&date_type=SETTLEMENT", "legacy_calendar_day", True),
        ("/v3/clock", "clock_resp", False),
        ("/v3/clock?markets=NYSE,XNAS&time=2022-11-25T18:30:00Z", "clock_resp", False),
        ("/v3/calendar/NYSE?start=2022-11-21", "public_calendar_resp", False),
        ("/v3/calendar/XNAS?timezone=UTC", "public_calendar_resp", False),
        ("/v2/orders?status=all&nested=true", "Order", True),
        ("/v2/orders?status=all", "Order", True),
        ("/v2/positions", "Position", True),
        ("/v2/positions/AAPL", "Position", False),
    ],
)
def test_trading_bodies_are_as_published(
    documents: dict[str, Any], served: tuple[ExchangeUrl, requests.Session], path: str, schema: str, many: bool
) -> None:
    """Every body of the trading API fits its schema and is not empty."""
    url, session = served
    answer = session.get(url + path, timeout=20)
    assert answer.status_code == 200
    check(documents["trading"], schema, answer.json(), many=many)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v2/stocks/bars?symbols=AAPL,SPY&timeframe=5Min&limit=5", "stock_bars_resp"),
        ("/v2/stocks/AAPL/bars?timeframe=1Day&start=2022-08-01", "stock_bars_resp_single"),
        ("/v2/stocks/AAPL/bars?timeframe=1Day&start=2022-08-01&end=2022-08-01T05:00:00Z", "stock_bars_resp_single"),
        ("/v2/stocks/ZZZZ/trades", "stock_trades_resp_single"),
        ("/v2/stocks/bars/latest?symbols=AAPL", "stock_latest_bars_resp"),
        ("/v2/stocks/AAPL/bars/latest", "stock_latest_bars_resp_single"),
        ("/v2/stocks/quotes/latest?symbols=AAPL", "stock_latest_quotes_resp"),
        ("/v2/stocks/AAPL/quotes/latest", "stock_latest_quotes_resp_single"),
        ("/v2/stocks/trades/latest?symbols=AAPL", "stock_latest_trades_resp"),
        ("/v2/stocks/AAPL/trades/latest", "stock_latest_trades_resp_single"),
        ("/v2/stocks/trades?symbols=AAPL,SPY&limit=5&start=2022-08-12", "stock_trades_resp"),
        ("/v2/stocks/AAPL/trades?start=2022-08-12&sort=desc", "stock_trades_resp_single"),
        ("/v2/stocks/quotes?symbols=AAPL,SPY&limit=5&start=2022-08-12&asof=2022-08-12", "stock_quotes_resp"),
        ("/v2/stocks/AAPL/quotes?start=2022-08-12", "stock_quotes_resp_single"),
        ("/v2/stocks/meta/exchanges", "stock_exchanges"),
        ("/v2/stocks/meta/conditions/trade?tape=C", "stock_conditions"),
        ("/v2/stocks/meta/conditions/quote?tape=A", "stock_conditions"),
        ("/v2/stocks/snapshots?symbols=AAPL,SPY", "stock_snapshots_resp"),
        ("/v2/stocks/AAPL/snapshot", "stock_snapshots_resp_single"),
    ],
)
def test_market_data_bodies_are_as_published(
    documents: dict[str, Any], served: tuple[ExchangeUrl, requests.Session], path: str, schema: str
) -> None:
    """Every body of the market data API fits its schema and is not empty."""
    url, session = served
    answer = session.get(url + path, timeout=20)
    assert answer.status_code == 200
    check(documents["data"], schema, answer.json())


def test_news_are_as_published(documents: dict[str, Any], served: tuple[ExchangeUrl, requests.Session]) -> None:
    """Stories with their content fit the schema."""
    url, session = served
    body = session.get(f"{url}/v1beta1/news", params={"include_content": "true"}, timeout=20).json()
    check(documents["data"], "news_resp", body)
    assert body["news"]


def test_orders_made_and_closed_are_as_published(
    documents: dict[str, Any], served: tuple[ExchangeUrl, requests.Session]
) -> None:
    """Answers to POST, PATCH, close one, close all and cancel all fit their schemas."""
    url, session = served
    order = BUY | {"symbol": "TSLA", "type": "limit", "limit_price": "40"}
    posted = session.post(f"{url}/v2/orders", json=order, timeout=20).json()
    check(documents["trading"], "Order", posted)
    url.advance(datetime.fromisoformat(url.clock()["now"]) + timedelta(minutes=1))
    patched = session.patch(f"{url}/v2/orders/{posted['id']}", json={"limit_price": "51"}, timeout=20).json()
    check(documents["trading"], "Order", patched)
    cancelled = session.delete(f"{url}/v2/orders", timeout=20)
    assert cancelled.status_code == 207
    check(documents["trading"], "CanceledOrderResponse", cancelled.json(), many=True)
    closed = session.delete(f"{url}/v2/positions", timeout=20)
    assert closed.status_code == 207
    check(documents["trading"], "PositionClosedReponse", closed.json(), many=True)
