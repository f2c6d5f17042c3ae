"""The page of a study's runs: how far the machine is, what it costs, how its quotations hold."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from coding.addressed import SIGNS
from coding.coders.services import SERVICES, chosen, needs_server, servers
from coding.costs import costs, estimate, keep
from coding.doubts import doubts
from coding.models import CoderKind, Found, Run
from coding.prices import models
from coding.runs import CANCELED, amount, findings, progress, start_run
from coding.tasks import tell, wake
from coding.translations import by_makers, languages_of, standing
from coding.wording import below_minimum, count, estimate_sentences, money, reason, share, when
from studies.access import role_of, study_or_404
from studies.models import Role, Study
from studies.problems import Problem


@require_safe
def coding(request: HttpRequest, slug: str) -> HttpResponse:
    """How a run stands: decided, refused and failed by language, evidence, cost."""
    study = study_or_404(request.user, slug, Role.LEAD, Role.READER)
    runs = list(study.runs.order_by("-pk"))
    asked = request.GET.get("run", "")
    run = next((run for run in runs if str(run.pk) == asked), runs[0] if runs else None)
    leads = role_of(request.user, study) == Role.LEAD
    return render(
        request,
        "coding/coding.html",
        {
            "study": study,
            "role": role_of(request.user, study),
            "runs": runs,
            "run": run,
            "leads": leads,
            "workers": bool(settings.CELERY_BROKER_URL),
            "embedded": run is not None and run.coder == CoderKind.EMBEDDED,
            **(shown(run) if run else {}),
            **(offered(request, study) if leads else {}),
            "translations": translated(study),
        },
    )


@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Have the workers code the study with Claude, up to a budget."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if not settings.CELERY_BROKER_URL:
        raise Http404
    try:
        where = place(request.POST)
        limit = amount(request.POST.get("budget", ""))
        run = start_run(
            study,
            CoderKind.CLAUDE,
            model=request.POST.get("model", ""),
            budget=limit,
            base_url=where["base_url"],
            service=where["service"],
        )
        # Written down before anything is sent, so that it can be held against what it cost.
        planned = estimate(study, run.model, base_url=where["base_url"], service=where["service"])
        keep(run, planned)
    except Problem as problem:
        messages.error(request, problem.sentence(gettext))
        return redirect("coding", study.slug)
    wake(run)
    messages.success(request, gettext("The workers have been told to go on with this run."))
    return redirect(f"{reverse('coding', args=[study.slug])}?run={run.pk}")


@require_POST
def would_cost(request: HttpRequest, slug: str) -> HttpResponse:
    """Lead to the page that says what coding with Claude would cost."""
    study = study_or_404(request.user, slug, Role.LEAD)
    given = {
        name: request.POST[name]
        for name in ("model", "service", "base_url", "budget")
        if request.POST.get(name)
    }
    asked = urlencode({**given, "estimate": "1"})
    return redirect(f"{reverse('coding', args=[study.slug])}?{asked}#claude")


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


def place(given: Any) -> dict[str, str]:
    """Return where Claude is to be asked, as a form says; a place that is not open is a Problem."""
    service, url = given.get("service", ""), given.get("base_url", "")
    if service:
        chosen(service)
    needs_server(url)
    return {"service": service, "base_url": url}


def offered(request: HttpRequest, study: Study) -> dict[str, object]:
    """Return what a lead may choose from, and what it would cost if that was asked."""
    given = request.GET
    words: list[str] = []
    if "estimate" in given:
        try:
            where = place(given)
            made = estimate(
                study,
                given.get("model", ""),
                base_url=where["base_url"],
                service=where["service"],
            ).as_json()
            words = estimate_sentences(made)
            if made["usd_batch"] is not None and made["segments"]:
                words.append(
                    gettext("In batches, within a day, it would be about %(usd)s USD.")
                    % {"usd": money(made["usd_batch"])}
                )
        except Problem as problem:
            words = [problem.sentence(gettext)]
    try:
        usual = chosen()
    except Problem:
        usual = ""
    return {
        "would_cost": words,
        "models": models(),
        "services": SERVICES.items(),
        "servers": servers(),
        "chosen": {
            "model": given.get("model", ""),
            "service": given.get("service") or usual,
            "base_url": given.get("base_url", ""),
            "budget": given.get("budget", ""),
        },
    }


def shown(run: Run) -> dict[str, object]:
    """Return what the page shows of `run`: its progress, findings and costs, as rows."""
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
            "reason": reason(why),
            "languages": languages.items(),
            "count": sum(languages.values()),
        }
        for kind in ("refused", "failed")
        for why, languages in found[kind].items()
    ]
    stands = progress(run)
    return {
        "stands": stands,
        "service": SERVICES.get(stands["service"], ""),
        "canceled": run.stopped_because == CANCELED,
        "stopped_because": reason(run.stopped_because),
        "evidence": rows,
        "found": Found.labels,
        "problems": problems,
        **(looked_at(run) if run.coder == CoderKind.CLAUDE else {}),
        **(money_of(run) if stands["requests"] or run.parameters.get("estimate") else {}),
    }


def looked_at(run: Run) -> dict[str, object]:
    """Return what the page says that a person should look at."""
    found = doubts(run)
    marks, spoken = found["marks"], found["addressed"]
    return {
        "unsupported": ngettext(
            "%(count)s mark of %(total)s has no support in the participant’s words: its quotation "
            "was not found there, or there is none.",
            "%(count)s marks of %(total)s have no support in the participant’s words: their "
            "quotations were not found there, or there are none.",
            marks["unsupported"],
        )
        % {"count": count(marks["unsupported"]), "total": count(marks["total"])}
        if marks["unsupported"]
        else "",
        "addressed": {
            "sentence": ngettext(
                "In %(count)s segment somebody may be speaking to the machine.",
                "In %(count)s segments somebody may be speaking to the machine.",
                spoken["segments"],
            )
            % {"count": count(spoken["segments"])},
            "rows": [
                {**row, "signs": [gettext(SIGNS[sign]) for sign in row["signs"]]}
                for row in spoken["rows"]
            ],
            "more": spoken["segments"] - len(spoken["rows"]),
        }
        if spoken["segments"]
        else None,
    }


def money_of(run: Run) -> dict[str, object]:
    """Return what the page shows of what `run` cost."""
    took = costs(run)
    lost = took["maybe_billed"]
    kept, stored = took["estimate"], took["cache"]
    return {
        "costs": [
            {
                "language": row.get("language", ""),
                "interviews": count(row["interviews"]),
                "requests": count(row["requests"]),
                "input": count(sum(n for kind, n in row["tokens"].items() if kind != "output")),
                "hits": share(row["hit_rate"]),
                "output": count(row["tokens"]["output"]),
                "usd": money(row["usd"]),
                "per_1000": money(row["usd_per_1000"]),
            }
            for row in (*took["by_language"], took)
        ],
        "total": {
            "usd": money(took["usd"]),
            "per_1000": money(took["usd_per_1000"]),
            "hits": share(took["hit_rate"]),
        },
        "planned": kept
        and {
            "at": when(kept["at"]),
            "sentences": estimate_sentences({**kept, "below_minimum": False}),
            "booked": money(kept["booked"]) if kept["booked"] else "",
        },
        "too_short": below_minimum({**kept, "model": run.model})
        if kept and stored["below_minimum"]
        else "",
        "lost": {
            "sentence": ngettext(
                "The answer to %(count)s request was lost: it may have been billed, with %(usd)s "
                "USD at most.",
                "The answers to %(count)s requests were lost: they may have been billed, with "
                "%(usd)s USD at most in all.",
                lost["requests"],
            )
            % {"count": count(lost["requests"]), "usd": money(lost["at_most"])},
            "rows": [
                {
                    **row,
                    "sent_at": when(row["sent_at"]),
                    "usd": money(row["at_most"]),
                    "error": reason(row["error"]),
                }
                for row in lost["rows"]
            ],
            "more": lost["requests"] - len(lost["rows"]),
        }
        if lost["requests"]
        else None,
    }


def translated(study: Study) -> dict[str, object] | None:
    """Return what the page shows of translations: how many, by whom, and what they cost."""
    rows, problems, notices = [], [], []
    runs = {run.language: run for run in study.translation_runs.select_related("study")}
    for language in languages_of(study):
        run = runs.get(language)
        stands = standing(run) if run else None
        made = stands["translated"] if stands else by_makers(study, language)
        rows.append(
            {
                "language": language,
                "interviews": count(sum(one["interviews"] for one in made)),
                "makers": [{**one, "interviews": count(one["interviews"])} for one in made],
                "requests": count(stands["requests"]) if stands else "–",
                "usd": money(stands["usd"]) if stands else "–",
            }
        )
        if stands is None:
            continue
        problems += [
            {
                "reason": reason(why),
                "language": language,
                "count": count(sum(languages.values())),
                "languages": languages.items(),
            }
            for why, languages in stands["failed"].items()
        ]
        if stands["stopped"]:
            notices.append(
                gettext("The translating into %(language)s stopped: %(why)s")
                % {"language": language, "why": reason(stands["stopped"])}
            )
        if lost := stands["maybe_billed"]["requests"]:
            notices.append(
                ngettext(
                    "Into %(language)s: the answer to %(count)s request was lost. It may have been "
                    "billed, with %(usd)s USD at most.",
                    "Into %(language)s: the answers to %(count)s requests were lost. They may have "
                    "been billed, with %(usd)s USD at most in all.",
                    lost,
                )
                % {
                    "language": language,
                    "count": count(lost),
                    "usd": money(stands["maybe_billed"]["at_most"]),
                }
            )
    return {"rows": rows, "problems": problems, "notices": notices} if rows else None
