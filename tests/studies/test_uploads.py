"""Files that a lead sends are kept apart, imported in parts, and forgotten."""

import io
import os
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from studies import search, uploads
from studies.files import Columns
from studies.imports import Imported
from studies.models import Role, Study, Upload
from studies.problems import Problem
from studies.uploads import choose, clear, discard, folder_of, go_on, keep, preview
from tests.factories import make_file, make_person, make_study

pytestmark = pytest.mark.django_db

TALK = "Interviewer: Why?\n\nParticipant: Because it saves me time every single week."
ROWS = "".join(f'{number},en,"{TALK} {number}"\n' for number in range(6))
TABLE = f"id,language,text\n{ROWS}"


@pytest.fixture
def study() -> Study:
    return make_study("hopes")


@pytest.fixture
def lead(study: Study) -> User:
    return make_person("ana", study, Role.LEAD)


def zipped(**files: str | bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, holds in files.items():
            archive.writestr(name.replace("__", "."), holds)
    return packed.getvalue()


def outcome(upload: Upload) -> Imported:
    upload.refresh_from_db()
    imported = uploads.imported_of(upload)
    assert imported
    return imported


def folders() -> list[str]:
    return [folder.name for folder in uploads._root().iterdir()]


def test_files_lie_under_numbers_where_nobody_else_reads(study: Study, lead: User) -> None:
    name = "../../ملف/مقابلة " + "م" * 240 + ".txt"
    upload = keep(study, lead, [make_file(name, "I hope so."), make_file("b.csv")])
    folder = folder_of(upload)
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    assert folder.stat().st_mode & 0o077 == 0
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert upload.names[0].endswith("م.txt")
    assert "/" not in upload.names[0]


@pytest.mark.parametrize(
    ("name", "holds", "why"),
    [
        ("a.pdf", b"%PDF-1.7", "of a kind that can't be read"),
        ("a", b"words", "of a kind that can't be read"),
        ("a.csv", b"", "it has no rows below its header"),
        ("a.csv", b"id,text\n", "it has no rows below its header"),
        ("a.csv", b"PK\x03\x04 and more", "holds no plain text"),
        ("a.xlsx", b"no workbook", "damaged or not what its name says"),
        ("a.zip", b"no zip", "no zip that can be read"),
        ("a.zip", zipped(), "holds no interviews"),
        ("a.zip", zipped(a__exe="x"), "of a kind that can't be read"),
        ("bomb.zip", zipped(a__txt=bytes(20 << 20)), "made to fill a disk"),
    ],
)
def test_what_can_not_be_read_gets_a_sentence_and_is_not_kept(
    study: Study, lead: User, name: str, holds: bytes, why: str
) -> None:
    before = folders() if uploads._root().is_dir() else []
    with pytest.raises(Problem, match=why) as problem:
        keep(study, lead, [make_file(name, holds)])
    assert str(uploads._root()) not in str(problem.value)
    assert folders() == before
    assert not Upload.objects.exists()


def test_a_name_that_leads_out_of_a_zip_writes_nowhere(study: Study, lead: User) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../../evil.txt", "evil")
        archive.writestr("good.txt", TALK)
    upload = keep(study, lead, [make_file("a.zip", packed.getvalue())])
    go_on(upload)
    found = outcome(upload)
    assert (found.created, found.left_out) == (1, 1)
    assert "leads out of its zip" in str(found.rows[0].reason)
    assert not list(uploads._root().parent.parent.glob("**/evil.txt"))


def test_more_than_may_be_sent_names_the_command(study: Study, lead: User, settings: Any) -> None:
    settings.CONCORD_UPLOAD_MB = 1
    for holds, name in (
        (b"id,text\n" + b"1,x\n" * 300_000, "a.csv"),
        (zipped(a__csv=b"id,text\n" + b"1,y\n" * 1_500_000, b__txt=b"yes " * 1_500_000), "a.zip"),
    ):
        with pytest.raises(Problem, match=r"manage\.py import_transcripts hopes PATH"):
            keep(study, lead, [make_file(name, holds)])
    with pytest.raises(Problem, match="at least one file"):
        keep(study, lead, [])


def test_an_import_goes_on_in_parts_and_its_files_go(study: Study, lead: User) -> None:
    upload = keep(study, lead, [make_file(holds=TABLE + "0,en,again\n7,en,\n")])
    for part in range(1, 8):
        go_on(upload, seconds=0)
        assert outcome(upload).stored == min(part, 6)
        assert upload.held_until is None
    assert folder_of(upload).exists()
    go_on(upload, seconds=9)
    found = outcome(upload)
    assert upload.finished_at
    assert not folder_of(upload).exists()
    assert (found.created, found.left_out, found.languages) == (6, 2, {"en": 6})
    [event] = study.events.all()
    assert (event.action, event.subject) == ("imported", "interviews.csv")
    assert event.after == {"created": 6, "left_out": 2}
    assert uploads.unsearchable(upload) == 6
    go_on(upload)
    assert uploads.unsearchable(upload) == 0
    assert search.matching(study.transcripts.all(), "every single week", 10)


def test_what_a_person_says_of_the_columns_holds(study: Study, lead: User) -> None:
    holds = "id,language,text,talk\nx,Python,notes,I hope that it will be well with all of us.\n"
    upload = keep(study, lead, [make_file(holds=holds)])
    assert preview(upload)[1][0].record.text == "notes"
    choose(upload, Columns(text=["talk"], attributes=["language"], exact=True))
    [first] = preview(upload)[1]
    assert (first.record.id, first.language, first.source) == ("interviews-1", "en", "detected")
    go_on(upload)
    row = study.transcripts.get()
    assert (row.external_id, row.participant.attributes) == ("interviews-1", {"language": "Python"})
    choose(upload, Columns())
    upload.refresh_from_db()
    assert upload.columns


def test_what_can_not_be_begun_is_not_begun(study: Study, lead: User) -> None:
    upload = keep(study, lead, [make_file(holds="country,talk\nPeru,I hope so.\n")])
    with pytest.raises(Problem, match="no column that looks like"):
        go_on(upload)
    upload.refresh_from_db()
    assert (upload.outcome, upload.held_until) == (None, None)


def test_while_one_imports_another_call_does_nothing(study: Study, lead: User) -> None:
    upload = keep(study, lead, [make_file(holds=TABLE)])
    Upload.objects.update(held_until=timezone.now() + timedelta(seconds=30))
    go_on(upload)
    assert not study.transcripts.exists()
    # Whoever died in the middle of it keeps it for some minutes, not for ever.
    Upload.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    go_on(upload)
    assert outcome(upload).created == 6


@pytest.mark.django_db(transaction=True)
def test_two_who_import_at_once_count_each_interview_once(study: Study, lead: User) -> None:
    upload = keep(study, lead, [make_file(holds=TABLE)])

    def parts() -> None:
        until = time.monotonic() + 60
        try:
            while time.monotonic() < until:
                mine = Upload.objects.get(pk=upload.pk)
                if mine.finished_at:
                    break
                go_on(mine, seconds=0)
        finally:
            connection.close()

    threads = [Thread(target=parts) for _each in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = outcome(upload)
    assert (found.created, found.unchanged, found.finished) == (6, 0, True)
    assert study.events.filter(action="imported").count() == 1


def test_an_import_that_died_counts_what_it_had_stored_as_unchanged(
    study: Study, lead: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = keep(study, lead, [make_file(holds=TABLE)])
    go_on(upload, seconds=0)
    with monkeypatch.context() as dying:
        dying.setattr(uploads, "_keep_places", lambda *_given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go_on(upload, seconds=0)
    go_on(upload)
    found = outcome(upload)
    assert (found.created, found.unchanged, found.left_out) == (5, 1, 0)


def test_what_is_stopped_keeps_what_it_had_and_says_so(study: Study, lead: User) -> None:
    upload = keep(study, lead, [make_file(holds=TABLE)])
    go_on(upload, seconds=0)
    discard(upload)
    assert not Upload.objects.exists()
    assert not folder_of(upload).exists()
    assert study.transcripts.count() == 1
    [event] = study.events.all()
    assert (event.name, event.after) == ("ana", {"created": 1, "left_out": 0})


def test_nothing_is_taken_away_from_under_an_import(
    study: Study, lead: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PART", 0.1)
    upload = keep(study, lead, [make_file()])
    Upload.objects.update(held_until=timezone.now() + timedelta(seconds=30))
    with pytest.raises(Problem, match="are being imported just now"):
        discard(upload)
    assert folder_of(upload).exists()


def test_what_nobody_used_for_a_day_is_forgotten(study: Study, lead: User) -> None:
    old, new = keep(study, lead, [make_file()]), keep(study, lead, [make_file()])
    Upload.objects.filter(pk=old.pk).update(used_at=timezone.now() - timedelta(days=1, minutes=1))
    stray = uploads._root() / "stray"
    stray.mkdir()
    (stray / "1").write_text("words")
    clear()
    assert {new.key, "stray"} <= set(folders())
    assert old.key not in folders()
    assert list(Upload.objects.all()) == [new]
    long_ago = time.time() - 90_000
    os.utime(stray, (long_ago, long_ago))
    os.utime(folder_of(new), (long_ago, long_ago))
    clear()
    assert "stray" not in folders()
    assert new.key in folders()


def test_a_site_without_uploads_has_nothing_to_clear(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "none"
    clear()
    assert not settings.DATA_DIR.exists()


def test_the_oldest_of_many_makes_room(study: Study, lead: User) -> None:
    kept = [keep(study, lead, [make_file()]) for _each in range(uploads.MOST + 2)]
    other = keep(study, make_person("ben", study, Role.LEAD), [make_file()])
    assert set(Upload.objects.values_list("pk", flat=True)) == {
        other.pk,
        *(one.pk for one in kept[2:]),
    }
    assert not folder_of(kept[0]).exists()


def test_what_no_database_holds_does_not_break_the_report(study: Study, lead: User) -> None:
    holds = (
        '{"id": "a\\ud800", "text": "words"}\n'
        '{"id": "b", "language": "\\ud800\\u0000x", "text": "I hope so."}\n'
        '{"id": "c", "text": "=1+1"}\n'
        '{"id": "d", "text": "x\\u0000y", "k\\ud800": "v"}\n'
    )
    upload = keep(study, lead, [make_file("a.jsonl", holds)])
    go_on(upload)
    found = outcome(upload)
    assert (found.created, found.left_out, found.noted) == (3, 1, 2)
    assert "\ufffd\ufffdx" in str(found.notes[0].reason)
    assert study.transcripts.get(external_id="c").text == "=1+1"
