"""What people correct holds, and is not cut from under a coding."""

import pytest

from studies.models import Segment, Study, Unit
from studies.problems import Problem
from studies.transcripts import correct_language, correct_roles, speakers
from studies.turns import answers
from tests.factories import make_coding, make_revision, make_run, make_study, make_transcript

pytestmark = pytest.mark.django_db

TALK = "Dan: aa\nEve: bb\nDan: cc\nEve: dd"
TURNS = [
    [5, 7, "Dan", "participant"],
    [13, 15, "Eve", "interviewer"],
    [21, 23, "Dan", "participant"],
    [29, 31, "Eve", "interviewer"],
]


def make_talks(unit: Unit = Unit.INTERVIEW, count: int = 2) -> Study:
    study = make_study(unit=unit)
    for _ in range(count):
        transcript = make_transcript(TALK, study, turns=TURNS)
        ranges = answers(TURNS) if unit == Unit.ANSWER else [(0, len(TALK))]
        for index, (start, end) in enumerate(ranges, 1):
            Segment.objects.create(transcript=transcript, index=index, start=start, end=end)
    return study


def test_a_language_is_corrected_one_by_one_or_for_many_and_once() -> None:
    study = make_talks(count=3)
    first = study.transcripts.order_by("pk")[:1]
    assert correct_language(study.transcripts.filter(pk__in=first), "Portuguese") == 1
    assert correct_language(study.transcripts.all(), "pt") == 2
    assert correct_language(study.transcripts.all(), "pt-BR") == 0
    rows = set(study.transcripts.values_list("language", "language_source"))
    assert rows == {("pt", "corrected")}


def test_a_declared_language_may_be_confirmed_by_a_person() -> None:
    study = make_talks(count=1)
    assert correct_language(study.transcripts.all(), "en") == 1
    assert study.transcripts.get().language_source == "corrected"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(Problem, match="“Klingonese” is no known language"):
        correct_language(make_talks().transcripts.all(), "Klingonese")


def test_speakers_are_counted_with_their_roles() -> None:
    study = make_talks()
    make_transcript("Eve: x", study, turns=[[5, 6, "Eve", "participant"]])
    assert speakers(study) == [
        {"label": "Eve", "role": "interviewer", "mixed": True, "interviews": 3, "turns": 5},
        {"label": "Dan", "role": "participant", "mixed": False, "interviews": 2, "turns": 4},
    ]


def test_roles_are_corrected_for_the_whole_study_and_once() -> None:
    study = make_talks()
    assert correct_roles(study, {"dan": "interviewer", "Eve": "participant"}) == 2
    assert correct_roles(study, {"Dan": "interviewer", "Eve": "participant"}) == 0
    study.refresh_from_db()
    assert study.speaker_roles == {"Dan": "interviewer", "Eve": "participant"}
    assert {row["label"]: row["role"] for row in speakers(study)} == {
        "Dan": "interviewer",
        "Eve": "participant",
    }


def test_answers_are_cut_anew_where_roles_change() -> None:
    study = make_talks(Unit.ANSWER)
    correct_roles(study, {"Dan": "interviewer", "Eve": "participant"})
    cut = Segment.objects.order_by("transcript", "index").values_list("index", "start", "end")
    assert list(cut) == [(1, 13, 15), (2, 29, 31)] * 2


def test_answers_that_are_coded_keep_their_place() -> None:
    study = make_talks(Unit.ANSWER)
    revision = make_revision(study)
    coded = Segment.objects.order_by("pk").last()
    assert coded is not None
    make_coding(coded, revision, run=make_run(revision))
    before = list(Segment.objects.order_by("pk").values())
    with pytest.raises(Problem, match="Answers of 1 interviews are already coded"):
        correct_roles(study, {"Dan": "interviewer"})
    study.refresh_from_db()
    assert study.speaker_roles == {}
    assert list(Segment.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("roles", "why"),
    [
        ({"Zoe": "participant"}, "Nobody in .* speaks as “Zoe”; the speakers are Dan, Eve"),
        ({"Dan": "boss"}, "“boss” is no role of a speaker"),
    ],
)
def test_a_slip_in_a_correction_is_named(roles: dict[str, str], why: str) -> None:
    with pytest.raises(Problem, match=why):
        correct_roles(make_talks(), roles)
