"""The work table and the ledger: who works on what until when, what was sent and what it cost.

All of it is short transactions of one loop (`coding/runs.py`); no model is asked in here. A piece
of work is leased, begun (its ledger row is there before its request), and settled. What is
settled is fenced: whoever lost the lease books the money, and decides nothing.
"""

import os
import socket
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from coding.coders import Answered, Failed, NotCovered, Passage, Proposal, Refused, Reply, Stopped
from coding.models import Attempt, Coding, Evidence, Mark, Outcome, Run, State, Work
from coding.prices import Price
from studies.models import Segment, Transcript
from studies.turns import with_roles

LEASE = timedelta(seconds=120)  # renewed while the loop is alive
OPEN = (State.PENDING, State.LEASED)

# How owners begin that are no process: a batch at the service has its work until it is settled.
WITH_SERVICE = "batch:"

# Owners that are at work in this process; any other of the same process id is from before.
at_work: set[str] = set()


class Lost(Exception):
    """What was leased is no longer held."""


@dataclass
class Piece:
    """A leased piece of work; `tries` counts its answers that could not be used.

    It is asked about in one request, or in `parts` of them; `got` holds those that are answered.
    """

    work: int
    segment: int
    passage: Passage
    attempts: int = 0
    forgiven: int = 0
    tries: int = 0
    after: Failed | None = None
    attempt: Attempt | None = None
    parts: int = 1
    got: dict[int, "Part"] = field(default_factory=dict)
    # What of the service's limits is set aside for its request, and how many bytes that has.
    aside: Mapping[str, float] = field(default_factory=dict)
    size: int = 0

    @property
    def part(self) -> int:
        """Return which part is asked about next."""
        return next((part for part in range(self.parts) if part not in self.got), self.parts - 1)

    @property
    def failures(self) -> int:
        """Return how many of its attempts count against it."""
        return max(self.attempts - self.forgiven - len(self.got), 0)


# The dimensions that were decided, and what was proposed with its evidence.
Part = tuple[tuple[str, ...], list[tuple[Proposal, list[Evidence]]]]


@dataclass
class Answer:
    """What came back about a piece, with its evidence located in the text."""

    piece: Piece
    reply: Reply
    marks: list[tuple[Proposal, list[Evidence]]] = field(default_factory=list)


@dataclass(frozen=True)
class Pace:
    """How a run deals with a service that fails. Seconds."""

    first_wait: float = 1.0
    longest_wait: float = 60.0
    most_attempts: int = 10
    # How long nothing may succeed while requests fail before the run stops.
    patience: float = 600.0

    def wait(self, attempts: int, asked: float) -> float:
        """Return how long to wait after `attempts`, when the service asked for `asked`."""
        return asked or min(self.longest_wait, self.first_wait * 2 ** max(attempts - 1, 0))


def new_owner() -> str:
    """Return a name for a loop: its machine, its process, and itself."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def add_work(run: Run) -> int:
    """Make a row of work for every segment that has none; return how many are new."""
    work, segment, transcript = (model._meta.db_table for model in (Work, Segment, Transcript))
    with connection.cursor() as cursor:
        cursor.execute(
            # The names are the models' own tables; there is nothing of a person's in them.
            f"INSERT INTO {work} (run_id, segment_id, state, owner, attempts, forgiven, reason) "  # noqa: S608
            f"SELECT %s, s.id, 'pending', '', 0, 0, '' FROM {segment} s "
            f"JOIN {transcript} t ON t.id = s.transcript_id WHERE t.study_id = %s "
            "ORDER BY s.id ON CONFLICT DO NOTHING",
            [run.pk, run.study_id],
        )
        return int(cursor.rowcount)


def lease(run: Run, owner: str, count: int) -> list[Piece]:
    """Take up to `count` pieces that are due for `owner`; nobody else gets them."""
    now = timezone.now()
    waiting = Work.objects.filter(run=run, state=State.PENDING)
    with transaction.atomic():
        take_back(run, now)
        due = waiting.filter(Q(not_before=None) | Q(not_before__lte=now)).order_by("pk")
        keys = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:count])
        Work.objects.filter(pk__in=keys).update(
            state=State.LEASED, owner=owner, lease_until=now + LEASE, not_before=None
        )
    return pieces(run, keys)


def take_back(run: Run, now: datetime) -> int:
    """Put back what was leased by somebody who is gone; return how many pieces."""
    leased = Work.objects.filter(run=run, state=State.LEASED)
    gone = Q(lease_until__lt=now)
    for owner in leased.order_by().values_list("owner", flat=True).distinct():
        if is_dead(owner):
            gone |= Q(owner=owner)
    return leased.filter(gone).update(state=State.PENDING, owner="", lease_until=None)


def is_dead(owner: str) -> bool:
    """Return whether `owner` was a process on this machine that is no more."""
    host, _colon, rest = owner.partition(":")
    number = rest.partition(":")[0]
    if host != socket.gethostname()[:40] or not number.isdigit():
        return False
    if int(number) == os.getpid():
        return owner not in at_work
    if os.name == "nt":  # there a signal of 0 is not a question: the lease has to run out
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def pieces(run: Run, keys: Sequence[int]) -> list[Piece]:
    """Return the leased rows `keys` with their texts."""
    rows = (
        Work.objects.filter(pk__in=keys)
        .select_related("segment__transcript")
        .only(
            "attempts",
            "forgiven",
            "segment__start",
            "segment__end",
            "segment__transcript__language",
            "segment__transcript__turns",
            "segment__transcript__text",
        )
        .order_by("pk")
    )
    roles = run.study.speaker_roles
    return [
        Piece(
            work=row.pk,
            segment=row.segment_id,
            passage=passage_of(row.segment, roles),
            attempts=row.attempts,
            forgiven=row.forgiven,
        )
        for row in rows
    ]


def passage_of(segment: Segment, roles: Mapping[str, str]) -> Passage:
    """Return `segment` as a coder is given it, with the `roles` that a person corrected."""
    transcript = segment.transcript
    return Passage(
        text=transcript.text,
        turns=with_roles(transcript.turns, roles),
        start=segment.start,
        end=segment.end,
        language=transcript.language,
        key=str(segment.pk),
    )


def renew(run: Run, owner: str) -> int:
    """Keep what `owner` has for another while."""
    held = Work.objects.filter(run=run, state=State.LEASED, owner=owner)
    return held.update(lease_until=timezone.now() + LEASE)


def give_back(run: Run, owner: str) -> int:
    """Put back all that `owner` has."""
    held = Work.objects.filter(run=run, state=State.LEASED, owner=owner)
    return held.update(state=State.PENDING, owner="", lease_until=None)


def next_due(run: Run) -> datetime | None:
    """Return when something of `run` may be done next; None when all ended or is in batches."""
    now = timezone.now()
    if Work.objects.filter(run=run, state=State.PENDING, not_before=None).exists():
        return now
    waiting = Work.objects.filter(run=run, state=State.PENDING).order_by("not_before")
    leased = Work.objects.filter(run=run, state=State.LEASED).order_by("lease_until")
    leased = leased.exclude(owner__startswith=WITH_SERVICE)
    first = waiting.values_list("not_before", flat=True).first()
    end = leased.values_list("lease_until", flat=True).first()
    return min((when for when in (first, end) if when), default=None)


def purse(run: Run) -> int:
    """Return the key of the run whose budget pays for `run`: replicates share that of theirs."""
    return run.replicate_of_id or run.pk


def begin(
    run: Run, owner: str, asked: Sequence[tuple[Piece, Decimal]], model: str
) -> list[Piece] | None:
    """Write the ledger's rows for requests that are about to be sent; return those to send.

    With each piece comes the most that its request can cost. That much of the budget is set
    aside; None says that the budget does not have it.
    """
    total = sum((most for _piece, most in asked), Decimal(0))
    with transaction.atomic():
        affordable = Q(budget=None) | Q(budget__gte=F("committed") + total)
        paying = Run.objects.filter(pk=purse(run))
        if not paying.filter(affordable).update(committed=F("committed") + total):
            return None
        held = set(
            Work.objects.select_for_update()
            .filter(pk__in=[piece.work for piece, _ in asked], owner=owner, state=State.LEASED)
            .values_list("pk", flat=True)
        )
        lost = sum((most for piece, most in asked if piece.work not in held), Decimal(0))
        if lost:
            paying.update(committed=F("committed") - lost)
        Work.objects.filter(pk__in=held).update(attempts=F("attempts") + 1)
        sent = [(piece, most) for piece, most in asked if piece.work in held]
        for piece, most in sent:
            piece.attempts += 1
            piece.attempt = Attempt(
                work_id=piece.work, number=piece.attempts, model=model, cost=most
            )
        Attempt.objects.bulk_create([piece.attempt for piece, _ in sent if piece.attempt])
    return [piece for piece, _ in sent]


def settle(
    run: Run,
    owner: str,
    answers: Sequence[Answer],
    *,
    codes: Mapping[tuple[str, str], int],
    price: Price | None,
    pace: Pace,
) -> list[Piece]:
    """Write down how `answers` ended, all or none; return the pieces to be asked about at once.

    Money is booked whoever holds the lease by now; a decision is written only where it is held.
    """
    now = timezone.now()
    again: list[Piece] = []
    done: list[Answer] = []
    part: list[Answer] = []
    with transaction.atomic():
        held = set(
            Work.objects.select_for_update()
            .filter(
                pk__in=[answer.piece.work for answer in answers], owner=owner, state=State.LEASED
            )
            .values_list("pk", flat=True)
        )
        book(run, answers, price, now)
        for answer in answers:
            if answer.piece.work not in held:
                continue
            outcome = answer.reply.outcome
            row = Work.objects.filter(pk=answer.piece.work)
            if isinstance(outcome, Answered):
                whole = len(answer.piece.got) + 1 >= answer.piece.parts
                (done if whole else part).append(answer)
            elif isinstance(outcome, Refused | NotCovered):
                end(row, State.REFUSED, outcome.reason)
            elif isinstance(outcome, Stopped):
                row.update(state=State.PENDING, owner="", lease_until=None)
            elif usable_again(answer.piece, outcome, pace):
                if outcome.service:
                    wait = pace.wait(answer.piece.failures, outcome.wait or 0.0)
                    row.update(
                        state=State.PENDING,
                        owner="",
                        lease_until=None,
                        not_before=now + timedelta(seconds=wait),
                    )
                else:
                    answer.piece.tries += 1
                    answer.piece.after = outcome
                    again.append(answer.piece)
            else:
                end(row, State.FAILED, outcome.reason)
        Work.objects.filter(pk__in=[answer.piece.work for answer in done]).update(
            state=State.DONE, owner="", lease_until=None, reason=""
        )
        record(run, done, codes)
    for answer in part:
        answer.piece.got[answer.piece.part] = (answered(answer).dimensions, answer.marks)
        answer.piece.tries, answer.piece.after = 0, None
        again.append(answer.piece)
    return again


def usable_again(piece: Piece, failed: Failed, pace: Pace) -> bool:
    """Return whether to ask about `piece` again: a bad answer once, a bad service often."""
    if failed.wait is None or piece.failures >= pace.most_attempts:
        return False
    return failed.service or piece.tries < 1


def end(row: QuerySet[Work], state: State, reason: str) -> None:
    """Bring the work `row` to its terminal `state`."""
    row.update(state=state, owner="", lease_until=None, not_before=None, reason=clean(reason))


def book(run: Run, answers: Sequence[Answer], price: Price | None, now: datetime) -> None:
    """Settle the ledger's rows of `answers` and free what they did not cost."""
    rows: list[Attempt] = []
    freed = Decimal(0)
    for answer in answers:
        row, reply = answer.piece.attempt, answer.reply
        if row is None:
            continue
        aside = row.cost
        row.settled_at = now
        row.outcome = outcome_of(reply)
        row.request_id = reply.request_id[:100]
        row.model = reply.model or row.model
        row.error = clean(getattr(reply.outcome, "reason", ""))
        row.answer = zlib.compress(reply.raw) if reply.raw else None
        if usage := reply.usage:
            row.input_tokens, row.output_tokens = usage.input, usage.output
            row.cache_read_tokens = usage.cache_read
            row.cache_write_tokens = usage.cache_write
            row.cost = price.cost(usage) if price else Decimal(0)
        elif not reply.maybe_billed:
            row.cost = Decimal(0)
        freed += aside - row.cost
        rows.append(row)
        answer.piece.attempt = None
    if not rows:
        return
    Attempt.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=[
            "settled_at",
            "outcome",
            "request_id",
            "model",
            "error",
            "answer",
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_tokens",
            "cost",
        ],
    )
    Run.objects.filter(pk=purse(run)).update(committed=F("committed") - freed)


def outcome_of(reply: Reply) -> Outcome:
    """Return how the ledger calls the end of an attempt."""
    if isinstance(reply.outcome, Answered):
        return Outcome.OK
    if isinstance(reply.outcome, Refused):
        return Outcome.REFUSED
    return Outcome.INVALID if reply.usage else Outcome.ERROR


def record(run: Run, done: Sequence[Answer], codes: Mapping[tuple[str, str], int]) -> None:
    """Write the codings of `done` with their marks and evidence."""
    codings = Coding.objects.bulk_create(
        Coding(
            segment_id=answer.piece.segment,
            revision_id=run.revision_id,
            run=run,
            dimensions=[key for dimensions, _marks in parts_of(answer) for key in dimensions],
        )
        for answer in done
    )
    marks: list[Mark] = []
    evidence: list[Evidence] = []
    for coding, answer in zip(codings, done, strict=True):
        for proposal, found in (row for _keys, rows in parts_of(answer) for row in rows):
            code = codes.get((proposal.dimension, proposal.code))
            if code is None:  # what is not in the codebook is a proposal and nothing more
                continue
            mark = Mark(
                coding=coding,
                code_id=code,
                value=proposal.value,
                confidence=proposal.confidence,
                rationale=clean(proposal.rationale),
            )
            marks.append(mark)
            for row in found:
                row.mark = mark
            evidence += found
    Mark.objects.bulk_create(marks, batch_size=500)
    for row in evidence:
        row.mark_id = row.mark.pk
    Evidence.objects.bulk_create(evidence, batch_size=500)


def parts_of(answer: Answer) -> list[Part]:
    """Return what `answer` and the parts before it decided, in the codebook's order."""
    last = answer.piece.part, (answered(answer).dimensions, answer.marks)
    return [part for _number, part in sorted([*answer.piece.got.items(), last])]


def answered(answer: Answer) -> Answered:
    """Return the outcome of `answer`, which is one that was answered."""
    assert isinstance(answer.reply.outcome, Answered)  # noqa: S101  only those are recorded
    return answer.reply.outcome


def ask_again(run: Run) -> int:
    """Put what failed back to what is to be done; return how many pieces."""
    failed = Work.objects.filter(run=run, state=State.FAILED)
    with transaction.atomic():
        count = failed.update(state=State.PENDING, reason="", forgiven=F("attempts"))
        if count:
            Run.objects.filter(pk=run.pk).update(finished_at=None)
    return count


def cancel_left(run: Run, reason: str) -> None:
    """Bring what is left of `run` to its end; what somebody alive has follows when they stop."""
    with transaction.atomic():
        take_back(run, timezone.now())
        end(Work.objects.filter(run=run, state=State.PENDING), State.CANCELED, reason)
    finish(run)


def finish(run: Run) -> None:
    """Say that `run` has ended if nothing of it is left to do."""
    left = Work.objects.filter(run=run, state__in=OPEN)
    if not left.exists():
        Run.objects.filter(pk=run.pk, finished_at=None).update(finished_at=timezone.now())


def clean(text: str) -> str:
    """Return `text` without the one character that PostgreSQL does not take."""
    return text.replace("\x00", "")
