"""Pages to look at: which codes go together, scales by group, and every picture as a file."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviews.blind import kept_blind
from reviews.findings import sections
from reviews.group_wording import positions_by, topics_in_order
from reviews.pictures import FORMS, Picture
from reviews.reports import Report, report
from reviews.tables import attribute_names
from reviews.together_wording import (
    MOST_SAID,
    Table,
    about_pairs,
    among_tables,
    pair_table,
    scale_table,
    sentences,
)
from reviews.wording import notes, page, picture_named
from studies.access import role_of, study_or_404
from studies.problems import Problem


@require_safe
def together(request: HttpRequest, slug: str) -> HttpResponse:
    """Which codes go together, and how do scales differ by group and by code?"""
    study = study_or_404(request.user, slug)
    if blind := kept_blind(request, study):
        return blind
    by = request.GET.get("by") or "language"
    context: dict[str, Any] = {
        "study": study,
        "role": role_of(request.user, study),
        "asked": by,
        "choices": ["language", *attribute_names(study)],
    }
    try:
        made = report(study, by=[by])
    except Problem as problem:
        context["problem"] = problem.sentence(_)
        return render(request, "reviews/together.html", context)
    context |= {
        "report": made,
        "notes": notes(made),
        "sentences": sentences(made)[:MOST_SAID],
        "about": about_pairs(made) if made.together.pairs else "",
        "tables": [
            (table, table.draw() if table.draw else "", *_aligned(table))
            for table in _tables(made, [by])
        ],
    }
    return render(request, "reviews/together.html", context)


@require_safe
def picture(request: HttpRequest, slug: str, picture: str, form: str) -> HttpResponse:
    """One picture of a page, as SVG, as PNG or as what to draw it from (Vega-Lite)."""
    study = study_or_404(request.user, slug)
    if form not in FORMS:
        raise Http404(_("A picture comes as svg, png or json."))
    if blind := kept_blind(request, study):
        return blind
    by = [name for name in request.GET.get("by", "").split(",") if name]
    try:
        made = report(study, by=by)
    except Problem as problem:
        raise Http404(problem.sentence(_)) from problem
    drawn = _picture(made, picture, by)
    if not isinstance(drawn, Picture):
        raise Http404(_("There is no such picture."))
    kind, put = FORMS[form]
    answer = HttpResponse(put(drawn), content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{study.slug}-{picture}.{form}"'
    return answer


def _picture(made: Report, name: str, by: Sequence[str]) -> str | None:
    """Return the picture that a page shows under `name`, None if none does."""
    if name in ("prevalence", "agreement"):
        shown: Picture = page(made)[f"{name}_picture"]
        return shown
    if name.startswith("by-"):
        return picture_named(made, name)
    for table in _tables(made, by):
        if table.name == name:
            return table.draw() if table.draw else None
    return next((one.picture for one in sections(made) if one.name == name), None)


def _tables(made: Report, by: Sequence[str]) -> list[Table]:
    """Return what the page of codes together shows, top down."""
    scales = [table for name in by if (table := scale_table(made, name))]
    pairs = [pair_table(made)] if made.together.pairs else []
    ordered = [
        table for place, name in enumerate(by, 1) for table in positions_by(made, name, place)
    ]
    return [*pairs, *among_tables(made), *topics_in_order(made), *scales, *ordered]


Parts = list[tuple[str, str]]


def _aligned(table: Table) -> tuple[Parts, list[tuple[bool, Parts]]]:
    """Return heads and rows, each cell with its part: a name of data, a number, or a remark."""
    last = len(table.heads) - 1
    parts = [
        "name" if at < table.names else "remark" if at == last else "number"
        for at in range(len(table.heads))
    ]
    rows = [(grey, list(zip(parts, row, strict=True))) for grey, row in table.rows]
    return list(zip(parts, table.heads, strict=True)), rows
