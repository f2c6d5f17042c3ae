"""Pages that compare: two runs, two revisions of the codebook, a run with itself."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reviews.blind import kept_blind
from reviews.comparing import compare_revisions, compare_runs
from reviews.comparing_wording import comparison_page
from reviews.sides import comparable, used_revisions
from reviews.stability import stability
from reviews.stability_wording import stability_page
from studies.access import role_of, study_or_404
from studies.models import Study
from studies.problems import Problem


@require_safe
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """What changed from one run to another, and which of the two is right more often?"""

    def made(study: Study) -> dict[str, Any]:
        first, second = asked(request, "first"), asked(request, "second")
        return comparison_page(compare_runs(study, first, second, mapping=mapping(request)))

    return shown(request, slug, "reviews/compare.html", made)


@require_safe
def drift(request: HttpRequest, slug: str) -> HttpResponse:
    """What changed from one revision of the codebook to another, for people and the machine?"""

    def made(study: Study) -> dict[str, Any]:
        numbers = asked(request, "first"), asked(request, "second")
        chosen = [
            next((one for one in used_revisions(study) if one.pk == number), None)
            for number in numbers
        ]
        return comparison_page(compare_revisions(study, *chosen, mapping=mapping(request)))

    return shown(request, slug, "reviews/drift.html", made)


@require_safe
def stable(request: HttpRequest, slug: str) -> HttpResponse:
    """Does the model agree with itself when it is asked again?"""

    def made(study: Study) -> dict[str, Any]:
        return stability_page(stability(study, asked(request, "run")))

    return shown(request, slug, "reviews/stability.html", made)


def shown(
    request: HttpRequest, slug: str, template: str, make: Callable[[Study], dict[str, Any]]
) -> HttpResponse:
    """Show what `make` makes of the study, or why it can't; coders are kept blind."""
    study = study_or_404(request.user, slug)
    if blind := kept_blind(request, study):
        return blind
    runs = comparable(study)
    context: dict[str, Any] = {
        "study": study,
        "role": role_of(request.user, study),
        "all_runs": runs,
        "repeated": [run for run in runs if not run.replicate and run.replicates.exists()],
        "revisions": used_revisions(study),
        "mapping": " ".join(mapping(request)),
    }
    try:
        return render(request, template, {**context, **make(study)})
    except Problem as problem:
        return render(request, template, {**context, "problem": problem.sentence(_)})


def asked(request: HttpRequest, name: str) -> int | None:
    """Return the number that is asked for, None if there is none."""
    given = request.GET.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 19 else None


def mapping(request: HttpRequest) -> list[str]:
    """Return how codes are mapped: entries between spaces or commas."""
    return request.GET.get("map", "").replace(",", " ").split()
