"""Who speaks where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.turns import (
    INTERVIEWER,
    PARTICIPANT,
    Turn,
    answers,
    guess_roles,
    role_of_label,
    split,
    with_roles,
    words_of,
)


def said(text: str) -> list[tuple[str, str, str]]:
    """Return (speaker, role, words) of each turn."""
    return [(turn.speaker, turn.role, text[turn.start : turn.end]) for turn in split(text)]


def test_assistant_and_ai_both_interview_and_the_user_takes_part() -> None:
    text = (
        "Assistant: Hi!\n\nDoes that sound good?\n\nUser: Sure.\n\n"
        "AI: Great. What do you do?\n\nUser: I write.\n\nMostly music.\n"
    )
    assert said(text) == [
        ("Assistant", INTERVIEWER, "Hi!\n\nDoes that sound good?"),
        ("User", PARTICIPANT, "Sure."),
        ("AI", INTERVIEWER, "Great. What do you do?"),
        ("User", PARTICIPANT, "I write.\n\nMostly music."),
    ]


@pytest.mark.parametrize(
    ("asking", "answering"),
    [
        ("Interviewer:", "Participant:"),
        ("INTERVIEWER 1:", "PARTICIPANT 12:"),
        ("Interviewer 1 :", "P01:"),
        ("Q:", "A:"),
        ("I:", "P:"),
        ("I1:", "R1:"),
        ("**Interviewer:**", "**Participant:**"),
        ("**Interviewer**:", "**Participant**:"),
        ("[00:01:02] Interviewer:", "[00:01:09] Participant:"),
        ("00:01:02 Interviewer:", "00:01:09 Participant:"),
        ("Interviewer (00:01:02):", "Participant (00:01:09):"),
        ("Interviewer [00:12]:", "Participant [01:14]:"),
        ("Interviewer (Ana):", "Participant (Ben):"),
        ("Entrevistadora:", "Participante:"),
        ("Enquêtrice :", "Participant :"),
        ("Enqu\u00eatrice\u00a0:", "Participant(e)\u00a0:"),
        ("Interviewerin:", "Teilnehmer:in:"),
        ("Interviewer*in:", "Befragte/r:"),
        ("Intervistatrice:", "Partecipante:"),
        ("المحاور:", "المشاركة:"),
        ("المحاور:", "المشارك(ة):"),
        ("\u200fالمحاور:", "\u200fالمشارك:"),
        ("访谈者：", "受访者："),
        ("訪談者:", "受訪者:"),
        ("问：", "答："),
        ("聞き手：", "回答者："),
        ("साक्षात्कारकर्ता:", "प्रतिभागी:"),
        ("Интервьюер:", "Участница:"),
        ("Интервьюер:", "Участник(ца):"),
        ("Görüşmeci:", "Katılımcı:"),
        ("Mhoji:", "Mshiriki:"),
        ("ผู้สัมภาษณ์:", "ผู้ให้สัมภาษณ์:"),
        ("Người phỏng vấn:", "Người tham gia:"),
        ("면접자:", "참여자:"),
        ("מראיינת:", "משתתף:"),
        ("مصاحبه‌گر:", "شرکت‌کننده:"),
        ("ጠያቂ፦", "ተሳታፊ፦"),
        ("Badaczka:", "Respondent:"),
        ("Συνεντεύκτρια:", "Συμμετέχων:"),
    ],
)
def test_the_two_are_told_apart_in_many_languages_and_spellings(
    asking: str, answering: str
) -> None:
    text = f"{asking} one\n\n{answering} two\nthree\n\n{asking} four\n\n{answering} five"
    assert [(role, words) for _speaker, role, words in said(text)] == [
        (INTERVIEWER, "one"),
        (PARTICIPANT, "two\nthree"),
        (INTERVIEWER, "four"),
        (PARTICIPANT, "five"),
    ]


def test_the_label_is_kept_as_it_is_written() -> None:
    assert [turn.speaker for turn in split("**Interviewer 1:** a\n\nParticipant(e) : b")] == [
        "Interviewer 1",
        "Participant(e)",
    ]


def test_a_speaker_on_a_line_of_their_own_with_a_time_is_found() -> None:
    text = (
        "Dan Smith  0:15\nWhat do you do?\n\nMaria Lopez  0:19\nI bake bread.\n\n"
        "Dan Smith  0:31\nSince when?\n\nMaria Lopez  0:33\nSince 2010.\n"
    )
    assert said(text) == [
        ("Dan Smith", INTERVIEWER, "What do you do?"),
        ("Maria Lopez", PARTICIPANT, "I bake bread."),
        ("Dan Smith", INTERVIEWER, "Since when?"),
        ("Maria Lopez", PARTICIPANT, "Since 2010."),
    ]


def test_names_are_told_apart_by_who_asks() -> None:
    text = "Ana: I was born there.\nBo: And then?\nAna: I left, as one does.\nBo: Why?\nAna: Work."
    assert {(speaker, role) for speaker, role, _words in said(text)} == {
        ("Ana", PARTICIPANT),
        ("Bo", INTERVIEWER),
    }


def test_a_name_beside_a_participant_is_the_interviewer() -> None:
    text = "1/5\nInterview\nDan:  Okay.\nParticipant:  We do\nthat.\nDan:  Why?\nParticipant: So."
    assert said(text) == [
        ("", INTERVIEWER, "1/5\nInterview"),
        ("Dan", INTERVIEWER, "Okay."),
        ("Participant", PARTICIPANT, "We do\nthat."),
        ("Dan", INTERVIEWER, "Why?"),
        ("Participant", PARTICIPANT, "So."),
    ]


def test_one_question_and_one_answer_are_enough() -> None:
    assert said("Dan: Why?\n\nParticipant: Because.") == [
        ("Dan", INTERVIEWER, "Why?"),
        ("Participant", PARTICIPANT, "Because."),
    ]
    assert said("Participant: Because.") == [("Participant", PARTICIPANT, "Because.")]


def test_a_slip_of_the_pen_is_still_the_same_speaker() -> None:
    text = "Dan: a?\nParticipant: b\n" * 3 + "Dan: a?\nParticpant: c\n"
    turns = split(text)
    assert (turns[-1].speaker, turns[-1].role) == ("Participant", PARTICIPANT)
    assert text[turns[-1].start : turns[-1].end] == "c"


def test_speakers_a_and_b_are_no_question_and_answer() -> None:
    text = "A: I see it daily.\nB: And how?\nA: On my way to work, mostly.\nB: When?\nA: Early."
    assert [role for _speaker, role, _words in said(text)] == [
        PARTICIPANT,
        INTERVIEWER,
        PARTICIPANT,
        INTERVIEWER,
        PARTICIPANT,
    ]


@pytest.mark.parametrize(
    "line",
    [
        "My boss said: do it.",
        "Note: I was tired.",
        "Here's the thing: nobody asks.",
        "https://example.org/a:b is where it is.",
        "10:30 was when we met.",
        "So I told them: no.",
        "Thanks for the chat! :)",
        "There are two reasons: time and money.",
        "Ratio 3:1 at best.",
        "Pros: cheap.\nCons: slow.",
        "Participant observation: that is what I did.",
        'He said "User: unknown" on the screen.',
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_what_looks_like_a_speaker_in_a_sentence_is_none(line: str, times: int) -> None:
    answer = "\n".join([line] * times)
    text = f"Interviewer: How was it?\n\nParticipant: Fine.\n{answer}\n\nInterviewer: Thank you."
    assert said(text) == [
        ("Interviewer", INTERVIEWER, "How was it?"),
        ("Participant", PARTICIPANT, f"Fine.\n{answer}"),
        ("Interviewer", INTERVIEWER, "Thank you."),
    ]
    assert said(answer) == [("", PARTICIPANT, answer)]


def test_a_small_word_at_the_start_of_a_wrapped_line_is_no_speaker() -> None:
    text = "I: How?\nP: I asked the\nuser: a person I know.\nI: Thanks.\nP: Bye."
    assert [speaker for speaker, _role, _words in said(text)] == ["I", "P", "I", "P"]


def test_questions_alone_labelled_leave_the_rest_to_the_participant() -> None:
    text = "Q: Why?\n\nBecause.\n\nQ: Since when?\n\nLast year."
    assert said(text) == [
        ("Q", INTERVIEWER, "Why?"),
        ("", PARTICIPANT, "Because."),
        ("Q", INTERVIEWER, "Since when?"),
        ("", PARTICIPANT, "Last year."),
    ]


def test_a_text_without_labels_is_one_turn_of_the_participant() -> None:
    assert said("\n I like it.\n\nMostly. \n") == [("", PARTICIPANT, "I like it.\n\nMostly.")]
    assert split("") == split(" \n\t") == []


def test_a_correction_wins_over_the_guess_whatever_its_case() -> None:
    turns = [[0, 3, "Dan", PARTICIPANT], [5, 9, "", PARTICIPANT], [9, 12, "Eve", PARTICIPANT]]
    assert [turn.role for turn in with_roles(turns, {"DAN": INTERVIEWER, "": INTERVIEWER})] == [
        INTERVIEWER,
        PARTICIPANT,
        PARTICIPANT,
    ]


def test_an_answer_is_all_the_participant_says_between_two_questions() -> None:
    text = "I: a?\nP: b\nP: c\nI: d?\nI: e?\nP: f"
    assert [text[start:end] for start, end in answers(split(text))] == ["b\nP: c", "f"]


def test_the_participants_words_come_without_labels_and_up_to_a_length() -> None:
    text = "Interviewer: a?\n\nParticipant: bb\n\nInterviewer: c?\n\nParticipant: dd"
    assert words_of(text, split(text)) == "bb\ndd"
    assert words_of(text, split(text), most=1) == "bb"
    assert words_of(text, split(text), INTERVIEWER) == "a?\nc?"


def test_voices_get_roles_by_the_same_rules() -> None:
    text = "What? That."
    turns = guess_roles(text, [Turn(0, 5, "Zoe", ""), Turn(6, 11, "Yan", "")])
    assert [turn.role for turn in turns] == [INTERVIEWER, PARTICIPANT]


def test_no_word_names_both_parts() -> None:
    assert role_of_label("Speaker 1") == ""
    assert role_of_label("Interviewer and participant") == ""


LABELS = [
    "Interviewer",
    "Participant",
    "Q",
    "A",
    "Dan",
    "Ana",
    "AI",
    "User",
    "访谈者",
    "受访者",
    "Note",
    "P1",
]
lines = st.one_of(
    st.text(max_size=30),
    st.builds(
        "{}{} {}".format,
        st.sampled_from(LABELS),
        st.sampled_from([":", "：", " :", "", " (00:12):", "** :"]),
        st.text(max_size=30),
    ),
)


@given(st.lists(lines, max_size=12).map("\n".join))
def test_turns_are_in_order_apart_and_inside_the_text(text: str) -> None:
    turns = split(text)
    before = 0
    for start, end, speaker, role in turns:
        assert before <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert role in (INTERVIEWER, PARTICIPANT)
        assert "\n" not in speaker
        before = end
    if text.strip("\u200e\u200f\ufeff").strip() and not turns:
        # Nothing but labels, which are nobody's words.
        assert any(label in text for label in LABELS)
    ranges = answers(turns)
    assert all(a < b for a, b in ranges)
    assert [start for start, _ in ranges] == sorted(start for start, _ in ranges)


@given(
    st.lists(
        st.tuples(st.text("abc ?.", min_size=1), st.text("abc .", min_size=1)), min_size=1
    ).map(lambda pairs: [(q.strip() or "q", a.strip() or "a") for q, a in pairs])
)
def test_what_was_said_is_found_again(pairs: list[tuple[str, str]]) -> None:
    text = "\n\n".join(f"Interviewer: {q}\n\nParticipant: {a}" for q, a in pairs)
    assert [words for _speaker, _role, words in said(text)] == [
        words for pair in pairs for words in pair
    ]
    assert [text[start:end] for start, end in answers(split(text))] == [a for _q, a in pairs]


def test_a_heading_that_says_who_took_part_is_no_speech() -> None:
    text = (
        "Interview 5\nParticipant: P05, female, 34\nInterviewer: KM\n\n"
        "KM: How did you start?\nP05: By accident.\nKM: Really?\nP05: Yes.\n"
    )
    assert said(text)[1:] == [
        ("KM", INTERVIEWER, "How did you start?"),
        ("P05", PARTICIPANT, "By accident."),
        ("KM", INTERVIEWER, "Really?"),
        ("P05", PARTICIPANT, "Yes."),
    ]
    assert said(text)[0][1] == INTERVIEWER


def test_one_question_and_one_answer_are_no_heading_although_the_answer_quotes_others() -> None:
    text = (
        "Interviewer: Tell me.\nParticipant: It went like this.\n"
        "Boss: Why?\nMe: Because.\nBoss: Why not?\nMe: Well.\nAnd that was it."
    )
    assert [(speaker, role) for speaker, role, _words in said(text)] == [
        ("Interviewer", INTERVIEWER),
        ("Participant", PARTICIPANT),
    ]


def test_courts_and_archives_write_a_full_stop_after_q_and_a() -> None:
    assert said("Q. What did you do?\nA. I taught.\nQ2. Where?\nA2. At home. A. lot.") == [
        ("Q", INTERVIEWER, "What did you do?"),
        ("A", PARTICIPANT, "I taught."),
        ("Q2", INTERVIEWER, "Where?"),
        ("A2", PARTICIPANT, "At home. A. lot."),
    ]
    assert len(split("I chose from these.\na. the first\nb. the second\nA. Smith wrote it.")) == 1


def test_a_label_may_stand_in_the_brackets_of_chinese_and_japanese() -> None:
    text = (
        "【インタビュアー】\nAIを使いますか？\n【参加者】はい、【毎日】使います。\n【メモ】笑う\n"
    )
    assert said(text) == [
        ("インタビュアー", INTERVIEWER, "AIを使いますか？"),
        ("参加者", PARTICIPANT, "はい、【毎日】使います。\n【メモ】笑う"),
    ]
