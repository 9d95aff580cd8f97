"""A recorded decision can be made again."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.unit.app.desks import AGENT, BUY, Bench
from ztrade.app.replay import recorded, replay, restored
from ztrade.domain.decision import SourceReading
from ztrade.errors import DataError
from ztrade.strategies import create

MOMENTUM = replace(AGENT, strategy="momentum")


class Source:
    """One opinion."""

    name = "news"

    def read(self, *_args: object) -> SourceReading:
        return SourceReading("news", 0.4, 0.8, ({"headline": "Ünïcode", "score": 0.4},))


@pytest.mark.parametrize("held", [False, True])
def test_todays_code_decides_as_it_did_then(held: bool) -> None:
    """Through JSON and back, the same agent comes to the same numbers, flat or holding."""
    bench = Bench(MOMENTUM, sources=[Source()])
    if held:
        bench.cycle(30, BUY)
    bench.desk = replace(bench.desk, strategy=create("momentum", {}))
    record = bench.cycle(185)
    stored = json.loads(json.dumps(record.inputs))
    again = replay(bench.desk.agent, stored)
    assert again == {key: record.details[key] for key in again}
    assert (Decimal(stored["held_qty"]) > 0) is held
    assert recorded(restored(stored)) == record.inputs


@pytest.mark.parametrize("broken", [{}, {"at": "x"}, {"bars": [[1]]}], ids=str)
def test_broken_inputs_are_one_error(broken: dict[str, object]) -> None:
    """What cannot be read is said in one line."""
    with pytest.raises(DataError, match="cannot be read"):
        replay(MOMENTUM, broken)
