"""Words as a search compares them."""

import time

from hypothesis import given
from hypothesis import strategies as st

from studies.words import LONGEST_WORD, OVERLAP, PIECE, asked, fold, hit, pieces, words

TEXTS = st.text(
    st.characters(codec="utf-8") | st.sampled_from("aé ßКا经济不กข้ \n.’-ー゛İıDžﬁ"), max_size=60
)


@given(TEXTS)
def test_words_hold_nothing_that_parts_words_and_are_the_same_in_any_case(text: str) -> None:
    found = words(text)
    assert all(word and word == "".join(word.split()) for word in found)
    assert all(len(word) <= LONGEST_WORD for word in found)
    assert not any(mark in word for word in found for mark in "'\"\\:*&|!()_-. ")
    assert words(fold(text)) == words(text)


@given(st.lists(st.sampled_from(["a", "bb", "经济", "กขค", "الخوف", "é"]), max_size=30))
def test_pieces_together_hold_every_word_in_its_order(said: list[str]) -> None:
    text = " ".join(said)
    assert list(pieces(text)) == [" ".join(words(text))]
    long = " ".join(f"w{number}" for number in range(2 * PIECE))
    parts = [part.split() for part in pieces(long)]
    assert all(len(part) <= PIECE for part in parts)
    joined = parts[0] + [word for part in parts[1:] for word in part[OVERLAP:]]
    assert joined == long.split()


@given(TEXTS, st.integers(0, 60), st.integers(1, 20))
def test_what_is_pointed_at_reads_like_what_was_asked(text: str, start: int, length: int) -> None:
    query = text[start : start + length]
    place = hit(text, query)
    if place and asked(query)[0]:
        at, end = place
        assert 0 <= at < end <= len(text)
        assert fold(text[at:end]).split()


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    began = time.monotonic()
    list(pieces("经济" * 200_000))
    list(pieces("a" * 1_000_000))
    assert time.monotonic() - began < 20
