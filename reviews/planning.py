"""Plan a review: how many answers a figure needs, where the next ones go, and when it is enough.

Before anything is coded the planner works with assumed rates; after a pilot with what people found
in it. A stopping rule is declared before the first answer: at which numbers of reviewed segments
somebody looks, and what must hold there to stop. Looking in between decides nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from codebooks.models import Kind
from coding.models import Run
from reviews.facts import CodeName
from reviews.models import Assignment, Sample
from reviews.prevalence import PrevalenceRow, design_strata
from reviews.reports import Report, report
from reviews.sampling import rounds
from reviews.stats.arrays import Floats, finite
from reviews.stats.designs import allocate, error_spread, plan
from reviews.stats.prevalence import LEAST_REVIEWED
from reviews.tables import Table, load_table
from studies.audit import Action, record
from studies.models import Segment, Study
from studies.problems import Problem, _

HALF_WIDTH = 0.05
USUAL = (0.005, 0.01, 0.05, 0.1, 0.3)
"""Shares that a plan before any coding is made for."""
LEAST_POSITIVES = 10
"""Positive answers of people below which no alpha is reported."""
LEAST_MACHINE = 10
"""Reviewed segments that the machine gave the code to, below which its precision says little."""


@dataclass(frozen=True)
class Assumed:
    """What is expected of a code and of the machine, as shares from 0 to 1."""

    prevalence: float = 0.05
    sensitivity: float = 0.85
    specificity: float = 0.97

    def __post_init__(self) -> None:
        for value in (self.prevalence, self.sensitivity, self.specificity):
            if not 0 < value < 1:
                raise Problem(_("A share to plan with lies between 0 and 100 %."))


@dataclass(frozen=True)
class Need:
    """How many reviewed segments one figure needs for the half-width that is wanted.

    `human` by people alone, `proportional` and `neyman` with the machine's labels, by either way
    of sharing them out. `rates` are what it was reckoned with, assumed or found in a pilot; `now`
    is the half-width reached so far and `more` what is still missing.
    """

    dimension: str | None
    code: str | None
    language: str | None
    population: int
    rates: Assumed
    assumed: bool
    human: int
    proportional: int
    neyman: int
    reviewed: int
    now: float
    more: int


@dataclass(frozen=True)
class StratumNeed:
    """How the next answers are shared out: how often the machine erred there, and `more`."""

    key: str
    population: int
    reviewed: int
    errors: float
    more: int


@dataclass(frozen=True)
class Rule:
    """When to look, and what must hold there; codes as `dimension/code`, none means all."""

    looks: tuple[int, ...]
    half_width: float = HALF_WIDTH
    codes: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unmet:
    """What does not hold yet for a code: `what` is wanted, how much there is, and `more`.

    `what` is "half_width" (shares), "positives" or "machine_positives" (answers).
    """

    dimension: str
    code: str | None
    language: str | None
    what: str
    wanted: float
    found: float
    more: int


@dataclass(frozen=True)
class Verdict:
    """Where a sample stands with its rule: `decision` is "wait", "stop" or "go_on".

    `look` is the last look that was reached, `next_look` the one that comes.
    """

    decision: str
    reviewed: int
    look: int | None
    next_look: int | None
    unmet: tuple[Unmet, ...]
    strata: tuple[StratumNeed, ...]


@dataclass(frozen=True)
class Planned:
    """All that the planner says of a study; `names` are the codes as people named them."""

    names: tuple[CodeName, ...]
    language: str
    half_width: float
    assumed: Assumed
    before: tuple[Need, ...]
    after: tuple[Need, ...]
    strata: tuple[StratumNeed, ...]
    sample: int | None
    rule: Rule | None
    verdict: Verdict | None


def planned(
    study: Study, *, half_width: float = HALF_WIDTH, assumed: Assumed | None = None
) -> Planned:
    """Return what reviewing `study` to `half_width` needs, before and after a pilot."""
    if not 0 < half_width < 0.5:
        raise Problem(_("The half-width lies between 0 and 50 points."))
    assumed = assumed or Assumed()
    made = report(study, by=["language"])
    sample = Sample.objects.get(pk=made.sample.id) if made.sample else None
    rule = rule_of(sample)
    after = tuple(pilot_needs(made, half_width))
    strata: tuple[StratumNeed, ...] = ()
    verdict = None
    if sample:
        table = load_table(study, sample.revision, _run_of(made), sample)
        overall = [need for need in after if need.language is None]
        most = max((need.more for need in overall), default=0)
        strata = tuple(share_out(table, sample, most))
        if rule:
            verdict = judge(made, rule, table, sample)
    return Planned(
        made.names,
        made.codebook_language,
        half_width,
        assumed,
        tuple(expected_needs(made, half_width, assumed)),
        after,
        strata,
        sample.pk if sample else None,
        rule,
        verdict,
    )


def expected_needs(made: Report, half_width: float, assumed: Assumed) -> Iterable[Need]:
    """Yield needs before any coding: overall for usual shares and the given one, by language."""
    population = made.segments
    for share in sorted({*USUAL, assumed.prevalence}):
        yield _need(None, None, None, population, replace(assumed, prevalence=share), half_width)
    sizes = made.languages
    for language, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        yield _need(None, None, language, size, assumed, half_width)


def pilot_needs(made: Report, half_width: float) -> Iterable[Need]:
    """Yield what every code needs, overall and by language, with the rates that people found.

    A domain with fewer than 10 answers, and a code without any positive one, tell no rates.
    """
    for row in made.prevalence:
        domain = dict(row.domain)
        if row.quantity != "share" or row.code is None or set(domain) - {"language"}:
            continue
        rates = found_rates(row)
        if rates is None:
            continue
        need = _need(
            row.dimension, row.code, domain.get("language"), row.population, rates, half_width
        )
        now = (row.high - row.low) / 2
        more = 0 if now <= half_width else max(1, need.proportional - row.reviewed)
        yield replace(need, assumed=False, reviewed=row.reviewed, now=now, more=more)


def found_rates(row: PrevalenceRow) -> Assumed | None:
    """Return share, sensitivity and specificity as people found them, None where they can't tell.

    Rates of 0 and 1 are moved by half an answer, for a pilot that found no error has not shown
    that there is none.
    """
    told = (row.machine, row.ppv, row.false_omission)
    if row.reviewed < LEAST_REVIEWED or any(math.isnan(value) for value in told):
        return None
    said = row.machine * row.reviewed
    precise = _inside(row.ppv, said)
    omitted = _inside(row.false_omission, row.reviewed - said)
    share = row.machine * precise + (1 - row.machine) * omitted
    if not 0 < share < 1 or not 0 < row.machine < 1:
        return None
    sensitivity = row.machine * precise / share
    specificity = 1 - row.machine * (1 - precise) / (1 - share)
    return Assumed(share, min(sensitivity, 1 - 1e-9), min(specificity, 1 - 1e-9))


def share_out(table: Table, sample: Sample, number: int) -> list[StratumNeed]:
    """Return how `number` further reviews are shared among the strata of `sample`.

    By how often the machine's labels were wrong there, the worst code first: Neyman's allocation
    with 30 % in proportion to size. Strata that were reviewed in full get none.
    """
    strata = design_strata(sample, table)
    drawn, reference = table.drawn, table.reference
    if drawn is None or reference is None or strata.changed:
        return []
    sizes = np.bincount(strata.of_unit, minlength=len(strata.names))
    of_item = strata.of_unit[drawn.unit]
    wrong, answered = _errors(table, drawn.unit, reference.labels, of_item, len(strata.names))
    taken = np.bincount(of_item, minlength=len(strata.names))
    by_people = ~np.isnan(reference.labels).all(axis=1)
    reviewed = np.bincount(of_item[by_people], minlength=len(strata.names))
    left = sizes - taken
    more = np.zeros(len(sizes), np.int64)
    open_strata = np.flatnonzero(left > 0)
    number = min(number, int(left.sum()))
    if number and open_strata.size:
        spread = error_spread(wrong, answered)[open_strata]
        more[open_strata] = _allocated(left[open_strata], number, spread)
    return [
        StratumNeed(name, int(size), int(done), float(errors / of) if of else math.nan, int(k))
        for name, size, done, errors, of, k in zip(
            strata.names, sizes, reviewed, wrong, answered, more, strict=True
        )
    ]


def declare(sample: Sample, rule: Rule, by: Any = None) -> Sample:
    """Declare when to look and what must hold; refused once anybody has answered."""
    looks = rule.looks
    if not looks or list(looks) != sorted(set(looks)) or looks[0] < 1:
        raise Problem(_("Looks are numbers of reviewed segments, each larger than the one before."))
    if not 0 < rule.half_width < 0.5:
        raise Problem(_("The half-width lies between 0 and 50 points."))
    known = {
        f"{dimension.key}/{code.key}"
        for dimension in sample.revision.dimensions.exclude(kind=Kind.SCALE)
        for code in dimension.codes.all()
    }
    if unknown := [code for code in rule.codes if code not in known]:
        raise Problem(_("The codebook has no code “%(code)s”."), code=unknown[0])
    languages = set(
        Segment.objects.filter(transcript__study=sample.study)
        .order_by()
        .values_list("transcript__language", flat=True)
        .distinct()
    )
    if strange := [one for one in rule.languages if one not in languages]:
        raise Problem(_("No interview is in “%(language)s”."), language=strange[0])
    with transaction.atomic():
        row = Sample.objects.select_for_update(of=("self",)).get(pk=sample.pk)
        asked = Assignment.objects.filter(item__sample__in=rounds(row))
        if asked.filter(answered_at__isnull=False).exists():
            raise Problem(
                _("People have answered already: a stopping rule is declared before they begin.")
            )
        before = row.rule
        row.rule = {**asdict(rule), "declared": timezone.now().isoformat(timespec="seconds")}
        row.save(update_fields=["rule"])
        record(row.study, by, Action.STUDY_CHANGED, f"rule {row.pk}", before=before, after=row.rule)
    return row


def rule_of(sample: Sample | None) -> Rule | None:
    """Return the rule of `sample`, or of the earlier round that declared it."""
    for one in reversed(rounds(sample)) if sample else ():
        if one.rule:
            told = one.rule
            return Rule(
                tuple(told["looks"]),
                told["half_width"],
                tuple(told["codes"]),
                tuple(told["languages"]),
            )
    return None


def judge(made: Report, rule: Rule, table: Table, sample: Sample) -> Verdict:
    """Return whether the review may stop: only at a declared look, and only if all holds."""
    reviewed = made.sample.reviewed if made.sample else 0
    reached = [look for look in rule.looks if look <= reviewed]
    coming = next((look for look in rule.looks if look > reviewed), None)
    if not reached:
        return Verdict("wait", reviewed, None, coming, (), ())
    unmet = tuple(_unmet(made, rule, table))
    if not unmet:
        return Verdict("stop", reviewed, reached[-1], coming, (), ())
    most = max(one.more for one in unmet)
    strata = tuple(one for one in share_out(table, sample, most) if one.more)
    return Verdict("go_on", reviewed, reached[-1], coming, unmet, strata)


def _unmet(made: Report, rule: Rule, table: Table) -> Iterable[Unmet]:
    """Yield what the rule asks for and does not hold."""
    machine = _machine_positives(table)
    for row in made.prevalence:
        domain = dict(row.domain)
        name = f"{row.dimension}/{row.code}"
        if row.quantity != "share" or row.code is None or (rule.codes and name not in rule.codes):
            continue
        language = domain.get("language")
        if set(domain) - {"language"} or (domain and language not in rule.languages):
            continue

        def unmet(what: str, wanted: float, found: float, more: int) -> Unmet:
            return Unmet(row.dimension, row.code, language, what, wanted, found, more)  # noqa: B023

        reach = (row.high - row.low) / 2
        if not reach <= rule.half_width:
            # Widths shrink with the root of the number of answers.
            grown = row.reviewed * ((reach / rule.half_width) ** 2 - 1) if row.reviewed else 0
            left = row.population - row.reviewed
            yield unmet("half_width", rule.half_width, reach, min(left, max(10, math.ceil(grown))))
        if domain:
            continue
        positives = row.positives or 0
        if positives < LEAST_POSITIVES:
            rate = max(row.corrected if row.corrected > 0 else 0.01, 1e-3)
            missing = math.ceil((LEAST_POSITIVES - positives) / rate)
            yield unmet(
                "positives",
                LEAST_POSITIVES,
                positives,
                min(row.population - row.reviewed, missing),
            )
        seen = machine.get((row.dimension, row.code))
        if seen is not None and seen[0] < min(LEAST_MACHINE, seen[1]):
            yield unmet(
                "machine_positives",
                min(LEAST_MACHINE, seen[1]),
                seen[0],
                min(LEAST_MACHINE, seen[1]) - seen[0],
            )


def _machine_positives(table: Table) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many segments with the machine's yes were reviewed, of how many, by code."""
    drawn, reference = table.drawn, table.reference
    if drawn is None or reference is None:
        return {}
    found = {}
    said = table.machine.labels == 1
    for question in table.guide.questions:
        if question.kind == Kind.SCALE:
            continue
        for place, code in enumerate(question.codes):
            column = question.first + place
            answered = ~np.isnan(reference.labels[:, column])
            reviewed = int((said[drawn.unit, column] & answered).sum())
            found[question.key, code.key] = (reviewed, int(said[:, column].sum()))
    return found


def _errors(
    table: Table, unit: Any, labels: Floats, stratum: Any, strata: int
) -> tuple[Floats, Any]:
    """Return the errors of the code that erred most in each stratum, and the answers there."""
    machine = table.machine.labels[unit].astype(float)
    known = ~np.isnan(labels) & (machine >= 0)
    wrong = np.where(known, np.abs(labels - machine), 0.0)
    answered = np.bincount(stratum[known.any(axis=1)], minlength=strata)
    errors = np.zeros((strata, labels.shape[1]))
    np.add.at(errors, stratum, wrong)
    return errors.max(axis=1, initial=0.0), answered


def _allocated(left: Any, number: int, spread: Floats) -> Any:
    """Return the share of each stratum in `number`; fewer than there are strata go to the worst."""
    if number >= left.size:
        return allocate(left, number, least=1, spread=spread)
    more = np.zeros(left.size, np.int64)
    more[np.argsort(-left * spread, kind="stable")[:number]] = 1
    return more


def _need(
    dimension: str | None,
    code: str | None,
    language: str | None,
    population: int,
    rates: Assumed,
    half_width: float,
) -> Need:
    wanted = plan(
        rates.prevalence, rates.sensitivity, rates.specificity, half_width, max(population, 1)
    )
    return Need(
        dimension=dimension,
        code=code,
        language=language,
        population=population,
        rates=rates,
        assumed=True,
        human=min(wanted.human, population),
        proportional=min(wanted.proportional, population),
        neyman=min(wanted.neyman, population),
        reviewed=0,
        now=math.nan,
        more=min(wanted.proportional, population),
    )


def _inside(share: float, answers: float) -> float:
    """Return `share` of so many answers, half an answer away from 0 and from 1."""
    least = 0.5 / (answers + 1)
    return min(max(share, least), 1 - least)


def _run_of(made: Report) -> Run | None:
    return Run.objects.get(pk=made.run.id) if made.run else None


def as_json(plan: Planned) -> dict[str, Any]:
    """Return the plan as one JSON object; what cannot be had is null."""
    told = asdict(plan)
    del told["names"], told["language"]
    return dict(finite(told))
