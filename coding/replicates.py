"""Replicates: the same coder asked again about a random share of the segments.

A model without a seed may answer otherwise the second time. Every replicate is a run of its own
with the model, the prompt and the parameters of the run it repeats, all of them on the same
segments, and all paid from that run's budget. Running the step again goes on with what is there.
"""

import hashlib
from collections.abc import Collection
from typing import Any

from django.db import transaction

from coding import leases
from coding.models import CoderKind, Run, Work
from coding.runs import CANCELED
from studies.models import Segment, Study
from studies.problems import Problem, _
from studies.seeds import check_seed, seed_or_new

SHARE = 0.1
"""The share that is coded again unless somebody says how much."""

MOST = 20  # times that a segment may be coded in all
BATCH = 2_000


def start_replicates(
    run: Run, times: int, *, share: float | None = None, seed: int | None = None
) -> list[Run]:
    """Return the replicates of `run` that have its share of segments coded `times` in all.

    There are `times - 1` of them, numbered from 1, with work on the same random segments. `share`
    is above 0 and up to 1 (SHARE unless given), `seed` says which segments; both are kept in their
    parameters. Asked again, a larger share, more times and new segments add to what is there.
    """
    check(times, share, seed)
    if run.replicate or run.coder == CoderKind.IMPORTED:
        raise Problem(
            _("“%(run)s” can’t be repeated: only a run that was coded here can."), run=run.name
        )
    with transaction.atomic():
        Run.objects.select_for_update().get(pk=run.pk)  # two people ask: one after the other
        there = list(run.replicates.order_by("replicate"))
        share, seed = settled(run, there, share, seed)
        chosen = drawn(run.study, share, seed, repeated(run))
        made = []
        for number in range(1, max(times, len(there) + 1)):
            replicate, _created = Run.objects.get_or_create(
                replicate_of=run,
                replicate=number,
                defaults={
                    "study": run.study,
                    "revision": run.revision,
                    "coder": run.coder,
                    "name": f"{run.name[:190]} ({number + 1})",
                    "model": run.model,
                    "prompt_digest": run.prompt_digest,
                    "parameters": same_parameters(run),
                },
            )
            if replicate.stopped_because == CANCELED:
                raise Problem(
                    _(
                        "“%(run)s” was canceled: `manage.py run %(study)s resume --run %(id)d` "
                        "takes it up again."
                    ),
                    run=replicate.name,
                    study=run.study.slug,
                    id=replicate.pk,
                )
            before = replicate.work.count()
            Work.objects.bulk_create(
                [Work(run=replicate, segment_id=segment) for segment in chosen],
                BATCH,
                ignore_conflicts=True,
            )
            if before < len(chosen):
                replicate.finished_at = None
            replicate.stopped_because = ""
            replicate.parameters |= {"share": share, "seed": seed}
            if where := run.parameters.get("base_url"):
                replicate.parameters["base_url"] = where
            replicate.save(update_fields=["finished_at", "stopped_because", "parameters"])
            made.append(replicate)
    return made


def drawn(study: Study, share: float, seed: int, kept: Collection[int] = ()) -> list[int]:
    """Return a random `share` of the segments of `study`, at least one of them, by their keys.

    Every segment has a number of its own from `seed` and its name, and the lowest are drawn; so a
    larger share holds the smaller one, and no database decides. What is `kept` is always in it.
    """
    rows = Segment.objects.filter(transcript__study=study).values_list(
        "pk", "transcript__external_id", "index"
    )
    ranked = sorted(
        (pk not in kept, hashlib.sha256(f"{seed}/{index}/{name}".encode()).digest(), pk)
        for pk, name, index in rows.order_by().iterator(chunk_size=BATCH)
    )
    count = max(round(share * len(ranked)), 1, len(kept))
    return sorted(pk for _new, _number, pk in ranked[:count])


def repeated(run: Run) -> set[int]:
    """Return the segments that replicates of `run` are about, by their keys."""
    work = Work.objects.filter(run__replicate_of=run)
    return set(work.values_list("segment_id", flat=True))


def still_to_repeat(
    study: Study, run: Run | None, times: int, share: float | None, seed: int | None
) -> list[int]:
    """Return the segments, by their keys, that replicates have to code: one for each time.

    For an estimate before the start: nothing is made. `run` is None where there is none yet.
    """
    check(times, share, seed)
    there = list(run.replicates.order_by("replicate")) if run else []
    if run:
        share, seed = settled(run, there, share, seed)
    chosen = drawn(study, share or SHARE, seed or 0, repeated(run) if run else ())
    left = chosen * max(times - 1 - len(there), 0)
    for replicate in there:
        ended = replicate.work.exclude(state__in=leases.OPEN)
        done = set(ended.values_list("segment_id", flat=True))
        left += [segment for segment in chosen if segment not in done]
    return left


def check(times: int, share: float | None, seed: int | None) -> None:
    """Raise a Problem where one can't code so often, so much, or from such a seed."""
    if not 2 <= times <= MOST:
        raise Problem(
            _("A share is coded 2 to %(most)d times in all, not %(given)d."), most=MOST, given=times
        )
    if share is not None and not 0 < share <= 1:
        raise Problem(
            _("The share to code again is above 0 and up to 1, such as 0.1, not %(given)s."),
            given=share,
        )
    check_seed(seed)


def settled(run: Run, there: list[Run], share: float | None, seed: int | None) -> tuple[float, int]:
    """Return share and seed: those of the replicates that are `there`, else those that are given.

    The share may grow; it can't shrink, since what is coded stays coded.
    """
    if not there:
        return share or SHARE, seed_or_new(seed)
    kept, began = float(there[0].parameters["share"]), int(there[0].parameters["seed"])
    if seed is not None and seed != began:
        raise Problem(
            _("“%(run)s” is being repeated already, on segments drawn with seed %(seed)d."),
            run=run.name,
            seed=began,
        )
    if share is not None and share < kept:
        raise Problem(
            _("“%(run)s” is being repeated already on a share of %(share)g: it can only grow."),
            run=run.name,
            share=kept,
        )
    return share or kept, began


def same_parameters(run: Run) -> dict[str, Any]:
    """Return the parameters of `run` for its replicates; what is common to the study it keeps."""
    return {name: value for name, value in run.parameters.items() if name != "background"}
