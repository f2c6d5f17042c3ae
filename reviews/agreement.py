"""Rows of agreement: between people, and machine to people, per code, language, group and pair.

A unit coded by two people has two rows of ratings machine to people (see `compared`), which the
bootstrap draws together. Blind codings only: a ruling is no independent judgement, and how far
rulings settled what coders disagreed about is told apart (see `discussion`).
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from codebooks.models import Kind
from reviews.compared import (
    HUMANS,
    MACHINE,
    Compared,
    between_people,
    design_weights,
    known,
    machine_to_people,
    scope,
)
from reviews.discussion import DiscussionRow, discussion_rows
from reviews.stats.agreement import (
    LEAST_POSITIVES,
    Agreement,
    agreement_on_codes,
    agreement_on_many_sets,
    agreement_on_values,
)
from reviews.stats.alpha import (
    UnitSums,
    alpha,
    alpha_ordinal,
    alpha_sets,
    binary_sums,
    interval_sums,
    nominal_sums,
    ordinal_sums,
    set_sums,
)
from reviews.stats.coefficients import cohen_kappa, counts_of, cross_table, fleiss_kappa
from reviews.tables import NOT_KNOWN, Bools, Floats, Ints, Labels, People, Question, Table

__all__ = [
    "HUMANS",
    "MACHINE",
    "AgreementGroup",
    "AgreementRow",
    "Agreements",
    "Counts",
    "DiscussionRow",
    "agreement_rows",
]

MACHINE_NAME = "machine"
"""Who the machine is in a pair with a person; no language's word, as codes' keys are none."""

LEAST_IN_GROUP = 20
"""Segments coded by two in a group of participants below which agreement there tells nothing."""

Domain = tuple[tuple[str, str], ...]
Coincidences = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Counts:
    """Pairs of codings of one code by what they say; `differ` is only_a and only_b together.

    Between people a and b are the two coders in the order of their names; machine to human, a is
    the machine. With three or more people which of them said so has no meaning: both are None.
    """

    both: int
    only_a: int | None
    only_b: int | None
    neither: int
    differ: int


@dataclass(frozen=True)
class AgreementRow:
    """Agreement on one code, on a whole dimension (`code` None) or on a scale; see `Agreement`.

    `language` is None over all languages. `design` is alpha with units weighted by one over their
    inclusion, NaN where all weigh alike. `kappa` is Cohen's for two coders, Fleiss' for more;
    `cohen` is nan with more than two. `ordinal` is alpha of a scale that only orders, `jaccard` of
    sets with Jaccard's distance in place of MASI's. `table` counts pairs of categories (a in rows),
    the last of them "none applies" (which has no place in an ordered dimension, whose `estimate` is
    ordinal alpha); `coincidences` do for any number of coders. `unsure` counts
    the answers left out because a person was unsure. `domain` is a group of participants and `pair`
    the two coders that a row is about, where it is about no more.
    """

    dimension: str
    code: str | None
    kind: str
    between: str
    language: str | None
    measure: str
    units: int
    coders: int
    positives: int | None
    estimate: float
    low: float
    high: float
    p_below_667: float
    p_below_800: float
    design: float
    percent: float
    kappa: float
    ac1: float
    ac1_se: float
    bennett_s: float
    positive: float
    negative: float
    counts: Counts | None
    table: tuple[tuple[int, ...], ...] | None
    unsure: int | None
    undefined_replicates: int
    status: str
    cohen: float = np.nan
    fleiss: float = np.nan
    ordinal: float = np.nan
    jaccard: float = np.nan
    coincidences: Coincidences = ()
    domain: Domain = ()
    pair: tuple[str, str] | None = None


@dataclass(frozen=True)
class AgreementGroup:
    """Groups of participants: the attribute, the group of each unit, and their names."""

    by: str
    of_unit: Ints
    names: tuple[str, ...]


@dataclass(frozen=True)
class Agreements:
    """All that is said of agreement: the headline, by attribute, by pair, and after discussion.

    `of` says whether it is about the `sample` or the whole `study`.
    """

    rows: list[AgreementRow]
    groups: list[AgreementRow]
    pairs: list[AgreementRow]
    discussion: list[DiscussionRow]
    of: str


def agreement_rows(
    table: Table, seed: int, replicates: int, areas: Sequence[AgreementGroup] = ()
) -> Agreements:
    """Return the rows of agreement over all, by language, by each of `areas` and by pair.

    Where people coded items of the sample, those codings count and no others. Groups with fewer
    than twenty segments to compare have no rows.
    """
    people, of = scope(table)
    if not len(people.unit):
        return Agreements([], [], [], [], of)
    rows: list[AgreementRow] = []
    groups: list[AgreementRow] = []
    sides = [between_people(table, people)]
    if (table.machine.labels != NOT_KNOWN).any() or not np.isnan(table.machine.values).all():
        checked, _ = scope(table, table.compared)
        sides.append(machine_to_people(table, checked))
    weights = design_weights(table) if of == "sample" else None
    for compared in sides:
        rows += rows_of(table, compared, None, weights, seed, replicates)
        for language, chosen in _parts(table.units.language, compared.unit):
            own = compared.rows(chosen)
            name = table.units.languages[language]
            rows += rows_of(table, own, name, weights, seed, replicates)
        for area in areas:
            for group, chosen in _parts(area.of_unit, compared.unit):
                own = compared.rows(chosen)
                if own.pairable() < LEAST_IN_GROUP:
                    continue
                domain = ((area.by, area.names[group]),)
                found = rows_of(table, own, None, weights, seed, fewer(replicates), domain)
                groups += [row for row in found if row.units]
    pairs = pair_rows(table, people, sides, rows, weights, seed, replicates)
    return Agreements(rows, groups, pairs, discussion_rows(table, people), of)


def fewer(replicates: int) -> int:
    """Return how many replicates each of many groups or pairs gets: a quarter, 200 at least.

    They are looked at beside each other, and none of them is the headline.
    """
    return min(replicates, max(replicates // 4, 200))


def _parts(group: Ints, unit: Ints) -> Iterator[tuple[int, Bools]]:
    """Yield each group that some of the rows' units are in, and which rows those are."""
    own = group[unit]
    for one in np.unique(own).tolist():
        yield one, own == one


def pair_rows(
    table: Table,
    people: People,
    sides: Sequence[Compared],
    headline: Sequence[AgreementRow],
    weights: Floats | None,
    seed: int,
    replicates: int,
) -> list[AgreementRow]:
    """Return the rows of every two people who coded the same, and of the machine and each person.

    Where there is only one pair it is what the headline is about.
    """
    rows: list[AgreementRow] = []
    for compared in sides:
        found: list[tuple[tuple[str, str], Compared]] = []
        if compared.person is None:
            used = np.unique(people.coder).tolist()
            for first, second in combinations(used, 2):
                own = compared.coders([first, second])
                if own is not None:
                    found.append(((people.coders[first], people.coders[second]), own))
        else:
            used = np.unique(compared.person).tolist()
            for person in used:
                own = compared.rows(compared.person == person)
                found.append(((MACHINE_NAME, people.coders[person]), own))
        if len(found) == 1 and len(used) == (2 if compared.person is None else 1):
            about = [row for row in headline if row.between == compared.between]
            rows += [replace(row, pair=found[0][0]) for row in about if row.language is None]
            continue
        for pair, own in found:
            rows += rows_of(table, own, None, weights, seed, fewer(replicates), (), pair)
    return [row for row in rows if row.units]


def rows_of(
    table: Table,
    compared: Compared,
    language: str | None,
    weights: Floats | None,
    seed: int,
    replicates: int,
    domain: Domain = (),
    pair: tuple[str, str] | None = None,
) -> list[AgreementRow]:
    """Return the rows of one side in one language (None: all), in the order of the codebook.

    `domain` and `pair` say what else `compared` was cut down to.
    """
    side = _Side(table, compared, language, weights, seed, replicates, domain, pair)
    codes = side.codes()
    sets = side.sets() if side.whole else {}
    rows: list[AgreementRow] = []
    for question in table.guide.questions:
        if question.kind == Kind.SCALE:
            rows += side.scale(question)
            continue
        rows += codes[question.columns]
        if question.kind == Kind.ONE:
            rows.append(side.dimension(question))
        elif question.key in sets:
            rows.append(sets[question.key])
    # In a language without pairs there is nothing to say; over all, the status says it.
    return [row for row in rows if language is None or row.units]


class _Side:
    """One side of the comparison in one language, and the chance that belongs to it."""

    def __init__(
        self,
        table: Table,
        compared: Compared,
        language: str | None,
        weights: Floats | None,
        seed: int,
        replicates: int,
        domain: Domain = (),
        pair: tuple[str, str] | None = None,
    ) -> None:
        self.table, self.compared, self.language = table, compared, language
        self.domain, self.pair = domain, pair
        # Sets are many and rare each: they are told over all languages, and of all coders.
        self.whole = language is None and not domain and pair is None
        self.replicates = replicates
        self.weights = None if weights is None else weights[compared.unit]
        self.seed = seed
        clusters = table.units.clusters
        repeated = len(np.unique(compared.unit)) < len(compared.unit)
        self.repeated = repeated
        self.clusters = compared.unit if repeated else None
        if clusters is not None:
            self.clusters = clusters[compared.unit]

    def chance(self, about: str) -> np.random.Generator:
        """Return a generator of its own, so that no row depends on which others there are."""
        name = f"{self.compared.between}/{self.language}/{about}"
        if self.domain or self.pair:
            name += f"/{self.domain}/{self.pair}"
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def codes(self) -> list[AgreementRow]:
        """Return a row per code, drawn jointly across codes."""
        compared = self.compared
        labels = compared.labels
        applies = (labels == 1).sum(axis=0).astype(np.float64)
        looked = (labels != NOT_KNOWN).sum(axis=0).astype(np.float64)
        # A person's coding counts as positive where it was compared with another one.
        positives = np.where(looked >= 2, compared.said, 0).sum(axis=0)
        found = self._found(applies, looked, positives)
        design = np.full(len(found), np.nan)
        if self.weights is not None:
            design = alpha(binary_sums(applies, looked), self.weights)
        counts = list(_counts(labels, applies, looked))
        cohen, fleiss = _kappas(labels)
        unsure: list[int | None] = [None] * self.table.guide.width
        if compared.counts_unsure:
            unsure = compared.unsure.sum(axis=0).tolist()
        seen = labels != NOT_KNOWN
        # Mostly whoever coded a segment decided about every code: counted once, then.
        alike = bool(seen.size) and bool((seen == seen[..., :1]).all())
        once = self._who(seen[..., 0]) if alike else None
        return [
            self._row(
                question,
                code.key,
                found[at],
                once or self._who(seen[..., at]),
                (float(cohen[at]), float(fleiss[at])),
                design=float(design[at]),
                counts=counts[at],
                unsure=unsure[at],
            )
            for at, (question, code) in enumerate(self.table.guide.codes)
        ]

    def _found(self, applies: Floats, looked: Floats, positives: Ints) -> list[Agreement]:
        """Return agreement on each code; where it won't be shown, one replicate is enough."""
        found: dict[int, Agreement] = {}
        enough = positives >= LEAST_POSITIVES
        for chosen, replicates in ((enough, self.replicates), (~enough, 1)):
            if chosen.any():
                rows = agreement_on_codes(
                    applies[:, chosen],
                    looked[:, chosen],
                    self.chance("codes"),
                    replicates=replicates,
                    clusters=self.clusters,
                    positives=positives[chosen],
                )
                found.update(zip(np.flatnonzero(chosen).tolist(), rows, strict=True))
        return [found[code] for code in range(len(positives))]

    def dimension(self, question: Question) -> AgreementRow:
        """Return the row of a one-of-many dimension as a whole.

        "None applies" is a category of its own; in an ordered dimension, in whose order it has no
        place, segments where somebody says it are left out of what that coder says.
        """
        ratings = self.compared.categories[question.key]
        values = np.arange(len(question.codes) + 1.0)
        if question.ordered:
            ratings = np.where(ratings == len(question.codes), np.nan, ratings)
            values = values[:-1]
        found = agreement_on_values(
            ratings,
            "ordinal" if question.ordered else "nominal",
            self.chance(question.key),
            values=values,
            replicates=self.replicates,
            clusters=self.clusters,
        )
        table = None
        cohen = np.nan
        if len(ratings) == 2:
            cross = cross_table(ratings[0], ratings[1], values)
            cohen = cohen_kappa(cross)
            table = tuple(tuple(int(count) for count in row) for row in cross)
        fleiss, _ = fleiss_kappa(counts_of(ratings, values))
        return self._row(
            question,
            None,
            found,
            self._who(~np.isnan(ratings)),
            (cohen, fleiss),
            design=self._design(ordinal_sums if question.ordered else nominal_sums, ratings),
            ordinal=found.estimate if question.ordered and found.status == "ok" else np.nan,
            table=table,
            coincidences=found.counts,
        )

    def sets(self) -> dict[str, AgreementRow]:
        """Return the rows of whole sets of codes, by the keys of their `many` dimensions."""
        questions = [
            question
            for question in self.table.guide.labelled
            if question.kind == Kind.MANY and len(question.codes) > 1
        ]
        ratings = [known(self.compared.labels[..., question.columns]) for question in questions]
        found = agreement_on_many_sets(
            ratings, self.chance("sets"), replicates=self.replicates, clusters=self.clusters
        )
        return {
            question.key: self._row(
                question,
                None,
                one,
                self._who(np.asarray((~np.isnan(given)).all(axis=2))),
                design=self._design(set_sums, given),
                jaccard=alpha_sets(given, "jaccard") if one.status == "ok" else np.nan,
            )
            for question, one, given in zip(questions, found, ratings, strict=True)
        }

    def _design(self, sums: Callable[[Floats], UnitSums], ratings: Floats) -> float:
        """Return alpha with the weights of the design, NaN where all units weigh alike."""
        if self.weights is None:
            return float("nan")
        return float(alpha(sums(ratings), self.weights)[0])

    def scale(self, question: Question) -> Iterator[AgreementRow]:
        """Yield the row of a scale."""
        for place, code in enumerate(question.codes, question.first):
            ratings = self.compared.values[..., place]
            found = agreement_on_values(
                ratings,
                "interval",
                self.chance(question.key),
                replicates=self.replicates,
                clusters=self.clusters,
            )
            yield self._row(
                question,
                code.key,
                found,
                self._who(~np.isnan(ratings)),
                design=self._design(interval_sums, ratings),
                ordinal=alpha_ordinal(ratings) if found.status == "ok" else np.nan,
            )

    def _row(
        self,
        question: Question,
        code: str | None,
        found: Agreement,
        who: tuple[int, int],
        kappas: tuple[float, float] = (np.nan, np.nan),
        *,
        design: float = np.nan,
        ordinal: float = np.nan,
        jaccard: float = np.nan,
        counts: Counts | None = None,
        table: tuple[tuple[int, ...], ...] | None = None,
        coincidences: Coincidences = (),
        unsure: int | None = None,
    ) -> AgreementRow:
        """Put a row together; `who` is how many units and coders it is about."""
        cohen, fleiss = kappas
        return AgreementRow(
            dimension=question.key,
            code=code,
            kind=question.kind,
            between=self.compared.between,
            language=self.language,
            measure=found.measure,
            units=who[0],
            coders=who[1],
            positives=found.positives,
            estimate=found.estimate,
            low=found.low,
            high=found.high,
            p_below_667=found.below_667,
            p_below_800=found.below_800,
            design=design if found.status == "ok" else np.nan,
            percent=found.percent,
            kappa=cohen if len(self.compared.labels) == 2 else fleiss,
            ac1=found.ac1,
            ac1_se=found.ac1_se,
            bennett_s=found.bennett_s,
            positive=found.positive,
            negative=found.negative,
            counts=counts,
            table=table,
            unsure=unsure,
            undefined_replicates=found.undefined_replicates,
            status=found.status,
            cohen=cohen,
            fleiss=fleiss,
            ordinal=ordinal,
            jaccard=jaccard,
            coincidences=coincidences,
            domain=self.domain,
            pair=self.pair,
        )

    def _who(self, seen: Bools) -> tuple[int, int]:
        """Return how many units were coded by two, and by how many coders, a machine among them.

        `seen` says who looked, coders × rows.
        """
        paired = seen.sum(axis=0) >= 2
        unit, person = self.compared.unit[paired], self.compared.person
        units = len(np.unique(unit)) if self.repeated else len(unit)
        if person is None:
            return units, int(seen[:, paired].any(axis=1).sum())
        return units, len(np.unique(person[paired])) + bool(units)


def _counts(labels: Labels, applies: Floats, looked: Floats) -> Iterator[Counts]:
    """Yield the counts of each code from labels, coders × rows × codes."""
    no = looked - applies
    both, neither = applies * (applies - 1) / 2, no * (no - 1) / 2
    columns = [part.sum(axis=0).astype(np.int64).tolist() for part in (both, neither, applies * no)]
    only: list[list[int | None]] = [[None] * len(columns[0])] * 2
    if len(labels) == 2:
        first, second = labels
        only = [
            ((first == 1) & (second == 0)).sum(axis=0).tolist(),
            ((first == 0) & (second == 1)).sum(axis=0).tolist(),
        ]
    for yes, nothing, differ, only_a, only_b in zip(*columns, *only, strict=True):
        yield Counts(yes, only_a, only_b, nothing, differ)


def _kappas(labels: Labels) -> tuple[Floats, Floats]:
    """Return Cohen's kappa of each code (nan but for two coders), and Fleiss'; see `fleiss_kappa`.

    `labels` are coders × rows × codes. In whole numbers up to the division, so that no chance of 1
    hides behind a rounding error.
    """
    looked = (labels != NOT_KNOWN).sum(axis=0)
    m = np.where(looked >= 2, looked, 0)
    ones = np.where(looked >= 2, (labels == 1).sum(axis=0), 0)
    pairs = np.maximum(m * (m - 1), 1)
    agreed = (ones * (ones - 1) + (m - ones) * (m - ones - 1)) / pairs
    units, codings, applied = (m > 0).sum(axis=0), m.sum(axis=0), ones.sum(axis=0)
    fleiss = np.full(labels.shape[2], np.nan)
    varied = (applied > 0) & (applied < codings)
    p = applied / np.maximum(codings, 1)
    chance = p**2 + (1 - p) ** 2
    observed = agreed.sum(axis=0, where=m > 0) / np.maximum(units, 1)
    np.divide(observed - chance, 1 - chance, out=fleiss, where=varied)
    cohen = np.full(labels.shape[2], np.nan)
    if len(labels) == 2:
        paired = (labels != NOT_KNOWN).all(axis=0)
        n = paired.sum(axis=0)
        first, second = ((coder == 1) & paired for coder in labels)
        yes, also = first.sum(axis=0), second.sum(axis=0)
        agreeing = n * (n - (first ^ second).sum(axis=0))
        by_chance = yes * also + (n - yes) * (n - also)
        np.divide(agreeing - by_chance, n**2 - by_chance, out=cohen, where=n**2 > by_chance)
    return cohen, fleiss
