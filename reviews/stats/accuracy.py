"""The machine against people: precision, recall, specificity, F1, confusion and calibration.

A `Review` of codes is that of `reviews.stats.prevalence`: machine labels 0 and 1 on all units (-1
where it did not code them), people's answers on the drawn ones. People are right by definition;
where they disagree and nobody ruled, `y` is the share who say yes. What the machine did not code is
neither right nor wrong. Tables are machine (rows) × people (columns).

Source: share and variance of each machine label as in `cells`; then Beta posteriors under Jeffreys'
prior, with effective sizes, of PPV and of false omission, put through the formulas (Monte Carlo).
Where several units are of one participant, limits move out as `clusters` says, for each score by
its own linearised residuals.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reviews.stats.arrays import Floats, Generator, Ints, Whole, ratio, totals
from reviews.stats.cells import answered_inclusion, count_cells, solve
from reviews.stats.clusters import Clusters
from reviews.stats.intervals import wilson
from reviews.stats.prevalence import LEAST_REVIEWED, Review

Status = Literal["ok", "insufficient", "no_machine_positives", "no_positives"]

SCORES = ("precision", "recall", "specificity", "f1")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """How the machine does on something.

    `both`, `machine_only`, `people_only` and `neither` count reviewed units, unweighted (an open
    disagreement counts as the share who say yes). The scores are of all units the machine coded.
    Intervals are nan unless status is `ok`.
    """

    reviewed: int
    both: float
    machine_only: float
    people_only: float
    neither: float
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    recall_low: float
    recall_high: float
    specificity: float
    specificity_low: float
    specificity_high: float
    f1: float
    f1_low: float
    f1_high: float
    status: Status


@dataclass(frozen=True, kw_only=True)
class Accuracy(Scores):
    """How the machine does on one code, overall (`domain` None) or in one domain."""

    code: int
    domain: int | None


def accuracy(
    review: Review,
    rng: Generator,
    domain: Whole | None = None,
    domains: int = 1,
    *,
    replicates: int = 2000,
    confidence: float = 0.95,
) -> list[Accuracy]:
    """Return a row per domain and code, or per code over all units where `domain` is None."""
    units, codes = review.machine.shape
    area = np.zeros(units, np.int64) if domain is None else domain.astype(np.int64)
    domains = 1 if domain is None else domains
    answered = ~np.isnan(review.y)
    label = review.machine[review.drawn].astype(np.int64) + 1
    response = review.stratum[review.drawn, None].astype(np.int64) * 3 + label
    pi = answered_inclusion(response, review.inclusion, answered)
    cells = count_cells(
        review.machine,
        2,
        review.stratum,
        area,
        domains,
        review.drawn,
        pi,
        review.y[:, :, None],
        False,
    )
    problems = domains * codes
    group = cells.problem * 3 + cells.label + 1
    size = totals(group, cells.size, problems * 3)
    sums = cells.sums.by(group, problems * 3)
    found = solve(size, sums)
    by_label = (problems, 3)
    n = sums.n.reshape(by_label)[:, 1:]
    said_yes = sums.y.reshape(by_label)[:, 1:]
    p = found.p.reshape(by_label)[:, 1:]
    effective = found.n_effective.reshape(by_label)[:, 1:]
    weight = size.reshape(by_label)[:, 1:]
    # A label that no unit has is no reason not to know the rest.
    known = np.where(weight > 0, p, 0.0)
    estimate = _scores(known[:, 1], known[:, 0], weight[:, 1], weight[:, 0])
    few = (n.sum(axis=1) < LEAST_REVIEWED) & (n.sum(axis=1) < weight.sum(axis=1))
    conditions = [few, weight[:, 1] == 0, ~(said_yes.sum(axis=1) > 0)]
    status = np.select(conditions, ["insufficient", "no_machine_positives", "no_positives"], "ok")
    low, high = np.full((2, len(SCORES), problems), np.nan)
    wanted = np.flatnonzero(status == "ok")
    for some in np.array_split(wanted, 1 + wanted.size * replicates // 1_000_000):
        if not some.size:
            continue
        ends = _limits(p[some], effective[some], weight[some], rng, replicates, confidence)
        low[:, some] = np.fmin(ends[0], estimate[:, some])
        high[:, some] = np.fmax(ends[1], estimate[:, some])
    if review.clusters is not None:
        w = 1 / np.where(answered, pi, 1.0)
        wide = _clustered(review, review.clusters, w, area, domains, known, weight, confidence)
        low = np.maximum(estimate - wide * (estimate - low), 0)
        high = np.minimum(estimate + wide * (high - estimate), 1)
    hits = said_yes
    rows = []
    for problem in range(problems):
        at, code = divmod(problem, codes)
        scores = {}
        for place, name in enumerate(SCORES):
            scores[name] = float(estimate[place, problem])
            scores[f"{name}_low"] = float(low[place, problem])
            scores[f"{name}_high"] = float(high[place, problem])
        rows.append(
            Accuracy(
                code=code,
                domain=None if domain is None else at,
                reviewed=int(n[problem].sum()),
                both=float(hits[problem, 1]),
                machine_only=float(n[problem, 1] - hits[problem, 1]),
                people_only=float(hits[problem, 0]),
                neither=float(n[problem, 0] - hits[problem, 0]),
                status=str(status[problem]),  # type: ignore[arg-type]
                **scores,
            )
        )
    return rows


def _scores(ppv: Floats, omitted: Floats, yes: Floats, no: Floats) -> Floats:
    """Return precision, recall, specificity and F1, 4 × ..., from what the two labels hold."""
    hits, missed = yes * ppv, no * omitted
    right_no = no - missed
    return np.stack(
        [
            ratio(hits, yes),
            ratio(hits, hits + missed),
            ratio(right_no, right_no + yes - hits),
            ratio(2 * hits, yes + hits + missed),
        ]
    )


def _clustered(
    review: Review,
    clusters: Whole,
    weights: Floats,
    area: Ints,
    domains: int,
    p: Floats,
    size: Floats,
    confidence: float,
) -> Floats:
    """Return by how much limits move out, 4 × problems, for units that share a participant."""
    codes = review.machine.shape[1]
    home = area[review.drawn]
    within = Clusters.within(clusters, home, domains)
    wide = np.ones((len(SCORES), domains, codes))
    slopes = _slopes(p[:, 1], p[:, 0], size[:, 1], size[:, 0])
    for code in range(codes):
        said = review.machine[review.drawn, code].astype(np.int64)
        y = review.y[:, code]
        used = ~np.isnan(y) & (said >= 0)
        problem = home * codes + code
        key, label = problem * 2 + said, np.maximum(said, 0)
        w = np.where(used, weights[:, code], 0.0)
        whole = totals(np.where(used, key, 0), w, len(p) * 2)
        v = np.where(used, ratio(w, whole[np.where(used, key, 0)]), 0.0)
        residual = np.where(used, v * (np.nan_to_num(y) - p[problem, label]), 0.0)
        for place in range(len(SCORES)):
            slope = np.nan_to_num(slopes[place, problem, label])
            # A share of 0 or 1 takes the slope away from the other label, but not its clusters.
            alike = np.where(slope != 0, np.abs(slope), 0.0) * v
            spread = within.inflation(slope * residual, alike, label)
            wide[place, :, code] = np.sqrt(spread) * within.reach(alike, confidence)
    return wide.reshape(len(SCORES), -1)


def _slopes(ppv: Floats, omitted: Floats, yes: Floats, no: Floats) -> Floats:
    """Return how fast each score moves with false omission and with PPV, 4 × ... × 2."""
    hits, missed = yes * ppv, no * omitted
    right_no, extra = no - missed, yes - hits
    true, false, both = hits + missed, right_no + extra, yes + hits + missed
    ones = np.ones_like(hits)
    pairs = [
        (0 * ones, ones),
        (-ratio(no * hits, true**2), ratio(yes * missed, true**2)),
        (-ratio(no * extra, false**2), ratio(yes * right_no, false**2)),
        (-ratio(2 * no * hits, both**2), ratio(2 * yes * (both - hits), both**2)),
    ]
    return np.stack([np.stack(pair, axis=-1) for pair in pairs])


def _limits(
    p: Floats, effective: Floats, weight: Floats, rng: Generator, replicates: int, confidence: float
) -> tuple[Floats, Floats]:
    """Return the limits of the four scores from draws of both labels' shares, each 4 × problems."""
    census = np.isinf(effective)
    n = np.where(census, 0.0, effective)
    known = np.where(np.isnan(p), 0.5, p)
    # A label that nobody was asked about can hold anything; one that no unit has holds nothing. Of
    # what was never found, as much as Clopper and Pearson allow (Brown, Cai and DasGupta 2001).
    prior = np.where(np.isnan(p) & (weight > 0), 1.0, 0.5)
    a = n * known + np.where(known == 0, 1.0, prior)
    b = n * (1 - known) + np.where(known == 1, 1.0, prior)
    drawn = rng.beta(a[..., None], b[..., None], (*p.shape, replicates))
    drawn = np.where(census[..., None], known[..., None], drawn)
    weight = weight[..., None]
    scores = _scores(drawn[:, 1], drawn[:, 0], weight[:, 1], weight[:, 0])
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(scores, tails, axis=-1)
    return low, high


@dataclass(frozen=True)
class Confusion:
    """Which code the machine said where people said which; machine (rows) × people (columns).

    `counts` are reviewed units, `shares` estimate the share of all of them, by design weights.
    """

    counts: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]
    reviewed: int


def category_confusion(machine: Whole, shares: Floats, weights: Floats) -> Confusion:
    """Return the confusion of a one-of-many dimension over reviewed units.

    `machine` is a category a unit, -1 where it did not code it: the last row. `shares`, units ×
    categories, are what people said, 1 in all, NaN where they did not.

    >>> said = np.array([[1.0, 0], [0, 1], [0, 1]])
    >>> category_confusion(np.array([0, 0, 1]), said, np.ones(3)).counts
    ((1.0, 1.0), (0.0, 1.0), (0.0, 0.0))
    """
    asked = ~np.isnan(shares).any(axis=1)
    shares, label, w = shares[asked], machine[asked].astype(np.int64), weights[asked]
    rows = shares.shape[1] + 1
    said = (np.where(label < 0, rows - 1, label)[:, None] == np.arange(rows)).astype(np.float64)
    table = (said * w[:, None]).T @ shares
    return Confusion(_rows(said.T @ shares), _rows(_shared(table, w)), int(asked.sum()))


def code_confusion(machine: Whole, y: Floats, weights: Floats) -> Confusion:
    """Return which codes of a `many` dimension go together in error: a co-error table.

    Row A, column B (A ≠ B): units where only the machine says A and only people say B. On the
    diagonal is where both say the code. Units where a code is open on either side count for none.

    >>> code_confusion(np.array([[1, 0], [1, 0]]), np.array([[0.0, 1], [1, 0]]), np.ones(2)).counts
    ((1.0, 1.0), (0.0, 0.0))
    """
    asked = ~(np.isnan(y).any(axis=1) | (machine < 0).any(axis=1))
    y, f, w = y[asked], machine[asked].astype(np.float64), weights[asked]
    extra, missed = f * (1 - y), (1 - f) * y

    def table(weight: Floats) -> Floats:
        found = (extra * weight[:, None]).T @ missed
        np.fill_diagonal(found, (f * y * weight[:, None]).sum(axis=0))
        return found

    return Confusion(_rows(table(np.ones(w.size))), _rows(_shared(table(w), w)), int(w.size))


def _shared(table: Floats, weights: Floats) -> Floats:
    return ratio(table, np.array(weights.sum()))


def _rows(table: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in table.tolist())


@dataclass(frozen=True)
class Bin:
    """Marks whose confidence lies from `low` up to `high`: how many, how sure, how often right.

    `right_low` and `right_high` are Wilson's, by the effective number of marks.
    """

    low: float
    high: float
    count: int
    confidence: float
    right: float
    right_low: float
    right_high: float


@dataclass(frozen=True)
class Calibration:
    """Whether the machine is right as often as it says, over its marks that people checked.

    `error` is the expected calibration error and `brier` the mean squared distance, both by design
    weights. `unstated` counts checked marks without a confidence. Everything is of marks that say a
    code applies: of others the machine states no confidence.
    """

    stated: int
    unstated: int
    error: float
    brier: float
    bins: tuple[Bin, ...]
    status: Literal["ok", "no_confidence", "insufficient", "no_marks"]


def calibration(
    confidence: Floats,
    right: Floats,
    weights: Floats,
    bins: int = 10,
    clusters: Whole | None = None,
) -> Calibration:
    """Return the calibration of marks: `confidence` (NaN: not stated) and how `right` each is.

    Bins are equally wide and those without marks are left out; 1 belongs to the last one. Marks of
    one of `clusters` (a segment, a participant) count as far as they tell different things.

    >>> found = calibration(np.repeat([0.9, 0.6], 10), np.repeat([1.0, 0.5], 10), np.ones(20))
    >>> round(found.error, 3), [one.count for one in found.bins]
    (0.1, [10, 10])
    """
    stated = ~np.isnan(confidence)
    said, y, w = confidence[stated], right[stated], weights[stated]
    unstated = int((~stated).sum())
    if not said.size:
        nothing = "no_confidence" if unstated else "no_marks"
        return Calibration(0, unstated, np.nan, np.nan, (), nothing)  # type: ignore[arg-type]
    place = np.minimum((said * bins + 1e-9).astype(np.int64), bins - 1)
    sums = totals(place, np.stack([w, w * said, w * y, w * w], axis=1), bins)
    count = np.bincount(place, minlength=bins)
    mean, hit = ratio(sums[:, 1], sums[:, 0]), ratio(sums[:, 2], sums[:, 0])
    effective = np.nan_to_num(ratio(sums[:, 0] ** 2, sums[:, 3]))
    if clusters is not None:
        within = Clusters.within(clusters[stated], place, bins)
        spread = within.inflation(w * (y - np.nan_to_num(hit)[place]), w)
        effective = effective / (spread * within.reach(np.ones(w.size)) ** 2)
    low, high = wilson(np.nan_to_num(hit), effective)
    used = np.flatnonzero(count)
    apart = float((sums[used, 0] * np.abs(hit - mean)[used]).sum() / w.sum())
    return Calibration(
        int(said.size),
        unstated,
        apart,
        float((w * (said - y) ** 2).sum() / w.sum()),
        tuple(
            Bin(
                float(one / bins),
                float((one + 1) / bins),
                int(count[one]),
                float(mean[one]),
                float(hit[one]),
                float(low[one]),
                float(high[one]),
            )
            for one in used
        ),
        "ok" if said.size >= LEAST_REVIEWED else "insufficient",
    )


@dataclass(frozen=True)
class ErrorTest:
    """Whether the machine errs alike in all groups, among its positives or its negatives.

    `groups` have ten or more reviewed units there. `widest` is the group whose error share differs
    most from that of the other groups, `difference` by how much, and `bound` what no group's
    difference exceeds with the given confidence (simultaneous): "no difference larger than `bound`
    shown" is what may be said, and never that there is none. `p_value` is by permutation within
    blocks; `split` counts units that people disagree about, which are left out.
    """

    reviewed: int
    errors: int
    split: int
    groups: tuple[int, ...]
    widest: int | None
    difference: float
    bound: float
    p_value: float
    status: Literal["ok", "too_few"]


def error_test(
    error: Floats,
    group: Whole,
    block: Whole,
    rng: Generator,
    *,
    weights: Floats | None = None,
    clusters: Whole | None = None,
    replicates: int = 999,
    confidence: float = 0.95,
) -> ErrorTest:
    """Test whether the share of `error` (0 or 1 a unit) differs between groups.

    Units are those of one machine label. `block` says which units may swap groups: those of one
    design stratum, but for what the groups are made of. The statistic is
    `sum_g (sum_{i in g} (e_i - mean of its block))^2 / n_g`. Where `clusters` (interviews) have
    several units, whole interviews swap. `bound` is MOVER over Wilson's limits, each group against
    the others, by effective sizes (fewer where units share a participant), with Sidak's confidence.
    """
    decided = (error == 0) | (error == 1)
    split = int((~decided & ~np.isnan(error)).sum())
    names, place, count = np.unique(group[decided], return_inverse=True, return_counts=True)
    kept = np.flatnonzero(count >= LEAST_REVIEWED)
    inside = np.isin(place, kept)
    at = np.flatnonzero(decided)[inside]
    e = error[at]
    if kept.size < 2:
        seen = error[decided]
        return ErrorTest(
            seen.size, int(seen.sum()), split, (), None, np.nan, np.nan, np.nan, "too_few"
        )
    of = np.searchsorted(kept, place[inside])
    w = np.ones(at.size) if weights is None else weights[at]
    # Blocks may be many and small; one that holds a single group decides nothing.
    _, inner = np.unique(block[at], return_inverse=True)
    members = None if clusters is None else Clusters.within(clusters[at], of, kept.size).of
    if members is not None and members.max(initial=-1) + 1 == members.size:
        members = None
    p_value = _permuted(e, of, inner, members, kept.size, rng, replicates)
    sums = totals(of, np.stack([w, w * e, w * w], axis=1), kept.size)
    rest = sums.sum(axis=0) - sums
    own, other = sums[:, 1] / sums[:, 0], rest[:, 1] / rest[:, 0]
    each = confidence ** (1 / kept.size)
    n, n_other = sums[:, 0] ** 2 / sums[:, 2], rest[:, 0] ** 2 / rest[:, 2]
    if members is not None:
        n, n_other = _apart(e, w, of, members, own, other, each, n, n_other)
    low, high = wilson(own, n, each)
    other_low, other_high = wilson(other, n_other, each)
    apart = own - other
    ends = (
        np.abs(apart - np.hypot(own - low, other_high - other)),
        np.abs(apart + np.hypot(high - own, other - other_low)),
    )
    widest = int(np.abs(apart).argmax())
    return ErrorTest(
        int(e.size),
        int(e.sum()),
        split,
        tuple(names[kept].tolist()),
        int(names[kept[widest]]),
        float(apart[widest]),
        float(np.minimum(np.maximum(*ends), 1).max()),
        p_value,
        "ok",
    )


def _apart(
    e: Floats,
    w: Floats,
    of: Ints,
    members: Ints,
    own: Floats,
    other: Floats,
    confidence: float,
    n: Floats,
    n_other: Floats,
) -> tuple[Floats, Floats]:
    """Return the effective sizes of each group and of its others, for units that share a member."""
    inside = Clusters.within(members, of, own.size)
    spread = inside.inflation(w * (e - own[of]), w)
    n = n / (spread * inside.reach(np.ones(w.size), confidence) ** 2)
    found = []
    for group in range(own.size):
        rest = of != group
        outside = Clusters.within(members[rest], np.zeros(int(rest.sum()), np.int64), 1)
        spread = outside.inflation(w[rest] * (e[rest] - other[group]), w[rest])
        reach = outside.reach(np.ones(int(rest.sum())), confidence)
        found.append(float(n_other[group] / (spread * reach**2)[0]))
    return n, np.array(found)


def _permuted(
    e: Floats, of: Ints, block: Ints, members: Ints | None, groups: int, rng: Generator, times: int
) -> float:
    """Return the permutation p-value; the observed order is one of those that are counted."""
    blocks = int(block.max(initial=-1)) + 1
    size = np.bincount(of, minlength=groups)
    mean = np.bincount(block, e, blocks) / np.bincount(block, minlength=blocks)
    residual = e - mean[block]
    observed = float((totals(of, residual, groups) ** 2 / size).sum())
    if not residual.any():
        return 1.0
    drawn = np.zeros((times, groups))
    if members is None:
        for one in range(blocks):
            inside = block == one
            held = np.bincount(of[inside], minlength=groups)
            wrong = int(e[inside].sum())
            # Which groups the errors fall to when groups are dealt anew.
            dealt = rng.multivariate_hypergeometric(held, wrong, size=times, method="count")
            drawn += dealt - held * mean[one]
        statistic = (drawn**2 / size).sum(axis=1)
    else:
        statistic = _dealt(residual, of, block, members, groups, rng, times)
    return float((1 + (statistic >= observed - 1e-9).sum()) / (times + 1))


def _dealt(
    residual: Floats,
    of: Ints,
    block: Ints,
    members: Ints,
    groups: int,
    rng: Generator,
    times: int,
) -> Floats:
    """Return the statistic when whole interviews are dealt to groups within blocks."""
    interviews = int(members.max()) + 1
    first = np.unique(members, return_index=True)[1]
    home, label = block[first], of[first]
    total = totals(members, residual, interviews)
    held = np.bincount(members, minlength=interviews)
    order = np.argsort(home, kind="stable")
    found = np.empty(times)
    for time in range(times):
        shuffled = np.lexsort((rng.random(interviews), home))
        dealt = np.empty(interviews, np.int64)
        dealt[shuffled] = label[order]
        size = np.bincount(dealt, held, groups)
        sums = np.bincount(dealt, total, groups)
        found[time] = (sums**2 / np.maximum(size, 1)).sum()
    return found
