"""Adjudication: where coders disagree, which of it matters, and what is ruled to hold.

A case is one code of one item (a whole `one` dimension, or a scale) about which blind codings
differ. Codings are never touched: a ruling stands beside them, and its history is in the trail.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from codebooks.models import Code, Dimension, Kind
from coding.models import Answer, Coding
from reviews.agreement import AgreementRow, rows_of
from reviews.compared import between_people, design_weights, scope
from reviews.models import Item, Purpose, Ruling, Sample
from reviews.questions import Range, codes_of, marks_on, said_of
from reviews.reviewing import waits
from reviews.sampling import rounds
from reviews.stats.arrays import Bools
from reviews.stats.settling import interval_gain, nominal_gain
from reviews.tables import NOT_KNOWN, Decisions, People, Question, Table, load_reviewed
from studies.audit import Action, record
from studies.models import Event
from studies.problems import Problem, _

NEAR = 0.1
"""Values on a scale differ if they are further apart than this part of it."""
LONGEST_REASON = 2000
SORTS = ("both", "alpha", "prevalence", "order")


@dataclass(frozen=True)
class Opinion:
    """What one coder said: yes, no or unsure; a code's key, "" for none; a value; None if left."""

    name: str
    person: int
    said: str | float | None
    passages: tuple[Range, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """What is ruled: yes, no or unsure; in a `one` dimension also which code holds; or a value."""

    said: str
    code: str | None
    value: float | None
    why: str
    by: str
    at: Any


@dataclass(frozen=True)
class Case:
    """A disagreement. `gain` is how much alpha rises if it alone is settled (on average over what
    was said), `shift` how far the code's share can move by a ruling on it, as its design weight
    makes of it. `unsure` says that nobody contradicts: somebody could not tell.
    """

    item: int
    position: int
    interview: str
    language: str
    dimension: str
    code: str | None
    kind: str
    opinions: tuple[Opinion, ...]
    gain: float
    shift: float
    unsure: bool
    ruled: bool

    @property
    def weight(self) -> float:
        """How much it matters."""
        return self.gain + self.shift

    @property
    def name(self) -> tuple[int, str, str | None]:
        """What tells it from others."""
        return self.item, self.dimension, self.code


@dataclass(frozen=True)
class Discussed:
    """Alpha of a code before and after discussion; None where the status is not ok.

    `before` is what blind codings say and the only one of the two that is reliability.
    """

    dimension: str
    code: str | None
    ruled: int
    units: int
    before: float | None
    after: float | None
    before_status: str
    after_status: str


@dataclass(frozen=True)
class Pair:
    """Two coders: how many answers of theirs meet, and how many of these differ."""

    first: str
    second: str
    met: int
    differ: int


def cases(sample: Sample, table: Table | None = None) -> list[Case]:
    """Return every disagreement of `sample` and of the rounds before it, in the order drawn."""
    samples = rounds(sample)
    table = table or load_reviewed(samples)
    if not len(table.people.unit):
        return []
    found = _Finder(samples, table)
    return found.cases()


def pairs(table: Table) -> list[Pair]:
    """Return how often two coders met and differed, over all codes and `one` dimensions."""
    people = table.people
    compared = between_people(table, people)
    found = []
    for first, second in combinations(range(len(people.coders)), 2):
        met = differ = 0
        for question in table.guide.labelled:
            if question.kind == Kind.ONE:
                one, other = compared.categories[question.key][[first, second]]
                both = ~np.isnan(one) & ~np.isnan(other)
            else:
                one, other = compared.labels[[first, second]][..., question.columns]
                both = (one != NOT_KNOWN) & (other != NOT_KNOWN)
            met += int(both.sum())
            differ += int((both & (one != other)).sum())
        if met:
            found.append(Pair(people.coders[first], people.coders[second], met, differ))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def chosen(
    every: Sequence[Case],
    *,
    code: str = "",
    language: str = "",
    pair: Sequence[str] = (),
    status: str = "open",
    sort: str = "both",
) -> list[Case]:
    """Return the cases asked for, the weightiest first.

    `code` is `dimension/code` (or a dimension), `pair` two names of whom both coded and differ,
    `status` open, ruled or all.
    """
    wanted = [
        case
        for case in every
        if (not code or code in (case.dimension, f"{case.dimension}/{case.code}"))
        and (not language or case.language == language)
        and (not pair or _differ(case, pair))
        and (status == "all" or case.ruled == (status == "ruled"))
    ]

    def rank(case: Case) -> tuple[bool, float]:
        # Where somebody was merely unsure comes after what coders contradict each other about.
        if sort == "order":
            return False, 0.0
        by = {"alpha": case.gain, "prevalence": case.shift}.get(sort, case.weight)
        return case.unsure, -by

    return sorted(wanted, key=rank)


def opinions(item: Item, dimension: Dimension, code: Code | None) -> list[Opinion]:
    """Return what everybody who coded `item` blind said of it, with evidence, by name."""
    names = dict(item.sample.study.memberships.values_list("person_id", "name"))
    codings = _codings(item).select_related("person").prefetch_related("marks__evidence")
    found = []
    for coding in codings:
        marks = marks_on(coding, dimension, code)
        said = said_of(dimension, marks, dimension.key in coding.dimensions)
        assert coding.person is not None  # noqa: S101  by people
        passages = tuple(
            sorted(
                (one.start, one.end)
                for mark in marks
                for one in mark.evidence.all()
                if one.start is not None and one.end is not None
            )
        )
        name = names.get(coding.person.pk, coding.person.username)
        found.append(Opinion(name, coding.person.pk, said, passages, coding.note))
    return sorted(found, key=lambda opinion: opinion.name)


def verdict(item: Item, dimension: Dimension, code: Code | None) -> Verdict | None:
    """Return what is ruled about a case, None if nothing is."""
    about = {code.pk} if code else {one.pk for one in dimension.codes.all()}
    rulings = list(
        item.rulings.filter(code__in=about).select_related("code", "by").order_by("code__position")
    )
    if {ruling.code_id for ruling in rulings} != about:
        return None
    last = max(rulings, key=lambda ruling: ruling.ruled_at)
    names = dict(item.sample.study.memberships.values_list("person_id", "name"))
    holds = next((ruling for ruling in rulings if ruling.applies), None)
    open_ = any(ruling.applies is None for ruling in rulings)
    said = Answer.YES if holds else Answer.UNSURE if open_ else Answer.NO
    return Verdict(
        said=said.value,
        code=holds.code.key if holds and dimension.kind == Kind.ONE else None,
        value=holds.value if holds else None,
        why=last.why,
        by=names.get(last.by_id, last.by.get_username()),
        at=last.ruled_at,
    )


def history(item: Item, dimension: Dimension, code: Code | None) -> list[Event]:
    """Return how the ruling on a case came about, the latest first."""
    events = Event.objects.filter(
        study=item.sample.study, action=Action.RULED, subject=_subject(item, dimension, code)
    )
    return list(events.order_by("-pk"))


def rule(
    item: Item,
    person: User,
    *,
    dimension: str,
    code: str | None = None,
    said: str,
    value: float | None = None,
    why: str,
) -> Verdict | None:
    """Keep what `person` rules about a code (of a `one` dimension: which one holds, and why).

    `said` is yes, no (in a `one` dimension: none of them; on a scale: not expressed), unsure (it
    cannot be told), or "" to take a ruling back. Ruled the same again, nothing changes; what was
    ruled before stays in the trail.
    """
    study = item.sample.study
    about, known = _known(item, dimension, code)
    why = why.replace("\x00", "").strip()[:LONGEST_REASON]
    if said not in ("", *Answer.values):
        raise Problem(_("A ruling says that it applies, does not apply, or can’t be told."))
    if not why:
        raise Problem(_("Say in a few words why it is ruled so: coders learn from the reason."))
    if item.sample.purpose != Purpose.REVIEW or _codings(item).count() < 2:
        raise Problem(_("Two blind codings are needed before there is something to settle."))
    if waits(person, study):
        raise Problem(
            _("You have interviews to code blind yourself: rule when you are done with them.")
        )
    wanted = _wanted(about, known, code, said, value)
    target = known[code] if code and about.kind != Kind.ONE else None
    with transaction.atomic():
        Item.objects.select_for_update().get(pk=item.pk)
        before = verdict(item, about, target)
        same = before and (before.said, before.code, before.value, before.why) == (
            said,
            code if about.kind == Kind.ONE and said == Answer.YES else None,
            value,
            why,
        )
        if same:
            return before
        item.rulings.filter(code__in=wanted).delete()
        if said:
            Ruling.objects.bulk_create(
                Ruling(item=item, code_id=pk, applies=applies, value=number, by=person, why=why)
                for pk, (applies, number) in wanted.items()
            )
            item.rulings.filter(code__in=wanted).update(ruled_at=timezone.now())
        after = verdict(item, about, target)
        record(
            study,
            person,
            Action.RULED,
            _subject(item, about, target),
            before=_told(before),
            after=_told(after) or {"said": "", "why": why},
        )
    return after


def settled(table: Table, samples: Sequence[Sample]) -> People:
    """Return the people of `table` with what was ruled in the place of each one's answer.

    Where it was ruled that it can't be told, nobody's answer counts.
    """
    people = table.people
    labels, values = people.decisions.labels.copy(), people.decisions.values.copy()
    column_of = {code.id: at for at, (_question, code) in enumerate(table.guide.codes)}
    scale_of = {code.id: q.first for q in table.guide.scales for code in q.codes}
    rows = Ruling.objects.filter(item__sample__in=samples).order_by("pk")
    for segment, code, applies, value in rows.values_list(
        "item__segment_id", "code_id", "applies", "value"
    ):
        unit = np.searchsorted(table.units.segment, segment)
        own = people.unit == unit
        if code in scale_of:
            values[own, scale_of[code]] = np.nan if value is None else value
        elif code in column_of:
            labels[own, column_of[code]] = NOT_KNOWN if applies is None else applies
    return People(
        people.unit, people.coder, people.coders, Decisions(labels, values), people.unsure & False
    )


def after_discussion(
    sample: Sample, table: Table, seed: int, replicates: int
) -> list[AgreementRow]:
    """Return agreement between people with every ruling as each coder's final word.

    It is no reliability, and stands apart from agreement: those who ruled were not independent.
    The same rows as `agreement_rows` gives between people, over all languages; none where nothing
    was ruled. `table` is any that holds the items of `sample` and its rounds.
    """
    samples = rounds(sample)
    if not Ruling.objects.filter(item__sample__in=samples).exists():
        return []
    people = settled(table, samples)
    inside = Table(table.units, table.guide, table.machine, people, table.drawn, table.reference)
    within, of = scope(inside)
    weights = design_weights(inside) if of == "sample" else None
    compared = between_people(inside, within)
    return rows_of(inside, compared, None, weights, seed, replicates)


def discussed(sample: Sample) -> list[Discussed]:
    """Return alpha of the blind codings, and apart from it alpha after discussion, where ruled."""
    samples = rounds(sample)
    rulings = Ruling.objects.filter(item__sample__in=samples)
    if not rulings.exists():
        return []
    table = load_reviewed(samples)
    after = {(row.dimension, row.code): row for row in after_discussion(sample, table, 1, 1)}
    weights = design_weights(table)
    blind = rows_of(table, between_people(table, table.people), None, weights, 1, 1)
    ruled: dict[tuple[str, str | None], set[int]] = {}
    for item, dimension, kind, code in rulings.values_list(
        "item", "code__dimension__key", "code__dimension__kind", "code__key"
    ):
        about = (dimension, None if kind == Kind.ONE else code)
        ruled.setdefault(about, set()).add(item)
    return [
        Discussed(
            row.dimension,
            row.code,
            len(ruled[row.dimension, row.code]),
            row.units,
            None if math.isnan(row.estimate) else row.estimate,
            None if math.isnan(then.estimate) else then.estimate,
            row.status,
            then.status,
        )
        for row in blind
        if (row.dimension, row.code) in ruled
        and (then := after.get((row.dimension, row.code))) is not None
    ]


class _Finder:
    """The disagreements of a table, and what each of them weighs."""

    def __init__(self, samples: Sequence[Sample], table: Table) -> None:
        self.table = table
        self.people = table.people
        self.at = np.searchsorted(self.people.units, self.people.unit)
        rows = (
            Item.objects.filter(sample__in=samples)
            .order_by("sample", "position")
            .values_list(
                "pk",
                "position",
                "segment_id",
                "segment__transcript__external_id",
                "segment__transcript__language",
            )
        )
        self.items = {int(row[2]): row for row in rows}
        drawn = table.drawn
        assert drawn is not None  # noqa: S101  the table holds a sample
        self.chance = dict(zip(drawn.item.tolist(), drawn.inclusion.tolist(), strict=True))
        self.total = sum(1 / chance for chance in self.chance.values()) or 1.0
        ruled = Ruling.objects.filter(item__sample__in=samples)
        self.ruled: dict[int, set[int]] = {}
        for item, code in ruled.values_list("item_id", "code_id"):
            self.ruled.setdefault(item, set()).add(code)
        decided = Coding.objects.by_people().filter(
            revision=samples[-1].revision_id,
            segment__items__sample__in=samples,
        )
        segment_of = table.units.segment[self.people.unit]
        known = {
            (segment, person): frozenset(dimensions)
            for segment, person, dimensions in decided.values_list(
                "segment_id", "person_id", "dimensions"
            )
        }
        names = dict(samples[-1].study.memberships.values_list("person_id", "name"))
        usernames = dict(decided.values_list("person_id", "person__username"))
        person_of = {names.get(pk, username): pk for pk, username in usernames.items()}
        self.persons = [person_of[name] for name in self.people.coders]
        self.decided = [
            known.get((int(segment), self.persons[coder]), frozenset())
            for segment, coder in zip(segment_of, self.people.coder, strict=True)
        ]

    def cases(self) -> list[Case]:
        found: list[Case] = []
        for question in self.table.guide.questions:
            if question.kind == Kind.MANY:
                for place, column in enumerate(question.codes, question.first):
                    found += self.many(question, place, column.id, column.key)
            elif question.kind == Kind.ONE:
                found += self.one(question)
            else:
                found += self.scale(question)
        order = {row[0]: place for place, row in enumerate(self.items.values())}
        return sorted(found, key=lambda case: order[case.item])

    def many(self, question: Question, place: int, code: int, key: str) -> list[Case]:
        labels = self.people.decisions.labels[:, place]
        unsure = self.people.unsure[:, place]
        units = len(self.people.units)
        counts = np.stack(
            [np.bincount(self.at[labels == value], minlength=units) for value in (0, 1)], axis=1
        ).astype(np.float64)
        gain = nominal_gain(counts)
        looked = counts.sum(axis=1)
        doubt = np.bincount(self.at[unsure], minlength=units) > 0
        share = counts[:, 1] / np.maximum(looked, 1)
        differs: Bools = np.asarray((counts > 0).all(axis=1))
        moves = np.maximum(share, 1 - share)
        return [
            self.case(question, key, {code}, unit, gain[unit], moves[unit], not differs[unit])
            for unit in _where(differs | (doubt & (looked > 0)))
        ]

    def one(self, question: Question) -> list[Case]:
        category = self.people.decisions.categories(question)
        unsure = self.people.unsure[:, question.columns].any(axis=1) & np.isnan(category)
        units, width = len(self.people.units), len(question.codes) + 1
        given = ~np.isnan(category)
        cell = self.at[given] * width + category[given].astype(np.int64)
        counts = np.bincount(cell, minlength=units * width).reshape(units, width).astype(float)
        gain = nominal_gain(counts)
        looked = counts.sum(axis=1)
        doubt = np.bincount(self.at[unsure], minlength=units) > 0
        share = counts / np.maximum(looked, 1)[:, None]
        differs = (counts > 0).sum(axis=1) > 1
        moves = np.where(differs, 1 - np.where(share > 0, share, 1).min(axis=1), 1.0)
        codes = {column.id for column in question.codes}
        return [
            self.case(question, None, codes, unit, gain[unit], moves[unit], not differs[unit])
            for unit in _where(differs | (doubt & (looked > 0)))
        ]

    def scale(self, question: Question) -> list[Case]:
        found: list[Case] = []
        wide = (question.maximum or 0.0) - (question.minimum or 0.0) or 1.0
        told = np.array([question.key in decided for decided in self.decided])
        for place, column in enumerate(question.codes, question.first):
            values = self.people.decisions.values[:, place]
            ratings = self.people.ratings(values)
            gain = interval_gain(ratings)
            silent = np.isnan(self.people.ratings(np.where(np.isnan(values) & told, 1.0, np.nan)))
            somebody, nobody = (~np.isnan(ratings)).any(axis=0), (~silent).any(axis=0)
            spread = np.zeros(ratings.shape[1])
            spread[somebody] = np.nanmax(ratings[:, somebody], axis=0) - np.nanmin(
                ratings[:, somebody], axis=0
            )
            differs = spread > NEAR * wide + 1e-9
            found += [
                self.case(
                    question,
                    column.key,
                    {column.id},
                    unit,
                    gain[unit] if differs[unit] else 0.0,
                    spread[unit] / 2 / wide,
                    not differs[unit],
                )
                for unit in _where(differs | (somebody & nobody))
            ]
        return found

    def case(
        self,
        question: Question,
        code: str | None,
        codes: set[int],
        unit: int,
        gain: float,
        moves: float,
        unsure: bool,
    ) -> Case:
        segment = int(self.table.units.segment[self.people.units[unit]])
        rows = range(*np.searchsorted(self.at, [unit, unit + 1]).tolist())
        item, position, _, interview, language = self.items[segment]
        return Case(
            item=item,
            position=position,
            interview=interview,
            language=language,
            dimension=question.key,
            code=code,
            kind=question.kind,
            opinions=tuple(self._opinion(question, code, row) for row in rows),
            gain=float(gain),
            shift=float(moves) / self.chance[item] / self.total,
            unsure=bool(unsure),
            ruled=codes <= self.ruled.get(item, set()),
        )

    def _opinion(self, question: Question, code: str | None, row: int) -> Opinion:
        """Return what a row says of a question, without its evidence."""
        coder = int(self.people.coder[row])
        labels = self.people.decisions.labels[row]
        decided = question.key in self.decided[row]
        said: str | float | None
        if question.kind == Kind.SCALE:
            place = question.first + [one.key for one in question.codes].index(str(code))
            value = float(self.people.decisions.values[row, place])
            said = value if not math.isnan(value) else ("" if decided else None)
        elif question.kind == Kind.ONE:
            own = labels[question.columns]
            holds = np.flatnonzero(own == 1)
            if len(holds):
                said = question.codes[int(holds[0])].key
            elif self.people.unsure[row, question.columns].any():
                said = Answer.UNSURE.value
            else:
                said = "" if decided else None
        else:
            place = question.first + [one.key for one in question.codes].index(str(code))
            if self.people.unsure[row, place]:
                said = Answer.UNSURE.value
            else:
                said = {1: Answer.YES.value, 0: Answer.NO.value}.get(int(labels[place]))
        return Opinion(self.people.coders[coder], self.persons[coder], said)


def _where(found: Bools) -> list[int]:
    return [int(unit) for unit in np.flatnonzero(found)]


def _differ(case: Case, pair: Sequence[str]) -> bool:
    said = [opinion.said for opinion in case.opinions if opinion.name in pair]
    return len(said) == len(pair) and len(set(said)) > 1


def _codings(item: Item) -> QuerySet[Coding]:
    """Return the blind codings of an item's segment."""
    codings: QuerySet[Coding] = Coding.objects.by_people().filter(
        segment=item.segment_id, revision=item.sample.revision_id
    )
    return codings


def _known(item: Item, dimension: str, code: str | None) -> tuple[Dimension, Mapping[str, Code]]:
    codes = codes_of(item.sample.revision)
    if dimension not in codes:
        raise Problem(_("The codebook has no dimension “%(dimension)s”."), dimension=dimension)
    about, known = codes[dimension]
    if code is not None and code not in known:
        raise Problem(
            _("“%(dimension)s” has no code “%(code)s”."), dimension=about.label, code=code
        )
    return about, known


def _wanted(
    about: Dimension, known: Mapping[str, Code], code: str | None, said: str, value: float | None
) -> dict[int, tuple[bool | None, float | None]]:
    """Return what is ruled of each code concerned: whether it applies, and its value."""
    applies = {Answer.YES.value: True, Answer.NO.value: False}.get(said)
    if about.kind == Kind.ONE:
        if said == Answer.YES and code is None:
            raise Problem(_("Say which code of “%(dimension)s” holds."), dimension=about.label)
        return {
            one.pk: ((key == code) if said == Answer.YES else applies, None)
            for key, one in known.items()
        }
    if code is None:
        raise Problem(_("Say which code of “%(dimension)s” is ruled on."), dimension=about.label)
    number = None
    if about.kind == Kind.SCALE and said == Answer.YES:
        low, high = about.minimum or 0.0, about.maximum or 0.0
        if value is None or not math.isfinite(value) or not low <= value <= high:
            raise Problem(
                _("“%(dimension)s” takes a value from %(low)g to %(high)g."),
                dimension=about.label,
                low=low,
                high=high,
            )
        number = value
    elif value is not None:
        raise Problem(_("“%(dimension)s” is no scale and takes no value."), dimension=about.label)
    return {known[code].pk: (applies, number)}


def _subject(item: Item, dimension: Dimension, code: Code | None) -> str:
    name = f"{dimension.key}/{code.key}" if code else dimension.key
    return f"{item.sample_id}/{item.position} {name}"


def _told(what: Verdict | None) -> dict[str, Any] | None:
    """Return a verdict as the trail keeps it."""
    if what is None:
        return None
    return {"said": what.said, "code": what.code, "value": what.value, "why": what.why}
