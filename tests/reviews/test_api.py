import json

import pytest
from django.test import Client

from reviews.models import Assignment, Sample
from studies.models import Role, Study
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_study,
)

pytestmark = pytest.mark.django_db
PAGES = ["report/", "progress/"]


def signed_in(study: Study, role: Role) -> Client:
    client = Client()
    client.force_login(make_person(study=study, role=role))
    return client


def coded_study(slug: str, size: int = 4) -> Study:
    study = make_study(slug)
    run = make_run(make_revision(study))
    for _ in range(size):
        make_coding(make_segment("some words", study), run.revision, run=run, codes=["hope"])
    return study


def test_nobody_gets_anything_without_signing_in(client: Client) -> None:
    coded_study("closed")
    for address in ("/api/studies/", *(f"/api/studies/closed/{page}" for page in PAGES)):
        assert client.get(address).status_code in (302, 401, 403)


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_told_that_there_is_no_such_study(page: str) -> None:
    coded_study("strange")
    assert signed_in(make_study(), Role.LEAD).get(f"/api/studies/strange/{page}").status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_whoever_still_codes_blind_gets_no_figures(page: str) -> None:
    study = coded_study("blind")
    assert signed_in(study, Role.CODER).get(f"/api/studies/blind/{page}").status_code == 404
    lead = make_person(study=study, role=Role.LEAD)
    sample = make_sample(study.runs.get(), study.transcripts.earliest("pk").segments.all())
    Assignment.objects.create(item=sample.items.get(), person=lead)
    client = Client()
    client.force_login(lead)
    assert client.get(f"/api/studies/blind/{page}").status_code == 403


def test_a_reader_gets_the_same_report_as_the_page() -> None:
    study = coded_study("read")
    found = signed_in(study, Role.READER).get("/api/studies/read/report/").json()
    hope = next(row for row in found["prevalence"] if row["code"] == "hope")
    assert hope["machine"] == 1.0
    assert hope["grade"] == "D"


def test_a_lead_draws_a_sample_and_a_mistake_is_one_sentence() -> None:
    study = coded_study("draw")
    client = signed_in(study, Role.LEAD)
    address = "/api/studies/draw/samples/"
    asked = json.dumps({"size": 2, "seed": 5})
    drawn = client.post(address, asked, content_type="application/json")
    assert drawn.status_code == 201
    assert drawn.json()["items"] == 2
    assert drawn.json()["new_coders"] == []
    named = json.dumps({"size": 2, "coders": ["leo"]})
    made = client.post(address, named, content_type="application/json").json()
    assert made["new_coders"] == [{"name": "leo", "close": []}]
    wrong = client.post(address, json.dumps({"size": 200}), content_type="application/json")
    assert wrong.status_code == 400
    assert "200" in str(wrong.json()["detail"])
    reader = signed_in(study, Role.READER)
    assert reader.post(address, asked, content_type="application/json").status_code == 404


def test_the_api_describes_itself() -> None:
    described = signed_in(make_study(), Role.READER).get("/api/schema/?format=json")
    assert "/api/studies/{slug}/report/" in described.json()["paths"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("[" * 50_000, "nested too deeply"),
        ('{"size": 2, "coders": ["\\ud800"]}', "Surrogate characters are not allowed"),
        ('{"size": 2, "per_item": 1000000000000000000000000}', "at most 100 coders"),
        ('{"size": 2', "JSON parse error"),
    ],
)
def test_json_that_cannot_be_meant_is_refused_in_a_sentence(sent: str, said: str) -> None:
    study = coded_study("odd")
    client = signed_in(study, Role.LEAD)
    answer = client.post("/api/studies/odd/samples/", sent, content_type="application/json")
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not Sample.objects.exists()


def test_a_refusal_can_say_again_what_is_no_whole_character() -> None:
    client = signed_in(coded_study("half"), Role.LEAD)
    answer = client.post(
        "/api/studies/half/runs/", '{"service": "\\ud800"}', content_type="application/json"
    )
    assert answer.status_code == 400
    assert "\\ud800" in answer.content.decode()
