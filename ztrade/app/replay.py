"""Keeping a decision's inputs as JSON values, and making the decision again from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ztrade.app.think import Inputs, think
from ztrade.domain.agent import Agent
from ztrade.domain.decision import MarketView, Sentiment, SourceReading
from ztrade.domain.schedule import Session
from ztrade.domain.types import BarRow, bars_from_rows, rows_of
from ztrade.errors import DataError
from ztrade.strategies import create


def recorded(inputs: Inputs) -> Mapping[str, object]:
    """Return the inputs as JSON values; :func:`restored` reads them back."""
    view, session = inputs.view, inputs.view.session
    return {
        "at": view.at.isoformat(),
        "symbol": view.symbol,
        "span_seconds": int(view.bars.span.total_seconds()),
        "bars": [[int(start.timestamp()), *values] for start, *values in rows_of(view.bars)],
        "price": view.price,
        "held_qty": str(view.held_qty),
        "entry_price": view.entry_price,
        "held_bars": view.held_bars,
        "missing": view.missing,
        "session": None if session is None else {key: value.isoformat() for key, value in asdict(session).items()},
        "bid": str(inputs.bid),
        "ask": str(inputs.ask),
        "available": str(inputs.available),
        "sentiment": None if inputs.sentiment is None else _plain(asdict(inputs.sentiment)),
    }


def restored(stored: Mapping[str, Any]) -> Inputs:
    """Return the inputs that :func:`recorded` kept.

    Raises:
        DataError: they cannot be read.
    """
    try:
        return Inputs(
            _view(stored),
            sentiment_of(stored["sentiment"]),
            Decimal(stored["bid"]),
            Decimal(stored["ask"]),
            Decimal(stored["available"]),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise DataError("the cycle's stored inputs", f"cannot be read: {error!r}") from error


def replay(agent: Agent, stored: Mapping[str, object]) -> Mapping[str, object]:
    """Return what the agent decides today from the inputs of then, with the keys that a cycle's details have.

    Raises:
        DataError: the stored inputs cannot be read.
    """
    details = think(agent, create(agent.strategy, agent.parameters), restored(stored)).details
    return {key: details[key] for key in ("action", "qty", "score", "confidence")}


def _view(stored: Mapping[str, Any]) -> MarketView:
    return MarketView(
        symbol=stored["symbol"],
        at=datetime.fromisoformat(stored["at"]),
        bars=bars_from_rows(stored["symbol"], timedelta(seconds=stored["span_seconds"]), _rows(stored["bars"])),
        price=stored["price"],
        held_qty=Decimal(stored["held_qty"]),
        entry_price=stored["entry_price"],
        held_bars=stored["held_bars"],
        session=_session(stored["session"]),
        missing=stored["missing"],
    )


def _session(stored: Mapping[str, str] | None) -> Session | None:
    if stored is None:
        return None
    instants = {key: datetime.fromisoformat(value) for key, value in stored.items() if key != "day"}
    return Session(day=date.fromisoformat(stored["day"]), **instants)


def _rows(stored: Iterable[tuple[int, float, float, float, float, float]]) -> Iterable[BarRow]:
    for start, *values in stored:
        open_, high, low, close, volume = values
        yield datetime.fromtimestamp(start, UTC), open_, high, low, close, volume


def sentiment_of(stored: Any) -> Sentiment | None:
    """Return the sentiment among a cycle's stored inputs, None where there was none."""
    if stored is None:
        return None
    readings = tuple(SourceReading(**{**one, "items": tuple(one["items"])}) for one in stored["readings"])
    return Sentiment(**{**stored, "readings": readings})


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)
