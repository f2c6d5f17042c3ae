"""Codings of other programs come in with their passages, their coders, and what they do not say."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from codebooks.imports import import_codebook
from coding.models import Coding, Evidence, Found, Mark, Run
from reviews.codings import Imported, import_codings
from reviews.models import Assignment
from reviews.sampling import draw_sample
from studies.imports import import_transcripts
from studies.models import Study, Unit
from studies.problems import Problem
from tests.factories import make_person, make_revision, make_segment, make_study, make_transcript
from tests.qda_projects import (
    code,
    codebook,
    coding,
    guid,
    packed,
    project,
    selection,
    source,
    sources,
    users,
)

pytestmark = pytest.mark.django_db

WORDS = "Interviewer: How?\nEva: I trust it 😀, but I’m worried about jobs.\n"
TURNS = [[13, 17, "Interviewer", "interviewer"], [23, len(WORDS), "Eva", "participant"]]
BOOK = codebook(code("attitude", code("trust", code("deep")), codable=False), code("worry"))


def marked(words: str, *given: str, text: str = WORDS, name: str | None = None) -> str:
    """A selection of `words`, of which each of `given` is a coding."""
    start = text.index(words)
    return selection(start, start + len(words), words if name is None else name, *given)


def made(folder: Path, *inner: str, origin: str = "Another 1.0") -> tuple[Study, Path]:
    """A study out of a project, whose one text is `one`, and the project itself."""
    path = written(folder, source("one", *inner), origin=origin)
    study = make_study()
    import_codebook(study, path)
    import_transcripts(study, [path])
    return study, path


def written(folder: Path, *texts: str, origin: str = "Another 1.0", words: str = WORDS) -> Path:
    xml = project(users("Ana", "LLM"), BOOK, sources(*texts), origin=origin)
    return packed(folder / "p.qdpx", xml, {"one.txt": words, "two.txt": "Nothing."})


def said(name: str) -> dict[str, set[str]]:
    """What a coder gave, each code with its passages as the text has them."""
    marks = Mark.objects.filter(coding__person__username=name, answer="yes")
    return {
        mark.code.key: {
            mark.coding.segment.transcript.text[one.start : one.end] if one.end else one.found
            for one in mark.evidence.all()
        }
        for mark in marks
    }


def reasons(imported: Imported) -> list[str]:
    return [str(one.problem) for one in imported.left_out]


def remarks(imported: Imported) -> list[str]:
    return [str(one) for one in imported.remarks]


def test_selections_become_evidence_and_users_coders(tmp_path: Path) -> None:
    study, path = made(
        tmp_path,
        marked("I trust it 😀", coding("trust", "Ana"), coding("deep", "Ana")),
        marked("I’m worried", coding("worry", "Ana")),
        marked("about jobs", coding("worry", "Ana"), name="line:6"),
        marked("trust", coding("trust", "LLM")),
        coding("worry", "LLM"),
    )
    imported = import_codings(study, path)
    assert (imported.codings, imported.marks, imported.left_out) == (2, 5, [])
    assert said("Ana") == {
        "trust": {"I trust it 😀"},
        "trust_deep": {"I trust it 😀"},
        "worry": {"I’m worried", "about jobs"},
    }
    assert said("LLM") == {"trust": {"trust"}, "worry": set()}
    assert set(Evidence.objects.values_list("found", flat=True)) == {Found.EXACT}
    again = import_codings(study, path)
    assert (again.codings, again.unchanged) == (0, 2)


def test_who_coded_a_text_looked_at_the_whole_codebook(tmp_path: Path) -> None:
    study, path = made(tmp_path, marked("worried", coding("worry", "Ana")))
    import_codings(study, path)
    assert Coding.objects.get().dimensions == ["attitude", "p"]
    assert Coding.objects.filter(person__username="LLM").count() == 0  # gave nothing: not looked at


def test_scales_stay_open_where_nobody_gave_a_value(tmp_path: Path) -> None:
    study = make_study()
    revision = make_revision(study, one=("for", "against"), scale=(0, 10))
    make_segment(WORDS, study, external_id="one", turns=TURNS)
    codes = {one.key: str(one.guid) for one in revision.dimensions.get(key="trust").codes.all()}
    hope = revision.dimensions.get(key="topics").codes.get(key="hope")

    def of(inner: str) -> Path:
        return written(tmp_path, source("one", inner))

    given = coding("hope", "Ana").replace(guid("hope"), str(hope.guid))
    import_codings(study, of(given))
    assert Coding.objects.get().dimensions == ["topics", "stance"]
    value = coding("trust", "LLM").replace(guid("trust"), codes["trust"])
    with pytest.raises(Problem, match="“trust” is a scale and the row has no value"):
        import_codings(study, of(value))


def test_positions_are_read_as_the_program_counts(tmp_path: Path) -> None:
    text = WORDS.replace("\n", "\r\n")
    path = tmp_path / "p.qdpx"

    def counted(words: str) -> str:
        start = len(text[: text.index(words)].encode("utf-16-le")) // 2 + 1
        end = start + len(words.encode("utf-16-le")) // 2
        return selection(start, end, words, coding("trust", "Ana"))

    inner = [counted(words) for words in ("How", "I trust it", "but", "worried about")]
    xml = project(users("Ana"), BOOK, sources(source("one", *inner)))
    packed(path, xml, {"one.txt": b"\xef\xbb\xbf" + text.encode()})
    study = make_study()
    import_codebook(study, path)
    import_transcripts(study, [path])
    imported = import_codings(study, path)
    assert said("Ana") == {"trust": {"How", "I trust it", "but", "worried about"}}
    assert len(remarks(imported)) == 3
    assert remarks(imported)[0] == (
        "Its positions were read so that characters beyond the first 65,536 count as two: then 4 "
        "of 4 quotations stand where they should."
    )


def test_a_text_that_differs_is_searched_for_the_words(tmp_path: Path) -> None:
    study = make_study()
    words = "A preface.\n" + WORDS
    inner = marked("I trust it", coding("trust", "Ana"))
    path = written(tmp_path, source("one.DOCX", inner, path="internal://one.txt"))
    import_codebook(study, path)
    make_segment(words, study, external_id="one")
    imported = import_codings(study, path)
    assert said("Ana") == {"trust": {"I trust it"}}
    assert Evidence.objects.get().start == words.index("I trust it")
    assert remarks(imported) == [
        "Texts that read otherwise in the study: 1; their passages were looked for by their words."
    ]


def test_a_text_that_is_shorter_here_is_searched_for_the_words(tmp_path: Path) -> None:
    study = make_study()
    inner = marked("worried about jobs", coding("trust", "Ana"))
    path = written(tmp_path, source("one", inner))
    import_codebook(study, path)
    make_segment("I am worried about jobs.", study, external_id="one")
    assert import_codings(study, path).left_out == []
    assert said("Ana") == {"trust": {"worried about jobs"}}


def test_words_that_a_text_no_longer_has_are_missing(tmp_path: Path) -> None:
    study = make_study()
    path = written(tmp_path, source("one", marked("I trust it", coding("trust", "Ana"))))
    import_codebook(study, path)
    make_segment("Entirely other words were said here.", study, external_id="one")
    import_codings(study, path)
    assert said("Ana") == {"trust": {"missing"}}


def test_a_text_is_known_again_by_its_words_where_its_name_is_new(tmp_path: Path) -> None:
    study = make_study()
    path = written(tmp_path, source("renamed", coding("trust", "Ana"), path="internal://one.txt"))
    import_codebook(study, path)
    make_segment(WORDS, study, external_id="one")
    assert import_codings(study, path).codings == 1


def test_codes_with_new_guids_are_known_by_their_names(tmp_path: Path) -> None:
    study, path = made(tmp_path)
    inner = source("one", marked("I trust it", coding("trust", "Ana"), coding("deep", "Ana")))
    xml = project(users("Ana"), BOOK, sources(inner))
    for name in ("trust", "deep"):
        xml = xml.replace(guid(name), guid(f"new {name}"))
    packed(path, xml, {"one.txt": WORDS})
    assert import_codings(study, path).left_out == []
    assert set(said("Ana")) == {"trust", "trust_deep"}


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (coding("joy", "Ana"), "The codebook has no code"),
        (selection(5, 99, "", coding("trust", "Ana")), "5 to 99 lies outside the text"),
        (selection(9, 5, "", coding("trust", "Ana")), "9 to 5 lies outside the text"),
        (coding("trust"), "The row does not say who coded it"),
    ],
)
def test_what_cannot_be_meant_leaves_that_coding_out(
    tmp_path: Path, inner: str, reason: str
) -> None:
    study, path = made(tmp_path, inner, coding("worry", "LLM"))
    imported = import_codings(study, path)
    assert reason in reasons(imported)[0]
    assert imported.codings == 1
    assert said("LLM") == {"worry": set()}


def test_a_selection_of_nothing_is_a_code_without_evidence(tmp_path: Path) -> None:
    empty = selection(5, 5, "", coding("trust", "Ana"))
    outside = selection(900, 910, "worried", coding("worry", "Ana"))  # its words say where it is
    study, path = made(tmp_path, empty, outside)
    assert import_codings(study, path).left_out == []
    assert said("Ana") == {"trust": set(), "worry": {"worried"}}


def test_an_unknown_interview_is_told(tmp_path: Path) -> None:
    study, _path = made(tmp_path)
    path = written(
        tmp_path, source("two", coding("trust", "Ana")), source("one", coding("trust", "Ana"))
    )
    assert reasons(import_codings(study, path)) == ["The study has no interview “two”."]


def test_one_users_codings_are_a_run(tmp_path: Path) -> None:
    study, path = made(tmp_path, coding("trust", "Ana"), coding("worry", "LLM"))
    imported = import_codings(study, path, as_run="LLM")
    run = Run.objects.get()
    assert (run.name, imported.codings) == ("LLM", 1)
    assert list(run.codings.get().marks.values_list("code__key", flat=True)) == ["worry"]
    with pytest.raises(Problem, match="holds codings by Ana, LLM: name one of them"):
        import_codings(study, path, as_run="somebody")
    # Now that it is known as a run, its codings are never taken for a person's.
    people = import_codings(study, path)
    assert people.coders == {"Ana"}
    assert "“LLM” is a machine and no person" in remarks(people)[0]


def test_the_only_coder_may_get_another_name_as_a_run(tmp_path: Path) -> None:
    study, path = made(tmp_path, coding("trust", "LLM"))
    import_codings(study, path, as_run="my model")
    assert Run.objects.get().name == "my model"
    assert Coding.objects.count() == 1


def test_codings_answer_the_sample(tmp_path: Path) -> None:
    study, path = made(tmp_path, coding("trust", "Ana"))
    make_person("Ana", study)
    draw_sample(study, size=1, coders=["Ana"], seed=1)
    assert import_codings(study, path).joined == 1
    assert Assignment.objects.get().coding == Coding.objects.get()


def test_a_passage_over_several_answers_counts_for_each(tmp_path: Path) -> None:
    text = "I: One?\nP: I hope so.\n\nI: Two?\nP: Never.\n"
    study = make_study(unit=Unit.ANSWER)
    turns = [[11, 21, "P", "participant"], [34, 40, "P", "participant"]]
    transcript = make_transcript(text, study, external_id="one", turns=turns)
    transcript.segments.create(index=1, start=11, end=21)
    transcript.segments.create(index=2, start=34, end=40)
    both = selection(13, 40, "", coding("trust", "Ana"))
    second = selection(34, 39, "Never", coding("worry", "Ana"))
    path = written(tmp_path, source("one", both, second, coding("worry", "LLM")), words=text)
    import_codebook(study, path)
    imported = import_codings(study, path)
    evidence = Evidence.objects.order_by("start", "end")
    assert [(text[one.start : one.end], one.mark.code.key) for one in evidence] == [
        ("hope so.", "trust"),
        ("Never", "worry"),
        ("Never.", "trust"),
    ]
    assert imported.codings == 2
    assert remarks(imported) == [
        "Codes of whole interviews were not taken, since each answer is coded for itself here: 1."
    ]


def test_what_has_no_place_here_is_told(tmp_path: Path) -> None:
    study, path = made(tmp_path, coding("trust", "Ana"))
    picture = source("d.png", coding("trust", "Ana"), path="", kind="PictureSource")
    written(tmp_path, picture, source("one", coding("trust", "Ana")))
    assert remarks(import_codings(study, path)) == [
        "It also holds what has no place in a study, and was not taken: PictureSource/Coding (1)."
    ]


def test_a_project_without_codings_gets_one_sentence(tmp_path: Path) -> None:
    study, path = made(tmp_path)
    with pytest.raises(Problem, match=r"“p\.qdpx” holds no codings of texts"):
        import_codings(study, path)
    with pytest.raises(Problem, match="can’t be opened"):
        import_codings(study, tmp_path / "none.qdpx")
    (tmp_path / "no.qdpx").write_text("no zip")
    with pytest.raises(Problem, match="is damaged or not what its name says"):
        import_codings(study, tmp_path / "no.qdpx")


def test_the_command_tells_remarks_and_what_was_left_out(tmp_path: Path) -> None:
    study, path = made(tmp_path, coding("trust", "Ana"), coding("joy", "LLM"))
    out = io.StringIO()
    call_command("import_codings", study.slug, str(path), "--json", stdout=out)
    result = json.loads(out.getvalue())
    assert (result["codings"], result["coders"], result["remarks"]) == (1, ["Ana"], [])
    assert result["left_out"][0]["coder"] == "LLM"
