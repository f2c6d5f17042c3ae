"""Quotations are verified, allowed, and spread over those who speak."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from codebooks.models import Code, Revision
from coding.models import Coding, Evidence, Found, Mark, Run
from reviews.models import Ruling
from reviews.quotes import allow, may_be_quoted, quotes
from studies.models import Participant, Role, Segment, Study
from studies.problems import Problem
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
)

pytestmark = pytest.mark.django_db

WORDS = "I hope that machines will read to the children who have nobody to read to them."


def make_quoted(**languages: int) -> tuple[Study, Run]:
    """Interviews whose second half agreed to be quoted, each with a passage of hope."""
    revision = make_revision(many=("hope",))
    run = make_run(revision)
    for language, count in (languages or {"en": 4, "ar": 4}).items():
        for number in range(count):
            segment = make_segment(
                f"{WORDS} ({language} {number})",
                revision.codebook.study,
                language=language,
                external_id=f"{language}{number}",
                attributes={"consent": "no" if number < count / 2 else "yes", "country": language},
            )
            quote(make_coding(segment, revision, run=run, codes=["hope"]))
    return revision.codebook.study, run


def quote(coding: Coding, found: str = Found.EXACT, end: int = len(WORDS)) -> Evidence:
    mark = coding.marks.get()
    place = {} if found == Found.MISSING else {"start": 0, "end": end}
    return Evidence.objects.create(mark=mark, found=found, quote="", **place)


def test_nobody_is_quoted_until_somebody_says_who_agreed() -> None:
    study, _run = make_quoted()
    assert list(quotes(study)) == []
    assert allow(study, "consent", ["yes"]) == 4
    assert {one.transcript for one in quotes(study)} == {"en2", "en3", "ar2", "ar3"}
    assert all(one.text == WORDS for one in quotes(study))
    assert allow(study, "", []) == 0
    assert not may_be_quoted(study).exists()


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [("agreed", "yes", "No participant has an attribute"), ("consent", "oui", "found are")],
)
def test_a_consent_that_nobody_gave_is_refused(attribute: str, value: str, said: str) -> None:
    study, _run = make_quoted()
    with pytest.raises(Problem) as problem:
        allow(study, attribute, [value])
    assert said in problem.value.sentence(str)


def test_a_consent_may_be_a_number_or_a_word_with_underscores() -> None:
    study, _run = make_quoted(en=2)
    Participant.objects.filter(external_id="en0").update(attributes={"agreed__to": 1})
    Participant.objects.filter(external_id="en1").update(attributes={"agreed__to": True})
    assert allow(study, "agreed__to", ["1"]) == 1
    assert [one.transcript for one in quotes(study)] == ["en0"]


def test_quotations_go_round_the_languages() -> None:
    study, _run = make_quoted(en=20, ar=2, th=2)
    allow(study, "consent", ["yes"])
    heard = [one.language for one in quotes(study, each=4)]
    assert sorted(heard[:3]) == ["ar", "en", "th"]
    assert heard[3] == "en"


def test_what_does_not_stand_in_the_text_is_no_quotation() -> None:
    study, _run = make_quoted(en=2)
    allow(study, "consent", ["yes"])
    for found in (Found.FUZZY, Found.INTERVIEWER):
        Evidence.objects.update(found=found)
        assert list(quotes(study)) == []
    Evidence.objects.update(found=Found.FOLDED)
    assert len(list(quotes(study))) == 1


def decide(study: Study, transcript: str, *, codes: tuple[str, ...]) -> Coding:
    segment = Segment.objects.get(transcript__study=study, transcript__external_id=transcript)
    return make_coding(
        segment, Revision.objects.get(), person=make_person(study=study), codes=codes
    )


def test_people_come_first_and_what_they_deny_is_not_quoted() -> None:
    study, _run = make_quoted(en=6)
    allow(study, "consent", ["yes"])
    decide(study, "en3", codes=())
    quote(decide(study, "en5", codes=("hope",)), end=40)
    found = list(quotes(study))
    assert [(one.transcript, one.by_people, one.yes) for one in found] == [
        ("en5", True, 1),
        ("en4", False, 0),
    ]
    assert found[0].text == WORDS[:40]


def test_a_ruling_is_the_last_word() -> None:
    study, run = make_quoted(en=4)
    allow(study, "consent", ["yes"])
    decide(study, "en3", codes=())
    segment = Segment.objects.get(transcript__external_id="en3")
    item = make_sample(run, [segment]).items.get()
    assert [one.transcript for one in quotes(study)] == ["en2"]
    Ruling.objects.create(
        item=item, code=Code.objects.get(), applies=True, by=make_person(), why="read again"
    )
    assert {one.transcript for one in quotes(study)} == {"en2", "en3"}


def test_translations_are_read_back_from_the_export_and_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, _run = make_quoted(ar=2)
    path = tmp_path / "quotes.csv"
    call_command("quotes", study.slug, "--allow", "consent=yes", "--out", str(path))
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    rows[0]["translation"] = "A hope, in English."
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    call_command("quotes", study.slug, "--translations", str(path), "--json")
    made = json.loads(capsys.readouterr().out)
    assert [one["translation"] for one in made["quotes"]] == ["A hope, in English."]

    client = Client()
    client.force_login(
        make_person("lead", study, Role.LEAD),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    page = client.get(f"/studies/{study.slug}/quotes/").content.decode()
    assert '<blockquote lang="ar" dir="auto">' in page
    assert "translation, not coded" in page


def test_a_translation_of_nothing_is_refused_whole(tmp_path: Path) -> None:
    study, _run = make_quoted(en=2)
    path = tmp_path / "quotes.csv"
    path.write_text(
        f"transcript,start,end,translation\nen1,0,{len(WORDS)},ja\nen1,1,2,nein\n", "utf-8"
    )
    with pytest.raises(CommandError, match="Line 3"):
        call_command("quotes", study.slug, "--translations", str(path))
    assert not Evidence.objects.exclude(translation="").exists()


@pytest.mark.parametrize(
    ("role", "shown", "changed"),
    [(Role.LEAD, 200, 302), (Role.READER, 200, 404), (Role.CODER, 404, 404)],
)
def test_leads_say_who_may_be_quoted_and_readers_read(role: Role, shown: int, changed: int) -> None:
    study, _run = make_quoted()
    client = Client()
    client.force_login(
        make_person("someone", study, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    address = f"/studies/{study.slug}/quotes/"
    assert client.get(address).status_code == shown
    answer = client.post(address, {"attribute": "consent", "values": "yes"})
    assert answer.status_code == changed
    assert may_be_quoted(Study.objects.get()).count() == (4 if role == Role.LEAD else 0)
    if shown == 200:
        file = client.get(f"{address}?file=csv&spread=country").content.decode()
        assert file.startswith("dimension,code,participant,transcript,language,quote,translation")
        assert Mark.objects.exists()
