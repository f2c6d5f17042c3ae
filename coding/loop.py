"""The loop that does a run's work: leases pieces, has the coder asked by threads, writes it down.

It is the same for the command, with no broker, and for a Celery task, which only wakes it.
"""

import logging
import queue
import signal
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from functools import cache
from typing import Any, Protocol, TypeGuard, runtime_checkable

from django.db import transaction
from django.utils import timezone

from codebooks.models import Code
from coding import leases
from coding.coders import Answered, Coder, Failed, Passage, Proposal, Reply, Stopped, TooLarge
from coding.costs import rate_of
from coding.doubts import flag
from coding.evidence import Text
from coding.leases import Answer, Pace, Piece, Support
from coding.limits import Limiter
from coding.models import Attempt, CoderKind, Outcome, Run, State, Work
from coding.runs import CANCELED, progress
from studies.problems import _

log = logging.getLogger(__name__)

LEASE_ROWS = 50
THREADS = {CoderKind.CLAUDE: 32, CoderKind.EMBEDDED: 2}
MOST_AHEAD = 32
LINGER = 0.05  # seconds that an answer waits at most for others to be written with
LOOK = 0.5  # seconds between two looks for what somebody had who is gone
HEARING = 2.0  # seconds after which a loop hears that its run was stopped elsewhere
NEVER_ONE_GOOD = 5  # passages that may fail before any succeeded; then something else is wrong
LONGEST_DRAIN = 60.0  # seconds that a run that is stopped waits for answers on their way
# Each a whole line: strings inside of f-strings are not collected for translation.
CODER_ERROR = _("The coder has an error.")
LONG_SILENCE = _("The service has not answered for a long time.")
ALL_FAILED = _("The first interviews all failed.")
# Why a run stops that did what it was told; a person can give it more.
BUDGET_SPENT = _("The budget is spent: give a higher one to go on.")


class Interruptible(Protocol):
    """Something long that stops between two of its steps once it was `interrupted`."""

    interrupted: bool


@contextmanager
def listening(work: Interruptible) -> Iterator[None]:
    """Hear Ctrl-C and a polite kill between two steps of `work`, and not in the middle of one.

    Raised just anywhere it could come between a request's row in the ledger and its sending. The
    second one does not wait.
    """

    def hear(_number: int, _frame: object) -> None:
        if work.interrupted:
            raise KeyboardInterrupt
        work.interrupted = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def work_loop(
    run: Run,
    coder: Coder,
    *,
    threads: int = 0,
    advance: Callable[[int], None] | None = None,
    pace: Pace | None = None,
    until: float | None = None,
    leaving: Callable[[], bool] | None = None,
    listen: bool = False,
) -> dict[str, Any]:
    """Have `coder` do all the work of `run` that is left, and return its progress.

    `advance` hears how many segments ended; `until` is a `time.monotonic()` at which to hand over,
    and `leaving` says whether to do so at once: only what is on its way is waited for, a minute
    at most.
    With `listen`, Ctrl-C and a polite kill wait for the answers that are on their way (a second
    one does not), give the rest back and raise KeyboardInterrupt.
    """
    threads = threads or THREADS.get(CoderKind(run.coder), 1)
    loop = Loop(run, coder, threads, advance, pace or Pace())
    loop.leaving = leaving or loop.leaving
    with listening(loop) if listen else nullcontext():
        loop.go(until)
    return progress(run)


@runtime_checkable
class Measured(Protocol):
    """A coder that says how large a request is, at most."""

    def size(self, passage: Passage) -> int:
        """Return how many bytes of input a request about `passage` has at most."""

    def most_room(self, after: Failed | None = None) -> int:
        """Return how many tokens an answer may have."""


def is_measured(coder: Coder) -> TypeGuard[Measured]:
    """Return whether `coder` says how large a request is."""
    return kind_is_measured(type(coder))


@cache  # to ask a protocol takes longer than to write an interview's row of the ledger
def kind_is_measured(kind: type[Coder]) -> bool:
    """Return whether coders of `kind` say how large a request is."""
    return issubclass(kind, Measured)


@runtime_checkable
class Divisible(Protocol):
    """A coder that can ask about one dimension at a time."""

    def by_dimension(self) -> Sequence[Coder]:
        """Return a coder for each dimension."""


@runtime_checkable
class Reader(Protocol):
    """A coder that can read again what it was answered once."""

    def read(self, body: bytes) -> Reply:
        """Return what the answer `body` says."""


class Loop:
    """One process's work on a run: one thread writes to the database, the others ask the coder.

    So no transaction is ever open while a model thinks, results are written in groups as they
    come, and SQLite has one writer.
    """

    def __init__(
        self,
        run: Run,
        coder: Coder,
        threads: int,
        advance: Callable[[int], None] | None,
        pace: Pace,
    ) -> None:
        self.run = run
        self.coder = coder
        # One coder for whole pieces, or one for each dimension where a request is too small.
        self.parts: list[Coder] = [coder]
        if run.parameters.get("by_dimension") and isinstance(coder, Divisible):
            self.parts = list(coder.by_dimension())
        self.threads = threads
        self.ahead = min(threads, MOST_AHEAD)  # jobs that wait for a thread
        self.advance = advance or (lambda _count: None)
        self.pace = pace
        self.owner = leases.new_owner()
        self.price = rate_of(run) if coder.remote else None
        self.limiter = Limiter(
            getattr(coder, "service", ""), coder.model, getattr(coder, "account", "")
        )
        codes = Code.objects.filter(dimension__revision_id=run.revision_id)
        self.codes = {
            (dimension, key): pk
            for dimension, key, pk in codes.values_list("dimension__key", "key", "pk")
        }
        self.ready: deque[Piece] = deque()
        self.jobs: queue.SimpleQueue[list[Piece] | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[list[Answer]] = queue.SimpleQueue()
        self.arrived: list[Answer] = []  # taken in, and not yet written
        self.in_flight = 0  # jobs
        self.good = 0
        self.bad: list[int] = []  # work that failed for good before anything succeeded
        # Where something of the run succeeded before, what fails is to blame and nothing else.
        self.proven = Attempt.objects.filter(work__run=run, outcome=Outcome.OK).exists()
        self.failures = 0  # of the service, one after the other
        self.last_good = time.monotonic()
        self.closed_until = 0.0
        self.short_of_money = False
        self.interrupted = False
        self.because = ""
        self.told = ""  # why somebody else stopped the run
        self.leaving: Callable[[], bool] = lambda: False
        self.renewed = self.heard = time.monotonic()
        self.looked = float("-inf")

    def go(self, until: float | None = None) -> None:
        """Work until nothing is left, the run has to stop, or it is time to hand over."""
        leases.at_work.add(self.owner)
        crew = [threading.Thread(target=self.work, daemon=True) for _ in range(self.threads)]
        for thread in crew:
            thread.start()
        try:
            while not self.told_to_stop(until):
                self.keep()
                self.hand_out()
                if self.in_flight:
                    pause = self.closed_until - time.monotonic() if self.ready else 0.0
                    self.take_in(min(pause, 0.5) if pause > 0 else 0.5)
                elif self.ready:
                    time.sleep(min(max(self.closed_until - time.monotonic(), 0.0), 0.1))
                elif not self.rest():
                    break
            hurried = self.interrupted or self.leaving()
            self.drain(LONGEST_DRAIN if hurried else self.coder_time())
            if self.interrupted:
                raise KeyboardInterrupt
        finally:
            for _ in crew:
                self.jobs.put(None)
            leases.at_work.discard(self.owner)
            leases.give_back(self.run, self.owner)
            self.limiter.close()
            self.conclude()

    def told_to_stop(self, until: float | None) -> bool:
        """Return whether to begin nothing new."""
        late = until is not None and time.monotonic() >= until
        return bool(self.because or self.told) or self.interrupted or late or self.leaving()

    def coder_time(self) -> float:
        """Return how many seconds the answers that are on their way may take at most."""
        return 2 * float(getattr(self.coder, "deadline", LONGEST_DRAIN))

    # -- in the other threads: no database ----------------------------------------------------

    def work(self) -> None:
        """Ask about one job after the other."""
        while (job := self.jobs.get()) is not None:
            self.answers.put(self.ask(job))

    def ask(self, job: list[Piece]) -> list[Answer]:
        """Return what the coder says about `job`, evidence located."""
        try:
            coder = self.coder_of(job[0])
            replies = coder.code([piece.passage for piece in job], job[0].after)
            return [
                Answer(piece, reply, supported(piece.passage, reply))
                for piece, reply in zip(job, replies, strict=True)
            ]
        except Exception as error:
            # An error of ours about one text must not take the run's other texts with it.
            log.exception("The coder %s failed", self.coder.name)
            reason = f"{CODER_ERROR} ({type(error).__name__})"
            reply = Reply(Failed(reason), maybe_billed=self.coder.remote)
            return [Answer(piece, reply) for piece in job]

    # -- in this thread -----------------------------------------------------------------------

    def keep(self) -> None:
        """Keep the leases from running out, and hear whether somebody stopped the run."""
        if time.monotonic() - self.heard > HEARING:
            self.heard = time.monotonic()
            said = Run.objects.filter(pk=self.run.pk).values_list("stopped_because", flat=True)
            self.told = next(iter(said), "")
        if time.monotonic() - self.renewed > leases.LEASE.total_seconds() / 4:
            leases.renew(self.run, self.owner)
            self.renewed = time.monotonic()

    def hand_out(self) -> None:
        """Give the threads as much as they can take."""
        room = self.room()
        if room <= 0 or time.monotonic() < self.closed_until:
            return
        wanted = room * self.coder.batch
        if len(self.ready) < wanted:
            count = max(LEASE_ROWS, wanted) - len(self.ready)
            look = time.monotonic() - self.looked > LOOK
            self.looked = time.monotonic() if look else self.looked
            leased = leases.lease(self.run, self.owner, count, look=look)
            self.ready += remembered(leased, self.parts)
        for job in self.jobs_for(wanted):
            self.in_flight += 1
            self.jobs.put(job)

    def room(self) -> int:
        """Return how many more jobs may go out now."""
        if self.coder.remote and (self.good < len(self.parts) or self.short_of_money):
            # One first: the prompt can be read from the cache only once it has been written.
            return 1 - self.in_flight
        if self.coder.remote and self.limiter.active():
            # What may be sent now has to be sent now, and not to wait for a thread.
            return self.threads - self.in_flight
        return self.threads + self.ahead - self.in_flight

    def jobs_for(self, wanted: int) -> Iterator[list[Piece]]:
        """Yield jobs of up to `wanted` pieces, their ledger rows written if they have any."""
        taken = [self.ready.popleft() for _ in range(min(wanted, len(self.ready)))]
        if not taken:
            return
        if not self.coder.remote:
            for at in range(0, len(taken), self.coder.batch):
                yield taken[at : at + self.coder.batch]
            return
        for piece in taken:
            piece.parts = len(self.parts)
        taken = self.allowed(taken)
        if not taken:
            return
        asked = [(piece, self.most(piece)) for piece in taken]
        sent = leases.begin(self.run, self.owner, asked, self.coder.model)
        if sent is None:
            for piece in taken:
                self.limiter.unsent(piece.aside)
            self.ready.extendleft(reversed(taken))
            if self.short_of_money and not self.in_flight:
                self.because = BUDGET_SPENT
            # What is on its way may cost less than was set aside: then there is more to spend.
            self.short_of_money = True
            return
        for piece in taken:
            if piece.attempt is None:  # its lease was lost
                self.limiter.unsent(piece.aside)
        for piece in sent:
            yield [piece]

    def allowed(self, taken: list[Piece]) -> list[Piece]:
        """Return those of `taken` that the service's limits let go now; the others wait."""
        if not self.limiter.active():
            for piece in taken:
                piece.aside = {}
            return taken
        for piece in taken:
            coder = self.coder_of(piece)
            if is_measured(coder):
                piece.size = coder.size(piece.passage)
                piece.aside = self.limiter.need(piece.size, coder.most_room(piece.after))
            else:
                piece.aside = self.limiter.need(0, 0)
        count = self.limiter.take([piece.aside for piece in taken])
        self.ready.extendleft(reversed(taken[count:]))
        if count < len(taken):
            pause = min(max(self.limiter.wait, 0.01), 1.0)
            self.closed_until = max(self.closed_until, time.monotonic() + pause)
        return taken[:count]

    def most(self, piece: Piece) -> Decimal:
        """Return the most that a request about `piece` can cost."""
        coder = self.coder_of(piece)
        if self.price is None or not is_measured(coder):
            return Decimal(0)
        return self.price.most(coder.size(piece.passage), coder.most_room(piece.after))

    def coder_of(self, piece: Piece) -> Coder:
        """Return who is asked about the part of `piece` that is next."""
        return self.parts[piece.part] if piece.parts > 1 else self.coder

    def split(self, piece: Piece) -> bool:
        """Ask about a dimension at a time from now on; return whether that is something new."""
        if piece.parts > 1 or not isinstance(self.coder, Divisible):
            return False
        if len(self.parts) == 1:
            self.parts = list(self.coder.by_dimension())
            ask_by_dimension(self.run)
        return len(self.parts) > 1

    def take_in(self, patience: float) -> None:
        """Wait for an answer, then write down all that have come."""
        try:
            self.collect(self.answers.get(timeout=patience))
            self.linger()
            while True:
                self.collect(self.answers.get_nowait())
        except queue.Empty:
            pass
        if self.arrived:
            self.write_down()

    def linger(self) -> None:
        """Let some more answers come while all threads have something to do.

        A group of thirty is written nearly as quickly as a group of three.
        """
        end = time.monotonic() + LINGER
        while (
            self.in_flight - self.answers.qsize() >= self.threads
            and self.answers.qsize() < self.ahead
            and time.monotonic() < end
        ):
            time.sleep(LINGER / 10)

    def collect(self, answers: list[Answer]) -> None:
        """Remember `answers` until they are written."""
        self.arrived += answers
        self.in_flight -= 1

    def write_down(self) -> None:
        """Settle what has arrived."""
        answers = list(self.arrived)
        if self.coder.remote:
            flag((answer.piece.work, answer.piece.passage) for answer in answers)
        again = leases.settle(
            self.run, self.owner, answers, codes=self.codes, price=self.price, pace=self.pace
        )
        self.arrived = self.arrived[len(answers) :]
        self.ready.extendleft(again)
        for answer in answers:
            self.judge(answer, over=not any(piece is answer.piece for piece in again))
            self.learn_limits(answer)
        self.advance(sum(1 for answer in answers if self.ended(answer, again)))

    def learn_limits(self, answer: Answer) -> None:
        """Correct what was set aside for a request, and hear what the service said of limits."""
        piece, reply = answer.piece, answer.reply
        if piece.aside:
            self.limiter.settle(piece.aside, piece.size, reply.usage)
            piece.aside = {}
        failed = reply.outcome if isinstance(reply.outcome, Failed) else None
        asked = failed.wait or 0.0 if failed and failed.service else 0.0
        self.limiter.hear(reply.allowed, asked)

    def ended(self, answer: Answer, again: Sequence[Piece]) -> bool:
        """Return whether the segment of `answer` needs no more work."""
        outcome = answer.reply.outcome
        if isinstance(outcome, Stopped) or any(piece is answer.piece for piece in again):
            return False
        return not (isinstance(outcome, Failed) and outcome.service and self.waits(answer))

    def waits(self, answer: Answer) -> bool:
        """Return whether the segment of `answer` will be asked about again later."""
        return answer.piece.failures < self.pace.most_attempts

    def judge(self, answer: Answer, *, over: bool) -> None:
        """Draw conclusions from how an answer ended for the ones to come; `over` says that it is
        not asked for once more at once."""
        outcome = answer.reply.outcome
        now = time.monotonic()
        if isinstance(outcome, TooLarge) and self.split(answer.piece):
            return
        if isinstance(outcome, Stopped):
            self.because = self.because or outcome.reason
        elif isinstance(outcome, Failed) and outcome.service:
            self.failures += 1
            if outcome.wait or self.failures > 2:
                pause = self.pace.wait(self.failures, outcome.wait or 0.0)
                self.closed_until = max(self.closed_until, now + pause)
            if now - self.last_good > self.pace.patience:
                self.because = f"{LONG_SILENCE} {outcome.reason}"
        elif isinstance(outcome, Failed):
            if over and not (self.good or self.proven):
                self.bad.append(answer.piece.work)
                if len(self.bad) >= NEVER_ONE_GOOD:
                    self.because = f"{ALL_FAILED} {outcome.reason}"
        else:
            self.good += 1
            self.failures = 0
            self.last_good = now

    def rest(self) -> bool:
        """Wait until there may be something to do; return whether there may."""
        due = leases.next_due(self.run)
        if due is None:
            return False
        seconds = max((due - timezone.now()).total_seconds(), self.closed_until - time.monotonic())
        time.sleep(min(max(seconds, 0.0), 0.5))
        return True

    def drain(self, patience: float) -> None:
        """Write down what has arrived, and wait up to `patience` seconds for what is on its way."""
        end = time.monotonic() + patience
        if self.arrived:
            self.write_down()
        # Jobs that no thread has begun are not sent any more.
        while True:
            try:
                job = self.jobs.get_nowait()
            except queue.Empty:
                break
            if job is not None:
                self.in_flight -= 1
                self.unsent(job)
        while self.in_flight and time.monotonic() < end:
            self.keep()
            self.take_in(0.5)

    def unsent(self, job: list[Piece]) -> None:
        """Settle the ledger's rows of a job that was never sent."""
        for piece in job:
            self.limiter.unsent(piece.aside)
            piece.aside = {}
        reply = Reply(Stopped(_("not sent")))
        leases.settle(
            self.run,
            self.owner,
            [Answer(piece, reply) for piece in job],
            codes=self.codes,
            price=self.price,
            pace=self.pace,
        )

    def conclude(self) -> None:
        """Write down how the run stands."""
        if self.because:
            # What a person said meanwhile stands.
            Run.objects.filter(pk=self.run.pk, stopped_because="").update(
                stopped_because=leases.clean(self.because)
            )
            if self.bad and not self.good:
                Work.objects.filter(pk__in=self.bad, state=State.FAILED).update(
                    state=State.PENDING, reason=""
                )
        else:
            leases.finish(self.run)
        self.run.refresh_from_db()
        if self.run.stopped_because == CANCELED:
            leases.cancel_left(self.run, CANCELED)
            self.run.refresh_from_db()


def ask_by_dimension(run: Run, **more: int) -> None:
    """Write down, and `more`, that the codebook of `run` needs a request for each dimension."""
    with transaction.atomic():
        row = Run.objects.select_for_update().get(pk=run.pk)
        row.parameters |= {"by_dimension": True, **more}
        row.save(update_fields=["parameters"])


def remembered(pieces: list[Piece], parts: Sequence[Coder]) -> list[Piece]:
    """Return `pieces` with those of their `parts` that were answered, and paid for, before."""
    if len(parts) == 1:
        return pieces
    begun = {piece.work: piece for piece in pieces if piece.attempts}
    answers = Attempt.objects.filter(
        work__in=begun, outcome=Outcome.OK, answer__isnull=False
    ).order_by("pk")
    for work, answer in answers.values_list("work", "answer"):
        piece, body = begun[work], zlib.decompress(answer or b"")
        for part, coder in enumerate(parts):
            reply = coder.read(body) if isinstance(coder, Reader) else None
            if reply and isinstance(reply.outcome, Answered):
                marks = supported(piece.passage, reply)
                piece.got[part] = (reply.outcome.dimensions, marks)
    return pieces


def supported(passage: Passage, reply: Reply) -> list[tuple[Proposal, list[Support]]]:
    """Return each proposal of `reply` with its evidence as found in the text."""
    if not isinstance(reply.outcome, Answered):
        return []
    text: Text | None = None
    marks = []
    for proposal in reply.outcome.proposals:
        rows: dict[tuple[int | None, int | None], Support] = {}
        for quote in proposal.quotes:
            if quote.start is not None:
                end = quote.start + len(quote.text)
                rows[quote.start, end] = Support(quote.start, end, "exact")
                continue
            text = text or Text(passage.text, passage.spoken)
            for place in text.locate(
                quote.text, within=(passage.start, passage.end), hint=quote.turn
            ):
                said = "" if place.found == "exact" else leases.clean(quote.text)
                rows.setdefault(
                    (place.start, place.end), Support(place.start, place.end, place.found, said)
                )
        marks.append((proposal, list(rows.values())))
    return marks
