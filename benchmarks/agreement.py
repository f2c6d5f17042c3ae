"""Compare the bootstrap of alpha with a loop over the krippendorff package, as ratios in one run.

Two coders apply binary codes to all units. The loop is timed on a few replicates and extrapolated:
it would take minutes. Run with `python -m benchmarks.agreement`.
"""

import time
import tracemalloc

import krippendorff
import numpy as np

from reviews.stats.alpha import binary_counts, binary_sums
from reviews.stats.arrays import Floats
from reviews.stats.bootstrap import bootstrap_alpha, percentile_interval

SIZES = [(60, 1000, 3000), (60, 2000, 3000), (1, 2000, 3000), (20, 2000, 500)]
TIMED = 100
"""Calls of the package that are timed; each is one code of one replicate."""


def codings(codes: int, units: int) -> Floats:
    """Return ratings of two coders, 2 × units × codes, who differ on one in twenty."""
    rng = np.random.default_rng(5)
    truth = rng.random((units, codes)) < rng.uniform(0.02, 0.4, codes)
    return (truth ^ (rng.random((2, units, codes)) < 0.05)).astype(np.float64)


def seconds_of_ours(ratings: Floats, replicates: int) -> float:
    """Return the best of three times from ratings to intervals."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        sums = binary_sums(*binary_counts(ratings))
        percentile_interval(bootstrap_alpha(sums, np.random.default_rng(1), replicates))
        times.append(time.perf_counter() - began)
    return min(times)


def seconds_of_a_loop(ratings: Floats, replicates: int) -> float:
    """Return the time that calling the package for each code and replicate would take."""
    rng = np.random.default_rng(1)
    units, codes = ratings.shape[1:]
    began = time.perf_counter()
    for call in range(TIMED):
        drawn = ratings[:, rng.integers(0, units, units), call % codes]
        krippendorff.alpha(
            reliability_data=drawn, level_of_measurement="nominal", value_domain=[0.0, 1.0]
        )
    spent = time.perf_counter() - began
    return float(spent / TIMED * replicates * codes)


def peak_megabytes(ratings: Floats, replicates: int) -> float:
    """Return the memory that the bootstrap takes at its peak, beyond the ratings."""
    tracemalloc.start()
    sums = binary_sums(*binary_counts(ratings))
    bootstrap_alpha(sums, np.random.default_rng(1), replicates)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    """Print one line per size."""
    print("Bootstrap of alpha: ours against a loop over the krippendorff package")
    print(f"{'codes × replicates × units':>28} {'ours s':>8} {'loop s':>8} {'ratio':>8} {'MB':>6}")
    for codes, replicates, units in SIZES:
        ratings = codings(codes, units)
        ours = seconds_of_ours(ratings, replicates)
        loop = seconds_of_a_loop(ratings, replicates)
        size = f"{codes} × {replicates} × {units}"
        memory = peak_megabytes(ratings, replicates)
        print(f"{size:>28} {ours:8.3f} {loop:8.1f} {loop / ours:8.0f} {memory:6.0f}")


if __name__ == "__main__":
    main()
