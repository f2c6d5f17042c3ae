"""Rows of prevalence: how often each code applies, corrected by what people found in the sample."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypedDict

import numpy as np

from codebooks.models import Kind
from reviews.models import Sample
from reviews.sampling import frame_of, still_there
from reviews.stats.arrays import Bools, Floats, Ints, ratio, totals
from reviews.stats.cells import answered_inclusion
from reviews.stats.comparators import dsl, hot, ppi, pseudo_outcomes
from reviews.stats.prevalence import (
    Options,
    Prevalence,
    Review,
    category_bounds,
    category_prevalence,
    code_prevalence,
    response_bounds,
)
from reviews.stats.scales import ScaleEstimate, ScaleReview, scale_prevalence, share_above
from reviews.tables import NOT_KNOWN, Question, Reference, Table, coded_by_hand, load_reference

Domain = tuple[tuple[str, str], ...]
Merged = tuple[tuple[tuple[str, str], ...], ...]

NO_SAMPLE = "no_sample"
NOT_CODED = "not_coded"
"""People coded some units, but nobody knows how likely each was to be among them."""


@dataclass(frozen=True)
class PrevalenceRow:
    """The share of one code, or the mean of a scale, overall or in one domain; see `Prevalence`.

    In a `one` dimension `code` None is "none applies". `machine` is the raw share (mean) among what
    the machine coded, `human` people alone, `corrected` the estimate to report; `low_all` and
    `high_all` hold for all rows of a table together. `positives` are the reviewed segments to which
    the code applies, a half for each that two coders disagree about, rounded; `split` counts those.
    `bound_low` and `bound_high` are the estimates if every open question were a no, or a yes (a
    scale: its lowest value, its highest); nan where no question is open. `merged` lists the cells
    (stratum, machine label) that were estimated together. Beside them, over all segments: PPI++
    (`ppi`, with `ppi_lam`, how much of the machine it uses) and the doubly robust estimate (`dsl`,
    from 50 positives and 50 negatives up). `cut` is the value that a share of a scale lies above.
    """

    dimension: str
    code: str | None
    kind: str
    quantity: str
    domain: Domain
    population: int
    coded: int
    drawn: int
    reviewed: int
    positives: int | None
    split: int | None
    machine: float
    human: float
    human_low: float
    human_high: float
    corrected: float
    low: float
    high: float
    low_all: float
    high_all: float
    se: float
    gain: float
    ppv: float
    false_omission: float
    recall: float
    bound_low: float
    bound_high: float
    method: str
    status: str
    grade: str | None
    merged: Merged
    ppi: float = np.nan
    ppi_low: float = np.nan
    ppi_high: float = np.nan
    ppi_lam: float = np.nan
    dsl: float = np.nan
    dsl_low: float = np.nan
    dsl_high: float = np.nan
    dsl_se: float = np.nan
    cut: float | None = None


class Comparators(TypedDict, total=False):
    """What stands beside the corrected share, by the names of a row's fields."""

    ppi: float
    ppi_low: float
    ppi_high: float
    ppi_lam: float
    dsl: float
    dsl_low: float
    dsl_high: float
    dsl_se: float


@dataclass(frozen=True)
class Strata:
    """The design stratum of every unit; `changed` if the frame is not the one drawn from."""

    of_unit: Ints
    names: tuple[str, ...]
    changed: bool


@dataclass(frozen=True)
class Areas:
    """What to break the figures down by: its name, the domain of each unit, the domains' names.

    Crossed (`language*country`) it has several `parts`, and `values` a value of each per domain.
    """

    by: str
    of_unit: Ints
    names: tuple[str, ...]
    parts: tuple[str, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()

    def domain(self, number: int) -> Domain:
        """Return the names and values that make a domain."""
        if self.parts:
            return tuple(zip(self.parts, self.values[number], strict=True))
        return ((self.by, self.names[number]),)


def design_strata(sample: Sample | None, table: Table) -> Strata:
    """Return the stratum that every unit had when `sample` was drawn.

    Where the frame has changed since (new interviews, corrected languages, a run that went on),
    strata can't be told any more: all is one stratum, and the inclusion probabilities, which never
    change, carry the design alone. What was withdrawn since has left frame and sample alike, and
    every stratum counts what is left of it (docs/decisions/0010).
    """
    one = Strata(np.zeros(len(table.units), np.int64), ("",), False)
    if sample is None:
        return one
    names = sample.design.get("strata", [])
    sizes = sample.design.get("sizes", [])
    if sum(still_there(size) for size in sizes) != len(table.units):
        return replace(one, changed=True)
    if not names:
        return one
    if not len(table.units):
        return one
    frame = frame_of(sample)
    if not frame.stands:
        return replace(one, changed=True)
    strata, place = np.unique(np.array(frame.keys, dtype=object), return_inverse=True)
    of_unit = np.empty(len(table.units), np.int64)
    of_unit[table.units.at(np.array([unit.segment for unit in frame.units]))] = place
    return Strata(of_unit, tuple(str(name) for name in strata), False)


CUTS = (0.25, 0.5, 0.75)
"""Where shares above a value are told, between the lowest and the highest of the scale."""


def shares_above(table: Table, strata: Strata, areas: Sequence[Areas]) -> list[PrevalenceRow]:
    """Return the share of segments above each quarter of each scale, overall and by `areas`.

    Estimated in cells, as a code is, whose label is whether the machine's value lies above.
    """
    if not len(table.units) or table.drawn is None:
        return []
    estimate = _Estimate(table, strata, 0, 0)
    found = []
    for question in table.guide.scales:
        for area in (None, *areas):
            found += estimate.above(question, area)
    return found


def prevalence_rows(
    table: Table, strata: Strata, areas: Sequence[Areas], seed: int, replicates: int
) -> list[PrevalenceRow]:
    """Return a row per code overall, then per code and domain of each of `areas`."""
    if not len(table.units):
        return []
    estimate = _Estimate(table, strata, seed, replicates)
    rows = estimate.rows(None)
    for area in areas:
        rows += estimate.rows(area)
    if table.drawn is None and len(table.people.unit):
        by_hand = _ByHand(table, areas)
        rows = [by_hand.beside(row) for row in rows]
    return rows


def pseudo_outcomes_of(
    table: Table, strata: Strata, seed: int
) -> tuple[list[tuple[str, str]], Floats]:
    """Return the codes (dimension, code) and the DSL pseudo-outcome of each, units × codes.

    Their means are the doubly robust estimates of the rows, where those are given.
    """
    estimate = _Estimate(table, strata, seed, 1)
    names: list[tuple[str, str]] = []
    parts = []
    for question in table.guide.labelled:
        width = len(question.codes)
        names += [(question.key, code.key) for code in question.codes]
        if question.kind == Kind.ONE:
            parts.append(estimate.categories[question.key][:, :width])
        else:
            parts.append(estimate.labels[:, question.first : question.first + width])
    y = np.hstack(parts) if parts else np.zeros((len(estimate.drawn), 0))
    answered = ~np.isnan(y)
    stratum = strata.of_unit[estimate.drawn][:, None]
    cell = np.broadcast_to(stratum, answered.shape).astype(np.int64)
    pi = answered_inclusion(cell, estimate.inclusion, answered)
    rng = np.random.default_rng([seed, zlib.crc32(b"folds")])
    psi = pseudo_outcomes(
        y,
        np.where(answered, pi, 1.0),
        estimate.drawn,
        estimate.features,
        rng,
        clusters=table.units.clusters,
    )
    return names, psi


class _ByHand:
    """What people said of units that are no probability sample: shown, and never extrapolated."""

    def __init__(self, table: Table, areas: Sequence[Areas]) -> None:
        chosen = coded_by_hand(table.people)
        self.unit = chosen.unit
        self.reference: Reference = load_reference(chosen, table.people, table.guide)
        self.guide = table.guide
        self.places = {
            area.domain(number): area.of_unit == number
            for area in areas
            for number in range(len(area.names))
        }

    def beside(self, row: PrevalenceRow) -> PrevalenceRow:
        """Return `row` with the share (mean) of what people coded, without an interval."""
        inside = np.ones(len(self.unit), bool)
        if row.domain:
            inside = self.places[row.domain][self.unit]
        y = self._answers(row)[inside]
        y = y[~np.isnan(y)]
        if not len(y):
            return row
        share = row.quantity == "share"
        return replace(
            row,
            reviewed=len(y),
            positives=int(y.sum() + 0.5) if share else None,
            split=int(((y > 0) & (y < 1)).sum()) if share else None,
            human=float(y.mean()),
            status=NO_SAMPLE,
            grade=row.grade if row.coded else None,
        )

    def _answers(self, row: PrevalenceRow) -> Floats:
        question = next(found for found in self.guide.questions if found.key == row.dimension)
        keys = [code.key for code in question.codes]
        if question.kind == Kind.SCALE:
            return self.reference.values[:, question.first]
        if question.kind == Kind.ONE:
            place = len(keys) if row.code is None else keys.index(row.code)
            return self.reference.categories[question.key][:, place]
        return self.reference.labels[:, question.first + keys.index(str(row.code))]


class _Estimate:
    """What all rows of a report share: the sample, the strata, the answers."""

    def __init__(self, table: Table, strata: Strata, seed: int, replicates: int) -> None:
        self.table, self.strata = table, strata
        self.seed, self.replicates = seed, replicates
        guide, drawn = table.guide, table.drawn
        if drawn is None or table.reference is None:
            self.drawn, self.inclusion = np.zeros(0, np.int64), np.zeros(0)
            self.labels = np.zeros((0, guide.width))
            self.values = np.zeros((0, guide.depth))
            self.categories = {
                question.key: np.zeros((0, len(question.codes) + 1)) for question in guide.labelled
            }
        else:
            self.drawn, self.inclusion = drawn.unit, drawn.inclusion
            self.labels, self.values = table.reference.labels, table.reference.values
            self.categories = table.reference.categories
        self.interviews = table.interviews
        self.many = [
            column
            for question in guide.labelled
            if question.kind == Kind.MANY
            for column in range(question.first, question.first + len(question.codes))
        ]

    def rows(self, area: Areas | None) -> list[PrevalenceRow]:
        """Return the rows of all codes, in the order of the codebook."""
        domains = len(area.names) if area else 1
        guide = self.table.guide
        figures = sum(len(question.codes) for question in guide.questions) * domains
        options = Options(comparisons=max(figures, 1))
        codes = self.codes(area, options)
        rows: list[PrevalenceRow] = []
        for question in guide.questions:
            if question.kind == Kind.SCALE:
                rows += self.scale(question, area, options)
            elif question.kind == Kind.ONE:
                rows += self.categories_of(question, area, options)
            else:
                for column in range(question.first, question.first + len(question.codes)):
                    rows += codes[column]
        return rows

    def codes(self, area: Areas | None, options: Options) -> dict[int, list[PrevalenceRow]]:
        """Return the rows of all codes of `many` dimensions by column, domain after domain."""
        found: dict[int, list[PrevalenceRow]] = {column: [] for column in self.many}
        if not self.many:
            return found
        y = self.labels[:, self.many]
        review = Review(
            self.table.machine.labels[:, self.many].astype(np.int64),
            self.strata.of_unit,
            self.drawn,
            self.inclusion,
            y,
            self.interviews,
        )
        domain, domains = (area.of_unit, len(area.names)) if area else (None, 1)
        low = high = np.full(len(self.many) * domains, np.nan)
        if np.isnan(y).any() and not np.isnan(y).all():
            low, high = response_bounds(review, domain, domains)
            some = self._open_in(np.isnan(y), area)
            low, high = np.where(some, low, np.nan), np.where(some, high, np.nan)
        splits = self._splits(y, area)
        beside = self._beside(review) if area is None else []
        places = self.table.guide.codes
        for at, row in enumerate(code_prevalence(review, domain, domains, options)):
            column = self.many[row.code]
            question, code = places[column]
            bounds = float(low[at]), float(high[at])
            made = self._row(question, code.key, row, area, splits[at], bounds, ("0", "1"))
            found[column].append(replace(made, **beside[row.code]) if beside else made)
        return found

    def categories_of(
        self, question: Question, area: Areas | None, options: Options
    ) -> list[PrevalenceRow]:
        """Return the rows of a `one` dimension, code by code; "none applies" where it occurs."""
        shares = self.categories[question.key]
        said = self.table.machine.categories(question)
        machine = np.where(np.isnan(said), NOT_KNOWN, said).astype(np.int64)[:, None]
        y = np.where(np.isnan(shares).any(axis=1), np.nan, 0.0)[:, None]
        review = Review(
            machine, self.strata.of_unit, self.drawn, self.inclusion, y, self.interviews
        )
        names = (*(code.key for code in question.codes), None)
        labels = tuple(name or "none applies" for name in names)
        domain, domains = (area.of_unit, len(area.names)) if area else (None, 1)
        low = high = np.full(len(names) * domains, np.nan)
        if np.isnan(y).any() and not np.isnan(y).all():
            low, high = category_bounds(review, len(names), domain, domains, shares)
            some = np.repeat(self._open_in(np.isnan(y), area), len(names))
            low, high = np.where(some, low, np.nan), np.where(some, high, np.nan)
        splits = self._splits(shares, area)
        beside: list[Comparators] = []
        if area is None:
            said_so = np.where(machine < 0, -1, machine == np.arange(len(names)))
            beside = self._beside(replace(review, machine=said_so, y=shares))
        found: dict[int, list[PrevalenceRow]] = {place: [] for place in range(len(names))}
        estimates = category_prevalence(review, len(names), domain, domains, options, shares)
        for at, row in enumerate(estimates):
            bounds = float(low[at]), float(high[at])
            made = self._row(question, names[row.code], row, area, splits[at], bounds, labels)
            found[row.code].append(replace(made, **beside[row.code]) if beside else made)
        none = len(names) - 1
        if not (np.nan_to_num(shares[:, none]).any() or (machine == none).any()):
            del found[none]
        return [row for rows in found.values() for row in rows]

    def scale(
        self, question: Question, area: Areas | None, options: Options
    ) -> list[PrevalenceRow]:
        """Return the rows of a scale: its mean."""
        rows = []
        for place, code in enumerate(question.codes, question.first):
            name = f"{question.key}/{area.by if area else ''}"
            review = self._scale_review(question, place)
            domain, domains = (area.of_unit, len(area.names)) if area else (None, 1)

            def estimated(review: ScaleReview, replicates: int) -> list[ScaleEstimate]:
                return scale_prevalence(
                    review,
                    np.random.default_rng([self.seed, zlib.crc32(name.encode())]),  # noqa: B023
                    domain=domain,  # noqa: B023
                    domains=domains,  # noqa: B023
                    replicates=replicates,
                    comparisons=options.comparisons or 1,
                )

            low = high = np.full(domains, np.nan)
            open_ = np.isnan(review.y)
            if open_.any() and not open_.all():
                ends = [
                    [
                        row.corrected
                        for row in estimated(replace(review, y=np.where(open_, end, review.y)), 1)
                    ]
                    for end in (review.minimum, review.maximum)
                ]
                some = self._open_in(open_[:, None], area)
                low, high = (np.where(some, end, np.nan) for end in ends)
            rows += [
                self._scale_row(question, code.key, row, area, (float(low[at]), float(high[at])))
                for at, row in enumerate(estimated(review, self.replicates))
            ]
        return rows

    def above(self, question: Question, area: Areas | None) -> list[PrevalenceRow]:
        """Return the shares of a scale above each quarter of it."""
        rows = []
        for place, code in enumerate(question.codes, question.first):
            review = self._scale_review(question, place)
            span = review.maximum - review.minimum
            cuts = [review.minimum + cut * span for cut in CUTS]
            domain, domains = (area.of_unit, len(area.names)) if area else (None, 1)
            above = np.where(
                np.isnan(review.y)[:, None], np.nan, review.y[:, None] > np.array(cuts)
            )
            splits = self._splits(above, area)
            options = Options(comparisons=max(len(cuts) * domains, 1))
            for at, row in enumerate(share_above(review, cuts, domain, domains, options)):
                bounds = (np.nan, np.nan)
                made = self._row(question, code.key, row, area, splits[at], bounds, ("0", "1"))
                rows.append(replace(made, cut=cuts[row.code]))
        return rows

    def _scale_review(self, question: Question, place: int) -> ScaleReview:
        return ScaleReview(
            self.table.machine.values[:, place],
            self.strata.of_unit,
            self.drawn,
            self.inclusion,
            self.values[:, place],
            float(question.minimum or 0),
            float(question.maximum or 0),
            self.interviews,
        )

    def _beside(self, review: Review) -> list[Comparators]:
        """Return PPI++ and the doubly robust estimate of every column, over all units."""
        nothing: Comparators = {}
        machine = review.machine
        if not self.drawn.size or (machine < 0).all():
            return [nothing] * machine.shape[1]
        answered = ~np.isnan(review.y)
        stratum = review.stratum[review.drawn]
        cell = np.broadcast_to(stratum[:, None], answered.shape).astype(np.int64)
        pi = answered_inclusion(cell, review.inclusion, answered)
        robust = dsl(
            review.y,
            np.where(answered, pi, 1.0),
            review.drawn,
            self.features,
            np.random.default_rng([self.seed, zlib.crc32(b"folds")]),
            clusters=self.table.units.clusters,
        )
        rest = np.ones(len(machine), bool)
        rest[review.drawn] = False
        found = []
        for column in range(machine.shape[1]):
            coded, asked = machine[:, column] >= 0, answered[:, column]
            made: Comparators = {
                "dsl": float(robust.estimate[column]),
                "dsl_low": float(robust.low[column]),
                "dsl_high": float(robust.high[column]),
                "dsl_se": float(robust.se[column]),
            }
            if asked.sum() > 1 and coded.any():
                # What the machine did not code gets its mean: a guess like any other.
                f = np.where(coded, machine[:, column], machine[coded, column].mean())
                powered = ppi(
                    review.y[asked, column],
                    f[review.drawn][asked],
                    f[rest] if rest.any() else f,
                    lam=None,
                    weights=1 / pi[asked, column],
                )
                made |= {
                    "ppi": float(powered.estimate),
                    "ppi_low": float(powered.low),
                    "ppi_high": float(powered.high),
                    "ppi_lam": float(powered.lam),
                }
            found.append(made)
        return found

    @cached_property
    def features(self) -> Floats:
        """What is known of every unit: the machine's labels and values, stratum, language."""
        table = self.table
        labels = table.machine.labels
        values = table.machine.values
        filled = np.where(np.isnan(values), np.nan_to_num(_means(values)), values)
        parts = [
            (labels == 1).astype(np.float32),
            (labels < 0).any(axis=1, keepdims=True).astype(np.float32),
            filled.astype(np.float32),
            hot(self.strata.of_unit, drawn=self.drawn).astype(np.float32),
            hot(table.units.language, drawn=self.drawn).astype(np.float32),
        ]
        return np.hstack(parts)

    def _splits(self, y: Floats, area: Areas | None) -> list[int]:
        """Return how many reviewed segments coders disagree about and nobody ruled, by row."""
        open_ = (y > 0) & (y < 1)
        domains = len(area.names) if area else 1
        of = area.of_unit[self.drawn] if area else np.zeros(len(y), np.int64)
        return [int(count) for count in totals(of, open_.astype(np.float64), domains).ravel()]

    def _open_in(self, open_: Bools, area: Areas | None) -> Bools:
        """Return, domain after domain, in which columns a question of a drawn unit is open."""
        domains = len(area.names) if area else 1
        of = area.of_unit[self.drawn] if area else np.zeros(len(open_), np.int64)
        return totals(of, open_.astype(np.float64), domains).ravel() > 0

    def _row(
        self,
        question: Question,
        code: str | None,
        found: Prevalence,
        area: Areas | None,
        split: int,
        bounds: tuple[float, float],
        labels: tuple[str, ...],
    ) -> PrevalenceRow:
        names = self.strata.names
        merged = tuple(
            tuple(
                (names[stratum], labels[label] if label >= 0 else "not coded")
                for stratum, label in group
            )
            for group in found.merged
        )
        return _filled(
            found,
            dimension=question.key,
            code=code,
            kind=question.kind,
            quantity="share",
            domain=_domain(area, found.domain),
            split=split,
            bound_low=bounds[0],
            bound_high=bounds[1],
            merged=merged,
            **_standing(found),
        )

    def _scale_row(
        self,
        question: Question,
        code: str,
        found: ScaleEstimate,
        area: Areas | None,
        bounds: tuple[float, float],
    ) -> PrevalenceRow:
        return _filled(
            found,
            dimension=question.key,
            code=code,
            kind=question.kind,
            quantity="mean",
            domain=_domain(area, found.domain),
            positives=None,
            split=None,
            ppv=np.nan,
            false_omission=np.nan,
            recall=np.nan,
            bound_low=bounds[0],
            bound_high=bounds[1],
            merged=(),
            **_standing(found),
        )


SHARED = [
    {field.name for field in fields(PrevalenceRow)} & {field.name for field in fields(kind)}
    for kind in (Prevalence, ScaleEstimate)
]
"""The figures that a row has as the statistics gave them, of a share and of a mean."""


def _filled(found: Prevalence | ScaleEstimate, **named: Any) -> PrevalenceRow:
    """Return a row with the figures of `found`, and what is `named` in place of them."""
    figures = vars(found)
    shared = SHARED[isinstance(found, ScaleEstimate)]
    return PrevalenceRow(**{name: figures[name] for name in shared if name not in named} | named)


def _means(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return np.asarray(ratio(np.where(known, values, 0).sum(axis=0), known.sum(axis=0)))


class _Standing(TypedDict):
    status: str
    grade: str | None


def _standing(found: Prevalence | ScaleEstimate) -> _Standing:
    """Return status and grade; what neither a machine nor a person coded is not of the machine."""
    if found.status == "machine_only" and not found.coded:
        return {"status": NOT_CODED, "grade": None}
    return {"status": found.status, "grade": found.grade}


def _domain(area: Areas | None, domain: int | None) -> Domain:
    return () if area is None or domain is None else area.domain(domain)
