"""The review page: for its coder only, blind, and safe against two clicks and the back button."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from codebooks.models import Code
from coding.models import Coding, Evidence, Mark
from reviews.models import Assignment, Sample
from reviews.sampling import draw_sample
from reviews.screen import keys_of
from studies.models import Membership, Role, Study
from studies.translations import keep
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_segment,
    make_study,
)

pytestmark = pytest.mark.django_db

TEXT = "Trust? نعم 🙂 it helps <b>me</b>"
TURNS = [[0, 6, "Interviewer", "interviewer"], [7, len(TEXT), "Ana", "participant"]]
HELPS = TEXT.index("it helps"), TEXT.index("it helps") + len("it helps")
COMPLETE = {
    "code:topics:hope": "yes",
    "passages:topics:hope": f"{HELPS[0]}-{HELPS[1]}",
    "code:topics:worry": "no",
    "one:stance": "for",
    "value:trust": "70",
    "note": "clear",
}


def make_sample(count: int = 2, coders: tuple[str, ...] = ("mara",)) -> Sample:
    study = make_study()
    revision = make_revision(study, one=("for", "against"), scale=(0, 100))
    run = make_run(revision, name="telling machine")
    for number in range(count):
        segment = make_segment(TEXT, study, external_id=f"t{number}", language="ar", turns=TURNS)
        coding = make_coding(segment, revision, run=run, values={"trust": 33.125})
        mark = Mark.objects.create(
            coding=coding,
            code=Code.objects.get(key="hope", dimension__revision=revision),
            confidence=0.8675309,
            rationale="telling rationale",
        )
        Evidence.objects.create(mark=mark, quote="telling quote", found="missing")
    return draw_sample(study, size=count, strata=["label"], coders=coders, seed=1)


def sign_in(name: str) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def address(sample: Sample) -> str:
    return reverse("review", args=[sample.study.slug])


def opened(client: Client, sample: Sample) -> str:
    """Return the address of the item that the review leads to."""
    url: str = client.get(address(sample)).headers["Location"]
    return url


def test_whoever_is_not_signed_in_is_led_to_the_sign_in() -> None:
    answer = Client().get(address(make_sample()))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("login"))


def test_strangers_are_told_that_there_is_no_such_study() -> None:
    sample = make_sample()
    item = reverse("review-item", args=[sample.study.slug, Assignment.objects.first().pk])  # type: ignore[union-attr]
    make_person("stranger", make_study())
    stranger = sign_in("stranger")
    assert stranger.get(address(sample)).status_code == 404
    assert stranger.get(item).status_code == 404
    assert stranger.post(item, COMPLETE).status_code == 404
    assert not Coding.objects.by_people().exists()


def test_nobody_opens_what_somebody_else_is_asked() -> None:
    sample = make_sample(coders=("mara", "tomas"))
    theirs = Assignment.objects.filter(person__username="tomas").first()
    assert theirs is not None
    item = reverse("review-item", args=[sample.study.slug, theirs.pk])
    make_person("lead", sample.study, Role.LEAD)
    for name in ("mara", "lead"):
        assert sign_in(name).get(item).status_code == 404
        assert sign_in(name).post(item, COMPLETE).status_code == 404
    elsewhere = reverse("review-item", args=[make_study().slug, theirs.pk])
    assert sign_in("tomas").get(elsewhere).status_code == 404


def test_a_coder_gets_the_interview_with_its_language_and_direction() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    page = mara.get(opened(mara, sample)).content.decode()
    assert f'lang="ar" dir="auto" data-start="{TURNS[1][0]}" data-evidence' in page
    assert f'lang="ar" dir="auto" data-start="{TURNS[0][0]}">' in page  # no evidence here
    assert "نعم 🙂 it helps &lt;b&gt;me&lt;/b&gt;" in page
    assert 'value="unsure"' in page
    assert "1 of 2" in page
    assert "Blind" in page


def test_nothing_of_the_machine_or_of_others_is_in_the_bytes() -> None:
    sample = make_sample(coders=("mara", "tomas"))
    other = make_person("telling-other", sample.study)
    for item in sample.items.all():
        Assignment.objects.get_or_create(item=item, person=User.objects.get(username="mara"))
        coding = make_coding(item.segment, sample.revision, person=other, values={"trust": 66.625})
        coding.note = "telling note"
        coding.save()
    mara = sign_in("mara")
    answer = mara.get(opened(mara, sample))
    sent = (answer.content + str(answer.headers).encode()).decode()
    for telling in ("telling", "8675309", "33.125", "66.625", "common", "rare"):
        assert telling not in sent
    assert " checked" not in sent


def test_without_scripts_a_button_shows_a_translation_and_keeps_what_was_entered() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    url = opened(mara, sample)
    button = '<button class="link alone" name="show" value="translation">'
    assert button not in mara.get(url).content.decode()
    for item in sample.items.all():
        words = {0: "Trusting?", 7: "Yes <it> is of help."}
        keep(item.segment.transcript, "en", words, maker="claude-x", machine=True)
    first = mara.get(url).content.decode()
    assert button in first
    # Enter in a field presses the first button, which saves.
    assert re.findall(r'<button name="(\w+)"', first)[0] == "save"
    assert "of help" not in first
    assert "claude-x" not in first
    assert Assignment.objects.exclude(translated_at=None).count() == 0

    entered = {**COMPLETE, "note": "half a thought", "flagged": "odd", "show": "translation"}
    answer = mara.post(url, entered)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "Translated into English by a machine (claude-x)." in page
    assert '<p lang="en" dir="auto">Yes &lt;it&gt; is of help.</p>' in page
    assert f'lang="ar" dir="auto" data-start="{TURNS[1][0]}" data-evidence' in page
    assert page.count('class="translated"') == 2
    assert "half a thought" in page
    assert 'value="odd"' in page
    assert 'name="code:topics:hope" value="yes" checked' in page
    assert re.search(r'id="answered" hidden', page)  # nothing is answered yet
    assert not Coding.objects.by_people().exists()
    assert Assignment.objects.exclude(translated_at=None).count() == 1
    hidden = mara.post(url, {**entered, "show": "original"}).content.decode()
    assert "of help" not in hidden
    assert "half a thought" in hidden
    assert mara.post(url, COMPLETE).headers["Location"] == address(sample)
    following = mara.get(opened(mara, sample)).content.decode()
    assert "of help" not in following  # the next interview begins without


def test_a_translation_that_is_not_offered_is_not_shown() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    url = opened(mara, sample)
    for item in sample.items.all():
        keep(item.segment.transcript, "en", {7: "of help"}, maker="claude-x", machine=True)
    Membership.objects.filter(person__username="mara").update(reads=["ar"])
    assert "of help" not in mara.post(url, {"show": "translation"}).content.decode()
    assert not Assignment.objects.exclude(translated_at=None).exists()


def test_a_key_that_was_given_away_before_stays_where_it_was() -> None:
    keys = {key.action: key.code for key in keys_of({"yes": "KeyT"})}
    assert (keys["yes"], keys["translation"], keys["no"]) == ("KeyT", "", "KeyN")
    assert {key.action: key.code for key in keys_of({})}["translation"] == "KeyT"


def test_an_answer_is_kept_and_the_next_interview_comes() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    first = opened(mara, sample)
    answer = mara.post(first, COMPLETE)
    assert answer.headers["Location"] == address(sample)
    assert opened(mara, sample) != first
    coding = Coding.objects.by_people().get()
    assert coding.dimensions == ["topics", "stance", "trust"]
    assert coding.note == "clear"
    evidence = Evidence.objects.get(mark__coding=coding)
    assert TEXT[evidence.start : evidence.end] == "it helps"
    assert "2 of 2" in mara.get(opened(mara, sample)).content.decode()


def test_two_clicks_are_one_answer() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    first = opened(mara, sample)
    for _ in range(2):
        assert mara.post(first, COMPLETE).status_code == 302
    assert Coding.objects.by_people().count() == 1
    assert Mark.objects.filter(coding__person__isnull=False).count() == 3
    assert Assignment.objects.filter(answered_at=None).count() == 1


def test_going_back_shows_ones_own_answer_and_saving_changes_it() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    first = opened(mara, sample)
    mara.post(first, COMPLETE)
    answer = mara.get(first)
    page = answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert 'name="code:topics:hope" value="yes" checked' in page
    assert 'name="code:topics:worry" value="no" checked' in page
    assert f'name="passages:topics:hope" value="{HELPS[0]}-{HELPS[1]}"' in page
    assert 'name="one:stance" value="for" checked' in page
    assert 'value="70"' in page
    assert ">clear</textarea>" in page
    mara.post(first, {**COMPLETE, "one:stance": "", "none:trust": "1"})
    coding = Coding.objects.by_people().get()
    assert list(coding.marks.values_list("code__key", flat=True)) == ["hope"]
    page = mara.get(first).content.decode()
    assert 'name="one:stance" value="" checked' in page
    assert 'name="none:trust" value="1" checked' in page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"code:topics:worry": ""}, "“Topics” has codes without an answer yet: Worry"),
        ({"one:stance": None}, "“Stance” has no answer yet"),
        ({"one:stance": "sideways"}, "“Stance” has no code “sideways”"),
        ({"value:trust": "101"}, "“Trust” takes a value from 0 to 100"),
        ({"value:trust": "much"}, "“Trust” takes a value from 0 to 100"),
        ({"value:trust": ""}, "“Trust” has no answer yet"),
        ({"passages:topics:hope": "0-6"}, "is not within one turn of the participant"),
        ({"passages:topics:hope": "7-99999999"}, "is not within one turn of the participant"),
        ({"code:topics:hope": "perhaps"}, "takes yes, no or unsure"),
    ],
)
def test_a_mistake_is_said_and_nothing_entered_is_lost(
    change: dict[str, str | None], sentence: str
) -> None:
    sample = make_sample()
    mara = sign_in("mara")
    form = {key: value for key, value in {**COMPLETE, **change}.items() if value is not None}
    answer = mara.post(opened(mara, sample), form)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert ">clear</textarea>" in page
    assert not Coding.objects.by_people().exists()


def test_what_is_not_answered_can_be_no_at_once_or_left_out() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    mara.post(
        opened(mara, sample),
        {"rest:topics": "no", "code:topics:worry": "unsure", "left:stance": "1", "none:trust": "1"},
    )
    coding = Coding.objects.by_people().get()
    assert coding.dimensions == ["topics", "trust"]
    assert list(coding.marks.values_list("code__key", "answer")) == [("worry", "unsure")]


def test_evidence_of_a_code_that_does_not_apply_is_let_go() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    mara.post(opened(mara, sample), {**COMPLETE, "code:topics:hope": "no"})
    assert not Evidence.objects.filter(mark__coding__person__isnull=False).exists()


def test_skipping_asks_for_a_reason() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    first = opened(mara, sample)
    for why in (" ", "\x00"):
        assert mara.post(first, {"skip": "other", "why": why}).status_code == 422
    assert mara.post(first, {"skip": "other", "why": "un\x00readable"}).status_code == 302
    assert Assignment.objects.get(skipped_because="other: unreadable").coding is None
    second = opened(mara, sample)
    assert second != first
    assert mara.post(second, {"skip": "language", "why": "not asked for"}).status_code == 302
    assert Assignment.objects.get(skipped_because="language").coding is None


def test_the_end_says_so_and_leads_back_to_ones_answers() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    items = []
    for _ in range(2):
        items.append(opened(mara, sample))
        mara.post(items[-1], COMPLETE)
    page = mara.get(address(sample)).content.decode()
    assert "Nothing is left for you to code" in page
    for item in items:
        assert item in page


def test_what_was_skipped_is_not_said_to_be_answered() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    mara.post(opened(mara, sample), {"skip": "language"})
    mara.post(opened(mara, sample), COMPLETE)
    page = mara.get(address(sample)).content.decode()
    assert (page.count(">skipped "), page.count(">answered ")) == (1, 1)


def test_leads_and_readers_see_how_far_it_is_and_are_asked_nothing() -> None:
    sample = make_sample(coders=())
    for name, role in (("lead", Role.LEAD), ("reader", Role.READER)):
        make_person(name, sample.study, role)
        answer = sign_in(name).get(address(sample))
        assert answer.status_code == 200
        assert "of 2 drawn segments fully coded" in answer.content.decode()
    assert not Assignment.objects.exists()


def test_a_lead_reads_why_interviews_were_skipped() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    for _ in range(2):
        mara.post(opened(mara, sample), {"skip": "other", "why": "I know <b>her</b>"})
    make_person("lead", sample.study, Role.LEAD)
    page = sign_in("lead").get(address(sample)).content.decode()
    assert '<bdi>I know &lt;b&gt;her&lt;/b&gt;</bdi></th><td class="number">2</td>' in page
    assert "I know" not in mara.get(address(sample)).content.decode()


def test_a_coders_keys_are_kept_where_they_make_sense() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    keys = reverse("review-keys", args=[sample.study.slug])

    def send(chosen: Any) -> int:
        return mara.post(keys, json.dumps(chosen), content_type="application/json").status_code

    assert send({"flag": "KeyG", "yes": "KeyY", "characters": "off", "unknown": "KeyQ"}) == 200
    membership = Membership.objects.get(person__username="mara")
    assert membership.keys == {"flag": "KeyG", "characters": "off"}
    page = mara.get(opened(mara, sample))
    assert page.context["screen"]["keys"]["flag"] == "KeyG"
    for nonsense in (
        {"flag": "KeyY"},
        {"flag": "Digit1"},
        {"flag": "<b>"},
        {"flag": 1},
        ["flag"],
        "flag",
    ):
        assert send(nonsense) == 400
    assert mara.post(keys, "{", content_type="application/json").status_code == 400
    membership.refresh_from_db()
    assert membership.keys == {"flag": "KeyG", "characters": "off"}
    assert send({}) == 200
    membership.refresh_from_db()
    assert membership.keys == {}
    make_person("stranger", make_study())
    assert sign_in("stranger").post(keys, "{}", content_type="application/json").status_code == 404


def test_no_group_of_codes_has_more_than_its_nine_digits() -> None:
    study = make_study()
    make_revision(study, [f"c{number}" for number in range(20)], one=("for", "against"))
    codes = list(Code.objects.filter(dimension__key="topics").order_by("position"))
    Code.objects.filter(pk__in=[code.pk for code in codes[3:15]]).update(parent=codes[0])
    make_segment(TEXT, study, language="ar", turns=TURNS)
    make_person("mara", study)
    sample = draw_sample(study, size=1, coders=["mara"], seed=1)
    mara = sign_in("mara")
    topics, stance = mara.get(opened(mara, sample)).context["sections"]
    assert [(group.number, group.name, len(group.codes)) for group in topics.groups] == [
        (1, "", 8),
        (2, "C0", 9),
        (3, "C0", 3),
    ]
    assert [[row.key for row in group.codes] for group in stance.groups] == [[1, 2]]
    assert stance.groups[0].number == 4
    every = [row.choice.key for group in topics.groups for row in group.codes]
    assert sorted(every) == sorted(code.key for code in codes)


def test_codes_used_last_have_their_place_where_not_all_codes_are_at_hand() -> None:
    for many, places in ((range(7), 0), (range(8), 9)):
        study = make_study()
        make_revision(study, [f"c{number}" for number in many], one=("for", "against"))
        make_segment(TEXT, study, language="ar", turns=TURNS)
        coder = make_person("", study)
        sample = draw_sample(study, size=1, coders=[coder.username], seed=1)
        client = sign_in(coder.username)
        page = client.get(opened(client, sample))
        assert len(page.context["recent"]) == places
        assert page.content.decode().count('aria-pressed="false" hidden><kbd') == places


def test_how_sure_a_coder_is_and_what_they_flag_is_kept() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    first = opened(mara, sample)
    mara.post(first, {**COMPLETE, "confidence": "2", "flagged": "who is this?"})
    assert Coding.objects.by_people().get().confidence == 2
    assert Assignment.objects.get(coding__isnull=False).flagged_because == "who is this?"
    page = mara.get(first).content.decode()
    assert 'name="confidence" value="2" checked' in page
    assert 'value="who is this?"' in page
    assert mara.post(first, {**COMPLETE, "confidence": "9"}).status_code == 302
    assert Coding.objects.by_people().get().confidence is None


def test_without_a_sample_the_page_says_what_to_do() -> None:
    study: Study = make_study()
    make_person("lead", study, Role.LEAD)
    make_person("coder", study)
    url = reverse("review", args=[study.slug])
    draw = f'href="/studies/{study.slug}/draw/" role="button"'
    assert draw in sign_in("lead").get(url).content.decode()
    assert "No interviews wait" in sign_in("coder").get(url).content.decode()


def test_the_page_needs_no_script_or_style_from_elsewhere() -> None:
    sample = make_sample()
    mara = sign_in("mara")
    answer = mara.get(opened(mara, sample))
    page = answer.content.decode()
    assert "<script>" not in page
    assert "onclick" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_the_page_takes_few_queries(django_assert_max_num_queries: Any) -> None:
    sample = make_sample()
    mara = sign_in("mara")
    url = opened(mara, sample)
    with django_assert_max_num_queries(20):
        mara.get(url)
    with django_assert_max_num_queries(40):
        mara.post(url, COMPLETE)
