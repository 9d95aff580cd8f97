"""The embedded exchange's matching core: pure, deterministic, in exact decimals. No I/O, no wall clock, no randomness.

Use it through :class:`~ztrade.exchange.core.engine.Engine`::

    engine = Engine(tape, sessions, now=..., cash=Decimal(100_000), settings=Settings())
    order = engine.submit(OrderSpec(symbol="SPY", side="buy", qty=Decimal(10)))   # status pending_new
    engine.advance(later)                                                         # fills along the bars' paths
    engine.order(order.id).status                                                 # filled
    changes = engine.drain_changes()                                              # rows for one transaction

Names: ``OrderSpec``, ``OrderRecord``, ``ActivityRecord``, ``PositionView``, ``AccountView``, ``QuoteView``,
``TradeView``, ``ClockView``, ``Asset``, ``Changes`` in ``records``; ``Settings`` in ``settings``; ``Refusal`` (an HTTP
status, Alpaca's code and message, more fields of the body) in ``refusal``.

Rules that a caller must know:

- Commands act at the engine's clock; an order is matched only when the clock moves on. ``submit`` answers
  ``pending_new``, or ``accepted`` while the market is closed, never filled. A cancel or replace takes effect at once.
- ``advance(a); advance(b)`` is the same as ``advance(b)``: everything happens at instants that the tape and the
  commands alone determine.
- Returned records are the engine's own and must not be changed; they are up to date until the engine changes them.
- ``orders``, ``activities`` and the rest list oldest first; the server turns that round where Alpaca does.

The model: inside a bar the price runs along ``path``; the account may have ``participation`` of a bar's volume, the
rest of an order waits for the next bar; a fill is half the spread and a slippage off the path, rounded to the tick
against the trader, never beyond a limit. Stops are touched by the path, limits by bid or ask. Where there is no bar, no
volume, or a halt, nothing fills. A market buy that opens far above its reserve is filled all the same, so cash may go
below zero over a gap, as in a margin account; new buys are then refused.

Where this differs from Alpaca, on purpose: long only; no trailing stops; only ``day`` and ``gtc``; resting complex
orders are adjusted by splits (``corporate``); a filled part of a cancelled bracket entry keeps no legs (as at Alpaca),
so a caller looks at what was filled. Money is exact: cash, fills and fees are Decimals that nobody rounds, but for a
day's fees (up to the cent) and dividends (to the cent).
"""
