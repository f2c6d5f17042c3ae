"""Which of many words a text may hold, all looked for at once; plain Python and arrays.

Texts are looked through as arrays of UTF-16 units, which takes microseconds where a loop over
words or characters takes a millisecond. Nearly no text holds what is looked for, so what is found
here only says where it is worth looking closely.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# For every unit SEEN_AS holds the unit that it folds to and, above that, which of these it is.
LETTER = np.uint32((1 << 16) - 1)
FORMAT = 1 << 16  # a character that nobody sees
PAIRED = 1 << 17  # half a character, which may fold to another
WIDENS = 1 << 18  # folds to several characters
CODED = 1 << 19  # may be in base64

FORMATS = [0xAD, 0x34F, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F)]
FORMATS += [*range(0x2060, 0x2070), 0xFEFF]
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-"
EIGHT = 0x0101010101010101  # eight bytes that are all true
BITS = 18  # of the numbers by which endings are looked up: few share one by chance

Units = NDArray[np.uint32]


def seen_as() -> Units:
    """Return what each UTF-16 unit folds to, and its kinds."""
    table = np.arange(1 << 16, dtype=np.uint32)
    for unit in range(1 << 16):
        folded = chr(unit).casefold()
        table[unit] = ord(folded) if len(folded) == 1 else unit | WIDENS
    table[FORMATS] |= FORMAT
    table[0xD800:0xE000] |= PAIRED
    table[list(BASE64)] |= CODED
    return table


SEEN_AS = seen_as()


def units(text: str) -> Units:
    """Return what each UTF-16 unit of `text` folds to, and its kinds."""
    return SEEN_AS.take(np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2"))


def kinds(seen: Units) -> int:
    """Return the kinds of all units together."""
    return int(np.bitwise_or.reduce(seen, initial=0)) >> 16 << 16


def formats(seen: Units) -> list[str]:
    """Return the characters that nobody sees, each once."""
    return [chr(unit) for unit in set((seen[(seen & FORMAT) != 0] & LETTER).tolist())]


def folding(seen: Units) -> str:
    """Return the folded text; only for units that are neither PAIRED nor WIDENS."""
    return (seen & LETTER).astype("<u2").tobytes().decode("utf-16-le")


def long_run(seen: Units) -> bool:
    """Return whether 24 units in a row may be base64, as they are wherever 32 are."""
    coded = (seen[: len(seen) // 8 * 8] & CODED) != 0
    full = coded.view(np.uint64) == EIGHT
    return bool((full[:-2] & full[1:-1] & full[2:]).any())


def numbers(letters: Units) -> dict[int, Units]:
    """Return a number for every two and every four `letters`: the same for the same ones."""
    spread, more = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B)
    twos = (letters[:-1] * spread + letters[1:]) * more
    fours = (twos[:-2] * spread + twos[2:]) * more
    return {width: many >> np.uint32(32 - BITS) for width, many in ((2, twos), (4, fours))}


class Finder:
    """Says which of some `words`, folded and of two units or more, a text may hold.

    What is looked for is the last four units of a word, or two where it is shorter. The numbers of
    all places in a text are looked up in a table, which tells the words that end so. It may name a
    word that is not there, and never leaves out one that is.
    """

    def __init__(self, words: Iterable[str]) -> None:
        # By width: the place in the list for each number, 0 for most; and the words there.
        self.tables = {width: np.zeros(1 << BITS, np.uint8) for width in (2, 4)}
        self.words: list[list[str]] = [[]]
        for word in dict.fromkeys(words):
            letters = units(word) & LETTER
            width = 4 if len(letters) >= 4 else 2
            number = numbers(letters)[width][-1]
            place = self.tables[width][number]
            if not place:
                place = self.tables[width][number] = len(self.words)
                self.words.append([])
            self.words[place].append(word)

    def maybe(self, seen: Units) -> list[str]:
        """Return the words that a text, as `units` gives it, may hold."""
        found: set[int] = set()
        for width, many in numbers(seen & LETTER).items():
            places = self.tables[width].take(many)
            found.update(places[places != 0].tolist())
        return [word for place in sorted(found) for word in self.words[place]]
