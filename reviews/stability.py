"""Does a model agree with itself? A run and its replicates, on the segments coded several times.

The run and each replicate are coders like any others here, and nowhere else: alpha, percent and
the item bootstrap are those of `agreement`. A coder that says the same every time agrees with
itself, whether or not it is right.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from codebooks.models import Kind
from coding.models import CoderKind, Run, Work
from coding.runs import run_of
from reviews.agreement import AgreementRow, rows_of
from reviews.compared import Compared, categories_of, known
from reviews.kept import kept
from reviews.reports import REPLICATES, SEED, fingerprint
from reviews.sides import Side, side_of
from reviews.stats.alpha import number_sets
from reviews.stats.arrays import Bools, Floats, finite
from reviews.tables import (
    Decisions,
    Guide,
    Ints,
    People,
    Table,
    load_guide,
    load_machine,
    load_units,
)
from studies.models import Study
from studies.problems import Problem, _

VERSION = 1
REPLICATED = "replicates"
"""Who is compared: a run with its replicates."""


@dataclass(frozen=True)
class StabilityRow:
    """Agreement of a run with itself on one code, a dimension (`code` None) or a scale.

    `changed` of `agreement.units` segments were not decided alike every time; `moved` is the mean
    distance between two decisions on a scale, NaN elsewhere.
    """

    agreement: AgreementRow
    label: str
    color: str
    changed: int
    moved: float


@dataclass(frozen=True)
class Stability:
    """What is said about a run's agreement with itself.

    `times` is how often a segment was to be coded in all, `drawn` how many segments were drawn for
    it (a share `share`, from `drawn_with`), and `segments` how many have been coded twice or more.
    """

    study: str
    name: str
    fictional: bool
    codebook_language: str
    dimensions: dict[str, str]
    run: Side
    times: int
    share: float
    drawn_with: int
    all_segments: int
    drawn: int
    segments: int
    rows: tuple[StabilityRow, ...]
    seed: int
    replicates: int


def stability(
    study: Study,
    run: Run | int | None = None,
    *,
    seed: int = SEED,
    replicates: int = REPLICATES,
) -> Stability:
    """Return how far `run` agrees with itself: by default the latest that has replicates.

    `replicates` are those of the bootstrap. Rows are over all and then by language.
    """
    chosen = _repeated_run(study, run)
    again = list(chosen.replicates.order_by("replicate"))
    if not again:
        raise Problem(
            _(
                "“%(run)s” was coded once: `manage.py code %(study)s --coder %(coder)s "
                "--replicates 3` codes a share of it again."
            ),
            run=chosen.name,
            study=study.slug,
            coder=CoderKind.CLAUDE if chosen.coder == CoderKind.IMPORTED else chosen.coder,
        )
    facts = [
        fingerprint(study, chosen.revision, one, None, (), replicates, seed)
        for one in (chosen, *again)
    ]
    digest = hashlib.sha256(json.dumps([VERSION, facts]).encode()).hexdigest()
    make = partial(_stability, study, chosen, again, seed, replicates)
    return kept(f"stability/{digest}", Stability, make)


def _stability(
    study: Study, chosen: Run, again: list[Run], seed: int, replicates: int
) -> Stability:
    guide, units = load_guide(chosen.revision), load_units(study)
    work = Work.objects.filter(run__in=again).order_by().values_list("segment_id", flat=True)
    drawn = units.at(np.array(sorted(set(work)), dtype=np.int64))
    sides = [load_machine(one, units, guide).at(drawn) for one in (chosen, *again)]
    compared = repeated_decisions(guide, drawn, sides)
    nobody = Decisions(np.zeros((0, guide.width), np.int8), np.zeros((0, guide.depth)))
    empty = np.zeros(0, np.int64)
    people = People(empty, empty, (), nobody, np.zeros((0, guide.width), bool))
    table = Table(units, guide, sides[0], people, None, None)
    rows: list[StabilityRow] = []
    spoken = units.language[drawn]
    places: list[tuple[str | None, Bools]] = [(None, np.ones(len(drawn), bool))]
    if len(units.languages) > 1:
        places += [(name, spoken == at) for at, name in enumerate(units.languages)]
    for language, inside in places:
        own = compared.rows(inside)
        found = rows_of(table, own, language, None, seed, replicates)
        rows += [_with_changes(row, guide, own) for row in found]
    return Stability(
        study=study.slug,
        name=study.name,
        fictional=study.fictional,
        codebook_language=chosen.revision.codebook.language,
        dimensions={question.key: question.label for question in guide.questions},
        run=side_of(chosen, chosen.revision),
        times=len(again) + 1,
        share=float(again[0].parameters.get("share", 1.0)),
        drawn_with=int(again[0].parameters.get("seed", 0)),
        all_segments=len(units),
        drawn=len(drawn),
        segments=compared.pairable(),
        rows=tuple(rows),
        seed=seed,
        replicates=replicates,
    )


def _repeated_run(study: Study, run: Run | int | None) -> Run:
    if isinstance(run, Run):
        return run.replicate_of or run
    if run is None:
        found = study.runs.filter(replicate=0, replicates__isnull=False).order_by("-pk").first()
        if found is None:
            raise Problem(
                _(
                    "No run of “%(study)s” was coded more than once: `manage.py code %(study)s "
                    "--coder claude --replicates 3` codes a share again."
                ),
                study=study.slug,
            )
        return found
    found = run_of(study, run)
    return found.replicate_of or found


def repeated_decisions(guide: Guide, units: Ints, sides: list[Decisions]) -> Compared:
    """Set what a run and its replicates said of `units` beside each other."""
    labels = np.stack([side.labels for side in sides])
    values = np.stack([side.values for side in sides])
    categories, said = categories_of(guide, sides), (labels == 1).sum(axis=0)
    return Compared(REPLICATED, units, None, labels, categories, values, said, np.zeros_like(said))


def _with_changes(row: AgreementRow, guide: Guide, compared: Compared) -> StabilityRow:
    """Return `row` with how many segments were not decided alike."""
    question = next(one for one in guide.questions if one.key == row.dimension)
    label, color = question.label, ""
    if row.code is None and question.kind == Kind.ONE:
        ratings = compared.categories[question.key]
    elif row.code is None:  # whole sets of codes
        _sets, ratings = number_sets(known(compared.labels[..., question.columns]))
    else:
        place = [code.key for code in question.codes].index(row.code)
        code = question.codes[place]
        label, color = code.label, code.color
        column = question.first + place
        if question.kind == Kind.SCALE:
            ratings = compared.values[..., column]
        else:
            ratings = known(compared.labels[..., column])
    changed, moved = changes(ratings)
    return StabilityRow(
        row, label, color, changed, moved if question.kind == Kind.SCALE else np.nan
    )


def changes(ratings: Floats) -> tuple[int, float]:
    """Return how many units of coders × units were not rated alike, and by how much on average.

    The mean distance is over all pairs of ratings of a unit, then over units.
    """
    known = (~np.isnan(ratings)).sum(axis=0)
    twice = ratings[:, known >= 2]
    if not twice.size:
        return 0, np.nan
    apart = np.nanmax(twice, axis=0) > np.nanmin(twice, axis=0)
    distances = np.abs(twice[:, None] - twice[None])
    pairs = (~np.isnan(distances)).sum(axis=(0, 1)) - (~np.isnan(twice)).sum(axis=0)
    return int(apart.sum()), float((np.nansum(distances, axis=(0, 1)) / pairs).mean())


def as_json(made: Stability) -> dict[str, Any]:
    """Return it as JSON, each row flat; a number that cannot be had is null."""
    found: dict[str, Any] = finite(asdict(made))
    found["run"]["language_model"] = made.run.coder != CoderKind.EMBEDDED
    found["rows"] = [{**row.pop("agreement"), **row} for row in found["rows"]]
    return found
