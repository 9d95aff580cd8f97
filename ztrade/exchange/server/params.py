"""Query parameters, read strictly: nonsense gets one clear answer, never a guess and never a 500."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ztrade.exchange.server.http import ApiError, Call
from ztrade.exchange.server.stamps import read_when

#: turns a parameter's name and what is wrong with it into the answer that the API in question gives
Refusal = Callable[[str, str], ApiError]

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
MOST_SYMBOLS = 1000


class Params:
    """The query of one call. Every reader takes the parameter's name, returns its value, and raises ApiError."""

    def __init__(self, call: Call, refusal: Refusal) -> None:
        self._call = call
        self._refusal = refusal

    def text(self, name: str) -> str | None:
        """Return the value, None where it is absent or empty (clients send ``page_token=`` for "none")."""
        values = self._call.query.get(name)
        return values[0] if values and values[0] != "" else None

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise self._refusal(name, f"'{text}' is not a whole number from {low} to {high}")
        return int(text)

    def flag(self, name: str) -> bool:
        text = self.text(name)
        if text is not None and text not in _TRUE | _FALSE:
            raise self._refusal(name, f"'{text}' is neither true nor false")
        return text in _TRUE

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        text = self.text(name)
        if text is not None and text.lower() not in allowed:
            raise self._refusal(name, f"'{text}' is not one of {', '.join(allowed)}")
        return default if text is None else text.lower()

    def when(self, name: str, *, end_of_day: bool = False) -> datetime | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return read_when(text, end_of_day=end_of_day)
        except ValueError as error:
            raise self._refusal(name, str(error)) from None

    def listed(self, name: str) -> list[str]:
        """Return the comma separated words, from every repetition of the name, without doubles, in order."""
        words = (word.strip() for value in self._call.query.get(name, ()) for word in value.split(","))
        return list(dict.fromkeys(word for word in words if word))

    def symbols(self) -> list[str]:
        """Return ``symbols`` in upper case; may be empty."""
        found = list(dict.fromkeys(word.upper() for word in self.listed("symbols")))
        if len(found) > MOST_SYMBOLS:
            raise self._refusal("symbols", f"{len(found)} are too many: at most {MOST_SYMBOLS}")
        return found

    def refuse(self, name: str, why: str) -> ApiError:
        return self._refusal(name, why)
