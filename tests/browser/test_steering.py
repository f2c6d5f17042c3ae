"""Leads settle a disagreement and set a key by keyboard; axe finds nothing on their pages."""

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from coding.models import Evidence, Mark
from reviews.adjudication import Case, cases, chosen
from reviews.models import Ruling, Sample
from reviews.training import draw_training, key_of
from studies.models import Segment, Transcript
from studies.translations import keep
from tests.browser.axe import signed_in, violations
from tests.reviews.test_adjudication import BEN, both_say, lead, made, sample_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ARABIC = "آمل 🙂 أن يوفّر لي الوقت."
HOPE = ARABIC.index("يوفّر لي"), ARABIC.index("يوفّر لي") + len("يوفّر لي")


def settled() -> Sample:
    """Return a sample of which two people coded all, ben with evidence behind an emoji."""
    study, segments = made(6)
    for segment in segments:
        transcript = segment.transcript
        transcript.text, transcript.language = ARABIC, "ar"
        transcript.turns = [[0, len(ARABIC), "Ana", "participant"]]
        transcript.save()
        segment.end = len(ARABIC)
        segment.save()
    both_say(study, segments)
    for mark in Mark.objects.filter(coding__person__username=BEN, code__key="hope"):
        Evidence.objects.create(mark=mark, start=HOPE[0], end=HOPE[1], found="exact")
    return sample_of(study)


def address_of(slug: str, case: Case) -> str:
    """Return the page of a disagreement; of a one-of-many it is about the whole dimension."""
    what = [case.dimension, case.code] if case.code else [case.dimension]
    return reverse("adjudicate", args=[slug, case.item, *what])


def test_a_lead_rules_by_keyboard_and_goes_from_one_to_the_next(
    browser: Browser, live_server: LiveServer
) -> None:
    sample = settled()
    order = [case for case in chosen(cases(sample)) if not case.unsure]
    first = next(case for case in order if (case.interview, case.code) == ("t00", "hope"))
    for transcript in Transcript.objects.all():
        keep(transcript, "en", {0: "I hope it saves me time."}, maker="claude-x", machine=True)
    with signed_in(browser, live_server, lead()) as page:
        where = [sample.study.slug, first.item, first.dimension, first.code]
        page.goto(live_server.url + reverse("adjudicate", args=where))
        expect(page.locator("#key-help")).to_be_visible()
        pointed = """[...CSS.highlights.get("opinion-1")].map(
          (one) => one.startContainer.data.slice(one.startOffset, one.endOffset))"""
        assert page.evaluate(pointed) == ["يوفّر لي"]
        page.keyboard.press("t")
        expect(page.locator("#t1 .translated p")).to_have_text("I hope it saves me time.")
        assert page.evaluate(pointed) == ["يوفّر لي"]
        page.keyboard.press("t")
        expect(page.locator("#key-help")).to_be_visible()
        expect(page.locator(".translated")).to_have_count(0)
        page.keyboard.press("t")
        expect(page.locator(".translated")).to_have_count(1)
        expect(page.locator("#key-help")).to_be_visible()
        page.keyboard.press("n")
        expect(page.locator("#why")).to_be_focused()
        page.keyboard.type("yes, no, unsure: typed keys choose nothing")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: str(first.item) not in url.split("/"))
        ruling = Ruling.objects.get(code__key="hope")
        assert ruling.applies is False
        assert ruling.why.startswith("yes, no, unsure")
        assert "/disagreements/" in page.url


def test_a_lead_sets_a_key_with_evidence_that_is_selected(
    browser: Browser, live_server: LiveServer
) -> None:
    study = settled().study
    Sample.objects.filter(study=study).delete()
    training = draw_training(study, coders=["ana"], size=2, seed=1)
    item = training.items.order_by("position").first()
    assert item is not None
    assert Transcript.objects.filter(text=ARABIC).count() == 6
    with signed_in(browser, live_server, lead(), "ar", 390) as page:
        page.goto(live_server.url + reverse("training-key", args=[study.slug, item.pk]))
        add = page.locator('[data-code="topics:hope"] .add')
        expect(add).to_be_visible()
        page.evaluate(
            """([from, to]) => {
              const node = document.querySelector(".words").firstChild;
              const units = (points) => [...node.data].slice(0, points).join("").length;
              getSelection().setBaseAndExtent(node, units(from), node, units(to));
            }""",
            list(HOPE),
        )
        add.focus()
        page.keyboard.press("Enter")
        expect(page.locator('[data-code="topics:hope"] q')).to_have_text("يوفّر لي")
        for name, value in (
            ("key:topics:hope", "yes"),
            ("key:topics:worry", "no"),
            ("key:stance", ":none"),
            ("key:trust:trust", "no"),
        ):
            page.locator(f'input[name="{name}"][value="{value}"]').press("Space")
        page.locator('input[name="why:topics:hope"]').fill("يقول ذلك")
        assert not violations(page)
        page.locator(".submit button").press("Enter")
        page.wait_for_url(lambda url: not url.endswith(f"/{item.pk}/"))
    key = key_of(item)
    assert key["topics", "hope"].passages == (HOPE,)
    assert key["topics", "hope"].why == "يقول ذلك"
    assert key["stance", "for"].applies is False


def test_axe_finds_nothing_on_the_pages_of_the_lead(
    browser: Browser, live_server: LiveServer
) -> None:
    sample = settled()
    study = sample.study
    case = chosen(cases(sample))[0]
    pages = [
        reverse(name, args=[study.slug]) for name in ("work", "adjudication", "draw", "training")
    ]
    pages.append(address_of(study.slug, case))
    with signed_in(browser, live_server, lead(), "ar", 390) as page:
        for address in pages:
            answer = page.goto(live_server.url + address)
            assert answer is not None, address
            assert answer.status == 200, address
            assert not violations(page), address
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    with signed_in(browser, live_server, lead()) as page:
        page.goto(live_server.url + pages[-1])
        assert not violations(page)


def test_of_a_long_interview_the_answer_that_is_ruled_on_is_in_sight(
    browser: Browser, live_server: LiveServer
) -> None:
    sample = settled()
    case = chosen(cases(sample))[0]
    segment = sample.items.get(pk=case.item).segment
    told = "Much was told before. " * 400
    interview = segment.transcript
    start = len(told) + 1
    Transcript.objects.filter(pk=interview.pk).update(
        text=f"{told}\n{interview.text}",
        turns=[
            [0, start - 1, "", "participant"],
            [start, start + len(interview.text), "", "participant"],
        ],
    )
    Evidence.objects.all().delete()
    Segment.objects.filter(pk=segment.pk).update(start=start, end=start + len(interview.text))
    with signed_in(browser, live_server, lead()) as page:
        page.goto(live_server.url + address_of(sample.study.slug, case))
        expect(page.locator("#turns > li.around")).to_have_count(1)
        expect(page.locator("#turns > li:not(.around)")).to_be_in_viewport()
