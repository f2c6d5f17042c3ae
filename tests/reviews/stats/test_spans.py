from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.stats.spans import (
    AlphaU,
    Continuum,
    Span,
    alpha_u,
    overlap,
    shared_length,
    span_sums,
    u_alpha,
)

LENGTH = 60


def krippendorff_2004() -> Continuum:
    """Two coders and two categories on a continuum of 300 that begins at 150."""
    k = [Span(180, 240, "k"), Span(300, 350, "k")]
    first = [Span(225, 295, "c"), Span(370, 400, "c"), *k]
    second = [Span(220, 300, "c"), Span(355, 375, "c"), Span(400, 420, "c"), *k]
    return Continuum(150, 450, [first, second])


KEYPHRASES_2016 = Continuum(
    0,
    56,
    [
        [Span(3, 15, "k"), Span(22, 53, "k")],
        [Span(3, 10, "k"), Span(22, 53, "k")],
        [Span(22, 46, "k")],
    ],
)


@st.composite
def marked(draw: st.DrawFn, labels: str = "ab") -> list[Span]:
    """Spans of one coder that may touch but not meet."""
    edges = sorted(draw(st.sets(st.integers(0, LENGTH), max_size=8)))
    given_labels = [draw(st.sampled_from(["", *labels])) for _ in edges[1:]]
    ranges = zip(pairwise(edges), given_labels, strict=True)
    return [Span(start, end, label) for (start, end), label in ranges if label]


texts = st.lists(marked(), min_size=2, max_size=4).map(lambda coders: Continuum(0, LENGTH, coders))


def numbers(rows: list[AlphaU]) -> list[float]:
    return [number for row in rows for number in (row.observed, row.expected, row.alpha)]


def shifted(text: Continuum, by: int) -> Continuum:
    coders = [[Span(s + by, e + by, label) for s, e, label in spans] for spans in text.coders]
    return Continuum(text.start + by, text.end + by, coders)


def test_alpha_u_is_the_one_krippendorff_printed_in_2004() -> None:
    c, k, overall = alpha_u(krippendorff_2004())
    assert (c.label, k.label, overall.label) == ("c", "k", None)
    assert (c.observed, c.expected, c.alpha) == pytest.approx((0.0144, 0.0532, 0.7286), abs=5e-5)
    assert (c.observed, c.expected) == pytest.approx((0.014444444444444444, 0.05322177985498048))
    assert c.alpha == pytest.approx(0.728598996805389)
    assert (k.observed, k.expected, k.alpha) == pytest.approx((0, 0.04897856580891525, 1))
    assert overall.alpha == pytest.approx(0.8591, abs=6e-4)
    assert overall.alpha == pytest.approx(0.8586654, abs=5e-8)


def test_u_alpha_of_keyphrases_is_the_one_of_a_second_implementation() -> None:
    assert u_alpha([KEYPHRASES_2016]) == pytest.approx(0.5645448655652737, abs=1e-10)


@given(text=texts)
def test_u_alpha_is_one_less_observed_over_expected_coincidences(text: Continuum) -> None:
    """The definition of 2016, character by character and table by table."""
    labels = ["", "a", "b"]
    m = len(text.coders)
    said = np.zeros((m, LENGTH), int)
    alone = np.zeros(3)
    for coder, spans in enumerate(text.coders):
        for start, end, label in spans:
            said[coder, start:end] = labels.index(label)
            alone[labels.index(label)] += (end - start) ** 2
    alone[0] = (said == 0).sum()
    observed = np.zeros((3, 3))
    for one in range(m):
        for other in range(m):
            if one != other:
                np.add.at(observed, (said[one], said[other]), 1 / (m - 1))
    margins, total = observed.sum(axis=0), observed.sum()
    expected = (np.outer(margins, margins) - np.diag(alone)) * total / (total**2 - alone.sum())
    off = ~np.eye(3, dtype=bool)
    above, below = observed[off].sum(), expected[off].sum()
    definition = 1 - above / below if below > 1e-9 else np.nan
    assert u_alpha([text]) == pytest.approx(definition, abs=1e-10, nan_ok=True)


@given(text=texts, seed=st.integers(0, 99))
def test_nobody_is_called_first(text: Continuum, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(text.coders))
    turned = Continuum(0, LENGTH, [text.coders[coder][::-1] for coder in order])
    assert numbers(alpha_u(turned)) == pytest.approx(numbers(alpha_u(text)), nan_ok=True)
    assert u_alpha([turned]) == pytest.approx(u_alpha([text]), nan_ok=True)


@given(text=texts, by=st.integers(-10_000, 10_000))
def test_where_a_text_begins_changes_nothing(text: Continuum, by: int) -> None:
    moved = shifted(text, by)
    assert numbers(alpha_u(moved)) == pytest.approx(numbers(alpha_u(text)), nan_ok=True)
    assert u_alpha([moved]) == pytest.approx(u_alpha([text]), nan_ok=True)
    one, other = text.coders[:2]
    again = overlap(*moved.coders[:2])
    assert again == pytest.approx(overlap(one, other), nan_ok=True)


@given(text=texts)
def test_a_text_read_backwards_agrees_as_much(text: Continuum) -> None:
    coders = [[Span(LENGTH - e, LENGTH - s, label) for s, e, label in c] for c in text.coders]
    turned = Continuum(0, LENGTH, coders)
    assert numbers(alpha_u(turned)) == pytest.approx(numbers(alpha_u(text)), nan_ok=True)
    assert u_alpha([turned]) == pytest.approx(u_alpha([text]), nan_ok=True)


@given(spans=marked(), coders=st.integers(2, 5))
def test_identical_coders_agree_entirely_or_there_is_nothing_to_agree_on(
    spans: list[Span], coders: int
) -> None:
    text = Continuum(0, LENGTH, [spans] * coders)
    if not spans:
        assert np.isnan(u_alpha([text]))
        assert np.isnan(overlap(spans, spans))
        assert np.isnan([row.alpha for row in alpha_u(text)]).all()
        return
    everywhere = len(text.labels) == 1 and sum(e - s for s, e, _ in spans) == LENGTH
    assert u_alpha([text]) == pytest.approx(np.nan if everywhere else 1, nan_ok=True)
    assert overlap(spans, spans) == 1
    for row in alpha_u(text):
        assert row.observed == 0
        assert row.expected >= 0
        assert row.alpha == 1 or row.expected == 0


@given(text=texts)
def test_nobody_agrees_more_than_entirely(text: Continuum) -> None:
    assert not u_alpha([text]) > 1
    assert not any(row.alpha > 1 for row in alpha_u(text))
    shared = overlap(*text.coders[:2])
    assert np.isnan(shared) or 0 <= shared <= 1
    assert overlap(*text.coders[1::-1]) == pytest.approx(shared, nan_ok=True)


@given(first=texts, second=texts)
def test_texts_of_the_same_coders_are_as_one_text(first: Continuum, second: Continuum) -> None:
    m = min(len(first.coders), len(second.coders))
    first = Continuum(0, LENGTH, first.coders[:m])
    second = Continuum(LENGTH, 2 * LENGTH, shifted(second, LENGTH).coders[:m])
    both = [[*a, *b] for a, b in zip(first.coders, second.coders, strict=True)]
    laid = Continuum(0, 2 * LENGTH, both)
    expected = u_alpha([laid])
    assert u_alpha([first, second]) == pytest.approx(expected, nan_ok=True)


@given(text=texts)
def test_a_text_one_person_read_counts_for_nothing(text: Continuum) -> None:
    alone = Continuum(0, 9, [[Span(1, 5, "a")]])
    assert u_alpha([text, alone]) == pytest.approx(u_alpha([text]), nan_ok=True)


def test_random_spans_agree_no_more_than_chance() -> None:
    rng = np.random.default_rng(4)

    def read(length: int) -> Continuum:
        starts = rng.integers(0, length - 40, 3)
        ends = starts + rng.integers(10, 40, 3)
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return Continuum(0, length, [[Span(start, end, "a")] for start, end in pairs])

    assert u_alpha([read(400) for _ in range(800)]) == pytest.approx(0, abs=0.03)


def test_without_a_pair_of_coders_nothing_is_a_number() -> None:
    assert np.isnan(u_alpha([]))
    assert np.isnan(u_alpha([Continuum(0, 9, [[Span(1, 5, "a")]])]))
    [one, overall] = alpha_u(Continuum(0, 9, [[Span(1, 5, "a")]]))
    assert np.isnan([one.observed, one.expected, one.alpha, overall.alpha]).all()
    assert np.isnan(u_alpha([Continuum(0, 0, [[], []])]))


def test_one_label_everywhere_has_no_u_alpha() -> None:
    all_of_it = [Span(0, 9, "a")]
    assert np.isnan(u_alpha([Continuum(0, 9, [all_of_it, all_of_it])]))


def test_overlapping_spans_of_one_code_are_one_span() -> None:
    apart = Continuum(0, 30, [[Span(2, 8, "a"), Span(5, 12, "a"), Span(6, 7, "a")], []])
    assert apart.coders == ((Span(2, 12, "a"),), ())
    touching = [Span(2, 8, "a"), Span(8, 12, "a")]
    assert Continuum(0, 30, [touching]).coders == (tuple(touching),)


def test_codes_that_meet_are_compared_one_by_one() -> None:
    both = [Span(2, 8, "a"), Span(5, 12, "b")]
    text = Continuum(0, 30, [both, both])
    with pytest.raises(ValueError, match="two labels"):
        u_alpha([text])
    assert [u_alpha([text.of(label)]) for label in text.labels] == [1, 1]


@pytest.mark.parametrize(("start", "end"), [(3, 3), (5, 4), (-1, 4), (4, 11)])
def test_a_span_outside_its_text_is_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not in the text"):
        Continuum(0, 10, [[Span(start, end, "a")]])


def test_overlap_is_the_shared_part_of_what_either_marked() -> None:
    first = [Span(0, 10, "a"), Span(20, 30, "b")]
    second = [Span(5, 15, "a"), Span(20, 30, "c")]
    assert overlap(first, second) == pytest.approx(5 / (15 + 10 + 10))
    assert overlap(first, []) == 0
    assert np.isnan(overlap([], []))


@given(texts, texts)
def test_a_text_drawn_twice_is_two_texts(first: Continuum, second: Continuum) -> None:
    sums = span_sums([first, second])
    drawn = float(sums.weighted(np.array([[2, 1]]))[0, 0])
    assert drawn == pytest.approx(u_alpha([first, first, second]), nan_ok=True)


@given(texts)
def test_shared_and_whole_length_make_the_overlap(text: Continuum) -> None:
    first, second = text.coders[:2]
    both, either = shared_length(first, second)
    assert overlap(first, second) == pytest.approx(
        both / either if either else float("nan"), nan_ok=True
    )
    assert shared_length(second, first) == (both, either)
