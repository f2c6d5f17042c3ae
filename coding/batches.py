"""Runs in batches: half the price for waiting up to a day, and nobody has to stay for it.

`sending` sends what is to be coded, `collecting` brings home what became of it; here they take
turns until nothing is left. Whoever starts again goes on with the batches that are there.
"""

import os
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import Any

from django.utils import timezone

from coding import leases
from coding.coders.claude import ClaudeCoder
from coding.collecting import Collector
from coding.crew import listening
from coding.errands import OPEN, Errand, Terms
from coding.leases import Pace
from coding.loop import HEARING
from coding.models import Batch, Run
from coding.runs import CANCELED, coder_for, progress
from coding.sending import Sender
from studies.problems import Problem, _


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
    errand = Errand(run, coder, given or terms(), pace or Pace(most_attempts=5), cancel)
    with listening(errand) if listen else nullcontext():
        Courier(errand, advance).go(until)
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


class Courier:
    """One process that sends the batches of a run, watches them and fetches their answers."""

    def __init__(self, errand: Errand, advance: Callable[[int], None] | None = None) -> None:
        self.errand = errand
        self.run = errand.run
        self.collector = Collector(errand, advance)
        self.sender = Sender(errand, self.collector)
        self.heard = 0.0

    def go(self, until: float | None = None) -> None:
        """Work until nothing is left, the run has to stop, or it is time to leave."""
        owner, sender, collector = self.errand.owner, self.sender, self.collector
        leases.at_work.add(owner)
        leases.take_back(self.run, timezone.now())
        try:
            while not self.errand.over() and (until is None or time.monotonic() < until):
                self.hear()
                here = sender.outbox[0].pk if sender.outbox else None
                moved = collector.look_for_lost(here) | collector.look_after() | sender.send_next()
                if moved:
                    continue
                if not sender.outbox and not self.waiting():
                    break
                time.sleep(min(1.0, self.errand.terms.poll))
            if self.errand.interrupted:
                raise KeyboardInterrupt
        finally:
            sender.withdraw()
            leases.at_work.discard(owner)
            leases.give_back(self.run, owner)
            self.conclude()

    def hear(self) -> None:
        """Hear whether somebody stopped the run; one that is canceled is canceled there too."""
        if time.monotonic() - self.heard < HEARING:
            return
        self.heard = time.monotonic()
        said = Run.objects.filter(pk=self.run.pk).values_list("stopped_because", flat=True)
        told = next(iter(said), "")
        if told == CANCELED:
            self.errand.canceling = True
        else:
            self.errand.told = told

    def waiting(self) -> bool:
        """Return whether there is, or will be, something to do."""
        if self.errand.mine().exists():
            return True
        return not self.errand.canceling and leases.next_due(self.run) is not None

    def conclude(self) -> None:
        """Write down how the run stands."""
        if self.errand.because:
            Run.objects.filter(pk=self.run.pk, stopped_because="").update(
                stopped_because=leases.clean(self.errand.because)
            )
        self.run.refresh_from_db()
        if self.run.stopped_because == CANCELED:
            leases.cancel_left(self.run, CANCELED)
        elif not self.errand.because:
            leases.finish(self.run)
        self.run.refresh_from_db()
