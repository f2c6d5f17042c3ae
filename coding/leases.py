"""The work table and the ledger: who works on what until when, what was sent and what it cost.

All of it is short transactions of one loop (`coding/runs.py`); no model is asked in here. A piece
of work is leased, begun (its ledger row is there before its request), and settled. What is
settled is fenced: whoever lost the lease books the money, and decides nothing.
"""

import json
import os
import socket
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from coding import bulk
from coding.coders import Answered, Failed, NotCovered, Passage, Proposal, Refused, Reply, Stopped
from coding.models import Attempt, Batch, Coding, Evidence, Mark, Outcome, Run, State, Work
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


class Support(NamedTuple):
    """Where a quotation stands in the text, how it was found, and what it was if not this."""

    start: int | None
    end: int | None
    found: str
    quote: str = ""


class Sent(NamedTuple):
    """A row of the ledger whose request is about to be sent or on its way."""

    number: int
    model: str
    most: Decimal  # what is set aside for it, in USD


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
    attempt: Sent | None = None
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
Part = tuple[tuple[str, ...], list[tuple[Proposal, list[Support]]]]


@dataclass
class Answer:
    """What came back about a piece, with its evidence located in the text."""

    piece: Piece
    reply: Reply
    marks: list[tuple[Proposal, list[Support]]] = field(default_factory=list)


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


def lease(run: Run, owner: str, count: int, *, look: bool = True) -> list[Piece]:
    """Take up to `count` pieces that are due for `owner`; nobody else gets them.

    With `look`, what somebody has who is gone is due again, too.
    """
    now = timezone.now()
    with transaction.atomic():
        if look:
            take_back(run, now)
        due = bulk.rows_of(
            "SELECT id FROM coding_work WHERE run_id = %s AND state = 'pending' "
            "AND (not_before IS NULL OR not_before <= %s) ORDER BY id LIMIT %s "
            "{unlocked}",
            run.pk,
            bulk.moment(now),
            count,
        )
        keys = [key for (key,) in due]
        bulk.done(
            "UPDATE coding_work SET state = 'leased', owner = %s, lease_until = %s, "
            "not_before = NULL WHERE id {among}",
            owner,
            bulk.moment(now + LEASE),
            bulk.listed(keys),
        )
    return pieces(run, keys)


def take_back(run: Run, now: datetime) -> int:
    """Put back what was leased by somebody who is gone; return how many pieces."""
    owners = bulk.rows_of(
        "SELECT DISTINCT owner FROM coding_work WHERE run_id = %s AND state = 'leased'", run.pk
    )
    if not owners:
        return 0
    gone = Q(lease_until__lt=now) | Q(owner__in=[owner for (owner,) in owners if is_dead(owner)])
    leased = Work.objects.filter(gone, run=run, state=State.LEASED)
    return leased.update(state=State.PENDING, owner="", lease_until=None)


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
    if not keys:
        return []
    rows = bulk.rows_of(
        'SELECT w.id, w.segment_id, w.attempts, w.forgiven, s.start, s."end", t.language, '
        "t.turns, t.text FROM coding_work w JOIN studies_segment s ON s.id = w.segment_id "
        "JOIN studies_transcript t ON t.id = s.transcript_id WHERE w.id {among} "
        "ORDER BY w.id",
        bulk.listed(keys),
    )
    roles = run.study.speaker_roles
    return [
        Piece(
            work=work,
            segment=segment,
            passage=Passage(
                text=text,
                # As they are stored they are four values each, which is all that is needed.
                turns=with_roles(json.loads(turns), roles) if roles else json.loads(turns),
                start=start,
                end=end,
                language=language,
                key=str(segment),
            ),
            attempts=attempts,
            forgiven=forgiven,
        )
        for work, segment, attempts, forgiven, start, end, language, turns, text in rows
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
    run: Run,
    owner: str,
    asked: Sequence[tuple[Piece, Decimal]],
    model: str,
    batch: Batch | None = None,
) -> list[Piece] | None:
    """Write the ledger's rows for requests that are about to be sent; return those to send.

    With each piece comes the most that its request can cost. That much of the budget is set
    aside; None says that the budget does not have it. `batch` is what they are sent in, if so.
    """
    total = sum((most for _piece, most in asked), Decimal(0))
    now = bulk.moment(timezone.now())
    with transaction.atomic():
        if not set_aside(run, total):
            return None
        held = set(hold(owner, [piece.work for piece, _ in asked]))
        free(run, sum((most for piece, most in asked if piece.work not in held), Decimal(0)))
        bulk.done(
            "UPDATE coding_work SET attempts = attempts + 1 WHERE id {among}",
            bulk.listed(held),
        )
        sent = [(piece, most) for piece, most in asked if piece.work in held]
        for piece, most in sent:
            piece.attempts += 1
            piece.attempt = Sent(piece.attempts, model, most)
        bulk.insert(
            Attempt,
            ("work_id", "number", "sent_at", "model", "cost", "batch_id"),
            [
                (piece.work, piece.attempts, now, model, most, batch and batch.pk)
                for piece, most in sent
            ],
        )
    return [piece for piece, _ in sent]


def set_aside(run: Run, amount: Decimal) -> bool:
    """Take `amount` out of what the budget has; return whether it had that much."""
    return take_out("coding_run", purse(run), amount)


def take_out(table: str, key: int, amount: Decimal) -> bool:
    """Take `amount` out of the budget of the row `key` of `table`; return if it had that much."""
    money = bulk.money(amount)
    return bool(
        bulk.done(
            f"UPDATE {table} SET committed = CAST(committed + %s AS NUMERIC) WHERE id = %s "  # noqa: S608  our own names
            "AND (budget IS NULL OR budget >= CAST(committed + %s AS NUMERIC))",
            money,
            key,
            money,
        )
    )


def free(run: Run, amount: Decimal) -> None:
    """Give `amount` back to the budget; a negative one is what something cost beyond it."""
    put_in("coding_run", purse(run), amount)


def put_in(table: str, key: int, amount: Decimal) -> None:
    """Give `amount` back to the budget of the row `key` of `table`."""
    if amount:
        bulk.done(
            f"UPDATE {table} SET committed = CAST(committed - %s AS NUMERIC) WHERE id = %s",  # noqa: S608  our own names
            bulk.money(amount),
            key,
        )


def hold(owner: str, works: Sequence[int]) -> list[int]:
    """Return which of `works` are leased by `owner`, and stay so while the transaction lasts."""
    found = bulk.rows_of(
        "SELECT id FROM coding_work WHERE id {among} AND owner = %s AND state = 'leased' {locked}",
        bulk.listed(works),
        owner,
    )
    return [key for (key,) in found]


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
        held = set(hold(owner, [answer.piece.work for answer in answers]))
        book(run, answers, price, now)
        for answer in answers:
            if answer.piece.work not in held:
                continue
            outcome = answer.reply.outcome
            if isinstance(outcome, Answered):
                whole = len(answer.piece.got) + 1 >= answer.piece.parts
                (done if whole else part).append(answer)
                continue
            row = Work.objects.filter(pk=answer.piece.work)
            if isinstance(outcome, Refused | NotCovered):
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
        if done:
            bulk.done(
                "UPDATE coding_work SET state = 'done', owner = '', lease_until = NULL, "
                "reason = '' WHERE id {among}",
                bulk.listed(answer.piece.work for answer in done),
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


BOOKED = (
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
)


def book(run: Run, answers: Sequence[Answer], price: Price | None, now: datetime) -> None:
    """Settle the ledger's rows of `answers` and free what they did not cost."""
    rows, freed = ended(answers, price, now)
    if rows:
        named = [(work, number, *row) for work, number, row in rows]
        bulk.update(Attempt, 2, ("work_id", "number", *BOOKED), named)
        free(run, freed)


def ended(
    answers: Sequence[Answer], price: Price | None, now: datetime
) -> tuple[list[tuple[int, int, bulk.Row]], Decimal]:
    """Return what the ledger says of the requests that `answers` end, and what they did not cost.

    That is the work, the number of the request, and a row in the order of BOOKED.
    """
    rows: list[tuple[int, int, bulk.Row]] = []
    freed, settled_at = Decimal(0), bulk.moment(now)
    for answer in answers:
        sent = answer.piece.attempt
        if sent is None:
            continue
        answer.piece.attempt = None
        row, cost = booked(sent, answer.reply, price, settled_at)
        freed += sent.most - cost
        rows.append((answer.piece.work, sent.number, row))
    return rows, freed


def booked(
    sent: Sent, reply: Reply, price: Price | None, settled_at: Any
) -> tuple[bulk.Row, Decimal]:
    """Return what the ledger says of a request that was `sent`, in the order of BOOKED, and what
    it cost, or can have cost."""
    cost = sent.most if reply.maybe_billed else Decimal(0)
    tokens: tuple[int | None, ...] = (None,) * 4
    if usage := reply.usage:
        tokens = (usage.input, usage.output, usage.cache_read, usage.cache_write)
        cost = price.cost(usage) if price else Decimal(0)
    return (
        settled_at,
        outcome_of(reply).value,
        clean(reply.request_id)[:100],
        clean(reply.model)[:200] or sent.model,
        clean(getattr(reply.outcome, "reason", "")),
        packed(reply.raw) if reply.raw else None,
        *tokens,
        cost,
    ), cost


def packed(raw: bytes) -> bytes:
    """Return `raw` as zlib writes it; a window no larger than needed is made six times as fast."""
    if len(raw) > 8_192:
        return zlib.compress(raw)
    stream = zlib.compressobj(wbits=13, memLevel=6)
    return stream.compress(raw) + stream.flush()


def outcome_of(reply: Reply) -> Outcome:
    """Return how the ledger calls the end of an attempt."""
    if isinstance(reply.outcome, Answered):
        return Outcome.OK
    if isinstance(reply.outcome, Refused):
        return Outcome.REFUSED
    return Outcome.INVALID if reply.usage else Outcome.ERROR


def record(run: Run, done: Sequence[Answer], codes: Mapping[tuple[str, str], int]) -> None:
    """Write the codings of `done` with their marks and evidence."""
    now = bulk.moment(timezone.now())
    bulk.insert(
        Coding,
        ("segment_id", "revision_id", "run_id", "dimensions", "created_at"),
        [
            (
                answer.piece.segment,
                run.revision_id,
                run.pk,
                [key for dimensions, _marks in parts_of(answer) for key in dimensions],
                now,
            )
            for answer in done
        ],
    )
    codings: dict[int, int] = dict(
        bulk.rows_of(
            "SELECT segment_id, id FROM coding_coding WHERE run_id = %s AND segment_id {among}",
            run.pk,
            bulk.listed(answer.piece.segment for answer in done),
        )
    )
    marks: list[bulk.Row] = []
    supports: dict[tuple[int, int], list[Support]] = {}
    for answer in done:
        coding = codings[answer.piece.segment]
        for proposal, found in (row for _keys, rows in parts_of(answer) for row in rows):
            code = codes.get((proposal.dimension, proposal.code))
            if code is None:  # what is not in the codebook is a proposal and nothing more
                continue
            reason = clean(proposal.rationale)
            marks.append((coding, code, proposal.value, proposal.confidence, reason))
            supports[coding, code] = found
    if not marks:
        return
    bulk.insert(Mark, ("coding_id", "code_id", "value", "confidence", "rationale"), marks)
    made = bulk.rows_of(
        "SELECT id, coding_id, code_id FROM coding_mark WHERE coding_id {among} ORDER BY id",
        bulk.listed(codings.values()),
    )
    bulk.insert(
        Evidence,
        ("mark_id", "start", "end", "found", "quote"),
        [(mark, *place) for mark, coding, code in made for place in supports[coding, code]],
    )


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
