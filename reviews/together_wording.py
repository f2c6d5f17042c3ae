"""Codes together in words and pictures: what the page shows of pairs and of scales."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from reviews.pictures import Cell, Estimate, Picture, forest, heat_map, panels
from reviews.prevalence import PrevalenceRow
from reviews.reports import Report
from reviews.together import ALPHA, AmongRow, CodeOf, TogetherRow
from reviews.wording import (
    MOST_ROWS,
    NOTHING,
    coefficient,
    count,
    domain_text,
    interval,
    not_validated,
    number,
    p_value,
    share,
    why_not,
)

MOST_SAID = 12
"""Pairs that are put into sentences; the table has them all."""

Drawing = Callable[[], Picture]


@dataclass(frozen=True)
class Table:
    """A table and the picture beside it, which is drawn when asked for.

    `name` is the picture's; the first `names` columns hold words of the codebook, and the rest
    numbers but for the last one, remarks. `grey` says of each row that it is not validated.
    """

    name: str
    title: str
    said: str
    heads: tuple[str, ...]
    rows: tuple[tuple[bool, tuple[str, ...]], ...]
    names: int = 1
    draw: Drawing | None = field(default=None, compare=False)


ORDER = ("clear", "uncertain", "none_shown")


def sentences(made: Report) -> list[SafeString]:
    """Return what is known of each pair, a sentence each, those with a clear link first."""
    told = [row for row in made.together.pairs if row.link]
    told.sort(key=lambda row: ORDER.index(str(row.link)))
    return [sentence(row, made) for row in told]


def sentence(row: TogetherRow, made: Report) -> SafeString:
    """Return how often the second code is said where the first is, against where it is not.

    A link that does not survive the correction, or rests on too few answers, is not certain.
    """
    gaps: dict[str, Any] = {
        "first": _named(row.first, made),
        "second": _named(row.second, made),
        "given": share(row.given),
        "without": share(row.without),
        "times": coefficient(row.ratio),
        "least": coefficient(row.ratio_low),
        "limits": _limits(row.ratio_low, row.ratio_high, times),
        "reviewed": count(row.reviewed),
        "p": _isolated(p_value(row.p_holm)),
        "family": count(made.together.possible),
    }
    if row.link == "none_shown":
        text = _(
            "“{first}” and “{second}” show no clear link: {times} times as often {limits}, in "
            "{given} against {without} of segments ({reviewed} reviewed)."
        )
    elif row.link == "uncertain" and row.p_holm < ALPHA:
        text = _(
            "It is not certain that “{first}” and “{second}” are linked: {times} times as often "
            "{limits}, in {given} against {without} of segments, but too few answers stand behind "
            "it ({reviewed} reviewed)."
        )
    elif row.link == "uncertain":
        text = _(
            "It is not certain that “{first}” and “{second}” are linked: {times} times as often "
            "{limits}, in {given} against {without} of segments, but among {family} pairs chance "
            "makes such a one too easily ({reviewed} reviewed; Holm’s p {p})."
        )
    elif math.isnan(row.ratio):
        text = _(
            "Where “{first}” applies, “{second}” applies at least {least} times as often as where "
            "it does not: in {given} against {without} of segments ({reviewed} reviewed; Holm’s p "
            "over {family} pairs {p})."
        )
    elif row.ratio > 1:
        text = _(
            "Where “{first}” applies, “{second}” applies {times} times as often {limits} as where "
            "it does not: in {given} against {without} of segments ({reviewed} reviewed; Holm’s p "
            "over {family} pairs {p})."
        )
    else:
        text = _(
            "Where “{first}” applies, “{second}” applies less often, {times} times {limits}: in "
            "{given} against {without} of segments ({reviewed} reviewed; Holm’s p over {family} "
            "pairs {p})."
        )
    return format_html(text, **gaps)


def about_pairs(made: Report) -> str:
    """Return how the pairs were chosen and what their tests allow for."""
    found = made.together
    by_people = found.by == "people"
    text = (
        _("%(shown)s of %(possible)s possible pairs, chosen by people’s answers.")
        if by_people
        else _("%(shown)s of %(possible)s possible pairs, chosen by the machine’s labels.")
    ) % {"shown": count(len(found.pairs)), "possible": count(found.possible)}
    return f"{text} " + _(
        "Holm’s p allows for all that are possible; only what stays below .05 and rests on enough "
        "answers is called a link."
    )


def pair_table(made: Report) -> Table:
    """Return the pairs as a table with the heat map of those that are corrected."""
    found = made.together
    heads = (
        _("Code"),
        _("With"),
        _("Where it applies"),
        _("95 % interval"),
        _("Where it does not"),
        _("95 % interval"),
        _("Times as often"),
        _("95 % interval"),
        _("All together"),
        _("p (Holm)"),
        _("Odds ratio"),
        _("95 % interval"),
        _("Machine alone, times"),
        _("Reviewed"),
        _("Both"),
        _("Grade"),
        _("Remarks"),
    )
    rows = tuple((row.link != "clear", _pair_cells(row, made)) for row in found.pairs)
    told = [row for row in found.pairs if row.status == "ok" and 0 < row.ratio < math.inf]
    return Table(
        "together",
        _("Which codes go together"),
        _(
            "Powers of two: +1 is twice as often as where the code of the row does not apply, −1 "
            "half as often. Corrected by people’s answers; empty where nothing can be told."
        ),
        heads,
        rows,
        2,
        (lambda: _pairs_drawn(told, made)) if told else None,
    )


def short_pairs(made: Report) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return heads and rows of the pairs as a page of paper holds them."""
    heads = (
        _("Code"),
        _("With"),
        _("Where it applies"),
        _("Where it does not"),
        _("Times as often"),
        _("All together"),
        _("Odds ratio"),
        _("p (Holm)"),
        _("Reviewed"),
        _("Grade"),
        _("Remarks"),
    )
    rows = []
    for row in made.together.pairs:
        full = _pair_cells(row, made)
        pair, given, without, ratio = full[:2], full[2:4], full[4:6], full[6:8]
        odds, machine = full[10:12], full[12:]
        joined = (" ".join(dict.fromkeys(part)) for part in (given, without, ratio))
        rows.append(
            (*pair, *joined, full[8], " ".join(dict.fromkeys(odds)), full[9], machine[1],
             *machine[3:])
        )  # fmt: skip
    return heads, tuple(rows)


def among_tables(made: Report) -> list[Table]:
    """Return a table for each scale: its mean among those with a code, the lowest first."""
    found = made.together
    heads = (
        _("Code"),
        _("Mean"),
        _("95 % interval"),
        _("Reviewed"),
        _("Machine alone"),
        _("Segments"),
        _("Remarks"),
    )
    tables = []
    for scale in dict.fromkeys(row.scale for row in found.among):
        rows = [row for row in found.among if row.scale == scale]
        tables.append(
            Table(
                f"among-{scale}",
                _("From lowest to highest: %(scale)s") % {"scale": made.label(scale, None)},
                _("Mean of the scale where each code applies, with its 95 % interval."),
                heads,
                tuple((row.by != "people", _among_cells(row, made)) for row in rows),
                draw=_among_drawn(rows, made),
            )
        )
    return tables


def scale_table(made: Report, by: str) -> Table | None:
    """Return the mean of each scale in each group of `by`, with its small multiples."""
    rows = [
        row
        for row in made.prevalence
        if row.quantity == "mean" and "*".join(name for name, _value in row.domain) == by
    ]
    rows = [row for row in rows if not math.isnan(row.corrected) or not math.isnan(row.machine)]
    if not rows:
        return None
    return Table(
        "scales",
        _("Scales by language") if by == "language" else _("Scales by %(name)s") % {"name": by},
        _("Mean of each scale in each group; grey: not validated by people."),
        (
            _("Scale"),
            _("Group"),
            _("Mean"),
            _("95 % interval"),
            _("Machine alone"),
            _("Reviewed"),
            _("Grade"),
            _("Remarks"),
        ),
        tuple((not_validated(row), _scale_cells(row, made)) for row in rows),
        2,
        _scales_drawn(rows, made),
    )


def _pair_cells(row: TogetherRow, made: Report) -> tuple[str, ...]:
    told = row.status == "ok"
    cells = [NOTHING] * 10
    if told:
        cells = [
            share(row.given),
            interval(row.given_low, row.given_high, share),
            share(row.without),
            interval(row.without_low, row.without_high, share),
            times(row.ratio),
            interval(row.ratio_low, row.ratio_high, times),
            interval(row.ratio_low_all, row.ratio_high_all, times),
            p_value(row.p_holm),
            times(row.odds),
            interval(row.odds_low, row.odds_high, times),
        ]
    return (
        made.label(row.first.dimension, row.first.code),
        made.label(row.second.dimension, row.second.code),
        *cells,
        coefficient(row.machine),
        count(row.reviewed),
        count(round(row.answered[0])),
        row.grade or NOTHING,
        _remark(row),
    )


def _remark(row: TogetherRow) -> str:
    if row.status == "too_few":
        return _("Too few human codings of these two codes to say.")
    if row.status == "machine_only":
        return _("The machine alone: nobody has checked it here.")
    if row.link == "uncertain" and row.p_holm < ALPHA:
        return _("Not certain: too few answers.")
    if row.link == "uncertain":
        return _("Not certain: chance makes such a pair too easily among so many.")
    return ""


def times(value: float) -> str:
    """Return a ratio with two decimals; a limit that there is none of is endless."""
    return "∞" if math.isinf(value) else coefficient(value)


def _among_cells(row: AmongRow, made: Report) -> tuple[str, ...]:
    people = row.by == "people"
    return (
        made.label(row.code.dimension, row.code.code),
        number(row.mean),
        interval(row.low, row.high, number),
        count(row.n),
        number(row.machine),
        count(row.machine_n),
        "" if people else _("Too few human codings: the mean is the machine’s."),
    )


def _scale_cells(row: PrevalenceRow, made: Report) -> tuple[str, ...]:
    return (
        made.label(row.dimension, None),
        domain_text(row),
        number(row.corrected),
        interval(row.low, row.high, number),
        number(row.machine),
        count(row.reviewed),
        row.grade or NOTHING,
        why_not(row),
    )


def _pairs_drawn(rows: Sequence[TogetherRow], made: Report) -> Picture:
    names = _names([code for row in rows for code in (row.first, row.second)], made)
    cells = [Cell(names[row.first], names[row.second], math.log2(row.ratio)) for row in rows]
    return heat_map(cells, legend="log₂", diverging=True)


def _among_drawn(rows: Sequence[AmongRow], made: Report) -> Drawing | None:
    if len(rows) > MOST_ROWS:
        return None
    names = _names([row.code for row in rows], made)
    return lambda: forest(
        [
            Estimate(
                names[row.code],
                row.mean if row.by == "people" else math.nan,
                row.low,
                row.high,
                machine=row.machine,
                validated=row.by == "people",
            )
            for row in rows
        ],
        share=False,
    )


def _scales_drawn(rows: Sequence[PrevalenceRow], made: Report) -> Drawing | None:
    groups: dict[str, list[PrevalenceRow]] = {}
    for row in rows:
        groups.setdefault(row.dimension, []).append(row)
    if max(len(own) for own in groups.values()) > MOST_ROWS:
        return None
    # Beside each other they share one axis of groups, also where one of them is not told.
    labels = list(dict.fromkeys(domain_text(row) for row in rows))
    return lambda: panels(
        [
            (made.label(dimension, None), _in_order(own, labels), *_reach(own))
            for dimension, own in groups.items()
        ]
    )


def _in_order(rows: Sequence[PrevalenceRow], labels: Sequence[str]) -> list[Estimate]:
    found = {domain_text(row): row for row in rows}
    nothing = Estimate("", math.nan, math.nan, math.nan)
    made = []
    for label in labels:
        row = found.get(label)
        if row is None:
            made.append(Estimate(label, nothing.estimate, nothing.low, nothing.high))
            continue
        known = not math.isnan(row.corrected)
        value = row.corrected if known else row.machine
        made.append(Estimate(label, value, row.low, row.high, validated=not not_validated(row)))
    return made


def _reach(rows: Sequence[PrevalenceRow]) -> tuple[float, float]:
    """Return the lowest and the highest value to draw, a little beyond all limits."""
    ends = [
        value
        for row in rows
        for value in (row.low, row.high, row.corrected, row.machine)
        if not math.isnan(value)
    ]
    low, high = min(ends), max(ends)
    slack = 0.05 * (high - low) or 1.0
    return low - slack, high + slack


def _names(codes: Sequence[CodeOf], made: Report) -> dict[CodeOf, str]:
    """Return the labels of `codes`, with the dimension's where two codes are named alike."""
    labels = {code: made.label(code.dimension, code.code) for code in codes}
    often = Counter(labels.values())
    return {
        code: f"{made.label(code.dimension, None)}: {label}" if often[label] > 1 else label
        for code, label in labels.items()
    }


def _named(code: CodeOf, made: Report) -> SafeString:
    label = made.label(code.dimension, code.code)
    return format_html('<bdi lang="{}">{}</bdi>', made.codebook_language, label)


def _limits(low: float, high: float, put: Callable[[float], str]) -> SafeString:
    return _isolated(interval(low, high, put))


def _isolated(text: str) -> SafeString:
    return format_html('<bdi dir="ltr">{}</bdi>', text)
