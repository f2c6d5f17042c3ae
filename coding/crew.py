"""Many requests at once: one thread writes to the database, the others ask the coder.

So no transaction is ever open while a model thinks, results are written in groups as they come,
and SQLite has one writer. What is asked about, and where it is written down, is for who inherits
the crew: a run's loop (`coding/loop.py`), a study's translating (`coding/translating.py`).
"""

import logging
import queue
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Protocol, TypeGuard, runtime_checkable

from django.utils import timezone

from coding import leases
from coding.coders import Coder, Failed, Passage, Reply, Stopped, TooLarge
from coding.leases import Answer, Pace, Piece
from coding.limits import Limiter
from coding.prices import Price
from studies.problems import _

log = logging.getLogger(__name__)

LEASE_ROWS = 50
MOST_AHEAD = 32
LINGER = 0.05  # seconds that an answer waits at most for others to be written with
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


class Crew(ABC):
    """One process's work: pieces are taken, asked about by threads, and written down here."""

    def __init__(
        self,
        coder: Coder,
        threads: int,
        advance: Callable[[int], None] | None,
        pace: Pace,
        price: Price | None,
    ) -> None:
        self.coder = coder
        self.threads = threads
        self.ahead = min(threads, MOST_AHEAD)  # jobs that wait for a thread
        self.advance = advance or (lambda _count: None)
        self.pace = pace
        self.owner = leases.new_owner()
        self.price = price
        self.limiter = Limiter(
            getattr(coder, "service", ""), coder.model, getattr(coder, "account", "")
        )
        self.ready: deque[Piece] = deque()
        self.jobs: queue.SimpleQueue[list[Piece] | None] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[list[Answer]] = queue.SimpleQueue()
        self.arrived: list[Answer] = []  # taken in, and not yet written
        self.in_flight = 0  # jobs
        self.good = 0
        self.bad: list[int] = []  # work that failed for good before anything succeeded
        # Where something succeeded before, what fails is to blame and nothing else.
        self.proven = False
        self.failures = 0  # of the service, one after the other
        self.last_good = time.monotonic()
        self.closed_until = 0.0
        self.short_of_money = False
        self.interrupted = False
        self.because = ""
        self.told = ""  # why somebody else stopped it
        self.leaving: Callable[[], bool] = lambda: False

    # -- what is asked about, and where it is written down ------------------------------------

    @abstractmethod
    def lease(self, count: int) -> list[Piece]:
        """Take up to `count` pieces that are due; nobody else gets them."""

    @abstractmethod
    def begin(self, asked: Sequence[tuple[Piece, Decimal]]) -> list[Piece] | None:
        """Write the ledger's rows for requests that are about to be sent; return those to send.

        With each piece comes the most that its request can cost; None says that the budget does
        not have all of it.
        """

    @abstractmethod
    def settle(self, answers: Sequence[Answer]) -> list[Piece]:
        """Write down how `answers` ended; return the pieces to be asked about at once."""

    @abstractmethod
    def due(self) -> datetime | None:
        """Return when something may be done next; None when nothing is left."""

    @abstractmethod
    def keep(self) -> None:
        """Keep what is held, and hear whether somebody stopped the work."""

    @abstractmethod
    def give_back(self) -> None:
        """Give back what is held and was not done."""

    @abstractmethod
    def conclude(self) -> None:
        """Write down how it all stands."""

    def answer(self, piece: Piece, reply: Reply) -> Answer:
        """Return what `reply` says of `piece`; in one of the threads, without the database."""
        return Answer(piece, reply)

    def measured(self, piece: Piece) -> tuple[int, int] | None:
        """Return how many bytes a request about `piece` has at most, and tokens its answer."""
        coder = self.coder_of(piece)
        if not is_measured(coder):
            return None
        return coder.size(piece.passage), coder.most_room(piece.after)

    def coder_of(self, _piece: Piece) -> Coder:
        """Return who is asked about a piece."""
        return self.coder

    def first(self) -> int:
        """Return how many answers have to be good before many are asked for at once."""
        return 1

    def split(self, _piece: Piece) -> bool:
        """Ask for less at a time from now on; return whether that is something new."""
        return False

    # -- the work -----------------------------------------------------------------------------

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
            self.give_back()
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
            return [self.answer(piece, reply) for piece, reply in zip(job, replies, strict=True)]
        except Exception as error:
            # An error of ours about one text must not take the other texts with it.
            log.exception("The coder %s failed", self.coder.name)
            reason = f"{CODER_ERROR} ({type(error).__name__})"
            reply = Reply(Failed(reason), maybe_billed=self.coder.remote)
            return [Answer(piece, reply) for piece in job]

    # -- in this thread -----------------------------------------------------------------------

    def hand_out(self) -> None:
        """Give the threads as much as they can take."""
        room = self.room()
        if room <= 0 or time.monotonic() < self.closed_until:
            return
        wanted = room * self.coder.batch
        if len(self.ready) < wanted:
            self.ready += self.lease(max(LEASE_ROWS, wanted) - len(self.ready))
        for job in self.jobs_for(wanted):
            self.in_flight += 1
            self.jobs.put(job)

    def room(self) -> int:
        """Return how many more jobs may go out now."""
        if self.coder.remote and (self.good < self.first() or self.short_of_money):
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
        taken = self.allowed(taken)
        if not taken:
            return
        asked = [(piece, self.most(piece)) for piece in taken]
        sent = self.begin(asked)
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
            if piece.attempt is None:  # it is no longer held
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
            piece.size, room = self.measured(piece) or (0, 0)
            piece.aside = self.limiter.need(piece.size, room)
        count = self.limiter.take([piece.aside for piece in taken])
        self.ready.extendleft(reversed(taken[count:]))
        if count < len(taken):
            pause = min(max(self.limiter.wait, 0.01), 1.0)
            self.closed_until = max(self.closed_until, time.monotonic() + pause)
        return taken[:count]

    def most(self, piece: Piece) -> Decimal:
        """Return the most that a request about `piece` can cost."""
        measured = self.measured(piece)
        return self.price.most(*measured) if self.price and measured else Decimal(0)

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
        again = self.settle(answers)
        self.arrived = self.arrived[len(answers) :]
        self.ready.extendleft(again)
        for answer in answers:
            self.judge(answer, over=not any(piece is answer.piece for piece in again))
            self.learn_limits(answer)
        self.advance(self.how_many_ended(answers, again))

    def how_many_ended(self, answers: Sequence[Answer], again: Sequence[Piece]) -> int:
        """Return of how many segments nothing is left to do now."""
        return sum(1 for answer in answers if self.ended(answer, again))

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
        due = self.due()
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
        self.settle([Answer(piece, reply) for piece in job])
