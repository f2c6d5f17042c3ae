"""Every step that changes what a study relies on leaves its line in the trail."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext

from coding.runs import cancel, pause, resume, start_run
from reviews.sampling import draw_sample
from studies.audit import NAMED_BY_DATA, NAMES, record
from studies.imports import import_transcripts
from studies.models import Event, Role, Study
from studies.people import create_study
from studies.transcripts import correct_language, correct_roles
from tests.factories import make_person, make_study

pytestmark = pytest.mark.django_db

CODEBOOK = """
name: Hopes
language: en
dimensions:
  - key: hopes
    label: Hopes
    kind: many
    codes: [{key: health, label: Health, definition: Hopes for health}]
"""
INTERVIEWS = "id,language,text\n" + "".join(
    f'{number},en,"Dan: How are you, {number}?\nEva: I hope to be in good health {number}.\n'
    f'Dan: And what else?\nEva: Nothing else."\n'
    for number in range(6)
)
TRANSLATIONS = "transcript,turn,language,text\n0,2,de,Gute Gesundheit erhoffe ich mir.\n"
CODINGS = "transcript,coder,dimension,code\n0,mara,hopes,health\n1,mara,hopes,\n"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study, _created = create_study("trail", "Trail")
    (tmp_path / "interviews.csv").write_text(INTERVIEWS)
    (tmp_path / "codebook.yaml").write_text(CODEBOOK)
    (tmp_path / "codings.csv").write_text(CODINGS)
    (tmp_path / "translations.csv").write_text(TRANSLATIONS)
    import_transcripts(study, [tmp_path / "interviews.csv"])
    return study


def actions(study: Study) -> list[str]:
    return list(study.events.order_by("pk").values_list("action", flat=True))


def test_a_study_from_import_to_report(study: Study, tmp_path: Path) -> None:
    correct_language(study.transcripts.filter(external_id__in=["1", "2"]), "pt")
    correct_roles(study, {"Dan": "interviewer", "Eva": "participant"})
    call_command("import_translations", "trail", tmp_path / "translations.csv")
    call_command("import_codebook", "trail", tmp_path / "codebook.yaml")
    call_command("export_codebook", "trail", tmp_path / "codebook.qdc")
    run = start_run(study)
    pause(run)
    resume(run)
    cancel(run)
    draw_sample(study, size=3, seed=1, coders=["mara"])
    call_command("import_codings", "trail", tmp_path / "codings.csv")
    call_command("export", "trail", tmp_path / "out.csv")
    call_command("report", "trail", "--out", tmp_path / "report")
    said = actions(study)
    expected = [
        "study_made",
        "imported",
        "language_corrected",
        "roles_corrected",
        "translations_imported",
        "codebook_imported",
        "codebook_exported",
        "codebook_frozen",
        "run_started",
        "run_paused",
        "run_resumed",
        "run_canceled",
        "sample_drawn",
        "codings_imported",
        "exported",
        "report_made",
    ]
    assert [action for action in said if action in expected] == expected
    language = study.events.get(action="language_corrected")
    assert (language.before, language.after) == ({"en": 2}, {"pt": 2})
    kept = json.dumps(list(study.events.values("subject", "before", "after")))
    assert "good health" not in kept
    assert "Gesundheit" not in kept
    for event in study.events.exclude(action__in=NAMED_BY_DATA):
        assert {*(event.before or {}), *(event.after or {})} <= set(NAMES), event.action


def test_what_changes_nothing_leaves_no_line(study: Study, tmp_path: Path) -> None:
    call_command("import_codebook", "trail", tmp_path / "codebook.yaml")
    before = actions(study)
    import_transcripts(study, [tmp_path / "interviews.csv"])
    call_command("import_codebook", "trail", tmp_path / "codebook.yaml")
    correct_language(study.transcripts.none(), "pt")
    create_study("trail", "Trail")
    assert actions(study) == before


def test_what_failed_leaves_no_line(study: Study) -> None:
    before = actions(study)
    with pytest.raises(Exception, match="speaks as"):
        correct_roles(study, {"Nobody": "interviewer"})
    assert actions(study) == before


def signed_in(study: Study) -> Client:
    client = Client()
    client.force_login(make_person("ana", study, Role.LEAD))
    return client


def test_whoever_is_signed_in_is_who_did_it(study: Study) -> None:
    client = signed_in(study)
    pk = study.transcripts.earliest("pk").pk
    client.post("/studies/trail/transcripts/language/", {"transcript": [pk], "language": "de"})
    assert study.events.get(action="language_corrected").name == "ana"
    assert study.events.get(action="imported").name == ""


def test_a_lead_reads_the_trail_by_person_and_action_a_page_at_a_time() -> None:
    study = make_study("trail")
    client = signed_in(study)
    ben = make_person("ben", study)
    for number in range(60):
        record(study, ben if number % 2 else None, "ruled", f"item-{number}", {"yes": 1}, [number])
    page = client.get("/studies/trail/trail/").content.decode()
    assert "item-59<" in page
    assert "item-9<" not in page
    earlier = page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    assert "item-9<" in client.get(f"/studies/trail/trail/{earlier}").content.decode()
    only = client.get("/studies/trail/trail/", {"name": "ben", "action": "ruled"}).content.decode()
    assert "item-59<" in only
    assert "item-58<" not in only
    nobody = client.get("/studies/trail/trail/", {"name": "-"}).content.decode()
    assert "item-58<" in nobody
    assert "item-59<" not in nobody
    for odd in ("name=%00", "before=x", "before=99999999999999999999", "action=none"):
        assert client.get(f"/studies/trail/trail/?{odd}").status_code == 200


def test_names_of_ours_are_read_in_words_and_those_of_data_stay(study: Study) -> None:
    client = signed_in(study)
    record(study, None, "exported", "a.csv", after={"half_width": 0.05, "somebody’s": 1})
    record(study, None, "roles_corrected", "", {"seed": "participant"}, {"seed": "interviewer"})
    record(study, None, "sample_drawn", "1", after={"seed": 7})
    page = client.get("/studies/trail/trail/").content.decode()
    assert '<dt dir="auto">half-width of intervals</dt><dd dir="auto">0.05</dd>' in page
    assert '<dt dir="auto">somebody’s</dt>' in page
    with translation.override("ar"):
        seed = gettext("seed")
    assert seed != "seed"
    arabic = client.get("/studies/trail/trail/", headers={"accept-language": "ar"})
    assert f'<dt dir="auto">{seed}</dt><dd dir="auto">7</dd>' in arabic.content.decode()
    assert '<dt dir="auto">seed</dt><dd dir="auto">interviewer</dd>' in arabic.content.decode()


def test_whatever_was_kept_can_be_read(study: Study) -> None:
    client = signed_in(study)
    record(study, None, "sample_drawn", "1", None, {"items": 48, "strata": ["language"], "seed": 7})
    record(study, None, "ruled", "bare", 31.5, [])
    record(study, None, "ruled", "empty", {}, {"why": ""})
    record(study, None, "study_changed", "", {"evidence_required": False}, {"fictional": True})
    page = client.get("/studies/trail/trail/").content.decode()
    assert '<dt dir="auto">items</dt><dd dir="auto">48</dd>' in page
    assert '<dd dir="auto">language</dd>' in page
    assert "31.5" in page
    assert '<dt dir="auto">a yes needs evidence</dt><dd dir="auto">no</dd>' in page
    assert '<dt dir="auto">fictional</dt><dd dir="auto">yes</dd>' in page


def whole(client: Client, name: str) -> str:
    answer: Any = client.get(f"/studies/trail/{name}")
    return b"".join(answer.streaming_content).decode()


def test_the_trail_is_a_table_that_runs_nothing_and_lines_of_json() -> None:
    study = make_study("trail")
    client = signed_in(study)
    record(study, None, "ruled", "=1+1", {"a": "ä"}, None)
    record(study, None, "invited", "ben")
    table = whole(client, "trail.csv")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["subject"] for row in rows] == ["'=1+1", "ben"]
    assert json.loads(rows[0]["before"]) == {"a": "ä"}
    lines = whole(client, "trail.jsonl?action=ruled")
    [one] = [json.loads(line) for line in lines.splitlines()]
    assert (one["subject"], one["before"], one["after"]) == ("=1+1", {"a": "ä"}, None)
    assert Event.objects.count() == 2
    assert client.get("/studies/trail/trail.exe").status_code == 404
