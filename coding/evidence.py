"""Where in a text a quotation stands, in any script. Ranges are half-open, in code points.

A text is written in clusters: a letter with the marks that hang on it, a row of white space, an
emoji with its joiners. Folding writes each cluster in one agreed way and remembers which code
points it came from, so a place found in the folded text leads back to whole clusters of the text.
"""

# ruff: noqa: RUF001, RUF003  these are the quotes and dashes of other scripts, and meant as such

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, compress, islice, pairwise
from typing import Any, Literal

from rapidfuzz.distance import Indel
from rapidfuzz.fuzz import partial_ratio_alignment

Found = Literal["exact", "folded", "fuzzy", "interviewer", "missing"]
Range = tuple[int, int]

PARTICIPANT = "participant"


@dataclass(frozen=True, slots=True)
class Located:
    """One passage of a quotation and how it was found; a missing one has no place."""

    start: int | None
    end: int | None
    found: Found


MISSING = Located(None, None, "missing")


def locate(
    quote: str,
    text: str,
    turns: Sequence[Sequence[Any]] | None = None,
    *,
    within: Range | None = None,
    hint: int | None = None,
) -> list[Located]:
    """Return where `quote` stands in `text`; for many quotes of one text make a `Text` once.

    >>> locate("it's fine ... every day", "Well, it’s  fine. I use it every day.")
    [Located(start=6, end=16, found='folded'), Located(start=27, end=36, found='folded')]
    """
    return Text(text, turns).locate(quote, within=within, hint=hint)


class Text:
    """A text in which quotations are looked for; what is needed for that is made once, when needed.

    `turns` are [start, end, speaker, role] in order, with the roles that hold; only words of the
    role "participant" are evidence. Without turns the whole text is the participant's.
    """

    def __init__(self, text: str, turns: Sequence[Sequence[Any]] | None = None) -> None:
        self.text = text
        self.turns: list[tuple[int, int, bool]] = [
            (start, end, role == PARTICIPANT)
            for start, end, _speaker, role in turns or [(0, len(text), "", PARTICIPANT)]
        ]
        self.starts = [start for start, _, _ in self.turns]

    def locate(
        self, quote: str, *, within: Range | None = None, hint: int | None = None
    ) -> list[Located]:
        """Return where the passages of `quote` stand, in order: one, or more if "..." joins them.

        `within` is the range to look in (the segment's); `hint` is the number, from 1, of the
        turn that the coder named: of several occurrences the one there is taken, else the first.
        A quotation of which any passage is missing is missing as a whole.
        """
        lo, hi = within or (0, len(self.text))
        quote = quote.strip()
        if not quote:
            return [MISSING]
        near = self.turns[hint - 1][:2] if hint and 1 <= hint <= len(self.turns) else None
        if place := self.at_once(quote, lo, hi, near):
            return [place]
        for rung in (self.exact, self.folded):
            if places := rung(quote, lo, hi):
                return [self.preferred(places, near)]
        parts = [part for part in OMISSION.split(quote) if has_letters(part)]
        if len(parts) > 1 and (passages := self.in_order(parts, lo, hi, near)):
            return passages
        if place := self.anywhere(quote, lo, hi):
            return [place]
        if len(parts) > 1:
            return self.in_order(parts, lo, hi, near, fuzzy=True) or [MISSING]
        return [self.fuzzy(quote, lo, hi) or MISSING]

    def occurrences(self, quote: str, *, within: Range | None = None) -> list[Located]:
        """Return every place where `quote` stands in the participant's words, word for word if
        it stands so anywhere, else folded."""
        lo, hi = within or (0, len(self.text))
        quote = quote.strip()
        return (self.exact(quote, lo, hi) or self.folded(quote, lo, hi)) if quote else []

    def at_once(self, quote: str, lo: int, hi: int, near: Range | None) -> Located | None:
        """Return the place that would be preferred to all others, if it is found by just reading.

        That is the first, word for word and no part of a word, in the turn that was named.
        """
        begin, end = near or (lo, hi)
        for place in self.word_for_word(quote, max(lo, begin), hi):
            if (place.start or 0) >= end:
                return None
            if stands_alone(self.text, place.start or 0, place.end or 0):
                return place
        return None

    def exact(self, quote: str, lo: int, hi: int) -> list[Located]:
        """Return where the participant says `quote` word for word."""
        return list(islice(self.word_for_word(quote, lo, hi), MOST_OCCURRENCES))

    def word_for_word(self, quote: str, lo: int, hi: int) -> Iterator[Located]:
        """Yield where the participant says `quote` word for word."""
        at = self.text.find(quote, lo, hi)
        while at >= 0:
            end = at + len(quote)
            whole = is_whole(self.text, at) and is_whole(self.text, end)
            if whole and self.by_the_participant(at, end) == (at, end):
                yield Located(at, end, "exact")
            at = self.text.find(quote, at + 1, hi)

    def folded(self, quote: str, lo: int, hi: int) -> list[Located]:
        """Return where the participant says `quote` but for the shape of the letters."""
        for loose in (False, True):
            needle = loose_fold(quote) if loose else fold(quote)
            words = self.loose_words if loose else self.words
            wordings = (needle.strip(), needle.strip("\"' "), without_edges(needle))
            for wording in dict.fromkeys(wordings):
                hits = words.find(wording, lo, hi) if wording else []
                if sum(map(str.isalnum, wording)) < FEWEST_LETTERS:
                    hits = [hit for hit in hits if stands_alone(self.text, *hit)]
                if hits:
                    return [Located(start, end, "folded") for start, end in hits]
        return []

    def anywhere(self, quote: str, lo: int, hi: int) -> Located | None:
        """Return where `quote` stands if speakers' labels or the interviewer's words count too."""
        wording = without_edges(loose_fold(quote))
        if not wording:
            return None
        theirs = None
        for start, end in self.loose_text.find(wording, lo, hi):
            if place := self.by_the_participant(start, end):
                return Located(*place, "folded")
            if theirs is None and self.interviewer_speaks(start, end):
                theirs = Located(start, end, "interviewer")
        return theirs

    def fuzzy(self, quote: str, lo: int, hi: int) -> Located | None:
        """Return where the participant says nearly `quote`: a person must look at it."""
        needle = without_edges(loose_fold(quote))
        first, last = self.loose_words.window(lo, hi)
        if sum(map(str.isalnum, needle)) < FEWEST_LETTERS or len(needle) > 2 * (last - first):
            return None
        best = nearest(needle, self.loose_words.folded[first:last])
        if best is None:
            return None
        start, end = self.loose_words.whole(first + best[0], first + best[1])
        return Located(*whole_words(self.text, start, end, lo, hi), "fuzzy")

    def in_order(
        self, parts: Sequence[str], lo: int, hi: int, near: Range | None, *, fuzzy: bool = False
    ) -> list[Located]:
        """Return places of all `parts`, one after the other and close together; [] if not all."""
        begins = [near[0]] if near and lo <= near[0] < hi else []
        for begin in [*begins, lo]:
            places: list[Located] = []
            for part in parts:
                place = self.first(part, places[-1].end or lo if places else begin, hi, fuzzy=fuzzy)
                if place is None:
                    break
                places.append(place)
            if len(places) == len(parts):
                return self.drawn_together(parts, places)
        return []

    def first(self, part: str, lo: int, hi: int, *, fuzzy: bool) -> Located | None:
        """Return the first place of `part` between `lo` and `hi`."""
        for place in self.exact(part, lo, hi) or self.folded(part, lo, hi):
            # Word for word as the part may be, the quotation as a whole is not.
            return Located(place.start, place.end, "folded")
        return self.fuzzy(part, lo, hi) if fuzzy else None

    def drawn_together(self, parts: Sequence[str], places: list[Located]) -> list[Located]:
        """Move each place but the last as near to the next one as its part allows."""
        for number in range(len(parts) - 2, -1, -1):
            here, following = places[number], places[number + 1]
            if here.found == "folded":
                lo, hi = here.start or 0, following.start or 0
                part = parts[number]
                nearer = (self.exact(part, lo, hi) or self.folded(part, lo, hi))[-1:]
                places[number : number + 1] = [
                    Located(place.start, place.end, "folded") for place in nearer
                ] or [here]
        return places

    def preferred(self, places: Sequence[Located], near: Range | None) -> Located:
        """Return the first of `places` that lies in `near`, else that is no part of a word."""

        def suits(place: Located) -> tuple[bool, bool]:
            start, end = place.start or 0, place.end or 0
            return bool(near and near[0] <= start < near[1]), stands_alone(self.text, start, end)

        return max(places, key=suits)

    def by_the_participant(self, start: int, end: int) -> Range | None:
        """Return the range without labels at its ends, None if it is not the participant's alone.

        Between two turns of the participant stand white space and labels: they may be inside.
        """
        first = last = None
        for begin, stop, theirs in self.overlapping(start, end):
            begin, last = max(start, begin), min(end, stop)
            if not theirs and not self.text[begin:last].isspace():
                return None
            first = begin if first is None else first
        return None if first is None or last is None else (first, last)

    def interviewer_speaks(self, start: int, end: int) -> bool:
        """Return whether words of the interviewer stand in the range."""
        return any(
            not theirs and not self.text[max(start, begin) : min(end, stop)].isspace()
            for begin, stop, theirs in self.overlapping(start, end)
        )

    def overlapping(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Yield the turns that share code points with the range."""
        for number in range(max(0, bisect_right(self.starts, start) - 1), len(self.turns)):
            begin, stop, theirs = self.turns[number]
            if begin >= end:
                return
            if max(start, begin) < min(end, stop):
                yield begin, stop, theirs

    @cached_property
    def words(self) -> "Folded":
        """The participant's words, folded; a wall stands where the interviewer spoke between."""
        words = Folded()
        for begin, stop, theirs in self.turns:
            if not theirs:
                words.part(WALL, begin)
            else:
                words.part(" ", begin)
                words.add(self.text, begin, stop)
        return words.closed()

    @cached_property
    def loose_words(self) -> "Folded":
        """The participant's words, folded as far as it goes."""
        return self.words.loose()

    @cached_property
    def loose_text(self) -> "Folded":
        """The whole text, labels and interviewer too, folded as far as it goes."""
        if self.turns == [(0, len(self.text), True)]:
            return self.loose_words
        whole = Folded()
        whole.add(self.text, 0, len(self.text))
        return whole.closed().loose()


MOST_OCCURRENCES = 1_000
FEWEST_LETTERS = 3
LONGEST_WORD = 30  # code points
WALL = "\uffff"  # no character of any text: it is left out where it is one
OMISSION = re.compile(
    r"\s*(?:\[\s*(?:\.{2,}|[…⋯]+)\s*\]|\(\s*(?:\.{2,}|[…⋯]+)\s*\)|\.{2,}|\.(?:\s\.){2,}|[…⋯]+)\s*"
)


def has_letters(text: str) -> bool:
    """Return whether there is something to look for."""
    return any(map(str.isalnum, text))


# Scripts that put no spaces between words, or none between a word and what hangs on it.
UNSPACED = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)


def in_a_word(text: str, at: int) -> bool:
    """Return whether `at` stands between two letters of one word.

    >>> in_a_word("I start", 4), in_a_word("I start", 2)
    (True, False)
    """
    return (
        0 < at < len(text)
        and text[at - 1].isalnum()
        and text[at].isalnum()
        and not UNSPACED.match(text[at])
    )


def stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether the range is no part of a longer word."""
    return not in_a_word(text, start) and not in_a_word(text, end)


def whole_words(text: str, start: int, end: int, lo: int, hi: int) -> Range:
    """Return the range widened to whole words, within `lo` to `hi`."""
    first, last = max(lo, start - LONGEST_WORD), min(hi, end + LONGEST_WORD)
    while start > first and in_a_word(text, start):
        start -= 1
    while end < last and in_a_word(text, end):
        end += 1
    while end < last and not is_whole(text, end):
        end += 1
    return start, end


def without_edges(text: str) -> str:
    """Return `text` without the punctuation at its ends, which coders add and drop.

    >>> without_edges('"...and so it is."')
    'and so it is'
    """
    start, end = 0, len(text)
    while start < end and unicodedata.category(text[start])[0] in "PZSC":
        start += 1
    while end > start and unicodedata.category(text[end - 1])[0] in "PZSC":
        end -= 1
    return text[start:end]


# ---- nearly the same ---------------------------------------------------------------------------

# How alike (0 to 100) a passage must be to be offered for review. Measured by looking for sentences
# in the wrong text: of 125 English interviews, 99 in 100 sentences of over 20 folded characters
# score 73 or less, none of more than 45 above 60; of the Declaration of Human Rights in 90
# languages, whose paragraphs repeat formulas, 98 in 100 stay below 85. A sentence of 30 to 70
# characters with one word changed scores 79 or more, a longer one with two 82. Shorter ones are
# like something nearly everywhere: 95 in 100 score 91 or less.
ALIKE, ALIKE_IF_SHORT = 80.0, 90.0
SHORT = 20  # folded characters
LONG = 600  # folded characters; of a longer quotation the two ends are looked for
END = 300
SLACK = 10  # a window as long as the needle is less alike than the passage that it leads to


def nearest(needle: str, words: str) -> Range | None:
    """Return the place in `words`, within one wall, that is most like `needle`, if alike enough."""
    needed = ALIKE if len(needle) > SHORT else ALIKE_IF_SHORT
    best = None
    begin = 0
    for block in words.split(WALL):
        place = nearest_in(needle, block, needed)
        if place and (best is None or place[0] > best[0]):
            best = (place[0], begin + place[1], begin + place[2])
            needed = max(needed, place[0])
        begin += len(block) + 1
    return best[1:] if best else None


def nearest_in(needle: str, block: str, needed: float) -> tuple[float, int, int] | None:
    """Return (likeness, start, end) of the place in `block` most like `needle`, if `needed`."""
    if len(needle) > len(block):
        begin, end = 0, len(block)
    elif len(needle) > LONG:
        head = partial_ratio_alignment(needle[:END], block, score_cutoff=needed - SLACK)
        tail = partial_ratio_alignment(needle[-END:], block, score_cutoff=needed - SLACK)
        if head is None or tail is None or tail.dest_end <= head.dest_start:
            return None
        begin, end = head.dest_start, tail.dest_end
    else:
        found = partial_ratio_alignment(needle, block, score_cutoff=needed - SLACK)
        if found is None:
            return None
        begin, end = found.dest_start, found.dest_end
    if end - begin > 2 * len(needle):
        return None
    # The alignment is as long as the needle; the passage may be shorter or longer at its ends.
    spare = 8 + len(needle) // 8
    begin, end = max(0, begin - spare), min(len(block), end + spare)
    window = block[begin:end]
    pairs = [
        (match.a, match.b, match.size)
        for match in Indel.editops(needle, window).as_matching_blocks()
        if match.size
    ]
    first, last = trimmed([(b, size) for _, b, size in pairs])
    if first == last:
        return None
    (here, stood, _), (there, stands, size) = pairs[first], pairs[last - 1]
    begin, end = begin + stood, begin + stands + size
    # What was paired with a letter further off may well stand right beside.
    while here > 0 and begin > 0 and needle[here - 1] == block[begin - 1]:
        here, begin = here - 1, begin - 1
    there += size
    while there < len(needle) and end < len(block) and needle[there] == block[end]:
        there, end = there + 1, end + 1
    score = 100 * Indel.normalized_similarity(needle, block[begin:end])
    return (score, begin, end) if score >= needed else None


def trimmed(equal: Sequence[tuple[int, int]]) -> Range:
    """Return which of the `equal` pieces (start, length) are worth the gaps between them.

    A piece at the edge is left out where more strange text than its own length is between it and
    the rest: it is equal by chance.

    >>> trimmed([(0, 4), (40, 30), (71, 9), (95, 2)])
    (1, 3)
    """
    sizes = [size for _, size in equal]
    gaps = [after - (start + size) for (start, size), (after, _) in pairwise(equal)]
    first = worthless(sizes, gaps)
    return first, max(first, len(equal) - worthless(sizes[::-1], gaps[::-1]))


def worthless(sizes: Sequence[int], gaps: Sequence[int]) -> int:
    """Return how many pieces from the edge are best left out with the gaps behind them."""
    gains = accumulate(gap - size for size, gap in zip(sizes, gaps, strict=False))
    gain, number = max(((gain, number) for number, gain in enumerate(gains, 1)), default=(0, 0))
    return number if gain > 0 else 0


# ---- folding -----------------------------------------------------------------------------------

LETTER, MARK, HANGS, DROPPED, SPACE, DASH, SYMBOL, JOINER, FLAG = range(9)
JOINS = "\u200d"
SHAPES = {
    **dict.fromkeys("‘’‚‛‹›′‵`´ʹʻʼʽˈ׳＇❛❜", "'"),
    **dict.fromkeys("“”„‟«»″‶״「」『』｢｣〝〞〟＂❝❞", '"'),
    **dict.fromkeys("−⁃‐‑‒–—―﹘﹣－", "-"),
    "〜": "~",
    "⋯": "...",
    "。": "。",
}
# Vowel points and cantillation that a writer may leave out; tatweel only makes a word longer.
POINTS = re.compile("[\u064b-\u0652\u0670\u06d6-\u06ed\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5]")
TATWEEL = "\u0640\u07fa"


# Lines and pages numbered in the margin of a PDF end up as lines of their own inside the speech.
NUMBERED = re.compile(r"(?<=\n)(?:[^\S\n]*\d{1,4}(?:/\d{1,4})?[^\S\n]*\n\s*){3,}")


def margins(text: str, start: int, end: int) -> Iterator[Range]:
    """Yield the ranges of `text[start:end]` where three lines or more do nothing but count up.

    >>> list(margins("plots\\n46\\n47\\n48\\n\\n4/8\\nand so on", 0, 29))
    [(6, 20)]
    >>> list(margins("\\n1\\n7\\n5\\n", 0, 7))
    []
    """
    for match in NUMBERED.finditer(text, start, end):
        numbers = [int(line) for line in match[0].split() if line.isdecimal()]
        if len(numbers) > 2 and all(after == one + 1 for one, after in pairwise(numbers)):
            yield match.span()


class Kinds(dict[str, tuple[int, str]]):
    """What each character is in a cluster, and how it is written folded; found out once each."""

    def __missing__(self, char: str) -> tuple[int, str]:
        self[char] = answer = kind_of(char)
        return answer


def kind_of(char: str) -> tuple[int, str]:
    """Return what `char` is in a cluster, and how it is written folded.

    >>> kind_of("—"), kind_of("é") == (LETTER, "e\u0301"), kind_of("\u00ad")
    ((5, '-'), True, (3, ''))
    """
    category = unicodedata.category(char)
    written = SHAPES.get(char) or unicodedata.normalize("NFKD", char)
    if char.isspace():
        return SPACE, " "
    if char == JOINS:
        return JOINER, ""
    if "\ufe00" <= char <= "\ufe0f" or "\U000e0000" <= char <= "\U000e01ef":
        return HANGS, ""
    if char in TATWEEL or char == "\u034f" or category in ("Cf", "Cc") or char == WALL:
        return DROPPED, ""
    if "\U0001f1e6" <= char <= "\U0001f1ff":
        return FLAG, char
    if (
        category[0] == "M"
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # shades of skin
        or "\u1160" <= char <= "\u11ff"  # the middle and end of a Korean syllable
        or unicodedata.combining(written[0])
    ):
        return MARK, written
    if written == "-" or (category == "Pd" and len(written) == 1 and written != "~"):
        return DASH, "-"
    if category == "So":
        return SYMBOL, written
    if written[0] == " ":  # a lone accent is taken apart into a space and a mark
        return LETTER, char
    return LETTER, "".join(SHAPES.get(part, part) for part in written)


KINDS = Kinds()


class Codes(dict[int, str]):
    """One letter for each character: "l" folds to itself, " " may stand between such, "x" else."""

    def __missing__(self, ordinal: int) -> str:
        char = chr(ordinal)
        self[ordinal] = answer = " " if char == " " else "lx"[KINDS[char] != (LETTER, char)]
        return answer


CODES = Codes()
RUN = re.compile(r"(?P<plain>l(?:l| (?=l))*)|.")


class Folded:
    """Clusters of a text: how each is written folded, and the range that it came from."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, text: str, start: int, end: int) -> None:
        """Add the clusters of `text[start:end]`, without the numbers of its margins."""
        for begin, stop in margins(text, start, end):
            self.add_all(text, start, begin)
            start = stop
        self.add_all(text, start, end)

    def add_all(self, text: str, start: int, end: int) -> None:
        """Add the clusters of `text[start:end]`."""
        pieces, starts, ends = self.pieces, self.starts, self.ends
        last, joined = SPACE if pieces and pieces[-1] == " " else -1, False
        for run in RUN.finditer(text[start:end].translate(CODES)):
            at, stop = start + run.start(), start + run.end()
            if run.lastgroup == "plain":  # most of most texts, and nothing to look at in it
                pieces.extend(text[at:stop])
                starts.extend(range(at, stop))
                ends.extend(range(at + 1, stop + 1))
                last, joined = LETTER, False
                continue
            kind, written = KINDS[text[at]]
            if kind == MARK and last not in (-1, SPACE):
                pieces[-1] = unicodedata.normalize("NFKD", pieces[-1] + written)
                ends[-1] = stop
                continue
            if kind == JOINER:
                joined = last == SYMBOL
                continue
            if kind in (HANGS, DROPPED):
                if kind == HANGS and last not in (-1, SPACE):
                    ends[-1] = stop
                continue
            if (kind == SYMBOL and joined) or (kind == FLAG and last == FLAG):
                pieces[-1] += written
                ends[-1] = stop
                kind = SYMBOL
            elif kind in (SPACE, DASH) and last == kind:
                ends[-1] = stop
            else:
                pieces.append(written)
                starts.append(at)
                ends.append(stop)
            last, joined = kind, False

    def part(self, written: str, at: int) -> None:
        """Put `written` between what was added and what comes, at the empty place `at`."""
        if not self.pieces or self.pieces[-1] not in (written, WALL):
            self.pieces.append(written)
            self.starts.append(at)
            self.ends.append(at)

    def closed(self) -> "Folded":
        """Return itself, ready to be searched."""
        self.folded = "".join(self.pieces)
        self.at = list(accumulate(map(len, self.pieces), initial=0))
        return self

    def loose(self) -> "Folded":
        """Return the same without case, white space and vowel points."""
        loose = Folded()
        written = [LOOSENED[piece] for piece in self.pieces]
        loose.pieces = [piece for piece in written if piece]
        loose.starts = list(compress(self.starts, written))
        loose.ends = list(compress(self.ends, written))
        return loose.closed()

    def find(self, needle: str, lo: int, hi: int) -> list[Range]:
        """Return the ranges of the text between `lo` and `hi` whose whole clusters are `needle`."""
        first, last = self.window(lo, hi)
        found: list[Range] = []
        place = self.folded.find(needle, first, last)
        while place >= 0 and len(found) < MOST_OCCURRENCES:
            begin = bisect_left(self.at, place)
            end = bisect_left(self.at, place + len(needle))
            if self.at[begin] == place and self.at[end] == place + len(needle):
                found.append((self.starts[begin], self.ends[end - 1]))
            place = self.folded.find(needle, place + 1, last)
        return found

    def window(self, lo: int, hi: int) -> Range:
        """Return the range of the folded text that came from `lo` to `hi` of the text."""
        first, last = bisect_left(self.starts, lo), bisect_right(self.ends, hi)
        return self.at[first], self.at[max(first, last)]

    def whole(self, first: int, last: int) -> Range:
        """Return the range of the text whose clusters hold `first` to `last` of the folded text."""
        begin = bisect_right(self.at, first) - 1
        end = bisect_left(self.at, last)
        return self.starts[begin], self.ends[end - 1]


def loosened(piece: str) -> str:
    """Return one cluster without case, white space and vowel points."""
    if piece == " ":
        return ""
    folded = unicodedata.normalize("NFKD", piece.casefold())
    # In Turkic languages i and ı are two letters, each with a capital of its own.
    return POINTS.sub("", folded).replace("i\u0307", "i").replace("ı", "i")


class Loosened(dict[str, str]):
    """How each cluster is written without case, white space and vowel points; kept if short."""

    def __missing__(self, piece: str) -> str:
        answer = loosened(piece)
        if len(piece) < 4:
            self[piece] = answer
        return answer


LOOSENED = Loosened()


def fold(text: str) -> str:
    """Return `text` as it is compared: one Unicode form, one kind of space, quote and dash.

    >>> fold("«Naïve»  —\u200b ﬁne…") == '"Nai\u0308ve" - fine...'
    True
    """
    folded = Folded()
    folded.add(text, 0, len(text))
    return folded.closed().folded


def loose_fold(text: str) -> str:
    """Return `text` as it is compared last: also without case, white space and vowel points."""
    folded = Folded()
    folded.add(text, 0, len(text))
    return folded.closed().loose().folded


def is_whole(text: str, at: int) -> bool:
    """Return whether a passage may begin or end at `at`: not inside a cluster.

    >>> is_whole("e\u0301a", 1), is_whole("e\u0301a", 2)
    (False, True)
    """
    if at <= 0 or at >= len(text):
        return True
    here, before = text[at], text[at - 1]
    if here.isascii():
        return True
    kind, earlier = KINDS[here][0], KINDS[before][0]
    if kind in (MARK, HANGS):
        return earlier == SPACE
    if kind == FLAG:
        begin = at
        while begin > 0 and KINDS[text[begin - 1]][0] == FLAG:
            begin -= 1
        return (at - begin) % 2 == 0
    if kind == JOINER or earlier == JOINER:
        clusters = Folded()
        clusters.add(text, max(0, at - 8), min(len(text), at + 8))
        return not any(
            start < at < end for start, end in zip(clusters.starts, clusters.ends, strict=True)
        )
    return True
