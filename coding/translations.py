"""What of a study is to be translated into a language, and how that stands."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from coding import leases
from coding.ledger import KNOWN, TOKENS
from coding.models import Outcome, TranslationAttempt, TranslationRun
from studies.models import Study, Transcript, Translation
from studies.translations import base


def of_language(language: str) -> Q:
    """Return which interviews are in `language`, in whatever script where it names none."""
    same = Q(language=language)
    return same if "-" in language else same | Q(language__startswith=f"{language}-")


def foreign(
    study: Study,
    into: str,
    languages: Sequence[str] = (),
    within: "QuerySet[Any] | None" = None,
) -> "QuerySet[Transcript]":
    """Return the interviews of `study` that are in another language than `into`.

    Of some `languages` only, or those whose keys are `within` a query, if these are given.
    """
    own = of_language(into) | Q(language=base(into))
    rows = study.transcripts.exclude(own)
    if languages:
        named = Q()
        for language in languages:
            named |= of_language(language)
        rows = rows.filter(named)
    return rows if within is None else rows.filter(pk__in=within)


def untranslated(rows: "QuerySet[Transcript]", into: str) -> "QuerySet[Transcript]":
    """Return those of `rows` that have no translation `into` a language."""
    there = Translation.objects.filter(transcript=OuterRef("pk"), language=into)
    return rows.filter(~Exists(there))


def to_do(study: Study, rows: "QuerySet[Transcript]", into: str) -> "QuerySet[Transcript]":
    """Return those of `rows` of `study` still to be translated, without those given up."""
    # By the key of the run, of which there is one: so an index tells it, and no answer is touched.
    run = study.translation_runs.filter(language=into).values_list("pk", flat=True).first()
    given_up = TranslationAttempt.objects.filter(run=run, transcript=OuterRef("pk"), gave_up=True)
    return untranslated(rows, into).filter(~Exists(given_up))


def is_held(run: TranslationRun) -> bool:
    """Return whether somebody who is alive translates just now."""
    late = run.lease_until is None or run.lease_until < timezone.now()
    return bool(run.owner) and not late and not leases.is_dead(run.owner)


def standing(run: TranslationRun) -> dict[str, Any]:
    """Return how the translating of a study into a language stands, and what it cost: JSON.

    `usd` and `tokens` are booked; `maybe_billed` are requests whose answer was lost. `failed` says
    of how many interviews, by reason and language, no translation could be had.
    """
    on_its_way = Q(pk__in=[])
    if is_held(run):
        on_its_way = Q(outcome=Outcome.SENT, sent_at__gte=run.owned_since)
    lost = ~KNOWN & Q(cost__gt=0) & ~on_its_way
    sums = run.ledger.aggregate(
        requests=Count("pk"),
        **{kind: Sum(f"{kind}_tokens") for kind in TOKENS},
        usd=Sum("cost", filter=KNOWN),
        lost=Count("pk", filter=lost),
        lost_usd=Sum("cost", filter=lost),
    )
    return {
        "study": run.study.slug,
        "into": run.language,
        "translated": by_makers(run.study, run.language),
        "requests": sums["requests"],
        "tokens": {kind: sums[kind] or 0 for kind in TOKENS},
        "usd": float(sums["usd"] or 0),
        "maybe_billed": {"requests": sums["lost"], "at_most": float(sums["lost_usd"] or 0)},
        "failed": failures(run),
        "budget": None if run.budget is None else float(run.budget),
        "stopped": run.stopped_because,
    }


def by_makers(study: Study, into: str) -> list[dict[str, Any]]:
    """Return how many translations into a language there are, by who made them."""
    rows = Translation.objects.filter(transcript__study=study, language=into)
    made = rows.order_by("maker", "machine").values("maker", "machine")
    return [dict(row) for row in made.annotate(interviews=Count("pk"))]


def languages_of(study: Study) -> list[str]:
    """Return into which languages `study` is translated, or was tried to be."""
    made = Translation.objects.filter(transcript__study=study).order_by()
    tried = study.translation_runs.order_by().values_list("language", flat=True)
    return sorted({*made.values_list("language", flat=True).distinct(), *tried})


def failures(run: TranslationRun) -> dict[str, dict[str, int]]:
    """Return of how many interviews no translation could be had, by reason and language.

    What stands in brackets behind a reason, such as which turn is missing, is left out.
    """
    there = Translation.objects.filter(transcript=OuterRef("transcript"), language=run.language)
    rows = run.ledger.filter(~Exists(there), gave_up=True).order_by()
    found: dict[str, dict[str, int]] = {}
    for reason, language, interviews in rows.values_list("error", "transcript__language").annotate(
        Count("transcript", distinct=True)
    ):
        by_language = found.setdefault(reason.partition(" (")[0], {})
        by_language[language] = by_language.get(language, 0) + interviews
    return dict(sorted(found.items()))
