"""A study is begun and filled with keys alone, with scripts and without."""

from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from studies.models import Role, Study
from tests.browser.axe import signed_in
from tests.factories import make_person, make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ROWS = "".join(f"{number},en,I hope so {number}.\n" for number in range(4))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # One interview a request, as if there were very many.
    monkeypatch.setattr("studies.uploads.go_on.__defaults__", (0,))
    path = tmp_path / "مقابلات.csv"
    path.write_text(f"id,language,text\n{ROWS}", encoding="utf-8")
    return path


def test_a_study_is_begun_with_keys_and_its_import_goes_on_by_itself(
    browser: Browser, live_server: LiveServer, table: Path
) -> None:
    lead = make_person("ana", make_study("first"), Role.LEAD)
    with signed_in(browser, live_server, lead, width=390) as page:
        page.goto(live_server.url)
        page.get_by_role("button", name="New study").press("Enter")
        page.get_by_label("Name", exact=True).press_sequentially("Höpes & worries")
        expect(page.get_by_label("Short name")).to_have_value("hopes-worries")
        page.get_by_label("Short name").fill("mine")
        page.get_by_label("Name", exact=True).press_sequentially("!")
        expect(page.get_by_label("Short name")).to_have_value("mine")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Add interviews").press("Enter")
        page.get_by_label("Files").set_input_files(table)
        page.get_by_role("button", name="Look at them").press("Enter")
        expect(page.get_by_text("Nothing is stored in the study yet.")).to_be_visible()
        page.get_by_role("button", name="Import").press("Enter")
        expect(page.get_by_text("What was imported?")).to_be_visible()
        expect(page.get_by_text("4 new")).to_be_visible()
        expect(page.locator("#go-on")).to_have_count(0)
    study = Study.objects.get(slug="mine")
    assert study.transcripts.count() == 4
    assert study.transcripts.filter(searchable=None).count() == 0
    assert study.events.filter(action="imported").count() == 1


def test_without_scripts_a_button_does_each_part(
    browser: Browser, live_server: LiveServer, table: Path
) -> None:
    study = make_study("plain")
    client = Client()
    client.force_login(
        make_person("ana", study, Role.LEAD), backend="django.contrib.auth.backends.ModelBackend"
    )
    context = browser.new_context(java_script_enabled=False)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"{live_server.url}/studies/plain/transcripts/")
    page.get_by_role("button", name="Add interviews").click()
    page.get_by_label("Files").set_input_files(table)
    page.get_by_role("button", name="Look at them").click()
    page.get_by_role("button", name="Import").click()
    for done in (1, 2, 3, 4):
        expect(page.get_by_role("status")).to_contain_text(f"{done} interview")
        page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("What was imported?")).to_be_visible()
    page.get_by_role("button", name="Prepare the search").click()
    expect(page.get_by_role("button", name="Prepare the search")).to_have_count(0)
    context.close()
    assert study.transcripts.count() == 4
