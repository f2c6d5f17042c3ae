"""The page of what a lead may change about a study after it was made."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from studies.access import study_or_404
from studies.models import Role, Unit
from studies.people import change_study, is_cut
from studies.people_views import signed_in
from studies.problems import Problem
from studies.problems import _ as mark


class Settings(forms.Form):
    """What a lead says of a study; the step checks what it means."""

    name = forms.CharField(required=False)
    unit = forms.CharField(required=False)
    evidence_required = forms.BooleanField(required=False)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what is said about a study, and change it."""
    study = study_or_404(request.user, slug, Role.LEAD)
    form = Settings(
        request.POST if request.method == "POST" else None,
        initial={
            "name": study.name,
            "unit": study.unit,
            "evidence_required": study.evidence_required,
        },
    )
    problem = ""
    if request.method == "POST":
        try:
            if not form.is_valid():
                raise Problem(mark("These words hold characters that can’t be kept."))
            said = form.cleaned_data
            changed = change_study(
                study,
                signed_in(request),
                name=said["name"],
                unit=said["unit"] or None,
                evidence_required=said["evidence_required"],
            )
        except Problem as found:
            problem = found.sentence(_)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect("settings", study.slug)
    return render(
        request,
        "studies/settings.html",
        {
            "study": study,
            "role": Role.LEAD,
            "form": form,
            "units": Unit.choices,
            "cut": is_cut(study),
            "problem": problem,
        },
        status=422 if problem else 200,
    )
