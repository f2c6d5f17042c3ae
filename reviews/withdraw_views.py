"""The page on which a lead withdraws an interview, after a look at what hangs on it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from reviews.reviewing import must_stay_blind
from reviews.withdrawing import hanging, with_others, withdraw
from studies.access import study_or_404
from studies.models import Role, Study
from studies.people_views import signed_in

OTHERS = 20  # further interviews of a participant that the page names


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Say what would go with an interview; remove it, and others of its participant if asked to."""
    study = study_or_404(request.user, slug, Role.LEAD)
    row = get_object_or_404(study.transcripts.defer("text", "turns"), pk=pk)
    others = [key for key in with_others(study, [row.pk]) if key != row.pk]
    if request.method == "POST":
        chosen = [row.pk, *(others if request.POST.get("others") else [])]
        return gone(request, study, row.external_id, chosen)
    person = signed_in(request)
    context: dict[str, Any] = {
        "study": study,
        "role": Role.LEAD,
        "transcript": row,
        "hangs": hanging(row.pk),
        "blind": must_stay_blind(person, study),
        "others": study.transcripts.filter(pk__in=others[:OTHERS]).only("external_id"),
        "more_others": len(others[OTHERS:]),
    }
    return render(request, "reviews/withdraw.html", context)


def gone(request: HttpRequest, study: Study, name: str, chosen: list[int]) -> HttpResponse:
    """Withdraw what was chosen, and say so where the others are."""
    why = request.POST.get("why", "")
    count = len(withdraw(study, chosen, why=why, by=signed_in(request)))
    if count > 1:
        said = ngettext(
            "%(count)d interview is withdrawn, with all that hung on it.",
            "%(count)d interviews are withdrawn, with all that hung on them.",
            count,
        )
        messages.success(request, said % {"count": count})
    else:
        said = _("The interview “%(id)s” is withdrawn, with all that hung on it.")
        messages.success(request, said % {"id": name})
    return redirect("transcripts", study.slug)
