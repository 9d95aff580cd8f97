"""The only door to the exchange: Alpaca live, Alpaca paper, and the embedded exchange, by URL and keys.

Nothing is sent, and alpaca-py is not loaded, before the first call::

    gateway = Gateway(AlpacaSettings("paper", key_id, secret_key, PAPER_URL, DATA_URL), budget)
    AlpacaExchange(gateway).account()
"""

from __future__ import annotations

from ztrade.adapters.alpaca.exchange import AlpacaExchange
from ztrade.adapters.alpaca.fields import UnreadableAnswer
from ztrade.adapters.alpaca.gateway import Gateway
from ztrade.adapters.alpaca.gather import ThreadGather
from ztrade.adapters.alpaca.market_data import AlpacaMarketData
from ztrade.adapters.alpaca.news import AlpacaNews
from ztrade.adapters.alpaca.settings import DATA_URL, LIVE_URL, PAPER_URL, AlpacaSettings
from ztrade.adapters.alpaca.transport import HttpStats

__all__ = [
    "DATA_URL",
    "LIVE_URL",
    "PAPER_URL",
    "AlpacaExchange",
    "AlpacaMarketData",
    "AlpacaNews",
    "AlpacaSettings",
    "Gateway",
    "HttpStats",
    "ThreadGather",
    "UnreadableAnswer",
]
