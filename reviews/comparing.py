"""Two runs, or two revisions of a codebook, compared on the same segments: what drifted?

Machine and people are compared with themselves: the same segments decided twice. Where people
coded blind, it is also said which of two runs is right more often. `matching` says which codes of
two revisions are the same. The same rows, seed and replicates give the same comparison bit for bit.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from codebooks.models import Revision
from coding.models import CoderKind, Run
from reviews.changes import ChangeRow, both_sides, by_people, machine_changes, people_changes
from reviews.kept import kept
from reviews.matching import Pair, Unmatched, matched
from reviews.models import Sample
from reviews.prevalence import design_strata
from reviews.reports import REPLICATES, SEED, fingerprint
from reviews.rivals import JudgedRow, judged_rows
from reviews.sides import Side, last_run, sample_of, side_of, two_revisions, two_runs
from reviews.stats.arrays import finite
from reviews.tables import Decisions, Table, load_guide, load_machine, load_table
from studies.models import Study

VERSION = 1
"""Counts up when a comparison of the same rows would say something else."""

RUNS, REVISIONS = "runs", "revisions"


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


@dataclass(frozen=True)
class Asked:
    """What is compared: two sides, the samples whose weights count, and where chance begins."""

    study: Study
    of: str
    revisions: tuple[Revision, Revision]
    runs: tuple[Run | None, Run | None]
    samples: tuple[Sample | None, Sample | None]
    mapping: tuple[str, ...]
    seed: int
    replicates: int

    def key(self) -> str:
        """Return a key that changes whenever the comparison would."""
        facts = [
            fingerprint(self.study, revision, run, sample, (), self.replicates, self.seed)
            for revision, run, sample in zip(self.revisions, self.runs, self.samples, strict=True)
        ]
        whole = json.dumps([VERSION, facts, list(self.mapping)])
        return f"comparison/{hashlib.sha256(whole.encode()).hexdigest()}"


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
    one, other = two_runs(study, first, second)
    revisions = (one.revision, other.revision)
    chosen = sample_of(study, sample, other.revision) if one.revision == other.revision else None
    asked = Asked(
        study, RUNS, revisions, (one, other), (chosen, chosen), tuple(mapping), seed, replicates
    )
    return kept(asked.key(), Comparison, partial(_between_runs, asked, one, other))


def _between_runs(asked: Asked, one: Run, other: Run) -> Comparison:
    sample = asked.samples[1]
    later = load_table(asked.study, other.revision, other, sample)
    same = one.revision == other.revision
    guide = later.guide if same else load_guide(one.revision)
    earlier = load_machine(one, later.units, guide)
    pairs, unmatched = matched(guide, later.guide, asked.mapping)
    judged: list[JudgedRow] = []
    if same and (later.drawn is not None or len(later.people.unit)):
        judged = judged_rows(later, one, earlier, pairs, sample, asked.seed, asked.replicates)
    changes = machine_changes(later.units, pairs, earlier, later.machine)
    return _comparison(asked, earlier, later, pairs, unmatched, changes, judged)


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
    one, other = revisions = two_revisions(study, first, second)
    runs = (last_run(study, one), last_run(study, other))
    samples = (sample_of(study, None, one), sample_of(study, None, other))
    asked = Asked(study, REVISIONS, revisions, runs, samples, tuple(mapping), seed, replicates)
    return kept(asked.key(), Comparison, partial(_between_revisions, asked))


def _between_revisions(asked: Asked) -> Comparison:
    earlier, later = (
        load_table(asked.study, revision, run, sample)
        for revision, run, sample in zip(asked.revisions, asked.runs, asked.samples, strict=True)
    )
    pairs, unmatched = matched(earlier.guide, later.guide, asked.mapping)
    changes = machine_changes(later.units, pairs, earlier.machine, later.machine)
    said = [by_people(table) for table in (earlier, later)]
    sample = asked.samples[1]
    changes += people_changes(
        earlier, later, pairs, said, design_strata(sample, later) if sample else None
    )
    people = int((said[0].any & said[1].any).sum())
    return _comparison(asked, earlier.machine, later, pairs, unmatched, changes, people=people)


def _comparison(
    asked: Asked,
    earlier: Decisions,
    later: Table,
    pairs: Sequence[Pair],
    unmatched: Sequence[Unmatched],
    changes: Sequence[ChangeRow],
    judged: Sequence[JudgedRow] = (),
    people: int = 0,
) -> Comparison:
    one, other = both_sides(pairs, earlier, later.machine)
    scales = [pair for pair in pairs if pair.scale]
    before = earlier.values[:, [pair.first[0] for pair in scales]]
    after = later.machine.values[:, [pair.second[0] for pair in scales]]
    known, valued = (one >= 0) & (other >= 0), ~np.isnan(before) & ~np.isnan(after)
    moved = ((one != other) & known).any(axis=1)
    sample = asked.samples[1]
    return Comparison(
        study=asked.study.slug,
        name=asked.study.name,
        fictional=asked.study.fictional,
        codebook_language=asked.revisions[1].codebook.language,
        dimensions={question.key: question.label for question in later.guide.questions},
        of=asked.of,
        first=side_of(asked.runs[0], asked.revisions[0]),
        second=side_of(asked.runs[1], asked.revisions[1]),
        all_segments=len(later.units),
        segments=int((known.any(axis=1) | valued.any(axis=1)).sum()),
        changed_segments=int(moved.sum()),
        people=people,
        sample=sample.pk if sample else None,
        clustered=later.units.clusters is not None,
        changes=tuple(changes),
        judged=tuple(judged),
        unmatched=tuple(unmatched),
        mapping=asked.mapping,
        seed=asked.seed,
        replicates=asked.replicates,
    )


def as_json(made: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON; a number that cannot be had is null."""
    found: dict[str, Any] = finite(asdict(made))
    for side in ("first", "second"):
        found[side]["language_model"] = found[side]["coder"] not in ("", CoderKind.EMBEDDED)
    return found
