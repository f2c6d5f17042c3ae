"""Pages of training: making one, setting its key, and how trainees stand."""

import re
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from codebooks.models import Kind
from reviews.lead_views import PerCent, actor, coders_of, labels
from reviews.models import Item, Purpose
from reviews.questions import Asked, Choice, Range, side_by_side, turns_of, worded
from reviews.screen import HUES, colored, initials
from reviews.training import (
    BAR,
    WINDOW,
    Key,
    draw_training,
    key_of,
    set_key,
    standings,
    trainings,
    without_key,
)
from reviews.translated import choices
from studies.access import study_or_404
from studies.models import Role, Study
from studies.problems import Problem

PASSAGE = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)


class Beginning(forms.Form):
    """What a lead says of a training; the step checks what it means."""

    coders = forms.MultipleChoiceField(
        label=gettext_lazy("Who trains"), required=False, widget=forms.CheckboxSelectMultiple
    )
    size = forms.IntegerField(
        label=gettext_lazy("How many random segments"), min_value=1, required=False, initial=10
    )
    interviews = forms.CharField(
        label=gettext_lazy("or these interviews (ids, parted by commas)"), required=False
    )
    bar = PerCent(
        label=gettext_lazy("Bar: share of decisions as in the key, %"),
        min_value=1,
        initial=round(100 * BAR),
    )
    window = forms.IntegerField(
        label=gettext_lazy("over the last so many interviews"), min_value=1, initial=WINDOW
    )


@dataclass(frozen=True)
class KeyRow:
    """One code on the page of a key, with what is set so far."""

    choice: Choice
    key: Key | None
    name: str
    passages: str
    initials: str
    color: str

    @property
    def said(self) -> str:
        """yes, no, unsure, or "" where nothing is set."""
        if self.key is None:
            return ""
        if self.key.value is not None:
            return "yes"
        return {True: "yes", False: "no", None: "unsure"}[self.key.applies]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def training(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a lead the trainings and how everybody stands; make another one."""
    study = study_or_404(request.user, slug, Role.LEAD)
    form = Beginning(request.POST or None)
    form.fields["coders"].choices = [  # type: ignore[attr-defined]
        (one.name, one.name) for one in coders_of(study)
    ]
    problem = ""
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            sample = draw_training(
                study,
                coders=said["coders"],
                size=said["size"] or 0,
                interviews=re.split(r"[,;\n]", said["interviews"]),
                bar=said["bar"],
                window=said["window"],
                by=actor(request),
            )
            count = sample.items.count()
            messages.success(
                request,
                ngettext(
                    "%(count)d interview waits for its key.",
                    "%(count)d interviews wait for their keys.",
                    count,
                )
                % {"count": count},
            )
            return redirect("training", slug)
        except Problem as found:
            problem = found.sentence(_)
    shown = []
    for sample in trainings(study):
        names = labels(sample)
        stands = [
            (one, [(result, names[result.dimension, result.code]) for result in one.results])
            for one in standings(sample)
        ]
        keyed = sample.items.exclude(rulings=None).distinct().count()
        shown.append((sample, stands, without_key(sample), keyed))
    context = {
        "study": study,
        "role": Role.LEAD,
        "form": form,
        "problem": problem,
        "trainings": shown,
    }
    status = 422 if problem or (request.method == "POST" and not form.is_valid()) else 200
    return render(request, "reviews/training.html", context, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def training_key(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Show an interview of a training to the lead who sets its key."""
    study = study_or_404(request.user, slug, Role.LEAD)
    item = item_or_404(study, pk)
    dimensions = worded(item.sample.revision, get_language() or "en")
    key, problem = key_of(item), ""
    if request.method == "POST":
        given = keys_in(request.POST, dimensions)
        key = {(one.dimension, one.code): one for one in given}
    if request.method == "POST" and "show" not in request.POST:
        try:
            set_key(item, actor(request), given)
            left = without_key(item.sample)
            if left:
                return redirect("training-key", slug, left[0].pk)
            messages.success(request, _("Every interview of the training has its key."))
            return redirect("training", slug)
        except Problem as found:
            problem = found.sentence(_)
    turns = turns_of(item.segment.transcript, item.segment)
    wanted = request.GET.get("translation", "")
    translations, translation = choices(item.segment.transcript, wanted)
    context = {
        "study": study,
        "role": Role.LEAD,
        "item": item,
        "count": item.sample.items.count(),
        "language": item.segment.transcript.language,
        "turns": side_by_side(turns, translation),
        "translations": translations,
        "translation": translation,
        "whole": all(turn.asked for turn in turns),
        "sections": sections(dimensions, key),
        "problem": problem,
        "fixed": item.assignments.filter(coding__isnull=False).exists(),
        "left": without_key(item.sample),
    }
    return render(request, "reviews/training_key.html", context, status=422 if problem else 200)


def item_or_404(study: Study, pk: int) -> Item:
    """Return the training item that an address is about."""
    item = (
        Item.objects.filter(pk=pk, sample__study=study, sample__purpose=Purpose.TRAINING)
        .select_related("sample__revision__codebook", "sample__study", "segment__transcript__study")
        .first()
    )
    if item is None:
        raise Http404(_("There is no such interview in a training."))
    return item


def sections(
    dimensions: tuple[Asked, ...], key: dict[tuple[str, str], Key]
) -> list[tuple[Asked, list[KeyRow], str, str]]:
    """Return the codebook with the key: dimension, codes, which one holds, and why."""
    found = []
    hue = 0
    for dimension in dimensions:
        rows = []
        for choice in dimension.codes:
            one = key.get((dimension.key, choice.key))
            rows.append(
                KeyRow(
                    choice=choice,
                    key=one,
                    name=f"{dimension.key}:{choice.key}",
                    passages=" ".join(f"{a}-{b}" for a, b in one.passages) if one else "",
                    initials=initials(choice.label.text),
                    color=colored(choice.color, hue) or HUES[hue % len(HUES)],
                )
            )
            hue += 1
        said = [row.key for row in rows if row.key]
        holds = next((one.code for one in said if one.applies), "")
        if not holds and said:
            holds = ":unsure" if any(one.applies is None for one in said) else ":none"
        why = next((one.why for one in said if one.why), "")
        found.append((dimension, rows, holds, why))
    return found


def keys_in(form: QueryDict, dimensions: tuple[Asked, ...]) -> list[Key]:
    """Return the key that the form says; what it says nothing about is left out."""
    found: list[Key] = []
    for dimension in dimensions:
        for choice in dimension.codes:
            name = f"{dimension.key}:{choice.key}"
            why = form.get(f"why:{name}", "") or form.get(f"why:{dimension.key}", "")
            said, value = form.get(f"key:{name}", ""), None
            if dimension.kind == Kind.ONE:
                holds = form.get(f"key:{dimension.key}", "")
                if not holds:
                    continue
                said = {":unsure": "unsure", ":none": "no"}.get(holds, "")
                said = said or ("yes" if holds == choice.key else "no")
                why = why if said in ("yes", "unsure") or holds == ":none" else ""
            elif dimension.kind == Kind.SCALE and said == "yes":
                value = number(form.get(f"value:{name}", ""))
            elif dimension.kind == Kind.MANY and f"rest:{dimension.key}" in form:
                # Where words are selected somebody meant something else than no.
                said = said or ("" if form.get(f"passages:{name}") else "no")
            if said not in ("yes", "no", "unsure"):
                continue
            applies = {"yes": True, "no": False, "unsure": None}[said]
            passages = ranges(form.get(f"passages:{name}", "")) if said != "no" else ()
            found.append(Key(dimension.key, choice.key, applies, value, why.strip(), passages))
    return found


def ranges(text: str) -> tuple[Range, ...]:
    return tuple(sorted({(int(start), int(end)) for start, end in PASSAGE.findall(text)}))


def number(text: str) -> float | None:
    """Return the number in a field, None if it is none; the step says what is missing."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None
