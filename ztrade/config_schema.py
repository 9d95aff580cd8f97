"""The shape of ``ztrade.toml`` and of an agent file: every key, its type, its default."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, field_validator

from ztrade.domain.agent import Agent, BreakerLimits, Limits, SessionKind, Weights
from ztrade.domain.durations import parse_duration


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError('a duration is text like "5m"')
    return parse_duration(value)


def _finite(value: object) -> object:
    if isinstance(value, bool):
        # pydantic would read true as 1
        raise ValueError("must be a number, not true or false")
    if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
        raise ValueError("must be a finite number")
    return value


def _switch(value: object) -> object:
    """Read a switch; pydantic would take "off", "n" and 0 as well, and a misread switch costs money."""
    words = {"true": True, "false": False}  # as the environment spells them
    if not isinstance(value, bool) and not (isinstance(value, str) and value in words):
        raise ValueError("must be true or false")
    return value if isinstance(value, bool) else words[value]


def _has_port(url: str) -> str:
    try:
        port = urlsplit(url).port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("names no port that exists: 1 to 65535")
    return url


_DEFAULTS, _BREAKERS = Limits(), BreakerLimits()
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Span = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
Switch = Annotated[bool, BeforeValidator(_switch)]
Count = Annotated[int, BeforeValidator(_finite)]
Money = Annotated[Decimal, BeforeValidator(_finite), Field(gt=0)]
Ratio = Annotated[Decimal, BeforeValidator(_finite), Field(gt=0, lt=1)]
Share = Annotated[Decimal, BeforeValidator(_finite), Field(gt=0, le=1)]
Unit = Annotated[float, BeforeValidator(_finite), Field(ge=0, le=1)]
Url = Annotated[str, Field(pattern=r"^(https?://[^/\s]+[^/\s]|)$"), AfterValidator(_has_port)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RedisSection(_Section):
    """``url`` empty: the embedded Valkey on a unix socket in the state directory."""

    url: str = ""

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if value and not value.startswith(("redis://", "redis+socket://", "rediss://")):
            raise ValueError("must begin with redis://, rediss:// or redis+socket://")
        if value.startswith("rediss://") and "ssl_cert_reqs=required" not in value:
            # without it kombu connects unverified and only logs a line (kombu/connection.py)
            raise ValueError("a TLS url needs ?ssl_cert_reqs=required&ssl_ca_certs=FILE")
        return _has_port(value)


class JournalSection(_Section):
    """``url`` empty: SQLite in the state directory."""

    url: str = ""

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return _has_port(value)


class ExchangeSection(_Section):
    """The embedded exchange, where every dry run trades."""

    url: Url = "http://127.0.0.1:8642"
    socket: str = ""


class AlpacaSection(_Section):
    feed: Literal["iex", "sip", "delayed_sip"] = "iex"
    requests_per_minute: Annotated[Count, Field(ge=10, le=10_000)] = 200
    connect_timeout: Span = timedelta(seconds=3)
    read_timeout: Span = timedelta(seconds=10)


class AccountSection(_Section):
    kind: Literal["paper", "live"]
    trading_url: Url = ""
    data_url: Url = ""


class AccountLimitsSection(_Section):
    max_deployed: Share = Decimal("0.80")
    max_daily_loss: Money = Decimal(2000)
    max_drawdown: Ratio = Decimal("0.20")


class SentimentSection(_Section):
    """Weight per source; renormalised over those that answer."""

    news: Unit = 1.0
    lookback: Span = timedelta(hours=24)


class BeatSection(_Section):
    """``test_task`` empty: off; a duration sends the test task to every worker that often (development only)."""

    test_task: Span | Literal[""] = ""


class FlowerSection(_Section):
    host: str = "127.0.0.1"
    port: Annotated[Count, Field(ge=0, le=65535)] = 5555


class LogSection(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"


class MainFile(_Section):
    """``ztrade.toml``."""

    state_dir: str = ""
    agents_dir: str = "agents"
    credentials: str = "credentials.toml"
    allow_live: Switch = False
    redis: RedisSection = RedisSection()
    journal: JournalSection = JournalSection()
    exchange: ExchangeSection = ExchangeSection()
    alpaca: AlpacaSection = AlpacaSection()
    accounts: dict[str, AccountSection] = Field(default_factory=lambda: {"paper": AccountSection(kind="paper")})
    limits: AccountLimitsSection = AccountLimitsSection()
    sentiment: SentimentSection = SentimentSection()
    beat: BeatSection = BeatSection()
    flower: FlowerSection = FlowerSection()
    log: LogSection = LogSection()


class ScheduleSection(_Section):
    every: Duration
    delay: Duration = timedelta(0)
    sessions: tuple[SessionKind, ...] = (SessionKind.REGULAR,)

    @field_validator("sessions")
    @classmethod
    def _once_each(cls, value: tuple[SessionKind, ...]) -> tuple[SessionKind, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a part of the day twice")
        return value


class StrategySection(BaseModel):
    """``name`` and whatever parameters that strategy knows; the strategy itself checks them."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def parameters(self) -> dict[str, float]:
        return {key: _number(key, value) for key, value in (self.model_extra or {}).items()}


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"strategy parameter {key} must be a number, not {value!r}")
    return float(value)


class LimitsSection(_Section):
    max_position_value: Money = _DEFAULTS.max_position_value
    max_daily_trades: Annotated[Count, Field(ge=0, le=1000)] = _DEFAULTS.max_daily_trades
    min_confidence: Unit = _DEFAULTS.min_confidence
    stop_loss: Ratio = _DEFAULTS.stop_loss
    take_profit: Ratio = _DEFAULTS.take_profit
    max_daily_loss: Money = _DEFAULTS.max_daily_loss
    max_open_positions: Annotated[Count, Field(ge=0, le=100)] = _DEFAULTS.max_open_positions
    max_drawdown: Ratio = _DEFAULTS.max_drawdown
    cooldown: Duration = _DEFAULTS.cooldown
    max_quote_age: Duration = _DEFAULTS.max_quote_age
    price_collar: Ratio = _DEFAULTS.price_collar


class BreakersSection(_Section):
    """How many of a thing make the agent reducing until a person releases it."""

    loss_streak: Annotated[Count, Field(ge=1, le=1000)] = _BREAKERS.loss_streak
    orders_per_hour: Annotated[Count, Field(ge=1, le=10_000)] = _BREAKERS.orders_per_hour
    unknown_outcomes: Annotated[Count, Field(ge=1, le=1000)] = _BREAKERS.unknown_outcomes
    troubled_cycles: Annotated[Count, Field(ge=1, le=1000)] = _BREAKERS.troubled_cycles


class WeightsSection(_Section):
    sentiment: Unit = 0.6
    technical: Unit = 0.4
    threshold: Unit = 0.30


class AgentFile(_Section):
    """``agents/NAME.toml``."""

    symbol: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.]{0,11}$")]
    timeframe: Duration
    account: str = "paper"
    capital: Money = Decimal(10_000)
    dry_run: StrictBool = True
    manual: StrictBool = True
    proposal_ttl: Span = timedelta(minutes=4)
    aliases: tuple[str, ...] = ()
    personality: str = ""
    schedule: ScheduleSection
    strategy: StrategySection
    limits: LimitsSection = LimitsSection()
    breakers: BreakersSection = BreakersSection()
    weights: WeightsSection = WeightsSection()

    @field_validator("strategy")
    @classmethod
    def _numbers_only(cls, value: StrategySection) -> StrategySection:
        _ = value.parameters
        return value

    def to_agent(self, name: str) -> Agent:
        """Return the frozen agent that the rest of ztrade works with."""
        return Agent(
            name=name,
            symbol=self.symbol,
            timeframe=self.timeframe,
            every=self.schedule.every,
            delay=self.schedule.delay,
            sessions=self.schedule.sessions,
            strategy=self.strategy.name,
            parameters=self.strategy.parameters,
            limits=Limits(**self.limits.model_dump()),
            breakers=BreakerLimits(**self.breakers.model_dump()),
            weights=Weights(**self.weights.model_dump()),
            dry_run=self.dry_run,
            manual=self.manual,
            account=self.account,
            capital=self.capital,
            proposal_ttl=self.proposal_ttl,
            aliases=self.aliases,
            personality=self.personality,
        )
