"""The page of what a lead may change about a study."""

from typing import Any

import pytest
from django.test import Client

from studies.models import Role, Study, Unit
from studies.people import change_study
from studies.problems import Problem
from studies.uploads import go_on, keep
from tests.factories import make_file, make_person, make_segment, make_study

pytestmark = pytest.mark.django_db

PAGE = "/studies/hopes/settings/"


@pytest.fixture
def study() -> Study:
    return make_study("hopes", name="Hopes")


@pytest.fixture
def lead(study: Study) -> Client:
    client = Client()
    client.force_login(make_person("ana", study, Role.LEAD))
    return client


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_lead_changes_what_holds_and_leaves_one_line(study: Study, lead: Client) -> None:
    assert f'href="{PAGE}"' in text(lead.get("/studies/hopes/people/"))
    said = {"name": " Höpes  2 ", "unit": "answer", "evidence_required": "on"}
    answer = lead.post(PAGE, said, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "Saved." in text(answer)
    study.refresh_from_db()
    assert (study.name, study.unit, study.evidence_required) == ("Höpes 2", "answer", True)
    [event] = study.events.all()
    assert (event.action, event.name) == ("study_changed", "ana")
    assert event.before == {"name": "Hopes", "unit": "interview", "evidence_required": False}
    assert event.after == {"name": "Höpes 2", "unit": "answer", "evidence_required": True}
    lead.post(PAGE, {**said, "evidence_required": ""})
    assert study.events.latest("pk").before == {"evidence_required": True}
    assert study.events.latest("pk").after == {"evidence_required": False}


def test_the_same_again_changes_nothing(study: Study, lead: Client) -> None:
    answer = lead.post(PAGE, {"name": "Hopes", "unit": "interview"}, follow=True)
    assert "Nothing was changed." in text(answer)
    assert not study.events.exists()


def test_the_unit_is_shown_and_stays_once_there_are_interviews(study: Study, lead: Client) -> None:
    assert 'name="unit"' in text(lead.get(PAGE))
    make_segment("some words", study)
    page = text(lead.get(PAGE))
    assert 'name="unit"' not in page
    assert "whole interview" in page
    assert "make another study" in page
    answer = lead.post(PAGE, {"name": "Other", "unit": "answer"})
    assert answer.status_code == 422
    assert "there are interviews" in text(answer)
    study.refresh_from_db()
    assert (study.name, study.unit) == ("Hopes", Unit.INTERVIEW)
    assert lead.post(PAGE, {"name": "Other"}).status_code == 302


def test_the_unit_stays_while_interviews_are_being_imported(study: Study) -> None:
    upload = keep(study, make_person("ben", study, Role.LEAD), [make_file()])
    assert change_study(study, None, unit="answer")
    go_on(upload, seconds=0)
    study.transcripts.all().delete()  # as before the first of them is stored
    with pytest.raises(Problem, match="there are interviews"):
        change_study(study, None, unit="interview")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"name": "  "}, "needs a name"),
        ({"name": "x" * 201}, "needs a name"),
        ({"name": "a\x00b"}, "can’t be kept"),
        ({"unit": "letter"}, "no unit of coding"),
    ],
)
def test_bad_input_gets_a_sentence_and_keeps_what_was_typed(
    study: Study, lead: Client, said: dict[str, str], why: str
) -> None:
    answer = lead.post(PAGE, {"name": "Öffnung", "evidence_required": "on", **said})
    assert answer.status_code == 422
    page = text(answer)
    assert why in page
    assert 'aria-describedby="evidence-hint" checked' in page
    assert ("Öffnung" in page) == ("name" not in said)
    study.refresh_from_db()
    assert (study.name, study.evidence_required) == ("Hopes", False)


def test_a_form_of_another_site_changes_nothing(study: Study) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_person("ana", study, Role.LEAD))
    assert client.post(PAGE, {"name": "x"}).status_code == 403
