"""requests without its guessing of character sets.

Every answer is declared UTF-8 before anybody reads it (``transport``); the guesser is 1.5 MB in each worker.
"""

from __future__ import annotations

import warnings

from ztrade.lean import without

with without("chardet", "charset_normalizer"), warnings.catch_warnings():
    # that it cannot guess
    warnings.simplefilter("ignore")
    import requests

__all__ = ["requests"]
