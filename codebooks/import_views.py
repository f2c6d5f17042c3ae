"""Pages on which a lead brings in a codebook: from a file, or from another study.

Both show first what it holds and what it changes; it is kept in a second step.
"""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from codebooks.exchange import LARGEST, Book, parsed, too_large
from codebooks.offers import Offer, accept, offer, sources
from codebooks.revisions import as_book
from codebooks.views import bringing_in
from codebooks.wording import crosswalk_page, held
from studies.access import study_or_404
from studies.models import Role, Study
from studies.problems import Problem
from studies.views import whole_numbers


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what a codebook's file holds and what it changes."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if request.method != "POST":
        return asked_for(request, study)
    try:
        book, origin = given(request)
        found = offer(study, signed_in(request), book, request.POST.get("name"))
    except Problem as problem:
        return asked_for(request, study, problem)
    return shown(request, study, found, origin)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def take_over(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what the codebook of another study holds and what it changes."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if request.method != "POST":
        return asked_for(request, study)
    person = signed_in(request)
    chosen = whole_numbers(request.POST.getlist("source"))
    try:
        source = sources(person, study).filter(pk__in=chosen).first()
        if source is None:
            raise Problem(_("Choose a codebook that you lead or read."))
        found = offer(study, person, as_book(source), request.POST.get("name"), source)
    except Problem as problem:
        return asked_for(request, study, problem)
    return shown(request, study, found, f"{source.codebook.study.name} · {source}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def keep(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what was shown."""
    study = study_or_404(request.user, slug, Role.LEAD)
    if request.method != "POST":
        return redirect("upload_codebook", slug)
    try:
        revision = accept(study, signed_in(request), request.POST.get("seal", ""))
    except Problem as problem:
        messages.warning(request, problem.sentence(_))
        return redirect("upload_codebook", slug)
    said = _("“%(codebook)s” is now at revision %(revision)s.")
    gaps = {"codebook": revision.codebook.name, "revision": revision.number}
    messages.success(request, said % gaps)
    return redirect(f"{reverse('codebook', args=[slug])}?revision={revision.pk}")


def given(request: HttpRequest) -> tuple[Book, str]:
    """Return the codebook in the file that was sent, and the file's name."""
    file = request.FILES.get("file")
    if file is None or not file.name:
        raise Problem(_("Choose a codebook’s file first."))
    if (file.size or 0) > LARGEST:
        raise too_large(file.name)
    return parsed(file.read(), file.name), file.name


def asked_for(request: HttpRequest, study: Study, problem: Problem | None = None) -> HttpResponse:
    """Show the forms that ask for a codebook, and what was wrong with the one before."""
    context = {
        "study": study,
        "role": Role.LEAD,
        "problem": problem.sentence(_) if problem else "",
        **bringing_in(request, study),
    }
    if problem:
        context["name"] = request.POST.get("name", "")
    status = 422 if problem else 200
    return render(request, "codebooks/bring_in.html", context, status=status)


def shown(request: HttpRequest, study: Study, found: Offer, origin: str) -> HttpResponse:
    """Show an offer, to be kept or not."""
    context = {
        "study": study,
        "role": Role.LEAD,
        "offer": found,
        "origin": origin,
        "page": crosswalk_page(found.crosswalk) if found.crosswalk else None,
        "held": held(found.book),
    }
    return render(request, "codebooks/offer.html", context)


def signed_in(request: HttpRequest) -> User:
    """Return who asks; the middleware lets nobody else come this far."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user
