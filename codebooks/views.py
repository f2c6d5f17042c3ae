"""The page of a study's codebook."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from codebooks.models import Code, Dimension, Revision
from studies.access import role_of, study_or_404


@require_safe
def codebook(request: HttpRequest, slug: str) -> HttpResponse:
    """What the study looks for: every dimension and code, in the reader's language where worded."""
    study = study_or_404(request.user, slug)
    revisions = Revision.objects.filter(codebook__study=study).select_related("codebook")
    newest = revisions.order_by("-created_at", "-pk")
    chosen = newest.filter(pk=request.GET["revision"]) if asked(request) else newest
    revision = chosen.first()
    dimensions = (
        revision.dimensions.prefetch_related("wordings", "codes__wordings", "codes__parent")
        if revision
        else []
    )
    return render(
        request,
        "codebooks/codebook.html",
        {
            "study": study,
            "role": role_of(request.user, study),
            "revision": revision,
            "revisions": newest,
            "dimensions": [
                (
                    dimension,
                    wording_of(dimension),
                    [(c, wording_of(c)) for c in dimension.codes.all()],
                )
                for dimension in dimensions
            ],
        },
    )


def asked(request: HttpRequest) -> bool:
    given = request.GET.get("revision", "")
    return given.isascii() and given.isdigit()


def wording_of(thing: Dimension | Code) -> dict[str, str]:
    """Return `thing`'s texts in the reader's language, with that language, where there are any."""
    language = (get_language() or "en").split("-")[0]
    for wording in thing.wordings.all():
        if wording.language.split("-")[0] == language:
            return {**wording.texts, "language": wording.language}
    return {}
