"""Tables: one row for each agent, alert or objective, a column for each query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, prometheus, table
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as grafana
from grafana_foundation_sdk.models import prometheus as queries

from tools.dashboards.parts import PLAIN, SOURCE, Look, here, steps, words

Property = grafana.DynamicConfigValue


@dataclass(frozen=True, slots=True)
class Column:
    """A column made of a query's values."""

    name: str
    expression: str
    look: Look
    width: int = 0


def rows(
    title: str,
    key: str,
    columns: Sequence[Column],
    use: str,
    *,
    heading: str = "",
    labels: Sequence[tuple[str, str]] = (),
    link: str = "",
    size: tuple[int, int] = (24, 7),
) -> table.Panel:
    """Return a table with one row for each value of the label ``key``.

    Args:
        heading: over the key, if not its own name.
        labels: (label, heading) of other labels of the first query, shown before the columns.
        link: where a click on the key leads.
    """
    made = table.Panel().title(title).description(use).datasource(SOURCE).no_value("none")
    made = made.span(size[0]).height(size[1]).cell_height(shapes.TableCellHeight.SM).show_header(True)
    made = made.unit("none").thresholds(steps(PLAIN))
    first = heading or key.capitalize()
    shown = [(key, first), *labels]
    for place, column in enumerate(columns):
        made = made.with_target(_query(_ref(place), column.expression))
        if column.name:
            # Grafana's own name for a query's values
            shown.append((f"Value #{_ref(place)}" if len(columns) > 1 else "Value", column.name))
            made = made.override_by_name(column.name, _properties(column))
    if link:
        made = made.override_by_name(first, [Property("links", [{"title": "its page", "url": link}])])
    for transformation in _transformations(key, shown, joined=len(columns) > 1):
        made = made.with_transformation(transformation)
    return made.sort_by([common.TableSortByFieldState().display_name(first).desc(False)])


def _transformations(
    key: str, shown: Sequence[tuple[str, str]], *, joined: bool
) -> Iterator[grafana.DataTransformerConfig]:
    """Keep what is shown, one row for each key, in the order given."""
    names = [name for name, _heading in shown]
    yield grafana.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": names}})
    if joined:
        yield grafana.DataTransformerConfig(id_val="joinByField", options={"byField": key, "mode": "outer"})
    order = {name: place for place, name in enumerate(names)}
    renamed = {name: heading for name, heading in shown if name != heading}
    yield grafana.DataTransformerConfig(id_val="organize", options={"indexByName": order, "renameByName": renamed})


def _properties(column: Column) -> list[Property]:
    look = column.look
    made = [Property("unit", look.unit)]
    if look.words is not None:
        made.append(Property("mappings", [words(look.words)]))
    if look.steps != PLAIN or look.words is not None:
        made += [
            Property("thresholds", steps(look.steps).build()),
            Property(
                "custom.cellOptions",
                shapes.TableColoredBackgroundCellOptions(mode=shapes.TableCellBackgroundDisplayMode.BASIC),
            ),
        ]
    if look.decimals is not None:
        made.append(Property("decimals", look.decimals))
    if column.width:
        made.append(Property("custom.width", column.width))
    return made


def _query(ref: str, expression: str) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(here(expression)).instant().format(queries.PromQueryFormat.TABLE)
    return made.legend_format("").ref_id(ref).datasource(SOURCE)


def _ref(place: int) -> str:
    return chr(ord("A") + place)
