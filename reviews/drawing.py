"""Drawing what is asked for: a sample, a further round of the latest one, or a bridge.

The same for page, API and command. What each of them needs is checked where it is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User

from reviews.bridging import draw_bridge
from reviews.models import Sample
from reviews.sampling import continue_sample, current_sample, draw_sample
from studies.models import Study
from studies.problems import Problem, _


def draw(
    study: Study,
    *,
    strata: Sequence[str] = (),
    overlap: float | None = None,
    assisted: float | None = None,
    continues: bool = False,
    more: Mapping[str, int] | None = None,
    bridge: bool = False,
    by: User | None = None,
    **asked: Any,
) -> Sample:
    """Draw a sample for blind review; see `draw_sample` for what is `asked`.

    With `continues` it is a round more of the latest sample, of `more` from some strata where they
    are named (see `continue_sample`); with `bridge` an earlier revision's sample again (see
    `draw_bridge`).
    """
    if bridge:
        if continues or strata or assisted:
            raise Problem(_("A bridge has the strata of the sample that it repeats."))
        return draw_bridge(study, overlap=overlap or 0.0, by=by, **asked)
    if continues:
        sample = current_sample(study)
        if sample is None:
            raise Problem(_("There is no sample to continue yet."))
        return continue_sample(
            sample, more=more, overlap=overlap, assisted=assisted, by=by, **asked
        )
    if more:
        raise Problem(_("More of a stratum is drawn in a further round: add --continue."))
    return draw_sample(
        study, strata=strata, overlap=overlap or 0.0, assisted=assisted or 0.0, by=by, **asked
    )
