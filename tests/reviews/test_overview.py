import pytest
from django.test import Client
from django.utils import timezone

from coding.models import State, Work
from studies.models import Role
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


def test_a_new_study_says_that_interviews_come_first(client: Client) -> None:
    study = make_study("new")
    client.force_login(make_person(study=study, role=Role.LEAD))
    page = client.get("/studies/new/").content.decode()
    assert 'href="/studies/new/transcripts/add/" role="button">Add interviews' in page
    client.force_login(make_person(study=study, role=Role.READER))
    assert "Add interviews" not in client.get("/studies/new/").content.decode()


def test_after_the_interviews_comes_the_codebook_on_its_page(client: Client) -> None:
    study = make_study("new")
    make_segment("text", study)
    client.force_login(make_person(study=study, role=Role.LEAD))
    page = client.get("/studies/new/").content.decode()
    assert 'href="/studies/new/codebook/" role="button">Bring in a codebook' in page
    assert "manage.py" not in page


def test_the_next_step_is_the_first_that_is_not_done(client: Client) -> None:
    study = make_study("next")
    segment = make_segment("text", study)
    run = make_run(make_revision(study))
    make_coding(segment, run.revision, run=run)
    client.force_login(make_person(study=study, role=Role.LEAD))
    page = client.get("/studies/next/").content.decode()
    assert 'href="/studies/next/draw/" role="button">Draw sample' in page
    assert "manage.py" not in page
    make_sample(run, [segment])
    assert "0 of 1 drawn segment fully coded" in client.get("/studies/next/").content.decode()


def test_what_is_fully_coded_is_told_from_what_somebody_coded(client: Client) -> None:
    study = make_study("half")
    segments = [make_segment("text", study) for _ in range(4)]
    run = make_run(make_revision(study))
    sample = make_sample(run, segments[:2])
    sample.items.update(coders_wanted=2)
    draw = {"continues": sample, "design": {"sizes": []}}
    later = make_sample(run, segments[2:3], **draw)
    people = [make_person(name, study) for name in ("ann", "ben")]
    asked = [(sample, 0, people), (sample, 1, people[:1]), (later, 2, people[:1])]
    for drawn, place, who in asked:
        item = drawn.items.get(segment=segments[place])
        for person in who:
            coding = make_coding(segments[place], run.revision, person=person)
            item.assignments.create(person=person, coding=coding, answered_at=timezone.now())
    client.force_login(make_person(study=study, role=Role.LEAD))
    page = client.get("/studies/half/").content.decode()
    assert "2 of 3 drawn segments fully coded" in page
    assert "1 segment coded by two or more people" in page
    assert "3 of all 4 segments coded by people" in page


def test_what_the_machine_could_not_decide_is_not_called_decided(client: Client) -> None:
    study = make_study("weak")
    run = make_run(make_revision(study))
    for state in (State.DONE, State.REFUSED, State.REFUSED, State.FAILED, State.PENDING):
        why = "language not covered" if state in (State.REFUSED, State.FAILED) else ""
        Work.objects.create(run=run, segment=make_segment("text", study), state=state, reason=why)
    client.force_login(make_person(study=study, role=Role.LEAD))
    page = client.get("/studies/weak/").content.decode()
    assert "1 of 5 decided" in page
    assert "; refused, not covered or failed: 3" in page


def test_a_scale_is_a_dimension_and_no_code(client: Client) -> None:
    study = make_study("scaled")
    make_revision(study, one=("for", "against"), scale=(0, 10))
    client.force_login(make_person(study=study, role=Role.LEAD))
    page = client.get("/studies/scaled/").content.decode()
    assert "4 codes" in page
    assert "in 3 dimensions" in page


def test_a_coder_is_led_to_the_review(client: Client) -> None:
    study = make_study("coder")
    client.force_login(make_person(study=study, role=Role.CODER))
    assert client.get("/studies/coder/").headers["Location"] == "/studies/coder/review/"


def test_a_fictional_study_says_so(client: Client) -> None:
    study = make_study("made-up", fictional=True)
    client.force_login(make_person(study=study, role=Role.LEAD))
    assert "fictional" in client.get("/studies/made-up/").content.decode()
