"""A browser in a machine: calls that a test makes there, several at once, since each start of Python costs a second."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.system import lab, service

#: reads a list of calls on standard input, answers a list of answers; follows no redirect
_PROGRAM = """
import http.client, json, ssl, sys
from urllib.parse import urlsplit
answers = []
for method, url, headers, body, authority in json.load(sys.stdin):
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    path = parts.path + ("?" + parts.query if parts.query else "")
    try:
        connection.request(method, path or "/", body=body, headers=headers)
        answer = connection.getresponse()
        answers.append([answer.status, dict(answer.getheaders()), answer.read().decode(errors="replace")])
    except OSError as error:
        answers.append([0, {}, repr(error)])
    connection.close()
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Call:
    """One request."""

    url: str
    method: str = "GET"
    login: str = ""
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back; ``status`` 0 where nothing did."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def location(self) -> str:
        return next((value for name, value in self.headers.items() if name.lower() == "location"), "")

    @property
    def kind(self) -> str:
        return next((value for name, value in self.headers.items() if name.lower() == "content-type"), "")


def ask(machine: lab.Machine, calls: Sequence[Call], *, authority: str = "") -> list[Answer]:
    """Make the calls and return the answers in order; ``authority`` is the file with whom TLS trusts."""
    said = [
        [
            one.method,
            one.url,
            {**one.headers, **({"Authorization": one.login} if one.login else {})},
            one.body,
            authority,
        ]
        for one in calls
    ]
    done = machine.run(service.PYTHON, "-c", _PROGRAM, stdin=json.dumps(said), seconds=300)
    return [Answer(*answer) for answer in json.loads(done.stdout)]


def _signed(login: str) -> Mapping[str, str]:
    return {"Authorization": login} if login else {}


def get(machine: lab.Machine, url: str, login: str = "") -> Answer:
    """Make one call."""
    return ask(machine, [Call(url, login=login)])[0]


def basic(user: str, password: str) -> str:
    """Return what a browser sends."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
