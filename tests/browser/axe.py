"""What axe finds on a page: `assert not violations(page)` is the whole use of this module.

`signed_in(browser, live_server, person, language)` gives a page to look at: it knows who asks, in
which language of the interface, and at which width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from shutil import which

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

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
PATIENCE = 60_000  # milliseconds: the machine may be busy with other things
# WCAG 2.2 AA, and what axe's authors hold to be good practice beside it.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@cache
def _axe() -> Axe:
    return Axe()


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong on `page` as it stands, a line each: rule, element, why."""
    found = _axe().run(
        page, options={"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    )
    return [
        f"{one['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


@contextmanager
def signed_in(
    browser: Browser,
    live_server: LiveServer,
    person: User | None = None,
    language: str = "en",
    width: int = 1280,
    height: int = 900,
) -> Iterator[Page]:
    """Give a page of `person` (of nobody if None); what breaks in its scripts fails the test."""
    context = browser.new_context(viewport={"width": width, "height": height})
    cookies = [{"name": "django_language", "value": language, "url": live_server.url}]
    if person:
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        session = client.cookies["sessionid"].value
        cookies.append({"name": "sessionid", "value": session, "url": live_server.url})
    context.set_default_timeout(PATIENCE)
    context.add_cookies(cookies)  # type: ignore[arg-type]  # a typed dictionary of Playwright's own
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert not broken
