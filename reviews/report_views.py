"""Pages of what came out: agreement, prevalence, and the report with its files."""

import io
from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviews.findings import checklists, sections
from reviews.report_files import FILES
from reviews.reports import Report, report
from reviews.reviewing import must_stay_blind
from reviews.tables import attribute_names
from reviews.weights import write_weights
from reviews.wording import page
from studies.access import role_of, study_or_404
from studies.audit import Action, record
from studies.models import Study
from studies.problems import Problem

MOST_FIGURES = 600
"""Figures by language or attribute above which a page shows one code at a time."""

# The file that is no picture of the report, but what it can be computed from.
WEIGHTS = "weights.zip"
KINDS = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


@require_safe
def agreement(request: HttpRequest, slug: str) -> HttpResponse:
    """Do people agree with each other, and the machine with them?"""
    return _shown(request, slug, "reviews/agreement.html", ["language"])


@require_safe
def prevalence(request: HttpRequest, slug: str) -> HttpResponse:
    """How often does each code apply?"""
    return _shown(request, slug, "reviews/prevalence.html")


@require_safe
def report_html(request: HttpRequest, slug: str) -> HttpResponse:
    """The whole report, and its files to download."""
    return _shown(request, slug, "reviews/report.html")


@require_safe
def report_file(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """One file of the report."""
    study = study_or_404(request.user, slug)
    if name not in (*FILES, WEIGHTS):
        raise Http404(_("The report has no such file."))
    if blind := _must_stay_blind(request, study):
        return blind
    if name == WEIGHTS:
        return _weights(study)
    try:
        made = report(study, by=_asked(request))
    except Problem as problem:
        raise Http404(problem.sentence(_)) from problem
    answer = HttpResponse(FILES[name](made), content_type=KINDS[name.rsplit(".", 1)[1]])
    record(study, request.user, Action.REPORT_MADE, name, after={"by": list(made.by)})
    answer["Content-Disposition"] = f'attachment; filename="{study.slug}-{name}"'
    return answer


def _weights(study: Study) -> HttpResponse:
    file = io.BytesIO()
    try:
        write_weights(study, file)
    except Problem as problem:
        raise Http404(problem.sentence(_)) from problem
    answer = HttpResponse(file.getvalue(), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{study.slug}-{WEIGHTS}"'
    return answer


def _shown(
    request: HttpRequest, slug: str, template: str, choices: Sequence[str] | None = None
) -> HttpResponse:
    """Show the report of the study through `template`, broken down by one of `choices`."""
    study = study_or_404(request.user, slug)
    if blind := _must_stay_blind(request, study):
        return blind
    by = _asked(request)
    known = ["language", *attribute_names(study)] if choices is None else list(choices)
    context: dict[str, Any] = {
        "study": study,
        "role": role_of(request.user, study),
        "choices": known,
        "files": list(FILES),
    }
    try:
        made = report(study, by=by)
    except Problem as problem:
        return render(request, template, {**context, "problem": problem.sentence(_)})
    code = request.GET.get("code", "")
    codes = [name for name in made.names if name.code is not None]
    keys = [f"{name.dimension}/{name.code}" for name in codes]
    if code not in keys:
        code = keys[0] if keys and _figures(made, by) > MOST_FIGURES else ""
    context |= page(made, by=by, code=code)
    if template == "reviews/report.html":
        context |= {"sections": sections(made), "checklists": checklists(made)}
    context |= {
        "code": code,
        "codes": [(key, name.label) for key, name in zip(keys, codes, strict=True)],
        "asked": by[0] if by else "",
    }
    return render(request, template, context)


def _asked(request: HttpRequest) -> list[str]:
    return [name for name in request.GET.get("by", "").split(",") if name]


def _figures(made: Report, by: Sequence[str]) -> int:
    """Return how many figures the tables by language and by attribute hold."""
    by_language = sum(row.language is not None for row in made.agreement)
    return max(sum(bool(row.domain) for row in made.prevalence), by_language if by else 0)


def _must_stay_blind(request: HttpRequest, study: Study) -> HttpResponse | None:
    """Return the page that tells a coder why nothing is shown, or None to whoever may see all."""
    if not must_stay_blind(request.user, study):
        return None
    context = {"study": study, "role": role_of(request.user, study)}
    return render(request, "reviews/blind.html", context, status=403)
