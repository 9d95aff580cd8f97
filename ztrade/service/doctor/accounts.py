"""Checks of the far side: does it answer, does it know us, does it give prices, does its clock agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ztrade.service.doctor.evidence import AccountFacts
from ztrade.service.doctor.findings import Finding

#: a quote's age and a slot's moment are judged by both clocks
MOST_SKEW = timedelta(seconds=2)
EMBEDDED = "embedded"


def answers(accounts: Sequence[AccountFacts]) -> Iterator[Finding]:
    """Every exchange that is in use answers."""
    for one in accounts:
        if one.down:
            fix = "systemctl start ztrade-exchange, or: ops/celery_control.sh start" if one.kind == EMBEDDED else _NET
            yield Finding(f"{one.account}: {one.down}", "no cycle can look or act; positions keep their stops", fix)


_NET = "curl -sI https://paper-api.alpaca.markets; a unit's network: docs/reference/systemd.md"


def keys_work(accounts: Sequence[AccountFacts]) -> Iterator[Finding]:
    """Keys are tried by using them."""
    for one in accounts:
        if one.refused:
            yield Finding(
                f"{one.account}: {one.refused}",
                "every cycle of this account fails until the keys work",
                f"ztrade setup --{one.kind}-key-id ID, with keys of the {one.kind} account",
            )


def may_trade(accounts: Sequence[AccountFacts]) -> Iterator[Finding]:
    """An account can be blocked by the broker."""
    for one in accounts:
        if one.blocked:
            yield Finding(
                f"{one.account}: {one.blocked}",
                "the exchange refuses every order",
                "look at the account in Alpaca's dashboard",
            )


def feed(accounts: Sequence[AccountFacts]) -> Iterator[Finding]:
    """Prices come for every symbol, from the feed that is configured."""
    for one in accounts:
        for symbol, why in one.no_prices.items():
            fix = (
                'set alpaca.feed = "iex", or subscribe to the feed' if one.kind != EMBEDDED else "ztrade logs exchange"
            )
            yield Finding(f"{one.account}: no price of {symbol}: {why}", "its agent holds at every slot", fix)


def skew(accounts: Sequence[AccountFacts]) -> Iterator[Finding]:
    """This machine's clock and the exchange's."""
    for one in accounts:
        if one.skew is not None and abs(one.skew) > MOST_SKEW:
            yield Finding(
                f"this machine's clock is {one.skew.total_seconds():+.1f} s off that of {one.account}",
                "slots come at the wrong moment, and fresh quotes look stale",
                "timedatectl set-ntp true",
            )
