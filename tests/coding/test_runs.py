from pathlib import Path

import pytest

from codebooks.models import Wording
from coding.coders import embedded
from coding.coders.embedded import EmbeddedCoder
from coding.ledger import maybe_billed
from coding.models import Run, Work
from coding.runs import coder_for, guide, progress, reviewed, start_run
from studies.problems import Problem
from tests.factories import make_coding, make_person, make_revision, make_segment, make_study


@pytest.mark.django_db
def test_starting_freezes_the_codebook_and_makes_the_work() -> None:
    study = make_study()
    revision = make_revision(study)
    make_segment("Hello.", study)
    run = start_run(study)
    revision.refresh_from_db()
    assert revision.frozen_at is not None
    assert run.coder == "embedded"
    assert "0.2" in run.model
    assert Work.objects.filter(run=run).count() == 1


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")


@pytest.mark.django_db
def test_without_a_key_no_empty_run_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    study = make_study()
    make_revision(study)
    make_segment("Hello.", study)
    with pytest.raises(Problem, match="no key for Claude"):
        start_run(study, "claude")
    assert not Run.objects.exists()


@pytest.mark.django_db
def test_the_same_again_is_the_same_run_and_another_codebook_another() -> None:
    study = make_study()
    make_revision(study)
    make_segment("Hello.", study)
    first = start_run(study)
    assert start_run(study) == first
    make_revision(study, many=["joy"])
    assert start_run(study) != first
    assert start_run(study, "claude") != start_run(study, "claude", model="claude-opus-5-5")
    assert Run.objects.filter(study=study).count() == 4


@pytest.mark.django_db
def test_what_cannot_be_started_says_what_to_do() -> None:
    study = make_study("empty")
    make_revision(study)
    with pytest.raises(Problem, match="“empty” has no interviews to code: import some first"):
        start_run(study)
    make_segment("Hello.", study)
    with pytest.raises(Problem, match="no price for the model “gpt”"):
        start_run(study, "claude", model="gpt")
    with pytest.raises(Problem, match="no coder called “gpt”"):
        start_run(study, "gpt")


@pytest.mark.django_db
def test_a_run_made_elsewhere_cannot_be_gone_on_with() -> None:
    study = make_study()
    run = Run.objects.create(
        study=study, revision=make_revision(study), coder="imported", name="theirs", model="x"
    )
    with pytest.raises(Problem, match="“theirs” was coded elsewhere"):
        coder_for(run)


@pytest.mark.django_db
def test_the_guide_says_what_the_codebook_says() -> None:
    revision = make_revision(many=["hope", "worry"], one=["for", "against"], scale=(0, 100))
    code = revision.dimensions.get(key="topics").codes.get(key="hope")
    code.examples = [{"text": "It will be fine.", "language": "en"}]
    code.definition = "Looks forward."
    code.save()
    code.wordings.create(language="de", texts={"label": "Hoffnung"})
    words = guide(revision)
    assert [(d.key, d.kind) for d in words.dimensions] == [
        ("topics", "many"),
        ("stance", "one"),
        ("trust", "scale"),
    ]
    hope = words.dimensions[0].codes[0]
    assert hope.examples == ("It will be fine.",)
    assert hope.wordings == {"de": {"label": "Hoffnung"}}
    assert words.dimensions[2].maximum == 100


@pytest.mark.django_db
def test_the_embedded_coder_is_given_what_people_decided() -> None:
    study = make_study()
    revision = make_revision(study, scale=(0, 10))
    people = [make_person(study=study) for _ in range(3)]
    segments = [make_segment(f"Text {n}.", study) for n in range(101)]
    for number, segment in enumerate(segments):
        make_coding(segment, revision, person=people[0], codes=["hope"], values={"trust": 4.0})
        if number == 0:
            make_coding(segment, revision, person=people[1], values={"trust": 8.0})
            make_coding(segment, revision, person=people[2])
    make_coding(make_segment("Hindi.", study, language="hi"), revision, person=people[0])
    found = reviewed(revision, 2_000)
    assert len(found) == 101
    assert found[0].codes["topics"] == frozenset()  # one of three is less than half
    assert found[0].values == {"trust": 6.0}
    assert found[1].codes["topics"] == {"hope"}
    run = start_run(study)
    assert run.parameters["learned_from"] == 100
    assert start_run(study) == run


@pytest.mark.django_db
def test_a_run_keeps_what_was_common_to_the_study_when_it_began() -> None:
    study = make_study()
    make_revision(study)
    for number in range(35):
        make_segment(f"We baked {number} loaves of bread today.", study)
    run = start_run(study)
    first = coder_for(run)
    assert isinstance(first, EmbeddedCoder)
    assert first.background.center.any()
    for number in range(35):
        make_segment(f"The train was {number} minutes late.", study)
    again = start_run(study)
    assert again == run
    second = coder_for(again)
    assert isinstance(second, EmbeddedCoder)
    assert second.background.usual == first.background.usual


@pytest.mark.django_db
def test_progress_of_a_fresh_run_is_all_waiting() -> None:
    study = make_study()
    make_revision(study)
    make_segment("Hello.", study)
    run = start_run(study)
    stands = progress(run)
    assert stands["segments"] == {
        "total": 1,
        "ended": 0,
        "pending": 1,
        "leased": 0,
        "done": 0,
        "refused": 0,
        "failed": 0,
        "canceled": 0,
    }
    assert stands["cost"] == 0
    assert stands["cache_hits"] is None
    assert not stands["finished"]
    assert not maybe_billed(run)


@pytest.mark.django_db
def test_the_digest_does_not_hang_on_the_order_in_which_a_database_keeps_wordings() -> None:
    revision = make_revision(many=["hope"])
    wording = Wording.objects.create(
        code=revision.dimensions.get().codes.get(),
        language="de",
        texts={"label": "Hoffnung", "definition": "Es wird gehofft."},
    )
    before = embedded.digest(guide(revision))
    wording.texts = dict(reversed(wording.texts.items()))
    wording.save()
    assert embedded.digest(guide(revision)) == before
