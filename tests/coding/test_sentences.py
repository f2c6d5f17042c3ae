"""Sentences, in every script."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coding.sentences import LONGEST, sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text, 0, len(text))]


@pytest.mark.parametrize(
    "expected",
    [
        ["I use it daily.", "Do I trust it?", "No!"],
        ["Dr. Weber pays 3.50 a month, e.g. for J. R. Smith.", "He says so."],
        ["Wait... what?!", "Nothing."],
        ["“Really?” she asked.", "“Yes.”", "And left."],
        ["¿Qué dices?", "¡Que no!", "Bueno."],
        ["我每天都用。", "真的吗？", "是的！"],
        ["「好。」と言った。", "はい。"],
        ["أنا أستخدمه كل يوم.", "هل أثق به؟", "لا!"],
        ["یہ اچھا ہے۔", "مجھے ڈر ہے۔"],
        ["मैं इसे रोज़ इस्तेमाल करता हूँ।", "क्यों?", "पता नहीं।"],
        ["እኔ እጠቀማለሁ።", "ለምን፧", "አላውቅም።"],
        ["Ես վախենում եմ։", "Ոչ։"],
        ["ខ្ញុំប្រើវា។", "ហេតុអ្វី?"],
        ["ผมใช้ทุกวันเลยครับ แต่ไม่ค่อยเชื่อเท่าไร", "เพราะมันเดา 3 ครั้ง แล้ว"],
        ["Ich mag es ❗️.️", "Sehr 👩‍💻!", "Ja."],
    ],
)
def test_a_text_is_split_where_its_readers_would(expected: list[str]) -> None:
    joiner = "" if any(stop in expected[0] for stop in "。") else " "
    assert split(joiner.join(expected)) == expected


def test_a_blank_line_and_a_short_line_end_a_sentence() -> None:
    assert split("No stop here\n\nNor here\nA last line") == [
        "No stop here",
        "Nor here",
        "A last line",
    ]


def test_a_wrapped_line_does_not_end_a_sentence() -> None:
    text = (
        "I began to use the tool when my daughter went to school and\n"
        "Paris was so far away that writing by hand took all evening.\n"
        "Then I stopped."
    )
    assert split(text) == [text[: text.index("Then") - 1], "Then I stopped."]


def test_only_the_range_asked_for_is_split() -> None:
    text = "Interviewer: Why? Participant: Because. I like it. Interviewer: Ah."
    start, end = text.index("Because"), text.index(" Interviewer: Ah")
    assert [text[a:b] for a, b in sentences(text, start, end)] == ["Because.", "I like it."]


def test_speech_without_any_stop_is_cut_at_clauses() -> None:
    text = "and then I went on, " * 100
    pieces = split(text)
    assert all(len(piece) <= LONGEST for piece in pieces)
    assert all(piece.endswith("on,") for piece in pieces)


@given(st.text(st.sampled_from('aB é\u0301.!?。।\n \u00a0ก ข12"”)\u200d👩ー،'), max_size=300))
def test_sentences_are_ordered_disjoint_and_leave_out_only_white_space(text: str) -> None:
    found = sentences(text, 0, len(text))
    assert all(start < end for start, end in found)
    assert all(one[1] <= two[0] for one, two in pairwise(found))
    assert "".join("".join(text[a:b] for a, b in found).split()) == "".join(text.split())
    assert all(text[a:b] == text[a:b].strip() for a, b in found)
