"""Pictures of estimates, as SVG: a dot and a line for what is reported, an open marker for people
alone, a cross for the machine alone.

Shapes tell them apart, so they read in grey; the one hue is safe for colour-blind readers. What is
not validated is grey. Texts stay texts, so that any script is shaped by the reader's own fonts.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

INK, ACCENT, GREY, LINE = "#1c1f23", "#0072B2", "#8c9196", "#dcdcd6"
CROSS = "M-1,-1L1,1M1,-1L-1,1"
ROW, WIDTH, LABEL = 22, 520, 240
NAMELESS = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')


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


def forest(rows: Sequence[Estimate], *, share: bool = True) -> str:
    """Return a forest plot as SVG; shares (0 to 1) get an axis in per cent."""
    import altair as alt  # half a second, so only where a picture is drawn

    axis = alt.Axis(format="%" if share else "", title=None, grid=True, gridColor=LINE, tickCount=6)
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


def coefficients(rows: Sequence[Estimate], thresholds: Sequence[float] = (0.667, 0.8)) -> str:
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


def png(svg: str, scale: float = 2.0) -> bytes:
    """Return the picture as PNG, for documents that take no SVG."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(svg, scale=scale))


def _rows_axis(rows: Sequence[Estimate]) -> Any:
    """Return the axis of rows, top down. Rows are numbers, since labels may be alike."""
    import altair as alt

    labels = [row.label for row in rows]
    return alt.Y(
        "row:O",
        scale=alt.Scale(domain=list(range(len(rows)))),
        axis=alt.Axis(
            title=None,
            labelExpr=f"{_quoted(labels)}[datum.value]",
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


def _svg(chart: Any, rows: int, stretch: float = 1.0) -> str:
    import vl_convert

    height = max(rows, 1) * ROW * stretch
    chart = chart.properties(width=WIDTH, height=height, background="transparent")
    chart = chart.configure_view(stroke=None).configure(font="Noto Sans, system-ui, sans-serif")
    chart = chart.configure_axis(labelColor=INK, labelFontSize=12, domainColor=LINE)
    # The page names the picture as a whole and has its numbers in a table; nameless parts of it
    # would only be noise to somebody who listens.
    return NAMELESS.sub("", str(vl_convert.vegalite_to_svg(chart.to_dict())))
