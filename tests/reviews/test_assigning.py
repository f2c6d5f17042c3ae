"""Seats: who gets which item, for how long, and that no item has a coder more than it wants."""

import contextlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from coding.models import Coding
from reviews.assigning import (
    FREE,
    LEASE,
    MOST_HELD,
    OPEN,
    PREFETCH,
    hand_out,
    keep,
    own_progress,
    recount,
    release,
    show,
    take_back,
    tidy,
    working_samples,
)
from reviews.models import Assignment, Item, Purpose, Sample
from reviews.reviewing import Answers, Gone, Said, answer, asked_about, progress, skip, submit
from reviews.sampling import draw_sample
from studies.models import Membership, Transcript
from tests.factories import make_person, make_revision, make_segment, make_study

NONE = Answers((Said("topics", "hope", "no"), Said("topics", "worry", "no")), frozenset({"topics"}))


def make_pool(count: int = 4, languages: tuple[str, ...] = ("en",), **asked: Any) -> Sample:
    study = make_study()
    make_revision(study)
    for number in range(count):
        make_segment(
            "words of somebody",
            study,
            language=languages[number % len(languages)],
            external_id=f"i{number:03}",
        )
    return draw_sample(study, size=count, seed=1, **asked)


def make_coder(sample: Sample, *reads: str) -> User:
    person = make_person(study=sample.study)
    Membership.objects.filter(person=person).update(reads=list(reads))
    return person


def positions(keys: list[int]) -> list[int]:
    rows = Assignment.objects.filter(pk__in=keys).order_by("item__position")
    return list(rows.values_list("item__position", flat=True))


def run_out(*keys: int) -> None:
    """Let the leases of these assignments end."""
    past = timezone.now() - timedelta(seconds=1)
    assert Assignment.objects.filter(pk__in=keys).update(held_until=past) == len(keys)


@pytest.mark.django_db
def test_the_pool_gives_items_in_the_order_drawn_and_to_one_person_each() -> None:
    sample = make_pool(4)
    ann, ben = make_coder(sample), make_coder(sample)
    assert positions(hand_out([sample], ann, want=2)) == [1, 2]
    assert positions(hand_out([sample], ben, want=2)) == [3, 4]
    assert positions(hand_out([sample], ann, want=2)) == [1, 2]  # hers, and nothing more
    assert hand_out([sample], make_coder(sample)) == []


@pytest.mark.django_db
def test_what_a_browser_has_already_is_not_handed_out_again() -> None:
    sample = make_pool(4)
    ann = make_coder(sample)
    have = hand_out([sample], ann, want=1)
    more = hand_out([sample], ann, want=2, have=have)
    assert positions(more) == [2, 3]
    assert positions(hand_out([sample], ann, want=3, have=[*have, *more])) == [4]


@pytest.mark.django_db
def test_nobody_hoards_seats() -> None:
    sample = make_pool(MOST_HELD + 4)
    ann = make_coder(sample)
    have: list[int] = []
    for _ in range(MOST_HELD + 2):
        have += hand_out([sample], ann, want=3, have=have)
    assert len(have) == MOST_HELD


@pytest.mark.django_db
def test_what_somebody_has_begun_comes_before_what_is_untouched() -> None:
    sample = make_pool(3)
    ann = make_coder(sample)
    first, second = hand_out([sample], ann, want=2)
    assert show(asked_about([second])[0])
    assert hand_out([sample], ann, want=2) == [second, first]


@pytest.mark.django_db
def test_a_pool_gives_what_a_coder_reads_whatever_the_variety() -> None:
    sample = make_pool(6, languages=("en", "pt-BR", "ar"))
    ann = make_coder(sample, "pt")
    found = hand_out([sample], ann, want=3)
    languages = Item.objects.filter(assignments__in=found).values_list(
        "segment__transcript__language", flat=True
    )
    assert list(languages) == ["pt-BR", "pt-BR"]
    both = hand_out([sample], make_coder(sample, "ar", "en"), want=3)
    assert positions(both) == sorted(positions(both))
    assert len(both) == 3


@pytest.mark.django_db
def test_a_language_corrected_after_the_draw_is_the_one_that_counts() -> None:
    sample = make_pool(2, languages=("en",))
    english, quechua = make_coder(sample, "en"), make_coder(sample, "qu")
    assert hand_out([sample], quechua) == []
    first = sample.items.get(position=1)
    Transcript.objects.filter(segments=first.segment_id).update(language="qu")
    cache.clear()  # a pool that seemed empty is looked at again after a minute
    assert positions(hand_out([sample], english)) == [2]
    assert positions(hand_out([sample], quechua)) == [1]


@pytest.mark.django_db
def test_a_seat_held_too_long_goes_to_somebody_else_and_back_if_nobody_wants_it() -> None:
    sample = make_pool(2)
    ann, ben = make_coder(sample), make_coder(sample)
    first, second = hand_out([sample], ann, want=2)
    run_out(first, second)
    (taken,) = hand_out([sample], ben)
    assert positions([taken]) == positions([first])
    held, lost = keep(sample.study, ann, [first, second])
    assert (held, lost) == ([second], [first])
    assert set(sample.items.values_list("taken", flat=True)) == {1}
    assert not show(asked_about([first])[0])
    skip(asked_about([taken])[0], "known")
    assert show(asked_about([first])[0])  # free again


@pytest.mark.django_db
def test_a_heartbeat_keeps_what_is_shown_longer_than_what_is_not() -> None:
    sample = make_pool(2)
    ann = make_coder(sample)
    first, second = hand_out([sample], ann, want=2)
    show(asked_about([first])[0])
    Assignment.objects.update(held_until=timezone.now() + timedelta(seconds=5))
    assert keep(sample.study, ann, [first, second]) == ([first, second], [])
    until = {row.pk: row.held_until for row in Assignment.objects.all()}
    shown, ahead = until[first], until[second]
    assert shown is not None
    assert ahead is not None
    assert shown - ahead > (LEASE - PREFETCH) / 2
    assert take_back() == 0


@pytest.mark.django_db
def test_nobody_keeps_shows_or_gives_back_what_is_somebody_elses() -> None:
    sample = make_pool(2)
    ann, ben = make_coder(sample), make_coder(sample)
    hers = hand_out([sample], ann)
    assert keep(sample.study, ben, hers) == ([], [])
    assert release(sample.study, ben, hers) == []
    assert release(make_study(), ann, hers) == []
    assert sample.items.get(position=1).taken == 1


@pytest.mark.django_db
def test_what_is_given_back_is_free_at_once_unless_it_is_begun() -> None:
    sample = make_pool(3)
    ann, ben = make_coder(sample), make_coder(sample)
    first, second, third = hand_out([sample], ann, want=3)
    Assignment.objects.filter(pk=second).update(draft={"answers": {}})
    answer(asked_about([third])[0], NONE)
    assert release(sample.study, ann, [first, second, third]) == [first]
    assert positions(hand_out([sample], ben, want=3)) == [1]


@pytest.mark.django_db
def test_seats_with_a_name_have_no_end() -> None:
    sample = make_pool(3, coders=["mara"])
    mara = User.objects.get(username="mara")
    keys = hand_out([sample], mara, want=3)
    assert len(keys) == 3
    assert keep(sample.study, mara, keys) == (keys, [])
    assert release(sample.study, mara, keys) == []
    assert not Assignment.objects.filter(held_until__isnull=False).exists()
    assert hand_out([sample], make_coder(sample)) == []


@pytest.mark.django_db
def test_what_others_were_handed_ahead_of_time_changes_no_count() -> None:
    sample = make_pool(5)
    ann, ben = make_coder(sample), make_coder(sample)
    before = progress(sample)
    assert own_progress([sample], ben) == (0, 5)
    ahead = hand_out([sample], ann, want=3)
    assert own_progress([sample], ben) == (0, 5)
    assert own_progress([sample], ann) == (0, 5)
    assert progress(sample) == before
    show(asked_about(ahead[:1])[0])
    assert own_progress([sample], ben) == (0, 4)
    assert progress(sample).open == 1


@pytest.mark.django_db
def test_a_long_count_holds_for_a_while_but_for_ones_own_answers(
    monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    sample = make_pool(5)
    ann = make_coder(sample)
    monkeypatch.setattr("reviews.assigning.EXACT", 2)
    assert own_progress([sample], ann, ()) == (0, 5)
    answer(asked_about(hand_out([sample], ann))[0], NONE)
    with django_assert_max_num_queries(1):
        assert own_progress([sample], ann, ()) == (1, 5)


@pytest.mark.django_db
def test_who_was_trained_on_an_interview_is_not_asked_about_it() -> None:
    sample = make_pool(2)
    ann = make_coder(sample)
    training = Sample.objects.create(
        study=sample.study,
        revision=sample.revision,
        purpose=Purpose.TRAINING,
        design={"coders": ["ann"]},
        seed=1,
        frame_digest="0" * 64,
    )
    first = sample.items.get(position=1)
    item = Item.objects.create(
        sample=training, segment=first.segment, position=1, stratum="", inclusion=1
    )
    Assignment.objects.create(item=item, person=ann)
    assert positions(hand_out([sample], ann, want=2)) == [2]


@pytest.mark.django_db
def test_rounds_that_are_continued_come_first() -> None:
    sample = make_pool(1)
    make_segment("more words", sample.study)
    later = draw_sample(sample.study, size=1, seed=2)
    Sample.objects.filter(pk=later.pk).update(continues=sample)
    drawn = list(sample.study.samples.order_by("pk"))
    assert working_samples(drawn) == [sample, later]
    assert working_samples(drawn[:1]) == [sample]
    assert working_samples([]) == []


@pytest.mark.django_db
def test_the_database_lets_no_count_exceed_what_is_wanted() -> None:
    item = make_pool(1).items.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.filter(pk=item.pk).update(taken=2)


@pytest.mark.django_db
def test_seats_that_others_wrote_without_a_count_are_found_before_one_is_given_away() -> None:
    sample = make_pool(2)
    first = sample.items.get(position=1)
    Assignment.objects.create(item=first, person=make_coder(sample))
    assert first.taken == 0
    assert positions(hand_out([sample], make_coder(sample), want=2)) == [2]
    first.refresh_from_db()
    assert first.taken == 1


@pytest.mark.django_db
def test_tidying_counts_anew_and_is_done_once_in_a_while() -> None:
    sample = make_pool(2)
    sample.items.update(taken=1, language="xx")
    assert tidy(sample)
    assert set(sample.items.values_list("taken", "language")) == {(0, "en")}
    sample.items.update(taken=1)
    assert not tidy(sample)
    recount(sample.items.values_list("pk", flat=True))
    assert set(sample.items.values_list("taken", flat=True)) == {0}


@pytest.mark.django_db
def test_a_free_seat_is_found_through_an_index_and_nothing_is_sorted() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses its way by how much there is")
    language = {"trained": "", "lock": ""}
    asked: list[tuple[str, list[Any], str]] = [
        (FREE.format(language="", **language), [1, 1, 3], "items_with_a_seat "),
        (
            FREE.format(language="AND i.language = %s", **language),
            [1, "ar", 1, 3],
            "items_with_a_seat_by_language",
        ),
        (OPEN.format(samples="%s"), [1, 1, 3, 1, 1, 3], "own_open_assignments"),
    ]
    for statement, values, index in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            plan = "\n".join(row[-1] for row in cursor.fetchall())
        assert index in plan
        assert "ORDER BY" not in plan
        assert "SCAN i" not in plan
        assert "SCAN a" not in plan


@pytest.mark.django_db(transaction=True)
def test_eight_coders_at_once_leave_every_item_with_as_many_codings_as_wanted() -> None:
    """Each with two tabs; leases run out under their hands, and some skip or give back."""
    sample = make_pool(40, overlap=0.5)
    coders = [make_coder(sample) for _ in range(8)]

    def work(task: tuple[int, User]) -> None:
        number, person = task
        try:
            for turn in range(400):
                keys = hand_out([sample], person, want=1 + turn % 3)
                if not keys:
                    return
                for row in asked_about(keys):
                    if (turn + number) % 7 == 3:
                        run_out_own(row)
                    elif (turn + number) % 11 == 5:
                        release(sample.study, person, [row.pk])
                    elif number == 0 and turn % 9 == 4:
                        skip(row, "known")
                    else:
                        with contextlib.suppress(Gone):
                            submit(row, NONE)
            raise AssertionError("the pool has no end")
        finally:
            connection.close()

    def run_out_own(row: Assignment) -> None:
        past = timezone.now() - timedelta(seconds=1)
        Assignment.objects.filter(pk=row.pk, answered_at=None).update(held_until=past)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, enumerate([*coders, *coders])))
    take_back()
    cache.clear()
    work((1, make_coder(sample)))  # whatever was skipped or given back at the very end
    work((1, make_coder(sample)))
    answered = Count("assignments", filter=Q(assignments__coding__isnull=False))
    items = sample.items.annotate(answered=answered)
    assert list(items.exclude(answered=F("coders_wanted"))) == []
    assert list(items.exclude(taken=F("coders_wanted"))) == []
    assert Coding.objects.count() == 60
    assert max(Counter(Coding.objects.values_list("segment", "person")).values()) == 1
