"""From rows to arrays: with `evidence_tables` the only bridge from the database to the statistics.

Units are the study's segments in the order of their keys, N of them; columns are the codes of the
`many` and `one` dimensions, K of them; scales have columns of their own, S of them. Labels are
int8: 1 applies, 0 does not, -1 not known (nobody looked, refused, failed, unsure). Values are
float64 with NaN where there is none. No text of a transcript is ever read here.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from django.db.models import Case, Count, IntegerField, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from numpy.typing import NDArray

from codebooks.models import Code, Kind, Revision
from coding.models import Answer, Coding, CodingKind, Mark, Run, State, Work
from reviews.models import Item, Ruling, Sample
from reviews.stats.designs import combined_inclusion
from studies.models import Membership, Participant, Segment, Study

Ints = NDArray[np.int64]
Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NOT_KNOWN = -1
ANSWERS = Case(
    When(answer=Answer.YES, then=Value(1)),
    When(answer=Answer.NO, then=Value(0)),
    default=Value(NOT_KNOWN),
    output_field=IntegerField(),
)


@dataclass(frozen=True)
class Column:
    """One code, as a column of labels (or of values, for the one code of a scale)."""

    id: int
    key: str
    label: str
    color: str


@dataclass(frozen=True)
class Question:
    """One dimension, with its columns; `first` is where they begin among labels or values.

    The codes of an `ordered` one go from one end to the other.
    """

    key: str
    label: str
    kind: str
    minimum: float | None
    maximum: float | None
    codes: tuple[Column, ...]
    first: int
    ordered: bool = False

    @property
    def columns(self) -> slice:
        return slice(self.first, self.first + len(self.codes))


@dataclass(frozen=True)
class Guide:
    """A revision's dimensions in order, and which columns of the arrays are theirs."""

    language: str
    questions: tuple[Question, ...]

    @property
    def labelled(self) -> list[Question]:
        return [question for question in self.questions if question.kind != Kind.SCALE]

    @property
    def scales(self) -> list[Question]:
        return [question for question in self.questions if question.kind == Kind.SCALE]

    @property
    def codes(self) -> list[tuple[Question, Column]]:
        return [(question, code) for question in self.labelled for code in question.codes]

    @property
    def everything(self) -> list[Column]:
        """Every code in the order of the codebook, those of scales among them."""
        return [code for question in self.questions for code in question.codes]

    @property
    def width(self) -> int:
        """How many columns of labels there are."""
        return sum(len(question.codes) for question in self.labelled)

    @property
    def depth(self) -> int:
        """How many columns of values there are."""
        return sum(len(question.codes) for question in self.scales)


@dataclass(frozen=True)
class Units:
    """The segments of a study in the order of their keys; `language` points into `languages`."""

    segment: Ints
    transcript: Ints
    participant: Ints
    language: Ints
    languages: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.segment)

    def at(self, segments: Ints) -> Ints:
        """Return where `segments` stand; every one of them is a unit."""
        return np.searchsorted(self.segment, segments)

    @cached_property
    def clusters(self) -> Ints | None:
        """Whose words each unit holds, or None where everybody gave one unit.

        Several segments of an interview, and several interviews of a participant, are alike.
        """
        several = len(np.unique(self.participant)) < len(self)
        return self.participant if several else None


@dataclass(frozen=True)
class Decisions:
    """What was decided, a row a coding: labels, rows × K, and values, rows × S."""

    labels: Labels
    values: Floats

    def at(self, rows: Ints | Bools) -> "Decisions":
        """Return these rows, in this order."""
        return Decisions(self.labels[rows], self.values[rows])

    def categories(self, question: Question) -> Floats:
        """Return a row's category in a `one` dimension: a code's place, its count for "none".

        NaN where the dimension is not decided, or where more than one code was said to apply.
        """
        labels = self.labels[:, question.columns]
        applies = labels == 1
        count = applies.sum(axis=1)
        category = np.where(count == 1, applies.argmax(axis=1), len(question.codes)).astype(float)
        undecided = (labels == NOT_KNOWN).any(axis=1)
        category[(count > 1) | ((count == 0) & undecided)] = np.nan
        return category


@dataclass(frozen=True)
class People:
    """The codings that people made blind, sorted by unit and coder: a row a coding.

    `unsure` says, rows × K, where the answer was "unsure": that is not a yes and not a no.
    `persons` are the keys of `coders`.
    """

    unit: Ints
    coder: Ints
    coders: tuple[str, ...]
    decisions: Decisions
    unsure: Bools
    persons: tuple[int, ...] = ()

    def rows(self, chosen: Bools) -> "People":
        """Return the codings that `chosen`, one a row, points out."""
        decisions = self.decisions.at(chosen)
        unsure = self.unsure[chosen]
        unit, coder = self.unit[chosen], self.coder[chosen]
        return People(unit, coder, self.coders, decisions, unsure, self.persons)

    @cached_property
    def units(self) -> Ints:
        """The units that somebody coded, in order."""
        return np.unique(self.unit)

    def ratings(self, values: Floats) -> Floats:
        """Return coders × coded units from one value a row; NaN where a coder did not look."""
        ratings = np.full((len(self.coders), len(self.units)), np.nan)
        ratings[self.coder, np.searchsorted(self.units, self.unit)] = values
        return ratings

    def counts(self) -> tuple[Floats, Floats]:
        """Return how many said that a code applies, and how many looked: coded units × K."""
        place = np.searchsorted(self.units, self.unit)
        shape = (len(self.units), self.decisions.labels.shape[1])
        applies, looked = np.zeros(shape), np.zeros(shape)
        # A coder codes a unit once: adding coder by coder needs no slow ufunc.at.
        for coder in np.unique(self.coder):
            rows = self.coder == coder
            labels = self.decisions.labels[rows]
            applies[place[rows]] += labels == 1
            looked[place[rows]] += labels != NOT_KNOWN
        return applies, looked


@dataclass(frozen=True)
class Drawn:
    """The items of a sample, in the order of their units; `stratum` points into `strata`.

    Where people coded everything there is no `sample`, and every unit is an item. Where a sample
    went on in rounds these are the items of all of them: `rounds` are their keys, the first one
    first, `round` says whose each item is, and `inclusion` is of being drawn in any round.
    """

    sample: int | None
    item: Ints
    unit: Ints
    stratum: Ints
    strata: tuple[str, ...]
    inclusion: Floats
    rounds: tuple[int, ...] = ()
    round: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Reference:
    """What holds for each item as far as people know: labels, items × K; values, items × S.

    Between 0 and 1 where coders disagree and nobody ruled; NaN where nobody decided. `categories`
    are the shares of each `one` dimension, items × its codes and "none applies"; rows add up to 1.
    """

    labels: Floats
    values: Floats
    categories: dict[str, Floats]

    def leave_open(self, chosen: Bools) -> None:
        """Let nothing hold for the items that `chosen` points out."""
        for part in (self.labels, self.values, *self.categories.values()):
            part[chosen] = np.nan


@dataclass(frozen=True)
class Table:
    """A study as arrays: its units, what the machine and people said, and what was drawn.

    `development` are the units that the machine learned from: what people said of them tells
    nothing about how it does elsewhere, so that `reference` leaves them open. `rulings` are what
    was ruled alone, NaN elsewhere; there a category is a number, items long.
    """

    units: Units
    guide: Guide
    machine: Decisions
    people: People
    drawn: Drawn | None
    reference: Reference | None
    development: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    rulings: Reference | None = None

    @property
    def compared(self) -> People:
        """What people coded and the machine did not learn from."""
        if not self.development.size:
            return self.people
        return self.people.rows(~np.isin(self.people.unit, self.development))

    @property
    def interviews(self) -> Ints | None:
        """Whose words each item holds, or None where everybody gave one unit."""
        if self.drawn is None or self.units.clusters is None:
            return None
        return self.units.clusters[self.drawn.unit]


@dataclass(frozen=True)
class Progress:
    """Where the run stands with each unit: `state` points into `states`.

    `reasons` says why segments were refused or failed: state, reason, how many.
    """

    state: Ints
    states: tuple[str, ...]
    reasons: tuple[tuple[str, str, int], ...]


def load_table(study: Study, revision: Revision, run: Run | None, sample: Sample | None) -> Table:
    """Return `study` as arrays, as `run` and people coded it with `revision`."""
    guide, units = load_guide(revision), load_units(study)
    machine = load_machine(run, units, guide)
    people = load_people(study, revision, units, guide)
    drawn = load_drawn(sample, units) if sample else None
    if sample is None and len(units) and len(people.units) == len(units):
        drawn = coded_by_hand(people)
    reference = load_reference(drawn, people, guide) if drawn else None
    development = load_development(run, units)
    if drawn and reference and development.size:
        reference.leave_open(np.isin(drawn.unit, development))
    rulings = load_rulings(drawn, guide) if drawn and drawn.sample is not None else None
    return Table(units, guide, machine, people, drawn, reference, development, rulings)


def load_reviewed(samples: Sequence[Sample]) -> Table:
    """Return the items of `samples`, rounds of one revision, as people coded them: no machine.

    Only the rows of these items are read, whatever the size of the study.
    """
    last = samples[-1]
    guide, units = load_guide(last.revision), load_units(last.study, samples)
    people = load_people(last.study, last.revision, units, guide, samples)
    drawn = load_drawn(last, units)
    return Table(units, guide, _undecided(len(units), guide), people, drawn, None)


def load_guide(revision: Revision) -> Guide:
    """Return the dimensions and codes of `revision` with their columns."""
    codes: dict[int, list[Column]] = {}
    rows = Code.objects.filter(dimension__revision=revision).order_by("position", "pk")
    for pk, dimension, key, label, color in rows.values_list(
        "pk", "dimension_id", "key", "label", "color"
    ):
        codes.setdefault(dimension, []).append(Column(pk, key, label, color))
    questions = []
    labels = values = 0
    for row in revision.dimensions.order_by("position", "pk"):
        own = tuple(codes.get(row.pk, ()))
        scale = row.kind == Kind.SCALE
        questions.append(
            Question(
                row.key,
                row.label,
                row.kind,
                row.minimum,
                row.maximum,
                own,
                values if scale else labels,
                row.ordered,
            )
        )
        values, labels = (values + len(own), labels) if scale else (values, labels + len(own))
    return Guide(revision.codebook.language, tuple(questions))


def load_units(study: Study, samples: Sequence[Sample] = ()) -> Units:
    """Return every segment of `study`, or of `samples`: interview, participant and language."""
    rows = Segment.objects.filter(transcript__study=study).order_by("pk")
    if samples:
        rows = rows.filter(pk__in=Item.objects.filter(sample__in=samples).values("segment"))
    languages: dict[str, int] = {}
    found = np.fromiter(
        (
            (pk, transcript, participant, languages.setdefault(language, len(languages)))
            for pk, transcript, participant, language in rows.values_list(
                "pk", "transcript_id", "transcript__participant_id", "transcript__language"
            ).iterator(chunk_size=10_000)
        ),
        dtype=np.dtype((np.int64, 4)),
    )
    # Languages by name, so that their order does not depend on who was imported first.
    names = tuple(sorted(languages))
    place = np.array([names.index(name) for name in languages], dtype=np.int64)
    segment, transcript, participant, language = found.T.copy()
    return Units(segment, transcript, participant, place[language], names)


def load_domain(study: Study, units: Units, name: str) -> tuple[Ints, tuple[str, ...]]:
    """Return the domain of each unit by `name` (the language, or an attribute), and the names.

    Units of participants who do not have the attribute have the domain "".
    """
    if name == "language":
        return units.language, units.languages
    said: dict[int, str] = {}
    rows = Participant.objects.filter(study=study).values_list("pk", "attributes")
    for pk, attributes in rows.iterator(chunk_size=10_000):
        value = attributes.get(name)
        said[pk] = "" if value is None else str(value)
    names = tuple(sorted(set(said.values())))
    index = {value: place for place, value in enumerate(names)}
    participants, place = np.unique(units.participant, return_inverse=True)
    domain = np.array([index[said[int(pk)]] for pk in participants], dtype=np.int64)
    return domain[place], names


def load_crossed(
    study: Study, units: Units, names: Sequence[str]
) -> tuple[Ints, tuple[tuple[str, ...], ...]]:
    """Return the domain of each unit where `names` are crossed, and a value of each per domain.

    Only domains that occur are there, in the order of their values.
    """
    parts = [load_domain(study, units, name) for name in names]
    key = np.zeros(len(units), np.int64)
    for of_unit, values in parts:
        key = key * max(len(values), 1) + of_unit
    used, domain = np.unique(key, return_inverse=True)
    found = []
    for one in used.tolist():
        row = []
        for _, values in reversed(parts):
            one, at = divmod(one, max(len(values), 1))
            row.append(values[at])
        found.append(tuple(reversed(row)))
    return domain, tuple(found)


def attribute_names(study: Study) -> list[str]:
    """Return the names of the attributes that participants of `study` have, sorted."""
    names: set[str] = set()
    for attributes in (
        Participant.objects.filter(study=study)
        .values_list("attributes", flat=True)
        .iterator(chunk_size=10_000)
    ):
        names.update(attributes)
    return sorted(names)


def headings(attributes: Sequence[str], ours: Collection[str]) -> list[str]:
    """Return a heading for each attribute; one that is called like a column of `ours` says so.

    No two are the same, and an attribute keeps its own name wherever that is free.

    >>> headings(["age", "language"], {"language"})
    ['age', 'participant language']
    >>> headings(["language", "participant language"], {"language"})
    ['participant participant language', 'participant language']
    """
    taken = {*ours, *attributes}
    found = []
    for name in attributes:
        heading = name
        while heading in ours or (heading in taken and heading != name):
            heading = f"participant {heading}"
        taken.add(heading)
        found.append(heading)
    return found


def load_machine(run: Run | None, units: Units, guide: Guide) -> Decisions:
    """Return what the machine said about every unit: labels, N × K, and values, N × S."""
    decisions = _undecided(len(units), guide)
    if run is not None:
        codings = Coding.objects.filter(run=run)
        found = integers(codings.values_list("pk", "segment_id"), 2)
        row_of = _Rows(found[:, 0], units.at(found[:, 1]))
        _decide(codings, row_of, guide, decisions)
        _say(Mark.objects.filter(coding__run=run), row_of, guide, decisions)
    return decisions


def load_people(
    study: Study,
    revision: Revision,
    units: Units,
    guide: Guide,
    samples: Sequence[Sample] = (),
) -> People:
    """Return every coding that a person made of a segment of `study`, or of `samples`."""
    codings = Coding.objects.by_people().filter(revision=revision, segment__transcript__study=study)
    if samples:
        drawn = Item.objects.filter(sample__in=samples).values("segment")
        codings = codings.filter(segment__in=drawn)
    names = dict(Membership.objects.filter(study=study).values_list("person_id", "name"))
    who = dict(codings.order_by().values_list("person_id", "person__username").distinct())
    names = {pk: names.get(pk, username) for pk, username in who.items()}
    people = sorted(who, key=lambda pk: (names[pk], pk))
    found = integers(codings.values_list("pk", "segment_id", "person_id"), 3)
    coder = np.zeros(len(found), np.int64)
    for place, pk in enumerate(people):
        coder[found[:, 2] == pk] = place
    unit = units.at(found[:, 1])
    order = np.lexsort((coder, unit))
    row_of = _Rows(found[order, 0], np.arange(len(order)))
    decisions = _undecided(len(order), guide)
    _decide(codings, row_of, guide, decisions)
    marks = Mark.objects.filter(
        coding__person__isnull=False,
        coding__kind=CodingKind.BLIND,
        coding__revision=revision,
        coding__segment__transcript__study=study,
    )
    if samples:
        marks = marks.filter(coding__segment__in=drawn)
    unsure = _say(marks, row_of, guide, decisions)
    coders = tuple(names[pk] for pk in people)
    return People(unit[order], coder[order], coders, decisions, unsure, tuple(people))


def load_development(run: Run | None, units: Units) -> Ints:
    """Return the units that people had coded when a `run` that learns from reviews began."""
    if run is None or not run.parameters.get("learned_from"):
        return np.zeros(0, np.int64)
    codings = Coding.objects.by_people().filter(
        revision=run.revision_id,
        segment__transcript__study=run.study_id,
        created_at__lt=run.created_at,
    )
    segments = integers(codings.order_by().values_list("segment_id").distinct(), 1)[:, 0]
    return np.sort(units.at(segments))


def rounds_of(sample: Sample) -> list[Sample]:
    """Return the rounds up to `sample`, the first one first; there is one where nothing went on."""
    found = [sample]
    while (earlier := found[0].continues) is not None:
        found.insert(0, earlier)
    return found


def load_drawn(sample: Sample, units: Units) -> Drawn:
    """Return the items of `sample` and of the rounds before it, in the order of their units.

    Rounds draw from what was not drawn, so that the chance of being in any round is
    `1 - prod(1 - pi_r)`, with the chance that each round gave to the item's stratum. Where a round
    followed from what people had said this is no chance any more, but it is the same within a
    stratum, and weighs the rounds there by how many each drew.
    """
    rounds = rounds_of(sample)
    number = {one.pk: place for place, one in enumerate(rounds)}
    rows = list(
        Item.objects.filter(sample__in=rounds)
        .order_by("segment_id")
        .values_list("pk", "segment_id", "stratum", "inclusion", "sample_id")
    )
    strata = tuple(sorted({stratum for _, _, stratum, _, _ in rows}))
    place = {stratum: at for at, stratum in enumerate(strata)}
    stratum = np.array([place[row[2]] for row in rows], dtype=np.int64)
    of = np.array([number[row[4]] for row in rows], dtype=np.int64)
    inclusion = np.array([row[3] for row in rows], dtype=np.float64)
    if len(rounds) > 1:
        chances = np.zeros((len(rounds), len(strata)))
        for at, one in enumerate(rounds):
            for size in one.design.get("sizes", []):
                left = size.get("left", size["population"])
                if size["key"] in place and left:
                    chances[at, place[size["key"]]] = size["drawn"] / left
        each = chances[:, stratum]
        each[of, np.arange(len(rows))] = inclusion
        inclusion = combined_inclusion(each)
    return Drawn(
        sample=sample.pk,
        item=np.array([row[0] for row in rows], dtype=np.int64),
        unit=units.at(np.array([row[1] for row in rows], dtype=np.int64)),
        stratum=stratum,
        strata=strata,
        inclusion=inclusion,
        rounds=tuple(one.pk for one in rounds),
        round=of,
    )


def coded_by_hand(people: People) -> Drawn:
    """Return the units that people coded, as if they were a sample in which each was certain."""
    nothing = np.zeros(len(people.units), np.int64)
    return Drawn(None, nothing, people.units, nothing, ("",), np.ones(len(people.units)))


def load_reference(drawn: Drawn, people: People, guide: Guide) -> Reference:
    """Return what holds for each item: the ruling, else the coding, else the mean of the codings.

    See docs/decisions/0003: an open disagreement counts as the share of coders who say yes.
    """
    items = len(drawn.unit)
    inside = people.rows(np.isin(people.unit, drawn.unit))
    place = np.searchsorted(drawn.unit, inside.unit)
    labels = np.full((items, guide.width), np.nan)
    labels[np.searchsorted(drawn.unit, inside.units)] = _mean(*inside.counts())
    values = np.full((items, guide.depth), np.nan)
    for scale in range(values.shape[1]):
        said = inside.decisions.values[:, scale]
        given = ~np.isnan(said)
        total = np.bincount(place[given], said[given], items).astype(np.float64)
        often = np.bincount(place[given], minlength=items).astype(np.float64)
        values[:, scale] = _mean(total, often)
    categories = {
        question.key: _shares(
            inside.decisions.categories(question), place, (items, len(question.codes) + 1)
        )
        for question in guide.labelled
        if question.kind == Kind.ONE
    }
    reference = Reference(labels, values, categories)
    if drawn.sample is not None:
        _rule(drawn, guide, reference)
    return reference


def load_rulings(drawn: Drawn, guide: Guide) -> Reference | None:
    """Return what was ruled about items, and nothing else; None where nothing was."""
    items = len(drawn.unit)
    if not Ruling.objects.filter(item__sample__in=drawn.rounds).exists():
        return None
    shares = {
        question.key: np.full((items, len(question.codes) + 1), np.nan)
        for question in guide.labelled
        if question.kind == Kind.ONE
    }
    found = Reference(
        np.full((items, guide.width), np.nan), np.full((items, guide.depth), np.nan), shares
    )
    _rule(drawn, guide, found)
    categories = {}
    for key, share in found.categories.items():
        settled = (share == 1).any(axis=1)
        categories[key] = np.where(settled, (share == 1).argmax(axis=1), np.nan)
    return Reference(found.labels, found.values, categories)


def _shares(category: Floats, place: Ints, shape: tuple[int, int]) -> Floats:
    """Return the share of coders who gave each item each category, NaN where nobody did."""
    given = ~np.isnan(category)
    cell = place[given] * shape[1] + category[given].astype(np.int64)
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    return _mean(counts, np.broadcast_to(counts.sum(axis=1, keepdims=True), shape))


def load_progress(run: Run, units: Units, machine: Decisions) -> Progress:
    """Return where `run` stands with each unit; without work rows, coded units are done."""
    states = (*State.values, "not coded")
    state = np.full(len(units), len(states) - 1, np.int64)
    for place, name in enumerate(State.values):
        work = Work.objects.filter(run=run, state=name).values_list("segment_id")
        state[units.at(integers(work, 1)[:, 0])] = place
    if not Work.objects.filter(run=run).exists():
        coded = (machine.labels != NOT_KNOWN).any(axis=1) | ~np.isnan(machine.values).all(axis=1)
        state[coded] = states.index(State.DONE)
    reasons = (
        Work.objects.filter(run=run, state__in=[State.REFUSED, State.FAILED])
        .values_list("state", "reason")
        .annotate(count=Count("pk"))
        .order_by("state", "reason")
    )
    return Progress(state, states, tuple(reasons))


class _Rows:
    """Which row of an array belongs to a coding's key."""

    def __init__(self, keys: Ints, rows: Ints) -> None:
        order = np.argsort(keys)
        self.keys, self.rows = keys[order], rows[order]

    def __getitem__(self, keys: Ints) -> Ints:
        return self.rows[np.searchsorted(self.keys, keys)]


def _undecided(rows: int, guide: Guide) -> Decisions:
    return Decisions(
        np.full((rows, guide.width), NOT_KNOWN, np.int8), np.full((rows, guide.depth), np.nan)
    )


def _decide(codings: QuerySet[Coding], row_of: _Rows, guide: Guide, decisions: Decisions) -> None:
    """Set the labels of every dimension that a coding decided to 0: none applies."""
    # As text: few distinct lists stand in many rows, and each is read once.
    rows = codings.annotate(decided=Cast("dimensions", TextField())).values_list("pk", "decided")
    by_list: dict[str, list[int]] = {}
    for pk, decided in rows.iterator(chunk_size=10_000):
        by_list.setdefault(decided, []).append(pk)
    for decided, keys in by_list.items():
        at = row_of[np.array(keys, dtype=np.int64)]
        dimensions = set(json.loads(decided))
        for question in guide.labelled:
            if question.key in dimensions:
                decisions.labels[at, question.columns] = 0


def _say(marks: QuerySet[Mark], row_of: _Rows, guide: Guide, decisions: Decisions) -> Bools:
    """Write what the marks say into `decisions`; return where they say "unsure", rows × K."""
    column_of = {code.id: column for column, (_, code) in enumerate(guide.codes)}
    scale_of = {code.id: q.first for q in guide.scales for code in q.codes}
    said = integers(marks.values_list("coding_id", "code_id", ANSWERS), 3)
    codes = np.array(list(column_of), dtype=np.int64)
    said = said[np.isin(said[:, 1], codes)]
    columns = _Rows(codes, np.arange(len(codes)))[said[:, 1]]
    rows = row_of[said[:, 0]]
    decisions.labels[rows, columns] = said[:, 2]
    unsure = np.zeros(decisions.labels.shape, bool)
    unsure[rows, columns] = said[:, 2] == NOT_KNOWN
    given = marks.filter(code__in=list(scale_of), value__isnull=False, answer=Answer.YES)
    values = np.fromiter(
        given.values_list("coding_id", "code_id", "value").iterator(chunk_size=10_000),
        dtype=[("coding", np.int64), ("code", np.int64), ("value", np.float64)],
    )
    for code, column in scale_of.items():
        own = values[values["code"] == code]
        decisions.values[row_of[own["coding"]], column] = own["value"]
    return unsure


def _rule(drawn: Drawn, guide: Guide, reference: Reference) -> None:
    """Put what was ruled in the place of what was coded."""
    column_of = {code.id: (question, at) for at, (question, code) in enumerate(guide.codes)}
    scale_of = {code.id: q.first for q in guide.scales for code in q.codes}
    place = {int(pk): row for row, pk in enumerate(drawn.item)}
    ruled: dict[tuple[str, int], dict[int, bool]] = {}
    rulings = Ruling.objects.filter(item__sample__in=drawn.rounds or [drawn.sample]).order_by("pk")
    for item, code, applies, value in rulings.values_list("item_id", "code_id", "applies", "value"):
        row = place[item]
        if code in scale_of:  # without a value: not expressed, or it can't be told
            reference.values[row, scale_of[code]] = np.nan if value is None else value
        elif code in column_of:
            question, column = column_of[code]
            # Where it was ruled that it can't be told, nobody's answer holds.
            reference.labels[row, column] = np.nan if applies is None else applies
            if question.kind == Kind.ONE and applies is None:
                reference.categories[question.key][row] = np.nan
            elif question.kind == Kind.ONE and applies is not None:
                ruled.setdefault((question.key, row), {})[column - question.first] = applies
    for question in guide.labelled:
        for (key, row), said in ruled.items():
            if key == question.key:
                _rule_category(question, row, said, reference)


def _rule_category(
    question: Question, row: int, said: dict[int, bool], reference: Reference
) -> None:
    """Settle which category holds, from rulings on codes of a `one` dimension."""
    shares = reference.categories[question.key]
    holds = [place for place, applies in said.items() if applies]
    settled = len(question.codes) if len(said) == len(question.codes) else None
    if holds:  # one category was ruled to hold: so the others don't, ruled on or not
        settled = holds[-1]
        reference.labels[row, question.columns] = 0
        reference.labels[row, question.first + settled] = 1
    if settled is not None:
        shares[row] = 0
        shares[row, settled] = 1


def _mean(total: Floats, count: Floats) -> Floats:
    """Return total / count, NaN where nobody looked."""
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def integers(rows: Iterable[tuple[Any, ...]] | QuerySet[Any, tuple[Any, ...]], width: int) -> Ints:
    """Return rows of whole numbers as an array, rows × `width`, without a list between."""
    source = rows.iterator(chunk_size=10_000) if isinstance(rows, QuerySet) else rows
    kind = np.dtype([(str(column), np.int64) for column in range(width)])
    read = np.fromiter(source, dtype=kind)
    return read.view(np.int64).reshape(len(read), width)
