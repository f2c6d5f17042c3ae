"""A participant takes back consent: the interview goes with all that hangs on it."""

import json
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from coding import leases
from coding.coders import Answered, Reply, Usage
from coding.leases import Answer, Pace
from coding.loop import supported
from coding.models import (
    Attempt,
    Coding,
    Evidence,
    Mark,
    Run,
    TranslationAttempt,
    TranslationRun,
    Work,
)
from coding.prices import price
from reviews.bridging import draw_bridge
from reviews.lead_views import strata_left
from reviews.models import Assignment, Item, Purpose, Ruling, Sample, Submission
from reviews.prevalence import design_strata
from reviews.records import design_record
from reviews.reports import as_json, report
from reviews.sampling import (
    continue_sample,
    draw_sample,
    frame_of,
    load_machine,
    still_there,
)
from reviews.tables import load_table
from reviews.withdrawing import named, with_others, withdraw
from studies.audit import NAMES
from studies.imports import import_transcripts, look
from studies.models import Participant, Role, Study, Transcript, Translation, Withdrawn
from studies.problems import Problem
from studies.search import index, matching
from studies.transcripts import correct_language
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_study,
    make_transcript,
)
from tests.reviews.test_reports import many_codings, many_segments

pytestmark = pytest.mark.django_db

WORD = "zebrafish"  # stands nowhere but in what is withdrawn
ABOUT = "lighthousekeeper"


def full() -> tuple[Study, Transcript]:
    """Return a study, and an interview of it on which everything hangs that can."""
    study = make_study("hopes")
    revision = make_revision(study)
    run = make_run(revision)
    gone = make_segment(f"I keep a {WORD}.", study, external_id="t1", attributes={"job": ABOUT})
    other = make_segment("I keep nothing.", study, external_id="t2")
    index(study)
    for segment in (gone, other):
        work = Work.objects.create(run=run, segment=segment, state="done")
        Attempt.objects.create(
            work=work,
            number=1,
            model="m",
            outcome="ok",
            settled_at=timezone.now(),
            cost=Decimal("0.25"),
            answer=zlib.compress(segment.transcript.text.encode()),
        )
        make_coding(segment, revision, run=run, codes=["hope"])
    for number, purpose in enumerate((Purpose.REVIEW, Purpose.TRAINING)):
        sample = make_sample(run, [gone, other], purpose=purpose)
        for item in sample.items.all():
            person = make_person(f"{item.pk}", study)
            note = WORD if item.segment == gone else ""
            row = Assignment.objects.create(item=item, person=person, draft={"note": note})
            if number == 0:
                row.coding = make_coding(item.segment, revision, person=person, codes=["hope"])
                row.answered_at = timezone.now()
                row.save()
            Submission.objects.create(
                assignment=row, client_id=uuid.uuid4(), kind="answer", version=1
            )
            code = revision.dimensions.get().codes.get(key="hope")
            Ruling.objects.create(item=item, code=code, applies=True, by=person, why="so")
    for mark in Mark.objects.all():
        said = WORD if mark.coding.segment == gone else ""
        Evidence.objects.create(
            mark=mark, start=0, end=2, found="exact", quote=said, translation=said
        )
    Translation.objects.create(
        transcript=gone.transcript, language="de", maker="m", turns={"0": WORD}
    )
    TranslationAttempt.objects.create(
        run=TranslationRun.objects.create(study=study, language="de"),
        transcript=gone.transcript,
        first=1,
        last=1,
        digest="0" * 64,
        model="m",
        outcome="ok",
        settled_at=timezone.now(),
        cost=Decimal("0.5"),
        answer=zlib.compress(WORD.encode()),
    )
    return study, gone.transcript


def everything() -> str:
    """Return every value of every row of every table."""
    values = [
        value
        for model in apps.get_models()
        for row in model._base_manager.values_list()
        for value in row
    ]
    raw = (
        zlib.decompress(bytes(value)).decode() if isinstance(value, bytes | memoryview) else value
        for value in values
    )
    return " ".join(map(str, raw))


def test_nothing_of_it_is_left_in_any_table() -> None:
    study, transcript = full()
    assert everything().count(WORD) > 8
    assert ABOUT in everything()
    [gone] = withdraw(study, [transcript.pk], why="asked us to")
    assert (gone.id, gone.participant) == ("t1", True)
    left = everything()
    assert WORD not in left
    assert ABOUT not in left
    assert study.transcripts.get().external_id == "t2"
    assert study.participants.get().external_id == "t2"
    for model, count in (
        *((Work, 1), (Attempt, 1), (Item, 2), (Assignment, 2), (Submission, 2), (Ruling, 2)),
        *((Coding, 2), (Mark, 2), (Evidence, 2), (Translation, 0)),
    ):
        assert model.objects.count() == count, model


def test_no_search_finds_it_and_the_index_forgets_its_words() -> None:
    study, transcript = full()
    rows = Transcript.objects.filter(study=study)
    assert matching(rows, WORD, 9) == [transcript.pk]
    withdraw(study, [transcript.pk])
    assert matching(rows, WORD, 9) == []
    assert matching(rows, "nothing", 9) == [rows.get().pk]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT rowid FROM studies_words WHERE studies_words MATCH %s", [WORD])
            assert cursor.fetchall() == []
            cursor.execute("INSERT INTO studies_words (studies_words) VALUES ('integrity-check')")


def test_the_trail_says_who_and_why_and_how_much_and_nothing_of_what_was_said() -> None:
    study, transcript = full()
    lead = make_person("ana", study, Role.LEAD)
    withdraw(study, [transcript.pk], why=" wrote to us ", by=lead)
    event = study.events.latest("pk")
    assert (event.action, event.subject, event.name) == ("withdrawn", "t1", "ana")
    assert event.after == {"why": "wrote to us"}
    assert {*(event.before or {}), *(event.after or {})} <= set(NAMES)
    assert event.before == {
        "segments": 1,
        "by_machine": 1,
        "by_people": 1,
        "passages": 2,
        "items": 2,
        "rulings": 2,
        "translations": 3,
        "requests": 2,
        "cost": 0.75,
        "participants": 1,
    }
    withdraw(study, [make_transcript("words", study).pk])
    assert study.events.latest("pk").before == {"participants": 1}
    assert study.events.latest("pk").after == {"why": ""}


def test_a_participant_stays_while_they_have_another_interview() -> None:
    study = make_study()
    person = Participant.objects.create(study=study, external_id="p1", attributes={"job": ABOUT})
    one, two, three = (
        make_transcript("words", study, external_id=name, participant=person) for name in "abc"
    )
    assert not withdraw(study, [one.pk])[0].participant
    assert study.participants.filter(pk=person.pk).exists()
    assert with_others(study, [two.pk]) == [two.pk, three.pk]
    assert [row.participant for row in withdraw(study, [two.pk, three.pk])] == [True, True]
    assert not study.participants.filter(pk=person.pk).exists()


def test_nothing_goes_of_another_study() -> None:
    study, _transcript = full()
    other = make_transcript("words", external_id="t1")
    assert withdraw(study, [other.pk]) == []
    assert Transcript.objects.count() == 3


def test_all_of_it_goes_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    study, transcript = full()
    before = everything()

    def breaks(*_args: Any, **_more: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("reviews.withdrawing.record", breaks)
    with pytest.raises(RuntimeError):
        withdraw(study, [transcript.pk])
    assert everything() == before
    assert matching(Transcript.objects.filter(study=study), WORD, 9) == [transcript.pk]


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_being_written_goes_with_it() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time anyway")
    study, transcript = full()
    revision = study.runs.get().revision
    item = Item.objects.get(segment__transcript=transcript, sample__purpose=Purpose.REVIEW)
    row = Assignment.objects.create(item=item, person=make_person("late", study))

    def withdraws() -> None:
        try:
            withdraw(study, [transcript.pk])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Assignment.objects.select_for_update().get(pk=row.pk)
            done = threads.submit(withdraws)
            coding = make_coding(item.segment, revision, person=row.person, codes=["hope"])
            Assignment.objects.filter(pk=row.pk).update(coding=coding)
        done.result()
    assert not Coding.objects.filter(segment__transcript=transcript).exists()
    assert WORD not in everything()


# Importing again


def interviews(folder: Path) -> Path:
    path = folder / "interviews.csv"
    path.write_text("id,language,text\n" + "".join(f"{n},en,I hope so {n}.\n" for n in range(4)))
    return path


def test_no_import_brings_it_back(tmp_path: Path) -> None:
    study, path = make_study("hopes"), interviews(tmp_path)
    import_transcripts(study, [path])
    withdraw(study, named(study, ["2"]))
    day = Withdrawn.objects.get().at.date().isoformat()
    seen, _first = look(study, [path], seconds=9)
    for imported in (seen, import_transcripts(study, [path])):
        assert (imported.created, imported.unchanged, imported.left_out) == (0, 3, 1)
        [row] = imported.rows
        assert row.id == "2"
        assert f"withdrawn on {day}" in str(row.reason)
    assert set(study.transcripts.values_list("external_id", flat=True)) == {"0", "1", "3"}
    other = make_study("other")
    assert import_transcripts(other, [path]).created == 4


def test_an_import_that_is_on_its_way_does_not_bring_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, path = make_study("hopes"), interviews(tmp_path)
    import_transcripts(study, [path])
    (row,) = named(study, ["2"])
    path.write_text(path.read_text().replace("I hope", "We hope"))
    from studies import imports

    before = imports._looked_up

    def meanwhile(*args: Any) -> Any:
        found = before(*args)
        withdraw(study, [row])
        return found

    monkeypatch.setattr(imports, "_looked_up", meanwhile)
    imported = import_transcripts(study, [path])
    assert (imported.changed, imported.left_out) == (3, 1)
    assert not study.transcripts.filter(external_id="2").exists()


# Samples and estimates


def coded(count: int = 120) -> tuple[Study, Any, Run]:
    """Return a study in two languages, coded by a machine that says yes to every third."""
    study = make_study("hopes")
    revision = make_revision(study)
    segments = many_segments(study, count, ("de", "de", "en"))
    run = make_run(revision)
    said = [["hope"] if at % 3 == 0 else ["worry"] if at < 7 else [] for at in range(count)]
    many_codings(segments, revision, said, run=run)
    return study, segments, run


def answered(sample: Sample, name: str = "mara") -> None:
    """Let one person say of every second segment drawn that it holds a hope."""
    asked = [item.segment for item in sample.items.select_related("segment").order_by("position")]
    said = [["hope"] if at % 2 else [] for at in range(len(asked))]
    many_codings(asked, sample.revision, said, person=make_person(name, sample.study))


def told(study: Study) -> dict[str, Any]:
    return as_json(report(study, replicates=50))


def overall(told_: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in told_["prevalence"] if row["code"] == "hope" and not row["domain"])


def some_of(sample: Sample, language: str, *, drawn: int, other: int) -> list[int]:
    """Return the keys of interviews in a language of which so many were drawn, and were not."""
    rows = sample.study.transcripts.filter(language=language).order_by("pk")
    inside = rows.filter(segments__items__sample=sample)
    outside = rows.exclude(pk__in=inside.values("pk"))
    keys = [(inside, drawn), (outside, other)]
    return [pk for some, count in keys for pk in some.values_list("pk", flat=True)[:count]]


def test_population_and_sample_lose_it_alike_and_strata_stay_known() -> None:
    study, _segments, run = coded()
    sample = draw_sample(study, size=60, strata=["language"], run=run, seed=3)
    answered(sample)
    before = told(study)
    assert not before["sample"]["changed"]
    digest, sizes = sample.frame_digest, {one["stratum"]: one for one in before["sample"]["sizes"]}
    chances = dict(sample.items.values_list("segment", "inclusion"))
    withdraw(study, some_of(sample, "de", drawn=2, other=3))
    withdraw(study, some_of(sample, "en", drawn=1, other=0))
    found = told(study)
    facts = found["sample"]
    assert not facts["changed"]
    assert (facts["population"], facts["size"]) == (114, 57)
    assert (facts["withdrawn"], facts["withdrawn_items"]) == (6, 3)
    now = {one["stratum"]: one for one in facts["sizes"]}
    for key, population, drawn in (("de", 5, 2), ("en", 1, 1)):
        assert now[key]["population"] == sizes[key]["population"] - population
        assert now[key]["drawn"] == sizes[key]["drawn"] - drawn
    # What the drawing was stays a fact.
    sample.refresh_from_db()
    assert sample.frame_digest == facts["frame_digest"] == digest
    assert {one["key"]: one["population"] for one in sample.design["sizes"]} == {"de": 80, "en": 40}
    assert all(chances[pk] == pi for pk, pi in sample.items.values_list("segment", "inclusion"))
    record = design_record(report(study, replicates=50))
    assert record["sample"]["withdrawn"] == 6
    assert len(record["items"]["rows"]) == 57


def test_the_estimate_is_that_of_the_interviews_that_are_left() -> None:
    study, _segments, run = coded()
    sample = draw_sample(study, size=60, strata=["language"], run=run, seed=3)
    answered(sample)
    withdraw(study, some_of(sample, "de", drawn=4, other=20))
    row = overall(told(study))
    # Post-stratified by hand: present populations of language × machine label, and what is left
    # of the sample in them.
    cells: dict[tuple[str, bool], list[Any]] = {}
    yes = set(
        Mark.objects.filter(coding__run=run, code__key="hope").values_list(
            "coding__segment", flat=True
        )
    )
    people = {
        coding.segment_id: coding.marks.filter(code__key="hope").exists()
        for coding in Coding.objects.by_people()
    }
    for segment, language in study.transcripts.values_list("segments", "language"):
        cell = cells.setdefault((language, segment in yes), [0, []])
        cell[0] += 1
        if segment in people:
            cell[1].append(people[segment])
    assert all(len(said) >= 5 for _size, said in cells.values())
    total = sum(size for size, _said in cells.values())
    assert total == row["population"] == 96
    by_hand = sum(size * np.mean(said) for size, said in cells.values()) / total
    assert row["corrected"] == pytest.approx(by_hand)


def test_a_code_that_was_rare_when_it_was_drawn_stays_so() -> None:
    study, segments, run = coded(100)
    # Five of a hundred are not rare; four of ninety-nine are.
    Mark.objects.filter(coding__run=run, code__key="worry").delete()
    worry = run.revision.dimensions.get().codes.get(key="worry")
    for coding in Coding.objects.filter(segment__in=segments[:5]):
        Mark.objects.create(coding=coding, code=worry)
    sample = draw_sample(study, size=40, strata=["label"], run=run, seed=5)
    gone = segments[0].transcript_id
    assert not load_machine(run).rare
    withdraw(study, [gone])
    assert load_machine(run).rare
    sample.refresh_from_db()
    table = load_table(study, sample.revision, run, sample)
    strata = design_strata(sample, table)
    assert not strata.changed
    assert strata.names == ("common", "none")
    later = continue_sample(sample, size=10, seed=1)
    assert {one["key"] for one in later.design["sizes"]} == {"common", "none"}
    withdraw(study, [segments[1].transcript_id])
    later.refresh_from_db()
    table = load_table(study, later.revision, run, later)
    assert not design_strata(later, table).changed


def test_a_further_round_draws_from_what_is_left() -> None:
    study, _segments, run = coded()
    sample = draw_sample(study, size=60, strata=["language"], run=run, seed=3)
    withdraw(study, some_of(sample, "de", drawn=2, other=3))
    sample.refresh_from_db()
    drawn = dict(sample.items.values_list("stratum").order_by().values_list("stratum", "pk"))
    assert set(drawn) == {"de", "en"}
    left = dict(strata_left(sample))
    de = sample.items.filter(stratum="de").count()
    assert left == {"de": 75 - de, "en": 40 - sample.items.filter(stratum="en").count()}
    later = continue_sample(sample, more={"de": 5}, seed=1)
    [size] = [one for one in later.design["sizes"] if one["key"] == "de"]
    assert (size["population"], size["left"], size["drawn"]) == (75, left["de"], 5)
    assert set(later.items.values_list("inclusion", flat=True)) == {5 / left["de"]}
    assert dict(strata_left(later))["de"] == left["de"] - 5
    answered(later)
    assert not told(study)["sample"]["changed"]
    # Both rounds lose what goes from now on.
    withdraw(study, some_of(later, "de", drawn=1, other=0))
    facts = told(study)["sample"]
    assert not facts["changed"]
    assert (facts["population"], facts["withdrawn"], facts["withdrawn_items"]) == (114, 6, 3)


def test_a_bridge_repeats_what_is_left() -> None:
    study, _segments, run = coded()
    sample = draw_sample(study, size=60, strata=["language"], run=run, seed=3)
    gone = some_of(sample, "de", drawn=2, other=3)
    withdraw(study, gone)
    bridge = draw_bridge(study, revision=make_revision(study), seed=1)
    assert bridge.items.count() == 58
    assert {one["key"]: one["population"] for one in bridge.design["sizes"]} == {"de": 75, "en": 40}
    assert frame_of(bridge).stands
    chances = dict(sample.items.values_list("segment", "inclusion"))
    assert dict(bridge.items.values_list("segment", "inclusion")) == chances
    withdraw(study, some_of(bridge, "en", drawn=1, other=0))
    bridge.refresh_from_db()
    assert frame_of(bridge).stands
    assert [still_there(one) for one in bridge.design["sizes"]] == [75, 39]


def test_a_frame_that_had_changed_before_stays_so() -> None:
    study, segments, run = coded()
    sample = draw_sample(study, size=60, strata=["language"], run=run, seed=3)
    answered(sample)
    correct_language(study.transcripts.filter(pk=segments[0].transcript_id), "fr")
    withdraw(study, [segments[1].transcript_id])
    facts = told(study)["sample"]
    assert (facts["changed"], facts["withdrawn"]) == (True, 1)


@pytest.mark.parametrize("strata", [[], ["language"]])
def test_what_came_after_the_drawing_was_never_in_the_frame(strata: list[str]) -> None:
    study, segments, run = coded()
    sample = draw_sample(study, size=60, strata=strata, run=run, seed=3)
    answered(sample)
    late = [make_transcript("words", study, language="de") for _number in range(2)]
    for row in late:
        row.segments.create(index=1, start=0, end=5)
    assert told(study)["sample"]["changed"]
    # One that was drawn from goes: as many as before are left, and others.
    withdraw(study, [segments[0].transcript_id, late[0].pk])
    facts = told(study)["sample"]
    assert (facts["changed"], facts["withdrawn"]) == (True, 1)


def test_with_what_came_later_gone_the_frame_is_the_one_drawn_from_again() -> None:
    study, _segments, run = coded()
    sample = draw_sample(study, size=60, strata=["language"], run=run, seed=3)
    answered(sample)
    late = make_segment("words", study, language="de").transcript
    assert told(study)["sample"]["changed"]
    withdraw(study, [late.pk])
    facts = told(study)["sample"]
    assert (facts["changed"], facts["withdrawn"], facts["population"]) == (False, 0, 120)


def test_an_attribute_that_nobody_has_any_more_breaks_no_report() -> None:
    study, segments, run = coded()
    Participant.objects.filter(study=study).update(attributes={})
    person = segments[0].transcript.participant
    person.attributes = {"camp": "a"}
    person.save()
    sample = draw_sample(study, size=60, strata=["camp"], run=run, seed=3)
    answered(sample)
    withdraw(study, [segments[0].transcript_id])
    facts = told(study)["sample"]
    assert (facts["changed"], facts["population"]) == (False, 119)


def test_a_report_says_that_interviews_were_withdrawn(tmp_path: Path) -> None:
    study, segments, run = coded()
    answered(draw_sample(study, size=60, strata=["language"], run=run, seed=3))
    withdraw(study, [segments[0].transcript_id])
    call_command("report", study.slug, "--out", str(tmp_path), stdout=StringIO())
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "After the drawing 1 more segment was withdrawn" in page
    assert "1 segment was withdrawn after the sample was drawn" in page
    assert json.loads((tmp_path / "design.json").read_text())["sample"]["withdrawn"] == 1


def test_the_page_of_the_sample_says_what_was_withdrawn() -> None:
    study, _segments, run = coded()
    sample = draw_sample(study, size=60, strata=["language"], run=run, seed=3)
    client = Client()
    client.force_login(make_person("ana", study, Role.LEAD))
    assert "withdrawn" not in client.get("/studies/hopes/review/").content.decode()
    withdraw(study, some_of(sample, "de", drawn=1, other=1))
    page = client.get("/studies/hopes/review/").content.decode()
    assert "2 of these segments were withdrawn (of those drawn: 1)" in page


def test_all_interviews_can_go() -> None:
    study, transcript = full()
    withdraw(study, [transcript.pk, study.transcripts.exclude(pk=transcript.pk).get().pk])
    assert not study.transcripts.exists()
    lead = make_person("ana", study, Role.LEAD)
    client = Client()
    client.force_login(lead)
    for page in ("", "transcripts/", "review/", "work/", "draw/", "agreement/", "prevalence/"):
        assert client.get(f"/studies/hopes/{page}").status_code == 200, page


# Runs


def test_a_run_that_waited_for_it_alone_has_ended() -> None:
    study, transcript = full()
    run = study.runs.get()
    Work.objects.filter(segment__transcript=transcript).update(state="pending")
    assert run.finished_at is None
    withdraw(study, [transcript.pk])
    run.refresh_from_db()
    assert run.finished_at is not None


def test_an_answer_that_comes_too_late_is_paid_and_kept_nowhere() -> None:
    study = make_study()
    run = make_run(make_revision(study))
    segment = make_segment(f"I keep a {WORD}.", study)
    make_segment("I keep nothing.", study)
    leases.add_work(run)
    owner = leases.new_owner()
    piece = leases.lease(run, owner, 1)[0]
    assert piece.segment == segment.pk
    assert leases.begin(run, owner, [(piece, Decimal(1))], "claude-haiku-5-5") == [piece]
    withdraw(study, [segment.transcript_id])
    reply = Reply(
        Answered((), ("topics",)), usage=Usage(input=1_000, output=100), raw=WORD.encode()
    )
    answer = Answer(piece, reply, supported(piece.passage, reply))
    rate = price("claude-haiku-5-5")
    assert leases.settle(run, owner, [answer], codes={}, price=rate, pace=Pace()) == []
    assert not Coding.objects.exists()
    assert WORD not in everything()
    run.refresh_from_db()
    assert run.committed == rate.cost(Usage(input=1_000, output=100)) > 0


# The doors


def test_a_lead_looks_and_withdraws_on_a_page() -> None:
    study, transcript = full()
    lead = make_person("ana", study, Role.LEAD)
    other = make_transcript("words", study, external_id="t3", participant=transcript.participant)
    client = Client()
    client.force_login(lead)
    address = f"/studies/hopes/transcripts/{transcript.pk}/withdraw/"
    assert address in client.get(f"/studies/hopes/transcripts/{transcript.pk}/").content.decode()
    page = client.get(address).content.decode()
    assert "t3" in page
    assert "Passages marked as evidence" in page
    assert WORD not in page.partition("<main")[2]
    assert study.transcripts.count() == 3
    answer = client.post(address, {"why": "a letter"}, follow=True)
    assert answer.redirect_chain == [("/studies/hopes/transcripts/", 302)]
    page = answer.content.decode()
    assert "is withdrawn, with all that hung on it" in page
    assert "/studies/hopes/trail/?action=withdrawn" in page
    assert study.events.get(action="withdrawn").name == "ana"
    assert client.post(address).status_code == 404
    client.post(f"/studies/hopes/transcripts/{other.pk}/withdraw/", {"others": "yes"})
    assert set(study.transcripts.values_list("external_id", flat=True)) == {"t2"}


def test_others_of_the_same_participant_go_only_if_asked() -> None:
    study, transcript = full()
    make_transcript("words", study, external_id="t3", participant=transcript.participant)
    client = Client()
    client.force_login(make_person("ana", study, Role.LEAD))
    client.post(f"/studies/hopes/transcripts/{transcript.pk}/withdraw/", {"others": "yes"})
    assert set(Withdrawn.objects.values_list("external_id", flat=True)) == {"t1", "t3"}


def test_who_has_still_to_code_blind_is_not_told_how_much_was_found() -> None:
    study, transcript = full()
    lead = make_person("ana", study, Role.LEAD)
    item = Item.objects.filter(sample__purpose=Purpose.REVIEW).exclude(
        segment__transcript=transcript
    )
    Assignment.objects.create(item=item.get(), person=lead)
    client = Client()
    client.force_login(lead)
    page = client.get(f"/studies/hopes/transcripts/{transcript.pk}/withdraw/").content.decode()
    assert "Codings by the machine" in page
    assert "Passages marked as evidence" not in page
    assert "Rulings" not in page


def called(*words: str) -> Any:
    out = StringIO()
    call_command("withdraw", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_withdraws_by_id_and_counts() -> None:
    full()
    found = called("hopes", "t1", "t1", "--reason", "a letter", "--yes")
    assert (found["study"], found["interviews"]) == ("hopes", 1)
    [row] = found["withdrawn"]
    assert (row["id"], row["passages"], row["participant"]) == ("t1", 2, True)
    with pytest.raises(CommandError, match="“t1” was withdrawn from “hopes” already, on "):
        called("hopes", "t2", "t1")
    with pytest.raises(CommandError, match="There is no interview “t9” in “hopes”"):
        called("hopes", "t2", "t9")
    assert Transcript.objects.count() == 1


def test_the_command_asks_whoever_sits_there(monkeypatch: pytest.MonkeyPatch) -> None:
    study, _transcript = full()

    class Keyboard(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Keyboard("n\n"))
    with pytest.raises(CommandError, match="Nothing was withdrawn"):
        called("hopes", "t1")
    assert study.transcripts.count() == 2
    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    assert called("hopes", "t1")["interviews"] == 1


def test_an_unknown_id_is_named() -> None:
    study = make_study("hopes")
    with pytest.raises(Problem, match="no interview “x”"):
        named(study, ["x"])
