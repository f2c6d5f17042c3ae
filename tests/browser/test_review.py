"""A coder codes an Arabic interview in a real browser, and the next one comes."""

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from coding.models import Coding, Evidence
from reviews.sampling import draw_sample
from tests.factories import make_person, make_revision, make_segment, make_study

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := which(name))), "")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium is installed"),
    pytest.mark.django_db(transaction=True),
]

ASKED = "هل تثق به؟"
TOLD = "نعم 🙂👩‍👩‍👧 أثق به كثيرا، لكني أراجع كل كلمة."
TEXT = f"{ASKED}\n{TOLD}"
TURNS = [[0, len(ASKED), "م", "interviewer"], [len(ASKED) + 1, len(TEXT), "ش", "participant"]]
QUOTE = "أثق به كثيرا"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright runs a loop in this thread, and Django would then refuse its own queries.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    study = make_study("sample")
    make_revision(study, one=("for", "against"), scale=(0, 100))
    for number in range(2):
        make_segment(TEXT, study, external_id=f"t{number}", language="ar", turns=TURNS)
    make_person("mara", study)
    draw_sample(study, size=2, coders=["mara"], seed=1)
    client = Client()
    client.force_login(
        User.objects.get(username="mara"), backend="django.contrib.auth.backends.ModelBackend"
    )
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    page.goto(f"{live_server.url}/studies/sample/review/")
    yield page
    context.close()
    assert not broken


def select(page: Page, quote: str) -> None:
    """Select `quote` in the participant's words as a mouse would, in the browser's own units."""
    page.evaluate(
        """quote => {
            const node = document.querySelector(".words[data-evidence]").firstChild;
            const at = node.data.indexOf(quote);
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + quote.length);
            const selection = window.getSelection();
            selection.removeAllRanges();
            selection.addRange(range);
        }""",
        quote,
    )


def test_an_arabic_interview_is_coded_and_the_next_one_comes(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("1 of 2")
    words = page.locator(".words[data-evidence]")
    expect(words).to_have_attribute("lang", "ar")
    assert words.evaluate("node => getComputedStyle(node).direction") == "rtl"
    first = page.url

    select(page, QUOTE)
    page.get_by_role("button", name="Add selection as evidence for Hope").click()
    expect(page.locator('input[name="code:topics:hope"][value="yes"]')).to_be_checked()
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text(QUOTE)
    assert page.evaluate("[...CSS.highlights.get('code-0')].length") == 1
    assert words.evaluate("node => node.childNodes.length") == 1  # the letters stay joined

    page.keyboard.press("Shift+Digit2")
    page.keyboard.press("Digit1")
    expect(page.locator('input[name="one:stance"][value="for"]')).to_be_checked()
    page.get_by_label("No to all that is not answered").check()
    page.get_by_role("spinbutton", name="Trust").fill("70")
    page.get_by_label("Note").fill("1")  # a digit that is typed answers no code
    page.get_by_role("button", name="Save and next").dblclick(no_wait_after=True)

    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 2")
    assert page.url != first
    coding = Coding.objects.get()
    assert coding.dimensions == ["topics", "stance", "trust"]
    assert set(coding.marks.values_list("code__key", "value")) == {
        ("hope", None),
        ("for", None),
        ("trust", 70.0),
    }
    evidence = Evidence.objects.get()
    assert TEXT[evidence.start : evidence.end] == QUOTE
    assert evidence.end is not None
    assert evidence.start == TEXT.index(QUOTE)

    page.go_back()
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text(QUOTE)


def test_keys_code_without_a_mouse_and_a_reload_loses_nothing(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("1 of 2")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("KeyJ")
    expect(page.locator("#turns > li").first).to_be_focused()
    select(page, "🙂")
    page.keyboard.press("Digit2")
    expect(page.locator('[data-code="topics:worry"] .passages q')).to_have_text("🙂")
    page.reload()
    expect(page.locator('[data-code="topics:worry"] .passages q')).to_have_text("🙂")
    page.get_by_role("button", name="Remove").click()
    expect(page.locator('[data-code="topics:worry"] .passages q')).to_have_count(0)
    page.keyboard.press("Digit1")
    page.locator('input[name="code:topics:worry"]').first.focus()
    page.keyboard.press("KeyN")
    expect(page.locator('input[name="code:topics:worry"][value="no"]')).to_be_checked()
    page.get_by_label("None of these").check()
    page.get_by_label("Not expressed").check()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 2")
    assert list(Coding.objects.get().marks.values_list("code__key", flat=True)) == ["hope"]


def test_what_is_half_done_waits_while_another_interview_is_looked_at(page: Page) -> None:
    first = page.url
    for name in ("rest:topics", "none:trust"):
        page.locator(f'input[name="{name}"]').check()
    page.get_by_label("None of these").check()
    page.get_by_role("button", name="Save and next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 of 2")
    second = page.url
    page.get_by_label("Note").fill("half done")
    page.get_by_role("link", name="Previous interview").click()
    expect(page.get_by_label("None of these")).to_be_checked()
    assert page.url == first
    expect(page.locator("#said")).to_have_text("")  # what was saved is not called a draft
    page.get_by_label("Note").fill("on second thoughts")
    page.reload()
    expect(page.get_by_label("Note")).to_have_value("on second thoughts")
    page.goto(second)
    expect(page.get_by_label("Note")).to_have_value("half done")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Path(CHROMIUM).exists()
