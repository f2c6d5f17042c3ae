"""The report of a study: one frozen object that the page, the files, the API and the command show.

Nothing in it is worded or translated; a number that cannot be had is NaN here and null in JSON, and
a status says why. The same rows, seed and replicates give the same report bit for bit.
"""

import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from django.core.cache import cache

from codebooks.models import Revision
from coding.models import Coding, Run
from coding.runs import run_of
from reviews.accuracy import (
    AccuracyRow,
    CalibrationRow,
    ConfusionRow,
    ErrorTestRow,
    ReplacingRow,
    machine_rows,
    reviewed_units,
)
from reviews.agreement import (
    HUMANS,
    MACHINE,
    AgreementGroup,
    AgreementRow,
    Counts,
    DiscussionRow,
    agreement_rows,
)
from reviews.differences import DifferenceRow, difference_rows
from reviews.evidence_tables import (
    load_confidence,
    load_passages,
    load_peoples_quotations,
    load_quotations,
)
from reviews.facts import (
    NO_EVIDENCE,
    NOTHING_QUOTED,
    CodeName,
    EvidenceFacts,
    QuotationRow,
    ResponseRow,
    RunFacts,
    SampleFacts,
    names_of,
    quotation_rows,
    quoted_by,
    response_rows,
    run_facts,
    sample_facts,
)
from reviews.fingerprints import fingerprint
from reviews.human_error import HumanErrorRow, NestedRow, human_error_rows, nested_rows
from reviews.models import Purpose, Sample
from reviews.passages import PassageRow, passage_rows
from reviews.positions import PositionRow, position_rows
from reviews.prevalence import (
    Areas,
    PrevalenceRow,
    design_strata,
    prevalence_rows,
    shares_above,
)
from reviews.sampling import current_sample, latest_run, revision_in_use
from reviews.stats.arrays import finite
from reviews.tables import (
    Table,
    attribute_names,
    load_crossed,
    load_domain,
    load_table,
)
from reviews.together import CodesTogether, codes_together
from studies.models import Study
from studies.problems import Problem, _
from studies.seeds import check_seed

REPLICATES = 2000
SEED = 1
MOST_FIGURES = 400_000
"""Figures by one attribute, or by several crossed, above which a report would hold no reader."""
KEPT_FOR = 24 * 60 * 60
MOST_HELD = 3
"""Reports that a process holds ready beside those in the cache."""
CASES = ("both", "first", "second", "neither")
"""The four cases of two codes, as people's answers are counted in them."""

__all__ = [
    "HUMANS",
    "MACHINE",
    "AgreementRow",
    "PrevalenceRow",
    "Report",
    "as_json",
    "fingerprint",
    "report",
]


@dataclass(frozen=True)
class Report:
    """Everything that is said about a study: agreement, prevalence and what they rest on.

    `agreement` and `prevalence` are the headline. Beside them: agreement by attribute of `by`, by
    pair of coders, after discussion and on `passages`; the machine against people (`accuracy` to
    `replacing`); shares of scales above their quarters, `differences` between groups, and what
    human error would change (`nested`, `human_error`); `responses` by cell; which codes go
    `together`, and how scales stand among them.
    """

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
    agreement_by: tuple[AgreementRow, ...] = ()
    agreement_pairs: tuple[AgreementRow, ...] = ()
    discussion: tuple[DiscussionRow, ...] = ()
    passages: tuple[PassageRow, ...] = ()
    accuracy: tuple[AccuracyRow, ...] = ()
    confusion: tuple[ConfusionRow, ...] = ()
    calibration: tuple[CalibrationRow, ...] = ()
    error_tests: tuple[ErrorTestRow, ...] = ()
    replacing: tuple[ReplacingRow, ...] = ()
    shares_above: tuple[PrevalenceRow, ...] = ()
    differences: tuple[DifferenceRow, ...] = ()
    nested: tuple[NestedRow, ...] = ()
    human_error: tuple[HumanErrorRow, ...] = ()
    responses: tuple[ResponseRow, ...] = ()
    together: CodesTogether = field(default_factory=CodesTogether)
    evidence_people: EvidenceFacts = NO_EVIDENCE
    evidence_people_by_language: dict[str, EvidenceFacts] = field(default_factory=dict)
    evidence_by_code: tuple[QuotationRow, ...] = ()
    positions: tuple[PositionRow, ...] = ()

    def label(self, dimension: str, code: str | None) -> str:
        """Return how people named a code, or a dimension if `code` is None."""
        return next(
            (name.label for name in self.names if (name.dimension, name.code) == (dimension, code)),
            code or dimension,
        )

    def ordered(self, dimension: str) -> bool:
        """Return whether the codes of `dimension` stand in an order."""
        return any(name.ordered for name in self.names if name.dimension == dimension)


@dataclass(frozen=True)
class Asked:
    """Which report is asked for; `fingerprint` is another one where its rows are."""

    study: Study
    revision: Revision
    run: Run | None
    sample: Sample | None
    by: tuple[str, ...]
    replicates: int
    seed: int
    fingerprint: str


def asked_for(
    study: Study,
    *,
    by: Sequence[str] = (),
    run: Run | int | None = None,
    sample: Sample | int | None = None,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> Asked:
    """Return what a report of these is made of, without making it; see `report`."""
    by = tuple(dict.fromkeys(_crossed(name) for name in by if name.strip(" *")))
    if replicates < 1:
        raise Problem(_("The bootstrap needs at least one replicate."))
    check_seed(seed)
    chosen_run = _run(study, run)
    chosen_sample = _sample(study, sample, chosen_run)
    revision = _revision(study, chosen_run, chosen_sample)
    found = fingerprint(study, revision, chosen_run, chosen_sample, by, replicates, seed)
    return Asked(study, revision, chosen_run, chosen_sample, by, replicates, seed, found)


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

    `by` names them; `language*country` crosses two.

    `run` is the latest that coded anything, `sample` the latest of the same revision, unless they
    are given (as rows or by their numbers). A report of rows that have not changed is remembered.
    """
    return report_of(
        asked_for(study, by=by, run=run, sample=sample, replicates=replicates, seed=seed)
    )


def report_of(asked: Asked) -> Report:
    """Return the report that is `asked` for, the one remembered if its rows are the same."""
    key = f"report/{asked.fingerprint}"
    # A large report takes a tenth of a second to read from the cache. So a process also holds the
    # last ones, under a name that only the cache knows: what it forgets is forgotten here, too.
    name = cache.get(f"{key}/name")
    if (held := _held.get(name)) is not None:
        return held
    made = cache.get(key)
    if not isinstance(made, Report):
        made = _made(asked)
        cache.set(key, made, KEPT_FOR)
        name = None
    if name is None:
        name = uuid.uuid4().hex
        cache.set(f"{key}/name", name, KEPT_FOR)
    _held[name] = made
    while len(_held) > MOST_HELD:
        _held.popitem(last=False)
    return made


_held: OrderedDict[str | None, Report] = OrderedDict()


def _made(asked: Asked) -> Report:
    study, revision, by = asked.study, asked.revision, asked.by
    chosen_run, chosen_sample = asked.run, asked.sample
    seed, replicates = asked.seed, asked.replicates
    if by:
        _check_names(study, by)
    table = load_table(study, revision, chosen_run, chosen_sample)
    strata = design_strata(chosen_sample, table)
    areas = [_area(study, table, name) for name in by]
    _check_size(table, areas)
    agreed = agreement_rows(
        table,
        seed,
        replicates,
        [AgreementGroup(area.by, area.of_unit, area.names) for area in areas if not area.parts
         and area.by != "language"],
    )  # fmt: skip
    prevalence = prevalence_rows(table, strata, areas, seed, replicates)
    confidence = load_confidence(chosen_run, table, reviewed_units(table))
    machine = machine_rows(table, strata, areas, confidence, seed, replicates)
    passages = load_passages(study, revision, chosen_run, table)
    guide, units = table.guide, table.units
    quoted = quoted_by(load_peoples_quotations(study, revision, units, guide), table)
    evidence = NOTHING_QUOTED
    if chosen_run:
        evidence = quoted_by(load_quotations(chosen_run, units, guide), table)
    return Report(
        study=study.slug,
        name=study.name,
        fictional=study.fictional,
        codebook=revision.codebook.name,
        codebook_language=revision.codebook.language,
        revision=revision.number,
        names=names_of(table.guide),
        segments=len(units),
        interviews=len(np.unique(units.transcript)),
        languages=dict(
            zip(
                units.languages,
                np.bincount(units.language, minlength=len(units.languages)).tolist(),
                strict=True,
            )
        ),
        run=run_facts(chosen_run, table),
        sample=sample_facts(chosen_sample, table, strata),
        evidence=evidence.all,
        evidence_by_language=evidence.by_language,
        agreement_of=agreed.of,
        agreement=tuple(agreed.rows),
        prevalence=tuple(prevalence),
        by=by,
        seed=seed,
        replicates=replicates,
        fingerprint=asked.fingerprint,
        agreement_by=tuple(agreed.groups),
        agreement_pairs=tuple(agreed.pairs),
        discussion=tuple(agreed.discussion),
        passages=tuple(passage_rows(table, passages, seed, replicates)),
        accuracy=tuple(machine.accuracy),
        confusion=tuple(machine.confusion),
        calibration=tuple(machine.calibration),
        error_tests=tuple(machine.error_tests),
        replacing=tuple(machine.replacing),
        shares_above=tuple(shares_above(table, strata, areas)),
        differences=tuple(row for name in by for row in difference_rows(prevalence, name)),
        nested=tuple(nested_rows(table, strata)),
        human_error=tuple(human_error_rows(prevalence)),
        responses=tuple(response_rows(chosen_sample, table)),
        together=codes_together(table, strata, seed),
        evidence_people=quoted.all,
        evidence_people_by_language=quoted.by_language,
        evidence_by_code=quotation_rows(guide, evidence, quoted),
        positions=tuple(position_rows(table, strata, areas, prevalence, seed, replicates)),
    )


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
    found: dict[str, Any] = finite(
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
                "people": {
                    **_evidence_json(made.evidence_people),
                    "by_language": {
                        language: _evidence_json(facts)
                        for language, facts in made.evidence_people_by_language.items()
                    },
                },
                "by_code": [
                    {
                        "dimension": row.dimension,
                        "code": row.code,
                        "machine": _evidence_json(row.machine),
                        "people": _evidence_json(row.people),
                    }
                    for row in made.evidence_by_code
                ],
            },
            "agreement_of": made.agreement_of,
            "agreement": _rows_json(made.agreement),
            "agreement_by": _rows_json(made.agreement_by),
            "agreement_pairs": _rows_json(made.agreement_pairs),
            "agreement_after_discussion": _rows_json(made.discussion),
            "passages": _rows_json(made.passages),
            "machine": {
                "accuracy": _rows_json(made.accuracy),
                "confusion": _rows_json(made.confusion),
                "calibration": _rows_json(made.calibration),
                "error_tests": _rows_json(made.error_tests),
                "replacing": _rows_json(made.replacing),
            },
            "prevalence": _rows_json(made.prevalence),
            "shares_above": _rows_json(made.shares_above),
            "positions": _rows_json(made.positions),
            "differences": _rows_json(made.differences),
            "nested": _rows_json(made.nested),
            "human_error": _rows_json(made.human_error),
            "responses": _rows_json(made.responses),
            "together": _together_json(made.together),
            "by": made.by,
            "seed": made.seed,
            "replicates": made.replicates,
        }
    )
    return found


def _rows_json(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return rows as objects, with domains as objects and merged cells by name."""
    found = []
    for row in rows:
        # Shallow, unlike `asdict`: there are many rows, and what they hold is flat.
        held = vars(row)
        # What a row is about stands first, also where its figures are a part of it.
        one = {name: held[name] for name in ("dimension", "code", "domain", "of") if name in held}
        one |= held
        for name in ("domain", "first", "second"):
            if isinstance(one.get(name), tuple):
                one[name] = dict(one[name])
        if "merged" in one:
            one["merged"] = [
                [{"stratum": stratum, "label": label} for stratum, label in group]
                for group in one["merged"]
            ]
        for name in ("counts", "bins"):
            if isinstance(one.get(name), Counts):
                one[name] = vars(one[name])
            elif name == "bins" and name in one:
                one[name] = [vars(held) for held in one[name]]
        found.append(one)
    return found


def _together_json(made: CodesTogether) -> dict[str, Any]:
    """Return codes together, each code as its dimension and itself, and answers by case."""
    pairs = []
    for row in made.pairs:
        one = {
            "first_dimension": row.first.dimension,
            "first_code": row.first.code,
            "second_dimension": row.second.dimension,
            "second_code": row.second.code,
            **vars(row),
            **{f"answered_{case}": n for case, n in zip(CASES, row.answered, strict=True)},
        }
        nested = ("first", "second", "answered")
        pairs.append({name: value for name, value in one.items() if name not in nested})
    among = []
    for mean in made.among:
        held = {"scale": mean.scale, "dimension": mean.code.dimension, **vars(mean)}
        among.append({**held, "code": mean.code.code})
    return {
        "possible": made.possible,
        "chosen_by": made.by,
        "pairs": pairs,
        "among": among,
    }


def _run(study: Study, run: Run | int | None) -> Run | None:
    if isinstance(run, Run):
        return run
    if run is None:
        return latest_run(study) or study.runs.filter(replicate=0).order_by("-pk").first()
    return run_of(study, run, replicates=False)


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
        if found.purpose != Purpose.REVIEW:
            raise Problem(
                _("Sample %(sample)d is for training: only a review enters an estimate."),
                sample=sample,
            )
        return found
    if run is None:
        return current_sample(study)
    # People's labels belong to a revision, not to a run: a new run reuses the sample of an old one.
    fitting = study.samples.filter(revision=run.revision_id, purpose=Purpose.REVIEW).order_by("-pk")
    return fitting.filter(run=run).first() or fitting.first()


def _revision(study: Study, run: Run | None, sample: Sample | None) -> Revision:
    if run:
        return run.revision
    if sample:
        return sample.revision
    coded = Coding.objects.by_people().filter(segment__transcript__study=study).order_by("-pk")
    latest = coded.select_related("revision__codebook").first()
    return latest.revision if latest else revision_in_use(study)


def _crossed(name: str) -> str:
    """Return a name to report by without spaces around it and its parts."""
    return "*".join(part.strip() for part in name.split("*") if part.strip())


def _check_names(study: Study, by: Sequence[str]) -> None:
    known = ["language", *attribute_names(study)]
    for name in by:
        for part in [name] if name in known else name.split("*"):
            if part not in known:
                raise Problem(
                    _("There is no “%(name)s” to report by: choose among %(known)s."),
                    name=part,
                    known=", ".join(known),
                )


def _area(study: Study, table: Table, name: str) -> Areas:
    """Return what to break down by; an attribute whose own name has a star goes before a cross."""
    parts = tuple(dict.fromkeys(name.split("*")))
    if len(parts) == 1 or name in attribute_names(study):
        return Areas(name, *load_domain(study, table.units, name))
    of_unit, values = load_crossed(study, table.units, parts)
    return Areas(name, of_unit, tuple(" × ".join(value) for value in values), parts, values)


def _check_size(table: Table, areas: Sequence[Areas]) -> None:
    codes = sum(len(question.codes) for question in table.guide.questions)
    for area in areas:
        if codes * len(area.names) > MOST_FIGURES:
            raise Problem(
                _(
                    "By %(name)s there would be %(figures)d figures, more than the %(most)d that "
                    "a report holds: report by fewer attributes."
                ),
                name=area.by,
                figures=codes * len(area.names),
                most=MOST_FIGURES,
            )


def _evidence_json(facts: EvidenceFacts) -> dict[str, Any]:
    names = ("exact", "folded", "fuzzy", "interviewer", "missing")
    return {
        **{name: facts.counts.get(name, 0) for name in names},
        "share": facts.share,
        "without": facts.without,
    }
