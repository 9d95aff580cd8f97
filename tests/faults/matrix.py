"""The pairs of point and fault."""

from __future__ import annotations

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


#: by fault, the points at which it strikes
_AT = {
    "none": "claim<",
    "kill child": "claim< claim> settle< settle> observe< observe> decide< decide> plan< plan> check< check> post< "
    "post> resolve< resolve> finish< finish> cancel< cancel> plansell> sell< sell> sold> close<",
    "kill main": "plan> post< sell<",
    "kill worker": "post< post> cancel>",
    "TERM": "post<",
    "TERM group": "plan> post> sell<",
    "freeze child": "claim> plan< plan> check> post< post> finish< sell<",
    "freeze long": "claim> check> post< sell<",
    "freeze main": "post<",
    "power cut": "plan> post> sell<",
    "kill beat": "claim<",
    "freeze beat": "post<",
    "two beats": "claim<",
    "kill keeper": "plan>",
    "freeze keeper": "post<",
    "redelivery": "claim> post<",
    "kill Redis": "claim< post<",
    "freeze Redis": "claim>",
    "FLUSHALL": "claim< finish>",
    "CLIENT KILL": "claim> post>",
    "Redis full": "claim<",
    "disk full": "plan< post< finish<",
    "read-only": "plan< post>",
    "kill exchange": "observe< post< post> sell<",
    "freeze exchange": "post<",
    "504 landed": "post< sell<",
    "reset before": "post<",
    "reset after": "post<",
    "hang": "post<",
    "500": "post<",
    "429": "post<",
    "duplicate": "post<",
    "rejected": "post< sell<",
    "partial fill": "post< sell<",
    "drift": "post<",
    "latency": "post<",
    "hang reads": "observe<",
    "drift reads": "watch<",
    "504 to cancel": "cancel<",
    "clock skew": "claim<",
    "split": "hold<",
    "dividend": "hold<",
    "halt": "claim< observe< decide> plan< plan> check> post> cancel< sell<",
    "stop cancelled": "hold<",
    "sold by hand": "hold<",
    "bought by hand": "hold<",
    "network cut": "observe< post< sell<",
    "clock +2h": "plan<",
    "clock -2h": "plan<",
}
PAIRS = [Pair(point, fault) for fault, places in _AT.items() for point in places.split()]
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


def chosen(words: str) -> list[Pair]:
    """Return the pairs whose name contains one of the comma-separated words; all where there are none."""
    parts = [word.strip() for word in words.split(",") if word.strip()]
    return [pair for pair in PAIRS if not parts or any(part in pair.name for part in parts)]
