"""TA-Lib on numpy arrays alone.

Where pandas or polars can be imported, TA-Lib imports them and looks at every argument for one of their series. That is
24 MB in each worker, and as much time as some indicators take, for types that no strategy here has.
"""

from __future__ import annotations

from ztrade.lean import without

with without("pandas", "polars"):
    import talib

__all__ = ["talib"]
