"""Sending the batches of a run: the intent first, then the batch.

A row for the batch and one in the ledger for each of its requests are written in the transaction
that ties the work to it. Then the batch is sent. Whoever starts again finds it there, whatever
happened in between: `collecting` looks for what may have arrived.
"""

import logging
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import IO

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from coding import leases
from coding.coders import Failed, Passage, Reply, Stopped
from coding.coders.claude_batches import (
    BETWEEN,
    CLOSING,
    OPENING,
    Gone,
    InDoubt,
    NotTaken,
    Unreachable,
)
from coding.collecting import Collector
from coding.crew import BUDGET_SPENT
from coding.errands import ROWS, Errand, adopt, owner_of, put_back
from coding.leases import Piece
from coding.models import Attempt, Batch, BatchState, Run, State, Work
from coding.models import Outcome as Ended
from studies.problems import _

log = logging.getLogger(__name__)

LONG = timedelta(days=40)  # results are kept for 29 days; after that the work is anybody's
NOTHING = Passage("", (), 0, 0, "")


class TooDear(Exception):
    """The budget does not have what a batch can cost."""


class Sender:
    """Writes and sends the batches of an errand, one after the other.

    `outbox` is the batch that is written down and not sent yet, with its requests.
    """

    def __init__(self, errand: Errand, collector: Collector) -> None:
        self.errand = errand
        self.collector = collector
        self.run = errand.run
        self.owner = errand.owner
        self.terms = errand.terms
        self.price = errand.price
        self.most_bytes = errand.terms.most_bytes
        self.outbox: tuple[Batch, IO[bytes]] | None = None
        self.send_at = 0.0

    def send_next(self) -> bool:
        """Send a batch if there is work for one; return whether anything was done."""
        if self.errand.canceling:
            self.withdraw()
        if self.errand.canceling or self.errand.over() or time.monotonic() < self.send_at:
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
        others = self.errand.mine().exists()
        if self.errand.short_of_money and others:
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
        while not full and len(asked) < most and not self.errand.interrupted:
            leased = leases.lease(self.run, self.owner, min(ROWS, most - len(asked)))
            if not leased:
                break
            self.errand.recall(leased)
            spare: list[int] = []
            for piece in leased:
                line = b""
                if not full:
                    line = self.errand.services[piece.part].line(
                        f"{key}-{piece.work}", piece.passage, piece.after, cached=cached
                    )
                    coder = self.errand.parts[piece.part]
                    cost = self.price.most(coder.size(piece.passage), coder.most_room(piece.after))
                    if room is not None and total + cost > room:
                        full = self.errand.short_of_money = True
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
        batch = None if self.errand.interrupted or not asked else self.intend(key, asked, size)
        if batch is None:
            body.close()
            leases.give_back(self.run, self.owner)
            if self.errand.short_of_money and not asked and not self.errand.mine().exists():
                self.errand.because = BUDGET_SPENT
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
                    sent = leases.begin(self.run, self.owner, some, self.errand.coder.model, batch)
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
            self.errand.short_of_money = True
            return None
        except leases.Lost:
            return None
        return batch

    def deliver(self, batch: Batch, body: IO[bytes]) -> None:
        """Send `batch`; what is not taken for now is sent again later, as the same batch."""
        try:
            name = self.errand.service.send(body)
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
            self.errand.well()
            if not adopt(batch, name):
                # Somebody gave it up for lost meanwhile, and its work went elsewhere.
                with suppress(Unreachable, Gone):
                    self.errand.service.cancel(name)
        self.empty_outbox()

    def doubt(self, batch: Batch) -> None:
        """Write down that nobody knows whether `batch` arrived."""
        Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING).update(
            sender="", doubted_at=timezone.now()
        )

    def not_taken(self, batch: Batch, error: NotTaken) -> None:
        """Deal with a batch that the service says it did not take."""
        outcome = error.outcome
        if isinstance(outcome, Failed) and outcome.service and not self.errand.canceling:
            self.send_at = time.monotonic() + self.errand.trouble(outcome)
            return
        self.withdraw()
        if error.too_large and batch.requests > 1:
            self.most_bytes = max(batch.size // 2, 1)
        elif not self.errand.canceling:
            self.errand.because = getattr(outcome, "reason", "")

    def withdraw(self) -> None:
        """Undo the intent of a batch that certainly was not taken."""
        if self.outbox is None:
            return
        batch, _body = self.outbox
        row = Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING, doubted_at=None).first()
        if row is not None:
            self.collector.close(row, Reply(Stopped(_("not sent"))), BatchState.LOST)
        self.empty_outbox()

    def empty_outbox(self) -> None:
        """Let go of the file of the batch that was to be sent."""
        if self.outbox is not None:
            self.outbox[1].close()
            self.outbox = None

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
