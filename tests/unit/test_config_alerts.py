"""Alert channels in the configuration: who hears what, and every mistake about them and their secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.configs import MAIL, SLACK, WEBHOOK, copied, with_alerts, without_overrides
from ztrade.config_checks import check_channels
from ztrade.errors import ConfigError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    without_overrides(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copied(tmp_path)


def test_channels_are_what_was_written(folder: Path) -> None:
    """Everything by default; ports by kind of security; the secret apart."""
    config = with_alerts(
        folder, SLACK + MAIL + 'user = "z"\nsecurity = "tls"\n', WEBHOOK + '[alerts.mail]\npassword = "a b"'
    )
    ops, mail = config.main.alerts.channels["ops"], config.main.alerts.channels["mail"]
    assert len(ops.severities) == 3
    assert (mail.mail_port, mail.sender, mail.to) == (465, "z@example.com", ("ann@example.com",))
    assert config.alert_secrets() == {"ops": "https://hooks.slack.com/services/T/B/verysecret", "mail": "a b"}
    assert config.warnings == ()


def test_a_channel_may_name_an_agent_as_the_older_ztrade_spelled_it(folder: Path) -> None:
    config = with_alerts(folder, SLACK + 'agents = ["agent_spy", "tsla"]\n', WEBHOOK)
    (route,) = config.main.alerts.routes()
    assert route.agents == {"spy", "tsla"}


ALERTS_WRONG = {
    "kind": (SLACK.replace("slack", "pager"), WEBHOOK, "alerts.channels.ops.kind: Input should be 'slack' or 'email'"),
    "key of the other kind": (SLACK + 'host = "x"\n', WEBHOOK, 'host is for kind = "email"'),
    "secret in the main file": (SLACK + 'webhook = "x"\n', WEBHOOK, "alerts.channels.ops.webhook: unknown key"),
    "severity": (SLACK + 'severities = ["bad"]\n', WEBHOOK, "alerts.channels.ops.severities.0"),
    "no severity": (SLACK + "severities = []\n", WEBHOOK, "alerts.channels.ops.severities"),
    "agent": (
        SLACK + 'agents = ["spx"]\n',
        WEBHOOK,
        "agents: 'spx' is no agent; fix: one of: aapl",
    ),
    "limit": (SLACK + "max_in_10_minutes = 1\n", WEBHOOK, "max_in_10_minutes"),
    "name": ('[alerts.channels.Ops]\nkind = "slack"\n', WEBHOOK, "'Ops' is no name of a channel"),
    "no webhook": (SLACK, "", "credentials.toml: [alerts.ops]: webhook is missing; fix: the URL that Slack gives"),
    "webhook in the clear": (SLACK, WEBHOOK.replace("https", "http"), "must begin with https://"),
    "no webhook's form": (SLACK, '[alerts.ops]\nwebhook = "https://hooks.slack.com"', "must look like https://hooks"),
    "no text": (SLACK, "[alerts.ops]\nwebhook = 5", "[alerts.ops] webhook: must be text"),
    "line end": (SLACK, '[alerts.ops]\nwebhook = "https://x/y\\n"', "must be text"),
    "another secret": (SLACK, WEBHOOK + 'token = "x"\n', "[alerts.ops]: token: unknown key; fix: webhook is all"),
    "secret of nobody": (SLACK, WEBHOOK + '[alerts.old]\nwebhook = "x"\n', "alerts.old: is no channel of ztrade.toml"),
    "no table": (SLACK, 'alerts = "x"', "alerts: must be tables"),
    "no receiver": (MAIL.replace('to = ["ann@example.com"]\n', ""), "", "to is missing: an email channel needs"),
    "no address": (MAIL.replace("ann@example.com", "Ann <ann@example.com>"), "", "must be a plain e-mail address"),
    "second header": (MAIL.replace("z@example.com", "z@example.com\\nBcc: x@y"), "", "must be a plain e-mail address"),
    "host": (MAIL.replace("smtp.example.com", "smtp example"), "", "mail.host: is no host name"),
    "password in the clear": (MAIL + 'user = "z"\nsecurity = "none"\n', "", "would travel in the clear"),
    "no password": (MAIL + 'user = "z"\n', "", "[alerts.mail]: password is missing; fix: the mail server's password"),
    "password for nobody": (MAIL, '[alerts.mail]\npassword = "x"', "password: unknown key; fix: remove it"),
    "no authorities": (MAIL + 'ca_file = "no/such.pem"\n', "", "mail.ca_file: "),
    "authorities out of sight": (
        MAIL + f'ca_file = "{"x" * 300}"\n',
        "",
        "is no file that can be seen; fix: name a file",
    ),
    "give up": ('[alerts]\ngive_up_after = "0s"\n', "", "alerts.give_up_after: must be longer than nothing"),
}


def test_a_mistake_about_a_channel_s_secret_stops_no_service(folder: Path) -> None:
    """A worker that dies at night comes back, whatever was done to a channel meanwhile."""
    config = with_alerts(folder, SLACK, "")
    with pytest.raises(ConfigError, match="webhook is missing"):
        check_channels(config)
    assert config.agents


@pytest.mark.parametrize("case", ALERTS_WRONG)
def test_a_mistake_about_alerts_stops_the_start(folder: Path, case: str) -> None:
    """With file, key and mend, and without the secret."""
    alerts, credentials, words = ALERTS_WRONG[case]
    with pytest.raises(ConfigError) as raised:
        check_channels(with_alerts(folder, alerts, credentials))
    assert words in str(raised.value)
    assert "ztrade.toml" in str(raised.value) or "credentials.toml" in str(raised.value)
    assert "verysecret" not in str(raised.value)


def test_whom_nobody_hears_is_a_warning(folder: Path) -> None:
    """A halt that reaches no channel is found when the files are checked, not when it happens."""
    config = with_alerts(folder, SLACK + 'agents = ["spy"]\n', WEBHOOK)
    heard = [line for line in config.warnings if "critical" in line]
    assert heard == [f"no channel takes critical messages of {name}" for name in ("aapl", "tsla")]


def test_channels_without_any_for_critical_messages_are_a_warning(folder: Path) -> None:
    config = with_alerts(folder, SLACK + 'severities = ["info"]\n', WEBHOOK)
    assert "no channel takes critical messages" in config.warnings
