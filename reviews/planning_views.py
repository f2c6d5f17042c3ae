"""The planner’s page: how many reviews, where, and when it is enough."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from reviews.blind import kept_blind
from reviews.lead_views import PerCent
from reviews.planning import (
    HALF_WIDTH,
    Assumed,
    Rule,
    as_json,
    declare,
    planned,
)
from reviews.planning_wording import line, percent, unmet_sentence, verdict_sentences
from reviews.reviewing import must_stay_blind
from reviews.sampling import current_sample
from studies.access import role_of, study_or_404
from studies.models import Role, Study
from studies.problems import Problem


class Asking(forms.Form):
    """What the plan is to be made for, in points and per cent."""

    half_width = forms.FloatField(
        label=gettext_lazy("Interval, ± points"), min_value=0.1, max_value=49, initial=5
    )
    prevalence = PerCent(
        label=gettext_lazy("Share you expect, %"), min_value=0.01, max_value=99.99, initial=5
    )
    sensitivity = PerCent(
        label=gettext_lazy("Of those the machine finds, %"),
        min_value=1,
        max_value=99.99,
        initial=85,
    )
    specificity = PerCent(
        label=gettext_lazy("Of the others it leaves out, %"),
        min_value=1,
        max_value=99.99,
        initial=97,
    )


class Declaring(forms.Form):
    """A stopping rule, as a lead declares it."""

    looks = forms.CharField(label=gettext_lazy("Look at so many reviewed segments"))
    half_width = forms.FloatField(
        label=gettext_lazy("Interval, ± points"), min_value=0.1, max_value=49, initial=5
    )
    codes = forms.MultipleChoiceField(
        label=gettext_lazy("Codes (none: all)"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    languages = forms.MultipleChoiceField(
        label=gettext_lazy("Also in each of these languages"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what a review needs; a lead declares the stopping rule here."""
    study = study_or_404(request.user, slug, Role.LEAD, Role.READER)
    role = role_of(request.user, study)
    context: dict[str, Any] = {"study": study, "role": role}
    if blind := kept_blind(request, study):
        return blind
    asking = Asking(request.GET if request.GET else None)
    asked = {name: field.clean(field.initial) for name, field in asking.fields.items()}
    if asking.is_bound and asking.is_valid():
        asked = asking.cleaned_data
    try:
        made = planned(
            study,
            half_width=float(asked["half_width"]) / 100,
            assumed=Assumed(asked["prevalence"], asked["sensitivity"], asked["specificity"]),
        )
    except Problem as problem:
        return render(request, "reviews/plan.html", {**context, "problem": problem.sentence(_)})
    declaring = Declaring(request.POST or None)
    choices = [
        (f"{name.dimension}/{name.code}", name.label)
        for name in made.names
        if name.code is not None and name.kind != "scale"
    ]
    declaring.fields["codes"].choices = choices  # type: ignore[attr-defined]
    spoken = sorted({need.language for need in made.before if need.language})
    declaring.fields["languages"].choices = [(one, one) for one in spoken]  # type: ignore[attr-defined]
    if request.method == "POST":
        if role != Role.LEAD:
            study_or_404(request.user, slug, Role.LEAD)
        if problem_of := _declared(request, study, declaring):
            context["problem"] = problem_of
        else:
            messages.success(request, _("The stopping rule is declared."))
            return redirect("plan", slug=study.slug)
    sample = current_sample(study)
    context |= {
        "plan": made,
        "asking": asking,
        "declaring": declaring,
        "can_declare": role == Role.LEAD
        and sample is not None
        and not sample.items.filter(assignments__answered_at__isnull=False).exists(),
        "before": [line(made, need) for need in made.before if need.language is None],
        "by_language": [line(made, need) for need in made.before if need.language],
        "after": [line(made, need) for need in made.after if need.language is None],
        "after_by_language": [line(made, need) for need in made.after if need.language],
        "strata": [
            (one, "–" if one.errors != one.errors else percent(one.errors)) for one in made.strata
        ],
        "verdict": verdict_sentences(made),
        "unmet": [unmet_sentence(made, one) for one in made.verdict.unmet] if made.verdict else [],
    }
    return render(request, "reviews/plan.html", context)


@api_view(["GET"])
def plan_json(request: Request, slug: str) -> Response:
    """Return the plan of a study, at the usual half-width or the one asked for (in points)."""
    study = study_or_404(request.user, slug, Role.LEAD, Role.READER)
    if must_stay_blind(request.user, study):
        return Response({"problem": _("Who still codes blind sees no figures.")}, status=403)
    try:
        width = float(request.query_params.get("half_width", 100 * HALF_WIDTH)) / 100
        return Response(as_json(planned(study, half_width=width)))
    except ValueError:
        return Response({"problem": _("The half-width is a number of points.")}, status=400)
    except Problem as problem:
        return Response({"problem": problem.sentence(_)}, status=400)


def _declared(request: HttpRequest, study: Study, form: Declaring) -> str:
    """Declare what `form` says; return what is wrong with it, or nothing."""
    if not form.is_valid():
        return " ".join(str(error) for errors in form.errors.values() for error in errors)
    said = form.cleaned_data
    sample = current_sample(study)
    parts = [part.strip() for part in str(said["looks"]).replace("،", ",").split(",")]
    try:
        if sample is None:
            raise Problem("A stopping rule belongs to a sample: draw one first.")
        if not all(part.isdecimal() for part in parts):
            raise Problem("Looks are whole numbers, separated by commas.")
        rule = Rule(
            tuple(int(part) for part in parts),
            said["half_width"] / 100,
            tuple(said["codes"]),
            tuple(said["languages"]),
        )
        declare(sample, rule, request.user)
    except Problem as problem:
        return problem.sentence(_)
    return ""
