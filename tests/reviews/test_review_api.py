"""The review screen's API: one's own work only, blind until it is sent, and nothing lost."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from codebooks.models import Code, Dimension, Wording
from coding.models import Coding, CodingKind, Evidence, Mark
from reviews.models import Assignment, Item, Purpose, Ruling, Sample, Submission
from reviews.sampling import draw_sample
from studies.models import Event, Membership, Role, Study, Translation
from studies.translations import keep
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_study,
)

pytestmark = pytest.mark.django_db

TEXT = "Trust? نعم 🙂 it helps me"
TURNS = [[0, 6, "Interviewer", "interviewer"], [7, len(TEXT), "Ana", "participant"]]
HELPS = [TEXT.index("it helps"), TEXT.index("it helps") + len("it helps")]
ANSWERS: dict[str, Any] = {
    "said": [
        {"dimension": "topics", "code": "hope", "answer": "yes", "passages": [HELPS]},
        {"dimension": "topics", "code": "worry", "answer": "no"},
        {"dimension": "stance", "code": "for", "answer": "yes"},
        {"dimension": "trust", "code": "trust", "answer": "yes", "value": 70},
    ],
    "decided": ["topics", "stance", "trust"],
    "left": [],
    "note": "clear",
    "confidence": 2,
}
OTHERWISE: dict[str, Any] = {**ANSWERS, "note": "on second thoughts"}


def make_coded(count: int = 2, **fields: Any) -> Study:
    """Return a study whose machine has said telling things about every interview."""
    study = make_study(**fields)
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
        Evidence.objects.create(mark=mark, start=HELPS[0], end=HELPS[0] + 2, found="exact")
    return study


def make_pool(count: int = 2, **fields: Any) -> Sample:
    return draw_sample(make_coded(count, **fields), size=count, seed=1)


class Browser:
    """Somebody at the review screen of a study."""

    def __init__(self, study: Study, person: User | None = None, role: Role = Role.CODER) -> None:
        self.person = person or make_person(study=study, role=role)
        self.client = Client()
        self.client.force_login(self.person, backend="django.contrib.auth.backends.ModelBackend")
        self.address = f"/api/studies/{study.slug}/review/"

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(self.address + path, headers=headers)

    def post(self, path: str, body: Any = None, method: str = "post") -> Any:
        send = getattr(self.client, method)
        return send(self.address + path, json.dumps(body or {}), content_type="application/json")

    def next(self, want: int = 1, have: Any = ()) -> list[dict[str, Any]]:
        answer = self.post("next/", {"have": list(have), "want": want})
        assert answer.status_code == 200
        questions: list[dict[str, Any]] = answer.json()["questions"]
        return questions

    def answer(self, pk: int, version: int = 0, answers: Any = ANSWERS, name: str = "") -> Any:
        client_id = name or str(uuid.uuid4())
        body = {"client_id": client_id, "version": version, "seconds": 30, "answers": answers}
        return self.post(f"{pk}/answer/", body)


def doors(pk: int) -> list[tuple[str, str, Any]]:
    name = {"client_id": str(uuid.uuid4())}
    return [
        ("get", "codebook/", None),
        ("post", "next/", {}),
        ("post", "hold/", {"assignments": [pk]}),
        ("post", "release/", {"assignments": [pk]}),
        ("get", "mine/", None),
        ("get", f"{pk}/", None),
        ("post", f"{pk}/shown/", {}),
        ("put", f"{pk}/draft/", {"version": 0, "draft": {"a": 1}}),
        ("post", f"{pk}/answer/", {**name, "version": 0, "answers": ANSWERS}),
        ("post", f"{pk}/skip/", {**name, "why": "known"}),
        ("post", f"{pk}/flag/", {"why": "odd"}),
        ("post", f"{pk}/reopen/", {}),
        ("post", f"{pk}/translation/", {}),
        ("get", f"{pk}/second/", None),
        ("post", f"{pk}/second/", {**name, "version": 0, "answers": ANSWERS}),
        ("put", f"{pk}/second/draft/", {"version": 0, "draft": {"a": 1}}),
        ("get", f"{pk}/feedback/", None),
    ]


def through(browser: Browser, method: str, path: str, body: Any) -> Any:
    return browser.get(path) if method == "get" else browser.post(path, body, method)


def test_who_is_signed_out_is_told_so_in_json() -> None:
    sample = make_pool()
    pk = Browser(sample.study).next()[0]["assignment"]
    browser = Browser(sample.study)
    browser.client.logout()
    for method, path, body in doors(pk):
        answer = through(browser, method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_authenticated"), path
    assert not Coding.objects.by_people().exists()


@pytest.mark.parametrize("who", ["stranger", "reader"])
def test_strangers_and_readers_are_told_that_there_is_nothing(who: str) -> None:
    sample = make_pool()
    pk = Browser(sample.study).next()[0]["assignment"]
    browser = Browser(sample.study, role=Role.READER)
    if who == "stranger":
        browser.person.memberships.update(study=make_study())
    else:
        Assignment.objects.filter(pk=pk).update(person=browser.person)
    for method, path, body in doors(pk):
        answer = through(browser, method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


@pytest.mark.parametrize("role", [Role.CODER, Role.LEAD])
def test_nobody_opens_what_somebody_else_is_asked(role: Role) -> None:
    sample = make_pool()
    pk = Browser(sample.study).next()[0]["assignment"]
    before = Assignment.objects.values().get(pk=pk)
    browser = Browser(sample.study, role=role)
    for method, path, body in doors(pk):
        answer = through(browser, method, path, body)
        if str(pk) in path:
            assert answer.status_code == 404, path
        else:
            assert answer.status_code == 200, path
    assert Assignment.objects.values().get(pk=pk) == before


def test_a_lead_is_handed_what_has_their_name_and_nothing_of_the_pool() -> None:
    sample = make_pool()
    lead = Browser(sample.study, role=Role.LEAD)
    assert lead.next() == []
    named = Assignment.objects.create(item=sample.items.get(position=2), person=lead.person)
    assert [one["assignment"] for one in lead.next(want=3)] == [named.pk]
    assert lead.answer(named.pk).status_code == 200


def test_whoever_runs_the_site_codes_what_has_their_name() -> None:
    sample = make_pool()
    admin = User.objects.create_superuser("admin")
    named = Assignment.objects.create(item=sample.items.get(position=2), person=admin)
    browser = Browser(sample.study, admin)
    assert [one["assignment"] for one in browser.next(want=3)] == [named.pk]
    assert browser.answer(named.pk).status_code == 200


def test_without_its_token_nothing_is_taken() -> None:
    sample = make_pool()
    browser = Browser(sample.study)
    pk = browser.next()[0]["assignment"]
    browser.client = Client(enforce_csrf_checks=True)
    browser.client.force_login(browser.person, backend="django.contrib.auth.backends.ModelBackend")
    answer = browser.answer(pk)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    # A page that closes can send a form and no header.
    browser.client.cookies["csrftoken"] = "c" * 32
    form = {"assignments": [pk], "csrfmiddlewaretoken": "c" * 32}
    released = browser.client.post(browser.address + "release/", form)
    assert released.json() == {"released": [pk]}


def test_a_question_holds_the_interview_and_says_which_codebook() -> None:
    browser = Browser(make_pool().study)
    answer = browser.post("next/", {})
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.json()["progress"] == {"answered": 0, "of": 2}
    (question,) = answer.json()["questions"]
    assert [turn["words"] for turn in question["turns"]] == ["Trust?", TEXT[7:]]
    assert [turn["role"] for turn in question["turns"]] == ["interviewer", "participant"]
    assert (question["language"], question["position"], question["of"]) == ("ar", 1, 2)
    assert (question["version"], question["draft"], question["answered"]) == (0, None, None)
    assert question["whole"]
    book = browser.get(f"codebook/?digest={question['codebook']}").json()
    assert book["digest"] == question["codebook"]
    assert [one["key"] for one in book["dimensions"]] == ["topics", "stance", "trust"]


def test_the_codebook_is_worded_for_its_reader_and_had_once() -> None:
    sample = make_pool()
    code = Code.objects.get(key="hope")
    Wording.objects.create(code=code, language="ar", texts={"label": "أمل"})
    Wording.objects.create(
        dimension=Dimension.objects.get(key="topics"), language="ar", texts={"label": "مواضيع"}
    )
    browser = Browser(sample.study)
    first = browser.get("codebook/?language=ar")
    topics = first.json()["dimensions"][0]
    assert topics["label"] == {"text": "مواضيع", "language": "ar"}
    assert topics["codes"][0]["label"] == {"text": "أمل", "language": "ar"}
    assert topics["codes"][1]["label"] == {"text": "Worry", "language": "en"}
    tag = first.headers["ETag"]
    again = browser.get("codebook/?language=ar", if_none_match=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert browser.get("codebook/?language=de", if_none_match=tag).status_code == 200
    named = browser.get(f"codebook/?language=ar&digest={first.json()['digest']}")
    assert "max-age" in named.headers["Cache-Control"]
    assert "no-store" not in named.headers["Cache-Control"]
    for nonsense in ("1-x", "x", "9" * 30, "-"):
        assert browser.get(f"codebook/?digest={nonsense}").json()["digest"] == book_of(sample)


def book_of(sample: Sample) -> str:
    return f"{sample.revision_id}-{sample.revision.digest[:16]}"


def test_a_study_without_a_sample_has_nothing_to_code() -> None:
    browser = Browser(make_coded())
    assert browser.get("codebook/").status_code == 404
    assert browser.post("next/").json()["questions"] == []


# blind


def test_not_a_byte_depends_on_what_the_machine_or_others_say() -> None:
    """Change all that is not to be seen, and compare every answer of the server byte by byte."""
    sample = draw_sample(make_coded(3), size=3, coders=["mara", "tomas"], overlap=1.0, seed=1)
    make_translated(sample)
    mara = Browser(sample.study, User.objects.get(username="mara"))
    first = mara.next(want=3)[0]["assignment"]
    mara.post(f"{first}/shown/")

    def seen() -> list[bytes]:
        answers = [mara.post("next/", {"have": [], "want": 3}), mara.get("codebook/")]
        answers += [mara.get(path) for path in ("mine/", f"{first}/", f"{first}/second/")]
        answers += [mara.get(f"{first}/feedback/"), mara.post(f"{first}/translation/")]
        return [answer.content + str(sorted(answer.headers.items())).encode() for answer in answers]

    def stable(answers: list[bytes]) -> list[bytes]:
        return [answer.split(b"'Expires'")[0] for answer in answers]

    before = stable(seen())
    tomas = User.objects.get(username="tomas")
    for assignment in Assignment.objects.filter(person=tomas):
        other = make_coding(
            assignment.item.segment, sample.revision, person=tomas, codes=["worry", "against"]
        )
        other.note = "telling note"
        other.save()
        assignment.coding, assignment.answered_at = other, timezone.now()
        assignment.flagged_because, assignment.skipped_because = "telling flag", ""
        assignment.draft = {"telling": "draft"}
        assignment.save()
    Mark.objects.filter(coding__run__isnull=False).delete()
    Item.objects.update(assisted=True, stratum="telling stratum", inclusion=0.5)
    lead = make_person("telling-lead", sample.study, Role.LEAD)
    for item in sample.items.all():
        Ruling.objects.create(
            item=item, code=Code.objects.get(key="worry"), applies=True, by=lead, why="telling"
        )
    assert stable(seen()) == before
    assert not any(b"telling" in answer for answer in before)


def test_the_pool_hands_out_the_same_whatever_the_machine_says() -> None:
    orders = []
    for codes in (["hope"], ["worry"]):
        study = make_study()
        run = make_run(make_revision(study))
        segments = [make_segment("words", study, external_id=f"i{n}") for n in range(6)]
        for number, segment in enumerate(segments):
            said = codes if number % 2 else []
            make_coding(segment, run.revision, run=run, codes=said)
        sample = make_sample(run, segments)
        browser = Browser(study)
        handed = [one["assignment"] for one in browser.next(want=3)]
        items = Item.objects.filter(assignments__in=handed).order_by("assignments__pk")
        orders.append(list(items.values_list("position", flat=True)))
        assert sample.items.count() == 6
    assert orders[0] == orders[1] == [1, 2, 3]


# nothing lost


def test_an_answer_is_kept_and_comes_back() -> None:
    browser = Browser(make_pool().study)
    pk = browser.next()[0]["assignment"]
    kept = browser.answer(pk)
    assert kept.status_code == 200
    assert kept.json()["version"] == 1
    question = browser.get(f"{pk}/").json()
    assert question["answered"]["note"] == "clear"
    assert question["answered"]["confidence"] == 2
    assert question["answered"]["decided"] == ["stance", "topics", "trust"]
    hope = question["answered"]["said"][0]
    assert (hope["code"], hope["answer"], hope["passages"]) == ("hope", "yes", [HELPS])
    coding = Coding.objects.by_people().get()
    assert (coding.kind, coding.confidence) == (CodingKind.BLIND, 2)
    assert Assignment.objects.get(pk=pk).seconds == 30


def test_a_submission_sent_again_is_one_answer_even_after_another_one() -> None:
    browser = Browser(make_pool().study)
    pk = browser.next()[0]["assignment"]
    name = str(uuid.uuid4())
    first = browser.answer(pk, name=name).json()
    assert browser.answer(pk, name=name).json() == first
    assert browser.answer(pk, 1, OTHERWISE).json()["version"] == 2
    assert browser.answer(pk, name=name).json() == first
    assert browser.answer(pk, 2, name=name).json() == first  # the name decides, not the version
    assert Coding.objects.by_people().get().note == "on second thoughts"
    sent = list(Submission.objects.values_list("version", "said__note"))
    assert sent == [(1, "clear"), (2, "on second thoughts")]
    assert Event.objects.filter(action="answer_changed").count() == 1


def test_an_answer_from_an_older_tab_is_shown_both_and_writes_over_nothing() -> None:
    browser = Browser(make_pool().study)
    pk = browser.next()[0]["assignment"]
    assert browser.answer(pk).status_code == 200
    conflict = browser.answer(pk, 0, OTHERWISE)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "conflict")
    assert conflict.json()["version"] == 1
    assert conflict.json()["answered"]["note"] == "clear"
    assert Coding.objects.by_people().get().note == "clear"
    assert browser.answer(pk, conflict.json()["version"], OTHERWISE).status_code == 200


def test_a_draft_is_kept_by_version_and_gone_with_the_answer() -> None:
    browser = Browser(make_pool().study)
    pk = browser.next()[0]["assignment"]
    mine = {"version": 0, "draft": {"note": "half \x00 a \ud800 thought"}}
    assert browser.post(f"{pk}/draft/", mine, "put").json()["version"] == 1
    assert browser.post(f"{pk}/draft/", mine, "put").json()["version"] == 1  # the answer was lost
    stale = browser.post(f"{pk}/draft/", {"version": 0, "draft": {"note": "other"}}, "put")
    assert stale.status_code == 409
    assert stale.json()["draft"] == {"note": "half  a  thought"}
    (question,) = browser.next()
    assert (question["draft"], question["version"]) == ({"note": "half  a  thought"}, 1)
    assert browser.answer(pk, 1).status_code == 200
    assert browser.get(f"{pk}/").json()["draft"] is None


@pytest.mark.parametrize("draft", [{"note": "x" * 200_001}, ["no object"], "text"])
def test_a_draft_is_an_object_of_bounded_size(draft: Any) -> None:
    browser = Browser(make_pool().study)
    pk = browser.next()[0]["assignment"]
    refused = browser.post(f"{pk}/draft/", {"version": 0, "draft": draft}, "put")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert Assignment.objects.get(pk=pk).draft is None


def test_a_late_answer_is_kept_where_a_seat_is_free_and_else_as_a_draft() -> None:
    sample = make_pool(1)
    away, here = Browser(sample.study), Browser(sample.study)
    pk = away.next()[0]["assignment"]
    past = timezone.now() - timedelta(seconds=1)
    Assignment.objects.update(held_until=past)
    (taken,) = here.next()
    gone = away.answer(pk)
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")
    assert away.post(f"{pk}/shown/").status_code == 410
    assert not Coding.objects.by_people().exists()
    (late,) = away.get("mine/").json()["items"]
    assert (late["assignment"], late["late"]) == (pk, True)
    assert away.get(f"{pk}/").json()["draft"] == {"answers": ANSWERS}
    kept = away.post(f"{pk}/draft/", {"version": 0, "draft": {"a": 1}}, "put").json()
    assert (kept["version"], kept["lost"]) == (1, True)
    name = {"client_id": str(uuid.uuid4()), "why": "known"}
    assert here.post(f"{taken['assignment']}/skip/", name).status_code == 200
    assert away.answer(pk, 1).status_code == 200
    assert sample.items.get().taken == 1


def with_said(**said: Any) -> dict[str, Any]:
    """Return answers that say one thing and leave the rest."""
    about = {"dimension": "topics", "code": "hope", **said}
    left = {"topics", "stance", "trust"} - {about["dimension"]}
    return {**ANSWERS, "said": [about], "decided": [], "left": sorted(left)}


UNFIT: list[tuple[Any, str]] = [
    (3, "can’t be read"),
    ({"said": 3}, "can’t be read"),
    ({**ANSWERS, "said": [3]}, "can’t be read"),
    ({**ANSWERS, "decided": "topics"}, "can’t be read"),
    ({**ANSWERS, "confidence": "very"}, "can’t be read"),
    ({**ANSWERS, "confidence": 4}, "from 1 to 3"),
    ({**ANSWERS, "note": 3}, "can’t be read"),
    ({**ANSWERS, "said": ANSWERS["said"][:1]}, "without an answer yet: Worry"),
    (with_said(dimension=3), "can’t be read"),
    (with_said(value=[]), "can’t be read"),
    (with_said(passages=[[1]]), "can’t be read"),
    (with_said(passages=[[1, 2.5]]), "can’t be read"),
    (with_said(passages=[[-1, 2]]), "can’t be read"),
    (with_said(passages=[[0, 2**31 - 1]]), "not within one turn"),
    (with_said(dimension="trust", code="trust", value=1e300), "a value from 0 to 100"),
    (with_said(dimension="trust", code="trust", value=10**400), "a value from 0 to 100"),
]


def test_what_does_not_fit_is_refused_in_one_sentence() -> None:
    browser = Browser(make_pool().study)
    pk = browser.next()[0]["assignment"]
    for answers, sentence in UNFIT:
        refused = browser.answer(pk, 0, answers)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid"), answers
        assert sentence in refused.json()["detail"], answers
    assert not Coding.objects.by_people().exists()


UNREADABLE: list[tuple[str, Any]] = [
    ("next/", {"want": 4}),
    ("next/", {"have": ["x"]}),
    ("hold/", {}),
    ("hold/", {"assignments": list(range(1, 60))}),
    ("{pk}/answer/", {"version": 0, "answers": ANSWERS}),
    ("{pk}/answer/", {"client_id": "x", "version": 0, "answers": ANSWERS}),
    ("{pk}/answer/", {"client_id": str(uuid.uuid4()), "answers": ANSWERS}),
    ("{pk}/answer/", {"client_id": str(uuid.uuid4()), "version": 2**63, "answers": ANSWERS}),
    ("{pk}/skip/", {"client_id": str(uuid.uuid4()), "why": ""}),
    ("{pk}/skip/", {"client_id": str(uuid.uuid4()), "why": "other"}),
    ("{pk}/flag/", {}),
]


def test_a_request_that_can_not_be_read_is_refused() -> None:
    browser = Browser(make_pool().study)
    pk = browser.next()[0]["assignment"]
    for path, body in UNREADABLE:
        refused = browser.post(path.format(pk=pk), body)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid"), path
    broken = browser.client.post(browser.address + "next/", "{", content_type="application/json")
    assert (broken.status_code, broken.json()["code"]) == (400, "invalid")


def test_where_a_yes_needs_evidence_it_is_refused_without() -> None:
    browser = Browser(make_pool(evidence_required=True).study)
    assert browser.post("next/").json()["evidence_required"]
    pk = browser.next()[0]["assignment"]
    refused = browser.answer(pk)  # the stance has none; a value on a scale needs none
    assert refused.status_code == 400
    assert "“For” is answered with yes: select the words" in refused.json()["detail"]
    said = [
        {**one, "passages": [HELPS]} if one["code"] == "for" else one for one in ANSWERS["said"]
    ]
    assert browser.answer(pk, 0, {**ANSWERS, "said": said}).status_code == 200


def test_skipping_flagging_and_taking_up_again() -> None:
    sample = make_pool(2)
    browser = Browser(sample.study)
    first, second = [one["assignment"] for one in browser.next(want=2)]
    name = {"client_id": str(uuid.uuid4())}
    skipped = browser.post(f"{first}/skip/", {**name, "why": "known", "note": "my aunt"})
    assert browser.post(f"{first}/skip/", {**name, "why": "known", "note": "my aunt"}).json() == (
        skipped.json()
    )
    assert sample.items.get(position=1).taken == 0
    assert browser.post(f"{second}/flag/", {"why": "odd"}).json()["flagged"] == "odd"
    (question,) = browser.next()
    assert (question["assignment"], question["flagged"]) == (second, "odd")
    assert browser.post(f"{second}/flag/", {"why": ""}).json()["flagged"] == ""
    (item,) = browser.get("mine/").json()["items"]
    assert (item["assignment"], item["skipped"]) == (first, {"why": "known", "note": "my aunt"})
    again = browser.post(f"{first}/reopen/").json()
    assert (again["skipped"], again["answered_at"], again["version"]) == (None, None, 2)
    assert browser.answer(first, 2).status_code == 200
    assert browser.post(f"{first}/reopen/").json()["answered"]["note"] == "clear"
    kept = browser.post(f"{first}/skip/", {"client_id": str(uuid.uuid4()), "why": "known"})
    assert kept.json()["version"] == 3  # what was answered stays answered
    assert Coding.objects.by_people().count() == 1


def test_a_skipped_item_that_others_filled_can_not_be_taken_up_again() -> None:
    sample = make_pool(1)
    browser, other = Browser(sample.study), Browser(sample.study)
    pk = browser.next()[0]["assignment"]
    browser.post(f"{pk}/skip/", {"client_id": str(uuid.uuid4()), "why": "burden"})
    assert browser.next() == []
    other.answer(other.next()[0]["assignment"])
    assert browser.post(f"{pk}/reopen/").status_code == 410


def test_ones_own_work_is_listed_latest_first_and_page_by_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reviews.review_api.PAGE", 2)
    browser = Browser(make_pool(5).study)
    done = []
    for _ in range(5):
        done.append(browser.next()[0]["assignment"])
        browser.answer(done[-1])
    found: list[int] = []
    before: Any = ""
    for _ in range(3):
        page = browser.get(f"mine/?before={before}").json()
        found += [one["assignment"] for one in page["items"]]
        before = page["next"]
    assert before is None
    assert found == done[::-1]
    for nonsense in ("x", "2026-99-99/1", "2026-01-01T00:00/1", "2026-01-01T00:00Z/x"):
        assert browser.get(f"mine/?before={nonsense}").status_code == 400


def test_handing_out_is_a_short_lease_and_showing_it_a_longer_one() -> None:
    browser = Browser(make_pool(3).study)
    first, second = browser.next(want=2)
    assert not Assignment.objects.filter(shown_at__isnull=False).exists()
    shown = browser.post(f"{first['assignment']}/shown/").json()
    assert shown["held_until"] > second["held_until"]
    pulse = browser.post("hold/", {"assignments": [first["assignment"], 10**9]}).json()
    assert (pulse["held"], pulse["lost"]) == ([first["assignment"]], [])
    released = browser.post("release/", {"assignments": [second["assignment"]]}).json()
    assert released == {"released": [second["assignment"]]}


# second looks and training


def make_assisted() -> Sample:
    sample = make_pool(1)
    sample.items.update(assisted=True)
    return sample


def test_a_second_look_comes_after_the_blind_answer_and_beside_it() -> None:
    sample = make_assisted()
    browser = Browser(sample.study)
    (question,) = browser.next()
    pk = question["assignment"]
    assert not question["second"]
    assert browser.get(f"{pk}/second/").status_code == 404
    early = {"client_id": str(uuid.uuid4()), "version": 0, "answers": ANSWERS}
    assert browser.post(f"{pk}/second/", early).status_code == 404
    assert browser.answer(pk).json()["second"]
    assert browser.post(f"{pk}/second/", {**early, "version": 1}).status_code == 404  # not seen yet
    look = browser.get(f"{pk}/second/").json()
    assert look["machine"] == "telling machine"
    marks = {one["code"]: one for one in look["marks"]}
    assert (marks["hope"]["own"], marks["hope"]["machine"]) == ("yes", "yes")
    assert not marks["hope"]["differs"]
    assert marks["hope"]["passages"] == [
        {"start": None, "end": None, "found": "missing", "quote": "telling quote"},
        {"start": HELPS[0], "end": HELPS[0] + 2, "found": "exact", "quote": ""},
    ]
    assert (marks["trust"]["own_value"], marks["trust"]["machine_value"]) == (70, 33.125)
    assert (marks["for"]["own"], marks["for"]["machine"], marks["for"]["differs"]) == (
        "yes",
        "no",
        True,
    )
    assert look["answers"]["note"] == "clear"
    locked = browser.answer(pk, 1, OTHERWISE)
    assert (locked.status_code, locked.json()["code"]) == (423, "locked")
    sent = {**early, "version": 1, "answers": OTHERWISE}
    kept = browser.post(f"{pk}/second/", sent)
    assert kept.json() == {"assignment": pk, "version": 2}
    assert browser.post(f"{pk}/second/", sent).json() == kept.json()
    row = Assignment.objects.get(pk=pk)
    assert row.coding is not None
    assert row.assisted is not None
    assert (row.coding.kind, row.coding.note) == (CodingKind.BLIND, "clear")
    assert (row.assisted.kind, row.assisted.note) == (CodingKind.ASSISTED, "on second thoughts")
    assert list(Coding.objects.by_people()) == [row.coding]
    assert not browser.get(f"{pk}/").json()["second"]
    assert browser.get(f"{pk}/").json()["locked"]


def test_what_is_entered_in_a_second_look_is_kept_apart_from_the_blind_draft() -> None:
    browser = Browser(make_assisted().study)
    pk = browser.next()[0]["assignment"]
    entered = {"answers": OTHERWISE, "device": "a"}

    def put(version: int, draft: Any = entered) -> Any:
        return browser.post(f"{pk}/second/draft/", {"version": version, "draft": draft}, "put")

    assert put(0).status_code == 404
    browser.answer(pk)
    assert put(1).status_code == 404  # the machine's answer was not seen yet
    assert Assignment.objects.get(second_draft__isnull=True).version == 1
    assert browser.get(f"{pk}/second/").json()["draft"] is None
    assert put(1).json() == {"version": 2}
    assert put(1).json() == {"version": 2}  # the same again
    assert put(2, ["no object"]).status_code == 400

    question, look = browser.get(f"{pk}/").json(), browser.get(f"{pk}/second/").json()
    assert question["draft"] is None
    assert question["answered"]["note"] == "clear"
    assert (look["draft"], look["version"]) == (entered, 2)
    assert look["answers"]["note"] == "clear"
    slug = browser.address.split("/")[3]
    where = browser.client.get(f"/studies/{slug}/review/").headers["Location"]
    assert where == f"/studies/{slug}/review/{pk}/"  # led back to it
    plain = browser.client.get(f"{where}second/").content.decode()
    assert "on second thoughts" in plain  # without scripts too

    stale = put(1, {"answers": ANSWERS, "device": "b"})
    assert (stale.status_code, stale.json()["draft"], stale.json()["answered"]) == (
        409,
        entered,
        None,
    )
    sent = {"client_id": str(uuid.uuid4()), "version": 2, "answers": OTHERWISE}
    assert browser.post(f"{pk}/second/", sent).status_code == 200
    row = Assignment.objects.get(pk=pk)
    assert (row.draft, row.second_draft) == (None, None)
    late = {**sent, "client_id": str(uuid.uuid4()), "answers": ANSWERS}
    conflict = browser.post(f"{pk}/second/", late).json()
    assert (conflict["code"], conflict["answered"]["note"]) == ("conflict", "on second thoughts")
    assert browser.client.get(f"/studies/{slug}/review/").status_code == 200  # nothing is left


def test_without_the_policy_there_is_no_second_look() -> None:
    browser = Browser(make_pool(1).study)
    pk = browser.next()[0]["assignment"]
    assert not browser.answer(pk).json()["second"]
    assert browser.get(f"{pk}/second/").status_code == 404
    assert browser.answer(pk, 1, OTHERWISE).status_code == 200  # nothing was shown


def make_training(sample: Sample, browser: Browser) -> Assignment:
    """Return an assignment in training on a segment of its own, whose key is yes to hope."""
    training = Sample.objects.create(
        study=sample.study,
        revision=sample.revision,
        purpose=Purpose.TRAINING,
        design={"coders": ["ann"], "bar": 1.0, "window": 5},
        seed=1,
        frame_digest="0" * 64,
    )
    item = Item.objects.create(
        sample=training,
        segment=make_segment(TEXT, sample.study, language="ar", turns=TURNS),
        position=1,
        stratum="",
        inclusion=1,
    )
    lead = make_person(study=sample.study, role=Role.LEAD)
    for code in Code.objects.filter(dimension__revision=sample.revision):
        applies = code.key in ("hope", "worry", "against")
        why = f"telling {code.key}" if applies else ""
        value = 40.0 if code.key == "trust" else None
        Ruling.objects.create(item=item, code=code, applies=applies, value=value, why=why, by=lead)
    return Assignment.objects.create(item=item, person=browser.person)


def test_training_comes_first_gives_feedback_after_and_enters_no_estimate() -> None:
    sample = make_pool(2)
    browser = Browser(sample.study)
    training = make_training(sample, browser)
    (question,) = browser.next(want=3)
    assert (question["assignment"], question["purpose"]) == (training.pk, "training")
    assert browser.next(want=3, have=[training.pk]) == []
    assert browser.get(f"{training.pk}/feedback/").status_code == 404
    kept = browser.answer(training.pk).json()
    assert kept["feedback"]
    feedback = browser.get(f"{training.pk}/feedback/").json()
    marks = {one["code"]: one for one in feedback["marks"]}
    assert (marks["hope"]["own"], marks["hope"]["key"], marks["hope"]["agrees"]) == (
        "yes",
        "yes",
        True,
    )
    assert (marks["worry"]["own"], marks["worry"]["key"], marks["worry"]["agrees"]) == (
        "no",
        "yes",
        False,
    )
    assert marks["worry"]["why"] == "telling worry"
    assert (marks["against"]["own"], marks["against"]["key"]) == ("no", "yes")
    assert (marks["trust"]["own_value"], marks["trust"]["key_value"]) == (70, 40)
    assert (feedback["agreed"], feedback["of"]) == (1, 4)
    assert browser.answer(training.pk, 1, OTHERWISE).status_code == 423
    assert not Coding.objects.by_people().exists()
    assert Coding.objects.get(person=browser.person).kind == CodingKind.TRAINING
    assert browser.next()[0]["purpose"] == "review"


def test_an_answer_in_training_waits_for_its_key() -> None:
    sample = make_pool(1)
    browser = Browser(sample.study)
    training = make_training(sample, browser)
    Ruling.objects.all().delete()
    assert browser.next()[0]["purpose"] == "review"
    assert "key of this interview is not set" in browser.answer(training.pk).json()["detail"]


# translations

SAID = {0: "Do you trust it?", 7: "Yes, it is of help to me."}


def make_translated(sample: Sample, language: str = "en", **fields: Any) -> None:
    """Translate every interview of `sample`."""
    for item in sample.items.select_related("segment__transcript"):
        made = {"maker": "claude-x", "machine": True, **fields}
        keep(item.segment.transcript, language, SAID, **made)


def test_a_translation_is_given_when_it_is_asked_for_and_that_is_kept() -> None:
    sample = make_pool()
    make_translated(sample)
    browser = Browser(sample.study)
    answer = browser.post("next/")
    (question,) = answer.json()["questions"]
    pk = question["assignment"]
    assert question["translation"] is True
    for page in (answer, browser.get(f"{pk}/"), browser.post(f"{pk}/shown/")):
        assert b"of help" not in page.content
        assert b"claude-x" not in page.content
    assert Assignment.objects.get(pk=pk).translated_at is None
    given = browser.post(f"{pk}/translation/")
    assert "no-store" in given.headers["Cache-Control"]
    assert given.json() == {
        "assignment": pk,
        "language": "en",
        "maker": "claude-x",
        "machine": True,
        "by": "Translated into English by a machine (claude-x).",
        "turns": {str(start): words for start, words in SAID.items()},
    }
    first = Assignment.objects.get(pk=pk)
    assert first.translated_at is not None
    assert first.version == question["version"]
    browser.post(f"{pk}/translation/")
    assert Assignment.objects.get(pk=pk).translated_at == first.translated_at
    assert browser.answer(pk).status_code == 200  # made from the version before


@pytest.mark.parametrize(
    ("reads", "interface", "expected"),
    [
        ([], "en", "en"),
        ([], "ar", None),  # they read the original
        (["fr"], "en", "fr"),
        (["fr-CA"], "en", "fr"),
        (["de"], "en", "en"),
        (["ar-EG"], "en", None),
        (["de"], "sw", "en"),  # none is there that they read: better one than none
    ],
)
def test_it_is_in_a_language_that_they_read_and_only_where_they_do_not_read_the_original(
    reads: list[str], interface: str, expected: str | None
) -> None:
    sample = draw_sample(make_coded(1), size=1, coders=["mara"], seed=1)
    make_translated(sample)
    make_translated(sample, "fr", machine=False, maker="Zoé")
    browser = Browser(sample.study, User.objects.get(username="mara"))
    Membership.objects.filter(person=browser.person).update(reads=reads)
    browser.client.cookies["django_language"] = interface
    pk = Assignment.objects.get().pk
    handed = browser.post("next/").json()["questions"]
    for question in (*handed, browser.get(f"{pk}/").json()):
        assert question["translation"] is (expected is not None)
    given = browser.post(f"{pk}/translation/")
    if expected is None:
        assert given.status_code == 404
        assert Assignment.objects.get().translated_at is None
    else:
        assert given.json()["language"] == expected


def test_where_there_is_none_none_is_offered_and_what_is_cut_anew_has_no_words() -> None:
    sample = make_pool()
    browser = Browser(sample.study)
    (question,) = browser.next()
    pk = question["assignment"]
    assert question["translation"] is False
    assert browser.post(f"{pk}/translation/").status_code == 404
    make_translated(sample)
    transcript = Assignment.objects.get(pk=pk).item.segment.transcript
    transcript.turns = [[0, 10, "A", "participant"], [10, len(TEXT), "B", "participant"]]
    transcript.save()
    assert browser.post(f"{pk}/translation/").json()["turns"] == {"0": SAID[0]}


@pytest.mark.parametrize("settled", ["shown", "ruled"])
def test_what_comes_after_the_answer_was_settled_is_not_noted(settled: str) -> None:
    sample = make_pool(1)
    make_translated(sample)
    browser = Browser(sample.study)
    pk = browser.next()[0]["assignment"]
    browser.answer(pk)
    lead = make_person(study=sample.study, role=Role.LEAD)
    if settled == "shown":
        Assignment.objects.update(revealed_at=timezone.now())
    else:
        code = Code.objects.get(key="hope")
        Ruling.objects.create(item=sample.items.get(), code=code, applies=True, by=lead)
    assert browser.post(f"{pk}/translation/").status_code == 200
    assert Assignment.objects.get(pk=pk).translated_at is None


def test_no_word_of_a_translation_is_read_to_know_that_there_is_one() -> None:
    sample = make_pool(3)
    browser = Browser(sample.study)
    browser.answer(browser.next()[0]["assignment"])
    with CaptureQueriesContext(connection) as without:
        browser.next(want=2)
    make_translated(sample)
    with CaptureQueriesContext(connection) as queries:
        assert len(browser.next(want=2)) == 2
    assert len(queries) <= len(without)  # one for all of them, whether there are any or not
    (asked,) = [one["sql"] for one in queries if Translation._meta.db_table in one["sql"]]
    assert "turns" not in asked


# how much it asks of the database


def test_next_and_answer_take_few_queries_however_long_the_codebook(
    django_assert_max_num_queries: Any,
) -> None:
    study = make_study()
    make_revision(study, many=[f"code{number}" for number in range(60)])
    for number in range(6):
        make_segment("words of somebody", study, external_id=f"i{number}")
    draw_sample(study, size=6, seed=1)
    browser = Browser(study)
    said = [{"dimension": "topics", "code": f"code{n}", "answer": "yes"} for n in range(60)]
    answers = {"said": said, "decided": ["topics"], "left": []}
    browser.answer(browser.next()[0]["assignment"], 0, answers)  # the codebook is read once
    # Sign-in, person, study, samples, own; BEGIN, (lock,) own, free, seat, count, COMMIT; progress.
    with django_assert_max_num_queries(19):
        (question,) = browser.next()
    with django_assert_max_num_queries(16):
        assert browser.answer(question["assignment"], 0, answers).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_eight_browsers_at_once_get_no_error_and_no_item_twice() -> None:
    sample = make_pool(16)
    browsers = [Browser(sample.study) for _ in range(8)]

    def work(browser: Browser) -> list[int]:
        done: list[int] = []
        try:
            while questions := browser.next(want=2):
                for question in questions:
                    name = str(uuid.uuid4())
                    for _ in range(2):  # each sent twice, as after a lost answer
                        answer = browser.answer(question["assignment"], 0, ANSWERS, name)
                        assert answer.status_code == 200, answer.content
                    done.append(question["assignment"])
        finally:
            connection.close()
        return done

    with ThreadPoolExecutor(8) as threads:
        done = [pk for own in threads.map(work, browsers) for pk in own]
    assert len(done) == len(set(done)) == Coding.objects.by_people().count() == 16
    assert set(sample.items.values_list("taken", flat=True)) == {1}


def test_a_page_of_somebody_else_is_told_to_sign_in_again() -> None:
    sample = make_pool()
    mara, tomas = Browser(sample.study), Browser(sample.study)
    where = f"{mara.address}next/"
    asked: dict[str, Any] = {"data": "{}", "content_type": "application/json"}
    headers = {"X-Concord-Person": str(mara.person.pk)}
    answer = tomas.client.post(where, headers=headers, **asked)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_authenticated")
    assert not Assignment.objects.exists()
    assert mara.client.post(where, headers=headers, **asked).status_code == 200
    assert tomas.client.post(where, **asked).status_code == 200  # a program names nobody
