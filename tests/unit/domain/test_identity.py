"""Ids are functions of what they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.domain.identity import MAX_ORDER_ID, agent_of, cycle_id, entry_id, exit_id, slot_of, stamp
from ztrade.domain.ledger import CycleKind

SLOT = datetime(2022, 8, 22, 14, 35, tzinfo=UTC)


def test_an_entry_is_named_by_agent_slot_and_leg() -> None:
    """A person reads from the id which agent wanted what, and when."""
    assert entry_id("spy", SLOT) == "zt.spy.20220822T143500Z.entry"
    assert exit_id("spy", stamp(SLOT), 2) == "zt.spy.20220822T143500Z.exit2"


def test_the_same_instant_gives_the_same_id_in_any_zone() -> None:
    """The id depends on the instant, not on how it is written."""
    assert entry_id("spy", SLOT.astimezone(timezone(timedelta(hours=-4)))) == entry_id("spy", SLOT)


def test_kinds_of_cycles_at_one_instant_differ() -> None:
    """A slot, an extra run and the settling at the same instant are three cycles."""
    assert len({cycle_id("spy", SLOT, kind) for kind in CycleKind}) == len(CycleKind)


@given(
    st.tuples(st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True), st.datetimes(timezones=st.just(UTC))),
    st.tuples(st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True), st.datetimes(timezones=st.just(UTC))),
)
def test_ids_are_unique_readable_and_short(one: tuple[str, datetime], other: tuple[str, datetime]) -> None:
    """Two (agent, slot) have one id only when they are equal; the agent can be read back; 128 characters suffice."""
    assert (entry_id(*one) == entry_id(*other)) == (one == other)
    assert agent_of(entry_id(*one)) == one[0]
    assert len(exit_id(one[0], stamp(one[1]), 10**6)) <= MAX_ORDER_ID


@pytest.mark.parametrize("foreign", ["", "abc", "zt..x.entry", "c1f0-...", "my.spy.1.entry"])
def test_other_peoples_ids_have_no_agent(foreign: str) -> None:
    """An id that ztrade did not make names no agent."""
    assert agent_of(foreign) is None


@pytest.mark.parametrize("slot", [SLOT, SLOT + timedelta(microseconds=7)])
@pytest.mark.parametrize("kind", CycleKind)
def test_a_cycles_name_tells_its_instant(kind: CycleKind, slot: datetime) -> None:
    """The instant can be read back from the name of any kind of cycle."""
    assert slot_of(cycle_id("spy", slot, kind)) == slot


@pytest.mark.parametrize("foreign", ["", "spy", "spy.nothing", "zt.spy.20220822T143500Z.entry", "spy.20221322T143500Z"])
def test_other_names_are_no_cycles(foreign: str) -> None:
    """What is no cycle's name names no instant."""
    assert slot_of(foreign) is None


def test_too_long_a_name_is_refused_before_the_exchange_does() -> None:
    """Alpaca takes 128 characters."""
    with pytest.raises(ValueError, match="128"):
        exit_id("spy", "x" * 120, 1)
