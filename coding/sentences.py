"""Where sentences begin and end, in any script. Ranges are half-open, in code points."""

# ruff: noqa: RUF001, RUF002  these are the full stops of other scripts, and meant as such

import re
from collections.abc import Iterator

# These end a sentence only before white space, since "3.5" and "e.g." have them inside.
SPACED = ".!?…‽⁇⁈⁉؟\u037e"
# These end a sentence wherever they stand: CJK, Urdu, Devanagari, Armenian, Ethiopic, Khmer,
# Burmese, Tibetan, Mongolian, Lisu, Bamum, Javanese, Meetei Mayek, Sinhala, Limbu.
FIRM = "。！？｡．۔।॥։።፧፨។៕။།༎᠃᠉꓿꛳꧉꯫෴᥄᥅"
# What still belongs to the sentence after its full stop; marks that hang on the stop come too.
CLOSERS = "\"'”’»›)\\]}）】」』〉》］＂＇\u0300-\u036f\ufe00-\ufe0f\u20e3\u200d"
STOP = re.compile(
    rf"(?P<stops>[{SPACED}{FIRM}]+)(?P<closers>[{CLOSERS}]*)"
    # Thai and Lao put a space where others put a stop, or at least a comma.
    r"|(?P<space>(?<=[\u0e01-\u0e45\u0e47-\u0e4e\u0e80-\u0edf])[ \u00a0\u200b]+"
    r"(?=[\u0e01-\u0e2e\u0e30-\u0e45\u0e80-\u0edf]))"
    r"|(?P<lines>[^\S\n]*(?:\n\s*|[\u2028\u2029\x0b\x0c\x85]\s*))"
)
OPENERS = re.compile(r"[\s\"'“‘«„¿¡(\[—–-]*")
WORD = re.compile(r"\S*")
# A word before a full stop that shortens it: one capital, letters with stops between, titles.
SHORTENED = re.compile(
    r"(?:(?<!\w)(?:[^\W\d_]|(?:[^\W\d_]\.)+[^\W\d_]"
    r"|Dr|Mr|Mrs|Ms|Mme|Prof|St|vs|cf|ca|bzw|ggf|usw|sog|bspw|Nr|No|Sr|Sra|Dra|approx|etc))$"
)
CLAUSE = re.compile(r"[,;:،、，；：፣]\s*|\s+")
LONGEST = 600  # code points; speech written down without any stop is cut at a clause
SHORTEST_CLAUSE = 20  # code points; shorter Thai phrases stay with the next one
NARROWEST, WIDEST = 50, 120  # code points; lines of this width may have been wrapped
FULL = 0.85  # letters differ in width, so a line this near to the widest one counts as full


def sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the ranges of the sentences in `text[start:end]`, without the white space between.

    >>> text = "I use it daily. Dr. No says 3.5 is fine! 真的？是的。"
    >>> [text[a:b] for a, b in sentences(text, 0, len(text))]
    ['I use it daily.', 'Dr. No says 3.5 is fine!', '真的？', '是的。']
    """
    found: list[tuple[int, int]] = []
    begin = start
    for stop in [*breaks(text, start, end), end]:
        found.extend(trimmed(text, begin, stop))
        begin = stop
    return found


def breaks(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where the next sentence may begin, in order."""
    width = wrapped_at(text, start, end)
    last = start
    for match in STOP.finditer(text, start, end):
        after = match.end()
        if match["lines"] is not None:
            ends = ends_line(text, match, width, end)
        elif match["space"] is not None:
            ends = match.start() - last >= SHORTEST_CLAUSE
        else:
            ends = ends_sentence(text, match, end)
        if ends:
            last = after
            yield after


def ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    """Return whether the full stops in `match` end a sentence."""
    stops, after = match["stops"], match.end()
    if any(stop in FIRM for stop in stops):
        # 「好。」と言った: what was said goes on into who said it.
        return not (match["closers"] and text[after : min(after + 1, end)] in ("と", "っ"))
    if after < end and not text[after].isspace():
        return False
    following = OPENERS.match(text, after, end)
    upcoming = text[following.end()] if following and following.end() < end else ""
    if upcoming.islower() and (match["closers"] or stops.endswith((".", "…"))):
        return False
    if stops != "." or match["closers"]:
        return True
    before = text[max(0, match.start() - 12) : match.start()]
    shortened = SHORTENED.search(before)
    # "etc." and the like do end a sentence where a capital follows; a title or initial does not.
    return not (shortened and upcoming and (shortened[0] != "etc" or not upcoming.isupper()))


def ends_line(text: str, match: re.Match[str], width: int, end: int) -> bool:
    """Return whether the line break in `match` is more than a line that was full."""
    if match[0].count("\n") != 1 or not width:
        return True
    line = text.rfind("\n", 0, match.start()) + 1
    word = WORD.match(text, match.end(), end)
    needed = match.start() - line + 1 + (len(word[0]) if word else 0)
    return needed <= width * FULL


def wrapped_at(text: str, start: int, end: int) -> int:
    """Return the width that the lines of the range were wrapped at, 0 where they were not."""
    width = max(map(len, text[start:end].split("\n")))
    return width if NARROWEST <= width <= WIDEST else 0


def trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the range without white space around it, cut where it is longer than `LONGEST`."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > LONGEST:
        cuts = [cut.end() for cut in CLAUSE.finditer(text, start + LONGEST // 2, start + LONGEST)]
        marked = [cut for cut in cuts if not text[cut - 1].isspace() or text[cut - 2] in ",;:،፣"]
        if not cuts:
            break
        cut = (marked or cuts)[-1]
        yield start, start + len(text[start:cut].rstrip())
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
