"""Names that are functions of what they name, so that doing a thing twice gives the same name twice."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from ztrade.domain.ledger import CycleKind
from ztrade.domain.types import Leg

#: Alpaca's limit for client_order_id (facts: formerly 48)
MAX_ORDER_ID = 128


def stamp(at: datetime) -> str:
    """Return the instant as ``20220822T143500Z``, with microseconds where it has any."""
    utc = at.astimezone(UTC)
    return (
        utc.isoformat()[:19].replace("-", "").replace(":", "")
        + (f"{utc.microsecond:06d}" if utc.microsecond else "")
        + "Z"
    )


def cycle_id(agent: str, slot: datetime, kind: CycleKind) -> str:
    """Return the cycle's name: ``spy.20220822T143500Z``, with its kind behind it unless it fills a slot."""
    suffix = "" if kind is CycleKind.SLOT else f".{kind}"
    return f"{agent}.{stamp(slot)}{suffix}"


def slot_of(cycle_id: str) -> datetime | None:
    """Return the instant that a cycle's name names, None for what is no such name."""
    text = cycle_id.partition(".")[2].partition(".")[0]
    for form in ("%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S%fZ"):
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    return None


def entry_id(agent: str, slot: datetime) -> str:
    """Return the client_order_id of the agent's entry for one slot: ``zt.spy.20220822T143500Z.entry``."""
    return _checked(f"zt.{agent}.{stamp(slot)}.{Leg.ENTRY}")


def exit_id(agent: str, cause: str, attempt: int) -> str:
    """Return the client_order_id of the ``attempt``-th try to leave for one cause (a slot's stamp, ``halt``, ...)."""
    return _checked(f"zt.{agent}.{cause}.{Leg.EXIT}{attempt}")


def agent_of(client_order_id: str) -> str | None:
    """Return the agent that an id of ours names, None for an id that is not ours."""
    parts = client_order_id.split(".")
    return parts[1] if len(parts) == 4 and parts[0] == "zt" and parts[1] else None


def _checked(name: str) -> str:
    if len(name) > MAX_ORDER_ID:
        raise ValueError(f"{name!r} is longer than the exchange's {MAX_ORDER_ID} characters")
    return name
