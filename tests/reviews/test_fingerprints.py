"""A report is never stale: whatever it is made of changes its fingerprint, by whatever door."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from codebooks.models import Code, Codebook, Revision
from coding.models import Coding, Evidence, Mark, Run, Work
from reviews.adjudication import rule
from reviews.models import Assignment, Item, Ruling, Sample, Submission
from reviews.reports import asked_for, report
from reviews.withdrawing import withdraw
from studies.models import Membership, Participant, Role, Segment, Study, Transcript
from studies.transcripts import correct_language
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_study,
)
from tests.reviews.test_reports import many_segments

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget() -> None:
    cache.clear()


@pytest.fixture
def study() -> Study:
    """A study with a run, a sample, two coders, rulings, skips, failures and evidence."""
    made = make_study("hopes")
    revision = make_revision(made, one=["calm", "angry"], scale=(0, 10))
    segments = many_segments(made, 12, ("de", "en"))
    run = make_run(revision, coder="imported")
    for place, segment in enumerate(segments):
        make_coding(segment, revision, run=run, codes=["hope", "calm"], values={"trust": 3.0})
        Work.objects.create(
            run=run,
            segment=segment,
            state=("done", "failed", "refused", "pending")[place % 4],
            reason="too long" if place % 4 in (1, 2) else "",
        )
    sample = make_sample(run, segments[:8])
    items = list(Item.objects.filter(sample=sample).order_by("pk"))
    for name in ("ann", "ben"):
        person = make_person(name, made)
        for place, item in enumerate(items[:6], 1):
            coding = make_coding(
                item.segment,
                revision,
                person=person,
                codes=["worry" if place % 2 else "hope", "angry"],
                values={"trust": float(place % 5)},
            )
            Assignment.objects.create(
                item=item, person=person, coding=coding, answered_at=timezone.now()
            )
        for item in items[6:]:
            Assignment.objects.create(item=item, person=person)
    # One read a translation after their answer.
    last = Assignment.objects.filter(coding__isnull=False).latest("pk")
    Assignment.objects.filter(pk=last.pk).update(translated_at=timezone.now())
    for mark in Mark.objects.filter(code__dimension__key="topics"):
        Evidence.objects.create(mark=mark, start=0, end=2, found="exact")
    lead = make_person("lea", made, Role.LEAD)
    for place, item in enumerate(items[:2]):
        Ruling.objects.create(
            item=item, code=Code.objects.get(key="hope"), applies=bool(place), by=lead
        )
    return made


def swap(first: Any, second: Any, *fields: str) -> None:
    """Let two rows say what the other said, in place."""
    rows = type(first).objects
    for field in fields:
        one, other = getattr(first, field), getattr(second, field)
        assert one != other
        rows.filter(pk=first.pk).update(**{field: other})
        rows.filter(pk=second.pk).update(**{field: one})


def of_people(**wanted: Any) -> Any:
    return Mark.objects.filter(coding__person__isnull=False, **wanted).order_by("pk")


def of_run(**wanted: Any) -> Any:
    return Mark.objects.filter(coding__run__isnull=False, **wanted).order_by("pk")


def by_ann() -> Any:
    return Coding.objects.filter(person__username="ann").order_by("pk")


def language(study: Study) -> None:
    correct_language(study.transcripts.filter(external_id="p00000"), "fr")


def languages_swapped(study: Study) -> None:
    one, two, three, four = study.transcripts.order_by("pk")[:4]
    correct_language(study.transcripts.filter(pk__in=[one.pk, four.pk]), "en")
    correct_language(study.transcripts.filter(pk__in=[two.pk, three.pk]), "de")


def new_interview(study: Study) -> None:
    make_segment("text", study=study)


def interview_gone(study: Study) -> None:
    transcript = Segment.objects.filter(items=None, transcript__study=study).last().transcript  # type: ignore[union-attr]
    Work.objects.filter(segment__transcript=transcript).delete()
    transcript.delete()


def interview_withdrawn(study: Study) -> None:
    withdraw(study, [study.transcripts.latest("pk").pk])


def drawn_interview_withdrawn(study: Study) -> None:
    withdraw(study, [study.transcripts.earliest("pk").pk])


def cut_anew(study: Study) -> None:
    segment = Segment.objects.filter(transcript__study=study).last()
    assert segment is not None
    Segment.objects.create(transcript=segment.transcript, index=2, start=1, end=2)


def attributes(study: Study) -> None:
    person = study.participants.first()
    assert person is not None
    person.attributes = {"country": "C9"}  # as long as before
    person.save()


def attributes_swapped(study: Study) -> None:
    one, other = study.participants.order_by("pk")[:2]
    swap(one, other, "attributes")


def attributes_of_many(study: Study) -> None:
    people = list(study.participants.order_by("pk")[:3])
    for person in people:
        person.attributes = {"country": "C7"}
    Participant.objects.bulk_update(people, ["attributes"])


def member_named(study: Study) -> None:
    Membership.objects.filter(name="ann").update(name="bea")


def member_left(study: Study) -> None:
    Membership.objects.get(name="ann").delete()


def account_named(study: Study) -> None:
    Membership.objects.get(name="ann").delete()
    report(study)
    User.objects.filter(username="ann").update(username="anne")


def study_named(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(name="Hope")


def codebook_named(study: Study) -> None:
    Codebook.objects.filter(study=study).update(name="Another")


def codebook_language(study: Study) -> None:
    Codebook.objects.filter(study=study).update(language="de")


def new_coding(study: Study) -> None:
    segment = Segment.objects.filter(transcript__study=study).last()
    assert segment is not None
    make_coding(segment, Revision.objects.get(), person=User.objects.get(username="ann"))


def coding_gone(study: Study) -> None:
    coding = by_ann().last()
    Assignment.objects.filter(coding=coding).delete()
    coding.delete()


def answer(study: Study) -> None:
    mark = of_people().first()
    mark.answer = "no"
    mark.save()


def answers_swapped(study: Study) -> None:
    one, other = of_people(code__dimension__key="topics")[:2]
    Mark.objects.filter(pk=one.pk).update(answer="no")
    report(study)
    before = asked_for(study).fingerprint
    swap(Mark.objects.get(pk=one.pk), Mark.objects.get(pk=other.pk), "answer")
    assert asked_for(study).fingerprint != before


def values_swapped(study: Study) -> None:
    one, other = of_people(code__key="trust")[:2]
    swap(one, other, "value")


def new_mark(study: Study) -> None:
    coding = by_ann().first()
    code = Code.objects.filter(dimension__key="topics").exclude(marks__coding=coding).get()
    Mark.objects.create(coding=coding, code=code)


def mark_gone(study: Study) -> None:
    of_people().first().delete()


def marks_made_anew(study: Study) -> None:
    coding = by_ann().first()
    code = coding.marks.get(code__dimension__key="topics").code
    other = code.dimension.codes.exclude(pk=code.pk).get()
    coding.marks.filter(code=code).delete()
    Mark.objects.create(coding=coding, code=other)


def dimensions_swapped(study: Study) -> None:
    one, other = by_ann()[:2]
    Coding.objects.filter(pk=one.pk).update(dimensions=["topics", "trust"])
    Coding.objects.filter(pk=other.pk).update(dimensions=["stance"])
    before = asked_for(study).fingerprint
    swap(Coding.objects.get(pk=one.pk), Coding.objects.get(pk=other.pk), "dimensions")
    assert asked_for(study).fingerprint != before


def coding_saved_whole(study: Study) -> None:
    """A row that was read before its marks changed is written back: what changed stays known."""
    coding = by_ann().first()
    coding.marks.all().delete()
    before = asked_for(study).fingerprint
    coding.dimensions = ["topics"]
    coding.save()
    assert asked_for(study).fingerprint != before


def passage(study: Study) -> None:
    evidence = Evidence.objects.filter(mark__in=of_people()).first()
    assert evidence is not None
    evidence.start, evidence.end = 1, 3  # as long, and elsewhere
    evidence.save()


def passage_found_otherwise(study: Study) -> None:
    some = Evidence.objects.filter(mark__in=of_people()).values("pk")[:1]
    Evidence.objects.filter(pk__in=list(some.values_list("pk", flat=True))).update(found="fuzzy")


def new_passage(study: Study) -> None:
    Evidence.objects.create(mark=of_people().first(), start=2, end=4, found="exact")


def passage_gone(study: Study) -> None:
    some = Evidence.objects.filter(mark__in=of_people()).first()
    assert some is not None
    some.delete()


def ruled(study: Study) -> None:
    item = Item.objects.order_by("pk")[2]
    Ruling.objects.create(
        item=item,
        code=Code.objects.get(key="hope"),
        applies=True,
        by=User.objects.get(username="lea"),
    )


def ruled_by_the_step(study: Study) -> None:
    item = Item.objects.order_by("pk")[3]
    lead = User.objects.get(username="lea")
    rule(item, lead, dimension="topics", code="hope", said="yes", why="clear")


def rulings_swapped(study: Study) -> None:
    one, other = Ruling.objects.order_by("pk")[:2]
    swap(one, other, "applies")


def ruling_gone(study: Study) -> None:
    Ruling.objects.all()[:1].get().delete()


def skipped(study: Study) -> None:
    row = Assignment.objects.filter(coding=None).first()
    assert row is not None
    row.skipped_because = "text"
    row.save()


def translated(study: Study) -> None:
    row = Assignment.objects.filter(coding__isnull=False).first()
    assert row is not None
    assert row.answered_at is not None
    row.translated_at = row.answered_at - timedelta(minutes=1)
    row.save()


def sent_again_beside_a_translation(study: Study) -> None:
    row = Assignment.objects.filter(translated_at__isnull=False).get()
    Submission.objects.create(assignment=row, client_id=uuid4(), kind="answer", version=2)


def given_back(study: Study) -> None:
    rows = Assignment.objects.filter(coding=None, answered_at=None)
    Assignment.objects.filter(pk=rows[0].pk).update(returned_at=timezone.now())


def new_seat(study: Study) -> None:
    Assignment.objects.create(item=Item.objects.order_by("pk")[0], person=make_person("cat", study))


def new_item(study: Study) -> None:
    sample = Sample.objects.get()
    drawn = sample.items.values("segment")
    segment = Segment.objects.filter(transcript__study=study).exclude(pk__in=drawn)[0]
    Item.objects.create(sample=sample, segment=segment, position=99, stratum="", inclusion=0.5)


def new_round(study: Study) -> None:
    first = Sample.objects.get()
    other = make_sample(
        Run.objects.get(), list(Segment.objects.filter(items=None, transcript__study=study)[:2])
    )
    Sample.objects.filter(pk=other.pk).update(continues=first)


def design(study: Study) -> None:
    sample = Sample.objects.get()
    sample.design = {**sample.design, "looked": True}
    sample.save()


def new_run(study: Study) -> None:
    revision = Revision.objects.get()
    segment = Segment.objects.filter(transcript__study=study).first()
    assert segment is not None
    make_coding(segment, revision, run=make_run(revision))


def run_goes_on(study: Study) -> None:
    segment = make_segment("text", study=study)
    make_coding(segment, Revision.objects.get(), run=Run.objects.get(), codes=["hope"])


def run_said_more(study: Study) -> None:
    """A second file adds a dimension to what a model elsewhere had coded."""
    coding = Coding.objects.filter(run__isnull=False).first()
    assert coding is not None
    coding.save(update_fields=["dimensions"])
    Mark.objects.create(coding=coding, code=Code.objects.get(key="worry"))


def run_said_otherwise(study: Study) -> None:
    code = Code.objects.get(key="worry")
    of_run(code__key="hope").filter(pk=of_run(code__key="hope")[0].pk).update(code=code)


def runs_passage_gone(study: Study) -> None:
    some = Evidence.objects.filter(mark__in=of_run()).first()
    assert some is not None
    some.delete()


def run_finished(study: Study) -> None:
    Run.objects.update(finished_at=timezone.now())


def run_stopped(study: Study) -> None:
    Run.objects.update(stopped_because="the budget is spent")


def run_named(study: Study) -> None:
    Run.objects.update(name="another")


def run_learned(study: Study) -> None:
    Run.objects.update(parameters={"learned_from": 3})


def work_done(study: Study) -> None:
    some = Work.objects.filter(state="pending")
    Work.objects.filter(pk=some[0].pk).update(state="done")


def work_swapped(study: Study) -> None:
    failed, refused = (Work.objects.filter(state=state)[0] for state in ("failed", "refused"))
    swap(failed, refused, "state")


def why_it_failed(study: Study) -> None:
    failed = Work.objects.filter(state="failed")[0]
    Work.objects.filter(pk=failed.pk).update(reason="too short")


CHANGES: list[Callable[[Study], None]] = [
    language,
    languages_swapped,
    new_interview,
    interview_gone,
    interview_withdrawn,
    drawn_interview_withdrawn,
    cut_anew,
    attributes,
    attributes_swapped,
    attributes_of_many,
    member_named,
    member_left,
    account_named,
    study_named,
    codebook_named,
    codebook_language,
    new_coding,
    coding_gone,
    answer,
    answers_swapped,
    values_swapped,
    new_mark,
    mark_gone,
    marks_made_anew,
    dimensions_swapped,
    coding_saved_whole,
    passage,
    passage_found_otherwise,
    new_passage,
    passage_gone,
    ruled,
    ruled_by_the_step,
    rulings_swapped,
    ruling_gone,
    skipped,
    translated,
    sent_again_beside_a_translation,
    given_back,
    new_seat,
    new_item,
    new_round,
    design,
    new_run,
    run_goes_on,
    run_said_more,
    run_said_otherwise,
    runs_passage_gone,
    run_finished,
    run_stopped,
    run_named,
    run_learned,
    work_done,
    work_swapped,
    why_it_failed,
]


def fresh(study: Study) -> str:
    return asked_for(Study.objects.get(pk=study.pk)).fingerprint


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_the_report_is_made_of_changes_its_fingerprint(
    study: Study, change: Callable[[Study], None]
) -> None:
    before = fresh(study)
    assert fresh(study) == before
    change(study)
    assert fresh(study) != before


def test_every_change_on_the_way_gives_a_fingerprint_of_its_own(study: Study) -> None:
    seen = [fresh(study)]
    for change in (
        answer,
        attributes,
        language,
        passage,
        skipped,
        ruling_gone,
        work_done,
        new_mark,
    ):
        change(study)
        seen.append(fresh(study))
    assert len(set(seen)) == len(seen)


def test_what_is_no_part_of_the_report_leaves_it_as_it_is(study: Study) -> None:
    before = fresh(study)
    other = make_study()
    revision = make_revision(other)
    make_coding(make_segment("text", study=other), revision, person=make_person("zoe", other))
    Assignment.objects.filter(coding=None).update(draft={"note": "hm"}, version=3)
    Item.objects.update(taken=1)
    Evidence.objects.update(translation="words")
    Transcript.objects.filter(study=other).update(language="fr")
    assert fresh(study) == before


def test_what_a_run_writes_first_costs_no_second_write(study: Study) -> None:
    assert not Coding.objects.filter(run__isnull=False, edition__gt=0).exists()
    assert not Participant.objects.filter(edition__gt=0).exists()


@pytest.mark.parametrize("name", ["report_html", "prevalence", "agreement"])
def test_a_page_says_what_the_rows_say_now_and_is_made_once(
    study: Study, name: str, django_assert_max_num_queries: Any
) -> None:
    client = Client()
    client.force_login(User.objects.get(username="lea"))
    address = reverse(name, args=[study.slug])

    def shown(language: str = "en") -> str:
        text = client.get(address, headers={"accept-language": language}).content.decode()
        return text[text.index("<main") : text.index("</main>")]

    first = shown()
    with django_assert_max_num_queries(40) as captured:
        assert shown() == first
    sql = " ".join(query["sql"] for query in captured.captured_queries)
    assert "coding_mark" not in sql
    assert "coding_evidence" not in sql
    for change in (answer, language, skipped):
        change(study)
        then = shown()
        assert then != first
        cache.clear()
        assert shown() == then
        first = then
    assert shown("ar") != first
    assert shown() == first
