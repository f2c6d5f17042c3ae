"""Translations beside interviews: kept by turn, chosen for a reader, brought in from tables."""

import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import CommandError, call_command

from studies.imports import import_transcripts
from studies.models import Study, Transcript, Translation
from studies.transcripts import correct_roles
from studies.translation_imports import import_translations
from studies.translations import keep, languages_of, translation_of, words_of
from tests.factories import make_segment, make_study, make_transcript

pytestmark = pytest.mark.django_db

ASKED, SAID = "¿Qué espera usted?", "Espero la lluvia."
SECOND = len(ASKED) + 1
TURNS = [
    [0, len(ASKED), "P", "interviewer"],
    [SECOND, SECOND + len(SAID), "R", "participant"],
]


def talk(study: Study, name: str, **fields: Any) -> Transcript:
    return make_transcript(
        f"{ASKED}\n{SAID}",
        study,
        **{"external_id": name, "language": "es", "turns": TURNS, **fields},
    )


@pytest.fixture
def study() -> Study:
    study = make_study("rain")
    for name in ("a", "b"):
        talk(study, name)
    make_transcript("Nataka mvua.", study, external_id="one", language="sw")
    make_transcript("I want rain.", study, external_id="en")
    return study


def table(folder: Path, *rows: str, head: str = "transcript,turn,language,text") -> Path:
    path = folder / "translations.csv"
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    return path


def said(*command: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command(*command, "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


# ---- which one a reader is shown ------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "there", "read", "shown"),
    [
        ("es", ["en"], ["en"], "en"),
        ("es", ["de", "en"], ["en", "de"], "en"),
        ("es", ["de", "en"], ["ar"], "en"),
        ("es", ["de", "pt"], [], "de"),
        ("es", [], ["en"], None),
        ("es", ["en"], ["es"], None),
        ("es", ["en"], ["en", "es"], None),
        ("es", ["en"], ["es-MX"], None),
        ("es", ["de", "pt"], ["pt-BR"], "pt"),
        ("es", ["de", "pt"], ["pt-br"], "pt"),
        ("es", ["zh-Hans", "zh-Hant"], ["zh-Hant"], "zh-Hant"),
        ("es", ["zh-Hans", "zh-Hant"], ["zh-hant"], "zh-Hant"),
        ("es", ["zh-Hans", "zh-Hant"], ["zh-TW"], "zh-Hant"),
        ("es", ["en", "zh-Hans"], ["zh-Hant"], "zh-Hans"),
        ("es", ["en", "zh", "zh-Hans"], ["zh-Hant"], "zh"),
        ("es", ["en", "zh-Hans", "zh-Hant"], ["zh"], "zh-Hans"),
        ("es", ["en", "sr-Latn"], ["sr"], "sr-Latn"),
        ("zh-Hant", ["en"], ["zh"], None),
        ("zh-Hans", ["en"], ["zh-Hant", "en"], None),
        ("zh-Hans", ["en", "zh-Hant"], ["zh-Hant"], "zh-Hant"),
        ("zh-Hans", ["en", "zh-Hant"], ["zh-Hant", "zh-Hans"], None),
        ("pt", ["en"], ["pt-BR"], None),
        ("und", ["en"], ["fr"], "en"),
    ],
)
def test_a_reader_is_shown_the_language_they_read_best(
    own: str, there: list[str], read: list[str], shown: str | None
) -> None:
    transcript = make_transcript("…", language=own)
    for language in there:
        keep(transcript, language, {0: language}, maker="m", machine=True)
    assert languages_of(transcript) == there
    found = translation_of(transcript, read)
    assert (found and found.language) == shown


def test_an_interview_has_one_translation_into_a_language_and_the_last_one_stays(
    study: Study,
) -> None:
    transcript = study.transcripts.get(external_id="a")
    keep(transcript, "en", {0: "What?", SECOND: "Rain."}, maker="one", machine=True)
    again = keep(transcript, "en", {SECOND: "The rain."}, maker="ana", machine=False)
    assert Translation.objects.get() == again
    assert words_of(again) == {SECOND: "The rain."}
    assert (again.maker, again.machine) == ("ana", False)


def test_deleted_interviews_take_their_translations_with_them(study: Study) -> None:
    transcript = study.transcripts.get(external_id="a")
    keep(transcript, "en", {0: "What?"}, maker="m", machine=True)
    transcript.delete()
    assert not Translation.objects.exists()


def test_who_speaks_is_corrected_and_turns_are_cut_anew_and_words_stay_with_their_starts(
    study: Study,
) -> None:
    transcript = study.transcripts.get(external_id="a")
    kept = keep(transcript, "en", {0: "What?", SECOND: "Rain."}, maker="m", machine=True)
    correct_roles(study, {"P": "participant"})
    kept.refresh_from_db()
    assert words_of(kept) == {0: "What?", SECOND: "Rain."}
    middle = SECOND + 7
    transcript.turns = [TURNS[0], [SECOND, middle, "R", "participant"], [middle, *TURNS[1][1:]]]
    transcript.save()
    words = words_of(translation_of(transcript, ["en"]) or kept)
    assert [words.get(turn[0]) for turn in transcript.turns] == ["What?", "Rain.", None]


def test_a_text_that_is_replaced_loses_what_was_said_of_the_old_one(tmp_path: Path) -> None:
    study = make_study()
    path = tmp_path / "a.csv"
    path.write_text("id,language,text\n1,es,Espero la lluvia.\n2,es,Nada.\n", encoding="utf-8")
    import_transcripts(study, [path])
    for transcript in study.transcripts.all():
        keep(transcript, "en", {0: "…"}, maker="m", machine=True)
    path.write_text("id,language,text\n1,es,Espero el sol.\n2,es,Nada.\n", encoding="utf-8")
    import_transcripts(study, [path])
    assert [one.transcript.external_id for one in Translation.objects.all()] == ["2"]


# ---- from a table ---------------------------------------------------------------------------


def test_a_table_of_turns_becomes_translations_and_again_changes_nothing(
    study: Study, tmp_path: Path
) -> None:
    # In any order: the rows of an interview need not stand together.
    path = table(tmp_path, "b,2,en,Rain.", "a,1,English,What?", "one,,en,I want rain.", "a,2,en,R")
    found = said("import_translations", "rain", str(path), "--maker", "A machine")
    assert (found["created"], found["turns"], found["left_out"]) == (3, 4, 0)
    kept = Translation.objects.get(transcript__external_id="a")
    assert words_of(kept) == {0: "What?", SECOND: "R"}
    assert (kept.maker, kept.machine, kept.language) == ("A machine", True, "en")
    made = kept.made_at
    again = said("import_translations", "rain", str(path), "--maker", "A machine")
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 3)
    kept.refresh_from_db()
    assert kept.made_at == made
    events = list(study.events.values_list("action", "subject", "after"))
    counts = {"translated": 3, "translated_anew": 0, "left_out": 0}
    said_of_it = {**counts, "languages": ["en"], "maker": "A machine"}
    assert events == [("translations_imported", path.name, said_of_it)]


def test_every_row_that_is_left_out_is_told_with_its_line_and_why(
    study: Study, tmp_path: Path
) -> None:
    path = table(
        tmp_path,
        "a,1,en,What?",
        "x,1,en,Who?",
        "a,3,en,More?",
        "a,2,en, ",
        "a,2,Klingonese,Rain.",
        "a,1,en,Which?",
        "a,,en,All of it",
        "a,two,en,Rain.",
        "a,0,en,Rain.",
        "en,1,en,I want rain.",
        ",1,en,Who?",
        "a,2,en,Rain.,more,and more",
    )
    found = said("import_translations", "rain", str(path))
    assert (found["rows"], found["created"], found["turns"]) == (12, 1, 1)
    assert [(one["line"], one["reason"]) for one in found["reasons"]] == [
        (3, "The study has no interview “x”."),
        (4, "The interview “a” has no turn 3: it has 2."),
        (5, "It has no text."),
        (6, "“Klingonese” is no known language: give its code, such as “pt”."),
        (7, "The turn 1 stands in an earlier row already."),
        (8, "The interview has 2 turns: say of which one the text is."),
        (9, "“two” is no number of a turn."),
        (10, "“0” is no number of a turn."),
        (11, "The interview itself is in this language (en)."),
        (12, "The row does not say of which interview it is."),
        (
            13,
            "Row 13 of “translations.csv” has 6 cells where the header has 4; put text that holds "
            "a separator between quotation marks.",
        ),
    ]
    assert found["left_out"] == 11
    assert words_of(Translation.objects.get()) == {0: "What?"}
    call_command("import_translations", "rain", str(path))


def test_nothing_to_take_is_a_failure_with_its_first_reason(study: Study, tmp_path: Path) -> None:
    path = table(tmp_path, "x,1,en,Who?", "y,1,en,Who?")
    with pytest.raises(CommandError, match=r"rows left out: 2.*Line 2: .*no interview “x”"):
        said("import_translations", "rain", str(path))
    path = table(tmp_path, "a,Who?", head="transcript,text")
    with pytest.raises(CommandError, match="has no column “language”"):
        said("import_translations", "rain", str(path))
    (tmp_path / "a.txt").write_text("Who?")
    with pytest.raises(CommandError, match=r"“a\.txt” is no table"):
        said("import_translations", "rain", str(tmp_path / "a.txt"))
    with pytest.raises(CommandError, match="is never closed"):
        said("import_translations", "rain", str(table(tmp_path, 'a,1,en,"Who?')))
    assert not study.events.exists()


def test_a_machine_never_takes_the_place_of_people(study: Study, tmp_path: Path) -> None:
    by_people = table(tmp_path, "a,1,en,What do you hope for?", "a,2,en,Rain.")
    found = said("import_translations", "rain", str(by_people), "--by-people", "--maker", "ana")
    assert found["created"] == 1
    assert Translation.objects.get().machine is False
    by_machine = table(tmp_path, "a,1,en,What?", "b,1,en,What?")
    found = said("import_translations", "rain", str(by_machine))
    assert (found["created"], found["changed"], found["left_out"]) == (1, 0, 1)
    assert "People have translated it already" in found["reasons"][0]["reason"]
    kept = Translation.objects.get(transcript__external_id="a")
    assert words_of(kept)[0] == "What do you hope for?"
    assert Translation.objects.get(transcript__external_id="b").maker == "translations.csv"


@pytest.mark.parametrize("kind", ["tsv", "xlsx", "jsonl", "cp1252"])
def test_tables_of_every_kind_and_encoding(study: Study, tmp_path: Path, kind: str) -> None:
    head, row = ["transcript", "turn", "language", "text"], ["a", "2", "fr", "J’espère la pluie."]
    path = tmp_path / f"translations.{'csv' if kind == 'cp1252' else kind}"
    if kind == "xlsx":
        book = openpyxl.Workbook()
        sheet: Any = book.active
        sheet.append(head)
        sheet.append(["a", 2, "fr", row[3]])
        book.save(path)
    elif kind == "jsonl":
        line = {"transcript": "a", "turn": 2, "language": "fr", "text": row[3]}
        path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    else:
        sign = "\t" if kind == "tsv" else ";"
        encoding = "cp1252" if kind == "cp1252" else "utf-16"
        path.write_text("\n".join(sign.join(cells) for cells in (head, row)), encoding=encoding)
    imported = import_translations(study, path)
    assert imported.created == 1
    assert words_of(Translation.objects.get()) == {SECOND: "J’espère la pluie."}
    assert bool(imported.remarks) is (kind == "cp1252")


def test_the_texts_are_not_read_however_many_interviews_there_are(
    study: Study, tmp_path: Path, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        make_segment("Nada.", study, external_id=f"n{number}", language="es")
    path = table(tmp_path, *(f"n{number},1,en,Nothing." for number in range(30)))
    import_translations(study, path)
    with django_assert_max_num_queries(1 + 30 * 4 + 1) as asked:
        import_translations(study, path)
    assert not [
        one for one in asked.captured_queries if '"studies_transcript"."text"' in one["sql"]
    ]
