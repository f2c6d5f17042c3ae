"""The page of one interview: who said what of it, with evidence; nothing for who codes blind."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from codebooks.models import Code
from coding.models import Answer, CodingKind, Evidence, Found, Mark, Run, State, Work
from reviews.adjudication import rule
from reviews.interviews import parts_of
from reviews.models import Assignment, Item
from studies.models import Role, Segment, Study
from studies.translations import keep
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_transcript,
)
from tests.reviews.test_adjudication import ANA, BEN, says
from tests.reviews.test_adjudication import made as drawn
from tests.reviews.test_adjudication_views import sign_in

pytestmark = pytest.mark.django_db
TEXT = "Dan: What do you hope?\nEva: 😀 I hope for rain, and fear the heat."


def page_of(segment: Segment, name: str, **asked: str | int) -> str:
    address = reverse("transcript", args=[segment.transcript.study.slug, segment.transcript_id])
    answer = sign_in(name).get(address, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def opinions(page: str) -> dict[str, str]:
    """Return what stands under each code of the page, by the code's name and as plain words."""
    found = re.findall(r'<section class="opinion".*?</section>', page, re.DOTALL)
    named = {re.sub(r".*<h3>(.*?)</h3>.*", r"\1", one, flags=re.DOTALL): one for one in found}
    return {plain(name): plain(one) for name, one in named.items()}


def plain(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def coded() -> tuple[Segment, Run]:
    """Return an interview that a run and two people coded, and the run."""
    revision = make_revision(one=("for", "against"), scale=(0, 100))
    study = revision.codebook.study
    segment = make_segment(
        TEXT,
        study,
        turns=[[5, 22, "Dan", "interviewer"], [28, len(TEXT), "Eva", "participant"]],
        external_id="eva",
    )
    run = make_run(revision, name="the model")
    machine = make_coding(segment, revision, run=run, codes=["hope", "for"], values={"trust": 70})
    at = TEXT.index("I hope for rain")
    mark = machine.marks.get(code__key="hope")
    mark.confidence, mark.rationale = 0.8, "says so"
    mark.save()
    place = {"start": at, "end": at + len("I hope for rain")}
    Evidence.objects.create(mark=mark, found=Found.EXACT, **place)
    Evidence.objects.create(mark=mark, found=Found.INTERVIEWER, start=5, end=22)
    Evidence.objects.create(mark=mark, found=Found.MISSING, quote="I hope for snow")
    make_person("lea", study, Role.LEAD)
    for name, codes in (("ana", ["hope", "worry", "against"]), ("ben", ["for"])):
        make_coding(segment, revision, person=make_person(name, study), codes=codes)
    return segment, run


def test_the_page_says_of_each_code_what_the_machine_and_every_person_said() -> None:
    segment, _run = coded()
    said = opinions(page_of(segment, "lea"))
    assert list(said) == ["Hope Topics", "Worry Topics", "Stance", "Trust"]
    hope = said["Hope Topics"]
    assert "The machine : applies (stated confidence 0.80)" in hope
    assert "ana : applies" in hope
    assert "ben : does not apply" in hope
    assert "The machine : does not apply ana : applies" in said["Worry Topics"]
    assert "The machine : For ana : Against ben : For" in said["Stance"]
    assert "The machine : 70 ana : not expressed" in said["Trust"]


def test_a_stated_confidence_of_nothing_at_all_is_shown() -> None:
    segment, run = coded()
    Mark.objects.filter(coding__run=run, code__key="hope").update(confidence=0.0)
    hope = opinions(page_of(segment, "lea"))["Hope Topics"]
    assert "The machine : applies (stated confidence 0.00)" in hope
    Mark.objects.filter(coding__run=run).update(confidence=None)
    assert "stated confidence" not in page_of(segment, "lea")


def test_a_quotation_leads_to_its_turn_and_says_where_it_is_no_evidence() -> None:
    segment, _run = coded()
    page = page_of(segment, "lea")
    hope = opinions(page)["Hope Topics"]
    assert "I hope for rain turn 2" in hope
    assert "What do you hope? in the interviewer's words: not evidence turn 1" in hope.replace(
        "&#x27;", "'"
    )
    assert "I hope for snow not found" in hope
    at = TEXT.index("I hope for rain")
    # Marked in the interview is what counts as evidence, by code points.
    assert f'data-passages="[[{at}, {at + 15}]]"' in page
    assert f'href="#t2" data-passage="{at}-{at + 15}"' in page


def test_what_nobody_found_anything_in_is_named_and_who_coded() -> None:
    revision = make_revision(one=("for", "against"))
    study = revision.codebook.study
    segment = make_segment("Hm.", study)
    make_coding(segment, revision, run=make_run(revision, name="the model"))
    make_person("lea", study, Role.LEAD)
    said = plain(page_of(segment, "lea"))
    assert "Nothing found in: Topics · Stance . Coded by: the model ." in said


def test_a_code_somebody_could_not_tell_is_shown() -> None:
    segment, _run = coded()
    coding = segment.codings.get(person__username="ben")
    unsure = Code.objects.get(dimension__revision=coding.revision, key="worry")
    Mark.objects.create(coding=coding, code=unsure, answer=Answer.UNSURE)
    assert "ben : unsure" in opinions(page_of(segment, "lea"))["Worry Topics"]


def test_a_ruling_stands_under_what_it_settles_with_its_reason() -> None:
    study, segments = drawn(6)
    says(study, ANA, segments[0], "hope", "for", trust=40)
    says(study, BEN, segments[0], "against", trust=60)
    lea = User.objects.get(username="lea")
    item = Item.objects.get(segment=segments[0])
    rule(item, lea, dimension="topics", code="hope", said="no", why="only politeness")
    rule(item, lea, dimension="stance", code="against", said="yes", why="turn 1")
    rule(item, lea, dimension="trust", code="trust", said="yes", value=50, why="the middle")
    said = opinions(page_of(segments[0], "lea"))
    assert said["Hope Topics"].endswith("ruling lea : does not apply – only politeness")
    assert said["Stance"].endswith("ruling lea : Against – turn 1")
    assert said["Trust"].endswith("ruling lea : 50 – the middle")


def test_a_second_look_stands_beside_the_blind_answer_and_a_training_nowhere() -> None:
    segment, run = coded()
    revision = run.revision
    ana = User.objects.get(username="ana")
    for kind, codes in ((CodingKind.ASSISTED, ["worry"]), (CodingKind.TRAINING, ["hope"])):
        coding = make_coding(segment, revision, person=make_person(), codes=codes)
        type(coding).objects.filter(pk=coding.pk).update(kind=kind, person=ana)
    said = opinions(page_of(segment, "lea"))
    assert "ana : applies ana second look : does not apply ben" in said["Hope Topics"]
    assert said["Hope Topics"].count("ana") == 2


def test_whoever_has_still_to_code_blind_is_shown_the_interview_alone() -> None:
    segment, run = coded()
    study = segment.transcript.study
    rea = make_person("rea", study, Role.READER)
    other = make_segment("Later.", study)
    sample = make_sample(run, [segment, other])
    left = sample.items.get(segment=other).assignments.create(person=rea)
    blind, open_ = page_of(segment, "rea"), page_of(segment, "lea")
    assert "I hope for rain" in blind
    for word in ("the model", "ana", "data-passage", "applies", "stated confidence"):
        assert word in open_
        assert word not in blind
    left.delete()
    assert "the model" in page_of(segment, "rea")


def translated(segment: Segment) -> None:
    transcript = segment.transcript
    keep(transcript, "pt-BR", {28: "Espero que chova."}, maker="Ana", machine=False)
    keep(transcript, "de", {28: "Ich hoffe auf Regen."}, maker="claude-x", machine=True)


def test_a_translation_stands_beside_the_original_in_the_language_that_is_chosen() -> None:
    segment, _run = coded()
    assert "translations" not in page_of(segment, "lea")
    translated(segment)
    page = page_of(segment, "lea", run=_run.pk)
    assert f'href="?run={_run.pk}&amp;translation=de"' in page
    assert "Translation: German" in page
    assert "Translation: Brazilian Portuguese" in page
    assert "Regen" not in page
    german = page_of(segment, "lea", translation="de")
    assert '<p lang="de" dir="auto">Ich hoffe auf Regen.</p>' in german
    assert german.count('class="translated"') == 1  # the other turn has none
    assert "Translated into German by a machine (claude-x)." in german
    assert "chova" not in german
    assert 'data-start="28"' in german
    by_hand = page_of(segment, "lea", translation="pt-BR")
    assert "Translated into Brazilian Portuguese by people (Ana)." in by_hand
    assert 'class="translated"' not in page_of(segment, "lea", translation="fr\x00")


def test_who_reads_a_translation_here_and_has_still_to_code_it_was_given_it() -> None:
    segment, run = coded()
    translated(segment)
    study = segment.transcript.study
    rea = make_person("rea", study, Role.READER)
    other = make_segment("Later.", study)
    done = make_sample(run, [segment]).items.get()
    answered = done.assignments.create(
        person=rea, coding=make_coding(segment, run.revision, person=rea)
    )
    sample = make_sample(run, [segment, other])
    asked = [item.assignments.create(person=rea) for item in sample.items.order_by("position")]
    page_of(segment, "rea")
    assert not Assignment.objects.exclude(translated_at=None).exists()
    page_of(segment, "lea", translation="de")
    assert not Assignment.objects.exclude(translated_at=None).exists()
    assert "Regen" in page_of(segment, "rea", translation="de")
    assert Assignment.objects.get(translated_at__isnull=False) == asked[0]
    answered.refresh_from_db()
    assert answered.translated_at is None


def test_a_coder_has_no_such_page() -> None:
    segment, _run = coded()
    address = reverse("transcript", args=[segment.transcript.study.slug, segment.transcript_id])
    assert sign_in("ana").get(address).status_code == 404
    assert Client().get(address).status_code == 302


def test_another_run_can_be_chosen_and_a_foreign_one_cannot() -> None:
    segment, run = coded()
    other = make_run(run.revision, name="another")
    make_coding(segment, run.revision, run=other, codes=["worry"])
    assert "The machine : applies" in opinions(page_of(segment, "lea"))["Worry Topics"]
    chosen = page_of(segment, "lea", run=run.pk)
    assert "The machine : does not apply" in opinions(chosen)["Worry Topics"]
    assert "Coded by: the model · ana" in plain(chosen)
    for wrong in ("x", "9" * 40, make_run(make_revision()).pk):
        assert "Coded by: another · ana" in plain(page_of(segment, "lea", run=wrong))


def test_why_the_machine_said_nothing_is_told() -> None:
    segment, before = coded()
    run = make_run(before.revision, name="another")
    Work.objects.create(
        run=run, segment=segment, state=State.REFUSED, reason="language not covered"
    )
    said = plain(page_of(segment, "lea"))
    assert f"another : {State.REFUSED.label} – language not covered" in said
    assert "ana : applies" in said


def test_answers_are_told_apart() -> None:
    revision = make_revision()
    study = revision.codebook.study
    row = make_transcript("I hope. I fear.", study)
    first, second = (
        Segment.objects.create(transcript=row, index=index, start=start, end=end)
        for index, start, end in ((1, 0, 7), (2, 8, 15))
    )
    run = make_run(revision)
    make_coding(first, revision, run=run, codes=["hope"])
    make_coding(second, revision, run=run, codes=["worry"])
    make_person("lea", study, Role.LEAD)
    said = plain(page_of(first, "lea"))
    assert (
        said.index("Answer 1") < said.index("Hope") < said.index("Answer 2") < said.index("Worry")
    )


def test_before_anybody_coded_and_before_there_is_a_codebook_the_page_says_so() -> None:
    study = Study.objects.create(slug="new", name="New")
    segment = make_segment("I hope.", study)
    make_person("lea", study, Role.LEAD)
    assert "Nobody has coded this interview yet." in page_of(segment, "lea")
    make_revision(study)
    assert "Nobody has coded this interview yet." in page_of(segment, "lea")


def test_codings_of_many_people_cost_no_more_questions_to_the_database() -> None:
    segment, run = coded()
    with CaptureQueriesContext(connection) as few:
        parts_of(segment.transcript, run.revision, run)
    for _number in range(12):
        make_coding(segment, run.revision, person=make_person(), codes=["hope"])
    with CaptureQueriesContext(connection) as many:
        parts = parts_of(segment.transcript, run.revision, run)
    assert len(parts[0].coders) == 15
    assert len(many) == len(few)
