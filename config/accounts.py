"""Accounts: a new password by e-mail where the site can send one, or by a link somebody made."""

from typing import Any

from axes.utils import reset as unlock
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordResetForm
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

MOST_ASKED = 5  # e-mails that one place may ask for in an hour


def sends_mail() -> bool:
    """Return whether the site has a server to send e-mail with."""
    return bool(settings.CONCORD_EMAIL)


class SignIn(auth.LoginView):
    """Sign in; who forgot the password is told what this site can do about it."""

    extra_context = {"sends_mail": sends_mail}


@method_decorator(login_not_required, name="dispatch")
class AskForReset(auth.PasswordResetView):
    """Send a link to whoever has that address; the answer is the same if nobody has."""

    template_name = "registration/reset_ask.html"
    email_template_name = "registration/reset_mail.txt"
    subject_template_name = "registration/reset_subject.txt"
    success_url = reverse_lazy("login")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not sends_mail():
            raise Http404(_("This site sends no e-mail."))
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        place = f"reset:{self.request.META.get('REMOTE_ADDR', '')}"
        cache.add(place, 0, 3600)
        if cache.incr(place) > MOST_ASKED:
            form.add_error(None, _("That is enough for now: try again in an hour."))
            return self.form_invalid(form)
        messages.success(
            self.request,
            _("If somebody here has this address, a link for a new password is on its way."),
        )
        return super().form_valid(form)


class Reset(auth.PasswordResetConfirmView):
    """Choose a new password with a link that is good once."""

    template_name = "registration/reset.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        answer = super().form_valid(form)  # type: ignore[arg-type]  # its own SetPasswordForm
        if self.user:
            unlock(username=self.user.get_username())
        messages.success(self.request, _("The new password holds: sign in with it."))
        return answer
