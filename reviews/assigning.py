"""Who is asked about what: seats with a name, seats of the pool, and how long one is kept.

An item has `coders_wanted` seats. A sample drawn for named coders has a name on each; in any other
they are a pool, taken by whoever comes. A seat of the pool is kept for minutes, and for longer
while the page that shows it is open; then it goes back, and what was entered stays its coder's.

`Item.taken` counts the seats, under the item's lock, and the database lets it not exceed what is
wanted. Locks are taken in one order, the item's before the assignment's, so nobody waits in a ring.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Concat, Least, Left, Lower, StrIndex
from django.utils import timezone

from reviews.models import Assignment, Item, Purpose, Ruling, Sample
from reviews.sampling import current_sample, rounds
from studies.models import Membership, Study

LEASE = timedelta(minutes=15)  # renewed while the page is open
PREFETCH = timedelta(minutes=5)  # handed out, and not looked at yet
PAGE = timedelta(minutes=60)  # a page without a script can't say that it is still open
MOST_HELD = 6  # seats of the pool that one person has at a time
LOOK = 32  # items looked at for a free seat, so that those who come at once find one each
EXACT = 2_000  # up to so many open items are counted for each question
COUNTED = 60  # seconds for which a longer count holds
TIDY = 60  # seconds between two looks at a whole pool


def working_samples(study: Study) -> list[Sample]:
    """Return what people of `study` are asked about, blind: the rounds of the current sample.

    A later round adds to the one before it, whose open items come first.
    """
    current = current_sample(study)
    return rounds(current) if current else []


def in_training(study: Study, person: User, count: int) -> list[int]:
    """Return the keys of up to `count` training assignments that `person` has still to answer.

    Those whose key is set: without one there is nothing to learn from.
    """
    trainings = list(study.samples.filter(purpose=Purpose.TRAINING).values_list("pk", flat=True))
    if not trainings:
        return []
    rows = Assignment.objects.filter(
        Exists(Ruling.objects.filter(item=OuterRef("item"))),
        person=person,
        answered_at=None,
        returned_at=None,
        item__sample__in=trainings,
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:count])


def is_pool(sample: Sample) -> bool:
    """Return whether the seats of `sample` are for whoever comes."""
    return not sample.design.get("coders")


def open_assignments(
    samples: Iterable[Sample], person: User, count: int, have: Collection[int] = ()
) -> list[int]:
    """Return the keys of up to `count` assignments that `person` has still to answer.

    What they have begun comes first, then what comes first in the order of `samples`; those they
    `have` already are left out.
    """
    rows = Assignment.objects.filter(person=person, answered_at=None, returned_at=None)
    rows = rows.exclude(pk__in=have)
    begun = rows.filter(item__sample__in=list(samples), shown_at__isnull=False)
    found = list(begun.order_by("shown_at", "pk").values_list("pk", flat=True)[:count])
    for sample in samples:
        if len(found) >= count:
            break
        # In the order of their keys, which is that of the draw: so no thousands are sorted.
        fresh = rows.filter(item__sample=sample, shown_at=None).order_by("shown_at", "pk")
        found += fresh.values_list("pk", flat=True)[: count - len(found)]
    return found


def hand_out(
    samples: Sequence[Sample],
    person: User,
    *,
    want: int = 1,
    have: Collection[int] = (),
    reads: Collection[str] | None = None,
    pool: bool = True,
    hold: timedelta = PREFETCH,
) -> list[int]:
    """Return the keys of up to `want` assignments for `person` besides those they `have`.

    Their own open ones come first; then, where `pool` allows it, free seats of languages they read
    (`reads`: those of their membership unless given), kept for them for as long as `hold`.
    """
    found = open_assignments(samples, person, want, have)
    pools = [sample for sample in samples if pool and is_pool(sample)]
    if len(found) >= want or not pools:
        return found
    languages = languages_of(pools[0].study_id, person) if reads is None else bases(reads)
    take_back()
    for again in (False, True):
        with transaction.atomic():
            # Two tabs of one person ask one after the other, and nobody else waits for them.
            one_at_a_time(pools[0].study_id, person)
            found = open_assignments(samples, person, want, have)
            for sample in pools:
                left = min(want, MOST_HELD - len(have)) - len(found)
                if left > 0:
                    found += take(sample, person, languages, left, hold)
        if found or again or not any(tidy(sample) for sample in pools):
            break
    return found


def take(
    sample: Sample, person: User, languages: Sequence[str], count: int, hold: timedelta
) -> list[int]:
    """Give `person` up to `count` free seats of the pool; return the keys of their assignments.

    Items that somebody else is just taking are left to them, unless there is nothing else.
    """
    taken: list[int] = []
    for patient in (False, True):
        while len(taken) < count:
            keys = candidates(sample, person, languages)
            items = lock(keys, count - len(taken), patient=patient)
            if not items:
                break
            taken += seat(with_seat(items, languages), person, hold)
            recount(items)
        if taken:
            break
    return taken


def candidates(sample: Sample, person: User, languages: Sequence[str]) -> list[int]:
    """Return the first items of the pool, in the order drawn, that `person` may be asked about.

    What they know the key of, from training, is not for them.
    """
    mine = Assignment.objects.filter(item=OuterRef("pk"), person=person).filter(
        Q(returned_at=None) | Q(answered_at__isnull=False)
    )
    items = Item.objects.filter(~Exists(mine), sample=sample, taken__lt=F("coders_wanted"))
    if trained := trained_on(sample, person):
        items = items.exclude(segment__in=trained)
    found: list[tuple[int, int]] = []
    # One look for each language: an index leads to the first of each, to those of all in no order.
    for language in languages or [""]:
        some = items.filter(language=language) if language else items
        found += some.order_by("position").values_list("position", "pk")[:LOOK]
    return [pk for _position, pk in sorted(found)[:LOOK]]


def trained_on(sample: Sample, person: User) -> list[int]:
    """Return the segments that `person` was trained on, unless `sample` is for training."""
    if sample.purpose == Purpose.TRAINING:
        return []
    rows = Assignment.objects.filter(
        person=person, item__sample__study=sample.study_id, item__sample__purpose=Purpose.TRAINING
    )
    return list(rows.values_list("item__segment", flat=True))


def lock(keys: Sequence[int], count: int, *, patient: bool) -> list[Item]:
    """Return up to `count` of the items `keys` that still have a seat, for us alone until the end.

    What somebody else has locked is passed over, or waited for by who is `patient`.
    """
    items = Item.objects.filter(pk__in=keys, taken__lt=F("coders_wanted")).order_by("position")
    return list(items.select_for_update(skip_locked=not patient, of=("self",))[:count])


def with_seat(items: Sequence[Item], languages: Sequence[str] = ()) -> list[Item]:
    """Return those of the locked `items` that have a seat, by the rows and not by the count.

    Where `languages` are given, one whose language was corrected to another is left out.
    """
    rows = Assignment.objects.filter(item__in=items, returned_at=None)
    held = Counter(rows.values_list("item", flat=True))
    items = [item for item in items if held[item.pk] < item.coders_wanted]
    if not languages:
        return items
    spoken = dict(
        Item.objects.filter(pk__in=[item.pk for item in items]).values_list(
            "pk", "segment__transcript__language"
        )
    )
    for item in items:
        if item.language != base(spoken[item.pk]):
            item.language = base(spoken[item.pk])
            item.save(update_fields=["language"])
    return [item for item in items if item.language in languages]


def seat(items: Sequence[Item], person: User, hold: timedelta) -> list[int]:
    """Seat `person` at the locked `items`; where they sat before, it is that assignment again."""
    until = timezone.now() + hold
    made = Assignment.objects.bulk_create(
        [Assignment(item=item, person=person, held_until=until) for item in items],
        update_conflicts=True,
        unique_fields=["item", "person"],
        update_fields=["held_until", "returned_at"],
    )
    return [one.pk for one in made]


def recount(items: Iterable[Item | int]) -> None:
    """Count the seats taken of `items` anew, from the assignments there are."""
    held = (
        Assignment.objects.filter(item=OuterRef("pk"), returned_at=None)
        .order_by()
        .values("item")
        .annotate(count=Count("pk"))
        .values("count")
    )
    keys = [item.pk if isinstance(item, Item) else item for item in items]
    Item.objects.filter(pk__in=keys).update(
        taken=Least(Coalesce(Subquery(held), Value(0)), F("coders_wanted"))
    )


def one_at_a_time(study: int, person: User) -> None:
    """Let `person` do one thing after the other in `study` until the end of the transaction."""
    rows = Membership.objects.select_for_update(no_key=True).filter(study=study, person=person)
    list(rows.values_list("pk"))


def take_back() -> int:
    """Give seats back that were kept too long without an answer; return how many."""
    now = timezone.now()
    over = Assignment.objects.filter(answered_at=None, returned_at=None, held_until__lt=now)
    keys = list(over.values_list("item", flat=True)[:EXACT])
    if not keys:
        return 0
    with transaction.atomic():
        # Whoever has one of them in hand, such as its coder who is just answering, keeps it.
        items = Item.objects.filter(pk__in=keys).select_for_update(skip_locked=True)
        free = list(items.values_list("pk", flat=True))
        count = over.filter(item__in=free).update(returned_at=now)
        recount(free)
    return count


def keep(study: Study, person: User, keys: Collection[int]) -> tuple[list[int], list[int]]:
    """Keep the seats `keys` of `person` for longer; return which they have, and which are lost.

    One that went back to the pool is theirs again if nobody else has taken it.
    """
    mine = Assignment.objects.filter(
        pk__in=keys, person=person, item__sample__study=study, answered_at=None
    )
    rows = list(mine.values_list("pk", "item", "held_until", "returned_at", "shown_at"))
    lost = [pk for pk, item, *_rest, back, _shown in rows if back and not reseat(pk, item)]
    renew([(pk, shown) for pk, _item, until, back, shown in rows if until and not back])
    return [pk for pk, *_rest in rows if pk not in lost], lost


def renew(rows: Iterable[tuple[int, datetime | None]]) -> None:
    """Keep seats of the pool for longer; each row is its key and when it was first shown."""
    now = timezone.now()
    for pk, shown in rows:
        Assignment.objects.filter(pk=pk, returned_at=None, held_until__isnull=False).update(
            held_until=now + (LEASE if shown else PREFETCH)
        )


def reseat(assignment: int, item: int, hold: timedelta = LEASE) -> bool:
    """Give a seat that went back to its coder again, if there is one; return whether there was."""
    with transaction.atomic():
        locked = Item.objects.select_for_update(of=("self",)).get(pk=item)
        row = Assignment.objects.filter(pk=assignment)
        if row.filter(returned_at=None).exists():
            return True
        if not with_seat([locked]):
            return False
        row.update(returned_at=None, held_until=timezone.now() + hold)
        recount([item])
    return True


def release(study: Study, person: User, keys: Collection[int]) -> list[int]:
    """Give seats of the pool back that `person` has not begun; return which were."""
    mine = Assignment.objects.filter(
        pk__in=keys,
        person=person,
        item__sample__study=study,
        answered_at=None,
        returned_at=None,
        held_until__isnull=False,
        draft__isnull=True,
    )
    with transaction.atomic():
        items = list(
            Item.objects.filter(assignments__in=mine)
            .order_by("pk")
            .select_for_update(of=("self",))
            .values_list("pk", flat=True)
        )
        released = list(mine.filter(item__in=items).values_list("pk", flat=True))
        Assignment.objects.filter(pk__in=released).update(returned_at=timezone.now())
        recount(items)
    return released


def show(assignment: Assignment, hold: timedelta = LEASE) -> bool:
    """Note that the coder of `assignment` sees it now; return False if the seat is another's."""
    if assignment.answered_at:
        return True
    if assignment.returned_at and not reseat(assignment.pk, assignment.item_id, hold):
        return False
    now = timezone.now()
    assignment.shown_at = assignment.shown_at or now
    assignment.returned_at = None
    if assignment.held_until:
        assignment.held_until = now + hold
    rows = Assignment.objects.filter(pk=assignment.pk, answered_at=None)
    rows.update(shown_at=assignment.shown_at, held_until=assignment.held_until)
    return True


def own_progress(
    samples: Sequence[Sample], person: User, reads: Collection[str] | None = None
) -> tuple[int, int]:
    """Return how many interviews `person` has done, answered or skipped, and of how many.

    What the pool may still ask of them counts; a seat that is another's ahead of time, and not
    looked at yet, counts as free.
    """
    done, answered = Q(answered_at__isnull=False), Q(answered_at=None, returned_at=None)
    rows = Assignment.objects.filter(item__sample__in=samples, person=person)
    counts = rows.aggregate(
        done=Count("pk", filter=done),
        waiting=Count("pk", filter=answered),
        unfilled=Count(
            "pk", filter=(done | answered) & Q(item__taken__lt=F("item__coders_wanted"))
        ),
    )
    of = counts["done"] + counts["waiting"]
    if pools := [sample for sample in samples if is_pool(sample)]:
        languages = languages_of(pools[0].study_id, person) if reads is None else bases(reads)
        of += max(0, in_pool(pools, languages) - counts["unfilled"])
        of += ahead_of_time(pools, person, languages)
    return counts["done"], of


def in_pool(pools: Sequence[Sample], languages: Sequence[str]) -> int:
    """Return how many items have a free seat, in `languages` if any are given.

    A long count holds for a minute.
    """
    items = Item.objects.filter(sample__in=pools, taken__lt=F("coders_wanted"))
    if languages:
        items = items.filter(language__in=languages)
    count = items[: EXACT + 1].count()
    if count <= EXACT:
        return count
    made = "/".join(f"{sample.pk}:{sample.created_at.timestamp()}" for sample in pools)
    key = f"in_pool/{made}/{'/'.join(languages)}"
    return int(cache.get_or_set(key, items.count, COUNTED) or 0)


def ahead_of_time(pools: Sequence[Sample], person: User, languages: Sequence[str]) -> int:
    """Return how many items are full only with seats that others were handed and have not seen."""
    mine = Assignment.objects.filter(item=OuterRef("item"), person=person)
    rows = Assignment.objects.filter(
        ~Exists(mine),
        answered_at=None,
        returned_at=None,
        held_until__isnull=False,
        shown_at=None,
        item__sample__in=pools,
        item__taken=F("item__coders_wanted"),
    )
    if languages:
        rows = rows.filter(item__language__in=languages)
    return rows.values("item").distinct().count()


def tidy(sample: Sample) -> bool:
    """Bring counts and languages of a pool's items up to date; return whether any was not.

    Languages are corrected, and codings imported, where nothing is known of seats. It is asked for
    when a pool seems to be empty, once in a while.
    """
    key = f"tidy/{sample.pk}:{sample.created_at.timestamp()}"
    if not cache.add(key, True, TIDY):
        return False
    items = Item.objects.filter(sample=sample)
    code = Lower("segment__transcript__language")
    first = Left(code, StrIndex(Concat(code, Value("-")), Value("-")) - 1)
    held = Count("assignments", filter=Q(assignments__returned_at=None))
    languages = dict(
        items.annotate(spoken=first).exclude(language=F("spoken")).values_list("pk", "spoken")
    )
    counts = items.annotate(held=Least(held, F("coders_wanted"))).exclude(taken=F("held"))
    stale = sorted({*languages, *counts.values_list("pk", flat=True)})
    for start in range(0, len(stale), EXACT):
        with transaction.atomic():
            some = Item.objects.filter(pk__in=stale[start : start + EXACT])
            ours = list(some.select_for_update(skip_locked=True))
            for item in ours:
                item.language = languages.get(item.pk, item.language)
            Item.objects.bulk_update(ours, ["language"], batch_size=500)
            recount(ours)
    return bool(stale)


def languages_of(study: int, person: User) -> list[str]:
    """Return what `person` reads in `study`, without varieties; nothing means every language."""
    rows = Membership.objects.filter(study=study, person=person)
    return bases(rows.values_list("reads", flat=True).first() or ())


def bases(languages: Iterable[str]) -> list[str]:
    return sorted({base(str(language)) for language in languages})


def base(language: str) -> str:
    """Return a language without its variety.

    >>> base("pt-BR"), base("ar")
    ('pt', 'ar')
    """
    return language.split("-")[0].lower()
