"""How far a run agrees with itself, in words and figures: the same for page and terminal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from coding.models import CoderKind
from reviews.comparing_wording import drawn, of_all, side_text
from reviews.pictures import Estimate, coefficients
from reviews.stability import Stability, StabilityRow
from reviews.wording import (
    NOTHING,
    Fact,
    chance_text,
    coefficient,
    count,
    fictional,
    interval,
    number,
    share,
    verdict_on,
)


@dataclass(frozen=True)
class StabilityLine:
    """How far a run agrees with itself on one code; `grey` if no coefficient is printed."""

    dimension: str
    label: str
    color: str
    language: str
    estimate: str
    interval: str
    verdict: str
    state: str
    changed: str
    percent: str
    units: str
    times: str
    sentence: str
    grey: bool


def stability_line(row: StabilityRow, made: Stability) -> StabilityLine:
    """Return how far a run agrees with itself on one code, in words."""
    found = row.agreement
    verdict, state = verdict_on_stability(row)
    label = row.label
    if found.code is None:
        label = _("which code") if found.kind == "one" else _("whole set of codes")
    return StabilityLine(
        dimension=made.dimensions.get(found.dimension, found.dimension),
        label=label,
        color=row.color,
        language=found.language or "",
        estimate=coefficient(found.estimate),
        interval=interval(found.low, found.high, coefficient),
        verdict=verdict,
        state=state,
        changed=of_all(row.changed, found.units),
        percent=share(found.percent) if found.kind != "scale" else NOTHING,
        units=count(found.units),
        times=count(found.coders),
        sentence=stability_sentence(row),
        grey=found.status != "ok",
    )


def verdict_on_stability(row: StabilityRow) -> tuple[str, str]:
    """Return what a run's agreement with itself allows to say, and how it is coloured."""
    found = row.agreement
    if found.status == "no_pairs":
        return _("no segment was coded twice yet"), ""
    if found.status == "too_few_positives":
        return _("applied fewer than 10 times: not estimated"), ""
    if found.status == "too_few_units":
        return _("fewer than 10 segments coded twice: not estimated"), ""
    if found.status == "ok":
        if found.low >= 0.8:
            return _("stable"), "good"
        if found.low >= 0.667:
            return _("fairly stable"), ""
        return _("not stable enough for conclusions"), "look"
    return verdict_on(found)


def stability_sentence(row: StabilityRow) -> str:
    """Return how often the coder changed its mind as one plain sentence."""
    found = row.agreement
    gaps = {
        "changed": count(row.changed),
        "units": count(found.units),
        "percent": share(found.percent),
        "moved": number(row.moved),
    }
    if not found.units:
        return _("No segment was coded twice yet.")
    if found.kind == "scale":
        return (
            ngettext(
                "Changed in %(changed)s of %(units)s segment, by %(moved)s on average.",
                "Changed in %(changed)s of %(units)s segments, by %(moved)s on average.",
                found.units,
            )
            % gaps
        )
    return (
        ngettext(
            "Changed in %(changed)s of %(units)s segment; two times agree on %(percent)s of them.",
            "Changed in %(changed)s of %(units)s segments; two times agree on %(percent)s of them.",
            found.units,
        )
        % gaps
    )


def stability_picture(rows: Sequence[StabilityRow]) -> str:
    """Return alpha of a run with itself, code by code, as SVG; "" if there is nothing to see."""
    shown = [
        Estimate(
            row.label,
            row.agreement.estimate,
            row.agreement.low,
            row.agreement.high,
            series=_("the model with itself"),
        )
        for row in rows
        if row.agreement.code and not math.isnan(row.agreement.estimate)
    ]
    return drawn(shown, coefficients)


def stability_page(made: Stability, *, pictures: bool = True) -> dict[str, Any]:
    """Return what the page and the command show of a run's agreement with itself."""
    overall = [row for row in made.rows if row.agreement.language is None]
    languages: dict[tuple[str, str | None], list[StabilityRow]] = {}
    for row in made.rows:
        if row.agreement.language is not None:
            languages.setdefault((row.agreement.dimension, row.agreement.code), []).append(row)
    notes = []
    if made.fictional:
        notes.append(fictional())
    if made.run.coder == CoderKind.EMBEDDED:
        notes.append(
            _("The embedded coder says the same every time: agreeing with itself tells nothing.")
        )
    return {
        "made": made,
        "notes": notes,
        "short": ngettext(
            "%(segments)s of %(drawn)s segment drawn was coded twice or more, of %(times)s times "
            "in all.",
            "%(segments)s of %(drawn)s segments drawn were coded twice or more, of %(times)s times "
            "in all.",
            made.drawn,
        )
        % {
            "segments": count(made.segments),
            "drawn": count(made.drawn),
            "times": count(made.times),
        },
        "lines": [stability_line(row, made) for row in overall],
        "picture": stability_picture(overall) if pictures else "",
        "by_language": [
            {
                "label": stability_line(some[0], made).label,
                "dimension": made.dimensions.get(some[0].agreement.dimension, ""),
                "lines": [stability_line(row, made) for row in some],
            }
            for some in languages.values()
        ],
        "facts": [
            Fact(_("Run"), side_text(made.run)),
            Fact(
                _("Drawn"),
                _("a random %(share)s of %(all)s segments, seed %(seed)s")
                % {
                    "share": share(made.share),
                    "all": count(made.all_segments),
                    "seed": made.drawn_with,
                },
            ),
            Fact(_("Chance"), chance_text(made.seed, made.replicates)),
        ],
    }
