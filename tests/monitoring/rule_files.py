"""The shipped rules as values, for tests that look at their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from tests.monitoring.world import RULES

RUNBOOKS = "{{ $externalLabels.runbooks }}/"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; ``name`` is an alert's, or a recorded series'."""

    name: str
    alert: bool
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def page(self) -> str:
        """The file name of its runbook."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.name).lower() + ".md"


def rules() -> Iterator[Rule]:
    """Yield every rule of every file."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule["record"]
                texts = rule.get("annotations", {})
                yield Rule(name, "alert" in rule, rule["expr"], rule.get("labels", {}), texts)


ALERTS = [rule for rule in rules() if rule.alert]
NAMES = sorted({rule.name for rule in ALERTS})
