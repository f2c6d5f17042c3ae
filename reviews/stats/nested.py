"""Prevalence where only a part was coded twice: the single coding is a better machine.

Phase one: people's single codings correct the machine's labels, as in `cells`. Phase two: in the
part where the truth was settled (two codings that agree, or a ruling), it corrects the single
codings. Both are shares in cells of the machine's label:

    p = sum_f W_f [ q_f r_f1 + (1 - q_f) r_f0 ]

with q_f the share of single codings that say yes where the machine says f, and r_fc the share of
true yes where the machine says f and a single coding c. Source: two-phase (double) sampling,
Tenenbein (1970); MOVER (Zou and Donner 2008) over Jeffreys limits of every q and r.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reviews.stats.arrays import Floats
from reviews.stats.cells import LEAST
from reviews.stats.intervals import jeffreys

LEAST_SETTLED = 10
"""Units settled after two codings below which nothing is said about human error."""


@dataclass(frozen=True)
class Nested:
    """The estimate corrected for the errors of single codings, and how often these are.

    `settled` units were coded twice and settled; `missed` is the share of true ones among what a
    single coding denies and `invented` of untrue ones among what it affirms. Numbers are nan unless
    status is `ok`.
    """

    settled: int
    missed: float
    invented: float
    estimate: float
    low: float
    high: float
    status: Literal["ok", "too_few_settled", "not_reviewed"]


def nested(
    weight: Floats,
    q: Floats,
    effective: Floats,
    said: Floats,
    held: Floats,
    settled: int,
    confidence: float = 0.95,
) -> Nested:
    """Return the nested estimate of one code.

    Per machine label: its share `weight` of the population, the share `q` of single codings that
    say yes and their `effective` number (inf: all of them). `said` and `held`, labels × 2, count in
    the settled units the codings that say no and yes, and the true yes among them; two codings of a
    unit count a half each. Where a label has fewer than 5, all labels together stand for it.
    """
    nan = float("nan")
    if settled < LEAST_SETTLED:
        return Nested(settled, nan, nan, nan, nan, nan, "too_few_settled")
    used = weight > 0
    if np.isnan(q[used]).any():
        return Nested(settled, nan, nan, nan, nan, nan, "not_reviewed")
    pooled_said, pooled_held = said.sum(axis=0), held.sum(axis=0)
    estimate = below = above = 0.0
    # Labels that borrow from all share one r: its errors add up before they are squared.
    shared = np.zeros(2)
    for f in np.flatnonzero(used):
        share = np.array([1 - q[f], q[f]])
        r = np.zeros(2)
        for c in (0, 1):
            own = said[f, c] >= LEAST
            n = said[f, c] if own else pooled_said[c]
            yes = held[f, c] if own else pooled_held[c]
            # Nobody said so in the settled part: the coding is taken at its word, with no limits.
            r[c] = yes / n if n > 0 else float(c)
            if own:
                low, high = _limits(r[c], n, confidence)
                below += (weight[f] * share[c] * (r[c] - low)) ** 2
                above += (weight[f] * share[c] * (high - r[c])) ** 2
            else:
                shared[c] += weight[f] * share[c]
        estimate += weight[f] * float(share @ r)
        slope = weight[f] * (r[1] - r[0])
        if np.isfinite(effective[f]):
            low, high = _limits(q[f], effective[f], confidence)
            down, up = (q[f] - low, high - q[f]) if slope >= 0 else (high - q[f], q[f] - low)
            below += (slope * down) ** 2
            above += (slope * up) ** 2
    for c in (0, 1):
        n = pooled_said[c]
        r_c = pooled_held[c] / n if n > 0 else float(c)
        low, high = _limits(r_c, n, confidence)
        below += (shared[c] * (r_c - low)) ** 2
        above += (shared[c] * (high - r_c)) ** 2
    denied, affirmed = pooled_said
    return Nested(
        settled,
        float(pooled_held[0] / denied) if denied else nan,
        float(1 - pooled_held[1] / affirmed) if affirmed else nan,
        float(estimate),
        float(max(estimate - below**0.5, 0)),
        float(min(estimate + above**0.5, 1)),
        "ok",
    )


def if_people_err(
    estimate: float, low: float, high: float, missed: float, invented: float
) -> tuple[float, float, float]:
    """Return an estimate and its limits as they would be if people erred so often.

    `missed` is the share of true cases that people overlook, `invented` of others that they see:
    `(p - invented) / (1 - missed - invented)`, within 0 to 1 (Rogan and Gladen 1978). It is a
    what-if and no estimate: nobody measured these rates here.

    >>> [round(end, 3) for end in if_people_err(0.1, 0.08, 0.13, 0.1, 0.02)]
    [0.091, 0.068, 0.125]
    """
    kept = 1 - missed - invented
    if kept <= 0:
        return float("nan"), float("nan"), float("nan")
    turned = [min(max((end - invented) / kept, 0.0), 1.0) for end in (estimate, low, high)]
    return turned[0], turned[1], turned[2]


def _limits(p: float, n: float, confidence: float) -> tuple[float, float]:
    if n <= 0:
        return 0.0, 1.0
    low, high = jeffreys(np.array([p]), np.array([n]), confidence)
    return float(low[0]), float(high[0])
