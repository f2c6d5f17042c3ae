"""Blind review: give a coder the next question, and keep what they answer, once and for good.

What is sent carries a name of its own (`client_id`) and the version it was made from: sent twice
it is kept once, and what another tab saved meanwhile is not written over.
"""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from coding.models import Answer, Coding, CodingKind, Evidence, Found, Mark
from reviews.assigning import (
    PAGE,
    can_lock,
    hand_out,
    in_training,
    in_turn,
    is_pool,
    recount,
    with_seat,
    working_samples,
)
from reviews.checking import LONGEST_NOTE, checked, clean, storable
from reviews.models import Assignment, Item, Purpose, Sample, SkipReason, Submission, SubmissionKind
from reviews.questions import (
    Answers,
    Asked,
    Choice,
    Codes,
    Question,
    Range,
    Said,
    Turn,
    Words,
    answers_of,
    codes_of,
    is_locked,
    kind_of,
    own_answers,
    question,
    spoken,
    worded,
)
from reviews.sampling import current_sample, rounds
from reviews.training import let_go
from reviews.translated import Beside, beside, offered
from studies import audit
from studies.access import role_of
from studies.models import Role, Study, Transcript
from studies.problems import Problem, _
from studies.translations import translation_of

__all__ = [
    "Answers",
    "Asked",
    "Choice",
    "Progress",
    "Question",
    "Range",
    "Said",
    "Turn",
    "Words",
    "answer",
    "assignment_of",
    "codes_of",
    "next_assignment",
    "next_question",
    "own_answers",
    "progress",
    "question",
    "skip",
    "spoken",
    "submit",
    "worded",
    "write_marks",
]

LONGEST_WHY = 1_000
LONGEST_DRAFT = 200_000  # characters
LONGEST_WORK = 24 * 60 * 60  # seconds; what is more is a page left open
# What a question is made of, besides the sample and the study.
SHOWN = [
    *(field.attname for field in Assignment._meta.concrete_fields),
    *(f"item__{name}" for name in ("segment", "sample", "assisted")),
    *(f"item__segment__{name}" for name in ("start", "end")),
    *(f"item__segment__transcript__{name}" for name in ("study", "language", "turns", "text")),
]


class Conflict(Problem):
    """Another tab saved something since; `assignment` is as it is there.

    `second` says that it is about the second look.
    """

    def __init__(self, assignment: Assignment, *, second: bool = False) -> None:
        super().__init__(
            _(
                "This interview was saved in another window meanwhile: look at both and choose "
                "which holds."
            )
        )
        self.assignment = assignment
        self.second = second


class Gone(Problem):
    """The seat went to somebody else, and the item has all the coders it wants."""


class Settled(Problem):
    """The answer has to stay as it is."""


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


@dataclass(frozen=True)
class Kept:
    """What was kept of a submission: the assignment's version then, and the coding, if any."""

    assignment: Assignment
    version: int
    coding: Coding | None


def next_question(sample: Sample, person: User, language: str = "en") -> Question | None:
    """Return what `person` is asked next, in words of `language` where there are; None at the end.

    Their own open assignments come first, in the order drawn; then items of the pool that still
    need a coder and that they can read.
    """
    assignment = next_assignment(sample, person)
    return question(assignment, language) if assignment else None


def next_assignment(sample: Sample, person: User) -> Assignment | None:
    """Return what `person` is asked next, taken from the pool if need be; None at the end."""
    keys = hand_out([sample], person, hold=PAGE)
    return asked_about(keys)[0] if keys else None


def next_in(study: Study, person: User) -> Assignment | None:
    """Return what `person` is asked next in `study`: in training first, then in any round.

    A second look that they began and did not send comes before everything.
    """
    begun = Assignment.objects.filter(
        person=person, item__sample__study=study, second_draft__isnull=False, assisted=None
    )
    if found := begun.order_by("pk").first():
        return found
    drawn = list(study.samples.order_by("pk"))
    keys = in_training(drawn, person, 1) or hand_out(working_samples(drawn), person, hold=PAGE)
    return asked_about(keys)[0] if keys else None


def asked_about(
    keys: Sequence[int], person: User | None = None, samples: Collection[Sample] = ()
) -> list[Assignment]:
    """Return the assignments `keys`, in that order, with all that a question is made of.

    Where they are known to be of one `person` and of some `samples`, these are not read again.
    """
    there = {sample.pk: sample for sample in samples}
    rows = Assignment.objects.filter(pk__in=keys).select_related("item__segment__transcript")
    if there:
        rows = rows.only(*SHOWN)
    else:
        rows = rows.select_related(
            "coding", "person", "item__sample__revision", "item__segment__transcript__study"
        )
    found = {row.pk: row for row in rows}
    for row in found.values() if there else ():
        row.person = person or row.person
        row.item.sample = there[row.item.sample_id]
        row.item.segment.transcript.study = row.item.sample.study
    return [found[key] for key in keys if key in found]


def assignment_of(study: Study, assignment: int, person: User) -> Assignment | None:
    """Return the assignment if it is this person's in this study."""
    return (
        Assignment.objects.filter(pk=assignment, person=person, item__sample__study=study)
        .select_related("person", "item__sample__study", "item__segment__transcript__study")
        .first()
    )


def answer(assignment: Assignment, answers: Answers) -> Coding:
    """Keep what the coder of `assignment` says; saying it again changes nothing.

    A different answer takes the place of their own earlier one, until the item was ruled on.
    """
    coding = submit(assignment, answers).coding
    assert coding is not None  # noqa: S101  an answer is a coding
    return coding


def submit(
    assignment: Assignment,
    answers: Answers,
    *,
    client_id: uuid.UUID | None = None,
    version: int | None = None,
    seconds: int | None = None,
    draft: Any = None,
) -> Kept:
    """Keep what the coder of `assignment` says, made from `version`, under the name `client_id`.

    The same name again gives what came of it the first time. Where the seat went to somebody else
    it is theirs again if one is free; if not, `draft` is kept as their draft and Gone is raised.
    """
    item = assignment.item
    codes = codes_of(item.sample.revision)
    answers = checked(answers, codes, item)
    in_training = item.sample.purpose == Purpose.TRAINING
    if in_training and not item.rulings.exists():
        raise Problem(_("The key of this interview is not set yet: come back to it later."))
    try:
        with in_turn():
            kept = keep_answers(assignment, answers, codes, client_id, version, seconds)
    except Gone:
        entered = {"answers": as_data(answers)} if draft is None else storable(draft)
        Assignment.objects.filter(pk=assignment.pk).update(draft=entered)
        raise
    except IntegrityError:
        # It is known by a name sent long ago, or came in by an import at the same moment.
        known = known_submission(assignment, client_id)
        kept = known or keep_answers(assignment, answers, codes, client_id, version, seconds)
    if in_training:
        let_go(item.sample, assignment.person)
    return kept


@transaction.atomic
def keep_answers(
    assignment: Assignment,
    answers: Answers,
    codes: Codes,
    client_id: uuid.UUID | None,
    version: int | None,
    seconds: int | None,
) -> Kept:
    """Write `answers` as `submit` says, all or nothing."""
    item = assignment.item
    row = locked(assignment)
    # What was sent before was made from an older version, or came last.
    if version != row.version or client_id == row.client_id:
        if known := known_submission(row, client_id):
            return known
        if version is not None and version != row.version:
            raise Conflict(row)
    take_seat(row, item)
    coding, changed = keep_coding(row, item, answers, codes)
    row.version += 1
    row.coding = coding
    row.draft = None
    row.client_id = client_id
    row.answered_at = row.answered_at or timezone.now()
    row.skipped_because = ""
    row.seconds = row.seconds if seconds is None else min(max(seconds, 0), LONGEST_WORK)
    Assignment.objects.filter(pk=row.pk).update(
        version=row.version,
        coding=coding,
        draft=None,
        client_id=client_id,
        answered_at=row.answered_at,
        skipped_because="",
        seconds=row.seconds,
    )
    if changed or client_id:
        write_down(row, SubmissionKind.ANSWER, client_id, as_data(answers))
    return Kept(row, row.version, coding)


def locked(assignment: Assignment) -> Assignment:
    """Return `assignment` as it is now, for us alone until the end of the transaction."""
    # Its seat may change hands: the item's lock comes first.
    if can_lock() and is_pool(assignment.item.sample):
        item = Item.objects.select_for_update(of=("self",)).filter(pk=assignment.item_id)
        list(item.values_list("pk"))
    return Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)


def known_submission(assignment: Assignment, client_id: uuid.UUID | None) -> Kept | None:
    """Return what came of the submission of that name, if there was one."""
    if client_id is None:
        return None
    sent = Submission.objects.filter(assignment=assignment.pk, client_id=client_id)
    row = sent.select_related("assignment__coding").first()
    return Kept(row.assignment, row.version, row.assignment.coding) if row else None


def take_seat(row: Assignment, item: Item) -> None:
    """Seat the coder of the locked `row` again if their seat went back to the pool, or say Gone."""
    if row.returned_at is None:
        return
    item.refresh_from_db(fields=["taken", "coders_wanted"])
    if not with_seat([item]):
        raise Gone(
            _(
                "This interview went to somebody else while it was left, and has all its coders. "
                "What you entered is kept as your draft; go on with the next one."
            )
        )
    row.returned_at = None
    row.save(update_fields=["returned_at"])
    recount([item])


def keep_coding(row: Assignment, item: Item, answers: Answers, codes: Codes) -> tuple[Coding, bool]:
    """Return the coding that says `answers`, and whether it did not say so before."""
    row.item = item
    decided = sorted(answers.decided, key=list(codes).index)
    said = {"dimensions": decided, "note": answers.note, "confidence": answers.confidence}
    whose = {
        "person_id": row.person_id,
        "segment_id": item.segment_id,
        "revision_id": item.sample.revision_id,
        "kind": kind_of(row),
    }
    known = list(Coding.objects.filter(**whose).values_list("pk", flat=True))
    if not known:
        coding = Coding.objects.create(**whose, **said)
        write_marks(coding, answers, codes)
        return coding, True
    coding = Coding.objects.get(pk=known[0])
    before = answers_of(coding, codes)
    if before == answers:
        return coding, row.coding_id is None
    if row.revealed_at:
        raise Settled(
            _(
                "You have seen what others say of this interview, so your answer from before "
                "stays as it was."
            )
        )
    if kind_of(row) == CodingKind.BLIND and item.rulings.exists():
        raise Settled(
            _(
                "The coders’ answers about this interview were compared and settled, so "
                "yours stays as it was. Tell the lead of the study what should change."
            )
        )
    for name, value in said.items():
        setattr(coding, name, value)
    coding.save(update_fields=list(said))
    coding.marks.all().delete()
    write_marks(coding, answers, codes)
    if row.coding_id:
        audit.record(
            item.sample.study,
            row.person,
            audit.Action.ANSWER_CHANGED,
            subject=item.segment.transcript.external_id,
            before=in_short(before),
            after=in_short(answers),
        )
    return coding, True


def write_marks(coding: Coding, answers: Answers, codes: Codes) -> None:
    """Put what was said into marks of `coding`, which has none."""
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


def write_down(
    row: Assignment, kind: SubmissionKind, client_id: uuid.UUID | None, said: dict[str, Any]
) -> Submission:
    """Add what was sent to what the coder of `row` sent before."""
    return Submission.objects.create(
        assignment=row,
        client_id=client_id or uuid.uuid4(),
        kind=kind,
        version=row.version,
        said=said,
    )


def as_data(answers: Answers) -> dict[str, Any]:
    """Return `answers` as JSON values."""
    return {
        "said": [
            {**vars(one), "passages": [list(passage) for passage in one.passages]}
            for one in answers.said
        ],
        "decided": sorted(answers.decided),
        "left": sorted(answers.left),
        "note": answers.note,
        "confidence": answers.confidence,
    }


def in_short(answers: Answers) -> dict[str, list[str]]:
    """Return the codes that `answers` say apply, or may, by dimension."""
    found: dict[str, list[str]] = {key: [] for key in sorted(answers.decided)}
    for one in answers.said:
        value = f" {one.value:g}" if one.value is not None else ""
        unsure = "?" if one.answer == Answer.UNSURE else ""
        if one.answer != Answer.NO:
            found.setdefault(one.dimension, []).append(f"{one.code}{unsure}{value}")
    return found


def skip(
    assignment: Assignment, why: str, note: str = "", *, client_id: uuid.UUID | None = None
) -> Kept:
    """Let the coder of `assignment` pass on it, for a reason; an answer they gave is kept.

    `why` is one of SkipReason, or says it in words.
    """
    if known := known_submission(assignment, client_id):
        return known
    why, note = clean(why, LONGEST_NOTE), clean(note, LONGEST_NOTE)
    if not why or (why == SkipReason.OTHER and not note):
        raise Problem(_("Say in a few words why you skip this interview."))
    with in_turn(), transaction.atomic():
        row = locked(assignment)
        if known := known_submission(row, client_id):
            return known
        if row.coding_id is None:
            row.skipped_because = f"{why}: {note}" if note else why
            row.answered_at = timezone.now()
            row.version += 1
            row.client_id = client_id
            changed = ["skipped_because", "answered_at", "version", "client_id"]
            if is_pool(assignment.item.sample) and row.returned_at is None:
                row.returned_at = row.answered_at
                changed.append("returned_at")
            row.save(update_fields=changed)
            recount([row.item_id])
            write_down(row, SubmissionKind.SKIP, client_id, {"why": why, "note": note})
    return Kept(row, row.version, row.coding)


def skip_reason(because: str) -> tuple[str, str]:
    """Return why an interview was skipped: the value of SkipReason, or "", and the words."""
    why, _colon, note = because.partition(": ")
    return (why, note) if why in SkipReason.values else ("", because)


def save_draft(assignment: Assignment, draft: Any, version: int, *, second: bool = False) -> int:
    """Keep what the coder of `assignment` has entered, made from `version`; return the new version.

    The same draft again is the same; another one from an older version is a Conflict. What is
    entered in a `second` look has a place of its own.
    """
    place = "second_draft" if second else "draft"
    draft = storable(draft)
    if len(json.dumps(draft)) > LONGEST_DRAFT:
        raise Problem(_("That is too much for a draft: shorten the note."))
    rows = Assignment.objects.filter(pk=assignment.pk)
    with in_turn():
        saved = rows.filter(version=version).update(version=F("version") + 1, **{place: draft})
    if saved:
        return version + 1
    row = rows.get()
    if row.version == version + 1 and getattr(row, place) == draft:
        return row.version
    raise Conflict(row, second=second)


def flag(assignment: Assignment, why: str) -> str:
    """Show `assignment` to the lead, and why; "" takes that back."""
    why = clean(why, LONGEST_WHY)
    Assignment.objects.filter(pk=assignment.pk).update(flagged_because=why)
    return why


def translate(assignment: Assignment, read: Sequence[str]) -> Beside | None:
    """Give the coder of `assignment`, who reads `read`, a translation; None where there is none.

    When they were first given it is kept: an answer that follows was given with it in sight. To
    an answer that has to stay as it is it does nothing.
    """
    transcript = assignment.item.segment.transcript
    if not offered([transcript], read):
        return None
    translation = translation_of(transcript, read)
    if translation is None:
        return None
    if assignment.translated_at is None and not is_locked(assignment):
        keep_that_translated(assignment.person, transcript, assignment)
    return beside(translation, transcript)


def keep_that_translated(
    person: User, transcript: Transcript, assignment: Assignment | None = None
) -> None:
    """Keep when `person` was first given a translation, with what they are asked about it.

    That is one `assignment`, or all that are not answered yet.
    """
    rows = Assignment.objects.filter(person=person, translated_at=None, revealed_at=None)
    if assignment:
        rows = rows.filter(pk=assignment.pk)
    else:
        rows = rows.filter(coding=None, item__segment__transcript=transcript)
    with in_turn():
        rows.update(translated_at=timezone.now())


def reopen(assignment: Assignment) -> Assignment:
    """Let a coder change what they sent: what they skipped is to be answered again.

    An answer stays in force until another is sent.
    """
    with in_turn(), transaction.atomic():
        row = locked(assignment)
        if row.coding_id is None and row.answered_at:
            take_seat(row, assignment.item)
            row.answered_at, row.skipped_because = None, ""
            row.shown_at = timezone.now()
            row.version += 1
            if is_pool(assignment.item.sample):
                row.held_until = row.shown_at + PAGE
            row.save(
                update_fields=[
                    "answered_at",
                    "skipped_because",
                    "shown_at",
                    "held_until",
                    "version",
                ]
            )
    return asked_about([assignment.pk])[0]


def must_stay_blind(person: Any, study: Study) -> bool:
    """Return whether `person` codes in `study` or has still to answer in a round of its sample."""
    if role_of(person, study) == Role.CODER:
        return True
    return waits(person, study)


def waits(person: Any, study: Study) -> bool:
    """Return whether `person` has still to answer in a round of the current sample of `study`."""
    sample = current_sample(study)
    return (
        sample is not None
        and Assignment.objects.filter(
            person=person.pk,
            coding=None,
            skipped_because="",
            returned_at=None,
            item__sample__in=rounds(sample),
        ).exists()
    )


def progress(sample: Sample, *, every_round: bool = False) -> Progress:
    """Return how far `sample` is, with the rounds before it if asked for, from counts alone."""
    samples = rounds(sample) if every_round else [sample]
    answered = Q(coding__isnull=False)
    # What was handed out ahead of time, or given back, says nothing of how far the work is.
    unseen = Q(shown_at=None, held_until__isnull=False) | Q(returned_at__isnull=False)
    rows = Assignment.objects.filter(item__sample__in=samples).exclude(unseen, answered_at=None)
    counts = rows.aggregate(
        answered=Count("pk", filter=answered),
        skipped=Count("pk", filter=~answered & ~Q(skipped_because="")),
        open=Count("pk", filter=Q(answered_at=None)),
    )
    every = Item.objects.filter(sample__in=samples)
    seats = every.order_by().values_list("coders_wanted").annotate(Count("pk"))
    items = dict(seats)
    done = every.annotate(
        codings=Count("assignments", filter=Q(assignments__coding__isnull=False))
    ).filter(codings__gte=F("coders_wanted"))
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
