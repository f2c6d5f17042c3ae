"""The pages, the API and the command that compare: one request each, and who may not look."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from coding.models import Run, Work
from reviews.comparing import compare_runs
from studies.models import Role, Study
from tests.factories import make_person, make_revision, make_run, make_sample, make_study
from tests.reviews.test_comparing import DRIFT, bridged, two_runs
from tests.reviews.test_reports import many_codings

pytestmark = pytest.mark.django_db
PAGES = ["compare", "drift", "stability"]
DOORS = [*PAGES, "api_compare", "api_drift", "api_stability"]


@pytest.fixture
def study() -> Study:
    """Return a study with all there is to compare: two runs, reviewed, and a replicate."""
    made, runs, segments = two_runs(120)
    again = make_run(
        runs[1].revision,
        replicate_of=runs[1],
        replicate=1,
        parameters={"share": 0.5, "seed": 3},
    )
    codes = [["hope"] * (n % 3 == 0) for n in range(60)]
    many_codings(segments[:60], again.revision, codes, run=again)
    Work.objects.bulk_create(
        Work(run=again, segment=segment, state="done") for segment in segments[:60]
    )
    make_sample(runs[1], segments[:60])
    many_codings(segments[:60], runs[1].revision, codes, person=make_person("ann", made))
    return made


def signed_in(study: Study, role: Role) -> Client:
    client = Client()
    client.force_login(make_person("", study, role))
    return client


def text(client: Client, name: str, study: Study, **asked: Any) -> str:
    answer = client.get(reverse(name, args=[study.slug]), asked)
    assert answer.status_code == 200, answer.content
    return answer.content.decode().replace("\u00a0", " ")


@pytest.mark.parametrize("role", [Role.LEAD, Role.READER])
def test_a_lead_and_a_reader_see_what_changed(study: Study, role: Role) -> None:
    client = signed_in(study, role)
    shown = text(client, "compare", study)
    assert f"{DRIFT} of 120" in shown
    assert f"Changed in {DRIFT} of 120 segments: 0 lost it, {DRIFT} gained it" in shown
    assert "more often now" in shown
    assert "the first is right more often" in shown
    assert "<svg" in shown
    stable = text(client, "stability", study)
    assert f"{DRIFT} of 60" in stable
    assert "60 of 60 segments drawn were coded twice or more, of 2 times in all." in stable
    assert "<svg" in stable


def test_people_and_the_machine_under_two_revisions_stand_on_one_page() -> None:
    study, first, second, _segments = bridged()
    client = signed_in(study, Role.LEAD)
    shown = text(client, "drift", study, map="fear=dread")
    assert "10 of 60" in shown
    assert "33 of 200" in shown
    assert "In all segments" in shown
    shown = text(client, "drift", study, first=second.pk, second=first.pk)
    assert "only the first has it" in shown
    shown = text(client, "drift", study, map="nothing=dread")
    assert "is no code of that revision" in shown


@pytest.mark.parametrize("name", DOORS)
def test_a_stranger_and_a_coder_see_nothing(study: Study, name: str) -> None:
    address = reverse(name, args=[study.slug])
    assert signed_in(make_study(), Role.LEAD).get(address).status_code == 404
    coder = signed_in(study, Role.CODER).get(address)
    assert coder.status_code in (403, 404)
    assert b"first-name" not in coder.content
    assert Client().get(address).status_code in (302, 401, 403)


@pytest.mark.parametrize("name", PAGES)
def test_a_study_without_anything_says_what_comes_here(name: str) -> None:
    study = make_study("nothing")
    shown = text(signed_in(study, Role.LEAD), name, study)
    assert 'class="empty"' in shown
    assert "manage.py code nothing" in shown


def test_where_nothing_was_coded_again_the_page_says_once_what_to_do() -> None:
    study = make_study("once")
    make_run(make_revision(study))
    shown = text(signed_in(study, Role.LEAD), "stability", study)
    assert "No run was coded more than once yet." in shown
    assert shown.count("manage.py code") == 1
    assert "manage.py code once --coder claude --replicates 3" in shown


def test_a_run_that_was_not_coded_again_is_said_beside_those_that_were(study: Study) -> None:
    run = Run.objects.filter(replicate=0).earliest("pk")
    shown = text(signed_in(study, Role.LEAD), "stability", study, run=run.pk)
    assert "was coded once" in shown
    assert shown.count("manage.py code") == 1


def test_one_run_alone_or_the_same_twice_is_said_and_no_error(study: Study) -> None:
    client = signed_in(study, Role.LEAD)
    run = Run.objects.filter(replicate=0).first()
    assert run is not None
    assert "Name two runs" in text(client, "compare", study, first=run.pk)
    assert "same run twice" in text(client, "compare", study, first=run.pk, second=run.pk)
    assert "has no run 99999" in text(client, "compare", study, first=run.pk, second=99999)
    assert f"{DRIFT} of 120" in text(client, "compare", study, first="x", second="9" * 40)


def test_the_api_says_what_the_steps_say(study: Study) -> None:
    client = signed_in(study, Role.READER)
    made = compare_runs(study)
    said = client.get(reverse("api_compare", args=[study.slug])).json()
    assert said["changed_segments"] == made.changed_segments == DRIFT
    turned = f"?first={said['second']['run']}&second={said['first']['run']}"
    again = client.get(reverse("api_compare", args=[study.slug]) + turned).json()
    assert again["changes"][0]["difference"] == -said["changes"][0]["difference"]
    stable = client.get(reverse("api_stability", args=[study.slug])).json()
    assert stable["drawn"] == 60
    assert stable["rows"][0]["code"] == "hope"
    for name, asked, why in (
        ("api_compare", "?first=1", "Name two runs"),
        ("api_drift", "", "fewer than two revisions"),
        ("api_stability", "?run=99999", "has no run"),
    ):
        answer = client.get(reverse(name, args=[study.slug]) + asked)
        assert answer.status_code == 400
        assert why in answer.json()["detail"]


def test_the_api_compares_revisions_with_a_mapping() -> None:
    study, _first, _second, _segments = bridged()
    client = signed_in(study, Role.LEAD)
    asked = "?first=1&second=2&map=fear%3Ddread"
    said = client.get(reverse("api_drift", args=[study.slug]) + asked).json()
    assert said["people"] == 60
    assert "dread" in {row["code"] for row in said["changes"]}


def compare(capsys: pytest.CaptureFixture[str], *arguments: Any) -> dict[str, Any]:
    call_command("compare", *map(str, arguments), "--draws", "100", "--json")
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def test_the_command_prints_each_comparison(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    said = compare(capsys, "drift")
    assert said["of"] == "runs"
    first, second = said["first"]["run"], said["second"]["run"]
    assert compare(capsys, "drift", second, first)["first"]["run"] == second
    assert compare(capsys, "drift", "--replicates")["run"]["run"] == second
    assert compare(capsys, "drift", second, "--replicates")["times"] == 2
    call_command("compare", "drift")
    shown = capsys.readouterr().out
    assert f"Changed in {DRIFT} of 120 segments" in shown.replace("\n", " ")
    assert "the first is right more often" in shown
    call_command("compare", "drift", "--replicates")
    assert f"{DRIFT} of 60" in capsys.readouterr().out


def test_the_command_compares_revisions(capsys: pytest.CaptureFixture[str]) -> None:
    bridged()
    said = compare(capsys, "bridge", "--revisions", "--map", "fear=dread")
    assert (said["of"], said["people"]) == ("revisions", 60)
    assert compare(capsys, "bridge", "--revisions", 2, 1)["first"]["revision"] == 2
    call_command("compare", "bridge", "--revisions")
    assert "only the first has it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["1"], "Name two runs"),
        (["--revisions", "1"], "Name two revisions"),
        (["--revisions", "1", "9"], "under a revision 9"),
        (["--replicates", "--revisions"], "one run with itself"),
        (["--draws", "0"], "one draw or more"),
    ],
)
def test_a_mistake_gets_one_sentence(study: Study, arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why) as caught:
        call_command("compare", "drift", *arguments)
    assert "\n" not in str(caught.value)


def test_a_lead_who_has_still_to_code_is_kept_blind(study: Study) -> None:
    person = User.objects.get(username="ann")
    item = study.samples.get().items.first()
    assert item is not None
    study.memberships.filter(person=person).update(role=Role.LEAD)
    client = Client()
    client.force_login(person)
    address = reverse("compare", args=[study.slug])
    assert client.get(address).status_code == 200
    item.assignments.create(person=person)
    assert client.get(address).status_code == 403
