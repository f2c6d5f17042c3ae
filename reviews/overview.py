"""The page of a study: where the work stands, and the one next thing to do."""

from dataclasses import dataclass

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from codebooks.models import Code, Kind, Revision
from coding.models import CodingKind, State, Work
from coding.wording import reason
from reviews.models import Assignment
from reviews.reviewing import progress
from reviews.sampling import current_sample, rounds
from studies.access import role_of, study_or_404
from studies.models import LanguageSource, Role, Segment, Study


@dataclass(frozen=True)
class Step:
    """One of the six pages: the figure that answers its question, and what to do for one."""

    title: str
    url: str
    figure: str
    detail: str
    command: str
    done: bool
    # The page where a lead does it, and what its button says; instead of a command.
    act: str = ""
    button: str = ""


@require_safe
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the study stands; a coder is led to the review instead."""
    study = study_or_404(request.user, slug)
    role = role_of(request.user, study)
    if role == Role.CODER:
        return redirect("review", slug)
    steps = [
        transcripts_step(study),
        codebook_step(study),
        coding_step(study),
        *review_steps(study),
    ]
    following = next((step for step in steps if not step.done), None)
    return render(
        request,
        "reviews/overview.html",
        {"study": study, "role": role, "steps": steps, "following": following},
    )


def transcripts_step(study: Study) -> Step:
    counts = study.transcripts.aggregate(
        all=Count("pk"),
        languages=Count("language", distinct=True),
        unsure=Count("pk", filter=Q(language_source=LanguageSource.UNSURE)),
    )
    detail = ngettext(
        "in %(languages)d language", "in %(languages)d languages", counts["languages"]
    ) % {"languages": counts["languages"]}
    if counts["unsure"]:
        detail = _("%(detail)s; %(unsure)d unsure") % {"detail": detail, **counts}
    return Step(
        title=_("Transcripts"),
        url=reverse("transcripts", args=[study.slug]),
        figure=ngettext("%(count)d interview", "%(count)d interviews", counts["all"])
        % {"count": counts["all"]},
        detail=detail if counts["all"] else _("Import the interviews."),
        command="",
        done=counts["all"] > 0,
        act=reverse("add_transcripts", args=[study.slug]),
        button=_("Add interviews"),
    )


def codebook_step(study: Study) -> Step:
    revision = Revision.objects.filter(codebook__study=study).order_by("-created_at").first()
    named = Code.objects.filter(dimension__revision=revision).exclude(dimension__kind=Kind.SCALE)
    codes = named.count() if revision else 0
    if revision is None:
        figure, detail = _("none yet"), _("Import the codebook.")
    else:
        figure = ngettext("%(count)d code", "%(count)d codes", codes) % {"count": codes}
        dimensions = revision.dimensions.count()
        detail = ngettext("in %(count)d dimension", "in %(count)d dimensions", dimensions) % {
            "count": dimensions
        }
    return Step(
        title=_("Codebook"),
        url=reverse("codebook", args=[study.slug]),
        figure=figure,
        detail=detail,
        command="",
        done=revision is not None,
        act=reverse("codebook", args=[study.slug]),
        button=_("Bring in a codebook"),
    )


def coding_step(study: Study) -> Step:
    run = study.runs.filter(replicate=0).order_by("-pk").first()
    states = dict(
        Work.objects.filter(run=run).values_list("state").annotate(Count("pk")) if run else []
    )
    ended = sum(states.get(state, 0) for state in (State.DONE, State.REFUSED, State.FAILED))
    everything = sum(states.values())
    if run is None:
        figure, detail = _("no run yet"), _("Have a coder go through the interviews.")
    elif not everything:
        figure = _("codings made elsewhere")
        detail = run.name
    else:
        decided = states.get(State.DONE, 0)
        figure = _("%(done)d of %(all)d decided") % {"done": decided, "all": everything}
        detail = _("by %(coder)s") % {"coder": run.get_coder_display()}
        if lost := ended - decided:
            detail = _("%(detail)s; refused, not covered or failed: %(count)d") % {
                "detail": detail,
                "count": lost,
            }
        if run.stopped_because:
            detail = reason(run.stopped_because)
    return Step(
        title=_("Coding"),
        url=reverse("coding", args=[study.slug]),
        figure=figure,
        detail=detail,
        command=f"manage.py code {study.slug}",
        done=run is not None and ended == everything,
    )


def review_steps(study: Study) -> list[Step]:
    sample = current_sample(study)
    asked = progress(sample, every_round=True) if sample else None
    answered = Assignment.objects.filter(
        item__sample__in=rounds(sample) if sample else [], coding__isnull=False
    )
    reviewed = answered.values("item").distinct().count()
    by_people = Q(codings__person__isnull=False, codings__kind=CodingKind.BLIND)
    double = (
        Segment.objects.filter(transcript__study=study)
        .annotate(people=Count("codings", filter=by_people))
        .filter(people__gt=1)
        .count()
    )
    population = Segment.objects.filter(transcript__study=study).count()
    return [
        Step(
            title=_("Review"),
            url=reverse("review", args=[study.slug]),
            figure=ngettext(
                "%(done)d of %(all)d drawn segment fully coded",
                "%(done)d of %(all)d drawn segments fully coded",
                asked.items,
            )
            % {"done": asked.complete, "all": asked.items}
            if asked
            else _("no sample yet"),
            detail=_(
                "People code the sample without seeing the machine’s answer; a segment is fully "
                "coded once as many have as are wanted."
            )
            if sample
            else _("Draw a probability sample for people to code blind."),
            command="",
            done=asked is not None and asked.complete == asked.items,
            act=reverse("draw", args=[study.slug]) if sample is None else "",
            button=_("Draw sample"),
        ),
        Step(
            title=_("Agreement"),
            url=reverse("agreement", args=[study.slug]),
            figure=ngettext(
                "%(count)d segment coded by two or more people",
                "%(count)d segments coded by two or more people",
                double,
            )
            % {"count": double},
            detail=_("Do people agree with each other, and the machine with them?"),
            command="",
            done=double > 0,
        ),
        Step(
            title=_("Prevalence"),
            url=reverse("prevalence", args=[study.slug]),
            figure=ngettext(
                "%(reviewed)d of all %(population)d segment coded by people",
                "%(reviewed)d of all %(population)d segments coded by people",
                population,
            )
            % {"reviewed": reviewed, "population": population},
            detail=_("How often does each code apply, with the machine's error corrected?"),
            command="",
            done=reviewed > 0,
        ),
    ]
