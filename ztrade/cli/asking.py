"""Questions to what may be down, all at once, and none waited for longer than a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ztrade.errors import ZtradeError

T = TypeVar("T")
#: wall seconds for all answers together: what is down refuses at once, and a machine that is busy is no outage
PATIENCE = 2.5


class Answer(Generic[T]):
    """What will have been answered."""

    def __init__(self, what: str, call: Callable[[], T], asker: Asker) -> None:
        self._what, self._call, self._asker = what, call, asker
        self._value: T | None = None
        self._error: BaseException | None = None
        # a daemon: the program ends, whatever hangs
        self._thread = threading.Thread(target=self._run, name=f"ask-{what}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # noqa: BLE001 raised again where somebody listens
            self._error = error

    def get(self) -> T | None:
        """Wait for the answer; None where there is none, and the reason is noted. Raises what is no outage."""
        self._thread.join(self._asker.left())
        if self._thread.is_alive():
            self._asker.problems.append(f"{self._what}: does not answer within {self._asker.patience:g} s")
            return None
        if isinstance(self._error, ZtradeError):
            self._asker.problems.append(f"{self._what}: {self._error}")
        elif self._error is not None:
            raise self._error
        return self._value


class Asker:
    """Asks, and notes what did not answer; each problem is one line for a person.

    Args:
        patience: wall seconds from now on for all questions; each one asked later gets at least a tenth of it.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self.problems: list[str] = []
        self._deadline = time.monotonic() + patience

    def ask(self, what: str, call: Callable[[], T]) -> Answer[T]:
        """Begin to ask."""
        return Answer(what, call, self)

    def left(self) -> float:
        """Return the wall seconds that an answer may still take."""
        return max(self._deadline - time.monotonic(), self.patience / 10)
