"""The words of a text as a search compares them, in any script; plain Python.

Case, accents, vowel points, and shapes such as full width do not matter. Where a script leaves no
spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) every two neighbouring
characters stand as a word, so that a word of two or more characters is found wherever it stands.
The Arabic article is a word of its own, so that what it is joined to is found without it.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise
from unicodedata import normalize

LONGEST_WORD = 60
# Short enough that PostgreSQL keeps every place of a frequent word (256 of each), and 40 shared.
PIECE, OVERLAP = 3_000, 40
LONGEST_QUERY = OVERLAP - 1  # words: a phrase that crosses from piece to piece is whole in one
PREFIX = 3  # characters that a last word must have to stand for all words that begin with it

# Scripts without spaces between words.
_UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303b\u3041-\u3096\u3099-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u109f\u1780-\u17d3\ua9e0-\ua9fe"
    "\uaa60-\uaa7f"
)
# Marks that belong to a word although Python's \w leaves them out.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0\u07eb-\u07f3\u0816-\u082d"
    "\u0859-\u085b\u08d3-\u0963\u0966-\u0dff\u0f18\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f84\u0f86-\u0fbc"
    "\u135d-\u135f\u1712-\u1734\u18a9\u1920-\u193b\u1a17-\u1a1b\u1a55-\u1a7f\u1b00-\u1bff"
    "\u1c24-\u1c37\u1dc0-\u1dff\u2de0-\u2dff\ua802-\ua827\ua880-\ua8c5\ua926-\ua953\uaae3-\uaaf6"
    "\uabe3-\uabed\U0001e8d0-\U0001e8d6\U0001e944-\U0001e94a"
)
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_WORD = re.compile(rf"[^\W_]|[{_UNSPACED}{_MARKS}]")
# Accents and vowel points that a reader may leave out; elsewhere marks are vowels and stay.
_LEFT_OUT = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640\u200c\u200d\u00ad]+")
_LETTERS = str.maketrans({"\u0131": "i", "đ": "d", "ł": "l", "ø": "o"})
_ARTICLES = ("ال", "لل")
_ARTICLE = re.compile(r"(?<!\S)([وبفك]?ال|و?لل)(?=[\u0620-\u064a]{2})")


class _Folded(dict[int, str]):
    """What a search compares of one character; a space where it parts words."""

    def __missing__(self, point: int) -> str:
        # Shapes first: a bold mathematical A has no small letter until it is an A.
        plain = normalize("NFKC", normalize("NFKC", chr(point)).casefold()).casefold()
        bare = _LEFT_OUT.sub("", normalize("NFKD", plain))
        folded = normalize("NFKC", bare).translate(_LETTERS)
        self[point] = "".join(one if _WORD.match(one) else " " for one in folded)
        return self[point]


_FOLDED = _Folded()


def fold(text: str) -> str:
    """Return `text` without what a search overlooks.

    >>> fold("Café ÉTÉ: Straße كِتَاب İstanbul")
    'cafe ete  strasse كتاب istanbul'
    """
    return normalize("NFC", text).translate(_FOLDED)


def words(text: str) -> list[str]:
    """Return the words of `text` in order, as they are looked up.

    >>> words("Don’t worry: 经济不好 and AI")
    ['don', 't', 'worry', '经济', '济不', '不好', '好', 'and', 'ai']
    >>> words("الخوف من المستقبل")
    ['ال', 'خوف', 'من', 'ال', 'مستقبل']
    """
    folded = fold(text)
    return _parted(folded if folded.isascii() else _UNSPACED_RUN.sub(_pairs, folded))


def pieces(text: str) -> Iterator[str]:
    """Yield the words of `text`, parted by spaces, in pieces that overlap; at least one."""
    found = words(text)
    yield " ".join(found[:PIECE])
    for start in range(PIECE - OVERLAP, len(found) - OVERLAP, PIECE - OVERLAP):
        yield " ".join(found[start : start + PIECE])


def asked(query: str) -> tuple[list[str], bool]:
    """Return the words of `query`, and whether the last one may go on.

    >>> asked("Job los")
    (['job', 'los'], True)
    >>> asked("经济"), asked("济"), asked("of")
    ((['经济'], False), (['济'], True), (['of'], False))
    >>> asked("AI 不好 –")
    (['ai', '不好'], False)
    """
    found = words(query)[:LONGEST_QUERY]
    if not found:
        return [], False
    last = found[-1]
    if not _UNSPACED_RUN.match(last):
        return found, len(last) >= PREFIX
    if len(found) > 1 and len(found[-2]) == 2 and found[-2][-1] == last:
        return found[:-1], False  # the pair before it says it already
    return found, _HAN.match(last) is not None  # a letter alone would be in every interview


def hit(text: str, query: str) -> tuple[int, int] | None:
    """Return the code points of `text` where `query` stands first, if it can be pointed at.

    >>> text = "Ich hatte große  Angst."
    >>> text[slice(*hit(text, "GROSSE ANGST"))]
    'große  Angst'
    """
    said = _parted(fold(query))[:LONGEST_QUERY]
    if not said:
        return None
    folded = [_FOLDED[ord(character)] for character in text]
    phrase = " *".join(map(re.escape, said))
    # Words are found by how they begin, behind an article too; unspaced ones wherever they stand.
    begin = "" if _UNSPACED_RUN.match(said[0]) else rf"(?<![^ {_UNSPACED}])(?:[وبفك]?ال|و?لل)?"
    found = re.search(f"{begin}({phrase})", "".join(folded))
    if not found:
        return None
    ends = list(accumulate(map(len, folded)))
    return bisect_right(ends, found.start(1)), bisect_left(ends, found.end(1)) + 1


def _parted(folded: str) -> list[str]:
    if any(article in folded for article in _ARTICLES):
        folded = _ARTICLE.sub(r"\1 ", folded)
    found = folded.split()
    if found and len(max(found, key=len)) > LONGEST_WORD:
        found = [word[:LONGEST_WORD] for word in found]
    return found


def _pairs(run: re.Match[str]) -> str:
    """Return every two neighbours of an unspaced run, and its last character."""
    said = run[0]
    pairs = [one + other for one, other in pairwise(said)]
    return f" {' '.join(pairs)} {said[-1]} "
