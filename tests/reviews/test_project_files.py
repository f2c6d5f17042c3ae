"""A study goes to other programs as a project that follows the rules of the standard."""

import io
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from lxml import etree

from codebooks.models import Code, Revision
from coding.models import Coding, Evidence, Found, Mark, Run
from reviews import project_files
from reviews.exports import export
from reviews.models import Ruling
from studies.models import Event, LanguageSource, Study, Transcript
from studies.problems import Problem
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_sample,
    make_segment,
    make_study,
)
from tests.refi_rules import broken

pytestmark = pytest.mark.django_db

TEXT = "Interviewer: Any hopes? 🙂\nEva: I hope it helps, 𠮷 and I worry about my job.\n"


def at(words: str, text: str = TEXT) -> dict[str, Any]:
    return {"start": text.index(words), "end": text.index(words) + len(words), "found": "exact"}


def make_coded_study(slug: str = "") -> Study:
    """Two interviews of two people, coded by a run and by mara."""
    study = make_study(slug, name="Hopes & <worries>")
    revision = make_revision(study, one=("for", "against"), scale=(0, 10))
    turns = [[0, 25, "Interviewer", "interviewer"], [31, len(TEXT), "Eva", "participant"]]
    about = {"age": 34, "zip": "00123", "share": "1.50", "country": "Chile", "language": ["es"]}
    first = make_segment(TEXT, study, external_id="one", attributes=about, turns=turns)
    second = make_segment("Nothing.", study, external_id="=2 <b>", attributes={"age": "x"})
    Transcript.objects.filter(external_id="=2 <b>").update(language_source=LanguageSource.UNSURE)
    run = make_run(revision, name="machine", model="some-model", prompt_digest="d" * 64)
    coded = make_coding(first, revision, run=run, codes=["hope", "for"], values={"trust": 7.5})
    hope = coded.marks.get(code__key="hope")
    Mark.objects.filter(pk=hope.pk).update(confidence=0.75, rationale="Says so.\nQUOTE: twice")
    Evidence.objects.create(mark=hope, **at("I hope it helps"))
    Evidence.objects.create(mark=hope, **{**at("𠮷 and I"), "found": "fuzzy"}, quote="and me")
    stance = coded.marks.get(code__key="for")
    Evidence.objects.create(mark=stance, found=Found.MISSING, quote="nobody said this at all")
    make_coding(second, revision, run=run)
    mara = make_person("mara", study)
    said = make_coding(first, revision, person=mara, codes=["worry", "against"])
    worry = said.marks.get(code__key="worry")
    Evidence.objects.create(mark=worry, **at("I worry about my job"))
    return study


def sources_of(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def root_of(path: Path) -> Any:
    return etree.fromstring(sources_of(path)["project.qde"].encode())


def test_what_is_written_follows_the_rules_of_the_standard(tmp_path: Path) -> None:
    written = export(make_coded_study(), tmp_path / "p.qdpx")
    assert written == {"interviews": 2, "segments": 2, "codings": 6, "losses": []}
    files = sources_of(tmp_path / "p.qdpx")
    assert broken(files.pop("project.qde").encode()) == []
    assert sorted(files.values()) == sorted([TEXT, "Nothing."])
    assert all(name.startswith("sources/") and name.endswith(".txt") for name in files)
    root = root_of(tmp_path / "p.qdpx")
    paths = {
        one.get("plainTextPath").replace("internal://", "sources/")
        for one in root.iter("{*}TextSource")
    }
    assert paths == set(files)


def test_guids_name_one_thing_each_and_lead_somewhere(tmp_path: Path) -> None:
    study = make_coded_study()
    export(study, tmp_path / "p.qdpx")
    root = root_of(tmp_path / "p.qdpx")
    guids = [one.get("guid") for one in root.iter() if one.get("guid")]
    assert len(set(guids)) == len(guids)
    for name in ("targetGUID", "creatingUser"):
        assert {one.get(name) for one in root.iter() if one.get(name)} <= set(guids)
    codes = {str(guid) for guid in Code.objects.values_list("guid", flat=True)}
    assert {one.get("targetGUID") for one in root.iter("{*}CodeRef")} <= codes
    for coding in root.iter("{*}Coding", "{*}PlainTextSelection"):
        assert coding.get("creatingUser")
        assert coding.get("creationDateTime")


def test_positions_count_code_points_and_names_are_the_words(tmp_path: Path) -> None:
    export(make_coded_study(), tmp_path / "p.qdpx")
    root = root_of(tmp_path / "p.qdpx")
    source = next(root.iter("{*}TextSource"))
    passages = {
        TEXT[int(one.get("startPosition")) : int(one.get("endPosition"))]: one
        for one in source.iter("{*}PlainTextSelection")
    }
    assert "I hope it helps" in passages
    assert "𠮷 and I" in passages
    assert all(one.get("name") == " ".join(words.split()) for words, one in passages.items())
    memo = passages["I hope it helps"].findtext("{*}Description")
    assert memo == "CONFIDENCE: 0.75\nRATIONALE: Says so.\n> QUOTE: twice"
    assert (
        passages["𠮷 and I"]
        .findtext("{*}Description")
        .startswith("EVIDENCE: fuzzy\nQUOTE: and me\n")
    )
    whole = [one.find("{*}CodeRef") for one in source.findall("{*}Coding")]
    (against,) = whole
    assert against.get("targetGUID") == str(Code.objects.get(key="against").guid)


def test_people_runs_participants_and_variables_are_in_it(tmp_path: Path) -> None:
    study = make_coded_study()
    export(study, tmp_path / "p.qdpx")
    root = root_of(tmp_path / "p.qdpx")
    users = {one.get("name"): one.get("id") for one in root.iter("{*}User")}
    assert users["mara"] is None
    assert users["machine"].startswith("run;model:some-model;prompt:dddd")
    kinds = {one.get("name"): one.get("typeOfVariable") for one in root.iter("{*}Variable")}
    assert kinds == {
        **dict.fromkeys(("language", "age", "zip", "country", "participant language"), "Text"),
        "share": "Float",
    }
    first, second = root.iter("{*}Case")
    assert (first.get("name"), second.get("name")) == ("one", "=2 <b>")
    assert [one.text for one in first.iter("{*}TextValue", "{*}FloatValue")] == [
        *("34", "Chile", '["es"]', "1.50", "00123"),
    ]
    one, two = root.iter("{*}TextSource")
    assert one.findtext("{*}Description") == (
        "CODED: mara: topics, stance, trust\nCODED: machine: topics, stance, trust"
    )
    assert next(value.text for value in one.iter("{*}TextValue")) == "en"
    assert [value.text for value in two.iter("{*}TextValue")] == ["x"]


def test_the_same_study_gives_the_same_bytes(tmp_path: Path) -> None:
    study = make_coded_study()
    for name in ("a.qdpx", "b.qdpx"):
        export(study, tmp_path / name)
    assert (tmp_path / "a.qdpx").read_bytes() == (tmp_path / "b.qdpx").read_bytes()


def test_what_the_form_cannot_hold_is_counted(tmp_path: Path) -> None:
    study = make_coded_study()
    revision = Revision.objects.get()
    said = Coding.objects.get(person__username="mara")
    said.dimensions = ["stance"]
    said.note, said.confidence = "Hm.", 2
    said.save()
    hope = Code.objects.get(key="hope")
    Mark.objects.create(coding=said, code=hope, answer="unsure")
    Mark.objects.filter(coding=said, code__key="worry").update(answer="no")
    Mark.objects.filter(coding=said, code__key="against").update(rationale="Because.")
    run = Run.objects.get()
    sample = make_sample(run, [said.segment])
    assert said.person
    Ruling.objects.create(item=sample.items.get(), code=hope, applies=True, by=said.person)
    make_run(revision, name="again", replicate=1, replicate_of=run)
    losses = export(study, tmp_path / "p.qdpx")["losses"]
    assert [str(loss) for loss in losses] == [
        "Answers “unsure” are not in it: 1.",
        "That a code does not apply is not in it where its dimension is not decided in full: 1.",
        "Reasons and confidence of codes that were given without a passage are not in it: 1.",
        "Notes and confidence of whole answers are not in it: 1.",
        "Rulings are not in it: 1.",
    ]


def test_names_of_runs_and_people_are_told_apart(tmp_path: Path) -> None:
    study = make_coded_study()
    revision = Revision.objects.get()
    run = make_run(revision, name="mara")
    make_coding(study.transcripts.get(external_id="one").segments.get(), revision, run=run)
    export(study, tmp_path / "p.qdpx")
    users = [one.get("name") for one in root_of(tmp_path / "p.qdpx").iter("{*}User")]
    assert users == ["mara", "machine", f"mara (run {run.pk})"]


def test_a_study_with_nothing_but_a_codebook_makes_no_empty_lists(tmp_path: Path) -> None:
    study = make_study()
    make_revision(study)
    written = export(study, tmp_path / "p.qdpx")
    assert (written["interviews"], written["codings"]) == (0, 0)
    assert broken(sources_of(tmp_path / "p.qdpx")["project.qde"].encode()) == []
    with pytest.raises(Problem, match="has no codebook yet"):
        export(make_study(), tmp_path / "q.qdpx")
    assert not (tmp_path / "q.qdpx").exists()


def test_memory_stays_flat_however_many_interviews_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_files, "BATCH", 10)
    study = make_study()
    revision = make_revision(study)
    run = make_run(revision)
    text = "I hope so. " * 300

    def grown(count: int) -> int:
        for _number in range(count):
            coded = make_coding(make_segment(text, study), revision, run=run, codes=["hope"])
            Evidence.objects.create(mark=coded.marks.get(), start=0, end=10, found="exact")
        tracemalloc.start()
        export(study, tmp_path / "p.qdpx")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    grown(10)  # what is imported once
    few, many = grown(30), grown(160)
    assert many < 1.5 * few


def test_the_command_writes_a_project_and_the_trail_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_coded_study("s")
    out = io.StringIO()
    call_command("export", "s", str(tmp_path / "p.qdpx"), "--json", stdout=out)
    result = json.loads(out.getvalue())
    assert (result["interviews"], result["codings"], result["losses"]) == (2, 6, [])
    call_command("export", "s", str(tmp_path / "p.qdpx"))
    assert "Interviews: 2, codings: 6; they are written to" in capsys.readouterr().out
    event = Event.objects.filter(action="exported").last()
    assert event is not None
    assert event.after == {"interviews": 2, "segments": 2, "codings": 6}
