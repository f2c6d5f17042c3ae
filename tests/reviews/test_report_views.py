"""The pages show the report to those who may see it, and keep coders blind."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from reviews.models import Assignment, Item, Sample
from reviews.report_files import FILES
from reviews.reports import report
from studies.models import Role, Study
from tests.factories import make_person, make_revision, make_run, make_sample, make_study
from tests.reviews.test_reports import many_codings, many_segments

pytestmark = pytest.mark.django_db
PAGES = ["agreement", "prevalence", "report_html"]


@pytest.fixture
def study() -> Study:
    made = make_study("hopes")
    revision = make_revision(made, many=["hope", "worry"])
    segments = many_segments(made, 80, ("ar", "en"))
    run = make_run(revision, name="unique-run-name")
    many_codings(segments, revision, [["hope"] * (n % 3 == 0) for n in range(80)], run=run)
    make_sample(run, segments[:40])
    for name in ("ann", "ben"):
        codes = [["hope"] * (n % 3 == 0 or n == 7) for n in range(40)]
        many_codings(segments[:40], revision, codes, person=make_person(name, made))
    return made


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def lead(study: Study) -> Client:
    return signed_in(make_person("lea", study, Role.LEAD))


def shown(client: Client, name: str, study: Study, **asked: str) -> str:
    answer = client.get(reverse(name, args=[study.slug]), asked)
    assert answer.status_code == 200, answer.content
    return answer.content.decode().replace("\u00a0", " ")


@pytest.mark.parametrize("name", PAGES)
def test_a_lead_and_a_reader_see_the_figures(study: Study, lead: Client, name: str) -> None:
    made = report(study)
    row = next(row for row in made.prevalence if row.code == "hope")
    agreed = next(row for row in made.agreement if row.code == "hope")
    wanted = f"{agreed.estimate:.2f}" if name == "agreement" else f"{100 * row.corrected:.1f} %"
    for client in (lead, signed_in(make_person("rea", study, Role.READER))):
        text = shown(client, name, study)
        assert wanted in text
        assert "<svg" in text


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_is_told_that_there_is_no_such_study(study: Study, name: str) -> None:
    stranger = make_person("sam", make_study(), Role.LEAD)
    assert signed_in(stranger).get(reverse(name, args=[study.slug])).status_code == 404
    assert Client().get(reverse(name, args=[study.slug])).status_code == 302


@pytest.mark.parametrize("name", PAGES)
def test_a_coder_is_kept_blind(study: Study, name: str) -> None:
    coder = signed_in(User.objects.get(username="ann"))
    answer = coder.get(reverse(name, args=[study.slug]))
    assert answer.status_code == 403
    text = answer.content.decode()
    assert "unique-run-name" not in text
    assert "hope" not in text.replace("hopes", "")
    assert "<svg" not in text
    assert "blind" in text


def test_a_lead_with_something_left_to_code_is_kept_blind_until_it_is_done(study: Study) -> None:
    lead = make_person("lea", study, Role.LEAD)
    item = Item.objects.filter(sample=Sample.objects.get(study=study)).first()
    assert item is not None
    assignment = Assignment.objects.create(item=item, person=lead)
    client = signed_in(lead)
    page, file = (
        reverse("prevalence", args=[study.slug]),
        reverse("report_file", args=[study.slug, "report.json"]),
    )
    assert client.get(page).status_code == 403
    assert client.get(file).status_code == 403
    assignment.skipped_because = "not in my language"
    assignment.save()
    assert client.get(page).status_code == 200
    assert client.get(file).status_code == 200


def test_by_language_breaks_the_figures_down(study: Study, lead: Client) -> None:
    made = report(study, by=["language"])
    arabic = next(row for row in made.prevalence if row.domain == (("language", "ar"),))
    text = shown(lead, "prevalence", study, by="language")
    assert f"{100 * arabic.corrected:.1f} %" in text
    assert "By language" in text
    assert "By language" not in shown(lead, "prevalence", study)
    assert "by language" in shown(lead, "agreement", study, by="language")
    assert "By country" in shown(lead, "prevalence", study, by="country")


def test_one_code_can_be_shown_alone(study: Study, lead: Client) -> None:
    text = shown(lead, "prevalence", study, by="language", code="topics/worry")
    assert text.count("<details open>") == 1
    every = shown(lead, "prevalence", study, by="language", code="no/such")
    assert every.count("<details") > text.count("<details")


def test_an_unknown_attribute_is_said_and_not_an_error(study: Study, lead: Client) -> None:
    text = shown(lead, "prevalence", study, by="planet<b>")
    assert "planet&lt;b&gt;" in text


@pytest.mark.parametrize("name", PAGES)
def test_a_study_without_anything_says_what_comes_here(name: str) -> None:
    study = make_study()
    text = shown(signed_in(make_person("lea", study, Role.LEAD)), name, study)
    assert 'class="empty"' in text


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_can_be_downloaded(study: Study, lead: Client, name: str) -> None:
    answer: Any = lead.get(reverse("report_file", args=[study.slug, name]))
    assert answer.status_code == 200
    assert f"hopes-{name}" in answer["Content-Disposition"]
    if not name.endswith(".docx"):
        assert answer.content == FILES[name](report(study))


def test_asking_for_the_head_of_a_file_is_no_report(study: Study, lead: Client) -> None:
    address = reverse("report_file", args=[study.slug, "report.json"])
    assert lead.head(address).status_code == 200
    assert not study.events.filter(action="report_made").exists()
    lead.get(address)
    assert study.events.filter(action="report_made").count() == 1


def test_a_file_that_the_report_does_not_have_is_not_found(study: Study, lead: Client) -> None:
    assert lead.get(reverse("report_file", args=[study.slug, "secrets.txt"])).status_code == 404
