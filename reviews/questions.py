"""What a coder is shown of an item: the interview, the codebook in their words, their own answers.

A `Question` is all that a page may show. It holds no row and no key that leads to what the machine
or another coder said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import Prefetch

from codebooks.models import Code, Dimension, Kind, Revision, Wording
from coding.models import Answer, Coding, CodingKind, Evidence, Mark
from reviews.assigning import own_progress
from reviews.models import Assignment, Item, Purpose
from reviews.sampling import reads_language
from reviews.translated import Beside, offered, read_by
from studies.models import Segment, Transcript
from studies.turns import PARTICIPANT, with_roles

Range = tuple[int, int]
Codes = Mapping[str, tuple[Dimension, Mapping[str, Code]]]
"""Each dimension and its codes, by key and in order."""


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
    confidence: int | None = None
    """How sure they are of all of it, 1 to 3."""


@dataclass(frozen=True)
class Question:
    """What a coder sees of an item, and what they themselves entered or answered earlier."""

    assignment: int
    position: int
    of: int
    language: str
    turns: tuple[Turn, ...]
    dimensions: tuple[Asked, ...]
    answered: Answers | None
    version: int = 0
    draft: Any = None
    locked: bool = False
    """The answer can’t be changed any more: it was ruled on, or the machine’s was shown."""
    translation: bool = False
    """There is a translation to ask for, in a language of theirs; its words are not in here."""


def question(
    assignment: Assignment,
    language: str = "en",
    place: tuple[int, int] | None = None,
    translation: bool | None = None,
) -> Question:
    """Return what the coder of `assignment` sees.

    `place` is which of how many, and `translation` whether one can be had, where that is known.
    """
    item = assignment.item
    segment = item.segment
    transcript = segment.transcript
    position, of = place or place_of(assignment)
    if translation is None:
        translation = is_offered(assignment, language)
    return Question(
        assignment=assignment.pk,
        position=position,
        of=of,
        language=transcript.language,
        turns=turns_of(transcript, segment),
        dimensions=worded(item.sample.revision, language),
        answered=own_answers(assignment),
        version=assignment.version,
        draft=assignment.draft,
        locked=is_locked(assignment),
        translation=translation,
    )


def is_offered(assignment: Assignment, language: str) -> bool:
    """Return whether the coder of `assignment` can have a translation, `language` being theirs."""
    transcript = assignment.item.segment.transcript
    if not offered([transcript], [language]):
        return False
    read = read_by(assignment.person_id, transcript.study, language)
    return not reads_language(read, transcript.language)


def turns_of(transcript: Transcript, asked: Segment | None = None) -> tuple[Turn, ...]:
    """Return the turns of an interview; those of the segment `asked` are asked about, else all."""
    turns = with_roles(transcript.turns, transcript.study.speaker_roles)
    return tuple(
        Turn(
            number=number,
            speaker=str(speaker),
            role=str(role),
            start=int(start),
            end=int(end),
            words=transcript.text[int(start) : int(end)],
            asked=asked is None or (int(start) < asked.end and int(end) > asked.start),
        )
        for number, (start, end, speaker, role) in enumerate(turns, 1)
    )


def side_by_side(turns: Iterable[Turn], translation: Beside | None) -> tuple[tuple[Turn, str], ...]:
    """Return each turn with its words in the translation, "" where it has none."""
    words = translation.words if translation else {}
    return tuple((turn, words.get(turn.start, "")) for turn in turns)


def place_of(assignment: Assignment) -> tuple[int, int]:
    """Return which of how many the assignment is for its coder."""
    sample = assignment.item.sample
    done, of = own_progress([sample], assignment.person)
    if assignment.answered_at is None:
        return done + 1, of
    before = Assignment.objects.filter(
        item__sample=sample, person=assignment.person_id, answered_at__lt=assignment.answered_at
    )
    return before.count() + 1, of


def is_locked(assignment: Assignment) -> bool:
    """Return whether the coder's answer has to stay as it is."""
    if assignment.revealed_at:
        return True
    if assignment.coding_id is None or kind_of(assignment) == CodingKind.TRAINING:
        return False
    return assignment.item.rulings.exists()


def kind_of(assignment: Assignment) -> CodingKind:
    """Return which kind of coding answers `assignment`; training enters no estimate."""
    training = assignment.item.sample.purpose == Purpose.TRAINING
    return CodingKind.TRAINING if training else CodingKind.BLIND


def worded(revision: Revision, language: str) -> tuple[Asked, ...]:
    """Return the dimensions of `revision` in words of `language` where there are."""
    if revision.frozen_at is None:
        return _worded(revision.pk, language)
    return _worded_once(revision.pk, revision.created_at, revision.digest, language)


def codes_of(revision: Revision) -> Codes:
    """Return each dimension of `revision` and its codes, by key and in order."""
    if revision.frozen_at is None:
        return _codes(revision.pk)
    return _codes_once(revision.pk, revision.created_at, revision.digest)


def own_answers(assignment: Assignment) -> Answers | None:
    """Return what the coder of `assignment` answered, None if they did not."""
    if assignment.coding_id is None or assignment.coding is None:
        return None
    return answers_of(assignment.coding, codes_of(assignment.item.sample.revision))


def answers_of(coding: Coding, codes: Codes) -> Answers:
    """Return what a person said in `coding`."""
    marks = coding.marks.order_by("code__dimension__position", "code__position").prefetch_related(
        Prefetch("evidence", Evidence.objects.filter(start__isnull=False).order_by("start", "end"))
    )
    names = {
        code.pk: (key, code.key)
        for key, (_dimension, known) in codes.items()
        for code in known.values()
    }
    decided = frozenset(coding.dimensions)
    return Answers(
        tuple(_said(mark, *names[mark.code_id]) for mark in marks),
        decided,
        frozenset(codes) - decided,
        coding.note,
        coding.confidence,
    )


def marks_on(coding: Coding, dimension: Dimension, code: Code | None) -> list[Mark]:
    """Return the marks of `coding` on `code`, or on the whole dimension (code None)."""
    return [
        mark
        for mark in coding.marks.all()
        if (mark.code_id == code.pk if code else mark.code.dimension_id == dimension.pk)
    ]


def said_of(dimension: Dimension, marks: Sequence[Mark], decided: bool) -> str | float | None:
    """Return what `marks` of one coding say of a `one` dimension, a scale, or of one code.

    That is the key of the code that holds, "" for none; a value, "" for not expressed; or yes, no,
    unsure. None means that it was left out.
    """
    unsure = any(mark.answer == Answer.UNSURE for mark in marks)
    if dimension.kind == Kind.ONE:
        holds = [mark.code.key for mark in marks if mark.answer == Answer.YES]
        return holds[0] if holds else Answer.UNSURE.value if unsure else "" if decided else None
    if dimension.kind == Kind.SCALE:
        values = [mark.value for mark in marks if mark.value is not None]
        if unsure or not values:
            return Answer.UNSURE.value if unsure else "" if decided or marks else None
        return values[0]
    return marks[0].answer if marks else Answer.NO.value if decided else None


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


def _said(mark: Mark, dimension: str, code: str) -> Said:
    passages = tuple((one.start or 0, one.end or 0) for one in mark.evidence.all())
    return Said(dimension, code, mark.answer, mark.value, passages)


# A frozen revision never changes, so one process reads it once. The day it was made and its digest
# are in the key since a key alone may come back, as after a restored database.
@lru_cache(maxsize=64)
def _worded_once(pk: int, _made: datetime, _digest: str, language: str) -> tuple[Asked, ...]:
    return _worded(pk, language)


@lru_cache(maxsize=64)
def _codes_once(pk: int, _made: datetime, _digest: str) -> Codes:
    return _codes(pk)


def _worded(pk: int, language: str) -> tuple[Asked, ...]:
    source = Revision.objects.select_related("codebook").get(pk=pk).codebook.language
    dimensions = (
        Dimension.objects.filter(revision=pk)
        .order_by("position", "pk")
        .prefetch_related("wordings", "codes__wordings", "codes__parent__wordings")
    )
    return tuple(_asked(dimension, language, source) for dimension in dimensions)


def _codes(pk: int) -> Codes:
    dimensions = Dimension.objects.filter(revision=pk).order_by("position", "pk")
    return {
        dimension.key: (dimension, {code.key: code for code in dimension.codes.all()})
        for dimension in dimensions.prefetch_related("codes")
    }


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
        family=_family(code.parent, language, source),
        color=code.color,
    )


def _family(parent: Code | None, language: str, source: str) -> str:
    if parent is None:
        return ""
    texts = _texts(parent.wordings.all(), language, source)
    return _words("label", parent.label, texts, source).text


def _texts(wordings: Iterable[Wording], language: str, source: str) -> dict[str, Words]:
    """Return what is worded in `language`, or in the language it is a variety of."""
    found = {wording.language: wording.texts for wording in wordings}
    for wanted in (language, language.split("-")[0]):
        if wanted != source and wanted in found:
            return {name: Words(str(text), wanted) for name, text in found[wanted].items() if text}
    return {}


def _words(name: str, text: str, texts: Mapping[str, Words], source: str) -> Words:
    return texts.get(name) or Words(text, source)
