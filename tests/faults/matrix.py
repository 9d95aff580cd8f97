"""The pairs of point and fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults import points
from tests.faults.catalogue import FAULTS


@dataclass(frozen=True, slots=True)
class Pair:
    """One cell of the matrix: where a cycle waits, and what happens then."""

    point: str
    fault: str

    @property
    def name(self) -> str:
        return f"{self.point} {self.fault}"

    @property
    def words(self) -> str:
        return f"{points.words(self.point)}: {FAULTS[self.fault].words}"


#: by fault, the points at which it strikes; the first is that of the cover: where money is most at risk
_AT = {
    "none": "claim<",
    "kill child": "resolve< claim< claim> settle< settle> observe< observe> decide< decide> plan< plan> check< check> "
    "post< post> resolve> finish< finish> cancel< cancel> plansell> sell< sell> sold> close<",
    # before the intent: what is planned and not known to be sent is not tried again
    "dies again": "plan< claim> decide< plansell<",
    "kill main": "sell< plan> post<",
    "kill worker": "cancel> post< post>",
    "TERM": "post<",
    "TERM group": "post> plan> sell<",
    "freeze child": "finish< claim> plan< plan> check> post< post> sell<",
    "freeze long": "post< claim> check> sell<",
    "freeze main": "post<",
    "power cut": "post> plan> sell<",
    "kill beat": "claim<",
    "freeze beat": "post<",
    "two beats": "claim<",
    "kill keeper": "plan>",
    "freeze keeper": "post<",
    "redelivery": "claim> post<",
    "kill Redis": "post< claim<",
    "freeze Redis": "claim>",
    "FLUSHALL": "finish> claim<",
    "CLIENT KILL": "post> claim>",
    "Redis full": "claim<",
    "disk full": "post< plan< finish<",
    "read-only": "post> plan<",
    "kill exchange": "sell< observe< post< post>",
    "freeze exchange": "post<",
    "504 landed": "post< sell<",
    "reset before": "post<",
    "reset after": "post<",
    "hang": "post<",
    "500": "post<",
    "429": "post<",
    "duplicate": "post<",
    "rejected": "sell< post<",
    "partial fill": "post< sell<",
    "drift": "post<",
    "latency": "post<",
    "hang reads": "observe<",
    "drift reads": "watch<",
    "504 to cancel": "cancel<",
    "clock skew": "claim<",
    "split": "hold<",
    "dividend": "hold<",
    # at every step: the one fault that a person causes
    "halt": " ".join(
        ["check>", *(f"{step}{side}" for step in points.STEPS for side in "<>" if step + side != "check>")]
    ),
    "stop cancelled": "hold<",
    "sold by hand": "hold<",
    "bought by hand": "hold<",
    "network cut": "post< observe< sell<",
    "old backup": "post> claim<",
    "early close": "post> sell<",
    "worker away": "hold<",
    "beat away": "hold<",
    "Redis away": "hold<",
    "kill beside": "post> sell<",
    "freeze beside": "post<",
    "halt beside": "plan>",
    "kill PostgreSQL": "post< finish<",
    "kill, PostgreSQL": "post>",
    "freeze, PostgreSQL": "post<",
    "504, PostgreSQL": "post<",
    "clock +2h": "plan<",
    "clock -2h": "plan<",
}
PAIRS = [Pair(point, fault) for fault, places in _AT.items() for point in places.split()]


def _cover() -> list[Pair]:
    """Return each fault at its first point, and the first pair of every point that is left."""
    chosen = list({pair.fault: pair for pair in reversed(PAIRS)}.values())[::-1]
    left = {pair.point: pair for pair in reversed(PAIRS) if pair.point not in {one.point for one in chosen}}
    return [*chosen, *list(left.values())[::-1]]


#: every point and every fault, in few pairs
COVER = _cover()
#: enough to see each safeguard at work in a minute
CUT = [
    Pair("post>", "kill child"),
    Pair("plan>", "kill worker"),
    Pair("cancel>", "kill child"),
    Pair("post<", "freeze long"),
    Pair("post<", "504 landed"),
    Pair("claim<", "FLUSHALL"),
    Pair("claim>", "redelivery"),
    Pair("plan>", "halt"),
]


def chosen(words: str, among: Sequence[Pair] = PAIRS) -> list[Pair]:
    """Return the pairs whose name contains one of the comma-separated words; all where there are none."""
    parts = [word.strip() for word in words.split(",") if word.strip()]
    return [pair for pair in among if not parts or any(part in pair.name for part in parts)]
