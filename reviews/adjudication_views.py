"""The pages of adjudication: what coders disagree about, and one disagreement to rule on."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from codebooks.models import Code, Dimension, Kind, Revision
from coding.models import Answer
from reviews.adjudication import (
    SORTS,
    Case,
    Opinion,
    cases,
    chosen,
    discussed,
    history,
    opinions,
    rule,
    verdict,
)
from reviews.blind import kept_blind
from reviews.models import Item, Purpose, Ruling, Sample
from reviews.questions import (
    Asked,
    Choice,
    Words,
    codes_of,
    side_by_side,
    turns_of,
    worded,
)
from reviews.sampling import current_sample, rounds
from reviews.screen import HUES, initials, keys_of
from reviews.translated import choices
from studies.access import role_of, study_or_404
from studies.models import Event, Role, Study
from studies.problems import Problem

PAGE = 50
SUGGESTED = 8
STATUSES = ("open", "ruled", "all")


@dataclass(frozen=True)
class Line:
    """A case as the list shows it: its words, its address, and what each coder says."""

    case: Case
    label: Words
    dimension: Words
    url: str
    opinions: tuple[tuple[str, Words], ...]
    gain: str
    shift: str


@dataclass(frozen=True)
class Shown:
    """One coder beside the others: what they say, and where they point."""

    opinion: Opinion
    words: Words
    color: str
    initials: str
    quotes: tuple[tuple[int, int, str], ...]

    @property
    def passages(self) -> str:
        """Their evidence as the script reads it."""
        return json.dumps([[start, end] for start, end, _quote in self.quotes])


@never_cache
@require_safe
def adjudication(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what coders disagree about, the weightiest first."""
    study, blind = opened(request, slug)
    if blind:
        return blind
    sample = current_sample(study)
    context: dict[str, object] = {"study": study, "role": Role.LEAD, "sample": sample}
    if sample is None:
        return render(request, "reviews/adjudication.html", context)
    every = cases(sample)
    names = words(sample.revision)
    pairs = met(every)
    asked = asked_for(request)
    found = wanted(every, asked, pairs)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    query = query_of(asked)
    context |= {
        "page": page,
        "lines": [line(study, case, names, query) for case in page.object_list],
        "every": len(every),
        "open": sum(not case.ruled for case in every),
        "asked": asked,
        "codes": code_choices(every, names),
        "languages": sorted({case.language for case in every}),
        "pairs": [(key, " · ".join(both)) for key, both in pairs.items()],
        "statuses": [
            ("open", _("not ruled on yet")),
            ("ruled", _("ruled on")),
            ("all", _("all")),
        ],
        "sorts": [
            ("both", _("what matters most")),
            ("alpha", _("agreement")),
            ("prevalence", _("prevalence")),
            ("order", _("order of the draw")),
        ],
        "discussed": [
            (one, names[one.dimension, one.code], names[one.dimension, None])
            for one in discussed(sample)
        ],
    }
    return render(request, "reviews/adjudication.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def adjudicate(
    request: HttpRequest, slug: str, pk: int, dimension: str, code: str = ""
) -> HttpResponse:
    """Show one disagreement with both sides’ evidence, and keep what is ruled."""
    study, blind = opened(request, slug)
    if blind:
        return blind
    person = request.user
    assert isinstance(person, User)  # noqa: S101  LoginRequiredMiddleware lets nobody else in
    item, about, one = found_or_404(study, pk, dimension, code)
    sample = current_sample(study)
    assert sample is not None  # noqa: S101  there is an item
    asked = asked_for(request)
    problem = ""
    given = {"said": "", "why": "", "value": "", "code": ""}
    if request.method == "POST":
        given = {name: request.POST.get(name, "").strip() for name in ("said", "why", "value")}
        kind, _colon, holds = given["said"].partition(":")
        given |= {"said": Answer.YES.value if kind == "is" else kind, "code": holds}
    if request.method == "POST" and "show" not in request.POST:
        try:
            rule(
                item,
                person,
                dimension=dimension,
                code=given["code"] or None if about.kind == Kind.ONE else code or None,
                said="" if "take-back" in request.POST else given["said"],
                value=number(given["value"])
                if about.kind == Kind.SCALE and given["said"] == Answer.YES
                else None,
                why=given["why"],
            )
            return redirect(following(study, sample, asked, item, dimension, code))
        except Problem as found:
            problem = found.sentence(_)
    every = opinions(item, about, one)
    names = words(sample.revision)
    asked_of, choice = named(sample, dimension, code)
    turns = turns_of(item.segment.transcript, item.segment)
    translations, translation = choices(item.segment.transcript, asked["translation"])
    ruled = verdict(item, about, one)
    if ruled and request.method != "POST":
        given = {
            "said": ruled.said,
            "why": ruled.why,
            "code": ruled.code or "",
            "value": "" if ruled.value is None else f"{ruled.value:g}",
        }
    membership = study.memberships.filter(person=person).first()
    keys = membership.keys if membership else {}
    context = {
        "study": study,
        "role": role_of(person, study),
        "item": item,
        "language": item.segment.transcript.language,
        "turns": side_by_side(turns, translation),
        "translations": translations,
        "translation": translation,
        "whole": all(turn.asked for turn in turns),
        "dimension": asked_of,
        "choice": choice,
        "kind": about.kind,
        "shown": [shown(place, one, item, names, dimension) for place, one in enumerate(every)],
        "given": given,
        "ruled": ruled,
        "problem": problem,
        "history": [past(event, names, dimension) for event in history(item, about, one)],
        "suggested": reasons(sample, about, one),
        "back": reverse("adjudication", args=[slug]) + query_of(asked),
        "next": following(study, sample, asked, item, dimension, code),
        "keys": json.dumps(
            {key.action: key.code for key in keys_of(keys)}
            | ({"characters": "off"} if keys.get("characters") == "off" else {})
        ),
    }
    return render(request, "reviews/adjudicate.html", context, status=422 if problem else 200)


def opened(request: HttpRequest, slug: str) -> tuple[Study, HttpResponse | None]:
    """Return the study to its lead, and the page that tells them to code blind first if they must.

    Others are told that there is no such study, as strangers are.
    """
    study = study_or_404(request.user, slug, Role.LEAD)
    return study, kept_blind(request, study)


def found_or_404(
    study: Study, pk: int, dimension: str, code: str
) -> tuple[Item, Dimension, Code | None]:
    """Return the item, the dimension and the code that an address is about."""
    item = (
        Item.objects.filter(pk=pk, sample__study=study, sample__purpose=Purpose.REVIEW)
        .select_related("sample__revision", "sample__study", "segment__transcript__study")
        .first()
    )
    if item:
        about, known = codes_of(item.sample.revision).get(dimension, (None, {}))
        if about and (code in known if about.kind != Kind.ONE else not code):
            return item, about, known[code] if code else None
    raise Http404(_("There is no such disagreement."))


def asked_for(request: HttpRequest) -> dict[str, str]:
    """Return the filter that the address asks for; what is unknown asks for nothing."""
    given = {
        name: request.GET.get(name, "") for name in ("code", "language", "pair", "translation")
    }
    status, sort = request.GET.get("status", ""), request.GET.get("sort", "")
    return given | {
        "status": status if status in STATUSES else "open",
        "sort": sort if sort in SORTS else "both",
    }


def query_of(asked: dict[str, str]) -> str:
    """Return the filter as an address carries it on."""
    usual = {"status": "open", "sort": "both"}
    said = {name: value for name, value in asked.items() if value and usual.get(name) != value}
    return f"?{urlencode(said)}" if said else ""


def wanted(
    every: Sequence[Case], asked: dict[str, str], pairs: dict[str, tuple[str, str]]
) -> list[Case]:
    return chosen(
        every,
        code=asked["code"],
        language=asked["language"],
        pair=pairs.get(asked["pair"], ()),
        status=asked["status"],
        sort=asked["sort"],
    )


def met(every: Sequence[Case]) -> dict[str, tuple[str, str]]:
    """Return the pairs of coders who differ somewhere, by a key for the address."""
    found: dict[str, tuple[str, str]] = {}
    for case in every:
        for one, other in combinations(case.opinions, 2):
            if one.said != other.said:
                found[f"{one.person}-{other.person}"] = (one.name, other.name)
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def following(
    study: Study, sample: Sample, asked: dict[str, str], item: Item, dimension: str, code: str
) -> str:
    """Return the address of the next case that is not ruled on, or else of the list."""
    every = cases(sample)
    here = (item.pk, dimension, code or None)
    left = wanted(every, asked | {"status": "open"}, met(every))
    names = [case.name for case in left]
    # Whoever passes on one goes down the list; after a ruling the case is gone from it.
    rest = left[names.index(here) + 1 :] if here in names else left
    if not rest:
        return reverse("adjudication", args=[study.slug]) + query_of(asked)
    return address(study, rest[0]) + query_of(asked)


def address(study: Study, case: Case) -> str:
    about = [study.slug, case.item, case.dimension]
    return reverse("adjudicate", args=[*about, case.code] if case.code else about)


Names = dict[tuple[str, str | None], Words]


def words(revision: Revision) -> Names:
    """Return what dimensions (code None) and codes are called, in the reader’s language."""
    found: Names = {}
    for asked in worded(revision, get_language() or "en"):
        found[asked.key, None] = asked.label
        for choice in asked.codes:
            found[asked.key, choice.key] = choice.label
    return found


def named(sample: Sample, dimension: str, code: str) -> tuple[Asked, Choice | None]:
    asked = next(
        one for one in worded(sample.revision, get_language() or "en") if one.key == dimension
    )
    return asked, next((one for one in asked.codes if one.key == code), None)


def line(study: Study, case: Case, names: Names, query: str) -> Line:
    return Line(
        case=case,
        label=names[case.dimension, case.code],
        dimension=names[case.dimension, None],
        url=address(study, case) + query,
        opinions=tuple(
            (opinion.name, said_in_words(opinion.said, names, case.dimension, case.kind))
            for opinion in case.opinions
        ),
        gain=f"{case.gain:+.3f}" if case.gain else "–",
        shift=f"{100 * case.shift:.2f}",
    )


def said_in_words(said: str | float | None, names: Names, dimension: str, kind: str) -> Words:
    """Return what somebody said, as a person reads it, and the language it is in."""
    here = get_language() or "en"
    if said is None:
        return Words(_("left out"), here)
    if isinstance(said, float):
        return Words(f"{round(said, 2):g}", here)
    if kind == Kind.ONE and (dimension, said) in names:
        return names[dimension, said]
    plain = {
        Answer.YES.value: _("applies"),
        Answer.NO.value: _("does not apply"),
        Answer.UNSURE.value: _("unsure"),
        "": _("not expressed") if kind == Kind.SCALE else _("none of these"),
    }
    return Words(plain.get(said, said), here)


def shown(place: int, opinion: Opinion, item: Item, names: Names, dimension: str) -> Shown:
    text = item.segment.transcript.text
    kind = codes_of(item.sample.revision)[dimension][0].kind
    return Shown(
        opinion=opinion,
        words=said_in_words(opinion.said, names, dimension, kind),
        color=HUES[place % len(HUES)],
        initials=initials(opinion.name),
        quotes=tuple((start, end, text[start:end]) for start, end in opinion.passages),
    )


def past(event: Event, names: Names, dimension: str) -> dict[str, object]:
    """Return an entry of the history as a person reads it."""
    after = event.after if isinstance(event.after, dict) else {}
    said = after.get("said")
    label = _("taken back")
    if said == Answer.YES.value and after.get("code"):
        known = names.get((dimension, after["code"]))
        label = known.text if known else str(after["code"])
    elif said == Answer.YES.value and after.get("value") is not None:
        label = f"{after['value']:g}"
    elif said:
        label = {
            Answer.YES.value: _("applies"),
            Answer.NO.value: _("does not apply"),
            Answer.UNSURE.value: _("can’t be told"),
        }.get(str(said), str(said))
    return {"at": event.at, "name": event.name, "label": label, "why": after.get("why", "")}


def code_choices(every: Sequence[Case], names: Names) -> list[tuple[str, str]]:
    """Return the codes that somebody disagrees about, in the order of the codebook."""
    counts: dict[tuple[str, str | None], int] = {}
    for case in every:
        counts[case.dimension, case.code] = counts.get((case.dimension, case.code), 0) + 1
    return [
        (f"{dimension}/{code}" if code else dimension, f"{label.text} ({counts[dimension, code]})")
        for (dimension, code), label in names.items()
        if (dimension, code) in counts
    ]


def reasons(sample: Sample, about: Dimension, one: Code | None) -> list[str]:
    """Return the reasons given lately about the same code, so that like is ruled like."""
    rulings = Ruling.objects.filter(item__sample__in=rounds(sample)).exclude(why="")
    rulings = rulings.filter(code=one) if one else rulings.filter(code__dimension=about)
    return list(dict.fromkeys(rulings.order_by("-ruled_at").values_list("why", flat=True)[:40]))[
        :SUGGESTED
    ]


def number(text: str) -> float | None:
    """Return the number in a field; the step says what it does not take."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan
