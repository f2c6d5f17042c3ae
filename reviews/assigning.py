"""Who is asked about what: seats with a name, seats of the pool, and how long one is kept.

An item has `coders_wanted` seats. A sample drawn for named coders has a name on each; in any other
they are a pool, taken by whoever comes. A seat of the pool is kept for minutes, and for longer
while the page that shows it is open; then it goes back, and what was entered stays its coder's.

`Item.taken` counts the seats, under the item's lock, and the database lets it not exceed what is
wanted. Locks are taken in one order, the item's before the assignment's, so nobody waits in a ring.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat, Least, Left, Lower, StrIndex
from django.utils import timezone

from reviews.models import Assignment, Item, Purpose, Ruling, Sample
from studies.models import Membership, Segment, Study, Transcript

LEASE = timedelta(minutes=15)  # renewed while the page is open
PREFETCH = timedelta(minutes=5)  # handed out, and not looked at yet
PAGE = timedelta(minutes=60)  # a page without a script can't say that it is still open
MOST_HELD = 6  # seats of the pool that one person has at a time
EXACT = 500  # up to so many interviews are counted anew for each question
BETWEEN = 5  # seconds between two looks for seats that were kept too long
MANY = 2_000  # rows in one statement

_writing = Lock()
COUNTED = 60  # seconds for which a longer count holds
TIDY = 60  # seconds between two looks at a whole pool

# What every question asks of the database is written out: put together by the ORM, it would take
# longer to say than to do. The names are the models' own tables; nothing of a person's is in them.
TABLES = {
    "assignment": Assignment._meta.db_table,
    "item": Item._meta.db_table,
    "segment": Segment._meta.db_table,
    "transcript": Transcript._meta.db_table,
}
OPEN = """
SELECT * FROM (
    SELECT 0 AS fresh, a.id FROM {assignment} a JOIN {item} i ON i.id = a.item_id
    WHERE a.person_id = %s AND a.answered_at IS NULL AND a.returned_at IS NULL
        AND a.shown_at IS NOT NULL AND i.sample_id IN ({{samples}})
    ORDER BY a.shown_at, a.id LIMIT %s
) AS begun UNION ALL SELECT * FROM (
    SELECT 1 AS fresh, a.id FROM {assignment} a JOIN {item} i ON i.id = a.item_id
    WHERE a.person_id = %s AND a.answered_at IS NULL AND a.returned_at IS NULL
        AND a.shown_at IS NULL AND i.sample_id IN ({{samples}})
    ORDER BY a.shown_at, a.id LIMIT %s
) AS untouched
""".format(**TABLES)  # noqa: S608
FREE = """
SELECT i.position, i.id, i.coders_wanted, i.taken, i.language,
    (SELECT COUNT(*) FROM {assignment} h WHERE h.item_id = i.id AND h.returned_at IS NULL),
    t.language
FROM {item} i JOIN {segment} s ON s.id = i.segment_id JOIN {transcript} t ON t.id = s.transcript_id
WHERE i.sample_id = %s AND i.taken < i.coders_wanted {{language}}
    AND NOT EXISTS (
        SELECT 1 FROM {assignment} a WHERE a.item_id = i.id AND a.person_id = %s
            AND (a.returned_at IS NULL OR a.answered_at IS NOT NULL)
    ) {{trained}}
ORDER BY i.position LIMIT %s {{lock}}
""".format(**TABLES)  # noqa: S608
OWN = """
SELECT
    SUM(CASE WHEN a.answered_at IS NOT NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN a.answered_at IS NULL AND a.returned_at IS NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN i.taken < i.coders_wanted
        AND (a.answered_at IS NOT NULL OR a.returned_at IS NULL) THEN 1 ELSE 0 END)
FROM {assignment} a JOIN {item} i ON i.id = a.item_id
WHERE a.person_id = %s AND i.sample_id IN ({{samples}})
""".format(**TABLES)
SINCE = """
SELECT COUNT(*) FROM {assignment} a JOIN {item} i ON i.id = a.item_id
WHERE a.person_id = %s AND a.answered_at > %s AND i.sample_id IN ({{samples}})
""".format(**TABLES)
POOL = """
SELECT
    (SELECT COUNT(*) FROM {item} i
    WHERE i.sample_id IN ({{samples}}) AND i.taken < i.coders_wanted {{language}}),
    (SELECT COUNT(DISTINCT a.item_id) FROM {assignment} a JOIN {item} i ON i.id = a.item_id
    WHERE a.answered_at IS NULL AND a.returned_at IS NULL AND a.held_until IS NOT NULL
        AND a.shown_at IS NULL AND i.sample_id IN ({{samples}}) {{language}}
        AND i.taken = i.coders_wanted AND NOT EXISTS (
            SELECT 1 FROM {assignment} m WHERE m.item_id = i.id AND m.person_id = %s
        ))
""".format(**TABLES)  # noqa: S608


def working_samples(samples: Sequence[Sample]) -> list[Sample]:
    """Return what people are asked about, blind, of a study's `samples` in the order drawn.

    These are the rounds of the current sample; a later one adds to those before it.
    """
    known = {sample.pk: sample for sample in samples}
    found = [sample for sample in samples if sample.purpose == Purpose.REVIEW][-1:]
    while found and (earlier := known.get(found[0].continues_id or 0)):
        found.insert(0, earlier)
    return found


def in_training(samples: Sequence[Sample], person: User, count: int) -> list[int]:
    """Return the keys of up to `count` assignments in trainings that `person` has still to answer.

    Those whose key is set: without one there is nothing to learn from.
    """
    trainings = [sample for sample in samples if sample.purpose == Purpose.TRAINING]
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
    samples: Sequence[Sample], person: User, count: int, have: Collection[int] = ()
) -> list[int]:
    """Return the keys of up to `count` assignments that `person` has still to answer.

    What they have begun comes first, then the rest in the order drawn; those they `have` already
    are left out.
    """
    if not samples:
        return []
    most = count + len(have)
    keys = [sample.pk for sample in samples]
    with connection.cursor() as cursor:
        cursor.execute(OPEN.format(samples=places(keys)), [*[person.pk, *keys, most] * 2])
        found = [int(pk) for _fresh, pk in sorted(cursor.fetchall())]
    return [pk for pk in dict.fromkeys(found) if pk not in have][:count]


def hand_out(
    samples: Sequence[Sample],
    person: User,
    *,
    want: int = 1,
    have: Collection[int] = (),
    reads: Collection[str] | None = None,
    trained: Collection[int] | None = None,
    pool: bool = True,
    hold: timedelta = PREFETCH,
) -> list[int]:
    """Return the keys of up to `want` assignments for `person` besides those they `have`.

    Their own open ones come first; then, where `pool` allows it, free seats of languages they read
    (`reads`: those of their membership unless given) that they were not `trained` on, kept for
    them for as long as `hold`.
    """
    found = open_assignments(samples, person, want, have)
    pools = [sample for sample in samples if pool and is_pool(sample)]
    if len(found) >= want or not pools:
        return found
    study = pools[0].study_id
    languages = languages_of(study, person) if reads is None else bases(reads)
    trained = trained_on(study, person) if trained is None else trained
    take_back_at_times()
    for again in (False, True):
        with in_turn(), transaction.atomic():
            # Two tabs of one person ask one after the other, and nobody else waits for them.
            one_at_a_time(study, person)
            found = open_assignments(samples, person, want, have)
            for sample in pools:
                left = min(want, MOST_HELD - len(have)) - len(found)
                if left > 0:
                    found += take(sample, person, languages, trained, left, hold)
        if found or again or not any([take_back(), *map(tidy, pools)]):
            break
    return found


def take(
    sample: Sample,
    person: User,
    languages: Sequence[str],
    trained: Collection[int],
    count: int,
    hold: timedelta,
) -> list[int]:
    """Give `person` up to `count` free seats of the pool; return the keys of their assignments.

    Items that somebody else is just taking are left to them, unless there is nothing else.
    """
    taken: list[int] = []
    for patient in (False, True):
        while len(taken) < count:
            free = first_free(sample, person, languages, trained, count - len(taken), patient)
            if not free:
                break
            fit = [one for one in free if one.is_as_noted]
            for one in free:
                if not one.is_as_noted:  # noted as it is, it is found in its place or not at all
                    Item.objects.filter(pk=one.item).update(language=base(one.language))
                    recount([one.item])
            taken += seat([one.item for one in fit], person, hold)
        if taken or not can_lock():
            break
    return taken


@dataclass(frozen=True)
class Free:
    """An item with a free seat, locked for us: what is noted of it, and what the rows say."""

    position: int
    item: int
    wanted: int
    taken: int
    noted: str
    held: int
    language: str

    @property
    def is_as_noted(self) -> bool:
        """Whether its count and its language are up to date."""
        return self.held == self.taken and base(self.language) == self.noted


def first_free(
    sample: Sample,
    person: User,
    languages: Sequence[str],
    trained: Collection[int],
    count: int,
    patient: bool,
) -> list[Free]:
    """Lock and return the first items of the pool, in the order drawn, with a seat for `person`.

    What somebody else has locked is passed over, or waited for by who is `patient`.
    """
    lock = "FOR UPDATE OF i" + ("" if patient else " SKIP LOCKED") if can_lock() else ""
    found: list[Free] = []
    # One look for each language: an index leads to the first of each, to those of all in no order.
    for language in languages or [""]:
        statement = FREE.format(
            language="AND i.language = %s" if language else "",
            trained=f"AND i.segment_id NOT IN ({places(trained)})" if trained else "",
            lock=lock,
        )
        values: list[Any] = [
            sample.pk,
            *([language] if language else []),
            person.pk,
            *trained,
            count,
        ]
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            found += [Free(*row) for row in cursor.fetchall()]
    return sorted(found, key=lambda one: one.position)[:count]


def can_lock() -> bool:
    """Return whether rows are locked one by one; SQLite has one writer at a time instead."""
    return connection.features.has_select_for_update


@contextmanager
def in_turn() -> Iterator[None]:
    """Let the threads of this process write one after the other where the database wants that.

    SQLite would let them wait by sleeping, longer each time, and whoever comes last wins.
    """
    if can_lock() or connection.in_atomic_block:
        yield
    else:
        with _writing:
            yield


def places(values: Collection[object]) -> str:
    """Return a placeholder for each of `values`.

    >>> places([7, 8])
    '%s, %s'
    """
    return ", ".join(["%s"] * len(values))


def trained_on(study: int, person: User) -> list[int]:
    """Return the segments that `person` was trained on: they know what is to be said of them."""
    rows = Assignment.objects.filter(
        person=person, item__sample__study=study, item__sample__purpose=Purpose.TRAINING
    )
    return list(rows.values_list("item__segment", flat=True))


def with_seat(items: Sequence[Item]) -> list[Item]:
    """Return those of the locked `items` that have a seat, by the rows and not by the count."""
    rows = Assignment.objects.filter(item__in=items, returned_at=None)
    held = Counter(rows.values_list("item", flat=True))
    return [item for item in items if held[item.pk] < item.coders_wanted]


def seat(items: Sequence[int], person: User, hold: timedelta) -> list[int]:
    """Seat `person` at the locked `items`; where they sat before, it is that assignment again."""
    if not items:
        return []
    until = timezone.now() + hold
    made = Assignment.objects.bulk_create(
        [Assignment(item_id=item, person=person, held_until=until) for item in items],
        update_conflicts=True,
        unique_fields=["item", "person"],
        update_fields=["held_until", "returned_at"],
    )
    Item.objects.filter(pk__in=items).update(taken=F("taken") + 1)
    return [one.pk for one in made]


def recount(items: Iterable[Item | int]) -> None:
    """Count the seats taken of `items` anew, from the assignments there are."""
    keys = [item.pk if isinstance(item, Item) else item for item in items]
    count_taken(Item.objects.filter(pk__in=keys))


def count_taken(items: QuerySet[Item]) -> None:
    """Write down how many seats of each of `items` are answered or kept for somebody."""
    held = (
        Assignment.objects.filter(item=OuterRef("pk"), returned_at=None)
        .order_by()
        .values("item")
        .annotate(count=Count("pk"))
        .values("count")
    )
    # More may have coded an item, on their own or elsewhere, than were wanted.
    items.update(taken=Least(Coalesce(Subquery(held), Value(0)), F("coders_wanted")))


def one_at_a_time(study: int, person: User) -> None:
    """Let `person` do one thing after the other in `study` until the end of the transaction."""
    if can_lock():
        rows = Membership.objects.select_for_update(no_key=True)
        list(rows.filter(study=study, person=person).values_list("pk"))


def take_back() -> int:
    """Give seats back that were kept too long without an answer; return how many."""
    now = timezone.now()
    over = Assignment.objects.filter(answered_at=None, returned_at=None, held_until__lt=now)
    keys = list(over.values_list("item", flat=True)[:MANY])
    if not keys:
        return 0
    with in_turn(), transaction.atomic():
        # Whoever has one of them in hand, such as its coder who is just answering, keeps it.
        items = Item.objects.filter(pk__in=keys).select_for_update(skip_locked=True)
        free = list(items.values_list("pk", flat=True))
        count = over.filter(item__in=free).update(returned_at=now)
        recount(free)
    return count


def take_back_at_times() -> None:
    """Give seats back that were kept too long, if nobody looked for them in the last seconds."""
    if cache.add("take_back", True, BETWEEN):
        take_back()


def keep(study: Study, person: User, keys: Collection[int]) -> tuple[list[int], list[int]]:
    """Keep the seats `keys` of `person` for longer; return which they have, and which are lost.

    One that went back to the pool is theirs again if nobody else has taken it.
    """
    mine = Assignment.objects.filter(
        pk__in=keys, person=person, item__sample__study=study, answered_at=None
    ).order_by("pk")
    rows = list(mine.values_list("pk", "item", "held_until", "returned_at", "shown_at"))
    lost = [pk for pk, item, *_rest, back, _shown in rows if back and not reseat(pk, item)]
    renew([(pk, shown) for pk, _item, until, back, shown in rows if until and not back])
    return [pk for pk, *_rest in rows if pk not in lost], lost


def renew(rows: Iterable[tuple[int, datetime | None]]) -> None:
    """Keep seats of the pool for longer; each row is its key and when it was first shown."""
    now = timezone.now()
    for pk, shown in rows:
        row = Assignment.objects.filter(pk=pk, returned_at=None, held_until__isnull=False)
        with in_turn():
            row.update(held_until=now + (LEASE if shown else PREFETCH))


def reseat(assignment: int, item: int, hold: timedelta = LEASE) -> bool:
    """Give a seat that went back to its coder again, if there is one; return whether there was."""
    with in_turn(), transaction.atomic():
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
    with in_turn(), transaction.atomic():
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
    with in_turn():
        rows.update(shown_at=assignment.shown_at, held_until=assignment.held_until)
    return True


def own_progress(
    samples: Sequence[Sample], person: User, reads: Collection[str] | None = None
) -> tuple[int, int]:
    """Return how many interviews `person` has done, answered or skipped, and of how many.

    What the pool may still ask of them counts; a seat that is another's ahead of time, and not
    looked at yet, counts as free. A long count holds for a minute, but for their own answers.
    """
    if not samples:
        return 0, 0
    pools = [sample for sample in samples if is_pool(sample)]
    languages: list[str] = []
    if pools:
        languages = languages_of(pools[0].study_id, person) if reads is None else bases(reads)
    made = "/".join(f"{sample.pk}:{sample.created_at.timestamp()}" for sample in samples)
    key = f"progress/{person.pk}/{made}/{'/'.join(languages)}"
    known: tuple[int, int, datetime] | None = cache.get(key)
    if known is None:
        now = timezone.now()
        done, of = count_progress(samples, pools, person, languages)
        if of > EXACT:
            cache.set(key, (done, of, now), COUNTED)
        return done, of
    done, of, at = known
    keys = [sample.pk for sample in samples]
    moment = connection.ops.adapt_datetimefield_value(at)
    with connection.cursor() as cursor:
        cursor.execute(SINCE.format(samples=places(keys)), [person.pk, moment, *keys])
        return done + int(cursor.fetchone()[0]), of


def count_progress(
    samples: Sequence[Sample], pools: Sequence[Sample], person: User, languages: Sequence[str]
) -> tuple[int, int]:
    """Return what `own_progress` does, by counting."""
    keys = [sample.pk for sample in samples]
    with connection.cursor() as cursor:
        cursor.execute(OWN.format(samples=places(keys)), [person.pk, *keys])
        done, waiting, unfilled = (int(count or 0) for count in cursor.fetchone())
        if not pools:
            return done, done + waiting
        keys = [sample.pk for sample in pools]
        read = f"AND i.language IN ({places(languages)})" if languages else ""
        cursor.execute(
            POOL.format(samples=places(keys), language=read),
            [*keys, *languages, *keys, *languages, person.pk],
        )
        free, ahead = (int(count) for count in cursor.fetchone())
    return done, done + waiting + max(0, free - unfilled) + ahead


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
    for start in range(0, len(stale), MANY):
        with in_turn(), transaction.atomic():
            some = Item.objects.filter(pk__in=stale[start : start + MANY])
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
