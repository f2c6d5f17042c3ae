"""What a report rests on: the run, the sample and who answered, and how quotations were found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codebooks.models import Kind
from coding.models import CoderKind, Run, State
from reviews.adjudication import cases
from reviews.evidence_tables import Quotations
from reviews.models import Assignment, Ruling, Sample
from reviews.prevalence import Strata
from reviews.sampling import ASKED, still_there
from reviews.stats.arrays import Ints
from reviews.tables import NOT_KNOWN, Guide, Table, load_progress, rounds_of
from reviews.translated import IN_SIGHT

FOUND = ("exact", "folded", "fuzzy")
"""Ways of finding a quotation that make it evidence."""


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
class RoundFacts:
    """One round of a sample; one that `looked` followed from what people had said before."""

    id: int
    date: str
    seed: int
    size: int
    reviewed: int
    looked: bool


@dataclass(frozen=True)
class ResponseRow:
    """How many of those drawn were answered: `by` the stratum, the language, or a code's label.

    A label is the machine's: `1`, `0` or `none`. `assigned`, `answered` and `skipped` count seats
    of people; by label they are None, and `reviewed` counts answers about the code.
    """

    by: str
    name: str
    dimension: str | None
    code: str | None
    drawn: int
    reviewed: int
    rate: float
    assigned: int | None
    answered: int | None
    skipped: int | None


@dataclass(frozen=True)
class SampleFacts:
    """The design record: what was drawn, how, and how far people are with it.

    `changed` says that the frame is no longer the one drawn from; `rulings` and
    `open_disagreements` count disagreements as adjudication lists them, settled and not;
    `development` the items that the machine learned from, which enter no estimate; `translated`
    the blind codings in the estimate that were given with a translation in sight. Where it went on
    in `rounds` the counts are of all of them. `withdrawn` segments left the population after the
    drawing, and `withdrawn_items` of them the sample; no other count has them.
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
    open_disagreements: int
    coders: tuple[str, ...]
    changed: bool
    sizes: tuple[tuple[str, int, int, int], ...]
    rounds: tuple[RoundFacts, ...] = ()
    development: int = 0
    translated: int = 0
    withdrawn: int = 0
    withdrawn_items: int = 0


@dataclass(frozen=True)
class EvidenceFacts:
    """How quotations were found; `share` is of all quotations, NaN if there are none.

    `without` counts the codes that were applied without any quotation.
    """

    counts: dict[str, int]
    share: float
    without: int


NO_EVIDENCE = EvidenceFacts({}, math.nan, 0)


@dataclass(frozen=True)
class QuotationRow:
    """How the quotations of one code were found: the machine's, and those that people marked."""

    dimension: str
    code: str
    machine: EvidenceFacts
    people: EvidenceFacts


@dataclass(frozen=True)
class CodeName:
    """A code or a dimension as people named it, for those who show the report."""

    dimension: str
    code: str | None
    kind: str
    label: str
    color: str
    ordered: bool = False


def names_of(guide: Guide) -> tuple[CodeName, ...]:
    """Return dimensions and codes as people named them, in the order of the codebook."""
    names = []
    for question in guide.questions:
        names.append(
            CodeName(question.key, None, question.kind, question.label, "", question.ordered)
        )
        names += [
            CodeName(question.key, code.key, question.kind, code.label, code.color)
            for code in question.codes
        ]
    return tuple(names)


def run_facts(run: Run | None, table: Table) -> RunFacts | None:
    """Return what is to know of `run`, None without one."""
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


def sample_facts(sample: Sample | None, table: Table, strata: Strata) -> SampleFacts | None:
    """Return the design record of `sample` and its rounds, None without one."""
    if sample is None or table.drawn is None or table.reference is None:
        return None
    drawn, people = table.drawn, table.people
    inside = people.rows(np.isin(people.unit, drawn.unit))
    codings = np.bincount(np.searchsorted(drawn.unit, inside.unit), minlength=len(drawn.unit))
    rounds = rounds_of(sample)
    assignments = Assignment.objects.filter(ASKED, item__sample__in=rounds)
    populations = {size["key"]: still_there(size) for size in sample.design.get("sizes", [])}
    reviewed = np.bincount(drawn.stratum[codings > 0], minlength=len(drawn.strata))
    size = np.bincount(drawn.stratum, minlength=len(drawn.strata))
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
        rulings=_rulings(rounds),
        open_disagreements=sum(not case.ruled for case in cases(sample)),
        coders=tuple(inside.coders[coder] for coder in np.unique(inside.coder)),
        changed=strata.changed,
        sizes=tuple(
            (key, int(populations.get(key, 0)), int(size[place]), int(reviewed[place]))
            for place, key in enumerate(drawn.strata)
        ),
        rounds=tuple(
            RoundFacts(
                one.pk,
                one.created_at.isoformat(),
                one.seed,
                int((drawn.round == place).sum()),
                int((codings[drawn.round == place] > 0).sum()),
                bool(one.design.get("looked", False)),
            )
            for place, one in enumerate(rounds)
        ),
        development=int(np.isin(drawn.unit, table.development).sum()),
        translated=_translated(rounds, drawn.item[~np.isin(drawn.unit, table.development)]),
        withdrawn=rounds[0].design.get("withdrawn", {}).get("segments", 0),
        withdrawn_items=sum(one.design.get("withdrawn", {}).get("items", 0) for one in rounds),
    )


def _translated(samples: Sequence[Sample], items: Ints) -> int:
    """Return how many blind codings of `items` were given with a translation in sight."""
    rows = Assignment.objects.filter(IN_SIGHT, item__sample__in=samples)
    there = np.fromiter(rows.values_list("item_id", flat=True), np.int64)
    return int(np.isin(there, items).sum())


def _rulings(samples: Sequence[Sample]) -> int:
    """Return how many disagreements were ruled on; in a `one` dimension all its codes are one."""
    rows = Ruling.objects.filter(item__sample__in=samples).values_list(
        "item_id", "code__dimension_id", "code__dimension__kind", "code_id"
    )
    return len(
        {
            (item, dimension, None if kind == Kind.ONE else code)
            for item, dimension, kind, code in rows
        }
    )


def response_rows(sample: Sample | None, table: Table) -> list[ResponseRow]:
    """Return how many of those drawn were answered, by stratum, language and machine label."""
    drawn, reference = table.drawn, table.reference
    if sample is None or drawn is None or reference is None:
        return []
    items = len(drawn.unit)
    place = {int(pk): at for at, pk in enumerate(drawn.item)}
    seats = np.zeros((items, 3), np.int64)
    rows = Assignment.objects.filter(ASKED, item__sample__in=rounds_of(sample))
    for item, coding, why in rows.values_list("item_id", "coding_id", "skipped_because").iterator():
        seats[place[item]] += (1, bool(coding), bool(why and not coding))
    reviewed = np.isin(drawn.unit, table.people.units)
    found = []
    language = table.units.language[drawn.unit]
    for by, of, names in (
        ("stratum", drawn.stratum, drawn.strata),
        ("language", language, table.units.languages),
    ):
        for at, name in enumerate(names):
            inside = of == at
            if inside.any():
                assigned, answered, skipped = seats[inside].sum(axis=0).tolist()
                done = int(reviewed[inside].sum())
                rate = done / int(inside.sum())
                found.append(
                    ResponseRow(
                        by, name, None, None, int(inside.sum()), done, rate,
                        assigned, answered, skipped,
                    )
                )  # fmt: skip
    labels = table.machine.labels[drawn.unit]
    answered_codes = ~np.isnan(reference.labels)
    for column, (question, code) in enumerate(table.guide.codes):
        for name, label in (("1", 1), ("0", 0), ("none", NOT_KNOWN)):
            inside = labels[:, column] == label
            if inside.any():
                done = int(answered_codes[inside, column].sum())
                rate = done / int(inside.sum())
                found.append(
                    ResponseRow(
                        "label", name, question.key, code.key, int(inside.sum()), done, rate,
                        None, None, None,
                    )
                )  # fmt: skip
    return found


@dataclass(frozen=True)
class Quoted:
    """How somebody's quotations were found: in all, by language and by code of the codebook."""

    all: EvidenceFacts
    by_language: dict[str, EvidenceFacts]
    of_codes: list[EvidenceFacts]


NOTHING_QUOTED = Quoted(NO_EVIDENCE, {}, [])


def quoted_by(quotations: Quotations, table: Table) -> Quoted:
    """Return how `quotations` were found, with the share that is evidence."""

    def facts(counts: Any, without: int) -> EvidenceFacts:
        by = dict(zip(quotations.found, counts.tolist(), strict=True))
        everything = sum(by.values())
        share = sum(by[name] for name in FOUND) / everything if everything else math.nan
        return EvidenceFacts(by, share, int(without))

    languages = {
        language: facts(quotations.counts[row], quotations.without[row])
        for row, language in enumerate(table.units.languages)
    }
    codes = map(facts, quotations.of_codes, quotations.without_of_codes)
    whole = facts(quotations.counts.sum(axis=0), quotations.without.sum())
    return Quoted(whole, languages, list(codes))


def quotation_rows(guide: Guide, machine: Quoted, people: Quoted) -> tuple[QuotationRow, ...]:
    """Return the machine\'s quotations and those of people, code by code."""
    names = [(question.key, code.key) for question in guide.questions for code in question.codes]
    said = machine.of_codes or [NO_EVIDENCE] * len(names)
    return tuple(
        QuotationRow(*name, one, other)
        for name, one, other in zip(names, said, people.of_codes, strict=True)
    )
