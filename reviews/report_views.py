"""Pages of what came out: agreement, prevalence, and the report with its files."""

import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviews.blind import kept_blind
from reviews.findings import checklists, sections
from reviews.kept import kept
from reviews.report_files import FILES
from reviews.reports import Asked, Report, asked_for, report, report_of
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
    return _shown(request, slug, "agreement", ["language"])


@require_safe
def prevalence(request: HttpRequest, slug: str) -> HttpResponse:
    """How often does each code apply?"""
    return _shown(request, slug, "prevalence")


@require_safe
def report_html(request: HttpRequest, slug: str) -> HttpResponse:
    """The whole report, and its files to download."""
    return _shown(request, slug, "report")


@require_safe
def report_file(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """One file of the report."""
    study = study_or_404(request.user, slug)
    if name not in (*FILES, WEIGHTS):
        raise Http404(_("The report has no such file."))
    if blind := kept_blind(request, study):
        return blind
    if name == WEIGHTS:
        return _weights(study)
    try:
        made = report(study, by=_asked(request))
    except Problem as problem:
        raise Http404(problem.sentence(_)) from problem
    answer = HttpResponse(FILES[name](made), content_type=KINDS[name.rsplit(".", 1)[1]])
    if request.method == "GET":
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
    request: HttpRequest, slug: str, name: str, choices: Sequence[str] | None = None
) -> HttpResponse:
    """Show the report of the study on the page `name`, broken down by one of `choices`.

    What stands on the page is remembered with the rows it is of, as the report is: a look at the
    same again costs the fingerprint alone.
    """
    study = study_or_404(request.user, slug)
    if blind := kept_blind(request, study):
        return blind
    template, role = f"reviews/{name}.html", role_of(request.user, study)
    context: dict[str, Any] = {"study": study, "role": role}
    code = request.GET.get("code", "")
    try:
        asked = asked_for(study, by=_asked(request))
        key = json.dumps([name, asked.fingerprint, get_language(), role, choices, code])
        key = f"page/{hashlib.sha256(key.encode()).hexdigest()}"

        def make() -> bytes:
            body = _body(asked, report_of(asked), name, choices, code, context)
            return zlib.compress(body.encode(), 1)

        packed = kept(key, bytes, make)
    except Problem as problem:
        return render(request, template, {**context, "problem": problem.sentence(_)})
    # What the templates made, escaped there.
    text = mark_safe(zlib.decompress(packed).decode())  # noqa: S308
    return render(request, template, {**context, "body": text})


def _body(
    asked: Asked,
    made: Report,
    name: str,
    choices: Sequence[str] | None,
    code: str,
    context: dict[str, Any],
) -> str:
    by = asked.by
    known = ["language", *attribute_names(asked.study)] if choices is None else list(choices)
    codes = [name for name in made.names if name.code is not None]
    keys = [f"{name.dimension}/{name.code}" for name in codes]
    if code not in keys:
        code = keys[0] if keys and _figures(made, by) > MOST_FIGURES else ""
    shown = context | page(made, by=by, code=code)
    if name == "report":
        shown |= {"sections": sections(made), "checklists": checklists(made)}
    shown |= {
        "choices": known,
        "files": list(FILES),
        "code": code,
        "codes": [(key, name.label) for key, name in zip(keys, codes, strict=True)],
        "asked": ",".join(by),
    }
    return render_to_string(f"reviews/_{name}_body.html", shown)


def _asked(request: HttpRequest) -> list[str]:
    return [name for name in request.GET.get("by", "").split(",") if name]


def _figures(made: Report, by: Sequence[str]) -> int:
    """Return how many figures the tables by language and by attribute hold."""
    by_language = sum(row.language is not None for row in made.agreement)
    return max(sum(bool(row.domain) for row in made.prevalence), by_language if by else 0)
