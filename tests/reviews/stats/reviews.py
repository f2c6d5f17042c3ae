"""Reviews of made-up populations."""

import numpy as np

from reviews.stats.arrays import Floats, Ints, Whole
from reviews.stats.designs import allocate, draw, inclusion
from reviews.stats.prevalence import Review

UNITS = 12_000
LANGUAGES = 6


def crossed(no: tuple[int, int, int], yes: tuple[int, int, int]) -> Review:
    """A simple random sample as a table: unlabelled, y=0, y=1 where the machine says no and yes."""
    machine = np.repeat([0, 1], [sum(no), sum(yes)]).astype(np.int8)
    drawn = np.r_[np.arange(no[1] + no[2]), sum(no) + np.arange(yes[1] + yes[2])]
    y = np.repeat([0.0, 1, 0, 1], [*no[1:], *yes[1:]])
    pi = np.full(drawn.size, drawn.size / machine.size)
    return Review(machine[:, None], np.zeros(machine.size, np.int64), drawn, pi, y[:, None])


def languages() -> Ints:
    shares = [0.4, 0.25, 0.15, 0.1, 0.06, 0.04]
    return np.sort(np.random.default_rng(1).choice(LANGUAGES, UNITS, p=shares))


def machine_labels(truth: Floats, language: Ints, seed: int = 2) -> Whole:
    """Labels of a machine that is worse in the smaller languages and fails on one in a hundred."""
    rng = np.random.default_rng(seed)
    hit = np.array([0.9, 0.88, 0.85, 0.8, 0.7, 0.6])[language][:, None]
    false = np.array([0.01, 0.012, 0.015, 0.02, 0.03, 0.05])[language][:, None]
    found = np.where(truth > 0, rng.random(truth.shape) < hit, rng.random(truth.shape) < false)
    return np.where(rng.random(truth.shape) < 0.01, -1, found).astype(np.int8)


def sampled(machine: Whole, stratum: Ints, truth: Floats, n: int, seed: int) -> Review:
    """A stratified sample of n, all of it answered with the truth."""
    sizes = np.bincount(stratum)
    used = np.flatnonzero(sizes)
    stratum = np.searchsorted(used, stratum)
    sizes = sizes[used]
    allocation = allocate(sizes, n)
    drawn = draw(stratum, allocation, np.random.default_rng(seed))
    pi = inclusion(sizes, allocation)[stratum[drawn]]
    return Review(machine, stratum, drawn, pi, truth[drawn])


def population(share: float, codes: int = 1) -> tuple[Floats, Whole, Ints]:
    """Truth, machine labels and languages."""
    language = languages()
    truth = (np.random.default_rng(3).random((UNITS, codes)) < share).astype(float)
    return truth, machine_labels(truth, language), language
