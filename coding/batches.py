"""Runs in batches: half the price for waiting up to a day, and nobody has to stay for it.

The intent is written first: a row for the batch and one in the ledger for each of its requests,
in the transaction that ties the work to it. Then the batch is sent. Whoever starts again finds it
there, whatever happened in between: a batch whose sending was cut off is looked for among those
that the service has, and is known by the names of its requests. Answers are settled by the code
that settles single answers; a row of the ledger that is settled is not settled again.
"""

import logging
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import IO, Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from codebooks.models import Code
from coding import leases
from coding.coders import Failed, Outcome, Passage, Reply, Stopped, TooLarge
from coding.coders.claude import CUT_OFF, NOT_ACCEPTED, ClaudeCoder
from coding.coders.claude_batches import (
    BETWEEN,
    CLOSING,
    LONGEST_UPLOAD,
    OPENING,
    ClaudeBatches,
    Gone,
    InDoubt,
    NotTaken,
    Seen,
    Unreachable,
)
from coding.doubts import flag
from coding.leases import Answer, Pace, Piece, Sent
from coding.loop import (
    ALL_FAILED,
    BUDGET_SPENT,
    CODER_ERROR,
    HEARING,
    LONG_SILENCE,
    ask_by_dimension,
    listening,
    remembered,
    supported,
)
from coding.models import Attempt, Batch, BatchState, Run, State, Work
from coding.models import Outcome as Ended
from coding.prices import price
from coding.runs import CANCELED, coder_for, progress
from studies.problems import Problem, _

log = logging.getLogger(__name__)

OPEN = (BatchState.SENDING, BatchState.RUNNING)
ROWS = 100  # pieces whose texts are in memory at once
LONG = timedelta(days=40)  # results are kept for 29 days; after that the work is anybody's
ARCHIVED = timedelta(days=29)
NOTHING = Passage("", (), 0, 0, "")
NEVER_ARRIVED = _("The batch never arrived.")
MISSING = _("The batch ended without an answer to this.")
GONE = _("The answers of the batch are no longer there.")
UNKNOWN_BATCH = _(
    "The service does not know a batch that this run sent: use the key it was sent with, or give "
    "it up with --cancel."
)


@dataclass(frozen=True)
class Terms:
    """How large batches are, and how long one waits for what. Seconds, bytes."""

    most_bytes: int = 64_000_000
    most_requests: int = 10_000
    # The first one is small and waited for: it shows what the cache is worth, and what is wrong.
    first: int = 1_000
    poll: float = 5.0
    longest_poll: float = 60.0
    # How long a batch that was being sent is looked for before it counts as never arrived.
    grace: float = 300.0
    # How often results are fetched again that were cut off at the end of a line.
    downloads: int = 3


def terms() -> Terms:
    """Return the usual terms, with the size that CONCORD_BATCH_MB says; a bad one is a Problem."""
    given = os.environ.get("CONCORD_BATCH_MB", "64")
    if not given.isdecimal() or not 1 <= int(given) <= 256:
        raise Problem(
            _("CONCORD_BATCH_MB is a number from 1 to 256, not “%(given)s”."), given=given
        )
    return Terms(most_bytes=int(given) * 1_000_000)


def batch_loop(
    run: Run,
    coder: ClaudeCoder,
    *,
    advance: Callable[[int], None] | None = None,
    given: Terms | None = None,
    pace: Pace | None = None,
    until: float | None = None,
    listen: bool = False,
    cancel: bool = False,
) -> dict[str, Any]:
    """Have all that is left of `run` coded in batches, and return its progress.

    `advance` hears how many segments ended; `until` is a `time.monotonic()` at which to leave.
    With `listen`, Ctrl-C and a polite kill leave at the next step and raise KeyboardInterrupt;
    batches that were sent go on. With `cancel` nothing is sent: what is with the service is
    stopped there, and what was answered is fetched.

    A codebook that is too large for one request is asked about a dimension at a time, each in the
    batch after the one before.
    """
    courier = Courier(run, coder, advance, given or terms(), pace or Pace(most_attempts=5), cancel)
    with listening(courier) if listen else nullcontext():
        courier.go(until)
    return progress(run)


def call_off(run: Run, seconds: float = 1.0) -> bool:
    """Ask the service to stop the batches of `run`, and write down what had been answered.

    Return whether nothing of it is with the service any more. What it works on it still brings to
    an end, so that takes minutes: after `seconds` the rest is left to whoever comes next. A key
    that is missing is a Problem.
    """
    waiting = Batch.objects.filter(run=run, state__in=OPEN)
    if waiting.exists():
        with closing(coder_for(run)) as coder:
            assert isinstance(coder, ClaudeCoder)  # noqa: S101  nobody else sends batches
            patience = Terms(poll=min(1.0, max(seconds / 4, 0.1)), longest_poll=5.0)
            until = time.monotonic() + seconds
            batch_loop(run, coder, given=patience, until=until, cancel=True)
    return not waiting.exists()


def owner_of(batch: Batch) -> str:
    """Return the name under which `batch` holds its work."""
    return f"{leases.WITH_SERVICE}{batch.key}"


# What was said about a request, to be read by who knows about which part it was.
Heard = Callable[[int], Reply]


class TooDear(Exception):
    """The budget does not have what a batch can cost."""


class Courier:
    """One process that sends the batches of a run, watches them and fetches their answers."""

    def __init__(
        self,
        run: Run,
        coder: ClaudeCoder,
        advance: Callable[[int], None] | None,
        given: Terms,
        pace: Pace,
        cancel: bool,
    ) -> None:
        self.run = run
        self.coder = coder
        # One coder for whole pieces, or one for each dimension where a request is too small.
        self.parts = [coder]
        if run.parameters.get("by_dimension"):
            self.parts = coder.by_dimension()
        self.services = [ClaudeBatches(part) for part in self.parts]
        self.service = self.services[0]
        self.advance = advance or (lambda _count: None)
        self.terms = given
        self.most_bytes = given.most_bytes
        self.pace = pace
        self.canceling = cancel
        self.owner = leases.new_owner()
        self.price = price(run.model).in_batch()
        codes = Code.objects.filter(dimension__revision_id=run.revision_id)
        self.codes = {
            (dimension, key): pk
            for dimension, key, pk in codes.values_list("dimension__key", "key", "pk")
        }
        self.outbox: tuple[Batch, IO[bytes]] | None = None
        self.due: dict[int, float] = {}  # when a batch is asked about next
        self.pauses: dict[int, float] = {}
        self.downloads: dict[int, int] = {}
        self.strangers: set[str] = set()  # batches at the service that are not this run's
        self.send_at = 0.0
        self.failures = 0  # of the service, one after the other
        self.last_good = time.monotonic()
        self.short_of_money = False
        self.interrupted = False
        self.because = ""
        self.told = ""
        self.heard = 0.0

    def go(self, until: float | None = None) -> None:
        """Work until nothing is left, the run has to stop, or it is time to leave."""
        leases.at_work.add(self.owner)
        leases.take_back(self.run, timezone.now())
        try:
            while not self.told_to_stop(until):
                self.hear()
                moved = self.look_for_lost() | self.look_after() | self.send_next()
                if moved:
                    continue
                if not self.outbox and not self.waiting():
                    break
                time.sleep(min(1.0, self.terms.poll))
            if self.interrupted:
                raise KeyboardInterrupt
        finally:
            self.withdraw()
            leases.at_work.discard(self.owner)
            leases.give_back(self.run, self.owner)
            self.conclude()

    def told_to_stop(self, until: float | None) -> bool:
        """Return whether to leave."""
        late = until is not None and time.monotonic() >= until
        return bool(self.because or self.told) or self.interrupted or late

    def hear(self) -> None:
        """Hear whether somebody stopped the run; one that is canceled is canceled there too."""
        if time.monotonic() - self.heard < HEARING:
            return
        self.heard = time.monotonic()
        said = Run.objects.filter(pk=self.run.pk).values_list("stopped_because", flat=True)
        told = next(iter(said), "")
        if told == CANCELED:
            self.canceling = True
        else:
            self.told = told

    def waiting(self) -> bool:
        """Return whether there is, or will be, something to do."""
        if self.mine().exists():
            return True
        return not self.canceling and leases.next_due(self.run) is not None

    def mine(self) -> Any:
        """Return the run's batches that are not settled."""
        return Batch.objects.filter(run=self.run, state__in=OPEN).order_by("pk")

    # -- sending ------------------------------------------------------------------------------

    def send_next(self) -> bool:
        """Send a batch if there is work for one; return whether anything was done."""
        if self.canceling:
            self.withdraw()
        if self.canceling or self.told_to_stop(None) or time.monotonic() < self.send_at:
            return False
        if self.outbox is None:
            due = leases.next_due(self.run)
            most = 0 if due is None or due > timezone.now() else self.most_requests()
            if most:
                self.outbox = self.prepare(most)
            if self.outbox is None:
                return False
        self.deliver(*self.outbox)
        return True

    def most_requests(self) -> int:
        """Return how many requests the next batch may have; 0 while others have to end first."""
        answered = Attempt.objects.filter(batch__run=self.run, outcome=Ended.OK)
        others = self.mine().exists()
        if self.short_of_money and others:
            return 0
        if answered.exists():
            return self.terms.most_requests
        pending = Work.objects.filter(run=self.run, state=State.PENDING).count()
        if pending <= 2 * self.terms.first:
            return self.terms.most_requests
        return 0 if others else self.terms.first

    def prepare(self, most: int) -> tuple[Batch, IO[bytes]] | None:
        """Write the requests of a batch into a file and the intent into the database.

        None where nothing is due, or the budget has not enough for one more request.
        """
        key = f"c{uuid.uuid4().hex[:15]}"
        cached = self.caching_pays()
        room = self.money_left()
        asked: list[tuple[Piece, Decimal]] = []
        total, full, renewed = Decimal(0), False, time.monotonic()
        body = tempfile.TemporaryFile()  # noqa: SIM115  it lives until the batch is sent
        size = body.write(OPENING)
        while not full and len(asked) < most and not self.interrupted:
            leased = leases.lease(self.run, self.owner, min(ROWS, most - len(asked)))
            if not leased:
                break
            self.recall(leased)
            spare: list[int] = []
            for piece in leased:
                line = b""
                if not full:
                    line = self.services[piece.part].line(
                        f"{key}-{piece.work}", piece.passage, piece.after, cached=cached
                    )
                    coder = self.parts[piece.part]
                    cost = self.price.most(coder.size(piece.passage), coder.most_room(piece.after))
                    if room is not None and total + cost > room:
                        full = self.short_of_money = True
                    elif asked and size + len(line) + len(BETWEEN) > self.most_bytes:
                        full = True
                if full:
                    spare.append(piece.work)
                    continue
                size += body.write((BETWEEN if asked else b"") + line)
                total += cost
                asked.append((replace(piece, passage=NOTHING, got={}), cost))
            put_back(self.owner, spare)
            if time.monotonic() - renewed > leases.LEASE.total_seconds() / 4:
                leases.renew(self.run, self.owner)
                renewed = time.monotonic()
        size += body.write(CLOSING)
        batch = None if self.interrupted or not asked else self.intend(key, asked, size)
        if batch is None:
            body.close()
            leases.give_back(self.run, self.owner)
            if self.short_of_money and not asked and not self.mine().exists():
                self.because = BUDGET_SPENT
            return None
        return batch, body

    def intend(self, key: str, asked: Sequence[tuple[Piece, Decimal]], size: int) -> Batch | None:
        """Write down that a batch of `asked` is about to be sent, all of it or nothing."""
        now = timezone.now()
        try:
            with transaction.atomic():
                batch = Batch.objects.create(
                    run=self.run, key=key, requests=len(asked), size=size, sender=self.owner
                )
                for at in range(0, len(asked), 500):
                    some = asked[at : at + 500]
                    sent = leases.begin(self.run, self.owner, some, self.coder.model, batch)
                    if sent is None:
                        raise TooDear
                    if len(sent) < len(some):  # a lease ran out while the file was written
                        raise leases.Lost
                    Work.objects.filter(pk__in=[piece.work for piece in sent]).update(
                        owner=owner_of(batch), lease_until=now + LONG
                    )
                    for piece in sent:
                        piece.attempt = None
        except TooDear:
            self.short_of_money = True
            return None
        except leases.Lost:
            return None
        return batch

    def deliver(self, batch: Batch, body: IO[bytes]) -> None:
        """Send `batch`; what is not taken for now is sent again later, as the same batch."""
        try:
            name = self.service.send(body)
        except NotTaken as error:
            self.not_taken(batch, error)
            return
        except InDoubt as error:
            log.warning("batch %s: %s", batch.key, error)
            self.doubt(batch)
        except BaseException:  # stopped in the middle: it may have arrived
            self.doubt(batch)
            raise
        else:
            self.well()
            if not self.adopt(batch, name):
                # Somebody gave it up for lost meanwhile, and its work went elsewhere.
                with suppress(Unreachable, Gone):
                    self.service.cancel(name)
        self.empty_outbox()

    def doubt(self, batch: Batch) -> None:
        """Write down that nobody knows whether `batch` arrived."""
        Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING).update(
            sender="", doubted_at=timezone.now()
        )

    def not_taken(self, batch: Batch, error: NotTaken) -> None:
        """Deal with a batch that the service says it did not take."""
        outcome = error.outcome
        if isinstance(outcome, Failed) and outcome.service and not self.canceling:
            self.send_at = time.monotonic() + self.trouble(outcome)
            return
        self.withdraw()
        if error.too_large and batch.requests > 1:
            self.most_bytes = max(batch.size // 2, 1)
        elif not self.canceling:
            self.because = getattr(outcome, "reason", "")

    def withdraw(self) -> None:
        """Undo the intent of a batch that certainly was not taken."""
        if self.outbox is None:
            return
        batch, _body = self.outbox
        row = Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING, doubted_at=None).first()
        if row is not None:
            self.close(row, Reply(Stopped(_("not sent"))), BatchState.LOST)
        self.empty_outbox()

    def empty_outbox(self) -> None:
        """Let go of the file of the batch that was to be sent."""
        if self.outbox is not None:
            self.outbox[1].close()
            self.outbox = None

    def adopt(self, batch: Batch, name: str) -> bool:
        """Tie `batch` to the one that the service calls `name`; return whether it was free."""
        free = Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING)
        return bool(
            free.update(state=BatchState.RUNNING, remote_id=name, sender="", doubted_at=None)
        )

    def money_left(self) -> Decimal | None:
        """Return what may still be set aside, in USD; None where there is no budget."""
        row = Run.objects.only("budget", "committed").get(pk=leases.purse(self.run))
        return None if row.budget is None else row.budget - row.committed

    def caching_pays(self) -> bool:
        """Return whether to mark the prompt for the cache, by what was found in it so far."""
        sums = Attempt.objects.filter(batch__run=self.run, outcome=Ended.OK).aggregate(
            read=Sum("cache_read_tokens"), written=Sum("cache_write_tokens")
        )
        read, all_ = sums["read"] or 0, (sums["read"] or 0) + (sums["written"] or 0)
        return not all_ or self.price.caching_pays(read / all_)

    # -- looking for batches that may have arrived --------------------------------------------

    def look_for_lost(self) -> bool:
        """Look for batches whose sender does not know how it ended; return if one was settled."""
        here = self.outbox[0].pk if self.outbox else None
        moved = False
        for batch in self.mine().filter(state=BatchState.SENDING).exclude(pk=here):
            if self.is_being_sent(batch) or not self.is_due(batch):
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
            key = self.service.first_name(found.id).rpartition("-")[0]
            if key == batch.key:
                self.well()
                return self.adopt(batch, found.id)
            if not self.mine().filter(key=key).exists():
                self.strangers.add(found.id)
        self.well()
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
        for batch in self.mine().filter(state=BatchState.RUNNING):
            if self.interrupted or self.because:
                return False
            if not self.is_due(batch):
                continue
            try:
                found = self.service.look(batch.remote_id)
                self.well()
                if found.ended:
                    moved |= self.fetch(batch, found)
                    continue
                if self.canceling and not found.canceling:
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
                    if self.interrupted:
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
        self.short_of_money = False
        return True

    def read(self, batch: Batch, result: dict[str, Any], all_bad: bool, part: int) -> Reply:
        """Return what the `result` of a request about `part` says."""
        reply = self.services[part].reply(result)
        return self.judged(batch, reply) if all_bad else reply

    def judged(self, batch: Batch, reply: Reply) -> Reply:
        """Return `reply` of a batch in which nothing succeeded: then it is not the interviews."""
        outcome = reply.outcome
        if isinstance(outcome, TooLarge) and self.split(batch):
            return reply
        reason = getattr(outcome, "reason", "")
        if isinstance(outcome, Failed) and not outcome.service:
            outcome = Stopped(f"{ALL_FAILED} {reason}")
        if isinstance(outcome, Stopped) and not self.canceling and reply.raw:
            self.because = self.because or outcome.reason
        return replace(reply, outcome=outcome)

    def split(self, batch: Batch) -> bool:
        """Ask about a dimension at a time from now on; return whether that may help."""
        if not self.run.parameters.get("by_dimension"):
            self.parts = self.coder.by_dimension()
            self.services = [ClaudeBatches(part) for part in self.parts]
            newest = Batch.objects.filter(run=self.run).order_by("-pk").values_list("pk", flat=True)
            ask_by_dimension(self.run, whole_until=newest[0])
            self.run.refresh_from_db()
        # Those that were sent before all say that they were too large.
        return len(self.parts) > 1 and batch.pk <= self.run.parameters.get("whole_until", 0)

    def recall(self, pieces: list[Piece]) -> None:
        """Give `pieces` what the ledger knows of their parts and of answers of no use."""
        for piece in pieces:
            piece.parts = len(self.parts)
        remembered(pieces, self.parts)
        recall(pieces)

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
        self.recall(pieces)
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
                price=self.price,
                pace=self.pace,
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
            if batch.state == BatchState.RUNNING and (old or self.canceling):
                lost = Reply(Failed(GONE, 0.0, service=True), maybe_billed=True)
                self.close(batch, lost, BatchState.SETTLED)
                return True
            self.because = UNKNOWN_BATCH
        elif isinstance(error.outcome, Stopped):
            self.because = error.outcome.reason
        else:
            self.later(batch, self.trouble(error.outcome))
        return False

    def trouble(self, outcome: Outcome) -> float:
        """Note that the service failed; return how long to wait, or stop when it is too long."""
        self.failures += 1
        if time.monotonic() - self.last_good > self.pace.patience:
            reason = getattr(outcome, "reason", "")
            self.because = f"{LONG_SILENCE} {reason}"
        return self.pace.wait(self.failures, getattr(outcome, "wait", None) or 0.0)

    def well(self) -> None:
        """Note that the service answered."""
        self.failures, self.last_good = 0, time.monotonic()

    def is_due(self, batch: Batch) -> bool:
        """Return whether to ask about `batch` now."""
        return time.monotonic() >= self.due.get(batch.pk, 0.0)

    def later(self, batch: Batch, seconds: float | None = None) -> None:
        """Ask about `batch` again in `seconds`, else ever more patiently."""
        pause = self.pauses.get(batch.pk, self.terms.poll)
        self.pauses[batch.pk] = min(pause * 1.5, self.terms.longest_poll)
        self.due[batch.pk] = time.monotonic() + (pause if seconds is None else seconds)

    def conclude(self) -> None:
        """Write down how the run stands."""
        if self.because:
            Run.objects.filter(pk=self.run.pk, stopped_because="").update(
                stopped_because=leases.clean(self.because)
            )
        self.run.refresh_from_db()
        if self.run.stopped_because == CANCELED:
            leases.cancel_left(self.run, CANCELED)
        elif not self.because:
            leases.finish(self.run)
        self.run.refresh_from_db()


def put_back(owner: str, works: Sequence[int]) -> None:
    """Put back those of `works` that `owner` has."""
    Work.objects.filter(pk__in=works, owner=owner, state=State.LEASED).update(
        state=State.PENDING, owner="", lease_until=None
    )


def recall(pieces: Sequence[Piece]) -> None:
    """Give `pieces` what the ledger knows of answers that could not be used."""
    begun = {piece.work: piece for piece in pieces if piece.attempts}
    ended = Attempt.objects.filter(
        work__in=begun, outcome__in=[Ended.OK, Ended.INVALID, Ended.ERROR]
    ).order_by("pk")
    for work, number, outcome, error in ended.values_list("work", "number", "outcome", "error"):
        piece = begun[work]
        if outcome == Ended.OK:  # what comes after it is about another part
            piece.tries, piece.after = 0, None
            continue
        # One that was not accepted was no answer, but asking for ever would not make it one.
        if number <= piece.forgiven or (
            outcome == Ended.ERROR and not error.startswith(NOT_ACCEPTED)
        ):
            continue
        piece.tries += 1
        if outcome == Ended.INVALID:
            piece.after = Failed(error, 0.0, cut=error == CUT_OFF)


def answer_to(piece: Piece, reply: Reply) -> Answer:
    """Return the answer about `piece`, its evidence located."""
    try:
        return Answer(piece, reply, supported(piece.passage, reply))
    except Exception as error:
        # An error of ours about one text must not take the batch's other texts with it.
        log.exception("An answer could not be read")
        reason = f"{CODER_ERROR} ({type(error).__name__})"
        return Answer(piece, replace(reply, outcome=Failed(reason)))
