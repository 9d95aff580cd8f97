"""What the embedded exchange trades on: bars and news from disk, and a made-up market.

``load_directory`` and ``load_news`` read what is there or refuse it with a reason; ``synthetic`` makes a market from a
seed. :mod:`ztrade.exchange.bars.importer` turns bars of other layouts into ours.
"""

from ztrade.exchange.bars.market import synthetic
from ztrade.exchange.bars.news import load_news
from ztrade.exchange.bars.reader import load_directory

__all__ = ["load_directory", "load_news", "synthetic"]
