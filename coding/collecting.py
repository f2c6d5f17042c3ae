"""What became of the batches of a run: those in doubt are looked for, those there watched, the
answers of those that ended fetched and settled.

Answers are settled by the code that settles single answers; a row of the ledger that is settled is
not settled again, so that results may be read twice and by several processes.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from codebooks.models import Code
from coding import leases
from coding.coders import Failed, Reply, Stopped, TooLarge
from coding.coders.claude_batches import LONGEST_UPLOAD, Gone, Seen, Unreachable
from coding.crew import ALL_FAILED, CODER_ERROR
from coding.doubts import flag
from coding.errands import OPEN, ROWS, Errand, adopt, owner_of, put_back
from coding.leases import Answer, Piece, Sent
from coding.loop import supported
from coding.models import Attempt, Batch, BatchState, Work
from coding.models import Outcome as Ended
from studies.problems import _

log = logging.getLogger(__name__)

ARCHIVED = timedelta(days=29)  # how long the service keeps results
NEVER_ARRIVED = _("The batch never arrived.")
MISSING = _("The batch ended without an answer to this.")
GONE = _("The answers of the batch are no longer there.")
UNKNOWN_BATCH = _(
    "The service does not know a batch that this run sent: use the key it was sent with, or give "
    "it up with --cancel."
)

# What was said about a request, to be read by who knows about which part it was.
Heard = Callable[[int], Reply]


class Collector:
    """Finds out what became of the batches of an errand, and writes down their answers."""

    def __init__(self, errand: Errand, advance: Callable[[int], None] | None = None) -> None:
        self.errand = errand
        self.run = errand.run
        self.terms = errand.terms
        self.service = errand.service
        self.advance = advance or (lambda _count: None)
        codes = Code.objects.filter(dimension__revision_id=errand.run.revision_id)
        self.codes = {
            (dimension, key): pk
            for dimension, key, pk in codes.values_list("dimension__key", "key", "pk")
        }
        self.due: dict[int, float] = {}  # when a batch is asked about next
        self.pauses: dict[int, float] = {}
        self.downloads: dict[int, int] = {}
        self.strangers: set[str] = set()  # batches at the service that are not this run's

    # -- looking for batches that may have arrived --------------------------------------------

    def look_for_lost(self, here: int | None = None) -> bool:
        """Look for batches whose sender does not know how it ended; return if one was settled.

        Not for the one with the number `here`, which this process has not sent yet.
        """
        moved = False
        for batch in self.errand.mine().filter(state=BatchState.SENDING):
            if batch.pk == here or self.is_being_sent(batch) or not self.is_due(batch):
                continue
            try:
                moved |= self.look_for(batch)
            except (Unreachable, Gone) as error:
                self.unreachable(batch, error)
        return moved

    def is_being_sent(self, batch: Batch) -> bool:
        """Return whether another process may still be sending `batch`."""
        if not batch.sender or leases.is_dead(batch.sender):
            return False
        return timezone.now() - batch.created_at < 2 * timedelta(seconds=LONGEST_UPLOAD)

    def look_for(self, batch: Batch) -> bool:
        """Adopt `batch` if the service has it, or give it up; return whether either was done."""
        known = set(
            Batch.objects.exclude(remote_id="").order_by("-pk").values_list("remote_id", flat=True)
        )
        open_question = False
        # A day before, since the two clocks need not agree.
        for found in self.service.recent(batch.created_at - timedelta(days=1)):
            if found.id in known | self.strangers or found.requests != batch.requests:
                continue
            if not found.ended:  # whose it is shows when its results are there
                open_question = True
                continue
            keys = {name.rpartition("-")[0] for name in self.service.some_names(found.id)}
            if batch.key in keys:
                self.errand.well()
                return adopt(batch, found.id)
            if not keys:  # what came of it broke off before it began
                open_question = True
            elif not self.errand.mine().filter(key__in=keys).exists():
                self.strangers.add(found.id)
        self.errand.well()
        since = batch.doubted_at or batch.created_at
        if open_question or timezone.now() - since < timedelta(seconds=self.terms.grace):
            self.later(batch)
            return False
        failed = Failed(NEVER_ARRIVED, 0.0, service=True)
        self.close(batch, Reply(failed), BatchState.LOST)
        return True

    # -- fetching -----------------------------------------------------------------------------

    def look_after(self) -> bool:
        """Ask about the batches that are due, and fetch what has ended; return if one has."""
        moved = False
        for batch in self.errand.mine().filter(state=BatchState.RUNNING):
            if self.errand.interrupted or self.errand.because:
                return False
            if not self.is_due(batch):
                continue
            try:
                found = self.service.look(batch.remote_id)
                self.errand.well()
                if found.ended:
                    moved |= self.fetch(batch, found)
                    continue
                if self.errand.canceling and not found.canceling:
                    self.service.cancel(batch.remote_id)
                    Batch.objects.filter(pk=batch.pk).update(canceled_at=timezone.now())
                self.later(batch)
            except (Unreachable, Gone) as error:
                moved |= self.unreachable(batch, error)
        return moved

    def fetch(self, batch: Batch, found: Seen) -> bool:
        """Settle the answers of a batch that has ended; return whether all of it is settled."""
        seen: set[int] = set()
        some: list[tuple[int, Heard]] = []
        prefix = f"{batch.key}-"
        all_bad = found.succeeded == 0
        try:
            for name, result in self.service.lines(batch.remote_id):
                number = name.removeprefix(prefix)
                if not name.startswith(prefix) or not number.isdecimal():
                    log.warning("batch %s: an answer to something else", batch.remote_id)
                    continue
                if int(number) in seen:
                    continue
                seen.add(int(number))
                some.append((int(number), partial(self.read, batch, result, all_bad)))
                if len(some) >= ROWS:
                    self.settle(batch, some)
                    some = []
                    if self.errand.interrupted:
                        return False
        finally:
            # What came before the stream broke need not come again.
            if some:
                self.settle(batch, some)
        self.downloads[batch.pk] = self.downloads.get(batch.pk, 0) + 1
        if len(seen) < batch.requests and self.downloads[batch.pk] < self.terms.downloads:
            self.later(batch)  # a stream that was cut at the end of a line ends like any other
            return False
        # Whether those were charged only the service knows.
        missing = Reply(Failed(MISSING, 0.0, service=True), maybe_billed=True)
        self.close(batch, missing, BatchState.SETTLED)
        self.errand.short_of_money = False
        return True

    def read(self, batch: Batch, result: dict[str, Any], all_bad: bool, part: int) -> Reply:
        """Return what the `result` of a request about `part` says."""
        reply = self.errand.services[part].reply(result)
        return self.judged(batch, reply) if all_bad else reply

    def judged(self, batch: Batch, reply: Reply) -> Reply:
        """Return `reply` of a batch in which nothing succeeded: then it is not the interviews."""
        outcome = reply.outcome
        if isinstance(outcome, TooLarge) and self.errand.split(batch):
            return reply
        reason = getattr(outcome, "reason", "")
        if isinstance(outcome, Failed) and not outcome.service:
            outcome = Stopped(f"{ALL_FAILED} {reason}")
        if isinstance(outcome, Stopped) and not self.errand.canceling and reply.raw:
            self.errand.because = self.errand.because or outcome.reason
        return replace(reply, outcome=outcome)

    def settle(self, batch: Batch, replies: Sequence[tuple[int, Heard]]) -> None:
        """Write down the `replies` to requests of `batch` that are not settled yet."""
        said = dict(replies)
        unsettled = Attempt.objects.filter(batch=batch, work_id__in=said, outcome=Ended.SENT)
        sent = {
            work: Sent(number, model, most)
            for work, number, model, most in unsettled.values_list(
                "work_id", "number", "model", "cost"
            )
        }
        pieces = leases.pieces(self.run, list(sent))
        self.errand.recall(pieces)
        answers = []
        for piece in pieces:
            piece.attempt = sent[piece.work]
            answers.append(answer_to(piece, said[piece.work](piece.part)))
        with transaction.atomic():
            # Another process may be at the same batch: each row is settled by one of them.
            still = set(unsettled.select_for_update().values_list("work_id", flat=True))
            answers = [answer for answer in answers if answer.piece.work in still]
            works = [answer.piece.work for answer in answers]
            flag((answer.piece.work, answer.piece.passage) for answer in answers)
            again = leases.settle(
                self.run,
                owner_of(batch),
                answers,
                codes=self.codes,
                price=self.errand.price,
                pace=self.errand.pace,
            )
            put_back(owner_of(batch), [piece.work for piece in again])
        ended = Work.objects.filter(pk__in=works).exclude(state__in=leases.OPEN)
        self.advance(ended.count())

    def close(self, batch: Batch, reply: Reply, state: BatchState) -> None:
        """Settle as `reply` what of `batch` has no answer, and bring it to its last `state`."""
        while True:
            left = list(
                Attempt.objects.filter(batch=batch, outcome=Ended.SENT)
                .order_by("pk")
                .values_list("work_id", flat=True)[:ROWS]
            )
            if not left:
                break
            self.settle(batch, [(work, lambda _part: reply) for work in left])
        Batch.objects.filter(pk=batch.pk, state__in=OPEN).update(
            state=state, settled_at=timezone.now(), sender=""
        )

    # -- a service that fails -----------------------------------------------------------------

    def unreachable(self, batch: Batch, error: Unreachable | Gone) -> bool:
        """Ask about `batch` again later, give it up or stop; return whether it is settled."""
        if isinstance(error, Gone):
            old = timezone.now() - batch.created_at > ARCHIVED
            if batch.state == BatchState.RUNNING and (old or self.errand.canceling):
                lost = Reply(Failed(GONE, 0.0, service=True), maybe_billed=True)
                self.close(batch, lost, BatchState.SETTLED)
                return True
            self.errand.because = UNKNOWN_BATCH
        elif isinstance(error.outcome, Stopped):
            self.errand.because = error.outcome.reason
        else:
            self.later(batch, self.errand.trouble(error.outcome))
        return False

    def is_due(self, batch: Batch) -> bool:
        """Return whether to ask about `batch` now."""
        return time.monotonic() >= self.due.get(batch.pk, 0.0)

    def later(self, batch: Batch, seconds: float | None = None) -> None:
        """Ask about `batch` again in `seconds`, else ever more patiently."""
        pause = self.pauses.get(batch.pk, self.terms.poll)
        self.pauses[batch.pk] = min(pause * 1.5, self.terms.longest_poll)
        self.due[batch.pk] = time.monotonic() + (pause if seconds is None else seconds)


def answer_to(piece: Piece, reply: Reply) -> Answer:
    """Return the answer about `piece`, its evidence located."""
    try:
        return Answer(piece, reply, supported(piece.passage, reply))
    except Exception as error:
        # An error of ours about one text must not take the batch's other texts with it.
        log.exception("An answer could not be read")
        reason = f"{CODER_ERROR} ({type(error).__name__})"
        return Answer(piece, replace(reply, outcome=Failed(reason)))
