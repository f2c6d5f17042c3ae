"""What one process knows of a run in batches, whether it sends them or collects their answers."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from coding import leases
from coding.coders import Failed, Outcome
from coding.coders.claude import ClaudeCoder
from coding.coders.claude_batches import ClaudeBatches
from coding.coders.messages import CUT_OFF, NOT_ACCEPTED
from coding.crew import LONG_SILENCE
from coding.leases import Pace, Piece
from coding.loop import ask_by_dimension, remembered
from coding.models import Attempt, Batch, BatchState, Run, State, Work
from coding.models import Outcome as Ended
from coding.prices import price

OPEN = (BatchState.SENDING, BatchState.RUNNING)
ROWS = 100  # pieces whose texts are in memory at once


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


def owner_of(batch: Batch) -> str:
    """Return the name under which `batch` holds its work."""
    return f"{leases.WITH_SERVICE}{batch.key}"


class Errand:
    """The batches of one run, as the process that sends and collects them stands to them.

    `because` is why it has to stop and `told` why somebody stopped the run, "" while it goes on;
    `canceling` says that nothing is sent any more, `interrupted` that a person wants to leave.
    """

    def __init__(
        self, run: Run, coder: ClaudeCoder, terms: Terms, pace: Pace, canceling: bool
    ) -> None:
        self.run = run
        self.coder = coder
        # One coder for whole pieces, or one for each dimension where a request is too small.
        self.parts = [coder]
        if run.parameters.get("by_dimension"):
            self.parts = coder.by_dimension()
        self.services = [ClaudeBatches(part) for part in self.parts]
        self.service = self.services[0]
        self.terms = terms
        self.pace = pace
        self.canceling = canceling
        self.owner = leases.new_owner()
        self.price = price(run.model).in_batch()
        self.failures = 0  # of the service, one after the other
        self.last_good = time.monotonic()
        self.short_of_money = False
        self.interrupted = False
        self.because = ""
        self.told = ""

    def over(self) -> bool:
        """Return whether to leave at the next step."""
        return bool(self.because or self.told) or self.interrupted

    def mine(self) -> QuerySet[Batch]:
        """Return the run's batches that are not settled."""
        return Batch.objects.filter(run=self.run, state__in=OPEN).order_by("pk")

    def well(self) -> None:
        """Note that the service answered."""
        self.failures, self.last_good = 0, time.monotonic()

    def trouble(self, outcome: Outcome) -> float:
        """Note that the service failed; return how long to wait, or stop when it is too long."""
        self.failures += 1
        if time.monotonic() - self.last_good > self.pace.patience:
            reason = getattr(outcome, "reason", "")
            self.because = f"{LONG_SILENCE} {reason}"
        return self.pace.wait(self.failures, getattr(outcome, "wait", None) or 0.0)

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


def adopt(batch: Batch, name: str) -> bool:
    """Tie `batch` to the one that the service calls `name`; return whether it was free."""
    free = Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING)
    return bool(free.update(state=BatchState.RUNNING, remote_id=name, sender="", doubted_at=None))


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
