"""The page of a study's runs: how far the machine is, and how well its quotations hold."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from coding.models import CoderKind, Found, Run
from coding.runs import CANCELED, amount, findings, progress, start_run
from coding.tasks import tell, wake
from studies.access import role_of, study_or_404
from studies.models import Role
from studies.problems import Problem


@require_safe
def coding(request: HttpRequest, slug: str) -> HttpResponse:
    """How a run stands: decided, refused and failed by language, evidence, cost."""
    study = study_or_404(request.user, slug, Role.LEAD, Role.READER)
    runs = list(study.runs.order_by("-pk"))
    asked = request.GET.get("run", "")
    latest = next((run for run in runs if not run.replicate), None)
    run = next((run for run in runs if str(run.pk) == asked), latest)
    return render(
        request,
        "coding/coding.html",
        {
            "study": study,
            "role": role_of(request.user, study),
            "runs": runs,
            "run": run,
            "leads": role_of(request.user, study) == Role.LEAD,
            "workers": bool(settings.CELERY_BROKER_URL),
            "embedded": run is not None and run.coder == CoderKind.EMBEDDED,
            **(shown(run) if run else {}),
        },
    )


@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Have the workers code the study with Claude, up to a budget."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if not settings.CELERY_BROKER_URL:
        raise Http404
    try:
        limit = amount(request.POST.get("budget", ""))
        run = start_run(study, CoderKind.CLAUDE, budget=limit)
    except Problem as problem:
        messages.error(request, problem.sentence(gettext))
        return redirect("coding", study.slug)
    wake(run)
    messages.success(request, gettext("The workers have been told to go on with this run."))
    return redirect(f"{reverse('coding', args=[study.slug])}?run={run.pk}")


@require_POST
def tell_run(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    """Pause, resume or cancel a run."""
    study = study_or_404(request.user, slug, Role.LEAD)
    run = get_object_or_404(study.runs, pk=run_id)
    what = request.POST.get("what", "")
    if what not in ("pause", "resume", "cancel"):
        raise Http404
    try:
        tell(run, what)
    except Problem as problem:
        messages.error(request, problem.sentence(gettext))
    return redirect(f"{reverse('coding', args=[study.slug])}?run={run.pk}")


def shown(run: Run) -> dict[str, object]:
    """Return what the page shows of `run`: facts of `progress` and `findings`, as rows."""
    found = findings(run)
    by_language = found["evidence"]["by_language"]
    rows = []
    for language, counts in by_language.items():
        all_found = sum(counts.values())
        good = counts.get(Found.EXACT, 0) + counts.get(Found.FOLDED, 0)
        rows.append(
            {
                "language": language,
                "counts": [counts.get(how, 0) for how in Found.values],
                "share": 100 * good / all_found,
            }
        )
    problems = [
        {
            "kind": kind,
            "reason": gettext(reason),
            "languages": languages.items(),
            "count": sum(languages.values()),
        }
        for kind in ("refused", "failed")
        for reason, languages in found[kind].items()
    ]
    return {
        "stands": progress(run),
        "canceled": run.stopped_because == CANCELED,
        "stopped_because": gettext(run.stopped_because) if run.stopped_because else "",
        "evidence": rows,
        "found": Found.labels,
        "problems": problems,
    }
