"""Pages of the lead: who does what, handing work over, and drawing a sample or a further round."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.formats import localize
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from codebooks.models import Kind
from reviews import drawing
from reviews.adjudication import Pair
from reviews.models import Item, Sample
from reviews.questions import Words, worded
from reviews.reviewing import waits
from reviews.sampling import current_sample, latest_run, rounds, still_there, vacant
from reviews.steering import (
    FAST,
    Pace,
    Trouble,
    differences,
    fill_seats,
    flags,
    hand_over,
    leases,
    left,
    own_pace,
    skipped,
    workers,
)
from reviews.tables import attribute_names
from reviews.training import trainee, trainings
from studies.access import role_of, study_or_404
from studies.models import Membership, Role, Segment, Study
from studies.problems import Problem


@dataclass(frozen=True)
class CodeLine:
    """A code in the words of the reader, with how coders stand with it."""

    trouble: Trouble
    label: Words
    dimension: Words
    query: str
    """What leads to its disagreements."""


class PerCent(forms.FloatField):
    """A share that is asked for in per cent; what comes of it is the share, from 0 to 1."""

    def __init__(self, *, min_value: float = 0, max_value: float = 100, **more: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **more)

    def clean(self, value: Any) -> float | None:
        try:
            given = super().clean(value)
        except forms.ValidationError as error:
            if value in self.empty_values:
                raise
            limits = {"low": localize(self.min_value), "high": localize(self.max_value)}
            said = _("Give it in per cent: a number from %(low)s to %(high)s.")
            raise forms.ValidationError(said % limits) from error
        # Rounded, so that 12.3 % is the share that 0.123 is.
        return None if given is None else round(given / 100, 12)


USUAL = 200  # segments of a sample, where there are so many


class Drawing(forms.Form):
    """What a lead says of a sample; the step checks what it means."""

    size = forms.IntegerField(
        label=gettext_lazy("How many segments"), min_value=1, required=False, initial=USUAL
    )
    strata = forms.MultipleChoiceField(
        label=gettext_lazy("Strata"), required=False, widget=forms.CheckboxSelectMultiple
    )
    coders = forms.MultipleChoiceField(
        label=gettext_lazy("Who codes (nobody: whoever comes)"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    per_item = forms.IntegerField(
        label=gettext_lazy("Coders for each item"), min_value=1, required=False
    )
    overlap = PerCent(
        label=gettext_lazy("Share that two people code (or as many as above), %"), required=False
    )
    assisted = PerCent(
        label=gettext_lazy("Share with a second look after the blind answer, %"), required=False
    )
    seed = forms.IntegerField(
        label=gettext_lazy("Seed (made up if empty)"), min_value=0, required=False
    )


@never_cache
@require_safe
def work(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the lead who has done what, what is left, and where it goes wrong."""
    study = study_or_404(request.user, slug, Role.LEAD)
    sample = current_sample(study)
    context: dict[str, object] = {"study": study, "role": Role.LEAD, "sample": sample}
    if sample:
        blind = waits(request.user, study)
        found = None if blind else differences(sample)
        people = workers(sample)
        context |= {
            "workers": [(one, in_minutes(one.pace)) for one in people],
            "translated": any(one.translated for one in people),
            "fast": FAST,
            "left": left(sample),
            "vacant": [gap.sentence.sentence(_) for one in rounds(sample) for gap in vacant(one)],
            "skipped": skipped(sample),
            "flags": flags(sample),
            "leases": leases(sample),
            "blind": blind,
            "found": found,
            "trouble": named(sample, found.trouble) if found else [],
            "codes": named(sample, found.codes) if found else [],
            "pair_keys": pair_keys(study, found.pairs) if found else [],
            "givers": [one for one in people if one.open],
            "members": coders_of(study),
        }
    return render(request, "reviews/work.html", context)


@require_POST
def hand_over_view(request: HttpRequest, slug: str) -> HttpResponse:
    """Move open items from one coder to another, or take them back."""
    study = study_or_404(request.user, slug, Role.LEAD)
    sample = current_sample(study)
    people = {str(one.person_id): one.person for one in coders_of(study)}
    giver = people.get(request.POST.get("from", ""))
    taker = people.get(request.POST.get("to", ""))
    count = request.POST.get("count", "").strip()
    try:
        if sample is None or giver is None or (request.POST.get("to") and taker is None):
            raise Problem(_("Choose who gives and who takes over."))
        if count and not count.isdecimal():
            raise Problem(_("How many is a whole number, or empty for all."))
        moved, stayed = hand_over(
            sample, giver, taker, count=int(count) if count else None, by=actor(request)
        )
        messages.success(request, told(moved, stayed))
    except Problem as problem:
        messages.warning(request, problem.sentence(_))
    return redirect("work", slug)


@require_POST
def hand_out_view(request: HttpRequest, slug: str) -> HttpResponse:
    """Give free seats to the coders that are chosen."""
    study = study_or_404(request.user, slug, Role.LEAD)
    sample = current_sample(study)
    people = {str(one.person_id): one.person for one in coders_of(study)}
    named_ = [people[key] for key in request.POST.getlist("coder") if key in people]
    try:
        if sample is None:
            raise Problem(_("There is no sample yet."))
        filled = fill_seats(sample, named_, by=actor(request))
        messages.success(
            request,
            ngettext("%(count)d seat was handed out.", "%(count)d seats were handed out.", filled)
            % {"count": filled},
        )
    except Problem as problem:
        messages.warning(request, problem.sentence(_))
    return redirect("work", slug)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def draw(request: HttpRequest, slug: str) -> HttpResponse:
    """Draw a sample for blind review, or a further round of the one there is."""
    study = study_or_404(request.user, slug, Role.LEAD)
    sample = current_sample(study)
    there = Segment.objects.filter(transcript__study=study)[:USUAL].count()
    form = Drawing(request.POST or None, initial={"size": there or USUAL})
    strata, coders = form.fields["strata"], form.fields["coders"]
    names = ["language", *(["label", "confidence"] if latest_run(study) else [])]
    choices = [(name, described(name)) for name in names]
    attributes = [(name, name) for name in attribute_names(study)]
    strata.choices = [*choices, *attributes]  # type: ignore[attr-defined]
    members = coders_of(study)
    coders.choices = [(one.name, with_reads(one)) for one in members]  # type: ignore[attr-defined]
    problem = ""
    if request.method == "POST" and form.is_valid():
        try:
            said = {**form.cleaned_data, "size": form.cleaned_data["size"] or 0}
            if sample and "continue" in request.POST:
                said |= {"continues": True, "more": more_asked(sample, request.POST)}
            drawn = drawing.draw(study, by=actor(request), **said)
            for one in vacant(drawn):
                messages.warning(request, one.sentence.sentence(_))
            count = drawn.items.count()
            messages.success(
                request,
                ngettext(
                    "%(count)d segment is drawn with seed %(seed)d.",
                    "%(count)d segments are drawn with seed %(seed)d.",
                    count,
                )
                % {"count": count, "seed": drawn.seed},
            )
            return redirect("review", slug)
        except Problem as found:
            problem = found.sentence(_)
    context = {
        "study": study,
        "role": Role.LEAD,
        "sample": sample,
        "form": form,
        "problem": problem,
        "members": members,
        "left": strata_left(sample) if sample else [],
    }
    status = 422 if problem or (request.method == "POST" and not form.is_valid()) else 200
    return render(request, "reviews/draw.html", context, status=status)


@never_cache
@require_safe
def own_work(request: HttpRequest, slug: str) -> HttpResponse:
    """Show somebody their own count and pace, and nobody else's."""
    study = study_or_404(request.user, slug, Role.LEAD, Role.CODER)
    person = actor(request)
    sample = current_sample(study)
    count, pace = own_pace(sample, person) if sample else (0, Pace(0, None, 0))
    names = {one.pk: labels(one) for one in trainings(study)}
    stands = [
        (one, trainee(one, person), names[one.pk])
        for one in trainings(study)
        if one.items.filter(assignments__person=person).exists()
    ]
    context = {
        "study": study,
        "role": role_of(person, study),
        "sample": sample,
        "count": count,
        "pace": pace,
        "minutes": in_minutes(pace),
        "stands": [
            (
                one,
                stand,
                [(result, names_[result.dimension, result.code]) for result in stand.results],
            )
            for one, stand, names_ in stands
        ],
    }
    return render(request, "reviews/own_work.html", context)


def more_asked(sample: Sample, given: QueryDict) -> dict[str, int] | None:
    """Return how many more are asked for of which strata, None where it is of none."""
    more = {}
    for place, (key, _left) in enumerate(strata_left(sample)):
        number = given.get(f"more:{place}", "").strip()
        if number.isdecimal() and int(number):
            more[key] = int(number)
    return more or None


def strata_left(sample: Sample) -> list[tuple[str, int]]:
    """Return how many segments no round has drawn yet, by stratum."""
    items = Item.objects.filter(sample__in=rounds(sample)).order_by().values_list("stratum")
    drawn = dict(items.annotate(count=Count("pk")))
    return [
        (size["key"], still_there(size) - drawn.get(size["key"], 0))
        for size in sample.design.get("sizes", [])
    ]


def coders_of(study: Study) -> list[Membership]:
    """Return who may be asked: coders and leads, by name."""
    members = study.memberships.filter(role__in=[Role.CODER, Role.LEAD]).select_related("person")
    return sorted(members, key=lambda one: (one.role != Role.CODER, one.name.casefold()))


def with_reads(member: Membership) -> str:
    """Return a name with the languages that its bearer codes in, where it is not every one."""
    return f"{member.name} ({', '.join(member.reads)})" if member.reads else member.name


def described(name: str) -> str:
    """Return what strata of this name follow."""
    return {
        "language": _("language"),
        "label": _("what the machine said"),
        "confidence": _("how sure the machine is"),
    }[name]


def actor(request: HttpRequest) -> User:
    person = request.user
    assert isinstance(person, User)  # noqa: S101  LoginRequiredMiddleware lets nobody else in
    return person


def in_minutes(pace: Pace) -> str:
    """Return a pace as minutes and seconds, "" where nothing was timed."""
    if pace.median is None:
        return ""
    minutes, seconds = divmod(round(pace.median), 60)
    return f"{minutes}:{seconds:02}"


def told(moved: int, stayed: int) -> str:
    said = ngettext("%(count)d item was moved.", "%(count)d items were moved.", moved) % {
        "count": moved
    }
    if not stayed:
        return said
    return " ".join(
        [
            said,
            ngettext(
                "%(count)d stayed: the other coder does not read it, trained on it or has it.",
                "%(count)d stayed: the other coder does not read them, trained on them or has "
                "them.",
                stayed,
            )
            % {"count": stayed},
        ]
    )


def labels(sample: Sample) -> dict[tuple[str, str | None], Words]:
    """Return what dimensions (code None) and codes are called, in the reader’s language."""
    found: dict[tuple[str, str | None], Words] = {}
    for asked in worded(sample.revision, get_language() or "en"):
        found[asked.key, None] = asked.label
        for choice in asked.codes:
            found[asked.key, choice.key] = choice.label
    return found


def named(sample: Sample, codes: Sequence[Trouble]) -> list[CodeLine]:
    """Return codes in words of the reader."""
    names = labels(sample)
    kinds = {asked.key: asked.kind for asked in worded(sample.revision, "en")}
    return [
        CodeLine(
            trouble=code,
            label=names[code.dimension, code.code],
            dimension=names[code.dimension, None],
            # Disagreements about one of several codes are about all of them.
            query=code.dimension
            if kinds[code.dimension] == Kind.ONE
            else f"{code.dimension}/{code.code}",
        )
        for code in codes
    ]


def pair_keys(study: Study, pairs: Sequence[Pair]) -> list[tuple[Pair, str]]:
    """Return pairs of coders with what leads to their disagreements."""
    people = dict(study.memberships.values_list("name", "person_id"))
    return [(pair, f"{people.get(pair.first)}-{people.get(pair.second)}") for pair in pairs]
