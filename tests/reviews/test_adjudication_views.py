"""Disagreements as pages: for the lead alone, with both sides' evidence, and safe to go back."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from coding.models import Coding, Evidence, Mark
from reviews.adjudication import cases, rule
from reviews.models import Assignment, Ruling
from studies.models import Role, Study
from studies.translations import keep
from tests.factories import make_person, make_study
from tests.reviews.test_adjudication import (
    ANA,
    BEN,
    both_say,
    code,
    item_of,
    lead,
    made,
    sample_of,
    says,
)

pytestmark = pytest.mark.django_db


def sign_in(name: str) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def coded() -> Study:
    study, segments = made(12)
    both_say(study, segments)
    return study


def page_of(study: Study, interview: str, dimension: str, key: str = "") -> str:
    item = sample_of(study).items.get(segment__transcript__external_id=interview)
    about = [study.slug, item.pk, dimension]
    return reverse("adjudicate", args=[*about, key] if key else about)


def test_the_list_shows_who_says_what_and_how_it_is_sorted() -> None:
    study = coded()
    page = sign_in("lea").get(reverse("adjudication", args=[study.slug])).content.decode()
    assert "How this is sorted" in page
    assert "design weight" in page
    for case in cases(sample_of(study)):
        assert case.interview in page
    assert page_of(study, "t00", "topics", "hope") in page
    assert "does not apply" in page


def test_whoever_says_that_a_scale_is_not_expressed_is_not_called_unsure() -> None:
    study, segments = made(2)
    for name, value in ((ANA, 10), (BEN, None)):
        says(study, name, segments[0], trust=value)
    page = sign_in("lea").get(reverse("adjudication", args=[study.slug])).content.decode()
    assert "not all gave a value" in page
    assert "somebody was unsure</span>" not in page


def test_a_disagreement_is_counted_alike_wherever_it_is_counted() -> None:
    study, segments = made(12)
    both_say(study, segments)
    item = item_of(study, segments[3])
    rule(item, lead(), dimension="stance", code="for", said="yes", why="both codes at once")
    lea = sign_in("lea")

    def said(name: str) -> str:
        page = lea.get(reverse(name, args=[study.slug])).content.decode()
        return re.sub(r"<[^>]*>", "", page)

    assert "3 disagreements are not ruled on" in said("adjudication")
    assert "4 disagreements in all" in said("adjudication")
    assert "3 disagreements are not ruled on." in said("work")
    told = said("report_html")
    assert "3 disagreements are not ruled on: each counts as" in told
    assert "1 disagreement was settled by a ruling" in told
    api = f"/api/studies/{study.slug}"
    listed = lea.get(f"{api}/disagreements/?status=ruled").json()
    assert (listed["open_disagreements"], listed["all_disagreements"]) == (3, 4)
    assert len(listed["disagreements"]) == 1
    assert lea.get(f"{api}/work/").json()["open_disagreements"] == 3
    sample = lea.get(f"{api}/report/").json()["sample"]
    assert (sample["open_disagreements"], sample["rulings"]) == (3, 1)


def test_the_list_can_be_cut_down() -> None:
    study = coded()
    lea = sign_in("lea")
    address = reverse("adjudication", args=[study.slug])
    page = lea.get(address, {"code": "stance"}).content.decode()
    assert "t03" in page
    assert "t00" not in page
    ana, ben = (
        Coding.objects.filter(person__username=n).values_list("person", flat=True)[0]
        for n in (ANA, BEN)
    )
    assert "t00" in lea.get(address, {"pair": f"{ana}-{ben}", "language": "ar"}).content.decode()
    assert "No disagreement is like that" in lea.get(address, {"status": "ruled"}).content.decode()
    assert lea.get(address, {"status": "x", "sort": "y", "pair": "z"}).status_code == 200


def test_both_coders_evidence_is_on_the_page() -> None:
    study = coded()
    mark = Mark.objects.filter(
        coding__segment__transcript__external_id="t00",
        coding__person__username=BEN,
        code__key="hope",
    ).get()
    Evidence.objects.create(mark=mark, start=2, end=6, found="exact")
    page = sign_in("lea").get(page_of(study, "t00", "topics", "hope")).content.decode()
    assert 'data-passages="[[2, 6]]"' in page
    assert '<q lang="ar" dir="auto">hope</q>' in page
    assert f"<bdi>{ANA}</bdi>" in page
    assert f"<bdi>{BEN}</bdi>" in page
    assert 'lang="ar" dir="auto" data-start="0" data-evidence' in page


def test_ruling_leads_to_the_next_one_and_two_clicks_are_one_ruling() -> None:
    study = coded()
    lea = sign_in("lea")
    here = page_of(study, "t00", "topics", "hope")
    for _click in range(2):
        answer = lea.post(here, {"said": "yes", "why": "it is said"})
        assert answer.status_code == 302
    assert Ruling.objects.count() == 1
    assert answer.headers["Location"] != here
    assert "/disagreements/" in answer.headers["Location"]
    page = lea.get(here).content.decode()
    assert "ruled on" in page
    assert "it is said" in page
    answer = lea.post(here, {"said": "no", "why": "it is not"})
    assert Ruling.objects.get().applies is False
    page = lea.get(here).content.decode()
    assert "History" in page
    assert "it is said" in page  # what was ruled before
    lea.post(here, {"take-back": "1", "why": "wait"})
    assert not Ruling.objects.exists()


def test_the_filter_is_kept_from_one_to_the_next() -> None:
    study = coded()
    lea = sign_in("lea")
    here = page_of(study, "t00", "topics", "hope") + "?code=topics%2Fhope"
    answer = lea.post(here, {"said": "yes", "why": "it is said"})
    assert answer.headers["Location"].endswith("?code=topics%2Fhope")
    assert page_of(study, "t05", "topics", "hope") in answer.headers["Location"]
    last = lea.post(answer.headers["Location"], {"said": "no", "why": "no"})
    assert (
        last.headers["Location"]
        == reverse("adjudication", args=[study.slug]) + "?code=topics%2Fhope"
    )


def test_a_translation_stands_beside_both_sides_and_stays_from_one_to_the_next() -> None:
    study = coded()
    for transcript in study.transcripts.all():
        keep(transcript, "de", {0: "auf Deutsch"}, maker="claude-x", machine=True)
    lea = sign_in("lea")
    here = page_of(study, "t00", "topics", "hope")
    page = lea.get(here + "?code=topics%2Fhope").content.decode()
    assert "auf Deutsch" not in page
    assert 'formaction="?code=topics%2Fhope&amp;translation=de"' in page
    # Enter in a field presses the first button, which rules.
    assert re.findall(r'<button form="ruling" (\w+)', page)[0] == "hidden"
    entered = {"said": "no", "why": "not quite", "show": "de"}
    kept = lea.post(here + "?translation=de", entered).content.decode()
    assert "auf Deutsch" in kept
    assert 'value="not quite"' in kept
    assert re.search(r'value="no"[^>]* checked', kept)
    assert not Ruling.objects.exists()
    page = lea.get(here + "?code=topics%2Fhope&translation=de").content.decode()
    assert '<p lang="de" dir="auto">auf Deutsch</p>' in page
    assert "What is coded is the original." in page
    answer = lea.post(here + "?translation=de", {"said": "yes", "why": "it is said"})
    assert answer.headers["Location"].endswith("?translation=de")
    assert "auf Deutsch" in lea.get(answer.headers["Location"]).content.decode()


def test_one_of_many_and_scales_are_ruled_on_too() -> None:
    study = coded()
    lea = sign_in("lea")
    lea.post(page_of(study, "t03", "stance"), {"said": "is:against", "why": "w"})
    assert Ruling.objects.get(code__key="against").applies
    assert Ruling.objects.get(code__key="for").applies is False
    lea.post(page_of(study, "t03", "stance"), {"said": "no", "why": "none"})
    assert not Ruling.objects.filter(applies=True).exists()
    lea.post(page_of(study, "t08", "trust", "trust"), {"said": "yes", "value": "62,5", "why": "w"})
    assert Ruling.objects.get(code__key="trust").value == 62.5


def test_what_is_missing_is_said_and_what_was_entered_stays() -> None:
    study = coded()
    answer = sign_in("lea").post(
        page_of(study, "t00", "topics", "hope"), {"said": "yes", "why": ""}
    )
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "why it is ruled so" in page
    assert 'value="yes" data-act="yes" checked' in page
    answer = sign_in("lea").post(
        page_of(study, "t08", "trust", "trust"), {"said": "yes", "value": "many", "why": "w"}
    )
    assert "from 0 to 100" in answer.content.decode()
    assert not Ruling.objects.exists()


def test_nobody_but_the_lead_opens_a_disagreement() -> None:
    study = coded()
    make_person("rita", study, Role.READER)
    make_person("stranger", make_study())
    addresses = [
        reverse("adjudication", args=[study.slug]),
        page_of(study, "t00", "topics", "hope"),
        f"/api/studies/{study.slug}/disagreements/",
    ]
    for name in (ANA, "rita", "stranger"):
        client = sign_in(name)
        assert [client.get(address).status_code for address in addresses] == [404] * 3
        assert client.post(addresses[1], {"said": "yes", "why": "w"}).status_code == 404
    assert not Ruling.objects.exists()


def test_a_lead_who_codes_sees_nothing_of_others_until_they_are_done() -> None:
    study = coded()
    item = sample_of(study).items.get(position=1)
    assignment = Assignment.objects.create(item=item, person=lead())
    lea = sign_in("lea")
    page = page_of(study, "t00", "topics", "hope")
    for address in (reverse("adjudication", args=[study.slug]), page):
        answer = lea.get(address)
        assert answer.status_code == 403
        assert "t00" not in answer.content.decode()
    assert lea.post(page, {"said": "yes", "why": "w"}).status_code == 403
    assert lea.get(f"/api/studies/{study.slug}/disagreements/").status_code == 403
    work = lea.get(reverse("work", args=[study.slug])).content.decode()
    assert "code blind yourself" in work
    assert "not ruled on" not in work
    assert "codes" not in lea.get(f"/api/studies/{study.slug}/work/").json()
    assignment.delete()
    assert lea.get(page).status_code == 200


def test_what_is_no_case_is_not_found() -> None:
    study = coded()
    lea = sign_in("lea")
    for interview, dimension, key in (
        ("t00", "nothing", ""),
        ("t00", "topics", "nothing"),
        ("t00", "topics", ""),
        ("t03", "stance", "for"),
    ):
        assert lea.get(page_of(study, interview, dimension, key)).status_code == 404
    other = make_study()
    make_person("lo", other, Role.LEAD)
    elsewhere = page_of(study, "t00", "topics", "hope").replace(study.slug, other.slug)
    assert sign_in("lo").get(elsewhere).status_code == 404


def test_agreement_after_discussion_stands_apart_on_the_page() -> None:
    study = coded()
    lea = sign_in("lea")
    address = reverse("adjudication", args=[study.slug])
    assert "Agreement after discussion" not in lea.get(address).content.decode()
    lea.post(page_of(study, "t00", "topics", "hope"), {"said": "no", "why": "w"})
    page = lea.get(address).content.decode()
    assert "Agreement after discussion" in page
    assert "no measure of reliability" in page


def test_programs_rule_the_same_way() -> None:
    study = coded()
    lea = sign_in("lea")
    base = f"/api/studies/{study.slug}/disagreements/"
    listed = lea.get(base, {"code": "topics/hope", "pair": f"{ANA},{BEN}"}).json()
    assert {one["interview"] for one in listed["disagreements"]} == {"t00", "t05"}
    assert listed["discussed"] == []
    item = listed["disagreements"][0]["item"]
    told = lea.get(f"{base}{item}/topics/hope/").json()
    assert {one["coder"] for one in told["opinions"]} == {ANA, BEN}
    assert told["ruling"] is None
    posted = lea.post(
        f"{base}{item}/topics/hope/",
        {"said": "unsure", "why": "w"},
        content_type="application/json",
    )
    assert posted.status_code == 200
    assert posted.json()["ruling"]["said"] == "unsure"
    assert len(posted.json()["history"]) == 1
    wrong = lea.post(
        f"{base}{item}/topics/hope/",
        {"said": "yes", "value": 3, "why": "w"},
        content_type="application/json",
    )
    assert wrong.status_code == 400
    assert lea.get(f"{base}{item}/topics/").status_code == 404
    assert code(study, "hope").rulings.count() == 1
