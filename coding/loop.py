"""The loop that does a run's work: leases pieces, has the coder asked by threads, writes it down.

It is the same for the command, with no broker, and for a Celery task, which only wakes it.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from django.db import transaction

from codebooks.models import Code
from coding import leases
from coding.coders import Answered, Coder, Passage, Proposal, Reply
from coding.costs import rate_of
from coding.crew import Crew, listening
from coding.doubts import flag
from coding.evidence import Text
from coding.leases import Answer, Pace, Piece, Support
from coding.models import Attempt, CoderKind, Outcome, Run, State, Work
from coding.runs import CANCELED, progress

THREADS = {CoderKind.CLAUDE: 32, CoderKind.EMBEDDED: 2}
LOOK = 0.5  # seconds between two looks for what somebody had who is gone
HEARING = 2.0  # seconds after which a loop hears that its run was stopped elsewhere


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
class Divisible(Protocol):
    """A coder that can ask about one dimension at a time."""

    def by_dimension(self) -> Sequence[Coder]:
        """Return a coder for each dimension."""


@runtime_checkable
class Reader(Protocol):
    """A coder that can read again what it was answered once."""

    def read(self, body: bytes) -> Reply:
        """Return what the answer `body` says."""


class Loop(Crew):
    """One process's work on a run."""

    def __init__(
        self,
        run: Run,
        coder: Coder,
        threads: int,
        advance: Callable[[int], None] | None,
        pace: Pace,
    ) -> None:
        super().__init__(coder, threads, advance, pace, rate_of(run) if coder.remote else None)
        self.run = run
        # One coder for whole pieces, or one for each dimension where a request is too small.
        self.parts: list[Coder] = [coder]
        if run.parameters.get("by_dimension") and isinstance(coder, Divisible):
            self.parts = list(coder.by_dimension())
        codes = Code.objects.filter(dimension__revision_id=run.revision_id)
        self.codes = {
            (dimension, key): pk
            for dimension, key, pk in codes.values_list("dimension__key", "key", "pk")
        }
        self.proven = Attempt.objects.filter(work__run=run, outcome=Outcome.OK).exists()
        self.renewed = self.heard = time.monotonic()
        self.looked = float("-inf")

    def answer(self, piece: Piece, reply: Reply) -> Answer:
        """Return what `reply` says of `piece`, evidence located."""
        return Answer(piece, reply, supported(piece.passage, reply))

    def keep(self) -> None:
        """Keep the leases from running out, and hear whether somebody stopped the run."""
        if time.monotonic() - self.heard > HEARING:
            self.heard = time.monotonic()
            said = Run.objects.filter(pk=self.run.pk).values_list("stopped_because", flat=True)
            self.told = next(iter(said), "")
        if time.monotonic() - self.renewed > leases.LEASE.total_seconds() / 4:
            leases.renew(self.run, self.owner)
            self.renewed = time.monotonic()

    def lease(self, count: int) -> list[Piece]:
        """Take up to `count` pieces that are due; nobody else gets them."""
        look = time.monotonic() - self.looked > LOOK
        self.looked = time.monotonic() if look else self.looked
        leased = leases.lease(self.run, self.owner, count, look=look)
        return remembered(leased, self.parts)

    def begin(self, asked: Sequence[tuple[Piece, Decimal]]) -> list[Piece] | None:
        """Write the ledger's rows for requests that are about to be sent; return those to send."""
        return leases.begin(self.run, self.owner, asked, self.coder.model)

    def settle(self, answers: Sequence[Answer]) -> list[Piece]:
        """Write down how `answers` ended; return the pieces to be asked about at once."""
        return leases.settle(
            self.run, self.owner, answers, codes=self.codes, price=self.price, pace=self.pace
        )

    def write_down(self) -> None:
        """Settle what has arrived, and note what may speak to the machine."""
        if self.coder.remote:
            flag((answer.piece.work, answer.piece.passage) for answer in self.arrived)
        super().write_down()

    def due(self) -> datetime | None:
        """Return when something of the run may be done next; None when nothing is left."""
        return leases.next_due(self.run)

    def give_back(self) -> None:
        """Give back what is leased."""
        leases.give_back(self.run, self.owner)

    def first(self) -> int:
        """Return how many answers have to be good before many are asked for at once."""
        return len(self.parts)

    def jobs_for(self, wanted: int) -> Iterator[list[Piece]]:
        """Yield jobs of up to `wanted` pieces, their ledger rows written if they have any."""
        for at in range(min(wanted, len(self.ready))):
            self.ready[at].parts = len(self.parts)
        yield from super().jobs_for(wanted)

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
