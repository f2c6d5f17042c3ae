"""Pictures of estimates, as SVG: a dot and a line for what is reported, an open marker for people
alone, a cross for the machine alone.

Shapes tell them apart, so they read in grey; the one hue is safe for colour-blind readers. What is
not validated is grey. Texts stay texts, so that any script is shaped by the reader's own fonts.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

INK, ACCENT, GREY, LINE = "#1c1f23", "#0072B2", "#8c9196", "#dcdcd6"
CROSS = "M-1,-1L1,1M1,-1L-1,1"
ROW, WIDTH, LABEL = 22, 520, 240
DEFINED = re.compile(r"\b(gradient|clip)_?(\d+)")
NAMELESS = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')


class Picture(str):
    """A picture as SVG, which is what it is as text; `spec` is it as Vega-Lite, to draw it anew."""

    spec: dict[str, Any]

    @classmethod
    def of(cls, svg: str, spec: dict[str, Any]) -> "Picture":
        """Return `svg` with what it was drawn from."""
        made = cls(svg)
        made.spec = spec
        return made


@dataclass(frozen=True)
class Estimate:
    """One row of a picture; NaN where there is no number. `series` sets rows apart by shape."""

    label: str
    estimate: float
    low: float
    high: float
    human: float = math.nan
    machine: float = math.nan
    validated: bool = True
    series: str = ""


def forest(rows: Sequence[Estimate], *, share: bool = True) -> Picture:
    """Return a forest plot as SVG; shares (0 to 1) get an axis in per cent."""
    import altair as alt  # half a second, so only where a picture is drawn

    form = "%" if share else alt.Undefined
    axis = alt.Axis(format=form, title=None, grid=True, gridColor=LINE, tickCount=6)
    scale = alt.Scale(zero=share, nice=True)
    y = _rows_axis(rows)

    def layer(values: list[dict[str, Any]]) -> Any:
        return alt.Chart(alt.InlineData(values=values))

    def x(field: str) -> Any:
        return alt.X(f"{field}:Q", axis=axis, scale=scale)

    hue = alt.condition("datum.valid", alt.value(ACCENT), alt.value(GREY))
    numbered = list(enumerate(rows))
    lines = [
        {"row": place, "low": row.low, "high": row.high, "valid": row.validated}
        for place, row in numbered
        if not math.isnan(row.low)
    ]
    dots = [
        {"row": place, "value": row.estimate, "valid": row.validated}
        for place, row in numbered
        if not math.isnan(row.estimate)
    ]
    people, machine = (
        [{"row": place, "value": value} for place, value in enumerate(values) if value == value]
        for values in ([row.human for row in rows], [row.machine for row in rows])
    )
    marks = [
        layer(lines).mark_rule(strokeWidth=2).encode(x=x("low"), x2="high:Q", y=y, color=hue),
        layer(dots)
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x=x("value"), y=y, color=hue),
        layer(people)
        .mark_point(filled=False, size=60, opacity=1, strokeWidth=1.5, color=INK)
        .encode(x=x("value"), y=y),
        layer(machine)
        .mark_point(shape=CROSS, filled=False, size=40, opacity=1, strokeWidth=1.8, color=INK)
        .encode(x=x("value"), y=y),
    ]
    return _svg(alt.layer(*marks), len(rows))


def coefficients(rows: Sequence[Estimate], thresholds: Sequence[float] = (0.667, 0.8)) -> Picture:
    """Return dots of a coefficient with their intervals and the thresholds, as SVG.

    Rows with the same label share a line of the picture; their `series` set them apart.
    """
    import altair as alt

    labels = list(dict.fromkeys(row.label for row in rows))
    series = list(dict.fromkeys(row.series for row in rows))
    data = [
        {
            "row": labels.index(row.label),
            "series": row.series,
            "value": row.estimate,
            "low": row.low,
            "high": row.high,
        }
        for row in rows
        if not math.isnan(row.estimate)
    ]
    least = min([0.0, *(point["low"] for point in data if isinstance(point["low"], float))])
    scale = alt.Scale(domain=[math.floor(least * 5) / 5, 1])
    axis = alt.Axis(title=None, grid=True, gridColor=LINE, tickCount=6)
    base = alt.Chart(alt.InlineData(values=data))
    named = [Estimate(label, math.nan, math.nan, math.nan) for label in labels]
    shift = alt.YOffset("series:N", scale=alt.Scale(domain=series), sort=series)
    shape = alt.Shape(
        "series:N",
        scale=alt.Scale(domain=series, range=["circle", "diamond"][: len(series)]),
        legend=alt.Legend(title=None, orient="top", symbolStrokeColor=INK),
    )
    hue = alt.Color(
        "series:N",
        scale=alt.Scale(domain=series, range=[ACCENT, INK][: len(series)]),
        legend=alt.Legend(title=None, orient="top"),
    )
    y = _rows_axis(named)
    lines = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", axis=axis, scale=scale), x2="high:Q", y=y, yOffset=shift, color=hue
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X("value:Q", axis=axis, scale=scale), y=y, yOffset=shift, color=hue, shape=shape
    )
    marks = alt.InlineData(values=[{"value": value} for value in thresholds])
    limits = alt.Chart(marks).mark_rule(strokeDash=[4, 3], color=GREY)
    limits = limits.encode(x=alt.X("value:Q", axis=axis, scale=scale))
    return _svg(alt.layer(limits, lines, points), len(labels), 1 + 0.6 * (len(series) - 1))


@dataclass(frozen=True)
class Cell:
    """One cell of a heat map, under the names of its row and column."""

    row: str
    column: str
    value: float


def heat_map(cells: Sequence[Cell], *, legend: str = "", diverging: bool = False) -> Picture:
    """Return a heat map as SVG, the number in every cell: it reads in grey and on paper.

    `diverging` puts white at 0 and two hues that differ in lightness to either side.
    """
    import altair as alt

    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    most = max((abs(cell.value) for cell in cells), default=0) or 1
    values = [
        {
            "row": rows.index(cell.row),
            "column": columns.index(cell.column),
            "value": cell.value,
            "text": f"{cell.value:+.1f}" if diverging else f"{cell.value:.1f}",
            "strong": abs(cell.value) > 0.6 * most,
        }
        for cell in cells
    ]
    scale = (
        alt.Scale(domain=[-most, 0, most], range=["#B35806", "#ffffff", ACCENT], interpolate="rgb")
        if diverging
        else alt.Scale(domain=[0, most], range=["#ffffff", ACCENT], interpolate="rgb")
    )
    chart = alt.Chart(alt.InlineData(values=values))
    y = _rows_axis([Estimate(row, math.nan, math.nan, math.nan) for row in rows])
    x = alt.X(
        "column:O",
        scale=alt.Scale(domain=list(range(len(columns)))),
        axis=alt.Axis(
            title=None,
            orient="top",
            labelExpr=f"{_quoted(columns)}[datum.value]",
            labelAngle=-40 if len(columns) > 8 or max(map(len, columns), default=0) > 8 else 0,
            labelLimit=LABEL,
            ticks=False,
            domain=False,
        ),
    )
    squares = chart.mark_rect(stroke=LINE, strokeWidth=1).encode(
        x=x, y=y, color=alt.Color("value:Q", scale=scale, legend=alt.Legend(title=legend or None))
    )
    numbers = chart.mark_text(fontSize=11).encode(
        x=x,
        y=y,
        text="text:N",
        color=alt.condition("datum.strong", alt.value("#ffffff"), alt.value(INK)),
    )
    return _svg(alt.layer(squares, numbers), len(rows), 1.2)


def panels(
    groups: Sequence[tuple[str, Sequence[Estimate], float, float]], *, share: bool = False
) -> Picture:
    """Return small multiples: for each title, its rows (the same groups in all) and its scale's
    lowest and highest value, a forest plot, side by side as far as they fit; shares in per cent."""
    import altair as alt

    wide, across = 210, 2
    form = "%" if share else alt.Undefined
    charts = []
    for at, (title, rows, least, most) in enumerate(groups):
        scale = alt.Scale(domain=[least, most])
        axis = alt.Axis(format=form, title=None, grid=True, gridColor=LINE, tickCount=5)
        y = _rows_axis(rows, labels=at % across == 0)
        hue = alt.condition("datum.valid", alt.value(ACCENT), alt.value(GREY))
        values = [
            {
                "row": place,
                "value": row.estimate,
                "low": None if math.isnan(row.low) else row.low,
                "high": None if math.isnan(row.high) else row.high,
                "valid": row.validated,
            }
            for place, row in enumerate(rows)
            if not math.isnan(row.estimate)
        ]
        base = alt.Chart(alt.InlineData(values=values))
        lines = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2)
        lines = lines.encode(x=alt.X("low:Q", axis=axis, scale=scale), x2="high:Q", y=y, color=hue)
        dots = base.mark_point(filled=True, size=60, opacity=1)
        dots = dots.encode(x=alt.X("value:Q", axis=axis, scale=scale), y=y, color=hue)
        chart = alt.layer(lines, dots)
        heading = alt.TitleParams(title, anchor="start", fontSize=13, color=INK)
        charts.append(chart.properties(width=wide, height=max(len(rows), 1) * ROW, title=heading))
    return _picture(alt.concat(*charts, columns=across, spacing=24))


FORMS: dict[str, tuple[str, Callable[[Picture], bytes]]] = {
    "svg": ("image/svg+xml", lambda picture: picture.encode()),
    "png": ("image/png", lambda picture: png(picture)),
    "json": (
        "application/json",
        lambda picture: json.dumps(picture.spec, ensure_ascii=False, indent=1).encode(),
    ),
}
"""What a picture can be had as: the ending, its kind, and the file."""


def png(svg: str, scale: float = 2.0) -> bytes:
    """Return the picture as PNG, for documents that take no SVG."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(svg, scale=scale))


def _rows_axis(rows: Sequence[Estimate], *, labels: bool = True) -> Any:
    """Return the axis of rows, top down. Rows are numbers, since labels may be alike."""
    import altair as alt

    names = [row.label for row in rows]
    return alt.Y(
        "row:O",
        scale=alt.Scale(domain=list(range(len(rows)))),
        axis=alt.Axis(
            title=None,
            labelExpr=f"{_quoted(names)}[datum.value]",
            labels=labels,
            labelLimit=LABEL,
            ticks=False,
            domain=False,
            labelPadding=8,
        ),
    )


def _quoted(labels: Sequence[str]) -> str:
    """Return labels as an expression of Vega, in which only quotes and backslashes are special."""
    safe = (label.replace("\\", "\\\\").replace("'", "\\'") for label in labels)
    lines = (" ".join(label.split()) for label in safe)
    return "[" + ",".join(f"'{label}'" for label in lines) + "]"


def _svg(chart: Any, rows: int, stretch: float = 1.0) -> Picture:
    height = max(rows, 1) * ROW * stretch
    return _picture(chart.properties(width=WIDTH, height=height))


def _picture(chart: Any) -> Picture:
    import vl_convert

    chart = chart.properties(background="transparent")
    chart = chart.configure_view(stroke=None).configure(font="Noto Sans, system-ui, sans-serif")
    chart = chart.configure_axis(labelColor=INK, labelFontSize=12, domainColor=LINE)
    spec = chart.to_dict()
    # The page names the picture as a whole and has its numbers in a table; nameless parts of it
    # would only be noise to somebody who listens.
    svg = NAMELESS.sub("", str(vl_convert.vegalite_to_svg(spec)))
    # Several pictures stand in one page, where a name may be defined once only. Named by what is
    # drawn and not by how many were drawn before, so that the same picture is the same.
    own = hashlib.sha256(DEFINED.sub("", svg).encode()).hexdigest()[:8]
    order = list(dict.fromkeys(match[0] for match in DEFINED.finditer(svg)))
    svg = DEFINED.sub(lambda match: f"{match[1]}-{own}-{order.index(match[0])}", svg)
    return Picture.of(svg, spec)
