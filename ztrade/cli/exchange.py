"""``ztrade exchange``: the embedded exchange, an offline Alpaca on this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from ztrade.cli.context import App, pass_app
from ztrade.cli.options import NEW_YORK, PATH, Instant, Speed
from ztrade.errors import AccessDenied, ConfigError

if TYPE_CHECKING:
    from ztrade.exchange.live import LiveTape
    from ztrade.exchange.server.app import Address, Settings
    from ztrade.exchange.tape import ListTape, Tape
    from ztrade.ports import Calendar

DEFAULT_SYMBOLS = ("AAPL", "SPY", "TSLA")
DEFAULT_DAYS = 5
#: the first day of a made-up market where nobody names one; fixed, so that everybody sees the same
SYNTHETIC_DAY = date(2024, 5, 14)
MOST_SESSIONS = 600
_SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,11}")


class Edge(click.ParamType["date | datetime"]):
    """A New York day, or an instant with its time zone."""

    name = "DAY|INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date | datetime:
        if isinstance(value, date):
            return value
        if len(value) == 10:
            return Instant().convert(value, param, ctx).astimezone(NEW_YORK).date()
        return Instant(days=False).convert(value, param, ctx)


class Money(click.ParamType[Decimal]):
    """Dollars above zero, with at most two decimals."""

    name = "DOLLARS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            money = Decimal(value)
        except InvalidOperation:
            money = Decimal("NaN")
        if not (money.is_finite() and 0 < money <= Decimal("1e12") and money == round(money, 2)):
            self._fail(value, param, ctx)
        return money

    def _fail(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        self.fail(f"{value!r} is not an amount; write dollars like 100000", param, ctx)


@dataclass(frozen=True, slots=True)
class Source:
    """Where prices and news come from, as the options say it."""

    bars: Path | None
    news: Path | None
    seed: int | None
    feed: str | None
    account: str
    symbols: tuple[str, ...]
    days: int

    def origin(self, start: datetime | None) -> str:
        """Return the source in words; a state file belongs to one. A made-up market is another from another day on."""
        names = ",".join(self.symbols) or "all"
        if self.bars is not None:
            return f"bars {self.bars.absolute()}, symbols {names}"
        if self.seed is None:
            return f"feed {self.feed}, symbols {names}"
        return f"synthetic {self.seed} from {_first_day(start)}, symbols {names}"


@click.command()
@click.option("--bars", metavar="DIR", type=PATH, help="Trade on bars from disk (Alpaca's export layout).")
@click.option("--news", metavar="FILE", type=PATH, help="Stories to go with the prices.")
@click.option("--synthetic", "seed", metavar="SEED", type=click.IntRange(0), help="Trade on a made-up market.")
@click.option(
    "--days", type=click.IntRange(1, MOST_SESSIONS), default=DEFAULT_DAYS, show_default=True, help="Synthetic sessions."
)
@click.option("--feed", type=click.Choice(["alpaca"]), help="Trade on Alpaca's market data, in real time.")
@click.option("--account", default="paper", show_default=True, help="Whose keys --feed uses.")
@click.option("--symbols", metavar="A,B", default="", help="Only these symbols.")
@click.option("--start", type=Edge(), help="Where exchange time begins; a day means its open.")
@click.option("--until", type=Edge(), help="Where it ends; a day means its close.")
@click.option("--cash", type=Money(), default="100000", show_default=True, help="Dollars at the beginning.")
@click.option("--speed", type=Speed(), default="1", show_default=True, help="Exchange seconds a second; max: stepped.")
@click.option("--state", metavar="FILE", type=PATH, help="Keep the account in this SQLite file.")
@click.option("--port", type=click.IntRange(0, 65535), default=8642, show_default=True, help="TCP port, 0 for any.")
@click.option("--socket", metavar="PATH", type=PATH, help="Listen on this unix socket too.")
@click.option("--key-id", multiple=True, help="Let in only this key id (repeatable); any pair is let in otherwise.")
@click.option("--secret-key", multiple=True, help="The key id's secret, in the same order.")
@click.option("--rate-limit", type=click.IntRange(0), default=0, show_default=True, help="Requests a minute; 0: none.")
@pass_app
def exchange(app: App, /, seed: int | None, key_id: Sequence[str], secret_key: Sequence[str], **options: Any) -> None:
    """Serve the embedded exchange on 127.0.0.1: Alpaca's REST API over recorded, made-up or live prices.

    Give exactly one of --bars, --synthetic and --feed.
    """
    from ztrade.config import supervision
    from ztrade.exchange.server.app import run
    from ztrade.service import logs
    from ztrade.service.watchdog import Pace, patience, watch

    source = _source(seed, options)
    # standard output says where it listens, and no more
    logs.configure(fd=2, place=logs.Place("exchange"))
    told = supervision()
    pace = Pace(patience(told))
    watch(told, pace.judge)
    run(_settings(app, source, _keys(key_id, secret_key), options), _announce, lambda: pace.tick("serves"))


def check_arguments(app: App, arguments: Sequence[str]) -> None:
    """Refuse what ``ztrade exchange ARGUMENTS`` would refuse, before a stack starts everything around it.

    Raises:
        ConfigError: an option, or a file that it names, is wrong, or it is the stack's to say.
        click.UsageError: an option does not exist, or its value is none.
    """
    context = exchange.make_context("ztrade exchange", list(arguments))
    with context.scope():
        for name in ("port", "socket", "state"):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise ConfigError(f"--{name}", "is the stack's to say", fix="set exchange.url or the state directory")
        options = dict(context.params)
        source = _source(options.pop("seed"), options)
        if source.feed is None:
            _settings(app, source, _keys(options["key_id"], options["secret_key"]), options)


def _source(seed: int | None, options: dict[str, Any]) -> Source:
    names = ("bars", "news", "feed", "account", "days")
    source = Source(seed=seed, symbols=_symbols(options["symbols"]), **{name: options[name] for name in names})
    _check(source)
    _check_meaningful(source)
    return source


def _symbols(text: str) -> tuple[str, ...]:
    symbols = sorted({word.strip().upper() for word in text.split(",") if word.strip()})
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise ConfigError("--symbols", f"{symbol!r} is no symbol", fix="write them like --symbols SPY,BRK.B")
    return tuple(symbols)


def _check(source: Source) -> None:
    given = [name for name in ("bars", "seed", "feed") if getattr(source, name) is not None]
    if len(given) != 1:
        raise ConfigError(
            "ztrade exchange", "needs one source of prices", f"{len(given)} are given", "--bars, --synthetic or --feed"
        )
    if source.news is not None and source.feed is not None:
        raise ConfigError("--news", "does not go with --feed", fix="leave it out: the feed brings its own news")
    if source.feed is not None and not source.symbols:
        raise ConfigError("--symbols", "is needed with --feed", fix="name what is traded, like --symbols SPY,AAPL")


#: options that mean something with some sources only
_ONLY_WITH = {
    "days": ("--synthetic", ("seed",)),
    "account": ("--feed", ("feed",)),
    "start": ("--bars and --synthetic", ("bars", "seed")),
    "until": ("--bars and --synthetic", ("bars", "seed")),
    "speed": ("--bars and --synthetic", ("bars", "seed")),
}


def _check_meaningful(source: Source) -> None:
    """Refuse an option that would be ignored: whoever gave it expects something of it."""
    context = click.get_current_context()
    for name, (words, sources) in _ONLY_WITH.items():
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and all(getattr(source, kind) is None for kind in sources):
            raise ConfigError(f"--{name}", f"goes with {words} only", fix="leave it out")


def _keys(key_ids: Sequence[str], secrets: Sequence[str]) -> dict[str, str]:
    if len(key_ids) != len(secrets) or not all([*key_ids, *secrets]):
        raise ConfigError("--key-id", "each key id needs one --secret-key, and neither may be empty")
    return dict(zip(key_ids, secrets, strict=True))


def _settings(app: App, source: Source, keys: dict[str, str], options: dict[str, Any]) -> Settings:
    from ztrade.adapters.clock import SystemClock
    from ztrade.exchange.server.app import Settings

    calendar = app.calendar()
    start, until = (_instant(calendar, options[name], name) for name in ("start", "until"))
    live = _live(app, source) if source.feed is not None else None
    return Settings(
        tape=live if live is not None else _tape(source, start, until, calendar),
        calendar=calendar,
        wall=SystemClock().wall,
        origin=source.origin(start),
        start=start,
        until=until,
        cash=options["cash"],
        speed=None if options["speed"] == "max" else float(options["speed"]),
        live=live,
        state=options["state"],
        port=options["port"],
        socket=options["socket"],
        keys=keys,
        rate_limit=options["rate_limit"],
    )


def _instant(calendar: Calendar, edge: date | datetime | None, name: str) -> datetime | None:
    """Return the open (``start``) or close (``until``) of a day, or the instant itself."""
    if edge is None or isinstance(edge, datetime):
        return edge
    session = calendar.session(edge)
    if session is None:
        raise ConfigError(f"--{name}", f"{edge} is no day of trading", fix="name a day on which the exchange is open")
    return session.open if name == "start" else session.close


def _tape(source: Source, start: datetime | None, until: datetime | None, calendar: Calendar) -> Tape:
    from ztrade.exchange.bars import load_directory, load_news

    if source.bars is not None:
        tape = load_directory(source.bars, source.symbols or None, calendar)
    else:
        tape = made_up(source.seed or 0, calendar, start, until, source.days, source.symbols or DEFAULT_SYMBOLS)
    return tape if source.news is None else replace(tape, stories=load_news(source.news))


def _first_day(start: datetime | None) -> date:
    return SYNTHETIC_DAY if start is None else start.astimezone(NEW_YORK).date()


def made_up(
    seed: int,
    calendar: Calendar,
    start: datetime | None = None,
    until: datetime | None = None,
    days: int = DEFAULT_DAYS,
    symbols: Sequence[str] = DEFAULT_SYMBOLS,
) -> ListTape:
    """Return the market that ``--synthetic`` plays: from the day of ``start`` to that of ``until``, or ``days`` long.

    Raises:
        ConfigError: there is no session in between, or there are too many.
    """
    from ztrade.exchange.bars import synthetic

    first = _first_day(start)
    if until is not None:
        days = len(calendar.sessions(first, max(until.astimezone(NEW_YORK).date(), first)))
    if not 1 <= days <= MOST_SESSIONS:
        raise ConfigError("--until", f"leaves {days} sessions", fix=f"from 1 to {MOST_SESSIONS} can be made up")
    return synthetic(seed, first, days, symbols, calendar)


def _live(app: App, source: Source) -> LiveTape:
    from ztrade.adapters.clock import SystemClock
    from ztrade.exchange.live import LiveTape

    config = app.config()
    if source.account not in config.accounts:
        known = ", ".join(config.accounts)
        raise ConfigError(f"--account {source.account}", "there is no such account", fix=f"one of: {known}")
    try:
        venue = app.make_runtime(config).open_venue(source.account)
    except AccessDenied as error:
        raise ConfigError(f"--account {source.account}", str(error), "Alpaca gives no prices without keys") from None
    tape = LiveTape(venue.data, venue.news, source.symbols, SystemClock().wall)
    tape.load()
    return tape


def _announce(address: Address) -> None:
    if address.url:
        click.echo(f"exchange: {address.url}")
    if address.socket is not None:
        click.echo(f"exchange: unix:{address.socket}")
