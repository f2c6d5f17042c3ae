"""What the ledger says: what was charged, for which language, and what may have been charged."""

from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from coding import leases
from coding.models import Attempt, Batch, Outcome, Run, State, Work

TOKENS = ("input", "output", "cache_read", "cache_write")
# A request whose tokens were told, so that what it cost is known.
KNOWN = Q(input_tokens__isnull=False)
MOST_LISTED = 100


def on_their_way(run: Run) -> Q:
    """Return which of the run's requests somebody still waits for an answer to.

    They are with a batch that is open, or with a loop that is alive; nothing is lost by that.
    """
    leased = Work.objects.filter(run=run, state=State.LEASED)
    owners = leased.order_by().values_list("owner", flat=True).distinct()
    alive = [owner for owner in owners if not leases.is_dead(owner)]
    in_batch = Q(batch__in=Batch.objects.filter(run=run, settled_at=None))
    asked_now = Q(
        batch=None, work__state=State.LEASED, work__owner__in=alive, number=F("work__attempts")
    )
    return Q(outcome=Outcome.SENT) & (in_batch | asked_now)


def maybe_billed(run: Run) -> QuerySet[Attempt]:
    """Return the requests of `run` whose end is not known: they may have been charged.

    `cost` is the most that each can have cost.
    """
    rows = Attempt.objects.filter(~KNOWN, work__run=run, cost__gt=0)
    return rows.exclude(on_their_way(run)).order_by("pk")


def sums(run: Run, by: str = "") -> list[dict[str, Any]]:
    """Return what the requests of `run` took, as one row or as one for each value of `by`.

    `requests`, tokens by kind, `interviews` that were asked about, `usd` booked, `lost` requests
    and `lost_usd`, the most that those can have cost.
    """
    lost = ~KNOWN & Q(cost__gt=0) & ~on_their_way(run)
    figures = {
        "requests": Count("pk"),
        "interviews": Count("work__segment__transcript", filter=KNOWN, distinct=True),
        **{kind: Sum(f"{kind}_tokens") for kind in TOKENS},
        "usd": Sum("cost", filter=KNOWN),
        "lost": Count("pk", filter=lost),
        "lost_usd": Sum("cost", filter=lost),
    }
    rows = Attempt.objects.filter(work__run=run).order_by()
    if not by:
        return [rows.aggregate(**figures)]
    return [
        {"by": key, **figures_of}
        for key, figures_of in (
            (row.pop(by), row) for row in rows.values(by).annotate(**figures).order_by(by)
        )
    ]
