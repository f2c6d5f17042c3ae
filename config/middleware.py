"""What every request is given: who did it, for the trail; and a sign-in that lasts while used."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from studies.audit import at_work

Answer = Callable[[HttpRequest], HttpResponse]


def remember_who_is_at_work(get_response: Answer) -> Answer:
    """Let the trail know whose request a step belongs to."""

    def answered(request: HttpRequest) -> HttpResponse:
        with at_work(lambda: request.user):
            return get_response(request)

    return answered


def keep_signed_in_while_used(get_response: Answer) -> Answer:
    """Begin the time after which a sign-in ends anew on every day on which the site is used."""

    def answered(request: HttpRequest) -> HttpResponse:
        today = timezone.now().date().isoformat()
        if request.user.is_authenticated and request.session.get("day") != today:
            request.session["day"] = today  # written once a day, not with every request
        return get_response(request)

    return answered
