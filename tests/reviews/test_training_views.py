"""Trainings as pages: the lead makes one and sets keys, a trainee sees how they stand."""

import pytest
from django.urls import reverse

from reviews.models import Assignment, Ruling
from reviews.reviewing import must_stay_blind, submit
from reviews.sampling import continue_sample, draw_sample
from reviews.training import draw_training, key_of, trainings, without_key
from studies.models import Role
from tests.factories import make_person
from tests.reviews.test_adjudication_views import sign_in
from tests.reviews.test_training import answer, keyed, lead, made, says

pytestmark = pytest.mark.django_db

KEY = {
    "key:topics:hope": "yes",
    "why:topics:hope": "it is said",
    "passages:topics:hope": "2-6",
    "key:topics:worry": "no",
    "key:stance": "for",
    "why:stance": "plainly",
    "key:trust:trust": "yes",
    "value:trust:trust": "62,5",
}


def test_a_lead_makes_a_training_and_sets_the_keys() -> None:
    study = made(8)
    lea = sign_in("lea")
    address = reverse("training", args=[study.slug])
    data = {"coders": ["ana"], "size": "2", "interviews": "", "bar": "0.8", "window": "2"}
    page = lea.post(address, data, follow=True).content.decode()
    assert "2 interviews have no key yet" in page
    [sample] = trainings(study)
    first, second = without_key(sample)
    where = reverse("training-key", args=[study.slug, first.pk])
    assert "Key 1 of 2" in lea.get(where).content.decode()
    done = lea.post(where, KEY)
    assert done.headers["Location"] == reverse("training-key", args=[study.slug, second.pk])
    key = key_of(first)
    assert (key["topics", "hope"].why, key["topics", "hope"].passages) == ("it is said", ((2, 6),))
    assert key["stance", "for"].applies
    assert key["stance", "against"].applies is False
    assert key["trust", "trust"].value == 62.5
    shown = lea.get(where).content.decode()
    assert 'value="2-6"' in shown
    assert 'value="62.5"' in shown
    last = lea.post(
        reverse("training-key", args=[study.slug, second.pk]),
        KEY | {"key:stance": ":none", "key:trust:trust": "unsure", "key:topics:hope": "unsure"},
    )
    assert last.headers["Location"] == address
    key = key_of(second)
    assert key["stance", "for"].applies is False
    assert key["trust", "trust"].value is None
    assert key["topics", "hope"].applies is None


def test_a_key_that_is_not_whole_is_not_kept_and_stays_on_the_page() -> None:
    study = made(4)
    sample = draw_training(study, coders=["ana"], size=1, seed=1)
    item = sample.items.get()
    where = reverse("training-key", args=[study.slug, item.pk])
    some = {name: value for name, value in KEY.items() if name != "key:topics:worry"}
    sent = sign_in("lea").post(where, some)
    assert sent.status_code == 422
    page = sent.content.decode()
    assert "says nothing yet about: Worry" in page
    assert "it is said" in page
    assert not Ruling.objects.exists()


def test_interviews_may_be_named_on_the_page() -> None:
    study = made(4)
    data = {"coders": ["ana"], "interviews": "t01, t02", "bar": "0.8", "window": "2", "size": "9"}
    lea = sign_in("lea")
    assert lea.post(reverse("training", args=[study.slug]), data).status_code == 302
    [sample] = trainings(study)
    assert sample.items.count() == 2
    sent = lea.post(reverse("training", args=[study.slug]), data)
    assert sent.status_code == 422
    assert "is in a sample already" in sent.content.decode()


def test_the_key_is_closed_to_coders_and_readers() -> None:
    study = made(6)
    sample = keyed(study, size=2)
    make_person("rita", study, Role.READER)
    where = reverse("training-key", args=[study.slug, sample.items.first().pk])  # type: ignore[union-attr]
    for name in ("ana", "rita"):
        assert sign_in(name).get(where).status_code == 404
        assert sign_in(name).post(where, KEY).status_code == 404


def test_lead_and_trainee_see_how_the_trainee_stands() -> None:
    study = made(8)
    sample = keyed(study, size=4, window=2)
    answer(sample, "ana", says())
    answer(sample, "ana", says())
    page = sign_in("lea").get(reverse("training", args=[study.slug])).content.decode()
    assert "reached" in page
    assert "under way" in page
    mine = sign_in("ana").get(reverse("own-work", args=[study.slug])).content.decode()
    assert "the bar is reached" in mine
    assert "100 %" in mine
    assert "ben" not in mine


def test_programs_make_trainings_and_read_results() -> None:
    study = made(8)
    lea = sign_in("lea")
    address = reverse("api_trainings", args=[study.slug])
    made_ = lea.post(address, {"coders": ["ana"], "size": 2}, content_type="application/json")
    assert made_.status_code == 201
    [told] = lea.get(address).json()["trainings"]
    assert (told["items"], len(told["without_key"]), told["coders"][0]["name"]) == (2, 2, "ana")
    assert told["coders"][0]["share"] is None
    wrong = lea.post(address, {"coders": ["ana"], "size": 99}, content_type="application/json")
    assert wrong.status_code == 400


def test_the_review_page_leads_a_trainee_to_the_training_first() -> None:
    study = made(12)
    sample = keyed(study, size=2, window=2)
    review = draw_sample(study, size=4, coders=["ana"], seed=1)
    ana = sign_in("ana")
    for _interview in range(2):
        where = ana.get(reverse("review", args=[study.slug])).headers["Location"]
        assignment = Assignment.objects.get(pk=int(where.rstrip("/").rsplit("/", 1)[1]))
        assert assignment.item.sample == sample
        submit(assignment, says())
    where = ana.get(reverse("review", args=[study.slug])).headers["Location"]
    assignment = Assignment.objects.get(pk=int(where.rstrip("/").rsplit("/", 1)[1]))
    assert assignment.item.sample == review


def test_a_training_comes_before_any_sample() -> None:
    study = made(6)
    keyed(study, size=2)
    answer_ = sign_in("ana").get(reverse("review", args=[study.slug]))
    assert answer_.status_code == 302


def test_what_is_left_of_an_earlier_round_is_asked_first_and_keeps_its_coder_blind() -> None:
    study = made(12)
    first = draw_sample(study, size=4, coders=["ana", "lea"], seed=1)
    continue_sample(first, size=4, coders=["ana"], seed=2)
    where = sign_in("ana").get(reverse("review", args=[study.slug])).headers["Location"]
    assignment = Assignment.objects.get(pk=int(where.rstrip("/").rsplit("/", 1)[1]))
    assert assignment.item.sample == first
    assert must_stay_blind(lead(), study)
    Assignment.objects.filter(person=lead()).update(skipped_because="unreadable")
    assert not must_stay_blind(lead(), study)
