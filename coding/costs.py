"""What a run will cost, and what it cost: in all, by language, and for 1,000 interviews. USD.

Before the start tokens are counted by the service on a sample, or guessed from the length; nothing
is sent that costs money. Afterwards everything comes from the ledger.
"""

import json
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Avg, Count, Q, Sum
from django.utils import timezone

from codebooks.revisions import current_revision
from coding import leases
from coding.coders import Usage
from coding.coders.services import chosen, has_batches, is_regional, model_for
from coding.ledger import KNOWN, MOST_LISTED, TOKENS, maybe_billed, sums
from coding.models import Attempt, CoderKind, Outcome, Run, State
from coding.prices import Price, price
from coding.prompts import Prompt, by_dimension, user_turn, write
from coding.runs import embedded_run, guide, service_of
from studies.models import Segment, Study
from studies.problems import Problem

log = logging.getLogger(__name__)

SAMPLE = 20  # segments whose tokens are counted for an estimate
TYPICAL_OUTPUT = 60  # tokens of an answer for each mark that may be expected
ENOUGH = 20  # answers of the run from which the length of the others is taken
BYTES_A_TOKEN = 3.2  # of this model family, over many languages, where nobody can count
LANGUAGE = "work__segment__transcript__language"


# ---- before the start -----------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """What is still to be sent would cost `usd`, or `usd_batch` where the service has batches.

    Tokens are by `counted_by` ("count_tokens" or "characters"). `waiting` requests are with the
    service in open batches; they cost `waiting_usd` at most and are not asked again. A prompt of
    `prompt_tokens` (of the shortest, where each dimension is asked about on its own) is cached
    from `cache_minimum` on; 0 says that the model's minimum is not known.
    """

    segments: int
    requests: int
    model: str
    service: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    usd: Decimal
    usd_batch: Decimal | None
    prices_of: str
    counted_by: str
    by_dimension: bool
    prompt_tokens: int
    cache_minimum: int
    below_minimum: bool
    waiting: int
    waiting_usd: Decimal
    coder: str = CoderKind.CLAUDE.value

    def as_json(self) -> dict[str, Any]:
        """Return the estimate as JSON."""
        return {
            key: float(value) if isinstance(value, Decimal) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Shared:
    """What every request of a kind has: tokens of prompt and form, and of its answer."""

    prompt: int
    form: int
    output: float


def estimate(
    study: Study,
    model: str = "",
    *,
    coder: str = CoderKind.CLAUDE,
    base_url: str = "",
    service: str = "",
    again: Sequence[int] = (),
) -> Estimate:
    """Return what it would cost to have `model` code what it has not coded in `study` yet.

    The embedded coder costs nothing: of it only what is left to code is told. `again` are segments,
    by their keys, that replicates are to code: each as often as it is named.
    """
    from coding.coders.claude import MODEL

    if coder == CoderKind.EMBEDDED:
        return for_nothing(study, again)
    whole = write(guide(current_revision(study)))
    model = model_for(chosen(service), model, MODEL)
    run = Run.objects.filter(
        study=study,
        coder=CoderKind.CLAUDE,
        model=model,
        prompt_digest=whole.digest,
        replicate=0,
    ).first()
    service = service_of(run, service)
    base_url = base_url or (run.parameters.get("base_url", "") if run else "")
    rate = price(model, service=service, regional=is_regional(service, model))
    keys, waiting, waiting_usd = left_to_send(study, run)
    keys += again
    split = bool(run and run.parameters.get("by_dimension"))
    sample = passages(study, keys)
    counted_by = "count_tokens"
    try:
        kinds, messages = counted(whole, model, sample, split, base_url=base_url, service=service)
    except Exception as error:  # whatever is in the way, an estimate is still wanted
        if not isinstance(error, Problem):
            log.info("count_tokens: %s", type(error).__name__)
        counted_by = "characters"
        kinds, messages = guessed(by_dimension(whole.guide) if split else [whole], sample)
    if seen := usual_output(run):
        kinds = [replace(kind, output=seen) for kind in kinds]
    message = sum(messages) / max(len(messages), 1)
    total = in_all(rate, kinds, message, len(keys))
    usd = one_by_one(rate, total)
    shortest = min((kind.prompt for kind in kinds), default=0)
    return Estimate(
        segments=len(keys),
        requests=len(keys) * len(kinds),
        model=model,
        service=service,
        input_tokens=total.input,
        output_tokens=total.output,
        cached_tokens=total.cache_read,
        usd=usd,
        usd_batch=usd * rate.batch if has_batches(service) else None,
        prices_of=rate.date,
        counted_by=counted_by,
        by_dimension=len(kinds) > 1,
        prompt_tokens=shortest,
        cache_minimum=rate.cache_minimum,
        below_minimum=0 < shortest < rate.cache_minimum,
        waiting=waiting,
        waiting_usd=waiting_usd,
    )


def for_nothing(study: Study, again: Sequence[int]) -> Estimate:
    """Return what the embedded coder has still to code in `study`, and `again`."""
    from coding.coders import embedded

    keys, _waiting, _usd = left_to_send(study, embedded_run(study))
    return Estimate(
        segments=len(keys) + len(again),
        requests=0,
        model=embedded.model_id(),
        service="",
        input_tokens=0,
        output_tokens=0,
        cached_tokens=0,
        usd=Decimal(0),
        usd_batch=None,
        prices_of="",
        counted_by="",
        by_dimension=False,
        prompt_tokens=0,
        cache_minimum=0,
        below_minimum=False,
        waiting=0,
        waiting_usd=Decimal(0),
        coder=CoderKind.EMBEDDED.value,
    )


def left_to_send(study: Study, run: Run | None) -> tuple[list[int], int, Decimal]:
    """Return the segments of `study`, by their keys, that `run` has still to send a request about,
    and how many requests are with the service in open batches, with the most that those cost."""
    segments = Segment.objects.filter(transcript__study=study)
    waiting, waiting_usd = 0, Decimal(0)
    if run is not None:
        ended = Q(state__in=[State.DONE, State.REFUSED, State.FAILED])
        sent = Q(state=State.LEASED, owner__startswith=leases.WITH_SERVICE)
        segments = segments.exclude(
            pk__in=run.work.filter(ended | sent).order_by().values("segment_id")
        )
        with_service = Attempt.objects.filter(
            work__run=run, outcome=Outcome.SENT, batch__settled_at=None, batch__isnull=False
        ).aggregate(requests=Count("pk"), usd=Sum("cost"))
        waiting, waiting_usd = with_service["requests"], with_service["usd"] or Decimal(0)
    keys = list(segments.order_by("pk").values_list("pk", flat=True))
    return keys, waiting, waiting_usd


def passages(study: Study, keys: Sequence[int]) -> list[Any]:
    """Return some of the segments `keys`, spread evenly over all of them, as a coder gets them."""
    step = max(1, len(keys) // SAMPLE)
    chosen = Segment.objects.filter(pk__in=keys[::step][:SAMPLE]).select_related("transcript")
    return [leases.passage_of(segment, study.speaker_roles) for segment in chosen.order_by("pk")]


def counted(
    whole: Prompt, model: str, sample: Sequence[Any], split: bool, *, base_url: str, service: str
) -> tuple[list[Shared], list[int]]:
    """Return what requests share and how long the messages of `sample` are, by the service.

    A codebook that is too large for one request is counted a dimension at a time.
    """
    from coding.coders.claude import ClaudeCoder, TooLargeForm

    asked = ClaudeCoder(whole, model, base_url=base_url or None, platform=service, read_timeout=30)
    with closing(asked):
        try:
            prompt, form, messages = asked.count(sample[:1] if split else sample)
            if not split:
                return [Shared(prompt, form, output_of(whole))], messages
        except TooLargeForm:
            pass
        messages = asked.count_messages(sample)
        kinds = []
        for part in asked.by_dimension():
            prompt, form, _alone = part.count(sample[:1])
            kinds.append(Shared(prompt, form, output_of(part.prompt)))
        return kinds, messages


def guessed(prompts: Sequence[Prompt], sample: Sequence[Any]) -> tuple[list[Shared], list[int]]:
    """Return about what requests with each of `prompts` share, and how long messages are."""
    kinds = [
        Shared(
            prompt=round(len(prompt.system.encode()) / BYTES_A_TOKEN),
            form=round(len(json.dumps(prompt.schema)) / BYTES_A_TOKEN),
            output=output_of(prompt),
        )
        for prompt in prompts
    ]
    messages = [len(user_turn(passage).encode("utf-8", "replace")) for passage in sample]
    return kinds, [round(size / BYTES_A_TOKEN) for size in messages]


def output_of(prompt: Prompt) -> float:
    """Return about how many tokens an answer to `prompt` has."""
    return TYPICAL_OUTPUT * sum(
        1 + len(dimension.codes) // 8 for dimension in prompt.guide.dimensions
    )


def usual_output(run: Run | None) -> float | None:
    """Return how many tokens the answers of `run` have on average; None while too few are there."""
    if run is None:
        return None
    seen = Attempt.objects.filter(KNOWN, work__run=run, outcome=Outcome.OK).aggregate(
        count=Count("pk"), mean=Avg("output_tokens")
    )
    return float(seen["mean"]) if seen["count"] >= ENOUGH else None


def in_all(rate: Price, kinds: Sequence[Shared], message: float, segments: int) -> Usage:
    """Return the tokens of a request of each of `kinds` for each of `segments`.

    Where a prompt is long enough the first request writes it to the cache and the others read it.
    """
    total = Usage()
    for kind in kinds:
        cached = kind.prompt if rate.caches(kind.prompt) else 0
        total = Usage(
            input=total.input + round(segments * (message + kind.form + kind.prompt - cached)),
            output=total.output + round(segments * kind.output),
            cache_read=total.cache_read + max(segments - 1, 0) * cached,
            cache_write=total.cache_write + (cached if segments else 0),
        )
    return total


def one_by_one(rate: Price, whole: Usage) -> Decimal:
    """Return what `whole` costs when it is many requests, none of them long."""
    return replace(rate, long=None).cost(whole)


def keep(run: Run, made: Estimate) -> None:
    """Keep with `run` what was estimated, and what it had cost by then."""
    booked = sums(run)[0]["usd"] or Decimal(0)
    kept = made.as_json() | {"at": timezone.now().isoformat(), "booked": float(booked)}
    with transaction.atomic():
        row = Run.objects.select_for_update().get(pk=run.pk)
        row.parameters["estimate"] = kept
        row.save(update_fields=["parameters"])
    run.parameters = row.parameters


# ---- afterwards -----------------------------------------------------------------------------


def rate_of(run: Run) -> Price:
    """Return the price of the model of `run` at the service that it goes through."""
    service = service_of(run)
    return price(run.model, service=service, regional=is_regional(service, run.model))


def costs(run: Run) -> dict[str, Any]:
    """Return what `run` cost: JSON. It reads the whole ledger of the run, so not for every second.

    `usd` and `tokens` are booked: those of requests whose answer told its tokens. Figures for
    1,000 interviews are of `interviews`, those that were asked about. `cache.hit_rate` is the
    share of all input that was read from the cache. `maybe_billed` lists the first 100 requests
    whose answer was lost, with the most that each can have cost.
    """
    whole = sums(run)[0]
    return {
        **spent(whole),
        "by_language": [
            {"language": row["by"], **spent(row)} for row in sums(run, LANGUAGE) if row["requests"]
        ],
        "cache": cache(run, whole),
        "maybe_billed": {
            "requests": whole["lost"],
            "at_most": float(whole["lost_usd"] or 0),
            "rows": [
                {
                    "interview": row.work.segment.transcript.external_id,
                    "segment": row.work.segment.index,
                    "language": row.work.segment.transcript.language,
                    "sent_at": row.sent_at.isoformat(),
                    "request_id": row.request_id,
                    "model": row.model,
                    "at_most": float(row.cost),
                    "error": row.error,
                }
                for row in maybe_billed(run)
                .select_related("work__segment__transcript")
                .defer("answer", "work__segment__transcript__text")[:MOST_LISTED]
            ],
        },
        "estimate": run.parameters.get("estimate"),
    }


def spent(row: dict[str, Any]) -> dict[str, Any]:
    """Return one row of the ledger's sums as JSON, with what 1,000 interviews cost."""
    tokens = {kind: row[kind] or 0 for kind in TOKENS}
    usd, interviews = row["usd"] or Decimal(0), row["interviews"]
    all_input = tokens["input"] + tokens["cache_read"] + tokens["cache_write"]
    return {
        "interviews": interviews,
        "requests": row["requests"],
        "tokens": tokens,
        "usd": float(usd),
        "usd_per_1000": float(usd * 1_000 / interviews) if interviews else None,
        "tokens_per_1000": {kind: round(n * 1_000 / interviews) for kind, n in tokens.items()}
        if interviews
        else None,
        "hit_rate": tokens["cache_read"] / all_input if all_input else None,
    }


def cache(run: Run, whole: dict[str, Any]) -> dict[str, Any]:
    """Return how the cache serves `run`; `below_minimum` is None as long as nobody knows."""
    kept = run.parameters.get("estimate") or {}
    minimum = kept.get("cache_minimum") or 0
    if not minimum and run.coder == CoderKind.CLAUDE:
        try:
            minimum = rate_of(run).cache_minimum
        except Problem:  # the table has lost the model since
            minimum = 0
    below: bool | None = kept.get("below_minimum") if kept else None
    if (whole["cache_read"] or 0) + (whole["cache_write"] or 0):
        below = False
    return {
        "hit_rate": spent(whole)["hit_rate"],
        "prompt_tokens": kept.get("prompt_tokens"),
        "minimum": minimum,
        "below_minimum": below,
    }
