"""Where a position that another program wrote lies in the text that is kept; plain Python.

The standard counts code points from 0 and says nothing of line ends and byte order marks, nor
whether the end is the last character or behind it; programs differ in all of these. What a file
means is told by the quotations that stand beside the positions.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

_SPECIAL = re.compile("\r\n|[\x00-\x08\x0e-\x1f\ud800-\udfff]|[\U00010000-\U0010ffff]|\\A\ufeff")


class Raw(NamedTuple):
    """A text as its file has it but for its byte order mark, if it has one, and the encoding."""

    text: str
    mark: bool = False
    encoding: str = "utf-8"


class Reading(NamedTuple):
    """A way to count: what is true is not as the standard has it, or as most read it."""

    utf16: bool = False  # a character beyond the first 65,536 counts as two
    returns: bool = False  # the line end CR LF counts as two
    mark: bool = False  # the byte order mark counts as one
    inclusive: bool = False  # the end is the last character itself


PLAIN = Reading()
READINGS = [Reading(*ways) for ways in sorted(product((False, True), repeat=4), key=sum)]


class Offsets:
    """Leads from positions in `raw`, read one way, to those in the text that is kept of it.

    >>> Offsets(Raw("a\\r\\nb"), Reading(returns=True)).range(3, 4)
    (2, 3)
    """

    def __init__(self, raw: Raw, reading: Reading = PLAIN) -> None:
        self.inclusive = reading.inclusive
        self.ends: list[int] = []  # where something ends that is kept shorter than it counts
        self.shifts: list[int] = []  # by how much all positions from there on move
        shift = count = int(reading.mark and raw.mark)
        if shift:
            self.ends.append(shift)
            self.shifts.append(shift)
        last = 0
        for special in _SPECIAL.finditer(raw.text):
            sign = special[0]
            count += special.start() - last
            last = special.end()
            width, kept = 1, 1
            if sign == "\r\n":
                width += reading.returns
            elif sign > "\uffff":
                width += reading.utf16
            else:
                kept = 0
            count += width
            if width != kept:
                shift += width - kept
                self.ends.append(count)
                self.shifts.append(shift)
        self.counted = count + len(raw.text) - last  # how long the file is, as it counts
        self.length = self.counted - shift

    def at(self, position: int) -> int:
        """Return the position in the text that is kept, within it."""
        number = bisect_right(self.ends, position)
        moved = position - (self.shifts[number - 1] if number else 0)
        return min(max(moved, 0), self.length)

    def range(self, start: int, end: int) -> tuple[int, int]:
        """Return the half-open range in the text that is kept."""
        return self.at(start), self.at(end + self.inclusive)


class Quoted(NamedTuple):
    """A range, and the words that the program wrote beside it."""

    start: int
    end: int
    words: str


def best_reading(texts: Iterable[tuple[Raw, str, Sequence[Quoted]]]) -> tuple[Reading, int, int]:
    """Return the way to count by which most quotations stand where they should, how many, of all.

    `texts` are raw texts, what is kept of them, and quotations. Of ways that do equally well the
    one nearest to the standard is taken.
    """
    hits = dict.fromkeys(READINGS, 0)
    total = 0
    for raw, kept, quotations in texts:
        total += len(quotations)
        for reading in READINGS:
            offsets = Offsets(raw, reading)
            for one in quotations:
                start, end = offsets.range(one.start, one.end)
                hits[reading] += says(kept[start:end], one.words)
    best = max(READINGS, key=lambda reading: hits[reading])
    return best, hits[best], total


def says(there: str, words: str) -> bool:
    """Return whether `words`, which may be cut off at their end, are what stands `there`.

    >>> says("I do not\\nknow at all", "I do not know…"), says("I do", "I"), says("", "")
    (True, False, False)
    """
    there, words = " ".join(there.split()), " ".join(words.split())
    begun = words.removesuffix("...").removesuffix("…").rstrip()
    if begun != words and begun:
        return there.startswith(begun)
    return bool(words) and there == words
