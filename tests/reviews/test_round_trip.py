"""What Concord writes as a project, Concord reads back alike."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codebooks.imports import import_codebook
from codebooks.models import Revision
from codebooks.revisions import as_book
from coding.models import Coding, Evidence, Mark
from reviews.codings import import_codings
from reviews.exports import export
from studies.imports import import_transcripts
from studies.models import Participant, Study, Transcript, Unit
from tests.factories import (
    make_coding,
    make_person,
    make_revision,
    make_run,
    make_segment,
    make_study,
    make_transcript,
)
from tests.refi_rules import broken
from tests.reviews.test_project_files import at, make_coded_study, sources_of

pytestmark = pytest.mark.django_db


def told(study: Study) -> dict[str, Any]:
    """Everything that a project carries of the study, without keys of the database."""
    names = dict(study.memberships.values_list("person_id", "name"))
    codings = {}
    for coding in Coding.objects.filter(segment__transcript__study=study):
        who = coding.run.name if coding.run else names[coding.person_id or 0]
        marks = {
            (mark.code.key, mark.answer, mark.value): {
                (one.start, one.end, one.found, one.quote) for one in mark.evidence.all()
            }
            for mark in coding.marks.select_related("code")
        }
        place = coding.segment.transcript.external_id, coding.segment.index
        codings[*place, who] = (set(coding.dimensions), marks)
    return {
        "texts": {
            one.external_id: (one.text, one.participant.external_id)
            for one in study.transcripts.select_related("participant")
        },
        "people": {
            one.external_id: {
                name: value if isinstance(value, str) else json.dumps(value)
                for name, value in one.attributes.items()
            }
            for one in study.participants.all()
        },
        "codings": codings,
    }


def brought_back(path: Path, unit: str = Unit.INTERVIEW, *runs: str) -> Study:
    """Another study, made of nothing but the project."""
    study = make_study(unit=unit)
    import_codebook(study, path)
    import_transcripts(study, [path])
    import_codings(study, path)
    for name in runs:
        import_codings(study, path, as_run=name)
    return study


def test_a_study_comes_back_alike(tmp_path: Path) -> None:
    study = make_coded_study()
    path = tmp_path / "p.qdpx"
    export(study, path)
    before = told(study)
    again = told(brought_back(path, Unit.INTERVIEW, "machine"))
    # What is called "language" of a person gives way to the language of the interview.
    before["people"]["one"]["participant language"] = before["people"]["one"].pop("language")
    assert again["texts"] == before["texts"]
    assert again["people"] == before["people"]
    assert again["codings"] == before["codings"]
    language = Transcript.objects.filter(external_id="one").values_list("language", flat=True)
    assert list(language) == ["en", "en"]


def test_answers_come_back_alike(tmp_path: Path) -> None:
    text = "I: One?\nP: I hope so.\n\nI: Two?\nP: Never.\n"
    turns = [[11, 21, "P", "participant"], [34, 40, "P", "participant"]]
    study = make_study(unit=Unit.ANSWER)
    revision = make_revision(study, one=("for", "against"), scale=(0, 10))
    transcript = make_transcript(text, study, external_id="one", turns=turns)
    cut = [(11, 21), (34, 40)]
    first, second = (
        transcript.segments.create(index=index, start=start, end=end)
        for index, (start, end) in enumerate(cut, 1)
    )
    assert [text[start:end] for start, end in cut] == ["I hope so.", "Never."]
    mara = make_person("mara", study)
    coded = make_coding(first, revision, person=mara, codes=["hope"], values={"trust": 3})
    Evidence.objects.create(mark=coded.marks.get(code__key="hope"), **at("I hope so.", text))
    make_coding(second, revision, person=mara, codes=["against"])
    path = tmp_path / "p.qdpx"
    export(study, path)
    assert broken(sources_of(path)["project.qde"].encode()) == []
    assert told(brought_back(path, Unit.ANSWER))["codings"] == told(study)["codings"]


def test_what_was_not_decided_in_full_is_not_when_it_comes_back(tmp_path: Path) -> None:
    study = make_coded_study()
    said = Coding.objects.get(person__username="mara")
    said.dimensions = ["stance"]
    said.save()
    hope = Revision.objects.get().dimensions.get(key="topics").codes.get(key="hope")
    Mark.objects.create(coding=said, code=hope, answer="unsure")
    export(study, tmp_path / "p.qdpx")
    decided, marks = told(brought_back(tmp_path / "p.qdpx"))["codings"]["one", 1, "mara"]
    assert decided == {"stance"}
    assert {code for code, _answer, _value in marks} == {"worry", "against"}


WORDS = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff\ufeff"),
    min_size=1,
    max_size=12,
).filter(lambda words: bool(words.strip()))
NAMES = WORDS.map(lambda words: " ".join(words.split()))


@given(data=st.data())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_study_comes_back_alike(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    study = make_study()
    revision = make_revision(study, one=("for", "against"), scale=(0, 10))
    run = make_run(revision)
    people = [make_person(study=study) for _number in range(2)]
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    for name in names:
        text = draw(st.lists(WORDS, min_size=1, max_size=6).map("\n".join))
        about = draw(st.dictionaries(st.sampled_from(["age", "place"]), NAMES, max_size=2))
        segment = make_segment(text, study, external_id=name, attributes=about)
        for who in draw(st.lists(st.sampled_from([None, *people]), max_size=3, unique=True)):
            codes = draw(st.sets(st.sampled_from(["hope", "worry"])))
            stance = draw(st.sampled_from([[], ["for"], ["against"]]))
            values = draw(st.sampled_from([{}, {"trust": 0.0}, {"trust": 1 / 3}]))
            coded = make_coding(
                segment,
                revision,
                run=None if who else run,
                person=who,
                codes=[*codes, *stance],
                values=values,
            )
            coded.dimensions = draw(
                st.lists(st.sampled_from(["topics", "stance", "trust"]), unique=True, min_size=1)
            )
            # A value, one code of several and all codes there are decide a dimension by themselves.
            coded.dimensions += ["stance"] * bool(stance) + ["trust"] * bool(values)
            coded.dimensions += ["topics"] * (len(codes) == 2)
            coded.dimensions = sorted(set(coded.dimensions))
            coded.save()
            for mark in coded.marks.all():
                for _number in range(draw(st.integers(0, 2))):
                    start = draw(st.integers(0, len(text) - 1))
                    end = draw(st.integers(start + 1, len(text)))
                    found = draw(st.sampled_from(["exact", "fuzzy", "folded", "missing"]))
                    quote = "" if found == "exact" else draw(NAMES)
                    place = (None, None) if found == "missing" else (start, end)
                    if found == "missing" or text[start:end].strip():
                        Evidence.objects.create(
                            mark=mark, start=place[0], end=place[1], found=found, quote=quote
                        )
    path = tmp_path / "p.qdpx"
    export(study, path)
    assert broken(sources_of(path)["project.qde"].encode()) == []
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    again = make_study()
    import_codebook(again, path)
    assert as_book(again.codebooks.get().revisions.get()) == as_book(revision)
    import_transcripts(again, [path])
    before = told(study)
    coders = {who for _name, _index, who in before["codings"]}
    if coders - {run.name}:
        import_codings(again, path)
    if run.name in coders:
        import_codings(again, path, as_run=run.name)
    after = told(again)
    assert after["codings"] == before["codings"]
    assert {name: one[0] for name, one in after["texts"].items()} == {
        name: one[0] for name, one in before["texts"].items()
    }
    assert after["people"] == before["people"]
    assert set(
        Participant.objects.filter(study=again).values_list("external_id", flat=True)
    ) == set(names)
