"""Whether a machine may stand in for one of the people: the alternative annotator test.

Ratings are coders × units and the machine's answers one per unit, NaN where someone did not code a
unit; values are 0 and 1 of a code, or the categories of a dimension. A unit counts for a coder when
that coder, the machine and one coder more coded it.

Source: Calderon, Reichart and Dror (2025), The Alternative Annotator Test for LLM-as-a-Judge.
For rare codes a machine that never fires passes the test, so that two coders who read nothing stand
beside every machine.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from reviews.stats.arrays import Floats

EPSILON = {"expert": 0.2, "skilled": 0.15, "crowd": 0.1}
"""How much worse than such a person a machine may be, for being cheaper."""

LEAST_CODERS = 3
LEAST_UNITS = 30

Status = Literal["ok", "baseline_passes", "too_few_coders", "too_few_units"]


@dataclass(frozen=True)
class Candidate:
    """How one candidate does against each person tested; everything is nan where none could be.

    `difference` is how much more often the person is nearer to the others, mean(d), and `p_values`
    those of mean(d) < epsilon. `winning_rate` is the share of people it may replace, and
    `advantage` how often it is at least as near to the others as the person, meaned over people.
    """

    difference: Floats
    p_values: Floats
    winning_rate: float
    advantage: float

    @property
    def passes(self) -> bool:
        """Return whether it wins against half of the people or more."""
        return self.winning_rate >= 0.5


@dataclass(frozen=True)
class Replacing:
    """The machine, and two candidates that read nothing: `never` fires, `majority` says the usual.

    `never` is None where no value means that nothing applies. `coders` are the positions of the
    people tested and `units` how many units each has. With status `baseline_passes` the test tells
    nothing about the machine, whether it passes or not.
    """

    machine: Candidate
    never: Candidate | None
    majority: Candidate
    coders: tuple[int, ...]
    units: tuple[int, ...]
    epsilon: float
    status: Status


def alternative_test(
    ratings: Floats,
    machine: Floats,
    *,
    epsilon: float = EPSILON["skilled"],
    q: float = 0.05,
    nothing: float | None = 0.0,
) -> Replacing:
    """Return whether the machine, and who reads nothing, may replace a person.

    With S the share of the other people who say the same, for each person
    `d = 1[S(person) >= S(machine)] - 1[S(machine) >= S(person)]`; one-sided t-test of
    mean(d) < epsilon, rejections by Benjamini and Yekutieli at `q` over people. `nothing` is the
    value of a code that does not apply. People with fewer than 30 units are not tested but stand
    among the others; with fewer than three people tested nothing is, and `status` says why.

    >>> truth = np.arange(90) % 3
    >>> people = np.tile(truth, (3, 1)).astype(float)
    >>> people[[0, 1, 2], [5, 6, 7]] = [0, 1, 0]
    >>> found = alternative_test(people, truth.astype(float), nothing=None)
    >>> found.status, found.machine.winning_rate, found.majority.winning_rate
    ('ok', 1.0, 0.0)
    """
    usable = ~np.isnan(machine) & ((~np.isnan(ratings)).sum(axis=0) >= 2)
    ratings, machine = ratings[:, usable], machine[usable]
    units = (~np.isnan(ratings)).sum(axis=1)
    coders = np.flatnonzero(units >= LEAST_UNITS)
    enough = coders.size >= LEAST_CODERS
    tested = coders if enough else coders[:0]

    def tried(answers: Floats) -> Candidate:
        return _try(ratings, answers, tested.tolist(), epsilon, q)

    never = None if nothing is None else tried(np.full(machine.size, nothing))
    majority = tried(np.full(machine.size, _most_common(ratings)))
    status: Status = "ok"
    if not enough:
        status = "too_few_coders" if (units > 0).sum() < LEAST_CODERS else "too_few_units"
    elif majority.passes or (never is not None and never.passes):
        status = "baseline_passes"
    return Replacing(
        tried(machine),
        never,
        majority,
        tuple(tested.tolist()),
        tuple(units[tested].tolist()),
        epsilon,
        status,
    )


def benjamini_yekutieli(p_values: Floats, q: float = 0.05) -> Floats:
    """Return which hypotheses fall (1) or stand (0), the false ones among them kept below `q`.

    >>> benjamini_yekutieli(np.array([0.02, 0.9, 0.001]))
    array([0., 0., 1.])
    """
    m = p_values.size
    rank = np.arange(1, m + 1)
    limit = rank / max(m, 1) * q / (1 / rank).sum() if m else np.zeros(0)
    order = np.argsort(p_values)
    below = np.flatnonzero(p_values[order] <= limit)
    fallen = np.zeros(m)
    fallen[order[: below[-1] + 1 if below.size else 0]] = 1
    return fallen


def _try(
    ratings: Floats, answers: Floats, coders: list[int], epsilon: float, q: float
) -> Candidate:
    difference, p_values, advantage = (np.full(len(coders), np.nan) for _ in range(3))
    for place, coder in enumerate(coders):
        own = ratings[coder]
        others = np.delete(ratings, coder, axis=0)[:, ~np.isnan(own)]
        person = (others == own[~np.isnan(own)]).sum(axis=0)
        candidate = (others == answers[~np.isnan(own)]).sum(axis=0)
        d = np.sign(person - candidate).astype(np.float64)  # both are out of the same others
        difference[place] = d.mean()
        p_values[place] = _less(d, epsilon)
        advantage[place] = (candidate >= person).mean()
    if not coders:
        return Candidate(difference, p_values, np.nan, np.nan)
    rejected = benjamini_yekutieli(p_values, q)
    return Candidate(difference, p_values, float(rejected.mean()), float(advantage.mean()))


def _less(values: Floats, epsilon: float) -> float:
    """Return the p-value of the one-sided t-test that the mean is below `epsilon`."""
    above = float(values.mean()) - epsilon
    error = float(values.std(ddof=1)) / values.size**0.5
    if error == 0:  # everyone the same: nothing is left to chance
        return 0.0 if above < 0 else 1.0
    return float(special.stdtr(values.size - 1, above / error))


def _most_common(ratings: Floats) -> float:
    values, counts = np.unique(ratings[~np.isnan(ratings)], return_counts=True)
    return float(values[counts.argmax()]) if values.size else np.nan
