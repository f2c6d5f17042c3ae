"""After the answer in a browser without scripts: the machine's beside it, and a training's key."""

import re
from typing import Any

import pytest

from coding.models import Coding, CodingKind
from reviews.models import Assignment, Submission, SubmissionKind
from studies.models import Role
from tests.factories import make_person
from tests.reviews.test_review_api import (
    Browser,
    make_assisted,
    make_pool,
    make_training,
    make_translated,
)
from tests.reviews.test_views import COMPLETE, sign_in

pytestmark = pytest.mark.django_db


def opened(browser: Browser) -> str:
    """Return the address of the interview that the review leads to."""
    slug = browser.address.split("/")[3]
    address: str = browser.client.get(f"/studies/{slug}/review/").headers["Location"]
    return address


def bare(answer: Any) -> str:
    """Return the words of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def test_without_scripts_a_second_look_comes_after_the_blind_answer_and_beside_it() -> None:
    browser = Browser(make_assisted().study)
    client = browser.client
    item = opened(browser)
    second = f"{item}second/"
    assert client.get(second).status_code == client.post(second, COMPLETE).status_code == 404
    sent = client.post(item, COMPLETE)
    assert sent.headers["Location"] == second
    assert client.post(second, COMPLETE).status_code == 404  # not seen yet
    assert Assignment.objects.get().revealed_at is None

    page = client.get(second)
    words = bare(page)
    assert "telling machine answered otherwise where it says so below" in words
    assert "You: 70 · The machine: 33.125" in words
    assert "You: yes · The machine: yes telling quote (not in the interview)" in words
    assert "Second look" in words
    assert 'name="code:topics:hope" value="yes" checked' in page.content.decode()
    rows = re.findall(
        r'class="code( scale)?( same)?"[^>]*data-code="([^"]*)"', page.content.decode()
    )
    assert {code for _scale, same, code in rows if same} == {
        "topics:hope",
        "topics:worry",
        "stance:against",
    }
    assert "review.js" not in page.content.decode()

    changed = {**COMPLETE, "value:trust": "40", "note": "on second thoughts"}
    lacking = {name: value for name, value in changed.items() if name != "one:stance"}
    refused = client.post(second, lacking)
    assert refused.status_code == 422
    assert "on second thoughts" in refused.content.decode()
    assert "has no answer yet" in bare(refused)
    assert (
        client.post(second, changed).headers["Location"]
        == item.rpartition("/")[0].rpartition("/")[0] + "/"
    )
    row = Assignment.objects.get()
    assert row.coding is not None
    assert row.assisted is not None
    assert (row.coding.kind, row.coding.note) == (CodingKind.BLIND, "clear")
    assert (row.assisted.kind, row.assisted.note) == (CodingKind.ASSISTED, "on second thoughts")
    assert row.assisted.marks.get(code__key="trust").value == 40
    assert row.assisted.marks.get(code__key="hope").evidence.exists()  # came along unseen
    assert list(Coding.objects.by_people()) == [row.coding]
    assert Submission.objects.filter(kind=SubmissionKind.SECOND).count() == 1


def test_once_the_machine_was_seen_the_blind_answer_stays_and_its_page_says_so() -> None:
    browser = Browser(make_assisted().study)
    client, item = browser.client, opened(browser)
    client.post(item, COMPLETE)
    assert f'href="{item}second/"' in client.get(item).content.decode()
    client.get(f"{item}second/")
    locked = bare(client.get(item))
    assert "This answer can’t be changed any more" in locked
    assert "Look again beside the machine’s answer" in locked
    refused = client.post(item, {**COMPLETE, "note": "changed"})
    assert refused.status_code == 422
    assert "stays as it was" in bare(refused)
    client.post(f"{item}second/", COMPLETE)
    assert "Look again" not in bare(client.get(item))


def test_where_the_machine_said_the_same_there_is_nothing_to_look_at_again() -> None:
    browser = Browser(make_assisted().study)
    item = opened(browser)
    none = {"one:stance": "", "value:trust": "33.125"}
    browser.client.post(item, {**COMPLETE, **none})
    page = browser.client.get(f"{item}second/")
    assert "telling machine answered as you did" in bare(page)
    assert all(section.same for section in page.context["sections"])


def test_what_the_machine_did_not_decide_is_no_other_answer() -> None:
    browser = Browser(make_assisted().study)
    item = opened(browser)
    silent = {**COMPLETE, "one:stance": "", "value:trust": "", "none:trust": "1"}
    browser.client.post(item, silent)
    assert "You: not expressed · The machine: 33.125" in bare(browser.client.get(f"{item}second/"))
    told = browser.get(f"{Assignment.objects.get().pk}/second/").json()
    assert [one["code"] for one in told["marks"] if one["differs"]] == ["trust"]
    machine = Coding.objects.get(run__isnull=False, segment=Assignment.objects.get().item.segment)
    machine.marks.filter(code__key="trust").delete()
    machine.dimensions = [key for key in machine.dimensions if key != "trust"]
    machine.save()
    assert "telling machine answered as you did" in bare(browser.client.get(f"{item}second/"))
    told = browser.get(f"{Assignment.objects.get().pk}/second/").json()
    assert not any(one["differs"] for one in told["marks"])


def test_without_scripts_a_training_shows_the_key_after_the_answer() -> None:
    sample = make_pool(2)
    browser = Browser(sample.study)
    training = make_training(sample, browser)
    item = opened(browser)
    assert item.endswith(f"/{training.pk}/")
    assert "Training" in bare(browser.client.get(item))
    feedback = f"{item}feedback/"
    assert browser.client.get(feedback).status_code == 404
    assert browser.client.post(item, COMPLETE).headers["Location"] == feedback
    page = browser.client.get(feedback)
    words = bare(page)
    assert "As in the key: 1 of 4." in words
    assert "Not as in the key · The key: yes · telling worry" in words
    assert "Not as in the key · The key: 40" in words
    assert '<fieldset class="settled" disabled>' in page.content.decode()
    assert 'name="save"' not in page.content.decode()
    assert f'href="{feedback}"' in browser.client.get(item).content.decode()
    assert browser.client.post(item, {**COMPLETE, "note": "x"}).status_code == 422
    assert browser.client.post(feedback, COMPLETE).status_code == 405
    assert Coding.objects.get(person=browser.person).kind == CodingKind.TRAINING
    assert opened(browser) != item


def test_without_scripts_a_translation_is_had_after_the_answer_too_and_not_noted() -> None:
    sample = make_assisted()
    make_translated(sample)
    browser = Browser(sample.study)
    item = opened(browser)
    browser.client.post(item, COMPLETE)
    second = f"{item}second/"
    assert "of help" not in bare(browser.client.get(second))
    entered = {**COMPLETE, "note": "on second thoughts", "show": "translation"}
    shown = browser.client.post(second, entered)
    assert shown.status_code == 200
    assert "Translation: Yes, it is of help to me." in bare(shown)
    assert "on second thoughts" in bare(shown)
    assert Assignment.objects.get().assisted is None
    assert Assignment.objects.get().translated_at is None  # the blind answer was settled


def test_without_scripts_a_translation_is_had_beside_the_key() -> None:
    sample = make_pool(1)
    browser = Browser(sample.study)
    training = make_training(sample, browser)
    make_translated(training.item.sample)
    item = opened(browser)
    browser.client.post(item, COMPLETE)
    assert "of help" not in bare(browser.client.get(f"{item}feedback/"))
    shown = bare(browser.client.get(f"{item}feedback/?show=translation"))
    assert "Translation: Yes, it is of help to me." in shown


def test_nobody_looks_again_at_what_somebody_else_answered() -> None:
    sample = make_assisted()
    browser = Browser(sample.study)
    item = opened(browser)
    browser.client.post(item, COMPLETE)
    for name, role in (("ann", Role.CODER), ("rita", Role.READER), ("lea", Role.LEAD)):
        make_person(name, sample.study, role)
        client = sign_in(name)
        for what in ("second", "feedback"):
            assert client.get(f"{item}{what}/").status_code == 404
            assert b"telling" not in client.get(f"{item}{what}/").content
    assert Assignment.objects.get().revealed_at is None
