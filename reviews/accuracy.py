"""Rows of the machine against people: scores, confusion, calibration, errors by group, alt-test.

People's answers are the reference (docs/decisions/0003), on the items of the sample by design
weights; where people coded segments that are no probability sample, on those, unweighted, and the
rows are about them alone. What the machine learned from is left out.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from codebooks.models import Kind
from reviews.compared import scope
from reviews.prevalence import Areas, Domain, Strata
from reviews.stats.accuracy import (
    Accuracy,
    Bin,
    Scores,
    accuracy,
    calibration,
    category_confusion,
    code_confusion,
    error_test,
)
from reviews.stats.arrays import Floats, Ints
from reviews.stats.prevalence import Review
from reviews.stats.replacing import EPSILON, alternative_test
from reviews.stats.testing import benjamini_hochberg, holm
from reviews.tables import NOT_KNOWN, Question, Table, coded_by_hand, load_reference

POSITIVE, NEGATIVE = "machine-positive", "machine-negative"
KIND_OF_PERSON = "skilled"
"""What people are taken to be in the alternative annotator test: its epsilon is .15."""


@dataclass(frozen=True, kw_only=True)
class AccuracyRow(Scores):
    """How the machine does on one code, overall or in one domain; see `stats.accuracy.Scores`.

    `of` is `sample` (figures are of everything the machine coded) or `study` (of what people
    happened to code, and no more).
    """

    dimension: str
    code: str
    domain: Domain
    of: str


@dataclass(frozen=True)
class ConfusionRow:
    """What the machine said where people said what, in one dimension.

    `codes` name the columns (people). In a `one` dimension the last of them is None, "none
    applies", and the rows (machine) are the same and one more: not coded. In a `many` dimension row
    A, column B is where only the machine says A and only people say B; the diagonal is where both
    say the code. `shares` are by design weights, of all segments.
    """

    dimension: str
    kind: str
    of: str
    codes: tuple[str | None, ...]
    reviewed: int
    counts: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class CalibrationRow:
    """Whether the machine is right as often as it is sure, of one code or a dimension (None).

    Only of the codes it applied: it states no confidence of others. Status `no_confidence` says
    that the run states none at all.
    """

    dimension: str
    code: str | None
    of: str
    stated: int
    unstated: int
    error: float
    brier: float
    bins: tuple[Bin, ...]
    status: str


@dataclass(frozen=True)
class ErrorTestRow:
    """Whether the machine errs alike in all groups of `by`; see `stats.accuracy.ErrorTest`.

    `cell` is `machine-positive` (errors: codes it should not have applied) or `machine-negative`
    (codes it should have). `groups` are those with ten reviewed segments there. What may be said is
    that no difference larger than `bound` was shown, and never that there is none. `p_holm` is
    adjusted over the codes and cells of this attribute (confirmatory), `p_bh` to explore.
    """

    dimension: str
    code: str
    by: str
    cell: str
    reviewed: int
    errors: int
    split: int
    groups: tuple[str, ...]
    widest: str | None
    difference: float
    bound: float
    p_value: float
    p_holm: float
    p_bh: float
    status: str


@dataclass(frozen=True)
class ReplacingRow:
    """The alternative annotator test of one code, or of a `one` dimension (`code` None).

    `coders` are the people tested, with as many `units`. `winning_rate` is the share of them that
    the machine may replace (it passes from .5) and `advantage` how often it is at least as near to
    the others. `never_` and `majority_` are two that read nothing: one that applies no code, one
    that always says the usual. Where one of them passes (`baseline_passes`) the test tells nothing.
    """

    dimension: str
    code: str | None
    epsilon: float
    coders: tuple[str, ...]
    units: tuple[int, ...]
    winning_rate: float
    advantage: float
    passes: bool | None
    never_winning_rate: float
    never_advantage: float
    never_passes: bool | None
    majority_winning_rate: float
    majority_advantage: float
    majority_passes: bool | None
    status: str


@dataclass(frozen=True)
class MachineRows:
    """All that is said of the machine against people."""

    accuracy: list[AccuracyRow]
    confusion: list[ConfusionRow]
    calibration: list[CalibrationRow]
    error_tests: list[ErrorTestRow]
    replacing: list[ReplacingRow]


def machine_rows(
    table: Table,
    strata: Strata,
    areas: Sequence[Areas],
    confidence: Floats,
    seed: int,
    replicates: int,
) -> MachineRows:
    """Return what people say of the machine: overall, by language and by each of `areas`.

    `confidence` is what the machine stated about each of `reviewed_units`, by code.
    """
    rows = MachineRows([], [], [], [], [])
    if not (table.machine.labels != NOT_KNOWN).any() or not len(table.people.unit):
        return rows
    checked = _Checked(table, strata, seed, replicates)
    if np.isnan(checked.reference.labels).all():
        return rows
    groups = [language_area(table), *(area for area in areas if area.by != "language")]
    rows.accuracy.extend(checked.scores(None))
    for area in groups:
        rows.accuracy.extend(checked.scores(area))
    for question in table.guide.labelled:
        rows.confusion.append(checked.confusion(question))
        rows.calibration.extend(checked.calibration(question, confidence))
    for area in groups:
        if len(area.names) > 1:
            rows.error_tests.extend(checked.error_tests(area))
    rows.replacing.extend(replacing_rows(table))
    return rows


def language_area(table: Table) -> Areas:
    """Return the languages as groups."""
    return Areas("language", table.units.language, table.units.languages)


def reviewed_units(table: Table) -> Ints:
    """Return the units that people's answers are taken of: the items, or else what they coded."""
    if table.drawn is not None:
        return table.drawn.unit
    return table.compared.units


class _Checked:
    """What people said of the machine's labels, as all rows need it."""

    def __init__(self, table: Table, strata: Strata, seed: int, replicates: int) -> None:
        self.table, self.seed, self.replicates = table, seed, replicates
        drawn, reference = table.drawn, table.reference
        self.of = "sample"
        if drawn is None or reference is None:
            self.of = "study"
            drawn = coded_by_hand(table.compared)
            reference = load_reference(drawn, table.compared, table.guide)
        self.unit, self.inclusion, self.reference = drawn.unit, drawn.inclusion, reference
        self.stratum = strata.of_unit
        self.names = strata.names
        self.labels = table.machine.labels[self.unit]
        interviews = table.units.clusters
        self.interviews = None if interviews is None else interviews[self.unit]

    def chance(self, about: str) -> np.random.Generator:
        """Return a generator of its own, so that no row depends on which others there are."""
        return np.random.default_rng([self.seed, zlib.crc32(f"machine/{about}".encode())])

    def scores(self, area: Areas | None) -> list[AccuracyRow]:
        """Return the scores of every code, overall or in every group where people reviewed."""
        table = self.table
        machine, stratum = table.machine.labels, self.stratum
        drawn, domain = self.unit, area.of_unit if area else None
        if self.of == "study":  # nothing is known of the rest: what people coded is all there is
            machine, stratum = self.labels, np.zeros(len(self.unit), np.int64)
            drawn = np.arange(len(self.unit))
            domain = None if domain is None else domain[self.unit]
        review = Review(
            machine, stratum, drawn, self.inclusion, self.reference.labels, self.interviews
        )
        found = accuracy(
            review,
            self.chance(f"scores/{area.by if area else ''}"),
            domain,
            len(area.names) if area else 1,
            # Groups are many: a quarter of the draws moves their limits by less than they are wide.
            replicates=self.replicates if area is None else max(self.replicates // 4, 1),
        )
        rows = []
        codes = table.guide.codes
        for one in found:
            if area is not None and not one.reviewed:
                continue
            question, code = codes[one.code]
            rows.append(self._scored(question, code.key, one, area))
        return rows

    def _scored(
        self, question: Question, code: str, found: Accuracy, area: Areas | None
    ) -> AccuracyRow:
        scores = {field.name: getattr(found, field.name) for field in fields(Scores)}
        domain = () if area is None else area.domain(int(found.domain or 0))
        return AccuracyRow(dimension=question.key, code=code, domain=domain, of=self.of, **scores)

    def confusion(self, question: Question) -> ConfusionRow:
        """Return the confusion of the codes of one dimension."""
        weights = 1 / self.inclusion
        keys: tuple[str | None, ...] = tuple(code.key for code in question.codes)
        if question.kind == Kind.ONE:
            said = self.table.machine.categories(question)[self.unit]
            machine = np.where(np.isnan(said), NOT_KNOWN, said).astype(np.int64)
            found = category_confusion(machine, self.reference.categories[question.key], weights)
            keys = (*keys, None)
        else:
            columns = question.columns
            found = code_confusion(
                self.labels[:, columns], self.reference.labels[:, columns], weights
            )
        return ConfusionRow(
            question.key,
            question.kind,
            self.of,
            keys,
            found.reviewed,
            found.counts,
            found.shares,
        )

    def calibration(self, question: Question, confidence: Floats) -> list[CalibrationRow]:
        """Return the calibration of a dimension and of its codes."""
        y = self.reference.labels[:, question.columns]
        checked = (self.labels[:, question.columns] == 1) & ~np.isnan(y)
        said = confidence[:, question.columns]
        weights = np.broadcast_to(1 / self.inclusion[:, None], y.shape)
        # Several codes of a segment are no more independent than segments of a participant.
        home = self.unit if self.interviews is None else self.interviews
        homes = np.broadcast_to(home[:, None], y.shape)
        none_stated = not (~np.isnan(confidence)).any()
        rows = []
        for code, chosen in [
            (None, checked),
            *(
                (code.key, checked & (np.arange(y.shape[1]) == at))
                for at, code in enumerate(question.codes)
            ),
        ]:
            found = calibration(said[chosen], y[chosen], weights[chosen], clusters=homes[chosen])
            rows.append(
                CalibrationRow(
                    question.key,
                    code,
                    self.of,
                    found.stated,
                    found.unstated,
                    found.error,
                    found.brier,
                    found.bins,
                    "no_confidence" if none_stated else found.status,
                )
            )
        return rows

    def error_tests(self, area: Areas) -> list[ErrorTestRow]:
        """Return the tests of one attribute, over all codes and both cells."""
        group = area.of_unit[self.unit]
        block = self._blocks(area)
        rng = self.chance(f"errors/{area.by}")
        rows = []
        for at, (question, code) in enumerate(self.table.guide.codes):
            y = self.reference.labels[:, at]
            for cell, label in ((POSITIVE, 1), (NEGATIVE, 0)):
                inside = (self.labels[:, at] == label) & ~np.isnan(y)
                error = np.abs(y[inside] - label)
                found = error_test(
                    error,
                    group[inside],
                    block[inside],
                    rng,
                    weights=1 / self.inclusion[inside],
                    clusters=None if self.interviews is None else self.interviews[inside],
                )
                rows.append(
                    ErrorTestRow(
                        question.key,
                        code.key,
                        area.by,
                        cell,
                        found.reviewed,
                        found.errors,
                        found.split,
                        tuple(area.names[one] for one in found.groups),
                        None if found.widest is None else area.names[found.widest],
                        found.difference,
                        found.bound,
                        found.p_value,
                        np.nan,
                        np.nan,
                        found.status,
                    )
                )
        p_values = np.array([row.p_value for row in rows])
        adjusted = zip(holm(p_values).tolist(), benjamini_hochberg(p_values).tolist(), strict=True)
        return [
            replace(row, p_holm=by_holm, p_bh=by_bh)
            for row, (by_holm, by_bh) in zip(rows, adjusted, strict=True)
        ]

    def _blocks(self, area: Areas) -> Ints:
        """Return which drawn units may swap groups: one stratum, but for what groups are made of.

        A stratum that lies within a single group has nobody to swap with. Where strata are made of
        the groups, units swap across them: the errors of a label are taken to be alike there.
        """
        own = self.stratum[self.unit]
        group = area.of_unit[self.unit]
        crossing = np.zeros(len(self.names), bool)
        for stratum in np.unique(own):
            crossing[stratum] = np.unique(group[own == stratum]).size > 1
        return np.where(crossing[own], own, -1)


def replacing_rows(table: Table) -> list[ReplacingRow]:
    """Return the alternative annotator test of every code and `one` dimension."""
    people, _of = scope(table, table.compared)
    if not len(people.unit):
        return []
    units = people.units
    rows = []
    for question in table.guide.labelled:
        for column, code in enumerate(question.codes, question.first):
            said = people.decisions.labels[:, column]
            ratings = people.ratings(np.where(said == NOT_KNOWN, np.nan, said))
            machine = table.machine.labels[units, column]
            answers = np.where(machine == NOT_KNOWN, np.nan, machine)
            rows.append(_replacing(people.coders, question.key, code.key, ratings, answers, 0.0))
        if question.kind == Kind.ONE:
            ratings = people.ratings(people.decisions.categories(question))
            answers = table.machine.categories(question)[units]
            nothing = float(len(question.codes))
            rows.append(_replacing(people.coders, question.key, None, ratings, answers, nothing))
    return rows


def _replacing(
    names: Sequence[str],
    dimension: str,
    code: str | None,
    ratings: Floats,
    machine: Floats,
    nothing: float,
) -> ReplacingRow:
    found = alternative_test(ratings, machine, epsilon=EPSILON[KIND_OF_PERSON], nothing=nothing)
    shown: dict[str, Any] = {}
    for prefix, one in (
        ("", found.machine),
        ("never_", found.never),
        ("majority_", found.majority),
    ):
        known = one is not None and bool(found.coders)
        shown[f"{prefix}winning_rate"] = one.winning_rate if one else np.nan
        shown[f"{prefix}advantage"] = one.advantage if one else np.nan
        shown[f"{prefix}passes"] = one.passes if known and one else None
    return ReplacingRow(
        dimension=dimension,
        code=code,
        epsilon=found.epsilon,
        coders=tuple(names[coder] for coder in found.coders),
        units=found.units,
        status=found.status,
        **shown,
    )
