"""What whoever has still to code blind gets in the place of a page of figures."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from reviews.reviewing import must_stay_blind
from studies.access import role_of
from studies.models import Study


def kept_blind(request: HttpRequest, study: Study) -> HttpResponse | None:
    """Return the page that tells a coder why nothing is shown, or None to whoever may see all."""
    if not must_stay_blind(request.user, study):
        return None
    context = {"study": study, "role": role_of(request.user, study)}
    return render(request, "reviews/blind.html", context, status=403)
