"""Bridge samples: what people coded under one revision, drawn again to be coded under another.

The same segments coded twice show what the codebook changed. The items of an earlier sample, with
all its rounds, or a random part of each of its strata, are drawn with the probabilities that they
had, times that of being in the part: a bridge is a probability sample of the study itself.
"""

from collections.abc import Sequence

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction

from codebooks.models import Revision
from codebooks.revisions import current_revision
from reviews.models import Item, Purpose, Sample
from reviews.sampling import (
    digest_of,
    keep_sample,
    kept_rare,
    load_frame,
    rounds,
    still_there,
    who_codes,
)
from reviews.stats.designs import allocate
from studies.models import Study
from studies.problems import Problem, _
from studies.seeds import check_seed, seed_or_new


def draw_bridge(
    study: Study,
    *,
    size: int = 0,
    sample: Sample | None = None,
    revision: Revision | None = None,
    coders: Sequence[str] = (),
    overlap: float = 0.0,
    per_item: int | None = None,
    seed: int | None = None,
    by: User | None = None,
) -> Sample:
    """Draw `size` of the items of an earlier `sample` (0: all) to be coded under `revision`.

    By default that is the latest sample of another revision, and the newest revision. Drawing
    again with the same arguments and seed gives the sample that is there.
    """
    revision = revision or current_revision(study)
    if sample is None:
        earlier = study.samples.filter(purpose=Purpose.REVIEW).exclude(revision=revision)
        sample = earlier.order_by("-pk").first()
    if sample is None:
        raise Problem(
            _(
                "No sample of “%(study)s” was drawn under another revision than %(revision)d: "
                "there is nothing to bridge."
            ),
            study=study.slug,
            revision=revision.number,
        )
    if sample.revision == revision:
        raise Problem(
            _("That sample was drawn under revision %(revision)d itself: a bridge needs another."),
            revision=revision.number,
        )
    check_seed(seed)
    chain = independent(rounds(sample))
    chances = combined_chances(chain)
    frame = [unit for unit in load_frame(study) if unit.segment in chances]
    stratum = dict(Item.objects.filter(sample__in=chain).values_list("segment_id", "stratum"))
    keys = [stratum[unit.segment] for unit in frame]
    names, place = np.unique(np.array(keys, dtype=object), return_inverse=True)
    there = np.bincount(place, minlength=len(names))
    if not 0 <= size <= len(frame):
        raise Problem(
            _("The earlier sample has %(items)d segments: a bridge of %(size)d can’t be drawn."),
            items=len(frame),
            size=size,
        )
    drawn = dict(zip(names, allocate(there, size, least=1) if size else there, strict=True))
    design = {
        "size": size or len(frame),
        "strata": chain[0].design.get("strata", []),
        "sizes": [
            {
                "key": one["key"],
                "population": still_there(one),
                "drawn": int(drawn.get(one["key"], 0)),
            }
            for one in chain[0].design["sizes"]
        ],
        **who_codes(coders, overlap, per_item, 0.0),
        **kept_rare(chain[0]),
        "bridge_of": chain[-1].pk,
    }
    with transaction.atomic():
        Study.objects.select_for_update().get(pk=study.pk)
        return keep_sample(
            Sample(
                study=study,
                revision=revision,
                run=chain[0].run,
                design=design,
                seed=seed_or_new(seed),
                frame_digest=digest_of(chain[0]),
            ),
            frame,
            keys,
            by,
            chances,
        )


def independent(chain: Sequence[Sample]) -> list[Sample]:
    """Return the rounds before the first that followed from what people had said."""
    found = [chain[0]]
    for sample in chain[1:]:
        if sample.design.get("looked"):
            break
        found.append(sample)
    return found


def combined_chances(chain: Sequence[Sample]) -> dict[int, float]:
    """Return how likely each segment drawn, by its key, was to be drawn in any of the rounds.

    A stratum's chance is `1 - prod(1 - pi_r)` over the rounds, each the chance of a segment that
    was not drawn before.
    """
    missed: dict[str, float] = {}
    for sample in chain:
        for size in sample.design["sizes"]:
            left = size.get("left", size["population"])
            chance = size["drawn"] / left if left else 0.0
            missed[size["key"]] = missed.get(size["key"], 1.0) * (1 - chance)
    rows = Item.objects.filter(sample__in=chain)
    if len(chain) == 1:
        return dict(rows.values_list("segment_id", "inclusion"))
    return {
        segment: 1 - missed[stratum]
        for segment, stratum in rows.values_list("segment_id", "stratum")
    }
