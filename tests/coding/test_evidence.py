"""Quotations are found in the text, in every script, and only where the participant speaks."""

import unicodedata
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coding.evidence import Located, Text, fold, is_whole, locate, loose_fold

# One word each, written in clusters: a quotation may begin and end between any two of them.
WORDS = [
    ["c", "o", "f", "f", "e", "e"],
    ["n", "a", "ï", "v", "e"],
    ["e\u0301", "t", "e\u0301"],
    ["q", "u\u0323\u0302", "o\u0302\u0323"],
    ["ش", "ك", "ر", "ا"],
    ["كَ", "تَ", "بَ"],
    ["ک", "ت", "ا", "ب", "\u200c", "ه", "ا"],
    ["हि", "न्", "दी"],
    ["क़", "ल", "म"],
    ["น้ำ", "ใ", "จ"],
    ["日", "本", "語"],
    ["ガ", "ラ", "ス"],
    ["한", "국", "어"],
    ["👩‍💻", "👍🏽", "❤️", "🇩🇪", "🇫🇷"],
    ["𝔘", "𐐀", "𠀋"],
    ["Ж", "и́", "з", "н", "ь"],
    ["ἀ", "ρ", "χ", "ή"],
    ["'", "d", "o", "n", "'", "t", "'"],
    ["«", "l", "à", "»"],
    ["—"],
    ["…"],
    ["“", "s", "o", "”", ","],
]


@st.composite
def texts_and_quotes(draw: st.DrawFn) -> tuple[str, int, int, list[str]]:
    """A text, a range of whole clusters that occurs once, and the clusters in the range."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=3, max_size=25))
    clusters: list[str] = []
    for number, word in enumerate(words):
        # The number keeps every range from occurring twice.
        clusters += [*word, *f"{number:03}", draw(st.sampled_from([" ", "  ", "\n", "\n\n", "\t"]))]
    numbered = [at for at, cluster in enumerate(clusters) if cluster.isdigit()]
    first = draw(st.sampled_from(numbered[:-3:3]))
    last = draw(st.sampled_from([at for at in numbered if at > first + 2][2::3]))
    first += draw(st.integers(-1, 0)) if first else 0
    chosen = clusters[first : last + 1]
    start = len("".join(clusters[:first]))
    if not any(map(str.isalnum, chosen[0])):
        start += len(chosen[0])
        chosen = chosen[1:]
    return "".join(clusters), start, start + len("".join(chosen)), chosen


CURLY = str.maketrans({"'": "’", '"': "”", "“": '"', "”": '"', "«": "“", "»": "”", "—": "–"})
DISTURBANCES: dict[str, Callable[[list[str]], str]] = {
    "decomposed": lambda clusters: unicodedata.normalize("NFD", "".join(clusters)),
    "composed": lambda clusters: unicodedata.normalize("NFC", "".join(clusters)),
    "compatible": lambda clusters: unicodedata.normalize("NFKC", "".join(clusters)),
    "other quotes and dashes": lambda clusters: "".join(clusters).translate(CURLY),
    "hard spaces": lambda clusters: "".join("\u00a0" if c.isspace() else c for c in clusters),
    "no lines": lambda clusters: " ".join("".join(clusters).split()),
    "zero-width spaces": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "marks of direction": lambda clusters: "\u200f" + "".join(clusters) + "\u200e",
    "long letters": lambda clusters: "".join(
        c + "\u0640" if "\u0621" <= c[0] <= "\u064a" else c for c in clusters
    ),
    "three dots": lambda clusters: "".join(clusters).replace("…", "..."),
    "capitals": lambda clusters: "".join(clusters).upper(),
    "in quotation marks": lambda clusters: f"“{''.join(clusters)}.”",
}


@given(texts_and_quotes())
def test_a_quotation_word_for_word_is_found_where_it_was_cut(
    given: tuple[str, int, int, list[str]],
) -> None:
    text, start, end, clusters = given
    assert locate("".join(clusters), text) == [Located(start, end, "exact")]


@pytest.mark.parametrize("disturbance", DISTURBANCES)
@given(given=texts_and_quotes())
def test_a_quotation_written_otherwise_is_found_at_the_same_place(
    disturbance: str, given: tuple[str, int, int, list[str]]
) -> None:
    text, start, end, clusters = given
    quote = DISTURBANCES[disturbance](clusters)
    (place,) = locate(quote, text)
    assert (place.start, place.end) == (start, end)
    assert place.found == ("exact" if quote == "".join(clusters) else "folded")


@given(texts_and_quotes(), st.sampled_from(list(DISTURBANCES)))
def test_a_disturbed_text_gives_whole_clusters_back(
    given: tuple[str, int, int, list[str]], disturbance: str
) -> None:
    text, start, end, clusters = given
    before, after = "Well, ", " I said."
    changed = before + DISTURBANCES[disturbance](clusters) + after
    (place,) = locate(text[start:end], changed)
    assert place.found in ("exact", "folded")
    assert place.start is not None
    assert place.end is not None
    assert is_whole(changed, place.start)
    assert is_whole(changed, place.end)
    assert loose_fold(changed[place.start : place.end]) == loose_fold(text[start:end])


ALPHABET = st.sampled_from(
    [*"ab .,'’“—-\n…", "e\u0301", "ش", "ـ", "हि", "น้ำ", "👩‍💻", "語", "\u200d"]
)
LINES = st.lists(ALPHABET, max_size=60).map("".join)


@given(st.lists(st.tuples(LINES, st.booleans()), min_size=1, max_size=5), LINES)
def test_whatever_is_found_is_the_participants_and_says_what_was_quoted(
    spoken: list[tuple[str, bool]], quote: str
) -> None:
    text, turns = conversation(spoken)
    places = locate(quote, text, turns)
    assert places
    for place in places:
        if place.found == "missing":
            assert place == Located(None, None, "missing")
            continue
        assert place.start is not None
        assert place.end is not None
        assert 0 <= place.start < place.end <= len(text)
        assert is_whole(text, place.start)
        assert is_whole(text, place.end)
        said = text[place.start : place.end]
        theirs = [
            text[max(start, place.start) : min(end, place.end)].strip()
            for start, end, _, role in turns
            if role == "interviewer"
        ]
        if place.found == "interviewer":
            assert any(theirs)
        else:
            assert not any(theirs)
        if place.found == "exact":
            assert said == quote.strip()
        if place.found == "folded" and len(places) == 1 and len(spoken) == 1:
            assert loose_fold(said).strip(" .,'\"-~") in loose_fold(quote)


def conversation(
    spoken: Sequence[tuple[str, bool]],
) -> tuple[str, list[tuple[int, int, str, str]]]:
    """Return the text and the turns of (words, participant?) pairs, with labels."""
    text = ""
    turns = []
    for words, participant in spoken:
        label = "User" if participant else "AI"
        text += f"{label}: "
        role = "participant" if participant else "interviewer"
        turns.append((len(text), len(text) + len(words), label, role))
        text += f"{words}\n\n"
    return text, turns


def said(text: str, places: Sequence[Located]) -> list[tuple[str, str]]:
    return [(text[place.start : place.end], place.found) for place in places]


INTERVIEW, TURNS = conversation(
    [
        ("Do you worry about your job? I think many people worry.", False),
        ("I think so. Every day\nI double-check it.", True),
        ("It takes time.", True),
        ("What else do you fear?", False),
        ("I think so. Nothing else, really — my children’s future.", True),
    ]
)
HEARD = Text(INTERVIEW, TURNS)


def test_a_quotation_from_the_interviewers_turn_is_not_evidence() -> None:
    (place,) = HEARD.locate("Do you worry about your job?")
    assert place.found == "interviewer"
    assert INTERVIEW[place.start : place.end] == "Do you worry about your job"


def test_a_quotation_that_reaches_into_the_interviewers_turn_is_not_evidence() -> None:
    assert HEARD.locate("It takes time.\n\nAI: What else")[0].found == "interviewer"
    assert HEARD.locate("It takes time. What else do you fear?")[0].found == "missing"


def test_words_that_both_say_count_where_the_participant_says_them() -> None:
    assert HEARD.locate("I think")[0].start == INTERVIEW.index("I think so")


def test_a_quotation_over_two_turns_of_the_participant_is_one_passage() -> None:
    expected = INTERVIEW[INTERVIEW.index("I double") : INTERVIEW.index("\n\nAI: What")]
    assert said(INTERVIEW, HEARD.locate("I double-check it. It takes time.")) == [
        (expected, "folded")
    ]
    assert said(INTERVIEW, HEARD.locate("I double-check it.\n\nUser: It takes time.")) == [
        (expected, "exact")
    ]


def test_a_label_in_the_quotation_is_no_part_of_the_passage() -> None:
    assert said(INTERVIEW, HEARD.locate("User: It takes time")) == [("It takes time", "folded")]
    assert HEARD.locate("User:")[0].found == "missing"


def test_of_two_occurrences_the_one_in_the_named_turn_is_taken_else_the_first() -> None:
    first, second = TURNS[1][0], TURNS[4][0]
    assert HEARD.locate("I think so.")[0].start == first
    assert HEARD.locate("I think so.", hint=5)[0].start == second
    assert HEARD.locate("i think so.", hint=5)[0].start == second
    assert HEARD.locate("I think so.", hint=3)[0].start == first
    assert HEARD.locate("I think so.", hint=99)[0].start == first
    assert [place.start for place in HEARD.occurrences("I think so.")] == [first, second]


def test_only_the_segment_is_looked_at() -> None:
    _, _, (start, end, _, _), *_ = TURNS
    assert HEARD.locate("I think so.", within=(start, end))[0].found == "missing"
    assert HEARD.locate("It takes time.", within=(start, end))[0].found == "exact"
    assert HEARD.locate("it  takes time!", within=(start, end))[0].found == "folded"
    assert HEARD.locate("It taked time", within=(start, end)) == [Located(start, end - 1, "fuzzy")]


def test_a_word_is_preferred_to_a_part_of_a_word() -> None:
    assert locate("art", "I start with art.")[0].start == 13
    assert locate("art", "I start.")[0].start == 4


@pytest.mark.parametrize("mark", ["...", "…", " ... ", "[...]", " […] ", "(...)", " . . . "])
def test_passages_joined_by_an_omission_are_found_in_order(mark: str) -> None:
    quote = f"I think so{mark}I double-check it"
    assert said(INTERVIEW, HEARD.locate(quote)) == [
        ("I think so", "folded"),
        ("I double-check it", "folded"),
    ]


def test_passages_in_the_wrong_order_or_with_an_invented_one_are_missing() -> None:
    assert HEARD.locate("It takes time ... Every day")[0].found == "missing"
    assert HEARD.locate("Every day ... my employer pays me badly")[0].found == "missing"


def test_passages_of_an_omission_stand_as_near_together_as_they_can() -> None:
    text = "I think it is late. Later I think of school. I think again."
    assert said(text, locate("I think ... again", text)) == [
        ("I think", "folded"),
        ("again", "folded"),
    ]
    assert locate("I think ... again", text)[0].start == text.rindex("I think")


def test_an_omission_that_the_participant_made_is_word_for_word() -> None:
    assert locate("Well... I do", "Well... I do not.")[0].found == "exact"
    assert locate("Well… I do", "Well... I do not.")[0].found == "folded"


def test_a_passage_that_is_nearly_the_same_needs_review() -> None:
    text = "So I always have to double check every single detail that it gives me. Then I go on."
    quote = "I always need to double check every detail it gives me"
    assert said(text, locate(quote, text)) == [
        ("I always have to double check every single detail that it gives me", "fuzzy")
    ]


def test_a_long_passage_that_is_nearly_the_same_is_found_whole() -> None:
    words = [f"word{number}" for number in range(400)]
    text = " ".join(words)
    quote = " ".join(word for word in words[50:350] if word not in ("word99", "word200"))
    assert said(text, locate(quote, text)) == [(" ".join(words[50:350]), "fuzzy")]


def test_numbers_in_a_margin_do_not_part_the_words() -> None:
    text = "I would start\n46\n47\n48\n49\n\n3/7\nwith the features."
    assert said(text, locate("I would start with the features.", text)) == [(text, "folded")]
    counted = "I counted\n5\n9\n7\nof them."
    assert locate("I counted of them.", counted)[0].found != "folded"


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "   ",
        "...",
        "I will certainly lose my whole income to a machine within two years.",
        "Ich prüfe jeden Tag alles doppelt.",
        "私は毎日二回確認しています。",
        "أتحقق منه مرتين كل يوم",
        "zz",
        "x" * 5_000,
        "I think so. " * 500,
        "\uffff",
        "\ud800",
    ],
)
def test_what_nobody_said_is_missing(quote: str) -> None:
    assert HEARD.locate(quote) == [Located(None, None, "missing")]


def test_a_cluster_is_never_cut_in_two() -> None:
    assert locate("cafe", "cafe\u0301 au lait")[0].found != "exact"
    assert locate("👩", "I am 👩‍💻 here")[0].found == "missing"
    assert locate("🇪🇫", "🇩🇪🇫🇷")[0].found == "missing"
    assert locate("가", "각각")[0].found == "missing"
    assert locate("가", unicodedata.normalize("NFD", "각각"))[0].found == "missing"
    assert said("❤️ it", locate("❤", "❤️ it")) == [("❤️", "folded")]


def test_vowel_points_may_be_left_out() -> None:
    text = "قال: كَتَبْتُ رِسالةً أمس."
    assert said(text, locate("كتبت رسالة", text)) == [("كَتَبْتُ رِسالةً", "folded")]


def test_capitals_are_found_in_turkic_languages_too() -> None:
    text = "Bana yardım etmeyi istiyorlar."
    assert said(text, locate("YARDIM ETMEYİ", text)) == [("yardım etmeyi", "folded")]


def test_a_text_without_the_participant_has_no_evidence() -> None:
    text, turns = conversation([("I think so.", False)])
    assert locate("I think so.", text, turns)[0].found == "interviewer"
    assert locate("", "", [])[0].found == "missing"


def test_folding_twice_changes_nothing_more() -> None:
    for words in WORDS:
        once = fold("".join(words))
        assert fold(once) == once


@given(
    st.lists(st.sampled_from(["aha", "ha", " ", "ah", ". ", "A", "ä"]), max_size=12),
    st.sampled_from(["aha", "ha", "a", "ah. ", "aha ha"]),
    st.integers(0, 4),
    st.integers(0, 12),
)
def test_what_is_taken_at_once_is_what_would_have_been_preferred(
    words: list[str], quote: str, hint: int, cut: int
) -> None:
    text = "".join(words)
    turns = [
        (0, cut, "", "participant"),
        (cut, cut + 2, "", "interviewer"),
        (cut + 2, len(text), "", "participant"),
    ]
    turns = [turn for turn in turns if turn[0] < turn[1] <= len(text)]

    class Thorough(Text):
        def at_once(self, *_given: object) -> None:
            return None

    for within in (None, (1, max(len(text) - 1, 1))):
        quick = Text(text, turns).locate(quote, within=within, hint=hint)
        assert quick == Thorough(text, turns).locate(quote, within=within, hint=hint)
