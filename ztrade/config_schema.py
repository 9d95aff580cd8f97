"""The shape of ``ztrade.toml`` and of an agent file: every key, its type, its default."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator

from ztrade.config_alerts import AlertsSection
from ztrade.config_values import (
    Contact,
    Count,
    Duration,
    ExchangeUrl,
    Host,
    JournalUrl,
    Money,
    NamedPath,
    PathText,
    Ratio,
    RedisUrl,
    Rest,
    Section,
    Share,
    SocketPath,
    Span,
    Switch,
    Symbol,
    Unit,
    Url,
    UrlPrefix,
    Wait,
)
from ztrade.domain.agent import Agent, BreakerLimits, Limits, SessionKind, Weights
from ztrade.domain.sla import Objectives

_DEFAULTS, _BREAKERS, _OBJECTIVES = Limits(), BreakerLimits(), Objectives()
#: where a float is still exact to the unit
_PARAMETER_LIMIT = 10**15
#: names of accounts end up in the keys of Redis; these are the embedded exchange's, and a section of the credentials
_ACCOUNT = re.compile(r"(?!(embedded|alerts)$)[a-z][a-z0-9_-]{0,31}", re.ASCII)


class RedisSection(Section):
    """``url`` empty: the embedded Valkey on a unix socket in the state directory."""

    url: RedisUrl = ""


class JournalSection(Section):
    """``url`` empty: SQLite in the state directory."""

    url: JournalUrl = ""


class ExchangeSection(Section):
    """The embedded exchange, where every dry run trades."""

    url: ExchangeUrl = "http://127.0.0.1:8642"
    socket: SocketPath = ""


class AlpacaSection(Section):
    feed: Literal["iex", "sip", "delayed_sip"] = "iex"
    requests_per_minute: Annotated[Count, Field(ge=10, le=10_000)] = 200
    connect_timeout: Wait = timedelta(seconds=3)
    read_timeout: Wait = timedelta(seconds=10)


class AccountSection(Section):
    kind: Literal["paper", "live"]
    trading_url: Url = ""
    data_url: Url = ""


class AccountLimitsSection(Section):
    max_deployed: Share = Decimal("0.80")
    max_daily_loss: Money = Decimal(2000)
    max_drawdown: Ratio = Decimal("0.20")


class SentimentSection(Section):
    """Weight per source, renormalised over those that answer; ``contact`` and ``stories`` empty: that source is off."""

    scorer: Literal["ztrade", "vader", "anthropic", "openai"] = "ztrade"
    model: str = ""
    model_url: Url = ""
    model_calls: Annotated[Count, Field(ge=0, le=100_000)] = 500
    model_timeout: Wait = timedelta(seconds=6)
    news: Unit = 1.0
    filings: Unit = 0.25
    reddit: Unit = 0.25
    file: Unit = 1.0
    contact: Contact = ""
    stories: PathText = ""
    lookback: Span = timedelta(hours=24)
    patience: Wait = timedelta(seconds=10)


class BeatSection(Section):
    """``test_task`` nothing: off; a duration sends the test task to every worker that often (development only)."""

    test_task: Rest = timedelta(0)


class FlowerSection(Section):
    """``control``: its users may send and revoke tasks and shut workers down; ``url_prefix``: its path at a proxy."""

    host: Host = "127.0.0.1"
    port: Annotated[Count, Field(ge=1, le=65535)] = 5555
    control: Switch = False
    url_prefix: UrlPrefix = ""


class ExporterSection(Section):
    """``port`` of 127.0.0.1; 0: the stack under supervisor runs none."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 9540


class LogSection(Section):
    """``directory`` empty: to the journal under systemd, else to standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    directory: PathText = ""


class SlaSection(Section):
    """Objectives: shares of good events, and the times (wall) that they speak of."""

    done_in_time: Share = _OBJECTIVES.done_in_time
    done_within: Span = _OBJECTIVES.done_within
    not_missed: Share = _OBJECTIVES.not_missed
    order_known: Share = _OBJECTIVES.order_known
    order_known_within: Span = _OBJECTIVES.order_known_within


class MainFile(Section):
    """``ztrade.toml``."""

    state_dir: PathText = ""
    agents_dir: NamedPath = "agents"
    credentials: NamedPath = "credentials.toml"
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
    exporter: ExporterSection = ExporterSection()
    log: LogSection = LogSection()
    alerts: AlertsSection = AlertsSection()
    sla: SlaSection = SlaSection()

    @field_validator("accounts")
    @classmethod
    def _names(cls, value: dict[str, AccountSection]) -> dict[str, AccountSection]:
        for name in value:
            if not _ACCOUNT.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no account name: lower-case letters, digits, - and _, not 'embedded' or 'alerts'"
                )
        return value


class ScheduleSection(Section):
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
    number = Decimal(value)
    if not (number.is_finite() and abs(number) < _PARAMETER_LIMIT):
        raise ValueError(f"strategy parameter {key} must be a number under {_PARAMETER_LIMIT:.0e}")
    return float(value)


class LimitsSection(Section):
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


class BreakersSection(Section):
    """How many of a thing make the agent reducing until a person releases it."""

    loss_streak: Annotated[Count, Field(ge=1, le=1000)] = _BREAKERS.loss_streak
    orders_per_hour: Annotated[Count, Field(ge=1, le=10_000)] = _BREAKERS.orders_per_hour
    unknown_outcomes: Annotated[Count, Field(ge=1, le=1000)] = _BREAKERS.unknown_outcomes
    troubled_cycles: Annotated[Count, Field(ge=1, le=1000)] = _BREAKERS.troubled_cycles


class WeightsSection(Section):
    sentiment: Unit = 0.6
    technical: Unit = 0.4
    threshold: Unit = 0.30


class AgentFile(Section):
    """``agents/NAME.toml``."""

    symbol: Symbol
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
