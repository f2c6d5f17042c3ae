"""Every page of the site is free of what axe can find, narrow windows and keys included.

The pages are those that the table of rights gives to a lead or to a coder: a new page is looked at
as soon as it has its row there.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from studies.audit import record
from studies.models import Upload
from studies.search import index
from studies.uploads import go_on, keep
from tests.browser.axe import CHROMIUM, signed_in, violations
from tests.factories import make_file
from tests.test_rights import PEOPLE, World, table

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium is installed"),
    pytest.mark.django_db(transaction=True),
]
NO_PAGES = (
    "api/",
    "studies/<slug:slug>/codebook/<",
    "studies/<slug:slug>/report/<",
    "studies/<slug:slug>/trail.",
    "i18n/",
    "studies/<slug:slug>/pictures/",
)
NARROW = 320


def pages(world: World, who: str) -> Iterator[str]:
    """Yield the paths of the pages that `who` is shown."""
    for address, rows in table().items():
        statuses = rows.get("GET", ())
        if statuses and statuses[PEOPLE.index(who)] == 200 and not address.startswith(NO_PAGES):
            yield world.path(address)


def imports(world: World) -> Iterator[str]:
    """Yield the keys of an import that is on its way, of one that ended, and of one that can't."""
    for seconds, holds in (
        (0, "id,text\n1,I hope so.\n1,Twice.\n2,\n"),
        (9, "id,text\n1,I hope so.\n1,Twice.\n2,\n"),
        (None, "country,talk\nPeru,I hope so.\n"),
    ):
        upload = keep(world.study, world.lead, [make_file(holds=holds)])
        if seconds is not None:
            go_on(upload, seconds)
        if seconds == 0:
            # In another window's hands: else the page would lead on while it is looked at.
            Upload.objects.filter(pk=upload.pk).update(
                held_until=timezone.now() + timedelta(hours=1)
            )
        yield upload.key


def looked_at(page: Page, address: str) -> list[str]:
    """Return what is wrong with the page at `address`, in a wide and in a narrow window."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address)
    if page.evaluate("document.contentType") != "text/html":
        return []
    wrong = violations(page)
    page.set_viewport_size({"width": NARROW, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > NARROW:
        wrong.append(f"{width} pixels wide in a window of {NARROW}")
    return wrong


@pytest.mark.parametrize(("who", "language"), [("lead", "en"), ("coder", "ar"), ("nobody", "ar")])
def test_nothing_is_found_on_any_page(
    browser: Browser, live_server: LiveServer, who: str, language: str
) -> None:
    world = World()
    index(world.study)
    record(world.study, world.lead, "ruled", "t1", {"said": "yes"}, {"said": "no"})
    paths = list(pages(world, who))
    if who == "lead":
        paths += ["/studies/secret/transcripts/?text=words", "/studies/secret/transcripts/?id=none"]
        paths += [f"/studies/secret/transcripts/add/{key}/" for key in imports(world)]
        addresses = ("transcripts/<int:pk>/", "disagreements/<int:pk>/<slug:dimension>/")
        for address in (*addresses, "training/<int:pk>/"):
            paths.append(world.path(f"studies/<slug:slug>/{address}") + "?translation=en")
    wrong = {}
    with signed_in(browser, live_server, getattr(world, who, None), language) as page:
        if who == "nobody":
            page.goto(f"{live_server.url}/join/{world.secret}/")
            paths.append("/join/")
        for path in paths:
            if found := looked_at(page, live_server.url + path):
                wrong[path] = found
    assert not wrong, "\n".join(f"{path}: {one}" for path in wrong for one in wrong[path])


def test_a_page_is_read_and_used_with_keys_alone(browser: Browser, live_server: LiveServer) -> None:
    world = World()
    with signed_in(browser, live_server, world.lead) as page:
        page.goto(f"{live_server.url}/studies/secret/people/")
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.get_attribute("href") == "#content"
        box = skip.bounding_box()
        assert box
        assert box["x"] >= 0
        page.keyboard.press("Enter")
        reached = set()
        for _number in range(60):
            page.keyboard.press("Tab")
            seen = page.evaluate(
                """() => {
                    const one = document.activeElement;
                    const style = getComputedStyle(one);
                    const outlined = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
                    const shown = outlined || style.boxShadow !== "none";
                    return [one.closest("main") !== null, one.tagName, shown,
                            one.getAttribute("name") || one.textContent.trim()];
                }"""
            )
            if seen[1] == "BODY":
                break
            assert seen[2], seen
            reached.add(seen[3])
        assert {"role", "reads", "what", "name", "Make a link"} <= reached
