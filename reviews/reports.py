"""The report of a study: one frozen object that the page, the files, the API and the command show.

Nothing in it is worded or translated; a number that cannot be had is NaN here and null in JSON, and
a status says why. The same rows, seed and replicates give the same report bit for bit.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Max, QuerySet, Sum, TextField
from django.db.models.functions import Cast, Length

from codebooks.models import Revision
from coding.models import CoderKind, Coding, CodingKind, Mark, Run, State, Work
from reviews.agreement import HUMANS, MACHINE, AgreementRow, agreement_rows
from reviews.models import Assignment, Item, Ruling, Sample
from reviews.prevalence import Areas, PrevalenceRow, Strata, design_strata, prevalence_rows
from reviews.sampling import current_sample, latest_run, revision_in_use
from reviews.tables import (
    Guide,
    Table,
    attribute_names,
    load_domain,
    load_progress,
    load_quotations,
    load_table,
)
from studies.models import Membership, Participant, Study, Transcript
from studies.problems import Problem, _

REPLICATES = 2000
SEED = 1
VERSION = 1
"""Counts up when a report of the same rows would say something else, so that caches forget."""
KEPT_FOR = 24 * 60 * 60
FOUND = ("exact", "folded", "fuzzy")
"""Ways of finding a quotation that make it evidence."""

__all__ = ["HUMANS", "MACHINE", "AgreementRow", "PrevalenceRow", "Report", "as_json", "report"]


@dataclass(frozen=True)
class RunFacts:
    """Which coder went through the segments, and where that stands, in all and by language."""

    id: int
    name: str
    coder: str
    language_model: bool
    model: str
    prompt_digest: str
    date: str
    finished: str | None
    states: dict[str, int]
    by_language: dict[str, dict[str, int]]
    reasons: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class SampleFacts:
    """The design record: what was drawn, how, and how far people are with it.

    `changed` says that the frame is no longer the one drawn from; `split` counts the answers that
    coders disagree about and nobody ruled.
    """

    id: int
    date: str
    strata: tuple[str, ...]
    seed: int
    frame_digest: str
    population: int
    size: int
    reviewed: int
    twice: int
    assigned: int
    answered: int
    skipped: int
    rulings: int
    split: int
    coders: tuple[str, ...]
    changed: bool
    sizes: tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class EvidenceFacts:
    """How the machine's quotations were found; `share` is of all quotations, NaN if there are none.

    `without` counts the codes that the machine applied without any quotation.
    """

    counts: dict[str, int]
    share: float
    without: int


@dataclass(frozen=True)
class CodeName:
    """A code or a dimension as people named it, for those who show the report."""

    dimension: str
    code: str | None
    kind: str
    label: str
    color: str


@dataclass(frozen=True)
class Report:
    """Everything that is said about a study: agreement, prevalence and what they rest on."""

    study: str
    name: str
    fictional: bool
    codebook: str
    codebook_language: str
    revision: int
    names: tuple[CodeName, ...]
    segments: int
    interviews: int
    languages: dict[str, int]
    run: RunFacts | None
    sample: SampleFacts | None
    evidence: EvidenceFacts
    evidence_by_language: dict[str, EvidenceFacts]
    agreement_of: str
    agreement: tuple[AgreementRow, ...]
    prevalence: tuple[PrevalenceRow, ...]
    by: tuple[str, ...]
    seed: int
    replicates: int
    fingerprint: str

    def label(self, dimension: str, code: str | None) -> str:
        """Return how people named a code, or a dimension if `code` is None."""
        return next(
            (name.label for name in self.names if (name.dimension, name.code) == (dimension, code)),
            code or dimension,
        )


def report(
    study: Study,
    *,
    by: Sequence[str] = (),
    run: Run | int | None = None,
    sample: Sample | int | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> Report:
    """Return the report of `study`, broken down by language or attributes of participants.

    `run` is the latest that coded anything, `sample` the latest of the same revision, unless they
    are given (as rows or by their numbers). A report of rows that have not changed is remembered.
    """
    by = tuple(dict.fromkeys(name.strip() for name in by if name.strip()))
    if replicates < 1:
        raise Problem(_("The bootstrap needs at least one replicate."))
    if seed < 0:
        raise Problem(_("A seed is a whole number from 0 upwards."))
    chosen_run = _run(study, run)
    chosen_sample = _sample(study, sample, chosen_run)
    revision = _revision(study, chosen_run, chosen_sample)
    print_of_rows = fingerprint(study, revision, chosen_run, chosen_sample, by, replicates, seed)
    known = cache.get(f"report/{print_of_rows}")
    if isinstance(known, Report):
        return known
    if by:
        _check_names(study, by)
    table = load_table(study, revision, chosen_run, chosen_sample)
    strata = design_strata(chosen_sample, table)
    areas = [Areas(name, *load_domain(study, table.units, name)) for name in by]
    agreed = agreement_rows(table, seed, replicates)
    agreement, of = agreed.rows, agreed.of
    prevalence = prevalence_rows(table, strata, areas, seed, replicates)
    evidence, by_language = _evidence(chosen_run, table)
    units = table.units
    made = Report(
        study=study.slug,
        name=study.name,
        fictional=study.fictional,
        codebook=revision.codebook.name,
        codebook_language=revision.codebook.language,
        revision=revision.number,
        names=_names(table.guide),
        segments=len(units),
        interviews=len(np.unique(units.transcript)),
        languages=dict(
            zip(
                units.languages,
                np.bincount(units.language, minlength=len(units.languages)).tolist(),
                strict=True,
            )
        ),
        run=_run_facts(chosen_run, table),
        sample=_sample_facts(chosen_sample, table, strata),
        evidence=evidence,
        evidence_by_language=by_language,
        agreement_of=of,
        agreement=tuple(agreement),
        prevalence=tuple(prevalence),
        by=by,
        seed=seed,
        replicates=replicates,
        fingerprint=print_of_rows,
    )
    cache.set(f"report/{print_of_rows}", made, KEPT_FOR)
    return made


def as_json(made: Report) -> dict[str, Any]:
    """Return the report as one JSON object; what cannot be had is null."""
    run = None
    if made.run:
        run = asdict(made.run)
        run["reasons"] = [
            {"state": state, "reason": reason, "count": count}
            for state, reason, count in made.run.reasons
        ]
    sample = None
    if made.sample:
        sample = asdict(made.sample)
        sample["sizes"] = [
            {"stratum": key, "population": population, "drawn": drawn, "reviewed": reviewed}
            for key, population, drawn, reviewed in made.sample.sizes
        ]
    agreement = [{**asdict(row)} for row in made.agreement]
    prevalence = [
        {
            **asdict(row),
            "domain": dict(row.domain),
            "merged": [
                [{"stratum": stratum, "label": label} for stratum, label in group]
                for group in row.merged
            ],
        }
        for row in made.prevalence
    ]
    found: dict[str, Any] = _plain(
        {
            "study": made.study,
            "name": made.name,
            "fictional": made.fictional,
            "codebook": {"name": made.codebook, "revision": made.revision},
            "corpus": {
                "interviews": made.interviews,
                "segments": made.segments,
                "languages": made.languages,
            },
            "run": run,
            "sample": sample,
            "evidence": {
                **_evidence_json(made.evidence),
                "by_language": {
                    language: _evidence_json(facts)
                    for language, facts in made.evidence_by_language.items()
                },
            },
            "agreement_of": made.agreement_of,
            "agreement": agreement,
            "prevalence": prevalence,
            "by": made.by,
            "seed": made.seed,
            "replicates": made.replicates,
        }
    )
    return found


def fingerprint(
    study: Study,
    revision: Revision,
    run: Run | None,
    sample: Sample | None,
    by: Sequence[str],
    replicates: int,
    seed: int,
) -> str:
    """Return a digest that changes whenever the report would, from counts and not from the rows."""
    human = Coding.objects.by_people().filter(revision=revision, segment__transcript__study=study)
    marks = Mark.objects.filter(
        coding__person__isnull=False,
        coding__kind=CodingKind.BLIND,
        coding__revision=revision,
        coding__segment__transcript__study=study,
    )
    facts = [
        VERSION,
        [study.pk, study.slug, study.name, study.fictional, revision.pk, revision.digest],
        [list(by), replicates, seed],
        _groups(Transcript.objects.filter(study=study), "language"),
        _sums(Participant.objects.filter(study=study), Length(Cast("attributes", TextField()))),
        _sums(human, Length(Cast("dimensions", TextField()))),
        _groups(marks, "answer"),
        _sums(marks, "code_id", "value"),
        list(Membership.objects.filter(study=study).order_by("pk").values_list("pk", "name")),
    ]
    if run:
        facts += [
            [run.pk, run.name, run.model, str(run.finished_at), run.stopped_because],
            _sums(run.codings.all()),
            _groups(Work.objects.filter(run=run), "state"),
        ]
    if sample:
        facts += [
            [sample.pk, sample.seed, sample.frame_digest, sample.run_id],
            _sums(Item.objects.filter(sample=sample)),
            _sums(Assignment.objects.filter(item__sample=sample), "coding_id", "person_id"),
            Assignment.objects.filter(item__sample=sample).exclude(skipped_because="").count(),
            _sums(Ruling.objects.filter(item__sample=sample), "code_id", "value"),
            _groups(Ruling.objects.filter(item__sample=sample), "applies"),
        ]
        if sample.run_id and sample.run_id != (run and run.pk):
            facts.append(_sums(Coding.objects.filter(run=sample.run_id)))
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


def _sums(rows: QuerySet[Any], *fields: Any) -> list[Any]:
    """Return how many rows there are, the last of them, and the sums of `fields`."""
    wanted = {f"sum{place}": Sum(field) for place, field in enumerate(fields)}
    found = rows.order_by().aggregate(rows=Count("pk"), last=Max("pk"), **wanted)
    return list(found.values())


def _groups(rows: QuerySet[Any], field: str) -> list[Any]:
    """Return how many rows there are with each value of `field`, and the last of each."""
    return sorted(
        rows.order_by().values_list(field).annotate(rows=Count("pk"), last=Max("pk")), key=str
    )


def _run(study: Study, run: Run | int | None) -> Run | None:
    if isinstance(run, Run):
        return run
    if run is None:
        return latest_run(study) or study.runs.filter(replicate=0).order_by("-pk").first()
    found = study.runs.filter(pk=run, replicate=0).first()
    if found is None:
        raise Problem(
            _("The study “%(study)s” has no run %(run)d: its runs are %(runs)s."),
            study=study.slug,
            run=run,
            runs=", ".join(
                str(pk) for pk in study.runs.filter(replicate=0).values_list("pk", flat=True)
            )
            or "–",
        )
    return found


def _sample(study: Study, sample: Sample | int | None, run: Run | None) -> Sample | None:
    if isinstance(sample, Sample):
        return sample
    if sample is not None:
        found = study.samples.filter(pk=sample).first()
        if found is None:
            raise Problem(
                _("The study “%(study)s” has no sample %(sample)d."),
                study=study.slug,
                sample=sample,
            )
        return found
    if run is None:
        return current_sample(study)
    # People's labels belong to a revision, not to a run: a new run reuses the sample of an old one.
    fitting = study.samples.filter(revision=run.revision_id).order_by("-pk")
    return fitting.filter(run=run).first() or fitting.first()


def _revision(study: Study, run: Run | None, sample: Sample | None) -> Revision:
    if run:
        return run.revision
    if sample:
        return sample.revision
    coded = Coding.objects.by_people().filter(segment__transcript__study=study).order_by("-pk")
    latest = coded.select_related("revision__codebook").first()
    return latest.revision if latest else revision_in_use(study)


def _check_names(study: Study, by: Sequence[str]) -> None:
    known = ["language", *attribute_names(study)]
    for name in by:
        if name not in known:
            raise Problem(
                _("There is no “%(name)s” to report by: choose among %(known)s."),
                name=name,
                known=", ".join(known),
            )


def _names(guide: Guide) -> tuple[CodeName, ...]:
    names = []
    for question in guide.questions:
        names.append(CodeName(question.key, None, question.kind, question.label, ""))
        names += [
            CodeName(question.key, code.key, question.kind, code.label, code.color)
            for code in question.codes
        ]
    return tuple(names)


def _run_facts(run: Run | None, table: Table) -> RunFacts | None:
    if run is None:
        return None
    progress = load_progress(run, table.units, table.machine)
    languages = table.units.languages
    wide = len(progress.states)
    counts = np.bincount(
        table.units.language * wide + progress.state, minlength=len(languages) * wide
    ).reshape(len(languages), wide)
    shown = [
        place
        for place, name in enumerate(progress.states)
        if counts[:, place].any() or name in (State.DONE, State.REFUSED, State.FAILED)
    ]
    return RunFacts(
        id=run.pk,
        name=run.name,
        coder=run.coder,
        language_model=run.coder != CoderKind.EMBEDDED,
        model=run.model,
        prompt_digest=run.prompt_digest,
        date=run.created_at.isoformat(),
        finished=run.finished_at.isoformat() if run.finished_at else None,
        states={progress.states[at]: int(counts[:, at].sum()) for at in shown},
        by_language={
            language: {progress.states[at]: int(counts[row, at]) for at in shown}
            for row, language in enumerate(languages)
        },
        reasons=progress.reasons,
    )


def _sample_facts(sample: Sample | None, table: Table, strata: Strata) -> SampleFacts | None:
    if sample is None or table.drawn is None or table.reference is None:
        return None
    drawn, people = table.drawn, table.people
    inside = people.rows(np.isin(people.unit, drawn.unit))
    codings = np.bincount(np.searchsorted(drawn.unit, inside.unit), minlength=len(drawn.unit))
    assignments = Assignment.objects.filter(item__sample=sample)
    populations = {size["key"]: size["population"] for size in sample.design.get("sizes", [])}
    reviewed = np.bincount(drawn.stratum[codings > 0], minlength=len(drawn.strata))
    size = np.bincount(drawn.stratum, minlength=len(drawn.strata))
    y = table.reference.labels
    return SampleFacts(
        id=sample.pk,
        date=sample.created_at.isoformat(),
        strata=tuple(sample.design.get("strata", [])),
        seed=sample.seed,
        frame_digest=sample.frame_digest,
        population=sum(populations.values()) or len(table.units),
        size=len(drawn.unit),
        reviewed=int((codings > 0).sum()),
        twice=int((codings > 1).sum()),
        assigned=assignments.count(),
        answered=assignments.filter(coding__isnull=False).count(),
        skipped=assignments.exclude(skipped_because="").count(),
        rulings=Ruling.objects.filter(item__sample=sample).count(),
        split=int(((y > 0) & (y < 1)).sum()),
        coders=tuple(inside.coders[coder] for coder in np.unique(inside.coder)),
        changed=strata.changed,
        sizes=tuple(
            (key, int(populations.get(key, 0)), int(size[place]), int(reviewed[place]))
            for place, key in enumerate(drawn.strata)
        ),
    )


def _evidence(run: Run | None, table: Table) -> tuple[EvidenceFacts, dict[str, EvidenceFacts]]:
    if run is None:
        return EvidenceFacts({}, math.nan, 0), {}
    quotations = load_quotations(run, table.units)

    def facts(counts: Any, without: int) -> EvidenceFacts:
        by = dict(zip(quotations.found, counts.tolist(), strict=True))
        everything = sum(by.values())
        share = sum(by[name] for name in FOUND) / everything if everything else math.nan
        return EvidenceFacts(by, share, int(without))

    languages = {
        language: facts(quotations.counts[row], quotations.without[row])
        for row, language in enumerate(table.units.languages)
    }
    return facts(quotations.counts.sum(axis=0), quotations.without.sum()), languages


def _evidence_json(facts: EvidenceFacts) -> dict[str, Any]:
    names = ("exact", "folded", "fuzzy", "interviewer", "missing")
    return {
        **{name: facts.counts.get(name, 0) for name in names},
        "share": facts.share,
        "without": facts.without,
    }


def _plain(value: Any) -> Any:
    """Return `value` with NaN as None and tuples as lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    return value
