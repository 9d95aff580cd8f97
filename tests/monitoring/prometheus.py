"""A real Prometheus with a real Alertmanager for a test: the shipped files, short intervals, a local server as Slack.

``with monitoring(folder, "127.0.0.1:9540") as watch:`` gives them ready; ``watch.posts()`` is what Slack got.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.integration.needs import needs
from tests.waiting import PATIENCE
from ztrade.testing.scripted_server import Answer, Asked, ScriptedServer, scripted

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "ops"


@dataclass(frozen=True, slots=True)
class Times:
    """Intervals, in Prometheus' spelling, where the shipped ones are too long for a test; empty: as shipped.

    Args:
        scrape: between two scrapes, and two evaluations.
        group_wait, group_interval: Alertmanager's.
        keep: how long alerts go on firing when all is well.
        pending: how long something must be so before it is an alert.
    """

    scrape: str = "1s"
    group_wait: str = "1s"
    group_interval: str = "1s"
    keep: str = "0s"
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """One message as Slack got it; ``at`` is monotonic."""

    title: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert in Prometheus; ``state`` is pending or firing."""

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Slack:
    """Stands for Slack: what it took, and when; with ``status`` set it refuses."""

    def __init__(self) -> None:
        self.status = 0
        self.refused = 0
        self.posts: list[Post] = []

    def answer(self, asked: Asked) -> Answer:
        """Take a message, or refuse it; a script of the server."""
        if self.status:
            self.refused += 1
            return Answer(self.status, b"no")
        assert isinstance(asked.body, dict)
        (attachment,) = asked.body["attachments"]
        self.posts.append(Post(attachment["title"], attachment["text"], time.monotonic()))
        return Answer(200, b"ok")


@dataclass
class Monitoring:
    """What runs.

    Attributes:
        url, alertmanager_url: where Prometheus and Alertmanager listen.
        slack: what stands for Slack.
        switch: the server that stands for the dead man's switch; it keeps what it was asked.
    """

    url: str
    alertmanager_url: str
    slack: Slack
    switch: ScriptedServer

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Return labels and value of each series of an instant vector."""
        found = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return [(sample["metric"], float(sample["value"][1])) for sample in found["data"]["result"]]

    def alerts(self) -> list[Alert]:
        """Return what is pending or fires, the watchdog and helpers without a severity left out."""
        found = get(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        made = [Alert(a["labels"]["alertname"], a["state"], a["labels"], a["annotations"]) for a in found]
        return [alert for alert in made if alert.labels.get("severity") != "none"]

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {alert.name for alert in self.alerts() if alert.state == "firing"}

    def told(self) -> list[str]:
        """Return the names of the alerts that Alertmanager holds as not over, those that it silences left out."""
        found = get(f"{self.alertmanager_url}/api/v2/alerts?active=true&silenced=false&inhibited=false")
        return [a["labels"]["alertname"] for a in found if a["labels"].get("severity") != "none"]

    def posts(self) -> list[Post]:
        """Return what Slack took so far, in order."""
        return list(self.slack.posts)

    def titles(self) -> list[str]:
        """Return the first lines of what Slack got so far."""
        return [post.title for post in self.posts()]

    def wait(self, look: Callable[[Monitoring], T], seconds: float, what: str) -> T:
        """Return the first true answer of ``look``, as :func:`tests.waiting.wait_for` does.

        Raises:
            AssertionError: none in time; it says what fires and what Slack got.
        """
        until = time.monotonic() + PATIENCE * seconds
        while not (found := look(self)):
            assert time.monotonic() < until, (
                f"waited {PATIENCE * seconds:g} s for {what}; alerts: {self.alerts()}; "
                f"Slack: {self.titles()}; {self._scrapes()}"
            )
            time.sleep(0.1)
        return found

    def _scrapes(self) -> str:
        """Tell how the last scrapes went: one that fails ends what was pending."""
        answered = self.query('avg_over_time(up{job="ztrade"}[3m])')
        slowest = self.query('max_over_time(scrape_duration_seconds{job="ztrade"}[3m])')
        return f"scrapes of three minutes: {answered} answered, {slowest} seconds at most"


def get(url: str) -> Any:
    """Return the JSON that a GET gives. Raises OSError."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


@contextmanager
def monitoring(
    folder: Path, target: str, *, times: Times | None = None, mail_port: int = 0, external: Mapping[str, str] = {}
) -> Iterator[Monitoring]:
    """Run both until the block ends.

    Args:
        folder: for their files and data.
        target: host and port of the exporter.
        mail_port: of a mail server on 127.0.0.1 without TLS and login; 0: no e-mail.
        external: more of Prometheus' external labels, over the shipped ones.
    """
    needs("prometheus", "prometheus-alertmanager")
    times = times or Times()
    folder.mkdir(parents=True, exist_ok=True)
    slack = Slack()
    with ExitStack() as stack:
        webhook = stack.enter_context(scripted(slack.answer))
        switch = stack.enter_context(scripted(lambda _asked: Answer(200, b"ok")))
        prometheus, alertmanager = free_port(), free_port()
        _write_alertmanager(folder, webhook, switch, times, mail_port)
        _write_prometheus(folder, target, alertmanager, times, external)
        stack.enter_context(_alertmanager(folder, alertmanager))
        stack.enter_context(_prometheus(folder, prometheus))
        yield Monitoring(f"http://127.0.0.1:{prometheus}", f"http://127.0.0.1:{alertmanager}", slack, switch)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _write_prometheus(folder: Path, target: str, alertmanager: int, times: Times, external: Mapping[str, str]) -> None:
    config = yaml.safe_load((OPS / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    config["global"] |= {"scrape_interval": times.scrape, "evaluation_interval": times.scrape}
    config["global"]["scrape_timeout"] = times.scrape
    config["global"]["external_labels"] |= external
    for job, address in zip(config["scrape_configs"], (target, f"127.0.0.1:{alertmanager}"), strict=True):
        job["static_configs"][0]["targets"] = [address]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alertmanager}"]
    _write_rules(folder / "rules", times)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


def _write_rules(folder: Path, times: Times) -> None:
    folder.mkdir(exist_ok=True)
    for file in (OPS / "prometheus/rules").glob("*.yml"):
        text = file.read_text(encoding="utf-8")
        for key, value in (("keep_firing_for", times.keep), ("for", times.pending)):
            if value:
                text = re.sub(rf"^( +{key}): \w+$", rf"\1: {value}", text, flags=re.MULTILINE)
        (folder / file.name).write_text(text, encoding="utf-8")


def _write_alertmanager(
    folder: Path, webhook: ScriptedServer, switch: ScriptedServer, times: Times, mail_port: int
) -> None:
    text = (OPS / "alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    if not mail_port:
        text = "".join(line for line in text.splitlines(keepends=True) if not line.rstrip().endswith("# e-mail"))
    config = yaml.safe_load(text)
    (folder / "slack-webhook").write_text(f"{webhook.url}/services/T/B/x\n", encoding="utf-8")
    config["global"]["slack_api_url_file"] = str(folder / "slack-webhook")
    if mail_port:
        for key in ("smtp_auth_username", "smtp_auth_password_file"):
            del config["global"][key]
        config["global"] |= {"smtp_smarthost": f"127.0.0.1:{mail_port}", "smtp_require_tls": False}
    for route in (config["route"], *config["route"]["routes"]):
        route |= {
            key: value
            for key, value in (("group_wait", times.group_wait), ("group_interval", times.group_interval))
            if key in route and value
        }
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = f"{switch.url}/ping"
    shutil.copytree(OPS / "alertmanager/templates", folder / "templates", dirs_exist_ok=True)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


@contextmanager
def _prometheus(folder: Path, port: int) -> Iterator[None]:
    command = (
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn", "--rules.alert.resend-delay=1s",
    )  # fmt: skip
    with _running(folder, command, f"http://127.0.0.1:{port}/-/ready"):
        # Prometheus looks for both every 5 s; alerts that fire before are not sent at once
        _until(lambda: get(f"http://127.0.0.1:{port}/api/v1/alertmanagers")["data"]["activeAlertmanagers"])
        yield


@contextmanager
def _alertmanager(folder: Path, port: int) -> Iterator[None]:
    command = (
        "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=", "--log.level=warn",
    )  # fmt: skip
    with _running(folder, command, f"http://127.0.0.1:{port}/-/ready"):
        yield


def _until(look: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + PATIENCE * seconds
    while not look():
        assert time.monotonic() < until, "Prometheus does not find Alertmanager"
        time.sleep(0.1)


@contextmanager
def _running(folder: Path, command: Sequence[str], ready: str) -> Iterator[None]:
    log = folder / f"{command[0]}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={"PATH": os.environ["PATH"]}
        )
    try:
        _until_ready(process, ready, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(90)


def _until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE * 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                answer.read()
                return
        except OSError:
            said = log.read_text(errors="replace")[-2000:]
            assert process.poll() is None, f"{log.stem} ended: {said}"
            assert time.monotonic() < until, f"{log.stem} does not get ready: {said}"
            time.sleep(0.05)
