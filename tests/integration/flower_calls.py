"""A browser at Flower, with the login and without."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from pathlib import Path

from celery.utils.nodenames import gethostname

from tests.waiting import wait_for
from ztrade.config import Config

#: all kinds of paths that Flower 2.2 serves, and one that it does not
PATHS = (
    "/", "/workers", "/workers?json=1", "/tasks", "/broker", "/metrics", "/healthcheck", "/api/workers",
    "/api/workers?refresh=1", "/api/tasks", "/api/task/types", "/api/queues/length", "/static/css/flower.css",
    "/static/js/flower.js", "/static/favicon.ico", "/logout", "/nothing-here",
)  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Browser:
    """Calls Flower at ``base``, whose login is in the state directory."""

    def __init__(self, base: str, state_dir: Path) -> None:
        self.base, self._state = base, state_dir

    def login(self) -> str:
        """Return what a browser sends."""
        kept = json.loads((self._state / "flower.auth").read_text())
        return "Basic " + b64encode(f"{kept['user']}:{kept['password']}".encode()).decode()

    def call(self, path: str, *, login: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        """Return the status and the text."""
        headers = {"Authorization": login} if login else {}
        request = urllib.request.Request(self.base + path, method=method, headers=headers, data=body)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Look at a page with the login."""
        return self.call(path, login=self.login())

    def post(self, path: str, body: object) -> int:
        """Send an order with the login; ``{host}`` in the path is this machine's node name."""
        path = path.replace("{host}", gethostname())
        return self.call(path, login=self.login(), method="POST", body=json.dumps(body).encode())[0]

    def serves(self) -> bool:
        """Tell whether it answers."""
        try:
            return self.call("/healthcheck", login=self.login())[0] == 200
        except OSError:
            return False

    def wait_for_worker(self, name: str) -> None:
        """Wait until Flower shows the worker."""
        wait_for(self.serves, 30, "Flower")
        wait_for(lambda: f'"{name}@' in self.get("/workers?json=1")[1], 30, f"{name} at Flower")
        wait_for(lambda: f'"{name}@' in self.get("/api/workers?refresh=1")[1], 30, f"{name} at Flower's API")

    def every_page(self, config: Config) -> str:
        """Look at every page and every worker's and task's; returns what they show."""
        for name in config.agents:
            self.wait_for_worker(name)
        seen = [self.get(path) for path in PATHS[:-1]]
        workers = json.loads(self.get("/api/workers?refresh=1")[1])
        tasks = json.loads(self.get("/api/tasks?limit=5")[1])
        more = [f"/worker/{name}" for name in workers] + [f"/task/{urllib.parse.quote(task)}" for task in tasks]
        more += [f"/api/task/{kind}/{urllib.parse.quote(task)}" for task in tasks for kind in ("info", "result")]
        seen += [self.get(path) for path in more]
        wrong = [(path, status) for path, (status, _) in zip((*PATHS, *more), seen, strict=False) if status >= 500]
        assert not wrong, wrong
        return "\n".join(text for _, text in seen)
