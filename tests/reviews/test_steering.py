"""A lead sees who does what and where it goes wrong, and hands work from one to another."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from codebooks.models import Code
from coding.models import Answer, Coding, Mark
from reviews.methods import methods
from reviews.models import Assignment, Sample, Submission
from reviews.reports import as_json, report
from reviews.sampling import continue_sample, draw_sample, vacant
from reviews.steering import (
    differences,
    fill_seats,
    flags,
    hand_over,
    leases,
    left,
    own_pace,
    skipped,
    workers,
)
from studies.models import Event, Membership, Role, Study
from studies.problems import Problem
from tests.factories import make_coding, make_person, make_revision, make_segment

pytestmark = pytest.mark.django_db

HUNDRED = " ".join(["word"] * 100)


def made(count: int = 12, languages: tuple[str, ...] = ("en", "ar")) -> Study:
    revision = make_revision()
    study = revision.codebook.study
    for number in range(count):
        make_segment(
            HUNDRED,
            study,
            external_id=f"t{number:02}",
            language=languages[number % len(languages)],
        )
    for name in ("ben", "Ana"):
        make_person(name, study)
    return study


def person(name: str) -> User:
    return User.objects.get(username=name)


def say(assignment: Assignment, *codes: str, seconds: int | None = 60) -> Coding:
    coding = make_coding(
        assignment.item.segment,
        assignment.item.sample.revision,
        person=assignment.person,
        codes=codes,
    )
    Assignment.objects.filter(pk=assignment.pk).update(
        coding=coding, answered_at=timezone.now(), seconds=seconds
    )
    return coding


def of(sample: Sample, name: str) -> list[Assignment]:
    rows = Assignment.objects.filter(item__sample=sample, person=person(name))
    return list(rows.order_by("item__position").select_related("item__segment", "person"))


def test_who_did_what_is_told_by_name_and_not_by_rank() -> None:
    study = made()
    sample = draw_sample(study, size=12, coders=["ben", "Ana"], overlap=0.5, seed=1)
    for assignment in of(sample, "ben")[:3]:
        say(assignment)
    one = of(sample, "Ana")[0]
    Assignment.objects.filter(pk=one.pk).update(
        skipped_because="unreadable", answered_at=timezone.now(), flagged_because="names a person"
    )
    ana, ben = workers(sample)
    assert (ana.name, ana.asked, ana.answered, ana.skipped, ana.flagged) == ("Ana", 9, 0, 1, 1)
    assert (ben.name, ben.asked, ben.answered, ben.open) == ("ben", 9, 3, 6)
    assert ben.last is not None
    assert skipped(sample) == [("unreadable", 1)]
    [flag] = flags(sample)
    assert (flag.name, flag.why) == ("Ana", "names a person")


def test_answers_with_a_translation_in_sight_are_counted_for_each_coder() -> None:
    study = made()
    sample = draw_sample(study, size=12, coders=["ben", "Ana"], overlap=0.5, seed=1)
    now = timezone.now()
    before, changed, after, opened, never = of(sample, "ben")[:5]
    rows = Assignment.objects
    for one in (before, changed, opened):
        rows.filter(pk=one.pk).update(translated_at=now)
    for one in (before, changed, after, never):
        say(one)
    # Two answered first: one read it then, the other read it and answered otherwise.
    for one in (after, changed):
        rows.filter(pk=one.pk).update(
            answered_at=now - timedelta(hours=1), translated_at=now - timedelta(minutes=30)
        )
        Submission.objects.create(assignment=one, client_id=uuid4(), kind="answer", version=1)
        sent = now - timedelta(hours=1)
        Submission.objects.filter(assignment=one).update(sent_at=sent)
    Submission.objects.create(assignment=changed, client_id=uuid4(), kind="answer", version=2)
    Submission.objects.create(assignment=after, client_id=uuid4(), kind="second", version=2)
    ana, ben = workers(sample)
    assert (ana.translated, ben.translated, ben.answered) == (0, 2, 4)
    told = report(study)
    assert told.sample
    assert told.sample.translated == 2
    assert as_json(told)["sample"]["translated"] == 2
    sentence = "2 blind codings were given with a translation of the interview in sight"
    assert sentence in " ".join(methods(told))
    client = Client()
    client.force_login(make_person("lea", study, Role.LEAD))
    page = client.get(reverse("work", args=[study.slug])).content.decode()
    assert "With a translation" in page
    Assignment.objects.update(translated_at=None)
    assert "translation" not in " ".join(methods(report(study)))
    assert (
        "With a translation" not in client.get(reverse("work", args=[study.slug])).content.decode()
    )


def test_pace_is_seconds_per_thousand_words_and_a_rush_is_flagged() -> None:
    study = made(4, ("en",))
    sample = draw_sample(study, size=4, coders=["ben"], seed=1)
    for assignment, seconds in zip(of(sample, "ben"), [60, 30, 90, None], strict=True):
        say(assignment, seconds=seconds)
    [ben] = workers(sample)
    assert ben.pace.timed == 3
    assert ben.pace.median == pytest.approx(600)  # 60 seconds for a hundred words
    assert ben.pace.fast == 0
    assert not ben.pace.rushes
    Assignment.objects.update(seconds=0)
    Assignment.objects.filter(pk=of(sample, "ben")[0].pk).update(
        seconds=1
    )  # 10 per 1,000: not below
    [ben] = workers(sample)
    assert (ben.pace.timed, ben.pace.fast, ben.pace.rushes) == (4, 3, True)
    assert own_pace(sample, person("ben")) == (4, ben.pace)
    assert own_pace(sample, person("Ana"))[0] == 0


def test_where_no_spaces_part_words_two_characters_are_one() -> None:
    study = made(0)
    make_segment("我希望人工智能" * 100, study, language="zh")
    sample = draw_sample(study, size=1, coders=["ben"], seed=1)
    say(of(sample, "ben")[0], seconds=35)
    [ben] = workers(sample)
    assert ben.pace.median == pytest.approx(100)


def test_who_skips_much_is_told_from_ten_on() -> None:
    study = made(12)
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    mine = of(sample, "ben")
    for assignment in mine[:6]:
        say(assignment)
    rows = Assignment.objects.filter(pk__in=[one.pk for one in mine[6:9]])
    rows.update(skipped_because="unreadable", answered_at=timezone.now())
    assert not workers(sample)[0].skips_much  # nine so far
    say(mine[9])
    assert workers(sample)[0].skips_much


def test_what_is_left_is_told_by_language_with_who_reads_it() -> None:
    study = made()
    Membership.objects.filter(name="ben").update(reads=["en"])
    sample = draw_sample(study, size=12, coders=["ben", "Ana"], per_item=2, seed=1)
    say(next(one for one in of(sample, "Ana") if one.item.language == "ar"))
    arabic, english = left(sample)
    assert (arabic.language, arabic.items, arabic.wanted) == ("ar", 6, 12)
    assert (arabic.answered, arabic.open, arabic.free) == (1, 5, 6)
    assert arabic.readers == ("Ana",)
    assert (english.open, english.free, english.readers) == (12, 0, ("Ana", "ben"))


def test_seats_kept_in_the_pool_are_told_until_they_end() -> None:
    study = made()
    sample = draw_sample(study, size=6, seed=1)
    now = timezone.now()
    items = list(sample.items.all())
    Assignment.objects.create(
        item=items[0], person=person("ben"), held_until=now + timedelta(hours=1), shown_at=now
    )
    Assignment.objects.create(
        item=items[1], person=person("ben"), held_until=now + timedelta(hours=2)
    )
    Assignment.objects.create(
        item=items[2], person=person("Ana"), held_until=now - timedelta(hours=1)
    )
    [lease] = leases(sample)
    assert (lease.name, lease.items, lease.shown) == ("ben", 2, 1)
    assert lease.until == now + timedelta(hours=2)


def test_codes_in_trouble_have_a_low_alpha_or_much_unsure() -> None:
    study = made(30)
    sample = draw_sample(study, size=30, coders=["ben", "Ana"], overlap=1, seed=1)
    worry = Code.objects.get(key="worry")
    for assignment in of(sample, "Ana"):
        say(assignment, *(["hope"] if assignment.item.position % 2 else []))
    for assignment in of(sample, "ben"):
        coding = say(assignment, *(["hope"] if assignment.item.position % 3 else []))
        if assignment.item.position <= 9:
            Mark.objects.create(coding=coding, code=worry, answer=Answer.UNSURE)
    found = differences(sample)
    hope, other = found.codes
    assert hope.low
    assert hope.status == "ok"
    assert (hope.met, hope.differ) == (30, 15)
    assert (other.status, other.alpha, other.unsure, other.answers) == ("no_variation", None, 9, 60)
    assert other.unsure_much
    assert found.trouble == [hope, other]
    assert [(pair.first, pair.second, pair.differ) for pair in found.pairs] == [("Ana", "ben", 15)]
    assert found.open == 15 + 9


def test_open_seats_go_to_another_who_reads_them_and_drafts_stay_private() -> None:
    study = made()
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    Membership.objects.filter(name="Ana").update(reads=["en"])
    mine = of(sample, "ben")
    say(mine[0])
    Assignment.objects.filter(pk=mine[1].pk).update(draft={"note": "half"})
    assert hand_over(sample, person("ben"), person("Ana")) == (
        sum(one.item.language == "en" for one in mine[1:]),
        sum(one.item.language == "ar" for one in mine[1:]),
    )
    theirs = of(sample, "Ana")
    assert {one.item.language for one in theirs} == {"en"}
    assert all(one.draft is None for one in theirs)
    kept = Assignment.objects.get(pk=mine[1].pk)
    assert kept.draft == {"note": "half"}
    assert kept.person == person("ben")
    for item in sample.items.all():
        assert item.assignments.filter(returned_at=None).count() == item.taken == 1
    event = Event.objects.filter(action="assigned").latest("pk")
    assert event.after == {"coder": "Ana", "seats": len(theirs)}


def test_some_seats_may_be_withdrawn_and_handed_out_again() -> None:
    study = made()
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    assert hand_over(sample, person("ben"), None, count=5) == (5, 0)
    assert sum(gap.seats for gap in vacant(sample)) == 5
    assert sum(row.free for row in left(sample)) == 5
    assert fill_seats(sample, [person("Ana")]) == 5
    assert vacant(sample) == []
    # What comes back to somebody is the same assignment again.
    assert hand_over(sample, person("Ana"), person("ben")) == (5, 0)
    assert Assignment.objects.filter(item__sample=sample).count() == 17
    with pytest.raises(Problem, match="another coder"):
        hand_over(sample, person("ben"), person("ben"))
    with pytest.raises(Problem, match="Name the coders"):
        fill_seats(sample, [])


def test_the_report_counts_what_moved_once() -> None:
    study = made()
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    before = report(study, replicates=5).sample
    assert before is not None
    assert before.assigned == 12
    hand_over(sample, person("ben"), person("Ana"), count=5)
    after = report(study, replicates=5).sample
    assert after is not None
    assert after.assigned == 12
    hand_over(sample, person("ben"), None)
    withdrawn = report(study, replicates=5).sample
    assert withdrawn is not None
    assert withdrawn.assigned == 5


def test_nobody_gets_an_item_twice_and_loads_stay_even() -> None:
    study = made()
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    sample.items.update(coders_wanted=3)
    make_person("cem", study)
    assert fill_seats(sample, [person("ben"), person("Ana"), person("cem")]) == 24
    for item in sample.items.all():
        assert item.assignments.count() == item.assignments.values("person").distinct().count() == 3
    assert {worker.open for worker in workers(sample)} == {12}


def test_rounds_are_steered_together() -> None:
    study = made()
    first = draw_sample(study, size=4, coders=["ben"], seed=1)
    say(of(first, "ben")[0])
    second = continue_sample(first, size=4, seed=2)
    [ben] = workers(second)
    assert (ben.asked, ben.answered) == (8, 1)
    assert sum(row.items for row in left(second)) == 8
