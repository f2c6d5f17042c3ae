"""Show how often each 95 % interval holds the truth, by drawing many samples from known interviews.

80,508 interviews in six languages, in which the machine errs unequally; three prevalences, three
sample sizes, two designs. In each run the same samples serve every method. What is printed per
method: coverage (its own error beside it), mean half-width and bias in points, and the effective
sample size against people alone. Seeded; `python -m benchmarks.coverage [REPLICATES]`.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reviews.stats.arrays import Floats, Generator, Ints
from reviews.stats.comparators import dsl, ppi
from reviews.stats.designs import allocate, draw, error_spread
from reviews.stats.prevalence import Review, code_prevalence

POPULATION = 80_508
LANGUAGES = np.array([0.42, 0.2, 0.15, 0.1, 0.08, 0.05])
SENSITIVITY = np.array([0.92, 0.88, 0.85, 0.75, 0.6, 0.5])
SPECIFICITY = np.array([0.99, 0.985, 0.98, 0.97, 0.95, 0.93])
PREVALENCES = (0.005, 0.05, 0.3)
SIZES = (300, 1_000, 3_000)
REPLICATES = 400
LOW, HIGH = 0.935, 0.99
"""Where the coverage of PS is to lie."""


@dataclass(frozen=True)
class World:
    """All interviews: language, truth and the machine's label of each."""

    language: Ints
    truth: Ints
    machine: Ints


def world(prevalence: float, rng: Generator) -> World:
    """Return interviews with about that share of positives, more in some languages than others."""
    language = rng.choice(LANGUAGES.size, POPULATION, p=LANGUAGES)
    tilt = np.linspace(0.7, 1.5, LANGUAGES.size)
    share = np.minimum(prevalence * tilt / (tilt @ LANGUAGES), 0.95)
    truth = rng.random(POPULATION) < share[language]
    said = np.where(truth, SENSITIVITY[language], 1 - SPECIFICITY[language])
    machine = rng.random(POPULATION) < said
    return World(language, truth.astype(np.int64), machine.astype(np.int64))


def samples(
    one: World, n: int, design: str, replicates: int, rng: Generator
) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Yield the stratum of every interview, the drawn ones and their inclusion probabilities."""
    if design == "simple":
        stratum = np.zeros(POPULATION, np.int64)
        spread = None
    else:
        _, stratum = np.unique(one.language * 2 + one.machine, return_inverse=True)
        # Before any review: errors are expected more often where the machine says yes.
        said = np.array([one.machine[stratum == h][0] for h in range(stratum.max() + 1)])
        spread = error_spread(np.where(said == 1, 0.2, 0.03))
    sizes = np.bincount(stratum)
    allocation = allocate(sizes, n, spread=spread)
    pi = allocation / sizes
    for _ in range(replicates):
        drawn = draw(stratum, allocation, rng)
        yield stratum, drawn, pi[stratum[drawn]]


Found = dict[str, tuple[float, float, float]]


def estimates(one: World, stratum: Ints, drawn: Ints, pi: Floats, rng: Generator) -> Found:
    """Return estimate, low and high of every method from one sample."""
    y = one.truth[drawn].astype(np.float64)
    f = one.machine[drawn].astype(np.float64)
    review = Review(one.machine[:, None], stratum, drawn, pi, y[:, None])
    row = code_prevalence(review)[0]
    rest = np.ones(POPULATION, bool)
    rest[drawn] = False
    others = one.machine[rest].astype(np.float64)
    found = {
        "PS": (row.corrected, row.low, row.high),
        "people": (row.human, row.human_low, row.human_high),
        "raw": raw_share(one.machine),
    }
    powered = ppi(y, f, others, lam=None, weights=1 / pi)
    found["PPI++"] = (float(powered.estimate), float(powered.low), float(powered.high))
    # Below 50 positives or negatives people see no DSL; the simulation counts those it would print.
    features = np.column_stack([one.machine, one.language[:, None] == np.arange(LANGUAGES.size)])
    robust = dsl(y[:, None], pi[:, None], drawn, features, rng)
    if robust.status[0] == "ok":
        found["DSL"] = (float(robust.estimate[0]), float(robust.low[0]), float(robust.high[0]))
    return found


def raw_share(machine: Ints) -> tuple[float, float, float]:
    """Return the machine's share with the interval that people print beside it (Wald)."""
    share = float(machine.mean())
    reach = 1.96 * float(np.sqrt(share * (1 - share) / machine.size))
    return share, share - reach, share + reach


def main() -> None:
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else REPLICATES
    print(f"{replicates} samples a line; N = {POPULATION:,}; coverage of 95 % intervals")
    print(f"{'design':<10} {'p %':>5} {'n':>5} {'method':<7} {'coverage':>14} {'half ±':>7} "
          f"{'bias':>7} {'n eff/n':>8}")  # fmt: skip
    began = time.monotonic()
    worst = (1.0, 0.0)
    for prevalence in PREVALENCES:
        one = world(prevalence, np.random.default_rng(2026))
        truth = one.truth.mean()
        for design in ("simple", "stratified"):
            for n in SIZES:
                rng = np.random.default_rng(n)
                rows: dict[str, list[tuple[float, float, float]]] = {}
                for stratum, drawn, pi in samples(one, n, design, replicates, rng):
                    for name, found in estimates(one, stratum, drawn, pi, rng).items():
                        rows.setdefault(name, []).append(found)
                base = truth * (1 - truth) / n
                for name, several in rows.items():
                    point, low, high = np.array(several).T
                    held = float(((low <= truth) & (truth <= high)).mean())
                    slip = float(np.sqrt(held * (1 - held) / len(several)))
                    error = float(((point - truth) ** 2).mean())
                    gain = base / error if error else np.inf
                    print(
                        f"{design:<10} {100 * prevalence:5.1f} {n:5} {name:<7} "
                        f"{held:8.3f} ±{slip:.3f} {100 * (high - low).mean() / 2:7.2f} "
                        f"{100 * (point - truth).mean():7.2f} {gain:8.1f}",
                        flush=True,
                    )
                    if name == "PS":
                        worst = (min(worst[0], held), max(worst[1], held))
    print(f"PS covers {worst[0]:.3f} to {worst[1]:.3f}; wanted {LOW} to {HIGH}")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
