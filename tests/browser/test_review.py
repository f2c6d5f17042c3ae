"""Coders at work in a real browser: by keys, by touch, without a connection, in many languages."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from codebooks.models import Code
from coding.models import Coding, CodingKind, Evidence
from reviews.models import Assignment, Ruling
from reviews.sampling import draw_sample
from reviews.training import Key, draw_training, set_key
from studies.models import Membership, Role, Study, Transcript
from studies.translations import keep
from tests.browser.axe import CHROMIUM, PATIENCE, violations
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_segment,
    make_study,
    make_transcript,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium is installed"),
    pytest.mark.django_db(transaction=True),
]

ASKED = "هل تثق به؟"
TOLD = "نعم 🙂👩‍👩‍👧 أثق به كثيرا، لكني أراجع كل كلمة."
QUOTE = "أثق به كثيرا"
THAI = "ฉันใช้ AI ทุกวัน แต่ฉันต้องตรวจสอบ 𠮷 อีกครั้ง"

Open = Callable[..., AbstractContextManager[Page]]


def conversation(asked: str, told: str) -> tuple[str, list[list[Any]]]:
    """Return a text of two turns, and the turns."""
    text = f"{asked}\n{told}"
    return text, [
        [0, len(asked), "I", "interviewer"],
        [len(asked) + 1, len(text), "P", "participant"],
    ]


def make_review(
    count: int = 2,
    told: str = TOLD,
    language: str = "ar",
    many: tuple[str, ...] = ("hope", "worry"),
    small: bool = False,
) -> None:
    """Make a study called sample whose interviews are all for mara to code."""
    study = make_study("sample")
    if small:
        make_revision(study, many)
    else:
        make_revision(study, many, one=("for", "against"), scale=(0, 100))
    text, turns = conversation(ASKED, told)
    for number in range(count):
        make_segment(text, study, external_id=f"t{number}", language=language, turns=turns)
    make_person("mara", study)
    draw_sample(study, size=count, coders=["mara"], seed=1)


@pytest.fixture
def context(browser: Browser, live_server: LiveServer) -> Iterator[Callable[..., BrowserContext]]:
    """Give a way to open browsers in which mara is signed in; what breaks in scripts fails."""
    opened: list[BrowserContext] = []
    broken: list[str] = []

    def new(**options: Any) -> BrowserContext:
        client = Client()
        client.force_login(
            User.objects.get(username="mara"), backend="django.contrib.auth.backends.ModelBackend"
        )
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.add_cookies(
            [
                {
                    "name": "sessionid",
                    "value": client.cookies["sessionid"].value,
                    "url": live_server.url,
                }
            ]
        )
        context.set_default_timeout(PATIENCE)
        context.on("weberror", lambda error: broken.append(str(error.error)))
        opened.append(context)
        return context

    yield new
    for one in opened:
        one.close()
    assert not broken


def go(context: BrowserContext, live_server: LiveServer, state: str = "ready") -> Page:
    """Open the review; it is ready when its scripts have taken over."""
    page = context.new_page()
    page.goto(f"{live_server.url}/studies/sample/review/")
    expect(page.locator("#review")).to_have_attribute("data-state", state)
    return page


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


def place(page: Page) -> Any:
    return expect(page.locator("#place"))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def refuse_first(page: Page, addresses: str) -> list[str]:
    """Have the first request to `addresses` fail; return the list that all of them come into."""
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(status=502, body="the server is away")
        else:
            route.continue_()

    page.route(addresses, answer)
    return asked


def until(page: Page, true: str) -> None:
    """Wait until an expression of the page is true, without the eval that its policy forbids."""
    page.evaluate(
        f"""async () => {{
            for (let tries = 0; tries < 500 && !({true}); tries += 1) {{
                await new Promise(resolve => setTimeout(resolve, 20));
            }}
            if (!({true})) throw new Error("it did not become true");
        }}"""
    )


IN_THE_BROWSER = """(name, fits) => new Promise(resolve => {
    const { person } = JSON.parse(document.getElementById("screen").textContent);
    const opening = indexedDB.open(`concord-${name}-${person}`);
    opening.onsuccess = () => {
        const all = opening.result.transaction(name).objectStore(name).getAll();
        all.onsuccess = () => { opening.result.close(); resolve(all.result.some(fits)); };
    };
})"""


def answer_all(page: Page) -> None:
    """Answer every question with its 0: no, none of these, not expressed."""
    press(page, "Digit0", "Shift+Digit2", "Digit0", "Shift+Digit3", "Digit0")


def all_sent(page: Page) -> None:
    """Wait until nothing waits to be sent."""
    expect(page.locator("#kept")).to_have_text(re.compile("^Saved"))


def test_an_arabic_interview_is_coded_and_the_next_one_comes(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page = go(context(), live_server)
    place(page).to_have_text("1 of 2")
    expect(page.locator("#language")).to_have_text("ar · right to left")
    words = page.locator(".words[data-evidence]")
    expect(words).to_have_attribute("lang", "ar")
    assert words.evaluate("node => getComputedStyle(node).direction") == "rtl"
    first = page.url
    assert not violations(page)

    select(page, QUOTE)
    page.get_by_role("button", name="Add selection as evidence for Hope").click()
    expect(page.locator('input[name="code:topics:hope"][value="yes"]')).to_be_checked()
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text(QUOTE)
    assert page.evaluate("[...CSS.highlights.get('code-0')].length") == 1
    assert words.evaluate("node => node.childNodes.length") == 1  # the letters stay joined
    expect(page.locator("#t2 .margin")).to_have_text("Ho")  # not by color alone

    press(page, "Shift+Digit2", "Digit1")
    expect(page.locator('input[name="one:stance"][value="for"]')).to_be_checked()
    page.get_by_role("spinbutton", name="Trust").fill("70")
    page.get_by_label("Note").fill("1")  # a digit that is typed answers no code
    page.get_by_role("button", name="Save and next").click()
    expect(page.locator(".notice", has_text="codes without an answer yet: Worry")).to_be_visible()
    page.get_by_role("button", name="No to all that is not answered").click()
    page.get_by_role("button", name="Save and next").dblclick()

    place(page).to_have_text("2 of 2")
    assert page.url != first
    all_sent(page)
    coding = Coding.objects.get()
    assert coding.dimensions == ["topics", "stance", "trust"]
    assert coding.note == "1"
    assert set(coding.marks.values_list("code__key", "value")) == {
        ("hope", None),
        ("for", None),
        ("trust", 70.0),
    }
    evidence = Evidence.objects.get()
    text = f"{ASKED}\n{TOLD}"
    assert (evidence.start, evidence.end) == (text.index(QUOTE), text.index(QUOTE) + len(QUOTE))

    page.go_back()
    place(page).to_have_text("1 of 2")
    assert page.url == first
    expect(page.get_by_label("Note")).to_have_value("1")
    expect(page.locator("#t2 .margin")).to_contain_text("Ho")


def make_translated(
    language: str = "en", told: str = "Yes 🙂, I trust it a lot, but I check."
) -> None:
    """Have every interview of the review translated by a machine."""
    for transcript in Transcript.objects.all():
        starts = [turn[0] for turn in transcript.turns]
        words = dict(zip(starts, ["Do you trust it?", told], strict=True))
        keep(transcript, language, words, maker="claude-x", machine=True)


def select_translated(page: Page) -> None:
    """Select words of a translation as a mouse would."""
    page.evaluate(
        """() => {
            const node = document.querySelector("#t2 .translated p").firstChild;
            window.getSelection().setBaseAndExtent(node, 0, node, 10);
        }"""
    )


def test_a_translation_is_asked_for_stands_beside_and_is_no_evidence(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    make_translated()
    page = go(context(), live_server)
    button = page.get_by_role("button", name="Translation")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert "I trust it" not in page.content()

    press(page, "KeyT")
    expect(button).to_have_attribute("aria-pressed", "true")
    line = page.locator("#translated-by")
    expect(line).to_have_text(
        "Translated into English by a machine (claude-x). "
        "Not evidence: select words of the original."
    )
    beside = page.locator("#t2 .translated p")
    original = page.locator("#t2 .words")
    expect(beside).to_have_attribute("lang", "en")
    direction = "node => getComputedStyle(node).direction"
    assert (original.evaluate(direction), beside.evaluate(direction)) == ("rtl", "ltr")
    left, right = original.bounding_box(), beside.bounding_box()
    assert left
    assert right
    assert left["x"] + left["width"] <= right["x"]  # two columns
    assert not violations(page)

    select_translated(page)
    page.get_by_role("button", name="Add selection as evidence for Hope").click()
    refused = page.locator(".notice", has_text="Words of a translation are no evidence")
    expect(refused).to_be_visible()
    for key in ("Digit1", "KeyY"):
        select_translated(page)
        press(page, key)
        expect(refused).to_be_visible()
        assert not page.locator('input[name="code:topics:hope"]:checked').count()
        assert page.evaluate("getSelection().isCollapsed")
    # Whose selection of a whole turn ends where the translation begins means the turn.
    page.evaluate(
        """() => {
            const words = document.querySelector("#t2 .words").firstChild;
            const beside = document.querySelector("#t2 .translated p").firstChild;
            getSelection().setBaseAndExtent(words, words.data.indexOf("أراجع"), beside, 0);
        }"""
    )
    press(page, "KeyY")
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text("أراجع كل كلمة.")
    press(page, "Backspace")
    select(page, QUOTE)
    press(page, "KeyY")
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text(QUOTE)
    expect(page.locator("#t2 .margin")).to_have_text("Ho")

    page.locator("#find").fill("I trust it")
    page.locator("#find").press("Enter")
    expect(page.locator("#said")).to_have_text("Nothing found.")
    page.locator("#find").press("Escape")

    answer_all(page)
    page.get_by_role("button", name="Save and next").click()
    place(page).to_have_text("2 of 2")
    expect(button).to_have_attribute("aria-pressed", "false")  # it is not carried on
    expect(line).to_be_hidden()
    assert "I trust it" not in page.locator("#turns").inner_text()
    all_sent(page)
    evidence = Evidence.objects.get()
    text = Transcript.objects.first()
    assert text
    assert text.text[evidence.start : evidence.end] == QUOTE
    first = Assignment.objects.get(coding__isnull=False)
    assert first.translated_at
    assert first.answered_at
    assert first.translated_at < first.answered_at
    assert Assignment.objects.get(coding=None).translated_at is None


def test_without_a_connection_the_translation_says_so_and_the_rest_goes_on(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    make_translated()
    browser = context()
    page = go(browser, live_server)
    button = page.get_by_role("button", name="Translation")
    browser.set_offline(True)
    button.click()
    said = page.locator(".notice", has_text="The translation can’t be had right now.")
    expect(said).to_be_visible()
    expect(button).to_have_attribute("aria-pressed", "false")
    press(page, "KeyY")
    expect(page.locator('input[name="code:topics:hope"][value="yes"]')).to_be_checked()
    browser.set_offline(False)
    button.click()
    expect(page.locator(".translated")).to_have_count(2)
    expect(said).to_have_count(0)
    browser.set_offline(True)
    button.click()
    expect(page.locator(".translated")).to_have_count(0)
    button.click()  # it is at hand by now
    expect(page.locator(".translated")).to_have_count(2)


def test_on_a_narrow_arabic_page_the_translation_stands_beneath(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(told=THAI, language="th")
    make_translated("ar", TOLD)
    browser = context(viewport={"width": 390, "height": 800}, locale="ar")
    browser.add_cookies([{"name": "django_language", "value": "ar", "url": live_server.url}])
    page = go(browser, live_server)
    button = page.locator("#translation")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    original, beside = page.locator("#t2 .words"), page.locator("#t2 .translated p")
    direction = "node => getComputedStyle(node).direction"
    assert (original.evaluate(direction), beside.evaluate(direction)) == ("ltr", "rtl")
    above, below = original.bounding_box(), beside.bounding_box()
    assert above
    assert below
    assert above["y"] + above["height"] <= below["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not violations(page)


def test_where_nothing_is_translated_or_all_is_read_there_is_no_button(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(told=THAI, language="th")
    page = go(context(), live_server)
    expect(page.locator("#translation")).to_be_hidden()
    press(page, "KeyT")
    expect(page.locator(".translated")).to_have_count(0)
    assert not page.locator("#notices .notice:visible").count()


def test_keys_code_without_a_mouse_and_undo_takes_back(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(told=THAI, language="th")
    page = go(context(), live_server)
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert not violations(page)
    press(page, "Escape", "KeyJ")
    expect(page.locator("#turns > li").first).to_be_focused()
    select(page, "𠮷")
    press(page, "Digit2")
    worry = page.locator('[data-code="topics:worry"]')
    expect(worry.locator(".passages q")).to_have_text("𠮷")
    page.reload()
    expect(page.locator("#review")).to_have_attribute("data-state", "ready")
    expect(page.locator('input[name="code:topics:worry"][value="yes"]')).to_be_checked()
    page.locator('input[name="code:topics:worry"][value="yes"]').focus()
    page.get_by_role("button", name="Remove").click()
    expect(worry.locator(".passages q")).to_have_count(0)
    press(page, "Backspace")
    expect(worry.locator(".passages q")).to_have_text("𠮷")
    press(page, "KeyN", "ArrowUp", "KeyU")
    expect(page.locator('input[name="code:topics:worry"][value="no"]')).to_be_checked()
    expect(page.locator('input[name="code:topics:hope"][value="unsure"]')).to_be_checked()
    # The keys are where the hand expects them: on a French keyboard Digit0 prints "à".
    page.locator("body").evaluate(
        """() => { for (const [code, key] of [["Digit2", "é"], ["Digit0", "à"]])
            document.body.dispatchEvent(new KeyboardEvent("keydown",
                { code, key, shiftKey: code === "Digit2", bubbles: true, cancelable: true })); }"""
    )
    expect(page.get_by_label("None of these")).to_be_checked()
    press(page, "Shift+Digit3", "Digit0", "KeyF")
    page.keyboard.type("who is speaking?")
    press(page, "Enter", "Enter")
    place(page).to_have_text("2 of 2")
    press(page, "Backspace")  # nothing to undo here: the one before
    place(page).to_have_text("1 of 2")
    expect(page.locator('input[name="code:topics:worry"][value="no"]')).to_be_checked()
    press(page, "Digit2", "Enter")
    place(page).to_have_text("2 of 2")
    press(page, "KeyS", "Digit5", "Enter")  # another reason, and none is given
    expect(page.locator(".notice", has_text="Say in a few words why you skip")).to_be_visible()
    expect(page.locator("#why")).to_be_focused()
    place(page).to_have_text("2 of 2")
    press(page, "Escape", "KeyS", "Digit3")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is left for you to code")
    assert set(Coding.objects.get().marks.values_list("code__key", "answer")) == {
        ("hope", "unsure"),
        ("worry", "yes"),
    }
    assert Assignment.objects.get(skipped_because="known").coding is None
    assert Assignment.objects.get(flagged_because="who is speaking?").coding is not None


def test_without_a_connection_nothing_is_lost_and_everything_arrives_once(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(count=3)
    browser = context()
    page = go(browser, live_server)
    until(page, "performance.getEntriesByName('review-ahead').length > 0")
    browser.set_offline(True)
    for number in (1, 2):
        place(page).to_have_text(f"{number} of 3")
        page.get_by_label("Note").fill(f"coded offline {number}")
        page.get_by_label("Note").blur()
        answer_all(page)
        press(page, "Enter")
    place(page).to_have_text("3 of 3")
    expect(page.locator("#kept")).to_have_text("2 waiting – offline")
    page.get_by_label("Note").fill("half done")
    until(page, f"await ({IN_THE_BROWSER})('drafts', one => one.answers.note === 'half done')")
    page.close()
    assert not Coding.objects.exists()

    browser.set_offline(False)
    page = go(browser, live_server)
    place(page).to_have_text("3 of 3")
    expect(page.get_by_label("Note")).to_have_value("half done")
    all_sent(page)
    assert sorted(Coding.objects.values_list("note", flat=True)) == [
        "coded offline 1",
        "coded offline 2",
    ]
    page.reload()
    expect(page.locator("#review")).to_have_attribute("data-state", "ready")
    assert Coding.objects.count() == 2


def test_an_answer_whose_receipt_was_lost_is_sent_again_and_counts_once(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    browser = context()
    page = go(browser, live_server)
    sent: list[str] = []

    def lose_the_first_receipt(route: Any) -> None:
        sent.append(route.request.post_data_json["client_id"])
        answer = route.fetch()
        if len(sent) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route("**/answer/", lose_the_first_receipt)
    answer_all(page)
    press(page, "Enter")
    place(page).to_have_text("2 of 2")
    expect(page.locator("#kept")).to_have_text(re.compile("^1 waiting"))
    page.evaluate("window.dispatchEvent(new Event('online'))")
    all_sent(page)
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert Coding.objects.count() == 1


def test_a_second_tab_only_shows_and_signed_out_answers_wait(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    browser = context()
    page = go(browser, live_server)
    other = go(browser, live_server, "second")
    expect(other.locator(".notice", has_text="another tab")).to_be_visible()
    expect(other.get_by_label("Note")).to_be_disabled()
    press(other, "KeyY", "Enter")
    place(other).to_have_text("1 of 2")
    page.close()
    expect(other.locator("#review")).to_have_attribute("data-state", "ready")
    expect(other.get_by_label("Note")).to_be_enabled()

    cookies = browser.cookies()
    browser.clear_cookies(name="sessionid")
    answer_all(other)
    press(other, "Enter")
    expect(other.locator("#kept")).to_have_text("1 waiting – signed out")
    expect(other.locator(".notice", has_text="You are signed out")).to_be_visible()
    browser.add_cookies([one for one in cookies if one["name"] == "sessionid"])  # type: ignore[misc]
    other.evaluate("window.dispatchEvent(new Event('online'))")
    all_sent(other)
    assert Coding.objects.count() == 1


def test_a_draft_that_did_not_arrive_is_sent_again_though_nothing_more_is_entered(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    browser = context()
    page = go(browser, live_server)
    tried = refuse_first(page, "**/draft/")
    page.get_by_label("Note").fill("typed while the server was away")
    all_sent(page)
    drafts = Assignment.objects.values_list("draft__note", flat=True)
    assert "typed while the server was away" in drafts
    assert len(tried) == 2

    cookies = browser.cookies()
    browser.clear_cookies(name="sessionid")
    page.get_by_label("Note").fill("typed while signed out")
    expect(page.locator(".notice", has_text="You are signed out")).to_be_visible()
    expect(page.locator("#kept")).to_have_text("Kept on this device")
    browser.add_cookies([one for one in cookies if one["name"] == "sessionid"])  # type: ignore[misc]
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # back from the sign-in
    all_sent(page)
    expect(page.locator(".notice", has_text="You are signed out")).to_have_count(0)
    assert "typed while signed out" in drafts.all()


def test_where_somebody_else_signed_in_nothing_becomes_their_answer(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(count=4)
    study = Assignment.objects.values_list("item__sample__study", flat=True)[0]
    Assignment.objects.filter(pk__in=Assignment.objects.order_by("pk")[2:]).update(
        person=make_person("tomas", Study.objects.get(pk=study))
    )
    browser = context()
    page = go(browser, live_server)
    until(page, "performance.getEntriesByName('review-ahead').length > 0")
    cookies = browser.cookies()
    other = Client()
    other.force_login(
        User.objects.get(username="tomas"), backend="django.contrib.auth.backends.ModelBackend"
    )
    session = other.cookies["sessionid"].value
    browser.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    for number in (1, 2):
        place(page).to_have_text(f"{number} of 2")
        answer_all(page)
        press(page, "Enter")
    expect(page.locator(".notice", has_text="You are signed out")).to_be_visible()
    expect(page.locator("#kept")).to_have_text("2 waiting – signed out")
    place(page).to_have_text("2 of 2")  # and nothing of tomas comes
    assert not Coding.objects.exists()
    browser.add_cookies([one for one in cookies if one["name"] == "sessionid"])  # type: ignore[misc]
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing is left for you to code")
    assert list(Coding.objects.values_list("person__username", flat=True)) == ["mara", "mara"]


def test_of_two_versions_the_coder_chooses_one(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page, elsewhere = go(context(), live_server), go(context(), live_server)
    elsewhere.get_by_label("Note").fill("at the office")
    all_sent(elsewhere)
    page.get_by_label("Note").fill("on the train")
    dialog = page.get_by_role("dialog", name="This interview was changed in another place")
    expect(dialog).to_contain_text("Note: at the office")
    expect(dialog).to_contain_text("Note: on the train")
    assert not violations(page)
    dialog.get_by_role("button", name="Go on with this").click()
    all_sent(page)
    elsewhere.reload()
    expect(elsewhere.get_by_label("Note")).to_have_value("on the train")


def test_of_an_answer_that_was_settled_what_holds_is_shown_and_not_what_was_begun_since(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page = go(context(), live_server)
    page.get_by_label("Note").fill("as it was sent")
    press(page, "Escape")
    answer_all(page)
    press(page, "Enter")
    place(page).to_have_text("2 of 2")
    all_sent(page)
    press(page, "Backspace")
    place(page).to_have_text("1 of 2")
    page.get_by_label("Note").fill("begun since")
    until(page, f"await ({IN_THE_BROWSER})('drafts', one => one.synced)")
    item = Assignment.objects.get(coding__isnull=False).item
    lead = make_person("lead", item.sample.study, Role.LEAD)
    Ruling.objects.create(item=item, code=Code.objects.get(key="hope"), by=lead)
    for _again in range(2):
        page.reload()
        expect(page.locator("#review")).to_have_attribute("data-state", "ready")
        expect(page.get_by_label("Note")).to_have_value("as it was sent")
        expect(page.locator(".notice", has_text="is back; it is not submitted")).to_have_count(0)
        expect(page.locator(".notice", has_text="can’t be changed any more")).to_be_visible()


def test_words_are_found_in_the_codebook_and_in_the_interview_and_nowhere_else(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page = go(context(), live_server)
    select(page, QUOTE)
    press(page, "Digit1")
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text(QUOTE)
    find = page.get_by_role("searchbox")
    find.fill("worr")
    expect(page.locator(".code:visible")).to_have_count(1)
    press(page, "Enter")
    expect(page.locator(".code.here .name bdi")).to_have_text("Worry")
    find.fill(QUOTE)  # though it stands as evidence in the row of a code
    press(page, "Enter")
    until(page, f"window.getSelection().toString() === {QUOTE!r}")
    find.fill("remove")
    press(page, "Enter")
    expect(page.locator("#notices", has_text="Nothing found.")).to_be_visible()
    press(page, "Escape")
    expect(page.locator("#notices", has_text="Nothing found.")).to_have_count(0)


def test_what_is_found_is_what_is_selected_in_turkish_too(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(told="İyi, İstanbul 🙂 İŞ çok değişti.", language="tr")
    page = go(context(), live_server)
    find = page.get_by_role("searchbox")
    for words in ("Değişti", "İş"):
        find.fill(words)
        press(page, "Enter")
        until(page, "window.getSelection().toString().length > 0")
        found = page.evaluate("window.getSelection().toString()")
        assert found.replace("Ş", "ş").casefold() == words.casefold()
        press(page, "Escape")


def test_what_is_chosen_and_where_one_is_can_be_seen_in_ones_own_colors(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page = go(context(forced_colors="active"), live_server)
    press(page, "Digit1")
    ground = "node => getComputedStyle(node).backgroundColor"
    answers = page.locator('[data-code="topics:hope"] .answer span')
    chosen, other = answers.nth(0).evaluate(ground), answers.nth(1).evaluate(ground)
    assert chosen != other
    outline = "node => getComputedStyle(node).outlineStyle"
    assert page.locator('[data-code="topics:hope"]').evaluate(outline) == "solid"
    assert page.locator('[data-code="topics:worry"]').evaluate(outline) == "none"


def test_words_that_wait_for_a_code_are_shown_also_while_a_note_is_written(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page = go(context(), live_server)
    chosen = """[...(CSS.highlights.get("chosen") ?? [])].map(
        (one) => one.startContainer.data.slice(one.startOffset, one.endOffset))"""
    select(page, QUOTE)
    page.get_by_label("Note").click()
    page.keyboard.type("a note")
    until(page, f"({chosen}).length > 0")
    assert page.evaluate(chosen) == [QUOTE]
    press(page, "Escape", "Digit1")
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text(QUOTE)
    assert page.evaluate(chosen) == []
    select(page, QUOTE)
    until(page, f"({chosen}).length > 0")
    page.locator("#turns > li").first.focus()
    press(page, "Escape", "Digit2")
    assert page.evaluate(chosen) == []
    expect(page.locator('input[name="code:topics:worry"][value="yes"]')).to_be_checked()
    expect(page.locator('[data-code="topics:worry"] .passages q')).to_have_count(0)


def test_the_list_of_keys_opens_on_every_keyboard(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page = go(context(), live_server)
    printed = [("Slash", key) for key in "?؟ฦ,"]
    for code, key in [*printed, ("Minus", "?")]:
        page.locator("body").evaluate(
            """(body, [code, key]) => body.dispatchEvent(new KeyboardEvent("keydown",
                { code, key, shiftKey: true, bubbles: true, cancelable: true }))""",
            [code, key],
        )
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        press(page, "Escape")
        expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_one_code_at_a_time_takes_one_key_for_each(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(many=("hope", "worry", "doubt"), small=True)
    page = go(context(), live_server)
    press(page, "KeyV")
    expect(page.locator(".code:visible")).to_have_count(1)
    assert not violations(page)
    select(page, "كل كلمة")
    press(page, "KeyY", "KeyN")
    expect(page.locator(".code.here .name bdi")).to_have_text("Doubt")
    press(page, "KeyU", "Enter")
    place(page).to_have_text("2 of 2")
    all_sent(page)
    assert set(Coding.objects.get().marks.values_list("code__key", "answer")) == {
        ("hope", "yes"),
        ("doubt", "unsure"),
    }
    assert Evidence.objects.count() == 1


@pytest.mark.parametrize("touch", [False, True])
def test_one_code_at_a_time_goes_on_after_a_click_or_a_tap(
    context: Callable[..., BrowserContext], live_server: LiveServer, touch: bool
) -> None:
    make_review(many=("hope", "worry", "doubt"), small=True)
    options = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    page = go(context(**options) if touch else context(), live_server)
    page.get_by_role("button", name="One by one").click()
    for code, then in (("hope", "Worry"), ("worry", "Doubt")):
        no = page.locator(f'[data-code="topics:{code}"] .answer', has_text="no")
        if touch:
            no.tap()
        else:
            no.click()
        expect(page.locator(".code.here .name bdi")).to_have_text(then)
    press(page, "ArrowRight")  # a key shows what it chose
    expect(page.locator(".code.here .name bdi")).to_have_text("Doubt")


def test_of_a_long_interview_the_answer_that_is_asked_about_is_in_sight(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    study = make_study("sample")
    make_revision(study)
    parts = [f"Question {number}?\n{'Much was told. ' * 90}" for number in range(5)]
    text = "\n".join(parts)
    turns: list[list[Any]] = []
    for part in parts:
        start = turns[-1][1] + 1 if turns else 0
        middle = start + part.index("\n")
        turns += [
            [start, middle, "", "interviewer"],
            [middle + 1, start + len(part), "", "participant"],
        ]
    transcript = make_transcript(text, study, turns=turns)
    for index, at in enumerate((9, 7), 1):
        start, end = turns[at][:2]
        transcript.segments.create(index=index, start=start, end=end)
    make_person("mara", study)
    draw_sample(study, size=2, coders=["mara"], seed=1)
    page = go(context(), live_server)
    for number in (1, 2):
        place(page).to_have_text(f"{number} of 2")
        asked = page.locator("#turns > li:not(.around)")
        expect(asked).to_be_in_viewport()
        box = asked.bounding_box()
        assert box is not None
        assert box["y"] < 450  # its question stands above it, at the top
        assert not violations(page)  # what stands around it can be read
        press(page, "KeyJ")
        expect(page.locator("#turns > li:focus .words")).to_have_text(re.compile("^Question"))
        press(page, "Digit0", "Enter")


@pytest.mark.parametrize("width", [1280, 390])
def test_why_an_answer_is_not_taken_is_in_sight_wherever_one_reads(
    context: Callable[..., BrowserContext], live_server: LiveServer, width: int
) -> None:
    make_review(told="Much was told. " * 600)
    page = go(context(viewport={"width": width, "height": 700}), live_server)
    answer_all(page)
    page.locator('input[type="number"]').fill("101")
    page.evaluate("window.scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")
    page.locator("#save").click()
    said = page.locator('#notices [data-kind="gap"]')
    expect(said).to_contain_text("from 0 to 100")
    expect(said).to_be_in_viewport(ratio=1)
    place(page).to_have_text("1 of 2")


def test_of_many_codes_without_an_answer_a_few_are_named(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(many=tuple(f"topic {number}" for number in range(1, 41)))
    page = go(context(viewport={"width": 320, "height": 480}), live_server)
    page.locator("#save").click()
    said = page.locator('#notices [data-kind="gap"]')
    expect(said).to_have_text(
        "Codes of “Topics” without an answer: 40, among them "
        "Topic 1, Topic 2, Topic 3, Topic 4, Topic 5. "
    )
    expect(said).to_be_in_viewport(ratio=1)
    expect(page.locator(".code.here")).to_be_in_viewport(ratio=0.5)


def test_keys_can_be_changed_and_single_ones_turned_off(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    page = go(context(), live_server)
    press(page, "?")
    page.locator('button.key[data-action="yes"]').click()
    press(page, "KeyG")
    expect(page.locator("#keys-said")).to_have_text("Kept.")
    press(page, "Escape", "KeyY")
    expect(page.locator('input[name="code:topics:hope"][value="yes"]')).not_to_be_checked()
    press(page, "KeyG")
    expect(page.locator('input[name="code:topics:hope"][value="yes"]')).to_be_checked()
    assert Membership.objects.get(name="mara").keys == {"yes": "KeyG"}
    press(page, "?")
    page.get_by_label("Letters, digits and signs do nothing").check()
    expect(page.locator("#keys-said")).to_have_text("Kept.")
    press(page, "Escape")
    page.reload()
    expect(page.locator("#review")).to_have_attribute("data-state", "ready")
    page.locator('input[name="code:topics:worry"][value="yes"]').focus()
    press(page, "KeyG", "Digit1")
    expect(page.locator('input[name="code:topics:worry"][value="yes"]')).not_to_be_checked()


def test_on_a_telephone_words_are_added_to_a_code_by_touch(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review()
    telephone = context(viewport={"width": 390, "height": 800}, has_touch=True)
    # An older browser: what it can't highlight it marks.
    telephone.add_init_script("Object.defineProperty(CSS, 'highlights', { value: undefined })")
    page = go(telephone, live_server)
    select(page, QUOTE)
    page.get_by_label("Code", exact=True).select_option(label="Worry")
    page.locator("#thumb-button").tap()
    expect(page.locator('input[name="code:topics:worry"][value="yes"]')).to_be_checked()
    expect(page.locator('[data-code="topics:worry"] .passages q')).to_have_text(QUOTE)
    expect(page.locator("#t2 mark")).to_have_text(QUOTE)
    assert page.locator("#t2 .words").inner_text() == TOLD
    page.locator('[data-code="topics:hope"] .answer', has_text="no").tap()
    expect(page.locator('input[name="code:topics:hope"][value="no"]')).to_be_checked()
    assert not violations(page)
    for width in (390, 320):  # 320 is a window of 1280 at 400 %
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def make_assisted(*more: str) -> None:
    """Make a study whose machine says worry of both interviews, for a second look at each."""
    study = make_study("sample")
    revision = make_revision(study, ("hope", "worry", *more))
    run = make_run(revision, name="the machine")
    text, turns = conversation(ASKED, TOLD)
    for number in range(2):
        segment = make_segment(text, study, external_id=f"t{number}", language="ar", turns=turns)
        coding = make_coding(segment, revision, run=run, codes=["worry"])
        start = text.index("أراجع")
        coding.marks.get().evidence.create(start=start, end=start + len("أراجع"), found="exact")
    make_person("mara", study)
    sample = draw_sample(study, size=2, coders=["mara"], seed=1)
    sample.items.update(assisted=True)


def test_after_the_blind_answer_a_second_look_is_kept_apart(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_assisted()
    page = go(context(), live_server)
    assert "أراجع" not in page.locator("#codes").inner_text()
    press(page, "Digit1", "Digit0", "Enter")
    expect(page.locator("#stage")).to_have_text("Second look")
    worry = page.locator('[data-code="topics:worry"]')
    expect(worry.locator(".machine")).to_contain_text("The machine: yes")
    expect(worry.locator(".machine .quote")).to_have_text("أراجع")
    assert page.evaluate("[...CSS.highlights.get('machine')].length") == 1
    assert not violations(page)
    page.locator('input[name="code:topics:worry"][value="yes"]').check(force=True)
    press(page, "Enter")
    expect(page.locator("#stage")).to_have_text("Blind")
    place(page).to_have_text("2 of 2")
    all_sent(page)
    said = {
        coding.kind: set(coding.marks.values_list("code__key", flat=True))
        for coding in Coding.objects.filter(person__isnull=False)
    }
    assert said == {CodingKind.BLIND: {"hope"}, CodingKind.ASSISTED: {"hope", "worry"}}


def test_what_is_said_beside_the_machines_answer_is_not_among_the_codes_used_last(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_assisted(*(f"c{number}" for number in range(10)))
    page = go(context(), live_server)
    until(page, "performance.getEntriesByName('review-ahead').length > 0")
    press(page, "Digit1", "Digit0", "Enter")
    expect(page.locator("#stage")).to_have_text("Second look")
    expect(page.locator("#recent")).to_be_hidden()
    page.locator('input[name="code:topics:worry"][value="yes"]').check(force=True)
    press(page, "Enter")
    expect(page.locator("#stage")).to_have_text("Blind")
    assert strip(page) == ["Hope"]
    all_sent(page)
    assert Coding.objects.get(kind=CodingKind.ASSISTED).marks.filter(code__key="worry").exists()


def test_what_was_entered_in_a_second_look_is_there_again_and_never_in_a_blind_one(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_assisted()
    browser = context()
    page = go(browser, live_server)
    until(page, "performance.getEntriesByName('review-ahead').length > 0")
    press(page, "Digit1", "Digit0", "Enter")
    expect(page.locator("#stage")).to_have_text("Second look")
    page.get_by_label("Note").fill("looked again")
    all_sent(page)
    page.close()
    row = Assignment.objects.get(coding__isnull=False)
    assert row.second_draft
    assert (row.second_draft["note"], row.draft) == ("looked again", None)

    # Elsewhere the server has it; here what was entered without a connection comes first.
    for other, note in ((context(), "looked again"), (browser, "looked again")):
        page = go(other, live_server)
        expect(page.locator("#stage")).to_have_text("Second look")
        expect(page.locator(".notice", has_text="is back; it is not submitted")).to_be_visible()
        expect(page.get_by_label("Note")).to_have_value(note)
        if other is not browser:
            page.close()
    browser.set_offline(True)
    page.get_by_label("Note").fill("looked offline")
    until(
        page, f"await ({IN_THE_BROWSER})('seconds', one => one.answers.note === 'looked offline')"
    )
    assert page.evaluate(f"({IN_THE_BROWSER})('drafts', one => one.answers.note)") is False
    page.close()
    browser.set_offline(False)
    Assignment.objects.update(second_draft=None)  # only the browser has anything
    page = go(browser, live_server)
    expect(page.locator("#stage")).to_have_text("Second look")
    expect(page.get_by_label("Note")).to_have_value("looked offline")
    press(page, "Enter")
    expect(page.locator("#stage")).to_have_text("Blind")
    place(page).to_have_text("2 of 2")
    expect(page.get_by_label("Note")).to_have_value("")
    all_sent(page)
    row.refresh_from_db()
    assert row.assisted is not None
    assert (row.assisted.kind, row.assisted.note) == (CodingKind.ASSISTED, "looked offline")
    assert (row.draft, row.second_draft) == (None, None)
    assert Coding.objects.by_people().get().note == ""
    until(page, f"!(await ({IN_THE_BROWSER})('seconds', () => true))")
    page.reload()
    expect(page.locator("#review")).to_have_attribute("data-state", "ready")
    expect(page.locator("#stage")).to_have_text("Blind")


def test_of_two_versions_of_a_second_look_the_coder_chooses_one(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_assisted()
    page = go(context(), live_server)
    press(page, "Digit1", "Digit0", "Enter")
    expect(page.locator("#stage")).to_have_text("Second look")
    page.get_by_label("Note").fill("begun")
    all_sent(page)
    elsewhere = go(context(), live_server)
    expect(elsewhere.get_by_label("Note")).to_have_value("begun")
    elsewhere.get_by_label("Note").fill("at the office")
    all_sent(elsewhere)
    page.get_by_label("Note").fill("on the train")
    dialog = page.get_by_role("dialog", name="This interview was changed in another place")
    expect(dialog).to_contain_text("Note: at the office")
    dialog.get_by_role("button", name="Go on with this").click()
    all_sent(page)
    press(elsewhere, "Escape", "Enter")  # it was made from what is no longer there
    choose = elsewhere.get_by_role("button", name="Choose which one holds")
    choose.click()
    dialog = elsewhere.get_by_role("dialog", name="This interview was changed in another place")
    expect(elsewhere.locator("#stage")).to_have_text("Second look")
    expect(dialog).to_contain_text("Note: on the train")
    dialog.get_by_role("button", name="Go on with that").click()
    expect(elsewhere.get_by_label("Note")).to_have_value("on the train")
    press(elsewhere, "Escape", "Enter")
    all_sent(elsewhere)
    expect(elsewhere.locator("#stage")).to_have_text("Blind")
    coding = Coding.objects.get(kind=CodingKind.ASSISTED)
    assert coding.note == "on the train"
    assert Coding.objects.by_people().get().note == ""


def test_without_scripts_a_second_look_is_a_plain_page(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_assisted()
    page = context(java_script_enabled=False).new_page()
    page.goto(f"{live_server.url}/studies/sample/review/")
    page.get_by_label("no", exact=True).first.check(force=True)
    page.get_by_label("No to all that is not answered").check()
    page.get_by_role("button", name="Save and next").click()
    expect(page.locator("#stage")).to_have_text("Second look")
    expect(page.locator('[data-code="topics:hope"]')).to_be_hidden()  # there they agree
    worry = page.locator('[data-code="topics:worry"]')
    expect(worry.locator(".machine")).to_contain_text("You: no · The machine: yes")
    worry.get_by_role("link", name="أراجع").click()
    assert page.url.endswith("/second/#t2")
    looking = context().new_page()  # axe needs scripts, the page has none
    looking.goto(page.url)
    for width in (1280, 390, 320):
        looking.set_viewport_size({"width": width, "height": 800})
        assert not violations(looking)
        assert looking.evaluate("document.documentElement.scrollWidth") <= width
    worry.get_by_label("unsure").check(force=True)
    page.get_by_role("button", name="Save and next").click()
    place(page).to_have_text("2 of 2")
    said = Coding.objects.get(kind=CodingKind.ASSISTED).marks.values_list("code__key", "answer")
    assert list(said) == [("worry", "unsure")]
    assert not Coding.objects.by_people().get().marks.exists()


def test_training_shows_the_key_after_the_answer_and_leads_to_the_review(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    study = make_study("sample", evidence_required=True)
    make_revision(study)
    text, turns = conversation(ASKED, TOLD)
    for number in range(2):
        make_segment(text, study, external_id=f"t{number}", language="ar", turns=turns)
    make_person("mara", study)
    training = draw_training(study, coders=["mara"], size=1, seed=1)
    keys = [Key("topics", "hope", False), Key("topics", "worry", True, why="“يراجع” says it")]
    set_key(training.items.get(), make_person("lead", study, Role.LEAD), keys)
    draw_sample(study, size=2, coders=["mara"], seed=1)
    page = go(context(), live_server)
    refused = refuse_first(page, "**/feedback/")
    expect(page.locator("#stage")).to_have_text("Training")
    assert "يراجع" not in page.content()
    press(page, "Digit1", "Digit0", "Enter")
    expect(page.locator(".notice", has_text="select the words that say so")).to_be_visible()
    select(page, QUOTE)
    press(page, "KeyY", "Enter")
    expect(page.locator("#stage")).to_have_text("Feedback")
    assert len(refused) == 2
    worry = page.locator('[data-code="topics:worry"] .machine')
    expect(worry).to_contain_text("Not as in the key · The key: yes · “يراجع” says it")
    for asked in (".add-evidence", ".how", ".rest-button", ".passages button"):
        expect(page.locator(f"{asked}:visible")).to_have_count(0)  # nothing can be entered
    expect(page.locator('[data-code="topics:hope"] .passages q')).to_have_text(QUOTE)
    assert not violations(page)
    press(page, "Enter")
    expect(page.locator("#stage")).to_have_text("Blind")
    coding = Coding.objects.get(person__username="mara")
    assert coding.kind == CodingKind.TRAINING
    trained = Assignment.objects.get(coding=coding)
    page.goto(f"{live_server.url}/studies/sample/review/{trained.pk}/feedback/")
    expect(page.locator("#stage")).to_have_text("Feedback")
    assert not violations(page)


def strip(page: Page) -> list[str]:
    """Return what stands in the strip of codes used last."""
    return page.locator("#recent button:visible bdi").all_inner_texts()


def test_codes_used_last_are_at_hand_and_stay_put_while_an_interview_is_coded(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(count=4, many=tuple(f"topic {number}" for number in range(1, 13)))
    browser = context()
    page = go(browser, live_server)
    expect(page.locator("#recent")).to_be_hidden()  # nothing was used yet
    until(page, "performance.getEntriesByName('review-ahead').length > 0")
    press(page, "Shift+Digit2", "Digit3", "Shift+Digit1", "Digit2", "Digit0")  # twelve and two
    assert strip(page) == []
    press(page, "Shift+Digit3", "Digit1", "Shift+Digit4")
    page.get_by_role("spinbutton", name="Trust").fill("70")
    press(page, "Escape", "Enter")
    place(page).to_have_text("2 of 4")
    assert strip(page) == ["Topic 2", "Topic 12", "For"]  # a scale is answered each time
    assert not violations(page)

    # By keys: there the numbers are those of the strip, and lead into the codebook.
    press(page, "Shift+Digit0")
    expect(page.locator("#recent button").first).to_be_focused()
    press(page, "Digit2")
    twelfth = page.locator('[data-code="topics:topic 12"]')
    expect(twelfth.locator('input[value="yes"]')).to_be_checked()
    expect(twelfth.locator('input[value="yes"]')).to_be_focused()
    expect(page.get_by_role("button", name="Topic 12", pressed=True)).to_be_visible()
    # By mouse, with words selected; the same button again adds to them and takes nothing back.
    for quote in (QUOTE, "كل كلمة"):
        select(page, quote)
        page.get_by_role("toolbar").get_by_role("button", name="Topic 2", exact=True).click()
    expect(page.locator('[data-code="topics:topic 2"] .passages q')).to_have_count(2)
    press(page, "Shift+Digit1", "Digit7", "Digit0", "Shift+Digit2", "Digit0")
    assert strip(page) == ["Topic 2", "Topic 12", "For"]  # as long as this interview is there
    press(page, "Shift+Digit3", "Digit2", "Shift+Digit4", "Digit0", "Enter")
    place(page).to_have_text("3 of 4")
    now = ["Topic 2", "Topic 12", "For", "Topic 7", "Against"]
    assert strip(page) == now
    page.reload()
    expect(page.locator("#review")).to_have_attribute("data-state", "ready")
    assert strip(page) == now

    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not violations(page)
    page.get_by_role("toolbar").get_by_role("button", name="Against").focus()
    press(page, "Enter")  # a button has its own Enter
    expect(page.locator('input[name="one:stance"][value="against"]')).to_be_checked()


def test_where_more_is_used_than_the_strip_holds_the_latest_stay_in_their_places(
    context: Callable[..., BrowserContext], live_server: LiveServer
) -> None:
    make_review(count=3, many=tuple(f"c{number}" for number in range(1, 13)), small=True)
    page = go(context(), live_server)
    until(page, "performance.getEntriesByName('review-ahead').length > 0")
    press(page, *(f"Digit{number}" for number in range(1, 9)), "Digit0", "Enter")
    place(page).to_have_text("2 of 3")
    assert strip(page) == [f"C{number}" for number in range(1, 9)]
    press(page, *(f"Digit{number}" for number in (1, 3, 4, 5, 6, 7, 8)))
    press(page, "Shift+Digit2", "Digit1", "Digit2", "Digit0", "Enter")
    place(page).to_have_text("3 of 3")
    assert strip(page) == ["C1", "C11", "C3", "C4", "C5", "C6", "C7", "C8", "C10"]
