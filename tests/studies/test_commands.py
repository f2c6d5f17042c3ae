"""The commands of studies, as a person types them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from studies.models import Study
from tests.factories import make_study, make_transcript

pytestmark = pytest.mark.django_db

TALK = "Dan: Why is that?\\n\\nParticipant: Because it saves me some time every single week."


def said(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def answer(*command: str) -> dict[str, Any]:
    return dict(json.loads(said(*command, "--json")))


def interviews(path: Path) -> str:
    path.write_text(
        f'{{"id": "1", "text": "{TALK}"}}\n{{"id": "1", "text": "x"}}\n{{"id": "2", "text": ""}}\n',
        encoding="utf-8",
    )
    return str(path)


def test_a_study_goes_from_nothing_to_corrected_interviews(tmp_path: Path) -> None:
    assert answer("create_study", "hopes", "--name", "Hopes")["created"] is True
    found = answer("import_transcripts", "hopes", interviews(tmp_path / "a.jsonl"))
    assert (found["unit"], found["created"], found["left_out"]) == ("interview", 1, 2)
    assert [(row["row"], row["id"], row["reason"]) for row in found["rows"]] == [
        (2, "1", "The same id stands in a.jsonl:1 already."),
        (3, "2", "It has no text."),
    ]
    roles = answer("correct_roles", "hopes", "Dan=participant")
    assert (roles["changed"], roles["speakers"][0]["role"]) == (1, "participant")
    corrected = answer("correct_language", "hopes", "German", "1")
    assert (corrected["language"], corrected["corrected"], corrected["unsure"]) == ("de", 1, 0)
    person = answer("add_person", "hopes", "ana", "--role", "lead")
    assert Client().login(username=person["username"], password=person["password"])


def test_a_person_reads_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_study("hopes")
    for command in (
        ["create_study", "fears", "--name", "Fears [bold]"],
        ["import_transcripts", "hopes", interviews(tmp_path / "a.jsonl")],
        ["correct_roles", "hopes"],
        ["correct_language", "hopes", "pt", "--from", "en"],
        ["add_person", "hopes", "ana"],
    ):
        call_command(*command)
    shown = capsys.readouterr().out
    for words in ("Fears [bold]", "left out", "It has no text.", "Dan", "Corrected: 1", "Password"):
        assert words in shown


def test_nothing_taken_is_a_failure_with_its_first_reason(tmp_path: Path) -> None:
    make_study("hopes")
    (tmp_path / "a.csv").write_text("id,text\n1,\n", encoding="utf-8")
    with pytest.raises(
        CommandError, match=r"left out, the first because: a\.csv:2: It has no text"
    ):
        said("import_transcripts", "hopes", str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    "command",
    [
        ["import_transcripts", "nowhere", "a.csv"],
        ["import_transcripts", "hopes", "nowhere.csv"],
        ["correct_roles", "hopes", "Dan"],
        ["correct_roles", "hopes", "Zoe=participant"],
        ["correct_language", "hopes", "Klingonese", "--unsure"],
        ["correct_language", "hopes", "pt"],
        ["correct_language", "hopes", "pt", "nobody"],
        ["add_person", "hopes", "ana", "--role", "boss"],
        ["create_study", "Two words", "--name", "x"],
    ],
)
def test_a_mistake_gets_one_sentence(command: list[str]) -> None:
    make_study("hopes")
    with pytest.raises(CommandError) as error:
        said(*command)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_only_the_unsure_or_those_in_another_language_are_corrected() -> None:
    study = make_study("hopes")
    make_transcript("a", study, external_id="a", language="und", language_source="unsure")
    make_transcript("b", study, external_id="b", language="gl")
    make_transcript("c", study, external_id="c", language="en")
    assert answer("correct_language", "hopes", "pt", "--unsure")["corrected"] == 1
    assert answer("correct_language", "hopes", "pt", "--from", "Galician")["corrected"] == 1
    languages = dict(study.transcripts.values_list("external_id", "language"))
    assert languages == {"a": "pt", "b": "pt", "c": "en"}


def test_the_admin_shows_texts_and_never_changes_them(admin_client: Client) -> None:
    transcript = make_transcript("the very words")
    address = f"/admin/studies/transcript/{transcript.pk}/change/"
    page = admin_client.get(address).content.decode()
    assert "the very words" in page
    assert 'name="text"' not in page
    listed = admin_client.get("/admin/studies/transcript/").content.decode()
    assert "the very words" not in listed
    assert Study.objects.count() == 1
