"""Comparisons in words and figures as people read them: the same for page and terminal."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.utils.translation import get_language, get_language_bidi, ngettext
from django.utils.translation import gettext as _

from coding.models import CoderKind
from reviews.changes import MACHINE, PEOPLE, ChangeRow
from reviews.comparing import RUNS, Comparison
from reviews.kept import kept
from reviews.matching import Unmatched
from reviews.pictures import Estimate, forest
from reviews.rivals import JudgedRow
from reviews.sides import Side
from reviews.stats.rivals import Score
from reviews.wording import (
    MOST_ROWS,
    NOTHING,
    Fact,
    count,
    fictional,
    number,
    p_value,
    rounded,
    share,
)

SURE = 0.05
"""Holm's adjusted p-value below which a change is called one."""


@dataclass(frozen=True)
class ChangeLine:
    """How one code changed, in words; `grey` if there is nothing to see."""

    dimension: str
    label: str
    color: str
    language: str
    changed: str
    first: str
    second: str
    difference: str
    interval: str
    design: str
    counts: str
    p: str
    holm: str
    bh: str
    verdict: str
    state: str
    sentence: str
    grey: bool


@dataclass(frozen=True)
class ScoreCells:
    """One score of both runs, and its difference with the interval."""

    both: str
    difference: str


@dataclass(frozen=True)
class JudgedLine:
    """Which of two runs people agree with, in words; `grey` if it can't be told."""

    dimension: str
    label: str
    color: str
    reviewed: str
    contested: str
    first_right: str
    second_right: str
    p: str
    holm: str
    scores: list[ScoreCells]
    corrected: ScoreCells
    verdict: str
    state: str
    grey: bool


def signed(value: float, decimals: int = 1) -> str:
    """Return a difference with its sign."""
    if math.isnan(value):
        return NOTHING
    text = rounded(abs(value), decimals)
    if float(f"{abs(value):.{decimals}f}") == 0:
        return text
    return f"+{text}" if value > 0 else f"−{text}"


def points(value: float) -> str:
    """Return a difference of shares in percentage points."""
    return signed(100 * value)


def ends(low: float, high: float, put: Callable[[float], str]) -> str:
    """Return the interval of a difference, each end with its sign."""
    if math.isnan(low) or math.isnan(high):
        return NOTHING
    both = put(low), put(high)
    # Where a comma ends the whole part, another one between two numbers can't be told from it.
    mark = "; " if any("," in end for end in both) else ", "
    return f"[{mark.join(both)}]"


def isolated(text: str) -> str:
    """Return `text` so that signs and brackets stay in order within a line from right to left."""
    return f"\u2068{text}\u2069" if get_language_bidi() else text


def of_all(part: int, whole: int) -> str:
    """Return "12 of 300"."""
    return _("%(part)s of %(whole)s") % {"part": count(part), "whole": count(whole)}


def change_line(row: ChangeRow, made: Comparison) -> ChangeLine:
    """Return `row` in words."""
    put = share if row.kind != "scale" else number
    by = points if row.kind != "scale" else signed
    verdict, state = verdict_on_change(row)
    counts = ""
    if row.both is not None:
        shown = (row.both, row.only_first, row.only_second, row.neither)
        counts = " · ".join(count(part) for part in shown)
    design = ""
    if row.design is not None:
        design = f"{by(row.design.difference)} {ends(row.design.low, row.design.high, by)}"
    return ChangeLine(
        dimension=made.dimensions.get(row.dimension, row.dimension),
        label=row.label if row.kind != "scale" else _("%(label)s (mean)") % {"label": row.label},
        color=row.color,
        language=row.language or "",
        changed=of_all(row.changed, row.units),
        first=put(row.first),
        second=put(row.second),
        difference=by(row.difference),
        interval=ends(row.low, row.high, by),
        design=design,
        counts=counts,
        p=p_value(row.p),
        holm=p_value(row.holm),
        bh=p_value(row.bh),
        verdict=verdict,
        state=state,
        sentence=change_sentence(row),
        grey=row.status != "ok",
    )


def verdict_on_change(row: ChangeRow) -> tuple[str, str]:
    """Return what the test allows to say of a change, and how it is coloured."""
    if not row.units:
        return _("no segment was decided twice"), ""
    if not row.changed:
        return _("nothing changed"), ""
    if math.isnan(row.holm) or row.holm >= SURE:
        return _("no shift shown"), ""
    if row.kind == "scale":
        return (_("higher now"), "look") if row.difference > 0 else (_("lower now"), "look")
    return (_("more often now"), "look") if row.difference > 0 else (_("less often now"), "look")


def change_sentence(row: ChangeRow) -> str:
    """Return how one code changed as one plain sentence."""
    gaps = {
        "changed": count(row.changed),
        "units": count(row.units),
        "first": share(row.first),
        "second": share(row.second),
        "lost": count(row.only_first),
        "gained": count(row.only_second),
        "difference": isolated(points(row.difference)),
        "interval": isolated(ends(row.low, row.high, points)),
    }
    if not row.units:
        return _("No segment was decided twice.")
    if row.kind == "scale":
        gaps |= {
            "first": number(row.first),
            "second": number(row.second),
            "moved": number(row.moved),
            "difference": isolated(signed(row.difference)),
            "interval": isolated(ends(row.low, row.high, signed)),
        }
        return (
            ngettext(
                "Changed in %(changed)s of %(units)s segment, by %(moved)s on average; its mean "
                "went from %(first)s to %(second)s (%(difference)s %(interval)s).",
                "Changed in %(changed)s of %(units)s segments, by %(moved)s on average; its mean "
                "went from %(first)s to %(second)s (%(difference)s %(interval)s).",
                row.units,
            )
            % gaps
        )
    if not row.changed:
        return (
            ngettext(
                "Nothing changed in %(units)s segment; a shift within %(interval)s points cannot "
                "be excluded for others like it.",
                "Nothing changed in %(units)s segments; a shift within %(interval)s points cannot "
                "be excluded for others like them.",
                row.units,
            )
            % gaps
        )
    return (
        ngettext(
            "Changed in %(changed)s of %(units)s segment: %(lost)s lost it, %(gained)s gained it; "
            "its share went from %(first)s to %(second)s (%(difference)s points %(interval)s).",
            "Changed in %(changed)s of %(units)s segments: %(lost)s lost it, %(gained)s gained it; "
            "its share went from %(first)s to %(second)s (%(difference)s points %(interval)s).",
            row.units,
        )
        % gaps
    )


def judged_line(row: JudgedRow, made: Comparison) -> JudgedLine:
    """Return which of two runs people agree with, in words."""
    verdict, state = verdict_on_rivals(row)
    put, by = (share, points) if row.kind != "scale" else (number, signed)
    return JudgedLine(
        dimension=made.dimensions.get(row.dimension, row.dimension),
        label=row.label if row.kind != "scale" else _("%(label)s (mean)") % {"label": row.label},
        color=row.color,
        reviewed=count(row.reviewed),
        contested=count(row.contested),
        first_right=count(row.first_right),
        second_right=count(row.second_right),
        p=p_value(row.p),
        holm=p_value(row.holm),
        scores=[
            score_cells(row.scores.get(name), share, points) for name in ("precision", "recall")
        ],
        corrected=score_cells(row.corrected, put, by),
        verdict=verdict,
        state=state,
        grey=row.status not in ("ok", "no_sample"),
    )


def score_cells(
    score: Score | None, put: Callable[[float], str], by: Callable[[float], str]
) -> ScoreCells:
    """Return a score of both runs in words; empty where there is none."""
    if score is None or math.isnan(score.difference):
        return ScoreCells(NOTHING, NOTHING)
    return ScoreCells(
        f"{put(score.first)} → {put(score.second)}",
        f"{by(score.difference)} {ends(score.low, score.high, by)}",
    )


def verdict_on_rivals(row: JudgedRow) -> tuple[str, str]:
    """Return which run people agree with more, as far as the test allows to say."""
    if not row.reviewed:
        return _("no segment that both coded was coded by people"), ""
    if not row.contested:
        return _("the runs never differ"), ""
    if row.status == "insufficient":
        return _("people coded too few segments on which the runs differ"), ""
    if row.kind == "scale":
        return verdict_on_distance(row)
    if row.holm >= SURE:
        return _("neither is shown to be right more often"), ""
    if row.second_right > row.first_right:
        return _("the second is right more often"), "good"
    return _("the first is right more often"), "good"


def verdict_on_distance(row: JudgedRow) -> tuple[str, str]:
    """Return which run is closer to people on a scale."""
    error = row.scores["error"]
    gaps = {"first": number(error.first), "second": number(error.second)}
    if row.holm >= SURE:
        text, state = (
            _("neither is shown to be closer to people (off by %(first)s, %(second)s)"),
            "",
        )
    elif row.second_right > row.first_right:
        text, state = _("the second is closer to people (off by %(first)s, %(second)s)"), "good"
    else:
        text, state = _("the first is closer to people (off by %(first)s, %(second)s)"), "good"
    return text % gaps, state


def side_text(side: Side) -> str:
    """Return who a side is: the run, its model and its codebook."""
    if side.run is None:
        return _("%(codebook)s, revision %(revision)s: no machine coded it") % {
            "codebook": isolated(side.codebook),
            "revision": count(side.revision),
        }
    name = side.name if side.model in side.name else f"{side.name}, {side.model}"
    return _("%(name)s (%(kind)s), %(codebook)s, revision %(revision)s, %(date)s") % {
        "name": isolated(name),
        "kind": isolated(str(CoderKind(side.coder).label)),
        "codebook": isolated(side.codebook),
        "revision": count(side.revision),
        "date": isolated(side.date[:10]),
    }


def comparison_notes(made: Comparison) -> list[str]:
    """Return what a reader must know before using the figures."""
    said = []
    if made.fictional:
        said.append(fictional())
    if any(side.coder == CoderKind.EMBEDDED for side in (made.first, made.second)):
        said.append(_("The machine here is not a language model: expect many errors of it."))
    if made.first.replicate or made.second.replicate:
        said.append(
            _("One of the two repeats the other’s model: this is how far it agrees with itself.")
        )
    if made.clustered:
        said.append(
            _(
                "Interviews have several segments: intervals and tests take an interview that "
                "changed as one change."
            )
        )
    return said


def in_short(made: Comparison) -> str:
    """Return the comparison as one sentence."""
    gaps = {
        "segments": count(made.segments),
        "changed": count(made.changed_segments),
        "share": share(made.changed_segments / made.segments) if made.segments else NOTHING,
        "all": count(made.all_segments),
    }
    if not made.segments:
        return _("No segment was decided by both machines: there is nothing to compare.")
    return (
        ngettext(
            "The machine chose other codes in %(changed)s of %(segments)s segment that was coded "
            "both times (%(share)s).",
            "The machine chose other codes in %(changed)s of %(segments)s segments that were coded "
            "both times (%(share)s).",
            made.segments,
        )
        % gaps
    )


def unmatched_line(row: Unmatched) -> str:
    """Return why a code is not compared."""
    if row.why == "ends":
        return _("the scale goes from other ends")
    if row.why == "kind":
        return _("a scale can’t be compared with codes")
    if row.side == "first":
        return _("only the first has it")
    return _("only the second has it")


def comparison_page(made: Comparison, *, pictures: bool = True) -> dict[str, Any]:
    """Return what the page and the command show of a comparison."""
    tables = []
    for of, title in ((PEOPLE, _("People")), (MACHINE, _("The machine"))):
        rows = [row for row in made.changes if row.of == of]
        overall = [row for row in rows if row.language is None]
        languages: dict[tuple[str, str], list[ChangeRow]] = {}
        for row in rows:
            if row.language is not None:
                languages.setdefault((row.dimension, row.code), []).append(row)
        if not any(row.units or row.split for row in overall):
            continue
        tables.append(
            {
                "of": of,
                "title": title,
                "lines": [change_line(row, made) for row in overall],
                "picture": changes_picture(overall) if pictures else "",
                "split": sum(row.split for row in overall),
                "designed": any(row.design for row in overall),
                "by_language": [
                    {
                        "label": some[0].label,
                        "dimension": made.dimensions.get(some[0].dimension, ""),
                        "lines": [change_line(row, made) for row in some],
                    }
                    for some in languages.values()
                ],
            }
        )
    return {
        "made": made,
        "runs": made.of == RUNS,
        "notes": comparison_notes(made),
        "facts": [
            Fact(_("The first"), side_text(made.first)),
            Fact(_("The second"), side_text(made.second)),
            *comparison_facts(made),
        ],
        "short": in_short(made) if made.first.run and made.second.run else "",
        "tables": tables,
        "judged": [judged_line(row, made) for row in made.judged],
        "unmatched": [(row, unmatched_line(row)) for row in made.unmatched],
    }


def comparison_facts(made: Comparison) -> list[Fact]:
    """Return on what a comparison rests."""
    found = [Fact(_("Segments of the study"), count(made.all_segments))]
    if made.people:
        found.append(
            Fact(_("Coded twice by people"), count(made.people)),
        )
    if made.mapping:
        found.append(Fact(_("Codes that were mapped"), ", ".join(made.mapping)))
    found.append(
        Fact(
            _("Chance"),
            _("seed %(seed)s, %(replicates)s draws")
            % {"seed": made.seed, "replicates": count(made.replicates)},
        )
    )
    return found


def changes_picture(rows: Sequence[ChangeRow]) -> str:
    """Return the differences of shares with their intervals as SVG; "" if there are none."""
    shown = [
        Estimate(row.label, row.difference, row.low, row.high, validated=row.status == "ok")
        for row in rows
        if row.kind != "scale" and row.units
    ]
    return drawn(shown, forest)


def drawn(shown: Sequence[Estimate], draw: Callable[[Sequence[Estimate]], str]) -> str:
    """Return the picture of `shown`, drawn once for the same figures and language of the reader.

    "" where there is nothing to see, or too much.
    """
    if not shown or len(shown) > MOST_ROWS:
        return ""
    digest = hashlib.sha256(repr(shown).encode()).hexdigest()
    return kept(f"picture/{get_language()}/{digest}", str, partial(draw, shown))
