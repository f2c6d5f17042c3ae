"""After the answer: the machine's and a second look where an item allows it; in training the key.

Only here does a coder see what others said. From then on their own answer stays as it is; what they
say after the machine's is a coding of its own, which no estimate uses.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from coding.models import Answer, Coding, CodingKind, Evidence
from reviews import training
from reviews.checking import checked
from reviews.models import Assignment, Purpose, SubmissionKind
from reviews.questions import Answers, Codes, Range, answers_of, codes_of, own_answers
from reviews.reviewing import (
    Conflict,
    Kept,
    as_data,
    known_submission,
    save_draft,
    write_down,
    write_marks,
)

Place = tuple[str, str]
"""A dimension and a code of it, by key."""


@dataclass(frozen=True)
class Quoted:
    """What the machine points at; without a place where its quotation is not in the text."""

    start: int | None
    end: int | None
    found: str
    quote: str


@dataclass(frozen=True)
class Verdict:
    """What somebody says of one code; "" where they did not decide."""

    answer: str = ""
    value: float | None = None
    passages: tuple[Range, ...] = ()

    def agrees(self, other: "Verdict") -> bool:
        """Return whether `other` says the same, or nothing; where they point at does not matter."""
        return not other.answer or (self.answer, self.value) == (other.answer, other.value)


@dataclass(frozen=True)
class Compared:
    """One code: what the coder said blind, and what the machine says."""

    dimension: str
    code: str
    own: Verdict
    machine: Verdict
    quoted: tuple[Quoted, ...]


@dataclass(frozen=True)
class SecondLook:
    """The machine's answer beside one's own, and the answers to start from."""

    machine: str
    codes: tuple[Compared, ...]
    answers: Answers


def has_second_look(assignment: Assignment) -> bool:
    """Return whether the coder of `assignment` may see the machine's answer."""
    item = assignment.item
    return (
        item.assisted
        and assignment.coding_id is not None
        and item.sample.purpose == Purpose.REVIEW
        and machine_coding(assignment) is not None
    )


def second_look(assignment: Assignment) -> SecondLook | None:
    """Show the machine's answer to the coder of `assignment`; None where they may not see it."""
    if not has_second_look(assignment):
        return None
    machine, own = machine_coding(assignment), assignment.coding
    assert machine is not None  # noqa: S101  there is a second look
    assert own is not None  # noqa: S101
    reveal(assignment)
    codes = codes_of(assignment.item.sample.revision)
    return SecondLook(
        machine=machine.run.name if machine.run else "",
        codes=compared(own, machine, codes),
        answers=answers_of(assignment.assisted or own, codes),
    )


def look_again(
    assignment: Assignment,
    answers: Answers,
    *,
    client_id: uuid.UUID | None = None,
    version: int | None = None,
) -> Kept | None:
    """Keep what the coder of `assignment` says after the machine's answer, beside the blind one.

    None where they have not seen it.
    """
    if not has_second_look(assignment) or assignment.revealed_at is None:
        return None
    item = assignment.item
    codes = codes_of(item.sample.revision)
    answers = checked(answers, codes, item)
    with transaction.atomic():
        row = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
        if known := known_submission(row, client_id):
            return known
        if version is not None and version != row.version:
            raise Conflict(row, second=True)
        said = {
            "dimensions": sorted(answers.decided, key=list(codes).index),
            "note": answers.note,
            "confidence": answers.confidence,
        }
        coding, _created = Coding.objects.update_or_create(
            person_id=row.person_id,
            segment_id=item.segment_id,
            revision_id=item.sample.revision_id,
            kind=CodingKind.ASSISTED,
            defaults=said,
        )
        coding.marks.all().delete()
        write_marks(coding, answers, codes)
        row.assisted = coding
        row.second_draft = None
        row.version += 1
        row.save(update_fields=["assisted", "second_draft", "version"])
        write_down(row, SubmissionKind.SECOND, client_id, as_data(answers))
    return Kept(row, row.version, coding)


def draft_again(assignment: Assignment, draft: Any, version: int) -> int | None:
    """Keep what is entered in a second look and not sent, as `save_draft` does.

    None where the coder of `assignment` has not seen the machine's answer.
    """
    if not has_second_look(assignment) or assignment.revealed_at is None:
        return None
    return save_draft(assignment, draft, version, second=True)


def second_answers(assignment: Assignment) -> Answers | None:
    """Return what the coder of `assignment` said in the second look, None if they did not."""
    if assignment.assisted is None:
        return None
    return answers_of(assignment.assisted, codes_of(assignment.item.sample.revision))


def feedback(assignment: Assignment) -> list[training.Compared] | None:
    """Show the key to the coder of a training `assignment`; None where they may not see it."""
    answers = own_answers(assignment)
    if answers is None or assignment.item.sample.purpose != Purpose.TRAINING:
        return None
    reveal(assignment)
    codes = codes_of(assignment.item.sample.revision)
    return training.compare(answers, training.key_of(assignment.item), codes)


def reveal(assignment: Assignment) -> None:
    """Note that the coder has seen it: their answer stays as it is from now on."""
    Assignment.objects.filter(pk=assignment.pk, revealed_at=None).update(revealed_at=timezone.now())


def machine_coding(assignment: Assignment) -> Coding | None:
    """Return what the run that the sample is for said about the item, if it coded it."""
    item = assignment.item
    if item.sample.run_id is None:
        return None
    codings = Coding.objects.filter(run=item.sample.run_id, segment=item.segment_id)
    coding: Coding | None = codings.select_related("run").first()
    return coding


def verdicts(coding: Coding, codes: Codes) -> dict[Place, Verdict]:
    """Return what `coding` says of each code that it decided."""
    found = {
        (key, code): Verdict(Answer.NO.value)
        for key in coding.dimensions
        if key in codes
        for code in codes[key][1]
    }
    for one in answers_of(coding, codes).said:
        found[one.dimension, one.code] = Verdict(one.answer, one.value, one.passages)
    return found


def compared(own: Coding, machine: Coding, codes: Codes) -> tuple[Compared, ...]:
    """Return each code with both verdicts, in the order of the codebook."""
    mine, its = verdicts(own, codes), verdicts(machine, codes)
    quoted: dict[int, list[Quoted]] = {}
    for one in Evidence.objects.filter(mark__coding=machine).order_by("pk").select_related("mark"):
        quoted.setdefault(one.mark.code_id, []).append(
            Quoted(one.start, one.end, one.found, one.quote)
        )
    return tuple(
        Compared(
            key,
            name,
            mine.get((key, name), Verdict()),
            its.get((key, name), Verdict()),
            tuple(quoted.get(code.pk, ())),
        )
        for key, (_dimension, known) in codes.items()
        for name, code in known.items()
    )
