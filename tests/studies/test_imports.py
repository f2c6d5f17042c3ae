"""Interviews come into a study, whole or with a reason."""

import csv
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from studies import imports
from studies.files import Found, Record
from studies.imports import Imported, import_transcripts, look
from studies.models import Participant, Segment, Study, Transcript, Unit
from studies.problems import Problem
from tests.factories import (
    make_coding,
    make_revision,
    make_run,
    make_study,
    make_transcript,
)

pytestmark = pytest.mark.django_db

TALK = "Interviewer: Why?\n\nParticipant: Because it saves me time every single week."


def table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def counts(imported: Imported) -> dict[str, int]:
    names = ("created", "unchanged", "changed", "updated", "left_out", "unsure_language")
    return {name: count for name in names if (count := getattr(imported, name))}


def reasons(imported: Imported) -> list[tuple[str, str]]:
    return [(row.id, str(row.reason)) for row in imported.rows]


def test_an_interview_is_stored_with_its_turns_language_and_participant(tmp_path: Path) -> None:
    study = make_study()
    path = table(
        tmp_path / "a.csv", [["id", "language", "country", "text"], ["1", "English", "Peru", TALK]]
    )
    assert counts(import_transcripts(study, [path])) == {"created": 1}
    row = study.transcripts.get()
    assert (row.external_id, row.text, row.length, row.source_name) == (
        "1",
        TALK,
        len(TALK),
        "a.csv",
    )
    assert (row.language, row.language_source) == ("en", "declared")
    assert row.turns == [
        [13, 17, "Interviewer", "interviewer"],
        [32, len(TALK), "Participant", "participant"],
    ]
    assert row.participant.attributes == {"country": "Peru"}
    assert [(one.index, one.start, one.end) for one in row.segments.all()] == [(1, 0, len(TALK))]


def test_a_language_nobody_declared_is_told_from_the_participants_words(tmp_path: Path) -> None:
    study = make_study()
    talk = (
        "Interviewer: Why do you think so, and since when is that the case in your company?\n\n"
        "Participant: Ich prüfe trotzdem jede Zahl zweimal, bevor ich etwas abschicke."
    )
    path = table(
        tmp_path / "a.csv",
        [["id", "lang", "text"], ["1", "", talk], ["2", "Klingonese", talk], ["3", "", "Hm 12"]],
    )
    imported = import_transcripts(study, [path])
    assert counts(imported) == {"created": 3, "unsure_language": 1}
    rows = {row.external_id: row for row in study.transcripts.all()}
    assert (rows["1"].language, rows["1"].language_source) == ("de", "detected")
    assert rows["1"].language_votes["py3langid"][0] == "de"
    assert rows["2"].language == "de"
    assert (rows["3"].language, rows["3"].language_source) == ("und", "unsure")
    assert list(study.transcripts.unsure()) == [rows["3"]]
    [note] = imported.notes
    assert "“Klingonese” is not known" in str(note.reason)


def test_an_unsure_language_falls_back_on_the_only_one_of_the_study(tmp_path: Path) -> None:
    study = make_study()
    make_transcript("Ndiyo.", study, language="sw")
    import_transcripts(study, [table(tmp_path / "a.csv", [["id", "text"], ["1", "Hm 12"]])])
    row = study.transcripts.get(external_id="1")
    assert (row.language, row.language_source) == ("sw", "unsure")


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    study = make_study()
    rows = [["id", "language", "age", "text"], *([f"{n}", "en", "30", TALK] for n in range(5))]
    path = table(tmp_path / "a.csv", rows)
    import_transcripts(study, [path])
    before = list(Transcript.objects.order_by("pk").values())
    assert counts(import_transcripts(study, [path])) == {"unchanged": 5}
    assert list(Transcript.objects.order_by("pk").values()) == before
    assert Segment.objects.count() == Participant.objects.count() == 5


def test_a_changed_text_is_taken_while_nothing_hangs_on_it(tmp_path: Path) -> None:
    study = make_study()
    path = tmp_path / "a.csv"
    import_transcripts(study, [table(path, [["id", "text"], ["1", TALK]])])
    assert (
        counts(import_transcripts(study, [table(path, [["id", "text"], ["1", "New."]])]))
        == {
            "changed": 1,
            "unsure_language": int(study.transcripts.unsure().exists()),
        }
        or study.transcripts.get().language == "en"
    )
    row = study.transcripts.get()
    assert (row.text, row.length, row.turns) == ("New.", 4, [[0, 4, "", "participant"]])
    assert [(one.start, one.end) for one in row.segments.all()] == [(0, 4)]


def test_a_text_that_is_coded_is_never_overwritten(tmp_path: Path) -> None:
    study = make_study()
    path = tmp_path / "a.csv"
    rows = [["id", "language", "text"], ["1", "en", TALK], ["2", "en", TALK]]
    import_transcripts(study, [table(path, rows)])
    coded = Segment.objects.get(transcript__external_id="1")
    revision = make_revision(study)
    make_coding(coded, revision, run=make_run(revision))
    rows = [["id", "language", "text"], ["1", "en", "New."], ["2", "en", "New."]]
    imported = import_transcripts(study, [table(path, rows)])
    assert counts(imported) == {"changed": 1, "left_out": 1}
    assert "already coded or sampled" in reasons(imported)[0][1]
    texts = dict(study.transcripts.values_list("external_id", "text"))
    assert texts == {"1": TALK, "2": "New."}


def test_new_attributes_and_languages_are_taken_and_old_ones_kept(tmp_path: Path) -> None:
    study = make_study()
    path = tmp_path / "a.csv"
    import_transcripts(
        study, [table(path, [["id", "language", "age", "text"], ["1", "en", "30", TALK]])]
    )
    rows = [["id", "language", "country", "text"], ["1", "de", "Peru", TALK]]
    assert counts(import_transcripts(study, [table(path, rows)])) == {"updated": 1}
    assert counts(import_transcripts(study, [path])) == {"unchanged": 1}
    row = study.transcripts.get()
    assert (row.language, row.participant.attributes) == ("de", {"age": "30", "country": "Peru"})


def test_a_corrected_language_outlives_the_file(tmp_path: Path) -> None:
    study = make_study()
    path = tmp_path / "a.csv"
    import_transcripts(study, [table(path, [["id", "language", "text"], ["1", "en", TALK]])])
    study.transcripts.update(language="pt", language_source="corrected")
    assert counts(import_transcripts(study, [path])) == {"unchanged": 1}
    rows = [["id", "language", "text"], ["1", "en", "Another text."]]
    assert counts(import_transcripts(study, [table(path, rows)])) == {"changed": 1}
    row = study.transcripts.get()
    assert (row.language, row.language_source, row.text) == ("pt", "corrected", "Another text.")


def test_an_id_twice_in_an_import_counts_once_with_the_reason(tmp_path: Path) -> None:
    study = make_study()
    first = table(tmp_path / "a.csv", [["id", "text"], ["1", TALK], ["1", "other"], ["2", TALK]])
    second = table(tmp_path / "b.csv", [["id", "text"], ["2", "other"]])
    imported = import_transcripts(study, [first, second])
    assert counts(imported)["created"] == 2
    assert reasons(imported) == [
        ("1", "The same id stands in a.csv:2 already."),
        ("2", "The same id stands in a.csv:4 already."),
    ]
    assert [(row.source, row.row) for row in imported.rows] == [("a.csv", 3), ("b.csv", 2)]


def test_each_answer_is_a_segment_where_the_unit_is_the_answer(tmp_path: Path) -> None:
    study = make_study()
    talk = "I: a?\nP: b\nP: c\nI: d?\nP: e"
    rows = [["id", "text"], ["1", talk], ["2", "Interviewer: Hello?\nInterviewer: Anyone?"]]
    imported = import_transcripts(study, [table(tmp_path / "a.csv", rows)], unit="answer")
    study.refresh_from_db()
    assert (study.unit, counts(imported)["created"]) == (Unit.ANSWER, 1)
    assert reasons(imported) == [
        ("2", "It has no words of a participant, so there is no answer to code.")
    ]
    cut = Segment.objects.filter(transcript__external_id="1").values_list("index", "start", "end")
    assert [(index, talk[start:end]) for index, start, end in cut] == [(1, "b\nP: c"), (2, "e")]


def test_the_number_of_an_answer_is_that_of_its_column(tmp_path: Path) -> None:
    study = make_study()
    rows = [["id", "Q1", "Q2", "Q3"], ["1", "yes", "", "no"], ["2", "", "", ""]]
    path = table(tmp_path / "a.csv", rows)
    imported = import_transcripts(study, [path], text_column="Q1,Q2,Q3", unit="answer")
    assert reasons(imported) == [("2", "It has no text.")]
    row = study.transcripts.get()
    assert row.text == "Q1\nyes\n\nQ3\nno"
    cut = [(one.index, row.text[one.start : one.end]) for one in row.segments.all()]
    assert cut == [(1, "yes"), (3, "no")]


def test_corrected_roles_hold_for_later_imports(tmp_path: Path) -> None:
    study = make_study(unit=Unit.ANSWER, speaker_roles={"Dan": "participant"})
    talk = "Dan: a?\nParticipant: b\nDan: c?\nParticipant: d"
    import_transcripts(study, [table(tmp_path / "a.csv", [["id", "text"], ["1", talk]])])
    assert Segment.objects.count() == 1


def test_another_unit_is_refused_once_there_are_interviews(tmp_path: Path) -> None:
    study = make_study(slug="talks")
    path = table(tmp_path / "a.csv", [["id", "text"], ["1", TALK]])
    with pytest.raises(Problem, match="“letter” is no unit of coding"):
        import_transcripts(study, [path], unit="letter")
    import_transcripts(study, [path])
    with pytest.raises(Problem, match="In “talks” the unit of coding is “interview”"):
        import_transcripts(study, [path], unit="answer")
    assert counts(import_transcripts(study, [path], unit="interview")) == {"unchanged": 1}


def test_a_problem_of_the_file_leaves_the_study_as_it_was(tmp_path: Path) -> None:
    study = make_study()
    good = table(tmp_path / "a.csv", [["id", "text"], ["1", TALK]])
    bad = table(tmp_path / "b.csv", [["id", "code"], ["1", "hope"]])
    with pytest.raises(Problem):
        import_transcripts(study, [good, bad], unit="answer")
    study.refresh_from_db()
    assert study.unit == Unit.INTERVIEW
    assert not study.transcripts.exists()


def test_an_interrupted_import_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    rows = [["id", "language", "text"], *([f"{n}", "en", f"{TALK} {n}"] for n in range(25))]
    path = table(tmp_path / "a.csv", rows)
    monkeypatch.setattr(imports, "BATCH", 10)

    def stop(done: int, _total: int | None) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_transcripts(study, [path], advance=stop)
    assert study.transcripts.count() == 20
    assert counts(import_transcripts(study, [path])) == {"created": 5, "unchanged": 20}
    assert Segment.objects.count() == Participant.objects.count() == 25


def test_a_batch_is_stored_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    path = table(tmp_path / "a.csv", [["id", "language", "text"], ["1", "en", TALK]])

    def fail(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(Segment.objects, "bulk_create", fail)
    with pytest.raises(RuntimeError):
        import_transcripts(study, [path])
    assert not Transcript.objects.exists()
    assert not Participant.objects.exists()


def test_two_imports_of_one_file_at_once_store_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    path = table(
        tmp_path / "a.csv", [["id", "language", "text"], ["1", "en", TALK], ["2", "en", TALK]]
    )
    looks = imports._looked_up
    looked: list[bool] = []

    def look_and_be_overtaken(study: Study, batch: list[Any]) -> list[Any]:
        found = looks(study, batch)
        if not looked:
            looked.append(True)
            with transaction.atomic():
                import_transcripts(study, [path])
        return found

    monkeypatch.setattr(imports, "_looked_up", look_and_be_overtaken)
    assert counts(import_transcripts(study, [path])) == {"unchanged": 2}
    assert study.transcripts.count() == 2


def test_progress_tells_how_many_and_of_about_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    rows = [["id", "language", "text"], *([f"{n}", "en", TALK] for n in range(5))]
    steps: list[tuple[int, int | None]] = []
    import_transcripts(
        make_study(),
        [table(tmp_path / "a.csv", rows)],
        advance=lambda done, total: steps.append((done, total)),
    )
    assert [done for done, _total in steps] == [2, 4, 5, 5]
    assert steps[-1] == (5, 5)


MIXED = [
    ["id", "language", "country", "text"],
    ["1", "en", "Peru", TALK],
    ["2", "", "Mali", "Hm 12"],
    ["1", "en", "", "twice"],
    ["3", "Klingonese", "Chad", TALK],
    ["4", "", "", ""],
    ["5", "", "", "Hm 13"],
]


def in_parts(study: Study, paths: Sequence[Any], **columns: Any) -> tuple[Imported, int]:
    """Return what an import did that was broken off and taken up after every interview."""
    imported, parts = Imported(), 0
    while not imported.finished:
        kept = json.loads(json.dumps(imported.as_json()))
        so_far = Imported.of(kept, dict(imported.places))
        imported = import_transcripts(study, paths, seconds=0, so_far=so_far, **columns)
        parts += 1
    return imported, parts


def test_an_import_in_parts_is_the_same_import(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", MIXED)
    (tmp_path / "b.txt").write_bytes("Où est le café ?".encode("cp1252"))
    paths = [path, tmp_path / "b.txt"]
    whole_study, study = make_study(), make_study()
    whole = import_transcripts(whole_study, paths)
    parted, parts = in_parts(study, paths)
    assert parts > 6
    assert parted.as_json() == whole.as_json()
    shown = ("external_id", "text", "language", "language_source", "participant__attributes")
    assert list(study.transcripts.order_by("pk").values_list(*shown)) == list(
        whole_study.transcripts.order_by("pk").values_list(*shown)
    )
    assert [(one.subject, one.after) for one in study.events.all()] == [
        (one.subject, one.after) for one in whole_study.events.all()
    ]
    again, _parts = in_parts(study, paths)
    assert (counts(again), again.languages) == ({"unchanged": 5, "left_out": 2}, {})


def test_two_files_of_one_name_are_two_files(tmp_path: Path) -> None:
    study = make_study()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "talk.txt").write_text(f"{TALK} {folder}")
    imported = import_transcripts(study, [tmp_path / "a" / "talk.txt", tmp_path / "b" / "talk.txt"])
    assert counts(imported)["created"] == 1
    assert reasons(imported) == [("talk", "The same id stands in talk.txt already.")]


def test_a_look_says_what_an_import_would_do_and_stores_nothing(tmp_path: Path) -> None:
    study = make_study()
    path = table(tmp_path / "a.csv", MIXED)
    imported, first = look(study, [path], seconds=9)
    assert counts(imported) == {"created": 4, "left_out": 2}
    assert reasons(imported)[0] == ("1", "The same id stands in a.csv:2 already.")
    assert [(one.record.id, one.language, one.source) for one in first] == [
        ("1", "en", "declared"),
        ("2", "und", "unsure"),
        ("3", "en", "detected"),
        ("5", "und", "unsure"),
    ]
    assert not study.transcripts.exists()
    assert not study.events.exists()
    import_transcripts(study, [path])
    rows = [*MIXED[:3], ["3", "de", "Chad", "Other words."]]
    imported, first = look(study, [table(tmp_path / "a.csv", rows)], seconds=9)
    assert counts(imported) == {"unchanged": 2, "changed": 1}
    assert first[2].language == "de"
    assert study.transcripts.get(external_id="3").text == TALK


def test_a_look_ends_in_time(tmp_path: Path) -> None:
    rows = [["id", "text"], *([f"{n}", TALK] for n in range(900))]
    imported, first = look(make_study(), [table(tmp_path / "a.csv", rows)], seconds=0)
    assert (imported.created, imported.finished, len(first)) == (1, False, 1)


def test_the_report_is_bounded_but_counts_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MOST_ROWS", 3)
    rows = [["id", "text"], *([f"{n}", " "] for n in range(10)), ["x", TALK]]
    imported = import_transcripts(make_study(), [table(tmp_path / "a.csv", rows)])
    assert (imported.left_out, len(imported.rows)) == (10, 3)


def test_words_are_stored_as_they_are_in_every_script(tmp_path: Path) -> None:
    study = make_study()
    text = "e\u0301 ≠ é – 😀 \u200f‏المشارك‎ \u2028 \tend"
    import_transcripts(
        study, [table(tmp_path / "a.csv", [["id", "language", "text"], ["1", "ar", text]])]
    )
    row = study.transcripts.get()
    assert (row.text, row.length) == (text, len(text))


def test_memory_stays_flat_however_many_interviews_come(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    born = 0

    class Counted(Record):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            nonlocal born
            super().__init__(*arguments, **options)
            born += 1
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    most = 0

    def many(*_arguments: Any) -> Iterator[Found]:
        nonlocal most
        for number in range(2_000):
            most = max(most, len(alive))
            yield Counted("a.csv", number, number, f"{number}", "Hello.", language="en")

    monkeypatch.setattr(imports, "parse", many)
    imported = import_transcripts(make_study(), ["a.csv"])
    assert (imported.created, born) == (2_000, 2_000)
    assert most < 1_000


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    rows = [["id", "text"], ["1", TALK]]
    import_transcripts(make_study(), [table(tmp_path / "a.csv", rows)])
    assert not multiprocessing.active_children()
