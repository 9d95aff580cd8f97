"""The only place where the system clock is read, and the follower of the embedded exchange's clock."""

from ztrade.adapters.clock.embedded import EmbeddedClock, ExchangeTime
from ztrade.adapters.clock.system import SystemClock

__all__ = ["EmbeddedClock", "ExchangeTime", "SystemClock"]
