"""Whatever the exchange does to a request: no order twice, none without an intent, books equal, positions protected."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.faulty_days import AGENT, BUY, LEAVE, PATIENCE, SESSIONS, Day, Trouble, day
from ztrade.domain.agent import Limits
from ztrade.domain.types import Side

#: of random days; each takes some seconds
EXAMPLES = 8
#: two rounds; each way out is tried again at the slot after it
ENTRY, EXIT, SECOND_ENTRY, SECOND_EXIT = 2, 4, 7, 10
SCRIPT = {
    ENTRY: BUY,
    EXIT: LEAVE,
    EXIT + 1: LEAVE,
    SECOND_ENTRY: BUY,
    SECOND_EXIT: LEAVE,
    SECOND_EXIT + 1: LEAVE,
}
SUBMIT, CANCEL = ("POST", "/v2/orders$"), ("DELETE", "/v2/orders/")

ANSWERS: dict[str, dict[str, object]] = {
    "504": {},
    "reset_after": {},
    "reset_before": {},
    "hang": {"seconds": 2 * PATIENCE},
    "latency": {"seconds": 0.1},
    "429": {"headers": False},
    "500": {},
}
DRIFT: dict[str, dict[str, object]] = {
    "field gone": {"remove": ["id"]},
    "another field gone": {"remove": ["hwm", "legs", "filled_avg_price"]},
    "unknown enum": {"set": {"status": "quantum", "order_class": "triple"}},
    "extra field": {"set": {"surprise": {"deep": [1]}}},
}
#: an order that meets one of these is not at the exchange
NEVER_LANDS = {"reset_before", "hang", "429", "500", "rejected"}
ORDERS: dict[str, dict[str, object]] = {"duplicate": {}, "partial_fill": {"fraction": 0.3}, "rejected": {}}


#: such an order lands after it was given up
LANDS_LATE: dict[str, object] = {"seconds": PATIENCE + 0.3}
KINDS: list[tuple[str, dict[str, object]]] = [
    *(ANSWERS | ORDERS).items(),
    ("latency", LANDS_LATE),
    *(("schema_drift", args) for args in DRIFT.values()),
]


def name(kind: tuple[str, dict[str, object]]) -> str:
    if kind[1] == LANDS_LATE:
        return "lands late"
    return next((f"drift, {words}" for words, args in DRIFT.items() if args == kind[1]), kind[0])


def run(folder: Path, *troubles: Trouble) -> Day:
    """Run the scripted day with the troubles, and hold it to what must always be true."""
    with day(folder, SCRIPT) as made:
        made.run(troubles)
        made.check()
        return made


def test_the_day_without_faults_trades_twice(tmp_path: Path) -> None:
    """The script is what it says: two entries, two exits, flat at the end, and never unprotected."""
    made = run(tmp_path)
    assert made.round_trips() == 2
    assert made.journal.holdings() == []
    assert made.unprotected == []


@pytest.mark.parametrize("kind", KINDS, ids=name)
def test_a_fault_at_the_submit_of_an_entry_and_of_an_exit(tmp_path: Path, kind: tuple[str, dict[str, object]]) -> None:
    """The entry is there once or not at all; the position is sold once, at that slot or the next; all ends flat."""
    fault, args = kind
    made = run(tmp_path, Trouble(ENTRY, fault, *SUBMIT, 1, args), Trouble(SECOND_EXIT, fault, *SUBMIT, 1, args))
    assert made.journal.holdings() == [], made.story()
    assert made.round_trips() in (1, 2), made.story()
    assert made.round_trips() == 2 or fault in NEVER_LANDS, made.story()


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_fault_at_the_cancel_of_a_leg(tmp_path: Path, kind: str) -> None:
    """Once, and for a whole cycle: nothing is sold while a leg may hold the shares; the exit follows a slot later."""
    args = ANSWERS[kind]
    made = run(tmp_path, Trouble(EXIT, kind, *CANCEL, 1, args), Trouble(SECOND_EXIT, kind, *CANCEL, None, args))
    assert made.round_trips() == 2, made.story()
    assert made.journal.holdings() == []


@pytest.mark.parametrize("kind", ["reset_before", "429", "rejected"])
def test_a_position_without_a_stop_is_sold_at_the_next_slot(tmp_path: Path, kind: str) -> None:
    """The legs are cancelled, the exit fails, and the strategy is content to hold: it is sold all the same."""
    with day(tmp_path, {ENTRY: BUY, EXIT: LEAVE}) as made:
        made.run([Trouble(EXIT, kind, *SUBMIT, None, (ANSWERS | ORDERS)[kind])])
        made.check()
        assert "no stop protects the position" in made.outcome(EXIT + 1), made.story()
        assert set(made.unprotected) <= {EXIT}
        assert made.journal.holdings() == []


def test_a_sale_that_surely_did_not_leave_is_tried_again_in_its_slot(tmp_path: Path) -> None:
    """The legs are cancelled and the exchange says 429 once: the position is never without a stop after its slot."""
    with day(tmp_path, {ENTRY: BUY, EXIT: LEAVE}) as made:
        made.run([Trouble(EXIT, "429", *SUBMIT, 1, ANSWERS["429"])])
        made.check()
        assert made.outcome(EXIT).startswith("exited"), made.story()
        assert made.unprotected == []


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_read_of_a_cycle_fails(tmp_path: Path, kind: str) -> None:
    """A cycle that sees nothing does nothing, says so, and the next ones put it right."""
    blind = (ENTRY + 1, EXIT, SECOND_ENTRY)
    made = run(tmp_path, *(Trouble(slot, kind, "GET", None, None, ANSWERS[kind]) for slot in blind))
    for slot in blind if kind != "latency" else ():
        assert made.outcome(slot).startswith("failed: failed: "), made.story()
        assert made.outcome(slot).endswith("the next slot tries again")
    assert made.round_trips() == (1 if kind != "latency" else 2), made.story()
    assert made.journal.holdings() == []


@pytest.mark.parametrize(
    "path", ["account$", "positions$", "orders$", "orders/", "activities", "bars", "quotes", "clock"]
)
def test_one_read_of_a_cycle_fails(tmp_path: Path, path: str) -> None:
    """An outage of one door is never "nothing there"."""
    args = {"status": 503, "body": "<html>busy</html>"}
    made = run(tmp_path, *(Trouble(slot, "500", "GET", path, None, args) for slot in (ENTRY, EXIT, SECOND_EXIT)))
    assert made.outcome(EXIT).startswith("failed: failed: "), made.story()
    assert made.journal.holdings() == [], made.story()


@pytest.mark.parametrize("words", DRIFT)
def test_every_answer_of_a_cycle_drifts(tmp_path: Path, words: str) -> None:
    """A changed schema costs at most the slot, never the money."""
    where = "/v2/(orders|account)"
    made = run(tmp_path, *(Trouble(n, "schema_drift", None, where, None, DRIFT[words]) for n in (ENTRY, SECOND_EXIT)))
    assert made.journal.holdings() == [], made.story()


def test_a_rejected_entry_whose_legs_are_not_told_of(tmp_path: Path) -> None:
    """The order is accepted, ends as rejected, and is read without its legs: the journal has none resting either."""
    with day(tmp_path, SCRIPT) as made:
        made.run(
            [
                Trouble(ENTRY, "rejected", *SUBMIT),
                Trouble(ENTRY + 1, "schema_drift", "GET", None, None, {"remove": ["legs"]}),
            ]
        )
        made.check()
        assert made.round_trips() == 1, made.story()


def test_an_outage_of_an_hour(tmp_path: Path) -> None:
    """Three slots in a row see nothing; the fourth goes on."""
    made = run(tmp_path, Trouble(EXIT - 1, "500", None, None, None, {}, lasts=3))
    assert [made.outcome(n).split(":")[0] for n in (3, 4, 5)] == ["failed"] * 3
    assert made.unprotected == []


def test_an_early_close_leaves_the_position_protected(tmp_path: Path) -> None:
    """The exchange closes at 13:00 with the position open: later slots are closed, the stop rests, books agree."""
    with day(tmp_path, {ENTRY: BUY}) as made:
        made.run([Trouble(4, "early_close", args={"at": "13:00"})])
        made.check()
        assert made.outcome(8).startswith("closed: the exchange says closed until"), made.story()
        (holding,) = made.journal.holdings()
        assert made.unprotected == []
        assert holding.qty > 0


@pytest.mark.parametrize("seconds", [-120, 120])
def test_a_wrong_clock_blocks_the_slot(tmp_path: Path, seconds: int) -> None:
    """Two minutes off: nothing is sent in that slot."""
    made = run(tmp_path, Trouble(ENTRY, "clock_skew", args={"seconds": seconds}))
    assert made.outcome(ENTRY).startswith("blocked: the exchange's clock is 120 s off ours")
    assert made.round_trips() == 1, made.story()


@pytest.mark.parametrize("ratio", [2, 3, 0.5])
def test_a_split_overnight_under_an_open_position(tmp_path: Path, ratio: float) -> None:
    """Shares, cost and stop are in new terms on both sides the next morning, and all of it is sold."""
    with day(tmp_path, {11: BUY, 15: LEAVE}, SESSIONS) as made:
        made.run([Trouble(12, "split", args={"symbol": "SPY", "ratio": ratio})])
        made.check()
        bought, sold = (
            made.journal.fills(agent="spy")[0],
            [f for f in made.journal.fills(agent="spy") if f.side is Side.SELL],
        )
        assert sum(f.qty for f in sold) == bought.qty * Decimal(str(ratio)), made.story()
        assert made.journal.holdings() == []
        assert made.unprotected == []


def test_a_dividend_overnight_reaches_the_cash(tmp_path: Path) -> None:
    """Cash for the shares held overnight is in both books."""
    with day(tmp_path, {11: BUY, 15: LEAVE}, SESSIONS) as made:
        made.run([Trouble(12, "dividend", args={"symbol": "SPY", "amount": "0.37"})])
        made.check()
        (paid,) = [entry for entry in made.calm.activities() if entry.kind == "DIV"]
        assert paid.net_amount > 0


@st.composite
def schedules(draw: st.DrawFn) -> Sequence[Trouble]:
    """Up to six slots of two days at which something is wrong, for one to three slots."""
    kinds: dict[str, dict[str, object]] = ANSWERS | ORDERS | {f"drift {word}": args for word, args in DRIFT.items()}
    slots = draw(st.lists(st.integers(1, 24), min_size=1, max_size=6, unique=True))
    found = []
    for slot in sorted(slots):
        kind = draw(st.sampled_from(sorted(kinds)))
        method, path = draw(st.sampled_from([SUBMIT, CANCEL, ("GET", None), ("GET", "orders"), (None, None)]))
        times = draw(st.sampled_from([1, 2, None]))
        found.append(
            Trouble(
                slot,
                kind.split()[0].replace("drift", "schema_drift"),
                method,
                path,
                times,
                kinds[kind],
                lasts=draw(st.integers(1, 3)),
            )
        )
    return found


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.timeout(600)
@given(
    troubles=schedules(),
    script=st.dictionaries(st.integers(1, 24), st.sampled_from([BUY, LEAVE]), min_size=6, max_size=20),
    tight=st.booleans(),
)
def test_any_schedule_of_faults(troubles: Sequence[Trouble], script: dict[int, object], tight: bool) -> None:
    """Two days of any script under any faults, also with stops so tight that they fire: the promises hold."""
    limits = Limits(
        stop_loss=Decimal("0.002"), take_profit=Decimal("0.003"), max_daily_trades=20, cooldown=timedelta(0)
    )
    agent = replace(AGENT, limits=limits) if tight else AGENT
    with tempfile.TemporaryDirectory(prefix="zt-") as folder, day(Path(folder), script, SESSIONS, agent) as made:  # type: ignore[arg-type]
        made.run(troubles)
        made.check()
