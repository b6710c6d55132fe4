"""Panels and dashboards as operators of Crossroads read them, built with Grafana's own builders.

Every panel says what is good, what is bad and which command helps. A panel that shows trouble shows 0 when all is well,
never "no data": its query says so (`or_nothing`, `or_none`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

GREEN, AMBER, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"

#: Whose data source it is: chosen at the top of each dashboard, so that it works in any Grafana.
_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_TAG = "crossroads"
_WIDTH = 24

Built = stat.Panel | timeseries.Panel | table.Panel | bargauge.Panel | statetimeline.Panel
_Panel = TypeVar("_Panel", stat.Panel, timeseries.Panel, table.Panel, bargauge.Panel, statetimeline.Panel)


@dataclass(frozen=True)
class Says:
    """What a panel is about. helps: a command, or the page that says what to do."""

    what: str
    good: str
    bad: str
    helps: str

    def __str__(self) -> str:
        return f"{self.what}\n\n**Good:** {self.good}\n\n**Bad:** {self.bad}\n\n**Helps:** {self.helps}"


@dataclass(frozen=True)
class Query:
    """A query in PromQL. legend: a series' name, labels as `{{label}}`."""

    promql: str
    legend: str = ""


#: From which value on which colour; the first is the base.
Steps = Sequence[tuple[float | None, str]]
NEUTRAL: Steps = ((None, BLUE),)
NONE_IS_GOOD: Steps = ((None, GREEN), (1, RED))


def or_nothing(promql: str) -> str:
    """The query, and one 0 without labels where it has no series."""
    return f"{promql} or vector(0)"


def or_none(promql: str, **labels: str) -> str:
    """The query; where it has no series at all, one 0 with these labels."""
    zero = "vector(0)"
    for label, value in labels.items():
        zero = f'label_replace({zero}, "{label}", "{value}", "", "")'
    return f"{promql} or ({zero} unless on () ({promql}))"


def counted(counter: str, window: str) -> str:
    """How often something was counted in a window, also where its series came into being within it: of a series that
    begins at 1, `increase` never sees the first."""
    return f"(({counter} unless {counter} offset {window}) or increase({counter}[{window}]))"


def number(
    title: str, says: Says, *queries: Query, unit: str, steps: Steps = NEUTRAL, width: int = 4, height: int = 4,
    decimals: int | None = None, mappings: Mapping[str, tuple[str, str]] | None = None, nothing: str = "",
) -> stat.Panel:  # fmt: skip
    """One figure as it is now, or a few side by side. nothing: what stands there where there is none."""
    panel = _common(stat.Panel(), title, says, queries, width, height, instant=True)
    panel = _values(panel, unit, steps, decimals)
    panel.color_mode(common_models.BigValueColorMode.BACKGROUND if steps is not NEUTRAL else
                     common_models.BigValueColorMode.NONE)  # fmt: skip
    panel.graph_mode(common_models.BigValueGraphMode.NONE).reduce_options(_last())
    panel.text_mode(common_models.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else
                    common_models.BigValueTextMode.AUTO)  # fmt: skip
    if mappings is not None:
        panel.mappings([_mapping(mappings)])
    return panel.no_value(nothing) if nothing else panel


def lines(
    title: str, says: Says, *queries: Query, unit: str, steps: Steps = (), width: int = 12, height: int = 8,
    stacked: bool = False, most: float | None = None, least: float | None = 0,
) -> timeseries.Panel:  # fmt: skip
    """Figures over time; the steps are drawn as lines. most, least: of the axis, where it is not the data's."""
    panel = _common(timeseries.Panel(), title, says, queries, width, height)
    panel = _values(panel, unit, steps or ((None, GREEN),), None)
    panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    panel.line_width(1).fill_opacity(25 if stacked else 5).show_points(common_models.VisibilityMode.AUTO)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(
        common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI).sort(common_models.SortOrder.DESCENDING)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if steps:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.DASHED))
    if most is not None:
        panel.max(most)
    return panel if least is None else panel.min(least)


def bars(
    title: str, says: Says, *queries: Query, unit: str, steps: Steps = NEUTRAL, width: int = 12, height: int = 8,
    least: float = 0, most: float | None = None,
) -> bargauge.Panel:  # fmt: skip
    """A bar a series, as it is now."""
    panel = _common(bargauge.Panel(), title, says, queries, width, height, instant=True)
    panel = _values(panel, unit, steps, None).min(least)
    panel.orientation(common_models.VizOrientation.HORIZONTAL).reduce_options(_last())
    panel.display_mode(common_models.BarGaugeDisplayMode.BASIC)
    return panel if most is None else panel.max(most)


@dataclass(frozen=True)
class Column:
    """A column of a table: the value of a query of its own."""

    title: str
    promql: str
    unit: str
    steps: Steps = ()


def rows(
    title: str, says: Says, *columns: Column, by: Sequence[str], sort: str, width: int = 24, height: int = 9,
    descending: bool = True, links: Mapping[str, str] | None = None,
) -> table.Panel:  # fmt: skip
    """A row for each combination of the labels `by`, a column a query. links: label → address of another page."""
    # Any other label, a recorded figure's own name among them, would be a column, and keep rows from becoming one.
    queries = [Query(f"max by ({', '.join(by)}) ({column.promql})") for column in columns]
    panel = _common(table.Panel(), title, says, queries, width, height, instant=True, of_table=True)
    panel.thresholds(_thresholds(((None, GREY),)))
    names = {f"Value #{_ref(place)}" if len(columns) > 1 else "Value": c.title for place, c in enumerate(columns)}
    if len(columns) > 1:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    order = {name: place for place, name in enumerate([*by, *names])}
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": dict(names)},
        )
    )
    for column in columns:
        properties = [models.DynamicConfigValue("unit", column.unit)]
        if column.steps:
            properties += [
                models.DynamicConfigValue("thresholds", _thresholds(column.steps).build()),
                models.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
            ]
        panel.override_by_name(column.title, properties)
    for label, url in (links or {}).items():
        panel.override_by_name(label, [models.DynamicConfigValue("links", [{"title": "Open", "url": url}])])
    return panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])


def states(
    title: str, says: Says, *queries: Query, mappings: Mapping[str, tuple[str, str]], width: int = 24, height: int = 6
) -> statetimeline.Panel:
    """In which state each was when. mappings: value → (word, colour)."""
    panel = _common(statetimeline.Panel(), title, says, queries, width, height)
    panel.thresholds(_thresholds(((None, GREY),))).mappings([_mapping(mappings)])
    return panel.show_value(common_models.VisibilityMode.NEVER).fill_opacity(70).line_width(0)


def annotations() -> list[dict[str, Any]]:
    """What every dashboard marks on its time axis: pauses, maintenance, drains."""
    wanted = (
        ("Paused", AMBER, "max by (kind, what) (crossroads_paused) > 0", "{{kind}} {{what}} is paused"),
        ("Maintenance", BLUE, "max(crossroads_maintenance) > 0", "maintenance"),
        ("Draining", GREY, "max by (instance) (crossroads_draining) > 0", "{{instance}} is draining"),
    )
    made = []
    for name, colour, promql, text in wanted:
        query = dashboard.AnnotationQuery().name(name).datasource(_SOURCE).enable(True).icon_color(colour).expr(promql)
        # The builders know no texts of Prometheus' annotations; Grafana reads them beside `expr`.
        plain: dict[str, Any] = json.loads(JSONEncoder().encode(query.build()))
        made.append(plain | {"titleFormat": text, "step": "30s"})
    return made


class Board:
    """A dashboard: rows of panels, laid out from left to right.

    uid: for good, since links and bookmarks have it. variables: beside the data source.
    """

    def __init__(
        self, uid: str, title: str, about: str, *, variables: Sequence[dashboard.QueryVariable] = (), hours: int = 6
    ) -> None:
        self.uid = f"crossroads-{uid}"
        self._panels = 0
        self._builder = (
            dashboard.Dashboard(f"Crossroads: {title}")
            .uid(self.uid)
            .description(about)
            .tags([_TAG])
            .refresh("30s")
            .time(f"now-{hours}h", "now")
            .timezone("browser")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .readonly()
            .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
            .link(
                dashboard.DashboardLink("Crossroads")
                .type(models.DashboardLinkType.DASHBOARDS)
                .tags([_TAG])
                .as_dropdown(True)
                .keep_time(True)
            )
        )
        for variable in variables:
            self._builder.with_variable(variable)

    def row(self, title: str, *panels: Built) -> "Board":
        """A row with a heading. Panels that do not fit beside each other stand below each other."""
        self._builder.with_row(dashboard.Row(title).id(self._number()))
        for panel in panels:
            self._builder.with_panel(panel.id(self._number()))
        return self

    def json(self) -> dict[str, Any]:
        """As Grafana reads it."""
        made: dict[str, Any] = json.loads(JSONEncoder().encode(self._builder.build()))
        made["annotations"] = {"list": annotations()}
        return made

    def _number(self) -> int:
        self._panels += 1
        return self._panels


def variable(name: str, label: str, promql: str, about: str) -> dashboard.QueryVariable:
    """A variable whose values are those of a label: `label_values(metric, label)`."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .description(about)
        .datasource(_SOURCE)
        .query({"query": promql, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def text(made: Mapping[str, Any]) -> str:
    """The file."""
    return json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _common(
    panel: _Panel, title: str, says: Says, queries: Sequence[Query], width: int, height: int, *,
    instant: bool = False, of_table: bool = False,
) -> _Panel:  # fmt: skip
    panel.title(title).description(str(says)).datasource(_SOURCE).span(width).height(height)
    for place, query in enumerate(queries):
        asked = prometheus.Dataquery().expr(query.promql).ref_id(_ref(place)).datasource(_SOURCE)
        asked = asked.instant() if instant else asked.range()
        if of_table:
            asked.format(PromQueryFormat.TABLE)
        if query.legend:
            asked.legend_format(query.legend)
        panel.with_target(asked)
    return panel


_Valued = TypeVar("_Valued", stat.Panel, timeseries.Panel, bargauge.Panel)


def _values(panel: _Valued, unit: str, steps: Steps, decimals: int | None) -> _Valued:
    panel.unit(unit).thresholds(_thresholds(steps))
    return panel if decimals is None else panel.decimals(decimals)


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    mode: Literal[models.ThresholdsMode.ABSOLUTE] = models.ThresholdsMode.ABSOLUTE
    return dashboard.ThresholdsConfig().mode(mode).steps([models.Threshold(value, colour) for value, colour in steps])


def _mapping(mappings: Mapping[str, tuple[str, str]]) -> models.ValueMap:
    words = mappings.items()
    return models.ValueMap(
        {value: models.ValueMappingResult(text=word, color=colour) for value, (word, colour) in words}
    )


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _ref(place: int) -> str:
    return chr(ord("A") + place)
