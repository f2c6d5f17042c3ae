"""Rows of agreement: between people, and machine to people, per code and per language.

Between people a row of ratings is a unit. Machine to people it is one coding by a person, beside
what the machine said of the same unit; a unit coded by two people then has two rows, which the
bootstrap draws together. Blind codings only: a ruling is no independent judgement.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from codebooks.models import Kind
from reviews.stats.agreement import (
    LEAST_POSITIVES,
    Agreement,
    agreement_on_codes,
    agreement_on_sets,
    agreement_on_values,
)
from reviews.stats.alpha import alpha, binary_sums
from reviews.stats.coefficients import cohen_kappa, counts_of, cross_table, fleiss_kappa
from reviews.tables import NOT_KNOWN, Bools, Floats, Ints, Labels, People, Question, Table

HUMANS, MACHINE = "humans", "machine-human"


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
    inclusion, NaN where all weigh alike. `kappa` is Cohen's for two coders, Fleiss' for more.
    `table` counts pairs of categories (a in rows), the last of them "none applies". `unsure` counts
    the answers left out because a person was unsure.
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


@dataclass(frozen=True)
class Compared:
    """Who is compared on which units: coders × rows × columns, a row one unit or one coding.

    `labels` are -1 where a coder did not say. `said` and `unsure` count, rows × columns, the people
    who said that a code applies and who were unsure. `person` is whose coding a row is, where the
    machine is compared.
    """

    between: str
    unit: Ints
    person: Ints | None
    labels: Labels
    categories: dict[str, Floats]
    values: Floats
    said: Ints
    unsure: Ints

    def rows(self, chosen: Bools) -> "Compared":
        """Return the rows that `chosen` points out."""
        return Compared(
            self.between,
            self.unit[chosen],
            None if self.person is None else self.person[chosen],
            self.labels[:, chosen],
            {key: ratings[:, chosen] for key, ratings in self.categories.items()},
            self.values[:, chosen],
            self.said[chosen],
            self.unsure[chosen],
        )


def agreement_rows(table: Table, seed: int, replicates: int) -> tuple[list[AgreementRow], str]:
    """Return the rows of agreement, and whether they are about the `sample` or the `study`.

    Where people coded items of the sample, those codings count and no others.
    """
    people, of = scope(table)
    if not len(people.unit):
        return [], of
    rows: list[AgreementRow] = []
    sides = [between_people(table, people)]
    if (table.machine.labels != NOT_KNOWN).any() or not np.isnan(table.machine.values).all():
        sides.append(machine_to_people(table, people))
    weights = design_weights(table) if of == "sample" else None
    for compared in sides:
        spoken = table.units.language[compared.unit]
        rows += rows_of(table, compared, None, weights, seed, replicates)
        for language in np.unique(spoken):
            name = table.units.languages[language]
            own = compared.rows(spoken == language)
            rows += rows_of(table, own, name, None, seed, replicates)
    return rows, of


def scope(table: Table) -> tuple[People, str]:
    """Return the codings that agreement is about: the sample's where there are any, else all."""
    if table.drawn is not None:
        inside = np.isin(table.people.unit, table.drawn.unit)
        if inside.any():
            return table.people.rows(inside), "sample"
    return table.people, "study"


def between_people(table: Table, people: People) -> Compared:
    """Set people's codings of the same units beside each other."""
    at = np.searchsorted(people.units, people.unit)
    shape = (len(people.coders), len(people.units))
    labels = np.full((*shape, table.guide.width), NOT_KNOWN, np.int8)
    labels[people.coder, at] = people.decisions.labels
    values = np.full((*shape, table.guide.depth), np.nan)
    values[people.coder, at] = people.decisions.values
    categories = {
        question.key: people.ratings(people.decisions.categories(question))
        for question in table.guide.labelled
        if question.kind == Kind.ONE
    }
    said = (labels == 1).sum(axis=0)
    unsure = np.zeros(said.shape, np.int64)
    for coder in np.unique(people.coder):
        own = people.coder == coder
        unsure[at[own]] += people.unsure[own]
    return Compared(HUMANS, people.units, None, labels, categories, values, said, unsure)


def machine_to_people(table: Table, people: People) -> Compared:
    """Set what the machine said beside each coding by a person."""
    at = people.unit
    labels = np.stack([table.machine.labels[at], people.decisions.labels])
    values = np.stack([table.machine.values[at], people.decisions.values])
    categories = {
        question.key: np.stack(
            [
                table.machine.categories(question)[at],
                people.decisions.categories(question),
            ]
        )
        for question in table.guide.labelled
        if question.kind == Kind.ONE
    }
    said = (labels[1] == 1).astype(np.int64)
    unsure = people.unsure.astype(np.int64)
    return Compared(MACHINE, at, people.coder, labels, categories, values, said, unsure)


def design_weights(table: Table) -> Floats | None:
    """Return one over the inclusion of each unit, or None where all were as likely to be drawn."""
    if table.drawn is None or np.ptp(table.drawn.inclusion) < 1e-12:
        return None
    weights = np.ones(len(table.units))
    weights[table.drawn.unit] = 1 / table.drawn.inclusion
    return weights


def rows_of(
    table: Table,
    compared: Compared,
    language: str | None,
    weights: Floats | None,
    seed: int,
    replicates: int,
) -> list[AgreementRow]:
    """Return the rows of one side in one language (None: all), in the order of the codebook."""
    side = _Side(table, compared, language, weights, seed, replicates)
    codes = side.codes()
    rows: list[AgreementRow] = []
    for question in table.guide.questions:
        if question.kind == Kind.SCALE:
            rows += side.scale(question)
            continue
        rows += codes[question.columns]
        if question.kind == Kind.ONE:
            rows.append(side.dimension(question))
        elif language is None and compared.between == HUMANS and len(question.codes) > 1:
            rows.append(side.sets(question))
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
    ) -> None:
        self.table, self.compared, self.language = table, compared, language
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
        kappas = _kappas(labels)
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
                float(kappas[at]),
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
        """Return the row of a one-of-many dimension as a whole; "none applies" is a category."""
        ratings = self.compared.categories[question.key]
        values = np.arange(len(question.codes) + 1.0)
        found = agreement_on_values(
            ratings,
            "nominal",
            self.chance(question.key),
            values=values,
            replicates=self.replicates,
            clusters=self.clusters,
        )
        table = None
        if len(ratings) == 2:
            cross = cross_table(ratings[0], ratings[1], values)
            kappa = cohen_kappa(cross)
            table = tuple(tuple(int(count) for count in row) for row in cross)
        else:
            kappa, _ = fleiss_kappa(counts_of(ratings, values))
        return self._row(question, None, found, self._who(~np.isnan(ratings)), kappa, table=table)

    def sets(self, question: Question) -> AgreementRow:
        """Return the row of a `many` dimension's whole sets of codes."""
        labels = self.compared.labels[..., question.columns]
        ratings = np.where(labels == NOT_KNOWN, np.nan, labels)
        found = agreement_on_sets(
            ratings,
            self.chance(question.key),
            replicates=self.replicates,
            clusters=self.clusters,
        )
        seen = (labels != NOT_KNOWN).all(axis=2)
        return self._row(question, None, found, self._who(seen), np.nan)

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
            yield self._row(question, code.key, found, self._who(~np.isnan(ratings)), np.nan)

    def _row(
        self,
        question: Question,
        code: str | None,
        found: Agreement,
        who: tuple[int, int],
        kappa: float,
        *,
        design: float = np.nan,
        counts: Counts | None = None,
        table: tuple[tuple[int, ...], ...] | None = None,
        unsure: int | None = None,
    ) -> AgreementRow:
        """Put a row together; `who` is how many units and coders it is about."""
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
            kappa=kappa,
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


def _kappas(labels: Labels) -> Floats:
    """Return kappa of each code from labels, coders × rows × codes: Cohen's for two coders."""
    if len(labels) != 2:
        values = np.array([0.0, 1.0])
        each = (fleiss_kappa(counts_of(code, values))[0] for code in np.moveaxis(labels, 2, 0))
        return np.fromiter(each, dtype=np.float64, count=labels.shape[2])
    paired = (labels != NOT_KNOWN).all(axis=0)
    n = paired.sum(axis=0)
    first, second = ((coder == 1) & paired for coder in labels)
    yes, also = first.sum(axis=0), second.sum(axis=0)
    # Whole numbers up to the division, so that no chance of 1 hides behind a rounding error.
    agreeing = n * (n - (first ^ second).sum(axis=0))
    chance = yes * also + (n - yes) * (n - also)
    kappa = np.full(labels.shape[2], np.nan)
    np.divide(agreeing - chance, n**2 - chance, out=kappa, where=n**2 > chance)
    return kappa
