"""Pages of a study's people: who is in it, who is invited, and how somebody joins."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studies.access import study_or_404
from studies.audit import Action, record
from studies.invitations import (
    accept,
    accept_as_new,
    digest_of,
    invite,
    open_invitations,
    withdraw,
)
from studies.models import Role, Study
from studies.people import change_reads, change_role, may_make_reset_link, remove, reset_path
from studies.problems import Problem

SESSION_LINK = "link"  # shown once, on the next page
SESSION_INVITATION = "invitation"


@never_cache
@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Who is in the study, in which role, reading what; and whom a lead has invited."""
    study = study_or_404(request.user, slug, Role.LEAD)
    by = signed_in(request)
    members = list(study.memberships.select_related("person").order_by("role", "name"))
    return render(
        request,
        "studies/people.html",
        {
            "study": study,
            "role": Role.LEAD,
            "members": [(one, may_make_reset_link(by, one.person)) for one in members],
            "roles": Role.choices,
            "invitations": open_invitations(study),
            "link": request.session.pop(SESSION_LINK, None),
        },
    )


@require_POST
def invite_person(request: HttpRequest, slug: str) -> HttpResponse:
    """Make an invitation and show its link, this once."""
    study = study_or_404(request.user, slug, Role.LEAD)
    given = request.POST
    try:
        invitation, secret = invite(
            study,
            signed_in(request),
            given.get("name", ""),
            given.get("role", ""),
            given.get("reads", "").split(","),
        )
    except Problem as problem:
        messages.error(request, problem.sentence(_))
    else:
        request.session[SESSION_LINK] = {
            "for": invitation.name,
            "what": "invitation",
            "url": request.build_absolute_uri(reverse("join_link", args=[secret])),
        }
    return redirect("people", study.slug)


@require_POST
def change_person(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Change a member's role or languages, remove them, or make a link for a new password."""
    study = study_or_404(request.user, slug, Role.LEAD)
    by = signed_in(request)
    member = get_object_or_404(study.memberships.select_related("person"), pk=pk)
    what = request.POST.get("what", "")
    try:
        if what == "save":
            change_reads(study, by, member, request.POST.get("reads", "").split(","))
            change_role(study, by, member, request.POST.get("role", member.role))
            messages.success(request, _("Saved."))
        elif what == "remove":
            remove(study, by, member)
            said = _("%(name)s is not in the study any more; what they coded stays.")
            messages.success(request, said % {"name": member.name})
        elif what == "reset" and may_make_reset_link(by, member.person):
            record(study, by, Action.RESET_LINK_MADE, member.name)
            request.session[SESSION_LINK] = {
                "for": member.name,
                "what": "reset",
                "url": request.build_absolute_uri(reset_path(member.person)),
            }
        else:
            raise Http404
    except Problem as problem:
        messages.error(request, problem.sentence(_))
    home = study.memberships.filter(person=by, role=Role.LEAD).exists() or by.is_superuser
    return redirect("people", study.slug) if home else redirect("studies")


@require_POST
def withdraw_invitation(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Make an invitation's link lead nowhere."""
    study = study_or_404(request.user, slug, Role.LEAD)
    withdraw(get_object_or_404(study.invitations, pk=pk), signed_in(request))
    messages.success(request, _("The invitation is withdrawn."))
    return redirect("people", study.slug)


class NewPerson(UserCreationForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A user name and a password of one's own; an address only where the site can write to it."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail address, for a forgotten password (if you like)"), required=False
    )

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs.pop("autofocus", None)
        if not settings.CONCORD_EMAIL:
            del self.fields["email"]

    def clean_username(self) -> str:
        """Whether it is free is for the step to say: a coder without account may have it."""
        return str(self.cleaned_data["username"])

    def validate_unique(self) -> None:
        """As above."""


@login_not_required
@never_cache
@require_safe
def join_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Take the secret out of the address, which a browser would keep and tell."""
    request.session[SESSION_INVITATION] = digest_of(secret)
    return redirect("join")


@sensitive_post_parameters("password1", "password2")
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """Join a study with the account one has, or make one."""
    digest = request.session.get(SESSION_INVITATION, "")
    invitation = open_invitations().filter(digest=digest).first() if digest else None
    form, problem = NewPerson(), ""
    if invitation and request.method == "POST":
        try:
            if request.user.is_authenticated:
                accept(digest, signed_in(request))
                return joined(request, invitation.study)
            form = NewPerson(request.POST)
            if form.is_valid():
                given = form.cleaned_data
                person = accept_as_new(
                    digest, given["username"], given["password1"], given.get("email", "")
                )
                login(request, person, backend="django.contrib.auth.backends.ModelBackend")
                return joined(request, invitation.study)
        except Problem as found:
            problem = found.sentence(_)
    return render(
        request,
        "studies/join.html",
        {"invitation": invitation, "form": form, "problem": problem},
        status=200 if invitation else 404,
    )


def joined(request: HttpRequest, study: Study) -> HttpResponse:
    request.session.pop(SESSION_INVITATION, None)
    messages.success(request, _("Welcome to “%(study)s”.") % {"study": study.name})
    return redirect("study", study.slug)


def signed_in(request: HttpRequest) -> User:
    """Return who asks; the middleware lets nobody else come this far."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user
