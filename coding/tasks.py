"""The broker is an alarm clock: a task wakes the loop, and what is done stands in the database.

A message that is lost, late or delivered twice costs nothing but time: the sweeper finds the runs
that workers were told of and nobody works on, and two loops of one run share its work.
"""

import logging
import mmap
import time
from contextlib import closing
from datetime import timedelta

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from coding import leases, runs
from coding.batches import call_off
from coding.loop import work_loop
from coding.models import Run, State, Work
from studies.problems import Problem, _

log = logging.getLogger(__name__)

SHIFT = 300.0  # seconds; well below the time after which a broker delivers a message again
STALE = 600.0  # seconds after which a message that nobody took is of no use any more


# Set when the worker is told to leave. Its children are forked from it and read the same byte.
leaving = mmap.mmap(-1, 1)


@worker_shutting_down.connect
def leave(**_more: object) -> None:
    """Have the shifts of this worker end: what is on its way is taken in, the rest given back."""
    leaving[0] = 1


@shared_task(ignore_result=True, acks_late=True)
def go_on(run_id: int) -> None:
    """Work on a run for a while, then hand over; losing the message loses nothing."""
    run = Run.objects.filter(pk=run_id, finished_at=None, stopped_because="").first()
    if run is None:
        return
    try:
        coder = runs.coder_for(run)
    except Problem as problem:  # without a key, say, waking it again would not help
        Run.objects.filter(pk=run_id, stopped_because="").update(stopped_because=str(problem))
        return
    with closing(coder):
        until = time.monotonic() + SHIFT
        stands = work_loop(run, coder, until=until, leaving=lambda: leaving[0] != 0)
    if not stands["finished"] and not stands["stopped"]:
        wake(run)


@shared_task(ignore_result=True)
def sweep() -> None:
    """Bring back what the dead had leased, and wake runs that have work and nobody working."""
    now = timezone.now()
    for run in Run.objects.filter(finished_at=None).order_by("pk"):
        leases.take_back(run, now)
        work = Work.objects.filter(run=run)
        if run.stopped_because == runs.CANCELED:
            try:
                call_off(run)
            except Problem as problem:
                log.warning("run %s: its batches could not be stopped: %s", run.pk, problem)
            leases.cancel_left(run, runs.CANCELED)
        elif not run.stopped_because and run.woken_at is not None:
            in_work = work.filter(state=State.LEASED).exists()
            waiting = work.filter(Q(not_before=None) | Q(not_before__lte=now), state=State.PENDING)
            # Who was woken a moment ago may be about to begin.
            patience = timedelta(seconds=2 * settings.CONCORD_SWEEP)
            if not in_work and run.woken_at < now - patience and waiting.exists():
                wake(run)


def wake(run: Run) -> bool:
    """Tell the workers of `run`; while the broker is away the sweeper is the one to tell them."""
    Run.objects.filter(pk=run.pk).update(woken_at=timezone.now())
    try:
        go_on.apply_async((run.pk,), expires=STALE)
    except OperationalError as error:
        log.warning("The broker does not answer: %s", error)
        return False
    return True


def tell(run: Run, what: str, patience: float = 1.0) -> None:
    """Pause, resume or cancel `run`, as `what` says; workers that were at it are woken.

    The batches of one that is canceled are stopped at the service, and for `patience` seconds it
    is waited for what had been answered. What comes later the sweeper fetches, or being told again.
    """
    steps = {"pause": runs.pause, "resume": runs.resume, "cancel": runs.cancel}
    steps[what](run)
    if what == "cancel":
        for one in runs.family(run).filter(finished_at=None):
            stop_batches(one, patience)
    if what == "resume" and settings.CELERY_BROKER_URL:
        for one in runs.family(run).filter(finished_at=None, woken_at__isnull=False):
            wake(one)


def stop_batches(run: Run, patience: float) -> None:
    """Call off the batches of a canceled `run`; that it could not be asked is a Problem."""
    try:
        call_off(run, patience)
    except Problem as problem:
        raise Problem(
            _("“%(run)s” is canceled, but its batches could not be stopped: %(why)s"),
            run=run.name,
            why=str(problem),
        ) from problem
