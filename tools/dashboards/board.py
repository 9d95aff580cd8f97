"""A dashboard around its panels: variables, links, annotations, places on the grid."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as grafana

from tools.dashboards.parts import SOURCE, Builder, here

#: what every Grafana 11 reads as it is; a later one moves it up by itself
SCHEMA = 39
#: alerts of this machine, or of none: Prometheus' own; the dead man's switch and causes have the severity none
FIRING = 'ALERTS{alertstate="firing",severity=~"critical|warning",instance=~"$instance|"}'
WIDTH = 24


@dataclass(frozen=True, slots=True)
class Row:
    """A question, and the panels that answer it: placed from left to right, a line as high as its highest."""

    question: str
    panels: Sequence[Builder | table.Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; ``about`` says in a sentence whom it is for."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    span: str = "now-24h"
    by_agent: bool = False

    def text(self) -> str:
        """Return the JSON that Grafana reads."""
        return json.dumps(_built(self), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _built(board: Board) -> grafana.Dashboard:
    made = dashboard.Dashboard(board.title).uid(board.uid).description(board.about).tags(["ztrade"]).readonly()
    made = (
        made.time(board.span, "now").refresh("30s").timezone("browser").tooltip(grafana.DashboardCursorSync.CROSSHAIR)
    )
    made = made.with_variable(_source()).with_variable(
        _variable("instance", "label_values(ztrade_build_info, instance)")
    )
    if board.by_agent:
        made = made.with_variable(_variable("agent", f"label_values({here('ztrade_agent_info')}, agent)"))
    built = made.link(_others()).annotation(_firing()).build()
    built.schema_version, built.panels = SCHEMA, list(_placed(board.rows))
    return built


def _placed(rows: Sequence[Row]) -> Iterator[grafana.Panel | grafana.RowPanel]:
    number, top = 0, 0
    for row in rows:
        number += 1
        place = grafana.GridPos(h=1, w=WIDTH, x=0, y=top)
        yield dashboard.Row(row.question).id(number).grid_pos(place).collapsed(False).build()
        left, top, below = 0, top + 1, top + 1
        for builder in row.panels:
            number += 1
            panel = builder.id(number).build()
            assert panel.grid_pos is not None  # noqa: S101 each part has a size
            if left + panel.grid_pos.w > WIDTH:
                left, top = 0, below
            panel.grid_pos.x, panel.grid_pos.y = left, top
            left, below = left + panel.grid_pos.w, max(below, top + panel.grid_pos.h)
            yield panel
        top = below


def _source() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _variable(name: str, query: str) -> dashboard.QueryVariable:
    made = (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .sort(grafana.VariableSort.ALPHABETICAL_ASC)
    )
    # the form in which Grafana itself saves such a variable: plain text is what Grafana 8 had
    asked: dict[str, object] = {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
    return made.query(asked).refresh(grafana.VariableRefresh.ON_TIME_RANGE_CHANGED).multi(False).include_all(False)


def _others() -> dashboard.DashboardLink:
    made = dashboard.DashboardLink("ztrade").type(grafana.DashboardLinkType.DASHBOARDS).tags(["ztrade"])
    return made.keep_time(True).include_vars(True).as_dropdown(False)


def _firing() -> dashboard.AnnotationQuery:
    made = dashboard.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color("red")
    return made.expr(FIRING)
