"""Two runs, or two revisions of a codebook, compared on the same segments: what drifted?

Machine and people are compared with themselves: the same segments decided twice. Where people
coded blind, it is also said which of two runs is right more often. `matching` says which codes of
two revisions are the same. The same rows, seed and replicates give the same comparison bit for bit.
"""

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from django.core.cache import cache

from codebooks.models import Kind, Revision
from coding.models import CoderKind, Coding, Run
from reviews.matching import Pair, Unmatched, matched, merged, merged_shares
from reviews.models import Purpose, Sample
from reviews.prevalence import PrevalenceRow, Strata, design_strata, prevalence_rows
from reviews.reports import KEPT_FOR, REPLICATES, SEED, fingerprint
from reviews.stats.arrays import Bools, Floats, Ints
from reviews.stats.paired import PairedShares, compare_labels, compare_values, mover
from reviews.stats.prevalence import Review, code_prevalence
from reviews.stats.rivals import Rivals, Score, closer, contributions, correlation, rivals
from reviews.stats.testing import benjamini_hochberg, holm
from reviews.tables import (
    NOT_KNOWN,
    Decisions,
    Drawn,
    Labels,
    Question,
    Reference,
    Table,
    Units,
    coded_by_hand,
    load_development,
    load_guide,
    load_machine,
    load_reference,
    load_table,
)
from studies.models import Study
from studies.problems import Problem, _

VERSION = 1
"""Counts up when a comparison of the same rows would say something else."""

RUNS, REVISIONS = "runs", "revisions"
MACHINE, PEOPLE = "machine", "people"


@dataclass(frozen=True)
class Side:
    """One of the two: a run, or a revision with the run that coded it (None: people alone)."""

    run: int | None
    name: str
    coder: str
    model: str
    codebook: str
    revision: int
    date: str
    replicate: int


@dataclass(frozen=True)
class ChangeRow:
    """How one code (or the mean of a scale) changed; `difference` is the second less the first.

    `of` is the machine or people, `language` None over all. Counts are segments that both decided;
    a scale has none, `moved` is its mean distance. `low` and `high` are Newcombe's paired interval
    (t for a scale). `p` is McNemar's mid-p, `exact` its exact p, `holm` and `bh` are adjusted over
    the rows of one table. `design` is the difference by design weights, where people coded a sample
    under both revisions; `split` counts segments on which people were not of one mind.
    """

    of: str
    dimension: str
    code: str
    kind: str
    label: str
    color: str
    language: str | None
    units: int
    both: int | None
    only_first: int | None
    only_second: int | None
    neither: int | None
    changed: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    moved: float
    p: float
    exact: float
    holm: float
    bh: float
    design: Score | None
    split: int
    status: str


@dataclass(frozen=True)
class JudgedRow:
    """Which of two runs people's blind codings agree with; see `Rivals`, on a scale `closer`.

    `corrected` is the share (the mean) that each run leads to, with the difference it makes; the
    intervals of both stand in `corrected_ends`.
    """

    dimension: str
    code: str
    kind: str
    label: str
    color: str
    units: int
    contested: int
    reviewed: int
    both_right: int
    first_right: int
    second_right: int
    none_right: int
    p: float
    exact: float
    holm: float
    bh: float
    scores: dict[str, Score]
    corrected: Score | None
    corrected_ends: tuple[tuple[float, float], tuple[float, float]] | None
    status: str


@dataclass(frozen=True)
class Comparison:
    """Everything that is said about two runs or two revisions.

    `segments` are those that both machines decided anything about; of `changed_segments` some code
    applies to one and not to the other (a scale hardly ever stays the same). `people` are those
    that people coded under both revisions, `sample` is whose weights count.
    """

    study: str
    name: str
    fictional: bool
    codebook_language: str
    dimensions: dict[str, str]
    of: str
    first: Side
    second: Side
    all_segments: int
    segments: int
    changed_segments: int
    people: int
    sample: int | None
    clustered: bool
    changes: tuple[ChangeRow, ...]
    judged: tuple[JudgedRow, ...]
    unmatched: tuple[Unmatched, ...]
    mapping: tuple[str, ...]
    seed: int
    replicates: int


# ---- runs -----------------------------------------------------------------------------------


def compare_runs(
    study: Study,
    first: Run | int | None = None,
    second: Run | int | None = None,
    *,
    mapping: Sequence[str] = (),
    sample: Sample | int | None = None,
    seed: int = SEED,
    replicates: int = REPLICATES,
) -> Comparison:
    """Return how two runs of `study` differ: by default the last that coded anything and the one
    before it, of the same revision where there is one.

    Replicates may be named, and are not chosen. People judge where both runs have one revision:
    by `sample`, else by the latest of that revision.
    """
    one, other = _two_runs(study, first, second)
    chosen = _sample(study, sample, other.revision) if one.revision == other.revision else None
    key = _key(
        study, [(one.revision, one), (other.revision, other)], [chosen], mapping, seed, replicates
    )
    known = cache.get(key)
    if isinstance(known, Comparison):
        return known
    table = load_table(study, other.revision, other, chosen)
    guide = table.guide if one.revision == other.revision else load_guide(one.revision)
    earlier = load_machine(one, table.units, guide)
    pairs, unmatched = matched(guide, table.guide, mapping)
    changes = machine_changes(table.units, pairs, earlier, table.machine)
    judged: list[JudgedRow] = []
    if one.revision == other.revision and (table.drawn is not None or len(table.people.unit)):
        judged = judged_rows(table, one, earlier, pairs, chosen, seed, replicates)
    made = _comparison(
        study,
        RUNS,
        one,
        other,
        (one.revision, other.revision),
        table,
        pairs,
        earlier,
        unmatched,
        mapping,
        seed,
        replicates,
    )
    made = replace(
        made, sample=chosen.pk if chosen else None, changes=tuple(changes), judged=tuple(judged)
    )
    cache.set(key, made, KEPT_FOR)
    return made


def _two_runs(study: Study, first: Run | int | None, second: Run | int | None) -> tuple[Run, Run]:
    if first is None and second is None:
        last = [
            run
            for run in study.runs.filter(replicate=0).order_by("-pk").iterator()
            if run.codings.exists()
        ]
        if len(last) < 2:
            raise Problem(
                _("“%(study)s” has fewer than two runs that coded anything: code it twice first."),
                study=study.slug,
            )
        # With one codebook people can judge both.
        alike = [run for run in last[1:] if run.revision_id == last[0].revision_id]
        return (alike or last[1:])[0], last[0]
    if first is None or second is None:
        raise Problem(_("Name two runs, or none: then the last two are compared."))
    found = [run if isinstance(run, Run) else _run(study, run) for run in (first, second)]
    if found[0] == found[1]:
        raise Problem(_("That is the same run twice: name two."))
    return found[0], found[1]


def _run(study: Study, number: int) -> Run:
    found = study.runs.filter(pk=number).first()
    if found is None:
        raise Problem(
            _("The study “%(study)s” has no run %(run)d: its runs are %(runs)s."),
            study=study.slug,
            run=number,
            runs=", ".join(str(pk) for pk in study.runs.values_list("pk", flat=True)) or "–",
        )
    return found


def _sample(study: Study, sample: Sample | int | None, revision: Revision) -> Sample | None:
    if isinstance(sample, Sample):
        return sample
    rows = study.samples.filter(revision=revision, purpose=Purpose.REVIEW)
    if sample is None:
        return rows.order_by("-pk").first()
    found = rows.filter(pk=sample).first()
    if found is None:
        raise Problem(
            _("The study “%(study)s” has no sample %(sample)d of that revision."),
            study=study.slug,
            sample=sample,
        )
    return found


# ---- revisions ------------------------------------------------------------------------------


def compare_revisions(
    study: Study,
    first: Revision | int | None = None,
    second: Revision | int | None = None,
    *,
    mapping: Sequence[str] = (),
    seed: int = SEED,
    replicates: int = REPLICATES,
) -> Comparison:
    """Return how codings drift from one revision to another, on segments coded under both.

    Revisions go by their numbers (those of the codebook in use); by default the last two under
    which people or machines coded. Machines are the latest run of each. People's difference is
    weighted by the latest sample of the second revision: the bridge, where one was drawn.
    """
    one, other = _two_revisions(study, first, second)
    runs = [_latest(study, revision) for revision in (one, other)]
    samples = [_sample(study, None, revision) for revision in (one, other)]
    sides = list(zip((one, other), runs, strict=True))
    key = _key(study, sides, samples, mapping, seed, replicates)
    known = cache.get(key)
    if isinstance(known, Comparison):
        return known
    earlier, later = (
        load_table(study, revision, run, sample)
        for (revision, run), sample in zip(sides, samples, strict=True)
    )
    pairs, unmatched = matched(earlier.guide, later.guide, mapping)
    changes = machine_changes(later.units, pairs, earlier.machine, later.machine)
    by_people = [_by_people(table) for table in (earlier, later)]
    design = design_strata(samples[1], later) if samples[1] else None
    changes += people_changes(earlier, later, pairs, by_people, design)
    people = (by_people[0].any & by_people[1].any).sum()
    made = _comparison(
        study,
        REVISIONS,
        runs[0],
        runs[1],
        (one, other),
        later,
        pairs,
        earlier.machine,
        unmatched,
        mapping,
        seed,
        replicates,
    )
    made = replace(
        made,
        people=int(people),
        sample=samples[1].pk if samples[1] else None,
        changes=tuple(changes),
    )
    cache.set(key, made, KEPT_FOR)
    return made


def _two_revisions(
    study: Study, first: Revision | int | None, second: Revision | int | None
) -> tuple[Revision, Revision]:
    used = used_revisions(study)
    if first is None and second is None:
        if len(used) < 2:
            raise Problem(
                _(
                    "“%(study)s” was coded under fewer than two revisions of its codebook: there "
                    "is nothing to compare."
                ),
                study=study.slug,
            )
        return used[-2], used[-1]
    if first is None or second is None:
        raise Problem(_("Name two revisions, or none: then the last two are compared."))
    found = []
    for asked in (first, second):
        if isinstance(asked, int):
            # Numbers are of one codebook: of the latest, where a study has several.
            numbered = [revision for revision in used if revision.number == asked]
            if not numbered:
                raise Problem(
                    _("Nobody coded “%(study)s” under a revision %(number)d: there are %(known)s."),
                    study=study.slug,
                    number=asked,
                    known=", ".join(str(revision.number) for revision in used) or "–",
                )
            asked = numbered[-1]
        found.append(asked)
    if found[0] == found[1]:
        raise Problem(_("That is the same revision twice: name two."))
    return found[0], found[1]


def used_revisions(study: Study) -> list[Revision]:
    """Return the revisions under which anything of `study` was coded, oldest first."""
    coded = (
        Coding.objects.filter(segment__transcript__study=study)
        .order_by()
        .values_list("revision", flat=True)
        .distinct()
    )
    rows = Revision.objects.filter(pk__in=list(coded)).select_related("codebook")
    return list(rows.order_by("codebook", "number"))


def _latest(study: Study, revision: Revision) -> Run | None:
    runs = study.runs.filter(replicate=0, revision=revision).order_by("-pk")
    return next((run for run in runs.iterator() if run.codings.exists()), None)


@dataclass(frozen=True)
class ByPeople:
    """What people said of every unit: labels, N × K, and values, N × S; NaN where nobody did."""

    labels: Floats
    values: Floats

    @property
    def any(self) -> Bools:
        said = ~np.isnan(self.labels).all(axis=1)
        return np.asarray(said | ~np.isnan(self.values).all(axis=1))


def _by_people(table: Table) -> ByPeople:
    """Return what holds of every unit as far as people know; rulings of its sample hold."""
    everyone = coded_by_hand(table.people)
    reference = load_reference(everyone, table.people, table.guide)
    labels = np.full((len(table.units), table.guide.width), np.nan)
    values = np.full((len(table.units), table.guide.depth), np.nan)
    places: list[tuple[Drawn, Reference]] = [(everyone, reference)]
    if table.drawn is not None and table.reference is not None:
        places.append((table.drawn, table.reference))
    for drawn, found in places:
        labels[drawn.unit] = np.where(np.isnan(found.labels), labels[drawn.unit], found.labels)
        values[drawn.unit] = np.where(np.isnan(found.values), values[drawn.unit], found.values)
    return ByPeople(labels, values)


def people_changes(
    earlier: Table,
    later: Table,
    pairs: Sequence[Pair],
    said: Sequence[ByPeople],
    strata: Strata | None,
) -> list[ChangeRow]:
    """Return how what people say changed, with design weights where the later one is a sample."""
    first, second = (
        np.stack([merged_shares(by.labels, columns) for columns in sides], axis=1)
        if sides
        else np.zeros((len(later.units), 0))
        for by, sides in zip(said, _columns(pairs), strict=True)
    )
    both = ~np.isnan(first) & ~np.isnan(second)
    open_ = both & ~(_settled(first) & _settled(second))
    labels = [
        np.where(both & ~open_, np.nan_to_num(answers, nan=NOT_KNOWN), NOT_KNOWN).astype(np.int8)
        for answers in (first, second)
    ]
    shares = compare_labels(labels[0], labels[1], later.units.clusters)
    coded = [pair for pair in pairs if not pair.scale]
    rows = []
    for at, pair in enumerate(coded):
        design = None
        if strata is not None and later.drawn is not None and later.drawn.sample is not None:
            machines = [
                merged(decisions.labels, columns)
                for decisions, columns in (
                    (earlier.machine, pair.first),
                    (later.machine, pair.second),
                )
            ]
            answers = [np.where(both[:, at], side[:, at], np.nan) for side in (first, second)]
            design = weighted(later.drawn, strata, machines, answers)
        row = _share_row(PEOPLE, pair, None, shares, at)
        rows.append(replace(row, design=design, split=int(open_[:, at].sum())))
    rows += scale_rows(PEOPLE, pairs, said[0].values, said[1].values, None, later.units.clusters)
    return [row for row in adjusted(rows) if row.units or row.split]


def weighted(
    drawn: Drawn, strata: Strata, machines: Sequence[Labels], answers: Sequence[Floats]
) -> Score | None:
    """Return the share in all segments under both, by design weights, and its paired difference.

    Each share is estimated in cells as prevalence is; what the errors of both have in common falls
    out by their correlation (MOVER).
    """
    found: list[tuple[float, float, float]] = []
    parts: list[Floats] = []
    for machine, y in zip(machines, answers, strict=True):
        asked = y[drawn.unit]
        if not (~np.isnan(asked)).any():
            return None
        review = Review(
            machine[:, None].astype(np.int64),
            strata.of_unit,
            drawn.unit,
            drawn.inclusion,
            asked[:, None],
        )
        row = code_prevalence(review)[0]
        found.append((row.corrected, row.low, row.high))
        cell = strata.of_unit * 3 + machine + 1
        parts.append(contributions(cell, drawn.unit, drawn.inclusion, asked))
    together = correlation(parts[0], parts[1], drawn.inclusion)
    return _difference(found[0], found[1], together)


# ---- the machine ----------------------------------------------------------------------------


def machine_changes(
    units: Units, pairs: Sequence[Pair], earlier: Decisions, later: Decisions
) -> list[ChangeRow]:
    """Return how the machine's decisions changed, over all and by language."""
    first, second = both_sides(pairs, earlier, later)
    rows: list[ChangeRow] = []
    everywhere = np.ones(len(units), bool)
    places: list[tuple[str | None, Bools]] = [(None, everywhere)]
    if len(units.languages) > 1:
        places += [(name, units.language == at) for at, name in enumerate(units.languages)]
    by_language: list[ChangeRow] = []
    for language, inside in places:
        clusters = None if units.clusters is None else units.clusters[inside]
        shares = compare_labels(first[inside], second[inside], clusters)
        found = [
            _share_row(MACHINE, pair, language, shares, at)
            for at, pair in enumerate(pair for pair in pairs if not pair.scale)
        ]
        found += scale_rows(
            MACHINE, pairs, earlier.values[inside], later.values[inside], language, clusters
        )
        (rows if language is None else by_language).extend(found)
    # A language in which nothing was decided twice says nothing; over all, the status says it.
    return adjusted(rows) + adjusted([row for row in by_language if row.units])


def both_sides(
    pairs: Sequence[Pair], earlier: Decisions, later: Decisions
) -> tuple[Labels, Labels]:
    """Return the labels of both sides, units × pairs that are no scales."""
    found = []
    for decisions, sides in zip((earlier, later), _columns(pairs), strict=True):
        columns = [merged(decisions.labels, side) for side in sides]
        shape = (len(decisions.labels), 0)
        found.append(np.stack(columns, axis=1) if columns else np.zeros(shape, np.int8))
    return found[0], found[1]


def _columns(pairs: Sequence[Pair]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    coded = [pair for pair in pairs if not pair.scale]
    return [pair.first for pair in coded], [pair.second for pair in coded]


def _settled(labels: Floats) -> Bools:
    return np.asarray((labels == 0) | (labels == 1))


def _share_row(
    of: str, pair: Pair, language: str | None, shares: PairedShares, at: int
) -> ChangeRow:
    units, changed = int(shares.units[at]), int(shares.changed[at])
    return ChangeRow(
        of=of,
        dimension=pair.question.key,
        code=pair.code,
        kind=pair.question.kind,
        label=pair.label,
        color=pair.color,
        language=language,
        units=units,
        both=int(shares.both[at]),
        only_first=int(shares.only_first[at]),
        only_second=int(shares.only_second[at]),
        neither=int(shares.neither[at]),
        changed=changed,
        first=float(shares.first[at]),
        second=float(shares.second[at]),
        difference=float(shares.difference[at]),
        low=float(shares.low[at]) if units else np.nan,
        high=float(shares.high[at]) if units else np.nan,
        moved=np.nan,
        p=float(shares.mid[at]) if units else np.nan,
        exact=float(shares.exact[at]) if units else np.nan,
        holm=np.nan,
        bh=np.nan,
        design=None,
        split=0,
        status=_standing(units, changed),
    )


def scale_rows(
    of: str,
    pairs: Sequence[Pair],
    first: Floats,
    second: Floats,
    language: str | None,
    clusters: Ints | None,
) -> list[ChangeRow]:
    """Return how the scales among `pairs` moved; values are units × scales of each side."""
    rows = []
    for pair in pairs:
        if not pair.scale:
            continue
        span = float(pair.question.minimum or 0), float(pair.question.maximum or 0)
        found = compare_values(first[:, pair.first[0]], second[:, pair.second[0]], span, clusters)
        rows.append(
            ChangeRow(
                of=of,
                dimension=pair.question.key,
                code=pair.code,
                kind=pair.question.kind,
                label=pair.label,
                color=pair.color,
                language=language,
                units=found.units,
                both=None,
                only_first=None,
                only_second=None,
                neither=None,
                changed=found.changed,
                first=found.first,
                second=found.second,
                difference=found.difference,
                low=found.low,
                high=found.high,
                moved=found.moved,
                p=found.p,
                exact=np.nan,
                holm=np.nan,
                bh=np.nan,
                design=None,
                split=0,
                status=_standing(found.units, found.changed),
            )
        )
    return rows


def _standing(units: int, changed: int) -> str:
    if not units:
        return "no_units"
    return "ok" if changed else "no_change"


def adjusted(rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Return `rows` with their p-values adjusted: Holm to conclude, Benjamini-Hochberg to look."""
    p = np.array([row.p for row in rows])
    both = zip(rows, holm(p).tolist(), benjamini_hochberg(p).tolist(), strict=True)
    return [replace(row, holm=strict, bh=loose) for row, strict, loose in both]


# ---- people as judges -----------------------------------------------------------------------


def judged_rows(
    table: Table,
    before: Run,
    earlier: Decisions,
    pairs: Sequence[Pair],
    sample: Sample | None,
    seed: int,
    replicates: int,
) -> list[JudgedRow]:
    """Return which of two runs of one revision people agree with, code by code.

    `table` has the second run's decisions, `earlier` those of the run `before`. Without a
    probability sample only the segments that people coded count, as if there were no others, and
    no share is corrected.
    """
    coded = [pair for pair in pairs if not pair.scale]
    drawn, reference = table.drawn, table.reference
    first, second = both_sides(pairs, earlier, table.machine)
    clusters = table.units.clusters
    # What either run learned from tells nothing about which of the two is better.
    known = np.union1d(table.development, load_development(before, table.units))
    stratum, at_hand = np.zeros(len(table.units), np.int64), np.arange(len(table.units))
    corrected: dict[tuple[str, str], Any] = {}
    if drawn is not None and reference is not None:
        reference.leave_open(np.isin(drawn.unit, known))
        strata = design_strata(sample, table)
        stratum = strata.of_unit
        corrected = _corrected(table, earlier, strata, drawn, reference, seed, replicates)
    else:
        people = table.people.rows(~np.isin(table.people.unit, known))
        drawn = coded_by_hand(people)
        reference = load_reference(drawn, people, table.guide)
        at_hand = drawn.unit
    y = [merged_shares(reference.labels, pair.second) for pair in coded]
    answers = np.stack(y, axis=1) if y else np.zeros((len(drawn.unit), 0))
    found: list[Rivals] = []
    for place, pair in enumerate(coded):
        name = f"rivals/{pair.question.key}/{pair.code}"
        found += rivals(
            first[at_hand, place, None],
            second[at_hand, place, None],
            stratum[at_hand],
            np.searchsorted(at_hand, drawn.unit),
            drawn.inclusion,
            answers[:, place, None],
            np.random.default_rng([seed, zlib.crc32(name.encode())]),
            clusters=None if clusters is None else clusters[at_hand],
            replicates=replicates,
        )
    scales = [pair for pair in pairs if pair.scale]
    for pair in scales:
        found.append(
            closer(
                earlier.values[at_hand, pair.first[0]],
                table.machine.values[at_hand, pair.second[0]],
                np.searchsorted(at_hand, drawn.unit),
                drawn.inclusion,
                reference.values[:, pair.second[0]],
                span=(float(pair.question.minimum or 0), float(pair.question.maximum or 0)),
                clusters=None if clusters is None else clusters[at_hand],
            )
        )
    p = np.array([row.mid if row.reviewed else np.nan for row in found])
    adjusted_p = holm(p), benjamini_hochberg(p)
    rows = []
    for at, (pair, row) in enumerate(zip([*coded, *scales], found, strict=True)):
        score, ends = corrected.get((pair.question.key, pair.code), (None, None))
        rows.append(
            JudgedRow(
                dimension=pair.question.key,
                code=pair.code,
                kind=pair.question.kind,
                label=pair.label,
                color=pair.color,
                units=row.units,
                contested=row.contested,
                reviewed=row.reviewed,
                both_right=row.both_right,
                first_right=row.first_right,
                second_right=row.second_right,
                none_right=row.none_right,
                p=float(p[at]),
                exact=row.exact if row.reviewed else np.nan,
                holm=float(adjusted_p[0][at]),
                bh=float(adjusted_p[1][at]),
                scores=row.scores,
                corrected=score,
                corrected_ends=ends,
                status="no_sample" if table.drawn is None and row.status == "ok" else row.status,
            )
        )
    return rows if any(row.reviewed for row in rows) else []


def _corrected(
    table: Table,
    earlier: Decisions,
    strata: Strata,
    drawn: Drawn,
    reference: Reference,
    seed: int,
    replicates: int,
) -> dict[tuple[str, str], Any]:
    """Return the shares and means that the report gives with each run, and their difference."""
    tables = replace(table, machine=earlier), table
    reports: list[dict[tuple[str, str | None], PrevalenceRow]] = [
        {
            (row.dimension, row.code): row
            for row in prevalence_rows(one, strata, [], seed, replicates)
        }
        for one in tables
    ]
    found = {}
    for (dimension, code), row in reports[1].items():
        before = reports[0].get((dimension, code))
        if code is None or before is None or np.isnan(row.corrected + before.corrected):
            continue
        question = next(one for one in table.guide.questions if one.key == dimension)
        column = question.first + [one.key for one in question.codes].index(code)
        if question.kind == Kind.SCALE:
            together = 0.0
        else:
            cells = [_cells(one, question, column, strata) for one in tables]
            y = reference.labels[:, column]
            parts = [contributions(cell, drawn.unit, drawn.inclusion, y) for cell in cells]
            together = correlation(parts[0], parts[1], drawn.inclusion)
        one, other = ((made.corrected, made.low, made.high) for made in (before, row))
        found[dimension, code] = (_difference(one, other, together), (one[1:], other[1:]))
    return found


def _cells(table: Table, question: Question, column: int, strata: Strata) -> Ints:
    """Return the cell of every unit in which prevalence estimates a code."""
    if question.kind == Kind.ONE:
        category = table.machine.categories(question)
        label = np.where(np.isnan(category), -1, category).astype(np.int64) + 1
        return strata.of_unit * (len(question.codes) + 2) + label
    return strata.of_unit * 3 + table.machine.labels[:, column] + 1


def _difference(
    first: tuple[float, float, float], second: tuple[float, float, float], together: float
) -> Score:
    """Return the difference of two estimates (each with its ends) that go `together`."""
    (p1, l1, u1), (p2, l2, u2) = ([np.array([end]) for end in one] for one in (second, first))
    low, high = mover(p1, (l1, u1), p2, (l2, u2), np.array([together]))
    return Score(first[0], second[0], second[0] - first[0], float(low[0]), float(high[0]))


# ---- around it ------------------------------------------------------------------------------


def _comparison(
    study: Study,
    of: str,
    first: Run | None,
    second: Run | None,
    revisions: tuple[Revision, Revision],
    table: Table,
    pairs: Sequence[Pair],
    earlier: Decisions,
    unmatched: Iterable[Unmatched],
    mapping: Sequence[str],
    seed: int,
    replicates: int,
) -> Comparison:
    one, other = both_sides(pairs, earlier, table.machine)
    scales = [pair for pair in pairs if pair.scale]
    before = earlier.values[:, [pair.first[0] for pair in scales]]
    after = table.machine.values[:, [pair.second[0] for pair in scales]]
    known, valued = (one >= 0) & (other >= 0), ~np.isnan(before) & ~np.isnan(after)
    moved = ((one != other) & known).any(axis=1)
    return Comparison(
        study=study.slug,
        name=study.name,
        fictional=study.fictional,
        codebook_language=revisions[1].codebook.language,
        dimensions={question.key: question.label for question in table.guide.questions},
        of=of,
        first=side_of(first, revisions[0]),
        second=side_of(second, revisions[1]),
        all_segments=len(table.units),
        segments=int((known.any(axis=1) | valued.any(axis=1)).sum()),
        changed_segments=int(moved.sum()),
        people=0,
        sample=None,
        clustered=table.units.clusters is not None,
        changes=(),
        judged=(),
        unmatched=tuple(unmatched),
        mapping=tuple(mapping),
        seed=seed,
        replicates=replicates,
    )


def side_of(run: Run | None, revision: Revision) -> Side:
    """Return who it is, for those who show it."""
    return Side(
        run=run.pk if run else None,
        name=run.name if run else "",
        coder=run.coder if run else "",
        model=run.model if run else "",
        codebook=revision.codebook.name,
        revision=revision.number,
        date=(run or revision).created_at.isoformat(),
        replicate=run.replicate if run else 0,
    )


def _key(
    study: Study,
    sides: Sequence[tuple[Revision, Run | None]],
    samples: Sequence[Sample | None],
    mapping: Sequence[str],
    seed: int,
    replicates: int,
) -> str:
    """Return a key that changes whenever the comparison would."""
    facts = [
        fingerprint(study, revision, run, samples[-1] if at else samples[0], (), replicates, seed)
        for at, (revision, run) in enumerate(sides)
    ]
    whole = json.dumps([VERSION, facts, list(mapping)])
    return f"comparison/{hashlib.sha256(whole.encode()).hexdigest()}"


def as_json(made: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON; a number that cannot be had is null."""
    found: dict[str, Any] = plain(asdict(made))
    for side in ("first", "second"):
        found[side]["language_model"] = found[side]["coder"] not in ("", CoderKind.EMBEDDED)
    return found


def plain(value: Any) -> Any:
    """Return `value` with NaN as None and tuples as lists."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return value


def comparable(study: Study) -> list[Run]:
    """Return the runs of `study` that coded anything, the latest first; replicates last."""
    coded = Coding.objects.filter(run__study=study).order_by().values("run").distinct()
    runs = study.runs.filter(pk__in=coded).select_related("revision")
    return list(runs.order_by("replicate", "-pk"))
