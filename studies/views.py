"""Pages of a study's interviews: the list of them, and who speaks in them."""

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studies import lists, search, uploads
from studies.access import may_make_studies, role_of, study_or_404
from studies.models import LanguageSource, Role, Study
from studies.problems import Problem
from studies.problems import _ as mark
from studies.transcripts import correct_language, correct_roles, speakers

SECONDS = 2.0  # that a search may spend on indexing what was imported just now
READERS = (Role.LEAD, Role.READER)


@require_safe
def studies(request: HttpRequest) -> HttpResponse:
    """The studies that are open to this person."""
    uploads.clear()  # here, where everybody comes by
    mine = Study.objects.of(request.user).annotate(interviews=Count("transcripts", distinct=True))
    return render(
        request,
        "studies/studies.html",
        {"studies": mine, "may_make": may_make_studies(request.user)},
    )


@require_safe
def transcripts(request: HttpRequest, slug: str) -> HttpResponse:
    """The list of interviews, cut down, sorted and searched as asked."""
    study = study_or_404(request.user, slug, *READERS)
    asked = lists.Asked.of(request.GET.dict())
    left = search.bring_up_to_date(study, SECONDS) if asked.text else 0
    counted = lists.counts(study)
    page = lists.page(study, asked, counted)
    role = role_of(request.user, study)
    return render(
        request,
        "studies/transcripts.html",
        {
            "study": study,
            "role": role,
            "unfinished": uploads.unfinished(study, request.user, begun=True)
            if role == Role.LEAD
            else [],
            "page": page,
            "rows": [(row, page.snippets.get(row.pk)) for row in page.rows],
            "languages": counted.languages,
            "sources": LanguageSource.choices,
            "attributes": lists.attributes(study),
            "states": lists.State.choices,
            "sorts": lists.Sort.choices,
            "asked": asked,
            "unsure": counted.unsure,
            "left": left,
            "withdrawn": study.withdrawn.count() if role == Role.LEAD else 0,
        },
    )


@require_POST
def language(request: HttpRequest, slug: str) -> HttpResponse:
    """Correct the language of the chosen interviews."""
    study = study_or_404(request.user, slug, Role.LEAD)
    chosen = study.transcripts.filter(pk__in=whole_numbers(request.POST.getlist("transcript")))
    try:
        if not chosen.exists():
            raise Problem(mark("Choose the interviews first whose language you correct."))
        corrected = correct_language(chosen, request.POST.get("language", ""))
    except Problem as problem:
        messages.error(request, problem.sentence(_))
    else:
        messages.success(
            request,
            ngettext(
                "The language of %(count)d interview is corrected.",
                "The language of %(count)d interviews is corrected.",
                corrected,
            )
            % {"count": corrected},
        )
    return back(request, "transcripts", study)


@require_http_methods(["GET", "HEAD", "POST"])
def speakers_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Who speaks in the study's interviews; a lead corrects the roles of all at once."""
    study = study_or_404(request.user, slug, *READERS)
    role = role_of(request.user, study)
    if request.method == "POST":
        study_or_404(request.user, slug, Role.LEAD)
        shown = zip(
            *(request.POST.getlist(name) for name in ("label", "was", "role")), strict=False
        )
        # Only what was changed: a speaker whose part differs between interviews may stay so.
        roles = {label: role for label, was, role in shown if role and role != was}
        try:
            correct_roles(study, roles)
        except Problem as problem:
            messages.error(request, problem.sentence(_))
        else:
            messages.success(request, _("The roles are saved for the whole study."))
        return redirect("speakers", study.slug)
    return render(
        request,
        "studies/speakers.html",
        {"study": study, "role": role, "speakers": speakers(study)},
    )


def whole_numbers(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19]


def back(request: HttpRequest, name: str, study: Study, **more: Any) -> HttpResponseRedirect:
    """Go back to where the form was, if that was a page of this study."""
    home = redirect(name, study.slug, **more)
    asked = request.POST.get("next", "")
    return HttpResponseRedirect(asked) if asked.startswith(home.url) else home
