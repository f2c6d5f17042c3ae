"""Rows of prevalence: how often each code applies, corrected by what people found in the sample."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from codebooks.models import Kind
from reviews.models import Sample
from reviews.sampling import frame_digest, load_frame, load_machine, stratify
from reviews.stats.arrays import Floats, Ints
from reviews.stats.prevalence import (
    Options,
    Prevalence,
    Review,
    category_prevalence,
    code_prevalence,
    response_bounds,
)
from reviews.stats.scales import ScaleEstimate, ScaleReview, scale_prevalence
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
    `bound_low` and `bound_high` are the estimates if every open question were a no, or a yes.
    `merged` lists the cells (stratum, machine label) that were estimated together.
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


@dataclass(frozen=True)
class Strata:
    """The design stratum of every unit; `changed` if the frame is not the one drawn from."""

    of_unit: Ints
    names: tuple[str, ...]
    changed: bool


@dataclass(frozen=True)
class Areas:
    """What to break the figures down by: its name, the domain of each unit, the domains' names."""

    by: str
    of_unit: Ints
    names: tuple[str, ...]


def design_strata(sample: Sample | None, table: Table) -> Strata:
    """Return the stratum that every unit had when `sample` was drawn.

    Where the frame has changed since (new interviews, corrected languages, a run that went on),
    strata can't be told any more: all is one stratum, and the inclusion probabilities, which never
    change, carry the design alone.
    """
    one = Strata(np.zeros(len(table.units), np.int64), ("",), False)
    if sample is None:
        return one
    names = sample.design.get("strata", [])
    sizes = sample.design.get("sizes", [])
    if sum(size["population"] for size in sizes) != len(table.units):
        return replace(one, changed=True)
    if not names:
        return one
    frame = load_frame(sample.study)
    keys = stratify(frame, names, load_machine(sample.run) if sample.run else None)
    if frame_digest(frame, keys) != sample.frame_digest:
        return replace(one, changed=True)
    strata, place = np.unique(np.array(keys, dtype=object), return_inverse=True)
    of_unit = np.empty(len(table.units), np.int64)
    of_unit[table.units.at(np.array([unit.segment for unit in frame]))] = place
    return Strata(of_unit, tuple(str(name) for name in strata), False)


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


class _ByHand:
    """What people said of units that are no probability sample: shown, and never extrapolated."""

    def __init__(self, table: Table, areas: Sequence[Areas]) -> None:
        chosen = coded_by_hand(table.people)
        self.unit = chosen.unit
        self.reference: Reference = load_reference(chosen, table.people, table.guide)
        self.guide = table.guide
        self.areas = {area.by: area for area in areas}

    def beside(self, row: PrevalenceRow) -> PrevalenceRow:
        """Return `row` with the share (mean) of what people coded, without an interval."""
        inside = np.ones(len(self.unit), bool)
        for by, name in row.domain:
            area = self.areas[by]
            inside = area.of_unit[self.unit] == area.names.index(name)
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
        rows = []
        for question in guide.questions:
            if question.kind == Kind.SCALE:
                rows += self.scale(question, area)
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
        )
        low = high = np.full(len(self.many), np.nan)
        if area is None and np.isnan(y).any() and not np.isnan(y).all():
            low, high = response_bounds(review)
        places = self.table.guide.codes
        estimates = code_prevalence(
            review,
            area.of_unit if area else None,
            len(area.names) if area else 1,
            options,
        )
        for row in estimates:
            column = self.many[row.code]
            question, code = places[column]
            split = self._split(y[:, row.code], area, row.domain)
            bounds = float(low[row.code]), float(high[row.code])
            found[column].append(
                self._row(question, code.key, row, area, split, bounds, ("0", "1"))
            )
        return found

    def categories_of(
        self, question: Question, area: Areas | None, options: Options
    ) -> list[PrevalenceRow]:
        """Return the rows of a `one` dimension, code by code; "none applies" where it occurs."""
        shares = self.categories[question.key]
        said = self.table.machine.categories(question)
        machine = np.where(np.isnan(said), NOT_KNOWN, said).astype(np.int64)[:, None]
        y = np.where(np.isnan(shares).any(axis=1), np.nan, 0.0)[:, None]
        review = Review(machine, self.strata.of_unit, self.drawn, self.inclusion, y)
        names = (*(code.key for code in question.codes), None)
        found: dict[int, list[PrevalenceRow]] = {place: [] for place in range(len(names))}
        estimates = category_prevalence(
            review,
            len(names),
            area.of_unit if area else None,
            len(area.names) if area else 1,
            options,
            shares,
        )
        for row in estimates:
            split = self._split(shares[:, row.code], area, row.domain)
            labels = tuple(name or "none applies" for name in names)
            bounds = (np.nan, np.nan)
            found[row.code].append(
                self._row(question, names[row.code], row, area, split, bounds, labels)
            )
        none = len(names) - 1
        if not (np.nan_to_num(shares[:, none]).any() or (machine == none).any()):
            del found[none]
        return [row for rows in found.values() for row in rows]

    def scale(self, question: Question, area: Areas | None) -> list[PrevalenceRow]:
        """Return the rows of a scale: its mean."""
        rows = []
        for place, code in enumerate(question.codes, question.first):
            name = f"{question.key}/{area.by if area else ''}"
            estimates = scale_prevalence(
                ScaleReview(
                    self.table.machine.values[:, place],
                    self.strata.of_unit,
                    self.drawn,
                    self.inclusion,
                    self.values[:, place],
                    float(question.minimum or 0),
                    float(question.maximum or 0),
                ),
                np.random.default_rng([self.seed, zlib.crc32(name.encode())]),
                domain=area.of_unit if area else None,
                domains=len(area.names) if area else 1,
                replicates=self.replicates,
            )
            rows += [self._scale_row(question, code.key, row, area) for row in estimates]
        return rows

    def _split(self, y: Floats, area: Areas | None, domain: int | None) -> int:
        """Return how many of the reviewed segments coders disagree about, and nobody ruled."""
        open_ = (y > 0) & (y < 1)
        if area is not None:
            open_ = open_ & (area.of_unit[self.drawn] == domain)
        return int(open_.sum())

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
        return PrevalenceRow(
            dimension=question.key,
            code=code,
            kind=question.kind,
            quantity="share",
            domain=_domain(area, found.domain),
            population=found.population,
            coded=found.coded,
            drawn=found.drawn,
            reviewed=found.reviewed,
            positives=found.positives,
            split=split,
            machine=found.machine,
            human=found.human,
            human_low=found.human_low,
            human_high=found.human_high,
            corrected=found.corrected,
            low=found.low,
            high=found.high,
            low_all=found.low_all,
            high_all=found.high_all,
            se=found.se,
            gain=found.gain,
            ppv=found.ppv,
            false_omission=found.false_omission,
            recall=found.recall,
            bound_low=bounds[0],
            bound_high=bounds[1],
            method=found.method,
            **_standing(found),
            merged=tuple(
                tuple(
                    (names[stratum], labels[label] if label >= 0 else "not coded")
                    for stratum, label in group
                )
                for group in found.merged
            ),
        )

    def _scale_row(
        self, question: Question, code: str, found: ScaleEstimate, area: Areas | None
    ) -> PrevalenceRow:
        return PrevalenceRow(
            dimension=question.key,
            code=code,
            kind=question.kind,
            quantity="mean",
            domain=_domain(area, found.domain),
            population=found.population,
            coded=found.coded,
            drawn=found.drawn,
            reviewed=found.reviewed,
            positives=None,
            split=None,
            machine=found.machine,
            human=found.human,
            human_low=found.human_low,
            human_high=found.human_high,
            corrected=found.corrected,
            low=found.low,
            high=found.high,
            low_all=np.nan,
            high_all=np.nan,
            se=found.se,
            gain=found.gain,
            ppv=np.nan,
            false_omission=np.nan,
            recall=np.nan,
            bound_low=np.nan,
            bound_high=np.nan,
            method=found.method,
            **_standing(found),
            merged=(),
        )


class _Standing(TypedDict):
    status: str
    grade: str | None


def _standing(found: Prevalence | ScaleEstimate) -> _Standing:
    """Return status and grade; what neither a machine nor a person coded is not of the machine."""
    if found.status == "machine_only" and not found.coded:
        return {"status": NOT_CODED, "grade": None}
    return {"status": found.status, "grade": found.grade}


def _domain(area: Areas | None, domain: int | None) -> Domain:
    if area is None or domain is None:
        return ()
    return ((area.by, area.names[domain]),)
