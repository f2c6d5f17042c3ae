"""The pages of a study's codebook: what it says, what changed in it, and its files."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from codebooks.crosswalks import crosswalk
from codebooks.exchange import FORMS, losses
from codebooks.exports import file_of
from codebooks.models import Code, Dimension, Revision
from codebooks.offers import sources
from codebooks.revisions import as_book, newest_revisions
from codebooks.wording import crosswalk_page
from studies.access import read_by, role_of, study_or_404
from studies.models import Role, Study
from studies.problems import Problem
from studies.views import whole_numbers

KINDS = {
    "yaml": "application/yaml; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "qdc": "application/xml; charset=utf-8",
}


@require_safe
def codebook(request: HttpRequest, slug: str) -> HttpResponse:
    """What the study looks for: every dimension and code, in the reader's language where worded."""
    study = study_or_404(request.user, slug)
    role = role_of(request.user, study)
    newest = newest_revisions(study)
    number = asked(request, "revision")
    chosen = newest.filter(pk=number) if number else newest
    revision = chosen.select_related("codebook__derived_from__study").first()
    context: dict[str, object] = {
        "study": study,
        "role": role,
        "revision": revision,
        "revisions": newest,
    }
    if revision is None:
        if role == Role.LEAD:
            context |= bringing_in(request, study)
        return render(request, "codebooks/codebook.html", context)
    origin = revision.codebook.derived_from
    context |= {
        "dimensions": [
            (dimension, wording_of(dimension), [(c, wording_of(c)) for c in dimension.codes.all()])
            for dimension in revision.dimensions.prefetch_related(
                "wordings", "codes__wordings", "codes__parent"
            )
        ],
        "kinds": list(KINDS),
        "losses": [loss.sentence(_) for loss in losses(as_book(revision))],
        "earlier": earlier(revision),
        "origin": origin if origin and origin.study in read_by(request.user) else None,
        "taken_over": origin is not None,
    }
    return render(request, "codebooks/codebook.html", context)


@require_safe
def codebook_file(request: HttpRequest, slug: str, pk: int, kind: str) -> HttpResponse:
    """A revision as a file."""
    study = study_or_404(request.user, slug)
    revision = get_object_or_404(newest_revisions(study), pk=pk)
    if kind not in KINDS:
        raise Http404(_("A codebook has no such file."))
    try:
        content = file_of(revision, f".{kind}", taken=request.method == "GET")
    except Problem as problem:
        raise Http404(problem.sentence(_)) from problem
    answer = HttpResponse(content, content_type=KINDS[kind])
    title = slugify(revision.codebook.name)[:80] or "codebook"
    name = f"{study.slug}-{title}-{revision.number}.{kind}"
    answer["Content-Disposition"] = content_disposition_header(True, name) or ""
    return answer


@require_safe
def changes(request: HttpRequest, slug: str) -> HttpResponse:
    """What one revision says otherwise than another, by default the newest than the one before."""
    study = study_or_404(request.user, slug)
    revisions = [*newest_revisions(study)]
    known = {one.pk: one for one in [*revisions, *origins(request, study)]}
    second = known.get(asked(request, "second") or 0) or (revisions[0] if revisions else None)
    first = known.get(asked(request, "first") or 0)
    if first is None and second is not None:
        first = earlier(second) or next((one for one in known.values() if one != second), None)
    context: dict[str, object] = {
        "study": study,
        "role": role_of(request.user, study),
        "known": list(known.values()),
        "first": first,
        "second": second,
    }
    if first and second and first != second:
        context["page"] = crosswalk_page(crosswalk(as_book(first), as_book(second)))
    return render(request, "codebooks/changes.html", context)


def asked(request: HttpRequest, name: str) -> int | None:
    """Return the number that is asked for, None if there is none."""
    return next(iter(whole_numbers([request.GET.get(name, "")])), None)


def earlier(revision: Revision) -> Revision | None:
    """Return the revision before this one in its codebook."""
    rows = revision.codebook.revisions.filter(number__lt=revision.number)
    return rows.select_related("codebook").order_by("-number").first()


def origins(request: HttpRequest, study: Study) -> list[Revision]:
    """Return the revisions that the study's codebooks were taken over from, as far as they are
    open to whoever asks.
    """
    person = request.user
    if not person.is_authenticated:
        return []
    derived = study.codebooks.exclude(derived_from=None).values("derived_from")
    return list(sources(person, study).filter(codebook__in=derived))


def bringing_in(request: HttpRequest, study: Study) -> dict[str, object]:
    """Return what the forms that ask for a codebook show: the newest revision of each codebook
    of other studies that is open to the lead, and what the study's own is called.
    """
    newest: dict[int, Revision] = {}
    if request.user.is_authenticated:
        for revision in sources(request.user, study):
            newest.setdefault(revision.codebook_id, revision)
    current = newest_revisions(study).first()
    name = current.codebook.name if current else ""
    return {"sources": list(newest.values()), "name": name, "accepted": ",".join(FORMS)}


def wording_of(thing: Dimension | Code) -> dict[str, str]:
    """Return `thing`'s texts in the reader's language, with that language, where there are any."""
    language = (get_language() or "en").split("-")[0]
    for wording in thing.wordings.all():
        if wording.language.split("-")[0] == language:
            return {**wording.texts, "language": wording.language}
    return {}
