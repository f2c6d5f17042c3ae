"""What a lead sees and does: who works on what, handing over, drawing; and one's own work."""

import pytest
from django.test import Client
from django.urls import reverse

from reviews.models import Assignment, Sample
from reviews.sampling import current_sample, draw_sample
from studies.models import Membership, Role, Study
from tests.factories import make_person, make_revision, make_study
from tests.reviews.test_adjudication_views import sign_in
from tests.reviews.test_steering import made, of, person, say

pytestmark = pytest.mark.django_db


def with_lead() -> Study:
    study = made()
    make_person("lea", study, Role.LEAD)
    return study


def text(client: Client, name: str, study: Study) -> str:
    answer = client.get(reverse(name, args=[study.slug]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_lead_sees_coders_what_is_left_and_what_is_wrong() -> None:
    study = with_lead()
    Membership.objects.filter(name="ben").update(reads=["en"])
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    for assignment in of(sample, "ben")[:3]:
        say(assignment, seconds=0)
    page = text(sign_in("lea"), "work", study)
    assert "fast" in page
    assert "codings have nobody to make them" in page
    assert "nobody who is asked" in page  # reads Arabic
    assert "Nothing has been coded by two people yet" in page


def test_without_a_sample_the_page_says_what_to_do() -> None:
    study = with_lead()
    lea = sign_in("lea")
    assert "once a sample is drawn" in text(lea, "work", study)
    assert "There is no sample yet" in text(lea, "adjudication", study)
    assert lea.get(f"/api/studies/{study.slug}/work/").status_code == 404


@pytest.mark.parametrize("name", ["work", "draw", "training", "adjudication"])
def test_the_pages_of_the_lead_are_closed_to_others(name: str) -> None:
    study = with_lead()
    draw_sample(study, size=4, coders=["ben"], seed=1)
    make_person("rita", study, Role.READER)
    make_person("stranger", make_study())
    for who in ("ben", "rita", "stranger"):
        assert sign_in(who).get(reverse(name, args=[study.slug])).status_code == 404
    assert Client().get(reverse(name, args=[study.slug])).status_code == 302


def test_what_the_lead_does_is_closed_to_others() -> None:
    study = with_lead()
    draw_sample(study, size=4, coders=["ben"], seed=1)
    before = list(Assignment.objects.values_list("pk", "returned_at"))
    for who in ("ben", "Ana"):
        client = sign_in(who)
        for name in ("hand-over", "hand-out", "draw", "training"):
            data = {"from": person("ben").pk, "coder": person("Ana").pk, "size": 2}
            assert client.post(reverse(name, args=[study.slug]), data).status_code == 404
        for name in ("api_work", "api_trainings"):
            assert client.get(reverse(name, args=[study.slug])).status_code == 404
        for name in ("api_hand_over", "api_hand_out", "api_trainings"):
            assert client.post(reverse(name, args=[study.slug]), {}).status_code == 404
    assert list(Assignment.objects.values_list("pk", "returned_at")) == before
    assert Sample.objects.count() == 1


def test_items_are_handed_over_and_out() -> None:
    study = with_lead()
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    lea = sign_in("lea")
    data = {"from": person("ben").pk, "to": person("Ana").pk, "count": "4"}
    page = lea.post(reverse("hand-over", args=[study.slug]), data, follow=True).content.decode()
    assert "4 items were moved" in page
    assert len(of(sample, "Ana")) == 4
    lea.post(
        reverse("hand-over", args=[study.slug]), {"from": person("ben").pk, "to": "", "count": ""}
    )
    assert sample.items.filter(taken=0).count() == 8
    out = reverse("hand-out", args=[study.slug])
    page = lea.post(out, {"coder": [person("Ana").pk]}, follow=True).content.decode()
    assert "8 seats were handed out" in page
    page = lea.post(out, {}, follow=True).content.decode()
    assert "Name the coders" in page
    page = lea.post(
        reverse("hand-over", args=[study.slug]), {"from": "0"}, follow=True
    ).content.decode()
    assert "Choose who gives" in page


def test_a_sample_is_drawn_and_continued_on_the_page() -> None:
    study = with_lead()
    lea = sign_in("lea")
    assert "what the machine said" not in text(lea, "draw", study)  # it said nothing yet
    address = reverse("draw", args=[study.slug])
    data = {
        "size": "4", "strata": ["language"], "coders": ["ben", "Ana"], "per_item": "2",
        "assisted": "50", "seed": "7", "new": "1",
    }  # fmt: skip
    assert lea.post(address, data).status_code == 302
    first = current_sample(study)
    assert first is not None
    assert (first.items.count(), first.items.filter(assisted=True).count()) == (4, 2)
    assert {item.taken for item in first.items.all()} == {2}
    assert lea.post(address, {"size": "4", "continue": "1"}).status_code == 302
    second = current_sample(study)
    assert second is not None
    assert second.continues == first
    assert not second.design["looked"]
    keys = [size["key"] for size in second.design["sizes"]]
    more = {"continue": "1", f"more:{keys.index('ar')}": "1"}
    assert lea.post(address, more).status_code == 302
    third = current_sample(study)
    assert third is not None
    assert third.design["looked"]
    assert [item.stratum for item in third.items.all()] == ["ar"]
    page = text(lea, "review", study)
    assert "This is round 3" in page
    assert "of 9 drawn segments fully coded" in page  # in all rounds


def test_the_page_asks_per_cent_and_keeps_the_share_that_the_command_keeps() -> None:
    study = with_lead()
    data = {"size": "4", "coders": ["ben", "Ana"], "overlap": "12.3", "assisted": "30", "new": "1"}
    assert sign_in("lea").post(reverse("draw", args=[study.slug]), data).status_code == 302
    sample = current_sample(study)
    assert sample is not None
    assert (sample.design["overlap"], sample.design["assisted"]) == (0.123, 0.3)


def test_the_page_proposes_no_more_segments_than_there_are() -> None:
    assert 'name="size" value="12"' in text_of_draw(with_lead())
    empty = make_study()
    Membership.objects.create(study=empty, person=person("lea"), name="lea", role=Role.LEAD)
    assert 'name="size" value="200"' in text_of_draw(empty)


def text_of_draw(study: Study) -> str:
    return text(sign_in("lea"), "draw", study)


def test_what_cannot_be_drawn_is_said_on_the_page() -> None:
    study = with_lead()
    lea = sign_in("lea")
    address = reverse("draw", args=[study.slug])
    answer = lea.post(address, {"size": "400", "new": "1"})
    assert answer.status_code == 422
    assert "can’t be drawn" in answer.content.decode()
    assert lea.post(address, {"size": "-1", "new": "1"}).status_code == 422
    answer = lea.post(address, {"size": "4", "overlap": "130", "new": "1"})
    assert answer.status_code == 422
    assert "Give it in per cent: a number from 0 to 100." in answer.content.decode()
    assert "(or as many as above), %" in answer.content.decode()
    assert not Sample.objects.exists()


def test_everybody_sees_their_own_pace_and_nobody_elses() -> None:
    study = with_lead()
    sample = draw_sample(study, size=12, coders=["ben", "Ana"], seed=1)
    say(of(sample, "ben")[0], seconds=60)
    for assignment in of(sample, "Ana")[:2]:
        say(assignment, seconds=30)
    page = text(sign_in("ben"), "own-work", study)
    assert "10:00" in page
    assert "Ana" not in page
    assert "5:00" not in page
    assert "5:00" in text(sign_in("Ana"), "own-work", study)
    make_person("rita", study, Role.READER)
    assert sign_in("rita").get(reverse("own-work", args=[study.slug])).status_code == 404


def test_a_study_without_interviews_says_so_where_a_sample_is_drawn() -> None:
    study = make_revision().codebook.study
    make_person("lea", study, Role.LEAD)
    answer = sign_in("lea").post(reverse("draw", args=[study.slug]), {"size": "4", "new": "1"})
    assert "no interviews yet" in answer.content.decode()


def test_programs_see_and_do_the_same() -> None:
    study = with_lead()
    sample = draw_sample(study, size=12, coders=["ben"], seed=1)
    say(of(sample, "ben")[0], seconds=0)
    lea = sign_in("lea")
    told = lea.get(reverse("api_work", args=[study.slug])).json()
    [ben] = told["coders"]
    assert (ben["name"], ben["answered"], ben["rushes"]) == ("ben", 1, True)
    assert {row["language"] for row in told["left"]} == {"ar", "en"}
    moved = lea.post(
        reverse("api_hand_over", args=[study.slug]),
        {"giver": "ben", "taker": "Ana", "count": 3},
        content_type="application/json",
    )
    assert moved.json() == {"moved": 3, "stayed": 0}
    lea.post(
        reverse("api_hand_over", args=[study.slug]),
        {"giver": "Ana"},
        content_type="application/json",
    )
    filled = lea.post(
        reverse("api_hand_out", args=[study.slug]),
        {"coders": ["ben"]},
        content_type="application/json",
    )
    assert filled.json() == {"filled": 3}
    nobody = lea.post(
        reverse("api_hand_out", args=[study.slug]),
        {"coders": ["zoe"]},
        content_type="application/json",
    )
    assert nobody.status_code == 400
