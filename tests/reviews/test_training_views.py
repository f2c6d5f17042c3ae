"""Trainings as pages: the lead makes one and sets keys, a trainee sees how they stand."""

import re
from typing import Any

import pytest
from django.urls import reverse

from reviews.models import Assignment, Ruling
from reviews.reviewing import must_stay_blind, submit
from reviews.sampling import continue_sample, draw_sample
from reviews.training import draw_training, key_of, set_key, trainings, without_key
from studies.models import Role
from studies.translations import keep
from tests.factories import make_person
from tests.reviews.test_adjudication_views import sign_in
from tests.reviews.test_training import answer, keyed, keys, lead, made, says

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
    data = {"coders": ["ana"], "size": "2", "interviews": "", "bar": "80", "window": "2"}
    page = lea.post(address, data, follow=True).content.decode()
    assert "2 interviews have no key yet" in page
    assert "Bar: 80 % of the decisions as in the key" in page
    wrong = lea.post(address, data | {"bar": "0.8"})
    assert wrong.status_code == 422
    assert "Give it in per cent: a number from 1 to 100." in wrong.content.decode()
    [sample] = trainings(study)
    assert sample.design["bar"] == 0.8
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


def test_a_translation_stands_beside_what_is_keyed_and_keeps_what_was_entered() -> None:
    study = made(4)
    item = draw_training(study, coders=["ana"], size=1, seed=1).items.get()
    keep(item.segment.transcript, "de", {0: "auf Deutsch"}, maker="claude-x", machine=True)
    where = reverse("training-key", args=[study.slug, item.pk])
    lea = sign_in("lea")
    first = lea.get(where).content.decode()
    assert "auf Deutsch" not in first
    assert re.findall(r'<button form="key" (\w+)', first) == ["hidden", "class"]
    shown = lea.post(where + "?translation=de", KEY | {"show": "de"})
    assert shown.status_code == 200
    page = shown.content.decode()
    assert '<p lang="de" dir="auto">auf Deutsch</p>' in page
    assert "it is said" in page
    assert 'value="2-6"' in page
    assert not Ruling.objects.exists()


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
    data = {"coders": ["ana"], "interviews": "t01, t02", "bar": "80", "window": "2", "size": "9"}
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


WHOLE: list[dict[str, Any]] = [
    {
        "dimension": "topics",
        "code": "hope",
        "said": "yes",
        "value": None,
        "why": "it is said",
        "passages": [[2, 6]],
    },
    {"dimension": "topics", "code": "worry", "said": "unsure"},
    {"dimension": "stance", "code": "for", "said": "no"},
    {"dimension": "stance", "code": "against", "said": "no", "why": "neither"},
    {"dimension": "trust", "code": "trust", "said": "yes", "value": 62.5},
]


def test_programs_set_a_key_and_read_it_as_it_was_set() -> None:
    study = made(6)
    sample = draw_training(study, coders=["ana"], size=1, seed=1)
    lea = sign_in("lea")
    [told] = lea.get(reverse("api_trainings", args=[study.slug])).json()["trainings"]
    item = sample.items.get()
    name = item.segment.transcript.external_id
    assert told["interviews"] == [{"item": item.pk, "interview": name}]
    door = reverse("api_training_key", args=[study.slug, item.pk])
    before = lea.get(door).json()
    assert (before["key"], before["settled"], before["interview"]) == ([], False, name)
    assert before["turns"][0]["words"] == item.segment.transcript.text

    def put(key: object, who: str = "lea") -> Any:
        return sign_in(who).put(door, {"key": key}, content_type="application/json")

    assert put(WHOLE).status_code == 200
    now = lea.get(door).json()["key"]
    assert sorted(map(str, now)) == sorted(map(str, in_order(WHOLE)))
    assert key_of(item)["topics", "hope"].passages == ((2, 6),)
    assert put(now).json()["key"] == now  # what is read can be put again
    assert not without_key(sample)
    assert put(WHOLE, "ana").status_code == 404
    assert sign_in("ana").get(door).status_code == 404

    answer(sample, "ana", says())
    assert lea.get(door).json()["settled"]
    late = put(WHOLE)
    assert late.status_code == 400
    assert "its key stays as it is" in str(late.json())


def in_order(key: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `key` with its fields in the order in which they are told."""
    fields = ("dimension", "code", "said", "value", "why", "passages")
    empty: dict[str, Any] = {"value": None, "why": "", "passages": []}
    return [{name: {**empty, **one}[name] for name in fields} for one in key]


@pytest.mark.parametrize(
    ("place", "change", "sentence"),
    [
        (1, None, "says nothing yet about: Worry"),
        (1, {"said": "perhaps"}, "not a valid choice"),
        (1, {"code": "joy"}, "has no code “joy”"),
        (1, {"code": "hope"}, "answered twice"),
        (0, {"said": "no"}, "there is evidence for it"),
        (0, {"passages": [[2, 600]]}, "not within"),
        (0, {"passages": [[2]]}, "passages"),
        (4, {"value": 162.5}, "from 0 to 100"),
        (4, {"value": None}, "has no answer yet"),
        (4, {"said": "no"}, "A value goes with the answer yes"),
        (2, {"said": "yes"}, ""),
        (3, {"said": "yes"}, ""),
    ],
)
def test_a_key_that_does_not_fit_is_refused_in_one_sentence(
    place: int, change: dict[str, Any] | None, sentence: str
) -> None:
    study = made(4)
    item = draw_training(study, coders=["ana"], size=1, seed=1).items.get()
    key = [one | (change or {}) if at == place else one for at, one in enumerate(WHOLE)]
    if change is None:
        del key[place]
    door = reverse("api_training_key", args=[study.slug, item.pk])
    sent = sign_in("lea").put(door, {"key": key}, content_type="application/json")
    assert sent.status_code == (400 if sentence else 200)
    assert sentence in sent.content.decode()
    assert Ruling.objects.exists() == (not sentence)


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


def test_whoever_has_trained_is_told_so_and_not_that_they_were_asked_nothing() -> None:
    study = made(8)
    sample = draw_training(study, coders=["ana"], size=1, seed=1)
    review, ana = reverse("review", args=[study.slug]), sign_in("ana")
    asked_nothing = "You have not been asked about an interview yet"
    for drawn in (False, True):
        if drawn:
            draw_sample(study, size=2, coders=["ben"], seed=1)
        page = ana.get(review).content.decode()
        assert "Your training begins once" in page
        assert asked_nothing not in page
    set_key(sample.items.get(), lead(), keys())
    submit(Assignment.objects.get(item__sample=sample), says())
    page = ana.get(review).content.decode()
    assert "You have answered every interview of your training" in page
    assert asked_nothing not in page
    make_person("new", study)
    assert asked_nothing in sign_in("new").get(review).content.decode()


def test_what_a_key_does_not_answer_can_be_no_at_once() -> None:
    study = made(8)
    item = draw_training(study, coders=["ana"], size=1, seed=1).items.get()
    where, lea = reverse("training-key", args=[study.slug, item.pk]), sign_in("lea")
    assert 'name="rest:topics"' in lea.get(where).content.decode()
    rest = {name: value for name, value in KEY.items() if "worry" not in name} | {
        "rest:topics": "no"
    }
    marked = lea.post(where, rest | {"passages:topics:worry": "2-6"})
    assert "says nothing yet about: Worry" in marked.content.decode()
    assert lea.post(where, rest).status_code == 302
    key = key_of(item)
    assert (key["topics", "hope"].applies, key["topics", "worry"].applies) == (True, False)


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
