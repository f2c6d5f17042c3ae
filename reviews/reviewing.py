"""Blind review: give a coder the next question, and keep what they answer.

A `Question` is all that a page may show: the interview and the codebook. It holds no row and no
key that leads to what the machine or another coder said.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from codebooks.models import Code, Dimension, Kind, Revision, Wording
from coding.models import Answer, Coding, CodingKind, Evidence, Found, Mark
from reviews.models import Assignment, Item, Sample
from reviews.sampling import current_sample
from studies.access import role_of
from studies.models import Role, Study
from studies.problems import Problem, _
from studies.turns import PARTICIPANT, with_roles

# After this long without an answer somebody else may be asked too; an answer is still taken.
LEASE = timedelta(hours=2)
LONGEST_NOTE = 10_000
Range = tuple[int, int]


@dataclass(frozen=True)
class Turn:
    """Words of one speaker; `asked` if they belong to what is to be coded."""

    number: int
    speaker: str
    role: str
    start: int
    end: int
    words: str
    asked: bool


@dataclass(frozen=True)
class Words:
    """A text of the codebook and the language it is in."""

    text: str
    language: str


@dataclass(frozen=True)
class Choice:
    """One code, worded for the reader where its words are there in their language."""

    key: str
    label: Words
    definition: Words
    include: Words
    exclude: Words
    examples: tuple[Words, ...]
    family: str
    color: str


@dataclass(frozen=True)
class Asked:
    """One dimension, worded for the reader where its words are there in their language."""

    key: str
    label: Words
    question: Words
    kind: str
    minimum: float | None
    maximum: float | None
    low: Words
    high: Words
    codes: tuple[Choice, ...]


@dataclass(frozen=True)
class Said:
    """What a person says of one code; `value` is on a scale, passages are ranges of the text."""

    dimension: str
    code: str
    answer: str = "yes"
    value: float | None = None
    passages: tuple[Range, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What a person says of a segment. Dimensions are decided in full or left; none is forgotten.

    In a decided dimension of kind `many` every code is said yes, no or unsure; in one of kind
    `one` or `scale` nothing said means that none applies, or that nothing is expressed.
    """

    said: tuple[Said, ...] = ()
    decided: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Question:
    """What a coder sees of an item, and what they themselves answered earlier, if they did."""

    assignment: int
    position: int
    of: int
    language: str
    turns: tuple[Turn, ...]
    dimensions: tuple[Asked, ...]
    answered: Answers | None


@dataclass(frozen=True)
class Progress:
    """How far a sample is: items, seats (coders wanted, over all items), answers and skips."""

    items: int
    wanted: int
    answered: int
    skipped: int
    open: int
    complete: int
    by_coder: Mapping[str, tuple[int, int]]
    """Answered and asked, by the coder's name in the study."""


def next_question(sample: Sample, person: User, language: str = "en") -> Question | None:
    """Return what `person` is asked next, in words of `language` where there are; None at the end.

    Their own open assignments come first, in the order drawn; then items of the pool that still
    need a coder, given to one person at a time.
    """
    assignment = next_assignment(sample, person)
    return question(assignment, language) if assignment else None


def next_assignment(sample: Sample, person: User) -> Assignment | None:
    """Return what `person` is asked next, taken from the pool if need be; None at the end."""
    return open_assignment(sample, person) or take(sample, person)


def open_assignment(sample: Sample, person: User) -> Assignment | None:
    """Return the first assignment that `person` has not answered or skipped."""
    return (
        Assignment.objects.filter(item__sample=sample, person=person, answered_at=None)
        .order_by("item__position")
        .first()
    )


def take(sample: Sample, person: User) -> Assignment | None:
    """Give `person` an item of the pool that still needs a coder; None if there is none."""
    if sample.design.get("coders"):
        return None  # every seat has its name
    with transaction.atomic():
        # One taker at a time: a few milliseconds, and no item gets a coder too many.
        Sample.objects.select_for_update(no_key=True).get(pk=sample.pk)
        if mine := open_assignment(sample, person):
            return mine
        item = free_items(sample, person).order_by("position").first()
        return Assignment.objects.create(item=item, person=person) if item else None


def free_items(sample: Sample, person: User) -> QuerySet[Item]:
    """Return the items of the pool that `person` may be asked about."""
    holds = Q(coding__isnull=False) | Q(answered_at=None, assigned_at__gt=timezone.now() - LEASE)
    taken = (
        Assignment.objects.filter(holds, item=OuterRef("pk"))
        .order_by()
        .values("item")
        .annotate(count=Count("pk"))
        .values("count")
    )
    mine = Assignment.objects.filter(item=OuterRef("pk"), person=person)
    return (
        Item.objects.filter(~Exists(mine), sample=sample)
        .annotate(taken=Coalesce(Subquery(taken), Value(0)))
        .filter(taken__lt=F("coders_wanted"))
    )


def question(assignment: Assignment, language: str = "en") -> Question:
    """Return what the coder of `assignment` sees."""
    item = assignment.item
    segment = item.segment
    transcript = segment.transcript
    turns = with_roles(transcript.turns, transcript.study.speaker_roles)
    position, of = place(assignment)
    return Question(
        assignment=assignment.pk,
        position=position,
        of=of,
        language=transcript.language,
        turns=tuple(
            Turn(
                number=number,
                speaker=str(speaker),
                role=str(role),
                start=int(start),
                end=int(end),
                words=transcript.text[int(start) : int(end)],
                asked=int(start) < segment.end and int(end) > segment.start,
            )
            for number, (start, end, speaker, role) in enumerate(turns, 1)
        ),
        dimensions=worded(item.sample.revision, language),
        answered=own_answers(assignment),
    )


def place(assignment: Assignment) -> tuple[int, int]:
    """Return which of how many the assignment is for its coder."""
    item = assignment.item
    mine = Assignment.objects.filter(item__sample=item.sample_id, person=assignment.person_id)
    counts = mine.aggregate(
        all=Count("pk"),
        before=Count(
            "pk",
            filter=Q(answered_at__lt=assignment.answered_at)
            if assignment.answered_at
            else Q(answered_at__isnull=False),
        ),
    )
    of = counts["all"]
    if not item.sample.design.get("coders"):
        of += free_items(item.sample, assignment.person).count()
    return counts["before"] + 1, of


def worded(revision: Revision, language: str) -> tuple[Asked, ...]:
    """Return the dimensions of `revision` in words of `language` where there are."""
    source = revision.codebook.language
    dimensions = revision.dimensions.order_by("position", "pk").prefetch_related(
        "wordings", "codes__wordings", "codes__parent"
    )
    return tuple(_asked(dimension, language, source) for dimension in dimensions)


def own_answers(assignment: Assignment) -> Answers | None:
    """Return what the coder of `assignment` answered, None if they did not."""
    coding = assignment.coding
    if coding is None:
        return None
    marks = coding.marks.select_related("code__dimension").prefetch_related("evidence")
    every = {dimension.key for dimension in assignment.item.sample.revision.dimensions.all()}
    said = tuple(
        Said(
            dimension=mark.code.dimension.key,
            code=mark.code.key,
            answer=mark.answer,
            value=mark.value,
            passages=tuple(
                sorted(
                    (passage.start, passage.end)
                    for passage in mark.evidence.all()
                    if passage.start is not None and passage.end is not None
                )
            ),
        )
        for mark in marks.order_by("code__dimension__position", "code__position")
    )
    decided = frozenset(coding.dimensions)
    return Answers(said, decided, frozenset(every) - decided, coding.note)


def answer(assignment: Assignment, answers: Answers) -> Coding:
    """Keep what the coder of `assignment` says; saying it again changes nothing.

    A different answer takes the place of their own earlier one, until the item was ruled on.
    """
    item = assignment.item
    codes = codes_of(item.sample.revision)
    answers = checked(answers, codes, item)

    with transaction.atomic():
        assignment = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
        coding, created = Coding.objects.select_for_update(of=("self",)).get_or_create(
            person_id=assignment.person_id,
            segment_id=item.segment_id,
            revision_id=item.sample.revision_id,
            kind=CodingKind.BLIND,
        )
        if created or not assignment.coding_id or own_answers(assignment) != answers:
            if not created and item.rulings.exists():
                raise Problem(
                    _(
                        "The coders’ answers about this interview were compared and settled, so "
                        "yours stays as it was. Tell the lead of the study what should change."
                    )
                )
            coding.dimensions = sorted(answers.decided, key=list(codes).index)
            coding.note = answers.note
            coding.save(update_fields=["dimensions", "note"])
            write_marks(coding, answers, codes)
        assignment.coding = coding
        assignment.answered_at = assignment.answered_at or timezone.now()
        assignment.skipped_because = ""
        assignment.save(update_fields=["coding", "answered_at", "skipped_because"])
    return coding


def write_marks(
    coding: Coding, answers: Answers, codes: Mapping[str, tuple[Dimension, Mapping[str, Code]]]
) -> None:
    """Put what was said in the place of the marks of `coding`."""
    coding.marks.all().delete()
    marks = Mark.objects.bulk_create(
        Mark(
            coding=coding,
            code=codes[said.dimension][1][said.code],
            answer=said.answer,
            value=said.value,
        )
        for said in answers.said
    )
    Evidence.objects.bulk_create(
        Evidence(mark=mark, start=start, end=end, found=Found.EXACT)
        for mark, said in zip(marks, answers.said, strict=True)
        for start, end in said.passages
    )


def skip(assignment: Assignment, why: str) -> Assignment:
    """Let the coder of `assignment` pass on it, for a reason; an answer they gave is kept."""
    why = why.replace("\x00", "").strip()[:LONGEST_NOTE]
    if not why:
        raise Problem(_("Say in a few words why you skip this interview."))
    with transaction.atomic():
        assignment = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
        if assignment.coding_id is None:
            assignment.skipped_because = why
            assignment.answered_at = timezone.now()
            assignment.save(update_fields=["skipped_because", "answered_at"])
    return assignment


def must_stay_blind(person: Any, study: Study) -> bool:
    """Return whether `person` codes in `study` or has still to answer in its current sample."""
    if role_of(person, study) == Role.CODER:
        return True
    waiting = Assignment.objects.filter(person=person.pk, coding=None, skipped_because="")
    return waiting.filter(item__sample=current_sample(study)).exists()


def progress(sample: Sample) -> Progress:
    """Return how far `sample` is, from counts alone."""
    answered = Q(coding__isnull=False)
    rows = Assignment.objects.filter(item__sample=sample)
    counts = rows.aggregate(
        answered=Count("pk", filter=answered),
        skipped=Count("pk", filter=~answered & ~Q(skipped_because="")),
        open=Count("pk", filter=Q(answered_at=None)),
    )
    seats = sample.items.order_by().values_list("coders_wanted").annotate(Count("pk"))
    items = dict(seats)
    done = (
        Item.objects.filter(sample=sample)
        .annotate(codings=Count("assignments", filter=Q(assignments__coding__isnull=False)))
        .filter(codings__gte=F("coders_wanted"))
    )
    names = dict(sample.study.memberships.values_list("person_id", "name"))
    by_coder = (
        rows.order_by()
        .values_list("person_id", "person__username")
        .annotate(done=Count("pk", filter=answered), all=Count("pk"))
    )
    return Progress(
        items=sum(items.values()),
        wanted=sum(wanted * count for wanted, count in items.items()),
        complete=done.count(),
        by_coder={
            names.get(pk, username): (done, everything)
            for pk, username, done, everything in sorted(by_coder, key=lambda row: row[1])
        },
        **counts,
    )


def codes_of(revision: Revision) -> dict[str, tuple[Dimension, dict[str, Code]]]:
    """Return each dimension of `revision` and its codes, by key and in order."""
    dimensions = revision.dimensions.order_by("position", "pk").prefetch_related("codes")
    return {
        dimension.key: (dimension, {code.key: code for code in dimension.codes.all()})
        for dimension in dimensions
    }


def checked(
    answers: Answers,
    codes: Mapping[str, tuple[Dimension, Mapping[str, Code]]],
    item: Item,
) -> Answers:
    """Return `answers` as they are kept, or raise a Problem that says what does not fit."""
    for key in [*answers.decided, *answers.left, *(one.dimension for one in answers.said)]:
        if key not in codes:
            raise Problem(_("The codebook has no dimension “%(dimension)s”."), dimension=key)
    words = spoken(item) if any(said.passages for said in answers.said) else []
    kept: list[Said] = []
    for key, (dimension, known) in codes.items():
        said = {one.code: one for one in answers.said if one.dimension == key}
        if len(said) < sum(one.dimension == key for one in answers.said):
            raise Problem(
                _("A code of “%(dimension)s” is answered twice."), dimension=dimension.label
            )
        for one in said.values():
            _check_said(one, dimension, known)
            _check_passages(one, known[one.code], words, item)
        left = key in answers.left
        if not left:
            _check_decided(dimension, said, known, decided=key in answers.decided)
        # In a dimension decided in full, what is not marked does not apply; it needs no row.
        kept += [
            Said(key, one.code, one.answer, one.value, tuple(sorted(set(one.passages))))
            for one in (said[code] for code in known if code in said)
            if left or one.answer != Answer.NO
        ]
    return Answers(
        tuple(kept),
        frozenset(codes) - answers.left,
        answers.left,
        answers.note.replace("\r\n", "\n").replace("\x00", "").strip()[:LONGEST_NOTE],
    )


def spoken(item: Item) -> list[Range]:
    """Return the ranges of the participant's words in the segment of `item`."""
    segment = item.segment
    turns = with_roles(segment.transcript.turns, segment.transcript.study.speaker_roles)
    ranges = [
        (max(int(start), segment.start), min(int(end), segment.end))
        for start, end, _speaker, role in turns
        if role == PARTICIPANT
    ]
    return [(start, end) for start, end in ranges if start < end]


def assignment_of(study: Study, assignment: int, person: User) -> Assignment | None:
    """Return the assignment if it is this person's in this study."""
    return (
        Assignment.objects.filter(pk=assignment, person=person, item__sample__study=study)
        .select_related("person", "item__sample__study", "item__segment__transcript__study")
        .first()
    )


def _check_said(said: Said, dimension: Dimension, known: Mapping[str, Code]) -> None:
    if said.code not in known:
        raise Problem(
            _("“%(dimension)s” has no code “%(code)s”."),
            dimension=dimension.label,
            code=said.code,
        )
    if said.answer not in Answer.values:
        raise Problem(
            _("“%(code)s” takes yes, no or unsure as an answer."), code=known[said.code].label
        )
    if dimension.kind != Kind.SCALE:
        if said.value is not None:
            raise Problem(
                _("“%(dimension)s” is no scale and takes no value."), dimension=dimension.label
            )
        return
    low, high = dimension.minimum or 0.0, dimension.maximum or 0.0
    if said.value is None or not math.isfinite(said.value) or not low <= said.value <= high:
        raise Problem(
            _("“%(dimension)s” takes a value from %(low)g to %(high)g."),
            dimension=dimension.label,
            low=low,
            high=high,
        )


def _check_passages(said: Said, code: Code, words: Sequence[Range], item: Item) -> None:
    if said.passages and said.answer == Answer.NO:
        raise Problem(
            _("“%(code)s” is answered with no, and there is evidence for it: change one of them."),
            code=code.label,
        )
    for start, end in said.passages:
        if not any(begin <= start < end <= stop for begin, stop in words):
            raise Problem(
                _(
                    "The evidence for “%(code)s” (characters %(start)d to %(end)d) is not within "
                    "one turn of the participant: select it again."
                ),
                code=code.label,
                start=start,
                end=end,
            )


def _check_decided(
    dimension: Dimension, said: Mapping[str, Said], known: Mapping[str, Code], *, decided: bool
) -> None:
    missing = [code.label for key, code in known.items() if key not in said]
    applied = [one for one in said.values() if one.answer == Answer.YES]
    if dimension.kind == Kind.MANY and missing:
        raise Problem(
            _("“%(dimension)s” has codes without an answer yet: %(codes)s."),
            dimension=dimension.label,
            codes=", ".join(missing),
        )
    if dimension.kind == Kind.ONE and len(applied) > 1:
        raise Problem(
            _("“%(dimension)s” takes one code, not %(count)d."),
            dimension=dimension.label,
            count=len(applied),
        )
    if dimension.kind != Kind.MANY and not (said or decided):
        raise Problem(
            _("“%(dimension)s” has no answer yet: choose one, or leave it out."),
            dimension=dimension.label,
        )


def _asked(dimension: Dimension, language: str, source: str) -> Asked:
    texts = _texts(dimension.wordings.all(), language, source)
    codes = sorted(dimension.codes.all(), key=lambda code: (code.position, code.pk))
    return Asked(
        key=dimension.key,
        label=_words("label", dimension.label, texts, source),
        question=_words("question", dimension.question, texts, source),
        kind=dimension.kind,
        minimum=dimension.minimum,
        maximum=dimension.maximum,
        low=_words("low", dimension.low, texts, source),
        high=_words("high", dimension.high, texts, source),
        codes=tuple(_choice(code, language, source) for code in codes),
    )


def _choice(code: Code, language: str, source: str) -> Choice:
    texts = _texts(code.wordings.all(), language, source)
    definition = _words("definition", code.definition, texts, source)
    examples = [
        Words(str(one.get("text", "")), str(one.get("language") or source)) for one in code.examples
    ]
    near = [one for one in examples if one.language == definition.language]
    return Choice(
        key=code.key,
        label=_words("label", code.label, texts, source),
        definition=definition,
        include=_words("include", code.include, texts, source),
        exclude=_words("exclude", code.exclude, texts, source),
        examples=tuple((near or examples)[:2]),
        family=code.parent.label if code.parent else "",
        color=code.color,
    )


def _texts(wordings: Iterable[Wording], language: str, source: str) -> dict[str, Words]:
    """Return what is worded in `language`, or in the language it is a variety of."""
    found = {wording.language: wording.texts for wording in wordings}
    for wanted in (language, language.split("-")[0]):
        if wanted != source and wanted in found:
            return {name: Words(str(text), wanted) for name, text in found[wanted].items() if text}
    return {}


def _words(name: str, text: str, texts: Mapping[str, Words], source: str) -> Words:
    return texts.get(name) or Words(text, source)
