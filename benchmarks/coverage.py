"""Show how often each 95 % interval holds the truth, by drawing many samples from known interviews.

Five parts, in each of which the same samples serve every method. Prevalence: 80,508 interviews in
six languages, in which the machine errs unequally; three prevalences, three sample sizes, two
designs. Scores: precision, recall, specificity and F1 there. Groups: differences between the
languages. Clusters: several segments a participant, alike in truth and in error. Pairs: ratio and
odds ratio of two codes, and how often chance alone makes a clear link among 190 pairs. Coverage has
its own error beside it. Seeded; `python -m benchmarks.coverage [REPLICATES] [PART...]`.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from reviews.stats.accuracy import SCORES, accuracy
from reviews.stats.arrays import Floats, Generator, Ints
from reviews.stats.comparators import dsl, ppi
from reviews.stats.designs import allocate, draw, error_spread
from reviews.stats.intervals import Estimated, critical, difference, sidak
from reviews.stats.prevalence import Review, code_prevalence
from reviews.stats.testing import holm
from reviews.stats.together import JOINT, MEASURES, joint, measures, screen, supported, together

POPULATION = 80_508
LANGUAGES = np.array([0.42, 0.2, 0.15, 0.1, 0.08, 0.05])
SENSITIVITY = np.array([0.92, 0.88, 0.85, 0.75, 0.6, 0.5])
SPECIFICITY = np.array([0.99, 0.985, 0.98, 0.97, 0.95, 0.93])
PREVALENCES = (0.005, 0.05, 0.3)
SIZES = (300, 1_000, 3_000)
DESIGNS = ("simple", "stratified")
REPLICATES = 400
LOW, HIGH = 0.935, 0.99
"""Where the coverage of every 95 % interval that is reported is to lie."""


@dataclass(frozen=True)
class World:
    """All interviews: language, truth and the machine's label of each."""

    language: Ints
    truth: Ints
    machine: Ints


def world(prevalence: float, rng: Generator, population: int = POPULATION) -> World:
    """Return interviews with about that share of positives, more in some languages than others."""
    language = rng.choice(LANGUAGES.size, population, p=LANGUAGES)
    tilt = np.linspace(0.7, 1.5, LANGUAGES.size)
    share = np.minimum(prevalence * tilt / (tilt @ LANGUAGES), 0.95)
    truth = rng.random(population) < share[language]
    return World(language, truth.astype(np.int64), labelled(truth, language, rng))


def labelled(truth: Floats | Ints, language: Ints, rng: Generator) -> Ints:
    """Return what a machine says that errs more in some languages."""
    said = np.where(truth, SENSITIVITY[language], 1 - SPECIFICITY[language])
    return (rng.random(truth.size) < said).astype(np.int64)


def samples(
    one: World, n: int, design: str, replicates: int, rng: Generator
) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Yield the stratum of every interview, the drawn ones and their inclusion probabilities."""
    if design == "simple":
        stratum = np.zeros(one.truth.size, np.int64)
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


@dataclass
class Tally:
    """What the intervals of one setting held, by the name of what they are of."""

    truth: dict[str, float]
    found: dict[str, list[Estimated]] = field(default_factory=dict)
    worst: tuple[float, float] = (1.0, 0.0)

    def add(self, name: str, row: Estimated) -> None:
        self.found.setdefault(name, []).append(row)

    def show(self, setting: str, counted: Sequence[str] | None = None) -> tuple[float, float]:
        """Print a line a name; return the lowest and highest coverage of those that are counted."""
        for name, rows in self.found.items():
            point, low, high = np.array(rows).T
            truth = self.truth[name]
            held = float(((low <= truth) & (truth <= high)).mean())
            slip = float(np.sqrt(held * (1 - held) / len(rows)))
            width = (high - low)[np.isfinite(high)]
            half = f"{width.mean() / 2:8.4f}" if width.size else "       -"
            print(
                f"{setting:<30} {name:<12} {held:6.3f} ±{slip:.3f} {half} "
                f"{np.nanmean(point) - truth:8.4f} {len(rows):6}",
                flush=True,
            )
            if counted is None or name in counted:
                self.worst = min(self.worst[0], held), max(self.worst[1], held)
        return self.worst


Part = Iterator[tuple[float, float]]
HEAD = f"{'setting':<30} {'interval of':<12} {'coverage':>13} {'half ±':>8} {'bias':>8} {'n':>6}"


def settings() -> Iterator[tuple[str, World, int, str, Generator]]:
    """Yield every setting of the large world, with its chance."""
    for prevalence in PREVALENCES:
        one = world(prevalence, np.random.default_rng(2026))
        for design in DESIGNS:
            for n in SIZES:
                name = f"{design} p {100 * prevalence:.1f} % n {n}"
                yield name, one, n, design, np.random.default_rng(n)


def prevalence(replicates: int) -> Part:
    """The corrected share, beside the raw one, people alone, PPI++ and DSL."""
    for name, one, n, design, rng in settings():
        names = ("PS", "people", "raw", "PPI++", "DSL")
        tally = Tally(dict.fromkeys(names, float(one.truth.mean())))
        for stratum, drawn, pi in samples(one, n, design, replicates, rng):
            for method, found in estimates(one, stratum, drawn, pi, rng).items():
                tally.add(method, found)
        yield tally.show(name, ["PS"])


def estimates(
    one: World, stratum: Ints, drawn: Ints, pi: Floats, rng: Generator
) -> dict[str, Estimated]:
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


def raw_share(machine: Ints) -> Estimated:
    """Return the machine's share with the interval that people print beside it (Wald)."""
    share = float(machine.mean())
    reach = 1.96 * float(np.sqrt(share * (1 - share) / machine.size))
    return share, share - reach, share + reach


def true_scores(truth: Ints, machine: Ints) -> dict[str, float]:
    """Return the four scores where everything is known."""
    hits = float((truth * machine).sum())
    right_no = float(((1 - truth) * (1 - machine)).sum())
    return {
        "precision": hits / machine.sum(),
        "recall": hits / truth.sum(),
        "specificity": right_no / (1 - truth).sum(),
        "f1": 2 * hits / (truth.sum() + machine.sum()),
    }


def scores(replicates: int) -> Part:
    """Precision, recall, specificity and F1 by design weights, with Beta Monte Carlo limits."""
    for name, one, n, design, rng in settings():
        tally = Tally(true_scores(one.truth, one.machine))
        for stratum, drawn, pi in samples(one, n, design, replicates, rng):
            y = one.truth[drawn].astype(np.float64)
            review = Review(one.machine[:, None], stratum, drawn, pi, y[:, None])
            add_scores(tally, review, rng)
        yield tally.show(name)


def add_scores(tally: Tally, review: Review, rng: Generator) -> None:
    """Count the limits of the scores of a review's only code, where there are any."""
    (row,) = accuracy(review, rng, replicates=1_000)
    if row.status == "ok":
        for name in SCORES:
            low, high = (getattr(row, f"{name}_{end}") for end in ("low", "high"))
            tally.add(name, (getattr(row, name), low, high))


def groups(replicates: int) -> Part:
    """Differences between every two languages: each (pair by pair), and all of them together."""
    for name, one, n, design, rng in settings():
        size = LANGUAGES.size
        real = [float(one.truth[one.language == at].mean()) for at in range(size)]
        tally = Tally({"each": 0.0, "all": 0.0})
        for stratum, drawn, pi in samples(one, n, design, replicates, rng):
            y = one.truth[drawn].astype(np.float64)
            review = Review(one.machine[:, None], stratum, drawn, pi, y[:, None])
            rows = code_prevalence(review, one.language, size)
            told = [row for row in rows if row.status == "ok"]
            pairs = list(combinations(told, 2))
            wide = critical(sidak(0.95, len(pairs))) / critical()
            worst: Estimated = (0.0, 0.0, 0.0)
            for first, second in pairs:
                ends = [(row.corrected, row.low, row.high) for row in (first, second)]
                apart = real[first.domain or 0] - real[second.domain or 0]
                # Shifted by the truth, so that every difference is one of 0.
                d, low, high = (end - apart for end in difference(ends[0], ends[1]))
                tally.add("each", (d, low, high))
                _, low, high = (end - apart for end in difference(ends[0], ends[1], wide))
                if low > 0 or high < 0:
                    worst = (d, low, high)
            if pairs:
                tally.add("all", worst)
        yield tally.show(name, ["each"])


def people(
    participants: int, each: int, share: float, alike: float, rng: Generator
) -> tuple[Ints, Ints, Ints]:
    """Return whose each segment is, truth and label; a participant's are `alike` in all (ICC)."""
    spread = 1 / alike - 1
    who = np.repeat(np.arange(participants), each)

    def own(mean: float) -> Floats:
        return rng.beta(mean * spread, (1 - mean) * spread, participants)[who]

    truth = (rng.random(who.size) < own(share)).astype(np.int64)
    said = np.where(truth == 1, own(0.8), own(0.05))
    return who, truth, (rng.random(who.size) < said).astype(np.int64)


def clusters(replicates: int) -> Part:
    """Several segments a participant: drawn one by one, or all of some participants."""
    for count, each, n, share in ((150, 8, 300, 0.2), (400, 5, 300, 0.2), (400, 5, 1000, 0.2),
                                  (2000, 5, 1000, 0.05), (2000, 5, 1000, 0.3)):  # fmt: skip
        rng = np.random.default_rng([count, n])
        who, truth, machine = people(count, each, share, 0.3, rng)
        for whole in (False, True):
            tally = Tally({"PS": float(truth.mean()), **true_scores(truth, machine)})
            stratum = np.zeros(who.size, np.int64)
            for _ in range(replicates):
                if whole:
                    chosen = rng.permutation(count)[: n // each]
                    drawn = np.flatnonzero(np.isin(who, chosen))
                else:
                    drawn = np.sort(rng.permutation(who.size)[:n])
                pi = np.full(drawn.size, drawn.size / who.size)
                y = truth[drawn, None].astype(np.float64)
                review = Review(machine[:, None], stratum, drawn, pi, y, who[drawn])
                row = code_prevalence(review)[0]
                tally.add("PS", (row.corrected, row.low, row.high))
                add_scores(tally, review, rng)
            how = "whole" if whole else "apart"
            # Concord draws segments; whole participants, of whom there are then few, are for show.
            counted: list[str] | None = [] if whole else None
            yield tally.show(f"{count} × {each} n {n} p {100 * share:.0f} % {how}", counted)


PAIRS = ((0.3, 0.4, 0.15), (0.1, 0.3, 0.1), (0.05, 0.2, 0.05), (0.3, 0.3, 0.3), (0.3, 0.1, 0.3))
"""How many have the first code; the second among them, and among the others."""


def pairs(replicates: int) -> Part:
    """Ratio and odds ratio of two codes, and how often chance makes a clear link among many."""
    size = 20_000
    for share, among, others in PAIRS:
        # Limits speak of people like these: the population is another one each time.
        cases = [share * among, share * (1 - among), (1 - share) * others]
        real = measures(np.array([*cases, 1 - sum(cases)]))
        for n in SIZES:
            tally = Tally(dict(zip(MEASURES, real.tolist(), strict=True)))
            for number in range(replicates):
                rng = np.random.default_rng([number, n])
                language = rng.choice(LANGUAGES.size, size, p=LANGUAGES)
                first = (rng.random(size) < share).astype(np.int64)
                second = (rng.random(size) < np.where(first == 1, among, others)).astype(np.int64)
                truth = joint(first, second)
                machine = joint(labelled(first, language, rng), labelled(second, language, rng))
                sizes = np.bincount(language)
                allocation = allocate(sizes, n)
                drawn = draw(language, allocation, rng)
                pi = (allocation / sizes)[language[drawn]]
                nothing = np.zeros((drawn.size, 1))
                review = Review(machine[:, None], language, drawn, pi, nothing)
                found = together(review, np.eye(JOINT)[truth[drawn]], (number, n))
                if found.status == "ok":
                    for name in MEASURES:
                        low, high = (getattr(found, f"{name}_{end}") for end in ("low", "high"))
                        tally.add(name, (getattr(found, name), low, high))
            yield tally.show(f"{share} {among} {others} n {n}")
    for size, n, share in ((6_000, 600, 0.15), (600, 600, 0.15), (6_000, 300, 0.3)):
        times = max(replicates // 4, 1)
        wrong = sum(clear_by_chance(size, n, share, [at, n]) for at in range(times))
        print(f"190 pairs without a link, N {size} n {n} p {share}: a clear one in "
              f"{wrong} of {times} reports (wanted: 5 of 100 at most)", flush=True)  # fmt: skip
        if wrong > 0.05 * times + 2 * np.sqrt(0.05 * 0.95 * times):
            yield 0.0, 0.0


def clear_by_chance(size: int, n: int, share: float, seed: list[int]) -> bool:
    """Return whether any of 190 pairs of unlinked codes, which the machine mixes up, is clear."""
    rng = np.random.default_rng(seed)
    codes = 20
    truth = (rng.random((size, codes)) < share).astype(np.int64)
    mixed = (np.roll(truth, 1, axis=1) == 1) & (rng.random(truth.shape) < 0.3)
    right = rng.random(truth.shape) < np.where(truth == 1, 0.85, 0.02)
    machine = (right | ((truth == 0) & mixed)).astype(np.int64)
    drawn = np.sort(rng.permutation(size)[:n])
    stratum = np.zeros(size, np.int64)
    chosen, possible = screen(machine, np.ones(size), 15, np.ones((codes, codes), bool))
    p_values, enough = [], []
    for one, other in chosen:
        label = joint(machine[:, one], machine[:, other])[:, None]
        review = Review(label, stratum, drawn, np.full(n, n / size), np.zeros((n, 1)))
        said = np.eye(JOINT)[joint(truth[drawn, one], truth[drawn, other])]
        found = together(review, said, (*seed, one, other), possible)
        p_values.append(found.p_value if found.status == "ok" else np.nan)
        enough.append(supported(found.answered))
    return bool(((holm(np.array(p_values), possible) < 0.05) & np.array(enough)).any())


PARTS = {
    "prevalence": prevalence,
    "scores": scores,
    "groups": groups,
    "clusters": clusters,
    "pairs": pairs,
}


def main() -> None:
    words = sys.argv[1:]
    replicates = int(words.pop(0)) if words and words[0].isdigit() else REPLICATES
    print(f"{replicates} samples a line; coverage of 95 % intervals, wanted {LOW} to {HIGH}")
    for name in words or PARTS:
        print(f"\n{name}: {PARTS[name].__doc__}\n{HEAD}")
        began = time.monotonic()
        lows, highs = zip(*PARTS[name](replicates), strict=True)
        print(f"{name}: {min(lows):.3f} to {max(highs):.3f}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
