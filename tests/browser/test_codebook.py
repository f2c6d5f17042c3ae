"""A lead brings in a codebook with keys alone, with and without scripts, in both directions."""

from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from codebooks.imports import keep
from codebooks.models import Revision
from codebooks.revisions import freeze
from studies.models import Role
from tests.browser.axe import signed_in, violations
from tests.codebooks.test_imports import YAML, book
from tests.factories import make_person, make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "Hopes and worries about artificial intelligence at work, as they are voiced"
NEXT = (
    YAML.replace("label: Pay, parent: work", "label: أجر, definition: المال قليل جدًّا")
    .replace("{key: work,", f"{{key: home, label: {'Home' * 30}}}\n      - {{key: labour,")
    .replace("maximum: 100", "maximum: 10")
)


def fits(page: Page) -> bool:
    """Whether nothing but tables in their frames is wider than the window."""
    wide: bool = page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    return wide


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("ar", 390)])
def test_a_lead_uploads_looks_and_keeps_with_keys(
    browser: Browser, live_server: LiveServer, tmp_path: Path, language: str, width: int
) -> None:
    study = make_study("hopes")
    lead = make_person("ana", study, Role.LEAD)
    freeze(keep(study, book(), LONG))
    path = tmp_path / "codebook.yaml"
    with signed_in(browser, live_server, lead, language, width) as page:
        page.goto(f"{live_server.url}/studies/hopes/codebook/upload/")
        path.write_text("name: [")
        for content, found in (("name: [", "[role=alert]"), (NEXT, "input[name=seal]")):
            path.write_text(content)
            page.locator("#file").set_input_files(path)
            page.locator("#file").focus()
            page.keyboard.press("Tab")
            expect(page.locator("#name")).to_be_focused()
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            expect(page.locator(found)).to_have_count(1)
            assert violations(page) == []
            assert fits(page)
        expect(page.locator("ins", has_text="أجر")).to_be_visible()
        assert Revision.objects.count() == 1
        page.locator(".keep button").press("Enter")
        expect(page.locator("[role=status]")).to_be_visible()
        assert Revision.objects.get(number=2).codebook.name == LONG
        page.goto(f"{live_server.url}/studies/hopes/codebook/changes/")
        expect(page.locator("del", has_text="Pay")).to_be_visible()
        assert violations(page) == []
        assert fits(page)


def test_all_of_it_works_without_scripts(
    browser: Browser, live_server: LiveServer, tmp_path: Path
) -> None:
    study, elsewhere = make_study("hopes"), make_study("elsewhere")
    lead = make_person("ana", study, Role.LEAD)
    elsewhere.memberships.create(person=lead, name="ana", role=Role.READER)
    keep(elsewhere, book())
    client = Client()
    client.force_login(lead, backend="django.contrib.auth.backends.ModelBackend")
    context = browser.new_context(java_script_enabled=False, accept_downloads=True)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page = context.new_page()
    try:
        page.goto(f"{live_server.url}/studies/hopes/codebook/")
        page.get_by_role("button", name="Show what it holds").last.click()
        page.get_by_role("button", name="Keep as revision 1").click()
        expect(page.get_by_text("Taken over from Elsewhere")).to_be_visible()
        with page.expect_download() as downloading:
            page.get_by_role("link", name="QDC").click()
        path = tmp_path / downloading.value.suggested_filename
        assert path.name == "hopes-hopes-1.qdc"
        downloading.value.save_as(path)
        path.write_text(path.read_text().replace('name="Pay"', 'name="Wage"'))
        page.get_by_role("link", name="Bring in a codebook").click()
        page.locator("#file").set_input_files(path)
        page.get_by_role("button", name="Show what it holds").first.click()
        page.get_by_role("button", name="Keep as revision 1").click()
        expect(page.get_by_role("row", name="Wage")).to_be_visible()
    finally:
        context.close()
    assert Revision.objects.filter(codebook__study=study).count() == 1
