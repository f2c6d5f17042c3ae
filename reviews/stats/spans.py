"""Agreement on passages: Krippendorff's two alphas for unitizing, and overlap.

A text is a `Continuum`: a half-open range of code points, and the spans that each of its coders
marked. What a coder left unmarked between spans is a gap. Spans of one coder and label that overlap
are one span; spans that only touch stay two.

Sources: alpha_u is Krippendorff's (Content Analysis, 2nd ed., 2004, p. 254): in one text, label by
label, by the squared distances of the ends. u-alpha is that of Krippendorff, Mathet, Bouvry and
Widlöcher (Quality & Quantity 50, 2016): by the lengths on which coders say the same, where chance
keeps each span whole and takes gaps apart. They made it because alpha_u misbehaves with more than
two coders.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import NamedTuple

import numpy as np

from reviews.stats.alpha import UnitSums, alpha
from reviews.stats.arrays import Bools, Floats, ratio


class Span(NamedTuple):
    """A passage from `start` up to `end`, and the code it stands for."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Continuum:
    """The text from `start` up to `end`, and the spans of each coder who read it, if only none.

    Raises ValueError where a span is empty or leaves the text.
    """

    start: int
    end: int
    coders: Sequence[Sequence[Span]]

    def __post_init__(self) -> None:
        joined = []
        for spans in self.coders:
            for start, end, label in spans:
                if not self.start <= start < end <= self.end:
                    raise ValueError(f"The span {start} to {end} ({label}) is not in the text.")
            joined.append(tuple(_joined(spans)))
        object.__setattr__(self, "coders", tuple(joined))

    @property
    def labels(self) -> list[str]:
        """Return the labels that someone gave, in order."""
        return sorted({span.label for spans in self.coders for span in spans})

    def of(self, label: str) -> "Continuum":
        """Return the same text and coders with the spans of one label."""
        chosen = [[span for span in spans if span.label == label] for spans in self.coders]
        return Continuum(self.start, self.end, chosen)


@dataclass(frozen=True)
class AlphaU:
    """Observed and expected disagreement and alpha_u; `label` is None for all labels together."""

    label: str | None
    observed: float
    expected: float
    alpha: float


def alpha_u(text: Continuum) -> list[AlphaU]:
    """Return alpha_u of every label, and last `1 - sum Do / sum De` of all of them.

    Do is a sum over ordered pairs of coders, over `m (m-1) L^2`: for two spans that meet, the
    squares of how far their starts and their ends lie apart; for a span inside the other's gap, or
    the other way round, its squared length. De is what Do would be if spans lay anywhere. nan with
    fewer than two coders or without spans.

    >>> marked = [Span(225, 295, "c"), Span(370, 400, "c")]
    >>> again = [Span(220, 300, "c"), Span(355, 375, "c"), Span(400, 420, "c")]
    >>> round(alpha_u(Continuum(150, 450, [marked, again]))[0].alpha, 4)
    0.7286
    """
    rows = [_alpha_u(text.of(label), label) for label in text.labels]
    observed = sum(row.observed for row in rows)
    expected = sum(row.expected for row in rows)
    return [*rows, AlphaU(None, observed, expected, _one_less(observed, expected))]


def u_alpha(texts: Iterable[Continuum]) -> float:
    """Return u-alpha of labelled spans, over all texts that two or more coders read.

    `O_ck` is the length on which ordered pairs of coders say c and k, over m-1; `l_c` are its
    margins and `l` their sum. `E_ck = l (l_c l_k - [c = k] s_c) / (l^2 - sum s_c)`, with `s_c` the
    sum of the squared lengths of the spans, for gaps of their lengths. u-alpha is 1 less the O off
    the diagonal over the E there. nan where all is gap, or one label everywhere. Several texts are
    like one text of all of them, each with coders of its own.

    A coder may give a character one label: codes that meet are compared one by one, each text by
    `text.of(code)`. Raises ValueError where spans of two labels overlap.

    >>> one = Continuum(0, 10, [[Span(2, 6, "fear")], [Span(2, 5, "fear")]])
    >>> round(u_alpha([one]), 3)
    0.801
    """
    return float(alpha(span_sums(list(texts)))[0])


def span_sums(texts: Sequence[Continuum]) -> UnitSums:
    """Return the sums of u-alpha, in which a unit is a text: it can be drawn again, or weighed.

    Columns are the length on which coders differ, the squared lengths, and the margins with the
    gap's first. Raises ValueError as `u_alpha` does.
    """
    read = [at for at, text in enumerate(texts) if len(text.coders) >= 2]
    labels = sorted({label for at in read for label in texts[at].labels})
    number = {label: place for place, label in enumerate(labels, start=1)}  # the gap is number 0
    table = np.zeros((len(read), len(labels) + 3))
    for row, at in enumerate(read):
        table[row] = _sums_of(texts[at], number)

    def finish(sums: Floats) -> Floats:
        apart, whole, margins = sums[:, 0], sums[:, 1], sums[:, 2:]
        total = margins.sum(axis=1)
        differing = total**2 - (margins**2).sum(axis=1)
        differing = np.where(differing > 1e-12 * total**2, differing, 0.0)
        return (1 - ratio(apart * (total**2 - whole), total * differing))[:, None]

    return UnitSums(np.array(read, dtype=np.int64), table, finish)


def _sums_of(text: Continuum, number: Mapping[str, int]) -> Floats:
    """Return the row of `text` in the sums of u-alpha."""
    m = len(text.coders)
    row = np.zeros(len(number) + 3)
    if not any(text.coders):  # all gap, which most texts are for most codes
        row[1:3] = m * (text.end - text.start)
        return row
    edges = _edges(text)
    lengths = np.diff(edges).astype(np.float64)
    counts = np.zeros((lengths.size, len(number) + 1))
    for spans in text.coders:
        said = np.zeros(lengths.size, np.int64)
        for start, end, label in spans:
            piece = slice(*np.searchsorted(edges, [start, end]).tolist())
            if said[piece].any():
                raise ValueError(f"A coder gave a part of {start} to {end} two labels.")
            said[piece] = number[label]
            row[1] += (end - start) ** 2
        counts[np.arange(lengths.size), said] += 1
    agreeing = (counts * (counts - 1)).sum(axis=1) / (m - 1)
    row[0] = float(lengths @ (m - agreeing))
    row[1] += float(lengths @ counts[:, 0])
    row[2:] = lengths @ counts
    return row


def overlap(first: Sequence[Span], second: Sequence[Span]) -> float:
    """Return intersection over union of two coders' spans, in characters, label by label.

    A character counts once for every label someone gave it. nan where nobody marked anything.

    >>> round(overlap([Span(0, 10, "fear")], [Span(5, 15, "fear")]), 3)
    0.333
    """
    both, either = shared_length(first, second)
    return both / either if either else float("nan")


def shared_length(first: Sequence[Span], second: Sequence[Span]) -> tuple[int, int]:
    """Return how many characters both marked, and how many either did, label by label."""
    one, other = _joined(first), _joined(second)
    length = sum(span.end - span.start for span in [*one, *other])
    both = sum(
        max(0, min(a.end, b.end) - max(a.start, b.start))
        for a in one
        for b in other
        if a.label == b.label
    )
    return both, length - both


def _joined(spans: Iterable[Span]) -> list[Span]:
    last: dict[str, Span] = {}
    found = []
    for span in sorted(Span(*span) for span in spans):
        before = last.get(span.label)
        if before is None or span.start >= before.end:
            last[span.label] = span
            found += [before] if before else []
        elif span.end > before.end:
            last[span.label] = before._replace(end=span.end)
    return sorted([*found, *last.values()])


def _edges(text: Continuum) -> Floats:
    ends = [edge for spans in text.coders for span in spans for edge in span[:2]]
    return np.unique(np.array([text.start, text.end, *ends], dtype=np.float64))


def _alpha_u(text: Continuum, label: str) -> AlphaU:
    """Return alpha_u of a text whose spans have one label."""
    m, length = len(text.coders), text.end - text.start
    if m < 2:
        return AlphaU(label, float("nan"), float("nan"), float("nan"))
    coders = [_sections(spans, text) for spans in text.coders]
    apart = 0.0
    for (starts, ends, marked), (other_starts, other_ends, other_marked) in permutations(coders, 2):
        a, b = starts[marked, None], ends[marked, None]
        c, d = other_starts[other_marked], other_ends[other_marked]
        apart += np.where((a < d) & (c < b), (a - c) ** 2 + (b - d) ** 2, 0).sum()
        c, d = other_starts[~other_marked], other_ends[~other_marked]
        apart += 2 * np.where((c <= a) & (b <= d), (b - a) ** 2, 0).sum()

    long = np.concatenate([(ends - starts)[marked] for starts, ends, marked in coders])
    gaps = np.concatenate([(ends - starts)[~marked] for starts, ends, marked in coders])
    meeting = (long.size - 1) / 3 * (2 * long**3 - 3 * long**2 + long)
    room = np.maximum(gaps - long[:, None] + 1, 0).sum(axis=1)
    places = m * length * (m * length - 1) - float((long * (long - 1)).sum())
    observed = float(apart) / (m * (m - 1) * length**2)
    expected = 2 / length * float((meeting + long**2 * room).sum()) / places
    return AlphaU(label, observed, expected, _one_less(observed, expected))


def _sections(spans: Sequence[Span], text: Continuum) -> tuple[Floats, Floats, Bools]:
    """Return where spans and the gaps around them start and end, and which are spans."""
    cuts = [text.start, *(edge for span in spans for edge in span[:2]), text.end]
    starts, ends = np.array(cuts[:-1], dtype=np.float64), np.array(cuts[1:], dtype=np.float64)
    there = starts < ends
    return starts[there], ends[there], (np.arange(starts.size) % 2 == 1)[there]


def _one_less(observed: float, expected: float) -> float:
    return 1 - observed / expected if expected > 0 else float("nan")
