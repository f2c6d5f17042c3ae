"""Codings made elsewhere come in whole, or are left out with the reason."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from codebooks.models import Revision
from coding.models import CoderKind, Coding, Evidence, Mark, Run
from reviews.codings import Imported, import_codings
from reviews.models import Assignment
from reviews.reviewing import progress
from reviews.sampling import draw_sample
from studies.models import Study
from studies.problems import Problem
from tests.factories import make_person, make_revision, make_segment, make_study

pytestmark = pytest.mark.django_db

HEADINGS = "transcript,segment,coder,dimension,code,value,start,end,quote"
WORDS = "Any hopes? 🙂 I hope it helps, and I worry about my job."
TURNS = [[0, 10, "", "interviewer"], [11, len(WORDS), "", "participant"]]
HOPE = WORDS.index("I hope"), WORDS.index("I hope") + len("I hope it helps")


def make_coded_study() -> Study:
    study = make_study()
    make_revision(study, one=("for", "against"), scale=(0, 10))
    for name in ("t1", "t2", "t3"):
        make_segment(WORDS, study, external_id=name, turns=TURNS)
    return study


def table(folder: Path, *rows: str, headings: str = HEADINGS) -> Path:
    path = folder / "codings.csv"
    path.write_text("\n".join([headings, *rows]) + "\n", encoding="utf-8")
    return path


def said(coder: str, transcript: str = "t1") -> set[tuple[str, str, float | None]]:
    marks = Mark.objects.filter(
        coding__person__username=coder, coding__segment__transcript__external_id=transcript
    )
    return set(marks.values_list("code__key", "answer", "value"))


def reasons(imported: Imported) -> list[tuple[int, str]]:
    return [(one.line, str(one.problem)) for one in imported.left_out]


def test_rows_become_codings_with_marks_values_and_evidence(tmp_path: Path) -> None:
    study = make_coded_study()
    path = table(
        tmp_path,
        f"t1,1,mara,topics,hope,,{HOPE[0]},{HOPE[1]},I hope it helps",
        "t1,1,mara,topics,worry,,,,I worry about my job",
        "t1,1,mara,trust,trust,7,,,",
        "t2,1,mara,topics,,,,,",
    )
    imported = import_codings(study, path)
    assert (imported.codings, imported.marks, imported.left_out) == (2, 3, [])
    assert said("mara") == {("hope", "yes", None), ("worry", "yes", None), ("trust", "yes", 7.0)}
    evidence = {one.mark.code.key: one for one in Evidence.objects.all()}
    assert WORDS[evidence["worry"].start : evidence["worry"].end] == "I worry about my job"
    assert (evidence["hope"].start, evidence["hope"].end, evidence["hope"].quote) == (*HOPE, "")
    assert imported.evidence["exact"] == 2
    first, second = Coding.objects.order_by("segment")
    assert first.dimensions == ["topics", "trust"]
    assert second.dimensions == ["topics"]
    assert not second.marks.exists()
    assert Revision.objects.get().frozen_at is not None


def test_a_quotation_mark_left_open_is_said_and_nothing_comes_in(tmp_path: Path) -> None:
    study = make_coded_study()
    path = table(
        tmp_path,
        "t1,1,mara,topics,hope,,,,I hope",
        't1,1,mara,topics,worry,,,,"never closed',
        "t2,1,mara,topics,hope,,,,I hope",
    )
    with pytest.raises(Problem, match=r"line 3 of “codings.csv” is never closed"):
        import_codings(study, path)
    assert not Coding.objects.exists()


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    study = make_coded_study()
    path = table(
        tmp_path,
        "t1,1,mara,topics,hope,,,,I hope",
        "t1,1,mara,topics,hope,,,,nowhere said anything of this kind",
        "t2,1,mara,trust,,3.5,,,",
    )
    import_codings(study, path)
    before = [list(model.objects.values()) for model in (Coding, Mark, Evidence)]
    again = import_codings(study, path)
    assert (again.codings, again.added, again.unchanged, again.left_out) == (0, 0, 2, [])
    assert [list(model.objects.values()) for model in (Coding, Mark, Evidence)] == before


def test_rows_may_come_in_any_order_and_in_several_files(tmp_path: Path) -> None:
    study = make_coded_study()
    import_codings(
        study,
        table(
            tmp_path,
            "t1,1,ben,topics,hope,,,,",
            "t2,1,ana,topics,,,,,",
            "t1,1,ben,topics,worry,,,,",
        ),
    )
    later = import_codings(study, table(tmp_path, "t1,1,ben,stance,for,,,,"))
    assert (later.codings, later.added) == (0, 1)
    assert {code for code, _, _ in said("ben")} == {"hope", "worry", "for"}
    assert Coding.objects.get(person__username="ben").dimensions == ["topics", "stance"]


def test_segment_and_value_columns_may_be_absent(tmp_path: Path) -> None:
    study = make_coded_study()
    path = table(tmp_path, "t1,mara,topics,hope", headings="Transcript,Coder,Dimension,Code")
    assert import_codings(study, path).codings == 1


def test_codes_and_dimensions_may_be_named_by_their_labels(tmp_path: Path) -> None:
    study = make_coded_study()
    import_codings(study, table(tmp_path, "t1,1,mara,TOPICS,Hope,,,,"))
    assert said("mara") == {("hope", "yes", None)}


def test_a_row_without_dimension_and_code_says_that_nothing_applies(tmp_path: Path) -> None:
    study = make_coded_study()
    import_codings(study, table(tmp_path, "t1,1,mara,,,,,,"))
    coding = Coding.objects.get()
    assert coding.dimensions == ["topics", "stance", "trust"]
    assert not coding.marks.exists()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("t9,1,mara,topics,hope,,,,", "no interview “t9”"),
        ("t1,2,mara,topics,hope,,,,", "no segment “2”"),
        ("t1,1,,topics,hope,,,,", "does not say who coded"),
        ("t1,1,mara,planets,hope,,,,", "no dimension “planets”; it has: topics, stance, trust"),
        ("t1,1,mara,topics,joy,,,,", "“topics” has no code “joy”"),
        ("t1,1,mara,topics,hope,1,,,", "no scale"),
        ("t1,1,mara,topics,,1,,,", "no scale"),
        ("t1,1,mara,trust,trust,11,,,", "11 is not on “trust”, which goes from 0 to 10"),
        ("t1,1,mara,trust,trust,nan,,,", "nan is not on “trust”"),
        ("t1,1,mara,trust,trust,high,,,", "“high” is no number"),
        ("t1,1,mara,trust,trust,,,,", "the row has no value"),
        ("t1,1,mara,topics,hope,,0,999,", "0 to 999 lies outside the text"),
        ("t1,1,mara,topics,hope,,20,20,", "20 to 20 lies outside the text"),
        ("t1,1,mara,topics,hope,,-1,5,", "lies outside the text"),
        ("t1,1,mara,topics,hope,,5,,", "whole numbers of characters"),
        ("t1,1,mara,topics,hope,,11,14,never said", "the text reads “🙂 I”"),
        (f"t1,1,{'m' * 151},topics,hope,,,,", "can’t be a person’s name"),
    ],
)
def test_a_mistake_leaves_its_coding_out_and_nothing_else(
    tmp_path: Path, row: str, sentence: str
) -> None:
    study = make_coded_study()
    path = table(tmp_path, "t2,1,mara,topics,worry,,,,", row, "t3,1,mara,topics,,,,,")
    imported = import_codings(study, path)
    ((line, reason),) = reasons(imported)
    assert line == 3
    assert sentence in reason
    assert imported.codings == 2
    assert not Coding.objects.filter(segment__transcript__external_id="t1").exists()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (("t1,1,mara,stance,for,,,,", "t1,1,mara,stance,against,,,,"), "takes one code"),
        (("t1,1,mara,trust,,3,,,", "t1,1,mara,trust,,4,,,"), "“mara” coded “trust” twice"),
        (("t1,1,mara,topics,hope,,,,", "t1,1,mara,topics,,,,,"), "nothing of “topics” applies"),
    ],
)
def test_a_coder_who_says_two_things_is_left_out(
    tmp_path: Path, rows: tuple[str, str], sentence: str
) -> None:
    study = make_coded_study()
    imported = import_codings(study, table(tmp_path, "t2,1,mara,topics,,,,,", *rows))
    assert sentence in reasons(imported)[0][1]
    assert Coding.objects.count() == 1


def test_every_mistake_is_told_and_one_good_row_does_not_save_a_coding(tmp_path: Path) -> None:
    study = make_coded_study()
    imported = import_codings(
        study,
        table(
            tmp_path,
            "t1,1,mara,topics,hope,,,,",
            "t1,1,mara,topics,joy,,,,",
            "t1,1,mara,planets,hope,,,,",
            "t2,1,mara,topics,hope,,,,",
        ),
    )
    assert [line for line, _reason in reasons(imported)] == [3, 4]
    assert imported.codings == 1


def test_a_coder_who_coded_before_and_differently_keeps_the_earlier_coding(tmp_path: Path) -> None:
    study = make_coded_study()
    import_codings(study, table(tmp_path, "t1,1,mara,topics,hope,,,,"))
    later = import_codings(
        study, table(tmp_path, "t1,1,mara,topics,worry,,,,", "t2,1,mara,topics,,,,,")
    )
    assert "coded “t1” before, and differently" in reasons(later)[0][1]
    assert said("mara") == {("hope", "yes", None)}


def test_a_file_of_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    study = make_coded_study()
    with pytest.raises(Problem, match=r"None of the codings.*Line 2: The study has no interview"):
        import_codings(study, table(tmp_path, "x1,1,mara,topics,hope,,,,"))
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("codings.csv", b"", "no column"),
        ("codings.csv", HEADINGS.encode() + b"\n", "no rows below its headings"),
        ("codings.csv", b"transcript,coder,dimension\nt1,mara,topics\n", "no column “code”"),
        ("codings.docx", b"PK", "no table of codings"),
        ("codings.csv", HEADINGS.encode() + b'\nt1,1,mara,topics,"' + b"x" * 4_000_001, "line"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    study = make_coded_study()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Problem, match=sentence):
        import_codings(study, tmp_path / name)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="can’t be opened"):
        import_codings(make_coded_study(), tmp_path / "none.csv")


def test_other_delimiters_encodings_and_nul_are_understood(tmp_path: Path) -> None:
    study = make_coded_study()
    make_segment("Naïve façade, très élégant, à côté", study, external_id="é1")
    path = tmp_path / "codings.csv"
    rows = f"{HEADINGS}\né1,1,mara,topics,hope,,,,très élégant\x00\n".replace(",", ";")
    path.write_bytes(rows.encode("cp1252"))
    assert import_codings(study, path).evidence["exact"] == 1
    path.write_bytes(rows.replace("mara", "ben").encode("utf-8-sig"))
    assert import_codings(study, path).codings == 1


def test_offsets_in_other_units_are_mended_by_the_quotation(tmp_path: Path) -> None:
    study = make_coded_study()
    start, end = HOPE[0] + 1, HOPE[1] + 1  # UTF-16 counts the emoji twice
    import_codings(study, table(tmp_path, f"t1,1,mara,topics,hope,,{start},{end},I hope it helps"))
    evidence = Evidence.objects.get()
    assert (evidence.start, evidence.end, evidence.found) == (*HOPE, "exact")


def test_words_of_the_interviewer_are_kept_and_marked_as_no_evidence(tmp_path: Path) -> None:
    study = make_coded_study()
    imported = import_codings(study, table(tmp_path, "t1,1,mara,topics,hope,,0,10,Any hopes?"))
    assert imported.evidence["interviewer"] == 1


def test_a_quotation_that_stands_nowhere_is_kept_and_counted(tmp_path: Path) -> None:
    study = make_coded_study()
    imported = import_codings(
        study, table(tmp_path, "t1,1,mara,topics,hope,,,,completely invented words of nobody")
    )
    assert imported.evidence["missing"] == 1
    assert Evidence.objects.get().quote == "completely invented words of nobody"


def test_codings_of_a_model_become_a_run(tmp_path: Path) -> None:
    study = make_coded_study()
    path = table(tmp_path, "t1,1,gpt,topics,hope,,,,I hope", "t2,1,gpt,topics,,,,,")
    first = import_codings(study, path, as_run="elsewhere 1")
    again = import_codings(study, path, as_run="elsewhere 1")
    run = Run.objects.get()
    assert (run.name, run.coder) == ("elsewhere 1", CoderKind.IMPORTED)
    assert (first.codings, again.codings, again.unchanged) == (2, 0, 2)
    assert Coding.objects.filter(run=run, person=None).count() == 2
    assert not User.objects.exists()
    other = import_codings(study, path, as_run="elsewhere 2")
    assert other.run != run


@pytest.mark.parametrize("name", ["", "   ", "x" * 201])
def test_a_run_without_a_name_is_not_taken_for_people(tmp_path: Path, name: str) -> None:
    study = make_coded_study()
    with pytest.raises(Problem, match="1 to 200 characters"):
        import_codings(study, table(tmp_path, "t1,1,gpt,topics,hope,,,,"), as_run=name)
    assert not Coding.objects.exists()


def test_a_file_of_which_nothing_can_be_taken_leaves_no_trace(tmp_path: Path) -> None:
    study = make_coded_study()
    Revision.objects.update(frozen_at=None)
    with pytest.raises(Problem, match="None of the codings"):
        import_codings(study, table(tmp_path, "t9,1,gpt,topics,hope,,,,"), as_run="elsewhere")
    assert not Run.objects.exists()
    assert not Revision.objects.filter(frozen_at__isnull=False).exists()


def test_codings_of_people_answer_the_current_sample(tmp_path: Path) -> None:
    study = make_coded_study()
    sample = draw_sample(study, size=2, coders=["mara", "ben"], seed=1)
    imported = import_codings(
        study,
        table(tmp_path, *(f"t{number},1,mara,topics,hope,,,," for number in (1, 2, 3))),
    )
    assert (imported.codings, imported.joined) == (3, 2)
    answered = Assignment.objects.filter(item__sample=sample, coding__isnull=False)
    assert {assignment.person.username for assignment in answered} == {"mara"}
    assert answered.count() == 2
    assert progress(sample).complete == 2
    assert Assignment.objects.get(person__username="ben").coding is None


def test_names_mean_people_of_this_study(tmp_path: Path) -> None:
    elsewhere = make_person("mara", make_study())
    study = make_coded_study()
    import_codings(study, table(tmp_path, "t1,1,mara,topics,,,,,"))
    assert Coding.objects.get().person != elsewhere


def test_a_tidy_table_says_what_does_not_apply(tmp_path: Path) -> None:
    study = make_coded_study()
    path = table(
        tmp_path,
        "t1,1,mara,topics,hope,1,",
        "t1,1,mara,topics,worry,0,",
        "t1,1,mara,stance,for,0,",
        "t1,1,mara,stance,against,1,",
        "t1,1,mara,trust,trust,1,4",
        "t2,1,mara,topics,hope,,",
        "t2,1,mara,topics,worry,0,",
        "t2,1,mara,trust,trust,0,",
        headings="transcript,segment,coder,dimension,code,applies,value",
    )
    import_codings(study, path)
    assert said("mara") == {
        ("hope", "yes", None),
        ("against", "yes", None),
        ("trust", "yes", 4.0),
    }
    assert said("mara", "t2") == {("worry", "no", None)}
    dimensions = dict(Coding.objects.values_list("segment__transcript__external_id", "dimensions"))
    assert dimensions == {"t1": ["topics", "stance", "trust"], "t2": ["trust"]}


def test_many_codings_take_few_queries(tmp_path: Path, django_assert_max_num_queries: Any) -> None:
    study = make_coded_study()
    for number in range(60):
        make_segment(WORDS, study, external_id=f"m{number}")
    path = table(tmp_path, *(f"m{number},1,mara,topics,hope,,,,I hope" for number in range(60)))
    with django_assert_max_num_queries(45):
        import_codings(study, path)


def test_the_command_tells_what_came_in(tmp_path: Path, capsys: Any) -> None:
    study = make_coded_study()
    path = table(tmp_path, "t1,1,mara,topics,hope,,,,", "t9,1,mara,topics,hope,,,,")
    call_command("import_codings", study.slug, str(path), "--json")
    told = capsys.readouterr().out
    assert '"codings": 1' in told
    assert '"new_coders": [{"name": "mara", "close": []}]' in told
    assert "no interview “t9”" in told


def test_the_command_says_which_coders_are_new(tmp_path: Path, capsys: Any) -> None:
    study = make_coded_study()
    make_person("mara", study)
    path = table(tmp_path, "t1,1,mara,topics,hope,,,,", "t1,1,marra,topics,hope,,,,")
    call_command("import_codings", study.slug, str(path))
    told = capsys.readouterr().out
    assert "New in the study, made as coders: marra." in told
    assert "Was “mara” meant by “marra”?" in told
    path = table(tmp_path, "t1,1,maraa,topics,hope,,,,")
    call_command("import_codings", study.slug, str(path), "--as-run", "model")
    assert "New in the study" not in capsys.readouterr().out


def test_the_command_says_how_quotations_were_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_coded_study()
    path = table(tmp_path, "t1,1,mara,topics,worry,,,,I worry about my job")
    call_command("import_codings", study.slug, str(path))
    assert "Quotations: word for word 1" in capsys.readouterr().out
