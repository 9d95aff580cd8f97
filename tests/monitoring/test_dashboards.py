"""The dashboards: made as checked in, whole by themselves, and a real Prometheus answers each of their questions."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.needs import needs
from tests.integration.test_docs_run import block
from tools import deb
from tools.dashboards.__main__ import BOARDS, ROOT, files
from tools.dashboards.ask import Asking, PrometheusError, Series
from tools.dashboards.draw import named
from tools.dashboards.parts import metrics_in
from tools.dashboards.pictures import main, sample_day
from tools.dashboards.sample import BEGIN, END, INSTANCE, open_metrics
from tools.dashboards.values import COLOURS, UNITS
from ztrade.service.exporter.catalogue import METRICS

Json = Mapping[str, Any]

OPS = ROOT / "ops/grafana"
#: what Prometheus adds to the labels of the catalogue, and what its own series have
_ALWAYS = {"instance", "le"}
_OF_PROMETHEUS = {"alertname", "alertstate", "severity"}
_KNOWN_VARIABLES = {"__interval", "__rate_interval", "__range", "__url_time_range", "__value"}


@cache
def board(name: str) -> Json:
    """Return a checked-in dashboard."""
    made: Json = json.loads((OPS / f"dashboards/{name}.json").read_text(encoding="utf-8"))
    return made


NAMES = tuple(made.uid.removeprefix("ztrade-") for made in BOARDS)


def panels(name: str) -> list[Json]:
    """Return a dashboard's panels, rows left out."""
    return [panel for panel in board(name)["panels"] if panel["type"] != "row"]


def asked() -> Iterator[tuple[str, Json, Json]]:
    """Yield dashboard, panel and query of each query."""
    for name in NAMES:
        for panel in panels(name):
            yield from ((name, panel, target) for target in panel["targets"])


ASKED = [pytest.param(p, t, id=f"{name}-{p['id']}-{t['refId']}") for name, p, t in asked()]
PANELS = [pytest.param(panel, id=f"{name}-{panel['id']}") for name in NAMES for panel in panels(name)]


# -- made --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_what_is_checked_in_is_what_is_made(path: Path) -> None:
    """Byte for byte: else `make dashboards`."""
    assert path.read_text(encoding="utf-8") == files()[path]


def test_nothing_else_is_checked_in() -> None:
    """A dashboard without a maker is one that nobody renews."""
    assert {path.name for path in (OPS / "dashboards").iterdir()} == {f"{name}.json" for name in NAMES}


# -- whole by themselves -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_whole(name: str) -> None:
    """Readable by every Grafana 11, known by a uid, its panels told apart and side by side."""
    made = board(name)
    assert (made["schemaVersion"], made["uid"], made["editable"]) == (39, f"ztrade-{name}", False)
    numbers = [panel["id"] for panel in made["panels"]]
    assert len(set(numbers)) == len(numbers)
    places = [panel["gridPos"] for panel in made["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 and place["h"] > 0 for place in places)
    assert [(a, b) for a, b in itertools.combinations(places, 2) if overlap(a, b)] == []


def test_books_that_nobody_compares_are_not_equal() -> None:
    """A 0 that stands for "nobody knows" is believed: each comparison tells its own, for every agent."""
    (books,) = (panel for panel in panels("overview") if panel["title"] == "Books differ")
    assert " or " not in books["targets"][0]["expr"]
    assert books["fieldConfig"]["defaults"]["noValue"] == "unknown"


def overlap(one: Json, other: Json) -> bool:
    """Tell whether two places share a square."""
    return bool(
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_places_that_share_a_square_are_seen() -> None:
    """The check can fail."""
    one = {"x": 0, "y": 0, "w": 12, "h": 8}
    assert overlap(one, {"x": 11, "y": 7, "w": 4, "h": 4})
    assert not overlap(one, {"x": 12, "y": 0, "w": 12, "h": 8})
    assert not overlap(one, {"x": 0, "y": 8, "w": 24, "h": 1})


@pytest.mark.parametrize("name", NAMES)
def test_titles_are_told_apart(name: str) -> None:
    """Within a dashboard, so that the reference and a person can name one."""
    row, seen = "", []
    for panel in board(name)["panels"]:
        row = panel["title"] if panel["type"] == "row" else row
        seen.append((row, panel["title"]))
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_is_and_what_to_do(panel: Json) -> None:
    """Title, one sentence, unit, colours that exist, and a data source that the reader chooses."""
    assert panel["title"]
    assert re.fullmatch(r"\w.{10,}[^.]\.", panel["description"]), panel["description"]
    fields = [panel["fieldConfig"]["defaults"], *overrides(panel)]
    assert {field["unit"] for field in fields if "unit" in field} <= set(UNITS)
    assert "unit" in fields[0]
    steps = [step for field in fields if "thresholds" in field for step in field["thresholds"]["steps"]]
    assert {step["color"] for step in steps} <= set(COLOURS)
    for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
        assert source == {"type": "prometheus", "uid": "${datasource}"}
    if panel["type"] in ("timeseries", "state-timeline", "bargauge"):
        assert all(target["legendFormat"] for target in panel["targets"])


def overrides(panel: Json) -> list[dict[str, Any]]:
    """Return the fields that a panel configures by name."""
    return [{one["id"]: one["value"] for one in o["properties"]} for o in panel["fieldConfig"]["overrides"]]


@pytest.mark.parametrize("name", NAMES)
def test_variables_and_links_lead_somewhere(name: str) -> None:
    """Each variable is one of the dashboard's or Grafana's own; each link is to a dashboard that there is."""
    made = board(name)
    text = json.dumps(made["panels"])
    own = {variable["name"] for variable in made["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", text))
    assert used - own - _KNOWN_VARIABLES == set()
    assert own <= used
    assert set(re.findall(r"/d/([\w-]+)", text)) <= {made.uid for made in BOARDS}


def test_the_data_source_is_provisioned_and_so_are_the_dashboards() -> None:
    """Where the package puts them; a change in the browser does not last unseen."""
    (source,) = yaml.safe_load((OPS / "provisioning/datasources/ztrade.yml").read_text())["datasources"]
    assert (source["type"], source["access"], source["url"]) == ("prometheus", "proxy", "http://127.0.0.1:9090")
    (provider,) = yaml.safe_load((OPS / "provisioning/dashboards/ztrade.yml").read_text())["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert provider["options"]["path"] == f"/{deb.PLACES['ops/grafana/dashboards/*.json']}"


def test_provisioning_is_installed_as_the_page_says(tmp_path: Path) -> None:
    """The how-to's commands, with a folder of the test for /etc/grafana, and the repository for the package."""
    lines = "\n".join(block("how-to/grafana.md", "/etc/grafana/provisioning"))
    here = lines.replace("/etc/grafana", str(tmp_path)).replace("/usr/share/ztrade/grafana", str(OPS))
    subprocess.run(["bash", "-ec", here], check=True)
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.yml")}
    assert made == {"provisioning/dashboards/ztrade.yml", "provisioning/datasources/ztrade.yml"}
    assert set(re.findall(r"/usr/share/ztrade/grafana/(\S+)/ztrade.yml", lines)) == {
        place.removeprefix("usr/share/ztrade/grafana/")
        for place in deb.PLACES.values()
        if "grafana/provisioning" in place
    }


# -- asked -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("panel", "target"), ASKED)
def test_a_query_asks_for_what_there_is(panel: Json, target: Json) -> None:
    """Metrics of the catalogue, confined to the chosen instance, and labels that these metrics have."""
    expression = target["expr"]
    names = metrics_in(expression)
    assert set(names) <= set(METRICS)
    assert names or re.search(r"\b(ALERTS|up)\b", expression)
    known = {label for name in names for label in METRICS[name].labels} | _ALWAYS | _OF_PROMETHEUS
    assert labels_in(expression) <= known
    for name, inside in re.findall(r"\b(ztrade_\w+)(\{[^}]*\})?", expression):
        assert 'instance="$instance"' in inside, name
        own = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside)
        assert set(own) <= {*METRICS[metrics_in(name)[0]].labels, "instance"}


def labels_in(expression: str) -> set[str]:
    """Return the labels that an expression groups or matches by."""
    groups = re.findall(r"\b(?:by|on|ignoring|group_left)\s*\(([^)]*)\)", expression)
    return {label.strip() for group in groups for label in group.split(",") if label.strip()}


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    """A Prometheus that stored the sample day."""
    needs("prometheus", "promtool")
    with sample_day() as url:
        yield Asking(url, BEGIN, END, {"instance": INSTANCE, "agent": "spy"})


@pytest.mark.slow
@pytest.mark.xdist_group("monitoring")
def test_every_query_is_answered(asking: Asking) -> None:
    """On a day on which everything was measured no panel is empty, and no series without its name."""
    wrong = [
        problem for name, panel, target in asked() for problem in problems(f"{name}: {panel['title']}", target, asking)
    ]
    assert wrong == []


def problems(where: str, target: Json, asking: Asking) -> Iterator[str]:
    """Yield what is wrong with the answer to a query."""
    try:
        found = asking.instant(target["expr"]) if target.get("instant") else asking.over_time(target["expr"])[0]
    except PrometheusError as error:
        yield f"{where}: {error}"
        return
    if not found:
        yield f"{where}: no answer to {target['expr']}"
    yield from (f"{where}: no {label} in an answer" for label in nameless(target["legendFormat"], found))


def nameless(legend: str, found: list[Series]) -> set[str]:
    """Return the labels of a legend that some series lacks."""
    return {label for label in re.findall(r"\{\{(\w+)\}\}", legend) for series in found if label not in series.labels}


@pytest.mark.slow
@pytest.mark.xdist_group("monitoring")
@pytest.mark.parametrize(
    ("expression", "legend", "said"),
    [
        ('sum by (agent) (ztrade_worker_up{instance="$instance"', "{{agent}}", "parse error"),
        ('ztrade_worker_upp{instance="$instance"}', "", "no answer"),
        ('sum(ztrade_worker_up{instance="$instance"})', "{{agent}}", "no agent"),
    ],
)
def test_a_query_that_is_wrong_would_be_seen(expression: str, legend: str, said: str, asking: Asking) -> None:
    """The check can fail: a bracket too few, a metric misspelt, a label that is summed away."""
    (told,) = problems("here", {"expr": expression, "legendFormat": legend}, asking)
    assert said in told


@pytest.mark.slow
@pytest.mark.xdist_group("monitoring")
def test_what_the_overview_shows_of_the_sample_day(asking: Asking) -> None:
    """The dead worker and the tripped breaker are seen, the live agent is told; blind is not zero."""
    shown = {panel["title"]: panel["targets"][0]["expr"] for panel in panels("overview") if panel["type"] == "stat"}
    values = {title: asking.instant(expression)[0].points[0][1] for title, expression in shown.items()}
    assert (values["Agents in trouble"], values["Agents with real money"], values["Market"]) == (2, 1, 1)
    assert values["Exporter blind"] == 0
    # simulated gains must not hide a real loss
    mine = 'ztrade_agent_pnl_today_dollars{instance="$instance"} and on (agent) ztrade_agent_info{money="real"}'
    (real,), everybody = asking.instant(mine), asking.instant("sum(ztrade_agent_pnl_today_dollars)")
    assert values["Profit today"] == real.points[0][1] != everybody[0].points[0][1]
    blind = Asking(asking.url, BEGIN, END, {"instance": "another"})
    nothing = {title for title, expression in shown.items() if not blind.instant(expression)}
    assert nothing == set(shown) - {"Alerts"}
    assert (values["Alerts"], blind.instant(shown["Alerts"])[0].points[0][1]) == (4, 0)


@pytest.mark.slow
@pytest.mark.xdist_group("monitoring")
def test_pictures_are_drawn(asking: Asking, tmp_path: Path) -> None:
    """What `make dashboards ARGS=FOLDER` leaves, small enough for a page of the documents."""
    where = ["--prometheus", asking.url, "--until", str(END), "--board", "ztrade-overview"]
    assert main([str(tmp_path), *where]) == 0
    (made,) = tmp_path.iterdir()
    assert made.name == "ztrade-overview.png"
    for picture in (made, ROOT / "docs/how-to/grafana.png"):
        assert 20_000 < picture.stat().st_size < 200_000


def test_alerts_of_the_sample_day_are_alerts_that_there_are() -> None:
    """The picture tells no tales."""
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ops/prometheus/rules").glob("*.yml"))
    told = set(re.findall(r'^ALERTS\{alertname="(\w+)"', "".join(open_metrics()), re.MULTILINE))
    assert told
    assert told <= set(re.findall(r"- alert: (\w+)", rules))


def test_the_legend_names_a_series() -> None:
    """Labels in their places, as Grafana does."""
    assert named("{{agent}} {{limit}}", Series({"agent": "spy", "limit": "drawdown"}, [])) == "spy drawdown"
