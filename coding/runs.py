"""Runs: a coder goes through all segments of a study, and can be stopped and gone on with.

Running a step again does no harm: the same coder, model, revision and prompt are the same run,
and what is done in it is done.
"""

from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from codebooks.models import Revision
from codebooks.revisions import current_revision, freeze
from coding import leases
from coding.coders import (
    CodeGuide,
    Coder,
    DimensionGuide,
    Guide,
    Kind,
    Passage,
)
from coding.coders.services import ANTHROPIC, chosen, model_for
from coding.ledger import KNOWN, on_their_way
from coding.models import Attempt, Batch, CoderKind, Coding, Evidence, Run, State, Work
from coding.prices import price
from coding.prompts import write
from studies.audit import Action, record
from studies.models import Segment, Study
from studies.problems import Problem, _

# Why a run does not go on that a person told so.
PAUSED = _("Paused by a person: resume it to go on.")
CANCELED = _("Canceled by a person: resume it to take it up again.")

MOST_EXAMPLES = 2_000  # reviewed codings that the embedded coder learns from
SURVEYED = 100  # segments from which the embedded coder learns what all talk about


# ---- starting -------------------------------------------------------------------------------


def start_run(
    study: Study,
    coder: str = CoderKind.EMBEDDED,
    *,
    model: str = "",
    budget: Decimal | None = None,
    revision: Revision | None = None,
    base_url: str = "",
    service: str = "",
) -> Run:
    """Return the run of `coder` on the current codebook of `study`, with work for all segments.

    The same coder, model, revision and prompt give the run that is there already; segments that
    were imported since are added to it. The revision is frozen. `base_url` and `service` say where
    Claude is asked (`coding/coders/services.py`); the run keeps both.
    """
    revision = revision or current_revision(study)
    if not Segment.objects.filter(transcript__study=study).exists():
        raise Problem(
            _("“%(study)s” has no interviews to code: import some first."), study=study.slug
        )
    if coder == CoderKind.CLAUDE:
        model, digest, parameters = _claude(revision, model, base_url, service)
    elif coder == CoderKind.EMBEDDED:
        model, digest, parameters = _embedded(revision)
    else:
        raise Problem(
            _("There is no coder called “%(coder)s”: it is claude or embedded."), coder=coder
        )
    same = {"study": study, "revision": revision, "coder": coder, "model": model}
    known = Run.objects.filter(**same, prompt_digest=digest, replicate=0)
    if coder == CoderKind.CLAUDE and not known.exists():
        from coding.coders.messages import client

        # Without a key there is nothing to begin, and no empty run is left behind.
        client(base_url or None, platform=parameters["service"]).close()
    with transaction.atomic():
        freeze(revision)
        run, created = Run.objects.get_or_create(
            **same,
            prompt_digest=digest,
            replicate=0,
            defaults={"name": f"{coder} · {model}"[:200], "parameters": parameters},
        )
        if run.stopped_because == CANCELED:
            raise Problem(
                _("“%(run)s” was canceled: `manage.py run %(study)s resume` takes it up again."),
                run=run.name,
                study=study.slug,
            )
        if leases.add_work(run):
            run.finished_at = None
        stopped, run.stopped_because = run.stopped_because, ""
        if budget is not None:
            run.budget = budget
        if base_url:
            run.parameters["base_url"] = base_url
        if service and coder == CoderKind.CLAUDE:
            run.parameters["service"] = parameters["service"]
        run.save(update_fields=["finished_at", "stopped_because", "budget", "parameters"])
        if created or stopped:
            action = Action.RUN_STARTED if created else Action.RUN_RESUMED
            limit = str(run.budget) if run.budget is not None else None
            after = {"revision": str(revision), "model": model, "budget": limit}
            record(study, None, action, run.name, {"stopped": stopped} if stopped else None, after)
    return run


def _claude(
    revision: Revision, model: str, base_url: str, service: str
) -> tuple[str, str, dict[str, Any]]:
    """Return which model of Claude is asked, the digest of its prompt, and what its run keeps."""
    from coding.coders.claude import MODEL

    if base_url and urlsplit(base_url).scheme not in ("http", "https"):
        raise Problem(
            _("“%(url)s” is no address: it begins with http:// or https://."), url=base_url
        )
    service = chosen(service)
    model = model_for(service, model, MODEL)
    prices = str(price(model, service=service).date)
    parameters = {"prices": prices, "base_url": base_url, "service": service}
    return model, write(guide(revision)).digest, parameters


def _embedded(revision: Revision) -> tuple[str, str, dict[str, Any]]:
    """Return the embedded coder's model, the digest of what it knows, and what its run keeps."""
    from coding.coders import embedded

    examples = reviewed(revision, MOST_EXAMPLES)
    examples = examples[: embedded.learns_from(len(examples))]
    digest = embedded.digest(guide(revision), examples)
    return embedded.model_id(), digest, {"learned_from": len(examples)}


def embedded_run(study: Study) -> Run | None:
    """Return the run that the embedded coder would go on with, None where it would begin one."""
    revision = current_revision(study)
    model, digest, _parameters = _embedded(revision)
    found = Run.objects.filter(study=study, revision=revision, coder=CoderKind.EMBEDDED)
    return found.filter(model=model, prompt_digest=digest, replicate=0).first()


def amount(given: str) -> Decimal:
    """Return the budget in USD that was `given`; what is no amount of money is a Problem."""
    try:
        money = Decimal(given.strip().lstrip("$"))
    except InvalidOperation:
        money = Decimal("NaN")
    if not money.is_finite() or money <= 0 or money >= 1_000_000:
        raise Problem(
            _("“%(given)s” is no budget: give an amount in USD, such as 12.50."), given=given
        )
    return money


def run_of(study: Study, number: int, *, replicates: bool = True) -> Run:
    """Return the run of `study` with that number; without `replicates`, one in its own right."""
    runs = study.runs.all() if replicates else study.runs.filter(replicate=0)
    found = runs.filter(pk=number).first()
    if found is None:
        raise Problem(
            _("The study “%(study)s” has no run %(run)d: its runs are %(runs)s."),
            study=study.slug,
            run=number,
            runs=", ".join(str(pk) for pk in runs.values_list("pk", flat=True)) or "–",
        )
    return found


def family(run: Run) -> QuerySet[Run]:
    """Return `run` and its replicates: who stops it stops them."""
    return Run.objects.filter(Q(pk=run.pk) | Q(replicate_of=run)).order_by("pk")


def pause(run: Run) -> None:
    """Have whoever works on `run` stop within seconds, with the answers that are on their way."""
    going = family(run).filter(finished_at=None).exclude(stopped_because=CANCELED)
    with transaction.atomic():
        if not going.update(stopped_because=PAUSED):
            raise Problem(_("“%(run)s” has ended: there is nothing to pause."), run=run.name)
        record(run.study, None, Action.RUN_PAUSED, run.name)


def resume(run: Run) -> None:
    """Let `run` go on, and take up again what was canceled; who works on it is another matter."""
    with transaction.atomic():
        work = Work.objects.filter(run__in=family(run))
        work.filter(state=State.CANCELED).update(state=State.PENDING, reason="")
        left = work.filter(state__in=leases.OPEN).order_by().values_list("run", flat=True)
        if not (going := set(left.distinct())):
            raise Problem(_("Nothing of “%(run)s” is left to do."), run=run.name)
        Run.objects.filter(pk__in=going).update(stopped_because="", finished_at=None)
        record(run.study, None, Action.RUN_RESUMED, run.name)


def cancel(run: Run) -> None:
    """Bring `run` to its end: what is decided stays, the rest is canceled."""
    with transaction.atomic():
        going = list(family(run).filter(finished_at=None))
        if not going:
            raise Problem(_("“%(run)s” has ended: there is nothing to cancel."), run=run.name)
        family(run).filter(finished_at=None).update(stopped_because=CANCELED)
        record(run.study, None, Action.RUN_CANCELED, run.name)
    for one in going:
        leases.cancel_left(one, CANCELED)


def guide(revision: Revision) -> Guide:
    """Return `revision` as a coder needs it."""
    dimensions = []
    for dimension in revision.dimensions.order_by("position").prefetch_related(
        "wordings", "codes__wordings"
    ):
        codes = tuple(
            CodeGuide(
                key=code.key,
                label=code.label,
                definition=code.definition,
                include=code.include,
                exclude=code.exclude,
                examples=tuple(str(example["text"]) for example in code.examples),
                wordings={
                    wording.language: dict(sorted(wording.texts.items()))
                    for wording in sorted(code.wordings.all(), key=lambda w: w.language)
                },
            )
            for code in sorted(dimension.codes.all(), key=lambda code: code.position)
        )
        dimensions.append(
            DimensionGuide(
                key=dimension.key,
                label=dimension.label,
                kind=cast(Kind, dimension.kind),
                codes=codes,
                question=dimension.question,
                minimum=0.0 if dimension.minimum is None else dimension.minimum,
                maximum=1.0 if dimension.maximum is None else dimension.maximum,
                low=dimension.low,
                high=dimension.high,
                wordings={
                    wording.language: dict(sorted(wording.texts.items()))
                    for wording in sorted(dimension.wordings.all(), key=lambda w: w.language)
                },
            )
        )
    if not dimensions:
        raise Problem(_("The codebook “%(name)s” asks nothing yet."), name=revision.codebook.name)
    return Guide(revision.codebook.name, tuple(dimensions), revision.codebook.language)


def reviewed(revision: Revision, most: int) -> list[Any]:
    """Return what people decided about segments, oldest first, for the embedded coder to learn.

    Where several coded a segment, a code applies if at least half of them say so.
    """
    from coding.coders import embedded

    codings = Coding.objects.by_people().filter(revision=revision)
    segments = list(dict.fromkeys(codings.order_by("pk").values_list("segment_id", flat=True)))
    if len(segments) < embedded.LEARNS_FROM:
        return []
    roles = revision.codebook.study.speaker_roles
    found = []
    for segment in Segment.objects.filter(pk__in=segments).select_related("transcript"):
        passage = leases.passage_of(segment, roles)
        if embedded.turned_away(passage) is None:
            found.append(passage)
    order = {str(key): at for at, key in enumerate(segments)}
    found.sort(key=lambda passage: order[passage.key])
    return [example_of(passage, codings) for passage in found[:most]]


def example_of(passage: Passage, codings: Any) -> Any:
    """Return what people decided about `passage`."""
    from coding.coders import embedded

    here = list(
        codings.filter(segment_id=int(passage.key)).prefetch_related("marks__code__dimension")
    )
    looked = Counter(key for coding in here for key in coding.dimensions)
    votes: Counter[tuple[str, str]] = Counter()
    values: dict[str, list[float]] = {}
    for coding in here:
        for mark in coding.marks.all():
            dimension = mark.code.dimension.key
            if mark.value is not None:
                values.setdefault(dimension, []).append(mark.value)
            elif mark.answer == "yes":
                votes[dimension, mark.code.key] += 1
    return embedded.Example(
        passage,
        {
            dimension: frozenset(
                code for (key, code), count in votes.items() if key == dimension and 2 * count >= by
            )
            for dimension, by in sorted(looked.items())
        },
        {dimension: sum(given) / len(given) for dimension, given in sorted(values.items())},
    )


def coder_for(run: Run, *, base_url: str = "") -> Coder:
    """Return the coder that `run` is by; a missing key is a Problem."""
    words = guide(run.revision)
    if run.coder == CoderKind.CLAUDE:
        from coding.coders.claude import ClaudeCoder

        where = base_url or run.parameters.get("base_url") or None
        return ClaudeCoder(write(words), run.model, base_url=where, platform=service_of(run))
    if run.coder == CoderKind.EMBEDDED:
        from coding.coders.embedded import EmbeddedCoder

        count = run.parameters.get("learned_from", 0)
        examples = reviewed(run.revision, MOST_EXAMPLES)[:count] if count else ()
        # A replicate goes by what its run kept: it is the same coder asked again.
        return EmbeddedCoder(words, examples, background_of(run.replicate_of or run, words))
    raise Problem(_("“%(run)s” was coded elsewhere and can't be gone on with."), run=run.name)


def service_of(run: Run | None, service: str = "") -> str:
    """Return `service` if it is given, else the one that `run` goes through, else the usual one."""
    if run is None or service:
        return chosen(service)
    return str(run.parameters.get("service") or ANTHROPIC)


def background_of(run: Run, words: Guide) -> Any:
    """Return what is common to the study, as it was when `run` began: the run keeps it."""
    from coding.coders import embedded

    if "background" not in run.parameters:
        covered = Q()
        for language in embedded.LANGUAGES:
            covered |= Q(transcript__language=language)
            covered |= Q(transcript__language__startswith=f"{language}-")
        segments = Segment.objects.filter(covered, transcript__study=run.study)
        keys = list(segments.order_by("pk").values_list("pk", flat=True))
        step = max(1, len(keys) // SURVEYED)
        chosen = segments.filter(pk__in=keys[::step][:SURVEYED]).select_related("transcript")
        roles = run.study.speaker_roles
        passages = [leases.passage_of(segment, roles) for segment in chosen.order_by("pk")]
        made = embedded.survey(words, passages)
        with transaction.atomic():
            row = Run.objects.select_for_update().get(pk=run.pk)
            # Another worker may have been first; then both have to use what it kept.
            row.parameters.setdefault("background", made and made.as_json())
            row.save(update_fields=["parameters"])
        run.parameters = row.parameters
    kept = run.parameters["background"]
    return embedded.Background.from_json(kept) if kept else None


# ---- how it stands --------------------------------------------------------------------------


def progress(run: Run) -> dict[str, Any]:
    """Return how `run` stands: JSON, cheap enough to be asked for every second or two.

    `segments` by state, `finished`, `stopped` (why, or empty), `tokens`, `cost` (booked, USD),
    `maybe_billed` (requests whose answer was lost: how many, and the most they can have cost),
    `batches` (open: sent and not settled, of how many requests), `budget` (shared with replicates),
    `cache_hits` (share of all input that was read from the cache).
    """
    run.refresh_from_db()
    budget = Run.objects.values_list("budget", flat=True).get(pk=leases.purse(run))
    states = dict(
        Work.objects.filter(run=run).order_by().values_list("state").annotate(Count("pk"))
    )
    ledger = Attempt.objects.filter(work__run=run)
    batches = Batch.objects.filter(run=run, settled_at=None)
    lost = ~KNOWN & ~on_their_way(run) & Q(cost__gt=0)
    waiting = batches.aggregate(open=Count("pk"), requests=Sum("requests"))
    sums = ledger.aggregate(
        requests=Count("pk"),
        input=Sum("input_tokens"),
        output=Sum("output_tokens"),
        cache_read=Sum("cache_read_tokens"),
        cache_write=Sum("cache_write_tokens"),
        booked=Sum("cost", filter=KNOWN),
        lost=Count("pk", filter=lost),
        lost_cost=Sum("cost", filter=lost),
    )
    read = sums["cache_read"] or 0
    all_input = (sums["input"] or 0) + read + (sums["cache_write"] or 0)
    total = sum(states.values())
    ended = sum(count for state, count in states.items() if state not in leases.OPEN)
    return {
        "run": run.pk,
        "study": run.study.slug,
        "name": run.name,
        "coder": run.coder,
        "model": run.model,
        "base_url": run.parameters.get("base_url") or "",
        "service": service_of(run) if run.coder == CoderKind.CLAUDE else "",
        "by_dimension": bool(run.parameters.get("by_dimension")),
        "segments": {"total": total, "ended": ended}
        | {state.value: states.get(state.value, 0) for state in State},
        "finished": run.finished_at is not None,
        "stopped": run.stopped_because,
        "requests": sums["requests"],
        "tokens": {key: sums[key] or 0 for key in ("input", "output", "cache_read", "cache_write")},
        "cache_hits": read / all_input if all_input else None,
        "cost": float(sums["booked"] or 0),
        "batches": {"open": waiting["open"], "requests": waiting["requests"] or 0},
        "maybe_billed": {"requests": sums["lost"], "at_most": float(sums["lost_cost"] or 0)},
        "budget": None if budget is None else float(budget),
    }


def findings(run: Run) -> dict[str, Any]:
    """Return what `run` found: evidence by how it was found, refusals and failures, by language.

    It reads every mark of the run: for the end of a command and a report, not for every second.
    """
    language = "mark__coding__segment__transcript__language"
    found = (
        Evidence.objects.filter(mark__coding__run=run)
        .order_by()
        .values_list("found", language)
        .annotate(Count("pk"))
    )
    evidence: dict[str, Any] = dict.fromkeys(
        ("exact", "folded", "fuzzy", "interviewer", "missing"), 0
    )
    by_language: dict[str, dict[str, int]] = {}
    for how, spoken_in, count in found:
        evidence[how] += count
        by_language.setdefault(spoken_in, {})[how] = count
    return {
        "evidence": evidence | {"by_language": dict(sorted(by_language.items()))},
        "refused": ended_as(run, State.REFUSED),
        "failed": ended_as(run, State.FAILED),
    }


def ended_as(run: Run, state: State) -> dict[str, dict[str, int]]:
    """Return how many segments ended in `state`, by reason and language."""
    rows = (
        Work.objects.filter(run=run, state=state)
        .order_by()
        .values_list("reason", "segment__transcript__language")
        .annotate(Count("pk"))
    )
    found: dict[str, dict[str, int]] = {}
    for reason, language, count in sorted(rows):
        found.setdefault(reason, {})[language] = count
    return found
