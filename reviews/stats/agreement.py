"""Agreement of a code, a variable or whole sets: alpha, its interval and what stands beside it.

Ratings are coders × units (sets: coders × units × codes), NaN where a coder did not code a unit.
Binary codes come as `n1` and `m`, units × codes (`alpha.binary_counts` makes them). Clusters and
weights are one per unit. A number that cannot be had is `nan`, and `status` says why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from reviews.stats.alpha import (
    Distance,
    Level,
    UnitSums,
    alpha,
    binary_sums,
    interval_sums,
    joined,
    nominal_sums,
    number_sets,
    ordinal_sums,
    ratio_sums,
    set_sums,
)
from reviews.stats.arrays import Floats, Generator, Whole
from reviews.stats.bootstrap import AlphaInterval, bootstrap_alpha, percentile_interval
from reviews.stats.coefficients import (
    bennett_s,
    coincidences,
    counts_of,
    counts_of_binary,
    gwet,
    percent_agreement,
    specific_agreement,
)

Counts = tuple[tuple[float, ...], ...]
Beside = tuple[float, float, float, float, Counts]
"""Percent agreement, AC1 and its standard error, Bennett's S, and the coincidences."""

Status = Literal["ok", "no_pairs", "no_variation", "too_few_positives", "too_few_units"]

LEAST_POSITIVES = 10
"""Positive codings below which alpha of a code says more about chance than about coders."""

LEAST_UNITS = 10
"""Units coded by two below which alpha of a variable or of sets says as little."""

SUMS = {
    "nominal": nominal_sums,
    "ordinal": ordinal_sums,
    "interval": interval_sums,
    "ratio": ratio_sums,
}


@dataclass(frozen=True)
class Agreement:
    """What is printed about agreement. `counts` are coincidences, values × values.

    They are empty for numbers and sets, whose values are many. `positive` and `negative`
    are specific agreement (binary codes only, else nan). `positives` are the codings that apply the
    code, of sets those that apply any, else None. `estimate` to `below_800` are nan unless status
    is `ok`.
    """

    measure: str
    units: int
    codings: int
    positives: int | None
    estimate: float
    low: float
    high: float
    below_667: float
    below_800: float
    percent: float
    ac1: float
    ac1_se: float
    bennett_s: float
    positive: float
    negative: float
    counts: Counts
    undefined_replicates: int
    replicates: int
    status: Status


def agreement_on_codes(
    n1: Floats,
    m: Floats,
    rng: Generator,
    *,
    replicates: int = 2000,
    clusters: Whole | None = None,
    weights: Floats | None = None,
    positives: Whole | None = None,
    confidence: float = 0.95,
) -> list[Agreement]:
    """Return the agreement on each binary code, with intervals drawn jointly across codes.

    `positives` are the human codings that apply each code, where `n1` counts a machine as well.
    """
    sums = binary_sums(n1, m)
    estimates = alpha(sums, weights)
    interval = _interval(sums, rng, replicates, clusters, weights, confidence)
    counts = counts_of_binary(n1, m)
    applied = np.where(m >= 2, n1, 0).sum(axis=0).astype(np.int64)
    beside = _beside(counts)
    specific = specific_agreement(counts)
    found = []
    for code, (percent, ac1, se, s, table) in enumerate(beside):
        positive = int(applied[code] if positives is None else positives[code])
        paired = m[:, code] >= 2
        status = _status(int(paired.sum()), estimates[code], positive)
        found.append(
            Agreement(
                "alpha",
                int(paired.sum()),
                int(m[paired, code].sum()),
                positive,
                *_shown(estimates, interval, code, status),
                percent,
                ac1,
                se,
                s,
                float(specific[code, 1]),
                float(specific[code, 0]),
                table,
                int(interval.undefined[code]),
                replicates,
                status,
            )
        )
    return found


def agreement_on_values(
    ratings: Floats,
    level: Level,
    rng: Generator,
    *,
    values: Floats | None = None,
    replicates: int = 2000,
    clusters: Whole | None = None,
    weights: Floats | None = None,
    confidence: float = 0.95,
) -> Agreement:
    """Return the agreement on a one-of-many (`nominal`), `ordinal`, `interval` or `ratio` variable.

    `values` are those that may occur (AC1 and S depend on how many); without them, those that do.
    """
    sums = SUMS[level](ratings)
    beside: Beside = (_percent(ratings), np.nan, np.nan, np.nan, ())
    if level in ("nominal", "ordinal") and sums.units.size:
        if values is None:
            paired = ratings[:, sums.units]
            values = np.unique(paired[~np.isnan(paired)])
        beside = next(_beside(counts_of(ratings, values)[:, None]))
    interval = _interval(sums, rng, replicates, clusters, weights, confidence)
    codings = int((~np.isnan(ratings[:, sums.units])).sum())
    return _one("alpha", sums, interval, codings, beside, alpha(sums, weights))


def agreement_on_sets(
    ratings: Floats,
    rng: Generator,
    *,
    distance: Distance = "masi",
    replicates: int = 2000,
    clusters: Whole | None = None,
    weights: Floats | None = None,
    confidence: float = 0.95,
) -> Agreement:
    """Return the agreement on whole sets of codes; percent is the share of pairs of equal sets."""
    sums = set_sums(ratings, distance)
    interval = _interval(sums, rng, replicates, clusters, weights, confidence)
    return _on_sets(ratings, sums, interval, distance, weights)


def agreement_on_many_sets(
    ratings: Sequence[Floats],
    rng: Generator,
    *,
    distance: Distance = "masi",
    replicates: int = 2000,
    clusters: Whole | None = None,
    confidence: float = 0.95,
) -> list[Agreement]:
    """Return the agreement on the sets of several dimensions, drawn together where they can be."""
    each = [set_sums(one, distance) for one in ratings]
    alike: dict[bytes, list[int]] = {}
    for at, sums in enumerate(each):
        alike.setdefault(sums.units.tobytes(), []).append(at)
    found: dict[int, Agreement] = {}
    for places in alike.values():
        together = joined([each[at] for at in places])
        interval = _interval(together, rng, replicates, clusters, None, confidence)
        for column, at in enumerate(places):
            one = AlphaInterval(
                interval.low[[column]],
                interval.high[[column]],
                interval.below_667[[column]],
                interval.below_800[[column]],
                interval.undefined[[column]],
                interval.replicates,
            )
            found[at] = _on_sets(ratings[at], each[at], one, distance, None)
    return [found[at] for at in range(len(ratings))]


def _on_sets(
    ratings: Floats,
    sums: UnitSums,
    interval: AlphaInterval,
    distance: Distance,
    weights: Floats | None,
) -> Agreement:
    _, sets = number_sets(ratings)
    # Sets are too many for a table, and chance agreement over all of them means little.
    beside: Beside = (_percent(sets), np.nan, np.nan, np.nan, ())
    # Sets that are all but always empty agree by being empty.
    looked = ~np.isnan(sets[:, sums.units])
    codings = int(looked.sum())
    positives = int(((ratings[:, sums.units] == 1).any(axis=2) & looked).sum())
    estimates = alpha(sums, weights)
    return _one(f"alpha_{distance}", sums, interval, codings, beside, estimates, positives)


def _one(
    measure: str,
    sums: UnitSums,
    interval: AlphaInterval,
    codings: int,
    beside: Beside,
    estimates: Floats,
    positives: int | None = None,
) -> Agreement:
    status = _status(sums.units.size, estimates[0], positives, LEAST_UNITS)
    percent, ac1, se, s, table = beside
    return Agreement(
        measure,
        sums.units.size,
        codings,
        positives,
        *_shown(estimates, interval, 0, status),
        percent,
        ac1,
        se,
        s,
        np.nan,
        np.nan,
        table,
        int(interval.undefined[0]),
        interval.replicates,
        status,
    )


def _interval(
    sums: UnitSums,
    rng: Generator,
    replicates: int,
    clusters: Whole | None,
    weights: Floats | None,
    confidence: float,
) -> AlphaInterval:
    return percentile_interval(
        bootstrap_alpha(sums, rng, replicates, clusters, weights), confidence
    )


def _percent(ratings: Floats) -> float:
    """Return the share of agreeing pairs, however many values there are."""
    sums = nominal_sums(ratings)
    if not sums.units.size:
        return np.nan
    m, apart = sparse.csr_array(sums.table)[:, [0, 1]].toarray().T
    return float(1 - (apart / m).mean())


def _beside(counts: Floats) -> Iterator[Beside]:
    """Yield what stands beside alpha of each code."""
    percent, (ac1, se), s = percent_agreement(counts), gwet(counts), bennett_s(counts)
    table = coincidences(counts)
    for code in range(counts.shape[1]):
        rows = tuple(tuple(row) for row in table[code].tolist())
        yield float(percent[code]), float(ac1[code]), float(se[code]), float(s[code]), rows


def _status(units: int, estimate: float, positives: int | None, least_units: int = 0) -> Status:
    if not units:
        return "no_pairs"
    if np.isnan(estimate):
        return "no_variation"
    if positives is not None and positives < LEAST_POSITIVES:
        return "too_few_positives"
    if units < least_units:
        return "too_few_units"
    return "ok"


def _shown(
    estimates: Floats, interval: AlphaInterval, code: int, status: Status
) -> tuple[float, float, float, float, float]:
    if status != "ok":
        return (np.nan,) * 5
    columns = (estimates, interval.low, interval.high, interval.below_667, interval.below_800)
    low, *rest = (float(column[code]) for column in columns)
    return low, rest[0], rest[1], rest[2], rest[3]
